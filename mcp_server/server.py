"""The composition root: settings in, server out. The only module that knows all others."""

import hmac
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.request_state import RequestStateSecurity
from mcp_types import CallToolResult, GetPromptResult, InputRequiredResult
from pydantic import AnyUrl
from typing_extensions import override

from mcp_server import __version__
from mcp_server.approval import VALID, Approvals, Questions, Tokens
from mcp_server.completions import Completer
from mcp_server.fivetran import Budget, Fivetran, Transport
from mcp_server.fivetran.budget import Share
from mcp_server.fivetran.transport import CONNECT_TIMEOUT, only_reads
from mcp_server.gate import Gate, GatedTool, utc_now
from mcp_server.instructions import instructions
from mcp_server.journal import Journal
from mcp_server.policy import Mode
from mcp_server.prompts import prompts, unknown_prompt
from mcp_server.resources import ADDRESSES, READING, add_resources
from mcp_server.rules import Rules, load
from mcp_server.settings import TOOLSETS as TOOLSET_NAMES
from mcp_server.settings import Settings
from mcp_server.telemetry import Metrics, ObservedClient, Prometheus, call_id
from mcp_server.toolkit import Secrets, ServerInfo, Spec
from mcp_server.tools import TOOLSETS
from mcp_server.unanswered import Unanswered

if TYPE_CHECKING:
    from mcp.server.mcpserver.tools import Tool
    from mcp_types import Tool as ListedTool

    from mcp_server.tokens import JwtVerifier

NAME = "fivetran"
FIVE_MINUTES = 300_000
BESIDES_ONE_REQUEST = 30
"""Seconds that a call has beyond the longest request."""


class App:
    """What lives as long as the process: the API client, made by the first call that needs it.

    Hosts start servers only to list their tools, and opening the client reads every certificate.
    """

    def __init__(
        self,
        open_client: Callable[[AsyncExitStack], Fivetran],
        secrets: Secrets,
        about: ServerInfo,
        journal: Journal,
    ) -> None:
        self.journal = journal
        self.secrets = secrets
        self.about = about
        self.unanswered = Unanswered()
        self._open_client = open_client
        self._opened = AsyncExitStack()

    @cached_property
    def fivetran(self) -> Fivetran:
        """The API client of this process."""
        return self._open_client(self._opened)

    @property
    def few_requests_left(self) -> str | None:
        """Which of the account's limits is nearly used up, if any is."""
        low = self.fivetran.budget.low if "fivetran" in vars(self) else None
        return f"{low.name}: {low.amount}" if low else None

    async def aclose(self) -> None:
        """Close the client, if there is one."""
        await self._opened.aclose()


class FivetranServer(MCPServer[App]):
    """An MCP server that lists only what its mode and toolsets offer, and explains the rest."""

    def __init__(self, specs: list[Spec], gate: Gate, **rest: Any) -> None:
        offered: list[Tool] = [GatedTool.of(spec, gate) for spec in specs if gate.offers(spec)]
        super().__init__(tools=offered, **rest)
        self._specs = specs
        self._gate = gate
        self.metrics = gate.metrics
        self._names = {tool.name for tool in offered}
        jobs = prompts(gate, specs)
        self._prompts = [prompt.name for prompt in jobs]
        for prompt in jobs:
            self.add_prompt(prompt)
        add_resources(self, gate, specs)
        self.apps: list[App] = []
        """Those whose lifespan lasts: one, but for servers within a process of many clients."""
        asked = {prompt.name: [a.name for a in prompt.arguments or []] for prompt in jobs}
        completer = Completer(
            gate,
            specs,
            {**{name: frozenset(each) for name, each in asked.items()}, **ADDRESSES},
            lambda: self.apps[-1].fivetran,
        )
        self.completion()(completer)  # type: ignore[no-untyped-call] # the SDK declares no types here
        self.closed = anyio.Event()
        """Set when the lifespan has ended."""

    @override
    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[App, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        with call_id():
            if name not in self._names:
                return await self._gate.refuse_offer(name, self._specs)
            return await super().call_tool(name, arguments, context)

    @override
    async def list_tools(self) -> "list[ListedTool]":
        offered = {spec.name for spec in self._specs if self._gate.offers_caller(spec)}
        return [tool for tool in await super().list_tools() if tool.name in offered]

    @override
    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[App, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        if name not in self._prompts:
            raise unknown_prompt(name, self._prompts)
        return await super().get_prompt(name, arguments, context)

    @override
    async def read_resource(
        self, uri: AnyUrl | str, context: Context[App, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        token = READING.set(context or Context(mcp_server=self))
        try:
            return await super().read_resource(uri, context)
        finally:
            READING.reset(token)


def all_specs() -> list[Spec]:
    """Every declared tool, in the order in which they are listed."""
    return sorted((spec for each in TOOLSETS for spec in each.specs), key=lambda spec: spec.name)


def build_server(
    settings: Settings,
    *,
    upstream: httpx.AsyncBaseTransport | None = None,
    now: Callable[[], datetime] | None = None,
    auth: "JwtVerifier | None" = None,
) -> FivetranServer:
    """Build the server.

    `upstream` replaces the network, `now` the clock: the sandbox and the tests use them. `auth`
    verifies the tokens of HTTP clients.

    Raises:
        RulesError: The policy file is wrong.
        JournalError: The audit file cannot be used.
    """

    def shares() -> list[Share]:
        opened = [app.fivetran for app in server.apps if "fivetran" in vars(app)]
        return [share for each in opened for share in each.budget.shares()]

    metrics = Prometheus(shares) if settings.address else Metrics()
    vault = settings.vault()
    gate = Gate(
        mode=settings.mode_in_force,
        toolsets=settings.toolset_names,
        vault=vault,
        approvals=Approvals(settings.approval),
        tokens=tokens_of(settings),
        now=now or utc_now,
        rules=policy_of(settings),
        auth=auth.config if auth else None,
        journal=journal_of(settings, now),
        metrics=metrics,
        call_seconds=settings.timeout + BESIDES_ONE_REQUEST,
    )
    secrets = Secrets(vault, literals=settings.literal_secrets == "allow")
    about = ServerInfo(
        version=__version__,
        mode=gate.mode.word,
        toolsets=tuple(name for name in TOOLSET_NAMES if name in gate.toolsets),
        toolsets_off=tuple(name for name in TOOLSET_NAMES if name not in gate.toolsets),
    )

    def open_client(opened: AsyncExitStack) -> Fivetran:
        http = http_client(settings, upstream, metrics)
        opened.push_async_callback(http.aclose)
        clock = (lambda: now().timestamp()) if now else time.monotonic
        budget = Budget(clock, replicas=settings.replicas)
        transport = Transport(http, deadline=settings.timeout, budget=budget)
        return Fivetran(transport, now=now) if now else Fivetran(transport)

    @asynccontextmanager
    async def lifespan(_: MCPServer[App]) -> AsyncIterator[App]:
        app = App(open_client, secrets, about, gate.journal)
        server.apps.append(app)
        try:
            yield app
        finally:
            gate.journal.close()
            server.apps.remove(app)
            await app.aclose()
            server.closed.set()

    server = FivetranServer(
        all_specs(),
        gate,
        name=NAME,
        title="Fivetran",
        version=__version__,
        instructions=instructions(gate, all_specs()),
        lifespan=lifespan,
        subscriptions=False,
        log_level=settings.log_level.upper(),
        cache_hints={
            "tools/list": CacheHint(ttl_ms=FIVE_MINUTES, scope="private" if auth else "public")
        },
        token_verifier=auth,
        auth=auth.config.settings() if auth else None,
        request_state_security=state_security(settings),
    )
    return server


def policy_of(settings: Settings) -> Rules | None:
    """Read the operator's policy file, if there is one."""
    if settings.policy is None:
        return None
    rules = load(settings.policy, tools=frozenset(spec.name for spec in all_specs()))
    return rules.parted(settings.replicas)


def journal_of(settings: Settings, now: Callable[[], datetime] | None) -> Journal:
    """Open the record of what is changed."""
    key = settings.audit_key.get_secret_value().encode() if settings.audit_key else None
    return Journal(settings.audit_file, now=now or utc_now, key=key)


def state_security(settings: Settings) -> RequestStateSecurity:
    """Seal questions that are under way, with the key of all replicas if there is one."""
    return RequestStateSecurity(codec=Questions(settings.state_keys), ttl=VALID.total_seconds())


def tokens_of(settings: Settings) -> Tokens:
    """Have every replica know the tokens of the others' previews."""
    if not settings.state_keys:
        return Tokens()
    # Keys of their own: what is made with one says nothing of the other.
    own, *others = (hmac.digest(k, b"tokens of previews", "sha256") for k in settings.state_keys)
    return Tokens(own, known=tuple(others))


def http_client(
    settings: Settings,
    upstream: httpx.AsyncBaseTransport | None = None,
    metrics: Metrics | None = None,
) -> httpx.AsyncClient:
    """Make the pooled client of one account at one address; proxies are those of the environment."""
    locks = [only_reads] if settings.mode_in_force is Mode.READ_ONLY else []
    return ObservedClient(
        metrics=metrics,
        transport=upstream,
        base_url=settings.base_url,
        auth=httpx.BasicAuth(
            settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
        ),
        headers={"User-Agent": f"mcp-server-fivetran/{__version__}"},
        timeout=httpx.Timeout(settings.timeout, connect=CONNECT_TIMEOUT),
        follow_redirects=False,
        event_hooks={"request": locks},
    )
