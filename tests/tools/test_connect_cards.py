"""`create_connect_card`: an address for a person, and for nobody else."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes

BACK = "https://app.example/back?x=1"
CALL = {"connector_id": "calm_ridge", "redirect_uri": BACK}


@pytest.mark.parametrize("hidden", [None, True])
async def test_a_card_is_made_for_a_connector_that_exists(
    caller: Caller, sandbox: Sandbox, hidden: bool | None
) -> None:
    """The answer has the whole address, whose it is, and what to do afterwards."""
    more = {} if hidden is None else {"hide_setup_guide": hidden}

    answer = await caller.ok("create_connect_card", **CALL, **more)

    config = {"redirect_uri": BACK, "hide_setup_guide": bool(hidden)}
    assert changes(sandbox) == [
        ("POST", "/v1/connections/calm_ridge/connect-card", {"connect_card_config": config})
    ]
    uri = "https://fivetran.com/connect-card/setup?auth=sandbox-card-calm_ridge"
    assert answer == {
        "connector_id": "calm_ridge",
        "connect_card_uri": uri,
        "next_step": answer["next_step"],
    }
    assert "run_setup_tests" in answer["next_step"]
    assert "nobody else" in answer["next_step"]


async def test_the_address_is_in_no_log(caller: Caller) -> None:
    """Only in the answer."""
    with capture_logs() as logs:
        await caller.ok("create_connect_card", **CALL)
    assert logs
    assert "sandbox-card" not in json.dumps(logs, default=str)


@pytest.mark.parametrize("card", [{}, {"uri": ""}, {"token": "t"}])
async def test_a_card_without_an_address_is_none(
    caller: Caller, sandbox: Sandbox, card: dict[str, Any]
) -> None:
    """It says so, and what else can be done."""
    body = {"code": "Success", "data": {"connector_id": "calm_ridge", "connect_card": card}}
    sandbox.fail(Fault(method="POST", status=200, body=body))

    error = await caller.error("create_connect_card", **CALL)

    assert error["code"] == "upstream_error"
    assert "dashboard" in error["hint"]


@pytest.mark.parametrize("uri", ["", "ftp://x", "javascript:alert(1)", "https://a b", "https://"])
async def test_a_card_returns_to_an_address_of_the_web(
    caller: Caller, sandbox: Sandbox, uri: str
) -> None:
    """Anything else is refused before it is sent."""
    error = await caller.error("create_connect_card", connector_id="calm_ridge", redirect_uri=uri)
    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


async def test_an_unknown_connector_gets_no_card(caller: Caller) -> None:
    """Fivetran says so."""
    error = await caller.error("create_connect_card", connector_id="nope", redirect_uri=BACK)
    assert error["code"] == "not_found"


async def test_a_reader_gets_no_card(connect: Connect, sandbox: Sandbox) -> None:
    """With it anybody could change credentials."""
    async with connect("read-only") as caller:
        error = await caller.error("create_connect_card", **CALL)
    assert error["code"] == "mode_forbids"
    assert not sandbox.requests
