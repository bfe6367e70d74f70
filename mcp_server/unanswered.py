"""What became of calls that were interrupted: kept in memory until somebody asks again."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MOST_KEPT: Final = 10
"""Reports, of all tools together; the oldest make room."""
FORGOTTEN: Final = timedelta(hours=1)


@dataclass(slots=True)
class Unanswered:
    """Reports that nobody has got yet, because their callers went away."""

    _kept: deque[tuple[str, object, datetime]] = field(
        default_factory=lambda: deque(maxlen=MOST_KEPT)
    )

    def keep(self, about: str, report: object, now: datetime) -> None:
        """Keep a report for the next call that is about the same."""
        self._kept.append((about, report, now))

    def waiting(self, about: str, now: datetime) -> int:
        """Count the reports that wait for such a call."""
        while self._kept and now - self._kept[0][2] > FORGOTTEN:
            self._kept.popleft()
        return sum(each == about for each, _, _ in self._kept)

    def take(self, about: str, now: datetime) -> object | None:
        """Hand out the oldest report about this, once."""
        if not self.waiting(about, now):
            return None
        found = next(each for each in self._kept if each[0] == about)
        self._kept.remove(found)
        return found[1]
