"""Schema configs: read, change, reload, and list columns."""

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance
from mcp_server.sandbox.fields import check, one_of
from mcp_server.sandbox.replies import Json, Reply, bad_request, invalid, ok
from mcp_server.sandbox.schema_changes import (
    change_schemas,
    find_schema,
    find_table,
    set_all_tables,
)
from mcp_server.sandbox.tables import columns_of


def get_schemas(call: Call) -> Reply:
    """GET /v1/connections/{connectionId}/schemas."""
    return ok(_headed(call.account.schema(_current(call))))


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
    if not table["supports_columns_config"]:
        invalid(
            f"Table `{table_name}` of schema `{schema_name}` doesn't supports columns configuration"
        )
    return ok({"columns": columns_of(connection_id, schema_name, table_name, table["columns"])})


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
