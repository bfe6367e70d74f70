"""Connections: list, create, read, update, delete."""

from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

ONE = "/v1/connections/solid_anchor"
CONFIG = {"schema_prefix": "pg_new", "host": "db.example", "user": "u", "password": "p"}
NEW: dict[str, Any] = {"group_id": "dev_sands", "service": "postgres", "config": CONFIG}


async def test_lists_can_be_narrowed_to_a_group_and_a_name(api: httpx.AsyncClient) -> None:
    """The name must match as a whole."""
    query = {"group_id": "amber_harbor", "schema": "pg_shop"}
    items = (await api.get("/v1/connections", params=query)).json()["data"]["items"]
    assert [item["id"] for item in items] == ["brisk_lantern"]
    query["schema"] = "pg_sho"
    assert (await api.get("/v1/connections", params=query)).json()["data"] == {"items": []}


async def test_an_unknown_connection_is_not_found(api: httpx.AsyncClient) -> None:
    """The code names the kind of thing, the message its id."""
    answer = await api.get("/v1/connections/nope")
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "NotFound_Connection",
        "message": "Connection with id 'nope' does not exist.",
    }


async def test_a_connection_is_created_paused_and_tested(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """By default it is paused and its setup tests have run."""
    answer = await api.post("/v1/connections", json=NEW)
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert data["paused"] is True
    assert data["schema"] == "pg_new"
    assert data["status"]["setup_state"] == "connected"
    assert data["status"]["is_historical_sync"] is True
    assert data["config"]["password"] == "******"
    assert sandbox.connections[data["id"]]["config"]["password"] == "p"
    assert (await api.get(f"/v1/connections/{data['id']}/schemas")).status_code == 404


@pytest.mark.parametrize("password", [None, "", "wrong"])
async def test_failed_setup_tests_leave_an_incomplete_connection(
    api: httpx.AsyncClient, password: str | None
) -> None:
    """The call succeeds; the tests tell what is missing."""
    body = NEW | {"config": CONFIG | {"password": password}}
    answer = await api.post("/v1/connections", json=body)
    assert answer.status_code == 201
    assert answer.json()["data"]["status"]["setup_state"] == "incomplete"
    assert answer.json()["data"]["setup_tests"][-1]["status"] == "FAILED"


async def test_setup_tests_can_be_left_out(api: httpx.AsyncClient) -> None:
    """Then the connection is incomplete, and may come with a card to complete it."""
    body = NEW | {
        "run_setup_tests": False,
        "connect_card_config": {"redirect_uri": "https://app.example"},
    }
    data = (await api.post("/v1/connections", json=body)).json()["data"]
    assert "setup_tests" not in data
    assert data["status"]["setup_state"] == "incomplete"
    assert data["connect_card"]["uri"].startswith("https://")


async def test_names_are_made_of_all_naming_fields(api: httpx.AsyncClient) -> None:
    """A sheet is named by its schema and its table."""
    config = {"schema": "sheets", "table": "plan", "sheet_id": "s", "named_range": "r"}
    body = {"group_id": "dev_sands", "service": "google_sheets", "config": config}
    data = (await api.post("/v1/connections", json=body)).json()["data"]
    assert data["schema"] == "sheets.plan"
    assert [test["status"] for test in data["setup_tests"]] == ["PASSED", "FAILED", "PASSED"]


async def test_new_connections_never_get_a_taken_id(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """An id that exists is passed over."""
    first = (await api.post("/v1/connections", json=NEW)).json()["data"]["id"]
    other = Sandbox()
    other.connections[first] = sandbox.connections[first]
    transport = httpx.ASGITransport(app=other.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://api.fivetran.com", auth=api.auth
    ) as client:
        body = NEW | {"config": CONFIG | {"schema_prefix": "pg_other"}}
        second = (await client.post("/v1/connections", json=body)).json()["data"]["id"]
    assert second != first


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"group_id": "x"}, 404, "Group with id 'x' does not exist."),
        ({"service": "postgress"}, 400, "Unsupported connector service 'postgress'"),
        ({"config": {}}, 400, "Field 'config.schema_prefix' is required"),
        ({"config": {"schema_prefix": 5}}, 400, "Field 'config.schema_prefix' is required"),
        ({"config": "x"}, 400, "Field 'config' has an invalid value"),
        ({"config": CONFIG | {"port": "5432"}}, 400, "Field 'config.port' must be a number"),
        ({"colour": "red"}, 400, "Unknown or immutable field 'colour'"),
        ({"sync_frequency": 7}, 400, "Field 'sync_frequency' has an invalid value"),
        ({"sync_frequency": True}, 400, "Field 'sync_frequency' has an invalid value"),
        (
            {"daily_sync_time": "03:00"},
            400,
            "daily_sync_time can be set only when sync_frequency is 1440",
        ),
        ({"connect_card_config": {}}, 400, "Field 'redirect_uri' is required"),
    ],
)
async def test_a_wrong_request_creates_nothing(
    api: httpx.AsyncClient, sandbox: Sandbox, change: dict[str, Any], status: int, text: str
) -> None:
    """Each mistake is named."""
    answer = await api.post("/v1/connections", json=NEW | change)
    assert (answer.status_code, answer.json()["message"]) == (status, text)
    assert len(sandbox.connections) == 40


async def test_required_fields_are_required(api: httpx.AsyncClient) -> None:
    """A group and a service are the least."""
    answer = await api.post("/v1/connections", json={"group_id": "dev_sands"})
    assert answer.json()["message"] == "Field 'service' is required"


async def test_a_name_is_taken_only_once_in_a_group(api: httpx.AsyncClient) -> None:
    """The second connection of the same name conflicts, unless it is in another group."""
    assert (await api.post("/v1/connections", json=NEW)).status_code == 201
    assert (await api.post("/v1/connections", json=NEW)).status_code == 409
    other = NEW | {"group_id": "north_pine"}
    assert (await api.post("/v1/connections", json=other)).status_code == 201


async def test_an_update_merges_the_config(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Fields that are not named stay."""
    patch = {"config": {"host": "new.example"}, "run_setup_tests": False}
    data = (await api.patch(ONE, json=patch)).json()["data"]
    assert "setup_tests" not in data
    assert data["config"]["host"] == "new.example"
    assert sandbox.connections["solid_anchor"]["config"]["password"] == "sandbox"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"run_setup_tests": False, "trust_certificates": True},
        {"group_id": "dev_sands"},
        {"service": "mysql"},
        {"schema": "x"},
        {"colour": "red"},
        {"paused": "true"},
        {"sync_frequency": 7},
        {"sync_frequency": None},
        {"daily_sync_time": "03:00"},
        {"sync_frequency": 1440, "daily_sync_time": "03:30"},
        {"sync_frequency": 1440, "daily_sync_time": 3},
        {"config": {"schema_prefix": "other"}},
        {"config": {"port": -1}},
        {"schedule_type": "never"},
        {"schedule_type": 1},
    ],
)
async def test_a_wrong_update_changes_nothing(
    api: httpx.AsyncClient, sandbox: Sandbox, body: dict[str, Any]
) -> None:
    """Empty, unknown, immutable and impossible changes are refused."""
    before = dict(sandbox.connections["solid_anchor"])
    assert (await api.patch(ONE, json=body)).status_code == 400
    assert sandbox.connections["solid_anchor"] == before


async def test_a_daily_time_lasts_as_long_as_the_daily_schedule(api: httpx.AsyncClient) -> None:
    """It may be set with the frequency, and is forgotten with it."""
    patch = {"sync_frequency": 1440, "daily_sync_time": "14:00", "run_setup_tests": False}
    assert (await api.patch(ONE, json=patch)).json()["data"]["daily_sync_time"] == "14:00"
    patch = {"sync_frequency": 60, "run_setup_tests": False}
    assert (await api.patch(ONE, json=patch)).json()["data"]["daily_sync_time"] is None


async def test_other_settings_are_stored(api: httpx.AsyncClient) -> None:
    """Plain settings appear on the connection, the schema status in its status."""
    patch = {"proxy_agent_id": None, "private_link_id": "pl", "schema_status": "ready"}
    data = (await api.patch(ONE, json=patch)).json()["data"]
    assert data["private_link_id"] == "pl"
    assert data["status"]["schema_status"] == "ready"
    assert len(data["setup_tests"]) == 2


async def test_a_deleted_connection_is_gone(api: httpx.AsyncClient) -> None:
    """The answer has no data, and a second call finds nothing."""
    answer = await api.delete(ONE)
    assert answer.json() == {
        "code": "Success",
        "message": "Connection with id 'solid_anchor' has been deleted",
    }
    assert (await api.delete(ONE)).status_code == 404


async def test_text_that_no_encoding_can_carry_is_still_answered(api: httpx.AsyncClient) -> None:
    """Half a character from a client comes back as a question mark."""
    headers = {"Content-Type": "application/json"}
    answer = await api.patch(ONE, content=b'{"\\ud800":1}', headers=headers)
    assert answer.json()["message"] == "Unknown or immutable field '?'"
