"""A call that changes something, as the journal has it: what was meant, what became of it."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from mcp.server.mcpserver import Context

from mcp_server.failures import in_brief
from mcp_server.fivetran.errors import FivetranError
from mcp_server.journal import Journal, JournalError, Record
from mcp_server.toolkit import Plan, Result, ToolFailure
from mcp_server.undoing import listening

RECORD: Final[ContextVar[Record]] = ContextVar("record")
"""The call that runs, so far as it is known."""
REFUSALS: Final = {
    "mode_forbids": "the mode",
    "toolset_off": "the toolsets",
    "scope_missing": "the caller's token",
    "policy_forbids": "the policy",
    "confirmation_required": "no confirmation",
    "not_approved": "no approval",
    "not_recorded": "the journal",
}
"""What decides that a call is not carried out, by the code of the failure."""


def client_of(context: Context[Any, Any]) -> str | None:
    """Name the client, as it calls itself."""
    told = context.session.client_params
    return f"{told.client_info.name} {told.client_info.version}" if told else None


def with_plan(record: Record, plan: Plan | None, *, approved: bool) -> Record:
    """Add what the plan knows of the target, and what let the call pass."""
    preview = plan.preview if plan else None
    target = preview.target if preview else None
    return replace(
        record,
        effect=str(plan.effect) if plan and preview else record.effect,
        name=target.name if target else None,
        connector_ids=[each.id for each in plan.concerns] if plan else [],
        decision="allowed",
        by="a person" if approved else "confirm" if preview else "the mode",
    )


async def refused(journal: Journal, record: Record, failure: ToolFailure) -> None:
    """Write that a call was not carried out, and what decided so."""
    by = REFUSALS.get(failure.code, "the server")
    await run_sync(journal.refuse, record, failure.code, by)


@contextmanager
def _recorded(tool: str) -> Iterator[None]:
    """Let nothing be done of which there can be no record."""
    try:
        yield
    except JournalError as error:
        raise ToolFailure(
            "not_recorded",
            f"{tool} was not carried out, for no record of it can be written",
            hint="Nothing was sent. Whoever runs the server has to mend its journal; its log says what"
            " is wrong.",
        ) from error


async def approved_once(journal: Journal, record: Record, since: datetime) -> bool:
    """Write that a person approved; False if the same approval was used before.

    Raises:
        ToolFailure: It cannot be written.
    """
    with _recorded(record.tool):
        return await run_sync(journal.approve, record, since)


async def carried_out(
    journal: Journal,
    record: Record,
    body: Callable[[], Awaitable[Result]],
) -> Result:
    """Run a body between two entries: what is meant, and what became of it.

    Raises:
        ToolFailure: The first entry cannot be written, so nothing is done.
    """
    with _recorded(record.tool):
        act = await run_sync(journal.intend, record)
    outcome, status, started = "interrupted", None, time.perf_counter()
    undo: dict[str, Any] | None = None
    try:
        with listening() as heard:
            result = await body()
    except Exception as error:
        outcome, status = _ending(error)
        raise
    else:
        outcome = result.recorded_as
        act = replace(
            act, record=replace(record, name=record.name or getattr(result, "name", None))
        )
        undo = {"tool": heard[-1].tool, "arguments": heard[-1].arguments} if heard else None
        return result
    finally:
        seconds = time.perf_counter() - started
        with anyio.CancelScope(shield=True):
            await run_sync(
                partial(act.done, outcome=outcome, status=status, seconds=seconds, undo=undo)
            )


def _ending(error: Exception) -> tuple[str, int | None]:
    """Name how an act failed, and the status that Fivetran answered with."""
    if isinstance(error, FivetranError):
        return in_brief(error).code, error.status
    return (error.code if isinstance(error, ToolFailure) else "internal_error"), None
