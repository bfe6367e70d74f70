"""The doctor: looks at everything that a server needs, and says what to do about what is wrong.

It sends nothing but GET, and few of them.
"""

import asyncio
import json
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
from rich.console import Console
from rich.table import Table

from mcp_server.auth import VerifierUnavailableError
from mcp_server.checks import Check, Status, files, in_words, listen, port_check, skipped, versions
from mcp_server.failures import in_brief
from mcp_server.fivetran import Fivetran, Transport
from mcp_server.fivetran.errors import FivetranError, ForbiddenError, NoAnswerError
from mcp_server.fivetran.transport import within
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

LONGEST_TRY: Final = 10.0
"""Seconds for one look at the network."""
LONGEST_TALK: Final = 15.0
"""Seconds for all requests to the API together."""
SKEW: Final = 60.0
"""Seconds by which clocks may differ; tokens and times of syncs are compared by them."""
EXPIRES_SOON: Final = 14
"""Days before the end of a certificate."""
A_TYPE: Final = "postgres"
"""A connector type that every account can read about."""
BY_THE_API: Final = ("TLS", "credentials", "clock", "rights", "rate budget")
NETWORK_REMEDY: Final = "Check the network, HTTPS_PROXY and FIVETRAN_BASE_URL."


@dataclass(slots=True)
class Examination:
    """What is looked at together, and what was found so far."""

    settings: Settings
    upstream: httpx.AsyncBaseTransport | None = None
    """Stands for the network: the sandbox."""
    command: Sequence[str] = ()
    """Starts the server on stdio with these settings; nothing if it would not start."""
    verifier: "JwtVerifier | None" = None
    now: Callable[[], float] = time.time
    fivetran: Fivetran = field(init=False)
    told_date: float | None = None
    asked_at: float = 0.0
    tls: Check | None = None

    async def run(self) -> list[Check]:
        """Look at everything, side by side where one thing does not need another."""
        found: dict[str, list[Check]] = {}

        async def note(name: str, look: Callable[[], Awaitable[list[Check]]]) -> None:
            found[name] = await look()

        looks = (self.files, self.api, self.stdout, self.http)
        async with anyio.create_task_group() as tasks:
            for look in looks:
                tasks.start_soon(note, look.__name__, look)
        return [check for look in looks for check in found[look.__name__]]

    async def files(self) -> list[Check]:
        """Read the files that the settings name, if the server could open them at all."""
        return await anyio.to_thread.run_sync(files, self.settings) if self.command else []

    async def api(self) -> list[Check]:
        """Reach the API, and ask it; what needs an answer is not looked at without one."""
        network = await self.network()
        if network.status == "failed":
            return [network, *(skipped(name, "the API is not reached") for name in BY_THE_API)]
        with within(LONGEST_TALK):
            return [network, *await self.account()]

    async def network(self) -> Check:
        """Find the API's address, and knock."""
        url = urlsplit(self.settings.base_url)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        if self.upstream is not None:
            return skipped("network", "the sandbox is within this process")
        proxies = [scheme for scheme in (url.scheme, "all") if getproxies().get(scheme)]
        if proxies and not proxy_bypass(host):
            variable = f"{proxies[0].upper()}_PROXY"
            return skipped("network", f"requests to {host} go through the proxy of {variable}")
        try:
            with anyio.fail_after(LONGEST_TRY):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            why, remedy = f"no answer within {LONGEST_TRY:.0f} s", "Look for a firewall in between."
        except socket.gaierror:
            why, remedy = "this name is not known", "Check the name server, or set HTTPS_PROXY."
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else "no connection"
            remedy = NETWORK_REMEDY
        else:
            writer.close()
            return Check("network", "ok", f"{host}:{port} answers")
        return Check("network", "failed", f"{host}:{port}: {why}", remedy)

    async def account(self) -> list[Check]:
        """Ask the API who we are, what we may read, and what is left."""
        async with AsyncExitStack() as opened:
            try:
                http = http_client(self.settings, self.upstream)
            except (OSError, ImportError, ValueError) as error:
                wrong = _no_client(error)
                rest = [name for name in BY_THE_API if name != wrong.name]
                return [wrong, *(skipped(name, "nothing can be sent") for name in rest)]
            opened.push_async_callback(http.aclose)
            http.event_hooks["response"].append(self._note)
            self.fivetran = Fivetran(Transport(http, deadline=self.settings.timeout))
            self.asked_at = self.now()
            try:
                info = await self.fivetran.account.info()
            except ForbiddenError as error:
                # A key that may not ask who it is may still read connectors.
                credentials = _failed("credentials", error, "warning")
            except FivetranError as error:
                return self._without_account(error)
            else:
                kind = "a user's key: it can do what that user can"
                kind = "a system key" if info.system_key_id else kind
                whose = clean(info.account_name or info.account_id or "an account", 80)
                credentials = Check("credentials", "ok", f"{whose}, by {kind}")
            known = [self._tls(), credentials, self._clock()]
            return [*known, await self.rights(), self.budget()]

    def _without_account(self, error: FivetranError) -> list[Check]:
        refused = _tls_error(error)
        if refused:
            wrong = _untrusted(urlsplit(self.settings.base_url).netloc, refused)
            return [wrong, *(skipped(name, "TLS failed") for name in BY_THE_API[1:])]
        known = [self._tls(), _failed("credentials", error), self._clock()]
        why = "no answer" if isinstance(error, NoAnswerError) else "the API did not let us in"
        return [*known, *(skipped(name, why) for name in BY_THE_API[3:])]

    async def _note(self, response: httpx.Response) -> None:
        """Keep what the first answer shows besides its content."""
        stream = response.extensions.get("network_stream")
        secured = stream.get_extra_info("ssl_object") if stream else None
        if secured and self.tls is None:
            self.tls = self._certificate(secured)
        try:
            said = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        if self.told_date is None:
            self.told_date = said.timestamp()

    def _certificate(self, secured: ssl.SSLObject) -> Check:
        ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
        days = int((ends - self.now()) // 86_400)
        said = f"{secured.version()}, the certificate is good for {days} days{_authorities()}"
        if days >= EXPIRES_SOON:
            return Check("TLS", "ok", said)
        remedy = "Fivetran renews its own; if a proxy of yours presents it, renew it."
        return Check("TLS", "warning", said, remedy)

    def _tls(self) -> Check:
        why = "no answer came by https" if self.upstream is None else "there is no network"
        return self.tls or skipped("TLS", why)

    def _clock(self) -> Check:
        """Compare this machine's clock with the API's."""
        if self.told_date is None:
            return skipped("clock", "the API told no time")
        skew = self.asked_at - self.told_date
        if abs(skew) <= SKEW:
            return Check("clock", "ok", "as the API's, within a minute")
        which = "ahead" if skew > 0 else "behind"
        found = f"this machine's clock is {abs(skew):,.0f} s {which}"
        return Check("clock", "warning", found, "Set it (NTP): ages of syncs and tokens are wrong.")

    async def rights(self) -> Check:
        """Read one of each kind; what changes something is not tried."""
        reads: dict[str, Callable[[], Awaitable[Any]]] = {
            "connectors": lambda: self.fivetran.connections.page(limit=1),
            "groups": lambda: self.fivetran.groups.page(limit=1),
            "connector types": lambda: self.fivetran.connector_types.get(A_TYPE),
        }
        failures: dict[str, FivetranError] = {}

        async def attempt(what: str) -> None:
            try:
                await reads[what]()
            except FivetranError as error:
                failures[what] = error

        async with anyio.create_task_group() as tasks:
            for what in reads:
                tasks.start_soon(attempt, what)
        for error in failures.values():
            if not isinstance(error, ForbiddenError):
                return _failed("rights", error)
        if failures:
            refused = [what for what in reads if what in failures]
            status: Status = "failed" if "connectors" in refused else "warning"
            remedy = "An account administrator can give the key the right to read them."
            return Check("rights", status, f"the key may not read {', '.join(refused)}", remedy)
        mode, found = self.settings.mode_in_force, f"the key reads {', '.join(reads)}"
        if mode is not Mode.READ_ONLY:
            found += "; whether it may change them as well is not tried, mode"
            found += f" {mode.word} needs MANAGE for connectors"
        return Check("rights", "ok", found)

    def budget(self) -> Check:
        """Tell what is left of the account's requests."""
        budget = self.fivetran.budget
        said = "; ".join(f"{share.name} {share.amount}" for share in budget.shares())
        if budget.low is None:
            return Check("rate budget", "ok", said)
        remedy = "Others use the account as well: ask less often, or wait for the hour to end."
        return Check("rate budget", "warning", said, remedy)

    async def stdout(self) -> list[Check]:
        """Start the server, and see that it writes nothing but the protocol."""
        if not self.command:
            return [skipped("stdout", "the server does not start")]
        if self.settings.address:
            return [skipped("stdout", "this server speaks HTTP")]
        return [await anyio.to_thread.run_sync(listen, self.command)]

    async def http(self) -> list[Check]:
        """Where HTTP is served: whether the port is free, and the issuer's keys can be had."""
        if self.settings.address is None:
            return []
        checks = [port_check(*self.settings.address)]
        if self.verifier is not None:
            try:
                await self.verifier.keys.ready()
            except VerifierUnavailableError:
                variables = "FIVETRAN_MCP_AUTH_ISSUER and FIVETRAN_MCP_AUTH_JWKS"
                remedy = f"Check {variables} from this machine."
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
        rest = ("network", *BY_THE_API, "stdout")
        left = [skipped(name, "the settings are wrong") for name in rest]
        return [versions(), *checks, *left], frozenset()
    own, upstream = reach(settings)
    secrets = settings.vault().known() | own.vault().known()
    checks, verifier = [versions(), in_words(settings)], None
    try:
        verifier = verify(settings)
    except (RulesError, JournalError) as error:
        remedy = "Correct the file, or leave it out."
        checks.append(Check("files", "failed", str(error).strip(), remedy))
        command = ()
    looked = Examination(own, upstream, command, verifier)
    return [*checks, *anyio.run(looked.run)], secrets


def _parted(problem: str) -> tuple[str, str | None]:
    """Part what is wrong with a setting from its remedy."""
    wrong, _, remedy = problem.partition("; ")
    return wrong, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else None


def _no_client(error: Exception) -> Check:
    """Say why the API client cannot be made: it reads certificates and proxies then."""
    if isinstance(error, OSError):
        found = "the file of authorities cannot be read"
        return Check("TLS", "failed", found, "Correct SSL_CERT_FILE or SSL_CERT_DIR, or unset it.")
    remedy = "Give HTTPS_PROXY or ALL_PROXY an http or https URL, or unset it."
    return Check("proxy", "failed", "the proxy that is set cannot be used", remedy)


def _authorities() -> str:
    """Name the file of authorities, where it is not one that comes with Python or httpx."""
    paths = ssl.get_default_verify_paths()
    return "" if paths.cafile in {None, paths.openssl_cafile} else f"; authorities: {paths.cafile}"


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Find what TLS said below the client's own words."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _untrusted(place: str, error: ssl.SSLError) -> Check:
    if not isinstance(error, ssl.SSLCertVerificationError):
        found = f"{place} does not speak TLS as it should: {error.reason}"
        return Check("TLS", "failed", found, NETWORK_REMEDY)
    found = f"{place} presents a certificate that is not trusted: {error.verify_message}"
    found += _authorities()
    remedy = "If a proxy of your own opens TLS, name the file of its authority in SSL_CERT_FILE;"
    return Check("TLS", "failed", found, f"{remedy} otherwise somebody is in between.")


_REMEDIES: Final = {
    "unauthorized": "Set FIVETRAN_API_KEY and FIVETRAN_API_SECRET to a valid pair; a new secret makes"
    " the old one invalid at once.",
    "forbidden": "An account administrator can give the key's user or system key the right.",
    "rate_limited": "Others use the account as well; wait, or ask less often.",
    "upstream_error": "A proxy may have answered in Fivetran's place: check FIVETRAN_BASE_URL and the"
    " network.",
}


def _failed(name: str, error: FivetranError, status: Status = "failed") -> Check:
    brief = in_brief(error)
    remedy = _REMEDIES.get(brief.code, NETWORK_REMEDY)
    return Check(name, status, f"{brief.code}: {brief.message}", remedy)


def report(checks: Sequence[Check], secrets: frozenset[str], *, as_json: bool) -> int:
    """Print what was found, and give the exit code: 1 if something fails."""
    ok = all(check.status != "failed" for check in checks)
    told = [
        {**asdict(each), **hide({"found": each.found, "remedy": each.remedy}, secrets)}
        for each in checks
    ]
    console = Console(markup=False, emoji=False, highlight=False)
    if as_json:
        print(json.dumps({"ok": ok, "checks": told}, ensure_ascii=False, indent=2))  # noqa: T201 -- for scripts
    elif console.is_terminal:
        console.print(_table(told))
    else:
        for check in told:
            remedy = f" -> {check['remedy']}" if check["remedy"] else ""
            line = f"{check['status']:<11}  {check['name']:<11}  {check['found']}{remedy}"
            print(line)  # noqa: T201 -- a line for each, where nobody sees columns
    return 0 if ok else 1


def _table(checks: Sequence[Mapping[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    styles = {"ok": "green", "warning": "yellow", "failed": "bold red", "not checked": "dim"}
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        remedy = f"\n-> {check['remedy']}" if check["remedy"] else ""
        text = f"{check['found']}{remedy}"
        table.add_row(check["status"], check["name"], text, style=styles[check["status"]])
    return table
