"""Install links: what the client decodes is the entry that the file would have."""

import base64
import json
from urllib.parse import parse_qs, unquote, urlsplit

from mcp_server.clients.known import CLIENTS, Server
from mcp_server.clients.links import cursor, install_links, vscode

SERVER = Server(command="/home/a b/ü/mcp-server-fivetran")
ENTRY = CLIENTS["vscode"].entry(SERVER)


def test_vs_code_decodes_the_entry_and_the_inputs() -> None:
    """As it does: the query is the JSON, percent-encoded."""
    scheme, _, query = vscode(SERVER).partition("?")

    assert scheme == "vscode:mcp/install"
    decoded = json.loads(unquote(query))
    assert decoded == {"name": "fivetran", **ENTRY, "inputs": CLIENTS["vscode"].inputs(SERVER)}


def test_a_sandbox_needs_no_inputs() -> None:
    """Nothing is asked for."""
    server = Server(command="x", args=("--sandbox",), needs_keys=False)

    assert "inputs" not in json.loads(unquote(vscode(server).partition("?")[2]))
    assert "inputs=" not in install_links(server)


def test_cursor_decodes_the_entry() -> None:
    """As it does: base64 of the JSON in one parameter."""
    query = parse_qs(urlsplit(cursor(SERVER)).query)

    assert query["name"] == ["fivetran"]
    assert json.loads(base64.b64decode(query["config"][0])) == CLIENTS["cursor"].entry(SERVER)


def test_links_of_a_page_are_https_and_hold_the_same() -> None:
    """Pages of repositories drop other schemes."""
    first, second = install_links(SERVER).splitlines()

    for line, title in ((first, "VS Code"), (second, "Cursor")):
        assert line.startswith(f"[Install in {title}](https://")
        assert line.endswith(")")
    query = parse_qs(urlsplit(first.partition("(")[2][:-1]).query)
    assert json.loads(query["config"][0]) == ENTRY
    assert json.loads(query["inputs"][0]) == CLIENTS["vscode"].inputs(SERVER)
    config = parse_qs(urlsplit(second.partition("(")[2][:-1]).query)["config"][0]
    assert json.loads(base64.b64decode(config)) == CLIENTS["cursor"].entry(SERVER)
