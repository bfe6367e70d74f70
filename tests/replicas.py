"""Several server processes for one account, behind a proxy that gives each request to the next."""

import itertools
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEY: Final = "k" * 32
METHODS: Final = ("GET", "POST", "DELETE")
OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that each side of a proxy writes for itself."""


@dataclass(slots=True)
class Balancer:
    """Hands each request to the next replica; from one that is gone, to the one after it."""

    replicas: list[str]
    handled: Counter[str] = field(default_factory=Counter)
    """How many requests each replica has answered."""
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _http: httpx.AsyncClient = field(init=False)

    def app(self) -> Starlette:
        """Make the proxy."""
        routes = [Route("/{path:path}", self._forward, methods=[*METHODS])]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as self._http:
            yield

    async def _forward(self, request: Request) -> Response:
        body = await request.body()
        headers = [(n, v) for n, v in request.headers.items() if n not in OWN]
        for _ in self.replicas:
            replica = self.replicas[next(self._turns) % len(self.replicas)]
            url = replica + request.url.path
            sent = self._http.build_request(request.method, url, headers=headers, content=body)
            try:
                answer = await self._http.send(sent, stream=True)
            except httpx.ConnectError:
                continue
            self.handled[replica] += 1
            return StreamingResponse(
                _bytes_of(answer),
                answer.status_code,
                {n: v for n, v in answer.headers.items() if n not in OWN},
                background=BackgroundTask(answer.aclose),
            )
        return Response("no replica", 502)


async def _bytes_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for chunk in answer.aiter_raw():
        yield chunk


@dataclass(slots=True)
class Statuses:
    """Counts what an application answers."""

    app: "ASGIApp"
    seen: Counter[int] = field(default_factory=Counter)

    async def __call__(  # noqa: D102 -- an ASGI application
        self, scope: "Scope", receive: "Receive", send: "Send"
    ) -> None:
        async def note(message: "Message") -> None:
            if message["type"] == "http.response.start":
                self.seen[message["status"]] += 1
            await send(message)

        await self.app(scope, receive, note)


@contextmanager
def served(app: "ASGIApp") -> Iterator[str]:
    """Serve an application on this machine, in a thread of its own; its address."""
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass(slots=True)
class Fleet:
    """Replicas, what is before them, and the account behind them."""

    url: str
    """Of the proxy."""
    balancer: Balancer
    processes: list[Popen[bytes]]
    sandbox: Sandbox
    statuses: Counter[int]
    """What the account's API has answered."""


@contextmanager
def started(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[Popen[bytes], Path]]:
    """Start a server; its process and its log, which is a file: nobody reads a pipe empty."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as stderr:
            process = Popen(  # noqa: S603 -- our own command
                [sys.executable, "-m", "mcp_server", *arguments], env=environment, stderr=stderr
            )
        try:
            yield process, log
        finally:
            process.terminate()
            process.wait(timeout=30)


def _address_of(process: Popen[bytes], log: Path) -> str:
    """Wait until a server says where it serves."""
    while process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if found := re.search(r"Uvicorn running on (http://[\d.:]+)", line):
                return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text(encoding="utf-8"))


@contextmanager
def fleet(
    *arguments: str, keys: tuple[str, ...] = (KEY, KEY), plan: Any = "standard", **more: str
) -> Iterator[Fleet]:
    """Start a replica for each of the keys, with further variables of the environment."""
    sandbox = Sandbox(sync_seconds=0.5)
    sandbox.limit_requests(plan=plan)
    api = Statuses(sandbox.app)
    with ExitStack() as stack:
        account = stack.enter_context(served(api))
        starting = []
        for key in keys:
            environment = {
                **os.environ,  # noqa: TID251 -- for the coverage of the process
                "FIVETRAN_BASE_URL": account,
                "FIVETRAN_API_KEY": SANDBOX_KEY,
                "FIVETRAN_API_SECRET": SANDBOX_SECRET,
                "FIVETRAN_MCP_STATE_KEY": key,
                "FIVETRAN_MCP_MODE": "full",
                "FIVETRAN_MCP_HTTP": "127.0.0.1:0",
                "FIVETRAN_MCP_LOG_FORMAT": "json",
                **more,
            }
            starting.append(stack.enter_context(started(arguments, environment)))
        # Only now, so that they start side by side.
        balancer = Balancer([_address_of(process, log) for process, log in starting])
        url = stack.enter_context(served(balancer.app()))
        yield Fleet(f"{url}/mcp", balancer, [p for p, _ in starting], sandbox, api.seen)
