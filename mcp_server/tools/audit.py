"""Tools on the record: what was changed through this server, and taking a change back."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeGuard

from anyio.to_thread import run_sync
from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.journal import Found, Journal
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    CursorText,
    Effect,
    Limit,
    Maybe,
    Plan,
    Preview,
    Records,
    Result,
    Target,
    Timestamp,
    ToolFailure,
)
from mcp_server.tools.advanced import toolset
from mcp_server.tools.paging import bad_cursor
from mcp_server.undoing import Again, Repeat
from mcp_server.untrusted import clean, clean_name, told_briefly

LONGEST_VALUE: Final = 120

ToolName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$", description="Only calls of this tool.")]
ChangeId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{12}$", description="`id` from `get_audit_log`.")
]


class AuditEntry(Result):
    """A change that was made, meant or refused."""

    id: str
    at: Timestamp | None = None
    phase: str = Field(description="`intended`: begun, its end is not known.")
    tool: str
    connector_id: str | None = None
    name: str | None = None
    connectors: int | None = Field(default=None, description="Of a change on several.")
    arguments: dict[str, Any] | None = None
    by: str | None = Field(default=None, description="What let it pass, or refused it.")
    outcome: str | None = None
    principal: str | None = None
    client: str | None = None
    can_undo: bool | None = None
    undo_of: str | None = None


class AuditLog(Result):
    """The newest changes."""

    entries: list[AuditEntry]
    complete: bool
    next_cursor: str | None = None
    unreadable: int | None = None
    note: str | None = None


@toolset.tool(title="Get audit log", effect=Effect.READ)
async def get_audit_log(
    connector_id: Maybe[ConnectorId] = None,
    tool_name: Maybe[ToolName] = None,
    limit: Limit = 20,
    cursor: Maybe[CursorText] = None,
    *,
    records: Records,
) -> AuditLog:
    """List what was changed or refused through this server, newest first.

    Take one back: `undo_change`. What Fivetran did by itself: `get_sync_history`.
    """
    try:
        page = await run_sync(records.recent, limit, connector_id, tool_name, cursor)
    except ValueError:
        raise bad_cursor("is not one that this server gave") from None
    return AuditLog(
        entries=[_entry(each) for each in page.entries],
        complete=page.before is None,
        next_cursor=page.before,
        unreadable=page.unreadable or None,
        note=None if records.path else "Only since this server started: it keeps no audit file.",
    )


def _entry(entry: dict[str, Any]) -> AuditEntry:
    """Show an entry; whoever can write the file may have written what is in it."""
    texts = {
        name: clean_name(str(entry[name]))[:LONGEST_VALUE]
        for name in ("connector_id", "name", "by", "outcome", "principal", "client", "undo_of")
        if entry.get(name)
    }
    arguments = entry.get("arguments")
    return AuditEntry(
        id=clean_name(str(entry["id"])),
        at=_moment(entry.get("at")),
        phase=clean_name(str(entry["phase"])),
        tool=clean_name(str(entry.get("tool", "unknown")))[:LONGEST_VALUE],
        connectors=len(entry.get("connector_ids", [])) or None,
        arguments=_shortened(arguments) if isinstance(arguments, dict) else None,
        can_undo=True if entry.get("undo") else None,
        **texts,
    )


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _shortened(arguments: dict[str, Any]) -> dict[str, Any]:
    """Show what a call was given in few words; the file has the rest."""
    return {clean_name(name)[:LONGEST_VALUE]: _short(value) for name, value in arguments.items()}


def _short(value: Any) -> bool | int | float | str:
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean(text, LONGEST_VALUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPlan(Plan):
    """A change to take back, and the call that does it."""

    repeat: Repeat
    effect: Effect = Effect.WRITE


async def plan_undo(change_id: ChangeId, records: Records) -> UndoPlan:
    """Find the change, and what was before it."""
    found = await run_sync(records.find, change_id)
    call = _call_of(change_id, found, records)
    entry = found.entry if found else {}
    return UndoPlan(
        repeat=call,
        preview=Preview(
            target=Target(
                connector_id=clean_name(str(entry.get("connector_id", ""))),
                name=clean_name(str(entry["name"])) if entry.get("name") else None,
            ),
            effect=f"{clean_name(str(entry.get('tool')))} of {clean_name(str(entry.get('at')))} would be taken back by"
            f" {call.tool} with {told_briefly(call.arguments)}.",
            lost="What was changed since in the same settings.",
            undo=f"undo_change of the {call.tool} that this makes; get_audit_log has its id.",
        ),
    )


def _call_of(change_id: str, found: Found | None, records: Journal) -> Repeat:
    """Read the call that takes a change back.

    Raises:
        ToolFailure: There is no such change, or it cannot be taken back.
    """
    if found is None:
        where = "" if records.path else " since this server started, and it keeps no audit file"
        raise ToolFailure(
            "not_found",
            f"There is no change {change_id} on record{where}",
            hint="See get_audit_log; refusals have ids too, but nothing to take back.",
        )
    undo = found.entry.get("undo")
    if found.undone_by:
        problem = f"was taken back already, by {found.undone_by}"
    elif not found.is_done or found.entry.get("outcome") != "ok":
        problem = "did not end well, so there may be nothing to take back"
    elif not _is_plain(undo):
        why = clean(str(found.entry.get("no_undo", "")), LONGEST_VALUE)
        problem = f"cannot be taken back{f': {why}' if why else ''}"
    else:
        return Repeat(tool=undo["tool"], arguments=undo["arguments"])
    raise ToolFailure(
        "conflict",
        f"The change {change_id} {problem}",
        hint="See get_audit_log for what was done, and get_connector for how it is now.",
    )


TAKE_BACK: Final = frozenset(
    {"pause_connector", "resume_connector", "set_sync_frequency"}
    | {"update_connector", "update_schema_config"}
)
"""What takes a change back. Whoever can write the file could name anything."""
NOT_FROM_THE_FILE: Final = frozenset({"confirm", "dry_run", "preview_token"})
"""Decisions, which are the caller's."""


def _is_plain(undo: Any) -> TypeGuard[dict[str, Any]]:
    """Whether an entry holds a call that this server would have written."""
    if not isinstance(undo, dict) or undo.get("tool") not in TAKE_BACK:
        return False
    given = undo.get("arguments")
    return isinstance(given, dict) and not NOT_FROM_THE_FILE & given.keys()


class Undone(Result):
    """A change that was taken back."""

    change_id: str
    tool: str = Field(description="Which was called for it.")
    answer: dict[str, Any]


@toolset.tool(title="Undo change", effect=Effect.WRITE)
async def undo_change(
    change_id: ChangeId,
    confirm: Confirm = False,
    *,
    records: Records,
    again: Again,
    plan: Annotated[UndoPlan, Resolve(plan_undo)],
) -> Undone:
    """Take back a change that this server made: pauses, schedules, plain settings, switches.

    First shows the call that does it; what that call needs is needed here too.
    """
    answer = await again(plan.repeat, change_id)
    return Undone(change_id=change_id, tool=plan.repeat.tool, answer=answer)
