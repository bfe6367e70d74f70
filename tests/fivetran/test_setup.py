"""Setup tests and Connect Cards of connections that exist."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import InvalidRequestError, NotFoundError, OutcomeUnknownError
from mcp_server.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

BACK = "https://app.example/back"


@pytest.mark.parametrize(
    "switches",
    [{}, {"trust_certificates": True}, {"trust_certificates": True, "trust_fingerprints": True}],
)
async def test_both_switches_of_trust_are_always_said(
    fivetran: Fivetran, sandbox: Sandbox, switches: dict[str, bool]
) -> None:
    """What is not asked for is refused outright."""
    await fivetran.connections.test("solid_anchor", **switches)

    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", "/v1/connections/solid_anchor/test")
    body = {"trust_certificates": False, "trust_fingerprints": False, **switches}
    assert json.loads(received.body) == body


async def test_failed_setup_tests_are_an_answer(fivetran: Fivetran) -> None:
    """With what failed, and the state that follows."""
    tested = await fivetran.connections.test("wary_lynx")
    (failed,) = (test for test in tested.setup_tests if test.status == "FAILED")
    assert failed.message == "TLS verification failed"
    assert failed.details[0]["name"] == "CN=pg-vault.db.example"
    assert tested.status.setup_state == "broken"


async def test_a_card_is_made_for_an_existing_connection(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Its settings are sent in one object; its address never shows by itself."""
    card = await fivetran.connections.connect_card(
        "calm_ridge", redirect_uri=BACK, hide_setup_guide=True
    )
    assert card.uri == "https://fivetran.com/connect-card/setup?auth=sandbox-card-calm_ridge"
    assert "auth=" not in repr(card)
    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", "/v1/connections/calm_ridge/connect-card")
    assert json.loads(received.body) == {
        "connect_card_config": {"redirect_uri": BACK, "hide_setup_guide": True}
    }


async def test_what_the_api_refuses_is_an_error(fivetran: Fivetran) -> None:
    """An unknown connection, an address that is none of the web's."""
    with pytest.raises(NotFoundError):
        await fivetran.connections.test("nope")
    with pytest.raises(NotFoundError):
        await fivetran.connections.connect_card("nope", redirect_uri=BACK, hide_setup_guide=False)
    with pytest.raises(InvalidRequestError):
        await fivetran.connections.connect_card(
            "calm_ridge", redirect_uri="ftp://x", hide_setup_guide=False
        )


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(httpx.ReadTimeout(""), id="no answer"),
        pytest.param(httpx.Response(200, json={"data": {"unknown": 1}}), id="another shape"),
    ],
)
async def test_a_lost_answer_leaves_the_outcome_unknown(
    scripted: Fivetran, far: "Far", step: Any
) -> None:
    """Neither is sent again: a test costs the budget, a card is a secret."""
    far.answers(step)
    with pytest.raises(OutcomeUnknownError):
        await scripted.connections.test("c")
    with pytest.raises(OutcomeUnknownError):
        await scripted.connections.connect_card("c", redirect_uri=BACK, hide_setup_guide=False)
    assert len(far.requests) == 2
