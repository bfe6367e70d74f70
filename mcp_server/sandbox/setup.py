"""Setup tests and Connect Cards."""

from mcp_server.sandbox.account import Account, Backstage
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance, overdue
from mcp_server.sandbox.fields import CONTROLS, check, check_card, mapping
from mcp_server.sandbox.listing import shown
from mcp_server.sandbox.replies import Json, Reply, ok
from mcp_server.sandbox.services import SECRET_NAMES, SERVICES, Service, is_mask
from mcp_server.sandbox.trust import checks, trust_presented

_TESTED = "Setup tests have been completed"
_TEST_CONTROLS = {name: CONTROLS[name] for name in ("trust_certificates", "trust_fingerprints")}


def test_connection(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/test; the tests that also discover the schema."""
    connection_id: str = call.account.connection(call.names[0])["id"]
    check(call.body, _TEST_CONTROLS)
    advance(call.account, connection_id)
    results = run_tests(call.account, connection_id, call.body)
    if _passed(results):
        call.account.backstage[connection_id].discovered = True
    return ok(shown(call.account, connection_id, setup_tests=results), _TESTED)


def make_connect_card(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/connect-card."""
    connection_id: str = call.account.connection(call.names[0])["id"]
    check(call.body, {"connect_card_config": mapping}, ("connect_card_config",))
    card = connect_card(connection_id, call.body["connect_card_config"])
    return ok({"connector_id": connection_id, **card})


def connect_card(connection_id: str, config: Json) -> Json:
    """Build a card: an address that would let its bearer enter credentials."""
    check_card(config)
    token = f"sandbox-card-{connection_id}"
    uri = f"https://fivetran.com/connect-card/setup?auth={token}"
    return {"connect_card": {"token": token, "uri": uri}, "connect_card_config": config}


def run_tests(account: Account, connection_id: str, switches: Json) -> list[Json]:
    """Test a connection and set its setup state by the outcome; the switches are the request's."""
    connection, backstage = account.connections[connection_id], account.backstage[connection_id]
    status = connection["status"]
    trust_presented(account, connection_id, switches)
    results = _results(SERVICES[connection["service"]], connection, backstage)
    if not _passed(results):
        worked_once = status["setup_state"] != "incomplete"
        status["setup_state"] = "broken" if worked_once else "incomplete"
        return results
    if status["setup_state"] != "connected":
        status["setup_state"] = "connected"
        status["tasks"] = [task for task in status["tasks"] if task["code"] != "reconnect"]
        backstage.due_now = backstage.due_now or overdue(connection, account.now())
    return results


def _passed(results: list[Json]) -> bool:
    return all(result["status"] == "PASSED" for result in results)


def _results(service: Service, connection: Json, backstage: Backstage) -> list[Json]:
    config = connection["config"]
    absent = [name for name in service.required if not config.get(name)]
    results = [_result("Checking the configuration", f"Missing: {', '.join(absent)}", absent)]
    if service.oauth:
        denied = not backstage.authorized
        results.append(_result("Authorizing", "Authorization is required", denied))
    secrets = {name: config[name] for name in SECRET_NAMES if config.get(name)}
    wrong = [name for name, value in secrets.items() if value == "wrong" or is_mask(value)]
    user = config.get("user", "fivetran")
    message = f'password authentication failed for user "{user}"'
    last = _result("Connecting to the source", message, absent or wrong)
    reached = checks(connection, backstage)
    if not _passed(reached):
        last = {**last, "status": "SKIPPED", "message": "", "details": None}
    return [*results, *reached, last]


def _result(title: str, message: str, failed: object) -> Json:
    if failed:
        return {"title": title, "status": "FAILED", "message": message, "details": message}
    return {"title": title, "status": "PASSED", "message": "", "details": None}
