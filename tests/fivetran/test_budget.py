"""The account's limits: nothing is sent beyond them, whoever else uses the account."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from mcp_server.fivetran import Budget, Fivetran, Transport
from mcp_server.fivetran.budget import Attempt, Share
from mcp_server.fivetran.errors import (
    BudgetError,
    FivetranError,
    RateLimitedError,
    UnreachableError,
)
from mcp_server.fivetran.transport import LONGEST_WAIT
from mcp_server.fivetran.windows import SLOTS, Kind, Tally
from tests.fivetran.night import Night

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

ONE = "solid_anchor"
DONE = httpx.Response(200, json={"data": {}})


@pytest.fixture
def budget(night: Night) -> Budget:
    """Start with the limits of a paid account."""
    return Budget(night.now)


@pytest.fixture
def transport(http: httpx.AsyncClient, budget: Budget) -> Transport:
    """Send to the far end, within the budget."""
    return Transport(http, budget=budget)


def spend(budget: Budget, kind: Kind = "all", **rest: Any) -> AbstractAsyncContextManager[Attempt]:
    """Send something as a transport does."""
    return budget.spend(kind, **{"longest": LONGEST_WAIT, **rest})


async def use(budget: Budget, kind: Kind = "all", times: int = 1, **answer: Any) -> None:
    """Send requests, and read their answers."""
    for _ in range(times):
        async with spend(budget, kind) as attempt:
            tell(budget, attempt, **answer)


def tell(budget: Budget, attempt: Attempt, status: int = 200, **answer: Any) -> None:
    """Let an answer come; what it tells may be `limit`, `left` and `pause`."""
    given = {"X-Rate-Limit": "limit", "X-Rate-Limit-Remaining": "left"}
    told = {name: answer.get(key) for name, key in given.items()}
    headers = {name: str(value) for name, value in told.items() if value is not None}
    budget.learn(attempt, status, httpx.Headers(headers), answer.get("pause"))


async def wait_of(budget: Budget, kind: Kind = "all") -> float | None:
    """Tell how long a request would be refused for; None if it is sent."""
    try:
        async with spend(budget, kind, longest=0):
            return None
    except BudgetError as error:
        return error.retry_after


def left(budget: Budget) -> dict[tuple[Kind, int], int]:
    """Tell what is left."""
    return {(share.kind, share.window_seconds): share.left for share in budget.shares()}


def limits(budget: Budget) -> list[int]:
    """Tell the limits."""
    return [share.limit for share in budget.shares()]


PAID = [20_000, 500, 5_000, 250, 2_500]
TRIAL = [500, 25, 250, 25, 50]


# What counts


UPDATE = {"paused": True}
KINDS = [
    pytest.param("all", lambda f: f.connections.page(), id="a page"),
    pytest.param("all", lambda f: f.connections.get("c"), id="a connection"),
    pytest.param("all", lambda f: f.connections.sync("c", force=False), id="a sync"),
    pytest.param(
        "all",
        lambda f: f.connections.create({"run_setup_tests": False}),
        id="created without tests",
    ),
    pytest.param(
        "all",
        lambda f: f.connections.update("c", **UPDATE, run_setup_tests=False),
        id="updated without tests",
    ),
    pytest.param("setup", lambda f: f.connections.create({}), id="created"),
    pytest.param(
        "setup", lambda f: f.connections.create({"run_setup_tests": True}), id="created with tests"
    ),
    pytest.param("setup", lambda f: f.connections.update("c", **UPDATE), id="updated"),
    pytest.param(
        "setup",
        lambda f: f.connections.update("c", **UPDATE, run_setup_tests=True),
        id="updated with tests",
    ),
    pytest.param("setup", lambda f: f.connections.test("c"), id="tested"),
    pytest.param("all", lambda f: f.schemas.get("c"), id="a schema"),
    pytest.param("all", lambda f: f.schemas.update("c", {}), id="a schema change"),
    pytest.param("source", lambda f: f.schemas.columns("c", "s", "t"), id="columns"),
    pytest.param("source", lambda f: f.schemas.reload("c", "PRESERVE"), id="a reload"),
]


@pytest.mark.parametrize(("kind", "send"), KINDS)
async def test_each_request_counts_against_its_kind_and_the_wider_ones(
    transport: Transport,
    budget: Budget,
    far: "Far",
    kind: Kind,
    send: Callable[[Fivetran], Awaitable[Any]],
) -> None:
    """The API runs setup tests unless told not to; the answer does not matter."""
    far.answers(httpx.Response(404))
    with pytest.raises(FivetranError):
        await send(Fivetran(transport))
    counted = {"all": 1, "source": 3, "setup": 5}[kind]
    used = [share.limit - share.left for share in budget.shares()]
    assert used == [1] * counted + [0] * (5 - counted)


def test_the_limits_are_those_of_a_paid_account(budget: Budget) -> None:
    """Until an answer tells otherwise."""
    assert [(share.kind, share.window_seconds) for share in budget.shares()] == [
        ("all", 3600),
        ("source", 60),
        ("source", 3600),
        ("setup", 60),
        ("setup", 3600),
    ]
    assert limits(budget) == PAID
    assert [share.left for share in budget.shares()] == PAID
    assert budget.low is None
    assert Fivetran(Transport(httpx.AsyncClient())).budget.shares() == budget.shares()


async def test_every_attempt_counts(transport: Transport, budget: Budget, far: "Far") -> None:
    """Retries too, whatever they are answered; but not one that found no connection."""
    far.answers(httpx.Response(503), httpx.ReadError(""), DONE)
    await transport.get("things")
    assert left(budget)["all", 3600] == 19_997
    far.answers(httpx.ConnectError(""))
    with pytest.raises(UnreachableError):
        await transport.get("things")
    assert len(far.requests) == 6
    assert left(budget)["all", 3600] == 19_997


async def test_a_request_counts_while_it_is_under_way_and_from_its_end_on(
    budget: Budget, night: Night
) -> None:
    """The API may count it at any time till then."""
    async with spend(budget, "source"):
        assert left(budget)["source", 60] == 499
        night.clock.wait(100)
        assert left(budget)["source", 60] == 499
    night.clock.wait(59)
    assert left(budget)["source", 60] == 499
    night.clock.wait(1)
    assert left(budget)["source", 60] == 500
    assert left(budget)["source", 3600] == 4_999


async def test_requests_under_way_take_all_places_at_once(budget: Budget) -> None:
    """When they will end is not known: another one comes back when they must be old."""
    async with spend(budget) as attempt:
        tell(budget, attempt, limit=1)
        assert await wait_of(budget) == 3600


async def test_a_cancelled_request_may_have_been_counted(
    transport: Transport, budget: Budget, far: "Far"
) -> None:
    """One that was still waiting for its place has not."""

    async def silence(_request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        return DONE

    far.answers(silence)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transport.get, "things")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert left(budget)["all", 3600] == 19_999


async def test_a_place_that_is_given_up_is_free_again(budget: Budget, night: Night) -> None:
    """Whoever waits can be cancelled."""
    await use(budget, "source", limit=500)
    await use(budget, "source", 24)
    night.clock.wait(56)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(use, budget, "source")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert left(budget)["setup", 60] == 25
        assert left(budget)["all", 3600] == 474
        tasks.cancel_scope.cancel()
    assert night.slept == [4]
    assert left(budget)["all", 3600] == 475


async def test_nobody_waits_past_the_deadline(
    http: httpx.AsyncClient, budget: Budget, night: Night, far: "Far"
) -> None:
    """What would take longer is refused before it is waited for."""
    await use(budget, "source", limit=500)
    await use(budget, "source", 24)
    night.clock.wait(56)
    with pytest.raises(BudgetError) as caught:
        await Transport(http, budget=budget, deadline=3.9).get("things", kind="source")
    assert caught.value.retry_after == 4
    assert not night.slept
    assert not far.requests
    await Transport(http, budget=budget, deadline=6).get("things", kind="source")
    assert night.slept == [4]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refusal_of_the_budget_is_not_tried_again(
    http: httpx.AsyncClient, budget: Budget, night: Night, far: "Far", method: str
) -> None:
    """However short the wait, there is no time for it."""
    retries: list[int] = []

    def note(details: RetryDetails) -> None:
        retries.append(details.retry_num)

    set_on_retry_hooks([note])
    await use(budget, status=429, pause=3)
    with pytest.raises(BudgetError) as caught:
        await Transport(http, budget=budget, deadline=2).change(method, "things")
    assert caught.value.retry_after == 3
    assert not far.requests
    assert not night.slept
    assert not retries


@given(st.lists(st.floats(0, 40), max_size=200))
def test_a_tally_never_forgets_too_early(gaps: list[float]) -> None:
    """And at most one slot too late; in bounded memory."""
    tally, moments, now = Tally(600), list[float](), 0.0
    for gap in gaps:
        now += gap
        tally.add(now)
        moments.append(now)
        exact = sum(each > now - 600 for each in moments)
        assert exact <= tally.total(now) <= sum(each > now - 610 for each in moments)
        assert len(tally.leaving(now)) <= SLOTS + 1
    assert tally.total(now + 600) == 0


def test_a_tally_is_small_however_much_it_counts() -> None:
    """Even at the limit of an hour."""
    tally = Tally(3600)
    for second in range(7200):
        tally.add(second, 5)
    assert len(tally.leaving(7200)) <= SLOTS + 1
    assert 18_000 <= tally.total(7200) <= 18_000 + 300
    tally.drop(100)
    tally.drop(0)
    assert 17_900 <= tally.total(7200) <= 17_900 + 300


# What answers tell


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (500, TRIAL),
        (30, [30, *TRIAL[1:]]),
        (501, [501, *PAID[1:]]),
        (50_000, [50_000, *PAID[1:]]),
        *((odd, PAID) for odd in (None, "", "many", "-1", "1.5", "1e3", "9" * 5000, "٣")),
    ],
)
async def test_the_limit_of_the_answers_tells_the_plan(
    budget: Budget, limit: Any, expected: list[int]
) -> None:
    """Of a trial account all limits are lower. What is no number tells nothing."""
    headers = [] if limit is None else [(b"X-Rate-Limit", str(limit).encode())]
    async with spend(budget) as attempt:
        budget.learn(attempt, 200, httpx.Headers(headers), None)
    assert limits(budget) == expected


async def test_of_several_processes_each_plans_with_its_part(night: Night) -> None:
    """But of all requests answers tell what is left for everybody; one is left for each."""
    budget = Budget(night.now, replicas=4)
    assert limits(budget) == [20_000, 125, 1_250, 62, 625]
    await use(budget, limit=500, left=400)
    assert limits(budget) == [500, 6, 62, 6, 12]
    assert left(budget)["all", 3600] == 400

    assert limits(Budget(replicas=100_000)) == [20_000, 1, 1, 1, 1]


async def test_a_part_that_is_used_up_is_called_so(night: Night) -> None:
    """The account may have more left, which is others'."""
    budget = Budget(night.now, replicas=100)
    await use(budget, "source", 5)
    with pytest.raises(
        BudgetError, match=r"this server's 5 source .*, its part of the account's, are"
    ):
        await use(budget, "source")
    await use(budget, limit=20_000, left=0)
    with pytest.raises(BudgetError, match="the account's 20000 requests an hour are used up"):
        await use(budget)


async def test_what_others_use_is_counted(budget: Budget, night: Night) -> None:
    """From when it is known on, and until a later answer says less or the window has rolled."""
    await use(budget, left=19_999)
    assert left(budget)["all", 3600] == 19_999
    await use(budget, left=10_000)
    assert left(budget)["all", 3600] == 10_000
    await use(budget)
    assert left(budget)["all", 3600] == 9_999
    await use(budget, left=15_000)
    assert left(budget)["all", 3600] == 15_000
    await use(budget, left=20_000)
    assert left(budget)["all", 3600] == 19_995
    await use(budget, left=5)
    night.clock.wait(3599)
    assert left(budget)["all", 3600] == 5
    night.clock.wait(1)
    assert left(budget)["all", 3600] == 20_000


async def test_answers_that_overtake_each_other_leave_the_less(budget: Budget) -> None:
    """Of requests under way it is not known which one was counted first."""
    async with spend(budget) as early, spend(budget) as late:
        tell(budget, late, left=9_000)
        assert left(budget)["all", 3600] <= 9_000
        tell(budget, early, left=9_500)
        assert left(budget)["all", 3600] <= 9_000
    assert left(budget)["all", 3600] <= 9_000
    await use(budget, left=8_999)
    assert left(budget)["all", 3600] == 8_999


async def test_requests_under_way_are_not_taken_for_others(budget: Budget) -> None:
    """At least in the end; till then they may count twice, never not at all."""
    async with spend(budget) as first, spend(budget) as second, spend(budget) as third:
        tell(budget, third, left=19_997)
        tell(budget, first, left=19_999)
        tell(budget, second, left=19_998)
        assert left(budget)["all", 3600] <= 19_997
    assert left(budget)["all", 3600] <= 19_997
    await use(budget, left=19_996)
    assert left(budget)["all", 3600] == 19_996


async def test_a_request_that_may_arrive_later_is_not_taken_for_counted(budget: Budget) -> None:
    """The answer tells what was left before it."""
    async with spend(budget), spend(budget) as second:
        tell(budget, second, left=14_999)
        assert left(budget)["all", 3600] <= 14_998


async def test_whatever_is_oldest_makes_room_first(budget: Budget, night: Night) -> None:
    """Our own or others'."""
    await use(budget, limit=100, left=51)
    night.clock.wait(100)
    await use(budget, times=48)
    async with spend(budget), spend(budget), spend(budget) as last:
        tell(budget, last, left=0)
        assert await wait_of(budget) == 3500


@pytest.mark.parametrize("limit", [0, 100])
async def test_when_nothing_is_left_one_request_looks_after_a_minute(
    budget: Budget, night: Night, limit: int
) -> None:
    """An hour would be too long, as others' requests are of times not known."""
    await use(budget, limit=limit, left=0)
    assert budget.low == Share("all", 3600, limit, 0)
    if limit:
        for seconds in (0, 50):
            night.clock.wait(seconds)
            assert await wait_of(budget) == 60 - seconds
        night.clock.wait(10)
        async with spend(budget) as attempt:
            assert await wait_of(budget, "setup") == 60
            tell(budget, attempt, left=0)
        assert await wait_of(budget) == 60
        night.clock.wait(60)
    else:
        assert await wait_of(budget) == 3600
        night.clock.wait(3600)
    await use(budget, limit=100, left=50)
    assert left(budget)["all", 3600] == 50
    assert await wait_of(budget) is None


async def test_a_budget_used_up_by_ourselves_is_not_looked_at(budget: Budget, night: Night) -> None:
    """We know when there will be more."""
    await use(budget, limit=100, times=60)
    night.clock.wait(120)
    await use(budget, times=40)
    night.clock.wait(120)
    assert await wait_of(budget) == 3360


EVERYTHING: tuple[Kind, ...] = ("all", "source", "setup")


@pytest.mark.parametrize(
    ("kind", "status", "remaining", "closed"),
    [
        ("all", 429, None, EVERYTHING),
        ("all", 429, 0, EVERYTHING),
        ("all", 429, 7, EVERYTHING),
        ("source", 429, 7, ("source", "setup")),
        ("source", 429, None, ("source", "setup")),
        ("source", 429, 0, EVERYTHING),
        ("setup", 429, 7, ("setup",)),
        ("setup", 429, None, ("setup",)),
        ("setup", 429, 0, EVERYTHING),
        ("all", 503, 7, ()),
        ("all", 200, 7, ()),
    ],
)
async def test_a_429_closes_what_it_is_about(
    budget: Budget, kind: Kind, status: int, remaining: int | None, closed: tuple[Kind, ...]
) -> None:
    """The narrowest limit that the request counts against, unless nothing is left of all."""
    await use(budget, kind, status=status, left=remaining, pause=100)
    for each in EVERYTHING:
        assert await wait_of(budget, each) == (100 if each in closed else None)


@pytest.mark.parametrize(
    ("pause", "seconds"),
    [(None, 60), (0, None), (0.5, 1), (30, 30), (61, 61), (3600, 3600), (9e99, 3600)],
)
async def test_a_429_closes_for_as_long_as_it_says(
    budget: Budget, night: Night, pause: float | None, seconds: int | None
) -> None:
    """A minute if it does not say, and no more than an hour."""
    await use(budget, "source", status=429, pause=pause)
    assert await wait_of(budget, "source") == seconds
    if seconds:
        limit = (3600, 5000) if seconds > 60 else (60, 500)
        assert budget.low == Share("source", *limit, 0)
        night.clock.wait(seconds)
        assert await wait_of(budget, "source") is None
    assert budget.low is None


async def test_a_shorter_429_does_not_open_what_a_longer_one_closed(budget: Budget) -> None:
    """Both were under way."""
    async with spend(budget) as first, spend(budget) as second:
        tell(budget, first, status=429, pause=600)
        tell(budget, second, status=429, pause=10)
    assert await wait_of(budget) == 600


async def test_a_later_answer_opens_what_a_429_closed(budget: Budget) -> None:
    """One that was under way before says nothing, nor does a gateway."""
    async with spend(budget, "source") as early, spend(budget, "source") as closing:
        tell(budget, closing, status=429)
        tell(budget, early)
    assert await wait_of(budget, "source") == 60
    async with spend(budget) as wider:
        tell(budget, wider)
    assert await wait_of(budget, "source") == 60
    async with spend(budget, "source", refused=True) as again:
        tell(budget, again, status=503)
    assert await wait_of(budget, "source") == 60
    async with spend(budget, "source", refused=True) as again:
        tell(budget, again, status=404)
    assert await wait_of(budget, "source") is None


@pytest.mark.parametrize(
    ("pause", "requests", "closed"), [(None, 3, 60), ("3", 3, 3), ("4000", 1, 3600)]
)
async def test_a_429_is_tried_again_as_before_and_others_keep_back(  # noqa: PLR0913, PLR0917 -- a table
    transport: Transport,
    budget: Budget,
    night: Night,
    far: "Far",
    pause: str | None,
    requests: int,
    closed: int,
) -> None:
    """The request that met it is the one that looks, as often as the table of retries says."""
    headers = {"X-Rate-Limit-Remaining": "0"} | ({"Retry-After": pause} if pause else {})
    far.answers(httpx.Response(429, headers=headers))
    with pytest.raises(RateLimitedError) as caught:
        await transport.get("things")
    assert type(caught.value) is RateLimitedError
    assert len(far.requests) == requests
    assert not night.slept
    assert await wait_of(budget) == closed


async def test_a_429_that_a_retry_got_over_holds_nobody_up(
    transport: Transport, budget: Budget, far: "Far"
) -> None:
    """There was room a moment later."""
    far.answers(httpx.Response(429, headers={"Retry-After": "3"}), DONE)
    await transport.get("things")
    assert await wait_of(budget) is None


async def test_a_retry_keeps_our_own_limits(budget: Budget, night: Night) -> None:
    """What we know of ourselves, no answer knows better."""
    await use(budget, "source", limit=500)
    await use(budget, "source", 24)
    night.clock.wait(10)
    with pytest.raises(BudgetError):
        async with spend(budget, "source", refused=True):
            pass
    night.clock.wait(46)
    async with spend(budget, "source", refused=True):
        pass
    assert night.slept == [4]


@pytest.mark.parametrize(("pause", "waits"), [(2, [4, 1]), (3.5, [4])])
async def test_whoever_waits_heeds_a_429_to_another(
    budget: Budget, night: Night, pause: float, waits: list[float]
) -> None:
    """It waits on if that is short, and is refused if it is not."""
    await use(budget, "source", limit=500)
    await use(budget, "source", 23)
    night.clock.wait(56)
    failures: list[BudgetError] = []

    async def wait() -> None:
        try:
            await use(budget, "source")
        except BudgetError as error:
            failures.append(error)

    async with spend(budget, "source") as closing, anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        assert night.slept == [4]
        night.clock.wait(3)
        tell(budget, closing, status=429, pause=pause)
    assert night.slept == pytest.approx(waits, abs=1e-3)
    assert [error.retry_after for error in failures] == ([] if len(waits) == 2 else [3])
    assert left(budget)["all", 3600] == 500 - 25 - (len(waits) == 2)


# What is left


@pytest.mark.parametrize(
    ("kind", "times", "low"),
    [
        ("all", 375, None),
        ("all", 376, Share("all", 3600, 500, 124)),
        ("source", 18, None),
        ("source", 19, Share("source", 60, 25, 6)),
        ("setup", 19, Share("source", 60, 25, 6)),
    ],
)
async def test_the_scarcest_share_is_low_below_a_quarter(
    budget: Budget, kind: Kind, times: int, low: Share | None
) -> None:
    """Of a minute too."""
    await use(budget, kind, limit=500)
    await use(budget, kind, times - 1)
    assert budget.low == low
