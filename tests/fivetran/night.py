"""Sleeping without waiting."""

import anyio.lowlevel

from tests.support import Clock


class Night:
    """Sleep for a clock that stands still but for it: it moves on when everybody sleeps or waits."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.slept: list[float] = []
        self._due: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Sleep in the place of `anyio.sleep`."""
        self.slept.append(seconds)
        due = self.now() + seconds
        self._due.append(due)
        try:
            while self.now() < due:
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()
                if min(self._due) == due > self.now():
                    self.clock.wait(due - self.now() + 1e-6)
        finally:
            self._due.remove(due)

    def now(self) -> float:
        """Tell the time, in seconds."""
        return self.clock.now().timestamp()
