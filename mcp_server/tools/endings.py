"""How a sync that was triggered ended, or that it has not: judged from what the API shows.

Neither of a connector's two times moves when a sync is cancelled, put off or paused, and a later sync
may have moved both again. So the history of syncs decides where there is one; where there is none,
the times do, and what was seen of the sync before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from mcp_server.fivetran.models import Connection, Sync
from mcp_server.tools.baselines import GRACE, Baseline, last_end

Outcome = Literal[
    "succeeded",
    "failed",
    "cancelled",
    "rescheduled",
    "paused",
    "broken",
    "incomplete",
    "ended",
    "deleted",
    "not_started",
    "not_running",
    "unreadable",
    "running",
    "waiting",
]
UNDECIDED: Final[frozenset[Outcome]] = frozenset({"running", "waiting"})

SKEW: Final = timedelta(seconds=60)
"""How much earlier than its trigger, by this server's clock, a sync may begin by the API's."""
UNSEEN: Final = timedelta(seconds=20)
"""How long after its trigger a sync that nobody saw is looked for in the history, too."""
STRICT_SKEW: Final = timedelta(seconds=5)
"""The same where another sync ran just before."""
SAME: Final = timedelta(seconds=1)
"""How far apart the API may report the same moment in two places."""
LONGEST_RUN: Final = timedelta(days=6)
"""How long before it was first looked at a running sync is looked for; the API takes seven days."""
LATEST_START: Final = timedelta(hours=1)
"""How long after its trigger a sync is looked for; what starts later was not started by it."""
_LAST_WORDS: Final = frozenset({"COMPLETED", "FAILURE", "CANCELED", "RESCHEDULED", "PAUSED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a sync stands."""

    outcome: Outcome
    sync: Sync | None = None
    """What the history has of it."""
    ended: datetime | None = None
    later: str | None = None
    """What became of a sync after it."""
    doubt: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.outcome not in UNDECIDED


def span(baseline: Baseline, now: datetime) -> tuple[datetime, datetime]:
    """Tell between which moments the sync began, if it did."""
    start = baseline.triggered - SKEW
    if baseline.kind == "running":
        start = baseline.triggered - LONGEST_RUN
        if baseline.ended_before is not None:
            start = max(start, baseline.ended_before - SAME)
    start = min(start, now)
    return start, max(start, min(now + SKEW, baseline.triggered + LATEST_START))


def asks_history(baseline: Baseline, connection: Connection, now: datetime) -> bool:
    """Whether the history could decide something now: not while the sync simply runs.

    Nor at once when it is awaited; but between two looks it may have begun and ended without a trace
    on the connector, as by a pause that is over again.
    """
    if baseline.withheld or _only_runs(baseline, connection):
        return False
    return baseline.stopped is not None or now - baseline.triggered >= UNSEEN


def _only_runs(baseline: Baseline, connection: Connection) -> bool:
    return _runs(connection) and not baseline.is_new(last_end(connection))


def _runs(connection: Connection) -> bool:
    return connection.status.sync_state == "syncing"


def judge(
    baseline: Baseline, connection: Connection | None, syncs: Sequence[Sync] | None, now: datetime
) -> Verdict:
    """Tell how a sync stands; without syncs there is no history, or it decides nothing now.

    The baseline has been told of this look at the connector; None if that is gone.
    """
    if connection is None:
        return Verdict(outcome="deleted")
    verdict = _judge(baseline, connection, syncs, now)
    loads = baseline.historical and connection.status.is_historical_sync
    if verdict.outcome != "succeeded" or not loads:
        return verdict
    # It was another sync, or the API is slow to say so: only the historical one ends the flag.
    if _runs(connection):
        return Verdict(outcome="running")
    if verdict.ended is not None and now - verdict.ended < GRACE:
        return Verdict(outcome="waiting")
    return replace(verdict, doubt="A historical sync is still pending: this may not have been it.")


def _judge(
    baseline: Baseline, connection: Connection, syncs: Sequence[Sync] | None, now: datetime
) -> Verdict:
    found = _find(baseline, syncs or ())
    if found is not None and _is_over(found):
        return _from_history(baseline, connection, found, now)
    running, behind = _runs(connection), baseline.kind in {"behind", "restarted"}
    moved = baseline.is_new(last_end(connection))
    if running and (not moved or found is not None or (behind and syncs is None)):
        return Verdict(outcome="running")
    if moved:
        may_learn_more = syncs is not None or behind
        if may_learn_more and not baseline.is_settled(now):
            return Verdict(outcome="running")
        return _from_times(baseline, connection)
    outcome = _without_result(baseline, connection, None, now)
    if outcome == "not_started" and found is not None:
        outcome = "incomplete"  # it began, whatever became of it
    guessed = "It neither succeeded nor failed." if outcome == "cancelled" else None
    return Verdict(outcome=outcome, doubt=guessed)


def _is_over(sync: Sync) -> bool:
    """Whether a sync has ended. One that runs is INCOMPLETE, or has a word that is not known."""
    return sync.end is not None or sync.status in _LAST_WORDS


def _find(baseline: Baseline, syncs: Sequence[Sync]) -> Sync | None:
    """Find the sync of a baseline: the one that ran at that time, or the next to begin.

    With clocks that differ, the last that began just before is the next.
    """
    begun = sorted(
        ((begin, sync) for sync in syncs if (begin := sync.start or sync.end)),
        key=lambda each: each[0],
    )
    begun = [each for each in begun if _can_be(baseline, *each)]
    before = [sync for begin, sync in begun if begin < baseline.triggered]
    after = [sync for begin, sync in begun if begin >= baseline.triggered]
    near = [*before[-1:], *after[:1]]
    if not near:
        return None
    return near[0] if baseline.kind == "running" else near[-1]


def _can_be(baseline: Baseline, begin: datetime, sync: Sync) -> bool:
    """Whether a sync is not one that had ended before, or was stopped by the trigger."""
    triggered, known = baseline.triggered, baseline.ended_before
    if (known and begin < known - SAME) or (sync.end and sync.end <= triggered):
        return False
    if baseline.kind in {"restarted", "behind"}:
        stopped = sync.status == "CANCELED" and begin < triggered
        return begin >= triggered - STRICT_SKEW and not stopped
    return baseline.kind == "running" or begin >= triggered - SKEW


def _from_history(
    baseline: Baseline, connection: Connection, found: Sync, now: datetime
) -> Verdict:
    results: dict[str | None, Outcome] = {"COMPLETED": "succeeded", "FAILURE": "failed"}
    outcome = results.get(found.status) or _without_result(baseline, connection, found, now)
    ended, newest, later = found.end, last_end(connection), None
    if ended and newest and newest > ended + SAME:
        later = _result_at(connection, newest)
    elif outcome != "succeeded" and _runs(connection):
        later = "is running"
    return Verdict(outcome=outcome, sync=found, ended=ended, later=later)


def _result_at(connection: Connection, moment: datetime) -> str:
    word = "succeeded" if connection.succeeded_at == moment else "failed"
    return f"{word} at {moment:%Y-%m-%dT%H:%M:%SZ}"


def _from_times(baseline: Baseline, connection: Connection) -> Verdict:
    """Judge by the two times. Each shows the last of its kind only, so the earlier comes nearer."""
    ends = sorted(
        end
        for end in (connection.succeeded_at, connection.failed_at)
        if baseline.is_new(end) and end
    )
    behind = baseline.kind in {"behind", "restarted"}
    ended = ends[-1] if behind else ends[0]
    doubt = "This may have been the sync that ran before." if behind else None
    if doubt is None and len(ends) > 1:
        doubt = "Several syncs ended since: without a history it is not sure which was this one."
    return Verdict(
        outcome="succeeded" if ended == connection.succeeded_at else "failed",
        ended=ended,
        later=None if ended == ends[-1] else _result_at(connection, ends[-1]),
        doubt=doubt,
    )


def _without_result(
    baseline: Baseline, connection: Connection, found: Sync | None, now: datetime
) -> Outcome:
    """Say how a sync ended, if it did, that neither succeeded nor failed."""
    status, word = connection.status, found.status or "" if found else None
    new = not baseline.doubtful or baseline.seen or not baseline.is_fresh(now)
    put_off, ill = (
        status.sync_state == "rescheduled",
        status.setup_state in {"broken", "incomplete"},
    )
    signs: tuple[tuple[Outcome, bool], ...] = (
        ("paused", _is_paused(connection) or word == "PAUSED"),
        ("rescheduled", (put_off and new) or word == "RESCHEDULED"),
        ("broken", ill and new),
        ("incomplete", word == "INCOMPLETE"),
        ("cancelled", word == "CANCELED"),
        ("ended", word is not None),
        ("running", baseline.stopped is not None and not baseline.is_settled(now)),
        ("cancelled", baseline.seen),
        ("waiting", baseline.is_fresh(now) or _still_held(baseline, connection)),
    )
    return next((outcome for outcome, applies in signs if applies), "not_started")


def _is_paused(connection: Connection) -> bool:
    """Whether it is paused. The state lags behind the switch, by up to a minute, either way."""
    if connection.paused is None:
        return connection.status.sync_state == "paused"
    return connection.paused


def _still_held(baseline: Baseline, connection: Connection) -> bool:
    """Whether it begins with the next sync after the pause, whenever that is."""
    return baseline.kind == "held" and connection.schedule_type != "manual"
