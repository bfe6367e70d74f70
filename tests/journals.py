"""What tests of the journal share: records, journals, and the bytes of their files."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp_server.journal import Journal, Record

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
KEY = b"a key that nobody else may have."


def now() -> datetime:
    """Tell a time that stands still."""
    return NOON


def pausing(connector_id: str = "solid_anchor", **known: Any) -> Record:
    """Describe a call of `pause_connector`."""
    return Record(tool="pause_connector", effect="write", connector_id=connector_id, **known)


@contextmanager
def journal(path: Path | None = None, key: bytes | None = None) -> Iterator[Journal]:
    """Open a journal, and close it."""
    opened = Journal(path, now=now, key=key)
    try:
        yield opened
    finally:
        opened.close()


def pause(opened: Journal, connector_id: str = "solid_anchor", **known: Any) -> str:
    """Pause a connector, as far as the journal goes; the id of the act."""
    act = opened.intend(pausing(connector_id, **known))
    assert act.done(outcome="ok", status=200, seconds=0.1)
    return act.id


def kept(path: Path, acts: int = 3, key: bytes | None = None) -> list[bytes]:
    """Keep a journal of some acts; its lines."""
    with journal(path, key) as opened:
        for number in range(acts):
            pause(opened, f"connector_{number}")
    return path.read_bytes().splitlines()
