"""What happened to a connection: its syncs, its warnings, its errors.

Newer than most of the API: not every account has these endpoints, and one without them answers 403
or 404 to a connection that exists. Warnings and errors are in private preview.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse
from mcp_server.fivetran.connections import PAGE_SIZE
from mcp_server.fivetran.models import ErrorReport, Page, Sync, TableWarnings
from mcp_server.fivetran.transport import JSON, Transport

_syncs = TypeAdapter(Page[Sync])
_warnings = TypeAdapter(Page[TableWarnings])
_errors = TypeAdapter(Page[ErrorReport])


class History:
    """Operations on what happened. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def syncs(
        self,
        connection_id: str,
        *,
        start: datetime,
        end: datetime,
        cursor: str | None = None,
        limit: int = PAGE_SIZE,
    ) -> Page[Sync]:
        """List syncs of a span of at most seven days, one page."""
        params: dict[str, str | int] = {
            "start_time": _iso(start),
            "end_time": _iso(end),
            "limit": limit,
        }
        if cursor:
            params["cursor"] = cursor
        data = await self._transport.get(
            "connections", connection_id, "sync-history", params=params, accept=JSON
        )
        return parse(_syncs, data)

    async def warnings(self, connection_id: str) -> Page[TableWarnings]:
        """List open warnings by the table they are about; the API takes no cursor here."""
        data = await self._transport.get("connections", connection_id, "warnings", accept=JSON)
        return parse(_warnings, data)

    async def dismiss(self, connection_id: str, codes: Sequence[str]) -> None:
        """Dismiss the warnings of these codes; the API takes none for all, so none is refused.

        Raises:
            ValueError: No code is named.
        """
        if not codes:
            raise ValueError("dismissing needs at least one code")
        await self._transport.change(
            "POST",
            "connections",
            connection_id,
            "dismiss-warnings",
            body={"warning_types": list(codes)},
            accept=JSON,
        )

    async def errors(self, connection_id: str, *, cursor: str | None = None) -> Page[ErrorReport]:
        """List open errors, one page; empty for a healthy connection."""
        params = {"cursor": cursor} if cursor else None
        data = await self._transport.get(
            "connections", connection_id, "errors", params=params, accept=JSON
        )
        return parse(_errors, data)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
