"""The doctor: looks at everything that a server needs, and says what to do about what is wrong.

It sends nothing but GET, and few of them.
"""

import json
import os
import platform
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from threading import Timer
from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
from anyio.streams.tls import TLSAttribute
from rich.console import Console
from rich.table import Table

from mcp_server import __version__
from mcp_server.auth import VerifierUnavailableError
from mcp_server.failures import in_brief
from mcp_server.fivetran import Fivetran, Transport
from mcp_server.fivetran.errors import FivetranError, ForbiddenError
from mcp_server.journal import JournalError
from mcp_server.policy import Mode
from mcp_server.rules import RulesError
from mcp_server.server import http_client
from mcp_server.settings import Settings, SettingsError, load_settings
from mcp_server.untrusted import clean, hide

if TYPE_CHECKING:
    from mcp_server.tokens import JwtVerifier

Reach: TypeAlias = Callable[[Settings], tuple[Settings, httpx.AsyncBaseTransport | None]]
Verify: TypeAlias = Callable[[Settings], "JwtVerifier | None"]
Status = Literal["ok", "warning", "failed", "not checked"]

LONGEST_TRY: Final = 15.0
"""Seconds for one look at the network, and for each request."""
SKEW: Final = 60.0
"""Seconds by which clocks may differ; tokens and times of syncs are compared by them."""
EXPIRES_SOON: Final = 14
"""Days before the end of a certificate."""
A_TYPE: Final = "postgres"
"""A connector type that every account can read about."""
CLOSE_TO_NOTHING: Final = 0.25

LONGEST_START: Final = 30.0
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


@dataclass(slots=True)
class Examination:
    """What is looked at together, and what was found so far."""

    settings: Settings
    upstream: httpx.AsyncBaseTransport | None = None
    """Stands for the network: the sandbox."""
    command: Sequence[str] = ()
    """Starts the server on stdio with these settings."""
    verifier: "JwtVerifier | None" = None
    now: Callable[[], float] = time.time
    fivetran: Fivetran = field(init=False)
    told_date: float | None = None
    asked_at: float = 0.0

    async def run(self) -> list[Check]:
        """Look at everything, side by side where one thing does not need another."""
        found: dict[str, list[Check]] = {}

        async def note(name: str, look: Callable[[], Awaitable[list[Check]]]) -> None:
            found[name] = await look()

        looks = (self.network, self.account, self.stdout, self.http)
        async with anyio.create_task_group() as tasks:
            for look in looks:
                tasks.start_soon(note, look.__name__, look)
        return [check for look in looks for check in found[look.__name__]]

    async def network(self) -> list[Check]:
        """Reach the API's address, and shake hands."""
        url = urlsplit(self.settings.base_url)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        if self.upstream is not None:
            return [skipped("network", "the sandbox is within this process")]
        proxy = getproxies().get(url.scheme)
        if proxy and not proxy_bypass(host):
            where = urlsplit(proxy).hostname or "a proxy"
            return [Check("network", "ok", f"requests to {host} go through the proxy {where}")]
        secure = url.scheme == "https"
        try:
            with anyio.fail_after(LONGEST_TRY):
                return await self._shake_hands(host, port) if secure else await _knock(host, port)
        except TimeoutError:
            why, remedy = f"no answer within {LONGEST_TRY:.0f} s", "Look for a firewall in between"
        except socket.gaierror:
            why, remedy = "this name is not known", "Check the name server, or the proxy variables"
        except ssl.SSLCertVerificationError as error:
            found = f"{host} presents a certificate that is not trusted: {error.verify_message}"
            remedy = (
                "If a proxy of your own opens TLS, name the file of its authority in SSL_CERT_FILE;"
                " otherwise somebody is in between"
            )
            return [Check("network", "failed", found, f"{remedy}.")]
        except OSError as error:
            why, remedy = _why(error), "Check the network, HTTPS_PROXY and FIVETRAN_BASE_URL"
        return [Check("network", "failed", f"{host}:{port}: {why}", f"{remedy}.")]

    async def _shake_hands(self, host: str, port: int) -> list[Check]:
        # As the API client trusts, SSL_CERT_FILE included.
        context = httpx.create_ssl_context()
        async with await anyio.connect_tcp(host, port, ssl_context=context) as stream:
            seen = stream.extra_attributes
            certificate = seen[TLSAttribute.peer_certificate]()
            spoken = seen[TLSAttribute.tls_version]()
        days = int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - self.now()) // 86_400)
        reached = Check("network", "ok", f"{host}:{port} answers")
        said = f"{spoken}, the certificate is good for {days} days"
        if days < EXPIRES_SOON:
            remedy = "Fivetran renews its own; if a proxy of yours presents it, renew it."
            return [reached, Check("TLS", "warning", said, remedy)]
        return [reached, Check("TLS", "ok", said)]

    async def account(self) -> list[Check]:
        """Ask the API who we are, what we may read, and what is left."""
        async with AsyncExitStack() as opened:
            http = http_client(self.settings, self.upstream)
            opened.push_async_callback(http.aclose)
            http.event_hooks["response"].append(self._note_date)
            transport = Transport(http, deadline=min(self.settings.timeout, LONGEST_TRY))
            self.fivetran = Fivetran(transport)
            self.asked_at = self.now()
            try:
                info = await self.fivetran.account.info()
            except FivetranError as error:
                credentials = _failed("credentials", error)
                if credentials.status == "failed":
                    why = "the API did not let us in"
                    return [
                        credentials,
                        self.clock(),
                        skipped("rights", why),
                        skipped("rate budget", why),
                    ]
            else:
                kind = (
                    "a system key"
                    if info.system_key_id
                    else "a user's key: it can do what that user can"
                )
                whose = clean(info.account_name or info.account_id or "an account", 80)
                credentials = Check("credentials", "ok", f"{whose}, by {kind}")
            return [credentials, self.clock(), *await self.rights(), *self.budget()]

    async def _note_date(self, response: httpx.Response) -> None:
        if self.told_date is None and "Date" in response.headers:
            try:
                self.told_date = parsedate_to_datetime(response.headers["Date"]).timestamp()
            except ValueError:
                return

    def clock(self) -> Check:
        """Compare this machine's clock with the API's."""
        if self.told_date is None:
            return skipped("clock", "the API told no time")
        skew = self.asked_at - self.told_date
        if abs(skew) <= SKEW:
            return Check("clock", "ok", "as the API's, within a minute")
        which = "ahead" if skew > 0 else "behind"
        found = f"this machine's clock is {abs(skew):,.0f} s {which}"
        return Check("clock", "warning", found, "Set it (NTP): ages of syncs and tokens are wrong.")

    async def rights(self) -> list[Check]:
        """Read one of each kind; what changes something is not tried."""
        reads: dict[str, Callable[[], Awaitable[Any]]] = {
            "connectors": lambda: self.fivetran.connections.page(limit=1),
            "groups": lambda: self.fivetran.groups.page(limit=1),
            "connector types": lambda: self.fivetran.connector_types.get(A_TYPE),
        }
        refused: list[str] = []
        for what, read in reads.items():
            try:
                await read()
            except ForbiddenError:
                refused.append(what)
            except FivetranError as error:
                return [_failed("rights", error)]
        mode = self.settings.mode_in_force
        more = (
            ""
            if mode is Mode.READ_ONLY
            else "; whether it may change them as well is not tried, mode"
            f" {mode.word} needs MANAGE for connectors"
        )
        if not refused:
            return [Check("rights", "ok", f"the key reads {', '.join(reads)}{more}")]
        remedy = "An account administrator can give the key the right to read them."
        status: Status = "failed" if "connectors" in refused else "warning"
        return [Check("rights", status, f"the key may not read {', '.join(refused)}", remedy)]

    def budget(self) -> list[Check]:
        """Tell what is left of the account's requests."""
        shares = self.fivetran.budget.shares()
        said = "; ".join(f"{share.name} {share.amount}" for share in shares)
        low = [share.name for share in shares if share.left < share.limit * CLOSE_TO_NOTHING]
        if not low:
            return [Check("rate budget", "ok", said)]
        remedy = "Others use the account as well: ask less often, or wait for the hour to end."
        return [Check("rate budget", "warning", said, remedy)]

    async def stdout(self) -> list[Check]:
        """Start the server, and see that it writes nothing but the protocol."""
        if self.settings.address:
            return [skipped("stdout", "this server speaks HTTP")]
        return [await anyio.to_thread.run_sync(listen, self.command)]

    async def http(self) -> list[Check]:
        """Where HTTP is served: whether the port is free, and the issuer's keys can be had."""
        if self.settings.address is None:
            return []
        host, port = self.settings.address
        checks = [port_check(host, port)]
        if self.verifier is not None:
            try:
                await self.verifier.keys.ready()
            except VerifierUnavailableError:
                remedy = (
                    "Check FIVETRAN_MCP_AUTH_ISSUER and FIVETRAN_MCP_AUTH_JWKS from this machine."
                )
                checks.append(Check("issuer", "failed", "its keys cannot be had", remedy))
            else:
                checks.append(Check("issuer", "ok", "its keys can be had"))
        return checks


def examine(
    arguments: Mapping[str, Any], reach: Reach, verify: Verify, command: Sequence[str]
) -> tuple[list[Check], frozenset[str]]:
    """Look at all that a server with these settings needs; also give the credentials, to be hidden.

    `reach` says where requests go, `verify` builds the server and gives what verifies its callers,
    `command` starts it on stdio.
    """
    try:
        settings = load_settings(**arguments)
    except SettingsError as error:
        problems = [line[4:] for line in str(error).splitlines()[1:]]
        checks = [Check("settings", "failed", *_parted(problem)) for problem in problems]
        return [python(), *checks], frozenset()
    own, upstream = reach(settings)
    secrets = frozenset({own.api_key.get_secret_value(), own.api_secret.get_secret_value()})
    try:
        verifier = verify(settings)
    except (RulesError, JournalError) as error:
        wrong = Check("files", "failed", str(error).strip(), "Correct the file, or leave it out.")
        return [python(), in_words(settings), wrong], secrets
    looked = Examination(own, upstream, command, verifier)
    return [python(), in_words(settings), *anyio.run(looked.run)], secrets


def _parted(problem: str) -> tuple[str, str | None]:
    """Part what is wrong with a setting from its remedy."""
    wrong, _, remedy = problem.partition("; ")
    return wrong, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else None


def in_words(settings: Settings) -> Check:
    """Say which settings are in force."""
    files = {"policy": settings.policy, "audit file": settings.audit_file}
    named = [f"{name} {path}" for name, path in files.items() if path]
    where = f"HTTP at {settings.http}" if settings.http else "stdio"
    toolsets = ",".join(sorted(settings.toolset_names))
    parts = [f"mode {settings.mode_in_force.word}", f"toolsets {toolsets}", where, *named]
    return Check("settings", "ok", "; ".join(parts))


def python() -> Check:
    """Tell what runs here."""
    parts = [f"{name} {version(name)}" for name in ("mcp", "httpx", "pydantic")]
    here = f"mcp-server-fivetran {__version__}, Python {platform.python_version()}"
    return Check("versions", "ok", ", ".join([here, *parts, platform.system()]))


def skipped(name: str, why: str) -> Check:
    """Say that something was not looked at."""
    return Check(name, "not checked", why)


async def _knock(host: str, port: int) -> list[Check]:
    async with await anyio.connect_tcp(host, port):
        return [
            Check("network", "ok", f"{host}:{port} answers"),
            skipped("TLS", "this address is http, on this machine"),
        ]


def _why(error: OSError) -> str:
    """Say why there is no connection; anyio hides the reason behind one of its own."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    told = cause if isinstance(cause, OSError) else error
    return os.strerror(told.errno).lower() if told.errno else "no connection"


_REMEDIES: Final = {
    "unauthorized": "Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET to a valid pair; a new secret makes"
    " the old one invalid at once.",
    "forbidden": "An account administrator can give the key's user or system key the right.",
    "rate_limited": "Others use the account as well; wait, or ask less often.",
    "upstream_error": "A proxy may have answered in Fivetran's place: check FIVETRAN_BASE_URL and the"
    " network.",
}


def _failed(name: str, error: FivetranError) -> Check:
    brief = in_brief(error)
    # A key that may not ask who it is may still read connectors.
    status: Status = "warning" if isinstance(error, ForbiddenError) else "failed"
    remedy = _REMEDIES.get(brief.code, "Check the network, HTTPS_PROXY and FIVETRAN_BASE_URL.")
    return Check(name, status, f"{brief.code}: {brief.message}", remedy)


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


def report(checks: Sequence[Check], secrets: frozenset[str], *, as_json: bool) -> int:
    """Print what was found, and give the exit code: 1 if something fails."""
    ok = all(check.status != "failed" for check in checks)
    told = hide({"ok": ok, "checks": [asdict(check) for check in checks]}, secrets)
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))  # noqa: T201 -- for scripts
        return 0 if ok else 1
    console = Console(markup=False, emoji=False, highlight=False)
    table = Table.grid(padding=(0, 2))
    styles = {"ok": "green", "warning": "yellow", "failed": "bold red", "not checked": "dim"}
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in told["checks"]:
        text = (
            check["found"] if check["remedy"] is None else f"{check['found']}\n-> {check['remedy']}"
        )
        table.add_row(check["status"], check["name"], text, style=styles[check["status"]])
    console.print(table)
    return 0 if ok else 1
