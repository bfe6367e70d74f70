"""The limits of an account as its client meets them: nothing is sent beyond them."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from typing_extensions import override

from mcp_server.fivetran import Budget, Fivetran, Transport
from mcp_server.fivetran.budget import Share
from mcp_server.fivetran.errors import BudgetError, RateLimitedError
from mcp_server.fivetran.windows import Kind
from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Fault, Sandbox
from tests.fivetran.night import Night
from tests.support import Caller, Clock, serve

ONE = "solid_anchor"


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    """Build the usual account, by the same clock."""
    return Sandbox(now=clock.now)


class Account:
    """A sandbox, its client, and what was answered."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient, budget: Budget) -> None:
        self.sandbox = sandbox
        self.fivetran = Fivetran(Transport(http, budget=budget))
        self.statuses: list[int] = []
        self.refused: list[BudgetError] = []

    async def note(self, response: httpx.Response) -> None:
        """Remember a status."""
        self.statuses.append(response.status_code)

    async def ask(self, kind: Kind) -> None:
        """Send a request of a kind, whatever becomes of it."""
        try:
            await requests_of(self.fivetran)[kind]()
        except BudgetError as error:
            self.refused.append(error)

    async def ask_at_once(self, kinds: Sequence[Kind]) -> None:
        """Send many together."""
        async with anyio.create_task_group() as tasks:
            for kind in kinds:
                tasks.start_soon(self.ask, kind)


class Slow(httpx.AsyncBaseTransport):
    """Take a while on the way there, and on the way back."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._dice = random.Random(7)  # noqa: S311 -- the same ways each time

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self._dice.choice([0.01, 0.3, 2]))
        response = await self._inner.handle_async_request(request)
        await anyio.sleep(self._dice.choice([0.01, 0.3, 2]))
        return response


def requests_of(fivetran: Fivetran) -> dict[Kind, Callable[[], Awaitable[Any]]]:
    """Give the simplest request of each kind."""
    return {
        "all": lambda: fivetran.connections.get(ONE),
        "source": lambda: fivetran.schemas.columns(ONE, "public", "orders"),
        "setup": lambda: fivetran.connections.test(ONE),
    }


@asynccontextmanager
async def account_of(sandbox: Sandbox, *, slow: bool = False) -> AsyncIterator[Account]:
    """Connect to a sandbox."""
    network = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(
        transport=Slow(network) if slow else network,
        base_url="https://api.fivetran.com",
        auth=(SANDBOX_KEY, SANDBOX_SECRET),
    ) as http:
        account = Account(sandbox, http, Budget(lambda: sandbox.now().timestamp()))
        http.event_hooks = {"response": [account.note]}
        yield account


@pytest.fixture
async def account(sandbox: Sandbox, night: Night) -> AsyncIterator[Account]:
    """Connect to the usual account."""
    assert not night.slept
    async with account_of(sandbox) as account:
        yield account


@pytest.mark.parametrize(
    ("kinds", "others", "limit"),
    [
        (("source",), 0, 250),
        (("setup",), 0, 50),
        (("all",), 0, 500),
        (("all",), 40, 460),
        (("setup", "all", "source"), 40, 460),
    ],
)
async def test_many_requests_at_once_never_meet_a_429(
    sandbox: Sandbox, night: Night, kinds: tuple[Kind, ...], others: int, limit: int
) -> None:
    """For two hours of a trial account, whose limits are used up to what errs on the safe side."""
    sandbox.limit_requests(plan="trial")
    async with account_of(sandbox, slow=True) as account:
        for turn in range(40):
            await account.ask_at_once(kinds * (48 // len(kinds)))
            night.clock.wait(170 + turn % 7)
            if turn == 4:
                await besides(sandbox, others)
    assert 429 not in account.statuses
    assert account.refused
    assert all(error.retry_after for error in account.refused)
    assert len(account.statuses) >= limit * (1 + 0.9)


async def besides(sandbox: Sandbox, times: int) -> None:
    """Use the account from elsewhere."""
    async with account_of(sandbox) as other:
        await other.ask_at_once(["all"] * times)


@settings(max_examples=25)
@given(
    bursts=st.lists(
        st.tuples(
            st.floats(0, 90),
            st.lists(st.sampled_from(["all", "source", "setup"]), max_size=40),
        ),
        max_size=12,
    )
)
async def test_no_window_is_ever_exceeded(bursts: list[tuple[float, list[Kind]]]) -> None:
    """Whatever is asked for, whenever."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio, "sleep", Night(clock).sleep)
        async with account_of(Sandbox(now=clock.now), slow=True) as account:
            account.sandbox.limit_requests(plan="trial")
            for gap, kinds in bursts:
                clock.wait(gap)
                await account.ask_at_once(kinds)
        assert 429 not in account.statuses
        assert len(account.statuses) + len(account.refused) == sum(len(k) for _, k in bursts)


async def test_a_limit_that_the_client_does_not_know_is_met(account: Account) -> None:
    """The table above can fail: an account with less than a trial answers 429."""
    account.sandbox.limit_requests(plan="trial", source=(20, 250))
    with suppress(ExceptionGroup):
        await account.ask_at_once(["source"] * 60)
    assert 429 in account.statuses


async def test_a_short_wait_is_waited_for(account: Account, night: Night) -> None:
    """Each waits for its own place, no longer; the next one is refused at once."""
    account.sandbox.limit_requests(plan="trial")
    for _ in range(25):
        await account.ask("source")
        night.clock.wait(1)
    night.clock.wait(33)
    account.sandbox.requests.clear()
    await account.ask_at_once(["source"] * 6)
    assert [round(each, 3) for each in sorted(night.slept)] == [2, 3, 4, 5]
    assert len(account.sandbox.requests) == 4
    assert [error.retry_after for error in account.refused] == [6, 6]


@pytest.mark.parametrize("kind", ["source", "setup"])
async def test_a_long_wait_is_told_and_nothing_leaves(account: Account, kind: Kind) -> None:
    """Reads and changes alike; other requests go on."""
    account.sandbox.limit_requests(plan="trial")
    for _ in range(25):
        await account.ask("source")
    account.sandbox.requests.clear()
    with pytest.raises(RateLimitedError) as caught:
        await requests_of(account.fivetran)[kind]()
    assert type(caught.value) is BudgetError
    assert caught.value.retry_after == 60
    assert caught.value.retryable
    assert caught.value.message == (
        "not sent: the account's 25 source interaction requests a minute are used up"
    )
    assert not account.sandbox.requests
    await account.ask("all")
    assert len(account.sandbox.requests) == 1


async def test_an_account_used_up_by_others_is_noticed_and_looked_at_each_minute(
    account: Account, night: Night
) -> None:
    """One request a minute looks, and when there is more again, all go."""
    account.sandbox.limit_requests(plan="trial")
    await account.ask("all")
    await besides(account.sandbox, 499)
    assert account.fivetran.budget.low is None
    with pytest.raises(RateLimitedError) as met:
        await account.fivetran.connections.get(ONE)
    assert type(met.value) is RateLimitedError
    assert met.value.retry_after == 3600
    assert account.fivetran.budget.low == Share("all", 3600, 500, 0)
    account.sandbox.requests.clear()
    await account.ask_at_once(["all", "source", "setup"])
    assert [error.retry_after for error in account.refused] == [3600] * 3
    assert not account.sandbox.requests
    night.clock.wait(3600)
    await account.ask_at_once(["all"] * 100)
    assert account.statuses.count(429) == 1
    assert account.statuses.count(200) == 101
    assert account.fivetran.budget.low is None


async def test_a_lowered_limit_is_noticed(account: Account) -> None:
    """The next answer tells it."""
    account.sandbox.limit_requests(3)
    for _ in range(4):
        await account.ask("all")
    assert account.statuses == [200] * 3
    assert [error.retry_after for error in account.refused] == [3600]


async def test_the_servers_budget_goes_by_the_servers_clock(clock: Clock) -> None:
    """What a tool says is when it works again."""
    sandbox = Sandbox(now=clock.now)
    sandbox.limit_requests(1)
    async with Client(serve(sandbox)) as client:
        caller = Caller(client)
        await caller.ok("get_connector", connector_id=ONE)
        error = await caller.error("get_connector", connector_id=ONE)
        assert (error["code"], error["retry_after_seconds"]) == ("rate_limited", 3600)
        assert error["retryable"]
        assert len(sandbox.requests) == 1
        clock.wait(3600)
        await caller.ok("get_connector", connector_id=ONE)


async def test_a_fault_of_the_sandbox_is_like_any_answer(account: Account) -> None:
    """It tells the budget as all answers do."""
    account.sandbox.fail(Fault(status=429, headers={"Retry-After": "1800"}))
    with pytest.raises(RateLimitedError):
        await account.fivetran.connections.get(ONE)
    with pytest.raises(BudgetError) as caught:
        await account.fivetran.connections.get(ONE)
    assert caught.value.retry_after == 1800
    assert len(account.sandbox.requests) == 1
