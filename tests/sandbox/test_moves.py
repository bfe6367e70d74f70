"""Moves of connections to other groups."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

Wait = Callable[[float], None]
ROOT = "/v1/connections"
CANYON = f"{ROOT}/dusty_canyon"
TO_FINANCE = {"destination_group_id": "north_pine", "sync_behavior": "CONTINUE"}


async def _moved(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post(f"{CANYON}/move", json={**TO_FINANCE, **body})
    assert answer.status_code == 200
    data: dict[str, Any] = answer.json()["data"]
    return data


async def _status(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    data: dict[str, Any] = (await api.get(f"{CANYON}/move/{job_id}")).json()["data"]
    return data


async def _names(api: httpx.AsyncClient, group_id: str) -> list[str]:
    items = (await api.get(ROOT, params={"group_id": group_id})).json()["data"]["items"]
    return [item["id"] for item in items]


async def test_a_move_is_a_job_that_takes_its_time(api: httpx.AsyncClient, wait: Wait) -> None:
    """The group changes when it is done, and nothing is loaded again."""
    job = await _moved(api)
    assert job.pop("job_id")
    assert job == {
        "connection_id": "dusty_canyon",
        "source_group_id": "quiet_delta",
        "destination_group_id": "north_pine",
        "sync_behavior": "CONTINUE",
        "moved_at": "2026-03-10T12:00:00.000000Z",
    }
    connection = (await api.get(CANYON)).json()["data"]
    assert connection["group_id"] == "quiet_delta"
    wait(6)
    connection = (await api.get(CANYON)).json()["data"]
    assert connection["group_id"] == "north_pine"
    assert connection["paused"] is True
    assert connection["status"]["is_historical_sync"] is False


async def test_the_status_follows_the_time(api: httpx.AsyncClient, wait: Wait) -> None:
    """It waits, it runs, it succeeds."""
    job_id = (await _moved(api))["job_id"]
    seen = []
    for _ in range(4):
        seen.append(await _status(api, job_id))
        wait(2)
    assert [status["status"] for status in seen] == [
        "PENDING",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "SUCCESS",
    ]
    assert seen[-1]["error_message"] is None


async def test_lists_know_of_a_move_that_is_over(api: httpx.AsyncClient, wait: Wait) -> None:
    """Although nobody has looked at the connection since."""
    await _moved(api)
    wait(6)
    assert "dusty_canyon" in await _names(api, "north_pine")
    assert "dusty_canyon" not in await _names(api, "quiet_delta")


async def test_a_backfill_loads_everything_again(api: httpx.AsyncClient, wait: Wait) -> None:
    """Once it is resumed."""
    await _moved(api, sync_behavior="BACKFILL", force_move=True)
    wait(6)
    assert (await api.get(CANYON)).json()["data"]["status"]["is_historical_sync"] is True
    await api.patch(CANYON, json={"paused": False, "run_setup_tests": False})
    assert (await api.get(CANYON)).json()["data"]["status"]["sync_state"] == "syncing"


async def test_a_name_that_is_taken_lets_a_move_fail(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """The connection stays where it was, and may be moved elsewhere."""
    other = sandbox.connections["wide_river"]
    other["schema"] = sandbox.connections["dusty_canyon"]["schema"]
    job_id = (await _moved(api))["job_id"]
    wait(6)
    status = await _status(api, job_id)
    assert status["status"] == "FAILED"
    assert "web_analytics" in status["error_message"]
    assert sandbox.connections["dusty_canyon"]["group_id"] == "quiet_delta"
    assert (await _moved(api, destination_group_id="dev_sands"))["job_id"] != job_id


async def test_one_move_at_a_time(api: httpx.AsyncClient) -> None:
    """The second is refused while the first runs."""
    await _moved(api)
    answer = await api.post(f"{CANYON}/move", json={"destination_group_id": "dev_sands"})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("connection", "body", "status"),
    [
        ("solid_anchor", TO_FINANCE, 409),
        ("nobody", TO_FINANCE, 404),
        ("dusty_canyon", {"destination_group_id": "nowhere"}, 404),
        ("dusty_canyon", {"destination_group_id": "quiet_delta"}, 400),
        ("dusty_canyon", {}, 400),
        ("dusty_canyon", {**TO_FINANCE, "sync_behavior": "RESYNC"}, 400),
        ("dusty_canyon", {**TO_FINANCE, "force_move": "yes"}, 400),
    ],
)
async def test_what_cannot_be_moved_is_refused(
    api: httpx.AsyncClient, connection: str, body: dict[str, Any], status: int
) -> None:
    """Running connections, unknown and equal groups, odd values."""
    answer = await api.post(f"{ROOT}/{connection}/move", json=body)
    assert answer.status_code == status


async def test_only_a_jobs_own_connection_knows_it(api: httpx.AsyncClient) -> None:
    """Others have never heard of it."""
    job_id = (await _moved(api))["job_id"]
    assert (await api.get(f"{CANYON}/move/other")).status_code == 404
    assert (await api.get(f"{ROOT}/solid_anchor/move/{job_id}")).status_code == 404
    assert (await api.get(f"{ROOT}/nobody/move/{job_id}")).status_code == 404
