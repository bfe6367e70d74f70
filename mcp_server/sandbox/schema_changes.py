"""Changes of a schema config: checked as a whole first, then applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcp_server.sandbox.account import Account
from mcp_server.sandbox.clock import stop
from mcp_server.sandbox.fields import Check, check, flag, mapping, one_of, optional
from mcp_server.sandbox.replies import Json, invalid, missing
from mcp_server.sandbox.tables import columns_of

_MODES = one_of("SOFT_DELETE", "HISTORY", "LIVE")
_TYPES = one_of(
    "Boolean", "String", "Short", "Int", "Long", "Float", "Double", "BigDecimal", "Instant",
    "LocalDateTime", "LocalDate", "LocalTime", "Json", "Binary", "Xml",
)  # fmt: skip
HANDLING = one_of("ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL")
_SCHEMA: Mapping[str, Check] = {"enabled": flag, "tables": mapping}
_TABLE: Mapping[str, Check] = {
    "enabled": flag,
    "columns": mapping,
    "sync_mode": _MODES,
    "row_filter": optional(mapping),
}
_COLUMN: Mapping[str, Check] = {
    "enabled": flag,
    "hashed": flag,
    "is_primary_key": flag,
    "target_data_type": optional(_TYPES),
}
_CONFIG: Mapping[str, Check] = {
    "schemas": mapping,
    "schema_change_handling": HANDLING,
    "is_type_locked": flag,
}
_NESTED = frozenset({"tables", "columns"})


@dataclass(frozen=True, slots=True)
class Change:
    """New values for one schema, table or column, named by its path."""

    path: tuple[str, ...]
    target: Json
    values: Json
    table: Json | None = None
    """The table, where the target is a column of it."""


def change_schemas(account: Account, connection_id: str, body: Json) -> Json:
    """Apply a request, and return what it touched: not the whole config."""
    config = account.schema(connection_id)
    check(body, _CONFIG)
    if not body:
        invalid("At least one field to change is required")
    changes = list(_plan(account, connection_id, body.get("schemas", {})))
    carry_out(account, connection_id, changes)
    config.update({name: value for name, value in body.items() if name != "schemas"})
    return {**config, "schemas": _touched(config["schemas"], body.get("schemas", {}))}


def check_nested(schemas: Json, levels: tuple[str, ...] = ("tables", "columns")) -> None:
    """Refuse a map of schemas, tables or columns whose settings are not objects, at any level."""
    for name, values in schemas.items():
        if not isinstance(values, dict):
            invalid(f"The settings of '{name}' must be an object")
        for level in levels[:1]:
            if not isinstance(values.get(level, {}), dict):
                invalid(f"Field '{level}' has an invalid value")
            check_nested(values.get(level, {}), levels[1:])


def set_all_tables(account: Account, connection_id: str, *, enabled: bool) -> None:
    """Switch every table that may be switched, and when switching on its schema too."""
    changes = []
    for name, schema in account.schema(connection_id)["schemas"].items():
        if enabled:
            changes.append(Change((name,), schema, {"enabled": True}))
        changes += [
            Change((name, table_name), table, {"enabled": enabled})
            for table_name, table in schema["tables"].items()
            if table["enabled_patch_settings"]["allowed"]
        ]
    carry_out(account, connection_id, changes)


def carry_out(account: Account, connection_id: str, changes: list[Change]) -> None:
    """Apply changes with what follows from them: drops, historical syncs, a stopped sync."""
    connection, backstage = account.connections[connection_id], account.backstage[connection_id]
    schemas = account.schema(connection_id)["schemas"]
    before = _synced(schemas)
    restructured = False
    for change in changes:
        mode = change.values.get("sync_mode", change.target.get("sync_mode"))
        restructured = restructured or mode != change.target.get("sync_mode")
        if _drops_column(change):
            account.dropped.append("/".join((connection_id, *change.path)))
        _set(change)
    after = _synced(schemas)
    for path in before.keys() - after.keys():
        if before[path] == "LIVE":
            account.dropped.append("/".join((connection_id, *path)))
    stop(connection, backstage, account.now())
    if restructured or after.keys() - before.keys():
        connection["status"]["is_historical_sync"] = True
        backstage.due_now = True


def find_table(schemas: Json, schema: str, table: str) -> Json:
    """Find a table by the names of the source, upper and lower case as there, or refuse."""
    tables = _find(schemas, schema, "Schema")["tables"]
    return _find(tables, table, "Table")


def find_schema(schemas: Json, schema: str) -> Json:
    """Find a schema by its source name or refuse."""
    return _find(schemas, schema, "Schema")


def find_column(columns: Json, name: str) -> Json:
    """Find a column of a table by its source name or refuse."""
    return _find(columns, name, "Column")


def all_columns(account: Account, place: tuple[str, str, str], table: Json) -> Json:
    """List every column of the table at `connection, schema, table`, or refuse with 400."""
    connection_id, schema_name, table_name = place
    if not table["supports_columns_config"]:
        invalid(
            f"Table `{table_name}` of schema `{schema_name}` doesn't supports columns configuration"
        )
    gone = account.backstage[connection_id].gone
    return columns_of(connection_id, schema_name, table_name, table["columns"], gone)


def _find(entities: Json, name: str, noun: str) -> Json:
    if name not in entities:
        missing(noun, f"{noun} with name '{name}' does not exist")
    found: Json = entities[name]
    return found


def _plan(account: Account, connection_id: str, wanted: Json) -> Iterator[Change]:
    schemas = account.schema(connection_id)["schemas"]
    for name, values in wanted.items():
        schema = find_schema(schemas, name)
        _check_entity(name, schema, values, _SCHEMA)
        yield Change((name,), schema, _own(values))
        for table_name, table_values in values.get("tables", {}).items():
            table = find_table(schemas, name, table_name)
            _check_entity(table_name, table, table_values, _TABLE)
            _check_mode(table_name, table, table_values)
            path = (name, table_name)
            yield Change(path, table, _own(table_values))
            if table_values.get("columns"):
                columns = all_columns(account, (connection_id, *path), table)
                yield from _plan_columns(path, columns, table, table_values["columns"])


def _plan_columns(
    path: tuple[str, str], columns: Json, table: Json, wanted: Json
) -> Iterator[Change]:
    for name, values in wanted.items():
        column = find_column(columns, name)
        _check_entity(name, column, values, _COLUMN)
        yield Change((*path, name), column, values, table)


def _check_entity(name: str, entity: Json, values: object, known: Mapping[str, Check]) -> None:
    if not isinstance(values, dict):
        invalid(f"The settings of '{name}' must be an object")
    check(values, known, ("enabled",))
    settings = entity.get("enabled_patch_settings", {"allowed": True})
    if values["enabled"] != entity["enabled"] and not settings["allowed"]:
        invalid(f"'{name}' cannot be switched: {settings['reason']}")


def _check_mode(name: str, table: Json, values: Json) -> None:
    mode = values.get("sync_mode")
    if mode is not None and "sync_mode" not in table:
        invalid(f"The sync mode of table '{name}' cannot be changed")
    if mode == "HISTORY" and not table["supports_history_mode"]:
        invalid(f"Table '{name}' does not support history mode")


def _own(values: Json) -> Json:
    return {name: value for name, value in values.items() if name not in _NESTED}


def _set(change: Change) -> None:
    change.target.update(change.values)
    # A filter set to null is a filter removed; one left out of the request stays.
    if change.target.get("row_filter", {}) is None:
        del change.target["row_filter"]
    if change.table is not None:
        change.table["columns"][change.path[-1]] = change.target


def _synced(schemas: Json) -> dict[tuple[str, str], str | None]:
    return {
        (schema_name, table_name): table.get("sync_mode")
        for schema_name, schema in schemas.items()
        for table_name, table in schema["tables"].items()
        if schema["enabled"] and table["enabled"]
    }


def _drops_column(change: Change) -> bool:
    live = change.table is not None and change.table.get("sync_mode") == "LIVE"
    return live and change.target["enabled"] and not change.values["enabled"]


def _touched(schemas: Json, wanted: Json) -> Json:
    result: Json = {}
    for name, values in wanted.items():
        tables: Json = {}
        for table_name, table_values in values.get("tables", {}).items():
            table = schemas[name]["tables"][table_name]
            columns = {key: table["columns"][key] for key in table_values.get("columns", {})}
            tables[table_name] = {**table, "columns": columns}
        result[name] = {**schemas[name], "tables": tables}
    return result
