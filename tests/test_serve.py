"""The real process: stdio and streamable HTTP, how they end, and what is on stdout."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO, Any

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.support import ERAS, Caller, nowhere

COMMAND = [sys.executable, "-m", "mcp_server", "--sandbox"]
FAMILIES = {
    "list_connectors": {"state": "broken"},
    "list_groups": {},
    "get_schema_config": {"connector_id": "solid_anchor"},
    "pause_connector": {"connector_id": "solid_anchor"},
    "update_connector": {"connector_id": "solid_anchor", "data_delay_sensitivity": "LOW"},
}
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server; it must have ended by itself, or is killed."""
    # The coverage of the process is part of the whole.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FIVETRAN")}  # noqa: TID251
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Give a pipe that is there."""
    assert stream is not None
    return stream


def ask(process: subprocess.Popen[bytes], *messages: object) -> None:
    """Write lines to the server."""
    for message in messages:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        pipe(process.stdin).write(line + b"\n")
    pipe(process.stdin).flush()


def answer(process: subprocess.Popen[bytes]) -> Any:
    """Read one line of the protocol."""
    return json.loads(pipe(process.stdout).readline())


@asynccontextmanager
async def over_stdio(era: str) -> AsyncIterator[Client]:
    """Connect to a process."""
    parameters = StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "--mode", "full", "--log-level", "warning"],
        env={**os.environ},  # noqa: TID251 -- for the coverage of the process
    )
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log), mode=era) as client:
            yield client


@contextmanager
def serving_http(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve on a free port; the address of `/mcp`."""
    with running("--http", "127.0.0.1:0", "--log-format", "json", *arguments) as process:
        for line in pipe(process.stderr):
            event = str(json.loads(line)["event"])
            if event.startswith("Uvicorn running on "):
                yield f"{event.split()[3]}/mcp", process
                break


async def try_families(client: Client) -> None:
    """Call a tool of each family; refuse a destructive one; check every answer."""
    caller = Caller(client)
    for tool, arguments in FAMILIES.items():
        await caller.ok(tool, **arguments)
    error = await caller.error("delete_connector", connector_id="solid_anchor")
    assert error["code"] == "confirmation_required"
    assert (await caller.ok("delete_connector", **error["next_call"]["arguments"]))["deleted"]


@pytest.mark.parametrize("era", ERAS)
async def test_each_family_of_tools_works_over_stdio(era: str) -> None:
    """On both revisions of the protocol."""
    async with over_stdio(era) as client:
        await try_families(client)


@pytest.mark.parametrize("era", ERAS)
async def test_each_family_of_tools_works_over_http(era: str) -> None:
    """On both revisions of the protocol."""
    with serving_http("--mode", "full") as (url, _):
        async with Client(url, mode=era) as client:
            await try_families(client)


def test_another_host_or_origin_is_refused_over_http() -> None:
    """A web page must not reach the server through a name that resolves to this machine."""
    with serving_http() as (url, _):
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
        ):
            answered = httpx.post(url, headers=headers, json=HELLO)
            assert answered.status_code == status


def test_stdout_has_nothing_but_the_protocol() -> None:
    """Whatever comes in, and whatever is logged."""
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "list_connectors", "arguments": {}},
    }
    with running("--log-level", "debug") as process:
        ask(process, HELLO)
        lines = [answer(process)]
        ask(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        ask(process, b"garbage", b'{"half', b"[]", b"\xff\xfe", b"[" * 5000, call)
        lines.append(answer(process))
        out, err = process.communicate(timeout=20)

    lines += [json.loads(line) for line in out.splitlines()]
    assert [line["jsonrpc"] for line in lines] == ["2.0"] * len(lines)
    assert lines[1]["id"] == 2
    assert b"tool_call" in err
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
    ],
)
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_signal_ends_the_server_cleanly(number: int, code: int, transport: str) -> None:
    """With its own exit code and no traceback; input is still open."""
    if transport == "http":
        with serving_http() as (_, process):
            process.send_signal(number)
            assert process.wait(timeout=20) == code
            assert b"Traceback" not in pipe(process.stderr).read()
        return
    with running() as process:
        ask(process, HELLO)
        assert answer(process)["id"] == 1
        process.send_signal(number)
        assert process.wait(timeout=20) == code
        assert b"Traceback" not in pipe(process.stderr).read()


def test_the_end_of_input_ends_the_server_with_success() -> None:
    """The way in which hosts end one."""
    with running() as process:
        ask(process, HELLO)
        assert answer(process)["id"] == 1
        _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert b"Traceback" not in err
