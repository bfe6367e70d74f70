"""`triage_connectors`: what is wrong in an account, clustered by cause."""

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client

from mcp_server.fivetran.models import Connection
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.triage import MOST_CLUSTERS, MOST_EXAMPLES, MOST_MARKED, Triage, cause_of
from tests.support import Caller, Connect, serve, text_of

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def ago(**span: float) -> str:
    """Write a moment before now as the API does."""
    return (NOW - timedelta(**span)).isoformat()


def connection(**fields: Any) -> Connection:
    """Build a connector that is well, but for what is given."""
    status = {"setup_state": "connected", "sync_state": "scheduled", "update_state": "on_schedule"}
    well = {
        "id": "one",
        "service": "postgres",
        "schema": "pg",
        "group_id": "g",
        "paused": False,
        "created_at": ago(days=100),
        "succeeded_at": ago(hours=1),
        "sync_frequency": 360,
        "schedule_type": "auto",
        "status": {**status, **fields.pop("status", {})},
    }
    return Connection.model_validate({**well, **fields})


TASK = [{"code": "reconnect", "message": "Reconnect"}]


@pytest.mark.parametrize(
    ("fields", "code", "since"),
    [
        ({}, None, None),
        (
            {"status": {"setup_state": "broken", "tasks": TASK}, "failed_at": ago(minutes=5)},
            "reconnect",
            {"minutes": 5},
        ),
        ({"status": {"setup_state": "broken"}}, "broken", None),
        ({"status": {"setup_state": "incomplete"}}, "incomplete", {"days": 100}),
        ({"paused": True}, None, None),
        ({"paused": True, "succeeded_at": ago(days=8)}, "paused_long", {"days": 8}),
        ({"paused": True, "succeeded_at": None}, "paused_long", {"days": 100}),
        ({"paused": True, "succeeded_at": None, "created_at": None}, None, None),
        ({"paused": True, "status": {"tasks": TASK}}, None, None),
        ({"status": {"tasks": TASK}}, "reconnect", None),
        ({"failed_at": ago(minutes=5)}, "last_sync_failed", {"minutes": 5}),
        # Tried again five minutes ago, it has failed since the first sync after the last success.
        (
            {"failed_at": ago(minutes=5), "succeeded_at": ago(days=10)},
            "last_sync_failed",
            {"days": 9, "hours": 18},
        ),
        (
            {
                "failed_at": ago(minutes=5),
                "succeeded_at": ago(days=10),
                "status": {"setup_state": "broken", "tasks": TASK},
            },
            "reconnect",
            {"days": 9, "hours": 18},
        ),
        (
            {"failed_at": ago(minutes=5), "succeeded_at": ago(days=10), "sync_frequency": None},
            "last_sync_failed",
            {"days": 10},
        ),
        (
            {"failed_at": ago(minutes=5), "succeeded_at": ago(days=10), "schedule_type": "manual"},
            "last_sync_failed",
            {"days": 10},
        ),
        (
            {"failed_at": ago(minutes=5), "succeeded_at": None},
            "last_sync_failed",
            {"days": 100},
        ),
        (
            {"failed_at": ago(minutes=5), "succeeded_at": None, "created_at": None},
            "last_sync_failed",
            {"minutes": 5},
        ),
        ({"failed_at": ago(hours=5)}, None, None),
        ({"status": {"sync_state": "rescheduled"}}, "rescheduled", {"hours": 1}),
        (
            {
                "status": {"sync_state": "rescheduled", "rescheduled_for": ago(hours=2)},
                "schedule_type": "manual",
            },
            "rescheduled_manual",
            {"hours": 2},
        ),
        ({"status": {"is_historical_sync": True}}, None, None),
        (
            {"status": {"is_historical_sync": True}, "succeeded_at": None, "sync_frequency": None},
            "historical_long",
            {"days": 100},
        ),
        ({"succeeded_at": ago(hours=14)}, "overdue", {"hours": 1}),
        ({"succeeded_at": ago(hours=13)}, None, None),
        ({"succeeded_at": ago(days=2), "schedule_type": "manual"}, None, None),
        ({"succeeded_at": ago(days=2), "sync_frequency": None}, None, None),
        ({"status": {"update_state": "delayed"}}, "delayed", {"hours": 1}),
        ({"status": {"warnings": [{"code": "sync_warning"}]}}, "sync_warning", None),
    ],
)
def test_the_cause_that_explains_the_most_is_told(
    fields: dict[str, Any], code: str | None, since: dict[str, float] | None
) -> None:
    """One for each connector, with its beginning where that is known."""
    cause = cause_of(connection(**fields), NOW)

    assert (cause.code if cause else None) == code
    if cause:
        assert cause.since == (None if since is None else NOW - timedelta(**since))
        assert cause.meaning.next


async def test_an_account_is_told_worst_first_and_by_cause(caller: Caller) -> None:
    """Counts of all, a few of each, what each cause means; and nothing that is well."""
    answer = await caller.ok("triage_connectors", limit=50)

    assert answer["total"] == sum(answer["states"].values()) == 40
    assert answer["in_trouble"] == sum(cause["count"] for cause in answer["causes"])
    assert answer["in_trouble"] == sum(answer["groups"].values())
    assert answer["complete"] is True
    first = answer["causes"][0]
    assert first["cause"] in {"reconnect", "incomplete", "rescheduled_manual"}
    told = {(each["cause"], each["service"]) for each in answer["causes"]}
    assert {
        ("reconnect", "postgres"),
        ("incomplete", "google_sheets"),
        ("rescheduled_manual", "google_ads"),
        ("rescheduled", "google_ads"),
        ("unknown_sync_failure", "stripe"),
        ("paused_long", "google_analytics_4"),
        ("delayed", "hubspot"),
    } <= told
    assert set(answer["meanings"]) == {cause for cause, _ in told}
    assert "solid_anchor" not in json.dumps(answer)


@pytest.mark.parametrize("size", [300, 1_000, 10_000])
async def test_an_answer_and_its_requests_do_not_grow_with_the_account(size: int) -> None:
    """At most 2,000 tokens, one request for each thousand connectors."""
    sandbox = Sandbox(connections=size, now=lambda: NOW)

    async with Client(serve(sandbox, "read-only")) as client:
        result = await client.call_tool("triage_connectors", {})

    assert len(text_of(result).encode()) / 4 <= 2_000
    assert len(sandbox.requests) == -(-size // 1_000)
    assert json.loads(text_of(result))["total"] == size


async def test_the_list_of_causes_goes_on_where_it_ended(caller: Caller) -> None:
    """No cause twice, none left out."""
    whole = await caller.ok("triage_connectors", limit=500)
    causes: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await caller.ok("triage_connectors", limit=3, **cursor)
        causes += answer["causes"]
        if answer["complete"]:
            break
        cursor = {"cursor": answer["next_cursor"]}

    assert causes == whole["causes"]


async def test_group_and_service_narrow_it(caller: Caller, sandbox: Sandbox) -> None:
    """The group at Fivetran, the service here."""
    answer = await caller.ok("triage_connectors", group_id="quiet_delta", service="google_ads")

    assert {cause["service"] for cause in answer["causes"]} == {"google_ads"}
    assert set(answer["groups"]) == {"quiet_delta"}
    assert "group_id=quiet_delta" in sandbox.requests[-1].query
    assert answer["total"] < 40


async def test_a_service_that_no_connector_has_is_told(caller: Caller) -> None:
    """An account without trouble looks the same."""
    unknown = await caller.ok("triage_connectors", service="Stripe")
    known = await caller.ok("triage_connectors", service="stripe")

    assert unknown["note"].startswith(
        "No connector has this service. Ids of services are lower case"
    )
    assert "note" not in known


async def test_only_recent_trouble_is_told_if_asked_for(caller: Caller, sandbox: Sandbox) -> None:
    """By its beginning; what has none that is known is not recent."""
    sandbox.connections["failing_fox"].update(succeeded_at=ago(minutes=70), sync_frequency=60)
    answer = await caller.ok("triage_connectors", since_hours=1, limit=50)

    causes = {cause["cause"] for cause in answer["causes"]}
    assert "unknown_sync_failure" in causes
    assert "paused_long" not in causes
    assert "incomplete" not in causes
    assert answer["total"] == 40


async def test_what_is_tried_again_and_again_is_not_new_each_time(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Its last failure is always recent."""
    sandbox.connections["solid_anchor"].update(
        service="long_broken",
        succeeded_at=ago(days=10),
        failed_at=ago(minutes=5),
        status={"setup_state": "broken", "sync_state": "scheduled", "tasks": [], "warnings": []},
    )

    recent = await caller.ok("triage_connectors", service="long_broken", since_hours=24)
    whole = await caller.ok("triage_connectors", service="long_broken")

    assert recent["causes"] == []
    assert whole["causes"][0]["since"] == "2026-02-28T18:00:00Z"


async def test_meanings_speak_of_nothing_that_the_answer_does_not_have(caller: Caller) -> None:
    """Rows have no details; the time is in the status."""
    meanings = (await caller.ok("triage_connectors", service="google_ads"))["meanings"]

    for code in ("rescheduled", "rescheduled_manual"):
        assert "rescheduled_for of get_sync_status" in meanings[code]
        assert "details" not in meanings[code]
        assert "set_sync_frequency" not in meanings[code]


async def test_a_marker_leaves_only_what_changed(caller: Caller, sandbox: Sandbox) -> None:
    """New, changed, gone; the server keeps nothing between."""
    before = await caller.ok("triage_connectors")
    same = await caller.ok("triage_connectors", changed_since=before["marker"])
    assert same["causes"] == []
    assert same["gone"] == 0

    await caller.ok("resume_connector", connector_id="dusty_canyon")
    sandbox.connections["solid_anchor"]["status"]["tasks"] = TASK
    sandbox.connections["deadline_dove"]["status"]["setup_state"] = "broken"
    sandbox.connections["deadline_dove"]["status"]["tasks"] = TASK
    sandbox.connections["cron_crane"]["status"]["update_state"] = "delayed"
    after = await caller.ok("triage_connectors", changed_since=before["marker"], limit=50)

    changes = {(each["cause"], each["service"]): each["change"] for each in after["causes"]}
    assert changes == {
        ("reconnect", "postgres"): "changed",
        ("delayed", "salesforce"): "new",
        ("overdue", "google_analytics_4"): "new",
    }
    assert after["gone"] == 1


@pytest.mark.parametrize(
    "marker",
    [
        *("x", "eNo", "é", "a" * 4000),
        *(
            base64.urlsafe_b64encode(zlib.compress(text)).decode()
            for text in (b"[]", b'{"a":"b"}', b"{", b"0" * 1_000_000)
        ),
    ],
)
async def test_a_marker_that_is_none_is_refused(
    caller: Caller, sandbox: Sandbox, marker: str
) -> None:
    """Before anything is read; one made to unpack without end included."""
    error = await caller.error("triage_connectors", changed_since=marker)

    assert error["code"] == "invalid_arguments"
    assert "changed_since" in error["message"]
    assert not sandbox.requests


async def test_an_account_that_is_larger_than_one_call_reads_says_so(
    connect: Connect, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never as if it were the whole; and a row that comes again counts once."""
    row = {"id": "again", "status": {"setup_state": "broken"}}
    pages = [{"items": [row], "next_cursor": str(number)} for number in range(3)]
    for page in pages:
        body = {"code": "Success", "data": page}
        sandbox.fail(Fault(method="GET", path="/v1/connections", status=200, body=body))
    monkeypatch.setattr("mcp_server.tools.fleet.MOST_PAGES", 3)

    async with connect("read-only") as caller:
        answer = await caller.ok("triage_connectors")

    assert answer["total"] == 1
    assert answer["groups"] == {"unknown": 1}
    assert answer["complete"] is False
    assert "Only the first 1 were read: narrow by group_id." in answer["note"]


def test_what_is_kept_is_bounded_whatever_the_account_holds() -> None:
    """Very many causes become one more; a cluster keeps a few names; a marker the worst."""
    triage = Triage(now=NOW)
    for number in range(MOST_CLUSTERS + 50):
        code = [{"code": f"code_{number}"}]
        triage.add(connection(id=f"c{number}", schema=None, status={"tasks": code}))
    for number in range(20):
        triage.add(connection(id=f"d{number}", status={"tasks": [{"code": "code_1"}]}))

    clusters = triage.clusters()
    assert len(clusters) == MOST_CLUSTERS + 1
    assert sum(each.count for each in clusters) == triage.in_trouble == MOST_CLUSTERS + 70
    other = next(each for each in clusters if each.cause.code == "other")
    assert other.count == 50
    assert all(len(each.examples) <= MOST_EXAMPLES for each in clusters)
    assert len(triage.marker()) < 40 * MOST_MARKED


def test_names_are_shown_without_what_does_not_show() -> None:
    """They come from outside."""
    triage = Triage(now=NOW)
    triage.add(connection(schema="a\u202eb\x1b" + "c" * 500, status={"setup_state": "broken"}))

    ((_, name),) = triage.clusters()[0].examples
    assert name is not None
    assert name.startswith("abc")
    assert len(name) == 60


@pytest.mark.parametrize(
    ("frequency", "since"), [(2**62, {"hours": 1}), (-5, {"hours": 5}), (0, {"hours": 5})]
)
def test_numbers_beyond_reason_are_no_crash(frequency: int, since: dict[str, float]) -> None:
    """Fivetran may answer with any."""
    row = connection(sync_frequency=frequency, succeeded_at=ago(hours=5), failed_at=ago(hours=1))
    cause = cause_of(row, NOW)

    assert cause
    assert cause.since == NOW - timedelta(**since)
    never = connection(sync_frequency=frequency, succeeded_at="9999-12-31T23:59:59Z")
    assert cause_of(never, NOW) is None
