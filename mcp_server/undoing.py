"""Taking a change back: the call that does it, told by whoever makes the change."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol, cast

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve
from mcp_types import CallToolResult, TextContent

from mcp_server.toolkit import Holder, ToolFailure


@dataclass(frozen=True, slots=True)
class Repeat:
    """A call of one of our own tools."""

    tool: str
    arguments: Mapping[str, Any]


_TAKES_BACK: Final[ContextVar[list[Repeat]]] = ContextVar("takes_back")


def taken_back_by(tool: str, **arguments: Any) -> None:
    """Tell the record which call would take back what is being done; the last word counts."""
    _TAKES_BACK.get([]).append(Repeat(tool, arguments))


@contextmanager
def listening() -> Iterator[list[Repeat]]:
    """Hear what a tool's body says of taking it back."""
    heard: list[Repeat] = []
    token = _TAKES_BACK.set(heard)
    try:
        yield heard
    finally:
        _TAKES_BACK.reset(token)


class Repeater(Protocol):
    """Calls a tool of ours through the gate."""

    async def __call__(self, call: Repeat, undo_of: str) -> dict[str, Any]:
        """Make the call; its answer.

        Raises:
            ToolFailure: It failed, or needs a confirmation of its own.
        """
        ...


UNDO_OF: Final[ContextVar[str | None]] = ContextVar("undo_of", default=None)
"""The change that the call that runs takes back."""


async def _again(ctx: Context[Holder, Any]) -> Repeater:
    async def again(call: Repeat, undo_of: str) -> dict[str, Any]:
        token = UNDO_OF.set(undo_of)
        try:
            result = await ctx.mcp_server.call_tool(call.tool, dict(call.arguments), ctx)
        finally:
            UNDO_OF.reset(token)
        if isinstance(result, CallToolResult) and not result.is_error:
            return result.structured_content or {}
        raise ToolFailure(
            "conflict",
            f"{call.tool} cannot be called from here: {_why(result)}",
            hint=f"Make that call yourself: {call.tool} with {json.dumps(call.arguments)}.",
        )

    return again


Again = Annotated[Repeater, Resolve(_again)]
"""Calls a tool of ours through the gate, injected."""


def _why(result: Any) -> str:
    """Say why a call did not succeed: its own error, or that it asks the person first."""
    if not isinstance(result, CallToolResult):
        return "it asks the person first"
    error = json.loads(cast("TextContent", result.content[0]).text)["error"]
    return str(error["message"])
