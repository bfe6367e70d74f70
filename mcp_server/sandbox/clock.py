"""Lets time pass: syncs and moves end, and syncs that are due begin."""

from datetime import datetime, timedelta

from mcp_server.sandbox.account import Account, Backstage, Ending, Move, moment_of, stamp
from mcp_server.sandbox.records import close
from mcp_server.sandbox.replies import Json

_HISTORICAL_FACTOR = 2
_QUOTA = timedelta(hours=1)
_WITH_RESULT = frozenset({"COMPLETED", "FAILURE"})
_BROKEN = {"code": "reconnect", "message": "Reconnect", "details": "The password has expired"}
_CALL_FOR_RESYNC = "resync_table_warning"
_FAILURE = {
    "code": "unknown_sync_failure",
    "message": "Sync Failed",
    "details": "The source closed the stream before the end of the data",
}


def advance(account: Account, connection_id: str) -> None:
    """Bring one connection up to now; called before every look at it."""
    connection = account.connections[connection_id]
    backstage = account.backstage[connection_id]
    now = account.now()
    settle(connection, backstage, now)
    end_moves(account, connection_id)
    _end_if_over(account, connection_id, now)
    start = _due_since(connection, backstage, now)
    if start is not None:
        begin(account, connection_id, start)
        _end_if_over(account, connection_id, now)


def begin(account: Account, connection_id: str, start: datetime | None = None) -> None:
    """Start a sync, a historical one if one is pending; one that runs is cancelled."""
    connection = account.connections[connection_id]
    status, backstage = connection["status"], account.backstage[connection_id]
    if status["sync_state"] == "syncing":
        close(connection, backstage, "CANCELED", account.now())
        status["sync_state"] = "scheduled"
    ending = backstage.endings.popleft() if backstage.endings else None
    backstage.ending, backstage.due_now = ending, False
    if ending is not None and ending.word == "NEVER":
        return
    backstage.started = start or account.now()
    seconds = account.sync_seconds * (_HISTORICAL_FACTOR if status["is_historical_sync"] else 1)
    if ending is not None and ending.seconds is not None:
        seconds = ending.seconds
    backstage.ends = backstage.started + timedelta(seconds=seconds)
    status.update(sync_state="syncing", rescheduled_for=None)


def stop(connection: Json, backstage: Backstage, now: datetime) -> None:
    """Stop a running sync; neither timestamp moves, and an unfinished import stays pending."""
    status = connection["status"]
    if status["sync_state"] == "syncing":
        close(connection, backstage, "PAUSED" if connection["paused"] else "CANCELED", now)
        status["sync_state"] = "paused" if connection["paused"] else "scheduled"
        backstage.ends = None
        backstage.due_now = backstage.due_now or status["is_historical_sync"]


def finish(account: Account, connection_id: str, end: datetime) -> None:
    """End a sync: it has failed, or it has brought everything up to date."""
    connection, backstage = account.connections[connection_id], account.backstage[connection_id]
    status = connection["status"]
    ending, backstage.ending, backstage.ends = backstage.ending, None, None
    status["sync_state"] = "paused" if connection["paused"] else "scheduled"
    if ending is not None and ending.word not in _WITH_RESULT:
        _end_without_result(connection, backstage, ending, end)
    elif _fails(connection, backstage, ending):
        connection["failed_at"] = stamp(end)
        status["tasks"] = status["tasks"] or [dict(_FAILURE)]
        task = status["tasks"][0]
        told = None if ending is None else ending.reason
        close(connection, backstage, "FAILURE", end, told or task["details"] or task["message"])
    else:
        close(connection, backstage, "COMPLETED", end)
        connection["succeeded_at"] = stamp(end)
        if status["is_historical_sync"]:
            rest = [each for each in status["warnings"] if each["code"] != _CALL_FOR_RESYNC]
            status["warnings"] = rest
        status.update(is_historical_sync=False, update_state="on_schedule", tasks=[])
        backstage.discovered = True
        _drop_marked(account, connection_id)


def _fails(connection: Json, backstage: Backstage, ending: Ending | None) -> bool:
    if ending is not None:
        return ending.word == "FAILURE"
    return backstage.always_fails or connection["status"]["setup_state"] != "connected"


def _end_without_result(
    connection: Json, backstage: Backstage, ending: Ending, end: datetime
) -> None:
    """End a sync that neither succeeds nor fails: no time of the connection moves."""
    status, word = connection["status"], ending.word
    close(connection, backstage, "INCOMPLETE" if word == "BROKEN" else word, end, ending.reason)
    if word == "PAUSED":
        connection["paused"] = True
        status["sync_state"] = "paused"
    elif word == "RESCHEDULED":
        status.update(sync_state="rescheduled", rescheduled_for=stamp(end + _QUOTA))
    elif word == "BROKEN":
        status.update(setup_state="broken", tasks=[dict(_BROKEN)])


def end_moves(account: Account, connection_id: str) -> None:
    """End the moves whose time is over; a name that the new group has already lets one fail."""
    connection, backstage = account.connections[connection_id], account.backstage[connection_id]
    for move in backstage.moves.values():
        over = account.now() - move.started >= timedelta(seconds=account.sync_seconds)
        if over and not move.ended:
            move.ended = True
            taken = {(c["group_id"], c["schema"]) for c in account.connections.values()}
            if (move.group_id, connection["schema"]) in taken:
                move.error = f"Connection with schema '{connection['schema']}' already exists"
            else:
                connection["group_id"] = move.group_id
                _load_again(connection, backstage, move)


def _load_again(connection: Json, backstage: Backstage, move: Move) -> None:
    if move.behavior == "BACKFILL":
        connection["status"]["is_historical_sync"] = True
        backstage.due_now = True


def _drop_marked(account: Account, connection_id: str) -> None:
    """Drop the columns marked for it: from the destination, the selection and the list."""
    backstage = account.backstage[connection_id]
    for schema, table, column in backstage.to_drop:
        account.dropped.append(f"{connection_id}/{schema}/{table}/{column}")
        account.schema(connection_id)["schemas"][schema]["tables"][table]["columns"].pop(column)
        backstage.gone.add((schema, table, column))
    backstage.to_drop.clear()


def overdue(connection: Json, now: datetime) -> bool:
    """Tell whether the schedule asked for a sync that has not run."""
    return _scheduled_since(connection, now) is not None


def settle(connection: Json, backstage: Backstage, now: datetime) -> None:
    """Let the sync state follow the pause switch; whoever is overdue on resuming syncs at once."""
    status = connection["status"]
    if connection["paused"] and status["sync_state"] != "syncing":
        status.update(sync_state="paused", rescheduled_for=None)
    elif not connection["paused"] and status["sync_state"] == "paused":
        status["sync_state"] = "scheduled"
        backstage.due_now = backstage.due_now or overdue(connection, now)


def _end_if_over(account: Account, connection_id: str, now: datetime) -> None:
    running = account.connections[connection_id]["status"]["sync_state"] == "syncing"
    ends = account.backstage[connection_id].ends
    if running and ends is not None and ends <= now:
        finish(account, connection_id, ends)


def _due_since(connection: Json, backstage: Backstage, now: datetime) -> datetime | None:
    status = connection["status"]
    if connection["paused"] or status["setup_state"] != "connected":
        return None
    if status["sync_state"] == "rescheduled":
        due = moment_of(status["rescheduled_for"])
        automatic = connection["schedule_type"] == "auto"
        return due if automatic and due is not None and due <= now else None
    if status["sync_state"] != "scheduled":
        return None
    return now if backstage.due_now else _scheduled_since(connection, now)


def _scheduled_since(connection: Json, now: datetime) -> datetime | None:
    minutes = connection["sync_frequency"]
    if connection["schedule_type"] != "auto" or minutes is None:
        return None
    attempts = [moment_of(connection[name]) for name in ("succeeded_at", "failed_at")]
    known = [attempt for attempt in attempts if attempt is not None]
    if not known:
        return now
    # After a long silence only the last of the missed syncs matters.
    turns = (now - max(known)) // timedelta(minutes=minutes)
    return max(known) + turns * timedelta(minutes=minutes) if turns > 0 else None
