"""The server's instructions: short, and true for what it offers."""

import re

import pytest

from mcp_server.catalogue import tools
from mcp_server.sandbox import Sandbox
from tests.support import Connect, changes, serve

NAMES = {tool.name for tool in tools()}


async def test_they_tell_what_every_model_needs_first(connect: Connect) -> None:
    """Both words, from a name to an id, what needs a confirmation, how lists go on."""
    async with connect("full", toolsets="default") as caller:
        told = caller.client.instructions or ""

    for words in ("connectors", "connections", "list_connectors", "confirm=true", "next_cursor"):
        assert words in told
    assert len(told) / 4 < 300


async def test_they_do_not_promise_a_preview_of_what_has_none(
    connect: Connect, sandbox: Sandbox
) -> None:
    """A sync costs, and starts at once."""
    async with connect("full") as caller:
        told = caller.client.instructions or ""
        await caller.ok("sync_connector", connector_id="solid_anchor")

    assert len(changes(sandbox)) == 1
    assert "Everything else acts at once, and may cost" in told
    assert "it changes nothing" not in told


@pytest.mark.parametrize("mode", ["read-only", "write", "full"])
@pytest.mark.parametrize("toolsets", ["default", "syncs", "connectors,fleet", "types"])
def test_they_name_only_tools_that_are_offered(mode: str, toolsets: str, sandbox: Sandbox) -> None:
    """In every mode, with all toolsets or few."""
    server = serve(sandbox, mode, toolsets=toolsets)
    offered = {tool.name for tool in server._tool_manager.list_tools()}  # noqa: SLF001 -- not async, as its list is

    named = {*re.findall(r"[a-z]+(?:_[a-z]+)+", server.instructions or "")} & NAMES

    assert named <= offered
    assert ("only reads" in (server.instructions or "")) is (mode == "read-only")
    assert ("acts at once" in (server.instructions or "")) is (mode == "full")
