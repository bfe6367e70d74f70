"""The limits of requests in any minute and any hour, by what the requests do."""

import json
import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal

from mcp_server.sandbox.calls import Received, segments
from mcp_server.sandbox.replies import Refusal

Plan = Literal["standard", "trial"]

ALL, SOURCE, SETUP = range(3)
"""All requests; those that reach a source; those of them that run setup tests."""

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_PLANS: dict[Plan, dict[tuple[int, timedelta], int]] = {
    "standard": {
        (ALL, _HOUR): 20_000,
        (SOURCE, _MINUTE): 500,
        (SOURCE, _HOUR): 5_000,
        (SETUP, _MINUTE): 250,
        (SETUP, _HOUR): 2_500,
    },
    "trial": {
        (ALL, _HOUR): 500,
        (SOURCE, _MINUTE): 25,
        (SOURCE, _HOUR): 250,
        (SETUP, _HOUR): 50,
    },
}


@dataclass(slots=True)
class _Window:
    kind: int
    span: timedelta
    limit: int
    taken: deque[datetime] = field(default_factory=deque)

    def left(self, now: datetime) -> int:
        while self.taken and self.taken[0] <= now - self.span:
            self.taken.popleft()
        return max(0, self.limit - len(self.taken))

    def check(self, now: datetime) -> None:
        if self.left(now):
            return
        oldest = self.taken[0] if self.taken else now
        wait = math.ceil((oldest + self.span - now).total_seconds())
        message = "The request limit has been exceeded"
        headers = {"Retry-After": str(wait)}
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", message, headers)


class RateLimit:
    """Counts the requests of an account in every window that they fall into."""

    def __init__(
        self,
        plan: Plan = "standard",
        *,
        hourly: int | None = None,
        source: tuple[int, int] | None = None,
        setup: tuple[int, int] | None = None,
    ) -> None:
        """Start with nothing used; numbers replace the plan's, in pairs by minute and by hour."""
        limits = dict(_PLANS[plan])
        if hourly is not None:
            limits[ALL, _HOUR] = hourly
        for kind, pair in ((SOURCE, source), (SETUP, setup)):
            if pair is not None:
                limits[kind, _MINUTE], limits[kind, _HOUR] = pair
        self._windows = [_Window(*place, limit) for place, limit in limits.items()]
        self._all = self._windows[0]

    def take(self, now: datetime, received: Received) -> None:
        """Count a request, or refuse it with 429 when one of its windows is used up."""
        kind = kind_of(received)
        windows = [window for window in self._windows if window.kind <= kind]
        for window in windows:
            window.check(now)
        for window in windows:
            window.taken.append(now)

    def headers(self, now: datetime) -> dict[str, str]:
        """Tell the hourly limit of all requests and what is left of it; nothing tells of others."""
        left = self._all.left(now)
        return {"X-Rate-Limit": str(self._all.limit), "X-Rate-Limit-Remaining": str(left)}


def kind_of(received: Received) -> int:
    """Tell the narrowest limit that a request counts against."""
    match received.method, segments(received.path):
        case ("POST", ["v1", "connections"]) | ("PATCH", ["v1", "connections", _]):
            return SETUP if _tests_setup(received.body) else ALL
        case "POST", ["v1", "connections", _, "test"]:
            return SETUP
        case "POST", ["v1", "connections", _, "schemas", "reload"]:
            return SOURCE
        case "GET", ["v1", "connections", _, "schemas", _, "tables", _, "columns"]:
            return SOURCE
        case _:
            return ALL


def _tests_setup(body: bytes) -> bool:
    """Tell whether setup tests are run, as they are unless the body says otherwise."""
    try:
        content = json.loads(body)
    except ValueError:
        return True
    return not (isinstance(content, dict) and content.get("run_setup_tests") is False)
