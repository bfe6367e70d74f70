"""Setup tests and Connect Cards."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

CARD = {"redirect_uri": "https://app.example/back"}


async def test_setup_tests_need_a_body(api: httpx.AsyncClient) -> None:
    """Without any body the answer is 400; an empty object is enough."""
    assert (await api.post("/v1/connections/solid_anchor/test")).status_code == 400
    answer = await api.post("/v1/connections/solid_anchor/test", json={})
    assert answer.status_code == 200
    assert {test["status"] for test in answer.json()["data"]["setup_tests"]} == {"PASSED"}


async def test_tests_refuse_fields_they_do_not_know(api: httpx.AsyncClient) -> None:
    """Only the two trust switches are allowed."""
    path = "/v1/connections/solid_anchor/test"
    assert (await api.post(path, json={"run_setup_tests": True})).status_code == 400
    assert (await api.post(path, json={"trust_certificates": 1})).status_code == 400
    assert (await api.post(path, json={"trust_certificates": True})).status_code == 200


async def test_a_broken_connection_stays_broken_until_its_password_is_right(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    """With the right password it reconnects, and catches up at once as it is overdue."""
    failed = (await api.post("/v1/connections/brisk_lantern/test", json={})).json()["data"]
    assert failed["status"]["setup_state"] == "broken"
    assert failed["setup_tests"][-1]["status"] == "FAILED"
    wait(6 * 3600)
    patch = {"config": {"password": "right"}}
    fixed = (await api.patch("/v1/connections/brisk_lantern", json=patch)).json()["data"]
    assert fixed["status"]["setup_state"] == "connected"
    assert fixed["status"]["tasks"] == []
    assert fixed["status"]["sync_state"] == "syncing"


async def test_a_mask_sent_back_overwrites_the_secret(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Echoing what was read breaks the connection."""
    patch = {"config": {"password": "******"}}
    data = (await api.patch("/v1/connections/solid_anchor", json=patch)).json()["data"]
    assert data["status"]["setup_state"] == "broken"
    assert sandbox.connections["solid_anchor"]["config"]["password"] == "******"


async def test_passing_tests_discover_the_schema(api: httpx.AsyncClient) -> None:
    """An incomplete sheet that is set up has a schema only after its tests were run."""
    path = "/v1/connections/calm_ridge"
    assert (await api.get(f"{path}/schemas")).json()["code"] == "NotFound_SchemaConfig"
    failed = (await api.post(f"{path}/test", json={})).json()["data"]
    assert failed["status"]["setup_state"] == "incomplete"
    patch = {"config": {"sheet_id": "s", "named_range": "r"}, "auth": {"client_access": {}}}
    data = (await api.patch(path, json=patch)).json()["data"]
    assert data["status"]["setup_state"] == "connected"
    assert (await api.get(f"{path}/schemas")).status_code == 404
    await api.post(f"{path}/test", json={})
    assert (await api.get(f"{path}/schemas")).status_code == 200


async def test_a_connect_card_is_an_address_with_a_token(api: httpx.AsyncClient) -> None:
    """The card, its settings and the id come back."""
    path = "/v1/connections/calm_ridge/connect-card"
    data = (await api.post(path, json={"connect_card_config": CARD})).json()["data"]
    assert data["connector_id"] == "calm_ridge"
    assert data["connect_card"]["token"] in data["connect_card"]["uri"]
    assert data["connect_card_config"] == CARD


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"connect_card_config": {}},
        {"connect_card_config": {"redirect_uri": "ftp://x"}},
        {"connect_card_config": {**CARD, "hide_setup_guide": "yes"}},
    ],
)
async def test_a_connect_card_needs_somewhere_to_return(
    api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """A missing or odd address is invalid input."""
    answer = await api.post("/v1/connections/calm_ridge/connect-card", json=body)
    assert answer.status_code == 400
