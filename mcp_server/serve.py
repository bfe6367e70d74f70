"""Running a server on stdio or streamable HTTP, and ending it cleanly."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from mcp.server.auth.routes import create_protected_resource_routes
from mcp.server.transport_security import TransportSecuritySettings

from mcp_server import telemetry
from mcp_server.addresses import is_loopback, is_unspecified
from mcp_server.server import FivetranServer

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from pydantic import AnyHttpUrl
    from starlette.applications import Starlette

    from mcp_server.auth import AuthConfig
    from mcp_server.tokens import JwtVerifier

GRACE: Final = 0.6
"""Seconds an ending server waits for what is under way."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def serve_stdio(server: FivetranServer) -> None:
    """Serve until the end of input (exit code 0), SIGINT (130) or SIGTERM (143).

    The SDK's own runner hangs on SIGINT and skips the lifespan's end on SIGTERM: the thread that
    reads stdin cannot be interrupted. So a signal cancels the serving, waits for the lifespan to
    end, and leaves the process without that thread.
    """
    anyio.run(_until_ended, server)


async def _until_ended(server: FivetranServer) -> None:
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def receive(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(signals.put_nowait, number)

    for each in SIGNALS:
        # Not add_signal_handler, which Windows does not have.
        signal.signal(each, receive)
    serving = anyio.CancelScope()

    async def leave() -> None:
        number = await signals.get()
        serving.cancel()
        with anyio.move_on_after(GRACE):
            await server.closed.wait()
        telemetry.flush()
        logging.shutdown()
        sys.stderr.flush()
        os._exit(128 + number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        with serving:
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()


def http_app(  # noqa: PLR0913 -- one parameter for each thing an operator decides
    server: "MCPServer[Any]",
    host: str,
    *,
    auth: "JwtVerifier | None" = None,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    stateless: bool = False,
) -> "Starlette":
    """Make the application that serves streamable HTTP at `/mcp`, and its probes.

    Requests that name another host than `host`, `hosts`, this machine and that of the resource, or
    come from another origin than `origins` and this machine, are refused, so a web page cannot
    reach the server through a name that resolves to it.

    Raises:
        ValueError: Others could reach it without a token.
    """
    from mcp_server.edge import Edge  # noqa: PLC0415 -- stdio does not need it, and starts sooner
    from mcp_server.telemetry import Prometheus  # noqa: PLC0415 -- likewise

    if auth is None and not is_loopback(host):
        raise ValueError(f"{host} can be reached from elsewhere, so tokens must be required")
    if (auth is None) != (server.settings.auth is None):
        raise ValueError("the server was not built for this authentication")
    own = [] if is_unspecified(host) else [f"[{host}]" if ":" in host else host]
    public = [auth.config.host] if auth else []
    names = dict.fromkeys((*LOOPBACK, *own))
    app = server.streamable_http_app(
        host=host,
        stateless_http=stateless,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=_any_port((*names, *public, *(name.lower() for name in hosts))),
            allowed_origins=[*_any_port(f"http://{name}" for name in names), *origins],
        ),
    )
    if auth:
        _describe(app, auth.config)
    metrics = getattr(server, "metrics", None)
    app.add_middleware(
        Edge, verifier=auth, metrics=metrics if isinstance(metrics, Prometheus) else None
    )
    return app


def _any_port(names: Iterable[str]) -> list[str]:
    return [f"{name}{port}" for name in dict.fromkeys(names) for port in ("", ":*")]


def _describe(app: "Starlette", config: "AuthConfig") -> None:
    """Publish the metadata of the resource, before the SDK's, which names the least scope only."""
    described = config.settings()
    app.router.routes[:0] = create_protected_resource_routes(
        resource_url=cast("AnyHttpUrl", described.resource_server_url),
        authorization_servers=[described.issuer_url],
        scopes_supported=list(config.asked),
        resource_name="Fivetran",
    )


def serve_http(  # noqa: PLR0913 -- as http_app
    server: "MCPServer[Any]",
    host: str,
    port: int,
    *,
    auth: "JwtVerifier | None" = None,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    stateless: bool = False,
) -> None:
    """Serve streamable HTTP at `/mcp` until SIGINT (exit code 130) or SIGTERM (143).

    Beyond this machine only with `auth`, and behind something that speaks TLS. `stateless` is for
    several replicas: none remembers a session of a 2025-11-25 client; newer ones have none.
    """
    import uvicorn  # noqa: PLC0415 -- stdio does not need it, and starts sooner

    app = http_app(server, host, auth=auth, hosts=hosts, origins=origins, stateless=stateless)
    # uvicorn ends gracefully on a signal, then raises it again for whoever was there before.
    for each in SIGNALS:
        signal.signal(each, _leave)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
    )
    config.timeout_graceful_shutdown = GRACE  # type: ignore[assignment] # it is given to wait_for
    uvicorn.Server(config).run()


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
