"""Lets time pass: syncs end, and those that are due begin."""

from datetime import datetime, timedelta

from mcp_server.sandbox.account import Account, Backstage, moment_of, stamp
from mcp_server.sandbox.replies import Json

_HISTORICAL_FACTOR = 2
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
    _end_if_over(connection, backstage, now)
    start = _due_since(connection, backstage, now)
    if start is not None:
        begin(account, connection_id, start)
        _end_if_over(connection, backstage, now)


def begin(account: Account, connection_id: str, start: datetime | None = None) -> None:
    """Start a sync, a historical one if one is pending."""
    status = account.connections[connection_id]["status"]
    backstage = account.backstage[connection_id]
    seconds = account.sync_seconds * (_HISTORICAL_FACTOR if status["is_historical_sync"] else 1)
    backstage.ends = (start or account.now()) + timedelta(seconds=seconds)
    backstage.due_now = False
    status.update(sync_state="syncing", rescheduled_for=None)


def stop(connection: Json, backstage: Backstage) -> None:
    """Stop a running sync; neither timestamp moves, and an unfinished import stays pending."""
    status = connection["status"]
    if status["sync_state"] == "syncing":
        status["sync_state"] = "paused" if connection["paused"] else "scheduled"
        backstage.ends = None
        backstage.due_now = backstage.due_now or status["is_historical_sync"]


def finish(connection: Json, backstage: Backstage, end: datetime) -> None:
    """End a sync: it has failed, or it has brought everything up to date."""
    status = connection["status"]
    backstage.ends = None
    status["sync_state"] = "paused" if connection["paused"] else "scheduled"
    if backstage.always_fails or status["setup_state"] != "connected":
        connection["failed_at"] = stamp(end)
        status["tasks"] = status["tasks"] or [dict(_FAILURE)]
    else:
        connection["succeeded_at"] = stamp(end)
        status.update(is_historical_sync=False, update_state="on_schedule", tasks=[])
        backstage.discovered = True


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


def _end_if_over(connection: Json, backstage: Backstage, now: datetime) -> None:
    running = connection["status"]["sync_state"] == "syncing"
    if running and backstage.ends is not None and backstage.ends <= now:
        finish(connection, backstage, backstage.ends)


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
