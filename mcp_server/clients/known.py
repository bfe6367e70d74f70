"""The clients that can be configured, and what each has to be told to start the server.

Clients differ in the name of the object that holds their servers, and in how a secret reaches the
server: asked by the client, taken from the client's own environment, or written into its file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_server.clients.formats import JSON, TOML, Format
from mcp_server.settings import VARIABLES

SECRETS: Final = {VARIABLES["api_key"]: "key", VARIABLES["api_secret"]: "secret"}
"""The variables with the key pair, and how they are called in short."""
PLACEHOLDER: Final = "/path/to/mcp-server-fivetran/.venv/bin/mcp-server-fivetran"
PATIENCE: Final = 600
"""Seconds. A call ends within two minutes, but it may ask a person, who has to read."""
SLOWEST_START: Final = 30
"""Seconds, on a machine that has not started it before."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True)
class Server:
    """The server as a client is to start it."""

    command: str = PLACEHOLDER
    args: tuple[str, ...] = ("--mode", "read-only")
    name: str = "fivetran"
    needs_keys: bool = True

    @property
    def is_well_named(self) -> bool:
        """Whether every client takes the name: with an underscore, Gemini CLI splits it."""
        return _NAME.fullmatch(self.name) is not None


@dataclass(frozen=True)
class Client:
    """A client: its file, its words, and how it gets secrets into the server."""

    title: str
    manifest: str
    """The file in manifests/clients."""
    container: str
    """The object in the client's file that holds its servers."""
    start: str
    """What the person does, so that the client starts the server."""
    reference: str = ""
    """What stands for a secret; without one, variables are passed on by name."""
    is_written: bool = False
    """Whether the secret has to replace the reference in the file."""
    is_asked: bool = False
    """Whether the client asks for the secret that the reference names."""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    format: Format = JSON

    def entry(self, server: Server) -> dict[str, Any]:
        """Describe the server in the client's words."""
        entry = {**self.before, "command": server.command, "args": [*server.args]}
        if server.needs_keys and self.reference:
            entry["env"] = {
                variable: self.reference.format(variable=variable, word=word, name=server.name)
                for variable, word in SECRETS.items()
            }
        elif server.needs_keys:
            entry["env_vars"] = [*SECRETS]
        return {**entry, **self.after}

    def inputs(self, server: Server) -> list[dict[str, Any]]:
        """List what the client has to ask for."""
        if not (self.is_asked and server.needs_keys):
            return []
        return [
            {
                "type": "promptString",
                "id": f"{server.name}-{word}",
                "description": f"{word.capitalize()} of the Fivetran API key pair",
                "password": True,
            }
            for word in SECRETS.values()
        ]

    def document(self, server: Server) -> dict[str, Any]:
        """Make the whole content of a file with nothing else in it."""
        inputs = self.inputs(server)
        servers = {self.container: {server.name: self.entry(server)}}
        return {"inputs": inputs, **servers} if inputs else servers

    def text(self, server: Server) -> str:
        """Render such a file."""
        return self.format.render(self.document(server))

    def advice(self, server: Server) -> list[str]:
        """Say what is left for the person to do."""
        key, secret = SECRETS
        if not server.needs_keys:
            keys = []
        elif self.is_written:
            keys = [f"Put your key pair in place of {self._placeholders()}."]
        elif self.is_asked:
            keys = [f"{self.title} asks for the key pair when it starts the server."]
        else:
            keys = [f"Set {key} and {secret} in the environment that {self.title} starts in."]
        return [*keys, self.start]

    def _placeholders(self) -> str:
        return " and ".join(f'"{self.reference.format(word=word)}"' for word in SECRETS.values())


CLIENTS: Final = {
    "claude-desktop": Client(
        title="Claude Desktop",
        manifest="claude-desktop.json",
        container="mcpServers",
        reference="your {word}",
        is_written=True,
        start="Restart Claude Desktop. Settings > Developer > Edit Config shows the file it reads;"
        " if that is another one, name it with --file.",
    ),
    "claude-code": Client(
        title="Claude Code",
        manifest="claude-code.mcp.json",
        container="mcpServers",
        reference="${{{variable}}}",
        before={"type": "stdio"},
        start="Start claude in that folder and approve the server.",
    ),
    "vscode": Client(
        title="VS Code",
        manifest="vscode.mcp.json",
        container="servers",
        reference="${{input:{name}-{word}}}",
        is_asked=True,
        before={"type": "stdio"},
        start='Run "MCP: List Servers" in VS Code and start it.',
    ),
    "cursor": Client(
        title="Cursor",
        manifest="cursor.mcp.json",
        container="mcpServers",
        reference="${{env:{variable}}}",
        start="Restart Cursor, and enable the server in its MCP settings.",
    ),
    "codex": Client(
        title="Codex",
        manifest="codex.config.toml",
        container="mcp_servers",
        after={"startup_timeout_sec": SLOWEST_START, "tool_timeout_sec": PATIENCE},
        start="Start codex anew; /mcp shows the server.",
        format=TOML,
    ),
    "gemini": Client(
        title="Gemini CLI",
        manifest="gemini.settings.json",
        container="mcpServers",
        reference="${variable}",
        after={"timeout": PATIENCE * 1000},
        start="Start gemini anew; /mcp shows the server.",
    ),
    "windsurf": Client(
        title="Windsurf",
        manifest="windsurf.mcp_config.json",
        container="mcpServers",
        reference="${{env:{variable}}}",
        start="Restart Windsurf, or refresh the servers in its MCP panel.",
    ),
    "zed": Client(
        title="Zed",
        manifest="zed.settings.json",
        container="context_servers",
        reference="your {word}",
        is_written=True,
        start="Zed starts the server when its settings are saved.",
    ),
}
"""By the name on the command line."""


def files() -> dict[str, str]:
    """Render `manifests/clients`: the text of each file, by its name."""
    return {client.manifest: client.text(Server()) for client in CLIENTS.values()}
