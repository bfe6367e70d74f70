"""Tries the server with public clients and suites: `python -m tests.interop.run [NAME...]`.

Needs the network, to install them beside this file, once; and npm. Exit code 1 if one of them does
not get on with the server. NAME is the beginning of a row's name.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
from rich.console import Console
from rich.table import Table

from tests.interop.conformance import Baseline, read
from tests.interop.drivers import ProblemError, Trial, asked, driving
from tests.test_serve import serving_http

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
SERVE: Final = ("-m", "mcp_server", "--sandbox", "--mode", "full", "--toolsets", "all")
LONGEST: Final = 120.0
"""Seconds for one row."""
AT_ONCE: Final = 2
REVISIONS: Final = {"legacy": "2025-11-25", "modern": "2026-07-28"}
NPM: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
VENV: Final = HERE / ".venv"
OLD_PYTHON: Final = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
OLDEST_NODE: Final = 22

Check = Callable[[], Awaitable[str]]
"""Tries something; says what, or raises."""


class InstallError(Exception):
    """A client or suite could not be installed."""


def install() -> None:
    """Install everything that the stamp does not say is there.

    Raises:
        InstallError: The network, npm or pip failed.
    """
    made_from = ("npm-shrinkwrap.json", "requirements.txt", "hosts/package.json")
    stamp = HERE / "node_modules" / "made-from"
    wanted = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in made_from)).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is not on the PATH; it comes with Node.js")
    _run([npm, "ci", *NPM], HERE)
    # These come without a lock: they install what they like anyway, and may fail to.
    subprocess.run(  # noqa: S603 -- our own command
        [npm, "install", "--no-package-lock", *NPM[1:]], cwd=HERE / "hosts", check=False
    )
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], HERE)
    pip = [OLD_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, "--require-hashes", "--requirement", "requirements.txt"], HERE)
    stamp.write_text(wanted, encoding="utf-8")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False)  # noqa: S603 -- our own command
    if done.returncode:
        raise InstallError(f"failed with exit code {done.returncode}: {' '.join(command)}")


def node() -> str:
    """Find a Node.js that is new enough: the one that was installed, or that of the PATH."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    own = HERE / "node_modules" / f"node-linux-{machine}" / "bin" / "node"
    if own.exists():
        return str(own)
    found = shutil.which("node")
    if found is None:
        raise InstallError(f"Node.js {OLDEST_NODE} or newer is not on the PATH")
    return found


def script(name: str) -> list[str]:
    """Say how a program of npm's is started."""
    return [node(), str(HERE / "node_modules" / ".bin" / name)]


async def output_of(command: Sequence[str], *, codes: tuple[int, ...] = (0,), **given: Any) -> str:
    """Run a program to its end.

    Raises:
        ProblemError: It ended with another exit code.
    """
    done = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT, **given)
    said = done.stdout.decode(errors="replace")
    if done.returncode not in codes:
        raise ProblemError(f"exit code {done.returncode} of {' '.join(command)}:\n{said[-3000:]}")
    return said


@asynccontextmanager
async def served(transport: str) -> AsyncIterator[dict[str, Any]]:
    """Say where a client finds a server of its own."""
    if transport == "stdio":
        yield {"command": sys.executable, "args": list(SERVE), "cwd": str(ROOT)}
        return
    with serving_http("--mode", "full", "--toolsets", "all") as (url, _):
        yield {"url": url}


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
    checks = sum(len(outcomes[scenario]) for scenario in baseline.applies)
    expected = f", {len(baseline.failures)} expected to fail" if baseline.failures else ""
    return f"{len(baseline.applies)} scenarios, {checks} checks{expected}"


async def inspector(transport: str, era: str) -> str:
    """Have the Inspector list everything, portable schemas included, and make three calls."""
    async with served(transport) as server:
        if transport == "http":
            where = ["--transport", "http", "--server-url", server["url"]]
        else:
            where = [server["command"], *server["args"]]
        base = [*script("mcp-inspector"), "--cli", *where, "--protocol-era", era]
        asks = [*base, "--format", "json", "--method"]
        listed = await output_of([*asks, "tools/list", "--strict"], cwd=ROOT)
        tools = len(json.loads(listed)["result"]["tools"])
        for method in ("resources/list", "prompts/list"):
            await output_of([*asks, method], cwd=ROOT)
        call = [*asks, "tools/call", "--tool-name"]
        await output_of([*call, "list_connectors", "--tool-args-json", '{"limit":1}'], cwd=ROOT)
        missing = '{"connector_id":"no_such"}'
        # 5 says that the answer was an error, which it is.
        await output_of([*call, "get_connector", "--tool-args-json", missing], codes=(5,), cwd=ROOT)
    return f"tools/list --strict, {tools} tools; resources, prompts, 2 calls"


async def sdk(command: list[str], transport: str, era: str) -> str:
    """Call every tool with an SDK's client, and let its person say yes and no."""
    told = json.loads((ROOT / "manifests" / "tools.json").read_text(encoding="utf-8"))
    contract = {tool["name"]: tool for tool in told["tools"]}
    async with (
        served(transport) as server,
        driving(command, server, era=era, answer="yes") as driver,
    ):
        if (spoken := await driver.do("era")) != REVISIONS[era]:
            raise ProblemError(f"it speaks {spoken}")
        trial = await Trial.of(driver, contract)
        await trial.run()
    for answer in ("yes", "no"):
        async with (
            served(transport) as server,
            driving(command, server, era=era, answer=answer) as driver,
        ):
            await asked(driver, agrees=answer == "yes")
    return f"{len(contract)} tools, {trial.calls} calls, every answer valid; yes and no"


async def bundle() -> str:
    """Have the bundle's manifest validated by its own tool."""
    manifest = ROOT / "manifests" / "mcpb" / "manifest.json"
    await output_of([*script("mcpb"), "validate", str(manifest)])
    return "mcpb validate"


async def host(name: str, add: Sequence[str]) -> str:
    """Have a host add the server, and say itself whether it is connected.

    Raises:
        InstallError: The host is not here.
    """
    program = HERE / "hosts" / "node_modules" / ".bin" / name
    if not program.exists():
        raise InstallError("not installed on this machine")
    with TemporaryDirectory() as home:
        # A home of its own: whoever runs this keeps their settings.
        path = f"{Path(node()).parent}{os.pathsep}{os.defpath}"
        given = {"HOME": home, "PATH": path, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
        project = anyio.Path(home, "project")
        await project.mkdir()
        away: dict[str, Any] = {"cwd": project, "env": given}
        server = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r});"]
        server[-1] += " sys.argv[1:] = ['--sandbox']; from mcp_server.cli import main; main()"
        await output_of([str(program), "mcp", "add", "fivetran", *add, *server], **away)
        said = await output_of([str(program), "mcp", "list"], **away)
    if "Connected" not in said or "Disconnected" in said:
        raise ProblemError(said)
    return "mcp list: connected"


def rows() -> dict[str, Check]:
    """Name everything that is tried."""
    checks: dict[str, Check] = {}
    for era, revision in REVISIONS.items():
        checks[f"conformance suite {revision}"] = partial(conformance, era)
    drivers = {
        "TypeScript SDK 1.x": ([node(), str(HERE / "typescript1.mjs")], ("legacy",)),
        "TypeScript SDK 2.x": ([node(), str(HERE / "typescript2.mjs")], ("legacy", "modern")),
        "Python SDK 1.x": ([OLD_PYTHON, str(HERE / "python1.py")], ("legacy",)),
    }
    for transport in ("stdio", "http"):
        for era, revision in REVISIONS.items():
            checks[f"Inspector, {transport}, {revision}"] = partial(inspector, transport, era)
        for name, (command, eras) in drivers.items():
            for era in eras:
                checks[f"{name}, {transport}, {REVISIONS[era]}"] = partial(
                    sdk, command, transport, era
                )
    checks["MCPB manifest"] = bundle
    checks["Claude Code, stdio"] = partial(host, "claude", ["--"])
    checks["Gemini CLI, stdio"] = partial(host, "gemini", [])
    return checks


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one of them."""

    name: str
    seconds: float
    said: str
    outcome: str


async def tried(name: str, check: Check) -> Row:
    """Try one; a failure is told, and the others go on."""
    began = time.monotonic()
    try:
        with anyio.fail_after(LONGEST):
            said, outcome = await check(), "passed"
    except InstallError as error:
        said, outcome = str(error), "not tried"
    except TimeoutError:
        said, outcome = f"no end within {LONGEST:.0f} s", "failed"
    except Exception as error:  # noqa: BLE001 -- the table has a row for each
        said, outcome = f"{type(error).__name__}: {error}", "failed"
    return Row(name, time.monotonic() - began, said, outcome)


async def run(checks: dict[str, Check]) -> list[Row]:
    """Try all of them, two at once; in the order of their names' table."""
    done: dict[str, Row] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(name: str) -> None:
        async with limiter:
            done[name] = await tried(name, checks[name])

    async with anyio.create_task_group() as tasks:
        for name in checks:
            tasks.start_soon(one, name)
    return [done[name] for name in checks]


def report(found: Sequence[Row]) -> int:
    """Print the table, and what failed in full; the exit code."""
    console = Console(markup=False, emoji=False, highlight=False)
    table = Table("Client or suite", "Seconds", "Outcome", "What was tried", box=None)
    for row in found:
        table.add_row(row.name, f"{row.seconds:.1f}", row.outcome, row.said.split("\n")[0][:90])
    console.print(table)
    failed = [row for row in found if row.outcome == "failed"]
    for row in failed:
        print(f"\n{row.name}\n{row.said}", file=sys.stderr)
    return 1 if failed else 0


def main(names: Sequence[str]) -> int:
    """Install, try, report."""
    began = time.monotonic()
    try:
        install()
        checks = rows()
    except InstallError as error:
        print(f"The public clients could not be installed: {error}", file=sys.stderr)
        return 1
    print(f"installed in {time.monotonic() - began:.0f} s")
    chosen = {n: c for n, c in checks.items() if not names or n.startswith(tuple(names))}
    if not chosen:
        print(f"Nothing of this name; there are: {'; '.join(checks)}", file=sys.stderr)
        return 2
    return report(anyio.run(run, chosen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
