"""The tool that tells what two connectors sync differently, or what changed of one since before.

Both sides are brought into one form, by names as they are shown: a configuration that is read now,
and a snapshot that the caller kept. The server itself keeps nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import (
    FivetranError,
    ForbiddenError,
    NotFoundError,
    SchemaNotReadyError,
)
from mcp_server.fivetran.models import ConnectionDetails
from mcp_server.toolkit import (
    ConnectorId,
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    Result,
    SourceName,
    ToolFailure,
)
from mcp_server.tools.paging import Cursor, part, room_for
from mcp_server.tools.results import name_of
from mcp_server.tools.schemas import toolset
from mcp_server.tools.selections import SAME_MODE, Selected, Side, Snapshot, SnapshotArgument
from mcp_server.tools.targets import find_name, listed
from mcp_server.untrusted import clean, clean_name

SNAPSHOT_BUDGET: Final = 24_000
"""Bytes of a snapshot that are handed out: it goes through the caller's context twice."""
Kind = Literal[
    "schema_change_handling",
    "schema_missing",
    "schema_switched",
    "column",
    "table_switched",
    "table_missing",
    "sync_mode",
    "unsynced_missing",
    "table_count",
]
KINDS: Final[Sequence[Kind]] = get_args(Kind)
"""What matters most first: many tables at once, data that is not protected, data that is missing."""
IDLE_KINDS: Final = frozenset({"schema_change_handling", "unsynced_missing", "table_count"})
"""Differences that change nothing about what syncs now."""


class Row(NamedTuple):
    """A difference, so that rows sort by what matters most and then by name."""

    rank: int
    schema: str = ""
    table: str = ""
    column: str = ""
    here: str = ""
    there: str = ""


_RANK: Final[Mapping[Kind, int]] = {kind: rank for rank, kind in enumerate(KINDS)}


def _compare(pairs: Iterable["Pair"]) -> Iterator[Row]:
    for pair in pairs:
        here, there = pair.here, pair.there
        if here and there and (bool(here.tables) == bool(there.tables)):
            yield from _compare_schemas(pair.name, here, there)
        else:
            # One row for the whole: there is nothing to say of each table that this does not.
            idle = not any(side and side.syncs for side in (here, there))
            yield Row(
                _RANK["unsynced_missing" if idle else "schema_missing"],
                pair.name,
                here=here.summary if here else "absent",
                there=there.summary if there else "absent",
            )


def _compare_schemas(name: str, here: Selected, there: Selected) -> Iterator[Row]:
    if here.disabled != there.disabled:
        yield Row(_RANK["schema_switched"], name, here=here.summary, there=there.summary)
        return
    for table in here.syncs.keys() | here.off | there.syncs.keys() | there.off:
        states = here.state(table), there.state(table)
        if states == ("syncs", "syncs"):
            yield from _compare_settings((name, table), here, there)
        elif "syncs" in states:
            kind: Kind = "table_missing" if "absent" in states else "table_switched"
            yield Row(_RANK[kind], name, table, "", *states)
        elif "absent" in states:
            yield Row(_RANK["unsynced_missing"], name, table, "", *states)
    if (here.off_count or there.off_count) and here.tables != there.tables:
        counts = f"{here.tables} tables", f"{there.tables} tables"
        yield Row(_RANK["table_count"], name, "", "", *counts)


def _compare_settings(place: tuple[str, str], here: Selected, there: Selected) -> Iterator[Row]:
    """Compare how a table syncs on both sides."""
    table = place[1]
    modes = here.syncs[table], there.syncs[table]
    if modes[0] != modes[1] and not SAME_MODE.issuperset(modes):
        yield Row(_RANK["sync_mode"], *place, "", *modes)
    ours, theirs = here.columns.get(table, {}), there.columns.get(table, {})
    for column in ours.keys() | theirs.keys():
        states = ours.get(column, "in clear"), theirs.get(column, "in clear")
        if states[0] != states[1]:
            yield Row(_RANK["column"], *place, column, *states)


class Pair(NamedTuple):
    """A schema, here and there."""

    name: str
    name_there: str
    here: Selected | None
    there: Selected | None


def _pairs(here: Side, there: Side, schema: str | None, *, foreign: bool) -> list[Pair]:
    """Match schemas by name; of another connector also the only one with the only one.

    Raises:
        ToolFailure: The one schema that is wanted is on neither side.
    """
    ours, theirs = here.schemas, there.schemas
    pairs = {
        name: Pair(name, name, ours.get(name), theirs.get(name)) for name in {**ours, **theirs}
    }
    if foreign and there.only is None and len(ours) == len(theirs) == 1:
        ((name, one),), ((name_there, other),) = ours.items(), theirs.items()
        pairs = dict.fromkeys((name_there, name), Pair(name, name_there, one, other))
        schema = name if schema is None else schema
    wanted = there.only if schema is None else clean_name(schema)
    return [*pairs.values()] if wanted is None else [pairs[find_name(wanted, pairs, "schema")]]


async def _details(fivetran: Client, connector_id: str) -> ConnectionDetails | None:
    """Read what a connector is; one that cannot be read stays an id."""
    try:
        return await fivetran.connections.get(connector_id)
    except FivetranError:
        return None


Known = tuple[ConnectionDetails | None, ConnectionDetails | None]


def _whose(known: Known, snapshot: Snapshot | None) -> list[str]:
    """Say where two that are compared are not of one kind."""
    if snapshot is not None:
        return [f"The snapshot is of connector {snapshot.connector_id}."]
    here, there = (each and clean(each.service or "unknown", 100) for each in known)
    if here and there and here != there:
        return [f"Different services: here {here}, there {there}."]
    return []


class Difference(Result):
    """What is not the same on both sides; table absent: the whole schema."""

    kind: Kind
    schema_name: str | None = None
    table: str | None = None
    column: str | None = None
    here: str
    there: str


class SchemaComparison(Result):
    """What differs, or a snapshot to compare with later; names are not instructions."""

    connector_id: str
    name: str | None = None
    other_connector_id: str | None = None
    other_name: str | None = None
    identical: bool | None = None
    synced_here: int | None = Field(default=None, description="Tables.")
    synced_there: int | None = Field(default=None, description="Tables.")
    counts: dict[str, int] | None = Field(default=None, description="Differences by kind.")
    differences: list[Difference] | None = Field(default=None, description="The worst first.")
    complete: bool
    next_cursor: str | None = None
    notes: list[str] | None = None
    snapshot: Snapshot | None = None


@toolset.tool(title="Compare schema configurations", effect=Effect.READ)
async def compare_schema(
    connector_id: ConnectorId,
    other_connector_id: Maybe[ConnectorId] = None,
    snapshot: Maybe[SnapshotArgument] = None,
    schema: Maybe[SourceName] = None,
    limit: Limit = 50,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> SchemaComparison:
    """Compare what a connector syncs with what another one does, or with what it did before.

    `here` is connector_id; `there` the other one, or the earlier `snapshot`. With neither, answers
    with a `snapshot` to keep. The selection itself: `get_schema_config`.
    """
    _refuse_contradictions(connector_id, other_connector_id, snapshot, schema)
    kept = None if snapshot is None else snapshot.model_dump(mode="json")
    filters = {"compare": [connector_id, other_connector_id, schema, kept]}
    start = Cursor.decode(cursor, filters)
    here = await _read(fivetran, connector_id)
    known: Known = (None, None)
    if snapshot is not None:
        there = Side.of_snapshot(snapshot)
    elif other_connector_id is not None:
        there = await _read(fivetran, other_connector_id)
        known = await _details(fivetran, connector_id), await _details(fivetran, other_connector_id)
    else:
        return _keep(connector_id, here.narrowed(schema))
    foreign = snapshot is None or snapshot.connector_id != connector_id
    pairs = _pairs(here, there, schema, foreign=foreign)
    rows = sorted([*_handling(here, there, schema), *_compare(pairs)])
    found = part(
        [_told(row) for row in rows],
        start=start,
        filters=filters,
        limit=limit,
        room=room_for(limit),
    )
    return SchemaComparison(
        connector_id=connector_id,
        name=name_of(known[0]) if known[0] else None,
        other_connector_id=other_connector_id,
        other_name=name_of(known[1]) if known[1] else None,
        identical=not rows,
        synced_here=sum(len(pair.here.syncs) for pair in pairs if pair.here),
        synced_there=sum(len(pair.there.syncs) for pair in pairs if pair.there),
        counts=dict(Counter(KINDS[row.rank] for row in rows)) or None,
        differences=list(found.rows),
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
        notes=[*_whose(known, snapshot if foreign else None), *_notes(pairs, rows)] or None,
    )


def _refuse_contradictions(
    connector_id: str, other_connector_id: str | None, snapshot: Snapshot | None, schema: str | None
) -> None:
    problem = None
    if other_connector_id is not None and snapshot is not None:
        problem = "other_connector_id: does not go with snapshot; give one of them"
    elif other_connector_id == connector_id:
        problem = "other_connector_id: is connector_id itself; give another, or an earlier snapshot"
    elif snapshot and schema and snapshot.only is not None:
        only = clean_name(snapshot.only)
        if only != clean_name(schema):
            problem = f"schema: the snapshot is about {clean(only, 100)!r} only"
    if problem:
        raise ToolFailure(
            "invalid_arguments",
            f"compare_schema was not called: {problem}",
            hint="Nothing was sent. With neither of the two, it answers with a snapshot to keep.",
        )


async def _read(fivetran: Client, connector_id: str) -> Side:
    """Read one of two; what is wrong names which of them it is about."""
    try:
        return Side.of_config(await fivetran.schemas.get(connector_id))
    except (SchemaNotReadyError, NotFoundError, ForbiddenError) as error:
        code, what, hint = _REFUSALS[type(error)]
        raise ToolFailure(
            code, f"compare_schema: connector {connector_id} {what}", hint=hint
        ) from error


_REFUSALS: Final[Mapping[type[FivetranError], tuple[str, str, str]]] = {
    SchemaNotReadyError: (
        "schema_not_ready",
        "has no schema configuration yet",
        "Call reload_schema_config for it, or wait for its first sync; then compare again.",
    ),
    NotFoundError: (
        "not_found",
        "is not known to Fivetran, or the key may not see it",
        "A name is no id: take ids from list_connectors.",
    ),
    ForbiddenError: (
        "forbidden",
        "has a schema configuration that the API key may not read",
        "An account administrator can give the key the right; trying again will not help.",
    ),
}


def _keep(connector_id: str, side: Side) -> SchemaComparison:
    """Answer with a snapshot, if there is one that is not too large to be kept."""
    sizes = []
    for named in (True, False):
        snapshot = side.kept(connector_id, named=named)
        written = snapshot.model_dump_json(exclude_none=True)
        sizes.append(len(written.encode()))
        if sizes[-1] <= SNAPSHOT_BUDGET:
            return SchemaComparison(
                connector_id=connector_id,
                complete=True,
                notes=None if named else [ONLY_COUNTED],
                snapshot=snapshot,
            )
    return SchemaComparison(
        connector_id=connector_id,
        complete=False,
        notes=[
            f"A snapshot would take {sizes[-1] // 4} tokens, which is too much to keep. "
            + (
                f"Ask for one schema at a time, with schema: {listed(list(side.schemas))}."
                if len(side.schemas) > 1
                else "get_schema_config lists the selection part by part; two connectors of any"
                " size can be compared with other_connector_id."
            )
        ],
    )


ONLY_COUNTED: Final = (
    "Tables that do not sync are too many to be named in a snapshot and were only counted: of new ones"
    " among them only the number will be noticed. With schema, one schema's may fit."
)


def _handling(here: Side, there: Side, schema: str | None) -> Iterator[Row]:
    """Compare what becomes of new objects; a single schema has no say in that."""
    values = here.handling, there.handling
    if schema is None and all(values) and values[0] != values[1]:
        yield Row(_RANK["schema_change_handling"], here=str(values[0]), there=str(values[1]))


def _told(row: Row) -> Difference:
    return Difference(
        kind=KINDS[row.rank],
        schema_name=row.schema or None,
        table=row.table or None,
        column=row.column or None,
        here=row.here,
        there=row.there,
    )


IN_CLEAR: Final = (
    "Of columns only excluded and hashed ones are known here: `in clear` can also be one that is not"
    " there. get_table_columns has all of a table."
)


def _notes(pairs: Sequence[Pair], rows: Sequence[Row]) -> list[str]:
    """Say what a reader could take the wrong way."""
    sides = [side for pair in pairs for side in (pair.here, pair.there) if side]
    renamed = "; ".join(
        f"here {clean(pair.name, 100)!r}, there {clean(pair.name_there, 100)!r}"
        for pair in pairs
        if pair.name != pair.name_there
    )
    signs = (
        (bool(renamed), f"Each has one schema, so these were compared: {renamed}."),
        (
            bool(rows) and all(KINDS[row.rank] in IDLE_KINDS for row in rows),
            "What syncs now is the same.",
        ),
        (
            any(side.columns for side in sides),
            IN_CLEAR,
        ),
        (
            any(side.off_count for side in sides),
            "The snapshot does not name the tables that did not sync, so they are compared by number.",
        ),
    )
    return [text for applies, text in signs if applies]
