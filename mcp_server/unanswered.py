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

    caller: str | None = None
    """Who kept and who may take them; None where nobody says who they are."""
    _kept: deque[tuple[tuple[str | None, str], object, datetime]] = field(
        default_factory=lambda: deque(maxlen=MOST_KEPT)
    )

    def of(self, caller: str | None) -> "Unanswered":
        """Give the reports of one caller."""
        return Unanswered(caller, self._kept)

    def keep(self, about: str, report: object, now: datetime) -> None:
        """Keep a report for the next call that is about the same."""
        self._kept.append(((self.caller, about), report, now))

    def waiting(self, about: str, now: datetime) -> int:
        """Count the reports that wait for such a call."""
        while self._kept and now - self._kept[0][2] > FORGOTTEN:
            self._kept.popleft()
        return sum(each == (self.caller, about) for each, _, _ in self._kept)

    def take(self, about: str, now: datetime) -> object | None:
        """Hand out the oldest report about this, once."""
        if not self.waiting(about, now):
            return None
        found = next(each for each in self._kept if each[0] == (self.caller, about))
        self._kept.remove(found)
        return found[1]
