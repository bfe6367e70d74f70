"""Tools on destination groups, where connectors live."""

from mcp_server.fivetran.models import Group
from mcp_server.toolkit import (
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    NameContains,
    Result,
    Toolset,
)
from mcp_server.tools.paging import walk
from mcp_server.tools.results import name_of

toolset = Toolset("groups")


class GroupRow(Result):
    """A destination group."""

    id: str
    name: str | None = None


class GroupList(Result):
    """A part of the groups."""

    groups: list[GroupRow]
    complete: bool
    next_cursor: str | None = None


@toolset.tool(title="List groups", effect=Effect.READ)
async def list_groups(
    name_contains: Maybe[NameContains] = None,
    limit: Limit = 50,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> GroupList:
    """List destination groups: ids and names. Every connector lives in one."""
    wanted = (name_contains or "").casefold()

    def keep(group: Group) -> bool:
        return wanted in (group.name or "").casefold()

    found = await walk(
        lambda position: fivetran.groups.page(cursor=position),
        filters={"groups": wanted},
        cursor=cursor,
        limit=limit,
        keep=keep,
    )
    return GroupList(
        groups=[GroupRow(id=g.id, name=name_of(g)) for g in found.rows],
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
    )
