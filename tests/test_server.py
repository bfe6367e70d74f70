"""The server as a client meets it."""

from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_server import __version__
from mcp_server.fivetran.errors import ReadOnlyError
from mcp_server.policy import Mode
from mcp_server.sandbox import Sandbox
from mcp_server.server import all_specs, build_server, http_client
from mcp_server.settings import load_settings
from mcp_server.telemetry import Prometheus
from tests.support import Connect, serve


async def test_the_server_says_what_it_is(connect: Connect) -> None:
    """Name, version and instructions, on both revisions."""
    async with connect() as caller:
        info = caller.client.server_info
        assert info
        assert info.name == "fivetran"
        assert info.version == __version__
        assert (caller.client.instructions or "").startswith("Manages Fivetran connectors")


def test_names_of_tools_are_unique() -> None:
    """The SDK would drop the second without an error."""
    names = [spec.name for spec in all_specs()]

    assert len(names) == len(set(names)) == 39


async def test_the_lifespan_ends_with_the_connection(sandbox: Sandbox) -> None:
    """Whoever ends the process waits for it."""
    server = serve(sandbox)
    async with Client(server):
        assert not server.closed.is_set()

    assert server.closed.is_set()


async def test_no_client_of_the_api_is_opened_for_a_list_of_tools(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts start servers only to look; the first call opens it, the end closes it."""
    opened: list[httpx.AsyncClient] = []

    def note(*given: Any) -> httpx.AsyncClient:
        opened.append(http_client(*given))
        return opened[-1]

    monkeypatch.setattr("mcp_server.server.http_client", note)
    async with Client(serve(sandbox)) as client:
        await client.list_tools()
        assert not opened
        await client.call_tool("list_groups", {})
        await client.call_tool("list_groups", {})
        (http,) = opened
        assert not http.is_closed

    assert http.is_closed


async def test_the_client_of_the_api_is_bound_to_one_address_and_key() -> None:
    """Credentials go where the settings say, and nowhere else."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"code": "Success", "data": {"items": []}})

    settings = load_settings(api_key="k", api_secret="s", base_url="https://proxy.example:8443")
    async with Client(build_server(settings, upstream=httpx.MockTransport(handle))) as client:
        await client.call_tool("list_groups", {})

    (request,) = seen
    assert str(request.url).startswith("https://proxy.example:8443/v1/groups?")
    assert request.headers["authorization"] == "Basic azpz"
    assert request.headers["user-agent"] == f"mcp-server-fivetran/{__version__}"


@pytest.mark.parametrize("mode", ["read-only", "write", "full"])
async def test_the_second_lock_refuses_changes_in_read_only_mode(mode: str) -> None:
    """Even if a tool tried to send one."""
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(200, json={})

    settings = load_settings(api_key="k", api_secret="s", mode=mode)
    locked = settings.mode_in_force is Mode.READ_ONLY
    async with http_client(settings, httpx.MockTransport(handle)) as http:
        await http.get("/v1/x")
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(ReadOnlyError) if locked else nullcontext():
                await http.request(method, "/v1/x")

    assert seen == (["GET"] if locked else ["GET", "POST", "PUT", "PATCH", "DELETE"])


def test_a_clock_can_be_left_out() -> None:
    """The real one is the default; no network is touched before a call."""
    settings: Any = load_settings(api_key="k", api_secret="s")

    assert build_server(settings).name == "fivetran"


async def test_a_server_for_http_counts_and_knows_what_is_left(sandbox: Sandbox) -> None:
    """Of the account whose client is open; before that there is nothing to tell."""
    server = serve(sandbox, http="127.0.0.1:0")
    assert isinstance(server.metrics, Prometheus)
    assert b'kind="all"' not in server.metrics.page()[0]
    async with Client(server) as client:
        await client.call_tool("list_groups", {})
        page = server.metrics.page()[0].decode()

    assert 'rate_budget_left{kind="all",window_seconds="3600"} 19999.0' in page
    assert 'tool="list_groups"' in page
