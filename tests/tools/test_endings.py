"""How a sync ended: judged from the connector, its history and what was known before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_server.fivetran.models import Connection, Sync
from mcp_server.tools.baselines import Baseline, Kind
from mcp_server.tools.endings import Verdict, asks_history, judge, span

T = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
"""When it was triggered."""
BEFORE = -3600.0
"""When a sync last ended before that, in seconds."""


def at(seconds: float) -> datetime:
    """Tell a moment by the seconds since the trigger."""
    return T + timedelta(seconds=seconds)


def connector(
    sync_state: str = "scheduled",
    *,
    succeeded: float | None = BEFORE,
    failed: float | None = None,
    setup: str = "connected",
    **fields: Any,
) -> Connection:
    """Build a connector as it is looked at."""
    times = {"succeeded_at": succeeded, "failed_at": failed}
    status = {"sync_state": sync_state, "setup_state": setup, **fields.pop("status", {})}
    known = {key: at(value) for key, value in times.items() if value is not None}
    return Connection.model_validate({"id": "one", **known, **fields, "status": status})


def sync(status: str | None, start: float | None, end: float | None = None) -> Sync:
    """Build a sync of a history."""
    moments = {"start": start, "end": end}
    known = {key: at(value) for key, value in moments.items() if value is not None}
    return Sync.model_validate({"sync_id": "s", "status": status, **known})


def known(kind: Kind = "started", **more: Any) -> Baseline:
    """Build the baseline of a trigger."""
    usual: dict[str, Any] = {"ended_before": at(BEFORE)}
    return Baseline(connector_id="one", triggered=T, kind=kind, **{**usual, **more})


def verdict(
    look: Connection, syncs: list[Sync] | None, now: float, baseline: Baseline | None = None
) -> Verdict:
    """Judge as of a look."""
    told = (baseline or known()).looked_at(look, at(now))
    return judge(told, look, syncs, at(now))


SEEN: dict[str, Any] = {"seen": True}
RUNS = sync("INCOMPLETE", 1)


@pytest.mark.parametrize(
    ("look", "baseline", "syncs", "now", "outcome"),
    [
        # A time has moved.
        (connector(succeeded=9), known(), None, 10, "succeeded"),
        (connector(failed=9), known(), None, 10, "failed"),
        (connector(succeeded=9), known(ended_before=None), None, 10, "succeeded"),
        (connector(succeeded=9, failed=30), known(), None, 40, "succeeded"),
        (connector(succeeded=30, failed=9), known(), None, 40, "failed"),
        (connector("syncing", succeeded=9), known(), None, 10, "succeeded"),
        (connector(succeeded=9, paused=True), known(), None, 10, "succeeded"),
        (connector(succeeded=9, setup="broken"), known(), None, 10, "succeeded"),
        # The history knows which sync it was.
        (connector(succeeded=9), known(), [sync("COMPLETED", 1, 9)], 10, "succeeded"),
        (
            connector(succeeded=30),
            known(),
            [sync("COMPLETED", 20, 30), sync("FAILURE", 1, 9)],
            40,
            "failed",
        ),
        (
            connector(succeeded=30),
            known(),
            [sync("COMPLETED", 20, 30), sync("CANCELED", 1, 9)],
            40,
            "cancelled",
        ),
        # It is late: an end that it does not know yet is looked for again, and not for long.
        (connector(succeeded=9), known(), [], 10, "running"),
        (connector(succeeded=9), known(), [RUNS], 10, "running"),
        (connector(succeeded=9), known(stopped=at(9)), [], 30, "succeeded"),
        (connector(succeeded=9), known(stopped=at(9)), [RUNS], 30, "succeeded"),
        (connector("syncing", succeeded=9), known(stopped=at(9)), [RUNS], 30, "running"),
        # A new word without an end may be that of a running sync.
        (connector(), known(**SEEN), [sync("LOADING", 1)], 10, "running"),
        (connector(), known(**SEEN), [sync("CANCELED", 1)], 10, "cancelled"),
        # It runs.
        (connector("syncing"), known(), None, 10, "running"),
        (connector("syncing", paused=True), known(), None, 10, "running"),
        (connector("syncing", setup="broken"), known(), None, 10, "running"),
        # It ended without a result.
        (connector(), known(), [sync("CANCELED", 1, 9)], 10, "cancelled"),
        (connector("syncing"), known(), [sync("CANCELED", 1, 9)], 100, "cancelled"),
        (connector(), known(), [sync("INCOMPLETE", 1, 9)], 10, "incomplete"),
        (connector(), known(), [sync("RESCHEDULED", 1, 9)], 10, "rescheduled"),
        (connector(), known(), [sync("RESCHEDULED", None, 9)], 10, "rescheduled"),
        (connector(), known(), [sync("PAUSED", 1, 9)], 10, "paused"),
        (connector(), known(), [sync("SKIPPED", 1, 9)], 10, "ended"),
        (connector(), known(), [sync(None, 1, 9)], 10, "ended"),
        (connector(paused=True), known(), [sync("CANCELED", 1, 9)], 10, "paused"),
        (connector("rescheduled"), known(), [sync("CANCELED", 1, 9)], 10, "rescheduled"),
        (connector(setup="broken"), known(), [sync("CANCELED", 1, 9)], 10, "broken"),
        # The state tells.
        (connector(paused=True), known(), None, 10, "paused"),
        (connector("paused"), known(), None, 10, "paused"),
        (connector("paused", paused=False), known(), None, 10, "waiting"),
        (connector("rescheduled"), known(), None, 10, "rescheduled"),
        (connector(setup="broken"), known(), None, 10, "broken"),
        (connector(setup="incomplete"), known(), None, 10, "broken"),
        # It was so before, and the trigger may not have taken effect yet.
        (connector("rescheduled"), known(doubtful=True), None, 10, "waiting"),
        (connector("rescheduled"), known(doubtful=True), None, 90, "rescheduled"),
        (connector("rescheduled"), known(doubtful=True, **SEEN), None, 10, "rescheduled"),
        (connector(setup="broken"), known(doubtful=True), None, 10, "waiting"),
        (connector(setup="broken"), known(doubtful=True), None, 90, "broken"),
        # It was seen to run.
        (connector(), known(**SEEN), None, 10, "running"),
        (connector(), known(**SEEN, stopped=at(1)), None, 20, "running"),
        (connector(), known(**SEEN, stopped=at(1)), None, 21, "cancelled"),
        (connector(), known("restarted", **SEEN, stopped=at(1)), None, 60, "running"),
        (connector(), known("restarted", **SEEN, stopped=at(1)), None, 90, "cancelled"),
        # Nobody saw it.
        (connector(), known(), None, 89, "waiting"),
        (connector(), known(), None, 90, "not_started"),
        (connector(), known(), [], 90, "not_started"),
        (connector(), known(), [RUNS], 90, "incomplete"),
        (connector(), known(), [sync("CANCELED", None)], 90, "not_started"),
        (connector(succeeded=None), known(ended_before=None), None, 90, "not_started"),
        # It waits for the connector to be resumed, and then for its turn.
        (connector(paused=True), known("held"), None, 9999, "paused"),
        (connector(schedule_type="auto"), known("held"), None, 9999, "waiting"),
        (connector(schedule_type="manual"), known("held"), None, 9999, "not_started"),
    ],
)
def test_each_look_leads_to_its_outcome(
    look: Connection, baseline: Baseline, syncs: list[Sync] | None, now: float, outcome: str
) -> None:
    """By the history if it has the sync, else by the times, else by the state."""
    found = verdict(look, syncs, now, baseline)

    assert found.outcome == outcome
    assert found.is_over is (outcome not in {"running", "waiting"})


def test_a_connector_that_is_gone_was_deleted() -> None:
    """Whatever was seen of it before."""
    assert judge(known(**SEEN), None, None, at(10)).outcome == "deleted"


OLD = {
    "ended before": sync("COMPLETED", BEFORE - 60, BEFORE),
    "ended before, told a little later": sync("COMPLETED", BEFORE - 60, BEFORE + 0.9),
    "began long before the trigger": sync("CANCELED", -61, 3),
    "stopped just before the trigger": sync("CANCELED", -30, -1),
    "stopped as the trigger came": sync("PAUSED", -30, 0),
}


@pytest.mark.parametrize("old", OLD.values(), ids=OLD)
def test_an_older_sync_is_not_taken_for_this_one(old: Sync) -> None:
    """However it ended, and although the clocks differ."""
    assert verdict(connector(), [old], 10).outcome == "waiting"
    assert verdict(connector(), [old, sync("CANCELED", 1, 9)], 10).ended == at(9)


@pytest.mark.parametrize("kind", ["restarted", "behind"])
def test_a_sync_that_ran_at_the_trigger_is_not_the_one_that_it_started(kind: Kind) -> None:
    """Stopped for it, or finished before it."""
    stopped = [sync("CANCELED", -4, 2), sync("COMPLETED", -50, 2)]

    for old in stopped:
        assert verdict(connector(), [old], 10, known(kind)).outcome == "waiting"
    assert verdict(connector("syncing"), [*stopped, RUNS], 10, known(kind)).outcome == "running"
    ended = verdict(connector(failed=9), [*stopped, sync("FAILURE", 3, 9)], 10, known(kind))
    assert (ended.outcome, ended.ended) == ("failed", at(9))


def test_the_sync_that_ran_at_the_trigger_is_the_one_to_wait_for() -> None:
    """Neither one that was stopped before it began, nor the next."""
    running = known("running")
    syncs = [sync("CANCELED", -900, -700), sync("FAILURE", -600, 5), sync("COMPLETED", 20, 30)]

    found = verdict(connector(failed=5, succeeded=30), syncs, 40, running)

    assert (found.outcome, found.ended) == ("failed", at(5))
    assert found.later == "succeeded at 2026-03-10T12:00:30Z"
    late_clock = verdict(connector(failed=9), [sync("FAILURE", 1, 9)], 40, running)
    assert late_clock.outcome == "failed"


def test_clocks_that_differ_do_not_hide_a_sync() -> None:
    """It may seem to begin before its trigger; the one nearest to that is meant."""
    syncs = [sync("CANCELED", -50, 1), sync("FAILURE", -20, 9), sync("COMPLETED", -3000, 8)]

    assert verdict(connector(failed=9), syncs, 10).ended == at(9)


def test_what_came_after_a_sync_is_told() -> None:
    """For a failure that is over by now, or a sync that somebody started anew."""
    failed, cancelled = [sync("FAILURE", 1, 9)], [sync("CANCELED", 1, 9)]

    assert verdict(connector(succeeded=9.5), failed, 40).later is None
    assert verdict(connector(failed=30), failed, 40).later == "failed at 2026-03-10T12:00:30Z"
    assert verdict(connector("syncing"), cancelled, 40).later == "is running"
    completed = [sync("COMPLETED", 1, 9)]
    assert verdict(connector("syncing", succeeded=9), completed, 40).later is None


HISTORICAL: dict[str, Any] = {"status": {"is_historical_sync": True}}


def test_an_end_is_not_that_of_a_historical_sync_while_one_is_pending() -> None:
    """Until it has been so for a while: then the answer says that it is in doubt."""
    whole = known(historical=True)
    rests, runs = (
        connector(succeeded=9, **HISTORICAL),
        connector("syncing", succeeded=9, **HISTORICAL),
    )

    assert verdict(runs, None, 10, whole).outcome == "running"
    assert verdict(rests, None, 10, whole).outcome == "waiting"
    doubted = verdict(rests, None, 99, whole)
    assert doubted.outcome == "succeeded"
    assert "still pending" in str(doubted.doubt)
    assert verdict(connector(failed=9, **HISTORICAL), None, 10, whole).outcome == "failed"
    assert verdict(connector(succeeded=9), None, 10, whole).doubt is None


def test_without_a_history_a_resync_behind_another_sync_is_told_with_doubt() -> None:
    """The last of the times is more likely its own, and running more likely than over."""
    behind = known("behind")

    assert verdict(connector("syncing", succeeded=9), None, 10, behind).outcome == "running"
    assert verdict(connector(succeeded=9), None, 10, behind).outcome == "running"
    long_since = known("behind", stopped=at(9))
    assert verdict(connector("syncing", succeeded=9), None, 999, long_since).outcome == "running"
    late = verdict(connector(succeeded=9, failed=60), None, 99, known("behind", stopped=at(9)))
    assert (late.outcome, late.ended) == ("failed", at(60))
    assert "ran before" in str(late.doubt)


@pytest.mark.parametrize(
    ("look", "baseline", "now", "asks"),
    [
        (connector("syncing"), known(), 10, False),
        (connector("syncing"), known(), 9999, False),
        (connector(), known(), 19, False),
        (connector(), known(), 20, True),
        (connector(), known(), 90, True),
        (connector(succeeded=9), known(), 10, True),
        (connector("syncing", succeeded=9), known(), 10, True),
        (connector(), known(**SEEN), 10, True),
        (connector(succeeded=9), known(withheld=True), 10, False),
    ],
)
def test_the_history_is_asked_for_only_when_it_decides_something(
    look: Connection, baseline: Baseline, now: float, *, asks: bool
) -> None:
    """Not while a sync runs, nor just after its trigger, nor where there is none."""
    assert asks_history(baseline.looked_at(look, at(now)), look, at(now)) is asks


@pytest.mark.parametrize(
    ("baseline", "now", "start", "end"),
    [
        (known(), 10, -60, 70),
        (known(), 99_999, -60, 3600),
        (known("running"), 10, BEFORE - 1, 70),
        (known("running", ended_before=None), 10, -6 * 86_400, 70),
        (known("running", ended_before=at(-9e6)), 10, -6 * 86_400, 70),
        (known("running", ended_before=at(9e6)), 10, 10, 70),
    ],
)
def test_the_history_is_asked_for_the_time_in_which_the_sync_began(
    baseline: Baseline, now: float, start: float, end: float
) -> None:
    """Never for more than seven days, which the API refuses, nor from a later to an earlier time."""
    assert span(baseline, at(now)) == (at(start), at(end))


def test_a_forced_sync_is_not_taken_for_the_one_it_stopped() -> None:
    """Without a history: the old one may have ended well just before; the new one runs."""
    look = connector("syncing", succeeded=1)

    assert verdict(look, None, 10, known("restarted")).outcome == "running"
    settled = known("restarted", stopped=at(600))
    ended = verdict(connector(succeeded=1, failed=600), None, 700, settled)
    assert ended.outcome == "failed"
    assert ended.doubt


def test_of_several_ends_without_a_history_none_is_sure() -> None:
    """Each time shows only the last of its kind."""
    told = verdict(connector(succeeded=130, failed=200), None, 210)

    assert told.outcome == "succeeded"
    assert told.doubt
    assert "Several" in told.doubt
    assert verdict(connector(succeeded=9), None, 10).doubt is None
