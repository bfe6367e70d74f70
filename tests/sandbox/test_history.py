"""Sync history, warnings and errors: what was, what happens, and who has these endpoints."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox
from tests.support import Clock

Wait = Callable[[float], None]
ROOT = "/v1/connections"
DAY = {"start_time": "2026-03-09T12:00:00Z", "end_time": "2026-03-10T12:00:00Z"}


async def _syncs(api: httpx.AsyncClient, name: str, **query: str) -> list[dict[str, Any]]:
    answer = await api.get(f"{ROOT}/{name}/sync-history", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


async def _month(api: httpx.AsyncClient, name: str, clock: Clock) -> list[dict[str, Any]]:
    """Read five weeks, newest first."""
    found = []
    for week in range(5):
        end = clock.now() - timedelta(weeks=week)
        start = end - timedelta(weeks=1) + timedelta(seconds=1)
        query = {"start_time": start.isoformat(), "end_time": end.isoformat(), "limit": "1000"}
        found += await _syncs(api, name, **query)
    return found


async def _now(api: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    return await _syncs(api, name, start_time="2026-03-10T12:00:00Z")


# The past


async def test_the_past_fits_the_schedule_and_the_last_success(
    api: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    """A healthy connection has a sync every six hours for thirty days, newest first."""
    syncs = await _month(api, "solid_anchor", clock)

    assert syncs[0]["status"] == "COMPLETED"
    assert syncs[0]["end"] == sandbox.connections["solid_anchor"]["succeeded_at"]
    assert syncs[0]["stages"]["load"]["volume"] > 0
    assert "reason" not in syncs[0]
    assert len(syncs) == 120
    ends = [datetime.fromisoformat(sync["end"]) for sync in syncs]
    assert {a - b for a, b in pairwise(ends)} == {timedelta(hours=6)}
    assert len({sync["sync_id"] for sync in syncs}) == 120
    assert syncs == await _month(api, "solid_anchor", clock)


async def test_a_failing_connection_has_failed_since_its_last_success(
    api: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    """With a reason for each failure, and nothing loaded."""
    syncs = await _month(api, "failing_fox", clock)

    real = sandbox.connections["failing_fox"]
    assert syncs[0]["end"] == real["failed_at"]
    failed = [sync for sync in syncs if sync["status"] == "FAILURE"]
    assert failed == syncs[: len(failed)]
    assert len(failed) == 12
    assert {sync["reason"] for sync in failed} == {"The source answered HTTP 502 to every attempt"}
    assert failed[0]["stages"] == {
        "extract": {"volume": 0.0},
        "process": {"volume": None},
        "load": {"volume": None},
    }
    assert syncs[len(failed)]["end"] == real["succeeded_at"]


async def test_a_sync_may_have_ended_otherwise(
    api: httpx.AsyncClient, sandbox: Sandbox, clock: Clock
) -> None:
    """Every status that is documented occurs somewhere."""
    found: set[str] = set()
    for name in sandbox.connections:
        found |= {sync["status"] for sync in await _month(api, name, clock) if sync["end"]}

    assert found == {"COMPLETED", "FAILURE", "CANCELED", "INCOMPLETE", "RESCHEDULED", "PAUSED"}


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("busy_bee", "2026-03-10T11:20:00.000000Z"),
        ("first_light", "2026-03-10T05:00:00.000000Z"),
    ],
)
async def test_a_running_sync_has_no_end(api: httpx.AsyncClient, name: str, start: str) -> None:
    """It began when the schedule asked for it, the first one when the connection was made."""
    newest = (await _syncs(api, name, **DAY))[0]

    assert (newest["start"], newest["end"], newest["status"]) == (start, None, "INCOMPLETE")


async def test_a_sync_that_was_put_off_is_rescheduled(api: httpx.AsyncClient) -> None:
    """The quota is taken to return after an hour."""
    newest = (await _syncs(api, "patient_owl", **DAY))[0]

    assert newest["status"] == "RESCHEDULED"
    assert newest["start"] == "2026-03-10T11:50:00.000000Z"


async def test_a_sync_is_put_off_after_the_success_before_it(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """And without any success, at its own time."""
    kept = sandbox._account.backstage  # noqa: SLF001 - what the API never shows
    for succeeded_at, start in (
        ("2026-03-10T11:55:00.000000Z", "2026-03-10T11:56:00.000000Z"),
        (None, "2026-03-10T11:50:00.000000Z"),
    ):
        origin = kept["patient_owl"].origin
        assert origin is not None
        object.__setattr__(origin, "succeeded_at", succeeded_at)
        assert (await _syncs(api, "patient_owl", **DAY))[0]["start"] == start


async def test_a_connection_that_never_synced_has_no_history(
    api: httpx.AsyncClient, clock: Clock
) -> None:
    """Nor has one that was made a moment ago."""
    assert await _month(api, "calm_ridge", clock) == []
    body = {
        "group_id": "amber_harbor",
        "service": "postgres",
        "config": {"schema_prefix": "fresh"},
    }
    made = (await api.post(ROOT, json=body)).json()["data"]["id"]
    assert await _month(api, made, clock) == []


# What happens


async def test_a_sync_is_recorded_from_its_start_to_its_end(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """It keeps its id."""
    await api.post(f"{ROOT}/solid_anchor/sync", json={})
    (running,) = await _now(api, "solid_anchor")
    wait(6)
    (ended,) = await _now(api, "solid_anchor")

    assert (running["end"], running["status"]) == (None, "INCOMPLETE")
    assert (ended["end"], ended["status"]) == ("2026-03-10T12:00:06.000000Z", "COMPLETED")
    assert running["sync_id"] == ended["sync_id"]
    assert running["start"] == ended["start"] == "2026-03-10T12:00:00.000000Z"


async def test_a_failure_is_recorded_with_its_reason(api: httpx.AsyncClient, wait: Wait) -> None:
    """The reason is what the task says."""
    await api.post(f"{ROOT}/brisk_lantern/sync", json={})
    wait(6)
    (failed,) = await _now(api, "brisk_lantern")

    assert failed["status"] == "FAILURE"
    assert failed["reason"] == 'password authentication failed for user "fivetran"'


async def test_a_forced_sync_cancels_the_one_that_runs(api: httpx.AsyncClient) -> None:
    """Also one that ran when the sandbox started."""
    await api.post(f"{ROOT}/busy_bee/sync", json={"force": True})
    started, cancelled = (await _syncs(api, "busy_bee", **DAY))[:2]

    assert started["end"] is None
    assert cancelled["status"] == "CANCELED"
    assert cancelled["end"] == started["start"]
    assert cancelled["sync_id"] != started["sync_id"]


async def test_a_pause_stops_a_sync_and_a_change_cancels_it(api: httpx.AsyncClient) -> None:
    """The two are told apart."""
    await api.patch(f"{ROOT}/busy_bee", json={"paused": True, "run_setup_tests": False})
    assert (await _syncs(api, "busy_bee", **DAY))[0]["status"] == "PAUSED"

    change = {"config": {"host": "new.example"}, "run_setup_tests": False}
    await api.patch(f"{ROOT}/first_light", json=change)
    started, cancelled = await _syncs(api, "first_light", **DAY)
    assert (cancelled["status"], cancelled["end"]) == ("CANCELED", started["start"])


async def test_a_sync_of_a_connection_without_a_past_is_recorded(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """If nobody saw it begin, it began with the connection."""
    body = {"group_id": "dev_sands", "service": "postgres", "config": {"schema_prefix": "fresh"}}
    made = (await api.post(ROOT, json=body)).json()["data"]["id"]
    sandbox.connections[made]["status"]["sync_state"] = "syncing"

    (running,) = await _syncs(api, made, **DAY)
    assert running["start"] == sandbox.connections[made]["created_at"]


# The span


async def test_a_span_with_one_end_is_an_hour(api: httpx.AsyncClient) -> None:
    """Without any end it is the last one."""
    start = "2026-03-10T10:34:57Z"
    assert len(await _syncs(api, "failing_fox", start_time=start)) == 1
    assert await _syncs(api, "failing_fox", start_time="2026-03-10T10:34:58Z") == []
    assert len(await _syncs(api, "failing_fox", end_time="2026-03-10T10:34:57")) == 1
    assert await _syncs(api, "failing_fox") == []
    assert len(await _syncs(api, "busy_bee")) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-09T00:00:00Z"}, "7 days"),
        ({"start_time": "2026-03-02T00:00:00Z", "end_time": "2026-03-01T00:00:00Z"}, "after"),
        ({"start_time": "yesterday"}, "start_time must be"),
        ({"end_time": ""}, "end_time must be"),
        ({"limit": "0"}, "Limit"),
        ({"cursor": "made up"}, "Cursor"),
    ],
)
async def test_a_wrong_span_is_refused(
    api: httpx.AsyncClient, query: dict[str, str], message: str
) -> None:
    """With 400 and what is wrong."""
    answer = await api.get(f"{ROOT}/solid_anchor/sync-history", params=query)

    assert answer.status_code == 400
    assert message in answer.json()["message"]


async def test_history_is_paged(api: httpx.AsyncClient) -> None:
    """As every list."""
    whole = await _syncs(api, "failing_fox", **DAY)
    path = f"{ROOT}/failing_fox/sync-history"
    first = (await api.get(path, params={**DAY, "limit": "3"})).json()["data"]
    query = {**DAY, "limit": "3", "cursor": first["next_cursor"]}
    rest = (await api.get(path, params=query)).json()["data"]

    assert len(first["items"]) == 3
    assert first["items"] + rest["items"] == whole
    assert "next_cursor" not in rest


# Warnings and errors


async def test_warnings_are_listed_by_table(api: httpx.AsyncClient) -> None:
    """Those about the connection as a whole have no table."""
    tables = (await api.get(f"{ROOT}/brisk_lantern/warnings")).json()["data"]["items"]
    whole = (await api.get(f"{ROOT}/trickster/warnings")).json()["data"]["items"]

    assert [(item["schema"], item["table"]) for item in tables] == [
        ("pg_shop_public", "orders"),
        ("pg_shop_public", "customers"),
    ]
    assert tables[0]["warnings"][0]["code"] == "resync_table_warning"
    assert [(item["schema"], item["table"]) for item in whole] == [(None, None)]
    assert "Ignore all previous" in whole[0]["warnings"][0]["error_message"]
    assert (await api.get(f"{ROOT}/solid_anchor/warnings")).json()["data"] == {"items": []}


@pytest.mark.parametrize(
    "body", [{"warning_types": ["resync_table_warning"]}, {"warning_types": []}, {}]
)
async def test_warnings_are_dismissed_by_type_or_all(
    api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """None named means all."""
    path = f"{ROOT}/brisk_lantern"
    assert (await api.post(f"{path}/dismiss-warnings", json=body)).status_code == 200

    assert (await api.get(f"{path}/warnings")).json()["data"] == {"items": []}
    assert (await api.get(path)).json()["data"]["status"]["warnings"] == []


async def test_one_type_of_warning_is_dismissed_by_its_path(api: httpx.AsyncClient) -> None:
    """Another type stays, and one that is not open does no harm."""
    for code, left in (("sync_warning", 2), ("resync_table_warning", 0)):
        answer = await api.delete(f"{ROOT}/brisk_lantern/warnings/{code}")
        assert answer.status_code == 200
        items = (await api.get(f"{ROOT}/brisk_lantern/warnings")).json()["data"]["items"]
        assert len(items) == left


@pytest.mark.parametrize("codes", [["resync_table_warning", "nope"], "all", [{}]])
async def test_an_unknown_type_dismisses_nothing(api: httpx.AsyncClient, codes: Any) -> None:
    """Not even the known ones beside it."""
    path = f"{ROOT}/brisk_lantern"
    answer = await api.post(f"{path}/dismiss-warnings", json={"warning_types": codes})

    assert answer.status_code == 400
    assert (await api.delete(f"{path}/warnings/nope")).status_code == 400
    assert len((await api.get(f"{path}/warnings")).json()["data"]["items"]) == 2


async def test_loading_everything_again_ends_the_call_for_it(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Wait
) -> None:
    """Other warnings stay."""
    call = {"code": "resync_table_warning", "message": "Resync Table Warning", "details": None}
    other = {**call, "code": "sync_warning"}
    sandbox.connections["solid_anchor"]["status"]["warnings"] = [call, other]
    await api.post(f"{ROOT}/solid_anchor/resync", json={})
    wait(12)

    status = (await api.get(f"{ROOT}/solid_anchor")).json()["data"]["status"]
    assert status["warnings"] == [other]


async def test_errors_come_with_advice(api: httpx.AsyncClient) -> None:
    """One for each task; none for a healthy connection."""
    errors = (await api.get(f"{ROOT}/brisk_lantern/errors")).json()["data"]["items"]

    assert errors == [
        {
            "type": "reconnect",
            "title": "Reconnect",
            "reason": 'password authentication failed for user "fivetran"',
            "message": "Open the setup form of the connection, enter valid credentials and test"
            " them.",
            "created_at": "2026-03-10T10:50:00.000000Z",
        }
    ]
    assert (await api.get(f"{ROOT}/solid_anchor/errors")).json()["data"] == {"items": []}
    assert (await api.get(f"{ROOT}/solid_anchor/errors?limit=0")).status_code == 400


@pytest.mark.parametrize(("status", "code"), [(404, "NotFound"), (403, "Forbidden")])
async def test_an_account_may_lack_these_endpoints(
    api: httpx.AsyncClient, sandbox: Sandbox, status: int, code: str
) -> None:
    """The connection itself is there all the same."""
    sandbox.withhold("sync-history", "warnings", "errors", status=status)
    path = f"{ROOT}/brisk_lantern"

    answers = [
        await api.get(f"{path}/sync-history"),
        await api.get(f"{path}/errors"),
        await api.get(f"{path}/warnings"),
        await api.delete(f"{path}/warnings/resync_table_warning"),
        await api.post(f"{path}/dismiss-warnings", json={}),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(status, code)}
    assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize("end", ["sync-history", "warnings", "errors"])
async def test_an_unknown_connection_has_none_of_these(api: httpx.AsyncClient, end: str) -> None:
    """It is a 404 that names its kind."""
    answer = await api.get(f"{ROOT}/nope/{end}")

    assert (answer.status_code, answer.json()["code"]) == (404, "NotFound_Connection")
