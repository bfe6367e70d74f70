"""How many requests the account still allows: counted before they leave, corrected by the answers.

Windows of our own, since `aiolimiter` is a leaky bucket: it lets through up to twice the limit in a
rolling window, does not tell how long a wait would be, and cannot be corrected.
"""

import math
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, get_args

import anyio
import httpx

from mcp_server.fivetran.errors import BudgetError
from mcp_server.fivetran.windows import NEVER, Kind, Window

MINUTE: Final = 60
HOUR: Final = 3600
PROBE: Final = 60.0
"""Seconds after which one request looks whether others still use everything up."""
CLOSED: Final = 60.0
"""Seconds for which a 429 without `Retry-After` holds."""

_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""A request counts against its own kind and those before it."""
_WORDS: Final = {"all": "", "source": "source interaction ", "setup": "setup test "}
# A trial has no limit of setup tests a minute; that of source interaction holds for them too.
_LIMITS: Final[tuple[tuple[Kind, int, int, int], ...]] = (
    ("all", HOUR, 20_000, 500),
    ("source", MINUTE, 500, 25),
    ("source", HOUR, 5_000, 250),
    ("setup", MINUTE, 250, 25),
    ("setup", HOUR, 2_500, 50),
)
_LARGEST_TRIAL: Final = 500
_LOW: Final = 1 / 4


@dataclass(frozen=True, slots=True)
class Share:
    """What is left of one limit."""

    kind: Kind
    window_seconds: int
    limit: int
    left: int

    @property
    def name(self) -> str:
        """The kind and the span, such as source/minute."""
        return f"{self.kind}/{'hour' if self.window_seconds == HOUR else 'minute'}"

    @property
    def amount(self) -> str:
        """How much of it is left."""
        return f"{self.left} of {self.limit}"


@dataclass(slots=True)
class Attempt:
    """One sending of a request."""

    kind: Kind
    sent: bool = False
    """False until it leaves, and to be set so again if it could not."""
    turn: int = 0
    known: int = 0
    """How many requests, itself included, the API has certainly counted when it answers."""


class Budget:
    """The limits of one account. What is not known to be left counts as used.

    Of `replicas` processes each plans with its part of the limits that answers do not tell of. What
    is left of all requests they do tell, of the whole account, so that is not parted.

    Used are also the requests under way, and what the answers say beyond our own count. It comes
    back as the window rolls on, or when the answer to a later request says that more is left.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, replicas: int = 1) -> None:
        self._clock = clock
        self._replicas = replicas
        self._windows = [
            Window(kind, span, self._part(kind, limit)) for kind, span, limit, _ in _LIMITS
        ]
        self._all = self._windows[0]
        self._turn = 0
        self._raised = 0

    def _part(self, kind: Kind, limit: int) -> int:
        return limit if kind == "all" else max(limit // self._replicas, 1)

    def shares(self) -> list[Share]:
        """Tell what is left of each limit."""
        now = self._clock()
        return [Share(w.kind, w.seconds, w.limit, w.left(now)) for w in self._windows]

    @property
    def low(self) -> Share | None:
        """The scarcest share, if less than a quarter of it is left."""
        scarcest = min(self.shares(), key=lambda share: share.left / max(share.limit, 1))
        return scarcest if scarcest.left < max(scarcest.limit, 1) * _LOW else None

    @asynccontextmanager
    async def spend(
        self, kind: Kind, *, longest: float, refused: bool = False
    ) -> AsyncIterator[Attempt]:
        """Wait until a request may leave, and count it when it has ended.

        `refused` is one that had a 429 and has waited as that asked, which knows best of others.

        Raises:
            BudgetError: The wait is longer than `longest` seconds, or goes past the deadline.
        """
        attempt = Attempt(kind)
        longest = min(longest, anyio.current_effective_deadline() - anyio.current_time())
        now = self._clock()
        wait = self._affordable(kind, Window.full if refused else Window.wait, longest)
        for window in self._of(kind):
            # Whoever comes later waits behind this one.
            window.under_way += 1
            window.probe_at = now + wait + PROBE
        try:
            while wait:
                await anyio.sleep(wait)
                longest -= wait
                # Its place is kept, but the answer to another may have closed the way meanwhile.
                wait = 0.0 if refused else self._affordable(kind, Window.closed, longest)
            self._turn += 1
            attempt.turn = self._turn
            attempt.known = self._all.own.total(self._clock()) + 1
            attempt.sent = True
            yield attempt
        finally:
            for window in self._of(kind):
                window.under_way -= 1
                if attempt.sent:
                    window.own.add(self._clock())

    def learn(
        self, attempt: Attempt, status: int, headers: httpx.Headers, pause: float | None
    ) -> None:
        """Correct the count by an answer; `pause` is its `Retry-After` in seconds."""
        limit = _number(headers, "X-Rate-Limit")
        left = _number(headers, "X-Rate-Limit-Remaining")
        if limit is not None:
            for window, (kind, _, paid, trial) in zip(self._windows, _LIMITS, strict=True):
                window.limit = self._part(kind, trial if limit <= _LARGEST_TRIAL else paid)
            self._all.limit = limit
        if left is not None:
            self._correct(attempt, max(0, self._all.limit - left - attempt.known))
        if status == httpx.codes.TOO_MANY_REQUESTS:
            self._close("all" if left == 0 else attempt.kind, CLOSED if pause is None else pause)
        elif status < httpx.codes.INTERNAL_SERVER_ERROR:
            # A gateway that fails may not have asked who may pass.
            for window in self._of(attempt.kind):
                if attempt.turn > window.closed_turn:
                    window.closed_until = NEVER

    def _correct(self, attempt: Attempt, others: int) -> None:
        now = self._clock()
        more = others - self._all.others.total(now)
        if more > 0:
            self._all.others.add(now, more)
            self._raised = self._turn
        elif attempt.turn > self._raised:
            # Answers overtake each other: only one to a request sent since may say that it is less.
            self._all.others.drop(-more)

    def _close(self, kind: Kind, pause: float) -> None:
        windows = [window for window in self._windows if window.kind == kind]
        window = windows[-1] if pause > MINUTE else windows[0]
        window.probe_at = self._clock() + min(pause, HOUR)
        window.closed_until = max(window.closed_until, window.probe_at)
        window.closed_turn = self._turn

    def _of(self, kind: Kind) -> list[Window]:
        kinds = _KINDS[: _KINDS.index(kind) + 1]
        return [window for window in self._windows if window.kind in kinds]

    def _affordable(
        self, kind: Kind, ask: Callable[[Window, float], float], longest: float
    ) -> float:
        now = self._clock()
        window = max(self._of(kind), key=lambda window: ask(window, now))
        wait = ask(window, now)
        if wait > max(longest, 0.0):
            raise BudgetError(
                f"not sent: {self._in_words(window)} are used up",
                retry_after=float(math.ceil(wait)),
            )
        return wait

    def _in_words(self, window: Window) -> str:
        span = "an hour" if window.seconds == HOUR else "a minute"
        what = f"{window.limit} {_WORDS[window.kind]}requests {span}"
        parted = self._replicas > 1 and window.kind != "all"
        return (
            f"this server's {what}, its part of the account's,"
            if parted
            else f"the account's {what}"
        )


def _number(headers: httpx.Headers, name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None
