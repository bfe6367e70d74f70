"""What tests share: a clock, a caller of tools, a server over the sandbox."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import httpx
from mcp import Client
from mcp_types import CallToolResult, TextContent

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.server import FivetranServer, build_server
from mcp_server.settings import load_settings

ERAS = ("auto", "legacy")
"""How a client asks for the protocol: the newest, 2026-07-28, and 2025-11-25."""


HOSTILE = {
    "another resource": "../groups/g1",
    "a slash": "a/b",
    "encoded dots": "%2e%2e",
    "a query": "?x=1",
    "a line break": "solid_anchor\n",
    "nothing": "",
    "10 kB": "a" * 10_000,
    "dots": "..",
    "a fragment": "x#y",
    "a null byte": "x\x00",
}
"""Ids that want to leave their place in a path."""


class Clock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Tell the time."""
        return self.moment

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


class Caller:
    """Calls tools and reads answers as a model's host would."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def raw(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool; the client checks the answer against the output schema."""
        return await self.client.call_tool(tool, arguments)

    async def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that works; its structured content, which its text repeats exactly."""
        result = await self.raw(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        assert json.loads(text_of(result)) == result.structured_content
        content: dict[str, Any] = result.structured_content
        return content

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that fails; its error, which has no structured content."""
        result = await self.raw(tool, **arguments)
        assert result.is_error, text_of(result)
        assert result.structured_content is None
        error: dict[str, Any] = json.loads(text_of(result))["error"]
        assert error["message"]
        assert error["hint"]
        return error


@contextmanager
def nowhere() -> Iterator[TextIO]:
    """Give a file for what a process logs, when nobody wants to read it."""
    with Path(os.devnull).open("w", encoding="utf-8") as file:
        yield file


def changes(sandbox: Sandbox) -> list[tuple[str, str, Any]]:
    """Tell what was sent besides reads: method, path, body."""
    return [
        (received.method, received.path, json.loads(received.body))
        for received in sandbox.requests
        if received.method != "GET"
    ]


def text_of(result: CallToolResult) -> str:
    """Read the one text block of an answer."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


Connect = Callable[..., AbstractAsyncContextManager[Caller]]


def serve(sandbox: Sandbox, mode: str = "full", **settings: Any) -> FivetranServer:
    """Build a server over a sandbox."""
    pair = {"api_key": SANDBOX_KEY, "api_secret": SANDBOX_SECRET}
    return build_server(
        load_settings(**{"mode": mode, "toolsets": "all", **pair, **settings}),
        upstream=httpx.ASGITransport(app=sandbox.app),
        now=sandbox.now,
    )
