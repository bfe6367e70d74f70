"""The tool that changes what a connector syncs: planned, sent, read back."""

from typing import Annotated, Any, Final, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError, OutcomeUnknownError
from mcp_server.fivetran.models import SchemaConfig
from mcp_server.toolkit import Confirm, ConnectorId, Effect, Fivetran, Maybe, Result, ToolFailure
from mcp_server.tools.schema_items import (
    LEVELS,
    Change,
    Handling,
    SchemaChanges,
    Value,
    shown,
    word,
)
from mcp_server.tools.schema_plan import SchemaPlan, named, plan_schema_change
from mcp_server.tools.schemas import NO_COLUMNS, toolset
from mcp_server.undoing import taken_back_by

MOST_SHOWN: Final = 100


class AppliedChange(Result):
    """A setting that was changed."""

    place: str = Field(description="schema.table.column; empty: the connector's own.")
    setting: str
    before: str | None = None
    after: str
    unconfirmed: Literal[True] | None = Field(
        default=None, description="Accepted, but the configuration does not show it."
    )


class SchemaChanged(Result):
    """What was changed, read back from Fivetran."""

    connector_id: str
    changed: int = Field(description="0: everything was as wanted already, nothing was sent.")
    changes: list[AppliedChange]
    more_changes: int | None = None
    warnings: list[str] | None = None


@toolset.tool(
    title="Update schema configuration",
    effect=Effect.WRITE,
    idempotent=True,
    rejected_hint="If a sync is running, pause_connector, wait until get_sync_status says paused,"
    f" call again, resume_connector. {NO_COLUMNS}",
)
async def update_schema_config(
    connector_id: ConnectorId,
    schema_change_handling: Maybe[Handling] = None,
    schemas: Maybe[SchemaChanges] = None,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[SchemaPlan, Resolve(plan_schema_change)],
) -> SchemaChanged:
    """Choose which schemas, tables and columns sync, and how.

    E.g. schemas `{"public": {"tables": {"orders": {"columns": {"email": {"hashed": true}}}}}}`.
    Enabling a table loads its history. Disabling anything, an end of hashing or another sync mode
    needs `confirm`.
    Also works in advance, before a new connector's source was read.
    """
    applied: list[AppliedChange] = []
    if plan.in_advance:
        await fivetran.schemas.create(connector_id, plan.body)
        applied = [_told(change, unconfirmed=True) for change in plan.changes]
    elif plan.changes:
        applied = await _apply(fivetran, connector_id, plan)
        if all(change.before is not None for change in plan.changes):
            taken_back_by("update_schema_config", connector_id=connector_id, **_before(plan))
    return SchemaChanged(
        connector_id=connector_id,
        changed=len(applied),
        changes=applied[:MOST_SHOWN],
        more_changes=max(0, len(applied) - MOST_SHOWN) or None,
        warnings=list(plan.warnings) or None,
    )


def _before(plan: SchemaPlan) -> dict[str, Any]:
    """Write down what the changed settings were, as the arguments that set them so again."""
    arguments: dict[str, Any] = {}
    for change in plan.changes:
        node = arguments
        for level, name in zip(LEVELS, change.place, strict=False):
            node = node.setdefault(level, {}).setdefault(name, {})
        node[change.setting] = change.before
    return arguments


async def _apply(fivetran: Client, connector_id: str, plan: SchemaPlan) -> list[AppliedChange]:
    """Send the change and read it back; a lost answer is settled by what is read."""
    lost: OutcomeUnknownError | None = None
    try:
        await fivetran.schemas.update(connector_id, plan.body)
    except OutcomeUnknownError as error:
        lost = error
    try:
        config = await fivetran.schemas.get(connector_id)
    except FivetranError:
        raise lost or OutcomeUnknownError("accepted, but it could not be read back") from None
    applied = [_confirmed(change, config) for change in plan.changes]
    missing = [c for c, seen in zip(plan.changes, applied, strict=True) if seen is None]
    if lost and not all(seen and not seen.unconfirmed for seen in applied):
        raise lost
    if missing:
        raise ToolFailure(
            "not_applied",
            f"Fivetran accepted the change, but {len(missing)} of {len(plan.changes)} settings do"
            f" not show it: {named([change.place for change in missing])}",
            hint="See get_schema_config in a minute; the others are applied.",
        )
    return [change for change in applied if change]


def _confirmed(change: Change, config: SchemaConfig) -> AppliedChange | None:
    """Compare a change with what is there now; None if it did not take."""
    now, known = _present(change, config)
    if known and now != change.after:
        return None
    return _told(change, unconfirmed=not known)


def _told(change: Change, *, unconfirmed: bool) -> AppliedChange:
    return AppliedChange(
        place=shown(change.place),
        setting=change.setting,
        before=None if change.before is None else word(change.before),
        after=word(change.after),
        unconfirmed=unconfirmed or None,
    )


def _present(change: Change, config: SchemaConfig) -> tuple[Value, bool]:
    """Read a setting; a column that is back at its defaults may not be listed any more."""
    node: Any = config
    for level, name in zip(LEVELS, change.place, strict=False):
        node = getattr(node, level).get(name)
        if node is None:
            return None, level != "columns"
    return getattr(node, change.setting), True
