"""What `find_tables` seeks, and what it found: matches of names, and the rows of an answer."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal

from pydantic import Field

from mcp_server.fivetran.models import Column, Connection, SchemaConfig, Table
from mcp_server.toolkit import Result
from mcp_server.tools.paging import Cursor, size_of
from mcp_server.tools.results import name_of
from mcp_server.untrusted import clean_name

MOST_COLUMNS: Final = 10
"""Columns shown of one table."""
MOST_NAMED: Final = 5
"""Connectors that are named for each reason why columns could not be read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is sought."""

    pattern: str
    column: str | None
    enabled: bool | None

    def tables(self, config: SchemaConfig) -> Iterator[tuple[str, str, Table, bool]]:
        """Walk the tables that match: schema, name, table, whether it syncs."""
        is_wanted, dotted = _matcher(self.pattern), "." in self.pattern
        for schema_name, schema in config.schemas.items():
            before = _shown(schema_name, schema.name_in_destination) if dotted else set()
            for name, table in schema.tables.items():
                syncs = bool(schema.enabled and table.enabled)
                names = _shown(name, table.name_in_destination)
                whole = {f"{first}.{second}" for first in before for second in names}
                if self.enabled in {None, syncs} and any(map(is_wanted, names | whole)):
                    yield schema_name, name, table, syncs

    def columns(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Keep the columns that match, by the names that are shown; none if none are sought."""
        if self.column is None:
            return {}
        is_wanted = _matcher(self.column)
        shown = {clean_name(name): column for name, column in columns.items()}
        return {name: column for name, column in shown.items() if is_wanted(name.casefold())}


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Make a test of names: part of them, or with `*` all of them; nothing else is special."""
    wanted = pattern.casefold()
    if "*" not in wanted:
        return lambda name: wanted in name
    escaped = "".join(f"[{each}]" if each in "?[" else each for each in wanted)
    return lambda name: fnmatchcase(name, escaped)


def _shown(*names: str | None) -> set[str]:
    return {clean_name(name).casefold() for name in names if name}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a search stands: at a connector of the list, at a table of those that match in it."""

    connector: int
    table: int = 0

    @classmethod
    def of(cls, cursor: Cursor) -> "Position":
        """Read it from a cursor."""
        return cls(cursor.skip, int(cursor.upstream) if cursor.upstream.isdecimal() else 0)

    def cursor(self) -> Cursor:
        """Write it as a cursor."""
        return Cursor(str(self.table), self.connector)


@dataclass(slots=True)
class Candidate:
    """A table that matches, at its place; with the columns that match, where they are sought."""

    at: Position
    connection: Connection
    schema_name: str
    table: str
    syncs: bool
    columns: dict[str, Column]
    to_read: bool


class Unread(Result):
    """Tables that match whose columns could not be read, for one reason."""

    tables: int
    connector_ids: list[str] = Field(description="Of the connectors that have them.")
    more: int | None = Field(default=None, description="Connectors not shown.")

    @classmethod
    def of(cls, tables: Counter[str]) -> "Unread":
        """Tell of tables that were counted by connector."""
        more = max(len(tables) - MOST_NAMED, 0)
        named = list(tables)[:MOST_NAMED]
        return cls(tables=tables.total(), connector_ids=named, more=more or None)


class FoundColumn(Result):
    """A column that matches."""

    table: str
    column: str
    disabled: Literal[True] | None = Field(default=None, description="By its own switch.")
    hashed: Literal[True] | None = None


class Place(Result):
    """A schema of a connector in which something was found; names are the source's own."""

    connector_id: str
    name: str | None = None
    service: str | None = None
    schema_name: str
    tables: list[str] | None = Field(default=None, description="Those that sync.")
    disabled_tables: list[str] | None = Field(default=None, description="Those that do not.")
    columns: list[FoundColumn] | None = None
    more_columns: int | None = Field(default=None, description="Not shown: `get_table_columns`.")


@dataclass(slots=True)
class Rows:
    """What goes into one answer: no more than fits into `room` bytes."""

    room: int
    tables: int = 0
    places: dict[tuple[str, str], Place] = field(default_factory=dict)

    def add(self, found: Candidate) -> bool:
        """Take a table in, if there is room for it; for the first there always is."""
        place = _place(found)
        key = place.connector_id, place.schema_name
        before = self.places.get(key)
        after = _merged(before, place) if before else place
        more = size_of(after) - (size_of(before) if before else 0)
        if self.tables and more > self.room:
            return False
        self.room -= more
        self.tables += 1
        self.places[key] = after
        return True


def _place(found: Candidate) -> Place:
    name = clean_name(found.table)
    columns = [
        FoundColumn(
            table=name,
            column=column,
            disabled=None if each.enabled else True,
            hashed=True if each.hashed else None,
        )
        for column, each in found.columns.items()
    ]
    return Place(
        connector_id=found.connection.id,
        name=name_of(found.connection),
        service=found.connection.service,
        schema_name=clean_name(found.schema_name),
        tables=[name] if found.syncs else None,
        disabled_tables=None if found.syncs else [name],
        columns=columns[:MOST_COLUMNS] or None,
        more_columns=max(len(columns) - MOST_COLUMNS, 0) or None,
    )


def _merged(place: Place, more: Place) -> Place:
    return place.model_copy(
        update={
            "tables": [*(place.tables or ()), *(more.tables or ())] or None,
            "disabled_tables": [*(place.disabled_tables or ()), *(more.disabled_tables or ())]
            or None,
            "columns": [*(place.columns or ()), *(more.columns or ())] or None,
            "more_columns": (place.more_columns or 0) + (more.more_columns or 0) or None,
        }
    )
