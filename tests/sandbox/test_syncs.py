"""Syncs over time, historical re-syncs, and sync state."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

Wait = Callable[[float], None]
ROOT = "/v1/connections"


async def _data(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    data: dict[str, Any] = (await api.get(f"{ROOT}/{name}")).json()["data"]
    return data


async def _state(api: httpx.AsyncClient, name: str) -> str:
    return str((await _data(api, name))["status"]["sync_state"])


async def test_a_sync_runs_its_time_and_succeeds(api: httpx.AsyncClient, wait: Wait) -> None:
    """The answer has no data; the success time moves when the sync ends."""
    answer = await api.post(f"{ROOT}/solid_anchor/sync", json={})
    assert answer.json() == {
        "code": "Success",
        "message": "Sync has been successfully triggered for connection with id 'solid_anchor'",
    }
    assert await _state(api, "solid_anchor") == "syncing"
    wait(6)
    data = await _data(api, "solid_anchor")
    assert data["status"]["sync_state"] == "scheduled"
    assert data["succeeded_at"] == "2026-03-10T12:00:06.000000Z"


async def test_a_seeded_failure_fails_again(api: httpx.AsyncClient, wait: Wait) -> None:
    """The failure time moves and the task stays."""
    await api.post(f"{ROOT}/failing_fox/sync", json={})
    wait(6)
    data = await _data(api, "failing_fox")
    assert data["failed_at"] == "2026-03-10T12:00:06.000000Z"
    assert data["status"]["tasks"][0]["code"] == "unknown_sync_failure"


async def test_a_failure_leaves_a_task(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """Even if there was none before."""
    sandbox.connections["failing_fox"]["status"]["tasks"] = []
    await api.post(f"{ROOT}/failing_fox/sync", json={})
    wait(6)
    tasks = (await _data(api, "failing_fox"))["status"]["tasks"]
    assert [task["code"] for task in tasks] == ["unknown_sync_failure"]


async def test_a_broken_connection_may_try_and_fails(api: httpx.AsyncClient, wait: Wait) -> None:
    """It is not refused, but its password is still wrong."""
    assert (await api.post(f"{ROOT}/brisk_lantern/sync", json={})).status_code == 200
    wait(6)
    data = await _data(api, "brisk_lantern")
    assert data["failed_at"] == "2026-03-10T12:00:06.000000Z"
    assert data["status"]["tasks"][0]["code"] == "reconnect"


async def test_a_running_sync_is_left_alone_unless_forced(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Without force nothing happens; with it the sync starts over."""
    await api.post(f"{ROOT}/busy_bee/sync", json={"force": False})
    wait(3600)
    assert await _state(api, "busy_bee") == "syncing"
    await api.post(f"{ROOT}/busy_bee/sync", json={"force": True})
    wait(6)
    assert await _state(api, "busy_bee") == "scheduled"


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("COMPLETED", ("COMPLETED", "scheduled", {"succeeded_at"})),
        ("FAILURE", ("FAILURE", "scheduled", {"failed_at"})),
        ("CANCELED", ("CANCELED", "scheduled", set())),
        ("INCOMPLETE", ("INCOMPLETE", "scheduled", set())),
        ("RESCHEDULED", ("RESCHEDULED", "rescheduled", set())),
        ("PAUSED", ("PAUSED", "paused", set())),
        ("BROKEN", ("INCOMPLETE", "scheduled", set())),
    ],
)
async def test_a_sync_can_be_told_how_to_end(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait, word: str, left: tuple[str, str, set[str]]
) -> None:
    """When and why as well; the next one ends as usual."""
    before = await _data(api, "solid_anchor")
    sandbox.script("solid_anchor", word, seconds=20, reason="So it was told")
    await api.post(f"{ROOT}/solid_anchor/sync", json={})
    wait(19)
    assert await _state(api, "solid_anchor") == "syncing"
    wait(1)
    after = await _data(api, "solid_anchor")
    syncs = (await api.get(f"{ROOT}/solid_anchor/sync-history")).json()["data"]["items"]

    changed = {key for key in ("succeeded_at", "failed_at") if after[key] != before[key]}
    assert (syncs[0]["status"], after["status"]["sync_state"], changed) == left
    assert syncs[0]["end"] == "2026-03-10T12:00:20.000000Z"
    assert ("reason" in syncs[0]) is (word != "COMPLETED")
    assert (after["paused"], after["status"]["setup_state"] == "broken") == (
        word == "PAUSED",
        word == "BROKEN",
    )
    later = after["status"]["rescheduled_for"]
    assert later == ("2026-03-10T13:00:20.000000Z" if word == "RESCHEDULED" else None)


async def test_syncs_that_were_told_how_to_end_do_so_in_turn(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """One that never begins stops a running one all the same, if it was forced."""
    for word in ("COMPLETED", "NEVER", "FAILURE"):
        sandbox.script("failing_fox", word)
    states = []
    for _ in range(4):
        await api.post(f"{ROOT}/failing_fox/sync", json={"force": True})
        states.append(await _state(api, "failing_fox"))
        wait(1)
    wait(6)
    syncs = (await api.get(f"{ROOT}/failing_fox/sync-history")).json()["data"]["items"]

    assert states == ["syncing", "scheduled", "syncing", "syncing"]
    assert [sync["status"] for sync in syncs[:3]] == ["FAILURE", "CANCELED", "CANCELED"]
    assert syncs[0]["end"] == "2026-03-10T12:00:09.000000Z"


async def test_a_paused_connection_says_success_and_rests(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """The trigger is lost."""
    before = await _data(api, "dusty_canyon")
    assert (await api.post(f"{ROOT}/dusty_canyon/sync", json={})).status_code == 200
    wait(600)
    assert await _data(api, "dusty_canyon") == before


async def test_an_incomplete_connection_cannot_sync(api: httpx.AsyncClient) -> None:
    """Neither sync nor re-sync is possible before the setup is complete."""
    assert (await api.post(f"{ROOT}/calm_ridge/sync", json={})).status_code == 400
    assert (await api.post(f"{ROOT}/calm_ridge/resync", json={})).status_code == 400
    tables = f"{ROOT}/calm_ridge/schemas/tables/resync"
    assert (await api.post(tables, json={"a": ["b"]})).status_code == 400


async def test_a_historical_sync_asked_of_an_incomplete_connection_waits(
    api: httpx.AsyncClient,
) -> None:
    """It is pending until the connection is set up."""
    patch = {"is_historical_sync": True, "paused": False}
    data = (await api.patch(f"{ROOT}/calm_ridge", json=patch)).json()["data"]
    assert data["status"]["sync_state"] == "scheduled"
    assert data["status"]["is_historical_sync"] is True


async def test_force_must_be_a_flag(api: httpx.AsyncClient) -> None:
    """Other types are invalid input."""
    answer = await api.post(f"{ROOT}/solid_anchor/sync", json={"force": "yes"})
    assert answer.status_code == 400


async def test_connections_sync_when_they_are_due(api: httpx.AsyncClient, wait: Wait) -> None:
    """After a long silence the last sync that was due has run, at its time."""
    before = (await _data(api, "solid_anchor"))["succeeded_at"]
    wait(3 * 24 * 3600)
    after = (await _data(api, "solid_anchor"))["succeeded_at"]
    apart = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    assert apart.total_seconds() == 12 * 6 * 3600 + 6


async def test_manual_custom_and_paused_connections_never_start_alone(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Nor do those that are broken or incomplete."""
    names = ("stuck_heron", "cron_crane", "dusty_canyon", "brisk_lantern", "calm_ridge")
    before = [await _data(api, name) for name in names]
    wait(3 * 24 * 3600)
    assert [await _data(api, name) for name in names] == before


async def test_a_rescheduled_connection_starts_at_its_time(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Until then it waits; afterwards it has no such time any more."""
    wait(49 * 60)
    assert await _state(api, "patient_owl") == "rescheduled"
    wait(60)
    data = await _data(api, "patient_owl")
    assert data["status"]["sync_state"] == "syncing"
    assert data["status"]["rescheduled_for"] is None


async def test_a_manual_connection_that_was_rescheduled_needs_a_trigger(
    api: httpx.AsyncClient,
) -> None:
    """A sync request starts it."""
    assert await _state(api, "stuck_heron") == "rescheduled"
    await api.post(f"{ROOT}/stuck_heron/sync", json={})
    assert await _state(api, "stuck_heron") == "syncing"


async def test_pausing_stops_a_running_sync(api: httpx.AsyncClient) -> None:
    """Neither timestamp moves."""
    before = await _data(api, "busy_bee")
    patch = {"paused": True, "run_setup_tests": False}
    after = (await api.patch(f"{ROOT}/busy_bee", json=patch)).json()["data"]
    assert after["status"]["sync_state"] == "paused"
    assert after["succeeded_at"] == before["succeeded_at"]


async def test_a_stubborn_connection_pauses_and_reports_an_error(api: httpx.AsyncClient) -> None:
    """The first pause answers 500 although it took effect; the second is quiet."""
    path, patch = f"{ROOT}/stubborn_mule", {"paused": True, "run_setup_tests": False}
    assert (await api.patch(path, json=patch)).status_code == 500
    assert await _state(api, "stubborn_mule") == "paused"
    assert (await api.patch(path, json=patch)).status_code == 200


async def test_resuming_an_overdue_connection_starts_a_sync(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """It starts now, whenever it was due."""
    patch = {"paused": False, "run_setup_tests": False}
    data = (await api.patch(f"{ROOT}/dusty_canyon", json=patch)).json()["data"]
    assert data["status"]["sync_state"] == "syncing"
    wait(6)
    assert (await _data(api, "dusty_canyon"))["succeeded_at"] == "2026-03-10T12:00:06.000000Z"


async def test_a_new_connection_that_is_resumed_imports_its_history(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """The first sync is historical, takes twice as long, and discovers the schema."""
    body = {
        "group_id": "dev_sands",
        "service": "stripe",
        "config": {"schema": "shop", "api_key": "k"},
        "paused": False,
    }
    created = (await api.post(ROOT, json=body)).json()["data"]
    assert created["status"]["sync_state"] == "syncing"
    wait(11)
    assert await _state(api, created["id"]) == "syncing"
    wait(1)
    assert (await _data(api, created["id"]))["status"]["is_historical_sync"] is False
    assert (await api.get(f"{ROOT}/{created['id']}/schemas")).status_code == 200


async def test_state_changed_by_hand_is_respected(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """A sync without an end runs on, and a pause may take its time."""
    connection = sandbox.connections["solid_anchor"]
    connection["status"]["sync_state"] = "syncing"
    connection["paused"] = True
    wait(24 * 3600)
    assert await _state(api, "solid_anchor") == "syncing"
    connection["status"]["sync_state"] = "scheduled"
    assert await _state(api, "solid_anchor") == "paused"


async def test_changing_the_config_stops_a_running_sync(api: httpx.AsyncClient) -> None:
    """An import of history that is stopped starts over."""
    patch = {"config": {"host": "new.example"}}
    data = (await api.patch(f"{ROOT}/busy_bee", json=patch)).json()["data"]
    assert data["status"]["sync_state"] != "syncing"
    data = (await api.patch(f"{ROOT}/first_light", json=patch)).json()["data"]
    assert data["status"]["sync_state"] == "syncing"


async def test_a_historical_sync_can_be_asked_for_by_an_update(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """It cancels what runs and starts at once."""
    patch = {"is_historical_sync": True, "run_setup_tests": False}
    data = (await api.patch(f"{ROOT}/busy_bee", json=patch)).json()["data"]
    assert data["status"]["is_historical_sync"] is True
    wait(12)
    status = (await _data(api, "busy_bee"))["status"]
    assert (status["sync_state"], status["is_historical_sync"]) == ("scheduled", False)


@pytest.mark.parametrize("body", [{}, {"scope": None}])
async def test_a_resync_without_a_scope_is_of_everything(
    api: httpx.AsyncClient, body: dict[str, Any], wait: Wait
) -> None:
    """A sync that runs is completed first."""
    answer = await api.post(f"{ROOT}/busy_bee/resync", json=body)
    assert answer.json() == {
        "code": "Success",
        "message": "Re-sync has been triggered successfully",
    }
    data = await _data(api, "busy_bee")
    assert data["status"]["is_historical_sync"] is True
    assert data["succeeded_at"] == "2026-03-10T12:00:00.000000Z"
    wait(12)
    assert await _state(api, "busy_bee") == "scheduled"


async def test_a_resync_of_tables_is_not_one_of_the_connection(api: httpx.AsyncClient) -> None:
    """Both ways of asking start a sync."""
    scope = {"public": ["orders", "customers"]}
    for path, body in (("resync", {"scope": scope}), ("schemas/tables/resync", scope)):
        assert (await api.post(f"{ROOT}/solid_anchor/{path}", json=body)).status_code == 200
        status = (await _data(api, "solid_anchor"))["status"]
        assert (status["sync_state"], status["is_historical_sync"]) == ("syncing", False)


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"public": []},
        {"public": "orders"},
        {"public": ["nothing"]},
        {"public": [["orders"]]},
        {"Public": ["orders"]},
    ],
)
async def test_a_scope_must_name_tables_that_exist(
    api: httpx.AsyncClient, scope: dict[str, Any]
) -> None:
    """Nothing is guessed from an empty or a wrong scope."""
    path = f"{ROOT}/solid_anchor"
    assert (await api.post(f"{path}/resync", json={"scope": scope})).status_code == 400
    assert (await api.post(f"{path}/schemas/tables/resync", json=scope)).status_code == 400


async def test_some_services_cannot_resync_single_tables(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Sheets can only be imported as a whole."""
    sheet = next(
        name
        for name, item in sandbox.connections.items()
        if item["service"] == "google_sheets" and name != "calm_ridge"
    )
    answer = await api.post(f"{ROOT}/{sheet}/resync", json={"scope": {"a": ["b"]}})
    assert answer.status_code == 400
    assert (await api.post(f"{ROOT}/{sheet}/resync", json={})).status_code == 200


async def test_a_running_historical_sync_cannot_be_completed(api: httpx.AsyncClient) -> None:
    """A re-sync conflicts with it."""
    assert (await api.post(f"{ROOT}/first_light/resync", json={})).status_code == 409


async def test_a_paused_connection_resyncs_when_it_is_resumed(api: httpx.AsyncClient) -> None:
    """The re-sync waits."""
    path = f"{ROOT}/dusty_canyon"
    assert (await api.post(f"{path}/resync", json={})).status_code == 200
    assert await _state(api, "dusty_canyon") == "paused"
    data = (await api.patch(path, json={"paused": False})).json()["data"]
    assert data["status"]["sync_state"] == "syncing"
    assert data["status"]["is_historical_sync"] is True


async def test_only_some_services_have_a_state(api: httpx.AsyncClient) -> None:
    """Others answer 400, and so does one that has written nothing yet."""
    data = (await api.get(f"{ROOT}/sdk_weather/state")).json()["data"]
    assert "cursor" in data["state"]
    assert (await api.get(f"{ROOT}/solid_anchor/state")).status_code == 400
    assert (await api.get(f"{ROOT}/sdk_blank/state")).status_code == 400


async def test_a_state_is_replaced_only_while_paused(api: httpx.AsyncClient) -> None:
    """While syncing there is a conflict; null changes nothing."""
    path = f"{ROOT}/sdk_weather"
    new = {"state": {"cursor": "0"}}
    assert (await api.patch(f"{path}/state", json=new)).status_code == 400
    await api.post(f"{path}/sync", json={})
    assert (await api.patch(f"{path}/state", json=new)).status_code == 409
    await api.patch(path, json={"paused": True})
    old = (await api.patch(f"{path}/state", json={"state": None})).json()["data"]["state"]
    assert "stations" in old
    answer = await api.patch(f"{path}/state", json=new)
    assert answer.json()["data"] == new
    assert (await api.get(f"{path}/state")).json()["data"] == new
    assert (await api.patch(f"{path}/state", json={"state": 1})).status_code == 400


def test_without_a_clock_the_time_is_the_real_one() -> None:
    """Timestamps are relative to now."""
    created = Sandbox(connections=1).connections["brisk_lantern"]["created_at"]
    assert datetime.fromisoformat(created) < datetime.now(UTC)
