"""Schema configs: read, change, reload, and list columns."""

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance
from mcp_server.sandbox.fields import check, mapping, one_of
from mcp_server.sandbox.replies import Json, Reply, bad_request, conflict, ok
from mcp_server.sandbox.schema_changes import (
    HANDLING,
    all_columns,
    change_schemas,
    check_nested,
    find_schema,
    find_table,
    set_all_tables,
)


def get_schemas(call: Call) -> Reply:
    """GET /v1/connections/{connectionId}/schemas."""
    return ok(_headed(call.account.schema(_current(call))))


def create_schemas(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/schemas; echoes the request, which counts at capture.

    The documentation does not say what a config that exists already leads to: here it is a 409.
    Until then a second request takes the place of the first.
    """
    backstage = call.account.backstage[_current(call)]
    if backstage.discovered:
        conflict(f"Connection with id '{call.names[0]}' already has schema config")
    check(call.body, {"schemas": mapping, "schema_change_handling": HANDLING}, ("schemas",))
    check_nested(call.body["schemas"])
    backstage.chosen = call.body
    return ok(call.body)


def update_schemas(call: Call) -> Reply:
    """PATCH /v1/connections/{connectionId}/schemas."""
    return _update(call, call.body)


def update_schema(call: Call) -> Reply:
    """PATCH .../schemas/{schemaName}."""
    return _update(call, {"schemas": {call.names[1]: call.body}})


def update_table(call: Call) -> Reply:
    """PATCH .../schemas/{schemaName}/tables/{tableName}."""
    _, schema_name, table_name = call.names
    schema = find_schema(_schemas(call), schema_name)
    around = {"enabled": schema["enabled"], "tables": {table_name: call.body}}
    return _update(call, {"schemas": {schema_name: around}})


def update_column(call: Call) -> Reply:
    """PATCH .../schemas/{schemaName}/tables/{tableName}/columns/{columnName}."""
    _, schema_name, table_name, column_name = call.names
    schema = find_schema(_schemas(call), schema_name)
    table = find_table(_schemas(call), schema_name, table_name)
    within = {"enabled": table["enabled"], "columns": {column_name: call.body}}
    around = {"enabled": schema["enabled"], "tables": {table_name: within}}
    return _update(call, {"schemas": {schema_name: around}})


def list_columns(call: Call) -> Reply:
    """GET .../schemas/{schemaName}/tables/{tableName}/columns; asks the source."""
    connection_id, schema_name, table_name = call.names
    table = find_table(_schemas(call), schema_name, table_name)
    _require_connected(call, connection_id)
    place = (connection_id, schema_name, table_name)
    return ok({"columns": all_columns(call.account, place, table)})


def reload_schemas(call: Call) -> Reply:
    """POST .../schemas/reload; INCLUDE and EXCLUDE set every table, not only new ones."""
    connection_id = _current(call)
    check(call.body, {"exclude_mode": one_of("PRESERVE", "INCLUDE", "EXCLUDE")})
    _require_connected(call, connection_id)
    call.account.backstage[connection_id].discovered = True
    mode = call.body.get("exclude_mode", "PRESERVE")
    if mode != "PRESERVE":
        set_all_tables(call.account, connection_id, enabled=mode == "INCLUDE")
    return ok(_headed(call.account.schema(connection_id)))


def _current(call: Call) -> str:
    connection_id: str = call.account.connection(call.names[0])["id"]
    advance(call.account, connection_id)
    return connection_id


def _schemas(call: Call) -> Json:
    schemas: Json = call.account.schema(_current(call))["schemas"]
    return schemas


def _update(call: Call, body: Json) -> Reply:
    return ok(_headed(change_schemas(call.account, _current(call), body)))


def _headed(config: Json) -> Json:
    return {"enable_new_by_default": config["schema_change_handling"] == "ALLOW_ALL", **config}


def _require_connected(call: Call, connection_id: str) -> None:
    if call.account.connections[connection_id]["status"]["setup_state"] != "connected":
        bad_request(f"Connection with id '{connection_id}' is not connected to its source")
