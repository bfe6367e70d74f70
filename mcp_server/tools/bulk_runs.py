"""A bulk change under way, and its report, which is not lost whatever happens to the caller."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import anyio
import anyio.lowlevel
import structlog
from pydantic import Field

from mcp_server.failures import in_brief
from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import FivetranError, RateLimitedError, UnauthorizedError
from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import Reporter, Result, Timestamp, ToolFailure
from mcp_server.tools.baselines import MOST_CONNECTORS, baseline_of
from mcp_server.tools.bulk_targets import Action, Targets, digest_of
from mcp_server.unanswered import Unanswered
from mcp_server.untrusted import clean

_log = structlog.stdlib.get_logger("mcp_server.bulk_runs")

AT_ONCE: Final = 4
LONGEST_RUN: Final = timedelta(seconds=45)
"""After so long nothing new is started: hosts give up on a call after a minute."""
MOST_SHOWN: Final = 50
MOST_SO: Final = 20
LONGEST_NAME: Final = 60
USUAL_TARGETS: Final = 50
USUAL_FAILURES: Final = 5

Halt = Literal["failures", "rate_limited", "unauthorized", "time"]


class Ids(Result):
    """Connectors, the first of them by id."""

    count: int
    ids: list[str]
    more: int | None = Field(default=None, description="Not shown.")


def ids_of(connections: Iterable[Connection], most: int = MOST_SHOWN) -> Ids | None:
    """Show connectors by id and count the rest; None for none."""
    ids = [each.id for each in connections]
    left = max(len(ids) - most, 0)
    return Ids(count=len(ids), ids=ids[:most], more=left or None) if ids else None


class NotPossible(Ids):
    """Connectors that cannot be changed so."""

    why: str


def not_possible(targets: Targets) -> list[NotPossible] | None:
    """Show what cannot be changed, by why."""
    parts = ((why, ids_of(several, MOST_SO)) for why, several in targets.cannot.items())
    return [NotPossible(why=why, **ids.model_dump()) for why, ids in parts if ids] or None


def short_name(connection: Connection) -> str | None:
    """Show a name in a row."""
    return clean(connection.name, LONGEST_NAME) if connection.name else None


class NextCall(Result):
    """A call to make, word for word."""

    tool: Literal["bulk_update"] = "bulk_update"
    arguments: dict[str, Any]


class BulkFailure(Result):
    """A connector that was not changed, or of which it is not known."""

    id: str
    name: str | None = None
    code: str
    retryable: bool
    message: str


class BulkRun(Result):
    """What became of a bulk change."""

    action: Action
    minutes: int | None = None
    outcome: Literal["done", "stopped", "interrupted"]
    stopped_by: Halt | None = None
    retry_after_seconds: float | None = None
    began: Timestamp
    succeeded: Ids | None = None
    previous_minutes: dict[str, list[str]] | None = Field(
        default=None, description="Of those shown in succeeded; `custom`: cannot be set again here."
    )
    already_so: int
    cannot: list[NotPossible] | None = None
    failed: list[BulkFailure] | None = None
    not_attempted: Ids | None = None
    baselines: list[str] | None = Field(default=None, description="For wait_for_sync.")
    next_step: str
    next_call: NextCall | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """A bulk change under way; it knows at any moment how far it has come."""

    fivetran: Fivetran
    targets: Targets
    max_failures: int
    progress: Reporter
    unanswered: Unanswered
    began: datetime
    halt: Halt | None = None
    retry_after: float | None = None
    waiting: deque[Connection] = field(init=False)
    under_way: dict[str, Connection] = field(default_factory=dict)
    succeeded: list[Connection] = field(default_factory=list)
    failed: list[BulkFailure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = deque(self.targets.change)

    async def run(self) -> BulkRun:
        """Change everything, or stop; an interruption leaves the report for the next call."""
        try:
            async with anyio.create_task_group() as workers:
                for _ in range(AT_ONCE):
                    workers.start_soon(self._work)
            await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            report = self.report("interrupted")
            self.unanswered.keep(about(self.targets.action), report, self.fivetran.now())
            self._write_down("bulk_run_interrupted")
            raise
        self._write_down("bulk_run_ended")
        return self.report("stopped" if self.waiting else "done")

    async def _work(self) -> None:
        while self._goes_on():
            # Within the shield a cancellation is not seen, so it is looked for before.
            await anyio.lowlevel.checkpoint_if_cancelled()
            connection = self.waiting.popleft()
            self.under_way[connection.id] = connection
            with anyio.CancelScope(shield=True):
                await self._change(connection)
            del self.under_way[connection.id]
            ended = len(self.succeeded) + len(self.failed)
            text = f"{ended} of {len(self.targets.change)}, {len(self.failed)} failed"
            await self.progress(ended, len(self.targets.change), text)

    def _goes_on(self) -> bool:
        """Say whether to start with another one; if not, note why."""
        if self.halt is None and len(self.failed) >= self.max_failures:
            self.halt = "failures"
        if self.halt is None and self.fivetran.now() - self.began >= LONGEST_RUN:
            self.halt = "time"
        return self.halt is None and bool(self.waiting)

    async def _change(self, connection: Connection) -> None:
        try:
            await _apply(self.fivetran, connection.id, self.targets)
        except FivetranError as error:
            brief = in_brief(error)
            self._note(connection, brief.code, brief.message, retryable=brief.retryable)
            # All that would follow would fail as well.
            if isinstance(error, RateLimitedError):
                self.halt = "rate_limited"
                self.retry_after = max(self.retry_after or 0, error.retry_after or 0) or None
            elif isinstance(error, UnauthorizedError):
                self.halt = "unauthorized"
        except ToolFailure as failure:
            self._note(connection, failure.code, failure.message)
        else:
            self.succeeded.append(connection)

    def _note(
        self, connection: Connection, code: str, message: str, *, retryable: bool = False
    ) -> None:
        self.failed.append(_failure(connection, code, message, retryable=retryable))

    def _write_down(self, event: str) -> None:
        _log.info(
            event,
            action=self.targets.action,
            succeeded=[each.id for each in self.succeeded],
            failed={each.id: each.code for each in self.failed},
            unknown=list(self.under_way),
            not_attempted=[each.id for each in self.waiting],
        )

    def report(self, outcome: Literal["done", "stopped", "interrupted"]) -> BulkRun:
        """Tell what was done, what was not, and how to go on."""
        targets, action = self.targets, self.targets.action
        cut_off = [
            _failure(each, "outcome_unknown", "The run ended before its answer came")
            for each in self.under_way.values()
        ]
        failed = [*self.failed, *cut_off]
        retryable = {each.id for each in failed if each.retryable}
        again = [each for each in targets.change if each.id in retryable] + [*self.waiting]
        shown = self.succeeded[:MOST_SHOWN] if action == "set_sync_frequency" else []
        return BulkRun(
            action=action,
            minutes=targets.minutes,
            outcome=outcome,
            stopped_by=self.halt if self.waiting else None,
            retry_after_seconds=self.retry_after,
            began=self.began,
            succeeded=ids_of(self.succeeded),
            previous_minutes=by_frequency(shown) or None,
            already_so=len(targets.already),
            cannot=not_possible(targets),
            failed=failed or None,
            not_attempted=ids_of(self.waiting),
            baselines=self._baselines(),
            next_step=self._next_step(failed, again=bool(again)),
            next_call=_continued(targets, again, self.max_failures) if again else None,
        )

    def _baselines(self) -> list[str] | None:
        """Make what wait_for_sync tells the syncs of this run by."""
        if self.targets.action != "sync":
            return None
        started = self.succeeded
        parts = (
            started[at : at + MOST_CONNECTORS] for at in range(0, len(started), MOST_CONNECTORS)
        )
        return [
            baseline_of([(each, "started") for each in part], self.began) for part in parts
        ] or None

    def _next_step(self, failed: Sequence[BulkFailure], *, again: bool) -> str:
        steps = []
        if again:
            when = "" if self.retry_after is None else " after retry_after_seconds"
            steps.append(
                f"Tell the person what failed and what was not attempted; to go on{when}, make the call"
                " in next_call."
            )
        if any(not each.retryable for each in failed):
            steps.append(
                "Those that are not retryable: look with get_sync_status and get_connector_problems"
                " before anything else."
            )
        if self.succeeded and self.targets.action == "sync":
            steps.append("One call of wait_for_sync for each of baselines tells how the syncs end.")
        return " ".join(steps) or "There is nothing left to do."


def about(action: Action) -> str:
    """Name what a report is about."""
    return f"bulk_update {action}"


def by_frequency(connections: Iterable[Connection]) -> dict[str, list[str]]:
    """Tell how often connectors sync, in minutes, so that it can be set again."""
    found: dict[str, list[str]] = {}
    for each in connections:
        found.setdefault(str(each.sync_frequency or "custom"), []).append(each.id)
    return found


def _failure(
    connection: Connection, code: str, message: str, *, retryable: bool = False
) -> BulkFailure:
    return BulkFailure(
        id=connection.id,
        name=short_name(connection),
        code=code,
        retryable=retryable,
        message=message,
    )


async def _apply(fivetran: Fivetran, connector_id: str, targets: Targets) -> None:
    """Change one connector as the tool for one does."""
    match targets.action:
        case "pause" | "resume":
            await fivetran.connections.update(
                connector_id, paused=targets.action == "pause", run_setup_tests=False
            )
        case "sync":
            await fivetran.connections.sync(connector_id, force=False)
        case _:
            after = await fivetran.connections.update(
                connector_id, sync_frequency=targets.minutes, run_setup_tests=False
            )
            if after.sync_frequency != targets.minutes:
                raise ToolFailure(
                    "not_applied",
                    "Fivetran accepted it, but does not show it; the plan may not allow it",
                    hint="See get_connector in a minute.",
                )


def _continued(targets: Targets, left: Sequence[Connection], max_failures: int) -> NextCall:
    """Write the call that goes on where a run ended."""
    limits = {"max_targets": len(left)} if len(left) > USUAL_TARGETS else {}
    if max_failures != USUAL_FAILURES:
        limits["max_failures"] = max_failures
    return NextCall(
        arguments={
            "action": targets.action,
            "connector_ids": [each.id for each in left],
            **({} if targets.minutes is None else {"minutes": targets.minutes}),
            **limits,
            "dry_run": False,
            "digest": digest_of(targets.action, targets.minutes, left),
            "confirm": True,
        }
    )
