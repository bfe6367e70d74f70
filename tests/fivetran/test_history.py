"""Syncs, warnings and errors, as the sandbox and a scripted far end have them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import (
    BadAnswerError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
)
from mcp_server.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY_BEFORE = NOON - timedelta(days=1)


def _answer(*items: Any, **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"code": "Success", "data": {"items": list(items), **more}})


async def test_syncs_of_a_span_are_listed_page_by_page(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Times are sent as UTC in whole seconds."""
    whole = await fivetran.history.syncs("failing_fox", start=DAY_BEFORE, end=NOON)
    first = await fivetran.history.syncs("failing_fox", start=DAY_BEFORE, end=NOON, limit=3)
    rest = await fivetran.history.syncs(
        "failing_fox", start=DAY_BEFORE, end=NOON, limit=3, cursor=first.next_cursor
    )

    assert [sync.status for sync in whole.items] == ["FAILURE"] * 4
    assert first.items + rest.items == whole.items
    assert (whole.next_cursor, rest.next_cursor) == (None, None)
    queries = [httpx.QueryParams(received.query) for received in sandbox.requests]
    assert dict(queries[0]) == {
        "start_time": "2026-03-09T12:00:00Z",
        "end_time": "2026-03-10T12:00:00Z",
        "limit": "1000",
    }
    assert queries[2]["cursor"] == first.next_cursor
    assert sandbox.requests[0].path == "/v1/connections/failing_fox/sync-history"


async def test_a_span_in_another_zone_is_sent_in_utc(scripted: Fivetran, far: "Far") -> None:
    """The API is told no offsets."""
    far.answers(_answer())
    zone = timezone(timedelta(hours=2))
    start = datetime(2026, 3, 10, 1, 30, 15, 999, tzinfo=zone)

    await scripted.history.syncs("x", start=start, end=start + timedelta(hours=1))

    (request,) = far.requests
    assert request.url.params["start_time"] == "2026-03-09T23:30:15Z"
    assert request.url.params["end_time"] == "2026-03-10T00:30:15Z"


async def test_a_sync_is_read_as_documented(scripted: Fivetran, far: "Far") -> None:
    """Null is absent, at any depth."""
    stages = {"extract": {"volume": 1.5}, "process": {"volume": None}}
    far.answers(
        _answer(
            {
                "sync_id": "7c2f",
                "start": "2026-03-10T05:00:11Z",
                "end": "2026-03-10T05:10:41Z",
                "status": "FAILURE",
                "reason": "password authentication failed",
                "stages": stages,
            },
            {"sync_id": "8d3a", "start": None, "end": None, "status": "NEW_WORD", "stages": None},
            next_cursor=None,
        )
    )

    failed, waiting = (await scripted.history.syncs("x", start=DAY_BEFORE, end=NOON)).items

    assert (failed.id, failed.status) == ("7c2f", "FAILURE")
    assert failed.start
    assert failed.end
    assert failed.end - failed.start == timedelta(seconds=630)
    assert failed.reason == "password authentication failed"
    assert failed.stages["extract"].volume == 1.5
    assert failed.stages["process"].volume is None
    assert (waiting.start, waiting.end, waiting.reason) == (None, None, None)
    assert (waiting.status, waiting.stages) == ("NEW_WORD", {})


async def test_a_sync_without_an_id_is_no_answer(scripted: Fivetran, far: "Far") -> None:
    """Anything else may be absent."""
    far.answers(_answer({"status": "COMPLETED"}))

    with pytest.raises(BadAnswerError):
        await scripted.history.syncs("x", start=DAY_BEFORE, end=NOON)


async def test_a_span_of_more_than_a_week_is_refused(fivetran: Fivetran) -> None:
    """By the API; whoever wants more asks more than once."""
    with pytest.raises(InvalidRequestError):
        await fivetran.history.syncs("failing_fox", start=NOON - timedelta(days=8), end=NOON)


async def test_warnings_are_read_by_table(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """Or by the connection as a whole."""
    orders, customers = (await fivetran.history.warnings("brisk_lantern")).items
    (whole,) = (await fivetran.history.warnings("trickster")).items

    assert (orders.name_of_schema, orders.table) == ("pg_shop_public", "orders")
    assert customers.table == "customers"
    (warning,) = orders.warnings
    assert (warning.code, warning.message) == ("resync_table_warning", "Resync Table Warning")
    assert warning.created_at is not None
    assert (whole.name_of_schema, whole.table) == (None, None)
    assert whole.warnings[0].error_message
    assert sandbox.requests[0].query == ""


async def test_warnings_are_dismissed_by_code(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """Each code once asked for is sent."""
    await fivetran.history.dismiss("brisk_lantern", ["resync_table_warning"])

    received = sandbox.requests[-1]
    assert (received.method, received.path) == (
        "POST",
        "/v1/connections/brisk_lantern/dismiss-warnings",
    )
    assert json.loads(received.body) == {"warning_types": ["resync_table_warning"]}
    assert (await fivetran.history.warnings("brisk_lantern")).items == ()


async def test_dismissing_nothing_would_dismiss_everything_and_is_not_sent(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """The API takes an empty list for all."""
    with pytest.raises(ValueError, match="at least one code"):
        await fivetran.history.dismiss("brisk_lantern", [])

    assert not sandbox.requests


async def test_errors_are_listed_page_by_page(
    fivetran: Fivetran, scripted: Fivetran, far: "Far"
) -> None:
    """With what Fivetran advises; none for a healthy connection."""
    (error,) = (await fivetran.history.errors("brisk_lantern")).items
    assert (error.type, error.title) == ("reconnect", "Reconnect")
    assert error.reason == 'password authentication failed for user "fivetran"'
    assert error.message
    assert error.created_at is not None
    assert (await fivetran.history.errors("solid_anchor")).items == ()

    far.answers(_answer({}, next_cursor="next"))
    page = await scripted.history.errors("x", cursor="this")
    assert (page.items[0].type, page.next_cursor) == ("unknown", "next")
    assert far.requests[0].url.params["cursor"] == "this"


async def test_an_account_without_these_endpoints_says_so(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """By 404 or 403, also for a connection that exists."""
    sandbox.withhold("sync-history", "warnings")
    sandbox.withhold("errors", status=403)

    with pytest.raises(NotFoundError):
        await fivetran.history.syncs("brisk_lantern", start=DAY_BEFORE, end=NOON)
    with pytest.raises(NotFoundError):
        await fivetran.history.warnings("brisk_lantern")
    with pytest.raises(NotFoundError):
        await fivetran.history.dismiss("brisk_lantern", ["resync_table_warning"])
    with pytest.raises(ForbiddenError):
        await fivetran.history.errors("brisk_lantern")


async def test_these_endpoints_are_asked_for_in_plain_json(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """They have no version 2."""
    await fivetran.history.syncs("brisk_lantern", start=DAY_BEFORE, end=NOON)
    await fivetran.history.errors("brisk_lantern")
    await fivetran.history.warnings("brisk_lantern")
    await fivetran.history.dismiss("brisk_lantern", ["sync_warning"])

    assert {received.headers["accept"] for received in sandbox.requests} == {"application/json"}
