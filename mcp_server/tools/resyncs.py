"""The tool that loads history again, and what it would cost."""

from dataclasses import dataclass
from typing import Annotated, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError
from mcp_server.fivetran.models import ConnectionDetails
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Effect,
    Fivetran,
    Maybe,
    Plan,
    Preview,
    Result,
    Timestamp,
    ToolFailure,
)
from mcp_server.tools.baselines import Kind, baseline_of, last_end
from mcp_server.tools.results import name_of
from mcp_server.tools.syncs import NEXT_STEP, refuse_incomplete, toolset
from mcp_server.tools.targets import count_of, find_tables, listed, target_of

Tables = Annotated[
    dict[
        Annotated[str, Field(min_length=1)],
        Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)],
    ],
    Field(min_length=1, description="Schema to tables, exact names; only with scope=tables."),
]
Scope = Annotated[
    Literal["connector", "tables"], Field(description="`connector`: everything it syncs.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncPlan(Plan):
    """A historical sync to start."""

    connection: ConnectionDetails
    tables: dict[str, list[str]] | None


async def plan_resync(
    connector_id: str,
    scope: Scope,
    tables: Maybe[Tables],
    fivetran: Fivetran,
) -> ResyncPlan:
    """Check names against the schema configuration, and tell what a resync would cost."""
    if (scope == "tables") != (tables is not None):
        raise ToolFailure(
            "invalid_arguments",
            "tables: scope=tables needs tables, scope=connector must not have any",
            hint='Name them, e.g. {"public": ["orders"]}, or say scope="connector" for everything.',
        )
    connection = await fivetran.connections.get(connector_id)
    refuse_incomplete(connection)
    if tables is None:
        named, what = None, "everything this connector syncs"
        size = await count_of(fivetran, connector_id)
    else:
        named = find_tables(await fivetran.schemas.get(connector_id), tables)
        count = sum(map(len, named.values()))
        size = f"{count} table{'s' if count > 1 else ''}"
        what = f"{size} ({listed([f'{s}.{t}' for s, names in named.items() for t in names])})"
    paused = " It is paused, so this waits until it is resumed." if connection.paused else ""
    return ResyncPlan(
        connection=connection,
        tables=named,
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect=f"A historical sync would load {what} from the source again; that can take"
            f" hours or days, costs source load and warehouse time, and what is loaded again gets no"
            f" new rows until it is done.{paused}",
            lost="Rows that the source no longer has may be marked deleted or removed in the"
            " destination; nothing else, and nothing at once.",
            size=size,
            undo="It cannot be undone; pausing the connector only interrupts it.",
        ),
    )


class ResyncStarted(Result):
    """A historical sync that was accepted."""

    connector_id: str
    name: str | None = None
    scope: Scope
    tables: dict[str, list[str]] | None = None
    starts: Literal["now", "when resumed"]
    baseline: str = Field(description="For wait_for_sync.")
    next_step: str = NEXT_STEP
    last_success: Timestamp | None = Field(default=None, description="Before this sync.")
    last_failure: Timestamp | None = Field(default=None, description="Before this sync.")


@toolset.tool(
    title="Resync connector",
    effect=Effect.DESTRUCTIVE,
    rejected_hint="Some services resync only as a whole: then scope=connector is the only way.",
)
async def resync_connector(
    connector_id: ConnectorId,
    scope: Scope,
    tables: Maybe[Tables] = None,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[ResyncPlan, Resolve(plan_resync)],
) -> ResyncStarted:
    """Load history again (historical sync), of everything or of named tables: can take days and money.

    For stale data `sync_connector` is enough; for one wrong table use scope=tables.
    """
    before, now = plan.connection, fivetran.now()
    await fivetran.connections.resync(connector_id, plan.tables)
    known, kind = await _before_it(fivetran, before)
    return ResyncStarted(
        connector_id=before.id,
        name=name_of(before),
        scope=scope,
        tables=plan.tables,
        starts="when resumed" if before.paused else "now",
        baseline=baseline_of([(known, kind)], now, historical=plan.tables is None),
        next_step=f"After resume_connector, {NEXT_STEP}" if before.paused else NEXT_STEP,
        last_success=before.succeeded_at,
        last_failure=before.failed_at,
    )


async def _before_it(fivetran: Client, before: ConnectionDetails) -> tuple[ConnectionDetails, Kind]:
    """Find out which sync ended last before a resync: Fivetran lets one that runs end first."""
    if before.status.sync_state != "syncing":
        return before, "held" if before.paused else "started"
    try:
        after = await fivetran.connections.get(before.id)
    except FivetranError:
        return before, "behind"
    return after, "behind" if last_end(after) == last_end(before) else "started"
