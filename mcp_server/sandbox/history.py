"""Sync history and errors: endpoints that not every account has."""

from datetime import UTC, datetime, timedelta

from mcp_server.sandbox.account import Account, stamp
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance
from mcp_server.sandbox.paging import page
from mcp_server.sandbox.records import syncs_of
from mcp_server.sandbox.replies import Json, Refusal, Reply, invalid, missing, ok

_USUAL_SPAN = timedelta(hours=1)
_LONGEST_SPAN = timedelta(days=7)
_ADVICE = {
    "reconnect": "Open the setup form of the connection, enter valid credentials and test them.",
    "unknown_sync_failure": "Check that the source is available, then start a sync.",
}


def sync_history(call: Call) -> Reply:
    """GET .../sync-history; by the start of a sync, both ends of the span included."""
    connection = offered(call, "sync-history")
    start, end = map(stamp, _span(call))
    syncs = syncs_of(connection, call.account.backstage[connection["id"]])
    return ok(page([sync for sync in syncs if start <= sync["start"] <= end], call.query, dict))


def list_errors(call: Call) -> Reply:
    """GET .../errors; one for each open task, dated by the last failure."""
    connection = offered(call, "errors")
    since = connection["failed_at"] or connection["created_at"]

    def item(task: Json) -> Json:
        return {
            "type": task["code"],
            "title": task["message"],
            "reason": task["details"],
            "message": _ADVICE.get(task["code"], "Look at the logs of the connection."),
            "created_at": since,
        }

    return ok(page(connection["status"]["tasks"], call.query, item))


def offered(call: Call, endpoint: str) -> Json:
    """Find the connection as it is now; refuse for an account without the endpoint."""
    _refuse_withheld(call.account, endpoint)
    connection = call.account.connection(call.names[0])
    advance(call.account, connection["id"])
    return connection


def _refuse_withheld(account: Account, endpoint: str) -> None:
    status = account.withheld.get(endpoint)
    if status is None:
        return
    if status == 404:  # noqa: PLR2004 - the status itself is the best name
        missing("", "The requested resource does not exist")
    raise Refusal(status, "Forbidden", "User does not have permission to perform this action")


def _span(call: Call) -> tuple[datetime, datetime]:
    """Read the span: an hour if one end or both are left out, seven days at most."""
    start, end = (_moment(call, name) for name in ("start_time", "end_time"))
    if end is None:
        end = call.account.now() if start is None else start + _USUAL_SPAN
    if start is None:
        start = end - _USUAL_SPAN
    if start > end:
        invalid("start_time must not be after end_time")
    if end - start > _LONGEST_SPAN:
        invalid("The time range must not exceed 7 days")
    return start, end


def _moment(call: Call, name: str) -> datetime | None:
    if name not in call.query:
        return None
    try:
        moment = datetime.fromisoformat(call.query[name])
    except ValueError:
        invalid(f"{name} must be a date and time in ISO 8601")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
