"""The tool that changes many connectors in one call, and what it shows before it does."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Effect,
    Fivetran,
    GroupId,
    Maybe,
    Minutes,
    NameContains,
    Plan,
    Preview,
    Progress,
    Result,
    ToolFailure,
    Unheard,
    Whole,
)
from mcp_server.tools.bulk_runs import (
    MOST_SHOWN,
    USUAL_FAILURES,
    USUAL_TARGETS,
    BulkRun,
    Ids,
    NextCall,
    Run,
    about,
    ids_of,
    short_name,
)
from mcp_server.tools.bulk_targets import FEW, Action, Selector, Targets
from mcp_server.tools.connectors import ServiceName, StateFilter
from mcp_server.tools.fleet import toolset
from mcp_server.tools.syncs import DAILY
from mcp_server.tools.targets import listed

ROW_BUDGET: Final = 3_300
"""Bytes of the rows of a dry run."""
MOST_SO: Final = 20

ConnectorIds = Annotated[
    list[ConnectorId],
    Field(min_length=1, max_length=500, description="Exactly these; then no filters."),
]
BulkAction = Annotated[Action, Field(description="What to do with each.")]
NewMinutes = Annotated[Minutes, Field(description="Between syncs; only for set_sync_frequency.")]
StateAsListed = Annotated[StateFilter, Field(description="As in `list_connectors`.")]
DryRun = Annotated[bool, Field(description="Only show what would change.")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="Of the dry run.")]
MostTargets = Annotated[
    int, Field(ge=1, le=500, description="Refuse if more would be changed."), Whole
]
MostFailures = Annotated[int, Field(ge=1, le=50, description="Stop after so many failures."), Whole]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPlan(Plan):
    """A bulk change to make, or to show."""

    targets: Targets
    selector: Selector
    effect: Effect = Effect.WRITE


async def plan_bulk(
    action: BulkAction,
    connector_ids: Maybe[ConnectorIds],
    group_id: Maybe[GroupId],
    service: Maybe[ServiceName],
    state: Maybe[StateAsListed],
    name_contains: Maybe[NameContains],
    minutes: Maybe[NewMinutes],
    dry_run: DryRun,
    digest: Maybe[Digest],
    max_targets: MostTargets,
    fivetran: Fivetran,
    unheard: Unheard,
) -> BulkPlan:
    """Find out what would change; a run is confirmed for exactly that."""
    if (action == "set_sync_frequency") != (minutes is not None):
        raise ToolFailure(
            "invalid_arguments",
            "minutes: set_sync_frequency needs it, the other actions must not have it",
            hint="Nothing was changed. For another schedule call again with"
            ' action="set_sync_frequency" and minutes.',
        )
    selector = Selector(
        connector_ids=connector_ids,
        group_id=group_id,
        service=service,
        state=state,
        name_contains=name_contains,
    )
    found = await selector.find(fivetran)
    targets = Targets.of(found, action, minutes, fivetran.now())
    count = len(targets.change)
    if count > max_targets:
        raise ToolFailure(
            "invalid_arguments",
            f"max_targets: {count} connectors would be changed, and at most {max_targets} may be",
            hint="Nothing was changed. Narrow the filters, or raise max_targets (up to 500) if all of"
            " them are meant.",
        )
    if dry_run or not targets.change:
        return BulkPlan(targets=targets, selector=selector, preview=None)
    return BulkPlan(
        targets=targets,
        selector=selector,
        preview=_preview(targets, digest, unheard.waiting(about(action), fivetran.now())),
        pinned={"digest": targets.digest},
    )


def _preview(targets: Targets, digest: str | None, reports: int) -> Preview:
    """Show a run before it is confirmed."""
    count = len(targets.change)
    names = listed([_quoted(each) for each in targets.change])
    changed = (
        "The set is no longer the one that this digest was given for, so nothing was changed. Now: "
        if digest not in {None, targets.digest}
        else ""
    )
    unread = (
        " An earlier run of this action was interrupted: dry_run=true shows its report first."
        if reports
        else ""
    )
    effect = f"{count} {_connectors(count)} would be {_done(targets)}: {names}."
    return Preview(
        effect=f"{changed}{effect}{unread}",
        lost=" ".join(_warnings(targets)) or "Nothing.",
        size=f"{count} of {targets.matched} that match; {len(targets.already)} are so already",
        undo=_undo(targets),
    )


def _quoted(connection: Connection) -> str:
    return json.dumps(short_name(connection) or connection.id, ensure_ascii=False)


def _connectors(count: int) -> str:
    return "connector" if count == 1 else "connectors"


def _done(targets: Targets) -> str:
    """Say what happens to a connector."""
    return {
        "pause": "paused",
        "resume": "resumed",
        "sync": "told to sync now",
        "set_sync_frequency": f"set to sync every {targets.minutes} minutes",
    }[targets.action]


def _warnings(targets: Targets) -> list[str]:
    """Say what a change costs, and what it does not do, with numbers."""
    return [f"{text}: {count}." for text, count in _SIGNS[targets.action](targets) if count]


def _when_paused(targets: Targets) -> Iterator[tuple[str, int]]:
    running = [each.status.sync_state == "syncing" for each in targets.change]
    yield "Syncing now, which is stopped first and can take a minute each", sum(running)


def _when_resumed(targets: Targets) -> Iterator[tuple[str, int]]:
    text = "May sync at once if overdue, which loads the sources and the warehouse"
    yield text, len(targets.change)
    yield from _broken(targets)
    incomplete = [each.status.setup_state == "incomplete" for each in targets.change]
    yield "With an incomplete setup, so they will not sync", sum(incomplete)


def _when_synced(targets: Targets) -> Iterator[tuple[str, int]]:
    yield "Syncs at the same time, which load the sources and the warehouse", len(targets.change)
    yield from _broken(targets)


def _broken(targets: Targets) -> Iterator[tuple[str, int]]:
    broken = [each.status.setup_state == "broken" for each in targets.change]
    yield "With a broken setup, so their syncs will probably fail", sum(broken)


def _when_rescheduled(targets: Targets) -> Iterator[tuple[str, int]]:
    change, minutes = targets.change, targets.minutes or 0
    yield (
        "Syncing more often, which is more load, and which the account's plan may forbid",
        sum((each.sync_frequency or 0) > minutes for each in change),
    )
    yield (
        "With a custom schedule, which is lost: only the dashboard can set one again",
        sum(each.sync_frequency is None for each in change),
    )
    yield (
        f"With a daily time, which is lost: it goes only with {DAILY}",
        sum(bool(each.daily_sync_time) for each in change),
    )
    yield (
        "With a manual schedule, so it has no effect until that is auto",
        sum(each.schedule_type == "manual" for each in change),
    )
    yield "Paused, so it has no effect until they are resumed", sum(bool(e.paused) for e in change)


_SIGNS: Final[Mapping[Action, Callable[[Targets], Iterator[tuple[str, int]]]]] = {
    "pause": _when_paused,
    "resume": _when_resumed,
    "sync": _when_synced,
    "set_sync_frequency": _when_rescheduled,
}


def _undo(targets: Targets) -> str:
    """Say how to take a change back, and how exactly that can be done."""
    how = _UNDO[targets.action]
    if targets.action == "sync" or len(targets.change) <= MOST_SHOWN:
        return how
    return (
        f"{how} The answer names {MOST_SHOWN}: to undo exactly, change no more than that in a call."
    )


_UNDO: Final[Mapping[Action, str]] = {
    "pause": "bulk_update with action=resume and the ids in succeeded.",
    "resume": "bulk_update with action=pause and the ids in succeeded.",
    "sync": "A sync cannot be undone; bulk_update with action=pause stops those that run.",
    "set_sync_frequency": "bulk_update with the minutes and ids in previous_minutes of the answer.",
}


class BulkRow(Result):
    """A connector that would be changed."""

    id: str
    name: str | None = None
    minutes: int | None = Field(default=None, description="Between syncs, now.")


class NotPossible(Ids):
    """Connectors that cannot be changed so."""

    why: str


class Dry(Result):
    """What a run would do."""

    matched: int
    would_change: int
    connectors: list[BulkRow] = Field(description="The first of those that would change.")
    more: int | None = Field(default=None, description="Of those, not shown.")
    already_so: Ids | None = None
    cannot: list[NotPossible] | None = None
    minutes_now: dict[str, int] | None = Field(
        default=None, description="How many sync how often, of those that would change."
    )
    warnings: list[str] | None = None
    undo: str | None = None
    digest: str | None = None
    next_step: str
    next_call: NextCall | None = None


def _dry(targets: Targets, selector: Selector, limits: Mapping[str, int]) -> Dry:
    """Show what a run would do, and write the call that does it."""
    change, schedules = targets.change, targets.action == "set_sync_frequency"
    rows = _rows(change, minutes=schedules)
    counts = Counter(str(each.sync_frequency or "custom") for each in change if schedules)
    return Dry(
        matched=targets.matched,
        would_change=len(change),
        connectors=rows,
        more=len(change) - len(rows) or None,
        already_so=ids_of(targets.already, MOST_SO),
        cannot=[_not_possible(why, several) for why, several in targets.cannot.items()] or None,
        minutes_now=dict(counts.most_common()) or None,
        warnings=_warnings(targets) or None,
        undo=_undo(targets) if change else None,
        digest=targets.digest if change else None,
        **_next(targets, selector, limits),
    )


def _rows(connections: Sequence[Connection], *, minutes: bool) -> list[BulkRow]:
    """Show the first connectors, as many as fit."""
    rows: list[BulkRow] = []
    left = ROW_BUDGET
    for each in connections[:MOST_SHOWN]:
        row = BulkRow(
            id=each.id, name=short_name(each), minutes=each.sync_frequency if minutes else None
        )
        left -= len(row.model_dump_json(exclude_none=True).encode())
        if left < 0:
            break
        rows.append(row)
    return rows


def _not_possible(why: str, connections: Sequence[Connection]) -> NotPossible:
    shown = ids_of(connections, MOST_SO)
    return NotPossible(why=why, **(shown.model_dump() if shown else {}))


def _next(targets: Targets, selector: Selector, limits: Mapping[str, int]) -> dict[str, Any]:
    """Write the call that does what was shown; many ids are not written out again."""
    if not targets.change:
        return {"next_step": "Nothing would change, so there is nothing to do."}
    chosen = selector.arguments()
    step = "Nothing was changed. Show this to the person; only if they agree, make the call in next_call"
    if len(selector.connector_ids or ()) > FEW:
        del chosen["connector_ids"]
        step += ", with the connector_ids of this call"
    usual = {"max_targets": USUAL_TARGETS, "max_failures": USUAL_FAILURES}
    arguments = {
        "action": targets.action,
        **chosen,
        **({} if targets.minutes is None else {"minutes": targets.minutes}),
        **{name: value for name, value in limits.items() if value != usual[name]},
        "dry_run": False,
        "digest": targets.digest,
        "confirm": True,
    }
    return {"next_step": f"{step}.", "next_call": NextCall(arguments=arguments)}


class BulkAnswer(Result):
    """What a bulk change would do, or did; and what became of an earlier one that was interrupted."""

    action: Action
    dry_run: Dry | None = None
    run: BulkRun | None = None
    interrupted_run: BulkRun | None = Field(
        default=None, description="An earlier run whose answer nobody got. It is told once."
    )
    more_interrupted: int | None = Field(default=None, description="Told by the next calls.")


@toolset.tool(title="Update many connectors", effect=Effect.WRITE)
async def bulk_update(
    action: BulkAction,
    connector_ids: Maybe[ConnectorIds] = None,
    group_id: Maybe[GroupId] = None,
    service: Maybe[ServiceName] = None,
    state: Maybe[StateAsListed] = None,
    name_contains: Maybe[NameContains] = None,
    minutes: Maybe[NewMinutes] = None,
    dry_run: DryRun = True,
    digest: Maybe[Digest] = None,
    max_targets: MostTargets = USUAL_TARGETS,
    max_failures: MostFailures = USUAL_FAILURES,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    progress: Progress,
    unheard: Unheard,
    plan: Annotated[BulkPlan, Resolve(plan_bulk)],
) -> BulkAnswer:
    """Pause, resume, sync or reschedule many connectors: by default a dry run, which changes nothing.

    Takes ids or filters. The run (dry_run=false) needs the digest of the dry run; if the set has
    changed, it is refused. It stops at failures or after 45 s and tells how to go on. For one
    connector: `pause_connector` and the like.
    """
    targets = plan.targets
    limits = {"max_targets": max_targets, "max_failures": max_failures}
    dry = _dry(targets, plan.selector, limits) if dry_run else None
    run = None
    if not dry_run:
        run = await Run(
            fivetran=fivetran,
            targets=targets,
            max_failures=max_failures,
            progress=progress,
            unanswered=unheard,
            began=fivetran.now(),
        ).run()
    # Only now, for a report that was handed out is gone.
    earlier = unheard.take(about(action), fivetran.now())
    left = unheard.waiting(about(action), fivetran.now())
    return BulkAnswer(
        action=action,
        dry_run=dry,
        run=run,
        interrupted_run=earlier if isinstance(earlier, BulkRun) else None,
        more_interrupted=left or None,
    )
