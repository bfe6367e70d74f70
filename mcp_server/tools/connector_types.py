"""Tools on connector types: what can be connected, and what each type needs."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError, NotFoundError
from mcp_server.fivetran.models import ConnectorType, ConnectorTypeDetails
from mcp_server.toolkit import (
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    Result,
    ToolFailure,
    Toolset,
)
from mcp_server.tools.config_fields import Place, naming, places, spelled
from mcp_server.tools.connectors import ServiceName
from mcp_server.tools.paging import Cursor, part
from mcp_server.tools.targets import NEAREST, listed
from mcp_server.tools.type_search import near, plain, search
from mcp_server.untrusted import clean, clean_name

toolset = Toolset("types")

MOST_BYTES: Final = 16_000
"""Of the fields in one answer: about 4,000 tokens."""
MOST_OPTIONS: Final = 40
LONGEST_ABOUT: Final = 100
_FEATURES: Final = {
    "HISTORY": "history_mode",
    "COLUMN_HASHING": "column_hashing",
    "DATA_BLOCKING": "table_selection",
    "CAPTURE_DELETES": "deletes",
    "ROW_FILTERING": "row_filters",
    "AUTHORIZATION_VIA_API": "authorization_by_api",
}

Query = Annotated[
    str,
    Field(min_length=1, max_length=200, description="Name, id or words, e.g. `google ads`."),
]
Section = Literal["required", "optional", "auth", "all"]


class TypeRow(Result):
    """A connector type that matches."""

    id: str
    name: str | None = None
    connector_class: str | None = None
    status: str | None = None
    api: bool = Field(description="Whether it can be set up by API.")


class TypeList(Result):
    """A part of the connector types that match."""

    types: list[TypeRow]
    complete: bool
    next_cursor: str | None = None
    note: str | None = None


class FieldRow(Result):
    """A field; what does not apply is absent."""

    path: str
    type: str | None = Field(default=None, description="Absent: a string.")
    enum: list[str] | None = None
    more_options: int | None = None
    default: Any = None
    required: bool | None = None
    secret: bool | None = None
    permanent: bool | None = Field(default=None, description="Cannot be changed later.")
    about: str | None = None


class ConnectorTypeNeeds(TypeRow):
    """What a connector type needs, and can do."""

    naming: list[str] = Field(description="Config fields with its name in the destination.")
    features: list[str]
    fields: list[FieldRow]
    optional_fields: int | None = None
    auth_fields: int | None = None
    complete: bool
    next_cursor: str | None = None
    next_step: str


@toolset.tool(title="Search connector types", effect=Effect.READ)
async def search_connector_types(
    query: Query,
    limit: Limit = 10,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> TypeList:
    """Find connector types (services) that can be connected, by name; best match first.

    What one needs: `describe_connector_type`. Existing connectors: `list_connectors`.
    """
    wanted = plain(query)
    filters = {"types": wanted}
    start = Cursor.decode(cursor, filters)
    types = await fivetran.connector_types.all()
    rows, note = search(wanted, types), None
    if not rows:
        rows = near(wanted, types)
        note = (
            "No type has these words; these are spelled nearly so."
            if rows
            else _none(types, wanted)
        )
    found = part(rows, start=start, filters=filters, limit=limit)
    return TypeList(
        types=[TypeRow(**_row(each)) for each in found.rows],
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
        note=note,
    )


@toolset.tool(
    title="Describe connector type",
    effect=Effect.READ,
    rejected_hint="Find the id of the type with search_connector_types.",
)
async def describe_connector_type(
    service: ServiceName,
    section: Annotated[
        Section, Field(description="Which fields; `required` counts the others.")
    ] = "required",
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> ConnectorTypeNeeds:
    """Show which `config` and `auth` fields a connector type needs, and what it can do.

    Read it before `create_connector`.
    """
    filters = {"service": service, "section": section}
    start = Cursor.decode(cursor, filters)
    try:
        details = await fivetran.connector_types.get(service)
    except NotFoundError:
        raise await unknown_type(fivetran, service) from None
    known = places(details)
    others = section == "required"
    rows = [_field(place, marked=not others) for place in _chosen(known, section)]
    optional = len(_chosen(known, "optional"))
    found = part(rows, start=start, filters=filters, limit=_fitting(rows[start.skip :]))
    return ConnectorTypeNeeds(
        **_row(details),
        naming=[" or ".join(group) for group in naming(details)],
        features=_features(details),
        fields=list(found.rows),
        optional_fields=optional if others else None,
        auth_fields=len(_chosen(known, "auth")) if others else None,
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
        next_step=" ".join(_next_steps(details, _chosen(known, "optional"))),
    )


def _row(each: ConnectorType) -> dict[str, Any]:
    return {
        "id": clean_name(each.id)[:LONGEST_ABOUT],
        "name": clean(each.name, LONGEST_ABOUT) if each.name else None,
        "connector_class": clean(each.connector_class, 40) if each.connector_class else None,
        "status": clean(each.service_status, 40) if each.service_status else None,
        "api": each.can("API_CONFIGURABLE"),
    }


def _none(types: Sequence[ConnectorType], wanted: str) -> str:
    found = near(wanted, types, likeness=0.5)[:NEAREST]
    nearest = f"; the nearest: {listed([each.id for each in found])}" if found else ""
    return f"None of the {len(types)} types that Fivetran's API lists is named like this{nearest}."


async def unknown_type(fivetran: Client, service: str) -> ToolFailure:
    """Say that there is no such type, and what comes nearest to it."""
    try:
        types = await fivetran.connector_types.all()
    except FivetranError:
        types = ()
    wanted = plain(service)
    found = dict.fromkeys(each.id for each in [*search(wanted, types), *near(wanted, types)])
    nearest = f"; the nearest: {listed([*found][:NEAREST])}" if found else ""
    return ToolFailure(
        "not_found",
        f"There is no connector type with the id {service!r}{nearest}",
        hint="Find its id with search_connector_types.",
    )


def _chosen(known: Sequence[Place], section: Section) -> list[Place]:
    """Choose the fields of a section, those that are required first."""
    of_section = {
        "required": lambda place: place.required,
        "optional": lambda place: not (place.required or _is_auth(place)),
        "auth": _is_auth,
        "all": lambda _: True,
    }[section]
    return sorted(filter(of_section, known), key=lambda place: not place.required)


def _is_auth(place: Place) -> bool:
    return place.path.startswith("auth.")


def _field(place: Place, *, marked: bool) -> FieldRow:
    """Describe a field, and whether it is required, unless all of them are."""
    field = place.field
    texts = (text for option in field.enum if (text := spelled(option)) is not None)
    options = [clean(text, LONGEST_ABOUT) for text in texts]
    kind = "object" if field.properties else field.type
    return FieldRow(
        path=place.path,
        type=None if options or not kind or kind == "string" else clean(kind, 20),
        enum=options[:MOST_OPTIONS] or None,
        more_options=max(len(options) - MOST_OPTIONS, 0) or None,
        default=None if place.secret else _scalar(field.default),
        required=(marked and place.required) or None,
        secret=place.secret or None,
        permanent=place.permanent or None,
        about=clean(field.description, LONGEST_ABOUT) if field.description else None,
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, LONGEST_ABOUT)
    return value if isinstance(value, bool | int | float) else None


def _fitting(rows: Sequence[FieldRow]) -> int:
    """Count how many rows fit into an answer; one always does."""
    used = 0
    for count, row in enumerate(rows):
        used += len(row.model_dump_json(exclude_none=True).encode())
        if used > MOST_BYTES:
            return max(count, 1)
    return max(len(rows), 1)


def _features(details: ConnectorTypeDetails) -> list[str]:
    """Name what matters to the other tools; how far a re-sync goes stands in its notes."""
    resync = [
        "resync_tables" if "table" in (each.notes or "").casefold() else "resync_connector"
        for each in details.supported_features
        if each.id == "RE_SYNC"
    ]
    return [*resync, *(word for feature, word in _FEATURES.items() if details.can(feature))]


def _next_steps(details: ConnectorTypeDetails, optional: Sequence[Place]) -> Iterator[str]:
    if not details.can("API_CONFIGURABLE"):
        yield "It cannot be set up by API: a person does it in Fivetran's dashboard."
        return
    yield "create_connector with these fields."
    if optional:
        names = listed([place.path.removeprefix("config.") for place in optional])
        yield f"Optional, some needed together (see section=optional): {names}."
    if optional and not details.config.required:
        yield "Fivetran marks none of them as required."
    if details.auth.properties:
        yield "A person authorizes it: create_connect_card."
        if details.can("AUTHORIZATION_VIA_API"):
            yield "Or give auth: see section=auth."
