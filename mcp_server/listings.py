"""What lists the server: the entry for the MCP registry, and the manifest of the MCPB bundle.

Both ask a person for the same few settings, in the same words; what is not here keeps its default.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from mcp_server import __version__
from mcp_server.server import all_specs
from mcp_server.settings import VARIABLES, Settings

ROOT: Final = Path(__file__).parents[1]
NAME: Final = "mcp-server-fivetran"
REGISTRY_NAME: Final = f"io.github.{NAME}/{NAME}"
"""The registry checks that the README names it too."""
TITLE: Final = "Fivetran connectors"
ENTRY: Final = "start.py"
"""What a bundle is started with."""
SUMMARY: Final = "Find, mend, sync and configure Fivetran connectors; read-only by default."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A setting that a person is asked for where a server is added."""

    title: str
    description: str
    secret: bool = False


QUESTIONS: Final = {
    "api_key": Question(
        title="API key", description="Key of a Fivetran API key pair.", secret=True
    ),
    "api_secret": Question(title="API secret", description="Secret of that pair.", secret=True),
    "mode": Question(
        title="Mode",
        description="read-only; write: also pause, sync, create, change; full: also delete and resync.",
    ),
    "approval": Question(
        title="Approval",
        description="Who approves what is confirmed: auto (a person, where the client can ask one),"
        " human, argument or preview.",
    ),
    "toolsets": Question(
        title="Toolsets",
        description="Some of them, separated by commas; default is all but advanced, all is all.",
    ),
}
"""By the name of the setting. A key pair has no default, so it is required."""


def registry_entry() -> dict[str, Any]:
    """Describe the server for the MCP registry, as of schema 2025-12-11."""
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": REGISTRY_NAME,
        "title": TITLE,
        "description": SUMMARY,
        "version": __version__,
        "packages": [
            {
                "registryType": "pypi",
                "identifier": NAME,
                "version": __version__,
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "environmentVariables": [_variable(name) for name in QUESTIONS],
            }
        ],
    }


def _variable(name: str) -> dict[str, Any]:
    question = QUESTIONS[name]
    shown: dict[str, Any] = {"name": VARIABLES[name], "description": question.description}
    if question.secret:
        return {**shown, "isRequired": True, "isSecret": True}
    kind = Settings.model_fields[name].annotation
    choices = {"choices": list(get_args(kind))} if get_origin(kind) is Literal else {}
    return {**shown, "default": _default(name), **choices}


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    return value if isinstance(value, str) else ",".join(value)


def bundle_manifest() -> dict[str, Any]:
    """Describe the server for hosts that install MCPB bundles, as of manifest version 0.4.

    `uv` makes the environment on the host's own platform, from the lock that the bundle brings.
    """
    project = _project()
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": __version__,
        "description": SUMMARY,
        "long_description": project["description"],
        "author": {"name": f"the {NAME} authors"},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": ENTRY,
            "mcp_config": {
                "command": "uv",
                # Frozen: exactly what the lock names, whose hashes uv checks.
                "args": ["run", "--frozen", "--directory", "${__dirname}", ENTRY],
                "env": {VARIABLES[name]: f"${{user_config.{name}}}" for name in QUESTIONS},
            },
        },
        "tools": [
            {"name": spec.name, "description": " ".join(spec.description.split("\n\n")[0].split())}
            for spec in all_specs()
        ],
        "prompts_generated": True,
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": {name: _asked(name) for name in QUESTIONS},
    }


def _asked(name: str) -> dict[str, Any]:
    question = QUESTIONS[name]
    asked: dict[str, Any] = {
        "type": "string",
        "title": question.title,
        "description": question.description,
    }
    if question.secret:
        return {**asked, "required": True, "sensitive": True}
    # A host puts the default in where nothing is entered; without one, `${...}` would stay.
    return {**asked, "required": False, "default": _default(name)}


@cache
def _project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project
