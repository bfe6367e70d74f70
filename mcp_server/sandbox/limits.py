"""The limit of requests in any one hour."""

import math
from collections import deque
from datetime import datetime, timedelta
from http import HTTPStatus

from mcp_server.sandbox.replies import Refusal

HOURLY_LIMIT = 20_000
_WINDOW = timedelta(hours=1)


class RateLimit:
    """Counts the requests of the last hour."""

    def __init__(self, limit: int = HOURLY_LIMIT) -> None:
        """Start with nothing used."""
        self.limit = limit
        self._taken: deque[datetime] = deque()

    def take(self, now: datetime) -> None:
        """Count a request, or refuse it with 429 when the hour is used up."""
        self._forget(now)
        if len(self._taken) >= self.limit:
            oldest = self._taken[0] if self._taken else now
            wait = math.ceil((oldest + _WINDOW - now).total_seconds())
            message = "The hourly request limit has been exceeded"
            headers = {"Retry-After": str(wait)}
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", message, headers)
        self._taken.append(now)

    def headers(self, now: datetime) -> dict[str, str]:
        """Tell the limit and what is left of it."""
        self._forget(now)
        left = max(0, self.limit - len(self._taken))
        return {"X-Rate-Limit": str(self.limit), "X-Rate-Limit-Remaining": str(left)}

    def _forget(self, now: datetime) -> None:
        while self._taken and self._taken[0] <= now - _WINDOW:
            self._taken.popleft()
