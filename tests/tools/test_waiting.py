"""`wait_for_sync`: every way a sync can end, told as what it is."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_server.fivetran.models import Connection
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools import waiting
from mcp_server.tools.baselines import MOST_CONNECTORS, Baseline, Kind, baseline_of, write
from tests.support import Caller, Clock, Connect, serve, text_of

ONE = "/v1/connections/[^/]+"
HISTORY = f"{ONE}/sync-history"
NONE = Fault(path=HISTORY, status=200, body={"data": {"items": []}})
"""The history before it has a sync that has just ended."""


class Naps:
    """Lets time pass instead of waiting for it; other people act meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.taken: list[float] = []
        self.deeds: list[tuple[float, Callable[[], object]]] = []

    def after(self, seconds: float, deed: Callable[[], object]) -> None:
        """Have somebody do something once so much of the waiting is over."""
        self.deeds.append((seconds, deed))

    async def rest(self, seconds: float) -> None:
        """Pass the time of one nap."""
        self.clock.wait(seconds)
        self.taken.append(seconds)
        for due, deed in [each for each in self.deeds if each[0] <= sum(self.taken)]:
            self.deeds.remove((due, deed))
            deed()


@pytest.fixture(autouse=True)
def naps(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Naps:
    """Let nobody really wait."""
    naps = Naps(clock)
    monkeypatch.setattr(waiting, "rest", naps.rest)
    return naps


async def wait(caller: Caller, *baselines: str, **arguments: Any) -> dict[str, Any]:
    """Wait with baselines, once."""
    return await caller.ok("wait_for_sync", baselines=list(baselines), **arguments)


async def to_the_end(caller: Caller, baseline: str) -> dict[str, Any]:
    """Wait as long as it takes for one sync, as a model would; how it ended."""
    for _ in range(20):
        answer = await wait(caller, baseline)
        if answer["all_ended"]:
            assert answer.keys().isdisjoint({"baseline", "next_step"})
            return one(answer)
        assert one(answer)["outcome"] in {"running", "waiting"}
        baseline = answer["baseline"]
    raise AssertionError("the wait has no end")


def one(answer: dict[str, Any]) -> dict[str, Any]:
    """Take the only sync of an answer."""
    (sync,) = answer["syncs"]
    found: dict[str, Any] = sync
    return found


async def started(caller: Caller, connector_id: str = "solid_anchor", **how: Any) -> str:
    """Start a sync; its baseline."""
    answer = await caller.ok("sync_connector", connector_id=connector_id, **how)
    baseline: str = answer["baseline"]
    return baseline


async def resynced(caller: Caller, connector_id: str = "solid_anchor", **what: Any) -> str:
    """Start a historical sync; its baseline."""
    wanted = {"scope": "connector", **what, "connector_id": connector_id, "confirm": True}
    baseline: str = (await caller.ok("resync_connector", **wanted))["baseline"]
    return baseline


def asked(sandbox: Sandbox) -> list[str]:
    """Tell what was asked for: `get` or `sync-history`."""
    return [
        received.path.split("/")[4] if received.path.count("/") > 3 else "get"
        for received in sandbox.requests
        if received.method == "GET"
    ]


# Each way of ending, with a history of syncs and without one

WITHHELD = [None, 404, 403]


@pytest.fixture(params=WITHHELD, ids=["history", "404", "403"])
def withheld(request: pytest.FixtureRequest, sandbox: Sandbox) -> bool:
    """Whether the account is without a history of syncs; say so in both ways."""
    if request.param:
        sandbox.withhold("sync-history", status=request.param)
    return bool(request.param)


async def test_a_sync_that_succeeds_is_told_with_when_and_how_much(
    caller: Caller, *, withheld: bool
) -> None:
    """The volume and the start are the history's."""
    end = await to_the_end(caller, await started(caller))

    more = {} if withheld else {"started": "2026-03-10T12:00:00Z", "duration_seconds": 6}
    loaded = end.pop("loaded_mb", None)
    assert (loaded is None) is withheld
    assert end == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "outcome": "succeeded",
        "ended": "2026-03-10T12:00:06Z",
        **more,
    }


@pytest.mark.parametrize("reason", [None, "The disk of password=hunter2 is\u200b full"])
async def test_a_sync_that_fails_is_told_with_its_reason(
    caller: Caller, sandbox: Sandbox, reason: str | None, *, withheld: bool
) -> None:
    """The history's own words or else the task's; harmless to show, and never a success."""
    sandbox.script("solid_anchor", "FAILURE", seconds=20, reason=reason)

    end = await to_the_end(caller, await started(caller))

    usual = "The source closed the stream before the end of the data"
    words = "The disk of password=[redacted] is full" if reason and not withheld else usual
    assert (end["outcome"], end["reason"]) == ("failed", words)
    assert end["ended"] == "2026-03-10T12:00:20Z"
    assert "get_connector_problems" in end["next_step"]


@pytest.mark.usefixtures("withheld")
async def test_a_sync_that_somebody_cancels_is_told_although_no_time_moves(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Waiting for one of the two times to move would have no end."""
    sandbox.script("solid_anchor", "CANCELED", seconds=30)

    end = await to_the_end(caller, await started(caller))

    assert end["outcome"] == "cancelled"
    assert "sync_connector" in end["next_step"]


@pytest.mark.parametrize("schedule", ["auto", "manual"])
@pytest.mark.usefixtures("withheld")
async def test_a_sync_that_is_put_off_is_told_with_until_when_and_what_restarts_it(
    caller: Caller, sandbox: Sandbox, schedule: str
) -> None:
    """With a manual schedule nothing does."""
    sandbox.connections["solid_anchor"]["schedule_type"] = schedule
    sandbox.script("solid_anchor", "RESCHEDULED", seconds=10)

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["until"]) == ("rescheduled", "2026-03-10T13:00:10Z")
    assert end["restarts_by_itself"] is (schedule == "auto")
    assert ("sync_connector" in end.get("next_step", "")) is (schedule == "manual")


@pytest.mark.usefixtures("withheld")
async def test_a_sync_that_is_paused_midway_is_told(caller: Caller, sandbox: Sandbox) -> None:
    """Only resuming ends that."""
    sandbox.script("solid_anchor", "PAUSED", seconds=10)

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["next_step"]) == ("paused", "resume_connector ends the pause.")


async def test_a_pause_that_is_over_again_is_told(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Only the history has it."""
    sandbox.script("solid_anchor", "PAUSED", seconds=10)
    baseline = await started(caller)
    clock.wait(11)
    await caller.ok("resume_connector", connector_id="solid_anchor")
    clock.wait(100)

    end = await to_the_end(caller, baseline)

    assert end["outcome"] == "paused"
    assert "The pause has ended" in end["next_step"]


async def test_a_pause_that_began_and_ended_unseen_is_told_from_the_history(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Within the first minute and a half, in which a sync may simply not have begun."""
    baseline = await started(caller)
    clock.wait(2)
    await caller.ok("pause_connector", connector_id="solid_anchor")
    await caller.ok("resume_connector", connector_id="solid_anchor")

    answer = await wait(caller, baseline)

    assert one(answer)["outcome"] == "paused"
    assert 18 <= answer["waited_seconds"] <= 30
    assert asked(sandbox).count("sync-history") == 1


async def test_a_sync_that_has_not_begun_yet_is_told_so(caller: Caller, sandbox: Sandbox) -> None:
    """The word alone reads as if the sync did the waiting."""
    sandbox.script("solid_anchor", "NEVER")

    answer = await wait(caller, await started(caller), max_wait_seconds=55)

    assert (one(answer)["outcome"], one(answer)["next_step"]) == ("waiting", "Not begun yet.")
    assert asked(sandbox).count("sync-history") <= 4


@pytest.mark.usefixtures("withheld")
async def test_a_connector_that_breaks_midway_is_told_with_the_reason(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It needs a person, not patience."""
    sandbox.script("solid_anchor", "BROKEN", seconds=10)

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["reason"]) == ("broken", "The password has expired")
    assert "get_connector_problems" in end["next_step"]


@pytest.mark.usefixtures("withheld")
async def test_a_connector_that_is_deleted_midway_is_told(
    caller: Caller, sandbox: Sandbox, naps: Naps
) -> None:
    """That is an answer about the sync, not an error."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    naps.after(10, lambda: sandbox.connections.pop("solid_anchor"))

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["name"]) == ("deleted", "pg_billing")


async def test_a_connector_that_is_gone_before_the_first_look_has_no_name(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What is not known is absent."""
    baseline = await started(caller)
    del sandbox.connections["solid_anchor"]

    end = await to_the_end(caller, baseline)

    assert end == {
        "connector_id": "solid_anchor",
        "outcome": "deleted",
        "next_step": "It is gone, or the key may not see it any more.",
    }


@pytest.mark.usefixtures("withheld")
async def test_a_sync_that_never_begins_is_told_after_a_while(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """After a minute and a half nothing will come of it."""
    sandbox.script("solid_anchor", "NEVER")
    asked_at = clock.now()

    end = await to_the_end(caller, await started(caller))

    assert end["outcome"] == "not_started"
    assert "sync_connector" in end["next_step"]
    assert end["last_success"] < "2026-03-10T12:00:00Z"
    assert 90 <= (clock.now() - asked_at).total_seconds() < 120


async def test_an_incomplete_sync_and_one_with_a_new_word_are_no_success(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran may add words: those that are not known are passed on."""
    sandbox.script("solid_anchor", "INCOMPLETE", seconds=5)
    sandbox.script("solid_anchor", "SKIP\u200bPED", seconds=5)
    sandbox.script("solid_anchor", "SKIPPED", seconds=5, reason="Nothing to do")

    first, second, third = [await to_the_end(caller, await started(caller)) for _ in range(3)]

    assert (first["outcome"], "reason" in first) == ("incomplete", False)
    assert (second["outcome"], second["reason"]) == ("ended", "Fivetran calls it SKIPPED")
    assert (third["outcome"], third["reason"]) == ("ended", "Nothing to do")


# Which sync it is


@pytest.mark.usefixtures("withheld")
async def test_an_older_success_is_not_taken_for_this_one(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Not even one that ended seconds ago."""
    await started(caller)
    clock.wait(6.5)
    sandbox.script("solid_anchor", "FAILURE", seconds=30)

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["ended"]) == ("failed", "2026-03-10T12:00:36Z")


@pytest.mark.parametrize(("first", "second"), [("FAILURE", "COMPLETED"), ("COMPLETED", "FAILURE")])
@pytest.mark.usefixtures("withheld")
async def test_of_two_syncs_that_ended_since_the_first_is_told(
    caller: Caller, sandbox: Sandbox, clock: Clock, first: str, second: str
) -> None:
    """And that there was a later one, with how it ended."""
    words = {"COMPLETED": "succeeded", "FAILURE": "failed"}
    sandbox.script("solid_anchor", first, seconds=10)
    sandbox.script("solid_anchor", second, seconds=10)
    baseline = await started(caller)
    clock.wait(60)
    await started(caller)
    clock.wait(60)

    end = await to_the_end(caller, baseline)

    assert (end["outcome"], end["ended"]) == (words[first], "2026-03-10T12:00:10Z")
    assert end["later"] == f"{words[second]} at 2026-03-10T12:01:10Z"


async def test_the_history_knows_the_first_of_two_failures(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """The time of the first has been overwritten by then, as has that of a cancelled one."""
    for word in ("CANCELED", "COMPLETED", "COMPLETED"):
        sandbox.script("solid_anchor", word, seconds=10)
    baselines = []
    for _ in range(3):
        baselines.append(await started(caller))
        clock.wait(30)

    ends = [await to_the_end(caller, baseline) for baseline in baselines]

    assert [end["outcome"] for end in ends] == ["cancelled", "succeeded", "succeeded"]
    assert [end["ended"][-4:] for end in ends] == [":10Z", ":40Z", ":10Z"]
    assert [end.get("later") for end in ends] == [
        *["succeeded at 2026-03-10T12:01:10Z"] * 2,
        None,
    ]


@pytest.mark.usefixtures("withheld")
async def test_the_sync_that_a_forced_one_stopped_is_not_the_one(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """It was cancelled, and this one succeeds."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    await started(caller)
    clock.wait(20)

    end = await to_the_end(caller, await started(caller, force=True))

    assert (end["outcome"], end["ended"]) == ("succeeded", "2026-03-10T12:00:26Z")


@pytest.mark.usefixtures("withheld")
async def test_a_forced_sync_that_is_cancelled_in_turn_is_told(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """It began after the trigger, unlike the one it stopped."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    sandbox.script("solid_anchor", "CANCELED", seconds=40)
    await started(caller)
    clock.wait(20)

    end = await to_the_end(caller, await started(caller, force=True))

    assert end["outcome"] == "cancelled"


@pytest.mark.parametrize("word", ["COMPLETED", "FAILURE", "CANCELED"])
@pytest.mark.usefixtures("withheld")
async def test_a_sync_that_ran_already_is_waited_for(
    caller: Caller, sandbox: Sandbox, clock: Clock, word: str
) -> None:
    """Whenever it began, and with what came before it."""
    sandbox.script("solid_anchor", "CANCELED", seconds=20)
    sandbox.script("solid_anchor", word, seconds=300)
    await started(caller)
    clock.wait(30)
    await started(caller)
    clock.wait(250)

    end = await to_the_end(caller, await started(caller))

    words = {"COMPLETED": "succeeded", "FAILURE": "failed", "CANCELED": "cancelled"}
    assert end["outcome"] == words[word]
    if word != "CANCELED":
        assert end["ended"] == "2026-03-10T12:05:30Z"


@pytest.mark.parametrize("word", ["COMPLETED", "FAILURE", "CANCELED"])
async def test_a_history_that_is_late_changes_no_outcome(
    caller: Caller, sandbox: Sandbox, word: str
) -> None:
    """The connector and its history need not agree at once: it is looked again."""
    words = {"COMPLETED": "succeeded", "FAILURE": "failed", "CANCELED": "cancelled"}
    sandbox.script("solid_anchor", word, seconds=20)
    sandbox.fail(NONE)

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["duration_seconds"]) == (words[word], 20)


@pytest.mark.parametrize("fault", [NONE.body, None])
async def test_a_history_that_never_knows_it_is_not_waited_for(
    caller: Caller, sandbox: Sandbox, fault: Any
) -> None:
    """Whether it is empty or fails: then the times decide."""
    status = 200 if fault else 400
    sandbox.fail(Fault(path=HISTORY, status=status, body=fault, times=99))

    end = await to_the_end(caller, await started(caller))

    assert (end["outcome"], end["ended"]) == ("succeeded", "2026-03-10T12:00:06Z")
    assert "started" not in end


@pytest.mark.parametrize("status", [404, 403])
async def test_a_history_that_is_withheld_is_asked_for_once(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """The wait remembers it, and so does its baseline."""
    sandbox.withhold("sync-history", status=status)
    sandbox.script("solid_anchor", "CANCELED", seconds=25)
    answer = await wait(caller, await started(caller))

    end = await to_the_end(caller, answer["baseline"])

    assert (end["outcome"], asked(sandbox).count("sync-history")) == ("cancelled", 1)
    assert end["next_step"].startswith("It neither succeeded nor failed.")


# Historical syncs


async def test_a_resync_is_waited_for_until_all_is_loaded_again(
    caller: Caller, sandbox: Sandbox, *, withheld: bool
) -> None:
    """Meanwhile the answer says what runs."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=200)
    baseline = await resynced(caller)
    meanwhile = await wait(caller, baseline)

    end = await to_the_end(caller, meanwhile["baseline"])

    assert one(meanwhile)["is_historical_sync"] is True
    assert (end["outcome"], end["ended"]) == ("succeeded", "2026-03-10T12:03:20Z")
    assert ("started" in end) is not withheld


@pytest.mark.usefixtures("withheld")
async def test_a_resync_of_tables_is_waited_for(caller: Caller) -> None:
    """Which does not show as a historical sync."""
    baseline = await resynced(caller, scope="tables", tables={"public": ["orders"]})

    end = await to_the_end(caller, baseline)

    assert (end["outcome"], end["ended"]) == ("succeeded", "2026-03-10T12:00:06Z")


@pytest.mark.parametrize("scope", [{"scope": "connector"}, {"tables": {"public": ["orders"]}}])
@pytest.mark.usefixtures("withheld")
async def test_the_sync_that_fivetran_finishes_before_a_resync_is_not_the_resync(
    caller: Caller, sandbox: Sandbox, clock: Clock, scope: dict[str, Any]
) -> None:
    """It moves the last success, too."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    sandbox.script("solid_anchor", "FAILURE", seconds=100)
    await started(caller)
    clock.wait(30)
    baseline = await resynced(caller, **{"scope": "tables", **scope})

    end = await to_the_end(caller, baseline)

    assert (end["outcome"], end["ended"]) == ("failed", "2026-03-10T12:02:10Z")


async def test_a_resync_of_a_paused_connector_waits_for_somebody_to_resume_it(
    caller: Caller, clock: Clock, *, withheld: bool
) -> None:
    """Then the same baseline serves, however much later."""
    answer = await caller.ok(
        "resync_connector", connector_id="dusty_canyon", scope="connector", confirm=True
    )
    paused = await to_the_end(caller, answer["baseline"])
    clock.wait(3600)
    await caller.ok("resume_connector", connector_id="dusty_canyon")

    end = await to_the_end(caller, answer["baseline"])

    assert answer["next_step"].startswith("After resume_connector, wait_for_sync")
    assert paused["outcome"] == "paused"
    assert end["outcome"] == "succeeded"
    assert "loaded_mb" not in end or not withheld


# Without a baseline


async def test_without_a_baseline_the_running_sync_is_waited_for(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Its baseline is taken at the first look, and comes with the answer if it goes on."""
    sandbox.script("solid_anchor", "FAILURE", seconds=70)
    await started(caller)

    answer = await caller.ok("wait_for_sync", connector_ids=["solid_anchor"])
    end = await to_the_end(caller, answer["baseline"])

    assert one(answer)["outcome"] == "running"
    assert (end["outcome"], end["ended"]) == ("failed", "2026-03-10T12:01:10Z")


@pytest.mark.parametrize(
    ("connector_id", "advice"),
    [
        ("solid_anchor", "by its schedule"),
        ("dusty_canyon", "resume_connector"),
        ("stuck_heron", "sync_connector"),
        ("calm_ridge", "setup is incomplete"),
        ("brisk_lantern", "probably fail"),
    ],
)
async def test_without_a_baseline_and_a_running_sync_the_answer_comes_at_once(
    caller: Caller, sandbox: Sandbox, connector_id: str, advice: str
) -> None:
    """With the last times, and with what would start one; an old success is no success of now."""
    answer = await caller.ok("wait_for_sync", connector_ids=[connector_id])

    assert answer["all_ended"] is True
    assert answer["waited_seconds"] == 0
    assert one(answer)["outcome"] == "not_running"
    assert advice in one(answer)["next_step"]
    known = sandbox.connections[connector_id]
    assert ("last_success" in one(answer)) is (known["succeeded_at"] is not None)
    assert ("last_failure" in one(answer)) is (known["failed_at"] is not None)
    assert asked(sandbox) == ["get"]


async def test_a_connector_that_never_was_is_an_error(caller: Caller) -> None:
    """Without a baseline it was not deleted."""
    error = await caller.error("wait_for_sync", connector_ids=["no_such_one"])

    assert error["code"] == "not_found"
    assert "list_connectors" in error["hint"]


# Several at once


async def test_several_syncs_are_each_told_by_their_own_end(
    caller: Caller, sandbox: Sandbox
) -> None:
    """In the order they were given; none of the ends hides another."""
    ends = {"solid_anchor": "COMPLETED", "swift_meadow": "FAILURE", "wide_river": "CANCELED"}
    baselines = []
    for connector_id, word in ends.items():
        sandbox.script(connector_id, word, seconds=10)
        baselines.append(await started(caller, connector_id))

    answer = await wait(caller, *baselines)
    more = await caller.ok(
        "wait_for_sync", baselines=baselines, connector_ids=["busy_bee", "no_such_one"]
    )

    told = [(each["connector_id"], each["outcome"]) for each in answer["syncs"]]
    assert told == [
        ("solid_anchor", "succeeded"),
        ("swift_meadow", "failed"),
        ("wide_river", "cancelled"),
    ]
    assert answer["all_ended"] is True
    assert [each["outcome"] for each in more["syncs"][3:]] == ["running", "unreadable"]
    assert more["syncs"][4]["reason"] == "GET was answered with status 404"
    assert more["all_ended"] is False


async def test_a_baseline_goes_on_with_those_only_that_have_not_ended(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """The ones that have are not asked about again."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=10)
    sandbox.script("swift_meadow", "FAILURE", seconds=100)
    baselines = [await started(caller, each) for each in ("solid_anchor", "swift_meadow")]

    first = await wait(caller, *baselines)
    clock.wait(120)
    sandbox.requests.clear()
    second = await wait(caller, first["baseline"])

    assert [each["outcome"] for each in first["syncs"]] == ["succeeded", "running"]
    assert first["next_step"] == "wait_for_sync with baselines=[baseline] goes on."
    assert [each["outcome"] for each in second["syncs"]] == ["failed"]
    assert "solid_anchor" not in str([received.path for received in sandbox.requests])


async def test_of_two_baselines_the_newer_counts_and_an_id_adds_nothing(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """A connector is waited for once, by what is known best."""
    sandbox.script("solid_anchor", "FAILURE", seconds=5)
    older = await started(caller)
    clock.wait(20)
    newer = await started(caller)

    answers = [
        await caller.ok("wait_for_sync", baselines=pair, connector_ids=["solid_anchor"])
        for pair in ([older, newer], [newer, older])
    ]

    assert [one(answer)["outcome"] for answer in answers] == ["succeeded", "succeeded"]


# The wait itself


@pytest.mark.parametrize("seconds", [1, 2, 20, 45, 55])
async def test_the_answer_comes_within_the_wait(
    caller: Caller, sandbox: Sandbox, clock: Clock, seconds: int
) -> None:
    """Hosts give up on a call after a minute; a wait of one second is one look."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    baseline, began = await started(caller), clock.now()
    sandbox.requests.clear()

    answer = await wait(caller, baseline, max_wait_seconds=seconds)

    took = (clock.now() - began).total_seconds()
    assert took <= seconds
    assert answer["waited_seconds"] == round(took)
    assert (len(sandbox.requests) == 1) is (seconds == 1)
    assert answer["all_ended"] is False


@pytest.mark.parametrize("seconds", [0, -1, 56, 600, "45", 1.5, True, None])
async def test_waits_that_no_host_waits_for_are_refused(
    caller: Caller, sandbox: Sandbox, seconds: Any
) -> None:
    """Before anything is sent."""
    error = await caller.error(
        "wait_for_sync", connector_ids=["busy_bee"], max_wait_seconds=seconds
    )

    assert error["code"] == "invalid_arguments"
    assert "max_wait_seconds" in error["message"]
    assert not sandbox.requests


async def test_waiting_is_gentle_and_the_gentler_the_longer_a_sync_runs(
    caller: Caller, sandbox: Sandbox, naps: Naps
) -> None:
    """Often at first, for many are short; and the next call goes on as gently."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=600)
    answer = {"baseline": await started(caller)}
    sandbox.requests.clear()

    for _ in range(4):
        answer = await wait(caller, answer["baseline"])

    usual = [nap for nap in naps.taken if nap]
    assert usual[:5] == [2, 3, 4.5, 6.75, 10.125]
    assert max(usual) == 15
    assert set(asked(sandbox)) == {"get"}
    assert len(sandbox.requests) <= 20
    assert sum(naps.taken) >= 160


async def test_many_connectors_are_no_more_than_two_requests_a_second(
    caller: Caller, sandbox: Sandbox, naps: Naps, clock: Clock
) -> None:
    """However short their syncs have run."""
    running = list(sandbox.connections.values())
    for connection in running:
        connection["status"]["sync_state"] = "syncing"
    known: list[tuple[Connection, Kind]] = [
        (Connection.model_validate(each), "started") for each in running
    ]

    answer = await wait(caller, baseline_of(known, clock.now()), max_wait_seconds=55)

    assert {each["outcome"] for each in answer["syncs"]} == {"running"}
    assert len(running) == 40
    assert naps.taken == [0, 20, 20]
    assert asked(sandbox) == ["get"] * 40 * 3


async def test_progress_is_told_at_each_look(sandbox: Sandbox, era: str) -> None:
    """It grows, and says how many have ended; it holds nothing from outside."""
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    sandbox.script("solid_anchor", "COMPLETED", seconds=4)
    sandbox.script("swift_meadow", "NEVER")
    async with Client(serve(sandbox), mode=era) as client:
        caller = Caller(client)
        baselines = [await started(caller, each) for each in ("solid_anchor", "swift_meadow")]
        result = await client.call_tool(
            "wait_for_sync",
            {"baselines": baselines, "max_wait_seconds": 10},
            progress_callback=hear,
        )
        await anyio.wait_all_tasks_blocked()

    assert not result.is_error, text_of(result)
    assert [seconds for seconds, _, _ in told] == [0, 2, 5, 9.5]
    assert {total for _, total, _ in told} == {10}
    assert [message for _, _, message in told] == [
        "0 of 2 ended, 1 running, 1 waiting",
        "0 of 2 ended, 1 running, 1 waiting",
        "1 of 2 ended, 1 waiting",
        "1 of 2 ended, 1 waiting",
    ]


async def test_progress_does_not_call_ended_what_did_not_run(sandbox: Sandbox, era: str) -> None:
    """There is nothing to wait for, and nothing has ended."""
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 -- as the SDK calls it
        told.append(message)

    async with Client(serve(sandbox), mode=era) as client:
        result = await client.call_tool(
            "wait_for_sync", {"connector_ids": ["solid_anchor"]}, progress_callback=hear
        )
        await anyio.wait_all_tasks_blocked()

    assert told == ["0 of 1 ended, 1 not running"]
    assert (result.structured_content or {})["all_ended"] is True


async def test_cancelling_stops_the_wait_at_once(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a nap; no request follows."""
    napping, cancelled = anyio.Event(), anyio.Event()

    async def rest(seconds: float) -> None:
        if seconds:
            napping.set()
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.set()

    monkeypatch.setattr(waiting, "rest", rest)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: caller.raw("wait_for_sync", connector_ids=["busy_bee"]))
        await napping.wait()
        seen = len(sandbox.requests)
        tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        await cancelled.wait()
    await anyio.wait_all_tasks_blocked()

    assert len(sandbox.requests) == seen == 1


async def test_an_answer_that_does_not_come_does_not_hold_the_call(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known by then is told, and the wait can go on."""
    monkeypatch.setattr(waiting, "OVERTIME", -0.9)
    sandbox.script("solid_anchor", "COMPLETED", seconds=4)
    baseline = await started(caller)
    sandbox.fail(Fault(method="GET", path=".*/solid_anchor", delay=30))

    answer = await caller.ok(
        "wait_for_sync",
        baselines=[baseline],
        connector_ids=["busy_bee"],
        max_wait_seconds=1,
    )
    later = await wait(caller, answer["baseline"])

    assert answer["syncs"] == [
        {
            "connector_id": "solid_anchor",
            "outcome": "unreadable",
            "reason": "Fivetran has not answered yet",
        },
        {"connector_id": "busy_bee", "name": "warehouse_stock", "outcome": "running"},
    ]
    assert [each["outcome"] for each in later["syncs"]] == ["succeeded", "running"]


# Failures of a look


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_failure_that_passes_does_not_end_the_wait(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """A sync is not over because some of many looks at it failed."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=30)
    baseline = await started(caller)
    sandbox.fail(Fault(method="GET", path=ONE, status=status, times=4))

    end = await to_the_end(caller, baseline)

    assert end["outcome"] == "succeeded"


async def test_how_long_fivetran_wants_no_requests_is_respected(
    caller: Caller, sandbox: Sandbox, naps: Naps
) -> None:
    """The next look comes after that."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=4)
    baseline = await started(caller)
    headers = {"Retry-After": "20"}
    sandbox.fail(Fault(method="GET", path=ONE, status=429, headers=headers))

    end = await to_the_end(caller, baseline)

    assert end["outcome"] == "succeeded"
    assert naps.taken[:2] == [0, 20]


async def test_a_refusal_that_outlasts_the_wait_ends_it(
    caller: Caller, sandbox: Sandbox, naps: Naps
) -> None:
    """More looks would make it worse: the answer says when to go on."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=60)
    baseline = (await wait(caller, await started(caller), max_wait_seconds=5))["baseline"]
    naps.taken.clear()
    refusal = Fault(method="GET", path=ONE, status=429, headers={"Retry-After": "1800"}, times=9)
    sandbox.fail(refusal)

    error = await caller.error("wait_for_sync", baselines=[baseline])
    several = await caller.ok("wait_for_sync", baselines=[baseline], connector_ids=["busy_bee"])

    assert (error["code"], error["retry_after_seconds"]) == ("rate_limited", 1800)
    assert naps.taken == [0, 0]
    assert [each["outcome"] for each in several["syncs"]] == ["unreadable", "unreadable"]
    assert several["all_ended"] is False
    assert several["next_step"] == (
        "Fivetran takes no requests for 1800 seconds; then wait_for_sync with baselines=[baseline] goes on."
    )


async def test_a_failure_that_stays_is_the_answer(caller: Caller, sandbox: Sandbox) -> None:
    """For one connector as the error itself, for several as the outcome of the one."""
    baselines = [await started(caller, each) for each in ("solid_anchor", "swift_meadow")]
    sandbox.fail(Fault(method="GET", path=".*/solid_anchor", status=403, times=2))

    error = await caller.error("wait_for_sync", baselines=baselines[:1])
    answer = await wait(caller, *baselines)

    assert error["code"] == "forbidden"
    assert answer["syncs"][0] == {
        "connector_id": "solid_anchor",
        "outcome": "unreadable",
        "reason": "GET was answered with status 403",
        "next_step": "get_connector says more.",
    }
    assert answer["syncs"][1]["outcome"] == "succeeded"
    assert answer["all_ended"] is True


async def test_what_was_known_before_the_looks_failed_is_still_told(
    caller: Caller, sandbox: Sandbox, naps: Naps
) -> None:
    """That it was running is no error, and the wait can go on."""
    sandbox.script("solid_anchor", "COMPLETED", seconds=100)
    baseline = await started(caller)
    fault = Fault(method="GET", path=ONE, status=500, times=99)
    naps.after(5, lambda: sandbox.fail(fault))

    answer = await wait(caller, baseline)
    error = await caller.error("wait_for_sync", baselines=[answer["baseline"]])

    assert one(answer)["outcome"] == "running"
    assert (error["code"], error["retryable"]) == ("upstream_error", True)


# What is refused


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"baselines": []},
        {"connector_ids": []},
        {"baselines": None},
        {"baselines": "solid_anchor"},
        {"baselines": [""]},
        {"baselines": ["solid_anchor"]},
        {"baselines": [1]},
        {"connector_ids": ["../groups"]},
        {"connector_ids": ["a"] * 21},
        {"connector_ids": "solid_anchor"},
        {"connector_id": "solid_anchor"},
    ],
)
async def test_a_wait_for_nothing_or_nobody_is_refused(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Before anything is sent, with what to pass instead."""
    error = await caller.error("wait_for_sync", **arguments)

    assert error["code"] == "invalid_arguments"
    assert "Nothing was sent" in error["hint"]
    assert not sandbox.requests


async def test_more_connectors_than_can_be_waited_for_are_refused(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """All together, wherever they come from."""
    many = [
        Baseline(connector_id=f"c{number}", triggered=clock.now(), kind="started")
        for number in range(MOST_CONNECTORS)
    ]
    error = await caller.error(
        "wait_for_sync", baselines=[write(many)], connector_ids=["solid_anchor"]
    )

    assert error["code"] == "invalid_arguments"
    assert f"{MOST_CONNECTORS + 1} connectors are too many, from connector_ids" in error["message"]
    assert not sandbox.requests


async def test_more_baselines_than_one_call_takes_are_refused_with_how_to_go_on(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Which goes too far is named; one that repeats others does not."""
    parts = [
        write(
            [
                Baseline(connector_id=f"c{first + number}", triggered=clock.now(), kind="started")
                for number in range(MOST_CONNECTORS)
            ]
        )
        for first in (0, 0, 50, 100)
    ]

    error = await caller.error("wait_for_sync", baselines=parts)

    assert error["code"] == "invalid_arguments"
    assert "150 connectors are too many, from baselines[2] on" in error["message"]
    assert "one call for each" in error["hint"]
    assert not sandbox.requests


async def test_waiting_needs_no_right_but_to_read(connect: Connect, sandbox: Sandbox) -> None:
    """It changes nothing."""
    async with connect("read-only") as caller:
        answer = await caller.ok("wait_for_sync", connector_ids=["busy_bee"])

    assert one(answer)["outcome"] == "running"
    assert {received.method for received in sandbox.requests} == {"GET"}


@pytest.mark.parametrize("word", ["COMPLETED", "FAILURE", "CANCELED", "RESCHEDULED", "PAUSED"])
async def test_an_answer_about_one_sync_is_short(
    caller: Caller, sandbox: Sandbox, word: str
) -> None:
    """A model pays for each word, at each call."""
    sandbox.script("solid_anchor", word, seconds=60)
    running = await wait(caller, await started(caller))
    ended = await wait(caller, running["baseline"])

    assert one(running)["outcome"] == "running"
    assert ended["all_ended"] is True
    for answer in (running, ended):
        assert len(json.dumps(answer, separators=(",", ":")).encode()) // 4 <= 120
