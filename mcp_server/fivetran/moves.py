"""`/v1/connections/{id}/move`: taking a connection to another destination."""

from typing import Literal

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse, parse_changed
from mcp_server.fivetran.models import Move, MoveStatus
from mcp_server.fivetran.transport import JSON, Transport

SyncBehavior = Literal["CONTINUE", "BACKFILL", "CONTINUE_WITH_DATA"]

_move = TypeAdapter(Move)
_status = TypeAdapter(MoveStatus)


class Moves:
    """Operations on moves. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start(
        self, connection_id: str, *, group_id: str, sync_behavior: SyncBehavior, force: bool
    ) -> Move:
        """Move a paused connection to another group. Not idempotent: look before a retry."""
        data = await self._transport.change(
            "POST",
            "connections",
            connection_id,
            "move",
            body={
                "destination_group_id": group_id,
                "sync_behavior": sync_behavior,
                "force_move": force,
            },
            accept=JSON,
        )
        return parse_changed(_move, data)

    async def status(self, connection_id: str, job_id: str) -> MoveStatus:
        """Read how a move goes."""
        data = await self._transport.get("connections", connection_id, "move", job_id, accept=JSON)
        return parse(_status, data)
