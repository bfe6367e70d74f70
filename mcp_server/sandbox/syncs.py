"""Syncs, historical re-syncs, and the sync state of functions and Connector SDK."""

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance, begin, finish, stop
from mcp_server.sandbox.fields import check, flag, mapping, optional
from mcp_server.sandbox.replies import Json, Reply, bad_request, conflict, done, invalid, ok
from mcp_server.sandbox.services import SERVICES

_RESYNCED = "Re-sync has been triggered successfully"


def sync(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/sync; paused connections answer Success and rest."""
    connection = _current(call)
    connection_id: str = connection["id"]
    check(call.body, {"force": flag})
    _require_setup(connection)
    running = connection["status"]["sync_state"] == "syncing"
    if not connection["paused"] and (not running or call.body.get("force")):
        begin(call.account, connection_id)
    return done(f"Sync has been successfully triggered for connection with id '{connection_id}'")


def resync(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/resync; without a scope, of everything."""
    connection = _current(call)
    check(call.body, {"scope": optional(mapping)})
    _require_setup(connection)
    scope = call.body.get("scope")
    if scope is not None:
        _check_scope(call, connection, scope)
    _start_historical(call, connection, whole=scope is None)
    return done(_RESYNCED)


def resync_tables(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/schemas/tables/resync; the body is the map itself."""
    connection = _current(call)
    _require_setup(connection)
    _check_scope(call, connection, call.body)
    _start_historical(call, connection, whole=False)
    return done(_RESYNCED)


def get_state(call: Call) -> Reply:
    """GET /v1/connections/{connectionId}/state."""
    return ok({"state": _written(call, _current(call))})


def update_state(call: Call) -> Reply:
    """PATCH /v1/connections/{connectionId}/state; replaces the state as a whole."""
    connection = _current(call)
    state = _written(call, connection)
    check(call.body, {"state": optional(mapping)})
    if connection["status"]["sync_state"] == "syncing":
        conflict("Connection cannot be updated because the sync is in progress")
    if not connection["paused"]:
        bad_request("Connection must be paused before its state is updated")
    if call.body.get("state") is not None:
        state = call.account.backstage[connection["id"]].written = call.body["state"]
    return ok({"state": state})


def _current(call: Call) -> Json:
    connection = call.account.connection(call.names[0])
    advance(call.account, connection["id"])
    return connection


def _require_setup(connection: Json) -> None:
    if connection["status"]["setup_state"] == "incomplete":
        bad_request(f"Setup of connection with id '{connection['id']}' is incomplete")


def _check_scope(call: Call, connection: Json, scope: Json) -> None:
    if not SERVICES[connection["service"]].table_resync:
        invalid(f"Service '{connection['service']}' does not support table-level re-sync")
    if not scope:
        invalid("Scope must not be empty")
    schemas = call.account.schema(connection["id"])["schemas"]
    for schema, tables in scope.items():
        if not (isinstance(tables, list) and tables):
            invalid(f"Schema '{schema}' must name at least one table")
        known = schemas[schema]["tables"] if schema in schemas else {}
        unknown = [table for table in tables if not isinstance(table, str) or table not in known]
        if unknown:
            invalid(f"Table '{unknown[0]}' of schema '{schema}' does not exist")


def _start_historical(call: Call, connection: Json, *, whole: bool) -> None:
    status, backstage = connection["status"], call.account.backstage[connection["id"]]
    if status["sync_state"] == "syncing":
        if status["is_historical_sync"]:
            conflict("A historical sync is in progress and cannot be completed in time")
        finish(call.account, connection["id"], call.account.now())
    status["is_historical_sync"] = status["is_historical_sync"] or whole
    if connection["paused"] or status["setup_state"] == "incomplete":
        backstage.due_now = True
    else:
        begin(call.account, connection["id"])


def restart_historical(call: Call, connection: Json) -> None:
    """Cancel what runs and import everything again, as `is_historical_sync: true` asks."""
    account = call.account
    stop(connection, account.backstage[connection["id"]], account.now())
    _start_historical(call, connection, whole=True)


def _written(call: Call, connection: Json) -> Json:
    if not SERVICES[connection["service"]].state:
        bad_request("The specified connection does not support state management")
    state = call.account.backstage[connection["id"]].written
    if state is None:
        bad_request("No state has been written for the specified connection yet")
    return state
