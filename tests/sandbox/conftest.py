"""A client of the sandbox, and time that the tests let pass."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from tests.support import Clock


@pytest.fixture
def wait(clock: Clock) -> Callable[[float], None]:
    """Let that many seconds pass."""
    return clock.wait


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Connect with the right key."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=sandbox.app),
        base_url="https://api.fivetran.com",
        auth=(SANDBOX_KEY, SANDBOX_SECRET),
    ) as client:
        yield client
