"""Compares the server with a bare SDK tool, in one run, and prints what a model pays.

Both run over stdio against the same loopback answer. Times are told as ratios of medians, from
interleaved rounds: machines are noisy. Nothing here fails because of a time.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.server import build_server
from mcp_server.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE: Final = Path(__file__).parent
CALLS: Final = 200
ROUNDS: Final = 10
STARTS: Final = 15
FLEETS: Final = (100, 1_000, 10_000)
ANSWER: Final = json.dumps(
    {
        "code": "Success",
        "data": {
            "id": "brisk_lantern",
            "service": "postgres",
            "schema": "pg_shop",
            "group_id": "amber_harbor",
            "paused": False,
            "created_at": "2025-03-04T09:12:44.120331Z",
            "succeeded_at": "2026-11-22T23:10:05.551200Z",
            "failed_at": None,
            "sync_frequency": 360,
            "schedule_type": "auto",
            "status": {
                "setup_state": "connected",
                "sync_state": "scheduled",
                "update_state": "on_schedule",
                "is_historical_sync": False,
                "tasks": [],
                "warnings": [],
            },
            "config": {"host": "db.shop.example", "port": 5432, "password": "******"},
        },
    }
).encode()
SERVERS: Final = {
    "bare": [str(HERE / "bare.py")],
    "this server": ["-m", "mcp_server"],
}
NOWHERE: Final = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- as long as this runs
out = Console()


class Upstream(BaseHTTPRequestHandler):
    """Answers every GET with the same connection, over one kept connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = (
        65536  # head and body in one packet, or the client waits for a delayed acknowledgement
    )

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    @override
    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def environment(base_url: str) -> dict[str, str]:
    """Give a server its upstream and made-up credentials."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FIVETRAN")}  # noqa: TID251
    return {
        **own,
        "FIVETRAN_BASE_URL": base_url,
        "FIVETRAN_API_KEY": "key",
        "FIVETRAN_API_SECRET": "secret",
    }


@asynccontextmanager
async def client_of(name: str, base_url: str) -> "AsyncIterator[Client]":
    """Start a server and connect."""
    parameters = StdioServerParameters(
        command=sys.executable, args=SERVERS[name], env=environment(base_url)
    )
    async with Client(stdio_client(parameters, errlog=NOWHERE)) as client:
        yield client


async def time_calls(base_url: str) -> dict[str, list[float]]:
    """Time calls of both servers in turns; seconds by server."""
    times: dict[str, list[float]] = {name: [] for name in SERVERS}
    async with client_of("bare", base_url) as bare, client_of("this server", base_url) as ours:
        clients = {"bare": bare, "this server": ours}
        for number in range(ROUNDS + 1):
            for name, client in clients.items():
                for _ in range(CALLS):
                    start = time.perf_counter()
                    answer = await client.call_tool("get_sync_status", {"connector_id": "brisk"})
                    took = time.perf_counter() - start
                    if answer.is_error:
                        raise SystemExit(f"{name} failed: {answer.content}")
                    if number:  # the first round warms up
                        times[name].append(took)
    return times


REQUESTS: Final = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "0"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
]


def start_once(name: str, base_url: str) -> tuple[float, float]:
    """Start a server, list its tools: seconds until they came, and its memory in MiB."""
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, *SERVERS[name]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(base_url),
    ) as process:
        assert process.stdin and process.stdout  # noqa: S101, PT018 -- pipes, for the type checker
        process.stdin.write(b"".join(json.dumps(r).encode() + b"\n" for r in REQUESTS))
        process.stdin.flush()
        while b'"id":2' not in process.stdout.readline():
            pass
        took = time.perf_counter() - start
        memory = resident(process.pid)
        process.stdin.close()
    return took, memory


def resident(pid: int) -> float:
    """Read a process's resident memory in MiB; 0 where the system does not tell it this way."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    line = next(
        line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024


def compare(title: str, samples: dict[str, list[float]], scale: float, unit: str) -> None:
    """Print medians and their ratio."""
    bare, ours = (statistics.median(samples[name]) for name in SERVERS)
    out.print(
        f"{title}: bare {bare * scale:.2f} {unit}, this server {ours * scale:.2f} {unit}, "
        f"ratio {ours / bare:.2f}, difference {(ours - bare) * scale:+.2f} {unit}"
    )


def size(value: Any) -> int:
    """Count tokens as bytes of compact JSON over four."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) // 4


async def print_sizes() -> None:
    """Print what a model pays for the catalogue and for typical answers."""
    table = Table("tools/list", "tools", "names, descriptions, inputs", "output schemas")
    for mode in ("read-only", "write", "full"):
        server = build_server(load_settings(sandbox=True, mode=mode, log_level="error"))
        listed = await server.list_tools()
        shown = sum(size([t.name, t.description, t.input_schema]) for t in listed)
        outputs = sum(size(t.output_schema) for t in listed)
        table.add_row(mode, str(len(listed)), f"{shown} tokens", f"{outputs} tokens")
    out.print(table)
    answers = Table("answer", "rows", "tokens")
    for count in (100, 1000):
        upstream = httpx.ASGITransport(app=Sandbox(connections=count).app)
        async with Client(build_server(sandbox_settings(), upstream=upstream)) as client:
            for limit in (50, 500):
                result = await client.call_tool("list_connectors", {"limit": limit})
                rows = len((result.structured_content or {})["connectors"])
                label = f"list_connectors limit={limit}, {count} connectors"
                answers.add_row(label, str(rows), str(size(result.structured_content)))
    upstream = httpx.ASGITransport(app=Sandbox().app)
    async with Client(build_server(sandbox_settings(), upstream=upstream)) as client:
        result = await client.call_tool("get_schema_config", {"connector_id": "wide_river"})
        content = result.structured_content or {}
        label = f"get_schema_config, {content['matching_tables']} tables"
        answers.add_row(label, str(len(content["tables"])), str(size(content)))
    out.print(answers)


QUESTIONS: Final[dict[str, dict[str, Any]]] = {
    "triage_connectors": {},
    "list_connectors": {"state": "unhealthy"},
    "find_tables": {"pattern": "orders"},
    "bulk_update": {"action": "pause", "service": "google_ads", "max_targets": 500},
}
"""What people ask of a whole account."""


async def print_growth() -> None:
    """Print how answers about a whole account grow with it: requests, tokens, memory, time."""
    table = Table("tool", "connectors", "requests", "tokens", "peak with the upstream's", "time")
    for tool, arguments in QUESTIONS.items():
        for count in FLEETS:
            table.add_row(tool, str(count), *await grow(tool, arguments, count))
    out.print(table)


async def grow(tool: str, arguments: dict[str, Any], count: int) -> tuple[str, ...]:
    """Ask once to warm up, once for the time, once for the memory."""
    sandbox = Sandbox(connections=count)
    upstream = httpx.ASGITransport(app=sandbox.app)
    async with Client(build_server(sandbox_settings("write"), upstream=upstream)) as client:
        await client.call_tool(tool, arguments)
        sandbox.requests.clear()
        start = time.perf_counter()
        result = await client.call_tool(tool, arguments)
        took = time.perf_counter() - start
        requests = len(sandbox.requests)
        tracemalloc.start()
        await client.call_tool(tool, arguments)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    answered = result.structured_content or result.content[0].model_dump()
    memory, milliseconds = f"{peak / 2**20:.1f} MiB", f"{took * 1e3:.0f} ms"
    return str(requests), str(size(answered)), memory, milliseconds


def sandbox_settings(mode: str = "read-only") -> Any:
    """Make settings for the made-up account."""
    return load_settings(
        sandbox=True, mode=mode, api_key=SANDBOX_KEY, api_secret=SANDBOX_SECRET, log_level="error"
    )


def main() -> None:
    """Run everything."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{upstream.server_port}"
    out.print(f"{ROUNDS} interleaved rounds of {CALLS} calls, {STARTS} starts each; medians")
    compare("call, p50", asyncio.run(time_calls(base_url)), 1e6, "us")
    starts: dict[str, list[tuple[float, float]]] = {name: [] for name in SERVERS}
    for _ in range(STARTS):
        for name in SERVERS:
            starts[name].append(start_once(name, base_url))
    compare(
        "cold start to tools/list", {n: [t for t, _ in s] for n, s in starts.items()}, 1e3, "ms"
    )
    compare("memory", {n: [m for _, m in s] for n, s in starts.items()}, 1, "MiB")
    asyncio.run(print_sizes())
    asyncio.run(print_growth())


if __name__ == "__main__":
    main()
