"""The account a sandbox starts with."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from mcp_server.sandbox import Sandbox

FIXED = (
    "brisk_lantern", "solid_anchor", "swift_meadow", "dusty_canyon", "wide_river", "odd_names",
    "late_willow", "patient_owl", "stuck_heron", "busy_bee", "failing_fox", "calm_ridge",
    "first_light", "live_wire", "sdk_weather", "sdk_blank", "stubborn_mule", "trickster",
    "deadline_dove", "cron_crane",
)  # fmt: skip


def _now() -> datetime:
    return datetime(2026, 3, 10, 2, 30, tzinfo=UTC)


def test_the_usual_account_has_forty_connections_with_the_fixed_ones_first() -> None:
    """The known ids are there, among many services in all groups."""
    connections = Sandbox(now=_now).connections
    assert len(connections) == 40
    assert tuple(connections)[: len(FIXED)] == FIXED
    assert len({item["service"] for item in connections.values()}) >= 8
    assert len({item["group_id"] for item in connections.values()}) == 4


def test_the_same_seed_builds_the_same_account() -> None:
    """The seed alone decides, apart from the clock."""
    assert Sandbox(now=_now).connections == Sandbox(now=_now).connections
    assert Sandbox(now=_now).connections != Sandbox(now=_now, seed=8).connections


@pytest.mark.parametrize("count", [0, 3, 41, 10_000])
def test_an_account_may_have_any_number_of_connections(count: int) -> None:
    """Each has its own id, and its own name in its group."""
    connections = Sandbox(connections=count, now=_now).connections
    assert len(connections) == count
    names = {(item["group_id"], item["schema"]) for item in connections.values()}
    assert len(names) == count


async def test_nothing_healthy_is_due_within_the_hour(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Callable[[float], None]
) -> None:
    """An hour later the only connection that has moved is the one rescheduled until then."""
    before = {name: dict(item["status"]) for name, item in sandbox.connections.items()}
    wait(3600)
    await api.get("/v1/connections")
    moved = [
        name
        for name, item in sandbox.connections.items()
        if item["status"]["sync_state"] != before[name]["sync_state"]
    ]
    assert moved == ["patient_owl"]


def test_a_daily_connection_has_succeeded_at_its_hour_unless_it_would_be_due_soon() -> None:
    """Half an hour before its time a connection would otherwise not be at rest."""
    early = Sandbox(now=_now).connections["deadline_dove"]
    late = Sandbox(now=lambda: datetime(2026, 3, 10, 9, 0, tzinfo=UTC)).connections
    assert early["succeeded_at"] == "2026-03-09T04:30:00.000000Z"
    assert late["deadline_dove"]["succeeded_at"] == "2026-03-10T03:12:00.000000Z"
    assert early["daily_sync_time"] == "03:00"


def test_traits_are_as_promised(sandbox: Sandbox) -> None:
    """The fixed connections show what they are there to show."""
    known = sandbox.connections
    status = {name: known[name]["status"] for name in FIXED}
    assert status["brisk_lantern"]["setup_state"] == "broken"
    assert known["brisk_lantern"]["failed_at"] > known["brisk_lantern"]["succeeded_at"]
    assert status["brisk_lantern"]["tasks"][0]["code"] == "reconnect"
    assert status["brisk_lantern"]["warnings"][0]["code"] == "resync_table_warning"
    assert known["dusty_canyon"]["paused"]
    assert status["late_willow"]["update_state"] == "delayed"
    assert status["patient_owl"]["rescheduled_for"] == "2026-03-10T12:50:00.000000Z"
    assert known["stuck_heron"]["schedule_type"] == "manual"
    assert known["failing_fox"]["failed_at"] > known["failing_fox"]["succeeded_at"]
    assert status["calm_ridge"]["setup_state"] == "incomplete"
    assert known["first_light"]["succeeded_at"] is None
    assert status["first_light"]["is_historical_sync"]
    assert len(status["trickster"]["tasks"][0]["details"]) == 5_000
    assert known["cron_crane"]["sync_frequency"] is None


async def test_lists_and_details_never_show_secrets(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Lists have no config at all, details have masks at every depth."""
    items = (await api.get("/v1/connections")).json()["data"]["items"]
    assert all("config" not in item for item in items)
    sandbox.connections["solid_anchor"]["config"]["more"] = [{"api_key": "k", "b": [1]}]
    config = (await api.get("/v1/connections/solid_anchor")).json()["data"]["config"]
    assert config["password"] == "******"
    assert config["host"] == "pg-billing.db.example"
    assert config["more"] == [{"api_key": "******", "b": [1]}]
