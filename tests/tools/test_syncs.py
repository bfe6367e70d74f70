"""The tools on syncing: status, start, pause, resume, schedule."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest
from mcp import Client
from typing_extensions import override

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Fault, Sandbox
from mcp_server.server import build_server
from mcp_server.settings import load_settings
from mcp_server.tools.baselines import read
from tests.support import Caller, Clock, Connect, changes

CONNECTION = "/v1/connections/[^/]+"
TOOLS: dict[str, dict[str, Any]] = {
    "get_sync_status": {},
    "sync_connector": {},
    "pause_connector": {},
    "resume_connector": {},
    "set_sync_frequency": {"minutes": 60},
}
MANUAL = "triggered"


class Losing(httpx.AsyncBaseTransport):
    """A network that loses the answer to every change, whether it arrives or not."""

    def __init__(self, sandbox: Sandbox, *, arrives: bool) -> None:
        self.inner = httpx.ASGITransport(app=sandbox.app)
        self.arrives = arrives
        self.sent = 0

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return await self.inner.handle_async_request(request)
        self.sent += 1
        if self.arrives:
            await self.inner.handle_async_request(request)
        raise httpx.ReadTimeout("", request=request)


@asynccontextmanager
async def over(network: httpx.AsyncBaseTransport, sandbox: Sandbox) -> AsyncIterator[Caller]:
    """Connect to a server that reaches the sandbox through a network of the test's own."""
    settings = load_settings(mode="full", api_key=SANDBOX_KEY, api_secret=SANDBOX_SECRET)
    server = build_server(settings, upstream=network, now=sandbox.now)
    async with Client(server) as client:
        yield Caller(client)


# get_sync_status


@pytest.mark.parametrize(
    ("connector_id", "prospect"),
    [
        ("solid_anchor", ("healthy", True, "by its schedule")),
        ("brisk_lantern", ("broken", True, "probably fail")),
        ("trickster", ("broken", True, "run_setup_tests tells why")),
        ("calm_ridge", ("incomplete", False, "setup is incomplete")),
        ("dusty_canyon", ("paused", False, "resume_connector")),
        ("failing_fox", ("failing", True, "last sync failed")),
        ("patient_owl", ("rescheduled", True, "goes on by itself at rescheduled_for")),
        ("stuck_heron", ("rescheduled", True, "nothing restarts it")),
        ("late_willow", ("delayed", True, "older than expected")),
        ("busy_bee", ("syncing", False, "wait for it")),
        ("first_light", ("syncing", False, "A sync is running")),
        ("cron_crane", ("healthy", True, "by its schedule")),
        ("deadline_dove", ("healthy", True, "by its schedule")),
    ],
)
async def test_the_status_says_whether_a_sync_would_start_and_if_not_why(
    caller: Caller, sandbox: Sandbox, connector_id: str, prospect: tuple[str, bool, str]
) -> None:
    """Each kind of trouble has its own sentence, and each fact is Fivetran's own."""
    answer = await caller.ok("get_sync_status", connector_id=connector_id)

    real, (state, can_sync, why) = sandbox.connections[connector_id], prospect
    assert answer["state"] == state
    assert answer["can_sync"] is can_sync
    assert why in answer["why"]
    assert (answer["connector_id"], answer["name"], answer["service"]) == (
        connector_id,
        real["schema"],
        real["service"],
    )
    assert answer["paused"] is real["paused"]
    for field in ("setup_state", "sync_state", "update_state", "is_historical_sync"):
        assert answer[field] == real["status"][field]
    assert [task["code"] for task in answer["tasks"]] == [
        t["code"] for t in real["status"]["tasks"]
    ]
    assert len(answer["warnings"]) == len(real["status"]["warnings"])


async def test_a_manual_schedule_is_the_reason_why_nothing_syncs_by_itself(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Such a connector could sync now, and only when told."""
    sandbox.connections["solid_anchor"]["schedule_type"] = "manual"

    answer = await caller.ok("get_sync_status", connector_id="solid_anchor")

    assert answer["can_sync"] is True
    assert MANUAL in answer["why"]


async def test_a_pause_that_has_not_quite_ended_is_no_time_to_sync(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The switch and the running state can differ for a minute."""
    data = {"id": "solid_anchor", "paused": False, "status": {"sync_state": "paused"}}
    sandbox.fail(Fault(path=CONNECTION, status=200, body={"code": "Success", "data": data}))

    answer = await caller.ok("get_sync_status", connector_id="solid_anchor")

    assert answer["can_sync"] is False
    assert "look again" in answer["why"]


async def test_the_status_tells_how_long_ago_a_sync_worked_and_failed(
    caller: Caller, clock: Clock
) -> None:
    """Ages are told by the server, so that no model has to subtract times."""
    answer = await caller.ok("get_sync_status", connector_id="brisk_lantern")

    assert answer["last_success"] == "2026-03-10T04:50:00Z"
    assert answer["seconds_since_success"] == 430 * 60
    assert answer["last_failure"] == "2026-03-10T10:50:00Z"
    assert answer["seconds_since_failure"] == 70 * 60
    assert answer["tasks"] == [
        {"code": "reconnect", "details": 'password authentication failed for user "fivetran"'}
    ]
    assert answer["warnings"] == [{"code": "resync_table_warning"}]

    clock.wait(90)
    later = await caller.ok("get_sync_status", connector_id="brisk_lantern")
    assert later["seconds_since_success"] == 430 * 60 + 90


async def test_a_connector_that_never_synced_has_no_last_success(caller: Caller) -> None:
    """What never happened is absent, not zero."""
    answer = await caller.ok("get_sync_status", connector_id="first_light")

    assert answer["is_historical_sync"] is True
    assert answer.keys().isdisjoint({"last_success", "seconds_since_success", "last_failure"})


async def test_the_status_says_until_when_a_sync_was_put_off(caller: Caller) -> None:
    """For a manual schedule that moment may be long past: nothing happens by itself."""
    waiting = await caller.ok("get_sync_status", connector_id="patient_owl")
    stuck = await caller.ok("get_sync_status", connector_id="stuck_heron")

    assert waiting["rescheduled_for"] == "2026-03-10T12:50:00Z"
    assert stuck["rescheduled_for"] == "2026-03-10T10:25:00Z"
    assert "sync_connector" in stuck["why"]


# sync_connector


async def test_a_sync_is_followed_to_its_end_by_its_last_success(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """The call returns at once; what it said to watch moves."""
    started = await caller.ok("sync_connector", connector_id="solid_anchor")
    during = await caller.ok("get_sync_status", connector_id="solid_anchor")
    clock.wait(7)
    after = await caller.ok("get_sync_status", connector_id="solid_anchor")

    assert started["outcome"] == "started"
    assert started["next_step"] == "wait_for_sync with baselines=[baseline] tells how it ends."
    assert "warning" not in started
    assert changes(sandbox) == [("POST", "/v1/connections/solid_anchor/sync", {"force": False})]
    assert during["state"] == "syncing"
    assert during["last_success"] == started["last_success"]
    assert after["state"] == "healthy"
    assert after["last_success"] > started["last_success"]
    assert after["seconds_since_success"] == 1


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"connector_id": "solid_anchor", "force": True}, "started"),
        ({"connector_id": "busy_bee"}, "running"),
        ({"connector_id": "busy_bee", "force": True}, "restarted"),
    ],
)
async def test_a_sync_comes_with_the_baseline_its_end_is_judged_against(
    caller: Caller, sandbox: Sandbox, clock: Clock, arguments: dict[str, Any], kind: str
) -> None:
    """Taken before the trigger: what had ended, when that was, and what ran."""
    connector_id = arguments["connector_id"]
    ended = sandbox.connections[connector_id]["succeeded_at"]
    answer = await caller.ok("sync_connector", **arguments)

    (known,) = read(answer["baseline"], clock.now())
    assert (known.connector_id, known.kind, known.triggered) == (connector_id, kind, clock.now())
    assert known.ended_before == datetime.fromisoformat(ended)
    assert known.historical is False


async def test_a_sync_that_fails_moves_the_last_failure(caller: Caller, clock: Clock) -> None:
    """The last success stays where it was."""
    started = await caller.ok("sync_connector", connector_id="failing_fox")
    clock.wait(7)
    after = await caller.ok("get_sync_status", connector_id="failing_fox")

    assert after["last_failure"] > started["last_failure"]
    assert after["last_success"] == started["last_success"]
    assert after["state"] == "failing"
    assert after["tasks"]


@pytest.mark.parametrize(
    ("connector_id", "what", "fix"),
    [
        ("dusty_canyon", "is paused", "resume_connector first, then sync_connector again"),
        ("calm_ridge", "is incomplete", "update_connector"),
    ],
)
async def test_what_cannot_sync_is_refused_with_what_to_do(
    caller: Caller, sandbox: Sandbox, connector_id: str, what: str, fix: str
) -> None:
    """Fivetran answers Success to a paused connector and does nothing: so it is not asked."""
    error = await caller.error("sync_connector", connector_id=connector_id, force=True)

    assert error["code"] == "conflict"
    assert what in error["message"]
    assert fix in error["hint"]
    assert changes(sandbox) == []


async def test_a_broken_connector_syncs_with_a_warning(caller: Caller, sandbox: Sandbox) -> None:
    """Some break for a while only, and a sync mends them."""
    answer = await caller.ok("sync_connector", connector_id="brisk_lantern")

    assert answer["outcome"] == "started"
    assert "broken" in answer["warning"]
    assert len(changes(sandbox)) == 1


async def test_a_running_sync_goes_on_unless_it_is_forced(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Without force nothing happens to it; with force it begins anew, here with a near end."""
    gentle = await caller.ok("sync_connector", connector_id="busy_bee")
    clock.wait(60)
    still = await caller.ok("get_sync_status", connector_id="busy_bee")
    forced = await caller.ok("sync_connector", connector_id="busy_bee", force=True)
    clock.wait(7)
    after = await caller.ok("get_sync_status", connector_id="busy_bee")

    assert gentle["outcome"] == "already_running"
    assert still["state"] == "syncing"
    assert forced["outcome"] == "restarted"
    assert after["last_success"] > gentle["last_success"]
    assert [body for _, _, body in changes(sandbox)] == [{"force": False}, {"force": True}]


async def test_force_on_a_connector_at_rest_just_starts_a_sync(caller: Caller) -> None:
    """There was nothing to restart."""
    answer = await caller.ok("sync_connector", connector_id="solid_anchor", force=True)

    assert answer["outcome"] == "started"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("applied", [True, False])
async def test_a_forced_sync_is_never_sent_again_after_its_answer_is_lost(
    caller: Caller, sandbox: Sandbox, status: int, *, applied: bool
) -> None:
    """A second one would throw away the work of the first."""
    sandbox.fail(Fault(method="POST", status=status, applied=applied, times=9))

    error = await caller.error("sync_connector", connector_id="solid_anchor", force=True)

    assert error["code"] == "outcome_unknown"
    assert error["retryable"] is False
    assert "get_connector" in error["hint"]
    assert len(changes(sandbox)) == 1


async def test_a_forced_sync_is_not_repeated_after_a_timeout(sandbox: Sandbox) -> None:
    """Whether it began is not known, and so it is said."""
    network = Losing(sandbox, arrives=True)
    async with over(network, sandbox) as caller:
        error = await caller.error("sync_connector", connector_id="solid_anchor", force=True)

    assert error["code"] == "outcome_unknown"
    assert network.sent == 1


# pause_connector and resume_connector


async def test_pausing_and_resuming_never_run_setup_tests(caller: Caller, sandbox: Sandbox) -> None:
    """Fivetran would run them by default, against the source and against a budget."""
    paused = await caller.ok("pause_connector", connector_id="solid_anchor")
    resumed = await caller.ok("resume_connector", connector_id="solid_anchor")

    path = "/v1/connections/solid_anchor"
    assert changes(sandbox) == [
        ("PATCH", path, {"paused": True, "run_setup_tests": False}),
        ("PATCH", path, {"paused": False, "run_setup_tests": False}),
    ]
    assert (paused["paused"], paused["state"], paused["sync_state"]) == (True, "paused", "paused")
    assert "resume_connector" in paused["note"]
    assert (resumed["paused"], resumed["state"]) == (False, "healthy")
    assert "by its schedule" in resumed["note"]
    assert resumed["name"] == "pg_billing"


@pytest.mark.parametrize("tool", ["pause_connector", "resume_connector"])
async def test_pausing_or_resuming_twice_is_the_same_as_once(caller: Caller, tool: str) -> None:
    """Both say how it is to be, not what to toggle."""
    first = await caller.ok(tool, connector_id="dusty_canyon")
    second = await caller.ok(tool, connector_id="dusty_canyon")

    assert second["paused"] is first["paused"] is (tool == "pause_connector")


async def test_resuming_says_what_is_in_the_way_of_a_sync(caller: Caller) -> None:
    """To be resumed is not yet to sync."""
    answer = await caller.ok("resume_connector", connector_id="calm_ridge")

    assert answer["paused"] is False
    assert "setup is incomplete" in answer["note"]


async def test_the_500_that_hides_a_pause_is_seen_through(caller: Caller, sandbox: Sandbox) -> None:
    """The connector is read before anything is reported, and it is paused."""
    answer = await caller.ok("pause_connector", connector_id="stubborn_mule")

    assert answer["paused"] is True
    assert [received.method for received in sandbox.requests] == ["GET", "PATCH", "GET"]
    assert sandbox.connections["stubborn_mule"]["paused"] is True


@pytest.mark.parametrize("status", [500, 503])
async def test_a_pause_that_took_although_its_answer_was_lost_is_a_success(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """The read afterwards tells."""
    sandbox.fail(Fault(method="PATCH", status=status, applied=True))

    answer = await caller.ok("pause_connector", connector_id="solid_anchor")

    assert answer["paused"] is True
    assert len(changes(sandbox)) == 1


async def test_a_pause_that_did_not_take_is_not_reported_as_one(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is not repeated either: the sync may still be stopping."""
    sandbox.fail(Fault(method="PATCH", status=500))

    error = await caller.error("pause_connector", connector_id="solid_anchor")

    assert error["code"] == "outcome_unknown"
    assert [received.method for received in sandbox.requests] == ["GET", "PATCH", "GET"]
    assert sandbox.connections["solid_anchor"]["paused"] is False


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_pause_whose_answer_timed_out_is_looked_after(
    sandbox: Sandbox, *, arrives: bool
) -> None:
    """It is a success if it took, and of unknown outcome if not."""
    network = Losing(sandbox, arrives=arrives)
    async with over(network, sandbox) as caller:
        if arrives:
            answer = await caller.ok("pause_connector", connector_id="busy_bee")
            assert answer["paused"] is True
        else:
            error = await caller.error("pause_connector", connector_id="busy_bee")
            assert error["code"] == "outcome_unknown"

    assert network.sent == 1


# set_sync_frequency


@pytest.mark.parametrize("minutes", [1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440])
async def test_each_legal_frequency_is_set_and_shown_before_and_after(
    caller: Caller, sandbox: Sandbox, minutes: int
) -> None:
    """Only the frequency is sent, and no setup tests are run."""
    answer = await caller.ok("set_sync_frequency", connector_id="solid_anchor", minutes=minutes)

    assert answer["before"] == {"sync_frequency": 360, "schedule_type": "auto"}
    assert answer["after"] == {"sync_frequency": minutes, "schedule_type": "auto"}
    assert "warning" not in answer
    sent = {"sync_frequency": minutes, "run_setup_tests": False}
    assert changes(sandbox) == [("PATCH", "/v1/connections/solid_anchor", sent)]


@pytest.mark.parametrize("minutes", [61, 0, -1, 10_000, True, "60", 60.5, None, [60], {}])
async def test_other_frequencies_are_refused_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, minutes: Any
) -> None:
    """The answer names the argument; no number is rounded, no text read as one."""
    error = await caller.error("set_sync_frequency", connector_id="solid_anchor", minutes=minutes)

    assert error["code"] == "invalid_arguments"
    assert "minutes" in error["message"]
    assert not sandbox.requests


async def test_a_time_of_day_goes_with_a_daily_sync(caller: Caller, sandbox: Sandbox) -> None:
    """Both are sent together."""
    answer = await caller.ok(
        "set_sync_frequency", connector_id="solid_anchor", minutes=1440, daily_sync_time="14:00"
    )

    assert answer["after"]["daily_sync_time"] == "14:00"
    ((_, _, body),) = changes(sandbox)
    assert body == {"sync_frequency": 1440, "daily_sync_time": "14:00", "run_setup_tests": False}


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"minutes": 60, "daily_sync_time": "14:00"}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": "14:30"}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": "24:00"}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": "2pm"}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": "14:00\n"}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": ""}, "daily_sync_time"),
        ({"minutes": 1440, "daily_sync_time": None}, "daily_sync_time"),
        ({"minutes": 60, "schedule_type": "cron"}, "schedule_type"),
        ({"minutes": 60, "schedule_type": None}, "schedule_type"),
        ({}, "minutes"),
    ],
)
async def test_schedules_that_make_no_sense_are_refused_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], argument: str
) -> None:
    """The answer names the argument at fault."""
    error = await caller.error("set_sync_frequency", connector_id="solid_anchor", **arguments)

    assert error["code"] == "invalid_arguments"
    assert argument in error["message"]
    assert not sandbox.requests


async def test_a_manual_schedule_comes_with_a_warning(caller: Caller, sandbox: Sandbox) -> None:
    """Under it the frequency has no effect."""
    answer = await caller.ok(
        "set_sync_frequency", connector_id="solid_anchor", minutes=60, schedule_type="manual"
    )

    assert answer["before"]["schedule_type"] == "auto"
    assert answer["after"]["schedule_type"] == "manual"
    assert "no effect" in answer["warning"]
    assert changes(sandbox)[0][2]["schedule_type"] == "manual"


async def test_a_custom_schedule_has_no_frequency_before(caller: Caller, sandbox: Sandbox) -> None:
    """Fivetran shows none for a schedule of several times or of cron; a manual one hides it."""
    sandbox.connections["cron_crane"]["schedule_type"] = "manual"

    answer = await caller.ok("set_sync_frequency", connector_id="cron_crane", minutes=60)

    assert answer["before"] == {"schedule_type": "manual"}
    assert answer["after"]["sync_frequency"] == 60


@pytest.mark.parametrize("applied", [True, False])
async def test_a_frequency_whose_answer_is_lost_is_looked_after(
    caller: Caller, sandbox: Sandbox, *, applied: bool
) -> None:
    """What took is a success, what did not is of unknown outcome."""
    sandbox.fail(Fault(method="PATCH", status=500, applied=applied))

    result = await caller.raw("set_sync_frequency", connector_id="solid_anchor", minutes=60)

    assert result.is_error is not applied
    assert len(changes(sandbox)) == 1


# What is true of all of them


@pytest.mark.parametrize(
    ("tool", "arguments", "argument"),
    [
        *((tool, needed, "connector_id") for tool, needed in TOOLS.items()),
        *(
            (tool, {**needed, "connector_id": "solid_anchor", "connection": "x"}, "connection")
            for tool, needed in TOOLS.items()
        ),
        ("sync_connector", {"connector_id": "solid_anchor", "force": "true"}, "force"),
        ("sync_connector", {"connector_id": "solid_anchor", "force": 1}, "force"),
        ("sync_connector", {"connector_id": "solid_anchor", "force": None}, "force"),
    ],
)
async def test_wrong_arguments_are_named_with_their_fix_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str, arguments: dict[str, Any], argument: str
) -> None:
    """Missing, unknown, of the wrong type or null."""
    error = await caller.error(tool, **arguments)

    assert error["code"] == "invalid_arguments"
    assert f"{argument}: " in error["message"]
    assert "Nothing was sent" in error["hint"]
    assert not sandbox.requests


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_connector_is_not_found(
    caller: Caller, sandbox: Sandbox, tool: str
) -> None:
    """The hint names the tool that lists ids; nothing changed."""
    error = await caller.error(tool, connector_id="no_such_one", **TOOLS[tool])

    assert error["code"] == "not_found"
    assert "list_connectors" in error["hint"]
    assert {method for method, _, _ in changes(sandbox)} <= {"PATCH"}


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "get_sync_status"])
async def test_a_server_that_only_reads_refuses_what_writes(
    connect: Connect, sandbox: Sandbox, tool: str
) -> None:
    """The mode that would allow it is named, and nothing is sent."""
    async with connect("read-only") as caller:
        error = await caller.error(tool, connector_id="solid_anchor", **TOOLS[tool])

    assert error["code"] == "mode_forbids"
    assert "'write'" in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("tool", TOOLS)
async def test_none_of_them_needs_more_than_mode_write(connect: Connect, tool: str) -> None:
    """All can be undone, so none asks for a confirmation."""
    async with connect("write") as caller:
        await caller.ok(tool, connector_id="solid_anchor", **TOOLS[tool])


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("set_sync_frequency", {"minutes": 60}),
        ("set_sync_frequency", {"minutes": 60, "schedule_type": "manual"}),
        ("update_connector", {"sync_frequency": 60}),
        ("update_connector", {"schedule_type": "auto", "dry_run": True}),
        ("update_connector", {"daily_sync_time": "03:00"}),
    ],
)
async def test_a_custom_schedule_is_replaced_only_after_it_was_shown(
    caller: Caller, sandbox: Sandbox, tool: str, given: dict[str, Any]
) -> None:
    """Nothing here could set it again; the tool that asks first is named, and does it."""
    error = await caller.error(tool, connector_id="cron_crane", **given)

    assert error["code"] == "conflict"
    assert "custom schedule, which this would replace for good" in error["message"]
    assert "bulk_update with action=set_sync_frequency" in error["hint"]
    assert changes(sandbox) == []
    instead = {"action": "set_sync_frequency", "connector_ids": ["cron_crane"], "minutes": 60}
    asked = await caller.error("bulk_update", **instead, dry_run=False)
    assert "custom schedule, which is lost" in asked["preview"]["lost"]
    await caller.ok("bulk_update", **asked["next_call"]["arguments"])
    assert sandbox.connections["cron_crane"]["sync_frequency"] == 60


async def test_a_custom_schedule_is_no_hindrance_to_other_changes(
    caller: Caller, sandbox: Sandbox
) -> None:
    """They leave it alone."""
    await caller.ok("update_connector", connector_id="cron_crane", paused=True)

    assert sandbox.connections["cron_crane"]["sync_frequency"] is None


async def test_a_schedule_that_is_accepted_and_not_there_is_no_success(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What comes back is compared with what was asked."""
    unchanged = {"data": {"id": "solid_anchor", "sync_frequency": 360, "schedule_type": "auto"}}
    sandbox.fail(Fault(method="PATCH", status=200, body=unchanged))

    error = await caller.error("set_sync_frequency", connector_id="solid_anchor", minutes=60)

    assert error["code"] == "not_applied"


@pytest.mark.parametrize(
    ("tool", "connector_id", "note"),
    [
        ("pause_connector", "dusty_canyon", "It was already paused; nothing was changed."),
        ("resume_connector", "solid_anchor", "It was already running; nothing was changed."),
    ],
)
async def test_a_switch_that_is_already_so_says_so_and_sends_nothing(
    caller: Caller, sandbox: Sandbox, tool: str, connector_id: str, note: str
) -> None:
    """Or whoever undoes it later would undo what somebody else did."""
    answer = await caller.ok(tool, connector_id=connector_id)
    other = await caller.ok(tool, connector_id="busy_bee" if "pause" in tool else "dusty_canyon")

    assert answer["changed"] is False
    assert answer["note"].startswith(note)
    assert other["changed"] is True
    assert len(changes(sandbox)) == 1


async def test_a_pause_says_that_it_stopped_a_sync_if_it_did(caller: Caller) -> None:
    """It will have to begin again."""
    running = await caller.ok("pause_connector", connector_id="busy_bee")
    again = await caller.ok("pause_connector", connector_id="busy_bee")
    resting = await caller.ok("pause_connector", connector_id="solid_anchor")

    assert running["note"].startswith("Paused, and the sync that ran was stopped. ")
    assert resting["note"].startswith("Paused. ")
    assert "stopped" not in again["note"]


async def test_a_manual_schedule_calls_for_a_sync_not_for_a_frequency(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Which would have no effect."""
    sandbox.connections["solid_anchor"]["schedule_type"] = "manual"

    for connector_id in ("stuck_heron", "solid_anchor"):
        answer = await caller.ok("get_sync_status", connector_id=connector_id)
        assert "sync_connector" in answer["why"]
        assert "set_sync_frequency" not in answer["why"]


async def test_a_quota_that_is_back_calls_for_a_sync_at_once(caller: Caller, clock: Clock) -> None:
    """With a manual schedule nothing else restarts it."""
    before = await caller.ok("get_sync_status", connector_id="stuck_heron")
    clock.wait(24 * 3600)
    after = await caller.ok("get_sync_status", connector_id="stuck_heron")

    assert after["why"].endswith("call sync_connector.")
    assert before["can_sync"] is after["can_sync"] is True


async def test_a_frequency_of_a_paused_connector_has_no_effect_yet(caller: Caller) -> None:
    """A success that would be misread."""
    answer = await caller.ok("set_sync_frequency", connector_id="dusty_canyon", minutes=15)

    assert "no effect until resume_connector" in answer["warning"]


async def test_one_warning_does_not_hide_the_other(caller: Caller, sandbox: Sandbox) -> None:
    """A custom schedule behind a manual one is gone, whether the connector is paused or not."""
    sandbox.connections["cron_crane"].update(paused=True, schedule_type="manual")

    answer = await caller.ok("set_sync_frequency", connector_id="cron_crane", minutes=60)

    assert "no effect until resume_connector" in answer["warning"]
    assert "custom schedule" in answer["warning"]
