"""The tool that tells what this server is and may do."""

from importlib.metadata import version
from typing import Any, Literal

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError
from mcp_server.toolkit import Caller, Effect, Fivetran, Result, Server
from mcp_server.tools.fleet import toolset
from mcp_server.untrusted import clean_name


class ServerStatus(Result):
    """What a server is and may do."""

    account_id: str | None = None
    account_name: str | None = None
    key: Literal["user", "system"] | None = Field(
        default=None, description="A user's key can do what its user can."
    )
    account_problem: str | None = Field(default=None, description="Why the account is unknown.")
    mode: str
    toolsets: list[str]
    toolsets_off: list[str] | None = None
    requests_left: dict[str, str] = Field(
        description="Of the account's limits, by kind and span, as far as this server can tell."
    )
    version: str
    sdk_version: str
    protocol: str | None = None
    client_can: list[str] = Field(description="What this client offers, such as elicitation.")


@toolset.tool(title="Get server status", effect=Effect.READ)
async def get_server_status(*, fivetran: Fivetran, server: Server, caller: Caller) -> ServerStatus:
    """Tell whose account this is, what the server may do, and how much of the rate limits is left."""
    return ServerStatus(
        **await _account(fivetran),
        mode=server.mode,
        toolsets=list(server.toolsets),
        toolsets_off=list(server.toolsets_off) or None,
        requests_left={share.name: share.amount for share in fivetran.budget.shares()},
        version=server.version,
        sdk_version=version("mcp"),
        protocol=caller.protocol,
        client_can=list(caller.can),
    )


async def _account(fivetran: Client) -> dict[str, Any]:
    """Tell whose key it is; that Fivetran does not tell is told as well, not an error."""
    try:
        account = await fivetran.account.info()
    except FivetranError as error:
        return {"account_problem": f"{error.message}; see requests_left and the server's settings"}
    return {
        "account_id": clean_name(account.account_id or "") or None,
        "account_name": clean_name(account.account_name or "") or None,
        "key": "system" if account.system_key_id else "user" if account.user_id else None,
    }
