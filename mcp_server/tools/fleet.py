"""Tools on all connectors of an account at once."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.toolkit import (
    CursorText,
    Effect,
    Fivetran,
    GroupId,
    Limit,
    Maybe,
    Result,
    Timestamp,
    Toolset,
    Whole,
)
from mcp_server.tools.connectors import Matching, ServiceName
from mcp_server.tools.paging import MOST_PAGES, Cursor, pages, part
from mcp_server.tools.triage import Cluster, Triage, marked

toolset = Toolset("fleet")

MOST_GROUPS: Final = 10


class Example(Result):
    """A connector of a cluster."""

    id: str
    name: str | None = None


class ClusterRow(Result):
    """Connectors of one service in trouble for one cause."""

    cause: str
    service: str | None = None
    count: int
    since: Timestamp | None = Field(default=None, description="Of the first of them.")
    connectors: list[Example]
    more: int | None = Field(default=None, description="Connectors not shown.")
    change: Literal["new", "changed"] | None = None


class FleetTriage(Result):
    """What is wrong in an account."""

    total: int
    in_trouble: int
    states: dict[str, int]
    groups: dict[str, int] = Field(description="Connectors in trouble, by group id.")
    more_groups: int | None = None
    causes: list[ClusterRow] = Field(description="The worst first.")
    meanings: dict[str, str] = Field(description="What each cause means, and what to do.")
    gone: int | None = Field(default=None, description="Clusters of the marker that are no more.")
    complete: bool
    next_cursor: str | None = None
    note: str | None = None
    marker: str = Field(description="For changed_since.")


SinceHours = Annotated[
    int, Field(ge=1, le=8760, description="Only trouble that began since."), Whole
]
Marker = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4000,
        description="`marker` of an earlier answer: only what changed since.",
    ),
]


@toolset.tool(title="Triage connectors", effect=Effect.READ)
async def triage_connectors(
    group_id: Maybe[GroupId] = None,
    service: Maybe[ServiceName] = None,
    since_hours: Maybe[SinceHours] = None,
    changed_since: Maybe[Marker] = None,
    limit: Limit = 10,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> FleetTriage:
    """Tell what is wrong in the whole account, worst first, clustered by cause and service.

    One connector: `get_connector_problems`. All of a cluster: `list_connectors` with its service and
    state=unhealthy (or paused).
    """
    before = None if changed_since is None else marked(changed_since)
    filters = {"triage": [group_id, service, since_hours, changed_since]}
    start = Cursor.decode(cursor, filters)
    now = fivetran.now()
    newer = None if since_hours is None else now - timedelta(hours=since_hours)
    triage = Triage(now=now, newer_than=newer)
    wanted = Matching(service=service)
    whole = await _read(fivetran, triage, group_id, wanted)
    clusters = triage.clusters()
    changed = (
        clusters if before is None else [c for c in clusters if before.get(c.key) != c.members]
    )
    found = part(changed, start=start, filters=filters, limit=limit)
    groups = triage.troubled_groups
    return FleetTriage(
        total=triage.total,
        in_trouble=triage.in_trouble,
        states=dict(triage.states.most_common()),
        groups=dict(groups.most_common(MOST_GROUPS)),
        more_groups=max(len(groups) - MOST_GROUPS, 0) or None,
        causes=[_row(each, before) for each in found.rows],
        meanings=_meanings(found.rows),
        gone=None if before is None else len(before.keys() - {each.key for each in clusters}),
        complete=found.next_cursor is None and whole,
        next_cursor=found.next_cursor,
        note=wanted.nobody(group_id)
        if whole
        else f"Only the first {triage.total} were read: narrow by group_id.",
        marker=triage.marker(),
    )


async def _read(fivetran: Client, triage: Triage, group_id: str | None, wanted: Matching) -> bool:
    """Look at every connector, and keep none; whether all were seen.

    The API pages by offset, so the end of a page may come again at the beginning of the next.
    """
    last: frozenset[str] = frozenset()
    read = 0
    async for _, page in pages(
        lambda position: fivetran.connections.page(group_id=group_id, cursor=position), ""
    ):
        for connection in page.items:
            if connection.id not in last and wanted(connection):
                triage.add(connection)
        last = frozenset(each.id for each in page.items)
        read += 1
        if read == MOST_PAGES and page.next_cursor:
            return False
    return True


def _row(cluster: Cluster, before: Mapping[str, int] | None) -> ClusterRow:
    change: Literal["new", "changed"] | None = None
    if before is not None:
        change = "changed" if cluster.key in before else "new"
    return ClusterRow(
        cause=cluster.cause.code,
        service=cluster.service,
        count=cluster.count,
        since=cluster.since,
        connectors=[Example(id=id_, name=name) for id_, name in cluster.examples],
        more=cluster.count - len(cluster.examples) or None,
        change=change,
    )


def _meanings(clusters: Sequence[Cluster]) -> dict[str, str]:
    codes = {each.cause.code: each.cause.meaning for each in clusters}
    return {code: f"{meaning.meaning} Next: {meaning.next}" for code, meaning in codes.items()}
