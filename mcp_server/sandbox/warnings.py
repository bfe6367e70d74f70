"""Warnings by table, and dismissing them.

Decided here, as the documentation leaves it open: a warning that is known but not open may be
dismissed to no effect; a dismissed one is gone from the connection's status, too.
"""

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.fields import check, optional
from mcp_server.sandbox.history import offered
from mcp_server.sandbox.replies import Json, Reply, done, invalid, ok

_KNOWN = frozenset({"resync_table_warning", "sync_warning", "type_coercion_to_null_warning"})
_NOWHERE = ((None, None),)
# The tables in the destination that a warning is about; the others are about the connection.
_TABLES: dict[tuple[str, str], tuple[tuple[str | None, str | None], ...]] = {
    ("brisk_lantern", "resync_table_warning"): (
        ("pg_shop_public", "orders"),
        ("pg_shop_public", "customers"),
    ),
}
_DISMISSED = "Warnings have been dismissed"


def list_warnings(call: Call) -> Reply:
    """GET .../warnings; by table, all at once."""
    connection = offered(call, "warnings")
    since = connection["failed_at"] or connection["created_at"]
    found: dict[tuple[str | None, str | None], list[Json]] = {}
    for warning in connection["status"]["warnings"]:
        shown = {
            "code": warning["code"],
            "message": warning["message"],
            "error_message": warning["details"],
            "created_at": since,
        }
        for place in _TABLES.get((connection["id"], warning["code"]), _NOWHERE):
            found.setdefault(place, []).append(shown)
    items = [{"schema": s, "table": t, "warnings": each} for (s, t), each in found.items()]
    return ok({"items": items})


def dismiss_warning(call: Call) -> Reply:
    """DELETE .../warnings/{warningType}."""
    return _dismiss(call, [call.names[1]])


def dismiss_warnings(call: Call) -> Reply:
    """POST .../dismiss-warnings; all of them, if none is named."""
    check(call.body, {"warning_types": optional(_texts)})
    return _dismiss(call, call.body.get("warning_types") or sorted(_KNOWN))


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _dismiss(call: Call, codes: list[str]) -> Reply:
    status = offered(call, "warnings")["status"]
    unknown = [code for code in codes if code not in _KNOWN]
    if unknown:
        invalid(f"Unknown warning type '{unknown[0]}'")
    status["warnings"] = [each for each in status["warnings"] if each["code"] not in codes]
    return done(_DISMISSED)
