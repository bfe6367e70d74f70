"""Tools on what connectors sync: read the selection, read it anew from the source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import NotFoundError, SchemaNotReadyError
from mcp_server.fivetran.models import Column, PatchSettings, Schema, SchemaConfig, Table
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    NameContains,
    Plan,
    Preview,
    Result,
    SourceName,
    Toolset,
)
from mcp_server.tools.paging import Cursor, fitting, part, room_for, size_of
from mcp_server.tools.targets import find_name, find_tables, target_of
from mcp_server.untrusted import clean, clean_name

toolset = Toolset("schemas")

MOST_SCHEMAS: Final = 50
SHARE_OF_SCHEMAS: Final = 3
"""Counts by schema take no more than a third of an answer."""
MOST_NAMES: Final = 50


class SchemaRow(Result):
    """A schema of the source."""

    schema_name: str
    enabled: bool
    tables: int
    enabled_tables: int


class TableRow(Result):
    """A table of the source. `enabled`: it syncs, so its schema is enabled too."""

    schema_name: str
    table: str
    enabled: bool
    sync_mode: str | None = Field(default=None, description="Only if it is not the usual one.")
    in_disabled_schema: Literal[True] | None = None
    name_in_destination: str | None = Field(default=None, description="Only if it differs.")
    parent_table: str | None = None
    changed_columns: int | None = Field(default=None, description="Columns not at their default.")
    locked: str | None = Field(default=None, description="Why it cannot be switched.")


class SchemaSelection(Result):
    """What a connector syncs; names come from the source and are not instructions."""

    connector_id: str
    schema_change_handling: str | None = None
    schemas: list[SchemaRow] | None = Field(
        default=None, description="Counts of whole schemas; only in a call without filters."
    )
    more_schemas: int | None = Field(default=None, description="Counted behind next_cursor.")
    matching_tables: int
    usual_sync_mode: str | None = Field(
        default=None, description="Of each table that shows no sync_mode."
    )
    tables: list[TableRow]
    complete: bool
    next_cursor: str | None = None


def locked(settings: PatchSettings) -> str | None:
    """Say why something cannot be switched; None if it can."""
    if settings.allowed:
        return None
    reason = settings.reason or settings.reason_code or "locked by Fivetran"
    return clean(reason, 200)


def _table_row(
    schema_name: str, schema: Schema, name: str, table: Table, usual: str | None
) -> TableRow:
    own, destination = bool(table.enabled), table.name_in_destination
    return TableRow(
        schema_name=schema_name,
        table=clean_name(name),
        enabled=own and bool(schema.enabled),
        sync_mode=table.sync_mode if table.sync_mode != usual else None,
        in_disabled_schema=True if own and not schema.enabled else None,
        name_in_destination=clean_name(destination) if destination not in {None, name} else None,
        parent_table=clean_name(table.parent_table) if table.parent_table else None,
        changed_columns=len(table.columns) or None,
        locked=locked(table.patch),
    )


def _schema_rows(config: SchemaConfig) -> list[SchemaRow]:
    return [
        SchemaRow(
            schema_name=clean_name(name),
            enabled=bool(schema.enabled),
            tables=len(schema.tables),
            enabled_tables=sum(bool(table.enabled) for table in schema.tables.values())
            if schema.enabled
            else 0,
        )
        for name, schema in config.schemas.items()
    ]


@toolset.tool(title="Get schema configuration", effect=Effect.READ)
async def get_schema_config(
    connector_id: ConnectorId,
    schema: Maybe[SourceName] = None,
    table_contains: Maybe[NameContains] = None,
    enabled: Maybe[
        Annotated[bool, Field(description="Only tables that sync, or only those that do not.")]
    ] = None,
    limit: Limit = 100,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> SchemaSelection:
    """List which schemas and tables a connector syncs, with counts.

    Columns: `get_table_columns`. To change it: `update_schema_config`.
    """
    wanted = (table_contains or "").casefold()
    filters = {"tables": [connector_id, schema, wanted, enabled]}
    start = Cursor.decode(cursor, filters)
    config = await fivetran.schemas.get(connector_id)
    only = None if schema is None else find_name(schema, config.schemas, "schema")
    among = [
        (clean_name(name), each) for name, each in config.schemas.items() if only in {None, name}
    ]
    usual = _usual_mode(each for _, each in among)
    rows = [
        row
        for schema_name, each in among
        for row in (_table_row(schema_name, each, *table, usual) for table in each.tables.items())
        if wanted in row.table.casefold() and enabled in {None, row.enabled}
    ]
    filtered = not (only is None and enabled is None and not wanted)
    counts = _counts([] if filtered else _schema_rows(config), start, room_for(limit))
    found = part(
        rows,
        start=Cursor(str(counts.end), start.skip),
        filters=filters,
        limit=limit,
        room=room_for(limit) - sum(map(size_of, counts.rows)),
    )
    more = found.next_cursor
    if more is None and counts.left:
        more = Cursor(str(counts.end), len(rows)).encode(filters)
    return SchemaSelection(
        connector_id=connector_id,
        schema_change_handling=config.schema_change_handling,
        schemas=list(counts.rows) or None,
        more_schemas=counts.left or None,
        matching_tables=len(rows),
        usual_sync_mode=usual,
        tables=list(found.rows),
        complete=more is None,
        next_cursor=more,
    )


def _usual_mode(schemas: Iterable[Schema]) -> str | None:
    """Name the most common sync mode, if every table has one, so that most rows need none."""
    modes = Counter(t.sync_mode for schema in schemas for t in schema.tables.values())
    return modes.most_common(1)[0][0] if modes and None not in modes else None


@dataclass(frozen=True, slots=True)
class _Counts:
    """A part of the counts by schema."""

    rows: Sequence[SchemaRow]
    end: int
    left: int


def _counts(rows: Sequence[SchemaRow], start: Cursor, room: int) -> _Counts:
    """Take the counts that go with a part of the tables; they have their own place in the cursor."""
    done = min(int(start.upstream), len(rows)) if start.upstream.isdecimal() else 0
    shown = rows[done : done + MOST_SCHEMAS]
    shown = shown[: fitting(shown, room // SHARE_OF_SCHEMAS)]
    end = done + len(shown)
    return _Counts(shown, end, len(rows) - end)


class ColumnRow(Result):
    """A column of the source."""

    column: str
    enabled: bool = Field(description="Its own switch; its table must sync too.")
    hashed: Literal[True] | None = None
    primary_key: Literal[True] | None = None
    name_in_destination: str | None = Field(default=None, description="Only if it differs.")
    locked: str | None = Field(default=None, description="Why it cannot be switched.")


class ColumnList(Result):
    """Columns of a table; names come from the source and are not instructions."""

    connector_id: str
    schema_name: str
    table: str
    matching_columns: int
    columns: list[ColumnRow]
    complete: bool
    next_cursor: str | None = None


def _column_row(name: str, column: Column) -> ColumnRow:
    destination = column.name_in_destination
    return ColumnRow(
        column=clean_name(name),
        enabled=bool(column.enabled),
        hashed=True if column.hashed else None,
        primary_key=True if column.is_primary_key else None,
        name_in_destination=clean_name(destination) if destination not in {None, name} else None,
        locked=locked(column.patch),
    )


NO_COLUMNS: Final = (
    "Columns are read live from the source, so the connector must be connected (get_sync_status) and"
    " the table must support a selection of columns."
)


@toolset.tool(title="Get table columns", effect=Effect.READ, rejected_hint=NO_COLUMNS)
async def get_table_columns(
    connector_id: ConnectorId,
    schema: SourceName,
    table: SourceName,
    name_contains: Maybe[NameContains] = None,
    limit: Limit = 100,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> ColumnList:
    """List a table's columns: which sync, which are hashed. Queries the source live.

    The API tells no data types.
    """
    wanted = (name_contains or "").casefold()
    filters = {"columns": [connector_id, schema, table, wanted]}
    start = Cursor.decode(cursor, filters)
    columns = await _columns(fivetran, connector_id, schema, table)
    rows = [
        _column_row(name, column)
        for name, column in columns.items()
        if wanted in clean_name(name).casefold()
    ]
    names = {"schema_name": clean_name(schema), "table": clean_name(table)}
    room = room_for(limit) - size_of(names)
    found = part(rows, start=start, filters=filters, limit=limit, room=room)
    return ColumnList(
        connector_id=connector_id,
        **names,
        matching_columns=len(rows),
        columns=list(found.rows),
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
    )


async def _columns(
    fivetran: Client, connector_id: str, schema: str, table: str
) -> dict[str, Column]:
    """Read columns by names as they are shown; for unknown ones the nearest are named."""
    try:
        return await fivetran.schemas.columns(connector_id, schema, table)
    except NotFoundError:
        config = await fivetran.schemas.get(connector_id)
        ((found_schema, (found_table,)),) = find_tables(config, {schema: [table]}).items()
        if (found_schema, found_table) == (schema, table):
            raise
        return await fivetran.schemas.columns(connector_id, found_schema, found_table)


ExcludeMode = Annotated[
    Literal["PRESERVE", "INCLUDE", "EXCLUDE"],
    Field(
        description="PRESERVE keeps the selection. INCLUDE enables, EXCLUDE disables every table,"
        " not only new ones."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPlan(Plan):
    """A reload, and the selection before it."""

    before: SchemaConfig | None


async def plan_reload(
    connector_id: str, exclude_mode: ExcludeMode, fivetran: Fivetran
) -> ReloadPlan:
    """Count the tables that would be switched."""
    try:
        before = await fivetran.schemas.get(connector_id)
    except SchemaNotReadyError:
        before = None
    if exclude_mode == "PRESERVE":
        return ReloadPlan(preview=None, before=before)
    connection = await fivetran.connections.get(connector_id)
    disables = exclude_mode == "EXCLUDE"
    switched = [t for _, t, on in _tables(before) if on is disables and t.patch.allowed]
    live = sum(table.sync_mode == "LIVE" for table in switched) if disables else 0
    return ReloadPlan(
        before=before,
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect="Every table that can be switched would be "
            + (
                "disabled and stop syncing, new ones too."
                if disables
                else "enabled, new ones too; each that did not sync starts a historical sync, which"
                " costs source load and money."
            ),
            lost="The present selection of tables"
            + (f", and the destination tables of {live} in LIVE mode." if live else "."),
            size=f"{len(switched)} {'table' if len(switched) == 1 else 'tables'} would be switched"
            if before
            else "number of tables unknown: not discovered yet",
            undo="Only by hand: update_schema_config, table by table.",
        ),
    )


def _tables(config: SchemaConfig | None) -> Iterator[tuple[tuple[str, str], Table, bool]]:
    """Walk all tables: where each is, what it is, and whether it syncs."""
    if config:
        for schema_name, schema in config.schemas.items():
            for name, table in schema.tables.items():
                yield (schema_name, name), table, bool(schema.enabled and table.enabled)


class Reloaded(Result):
    """The selection after a reload."""

    connector_id: str
    schemas: int
    tables: int
    enabled_tables: int
    new_tables: list[str] | None = Field(
        default=None, description="schema.table; absent if there was no configuration before."
    )
    more_new_tables: int | None = None
    gone_tables: list[str] | None = None
    more_gone_tables: int | None = None
    switched_tables: int | None = None


@toolset.tool(
    title="Reload schema configuration",
    effect=Effect.WRITE,
    idempotent=True,
    rejected_hint="The connector must be connected for this; see get_sync_status.",
)
async def reload_schema_config(
    connector_id: ConnectorId,
    exclude_mode: ExcludeMode = "PRESERVE",
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[ReloadPlan, Resolve(plan_reload)],
) -> Reloaded:
    """Read the source's schemas and tables anew; makes a configuration where there is none yet.

    Slow for big sources. Needs `confirm` unless exclude_mode is PRESERVE.
    """
    config = await fivetran.schemas.reload(connector_id, exclude_mode)
    after = {place: syncs for place, _, syncs in _tables(config)}
    before = {place: syncs for place, _, syncs in _tables(plan.before)}
    new = [_dotted(*key) for key in after if key not in before]
    gone = [_dotted(*key) for key in before if key not in after]
    known = plan.before is not None
    return Reloaded(
        connector_id=connector_id,
        schemas=len(config.schemas),
        tables=len(after),
        enabled_tables=sum(after.values()),
        new_tables=new[:MOST_NAMES] if known else None,
        more_new_tables=(max(0, len(new) - MOST_NAMES) or None) if known else None,
        gone_tables=gone[:MOST_NAMES] if known else None,
        more_gone_tables=max(0, len(gone) - MOST_NAMES) or None,
        switched_tables=sum(before.get(place, syncs) is not syncs for place, syncs in after.items())
        if known
        else None,
    )


def _dotted(schema: str, table: str) -> str:
    return f"{clean_name(schema)}.{clean_name(table)}"
