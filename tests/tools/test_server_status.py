"""`get_server_status`: whose account, which rights, how much of the rate limits is left."""

import json

import pytest
from mcp import Client

from mcp_server import __version__
from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, serve


async def test_it_tells_account_mode_toolsets_limits_and_versions(caller: Caller, era: str) -> None:
    """In one short answer."""
    answer = await caller.ok("get_server_status")

    assert answer["account_id"] == "sandbox_account"
    assert answer["account_name"] == "Sandbox"
    assert answer["key"] == "user"
    assert answer["mode"] == "full"
    assert "advanced" in answer["toolsets"]
    assert "toolsets_off" not in answer
    assert answer["version"] == __version__
    assert answer["sdk_version"].startswith("2.")
    assert answer["protocol"] == {"auto": "2026-07-28", "legacy": "2025-11-25"}[era]
    assert answer["requests_left"] == {
        "all/hour": "19999 of 20000",
        "source/minute": "500 of 500",
        "source/hour": "5000 of 5000",
        "setup/minute": "250 of 250",
        "setup/hour": "2500 of 2500",
    }
    assert len(json.dumps(answer)) / 4 < 150


async def test_what_is_off_is_told_too(connect: Connect) -> None:
    """So that a model knows what somebody could switch on."""
    async with connect("read-only", toolsets="default") as caller:
        answer = await caller.ok("get_server_status")

    assert answer["mode"] == "read-only"
    assert answer["toolsets_off"] == ["advanced"]


async def test_a_system_key_is_told_from_that_of_a_user(caller: Caller, sandbox: Sandbox) -> None:
    """Their rights differ; a key of neither kind is not guessed at."""
    for data, kind in (({"system_key_id": "k"}, "system"), ({}, None)):
        body = {"code": "Success", "data": {"account_name": "a\u202eb", **data}}
        sandbox.fail(Fault(status=200, body=body))

        answer = await caller.ok("get_server_status")

        assert answer.get("key") == kind
        assert answer["account_name"] == "ab"


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_without_an_answer_it_tells_the_rest(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """Somebody who asks this may well be looking for what is wrong."""
    sandbox.fail(Fault(status=status))

    answer = await caller.ok("get_server_status")

    assert str(status) in answer["account_problem"]
    assert "account_id" not in answer
    assert answer["mode"] == "full"


async def test_what_the_client_can_do_is_told(sandbox: Sandbox) -> None:
    """As it declares it."""

    async def elicit(*_: object) -> object:
        raise AssertionError("nobody asks")

    async with Client(serve(sandbox), elicitation_callback=elicit) as client:  # type: ignore[arg-type] # never called
        answer = await Caller(client).ok("get_server_status")

    assert "elicitation" in answer["client_can"]
