"""A server over the sandbox, and clients of both protocol eras."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import stamina
from mcp import Client

from mcp_server.sandbox import Sandbox
from mcp_server.settings import VARIABLES
from tests.support import ERAS, Caller, Clock, Connect, serve


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests away from them."""
    spans = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    for variable in (*VARIABLES.values(), *spans, "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts() -> Any:
    """Let retries happen at once."""
    with stamina.set_testing(testing=True, attempts=3):
        yield


@pytest.fixture
def clock() -> Clock:
    """Start the clock, which the sandbox and the server share."""
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    """Build the usual account."""
    return Sandbox(now=clock.now)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Name the protocol revision that the client speaks."""
    era: str = request.param
    return era


@pytest.fixture
def connect(sandbox: Sandbox, era: str) -> Connect:
    """Give a way to connect to a server, by mode and other settings."""

    @asynccontextmanager
    async def open_client(mode: str = "full", **settings: Any) -> AsyncIterator[Caller]:
        async with Client(serve(sandbox, mode, **settings), mode=era) as client:
            yield Caller(client)

    return open_client


@pytest.fixture
async def caller(connect: Connect) -> AsyncIterator[Caller]:
    """Connect to a server in mode `full`."""
    async with connect() as caller:
        yield caller


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let answers that were looked at be written anew."""
    parser.addoption("--accept", action="store_true", help="write tests/snapshots anew")
