"""The sandbox itself: an application that answers as the Fivetran REST API does."""

import base64
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from mcp_server.sandbox.account import Account, Ending
from mcp_server.sandbox.calls import (
    Call,
    Received,
    check_accept,
    json_body,
    query_of,
    segments,
)
from mcp_server.sandbox.faults import Fault, FaultList
from mcp_server.sandbox.limits import Plan, RateLimit
from mcp_server.sandbox.replies import Json, Refusal, Reply
from mcp_server.sandbox.routes import find
from mcp_server.sandbox.seed import fill

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SANDBOX_KEY = "sandbox_key"
SANDBOX_SECRET = "sandbox_secret"  # noqa: S105 - opens nothing but the sandbox
_PUBLIC = "/public/"
"""What is answered without a key."""
_REMEMBERED = 10_000
_WITH_BODY = frozenset({"POST", "PATCH"})


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """A Fivetran account in memory, served by `app`.

    Time is real, except that a sync takes `sync_seconds` and a historical one twice as long.
    Nothing runs in the background: a connection is brought up to date when a request looks at it.
    """

    def __init__(
        self,
        *,
        connections: int | None = None,
        seed: int = 7,
        sync_seconds: float = 6.0,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Build the account; without a number of connections, the usual forty."""
        self.now = now
        """The clock by which everything happens."""
        self._account = Account(now=lambda: now().astimezone(UTC), sync_seconds=sync_seconds)
        fill(self._account, connections, seed)
        self._faults = FaultList()
        self._limit = RateLimit()
        self.requests: deque[Received] = deque(maxlen=_REMEMBERED)
        self.app = Starlette()
        # Starlette's routes match decoded paths, which cannot tell `a%2Fb` from `a/b`.
        self.app.router.default = self._serve

    @property
    def connections(self) -> dict[str, Json]:
        """The live connections by id; secrets are readable here."""
        return self._account.connections

    @property
    def dropped(self) -> list[str]:
        """What was dropped from the destination, as `connection/schema/table[/column]`."""
        return self._account.dropped

    def fail(self, fault: Fault) -> None:
        """Let requests to come meet a fault; the first one that matches is used."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Forget the faults that were not met."""
        self._faults.clear()

    def withhold(self, *endpoints: str, status: int = 404) -> None:
        """Answer as an account without them: `sync-history`, `warnings`, `errors`; 404 or 403."""
        self._account.withheld.update(dict.fromkeys(endpoints, status))

    def script(
        self,
        connection_id: str,
        word: str,
        *,
        seconds: float | None = None,
        reason: str | None = None,
    ) -> None:
        """Decide how the next sync of a connection ends; called again, how the one after it does.

        The words are those of sync history; BROKEN finds the setup broken, NEVER does not begin.
        """
        ending = Ending(word, seconds, reason)
        self._account.backstage[connection_id].endings.append(ending)

    def limit_requests(
        self,
        hourly: int | None = None,
        *,
        plan: Plan = "standard",
        source: tuple[int, int] | None = None,
        setup: tuple[int, int] | None = None,
    ) -> None:
        """Set the limits, and forget the requests made.

        Those not named are the plan's; those of source interaction and of setup tests are pairs, by
        minute and by hour.
        """
        self._limit = RateLimit(plan, hourly=hourly, source=source, setup=setup)

    async def _serve(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        request = Request(scope, receive)
        received = Received(
            method=request.method,
            path=scope["raw_path"].partition(b"?")[0].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=dict(request.headers),
            body=await request.body(),
        )
        self.requests.append(received)
        reply = await self._reply(received)
        headers = {**self._limit.headers(self._account.now()), **reply.headers}
        await Response(reply.body, reply.status, headers)(scope, receive, send)

    async def _reply(self, received: Received) -> Reply:
        fault = self._faults.take(received.method, received.path)
        if fault is None:
            return self._answer(received)
        if fault.applied:
            self._answer(received)
        await anyio.sleep(fault.delay)
        return fault.reply()

    def _answer(self, received: Received) -> Reply:
        try:
            if not received.path.startswith(_PUBLIC):
                _check_key(received)
            self._limit.take(self._account.now(), received)
            route, names = find(received.method, segments(received.path))
            check_accept(received)
            body: Json = {}
            if received.method in _WITH_BODY:
                body = json_body(received, required=route.body_required)
            return route.handler(Call(self._account, names, body, query_of(received)))
        except Refusal as refusal:
            return refusal.reply


def _check_key(received: Received) -> None:
    expected = base64.b64encode(f"{SANDBOX_KEY}:{SANDBOX_SECRET}".encode()).decode()
    kind, _, given = received.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic" or given.strip() != expected:
        message = "Invalid authorization credentials"
        raise Refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized", message)
