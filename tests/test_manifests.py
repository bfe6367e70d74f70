"""Configurations of clients: read as the client reads them, and started."""

import json
import os
import re
import sys
import tomllib
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp_server.catalogue import ROOT
from mcp_server.clients.known import CLIENTS, PLACEHOLDER, SECRETS, files
from mcp_server.settings import VARIABLES
from tests.support import Caller, nowhere

FOLDER = ROOT / "manifests" / "clients"


def content(client: str) -> dict[str, Any]:
    """Read a configuration by the strictest reader of its format."""
    text = (FOLDER / CLIENTS[client].manifest).read_text(encoding="utf-8")
    read: dict[str, Any] = tomllib.loads(text) if client == "codex" else json.loads(text)
    return read


def environment(client: str) -> dict[str, str]:
    """Give the server the variables that the client gives it, each set to something made up."""
    configuration = content(client)
    server = configuration[CLIENTS[client].container]["fivetran"]
    if client == "codex":
        return dict.fromkeys(server["env_vars"], "made-up")
    asked = {one["id"] for one in configuration.get("inputs", []) if one["password"]}
    forms = {
        "claude-code": r"\$\{(?P<variable>\w+)\}",
        "cursor": r"\$\{env:(?P<variable>\w+)\}",
        "windsurf": r"\$\{env:(?P<variable>\w+)\}",
        "gemini": r"\$(?P<variable>\w+)",
        "vscode": r"\$\{input:(?P<id>[\w-]+)\}",
    }
    given = {}
    for variable, value in server["env"].items():
        match = re.fullmatch(forms.get(client, "your (key|secret)"), value)
        assert match, value
        assert match.groupdict().get("variable", variable) == variable
        assert match.groupdict().get("id") in {None, *asked}
        given[variable] = "made-up"
    return given


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_configuration_starts_a_server_in_read_only_mode(client: str) -> None:
    """With the path of a clone put in, and the sandbox in place of an account."""
    server = content(client)[CLIENTS[client].container]["fivetran"]
    assert server["command"] == PLACEHOLDER
    given = environment(client)
    assert set(given) == set(SECRETS)
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_server", *server["args"], "--sandbox"],
        env={**os.environ, **given},  # noqa: TID251 -- for the coverage of the process
    )
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log)) as session:
            tools = (await session.list_tools()).tools
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert await Caller(session).ok("list_connectors", state="broken")


def test_the_configurations_are_what_the_command_prints() -> None:
    """Each of them, and no other file lies there."""
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}

    assert there == files()


def test_the_readme_names_the_configurations_and_the_settings() -> None:
    """What is there is told."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for path in FOLDER.iterdir():
        assert f"manifests/clients/{path.name}" in readme
    for variable in VARIABLES.values():
        assert f"`{variable}`" in readme
