"""The question to the person over real transports: the installed command, a real client."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest
from mcp import Client
from mcp_types import ElicitResult

from tests.support import ERAS, Caller
from tests.test_serve import over_stdio, serving_http

REPLIES: Final = {
    "yes": ElicitResult(action="accept", content={"approve": True}),
    "no": ElicitResult(action="accept", content={"approve": False}),
    "declined": ElicitResult(action="decline"),
    "cancelled": ElicitResult(action="cancel"),
    "malformed": ElicitResult(action="accept", content={"approve": "certainly"}),
    "cannot be asked": None,
}
"""What clients answer; the last has no capability to."""

PASSES: Final = {
    "auto": {"yes", "cannot be asked"},
    "human": {"yes"},
    "argument": {*REPLIES},
    "preview": {"yes", "cannot be asked"},
}
"""Which answers let a confirmed call pass; every other ends as `not_approved`."""


def options(answer: str) -> dict[str, Any]:
    """Make a client answer so."""
    result = REPLIES[answer]
    if result is None:
        return {}

    async def reply(*_: Any) -> ElicitResult:
        return result

    return {"elicitation_callback": reply}


@asynccontextmanager
async def clients(transport: str, era: str, setting: str) -> AsyncIterator[Any]:
    """Give a way to connect as somebody who answers so: a process each, or one over HTTP."""
    arguments = ("--approval", setting)
    async with AsyncExitStack() as stack:
        if transport == "http":
            url, _ = stack.enter_context(serving_http("--mode", "full", *arguments))

        def connect(answer: str) -> Any:
            if transport == "http":
                return Client(url, mode=era, **options(answer))
            return over_stdio(era, *arguments, **options(answer))

        yield connect


async def confirmed(caller: Caller, setting: str, connector_id: str) -> dict[str, Any]:
    """Say what deletes a connector with confirmation: where a preview is asked for, what that says."""
    if setting != "preview":
        return {"connector_id": connector_id, "confirm": True}
    error = await caller.error("delete_connector", connector_id=connector_id)
    return dict(error["next_call"]["arguments"])


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("setting", PASSES)
async def test_only_a_clear_yes_or_no_need_of_one_lets_a_call_pass(
    setting: str, transport: str, era: str
) -> None:
    """Transport x revision x setting, and of each every answer and the lack of the capability."""
    ended: dict[str, str] = {}
    async with clients(transport, era, setting) as connect:
        async with connect("yes") as client:
            rows = (await Caller(client).ok("list_connectors", limit=len(REPLIES)))["connectors"]
        for answer, row in zip(REPLIES, rows, strict=True):
            async with connect(answer) as client:
                caller = Caller(client)
                call = await confirmed(caller, setting, row["id"])
                if answer in PASSES[setting]:
                    assert (await caller.ok("delete_connector", **call))["deleted"] is True
                    gone = await caller.error("get_connector", connector_id=row["id"])
                    ended[answer] = gone["code"]
                else:
                    ended[answer] = (await caller.error("delete_connector", **call))["code"]
                    assert await caller.ok("get_connector", connector_id=row["id"])

    assert ended == {
        answer: "not_found" if answer in PASSES[setting] else "not_approved" for answer in REPLIES
    }
