"""`get_connector_state`: what Function and Connector SDK connectors keep between syncs."""

import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.state import STATE_BUDGET, state_in_parts
from tests.support import Caller


async def test_a_written_state_is_shown_whole(caller: Caller) -> None:
    """The cursors, as the connector wrote them."""
    answer = await caller.ok("get_connector_state", connector_id="sdk_weather")

    assert answer == {
        "connector_id": "sdk_weather",
        "state": {"cursor": "2026-01-31T00:00:00Z", "stations": {"north": 128}},
        "complete": True,
    }


@pytest.mark.parametrize(
    ("connector_id", "words"),
    [
        ("sdk_blank", "No state has been written for the specified connection yet"),
        ("solid_anchor", "The specified connection does not support state management"),
    ],
)
async def test_a_connector_without_a_state_is_told_from_a_failure(
    caller: Caller, connector_id: str, words: str
) -> None:
    """The API answers 400 to both; the hint says which connectors have one, and where to look."""
    error = await caller.error("get_connector_state", connector_id=connector_id)

    assert error["code"] == "rejected"
    assert connector_id in error["message"]
    assert "Only Function and Connector SDK connectors" in error["hint"]
    assert "get_sync_status" in error["hint"]
    assert error["fivetran"]["message"] == words


async def test_an_unknown_connector_has_no_state(caller: Caller) -> None:
    """404, as everywhere."""
    error = await caller.error("get_connector_state", connector_id="nobody")

    assert error["code"] == "not_found"


async def test_a_large_state_is_cut_by_entries_and_says_so(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The entry that does not fit is named with its size, and not shown in part."""
    state = {"cursor": "2026", "pages": ["x" * 100] * 500, "done": 7}
    sandbox.fail(answer_with(state))

    answer = await caller.ok("get_connector_state", connector_id="sdk_weather")

    assert answer["state"] == {"cursor": "2026", "done": 7}
    assert answer["complete"] is False
    assert answer["too_large"] == {"pages": len(json.dumps(state["pages"]))}
    assert "more_too_large" not in answer


async def test_a_state_of_very_many_entries_stays_bounded(caller: Caller, sandbox: Sandbox) -> None:
    """Not even the names of what is left out fit then: the rest of them is counted."""
    sandbox.fail(answer_with({f"customer_{number:06d}": "y" * 100 for number in range(5_000)}))

    answer = await caller.ok("get_connector_state", connector_id="sdk_weather")

    assert answer["complete"] is False
    assert len(answer["too_large"]) == 50
    assert len(answer["state"]) + 50 + answer["more_too_large"] == 5_000
    assert len(json.dumps(answer)) < STATE_BUDGET * 1.5


async def test_credentials_in_a_state_are_redacted_and_its_texts_cleaned(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A state is written by whoever wrote the connector."""
    hostile = {"access_token": "canary-1", "next": "https://me:canary-2@x.example/\u202ep\x1b"}
    sandbox.fail(answer_with({"pages": [hostile], "mask": "****"}))

    answer = await caller.ok("get_connector_state", connector_id="sdk_weather")

    assert answer["state"] == {
        "pages": [{"access_token": "[redacted]", "next": "https://[redacted]@x.example/p"}],
        "mask": "[redacted]",
    }


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({}, {}),
        (None, {}),
        ([1, 2], {"value": [1, 2]}),
        ("2026", {"value": "2026"}),
        (0, {"value": 0}),
    ],
)
def test_a_state_of_any_json_is_shown_as_an_object(state: Any, shown: dict[str, Any]) -> None:
    """The API says free JSON, results are objects."""
    answer = state_in_parts("sdk_weather", state)

    assert answer.state == shown
    assert answer.complete


def answer_with(state: Any) -> Fault:
    """Let the API answer with this state."""
    body = {"code": "Success", "data": {"state": state}}
    return Fault(method="GET", path="/v1/connections/sdk_weather/state", status=200, body=body)
