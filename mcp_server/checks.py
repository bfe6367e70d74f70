"""What the doctor looks at on this machine: versions, settings, files, the port, stdout."""

import json
import platform
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Timer
from typing import IO, Any, Final, Literal, cast

from pydantic import SecretStr

from mcp_server import __version__
from mcp_server.journal import JournalError
from mcp_server.journal_check import verify
from mcp_server.settings import Settings
from mcp_server.untrusted import clean

Status = Literal["ok", "warning", "failed", "not checked"]

LONGEST_START: Final = 25.0
"""Seconds that the server has to start, to list its tools and to end."""
LAST: Final = 2
REQUESTS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "mcp-server-fivetran doctor", "version": __version__},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": LAST, "method": "tools/list"},
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Status
    found: str
    remedy: str | None = None


def skipped(name: str, why: str) -> Check:
    """Say that something was not looked at."""
    return Check(name, "not checked", why)


def versions() -> Check:
    """Tell what runs here."""
    parts = [f"{name} {version(name)}" for name in ("mcp", "httpx", "pydantic")]
    here = f"mcp-server-fivetran {__version__}, Python {platform.python_version()}"
    return Check("versions", "ok", ", ".join([here, *parts, platform.system()]))


def in_words(settings: Settings) -> Check:
    """Say which settings are in force."""
    named = {
        "policy": settings.policy,
        "audit file": settings.audit_file,
        "secrets in": settings.secret_dir,
    }
    files = [f"{name} {path}" for name, path in named.items() if path]
    where = f"HTTP at {settings.http}" if settings.http else "stdio"
    toolsets = ",".join(sorted(settings.toolset_names))
    parts = [f"mode {settings.mode_in_force.word}", f"toolsets {toolsets}", where, *files]
    return Check("settings", "ok", "; ".join(parts))


def files(settings: Settings) -> list[Check]:
    """Read what there is of the audit file, and the directory of secrets."""
    checks = []
    if settings.audit_file:
        checks.append(audit_check(settings.audit_file, settings.audit_key))
    if settings.secret_dir:
        checks.append(secrets_check(settings.secret_dir))
    return checks


def audit_check(file: Path, key: SecretStr | None) -> Check:
    """Verify the record of what was changed."""
    try:
        found = verify(file, key.get_secret_value().encode() if key else None)
    except JournalError as error:
        return Check("audit file", "failed", str(error).strip(), "Give another, or correct it.")
    words = found.in_words()
    if found.ok:
        return Check("audit file", "ok", words[-2])
    remedy = "Keep it, find out who wrote to it, and begin another (FIVETRAN_MCP_AUDIT_FILE)."
    return Check("audit file", "failed", f"{words[0]}; {words[-2]}", remedy)


def secrets_check(directory: Path) -> Check:
    """Tell whether what may be named can be read."""
    try:
        count = sum(not path.name.startswith(".") for path in directory.iterdir())
    except OSError as error:
        found = f"{directory} cannot be read: {(error.strerror or 'for a reason unknown').lower()}"
        return Check("secrets", "failed", found, "Give the server's user the right to read it.")
    return Check("secrets", "ok", f"{directory} can be read: {count:,} names")


def port_check(host: str, port: int) -> Check:
    """Tell whether a port can be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as error:
        why = (error.strerror or "cannot be used").lower()
        remedy = "If the server runs already, all is well; otherwise choose another (--http)."
        return Check("port", "failed", f"{host}:{port}: {why}", remedy)
    return Check("port", "ok", f"{host}:{port} is free")


def listen(command: Sequence[str]) -> Check:
    """Start a server on stdio, ask for its tools, and look at every line on stdout."""
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 -- our own command
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        killer = Timer(LONGEST_START, process.kill)
        killer.start()
        lines, took = _converse(process), time.monotonic() - began
        killer.cancel()
    return _judge(lines, process.returncode, took)


def _converse(process: "subprocess.Popen[bytes]") -> list[bytes]:
    """Ask for the tools, end the input when they have come, and give every line of the output."""
    reads, writes = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin)
    with suppress(BrokenPipeError):
        writes.write("".join(f"{json.dumps(each)}\n" for each in REQUESTS).encode())
        writes.flush()
    lines = []
    for line in reads:
        lines.append(line)
        if _is_protocol(line) and json.loads(line).get("id") == LAST:
            break
    with suppress(BrokenPipeError):
        writes.close()
    return [line for line in [*lines, *reads] if line.strip()]


def _judge(lines: Sequence[bytes], code: int, took: float) -> Check:
    foreign = [line for line in lines if not _is_protocol(line)]
    if foreign:
        shown = clean(foreign[0].decode(errors="replace"), 80)
        remedy = (
            "Something prints to stdout, sitecustomize or a wrapper script perhaps: silence it."
        )
        return Check("stdout", "failed", f"this is not the protocol: {shown}", remedy)
    answers = {answer.get("id"): answer for answer in map(json.loads, lines)}
    if "result" not in answers.get(LAST, {}):
        found = f"the server ended with {code} before it listed its tools"
        return Check("stdout", "failed", found, "Start it by hand and read what it says on stderr.")
    tools = answers[LAST]["result"]["tools"]
    # What hosts show a model of a tool; four bytes are about a token.
    shown_to_models = [[tool["name"], tool["description"], tool["inputSchema"]] for tool in tools]
    size = len(json.dumps(shown_to_models, ensure_ascii=False, separators=(",", ":")).encode())
    found = (
        f"nothing but the protocol; {len(tools)} tools, about {size // 4:,} tokens, in {took:.1f} s"
    )
    return Check("stdout", "ok", found)


def _is_protocol(line: bytes) -> bool:
    try:
        return bool(json.loads(line)["jsonrpc"] == "2.0")
    except (ValueError, TypeError, KeyError):
        return False
