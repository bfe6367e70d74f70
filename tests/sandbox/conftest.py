"""A sandbox whose clock the tests turn, and a client of its own."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox


class Clock:
    """Stands still unless told otherwise."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Tell the time."""
        return self.moment

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the sandbox itself has nothing that depends on it."""
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    """Start the clock."""
    return Clock()


@pytest.fixture
def wait(clock: Clock) -> Callable[[float], None]:
    """Let that many seconds pass."""
    return clock.wait


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    """Build the usual account."""
    return Sandbox(now=clock.now)


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Connect with the right key."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=sandbox.app),
        base_url="https://api.fivetran.com",
        auth=(SANDBOX_KEY, SANDBOX_SECRET),
    ) as client:
        yield client
