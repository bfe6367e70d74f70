"""Schema configs: read, change, reload, and list columns."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mcp_server.sandbox import Sandbox
from mcp_server.sandbox.tables import build_schemas, choose

ROOT = "/v1/connections"
SOLID = f"{ROOT}/solid_anchor/schemas"
LIVE = f"{ROOT}/live_wire/schemas"
CUSTOMERS = f"{SOLID}/public/tables/customers"


async def _schemas(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    data: dict[str, Any] = (await api.get(f"{ROOT}/{name}/schemas")).json()["data"]["schemas"]
    return data


async def test_a_config_shows_what_can_be_changed(api: httpx.AsyncClient) -> None:
    """Locked tables say so, and tables in a disabled schema may be listed as enabled."""
    data = (await api.get(SOLID)).json()["data"]
    assert set(data) == {"enable_new_by_default", "schema_change_handling", "schemas"}
    tables = data["schemas"]["public"]["tables"]
    assert tables["schema_migrations"]["enabled_patch_settings"]["reason_code"] == "SYSTEM_TABLE"
    assert tables["orders"]["sync_mode"] == "SOFT_DELETE"
    assert set(tables["customers"]["columns"]) == {"email", "card_no"}
    audit = data["schemas"]["audit log"]
    assert audit["enabled"] is False
    assert all(table["enabled"] for table in audit["tables"].values())


async def test_configs_have_their_sizes_and_shapes(api: httpx.AsyncClient) -> None:
    """Salesforce has one key, the largest has 1,200 tables, and names may be odd."""
    salesforce = await _schemas(api, "swift_meadow")
    assert list(salesforce) == ["salesforce"]
    assert salesforce["salesforce"]["tables"]["account_history"]["parent_table"] == "account"
    wide = await _schemas(api, "wide_river")
    assert [len(schema["tables"]) for schema in wide.values()] == [200] * 6
    odd = await _schemas(api, "odd_names")
    assert ".." in odd["raw files/2026"]["tables"]
    assert "日本語" in odd
    live = await _schemas(api, "live_wire")
    assert {table["sync_mode"] for table in live["live"]["tables"].values()} == {"LIVE"}


async def test_an_update_answers_with_what_it_touched(api: httpx.AsyncClient) -> None:
    """The rest keeps its settings and is not in the answer."""
    tables = {"orders": {"enabled": False}}
    body = {"schemas": {"public": {"enabled": True, "tables": tables}}}
    data = (await api.patch(SOLID, json=body)).json()["data"]
    assert list(data["schemas"]) == ["public"]
    assert list(data["schemas"]["public"]["tables"]) == ["orders"]
    after = (await _schemas(api, "solid_anchor"))["public"]["tables"]
    assert after["orders"]["enabled"] is False
    assert after["payments"]["enabled"] is True


async def test_the_handling_of_changes_can_be_set(api: httpx.AsyncClient) -> None:
    """The old switch follows it."""
    data = (await api.patch(SOLID, json={"schema_change_handling": "ALLOW_ALL"})).json()["data"]
    assert data["enable_new_by_default"] is True
    assert data["schemas"] == {}


@pytest.mark.parametrize(
    "path", [f"{SOLID}/Public", f"{SOLID}/public/tables/Orders", f"{CUSTOMERS}/columns/Email"]
)
async def test_names_must_be_written_as_in_the_source(api: httpx.AsyncClient, path: str) -> None:
    """Another case is another name."""
    answer = await api.patch(path, json={"enabled": True})
    assert answer.status_code == 404
    assert answer.json()["code"].startswith("NotFound_")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"colour": 1},
        {"schemas": []},
        {"schema_change_handling": "ALL"},
        {"schemas": {"public": {}}},
        {"schemas": {"public": 1}},
        {"schemas": {"public": {"enabled": True, "tables": {"orders": {}}}}},
        {"schemas": {"public": {"enabled": True, "tables": {"orders": None}}}},
        {"schemas": {"public": {"enabled": True, "tables": {"orders": {"enabled": 1}}}}},
    ],
)
async def test_a_wrong_update_is_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Each level needs to say whether it is enabled."""
    assert (await api.patch(SOLID, json=body)).status_code == 400


async def test_a_refused_update_changes_nothing(api: httpx.AsyncClient) -> None:
    """One wrong name spoils the whole request."""
    tables = {"orders": {"enabled": False}, "nothing": {"enabled": False}}
    body = {"schemas": {"public": {"enabled": False, "tables": tables}}}
    before = await _schemas(api, "solid_anchor")
    assert (await api.patch(SOLID, json=body)).status_code == 404
    assert await _schemas(api, "solid_anchor") == before


async def test_locked_tables_and_columns_keep_their_state(api: httpx.AsyncClient) -> None:
    """Repeating the state is allowed, changing it is not."""
    for path in (f"{SOLID}/public/tables/schema_migrations", f"{CUSTOMERS}/columns/id"):
        assert (await api.patch(path, json={"enabled": False})).status_code == 400
        assert (await api.patch(path, json={"enabled": True})).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{SOLID}/public/tables/schema_migrations", {"enabled": True, "sync_mode": "HISTORY"}),
        (
            f"{ROOT}/failing_fox/schemas/stripe/tables/charge",
            {"enabled": True, "sync_mode": "LIVE"},
        ),
        (f"{SOLID}/public/tables/orders", {"enabled": True, "sync_mode": "FAST"}),
        (f"{CUSTOMERS}/columns/email", {"enabled": True, "target_data_type": "Blob"}),
    ],
)
async def test_modes_and_types_must_be_supported(
    api: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    """What the table cannot do is invalid input."""
    assert (await api.patch(path, json=body)).status_code == 400


async def test_columns_need_a_table_that_supports_them(api: httpx.AsyncClient) -> None:
    """The message is the one known from Fivetran."""
    path = f"{SOLID}/public/tables/schema_migrations"
    text = "Table `schema_migrations` of schema `public` doesn't supports columns configuration"
    for answer in (
        await api.get(f"{path}/columns"),
        await api.patch(f"{path}/columns/id", json={"enabled": True}),
    ):
        assert answer.status_code == 400
        assert answer.json() == {"code": "InvalidInput", "message": text}


async def test_all_columns_are_listed_without_types(api: httpx.AsyncClient) -> None:
    """What was changed once is shown as it was changed."""
    columns = (await api.get(f"{CUSTOMERS}/columns")).json()["data"]["columns"]
    assert len(columns) == 12
    assert columns["card_no"]["hashed"] is True
    assert columns["id"]["enabled_patch_settings"]["reason_code"] == "SYSTEM_COLUMN"
    assert "type" not in columns["email"]
    orders = (await api.get(f"{SOLID}/public/tables/orders/columns")).json()["data"]["columns"]
    assert next(iter(orders)) == "id"


async def test_columns_are_asked_of_a_connected_source(api: httpx.AsyncClient) -> None:
    """A broken connection cannot ask."""
    path = f"{ROOT}/brisk_lantern/schemas/public/tables/orders/columns"
    assert (await api.get(path)).status_code == 400


async def test_a_changed_column_appears_in_the_config(api: httpx.AsyncClient) -> None:
    """Hashing and excluding keep the data that was loaded."""
    answer = await api.patch(f"{CUSTOMERS}/columns/phone", json={"enabled": False, "hashed": True})
    touched = answer.json()["data"]["schemas"]["public"]["tables"]["customers"]["columns"]
    assert list(touched) == ["phone"]
    columns = (await _schemas(api, "solid_anchor"))["public"]["tables"]["customers"]["columns"]
    assert columns["phone"]["enabled"] is False
    assert columns["phone"]["hashed"] is True


async def test_a_row_filter_goes_when_it_is_set_to_null(api: httpx.AsyncClient) -> None:
    """One that is left out stays."""
    path = f"{SOLID}/public/tables/orders"
    for body, there in (
        ({"enabled": True, "row_filter": {"name": "new"}}, True),
        ({"enabled": True}, True),
        ({"enabled": True, "row_filter": None}, False),
    ):
        await api.patch(path, json=body)
        orders = (await _schemas(api, "solid_anchor"))["public"]["tables"]["orders"]
        assert ("row_filter" in orders) is there


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{SOLID}/public/tables/refunds", {"enabled": True}),
        (f"{SOLID}/audit%20log", {"enabled": True}),
        (f"{SOLID}/public/tables/orders", {"enabled": True, "sync_mode": "HISTORY"}),
    ],
)
async def test_what_was_not_loaded_is_imported(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], wait: Callable[[float], None]
) -> None:
    """An excluded table that is enabled, and another sync mode, start a historical sync."""
    await api.patch(path, json=body)
    status = (await api.get(f"{ROOT}/solid_anchor")).json()["data"]["status"]
    assert (status["sync_state"], status["is_historical_sync"]) == ("syncing", True)
    wait(12)
    status = (await api.get(f"{ROOT}/solid_anchor")).json()["data"]["status"]
    assert status["is_historical_sync"] is False


async def test_live_mode_drops_what_is_excluded(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Tables and columns leave the destination; in other modes they stay."""
    await api.patch(f"{SOLID}/public/tables/orders", json={"enabled": False})
    await api.patch(f"{CUSTOMERS}/columns/phone", json={"enabled": False})
    assert sandbox.dropped == []
    await api.patch(f"{LIVE}/live/tables/orders", json={"enabled": False})
    columns = f"{LIVE}/live/tables/customers/columns"
    await api.patch(f"{columns}/created_at", json={"enabled": False})
    await api.patch(f"{columns}/updated_at", json={"enabled": True, "hashed": True})
    assert sandbox.dropped == ["live_wire/live/orders", "live_wire/live/customers/created_at"]


async def test_a_reload_keeps_the_selection_unless_told_otherwise(api: httpx.AsyncClient) -> None:
    """INCLUDE and EXCLUDE switch every table that is not locked."""
    before = await _schemas(api, "solid_anchor")
    data = (await api.post(f"{SOLID}/reload", json={})).json()["data"]
    assert data["schemas"] == before
    body = {"exclude_mode": "EXCLUDE"}
    tables = (await api.post(f"{SOLID}/reload", json=body)).json()["data"]["schemas"]
    enabled = [name for name, table in tables["public"]["tables"].items() if table["enabled"]]
    assert enabled == ["schema_migrations"]
    body = {"exclude_mode": "INCLUDE"}
    schemas = (await api.post(f"{SOLID}/reload", json=body)).json()["data"]["schemas"]
    assert all(
        schema["enabled"] and all(table["enabled"] for table in schema["tables"].values())
        for schema in schemas.values()
    )


async def test_a_reload_needs_a_connected_source(api: httpx.AsyncClient) -> None:
    """A broken connection has nothing to read, and odd modes are refused."""
    assert (await api.post(f"{ROOT}/brisk_lantern/schemas/reload", json={})).status_code == 400
    answer = await api.post(f"{SOLID}/reload", json={"exclude_mode": "exclude"})
    assert answer.status_code == 400


async def test_a_reload_discovers_the_schema(api: httpx.AsyncClient) -> None:
    """A new connection has a config afterwards."""
    config = {"schema": "shop", "api_key": "k"}
    body = {"group_id": "dev_sands", "service": "stripe", "config": config}
    name = (await api.post(ROOT, json=body)).json()["data"]["id"]
    path = f"{ROOT}/{name}/schemas"
    assert (await api.patch(path, json={"schemas": {}})).status_code == 404
    assert (await api.post(f"{path}/reload", json={})).status_code == 200
    assert list(await _schemas(api, name)) == ["shop"]


async def test_any_name_can_be_reached(api: httpx.AsyncClient) -> None:
    """Slashes, percent signs and all: encoded in the path, or as they are in the body."""
    for schema, settings in (await _schemas(api, "odd_names")).items():
        for table in settings["tables"].keys() - {".."}:
            path = f"{ROOT}/odd_names/schemas/{quote(schema, safe='')}/tables/"
            answer = await api.patch(path + quote(table, safe=""), json={"enabled": False})
            assert answer.status_code == 200
    body = {"schemas": {"raw files/2026": {"enabled": True, "tables": {"..": {"enabled": False}}}}}
    assert (await api.patch(f"{ROOT}/odd_names/schemas", json=body)).status_code == 200


async def _new(api: httpx.AsyncClient) -> str:
    config = {"schema_prefix": "fresh", "host": "db.example", "user": "u", "password": "p"}
    body = {"group_id": "dev_sands", "service": "postgres", "config": config}
    name: str = (await api.post(ROOT, json=body)).json()["data"]["id"]
    return f"{ROOT}/{name}"


async def test_a_selection_made_before_capture_counts_at_capture(api: httpx.AsyncClient) -> None:
    """It is echoed, replaces an earlier one, and what is unknown or locked is ignored."""
    path = await _new(api)
    columns = {"id": {"enabled": False}, "amount": {"enabled": False}, "ghost": {"enabled": False}}
    columns["created_at"] = {"enabled": True, "hashed": True}
    body = {
        "schema_change_handling": "BLOCK_ALL",
        "schemas": {
            "public": {
                "tables": {
                    "orders": {"enabled": False},
                    "customers": {"columns": columns},
                    "ghosts": {"enabled": False},
                }
            },
            "reports": {"enabled": False},
            "ghost": {"enabled": False},
        },
    }
    earlier = {"schemas": {"public": {"enabled": False}}}
    assert (await api.post(f"{path}/schemas", json=earlier)).json()["data"] == earlier
    assert (await api.post(f"{path}/schemas", json=body)).json()["data"] == body
    assert (await api.get(f"{path}/schemas")).status_code == 404
    data = (await api.post(f"{path}/schemas/reload", json={})).json()["data"]
    assert data["schema_change_handling"] == "BLOCK_ALL"
    assert list(data["schemas"]) == ["public", "reports"]
    assert data["schemas"]["reports"]["enabled"] is False
    public = data["schemas"]["public"]
    assert public["enabled"] is True
    assert public["tables"]["orders"]["enabled"] is False
    changed = public["tables"]["customers"]["columns"]
    assert "id" not in changed
    assert "ghost" not in changed
    assert changed["created_at"]["hashed"] is True


def test_what_cannot_be_excluded_stays_in_a_selection_made_before_capture() -> None:
    """A locked table syncs, and where columns cannot be chosen none is."""
    config = build_schemas({"id": "solid_anchor", "service": "postgres", "schema": "pg_billing"})
    off = {"enabled": False, "columns": {"created_at": {"enabled": False}}}
    tables = {"schema_migrations": off, "orders": off}
    choose("solid_anchor", config, {"schemas": {"public": {"tables": tables}}})
    chosen = config["schemas"]["public"]["tables"]
    assert (chosen["schema_migrations"]["enabled"], chosen["orders"]["enabled"]) == (True, False)
    assert chosen["schema_migrations"]["columns"] == {}
    assert chosen["orders"]["columns"]["created_at"]["enabled"] is False


async def test_a_selection_comes_too_late_once_there_is_a_config(api: httpx.AsyncClient) -> None:
    """Then it is for PATCH."""
    answer = await api.post(SOLID, json={"schemas": {"public": {"enabled": False}}})
    assert answer.status_code == 409
    assert (await _schemas(api, "solid_anchor"))["public"]["enabled"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"schemas": None},
        {"schemas": {"public": True}},
        {"schemas": {"public": {"tables": []}}},
        {"schemas": {"public": {"tables": {"orders": {"columns": "id"}}}}},
        {"schemas": {"public": {"tables": {"orders": {"columns": {"id": False}}}}}},
        {"schemas": {}, "schema_change_handling": "ALL"},
    ],
)
async def test_a_selection_of_another_shape_is_refused(
    api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """At every level."""
    assert (await api.post(f"{await _new(api)}/schemas", json=body)).status_code == 400
