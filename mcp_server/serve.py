"""Running a server on stdio or streamable HTTP, and ending it cleanly."""

import asyncio
import logging
import os
import signal
import sys
from types import FrameType
from typing import Final

import anyio
from mcp.server.transport_security import TransportSecuritySettings

from mcp_server.server import FivetranServer

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
        logging.shutdown()
        sys.stderr.flush()
        os._exit(128 + number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        with serving:
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()


def serve_http(server: FivetranServer, host: str, port: int) -> None:
    """Serve streamable HTTP at `/mcp` until SIGINT (exit code 130) or SIGTERM (143).

    Requests that name another host or come from another origin than this machine are refused, so
    a web page cannot reach the server through a name that resolves to it.
    """
    import uvicorn  # noqa: PLC0415 -- stdio does not need it, and starts sooner

    own = f"[{host}]" if ":" in host else host
    names = dict.fromkeys((*LOOPBACK, own))
    app = server.streamable_http_app(
        host=host,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[f"{name}{port}" for name in names for port in ("", ":*")],
            allowed_origins=[f"http://{name}{port}" for name in names for port in ("", ":*")],
        ),
    )
    # uvicorn ends gracefully on a signal, then raises it again for whoever was there before.
    for each in SIGNALS:
        signal.signal(each, _leave)
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False)
    config.timeout_graceful_shutdown = GRACE  # type: ignore[assignment] # it is given to wait_for
    uvicorn.Server(config).run()


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
