"""A far end that follows a script, a sandbox, and clients of both; no retry waits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime

import anyio
import httpx
import pytest
import stamina
from hypothesis import HealthCheck, settings
from stamina.instrumentation import set_on_retry_hooks

from mcp_server.fivetran import Fivetran, Transport
from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from tests.fivetran.night import Night
from tests.support import Clock

# A slow machine is no defect; Hypothesis builds its tables of characters on first use.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

Step = httpx.Response | Exception | Callable[[httpx.Request], Awaitable[httpx.Response]]

KEY = "key-canary"
SECRET = "secret-canary"
HOST = "https://host-canary.example"
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Far:
    """The far end of an HTTP client: takes one step per request, the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._steps: list[Step] = [httpx.Response(200, json={"data": {}})]

    def answers(self, *steps: Step) -> None:
        """Write the script."""
        self._steps = list(steps)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take a step."""
        self.requests.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return await step(request)


@pytest.fixture
def night(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Let nobody really sleep."""
    night = Night(clock)
    monkeypatch.setattr(anyio, "sleep", night.sleep)
    return night


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry at once, but not more often than the client would; log nothing."""
    set_on_retry_hooks([])
    with stamina.set_testing(True, attempts=99, cap=True):
        yield
    set_on_retry_hooks(None)


@pytest.fixture
def far() -> Far:
    """Be the far end."""
    return Far()


@pytest.fixture
async def http(far: Far) -> AsyncIterator[httpx.AsyncClient]:
    """Connect to the far end; the client's own settings are lax, as the transport must not be."""
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(far),
        base_url=HOST,
        auth=(KEY, SECRET),
        follow_redirects=True,
    ) as client:
        yield client


@pytest.fixture
def transport(http: httpx.AsyncClient) -> Transport:
    """Send to the far end."""
    return Transport(http)


@pytest.fixture
def scripted(transport: Transport) -> Fivetran:
    """Ask the far end."""
    return Fivetran(transport)


@pytest.fixture
def sandbox() -> Sandbox:
    """Build the usual account, at noon."""
    return Sandbox(now=lambda: NOON)


@pytest.fixture
async def fivetran(sandbox: Sandbox) -> AsyncIterator[Fivetran]:
    """Ask the sandbox."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=sandbox.app),
        base_url="https://api.fivetran.com",
        auth=(SANDBOX_KEY, SANDBOX_SECRET),
    ) as client:
        yield Fivetran(Transport(client))
