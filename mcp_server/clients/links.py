"""Links that make a client offer to install the server: the same entry, in a URL."""

import base64
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode

from mcp_server.clients.known import CLIENTS, Server


def vscode(server: Server) -> str:
    """Make a link that VS Code handles itself."""
    client = CLIENTS["vscode"]
    whole = {"name": server.name, **client.entry(server)}
    inputs = client.inputs(server)
    return f"vscode:mcp/install?{quote(_json({**whole, 'inputs': inputs} if inputs else whole), safe='')}"


def vscode_page(server: Server) -> str:
    """Make a link to the page that opens VS Code, for pages that allow no other scheme."""
    client = CLIENTS["vscode"]
    query = {"name": server.name, "config": _json(client.entry(server))}
    inputs = client.inputs(server)
    if inputs:
        query["inputs"] = _json(inputs)
    return f"https://insiders.vscode.dev/redirect/mcp/install?{urlencode(query, quote_via=quote)}"


def cursor(server: Server) -> str:
    """Make a link that Cursor handles itself."""
    return f"cursor://anysphere.cursor-deeplink/mcp/install?{_cursor_query(server)}"


def cursor_page(server: Server) -> str:
    """Make a link to the page that opens Cursor."""
    return f"https://cursor.com/en/install-mcp?{_cursor_query(server)}"


LINKS: Final[dict[str, Callable[[Server], str]]] = {"vscode": vscode, "cursor": cursor}
"""By the client's name on the command line."""


def install_links(server: Server) -> str:
    """Render the links as Markdown, for a page that says where the command has to be."""
    return (
        f"[Install in VS Code]({vscode_page(server)})\n[Install in Cursor]({cursor_page(server)})\n"
    )


def _cursor_query(server: Server) -> str:
    config = base64.b64encode(_json(CLIENTS["cursor"].entry(server)).encode()).decode()
    return urlencode({"name": server.name, "config": config})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
