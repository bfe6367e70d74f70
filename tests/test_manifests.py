"""Configurations of clients: read as the client reads them, and started."""

import json
import os
import re
import sys
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp_server.catalogue import ROOT
from mcp_server.settings import VARIABLES
from tests.support import Caller, nowhere

CLIENTS = ROOT / "manifests" / "clients"
COMMAND = "/path/to/mcp-server-fivetran/.venv/bin/mcp-server-fivetran"


def entry(name: str) -> dict[str, Any]:
    """Read the one server of a configuration."""
    content = json.loads((CLIENTS / name).read_text(encoding="utf-8"))
    server: dict[str, Any] = content["mcpServers"]["fivetran"]
    return server


def expand(text: str) -> str:
    """Expand `${NAME}` and `${NAME:-default}` as Claude Code does, with no variable set."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: m[2] or "made-up", text)


@pytest.mark.parametrize("name", sorted(path.name for path in CLIENTS.iterdir()))
async def test_a_configuration_starts_a_server_in_read_only_mode(name: str) -> None:
    """With the path of a clone put in, and the sandbox in place of an account."""
    server = entry(name)
    assert server["command"] == COMMAND
    assert set(server["env"]) <= set(VARIABLES.values())
    environment = {key: expand(value) for key, value in server["env"].items()}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_server", *server["args"], "--sandbox"],
        env={**os.environ, **environment},  # noqa: TID251 -- for the coverage of the process
    )
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            tools = (await client.list_tools()).tools
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert await Caller(client).ok("list_connectors", state="broken")


def test_the_readme_names_the_configurations_and_the_settings() -> None:
    """What is there is told."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for path in CLIENTS.iterdir():
        assert f"manifests/clients/{path.name}" in readme
    for variable in VARIABLES.values():
        assert f"`{variable}`" in readme
