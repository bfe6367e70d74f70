"""Dropping blocked columns."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

Wait = Callable[[float], None]
SOLID = "/v1/connections/solid_anchor"
CUSTOMERS = f"{SOLID}/schemas/public/tables/customers"
DROPPED = ["solid_anchor/public/customers/phone", "solid_anchor/public/customers/city"]


def _body(*columns: str) -> dict[str, Any]:
    return {"schemas": {"public": {"tables": {"customers": {"columns": [*columns]}}}}}


async def _block(api: httpx.AsyncClient, *columns: str) -> None:
    for column in columns:
        path = f"{CUSTOMERS}/columns/{column}"
        assert (await api.patch(path, json={"enabled": False})).status_code == 200


async def _drop(api: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await api.post(f"{SOLID}/schemas/drop-columns", json=body)


async def test_blocked_columns_are_dropped_when_the_next_sync_ends(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """Not before; afterwards neither the selection nor the list has them, and no second drop."""
    await _block(api, "phone", "city")
    answer = await _drop(api, _body("phone", "city", "phone"))
    assert answer.json() == {
        "code": "Success",
        "message": "Column(s) successfully marked for deletion",
    }
    await api.post(f"{SOLID}/sync", json={})
    columns = (await api.get(f"{CUSTOMERS}/columns")).json()["data"]["columns"]
    assert {"phone", "city"} <= columns.keys()
    assert sandbox.dropped == []
    wait(6)
    columns = (await api.get(f"{CUSTOMERS}/columns")).json()["data"]["columns"]
    assert not {"phone", "city"} & columns.keys()
    assert len(columns) == 10
    assert sandbox.dropped == DROPPED
    config = (await api.get(f"{SOLID}/schemas")).json()["data"]["schemas"]
    assert set(config["public"]["tables"]["customers"]["columns"]) == {"email", "card_no"}
    assert (await _drop(api, _body("phone"))).status_code == 404
    assert (
        await api.patch(f"{CUSTOMERS}/columns/phone", json={"enabled": True})
    ).status_code == 404


async def test_one_column_can_be_dropped_and_marked_twice(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """It is dropped once, even if it was enabled again in between."""
    await _block(api, "phone")
    answer = await api.delete(f"{CUSTOMERS}/columns/phone")
    assert answer.json() == {
        "code": "Success",
        "message": "Column successfully marked for deletion",
    }
    assert (await api.delete(f"{CUSTOMERS}/columns/phone")).status_code == 200
    await api.patch(f"{CUSTOMERS}/columns/phone", json={"enabled": True})
    await api.post(f"{SOLID}/sync", json={})
    wait(6)
    await api.get(SOLID)
    assert sandbox.dropped == DROPPED[:1]


async def test_a_sync_that_fails_drops_nothing(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """The mark waits for one that succeeds."""
    await _block(api, "phone")
    await _drop(api, _body("phone"))
    sandbox.connections["solid_anchor"]["status"]["setup_state"] = "broken"
    await api.post(f"{SOLID}/sync", json={})
    wait(6)
    await api.get(SOLID)
    assert sandbox.dropped == []
    sandbox.connections["solid_anchor"]["status"]["setup_state"] = "connected"
    await api.post(f"{SOLID}/sync", json={})
    wait(6)
    await api.get(SOLID)
    assert sandbox.dropped == DROPPED[:1]


async def test_all_are_checked_before_any_is_marked(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """One that still syncs keeps the others from being dropped."""
    await _block(api, "phone")
    answer = await _drop(api, _body("phone", "email"))
    assert answer.status_code == 409
    assert answer.json()["message"] == "Column not in blocked state"
    assert (await api.delete(f"{CUSTOMERS}/columns/email")).status_code == 409
    await api.post(f"{SOLID}/sync", json={})
    wait(6)
    await api.get(SOLID)
    assert sandbox.dropped == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"schemas": []}, 400),
        ({"schemas": {"public": None}}, 400),
        ({"schemas": {"public": {}}}, 400),
        ({"schemas": {"public": {"tables": {}}}}, 400),
        ({"schemas": {"public": {"tables": {"customers": {}}}}}, 400),
        ({"schemas": {"public": {"tables": {"customers": {"columns": []}}}}}, 400),
        ({"schemas": {"public": {"tables": {"customers": {"columns": {}}}}}}, 400),
        ({"schemas": {"public": {"tables": {"schema_migrations": {"columns": ["id"]}}}}}, 400),
        ({"schemas": {"Public": {"tables": {"customers": {"columns": ["id"]}}}}}, 404),
        ({"schemas": {"public": {"tables": {"Customers": {"columns": ["id"]}}}}}, 404),
        (_body("Phone"), 404),
    ],
)
async def test_bodies_of_another_shape_and_unknown_names_are_refused(
    api: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    """Each map must have entries, and each name must be one of the source's."""
    assert (await _drop(api, body)).status_code == status


async def test_other_connections_have_no_such_columns(api: httpx.AsyncClient) -> None:
    """404 as everywhere."""
    answer = await api.post("/v1/connections/nobody/schemas/drop-columns", json=_body("phone"))
    assert answer.status_code == 404
