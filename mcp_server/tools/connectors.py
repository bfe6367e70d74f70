"""Tools on connectors as such: find, read, create, change, delete."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import ForbiddenError
from mcp_server.fivetran.models import Connection, ConnectionDetails
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    CursorText,
    Effect,
    Fivetran,
    GroupId,
    Limit,
    Maybe,
    NameContains,
    Plan,
    Preview,
    Result,
    Toolset,
)
from mcp_server.tools.health import FINE, State, state_of
from mcp_server.tools.paging import walk
from mcp_server.tools.results import (
    ConnectorDetails,
    ConnectorRow,
    details,
    name_of,
    row,
)
from mcp_server.tools.state import ConnectorState, state_in_parts
from mcp_server.tools.targets import count_of, target_of

toolset = Toolset("connectors")

ServiceName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="Id of the source type, e.g. `google_ads`.",
    ),
]
StateFilter = Annotated[
    Literal[State, "unhealthy"],
    Field(
        description="`unhealthy`: any but paused, syncing, healthy. `failing`: the last sync failed"
        " or tasks are open; `rescheduled`: waits for the source's quota; `delayed`: data older than"
        " expected."
    ),
]


class ConnectorList(Result):
    """A part of the connectors that match."""

    connectors: list[ConnectorRow]
    complete: bool = Field(description="False: there are more, behind next_cursor.")
    next_cursor: str | None = None
    note: str | None = None


@toolset.tool(title="List connectors", effect=Effect.READ)
async def list_connectors(
    group_id: Maybe[GroupId] = None,
    schema: Maybe[
        Annotated[str, Field(min_length=1, max_length=500, description="Exact connector name.")]
    ] = None,
    service: Maybe[ServiceName] = None,
    state: Maybe[StateFilter] = None,
    sync_state: Maybe[
        Annotated[
            Literal["scheduled", "syncing", "paused", "rescheduled"],
            Field(description="Fivetran's own sync state."),
        ]
    ] = None,
    name_contains: Maybe[NameContains] = None,
    limit: Limit = 50,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> ConnectorList:
    """Find connectors (also called connections): id, name, state and what explains it.

    Filters combine, over the whole account. Where last_success is absent it never synced. What is
    wrong in the account: `triage_connectors`. One connector in full: `get_connector`.
    """
    wanted = (name_contains or "").casefold()
    keep = Matching(service=service, state=state, sync_state=sync_state, name_contains=wanted)
    found = await walk(
        lambda position: fivetran.connections.page(group_id=group_id, name=schema, cursor=position),
        filters={"connectors": [group_id, schema, service, state, sync_state, wanted]},
        cursor=cursor,
        limit=limit,
        keep=keep,
    )
    if group_id and not found.rows and cursor is None:
        # An empty list must not hide a wrong id.
        await check_group(fivetran, group_id)
    return ConnectorList(
        connectors=[row(connection, fivetran.now()) for connection in found.rows],
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
        note=None if found.rows or found.next_cursor or cursor or schema else keep.nobody(group_id),
    )


@dataclass(slots=True, kw_only=True)
class Matching:
    """The filter of what Fivetran itself does not filter by; None is any."""

    service: str | None = None
    state: StateFilter | None = None
    sync_state: str | None = None
    name_contains: str | None = None
    seen: bool = False
    """Whether any connector had the service, whatever else it had."""

    def __call__(self, connection: Connection) -> bool:
        """Whether a connector matches."""
        if self.service not in {None, connection.service}:
            return False
        self.seen, now = True, state_of(connection)
        return (
            (self.name_contains or "").casefold() in (connection.name or "").casefold()
            and self.sync_state in {None, connection.status.sync_state}
            and (self.state in {None, now} or (self.state == "unhealthy" and now not in FINE))
        )

    def nobody(self, group_id: str | None) -> str | None:
        """Say that none of the connectors looked at has the service; None if one has, or none is sought."""
        if self.service is None or self.seen:
            return None
        return (
            f"No connector{' of this group' if group_id else ''} has this service. Ids of services are"
            " lower case, like google_ads: search_connector_types finds them by name."
        )


async def check_group(fivetran: Client, group_id: str) -> None:
    """Let a group pass that is there, or that the key may not look at.

    Raises:
        NotFoundError: It is not there.
    """
    with suppress(ForbiddenError):  # a key may see connectors and no groups
        await fivetran.groups.get(group_id)


@toolset.tool(title="Get connector", effect=Effect.READ)
async def get_connector(connector_id: ConnectorId, *, fivetran: Fivetran) -> ConnectorDetails:
    """Read one connector: state, schedule, tasks, warnings, configuration without secrets.

    For why it does not sync, `get_sync_status` is shorter.
    """
    return ConnectorDetails(**details(await fivetran.connections.get(connector_id)))


NO_STATE: Final = (
    "Only Function and Connector SDK connectors keep a state that can be read, and only after they"
    " have written one. For other services see get_sync_status."
)


@toolset.tool(title="Get connector state", effect=Effect.READ, rejected_hint=NO_STATE)
async def get_connector_state(connector_id: ConnectorId, *, fivetran: Fivetran) -> ConnectorState:
    """Read the cursors that a Function or Connector SDK connector keeps between syncs.

    Other services have none. Whether and when it syncs: `get_sync_status`.
    """
    return state_in_parts(connector_id, await fivetran.connections.state(connector_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionPlan(Plan):
    """A connector to delete."""

    connection: ConnectionDetails


async def plan_deletion(connector_id: str, fivetran: Fivetran) -> DeletionPlan:
    """Tell what deleting a connector would lose."""
    connection = await fivetran.connections.get(connector_id)
    return DeletionPlan(
        connection=connection,
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect="The connector would be deleted.",
            lost="Its configuration and credentials, its selection of tables, its cursors and its"
            " sync history. Data already in the destination stays.",
            size=await count_of(fivetran, connector_id),
            undo="It cannot be undone: a new one has another id and loads all history again."
            " To only stop it, use pause_connector.",
        ),
    )


class Deleted(Result):
    """A connector that is gone."""

    connector_id: str
    name: str | None = None
    deleted: Literal[True] = True


@toolset.tool(title="Delete connector", effect=Effect.DESTRUCTIVE, idempotent=True)
async def delete_connector(
    connector_id: ConnectorId,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[DeletionPlan, Resolve(plan_deletion)],
) -> Deleted:
    """Delete a connector for good, with its configuration, credentials, cursors and history.

    To only stop it use `pause_connector`. Data already loaded stays in the destination.
    """
    await fivetran.connections.delete(connector_id)
    return Deleted(connector_id=connector_id, name=name_of(plan.connection))
