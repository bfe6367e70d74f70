"""Which connectors a bulk change is about: what matches, what of that would change, what cannot."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import anyio

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import FivetranError, NotFoundError
from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import ToolFailure
from mcp_server.tools.connectors import Matching, StateFilter, check_group
from mcp_server.tools.health import prospect
from mcp_server.tools.paging import MOST_PAGES, walk
from mcp_server.tools.targets import listed

Action = Literal["pause", "resume", "sync", "set_sync_frequency"]

FEW: Final = 20
"""Connectors up to which each is read by itself; more are read in pages of a thousand."""
EVERYTHING: Final = MOST_PAGES * 1_000


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The connectors of a bulk change."""

    action: Action
    minutes: int | None
    change: Sequence[Connection]
    already: Sequence[Connection] = ()
    """Those that are so already."""
    cannot: Mapping[str, Sequence[Connection]] = field(default_factory=dict)
    """Those that cannot be changed, by why."""

    @classmethod
    def of(
        cls, found: Sequence[Connection], action: Action, minutes: int | None, now: datetime
    ) -> "Targets":
        """Part what was found into what would change and what would not."""
        change: list[Connection] = []
        already: list[Connection] = []
        cannot: dict[str, list[Connection]] = {}
        for each in found:
            can, why = prospect(each, now) if action == "sync" else (True, "")
            if _is_so(each, action, minutes):
                already.append(each)
            elif can:
                change.append(each)
            else:
                cannot.setdefault(why, []).append(each)
        return cls(action=action, minutes=minutes, change=change, already=already, cannot=cannot)

    @property
    def matched(self) -> int:
        """How many were found, whatever becomes of them."""
        return len(self.change) + len(self.already) + sum(map(len, self.cannot.values()))

    @cached_property
    def digest(self) -> str:
        """What this very change is told by: of any other set it is another."""
        return digest_of(self.action, self.minutes, self.change)


def digest_of(action: Action, minutes: int | None, connections: Iterable[Connection]) -> str:
    """Tell a change of these connectors, as they are, from any other.

    A sync that ended since makes it another, so a call that is repeated does not sync all again; so
    does a new schedule, for the preview counts those that are lost. Not whether a connector syncs
    now: in a large account that changes all the time, and no pause would ever be of the same set.
    """
    rows = sorted([each.id, *_as_it_is(each, action)] for each in connections)
    content = json.dumps([action, minutes, rows], separators=(",", ":"), default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _as_it_is(connection: Connection, action: Action) -> list[Any]:
    """Tell of a connector what a change of it depends on."""
    match action:
        case "sync":
            return [connection.succeeded_at, connection.failed_at]
        case "set_sync_frequency":
            return [connection.sync_frequency, connection.schedule_type]
    return []


def _is_so(connection: Connection, action: Action, minutes: int | None) -> bool:
    match action:
        case "pause":
            return connection.paused is True
        case "resume":
            return connection.paused is False
        case "set_sync_frequency":
            return connection.sync_frequency == minutes
    # One that was paused just now may still run, but only to its end.
    return connection.status.sync_state == "syncing" and not connection.paused


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What a caller chose connectors by."""

    connector_ids: Sequence[str] | None = None
    group_id: str | None = None
    service: str | None = None
    state: StateFilter | None = None
    name_contains: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Write it as arguments again."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in given.items() if value is not None}

    async def find(self, fivetran: Fivetran) -> tuple[list[Connection], str | None]:
        """Read what it chooses, and say why it is nothing; nothing chosen is never everything.

        Raises:
            ToolFailure: It chooses by nothing, by both ways, or what does not exist.
        """
        ids = self.connector_ids
        filters = self.arguments().keys() - {"connector_ids"}
        if ids is None and not filters:
            raise _wrong(
                "connector_ids or a filter is required",
                "Name connectors, or at least one of group_id, service, state, name_contains. To act"
                " on all, go group by group.",
            )
        if ids is not None and filters:
            raise _wrong(
                f"connector_ids: does not go with {', '.join(sorted(filters))}",
                "Give either ids or filters; list_connectors shows what filters match.",
            )
        if ids is not None:
            return await _named(fivetran, list(dict.fromkeys(ids))), None
        return await self._filtered(fivetran)

    async def _filtered(self, fivetran: Fivetran) -> tuple[list[Connection], str | None]:
        keep = Matching(service=self.service, state=self.state, name_contains=self.name_contains)
        found = await walk(
            lambda position: fivetran.connections.page(group_id=self.group_id, cursor=position),
            filters={},
            cursor=None,
            limit=EVERYTHING,
            keep=keep,
        )
        if found.next_cursor is not None:
            raise _wrong(
                f"the account has more connectors than the {EVERYTHING} that one call reads",
                "Narrow it by group_id, or give connector_ids.",
            )
        if self.group_id and not found.rows:
            await check_group(fivetran, self.group_id)
        return list(found.rows), keep.nobody(self.group_id)


async def _named(fivetran: Fivetran, ids: Sequence[str]) -> list[Connection]:
    """Read connectors by id: few one by one, many by pages, and what no page had by itself."""
    found: dict[str, Connection] = {}
    if len(ids) > FEW:
        wanted = frozenset(ids)
        seen = await walk(
            lambda position: fivetran.connections.page(cursor=position),
            filters={},
            cursor=None,
            limit=len(ids),
            keep=lambda connection: connection.id in wanted,
        )
        found = {each.id: each for each in seen.rows}
    found |= await _read_each(fivetran, [each for each in ids if each not in found])
    unknown = [each for each in ids if each not in found]
    if unknown:
        raise ToolFailure(
            "not_found",
            f"No connectors of these ids, or the key may not see them: {listed(unknown)}",
            hint="Nothing was changed. Take ids from list_connectors, and leave out those.",
        )
    return [found[each] for each in ids]


async def _read_each(fivetran: Fivetran, ids: Sequence[str]) -> dict[str, Connection]:
    found: dict[str, Connection] = {}
    failed: list[FivetranError] = []

    async def read(connector_id: str) -> None:
        try:
            found[connector_id] = await fivetran.connections.get(connector_id)
        except NotFoundError:
            pass
        except FivetranError as error:
            failed.append(error)

    async with anyio.create_task_group() as readers:
        for each in ids:
            readers.start_soon(read, each)
    if failed:
        raise failed[0]
    return found


def _wrong(problem: str, hint: str) -> ToolFailure:
    return ToolFailure(
        "invalid_arguments", f"bulk_update: {problem}", hint=f"Nothing was changed. {hint}"
    )
