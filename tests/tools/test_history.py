"""The tool that tells which syncs ran, and how they ended."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools import history, paging
from mcp_server.tools.paging import Cursor
from tests.support import Caller, Clock, Connect

HISTORY = "/v1/connections/[^/]+/sync-history"
USUAL = {"sync_id": "a", "start": "2026-03-10T11:00:00Z", "end": "2026-03-10T11:00:30Z"}


def says(*syncs: dict[str, Any], next_cursor: str | None = None) -> Fault:
    """Let the API answer once with these syncs."""
    data = {"items": list(syncs), "next_cursor": next_cursor}
    return Fault(path=HISTORY, status=200, body={"code": "Success", "data": data})


def asked(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Tell which spans of history were asked for."""
    queries = [
        httpx.QueryParams(received.query)
        for received in sandbox.requests
        if received.path.endswith("/sync-history")
    ]
    return [(query["start_time"], query["end_time"]) for query in queries]


async def whole(caller: Caller, limit: int, **arguments: Any) -> list[dict[str, Any]]:
    """Collect a history part by part."""
    rows, more = [], True
    while more:
        answer = await caller.ok("get_sync_history", limit=limit, **arguments)
        rows += answer["syncs"]
        assert len(answer["syncs"]) <= limit
        assert answer["complete"] is ("next_cursor" not in answer)
        assert ("counts" in answer) is ("cursor" not in arguments)
        more, arguments["cursor"] = not answer["complete"], answer.get("next_cursor")
    return rows


# What is shown


async def test_the_history_of_a_day_says_how_each_sync_ended_and_why(caller: Caller) -> None:
    """Newest first; a reason that repeats is not written out again."""
    answer = await caller.ok("get_sync_history", connector_id="failing_fox")

    assert answer["available"] is True
    assert (answer["since"], answer["until"]) == ("2026-03-09T12:00:00Z", "2026-03-10T12:00:00Z")
    assert answer["counts"] == {"FAILURE": 4}
    assert answer["complete"] is True
    newest, *older = answer["syncs"]
    assert newest == {
        "status": "FAILURE",
        "start": "2026-03-10T10:34:57Z",
        "end": "2026-03-10T11:25:00Z",
        "duration_seconds": 3003,
        "reason": "The source answered HTTP 502 to every attempt",
    }
    assert [sync["reason"] for sync in older] == ["as above"] * 3
    starts = [sync["start"] for sync in answer["syncs"]]
    assert starts == sorted(starts, reverse=True)


async def test_a_reason_that_differs_is_written_out(caller: Caller, sandbox: Sandbox) -> None:
    """Only the row directly above is referred to."""
    reasons = ["no", "no", None, "no", "other"]
    sandbox.fail(
        says(
            *(
                {**USUAL, "sync_id": str(n), "status": "FAILURE", "reason": reason}
                for n, reason in enumerate(reasons)
            )
        )
    )

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor")

    shown = [sync.get("reason") for sync in answer["syncs"]]
    assert shown == ["no", "as above", None, "no", "other"]


async def test_a_sync_that_runs_is_running(caller: Caller) -> None:
    """Whatever Fivetran calls it: it has a start and no end."""
    answer = await caller.ok("get_sync_history", connector_id="busy_bee")

    assert answer["syncs"][0] == {"status": "RUNNING", "start": "2026-03-10T11:20:00Z"}
    assert answer["counts"] == {"RUNNING": 1, "COMPLETED": 3}
    assert answer["syncs"][1]["loaded_mb"] > 0


async def test_a_sync_that_has_just_been_started_is_in_its_history(
    caller: Caller, clock: Clock
) -> None:
    """And how it ends, once it has: what a waiting caller wants to know."""
    clock.wait(0.25)
    await caller.ok("sync_connector", connector_id="solid_anchor")
    begun = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=1)
    clock.wait(6)
    ended = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=1)

    assert begun["syncs"] == [{"status": "RUNNING", "start": "2026-03-10T12:00:00Z"}]
    assert ended["counts"] == {"COMPLETED": 1}
    assert ended["syncs"][0]["duration_seconds"] == 6


async def test_what_a_sync_lacks_is_absent(caller: Caller, sandbox: Sandbox) -> None:
    """A status without a word, times that are not there, or run backwards, new words."""
    sandbox.fail(
        says(
            {"sync_id": "1"},
            {"sync_id": "2", "status": "RESCHEDULED", "start": None},
            {**USUAL, "sync_id": "3", "end": "2026-03-10T10:59:00Z", "status": "BRAND_NEW"},
            {"sync_id": "4", "status": "CANCELED", "end": "2026-03-10T10:00:00Z"},
            {"sync_id": "5", "status": "PAUSED", "start": "2026-03-10T09:00:00Z"},
        )
    )

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor")

    assert answer["syncs"] == [
        {"status": "UNKNOWN"},
        {"status": "RESCHEDULED"},
        {
            "status": "BRAND_NEW",
            "start": "2026-03-10T11:00:00Z",
            "end": "2026-03-10T10:59:00Z",
            "duration_seconds": 0,
        },
        {"status": "CANCELED", "end": "2026-03-10T10:00:00Z"},
        {"status": "PAUSED", "start": "2026-03-10T09:00:00Z"},
    ]


async def test_the_order_of_the_api_does_not_matter(caller: Caller, sandbox: Sandbox) -> None:
    """It promises none."""
    days = ("08", "10", "09")
    syncs = [
        {"sync_id": day, "start": f"2026-03-{day}T11:00:00Z", "status": "COMPLETED"} for day in days
    ]
    sandbox.fail(says(*syncs))

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=72)

    assert [sync["start"][8:10] for sync in answer["syncs"]] == ["10", "09", "08"]


async def test_the_volume_is_what_arrived_in_the_destination(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The other stages have the same data on its way; a rounded number is enough."""
    stages = {"extract": {"volume": 5}, "process": {"volume": 4}, "load": {"volume": 3.00049}}
    sandbox.fail(says({**USUAL, "status": "COMPLETED", "stages": stages}))

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor")

    assert answer["syncs"][0]["loaded_mb"] == 3.0


async def test_a_hostile_reason_is_made_harmless_and_short(caller: Caller) -> None:
    """It comes from the source, and anyone may write to that."""
    answer = await caller.ok("get_sync_history", connector_id="trickster")

    reason = answer["syncs"][0]["reason"]
    assert reason.isprintable()
    assert "more characters]" in reason
    assert len(reason) < history.LONGEST_REASON + 40


async def test_a_credential_in_a_reason_is_hidden(caller: Caller, sandbox: Sandbox) -> None:
    """Sources quote what they were called with."""
    reason = "cannot open postgres://u:canary@db.example/shop"
    sandbox.fail(says({**USUAL, "status": "FAILURE", "reason": reason}))

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor")

    assert "canary" not in str(answer)


async def test_an_empty_span_says_so(caller: Caller) -> None:
    """And where to look."""
    answer = await caller.ok("get_sync_history", connector_id="dusty_canyon")

    assert (answer["syncs"], answer["counts"], answer["complete"]) == ([], {}, True)
    assert "get_sync_status" in answer["note"]


# The span


async def test_a_span_is_given_in_hours_or_by_its_ends(caller: Caller, sandbox: Sandbox) -> None:
    """An end that is left out is now; a time without a zone is UTC."""
    for arguments in (
        {"hours": 2},
        {"start": "2026-03-10T10:00"},
        {"start": "2026-03-10T11:00:00.5+01:00", "end": "2026-03-10T11:59:59.5Z"},
        {"start": "2026-03-10", "end": "2026-03-10T01:00Z"},
    ):
        await caller.ok("get_sync_history", connector_id="solid_anchor", **arguments)

    assert asked(sandbox) == [
        ("2026-03-10T10:00:00Z", "2026-03-10T12:00:00Z"),
        ("2026-03-10T10:00:00Z", "2026-03-10T12:00:00Z"),
        ("2026-03-10T10:00:00Z", "2026-03-10T12:00:00Z"),
        ("2026-03-10T00:00:00Z", "2026-03-10T01:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"hours": 2, "start": "2026-03-10"}, "hours goes"),
        ({"hours": 2, "end": "2026-03-10"}, "hours goes"),
        ({"end": "2026-03-10"}, "end needs a start"),
        ({"start": "2026-03-10", "end": "2026-03-10"}, "start must be before end"),
        ({"start": "2026-03-10T12:00Z"}, "before end, which is now"),
        ({"start": "2099-01-01"}, "before end, which is now"),
        ({"start": "2025-12-01"}, "longer than 90 days"),
        ({"start": "2026-02-30"}, "start is no date"),
        ({"start": "2026-02-01", "end": "2026-03-01T25:00"}, "end is no date"),
        ({"start": "yesterday"}, "ISO 8601"),
        ({"start": "1999-01-01"}, "ISO 8601"),
        ({"hours": 0}, "hours:"),
        ({"hours": 2161}, "hours:"),
        ({"hours": None}, "hours:"),
    ],
)
async def test_a_wrong_span_is_refused_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], problem: str
) -> None:
    """With what is wrong about it."""
    error = await caller.error("get_sync_history", connector_id="solid_anchor", **arguments)

    assert error["code"] == "invalid_arguments"
    assert problem in error["message"]
    assert not sandbox.requests


async def test_a_long_span_is_read_week_by_week(caller: Caller, sandbox: Sandbox) -> None:
    """Seven days are the most that the API takes; the counts are of the whole span."""
    answer = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=480, limit=2)

    assert asked(sandbox) == [
        ("2026-03-03T12:00:00Z", "2026-03-10T12:00:00Z"),
        ("2026-02-24T12:00:00Z", "2026-03-03T12:00:00Z"),
        ("2026-02-18T12:00:00Z", "2026-02-24T12:00:00Z"),
    ]
    assert sum(answer["counts"].values()) == 80
    assert (len(answer["syncs"]), answer["complete"]) == (2, False)


async def test_the_longest_span_takes_thirteen_requests(caller: Caller, sandbox: Sandbox) -> None:
    """However few syncs there are in it."""
    answer = await caller.ok("get_sync_history", connector_id="calm_ridge", hours=2160)

    assert answer["complete"] is True
    assert len(asked(sandbox)) == 13


@pytest.mark.parametrize("limit", [7, 28, 50])
async def test_all_syncs_are_reached_part_by_part(caller: Caller, limit: int) -> None:
    """Across the weeks, none twice, whether a part ends within a week or with one."""
    span = {"connector_id": "solid_anchor", "hours": 480}
    answer = await caller.ok("get_sync_history", **span, limit=500)

    assert answer["complete"] is True
    assert await whole(caller, limit, **span) == answer["syncs"]


async def test_a_later_part_is_of_the_span_of_the_first(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Though time has passed; and weeks that were shown are not read again."""
    span = {"connector_id": "solid_anchor", "hours": 480}
    first = await caller.ok("get_sync_history", **span, limit=30)
    sandbox.requests.clear()
    clock.wait(3600)

    second = await caller.ok("get_sync_history", **span, limit=1, cursor=first["next_cursor"])

    assert asked(sandbox) == [("2026-02-24T12:00:00Z", "2026-03-03T12:00:00Z")]
    assert second["syncs"][0]["start"] < first["syncs"][-1]["start"]
    assert "counts" not in second


async def test_a_sync_on_both_sides_of_a_cut_counts_once(caller: Caller, sandbox: Sandbox) -> None:
    """The API may show one that began before the cut and ended behind it in both."""
    for _ in range(2):
        sandbox.fail(says({**USUAL, "status": "COMPLETED"}))

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=14 * 24)

    assert answer["counts"] == {"COMPLETED": 1}
    assert len(answer["syncs"]) == 1


async def test_too_many_to_count_are_not_counted(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syncs behind those that are shown are read only to be counted, within reason."""
    monkeypatch.setattr(history, "MOST_COUNTED", 28)

    answer = await caller.ok("get_sync_history", connector_id="solid_anchor", hours=2160, limit=5)

    assert "counts" not in answer
    assert answer["complete"] is False
    assert len(asked(sandbox)) == 1


async def test_more_pages_than_a_call_may_read_are_an_error(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a week cannot be put in order, so nothing is better than something."""
    monkeypatch.setattr(paging, "MOST_PAGES", 2)
    sandbox.fail(says(USUAL, next_cursor="1"))
    sandbox.fail(says({**USUAL, "sync_id": "b"}, next_cursor="2"))

    error = await caller.error("get_sync_history", connector_id="solid_anchor")

    assert error["code"] == "upstream_error"
    assert "hours=" in error["hint"]


def _forged(upstream: str) -> str:
    arguments = {"syncs": ["solid_anchor", None, None, None]}
    return Cursor(upstream, 0).encode(arguments)


FAR = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "cursor",
    [
        "made up",
        base64.urlsafe_b64encode(json.dumps(["1/2", 0, "0"]).encode()).decode(),
        _forged("1"),
        _forged("a/b"),
        _forged("5/4"),
        _forged("99999999999/99999999999"),
        _forged(f"{FAR - int(timedelta(days=91).total_seconds())}/{FAR}"),
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(
    caller: Caller, sandbox: Sandbox, cursor: str
) -> None:
    """Also one that only looks like it: it might ask for a century."""
    error = await caller.error("get_sync_history", connector_id="solid_anchor", cursor=cursor)

    assert error["code"] == "invalid_arguments"
    assert "cursor" in error["message"]
    assert not sandbox.requests


async def test_a_cursor_belongs_to_its_call(caller: Caller) -> None:
    """Another connector has another history."""
    first = await caller.ok("get_sync_history", connector_id="solid_anchor", limit=1)

    error = await caller.error(
        "get_sync_history", connector_id="failing_fox", cursor=first["next_cursor"]
    )

    assert "other arguments" in error["message"]


# Accounts without it


@pytest.mark.parametrize("status", [403, 404])
async def test_an_account_without_history_gets_what_is_known_all_the_same(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """It is an answer, not an error."""
    sandbox.withhold("sync-history", status=status)

    answer = await caller.ok("get_sync_history", connector_id="failing_fox")

    assert (answer["available"], answer["syncs"], answer["complete"]) == (False, [], False)
    assert answer["state"] == "failing"
    assert answer["last_success"] == "2026-03-07T12:00:00Z"
    assert answer["last_failure"] == "2026-03-10T11:25:00Z"
    assert answer["tasks"][0]["code"] == "unknown_sync_failure"
    assert "no sync history" in answer["note"]
    assert "next_cursor" not in answer


@pytest.mark.parametrize("withheld", [True, False])
async def test_a_connector_that_does_not_exist_is_not_found(
    caller: Caller, sandbox: Sandbox, *, withheld: bool
) -> None:
    """With and without the endpoint."""
    if withheld:
        sandbox.withhold("sync-history")

    error = await caller.error("get_sync_history", connector_id="nope")

    assert error["code"] == "not_found"


async def test_a_failing_api_is_an_error_as_ever(caller: Caller, sandbox: Sandbox) -> None:
    """A missing answer is no missing endpoint."""
    sandbox.fail(Fault(path=HISTORY, status=500, times=3))

    error = await caller.error("get_sync_history", connector_id="solid_anchor")

    assert (error["code"], error["retryable"]) == ("upstream_error", True)


async def test_history_is_read_in_read_only_mode(connect: Connect) -> None:
    """It changes nothing."""
    async with connect("read-only") as caller:
        assert (await caller.ok("get_sync_history", connector_id="solid_anchor"))["available"]
