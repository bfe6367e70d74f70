"""Lists that are never cut silently: walks over upstream pages, and slices of what is at hand."""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic_core import to_json

from mcp_server.fivetran.errors import BadAnswerError
from mcp_server.fivetran.models import Identified, Page
from mcp_server.toolkit import ToolFailure

MOST_PAGES: Final = 25
"""Upstream pages walked in one call: 25,000 rows; what is left is told with a cursor."""
USUAL_LIMIT: Final = 100
USUAL_BYTES: Final = 12_000
"""Bytes of an answer, some 3,000 tokens; twice that where more than the usual rows are asked for."""
AROUND_ROWS: Final = 400
"""Bytes that an answer has besides its rows: ids, counts, the cursor."""

R = TypeVar("R", bound=Identified)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a list goes on: a page of the upstream's, and how many of its rows are done."""

    upstream: str = ""
    skip: int = 0

    def encode(self, filters: Mapping[str, Any]) -> str:
        """Write it as opaque text, tied to the filters it belongs to."""
        content = json.dumps([self.upstream, self.skip, _digest(filters)], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str | None, filters: Mapping[str, Any]) -> "Cursor":
        """Read one that `encode` wrote; None is the beginning.

        Raises:
            ToolFailure: It is not one of ours, or belongs to other filters.
        """
        if text is None:
            return cls()
        try:
            content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            upstream, skip, digest = content
        except (ValueError, TypeError, binascii.Error, RecursionError):
            upstream, skip, digest = None, None, None
        if not (isinstance(upstream, str) and type(skip) is int and skip >= 0):
            raise bad_cursor("is not one that this server gave")
        if digest != _digest(filters):
            raise bad_cursor("belongs to a call with other arguments")
        return cls(upstream, skip)


def _digest(filters: Mapping[str, Any]) -> str:
    canonical = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def bad_cursor(what: str) -> ToolFailure:
    """Say what is wrong with a cursor."""
    return ToolFailure(
        "invalid_arguments",
        f"cursor: it {what}",
        hint="Pass `next_cursor` exactly as it came, with the same other arguments; or leave cursor"
        " out to begin again.",
    )


@dataclass(frozen=True, slots=True)
class Found(Generic[V]):
    """A part of a list."""

    rows: Sequence[V]
    next_cursor: str | None


async def pages(
    fetch: Callable[[str | None], Awaitable[Page[R]]], start: str
) -> AsyncIterator[tuple[str, Page[R]]]:
    """Walk the upstream's pages from `start`; a cursor that comes again would never end."""
    cursor, seen = start, {start}
    while True:
        page = await fetch(cursor or None)
        yield cursor, page
        if not page.next_cursor:
            return
        cursor = page.next_cursor
        if cursor in seen:
            raise BadAnswerError("the same page cursor came twice")
        seen.add(cursor)


async def walk(
    fetch: Callable[[str | None], Awaitable[Page[R]]],
    *,
    filters: Mapping[str, Any],
    cursor: str | None,
    limit: int,
    keep: Callable[[R], bool],
) -> Found[R]:
    """Collect up to `limit` rows that match, over as many upstream pages as that takes.

    The upstream pages by offset, so a row may come twice when the set changes: an id counts once.
    """
    start = Cursor.decode(cursor, filters)
    rows: dict[str, R] = {}
    skip, walked = start.skip, 0
    async for position, page in pages(fetch, start.upstream):
        for index, row in enumerate(page.items[skip:], skip):
            if row.id in rows or not keep(row):
                continue
            if len(rows) == limit:
                return Found(list(rows.values()), Cursor(position, index).encode(filters))
            rows[row.id] = row
        skip, walked = 0, walked + 1
        if walked == MOST_PAGES and page.next_cursor:
            return Found(list(rows.values()), Cursor(page.next_cursor).encode(filters))
    return Found(list(rows.values()), None)


def part(
    rows: Sequence[V],
    *,
    start: Cursor,
    filters: Mapping[str, Any],
    limit: int,
    room: int | None = None,
) -> Found[V]:
    """Take up to `limit` of rows that are all at hand; `start` was decoded before they were read.

    It ends earlier where the next row would not fit into `room` bytes; the first always does.
    """
    shown = rows[start.skip : start.skip + limit]
    if room is not None:
        shown = shown[: fitting(shown, room)]
    end = start.skip + len(shown)
    more = Cursor(start.upstream, end).encode(filters) if end < len(rows) else None
    return Found(shown, more)


def room_for(limit: int) -> int:
    """Tell how many bytes of rows an answer may have."""
    return USUAL_BYTES * (1 if limit <= USUAL_LIMIT else 2) - AROUND_ROWS


def size_of(value: Any) -> int:
    """Tell how many bytes a row takes in an answer."""
    return len(to_json(value, exclude_none=True)) + len(",")


def fitting(rows: Iterable[Any], room: int) -> int:
    """Count the rows, from the first on, that fit into `room` bytes: one if there are any."""
    count = 0
    for row in rows:
        room -= size_of(row)
        if count and room < 0:
            break
        count += 1
    return count
