"""What a call is about: the connector for a preview, and names resolved against a configuration."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import FivetranError
from mcp_server.fivetran.models import ConnectionDetails, SchemaConfig
from mcp_server.toolkit import Target, ToolFailure
from mcp_server.tools.health import state_of
from mcp_server.untrusted import clean, clean_name

V = TypeVar("V")
MOST_NAMED: Final = 10
NEAREST: Final = 3
MOST_COMPARED: Final = 5_000
"""Names among which the nearest ones are sought, by their first 100 characters: it takes time."""


async def target_of(fivetran: Fivetran, connection: ConnectionDetails) -> Target:
    """Name a connector and its group; a group that cannot be read stays an id."""
    group_name = None
    if connection.group_id:
        try:
            group_name = (await fivetran.groups.get(connection.group_id)).name
        except FivetranError:
            group_name = None
    return Target(
        connector_id=connection.id,
        name=clean(connection.name, 200) if connection.name else None,
        service=connection.service,
        group_id=connection.group_id,
        group_name=clean(group_name, 200) if group_name else None,
        state=state_of(connection),
        paused=connection.paused,
        last_success=connection.succeeded_at,
    )


def listed(texts: Sequence[str]) -> str:
    """Name some and count the rest."""
    names = ", ".join(clean(text, 100) for text in texts[:MOST_NAMED])
    left = len(texts) - MOST_NAMED
    return f"{names} and {left} more" if left > 0 else names


async def count_of(fivetran: Fivetran, connector_id: str) -> str:
    """Say how much a connector syncs; a configuration that cannot be read is not counted."""
    try:
        config = await fivetran.schemas.get(connector_id)
    except FivetranError:
        return "number of tables unknown"
    schemas = [schema for schema in config.schemas.values() if schema.enabled]
    tables = sum(bool(table.enabled) for schema in schemas for table in schema.tables.values())
    return f"{tables} enabled {'table' if tables == 1 else 'tables'}"


def find_name(name: str, among: Mapping[str, V], kind: str) -> str:
    """Find the source's own name for one that a model wrote.

    Names are shown without characters that do not show, so they are found without them too.

    Raises:
        ToolFailure: There is none, and the nearest ones are named; or there is more than one.
    """
    if name in among:
        return name
    shown = [clean_name(key) for key in among]
    match [key for key, as_shown in zip(among, shown, strict=True) if as_shown == name]:
        case [only]:
            return only
        case []:
            raise unknown_name(name, shown, kind)
        case several:
            raise ToolFailure(
                "invalid_arguments",
                f"More than one {kind} shows as {clean(name, 100)!r}: {len(several)} names differ"
                " only in characters that do not show",
                hint="They cannot be told apart here: a person can in Fivetran's dashboard.",
            )


def unknown_name(name: str, among: Iterable[str], kind: str) -> ToolFailure:
    """Say that there is no such name, and what comes nearest to it."""
    names = list(among)
    folded = {key[:100].casefold(): key for key in names[:MOST_COMPARED]}
    near: Sequence[str] = difflib.get_close_matches(
        name[:100].casefold(), folded, n=NEAREST, cutoff=0.5
    )
    nearest = ", ".join(repr(clean(folded[key], 100)) for key in near)
    return ToolFailure(
        "not_found",
        f"There is no {kind} named {clean(name, 100)!r}"
        + (f"; the nearest: {nearest}" if nearest else f"; there are {len(names)}{_all(names)}"),
        hint="Names are case-sensitive and the source's own: see get_schema_config and"
        " get_table_columns.",
    )


def _all(names: Sequence[str]) -> str:
    """Name all, if they are few."""
    return f": {listed([repr(name) for name in names])}" if 0 < len(names) <= MOST_NAMED else ""


def find_tables(config: SchemaConfig, tables: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Find the source's own names of tables, by schema.

    Raises:
        ToolFailure: A name is unknown.
    """
    found: dict[str, list[str]] = {}
    for schema_name, table_names in tables.items():
        schema = find_name(schema_name, config.schemas, "schema")
        among = config.schemas[schema].tables
        kind = f"table in schema {clean(schema, 100)!r}"
        named = [find_name(name, among, kind) for name in table_names]
        found[schema] = list(dict.fromkeys([*found.get(schema, []), *named]))
    return found
