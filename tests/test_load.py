"""The real process under load, and when others go away in the middle."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests import proxy
from tests.proxy import Step, body, chunk, forever, head, packed
from tests.support import ERAS, Caller, nowhere

COMMAND = (sys.executable, "-m", "mcp_server", "--mode", "full", "--log-format", "json")
SANDBOX = (*COMMAND, "--sandbox")
MIB = 1024 * 1024
MOST_MEMORY = 400
"""MiB of memory of a process, whatever it is answered."""
MOST_GROWTH = 20
"""MiB by which 10,000 calls may let a process grow; half of it is the sandbox's, which remembers."""
AT_ONCE = 100
LONG = ("wait_for_sync", {"connector_ids": ["solid_anchor"], "max_wait_seconds": 30})
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_sync_status", {"connector_id": "solid_anchor"}),
    ("list_groups", {}),
    ("get_connector", {"connector_id": "nobody"}),
    ("get_connector", {"wrong": 1}),
)
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "load", "version": "0"},
    },
}
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")


class Process:
    """A server on stdio, and the bare protocol to it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._last = 0

    def send(self, *messages: dict[str, Any]) -> None:
        """Write messages at once."""
        pipe = _there(self.process.stdin)
        pipe.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        pipe.flush()

    def receive(self) -> dict[str, Any]:
        """Read a message."""
        message: dict[str, Any] = json.loads(_there(self.process.stdout).readline())
        return message

    def begin(self) -> None:
        """Shake hands."""
        self.send(HELLO)
        assert self.receive()["id"] == 0
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, count: int, *calls: tuple[str, dict[str, Any]]) -> set[int]:
        """Send as many calls at once; their ids."""
        ids = [*range(self._last + 1, self._last + count + 1)]
        self._last += count
        given = [(id_, *calls[id_ % len(calls)]) for id_ in ids]
        self.send(
            *(
                {
                    "jsonrpc": "2.0",
                    "id": id_,
                    "method": "tools/call",
                    "params": {"name": tool, "arguments": arguments},
                }
                for id_, tool, arguments in given
            )
        )
        return {*ids}

    @property
    def memory(self) -> float:
        """Tell how many MiB it takes."""
        return _status(self.process.pid, "VmRSS")

    @property
    def descriptors(self) -> int:
        """Count its open files."""
        return len([*Path(f"/proc/{self.process.pid}/fd").iterdir()])


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def environment(**more: str) -> dict[str, str]:
    """Give what a server's process needs, the coverage of it included."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("FIVETRAN")}  # noqa: TID251
    return {**own, **more}


@contextmanager
def running(*command: str, stderr: Any = subprocess.DEVNULL, **more: str) -> Iterator[Process]:
    """Run a server on stdio; it must have ended by itself, or is killed."""
    process = subprocess.Popen(  # noqa: S603 -- our own command
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment(**more),
    )
    try:
        yield Process(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                _close(pipe)


def _close(pipe: IO[bytes]) -> None:
    # What was still to be written cannot be any more.
    with suppress(OSError):
        pipe.close()


@contextmanager
def serving_http() -> Iterator[tuple[str, Process]]:
    """Serve a sandbox on a free port; the address of `/mcp`."""
    with running(*SANDBOX, "--http", "127.0.0.1:0", stderr=subprocess.PIPE) as server:
        for line in _there(server.process.stderr):
            event = str(json.loads(line)["event"])
            if event.startswith("Uvicorn running on "):
                yield f"{event.split()[3]}/mcp", server
                break


@asynccontextmanager
async def connected(transport: str, era: str) -> AsyncIterator[Client]:
    """Connect to a new process."""
    if transport == "http":
        with serving_http() as (url, _):
            async with Client(url, mode=era) as client:
                yield client
        return
    parameters = StdioServerParameters(
        command=SANDBOX[0], args=[*SANDBOX[1:], "--log-level", "error"], env=environment()
    )
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log), mode=era) as client:
            yield client


TRANSPORTS = ("stdio", "http")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hundred_calls_at_once_are_all_answered(transport: str, era: str) -> None:
    """Each with its own answer."""
    async with connected(transport, era) as client:
        listed = await Caller(client).ok("list_connectors")
        ids = [row["id"] for row in listed["connectors"]]
        wanted = [ids[turn % len(ids)] for turn in range(AT_ONCE)]
        answers = await asyncio.gather(
            *(client.call_tool("get_sync_status", {"connector_id": each}) for each in wanted)
        )

    got = [(each.structured_content or {})["connector_id"] for each in answers]
    assert got == wanted


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_cancelled_calls_make_room_for_others(transport: str, era: str) -> None:
    """Long ones, as many as there are, in the middle."""
    tool, arguments = LONG
    async with connected(transport, era) as client:
        await Caller(client).ok("sync_connector", connector_id="solid_anchor")
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(client.call_tool, tool, arguments)
            await anyio.sleep(0.3)
            tasks.cancel_scope.cancel()
        await Caller(client).ok("get_sync_status", connector_id="solid_anchor")

    assert time.perf_counter() - began < 5


def test_a_client_that_is_gone_takes_the_server_on_stdio_with_it() -> None:
    """Although calls are under way whose answers nobody can read any more."""
    with running(*SANDBOX, stderr=subprocess.PIPE) as server:
        server.begin()
        server.call(50, ("sync_connector", {"connector_id": "solid_anchor"}), LONG, *CALLS)
        _close(_there(server.process.stdout))
        _close(_there(server.process.stdin))
        server.process.wait(timeout=10)


@linux
def test_a_client_that_is_killed_leaves_a_server_on_http_as_it_was() -> None:
    """It answers others, and keeps nothing open."""
    script = (
        "import asyncio, sys\n"
        "from mcp import Client\n"
        "async def main():\n"
        "    async with Client(sys.argv[1]) as client:\n"
        "        call = {'connector_ids': ['solid_anchor'], 'max_wait_seconds': 30}\n"
        "        await client.call_tool('sync_connector', {'connector_id': 'solid_anchor'})\n"
        "        print('ready', flush=True)\n"
        "        await asyncio.gather(*(client.call_tool('wait_for_sync', call) for _ in range(9)))\n"
        "asyncio.run(main())\n"
    )
    with serving_http() as (url, server):
        before = server.descriptors
        command = [sys.executable, "-c", script, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:  # noqa: S603 -- our own
            assert _there(client.stdout).readline() == b"ready\n"
            _until(lambda: server.descriptors > before + 5)
            client.kill()
        _until(lambda: server.descriptors <= before)
        anyio.run(_ask, url)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


async def _ask(url: str) -> None:
    async with Client(url) as client:
        await Caller(client).ok("get_sync_status", connector_id="solid_anchor")


def test_a_server_ends_cleanly_in_the_middle_of_calls() -> None:
    """With the exit code of the signal, no traceback, and no half message."""
    with running(*SANDBOX, stderr=subprocess.PIPE) as server:
        server.begin()
        server.call(30, ("sync_connector", {"connector_id": "solid_anchor"}), LONG, *CALLS)
        server.receive()
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=10)

    assert server.process.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in err
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in out.splitlines())


@linux
def test_ten_thousand_calls_leave_nothing_behind() -> None:
    """Neither memory nor open files, whether they went well or not."""
    with running(*SANDBOX, "--log-level", "error") as server:
        server.begin()
        _make(server, 1_000)
        memory, descriptors = server.memory, server.descriptors
        _make(server, 10_000)

        assert server.memory - memory < MOST_GROWTH
        assert server.descriptors == descriptors


def _make(server: Process, count: int) -> None:
    for _ in range(0, count, 200):
        ids = server.call(200, *CALLS)
        answers = [server.receive() for _ in ids]
        assert {each["id"] for each in answers} == ids
        assert all("result" in each for each in answers)


# Memory, whatever is answered


def tables(*each: str) -> Step:
    """Answer with a schema configuration of these tables."""
    inside = ",".join(each)
    start = '{"data":{"schemas":{"s":{"enabled":true,"tables":{'
    return body(f"{start}{inside}}}}}}}}}}}".encode())


def large() -> Step:
    """Answer with about as many tables as may be."""
    settings = '"enabled_patch_settings":{"allowed":true},"supports_columns_config":true'
    return tables(
        *(
            f'"table_{n:06d}":{{"name_in_destination":"table_{n:06d}","enabled":true,{settings},'
            '"sync_mode":"SOFT_DELETE"}'
            for n in range(62_000)
        )
    )


ANSWERS: dict[str, tuple[Callable[[], Step], int, str | None]] = {
    "62,000 tables": (large, 1, None),
    "139,000 empty tables": (lambda: tables(*(f'"{n}":{{}}' for n in range(139_000))), 1, None),
    "a name of 9 MiB": (lambda: tables(f'"{"n" * 9 * MIB}\U0001f600":{{"enabled":true}}'), 8, None),
    "a bomb in a bomb": (lambda: packed(bytes(MIB), 3, "gzip, gzip, gzip"), 8, "upstream_error"),
    "a bomb": (lambda: packed(bytes(100 * MIB)), 8, "answer_too_large"),
    "an endless body": (
        lambda: forever(head(Transfer_Encoding="chunked"), chunk(b" " * 65_536)),
        8,
        "answer_too_large",
    ),
    "an endless refusal": (lambda: forever(head("403 No"), b" " * 65_536), 8, "forbidden"),
    "nine million numbers": (
        lambda: body(b'{"data":{"a":[' + b"1," * 4_500_000 + b"1]}}"),
        8,
        "answer_too_large",
    ),
}
"""What is answered, to how many calls at once, and the code of the error."""


@linux
async def test_memory_is_bounded_whatever_is_answered() -> None:
    """By many calls at once, one after the other in one process."""
    async with proxy.misbehaving() as far:
        pair = {"FIVETRAN_API_KEY": "key", "FIVETRAN_API_SECRET": "secret"}
        with running(*COMMAND, FIVETRAN_BASE_URL=far.url, **pair) as server:
            await anyio.to_thread.run_sync(server.begin)
            for name, (answer, count, code) in ANSWERS.items():
                far.on("GET", answer())
                await anyio.to_thread.run_sync(_read_schemas, server, count, name, code)
            peak = _status(server.process.pid, "VmHWM")

    assert peak < MOST_MEMORY


def _read_schemas(server: Process, count: int, name: str, code: str | None) -> None:
    ids = server.call(count, ("get_schema_config", {"connector_id": "any"}))
    for _ in ids:
        result = server.receive()["result"]
        told = json.loads(result["content"][0]["text"]).get("error", {}).get("code")
        assert told == code, name
