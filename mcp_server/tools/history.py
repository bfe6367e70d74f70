"""The tool that tells which syncs ran, and how they ended."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.connections import PAGE_SIZE
from mcp_server.fivetran.errors import ForbiddenError, NotFoundError
from mcp_server.fivetran.models import Stage, Sync
from mcp_server.toolkit import (
    ConnectorId,
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    Result,
    Timestamp,
    ToolFailure,
    Whole,
)
from mcp_server.tools.health import State, state_of
from mcp_server.tools.paging import MOST_PAGES, Cursor, bad_cursor, walk
from mcp_server.tools.results import Issue, issues
from mcp_server.tools.syncs import toolset
from mcp_server.untrusted import clean, scrub

WINDOW: Final = timedelta(days=7)
"""The longest span the API takes at once."""
LONGEST: Final = timedelta(days=90)
USUAL: Final = timedelta(hours=24)
MOST_IN_WINDOW: Final = PAGE_SIZE * MOST_PAGES
MOST_COUNTED: Final = 25_000
"""Syncs behind those that are shown are read only to be counted, up to so many."""
LONGEST_REASON: Final = 240
AS_ABOVE: Final = "as above"

Hours = Annotated[
    int, Field(ge=1, le=2160, description="How far back from now; 24 unless start is given."), Whole
]
Time = Annotated[
    str,
    Field(
        pattern=r"^20\d\d-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?$",
        description="ISO 8601, such as 2026-03-10T12:00Z; UTC if it names no zone.",
    ),
]


class SyncRow(Result):
    """A sync."""

    status: str = Field(description="Fivetran's word, or RUNNING.")
    start: Timestamp | None = None
    end: Timestamp | None = None
    duration_seconds: int | None = None
    reason: str | None = Field(
        default=None, description="The source's words; `as above`: those of the row before."
    )
    loaded_mb: float | None = Field(default=None, description="Written to the destination.")


class SyncHistory(Result):
    """The syncs of a span, newest first."""

    connector_id: str
    available: bool = Field(description="False: this account or key has no sync history.")
    since: Timestamp
    until: Timestamp
    counts: dict[str, int] | None = Field(
        default=None, description="By status, of the whole span; only without a cursor."
    )
    syncs: list[SyncRow]
    complete: bool = Field(description="False: there are more, behind next_cursor if there is one.")
    next_cursor: str | None = None
    state: State | None = None
    last_success: Timestamp | None = None
    last_failure: Timestamp | None = None
    tasks: list[Issue] | None = None
    note: str | None = None


@toolset.tool(title="Get sync history", effect=Effect.READ)
async def get_sync_history(
    connector_id: ConnectorId,
    hours: Maybe[Hours] = None,
    start: Maybe[Time] = None,
    end: Maybe[Time] = None,
    limit: Limit = 20,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> SyncHistory:
    """List the syncs of a connector, newest first: how each ended, how long it took, why it failed.

    At most 90 days; `end` defaults to now. What is wrong at present: `get_connector_problems`.
    """
    filters = {"syncs": [connector_id, hours, start, end]}
    position = Cursor.decode(cursor, filters)
    if position.upstream:
        span = _rest(position.upstream)
    else:
        span = _span(hours, start, end, fivetran.now())
    source = _Source(fivetran, connector_id)
    try:
        found = await _collect(source, span, position.skip, limit, counting=cursor is None)
    except (ForbiddenError, NotFoundError):
        return await _without_history(fivetran, connector_id, span)
    return SyncHistory(
        connector_id=connector_id,
        available=True,
        since=span.start,
        until=span.end,
        counts=found.counts,
        syncs=_rows(found.syncs),
        complete=found.rest is None,
        next_cursor=found.rest.encode(filters) if found.rest else None,
        note=None if found.syncs else "No sync started in this span; see get_sync_status.",
    )


async def _without_history(fivetran: Client, connector_id: str, span: "Span") -> SyncHistory:
    """Say what the connector itself tells; one that does not exist is an error as ever."""
    connection = await fivetran.connections.get(connector_id)
    return SyncHistory(
        connector_id=connection.id,
        available=False,
        since=span.start,
        until=span.end,
        syncs=[],
        complete=False,
        state=state_of(connection),
        last_success=connection.succeeded_at,
        last_failure=connection.failed_at,
        tasks=issues(connection.status.tasks) or None,
        note="This account or its API key has no sync history: only the last success and failure are"
        " known.",
    )


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in whole seconds, as the API is asked."""

    start: datetime
    end: datetime

    @property
    def windows(self) -> Iterator["Span"]:
        """Cut it into spans that the API takes, newest first."""
        end = self.end
        while end > self.start:
            start = max(self.start, end - WINDOW)
            yield Span(start, end)
            end = start


def _span(hours: int | None, start: str | None, end: str | None, now: datetime) -> Span:
    """Read the span of a call.

    Raises:
        ToolFailure: There is something wrong with it.
    """
    if hours and (start or end):
        raise _wrong("hours goes back from now, so it goes neither with start nor with end")
    if end and not start:
        raise _wrong("end needs a start")
    until = _whole_second(_moment("end", end) if end else now)
    if not start:
        return Span(until - (timedelta(hours=hours) if hours else USUAL), until)
    since = _moment("start", start).replace(microsecond=0)
    if since >= until:
        raise _wrong(f"start must be before end{'' if end else ', which is now'}")
    if until - since > LONGEST:
        raise _wrong(f"the span is longer than {LONGEST.days} days")
    return Span(since, until)


def _whole_second(moment: datetime) -> datetime:
    """Round up, so that a sync of this very second is within."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(f"{name} is no date and time that exists") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _wrong(what: str) -> ToolFailure:
    return ToolFailure(
        "invalid_arguments",
        f"get_sync_history was not called: {what}",
        hint="Nothing was sent. Pass either hours, or start and perhaps end.",
    )


def _rest(upstream: str) -> Span:
    """Read from a cursor what is left of a span."""
    parts = _UPSTREAM.fullmatch(upstream)
    if parts is None:
        raise bad_cursor("is not one that this server gave")
    start, end = (datetime.fromtimestamp(int(part), UTC) for part in parts.groups())
    if not timedelta(0) < end - start <= LONGEST:
        raise bad_cursor("is not one that this server gave")
    return Span(start, end)


_UPSTREAM: Final = re.compile(r"(\d{1,10})/(\d{1,10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Found:
    syncs: Sequence[Sync]
    rest: Cursor | None
    counts: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the syncs of a connector come from."""

    fivetran: Client
    connector_id: str

    async def syncs(self, window: Span) -> Sequence[Sync]:
        """Read all syncs of a window, newest first: the API promises no order.

        Raises:
            ToolFailure: There are more than one call may read.
        """
        found = await walk(
            lambda position: self.fivetran.history.syncs(
                self.connector_id, start=window.start, end=window.end, cursor=position
            ),
            filters={},
            cursor=None,
            limit=MOST_IN_WINDOW,
            keep=lambda _: True,
        )
        if found.next_cursor:
            raise ToolFailure(
                "upstream_error",
                f"Fivetran has more than {MOST_PAGES} pages of syncs within {WINDOW.days} days",
                hint="Ask for a shorter span, such as hours=24.",
            )
        return sorted(found.rows, key=lambda s: s.start or s.end or window.end, reverse=True)


async def _collect(source: _Source, span: Span, skip: int, limit: int, *, counting: bool) -> _Found:
    """Take up to `limit` syncs; then, if counting, read on to count the rest.

    A sync that the API shows on both sides of a cut counts once.
    """
    shown: list[Sync] = []
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    rest: Cursor | None = None
    for window in span.windows:
        if rest and not (counting and len(seen) < MOST_COUNTED):
            return _Found(shown, rest, None)
        syncs = [sync for sync in await source.syncs(window) if sync.id not in seen]
        seen.update(sync.id for sync in syncs)
        counts.update(map(_status, syncs))
        left, free = syncs[skip:], limit - len(shown)
        shown += left[:free]
        if rest is None and len(left) > free:
            rest = Cursor(f"{span.start.timestamp():.0f}/{window.end.timestamp():.0f}", skip + free)
        skip = 0
    return _Found(shown, rest, dict(counts) if counting else None)


def _status(sync: Sync) -> str:
    """Name how a sync stands; one that runs has a status that says nothing."""
    if sync.start and not sync.end and sync.status in {None, "INCOMPLETE"}:
        return "RUNNING"
    return clean(sync.status or "UNKNOWN", 40)


def _rows(syncs: Sequence[Sync]) -> list[SyncRow]:
    """Show syncs; a reason that repeats is not written out again."""
    reasons = [clean(scrub(sync.reason or ""), LONGEST_REASON) for sync in syncs]
    above = ["", *reasons]
    return [
        SyncRow(
            status=_status(sync),
            start=sync.start,
            end=sync.end,
            duration_seconds=duration_of(sync),
            reason=(AS_ABOVE if reason == before else reason) if reason else None,
            loaded_mb=loaded_of(sync),
        )
        for sync, reason, before in zip(syncs, reasons, above, strict=False)
    ]


def duration_of(sync: Sync) -> int | None:
    """Tell how many seconds a sync took; None until it has ended."""
    if not (sync.start and sync.end):
        return None
    return max(0, round((sync.end - sync.start).total_seconds()))


def loaded_of(sync: Sync) -> float | None:
    """Tell what arrived; the volumes of the other stages are the same data on its way."""
    volume = sync.stages.get("load", Stage()).volume
    return None if volume is None else round(volume, 3)
