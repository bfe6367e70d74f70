"""The syncs a connection has had: those before the sandbox started are derived, later ones kept.

Decided here, as the documentation leaves it open: newest first; a running sync is INCOMPLETE; one
that a pause stopped is PAUSED, one that was stopped otherwise CANCELED; turns that were missed
while nobody looked leave no record.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from mcp_server.sandbox.account import Backstage, Origin, moment_of, stamp
from mcp_server.sandbox.chance import number, pick
from mcp_server.sandbox.replies import Json

_KEPT = timedelta(days=30)
_QUOTA = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
# How the earlier syncs of a connection ended that neither succeeded nor failed: one in fifty.
_ENDS = ("COMPLETED",) * 157 + ("CANCELED", "INCOMPLETE", "PAUSED")


def close(
    connection: Json, backstage: Backstage, status: str, end: datetime, reason: str | None = None
) -> None:
    """Keep the running sync as one that has ended."""
    key = f"{connection['id']}/live/{len(backstage.syncs)}"
    item = _item(key, status, _running_since(connection, backstage), end)
    backstage.syncs.append(item if reason is None else {**item, "reason": reason})
    backstage.started = None


def syncs_of(connection: Json, backstage: Backstage) -> list[Json]:
    """List the syncs of a connection, newest first."""
    found = list(reversed(backstage.syncs))
    if connection["status"]["sync_state"] == "syncing":
        key = f"{connection['id']}/live/{len(found)}"
        start = _running_since(connection, backstage)
        found.insert(0, _item(key, "INCOMPLETE", start, None))
    if backstage.origin is not None:
        found += _before(connection, backstage.origin)
    return sorted(found, key=lambda item: str(item["start"]), reverse=True)


def _running_since(connection: Json, backstage: Backstage) -> datetime:
    """Tell when the running sync began: if nobody saw it, when the schedule asked for it."""
    if backstage.started is not None:
        return backstage.started
    last = None if backstage.origin is None else _last(backstage.origin)
    if backstage.origin is None or last is None:
        return datetime.fromisoformat(connection["created_at"])
    return min(last + timedelta(minutes=backstage.origin.minutes), backstage.origin.now)


def _last(origin: Origin) -> datetime | None:
    known = [moment for moment in (origin.succeeded_at, origin.failed_at) if moment is not None]
    return moment_of(max(known, default=None))


def _before(connection: Json, origin: Origin) -> Iterator[Json]:
    """Derive thirty days of syncs from how the connection was."""
    name, succeeded = connection["id"], moment_of(origin.succeeded_at)
    oldest = max(origin.now - _KEPT, datetime.fromisoformat(connection["created_at"]))
    if origin.rescheduled_for is not None:
        # Its quota is taken to return after an hour.
        asked = datetime.fromisoformat(origin.rescheduled_for) - _QUOTA
        start = asked if succeeded is None else max(asked, succeeded + _MINUTE)
        yield _item(f"{name}/put off", "RESCHEDULED", start, start + _MINUTE)
    for end in _turns(origin, origin.failed_at, succeeded or oldest):
        yield {**_past(name, origin, "FAILURE", end), "reason": origin.reason or "Sync Failed"}
    for end in _turns(origin, origin.succeeded_at, oldest):
        usual = end == succeeded
        status = "COMPLETED" if usual else pick(f"{name}/{stamp(end)}/status", _ENDS)
        yield _past(name, origin, status, end)


def _turns(origin: Origin, newest: str | None, after: datetime) -> Iterator[datetime]:
    """Go back by the schedule from the newest end."""
    end = moment_of(newest)
    while end is not None and end > after:
        yield end
        end -= timedelta(minutes=origin.minutes)


def _past(name: str, origin: Origin, status: str, end: datetime) -> Json:
    key = f"{name}/{stamp(end)}"
    took = timedelta(seconds=number(f"{key}/took", 20, max(30, 15 * origin.minutes)))
    return _item(key, status, end - took, end)


def _item(key: str, status: str, start: datetime, end: datetime | None) -> Json:
    """Build a sync as the API shows it; only a completed one has loaded anything."""
    moved = 0.0 if status in {"FAILURE", "RESCHEDULED"} else number(f"{key}/mb", 1, 9_000) / 10
    loaded = moved if status == "COMPLETED" else None
    return {
        "sync_id": str(uuid5(NAMESPACE_OID, key)),
        "start": stamp(start),
        "end": None if end is None else stamp(end),
        "status": status,
        "stages": {
            "extract": {"volume": moved},
            "process": {"volume": loaded},
            "load": {"volume": loaded},
        },
    }
