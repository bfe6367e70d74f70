"""Start a server over stdio in a clean environment, and ask it what it offers."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from typing_extensions import override

from mcp_server.settings import VARIABLES

NETWORK: Final = ("SSL_CERT_FILE", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""What a host's `uv` may need to reach anything from this machine."""
PATIENCE: Final = 300
"""Seconds: a host's first start of a bundle downloads its dependencies."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server says of itself."""

    version: str
    tools: tuple[str, ...]

    @override
    def __str__(self) -> str:
        """Say it in a line."""
        return f"answers as {self.version} with {len(self.tools)} tools"


def ask(
    command: Sequence[str], *, home: Path, folder: Path, env: Mapping[str, str] | None = None
) -> Offer:
    """Serve the made-up account, with `initialize` and `tools/list` as a 2025 client sends them.

    Nothing of the shell's environment reaches the server but where programs and the network are.
    """
    network = {name: os.environ[name] for name in NETWORK if name in os.environ}  # noqa: TID251 -- the shell's, not the server's settings
    own = {
        "HOME": str(home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
        VARIABLES["sandbox"]: "true",
    }
    parameters = StdioServerParameters(
        command=command[0], args=[*command[1:]], cwd=folder, env={**network, **(env or {}), **own}
    )
    return anyio.run(_ask, parameters)


async def _ask(parameters: StdioServerParameters) -> Offer:
    with anyio.fail_after(PATIENCE):
        async with Client(stdio_client(parameters, errlog=sys.stderr), mode="legacy") as client:
            tools = (await client.list_tools()).tools
            told = client.server_info.version if client.server_info else ""
            return Offer(told, tuple(tool.name for tool in tools))
