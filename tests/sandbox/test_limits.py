"""The limits of an account: three kinds of requests, in rolling minutes and hours."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox
from mcp_server.sandbox.calls import Received
from mcp_server.sandbox.limits import ALL, SETUP, SOURCE, kind_of

ONE = "/v1/connections/solid_anchor"
COLUMNS = f"{ONE}/schemas/public/tables/orders/columns"


async def ask(api: httpx.AsyncClient, kind: int) -> httpx.Response:
    """Send the simplest request of a kind."""
    if kind == SETUP:
        return await api.post(f"{ONE}/test", json={})
    return await api.get(COLUMNS if kind == SOURCE else ONE)


async def refusals(api: httpx.AsyncClient, kind: int, times: int) -> list[str]:
    """Send some, and tell when the refused ones may come back."""
    answers = [await ask(api, kind) for _ in range(times)]
    return [each.headers["retry-after"] for each in answers if each.status_code == 429]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("GET", ONE, b"", ALL),
        ("DELETE", ONE, b"", ALL),
        ("POST", f"{ONE}/sync", b"{}", ALL),
        ("GET", f"{ONE}/schemas", b"", ALL),
        ("PATCH", f"{ONE}/schemas", b"{}", ALL),
        ("PATCH", f"{ONE}/state", b"{}", ALL),
        ("GET", "/v1/connections", b"", ALL),
        ("GET", "/v1/connections//test", b"", ALL),
        ("GET", COLUMNS, b"", SOURCE),
        ("GET", f"{ONE}/schemas/a%2Fb/tables/x/columns", b"", SOURCE),
        ("PATCH", f"{COLUMNS}/id", b"{}", ALL),
        ("POST", f"{ONE}/schemas/reload", b"{}", SOURCE),
        ("POST", f"{ONE}/test", b"{}", SETUP),
        *(
            (method, path, body, kind)
            for method, path in (("POST", "/v1/connections"), ("PATCH", ONE))
            for body, kind in (
                (b"{}", SETUP),
                (b"", SETUP),
                (b"[]", SETUP),
                (b"\xff", SETUP),
                (b'{"run_setup_tests": true}', SETUP),
                (b'{"run_setup_tests": null}', SETUP),
                (b'{"run_setup_tests": false}', ALL),
            )
        ),
    ],
)
def test_the_kind_is_told_by_what_a_request_does(
    method: str, path: str, body: bytes, kind: int
) -> None:
    """Setup tests are run unless the body says otherwise."""
    received = Received(method=method, path=path, query="", headers={}, body=body)
    assert kind_of(received) == kind


@pytest.mark.parametrize(
    ("given", "kind", "minute", "hour"),
    [
        ({}, SOURCE, 500, 5000),
        ({}, SETUP, 250, 2500),
        ({"plan": "trial"}, SOURCE, 25, 250),
        ({"plan": "trial", "source": (4, 9)}, SOURCE, 4, 9),
        ({"setup": (3, 5)}, SETUP, 3, 5),
        ({"source": (4, 9)}, SETUP, 4, 9),
    ],
)
async def test_a_minute_and_an_hour_are_limited(  # noqa: PLR0913, PLR0917 -- a table
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    wait: Callable[[float], None],
    given: dict[str, Any],
    kind: int,
    minute: int,
    hour: int,
) -> None:
    """Of a paid account and of a trial, or as set; setup tests count as source interaction."""
    sandbox.limit_requests(**given)
    left, seconds = hour, 0
    while left > minute:
        assert await refusals(api, kind, minute + 1) == ["60"]
        wait(60)
        left, seconds = left - minute, seconds + 60
    assert await refusals(api, kind, left + 1) == [str(3600 - seconds) if left < minute else "60"]
    wait(60)
    assert await refusals(api, kind, 1) == [str(3540 - seconds)]
    wait(3540 - seconds)
    assert await refusals(api, kind, minute) == []


async def test_a_trial_has_few_setup_tests_an_hour(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Callable[[float], None]
) -> None:
    """Fifty, however slowly."""
    sandbox.limit_requests(plan="trial")
    for _ in range(2):
        assert await refusals(api, SETUP, 25) == []
        wait(60)
    assert await refusals(api, SETUP, 1) == ["3480"]
    assert await refusals(api, SOURCE, 1) == []


async def test_the_limit_of_all_is_told_and_no_other(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """A refusal counts against none."""
    sandbox.limit_requests(plan="trial", source=(1, 1))
    await ask(api, SOURCE)
    refused = await ask(api, SETUP)
    assert refused.status_code == 429
    assert refused.json()["code"] == "TooManyRequests"
    assert refused.headers["x-rate-limit"] == "500"
    assert refused.headers["x-rate-limit-remaining"] == "499"
    assert (await ask(api, ALL)).headers["x-rate-limit-remaining"] == "498"


async def test_when_nothing_is_left_of_all_nothing_is_of_any(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """The narrower limits are within it."""
    sandbox.limit_requests(2)
    assert [(await ask(api, kind)).status_code for kind in (ALL, SETUP, SOURCE)] == [200, 200, 429]
