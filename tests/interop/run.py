"""Tries the server with public clients and suites: `python -m tests.interop.run [NAME...]`.

Needs the network, to install them beside this file, once; and npm. Exit code 1 if one of them does
not get on with the server. NAME is the beginning of a client's name.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from rich.console import Console
from rich.table import Table

from tests.interop.conformance import Baseline, read
from tests.interop.drivers import MOST, ProblemError, Trial, driving
from tests.interop.installing import (
    HERE,
    HOSTS,
    OLD_PYTHON,
    InstallError,
    install,
    node,
    script,
)

ROOT: Final = HERE.parents[1]
SERVE: Final = ("-m", "mcp_server", "--sandbox", "--mode", "full", "--toolsets", "all")
LONGEST: Final = 120.0
"""Seconds for one row."""
AT_ONCE: Final = 2
WIDTH: Final = 120
"""Characters of the table where nobody says how many there are."""
REVISIONS: Final = {"legacy": "2025-11-25", "modern": "2026-07-28"}
TRANSPORTS: Final = ("stdio", "http")
QUIET: Final = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "GEMINI_TELEMETRY_ENABLED": "false",
}
"""Hosts look at the server here, and at nothing else."""

Check = Callable[[], Awaitable[str]]
"""Tries something; says what, or raises."""


async def output_of(command: Sequence[str], *, codes: tuple[int, ...] = (0,), **given: Any) -> str:
    """Run a program to its end; what it said on stdout.

    Raises:
        ProblemError: It ended with another exit code.
    """
    done = await anyio.run_process(command, check=False, **given)
    said = done.stdout.decode(errors="replace")
    if done.returncode not in codes:
        whole = f"{said}\n{done.stderr.decode(errors='replace')}"
        raise ProblemError(f"exit code {done.returncode} of {' '.join(command)}:\n{whole[-3000:]}")
    return said


def contract() -> dict[str, Any]:
    """Read the tools as `manifests/tools.json` has them."""
    told = json.loads((ROOT / "manifests" / "tools.json").read_text(encoding="utf-8"))
    return {tool["name"]: tool for tool in told["tools"]}


@asynccontextmanager
async def served(transport: str) -> AsyncIterator[dict[str, Any]]:
    """Say where a client finds a server of its own."""
    if transport == "stdio":
        yield {"command": sys.executable, "args": list(SERVE), "cwd": str(ROOT)}
        return
    command = [sys.executable, *SERVE, "--http", "127.0.0.1:0", "--log-format", "json"]
    async with (
        await anyio.open_process(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process,
        anyio.create_task_group() as tasks,
    ):
        assert process.stderr is not None
        lines = BufferedByteReceiveStream(process.stderr)
        url = await tasks.start(_log_read, lines)
        try:
            yield {"url": url}
        finally:
            process.kill()


async def _log_read(lines: BufferedByteReceiveStream, *, task_status: TaskStatus[str]) -> None:
    """Find in a server's log where it serves; then read on, or it could not write."""
    found = False
    with suppress(anyio.IncompleteRead, anyio.EndOfStream):
        while True:
            line = await lines.receive_until(b"\n", MOST)
            if not found and b"Uvicorn running on " in line:
                found = True
                task_status.started(f"{json.loads(line)['event'].split()[3]}/mcp")
    if not found:
        raise ProblemError("the server did not start")


async def conformance(era: str) -> str:
    """Run all of the official suite's scenarios for one revision."""
    revision = REVISIONS[era]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(served("http"))
        folder = Path(stack.enter_context(TemporaryDirectory()))
        suite = [*script("conformance"), "server", "--url", server["url"], "--suite", "all"]
        await output_of([*suite, "--spec-version", revision, "-o", str(folder)], codes=(0, 1))
        outcomes = read(folder)
    baseline = Baseline.of(revision)
    if problems := baseline.problems(outcomes):
        raise ProblemError("\n".join(problems))
    return baseline.summary(outcomes)


async def inspector(transport: str, era: str) -> str:
    """Have the Inspector list everything, portable schemas included, and make two calls."""
    async with served(transport) as server:
        if transport == "http":
            where = ["--transport", "http", "--server-url", server["url"]]
        else:
            where = [server["command"], *server["args"]]
        base = [*script("mcp-inspector"), "--cli", *where, "--protocol-era", era]

        async def ask(*method: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
            asked = [*base, "--format", "json", "--method", *method]
            answer: dict[str, Any] = json.loads(await output_of(asked, codes=codes, cwd=ROOT))
            if findings := answer.get("schemaFindings"):
                raise ProblemError(f"it warns of schemas: {findings}")
            return answer["result"] if codes == (0,) else answer

        tools = (await ask("tools/list", "--strict"))["tools"]
        if {tool["name"] for tool in tools} != contract().keys():
            raise ProblemError("tools/list and the contract differ")
        if not (await ask("resources/list"))["resources"]:
            raise ProblemError("there are no resources")
        if not (await ask("prompts/list"))["prompts"]:
            raise ProblemError("there are no prompts")
        call = ("tools/call", "--tool-name")
        listed = await ask(*call, "list_connectors", "--tool-args-json", '{"limit":1}')
        if len(listed["structuredContent"]["connectors"]) != 1:
            raise ProblemError(f"list_connectors: {listed}")
        missing = '{"connector_id":"no_such"}'
        # 5 says that the answer was an error, which it is.
        await ask(*call, "get_connector", "--tool-args-json", missing, codes=(5,))
    return f"tools/list --strict, {len(tools)} tools; resources, prompts, 2 calls"


async def sdk(command: list[str], transport: str, era: str) -> str:
    """Call every tool with an SDK's client, before a person and before nobody."""
    told = contract()
    async with served(transport) as server, driving(command, server, era=era) as driver:
        if (spoken := await driver.do("era")) != REVISIONS[era]:
            raise ProblemError(f"it speaks {spoken}")
        trial = await Trial.of(driver, told)
        await trial.run()
    async with (
        served(transport) as server,
        driving(command, server, era=era, somebody=False) as driver,
    ):
        alone = await Trial.of(driver, told)
        await alone.deleted(questions=0)
    calls = trial.calls + alone.calls
    return f"{len(told)} tools, {calls} calls, every answer valid; 5 approvals, prompts, resources"


async def bundle() -> str:
    """Have the bundle's manifest validated by its own tool."""
    manifest = ROOT / "manifests" / "mcpb" / "manifest.json"
    await output_of([*script("mcpb"), "validate", str(manifest)])
    return "mcpb validate"


async def host(name: str, transport: str, missing: str) -> str:
    """Have a host add the server, and say itself whether it is connected.

    Raises:
        InstallError: The host is not here, for this reason.
    """
    program = HOSTS / "node_modules" / ".bin" / name
    if missing or not program.exists():
        raise InstallError(missing or "npm left it out on this machine")
    async with AsyncExitStack() as stack:
        # A home of its own: whoever runs this keeps their settings.
        home = stack.enter_context(TemporaryDirectory())
        project = anyio.Path(home, "project")
        await project.mkdir()
        path = f"{Path(node()).parent}{os.pathsep}{os.defpath}"
        away: dict[str, Any] = {"cwd": project, "env": {"HOME": home, "PATH": path, **QUIET}}
        add = [str(program), "mcp", "add", "--transport", transport, "fivetran"]
        if transport == "http":
            server = await stack.enter_async_context(served(transport))
            add.append(server["url"])
        else:
            command = Path(sys.executable).with_name("mcp-server-fivetran")
            add += [*(["--"] if name == "claude" else []), str(command)]
            add += ["--sandbox"]
        await output_of(add, **away)
        said = await output_of([str(program), "mcp", "list"], stderr=subprocess.STDOUT, **away)
    if not connected(said):
        raise ProblemError(said)
    return "mcp add, mcp list: connected"


def connected(said: str) -> bool:
    """Read whether a host's list says that it is connected to the server."""
    lines = [line for line in said.splitlines() if "fivetran" in line]
    return len(lines) == 1 and lines[0].split()[-1] == "Connected"


@dataclass(frozen=True, slots=True)
class Row:
    """A client or suite, what it speaks, and what became of it."""

    client: str
    transport: str
    revision: str
    check: Check
    outcome: str = ""
    said: str = ""
    seconds: float = 0.0


def rows(missing: str) -> list[Row]:
    """Name everything that is tried."""
    suites = [
        Row("Conformance suite", "http", revision, partial(conformance, era))
        for era, revision in REVISIONS.items()
    ]
    inspectors = [
        Row("Inspector", transport, revision, partial(inspector, transport, era))
        for transport in TRANSPORTS
        for era, revision in REVISIONS.items()
    ]
    drivers = [
        ("TypeScript SDK 1.x", [node(), str(HERE / "typescript1.mjs")], ["legacy"]),
        ("TypeScript SDK 2.x", [node(), str(HERE / "typescript2.mjs")], list(REVISIONS)),
        ("Python SDK 1.x", [OLD_PYTHON, str(HERE / "python1.py")], ["legacy"]),
    ]
    sdks = [
        Row(name, transport, REVISIONS[era], partial(sdk, command, transport, era))
        for name, command, eras in drivers
        for transport in TRANSPORTS
        for era in eras
    ]
    hosts = [
        Row(name, transport, "its own", partial(host, program, transport, missing))
        for name, program in (("Claude Code", "claude"), ("Gemini CLI", "gemini"))
        for transport in TRANSPORTS
    ]
    return [*suites, *inspectors, *sdks, *hosts, Row("MCPB manifest", "", "", bundle)]


async def tried(row: Row) -> Row:
    """Try one; a failure is told, and the others go on."""
    began = time.monotonic()
    try:
        with anyio.fail_after(LONGEST):
            outcome, said = "passed", await row.check()
    except InstallError as error:
        outcome, said = "not tried", str(error)
    except TimeoutError:
        outcome, said = "failed", f"no end within {LONGEST:.0f} s"
    except Exception as error:  # noqa: BLE001 -- the table has a row for each
        outcome, said = "failed", in_words(error)
    return replace(row, outcome=outcome, said=said, seconds=time.monotonic() - began)


def in_words(error: BaseException) -> str:
    """Say what went wrong, without the groups of tasks that it came through."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(in_words(each) for each in error.exceptions)
    return str(error) if isinstance(error, ProblemError) else f"{type(error).__name__}: {error}"


async def run(chosen: Sequence[Row]) -> list[Row]:
    """Try all of them, two at once; in their order."""
    done = list(chosen)
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(place: int) -> None:
        async with limiter:
            done[place] = await tried(chosen[place])

    async with anyio.create_task_group() as tasks:
        for place in range(len(chosen)):
            tasks.start_soon(one, place)
    return done


def report(found: Sequence[Row], console: Console) -> int:
    """Print the table, and in full what did not pass; the exit code."""
    table = Table("Client or suite", "Transport", "Revision", "What was tried", box=None)
    table.add_column("Seconds", justify="right")
    table.add_column("Outcome")
    for row in found:
        first = row.said.split("\n")[0][:WIDTH]
        table.add_row(
            row.client, row.transport, row.revision, first, f"{row.seconds:.1f}", row.outcome
        )
    console.print(table)
    for row in (row for row in found if row.outcome != "passed"):
        name = " ".join(filter(None, (row.client, row.transport, row.revision)))
        print(f"\n{name}\n{row.said}", file=sys.stderr)
    return 1 if any(row.outcome == "failed" for row in found) else 0


def main(names: Sequence[str]) -> int:
    """Install, try, report."""
    # A job that is cancelled ends as with Ctrl-C, or its servers would serve on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("FIVETRAN_")]:  # noqa: TID251
        del os.environ[name]  # noqa: TID251 -- no server here is to have settings of the shell
    began = time.monotonic()
    try:
        everything = rows(install())
    except InstallError as error:
        print(f"The public clients could not be installed: {error}", file=sys.stderr)
        return 1
    installed = time.monotonic()
    chosen = [row for row in everything if not names or row.client.startswith(tuple(names))]
    if not chosen:
        known = "; ".join(dict.fromkeys(row.client for row in everything))
        print(f"Nothing has this name; there are: {known}", file=sys.stderr)
        return 2
    width = None if sys.stdout.isatty() else WIDTH
    console = Console(markup=False, emoji=False, highlight=False, width=width)
    code = report(anyio.run(run, chosen), console)
    ended = time.monotonic()
    print(f"installed in {installed - began:.0f} s, tried in {ended - installed:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
