"""The tool that makes Connect Cards for connectors that exist."""

from typing import Annotated

from pydantic import Field

from mcp_server.toolkit import ConnectorId, Effect, Fivetran, Result, ToolFailure
from mcp_server.tools.setup import toolset

RedirectUri = Annotated[
    str,
    Field(pattern=r"^https?://[^\s]+$", max_length=2000, description="Where that page returns to."),
]
HideSetupGuide = Annotated[bool, Field(description="Show only the form.")]


class ConnectCardMade(Result):
    """A page where a person enters the credentials."""

    connector_id: str
    connect_card_uri: str = Field(description="For the person only; a secret, valid one day.")
    next_step: str = (
        "Give the address to the person who has the credentials, and to nobody else; one window at a"
        " time. When they are done: run_setup_tests, and resume_connector if it is paused."
    )


@toolset.tool(title="Create Connect Card", effect=Effect.WRITE)
async def create_connect_card(
    connector_id: ConnectorId,
    redirect_uri: RedirectUri = "https://fivetran.com/dashboard",
    hide_setup_guide: HideSetupGuide = False,
    *,
    fivetran: Fivetran,
) -> ConnectCardMade:
    """Make a page where a person enters or renews a connector's credentials, unseen here.

    Its address is a secret for one day. Afterwards: `run_setup_tests`.
    """
    card = await fivetran.connections.connect_card(
        connector_id, redirect_uri=redirect_uri, hide_setup_guide=hide_setup_guide
    )
    if not card.uri:
        raise ToolFailure(
            "upstream_error",
            "Fivetran made a Connect Card, but did not tell its address",
            hint="Call again; or a person enters the credentials in Fivetran's dashboard.",
            retryable=True,
        )
    return ConnectCardMade(connector_id=connector_id, connect_card_uri=card.uri)
