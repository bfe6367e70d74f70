"""`set_connector_state`."""

import json
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools import state_changes
from mcp_server.tools.state import STATE_BUDGET
from tests.support import Caller, Connect, changes, serve

WEATHER = "/v1/connections/sdk_weather"
STATE = f"{WEATHER}/state"
OLD = {"cursor": "2026-01-31T00:00:00Z", "stations": {"north": 128}}
NEW = {"cursor": "2025-12-01T00:00:00Z"}
ON = {"paused": False, "run_setup_tests": False}
OFF = {"paused": True, "run_setup_tests": False}
DONE = [("PATCH", WEATHER, OFF), ("PATCH", STATE, {"state": NEW}), ("PATCH", WEATHER, ON)]


@pytest.fixture(autouse=True)
def _no_waiting_between_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at once."""
    monkeypatch.setattr(state_changes, "SECONDS_BETWEEN_LOOKS", 0)


async def put(caller: Caller, state: Any = NEW, **more: Any) -> dict[str, Any]:
    """Replace the state of the connector that has one."""
    return await caller.ok(
        "set_connector_state", connector_id="sdk_weather", state=state, confirm=True, **more
    )


async def refused(caller: Caller, state: Any = NEW, **more: Any) -> dict[str, Any]:
    """Replace a state in vain."""
    more = {"connector_id": "sdk_weather", "confirm": True, **more}
    return await caller.error("set_connector_state", state=state, **more)


def shown(state: str = "scheduled", **fields: Any) -> dict[str, Any]:
    """Make the answer to a look at the connector."""
    return {"data": {"id": "sdk_weather", "status": {"sync_state": state}, **fields}}


def states(sandbox: Sandbox, *found: Any) -> None:
    """Let the next reads of the state find these; an integer is a status."""
    for state in found:
        if isinstance(state, int):
            sandbox.fail(Fault(method="GET", path=STATE, status=state))
        else:
            body = {"data": {"state": state}}
            sandbox.fail(Fault(method="GET", path=STATE, status=200, body=body))


async def now(caller: Caller) -> Any:
    """Read the state."""
    return (await caller.ok("get_connector_state", connector_id="sdk_weather"))["state"]


# The preview


async def test_without_confirm_nothing_is_changed_and_the_preview_compares(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Both as they are, what happens meanwhile, and how to get back."""
    error = await refused(caller, confirm=False)

    assert error["code"] == "confirmation_required"
    assert changes(sandbox) == []
    preview = error["preview"]
    assert preview["target"]["connector_id"] == "sdk_weather"
    old, new = (json.dumps(state) for state in (OLD, NEW))
    assert f"Now: {old} Then: {new}" in preview["effect"]
    assert "paused for that" in preview["effect"]
    assert "No copy" not in preview["lost"]
    assert "old_state" in preview["undo"]
    assert f"{len(old)} bytes" in preview["size"]
    assert error["next_call"]["arguments"]["state"] == NEW


@pytest.mark.parametrize("confirm", [False, True])
async def test_a_state_that_is_there_already_is_not_written_again(
    caller: Caller, sandbox: Sandbox, *, confirm: bool
) -> None:
    """Nobody is asked to approve nothing, and no running sync is stopped for it."""
    error = await refused(caller, OLD, confirm=confirm)

    assert error["code"] == "conflict"
    assert "has exactly this state already" in error["message"]
    assert changes(sandbox) == []


async def test_a_preview_shows_no_credential_and_no_more_than_fits(caller: Caller) -> None:
    """Of the old state nor of the new."""
    error = await refused(caller, {"token": "canary", "pages": "x" * 1_000}, confirm=False)

    effect = error["preview"]["effect"]
    assert "canary" not in effect
    assert "more characters]" in effect
    assert len(effect) < 900


async def test_a_connector_that_is_paused_stays_so(caller: Caller, sandbox: Sandbox) -> None:
    """The preview says so, and so does the answer."""
    await caller.ok("pause_connector", connector_id="sdk_weather")

    error = await refused(caller, confirm=False)
    answer = await put(caller)

    assert "stays so" in error["preview"]["effect"]
    assert answer["paused"] is True
    assert "resume_connector" in answer["next_step"]
    assert changes(sandbox)[1:] == [("PATCH", STATE, {"state": NEW})]


async def test_an_empty_state_is_a_state(caller: Caller, sandbox: Sandbox) -> None:
    """It has no entries, and the preview says what usually follows."""
    error = await refused(caller, {}, confirm=False)
    await put(caller, {})

    assert "Then: {}" in error["preview"]["effect"]
    assert "empty one usually loads everything" in error["preview"]["lost"]
    assert changes(sandbox)[1] == ("PATCH", STATE, {"state": {}})
    assert await now(caller) == {}


@pytest.mark.parametrize(
    "old",
    [
        {"cursor": 1, "access_token": "keep-this-quiet"},
        {"cursor": 1, "log": "x" * 1000},
        {"cursor": 1, "seen": list(range(STATE_BUDGET))},
        {"cursor": 1, "zero\u200bwidth": 1},
        ["not", "an", "object"],
    ],
)
async def test_an_old_state_that_cannot_be_shown_as_it_is_is_no_backup(
    caller: Caller, sandbox: Sandbox, old: Any
) -> None:
    """Redacted, shortened, left out: the preview says so before, the answer after."""
    states(sandbox, old, old, old)

    error = await refused(caller, confirm=False)
    answer = await put(caller)

    assert "No copy of it can be had here" in error["preview"]["lost"]
    assert "Not from here" in error["preview"]["undo"]
    assert answer["can_undo"] is False
    assert "keep-this-quiet" not in json.dumps([error, answer])
    if isinstance(old, dict) and "seen" in old:
        assert answer["too_large"]["seen"] > STATE_BUDGET


async def test_a_credential_of_the_call_in_the_old_state_is_no_backup_either(
    caller: Caller, sandbox: Sandbox
) -> None:
    """No answer repeats it, so none can give the old state back."""
    old = {"note": "uses keep-this-quiet"}
    states(sandbox, old, old)
    new = {"token": "keep-this-quiet"}

    answer = await put(caller, new)

    assert answer["can_undo"] is False
    assert "keep-this-quiet" not in json.dumps(answer)
    assert await now(caller) == {"token": "[redacted]"}


# The replacement


async def test_a_state_is_replaced_between_a_pause_and_a_resume(
    caller: Caller, sandbox: Sandbox
) -> None:
    """In that order, and the old one comes with the answer."""
    answer = await put(caller)

    assert changes(sandbox) == DONE
    assert answer == {
        "connector_id": "sdk_weather",
        "name": "weather",
        "old_state": OLD,
        "can_undo": True,
        "paused": False,
        "next_step": answer["next_step"],
    }
    assert "sync_connector" in answer["next_step"]
    assert await now(caller) == NEW
    assert sandbox.connections["sdk_weather"]["paused"] is False


async def test_the_old_state_of_the_answer_undoes_it(caller: Caller) -> None:
    """It is exact."""
    answer = await put(caller)
    back = await put(caller, answer["old_state"])

    assert back["old_state"] == NEW
    assert await now(caller) == OLD


async def test_the_old_state_is_the_one_after_the_pause(caller: Caller, sandbox: Sandbox) -> None:
    """A sync may have written one since the preview."""
    states(sandbox, OLD, {"cursor": "written since"})

    answer = await put(caller)

    assert answer["old_state"] == {"cursor": "written since"}


async def test_a_running_sync_is_waited_for(caller: Caller, sandbox: Sandbox) -> None:
    """The switch is set at once, the sync stops later; before that nothing is written."""
    sandbox.fail(Fault(method="GET", path=WEATHER, status=200, body=shown(paused=False)))
    running = shown("syncing", paused=True)
    sandbox.fail(Fault(method="GET", path=WEATHER, status=200, body=running, times=3))

    await put(caller)

    assert changes(sandbox) == DONE
    looks = [r for r in sandbox.requests if (r.method, r.path) == ("GET", WEATHER)]
    assert len(looks) == 5


async def test_a_write_whose_answer_is_lost_is_settled_by_a_look(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The new state is there, so it was written."""
    sandbox.fail(Fault(method="PATCH", path=STATE, status=504, applied=True))

    answer = await put(caller)

    assert answer["old_state"] == OLD
    assert changes(sandbox) == DONE


async def test_a_pause_whose_answer_is_lost_is_settled_by_a_look(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The 500 that pausing is known for is no failure."""
    sandbox.fail(Fault(method="PATCH", path=WEATHER, status=500, applied=True))

    await put(caller)

    assert changes(sandbox) == DONE


async def test_a_caller_that_goes_away_leaves_no_pause_behind(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What was begun is finished: nobody would hear that it was not."""
    sandbox.fail(Fault(method="PATCH", path=STATE, status=504, applied=True, delay=0.2))

    with anyio.move_on_after(0.1):
        await put(caller)
    await anyio.sleep(0.5)

    assert changes(sandbox) == DONE
    assert sandbox.connections["sdk_weather"]["paused"] is False


# What is refused


@pytest.mark.parametrize(
    ("connector_id", "words"),
    [
        ("sdk_blank", "No state has been written for the specified connection yet"),
        ("solid_anchor", "The specified connection does not support state management"),
    ],
)
async def test_a_connector_without_a_state_has_none_to_replace(
    caller: Caller, sandbox: Sandbox, connector_id: str, words: str
) -> None:
    """It is not even paused."""
    error = await refused(caller, connector_id=connector_id)

    assert error["code"] == "conflict"
    assert "no state that could be replaced" in error["message"]
    assert "Only Function and Connector SDK connectors" in error["hint"]
    assert error["fivetran"]["message"] == words
    assert changes(sandbox) == []


async def test_a_refusal_without_words_is_one_all_the_same(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Then there is nothing to pass on."""
    sandbox.fail(Fault(method="GET", path=STATE, status=400, body=""))

    error = await refused(caller)

    assert error["code"] == "conflict"
    assert "fivetran" not in error


@pytest.mark.parametrize(
    "state",
    [
        {"token": "[redacted]"},
        {"token": "******"},
        {"log": "xxx… [600 more characters]"},
        {"pages": [{"password": "[redacted]"}]},
    ],
)
async def test_what_is_shown_in_place_of_a_value_is_not_written(
    caller: Caller, sandbox: Sandbox, state: dict[str, Any]
) -> None:
    """It would overwrite the value; nothing is asked or sent."""
    error = await refused(caller, state)

    assert error["code"] == "invalid_arguments"
    assert "state." in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("state", [None, [], "cursor", 1])
async def test_a_state_is_an_object(caller: Caller, sandbox: Sandbox, state: Any) -> None:
    """Null would change nothing at Fivetran."""
    error = await refused(caller, state)

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


async def test_replacing_needs_the_mode_full(connect: Connect, sandbox: Sandbox) -> None:
    """The old cursors are lost."""
    async with connect("write") as caller:
        error = await refused(caller)

    assert error["code"] == "mode_forbids"
    assert not sandbox.requests


async def test_an_unknown_connector_is_not_found(caller: Caller) -> None:
    """As everywhere."""
    assert (await refused(caller, connector_id="nobody"))["code"] == "not_found"


# Where it can stop


async def test_a_pause_that_is_refused_has_changed_nothing(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is the refusal as such that is told."""
    sandbox.fail(Fault(method="PATCH", path=WEATHER, status=403))

    error = await refused(caller)

    assert error["code"] == "forbidden"
    assert len(changes(sandbox)) == 1


RUNNING = Fault(
    method="GET", path=WEATHER, status=200, body=shown("syncing", paused=True), times=16
)
STOPS = [
    (
        [Fault(method="PATCH", path=WEATHER, status=504)],
        ("pause", [], False),
        "call this again",
    ),
    (
        [Fault(method="GET", path=WEATHER, status=200, body=shown(paused=False)), RUNNING],
        ("wait until the sync has stopped", ["pause"], True),
        "When get_sync_status says paused",
    ),
    (
        [Fault(method="PATCH", path=STATE, status=409)],
        ("write the new state", ["pause"], True),
        "get_connector_state",
    ),
    (
        [Fault(method="PATCH", path=STATE, status=504)],
        ("write the new state", ["pause"], True),
        "get_connector_state",
    ),
]


@pytest.mark.parametrize(("faults", "reached", "hint"), STOPS)
async def test_a_failure_midway_says_where_and_how_things_are_now(
    caller: Caller,
    sandbox: Sandbox,
    faults: list[Fault],
    reached: tuple[str, list[str], bool],
    hint: str,
) -> None:
    """The state is as it was; whether the pause is left behind is told, and how to end it."""
    for fault in faults:
        sandbox.fail(fault)
    stopped_at, done, paused = reached

    error = await refused(caller)

    assert error["code"] == "incomplete"
    assert error["stopped_at"] == stopped_at
    assert stopped_at in error["message"]
    assert error["done"] == done
    assert error["was_paused"] is False
    assert error["paused"] is paused
    assert hint in error["hint"]
    assert ("resume_connector" in error["hint"]) is paused
    assert sandbox.connections["sdk_weather"]["paused"] is paused
    assert await now(caller) == OLD


async def test_a_refused_write_comes_with_fivetrans_words_and_the_old_state(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Neither is lost with the failure."""
    body = {"code": "Conflict", "message": "A sync is in\u200b progress"}
    sandbox.fail(Fault(method="PATCH", path=STATE, status=409, body=body))

    error = await refused(caller)

    assert error["fivetran"] == {"status": 409, "message": "A sync is in progress"}
    assert error["old_state"] == {"connector_id": "sdk_weather", "state": OLD, "complete": True}
    assert error["can_undo"] is True


async def test_an_old_state_that_cannot_be_read_is_not_overwritten(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It would be lost."""
    states(sandbox, OLD, 403)

    error = await refused(caller)

    assert error["stopped_at"] == "read the old state"
    assert "Nothing was written" in error["hint"]
    assert "old_state" not in error
    assert error["paused"] is True
    assert [path for _, path, _ in changes(sandbox)] == [WEATHER]


async def test_a_look_that_fails_while_it_stops_leaves_it_paused_and_says_what_is_known(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Not even whether it is paused may be known."""
    sandbox.fail(Fault(method="GET", path=WEATHER, status=200, body=shown(paused=False)))
    sandbox.fail(Fault(method="GET", path=WEATHER, status=403, body="", times=2))

    error = await refused(caller)

    assert error["stopped_at"] == "wait until the sync has stopped"
    assert error["paused"] is None
    assert "it is not known" in error["message"]
    assert "resume_connector" in error["hint"]
    assert error["fivetran"] == {"status": 403}


@pytest.mark.parametrize("after", [403, {"cursor": "other"}])
async def test_a_state_that_is_not_seen_to_be_there_is_no_success(
    caller: Caller, sandbox: Sandbox, after: Any
) -> None:
    """It was accepted, and cannot be read back, or is another: it stays paused."""
    states(sandbox, OLD, OLD, after)

    error = await refused(caller)

    assert error["code"] == "incomplete"
    assert error["stopped_at"] == "read it back"
    assert error["done"] == ["pause", "write the new state"]
    assert error["paused"] is True
    assert error["old_state"]["state"] == OLD
    assert "resume_connector" in error["hint"]
    assert sandbox.connections["sdk_weather"]["paused"] is True


@pytest.mark.parametrize("lost", [False, True])
async def test_a_resume_that_fails_leaves_the_new_state_and_the_pause(
    caller: Caller, sandbox: Sandbox, lost: bool
) -> None:
    """And says that only the pause is left to end."""
    sandbox.fail(Fault(method="PATCH", path=WEATHER, status=500, applied=True))
    sandbox.fail(Fault(method="PATCH", path=WEATHER, status=409))
    if lost:
        sandbox.fail(Fault(method="PATCH", path=STATE, status=504, applied=True))

    error = await refused(caller)

    assert error["stopped_at"] == "resume"
    assert error["done"] == ["pause", "write the new state", "read it back"]
    assert error["paused"] is True
    assert "only the pause is left" in error["hint"]
    assert "resume_connector" in error["hint"]
    assert error["old_state"]["state"] == OLD
    assert await now(caller) == NEW


async def test_a_failure_of_a_connector_that_was_paused_asks_for_no_resume(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is as it was."""
    await caller.ok("pause_connector", connector_id="sdk_weather")
    sandbox.fail(Fault(method="PATCH", path=STATE, status=409))

    error = await refused(caller)

    assert (error["was_paused"], error["paused"], error["done"]) == (True, True, [])
    assert "Done before: nothing" in error["message"]
    assert "resume_connector" not in error["hint"]


async def test_a_lost_connection_has_no_words_to_pass_on(caller: Caller, sandbox: Sandbox) -> None:
    """Then there is no status either."""
    states(sandbox, OLD, OLD)
    sandbox.fail(Fault(method="GET", path=STATE, status=200, body="[]"))

    error = await refused(caller)

    assert error["stopped_at"] == "read it back"
    assert "fivetran" not in error


def test_the_longest_wait_exceeds_what_fivetran_itself_allows() -> None:
    """Its own limit for stopping a sync is 60 seconds."""
    assert 60 < state_changes.MOST_LOOKS * 5 <= 75


async def test_what_was_begun_is_not_left_half_way_for_want_of_time(
    sandbox: Sandbox, era: str
) -> None:
    """The time of the call is over; a connector that was paused for it is resumed all the same."""
    server = serve(sandbox)
    object.__setattr__(server._gate, "call_seconds", 0.6)  # noqa: SLF001 -- nobody waits two minutes
    states(sandbox, OLD)
    body = {"data": {"state": OLD}}
    sandbox.fail(Fault(method="GET", path=STATE, status=200, body=body, delay=1.0))
    async with Client(server, mode=era) as client:
        await put(Caller(client))

    assert changes(sandbox) == DONE
    assert sandbox.connections["sdk_weather"]["paused"] is False
