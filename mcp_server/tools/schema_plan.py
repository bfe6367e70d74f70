"""Working out a change of what a connector syncs, against what is there now."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import SchemaNotReadyError
from mcp_server.fivetran.models import Column, PatchSettings, Schema, SchemaConfig, Table
from mcp_server.toolkit import (
    Fivetran,
    Maybe,
    Plan,
    Preview,
    ToolFailure,
)
from mcp_server.tools.schema_items import (
    LEVELS,
    Change,
    ColumnChange,
    Handling,
    Item,
    SchemaChange,
    SchemaChanges,
    TableChange,
    shown,
    word,
)
from mcp_server.tools.schemas import locked
from mcp_server.tools.targets import find_name, listed, target_of
from mcp_server.untrusted import clean_name

MOST_COLUMN_READS: Final = 20
"""Tables whose columns one call reads from the source; each read counts against a rate limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaPlan(Plan):
    """A change of the selection, worked out against the present one."""

    changes: Sequence[Change]
    body: Mapping[str, Any]
    warnings: Sequence[str]
    in_advance: bool = False
    """There is no selection yet: this is what the first reading of the source begins with."""


async def plan_schema_change(
    connector_id: str,
    schema_change_handling: Maybe[Handling],
    schemas: Maybe[SchemaChanges],
    fivetran: Fivetran,
) -> SchemaPlan:
    """Check every name and lock, find what differs, and tell what that leads to."""
    if schema_change_handling is None and not schemas:
        raise ToolFailure(
            "invalid_arguments",
            "update_schema_config was not called: there is nothing to change in these arguments",
            hint="Name schemas, or a schema_change_handling.",
        )
    try:
        config = await fivetran.schemas.get(connector_id)
    except SchemaNotReadyError:
        if not schemas:
            raise
        return _in_advance(schemas, schema_change_handling)
    wanted = schemas or {}
    items = [item async for item in _items(fivetran, connector_id, config, wanted)]
    changes = [change for item in items for change in _changes(item)]
    body = _body(items, changes)
    if schema_change_handling not in {None, config.schema_change_handling}:
        before = config.schema_change_handling
        changes.append(Change((), "schema_change_handling", before, schema_change_handling))
        body["schema_change_handling"] = schema_change_handling
    disabled = [item for item in items if _is_disabled(item, changes)]
    drops = [item for item in disabled if item.live]
    preview = None
    if any(change.is_lasting for change in changes):
        connection = await fivetran.connections.get(connector_id)
        preview = Preview(
            target=await target_of(fivetran, connection),
            effect=_effect(disabled, changes),
            lost=_lost(drops, changes),
            size=f"{len(changes)} {'setting' if len(changes) == 1 else 'settings'} changed",
            undo=_undo(changes),
        )
    return SchemaPlan(
        preview=preview,
        changes=changes,
        body=body,
        warnings=_warnings(items, changes, len(drops)),
    )


IN_ADVANCE: Final = (
    "There is no selection to compare with yet, so names were not checked. This counts when the source"
    " is read for the first time (run_setup_tests, reload_schema_config); another such call before"
    " replaces it."
)


def _in_advance(schemas: Mapping[str, SchemaChange], handling: str | None) -> SchemaPlan:
    """Choose before the source was read; what is named and not disabled is to sync."""
    places: dict[tuple[str, ...], SchemaChange | TableChange | ColumnChange] = {}
    for name, schema in schemas.items():
        places[(name,)] = schema
        for table_name, table in schema.tables.items():
            places[name, table_name] = table
            places |= {(name, table_name, c): column for c, column in table.columns.items()}
    body: dict[str, Any] = {}
    for place, wanted in places.items():
        node = body
        for level, name in zip(LEVELS, place, strict=False):
            node = node.setdefault(level, {}).setdefault(name, {"enabled": True})
        node |= _settings(wanted)
    changes = [
        Change(place, setting, None, value)
        for place, wanted in places.items()
        for setting, value in {"enabled": True, **_settings(wanted)}.items()
    ]
    if handling is not None:
        body["schema_change_handling"] = handling
        changes.append(Change((), "schema_change_handling", None, handling))
    return SchemaPlan(
        preview=None, changes=changes, body=body, warnings=[IN_ADVANCE], in_advance=True
    )


async def _items(
    fivetran: Client,
    connector_id: str,
    config: SchemaConfig,
    wanted: Mapping[str, SchemaChange],
) -> AsyncIterator[Item]:
    """Resolve what the call names, parents before children; unknown names are refused."""
    named_tables: list[tuple[tuple[str, str], Table, TableChange]] = []
    for wanted_schema, schema_change in wanted.items():
        name = find_name(wanted_schema, config.schemas, "schema")
        schema = config.schemas[name]
        live = any(table.sync_mode == "LIVE" for table in schema.tables.values())
        yield Item((name,), schema, _settings(schema_change), live)
        for wanted_table, change in schema_change.tables.items():
            kind = f"table in schema {clean_name(name)!r}"
            table_name = find_name(wanted_table, schema.tables, kind)
            table, place = schema.tables[table_name], (name, table_name)
            yield Item(place, table, _settings(change), _is_live(table, change))
            named_tables.append((place, table, change))
    known = [_known_columns(*named_table) for named_table in named_tables]
    check_reads(known.count(None))
    for (place, table, change), columns in zip(named_tables, known, strict=True):
        if columns is None:
            columns = await fivetran.schemas.columns(connector_id, *place)  # noqa: PLW2901 -- now they are known
        for wanted_column, column_change in change.columns.items():
            column = find_name(wanted_column, columns, f"column in table {shown(place)!r}")
            live, settings = _is_live(table, change), _settings(column_change)
            yield Item((*place, column), columns[column], settings, live)


def _is_live(table: Table, change: TableChange) -> bool:
    """Whether a table is in LIVE mode, or is to be."""
    return "LIVE" in {table.sync_mode, change.sync_mode}


def _settings(change: SchemaChange | TableChange | ColumnChange) -> dict[str, str | bool]:
    return change.model_dump(exclude_none=True, exclude={"tables", "columns"})


def _known_columns(
    place: tuple[str, ...], table: Table, change: TableChange
) -> Mapping[str, Column] | None:
    """Give the columns of a table if the configuration has those named; None: ask the source.

    The configuration lists only columns that someone once changed.
    """
    if change.columns and table.supports_columns_config is False:
        raise _refused(
            place, "does not support a selection of columns", "Switch the table as a whole."
        )
    known = {clean_name(name) for name in table.columns}
    return table.columns if change.columns.keys() <= known else None


def check_reads(reads: int) -> None:
    """Let a call pass that reads the columns of so many tables.

    Raises:
        ToolFailure: It is too many for one call.
    """
    if reads > MOST_COLUMN_READS:
        raise ToolFailure(
            "invalid_arguments",
            f"Nothing was changed: columns of more than {MOST_COLUMN_READS} tables in one call",
            hint="Split the call; reading columns queries the source and is limited by the hour.",
        )


def _refused(place: tuple[str, ...], why: str, hint: str) -> ToolFailure:
    return ToolFailure("conflict", f"Nothing was changed: {shown(place)!r} {why}", hint=hint)


def _changes(item: Item) -> Iterator[Change]:
    """Find the settings that differ, and refuse those that Fivetran would not take."""
    for setting, after in item.wanted.items():
        before = getattr(item.now, setting)
        if before == after or (before is None and after is False):
            continue
        if setting == "enabled" and not isinstance(item.now, Schema):
            _check_lock(item, item.now.patch)
        if setting == "sync_mode" and isinstance(item.now, Table):
            _check_mode(item, item.now, after)
        yield Change(item.place, setting, before, after)


def _check_lock(item: Item, settings: PatchSettings) -> None:
    reason = locked(settings)
    if reason is not None:
        raise _refused(
            item.place, f"cannot be switched, says Fivetran: {reason}", "Leave it out of the call."
        )


def _check_mode(item: Item, table: Table, wanted: str | bool) -> None:
    if table.sync_mode is None:
        raise _refused(item.place, "cannot switch its sync mode", "Leave sync_mode out for it.")
    if wanted == "HISTORY" and table.supports_history_mode is False:
        raise _refused(item.place, "does not support history mode", "Choose another sync_mode.")


def _body(items: Sequence[Item], changes: Sequence[Change]) -> dict[str, Any]:
    """Write what changes as the API takes it: `enabled` at each level named, whether new or not."""
    touched = {change.place[:depth] for change in changes for depth in (1, 2, 3)}
    new = {(change.place, change.setting): change.after for change in changes}
    body: dict[str, Any] = {}
    for item in items:
        if item.place in touched:
            node = body
            for level, name in zip(LEVELS, item.place, strict=False):
                node = node.setdefault(level, {}).setdefault(name, {})
            if item.now.enabled is not None:  # left out, lest what is not known be switched off
                node["enabled"] = item.now.enabled
            node |= {key: value for (place, key), value in new.items() if place == item.place}
    return body


def _is_disabled(item: Item, changes: Sequence[Change]) -> bool:
    return any(change.disables and change.place == item.place for change in changes)


def named(places: Sequence[tuple[str, ...]]) -> str:
    """Name some places and count the rest."""
    return listed([shown(place) for place in places])


def _named_items(items: Sequence[Item]) -> str:
    """Name some of what is disabled, a schema with the number of its tables."""
    return listed([f"{item.shown}{_contents(item)}" for item in items])


def _contents(item: Item) -> str:
    if not isinstance(item.now, Schema):
        return ""
    tables = sum(bool(table.enabled) for table in item.now.tables.values())
    return f" (schema, {tables} enabled {'table' if tables == 1 else 'tables'})"


def _effect(disabled: Sequence[Item], changes: Sequence[Change]) -> str:
    modes = [change.place for change in changes if change.setting == "sync_mode"]
    parts = []
    if disabled:
        parts.append(f"{len(disabled)} would stop syncing: {_named_items(disabled)}.")
    if modes:
        parts.append(
            f"{len(modes)} would change the sync mode, which rebuilds the table: {named(modes)}."
        )
    clear = [change.place for change in changes if change.unhashes]
    if clear:
        parts.append(
            f"{len(clear)} would no longer be hashed and arrive in clear from the next sync on:"
            f" {named(clear)}."
        )
    others = [change for change in changes if not change.is_lasting]
    if others:
        parts.append(f"Also changed: {listed([_spelt(change) for change in others])}.")
    return " ".join(parts)


def _spelt(change: Change) -> str:
    return f"{shown(change.place)} {change.setting}={word(change.after)}".strip()


def _lost(drops: Sequence[Item], changes: Sequence[Change]) -> str:
    parts = []
    if drops:
        parts.append(f"Dropped from the destination, being in LIVE mode: {_named_items(drops)}.")
    if any(change.setting == "sync_mode" for change in changes):
        parts.append(
            "A table that leaves HISTORY mode may lose its old versions, one that goes to LIVE mode"
            " its rows marked deleted."
        )
    if any(change.unhashes for change in changes):
        parts.append("Secrecy: whoever reads the destination can read these columns.")
    elif not parts:
        return (
            "Nothing is removed: what is loaded already, personal data too, stays in the destination"
            " and gets no updates."
        )
    return " ".join(parts)


def _undo(changes: Sequence[Change]) -> str:
    parts = []
    if any(change.unhashes for change in changes):
        parts.append(
            "Hashing a column again hashes new values only: what came in clear stays so until its"
            " table is loaded again (resync_connector with scope=tables)."
        )
    if any(change.is_lasting and not change.unhashes for change in changes):
        parts.append("Switching back loads the table again from the source (historical sync).")
    return " ".join(parts)


def _off(items: Sequence[Item]) -> frozenset[tuple[str, ...]]:
    """Find what will be disabled after the change, of all that the call names."""
    return frozenset(i.place for i in items if i.wanted.get("enabled", i.now.enabled) is False)


def _warnings(items: Sequence[Item], changes: Sequence[Change], drops: int) -> list[str]:
    """Say what else follows, in the words of Fivetran's pages on each setting."""
    off = _off(items)
    places = [change.place for change in changes if change.enables]
    wanted = [item.place for item in items if item.wanted.get("enabled") is True]
    idle = [p for p in wanted if any(p[:depth] in off for depth in range(1, len(p)))]
    enabled = [place for place in places if place not in idle]
    signs = (
        (
            bool(enabled),
            (
                f"A historical sync starts for what was enabled: {named(enabled)}. Services"
                " without table-level resync load the whole connector again."
            ),
        ),
        (
            bool(idle),
            (
                "Enabled inside a disabled schema or table, so without effect until that is enabled"
                f" too: {named(idle)}."
            ),
        ),
        (drops > 0, f"{drops} in LIVE mode: dropped from the destination."),
        (any(c.setting == "sync_mode" for c in changes), "A new sync mode loads the table again."),
        (
            any(c.setting == "hashed" for c in changes),
            "Hashing applies to new values; resync the table for old ones.",
        ),
        (
            any(change.unhashes for change in changes),
            "What is no longer hashed arrives in clear from the next sync on.",
        ),
        (
            any(c.after == "ALLOW_ALL" for c in changes),
            "Every new table of the source will sync by itself, which adds cost.",
        ),
    )
    return [text for applies, text in signs if applies]
