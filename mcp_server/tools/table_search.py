"""`find_tables`: in which connectors of an account a table or a column lives."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Annotated, Final, TypeVar

import anyio
from pydantic import Field

from mcp_server.failures import in_brief
from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import (
    DeadlineError,
    FivetranError,
    RateLimitedError,
    SchemaNotReadyError,
    UnauthorizedError,
)
from mcp_server.fivetran.models import Connection, Table
from mcp_server.toolkit import (
    CursorText,
    Effect,
    Fivetran,
    GroupId,
    Limit,
    Maybe,
    Progress,
    Reporter,
    Result,
)
from mcp_server.tools.connectors import Matching, ServiceName, check_group
from mcp_server.tools.fleet import toolset
from mcp_server.tools.paging import MOST_PAGES, Cursor, pages, room_for
from mcp_server.tools.table_matches import Candidate, Place, Position, Rows, Unread, Wanted

MOST_CONNECTORS: Final = 300
"""Connectors read in one call."""
MOST_READS: Final = 100
"""Tables whose columns are read in one call: each counts as an interaction with its source."""
AT_ONCE: Final = 6
"""Reads at once, fewer than the client allows: other calls go on meanwhile."""
CHUNK: Final = 24
"""Connectors between two reports of progress."""
SECONDS: Final = 25.0
"""Seconds after which nothing more is begun."""
PATIENCE: Final = 10.0
"""Seconds for one read; one that takes longer is told as failed."""

_TIME: Final = "as its time was up"

T = TypeVar("T")
V = TypeVar("V")


class FoundTables(Result):
    """Where something lives, and how much was looked at; all counts are of this call."""

    places: list[Place]
    tables_found: int
    connectors_total: int | None = Field(
        default=None, description="In the account, by group and service; absent if not all listed."
    )
    connectors_scanned: int
    without_schema: int | None = Field(default=None, description="Not discovered yet.")
    failed: dict[str, int] | None = Field(default=None, description="Connectors, by error code.")
    columns_unread: dict[str, Unread] | None = Field(
        default=None, description="Tables that match whose columns could not be read, by reason."
    )
    connectors_left: int | None = Field(default=None, description="Behind next_cursor.")
    complete: bool
    next_cursor: str | None = None
    retry_after_seconds: int | None = None
    note: str | None = None


Pattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Part of a table's name in source or destination, in any case; with `*` the whole"
        " name; with a dot `schema.table`.",
    ),
]
ColumnPattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="Part of a column's name, or whole with `*`: reads each table that matches, live.",
    ),
]


@toolset.tool(title="Find tables", effect=Effect.READ)
async def find_tables(
    pattern: Pattern,
    column: Maybe[ColumnPattern] = None,
    enabled: Maybe[
        Annotated[bool, Field(description="Only tables that sync, or only those that do not.")]
    ] = None,
    group_id: Maybe[GroupId] = None,
    service: Maybe[ServiceName] = None,
    limit: Limit = 50,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
    progress: Progress,
) -> FoundTables:
    """Find in which connectors a table or a column lives, across the account; tells what was covered.

    Reads up to 300 connectors a call, or 100 tables if for a column; go on with the cursor.
    One connector: `get_schema_config`.
    """
    filters = {"find": [pattern, column, enabled, group_id, service]}
    start = Cursor.decode(cursor, filters)
    fleet = await _list(fivetran, group_id, service, start.skip)
    if group_id and not fleet.total:
        # An empty answer must not hide a wrong id.
        await check_group(fivetran, group_id)
    wanted = Wanted(pattern, column, enabled)
    search = Search(fivetran, wanted, Position.of(start), limit, Rows(room_for(limit)))
    await search.run(fleet.chosen, fleet.total, progress)
    end = search.stop or Position(start.skip + len(fleet.chosen))
    left = max(fleet.total - end.connector, 0)
    search.refuse_fruitless(complete=not left)
    wait = search.limited.retry_after if search.limited else None
    return FoundTables(
        places=list(search.rows.places.values()),
        tables_found=search.rows.tables,
        connectors_total=fleet.total if fleet.whole else None,
        connectors_scanned=search.scanned,
        without_schema=search.without_schema or None,
        failed=dict(search.failed) or None,
        columns_unread={why: Unread.of(each) for why, each in search.unread.items()} or None,
        connectors_left=left or None,
        complete=not left and fleet.whole,
        next_cursor=end.cursor().encode(filters) if left else None,
        retry_after_seconds=None if wait is None else ceil(wait),
        note=_note(search, fleet, left),
    )


@dataclass(frozen=True, slots=True)
class Fleet:
    """The connectors to look at, and how many there are in all."""

    chosen: Sequence[Connection]
    total: int
    nobody: str | None
    """Why it is nobody, if the service is why."""
    whole: bool


async def _list(fivetran: Client, group_id: str | None, service: str | None, skip: int) -> Fleet:
    """List all connectors and keep those of this call.

    The API pages by offset, so the end of a page may come again at the beginning of the next.
    """
    keep, chosen = Matching(service=service), list[Connection]()
    last: frozenset[str] = frozenset()
    total = read = 0
    async for _, page in pages(
        lambda position: fivetran.connections.page(group_id=group_id, cursor=position), ""
    ):
        for connection in page.items:
            if connection.id not in last and keep(connection):
                if skip <= total < skip + MOST_CONNECTORS:
                    chosen.append(connection)
                total += 1
        last = frozenset(each.id for each in page.items)
        read += 1
        if read == MOST_PAGES and page.next_cursor:
            return Fleet(chosen, total, None, whole=False)
    return Fleet(chosen, total, keep.nobody(group_id), whole=True)


@dataclass(slots=True)
class Looked:
    """What one connector has."""

    connector_id: str
    candidates: list[Candidate] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    """Tables whose columns cannot be read, and are not known, by reason."""


@dataclass(slots=True)
class Search:
    """One call's way through the connectors, in their order, until something ends it."""

    fivetran: Client
    wanted: Wanted
    start: Position
    limit: int
    rows: Rows
    stop: Position | None = None
    """Where to go on; None if it came to the end of what it was given."""
    ended_by: str | None = None
    """What ended it before that."""
    deadline: float = field(default_factory=lambda: anyio.current_time() + SECONDS)
    reads: int = 0
    scanned: int = 0
    without_schema: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    unread: dict[str, Counter[str]] = field(default_factory=dict)
    """Tables whose columns could not be read, by reason and connector."""
    limited: RateLimitedError | None = None
    error: FivetranError | None = None
    """The last failure of a connector."""

    async def run(self, chosen: Sequence[Connection], total: int, report: Reporter) -> None:
        """Look at connectors, chunk by chunk."""
        for first in range(0, len(chosen), CHUNK):
            at = self.start.connector + first
            if first and anyio.current_time() >= self.deadline:
                self._end(Position(at), _TIME)
                return
            await self._chunk(at, chosen[first : first + CHUNK])
            done = self.stop.connector if self.stop else at + len(chosen[first : first + CHUNK])
            await report(done, total, f"Scanned {done} of {total} connectors")
            if self.stop:
                return

    async def _chunk(self, at: int, chunk: Sequence[Connection]) -> None:
        answers = await self._each(self._look, list(enumerate(chunk, at)))
        queue: list[Candidate] = []
        for position, answer in enumerate(answers, at):
            if isinstance(answer, UnauthorizedError):
                raise answer
            if self._halts(Position(position), answer):
                break
            queue += answer.candidates if isinstance(answer, Looked) else ()
        await self._take(queue)
        passed = self.stop.connector - at if self.stop else None
        for each in [answer for answer in answers[:passed] if answer is not None]:
            self._count(each)

    def _halts(self, at: Position, answer: object) -> bool:
        """Stop where there was no time or no budget for an answer."""
        if isinstance(answer, RateLimitedError):
            self.limited = answer
        elif answer is not None:
            return False
        self._end(at, "as the account's budget of requests is used up" if answer else _TIME)
        return True

    def _end(self, at: Position, why: str) -> None:
        self.stop, self.ended_by = at, why

    def _count(self, answer: Looked | FivetranError) -> None:
        if isinstance(answer, Looked):
            self.scanned += 1
            for why, tables in answer.unread.items():
                self._note_unread(why, answer.connector_id, tables)
        elif isinstance(answer, SchemaNotReadyError):
            self.without_schema += 1
        else:
            self.failed[in_brief(answer).code] += 1
            self.error = answer

    def _note_unread(self, why: str, connector_id: str, tables: int) -> None:
        self.unread.setdefault(why, Counter())[connector_id] += tables

    async def _look(self, place: tuple[int, Connection]) -> Looked:
        """Keep of a configuration only what matches, and no more than one call can tell."""
        position, connection = place
        looked, most = Looked(connection.id), self.limit + MOST_READS
        config = await self.fivetran.schemas.get(connection.id)
        first = self.start.table if position == self.start.connector else 0
        for index, (schema_name, name, table, syncs) in enumerate(self.wanted.tables(config)):
            columns = self.wanted.columns(table.columns)
            hindrance = _hindrance(connection, table)
            if self.wanted.column and hindrance and not columns:
                looked.unread[hindrance] += 1
            elif index >= first:
                to_read = self.wanted.column is not None and not hindrance
                at = Position(position, index)
                looked.candidates.append(
                    Candidate(at, connection, schema_name, name, syncs, columns, to_read)
                )
            if len(looked.candidates) > most:
                break
        return looked

    async def _take(self, queue: Sequence[Candidate]) -> None:
        """Take candidates into the answer, in order; read their columns first, where they are sought."""
        done = 0
        while done < len(queue):
            size = min(self.limit - self.rows.tables, MOST_READS - self.reads)
            late = self.reads > 0 and anyio.current_time() >= self.deadline
            if size <= 0 or late:
                full = self.rows.tables >= self.limit
                reads = f"after reading the columns of {MOST_READS} tables"
                why = f"at limit={self.limit}" if full else _TIME if late else reads
                self._end(queue[done].at, why)
                return
            batch = queue[done : done + size]
            to_read = [each for each in batch if each.to_read]
            answers = iter(await self._each(self._read, to_read))
            self.reads += len(to_read)
            for each in batch:
                answer = next(answers) if each.to_read else each
                if self._halts(each.at, answer) or not self._add(each, answer):
                    return
            done += size

    async def _read(self, candidate: Candidate) -> Candidate:
        columns = await self.fivetran.schemas.columns(
            candidate.connection.id, candidate.schema_name, candidate.table
        )
        candidate.columns = self.wanted.columns(columns)
        return candidate

    def _add(self, candidate: Candidate, answer: Candidate | FivetranError | None) -> bool:
        """Take a candidate into the answer, unless its columns do not match; False if it is full."""
        if isinstance(answer, FivetranError):
            self._note_unread(in_brief(answer).code, candidate.connection.id, 1)
        if self.wanted.column and not candidate.columns:
            return True
        if self.rows.add(candidate):
            return True
        self._end(candidate.at, "as the answer is full")
        return False

    async def _each(
        self, read: Callable[[T], Awaitable[V]], items: Sequence[T]
    ) -> list[V | FivetranError | None]:
        """Read several things, a few at once; None where there was no time left."""
        answers: list[V | FivetranError | None] = [None] * len(items)
        turns = anyio.CapacityLimiter(AT_ONCE)

        async def one(index: int) -> None:
            async with turns:
                try:
                    with anyio.fail_after(PATIENCE):
                        answers[index] = await read(items[index])
                except FivetranError as error:
                    answers[index] = error
                except TimeoutError:
                    answers[index] = DeadlineError(f"no answer within {PATIENCE:g} seconds")

        # Whatever the time, the first few are read, so that a call gets further than the one before.
        deadline = max(self.deadline, anyio.current_time() + 1.5 * PATIENCE)
        with anyio.CancelScope(deadline=deadline):
            async with anyio.create_task_group() as group:
                for index in range(len(items)):
                    group.start_soon(one, index)
        return answers

    def refuse_fruitless(self, *, complete: bool) -> None:
        """Let a search pass that got somewhere: a part that says so is better than an error.

        Raises:
            FivetranError: Nothing was read, and going on would not help.
        """
        if self.limited and self.stop == self.start:
            raise self.limited
        got_somewhere = self.scanned or self.without_schema or self.rows.tables
        if self.error and not got_somewhere and (self.error.retryable or complete):
            raise self.error


def _hindrance(connection: Connection, table: Table) -> str | None:
    """Say why the columns of a table cannot be read, if that is known beforehand."""
    if table.supports_columns_config is False:
        return "not_supported"
    return "not_connected" if connection.status.setup_state in {"broken", "incomplete"} else None


def _note(search: Search, fleet: Fleet, left: int) -> str | None:
    """Say what was not covered; None if everything was, and something found."""
    counts = {
        "without a schema yet": search.without_schema,
        "that could not be read": search.failed.total(),
    }
    gaps = [f"{count} {what}" for what, count in counts.items() if count]
    unread = sum(tables.total() for tables in search.unread.values())
    if search.rows.tables and fleet.whole and not (gaps or unread or left):
        return None
    scanned = f"{search.scanned} of {fleet.total} connectors"
    said = [
        f"Scanned {', '.join([scanned, *gaps])}{' in this call' if search.start.connector else ''}."
    ]
    if fleet.nobody:
        return fleet.nobody
    if not search.rows.tables:
        said.insert(0, "Nothing found in what was scanned.")
    if unread:
        said.append(f"The columns of {unread} tables that match could not be read.")
    if left:
        ended = search.ended_by or f"after {MOST_CONNECTORS} connectors"
        said.append(f"This call ended {ended}: {left} connectors are left, behind next_cursor.")
    if search.limited:
        said.append("Wait before going on.")
    if not fleet.whole:
        said.append("More connectors were not listed: narrow by group_id.")
    return " ".join(said)
