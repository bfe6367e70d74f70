"""Dropping blocked columns: marked at once, dropped when the next sync ends.

The documentation leaves open what becomes of a column that is enabled again in between, and what
the list of columns shows afterwards. Here a mark stays, and a dropped column is not listed again.
"""

from typing import TypeVar

from mcp_server.sandbox.account import Place
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance
from mcp_server.sandbox.fields import check, mapping
from mcp_server.sandbox.replies import Reply, conflict, done, invalid
from mcp_server.sandbox.schema_changes import all_columns, find_column, find_table

_Kind = TypeVar("_Kind")


def drop_column(call: Call) -> Reply:
    """DELETE .../schemas/{schemaName}/tables/{tableName}/columns/{columnName}."""
    _, schema, table, column = call.names
    _mark(call, [(schema, table, column)])
    return done("Column successfully marked for deletion")


def drop_columns(call: Call) -> Reply:
    """POST .../schemas/drop-columns; all are checked before any is marked."""
    check(call.body, {"schemas": mapping}, ("schemas",))
    _mark(
        call,
        [
            (schema, table, column)
            for schema, tables in call.body["schemas"].items()
            for table, columns in _entries(tables, "tables", dict).items()
            for column in _entries(columns, "columns", list)
        ],
    )
    return done("Column(s) successfully marked for deletion")


def _entries(holder: object, name: str, kind: type[_Kind]) -> _Kind:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not (isinstance(found, kind) and found):
        invalid(f"Field '{name}' is required and must not be empty")
    return found


def _mark(call: Call, places: list[Place]) -> None:
    account = call.account
    connection_id: str = account.connection(call.names[0])["id"]
    advance(account, connection_id)
    schemas = account.schema(connection_id)["schemas"]
    for schema, table_name, name in places:
        table = find_table(schemas, schema, table_name)
        column = find_column(all_columns(account, (connection_id, schema, table_name), table), name)
        if column["enabled"]:
            conflict("Column not in blocked state")
    marked = account.backstage[connection_id].to_drop
    marked += [place for place in dict.fromkeys(places) if place not in marked]
