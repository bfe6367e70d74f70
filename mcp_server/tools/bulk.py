"""The tool that changes many connectors in one call, and what it shows before it does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Resolve
from pydantic import Field
from typing_extensions import override

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
    MOST_SO,
    USUAL_FAILURES,
    USUAL_TARGETS,
    BulkRun,
    Ids,
    NextCall,
    NotPossible,
    Run,
    about,
    ids_of,
    not_possible,
    short_name,
)
from mcp_server.tools.bulk_targets import FEW, Action, Selector, Targets
from mcp_server.tools.bulk_texts import effect_of, effects, losses, undo_of
from mcp_server.tools.connectors import ServiceName, StateFilter
from mcp_server.tools.fleet import toolset

ROW_BUDGET: Final = 3_300
"""Bytes of the rows of a dry run."""

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
    nobody: str | None
    """Why the filters match nothing, if that is known."""
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
    found, nobody = await selector.find(fivetran)
    targets = Targets.of(found, action, minutes, fivetran.now())
    count = len(targets.change)
    if count > max_targets and not dry_run:
        raise ToolFailure(
            "invalid_arguments",
            f"max_targets: {count} connectors would be changed, and at most {max_targets} may be",
            hint="Nothing was changed. Narrow the filters, or raise max_targets (up to 500) if all of"
            " them are meant.",
        )
    if dry_run or not targets.change:
        return BulkPlan(targets=targets, selector=selector, nobody=nobody, preview=None, idle=True)
    return BulkPlan(
        targets=targets,
        selector=selector,
        nobody=nobody,
        concerns=targets.change,
        preview=_preview(targets, digest, unheard.waiting(about(action), fivetran.now())),
        pinned={"digest": targets.digest},
    )


def _preview(targets: Targets, digest: str | None, reports: int) -> Preview:
    """Show a run before it is confirmed."""
    other = digest not in {None, targets.digest}
    said = [
        "This digest is not that of the set as it is now, so nothing was changed. Now:"
        if other
        else "",
        effect_of(targets),
        *effects(targets),
        "An earlier run of this action was interrupted: dry_run=true shows its report first."
        if reports
        else "",
    ]
    return Preview(
        effect=" ".join(filter(None, said)),
        lost=" ".join(losses(targets)) or "Nothing.",
        size=f"{len(targets.change)} of {targets.matched} that match;"
        f" {len(targets.already)} are so already",
        undo=undo_of(targets),
    )


class BulkRow(Result):
    """A connector that would be changed."""

    id: str
    name: str | None = None
    minutes: int | None = Field(default=None, description="Between syncs, now.")


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


def _dry(plan: BulkPlan, limits: Mapping[str, int]) -> Dry:
    """Show what a run would do, and write the call that does it."""
    targets = plan.targets
    change, schedules = targets.change, targets.action == "set_sync_frequency"
    rows = _rows(change, minutes=schedules)
    counts = Counter(str(each.sync_frequency or "custom") for each in change if schedules)
    return Dry(
        matched=targets.matched,
        would_change=len(change),
        connectors=rows,
        more=len(change) - len(rows) or None,
        already_so=ids_of(targets.already, MOST_SO),
        cannot=not_possible(targets),
        minutes_now=dict(counts.most_common()) or None,
        warnings=[*effects(targets), *losses(targets)] or None,
        undo=undo_of(targets) if change else None,
        **_next(plan, limits),
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


def _next(plan: BulkPlan, limits: Mapping[str, int]) -> dict[str, Any]:
    """Write the call that does what was shown; many ids are not written out again."""
    targets, selector = plan.targets, plan.selector
    if not targets.change:
        nothing = "Nothing would change, so there is nothing to do."
        return {"next_step": " ".join(filter(None, (plan.nobody, nothing)))}
    count, most = len(targets.change), limits["max_targets"]
    if count > most:
        return {
            "next_step": f"Nothing was changed, and a run would be refused: {count} would be changed, and"
            f" at most max_targets={most} may be. Narrow the filters, or raise max_targets (up to 500)"
            " if all of them are meant."
        }
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
    return {
        "digest": targets.digest,
        "next_step": f"{step}.",
        "next_call": NextCall(arguments=arguments),
    }


class BulkAnswer(Result):
    """What a bulk change would do, or did; and what became of an earlier one that was interrupted."""

    action: Action
    dry_run: Dry | None = None
    run: BulkRun | None = None
    interrupted_run: BulkRun | None = Field(
        default=None, description="An earlier run whose answer nobody got. It is told once."
    )
    more_interrupted: int | None = Field(default=None, description="Told by the next calls.")

    @property
    @override
    def recorded_as(self) -> str:
        """Say whether all was done, some or none."""
        if self.run is None or not (self.run.failed or self.run.not_attempted):
            return "ok"
        return "partial" if self.run.succeeded else "failed"


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

    Takes ids or filters. The run (dry_run=false) needs the dry run's digest; if the set has changed,
    it is refused. It stops at failures or after 45 s and tells how to go on.
    """
    targets = plan.targets
    limits = {"max_targets": max_targets, "max_failures": max_failures}
    dry = _dry(plan, limits) if dry_run else None
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
