"""Connections: list, create, read, update, delete."""

from http import HTTPStatus

from mcp_server.sandbox.account import (
    Account,
    Backstage,
    blank_connection,
    blank_status,
    stamp,
)
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.chance import identifier
from mcp_server.sandbox.clock import advance, settle, stop
from mcp_server.sandbox.fields import (
    CONTROLS,
    CREATE,
    DAILY,
    UPDATE,
    check,
    check_card,
    check_ports,
    check_schedule,
)
from mcp_server.sandbox.listing import connections_page, shown
from mcp_server.sandbox.replies import Json, Refusal, Reply, conflict, done, envelope, invalid, ok
from mcp_server.sandbox.services import SERVICES, Service, name_of
from mcp_server.sandbox.setup import connect_card, run_tests
from mcp_server.sandbox.syncs import restart_historical

# Not stored on the connection as they come.
_APART = frozenset({
    "config", "auth", "connect_card_config", "is_historical_sync", "schema_status", *CONTROLS,
})  # fmt: skip
# To change any of these Fivetran stops a running sync first.
_STOPPING = frozenset({"config", "auth", "networking_method", "destination_configuration"})


def list_connections(call: Call) -> Reply:
    """GET /v1/connections."""
    return ok(connections_page(call, call.query.get("group_id")))


def get_connection(call: Call) -> Reply:
    """GET /v1/connections/{connectionId}."""
    connection_id: str = call.account.connection(call.names[0])["id"]
    return ok(shown(call.account, connection_id), "Connection details retrieved successfully")


def create_connection(call: Call) -> Reply:
    """POST /v1/connections; failed setup tests leave an incomplete connection, not an error."""
    body, account = call.body, call.account
    check(body, CREATE, ("group_id", "service"))
    service = _service(body["service"])
    account.group(body["group_id"])
    config: Json = body.get("config", {})
    _check_naming(service, config)
    check_ports(config)
    check_schedule(body, None)
    name = name_of(service, config)
    _refuse_duplicate(account, body["group_id"], name)
    if "connect_card_config" in body:
        check_card(body["connect_card_config"])
    connection_id = _new_id(account)
    account.connections[connection_id] = _new(connection_id, name, body, stamp(account.now()))
    account.backstage[connection_id] = Backstage(
        authorized=bool(body.get("auth")), discovered=False
    )
    more: Json = {}
    if body.get("run_setup_tests", True):
        more["setup_tests"] = run_tests(account, connection_id, body)
    if "connect_card_config" in body:
        more |= connect_card(connection_id, body["connect_card_config"])
    data = shown(account, connection_id, **more)
    return envelope(HTTPStatus.CREATED, "Success", "Connection has been created", data)


def update_connection(call: Call) -> Reply:
    """PATCH /v1/connections/{connectionId}."""
    account, body = call.account, call.body
    connection = account.connection(call.names[0])
    connection_id: str = connection["id"]
    advance(account, connection_id)
    _check_update(connection, body)
    _apply(account, connection, body)
    if body.get("paused"):
        _pause(account, connection)
    settle(connection, account.backstage[connection_id], account.now())
    if body.get("is_historical_sync"):
        restart_historical(call, connection)
    more: Json = {}
    if body.get("run_setup_tests", True):
        more["setup_tests"] = run_tests(account, connection_id, body)
    return ok(shown(account, connection_id, **more), "Connection has been updated")


def delete_connection(call: Call) -> Reply:
    """DELETE /v1/connections/{connectionId}."""
    connection_id: str = call.account.connection(call.names[0])["id"]
    del call.account.connections[connection_id]
    call.account.backstage.pop(connection_id, None)
    return done(f"Connection with id '{connection_id}' has been deleted")


def _service(name: str) -> Service:
    if name not in SERVICES:
        invalid(f"Unsupported connector service '{name}'")
    return SERVICES[name]


def _check_naming(service: Service, config: Json) -> None:
    for field in service.naming:
        if not (isinstance(config.get(field), str) and config[field]):
            invalid(f"Field 'config.{field}' is required")


def _refuse_duplicate(account: Account, group_id: str, name: str) -> None:
    for other in account.connections.values():
        if (other["group_id"], other["schema"]) == (group_id, name):
            conflict(f"Connection with schema '{name}' already exists in group '{group_id}'")


def _new_id(account: Account) -> str:
    while True:
        account.created += 1
        connection_id = identifier("created", account.created)
        if connection_id not in account.connections:
            return connection_id


def _new(connection_id: str, name: str, body: Json, now: str) -> Json:
    connection = blank_connection(connection_id, body["service"], name, body["group_id"], now)
    connection["config"] = dict(body["config"])
    connection["status"] = blank_status(setup="incomplete", historical=True)
    given = {field: body[field] for field in CREATE if field in body and field not in _APART}
    return connection | given


def _check_update(connection: Json, body: Json) -> None:
    check(body, UPDATE)
    if not body.keys() - CONTROLS.keys():
        invalid("At least one field to change is required")
    config: Json = body.get("config", {})
    check_ports(config)
    check_schedule(body, connection["sync_frequency"])
    for field in SERVICES[connection["service"]].naming:
        if config.get(field, connection["config"][field]) != connection["config"][field]:
            invalid(f"Field 'config.{field}' cannot be changed after creation")


def _apply(account: Account, connection: Json, body: Json) -> None:
    backstage = account.backstage[connection["id"]]
    if body.keys() & _STOPPING:
        stop(connection, backstage, account.now())
    connection |= {field: value for field, value in body.items() if field not in _APART}
    connection["config"] = {**connection["config"], **body.get("config", {})}
    backstage.authorized = backstage.authorized or bool(body.get("auth"))
    if connection["sync_frequency"] != DAILY:
        connection["daily_sync_time"] = None
    if "schema_status" in body:
        connection["status"]["schema_status"] = body["schema_status"]
    if "is_historical_sync" in body:
        connection["status"]["is_historical_sync"] = body["is_historical_sync"]


def _pause(account: Account, connection: Json) -> None:
    backstage = account.backstage[connection["id"]]
    was_syncing = connection["status"]["sync_state"] == "syncing"
    stop(connection, backstage, account.now())
    if was_syncing and backstage.stubborn:
        backstage.stubborn = False
        raise Refusal(
            HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", "Internal server error"
        )
