"""The tool that drops blocked columns from the destination."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import OutcomeUnknownError
from mcp_server.fivetran.models import Column, Schema, SchemaConfig, Table
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Effect,
    Fivetran,
    Plan,
    Preview,
    Result,
    ToolFailure,
)
from mcp_server.tools.advanced import toolset
from mcp_server.tools.results import name_of
from mcp_server.tools.schema_items import shown
from mcp_server.tools.schema_plan import check_reads
from mcp_server.tools.schemas import MOST_NAMES, NO_COLUMNS
from mcp_server.tools.targets import find_name, listed, target_of
from mcp_server.untrusted import clean_name

V = TypeVar("V")
MOST_PROBLEMS: Final = 20

_Name = Annotated[str, Field(min_length=1)]
Columns = Annotated[
    dict[
        _Name,
        Annotated[dict[_Name, Annotated[list[_Name], Field(min_length=1)]], Field(min_length=1)],
    ],
    Field(min_length=1, description="Schema to table to columns, exact names of the source."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPlan(Plan):
    """Columns to drop, by the source's names and by the destination's."""

    name: str | None
    paused: bool
    columns: Mapping[str, Mapping[str, Sequence[str]]]
    in_destination: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A table with the columns of it that the call names."""

    place: tuple[str, str]
    schema: Schema
    table: Table
    names: Sequence[str]

    @property
    def is_known(self) -> bool:
        """Whether the configuration lists the columns: it has only those once changed."""
        return set(self.names) <= {clean_name(name) for name in self.table.columns}


@dataclass(slots=True)
class _Check:
    """What is wrong with the names, collected so that one answer says it all."""

    problems: list[str] = field(default_factory=list)

    def find(self, name: str, among: Mapping[str, V], kind: str) -> Iterator[tuple[str, V]]:
        """Find the source's own name and what it stands for, or note why not."""
        try:
            found = find_name(name, among, kind)
        except ToolFailure as failure:
            self.problems.append(failure.message)
        else:
            yield found, among[found]

    def tables(
        self, config: SchemaConfig, columns: Mapping[str, Mapping[str, Sequence[str]]]
    ) -> Iterator[_Wanted]:
        """Find the tables, leaving out those whose columns cannot be switched."""
        for wanted_schema, wanted_tables in columns.items():
            for schema_name, schema in self.find(wanted_schema, config.schemas, "schema"):
                kind = f"table in schema {clean_name(schema_name)!r}"
                for wanted_table, names in wanted_tables.items():
                    for name, table in self.find(wanted_table, schema.tables, kind):
                        place = (schema_name, name)
                        if table.supports_columns_config is False:
                            self.problems.append(f"{shown(place)!r} has no selection of columns")
                        else:
                            yield _Wanted(place, schema, table, names)

    def blocked(
        self, wanted: _Wanted, columns: Mapping[str, Column]
    ) -> Iterator[tuple[str, Column]]:
        """Find the columns of a table that are blocked, and note those that are not."""
        for wanted_name in wanted.names:
            kind = f"column in table {shown(wanted.place)!r}"
            for name, column in self.find(wanted_name, columns, kind):
                if column.enabled is False:
                    yield name, column
                else:
                    self.problems.append(f"{shown((*wanted.place, name))!r} is not blocked")


async def plan_column_drop(connector_id: str, columns: Columns, fivetran: Fivetran) -> DropPlan:
    """Check every name, and that every column is blocked, before anything is dropped."""
    check = _Check()
    tables = list(check.tables(await fivetran.schemas.get(connector_id), columns))
    check_reads(sum(not wanted.is_known for wanted in tables))
    found: dict[str, dict[str, list[str]]] = {}
    lost: dict[str, None] = {}
    for wanted in tables:
        known = await _columns(fivetran, connector_id, wanted)
        schema_name, table_name = wanted.place
        for name, column in check.blocked(wanted, known):
            names = found.setdefault(schema_name, {}).setdefault(table_name, [])
            names += [name] if name not in names else []
            lost[_in_destination(wanted, name, column)] = None
    if check.problems:
        raise _refused(check.problems)
    connection = await fivetran.connections.get(connector_id)
    count = f"{len(lost)} column{'s' if len(lost) > 1 else ''}"
    return DropPlan(
        name=name_of(connection),
        paused=bool(connection.paused),
        columns=found,
        in_destination=list(lost),
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect=f"At the next sync {count} would be dropped from the destination:"
            f" {listed(list(lost))}.",
            lost="Every value in them, of all times. The source keeps its own.",
            size=count,
            undo="It cannot be undone, nor called off before that sync.",
        ),
    )


async def _columns(fivetran: Client, connector_id: str, wanted: _Wanted) -> Mapping[str, Column]:
    if wanted.is_known:
        return wanted.table.columns
    return await fivetran.schemas.columns(connector_id, *wanted.place)


def _in_destination(wanted: _Wanted, name: str, column: Column) -> str:
    schema_name, table_name = wanted.place
    return shown(
        (
            wanted.schema.name_in_destination or schema_name,
            wanted.table.name_in_destination or table_name,
            column.name_in_destination or name,
        )
    )


def _refused(problems: Sequence[str]) -> ToolFailure:
    left = len(problems) - MOST_PROBLEMS
    return ToolFailure(
        "conflict",
        f"Nothing was dropped: {'; '.join(problems[:MOST_PROBLEMS])}"
        + (f"; and {left} more problems" if left > 0 else ""),
        hint="Only blocked columns can be dropped: block them first with update_schema_config"
        " (enabled=false). Names are the source's own: see get_table_columns.",
    )


class ColumnsDropped(Result):
    """Columns marked to be dropped."""

    connector_id: str
    name: str | None = None
    columns: int
    in_destination: list[str] = Field(description="schema.table.column, as named there.")
    more: int | None = Field(default=None, description="Marked as well, not named here.")
    next_step: str


@toolset.tool(
    title="Drop columns",
    effect=Effect.DESTRUCTIVE,
    idempotent=True,
    rejected_hint=NO_COLUMNS,
)
async def drop_columns(
    connector_id: ConnectorId,
    columns: Columns,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[DropPlan, Resolve(plan_column_drop)],
) -> ColumnsDropped:
    """Drop blocked columns, with all their values, from the destination at the next sync.

    Block them first with `update_schema_config`; that alone keeps loaded values.
    """
    try:
        await fivetran.schemas.drop_columns(connector_id, plan.columns)
    except OutcomeUnknownError:
        raise ToolFailure(
            "outcome_unknown",
            f"The columns of connector {connector_id} were to be marked for dropping, but the answer"
            " was lost",
            hint="Nothing shows a mark before the next sync. Calling again with the same columns does"
            " no harm: marked twice, a column is dropped once.",
        ) from None
    lost = plan.in_destination
    return ColumnsDropped(
        connector_id=connector_id,
        name=plan.name,
        columns=len(lost),
        in_destination=list(lost[:MOST_NAMES]),
        more=max(0, len(lost) - MOST_NAMES) or None,
        next_step="It is paused: they are dropped at the first sync after resume_connector."
        if plan.paused
        else "They are dropped at the next sync, by schedule or with sync_connector.",
    )
