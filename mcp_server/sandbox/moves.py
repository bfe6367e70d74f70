"""Moves of connections to other groups.

The documentation tells the states of a move but not its course. Here every move is a job that is
PENDING for a third of the time a sync takes and IN_PROGRESS for the rest; the connection changes
its group at the end, and only BACKFILL loads history again. While one runs another is refused. A
move fails if the new group has a connection of that name by then; `force_move` changes nothing.
"""

from datetime import timedelta

from mcp_server.sandbox.account import Account, Move, stamp
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.chance import identifier
from mcp_server.sandbox.clock import advance
from mcp_server.sandbox.fields import check, flag, one_of, text
from mcp_server.sandbox.replies import Json, Reply, conflict, invalid, missing, ok

_FIELDS = {
    "destination_group_id": text,
    "sync_behavior": one_of("CONTINUE", "BACKFILL", "CONTINUE_WITH_DATA"),
    "force_move": flag,
}
_PENDING_SHARE = 3


def start_move(call: Call) -> Reply:
    """POST /v1/connections/{connectionId}/move."""
    account, body = call.account, call.body
    connection = _current(call)
    check(body, _FIELDS, ("destination_group_id",))
    group_id = account.group(body["destination_group_id"])["id"]
    if group_id == connection["group_id"]:
        invalid(f"Connection is in group '{group_id}' already")
    if not connection["paused"]:
        conflict("Connection must be paused before it is moved")
    moves = account.backstage[connection["id"]].moves
    if not all(move.ended for move in moves.values()):
        conflict("Connection is being moved already")
    job_id = identifier(f"move {connection['id']}", len(moves))
    behavior: str = body.get("sync_behavior", "CONTINUE")
    moves[job_id] = Move(group_id, behavior, account.now())
    return ok({
        "connection_id": connection["id"],
        "source_group_id": connection["group_id"],
        "destination_group_id": group_id,
        "sync_behavior": behavior,
        "moved_at": stamp(account.now()),
        "job_id": job_id,
    })  # fmt: skip


def get_move(call: Call) -> Reply:
    """GET /v1/connections/{connectionId}/move/{jobId}."""
    moves = call.account.backstage[_current(call)["id"]].moves
    job_id = call.names[1]
    if job_id not in moves:
        missing("Job", f"Job with id '{job_id}' does not exist")
    move = moves[job_id]
    return ok({"status": _status(call.account, move), "error_message": move.error})


def _current(call: Call) -> Json:
    connection = call.account.connection(call.names[0])
    advance(call.account, connection["id"])
    return connection


def _status(account: Account, move: Move) -> str:
    if move.ended:
        return "FAILED" if move.error else "SUCCESS"
    pending = timedelta(seconds=account.sync_seconds / _PENDING_SHARE)
    return "PENDING" if account.now() - move.started < pending else "IN_PROGRESS"
