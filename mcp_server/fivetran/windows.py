"""A rolling window over requests: how many were made in it, and when the next one fits."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["all", "source", "setup"]
"""All requests; those that reach a source; those of them that run setup tests."""

SLOTS: Final = 60
"""A window remembers at most so many moments, and a few that are just passing."""
NEVER: Final = -math.inf


@dataclass(slots=True)
class _Slot:
    first: float
    last: float
    count: int


class Tally:
    """Requests by the moment they ended. Those of a slot are forgotten together, with the last."""

    def __init__(self, seconds: int) -> None:
        self._seconds: Final = seconds
        self._slots: deque[_Slot] = deque()

    def add(self, now: float, count: int = 1) -> None:
        """Count requests."""
        newest = self._slots[-1] if self._slots else None
        if newest and now - newest.first < self._seconds / SLOTS:
            newest.last = max(now, newest.last)
            newest.count += count
        else:
            self._slots.append(_Slot(now, now, count))

    def drop(self, count: int) -> None:
        """Forget the oldest requests, of which there must be so many."""
        while count > 0:
            oldest = self._slots[0]
            gone = min(count, oldest.count)
            oldest.count -= gone
            count -= gone
            if not oldest.count:
                self._slots.popleft()

    def leaving(self, now: float) -> list[tuple[float, int]]:
        """Tell in how many seconds how many leave the window."""
        while self._slots and self._slots[0].last + self._seconds <= now:
            self._slots.popleft()
        return [(slot.last + self._seconds - now, slot.count) for slot in self._slots]

    def total(self, now: float) -> int:
        """Tell how many there are."""
        return sum(count for _, count in self.leaving(now))


class Window:
    """One limit, and what is used of it."""

    def __init__(self, kind: Kind, seconds: int, limit: int) -> None:
        self.kind: Final[Kind] = kind
        self.seconds: Final = seconds
        self.limit = limit
        self.own = Tally(seconds)
        self.others = Tally(seconds)
        """What somebody else used, from when we learned of it on."""
        self.under_way = 0
        """Counted apart until they end: the API may count them at any time till then."""
        self.closed_until = NEVER
        """The API's own word, whatever the count."""
        self.closed_turn = 0
        """The last request that had left by then."""
        self.probe_at = NEVER
        """When one request may look whether others, who use the most, still use everything up."""

    def left(self, now: float) -> int:
        """Tell how many more requests fit."""
        used = self.own.total(now) + self.others.total(now) + self.under_way
        return 0 if now < self.closed_until else max(0, self.limit - used)

    def closed(self, now: float) -> float:
        """Tell for how many seconds the API lets nothing through."""
        return max(0.0, self.closed_until - now)

    def full(self, now: float) -> float:
        """Tell for how many seconds our own requests leave no place for another."""
        return self._full(self.own.leaving(now))

    def wait(self, now: float) -> float:
        """Tell in how many seconds another request may leave."""
        full = self._full(sorted(self.own.leaving(now) + self.others.leaving(now)))
        if self.own.total(now) + self.under_way < self.limit / 2:
            # Of the others' requests the moments are not known, so it may be over long before.
            full = min(full, max(0.0, self.probe_at - now))
        return max(full, self.closed(now))

    def _full(self, leaving: list[tuple[float, int]]) -> float:
        # Even a limit of 0 lets one request through, to find out whether it still holds.
        used = sum(count for _, count in leaving) + self.under_way
        excess = used + 1 - max(self.limit, 1)
        if excess <= 0:
            return 0.0
        for seconds, count in leaving:
            excess -= count
            if excess <= 0:
                return seconds
        return float(self.seconds)
