"""Why a connector is in trouble, in one cause; and many connectors' causes as clusters.

A cluster keeps how many there are, since when, and a few of them: it does not grow with the account.
"""

import base64
import binascii
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import ToolFailure
from mcp_server.tools.codes import SYNC_FAILED, Code, explained
from mcp_server.tools.health import State, failed_last, state_of
from mcp_server.untrusted import clean, clean_name

FORGOTTEN: Final = timedelta(days=7)
"""Without any sync for so long, a pause looks forgotten, and a historical sync stuck."""
MOST_MINUTES: Final = 525_600
"""A year."""
GRACE: Final = 60
"""Minutes. How much later than twice its interval a sync may end before the data is called overdue."""
MOST_EXAMPLES: Final = 5
MOST_CLUSTERS: Final = 1_000
"""Clusters that are kept; what comes after in further ones is counted as `other`."""
MOST_MARKED: Final = 60
"""Clusters that a marker remembers: the worst."""
MOST_UNPACKED: Final = 10_000
"""Bytes of a marker, unpacked."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Cause:
    """What keeps a connector from being well."""

    code: str
    since: datetime | None = None
    warning: bool = False

    @property
    def meaning(self) -> Code:
        """What the code means."""
        return explained(self.code, warning=self.warning)


def cause_of(connection: Connection, now: datetime) -> Cause | None:
    """Find the one cause that explains the most; None for a connector that is well."""
    return next(_causes(connection, now), None)


def _causes(connection: Connection, now: datetime) -> Iterator[Cause]:
    """List what is wrong, what explains the most first."""
    status = connection.status
    failed, last = _failing_since(connection), _last_sign(connection)
    idle = (last or now) <= now - FORGOTTEN
    task = Cause(clean(status.tasks[0].code, 60), failed) if status.tasks else None
    if status.setup_state == "broken":
        yield task or Cause("broken", failed)
    if status.setup_state == "incomplete":
        yield Cause("incomplete", connection.created_at)
    if connection.paused:
        if idle:
            yield Cause("paused_long", last)
        return
    if task:
        yield task
    waits, manual = status.sync_state == "rescheduled", connection.schedule_type == "manual"
    due = _due(connection)
    signs = (
        (waits and manual, Cause("rescheduled_manual", status.rescheduled_for)),
        (failed is not None, Cause(SYNC_FAILED, failed)),
        (waits, Cause("rescheduled", last)),
        (bool(status.is_historical_sync) and idle, Cause("historical_long", last)),
        (due is not None and due < now, Cause("overdue", due)),
        (status.update_state == "delayed", Cause("delayed", connection.succeeded_at)),
    )
    yield from (cause for applies, cause in signs if applies)
    if status.warnings:
        yield Cause(clean(status.warnings[0].code, 60), warning=True)


def _failing_since(connection: Connection) -> datetime | None:
    """Say since when its syncs fail, at the latest; None if the last one did not.

    The API shows only the last failure, and a connector is tried again and again: so the first is
    taken to be the sync that was due after the last success.
    """
    failed, succeeded = failed_last(connection), connection.succeeded_at
    if failed is None:
        return None
    if succeeded is None:
        return min(failed, connection.created_at or failed)
    if connection.schedule_type == "manual":
        return succeeded
    return min(failed, _later(succeeded, connection.sync_frequency or 0))


def _later(moment: datetime, minutes: int) -> datetime:
    """Add a schedule's minutes; Fivetran may answer with any number."""
    try:
        return moment + timedelta(minutes=min(max(minutes, 0), MOST_MINUTES))
    except OverflowError:
        return moment


def _last_sign(connection: Connection) -> datetime | None:
    """Say when a sync last ended, or else when the connector was made."""
    ends = [end for end in (connection.succeeded_at, connection.failed_at) if end]
    return max(ends) if ends else connection.created_at


def _due(connection: Connection) -> datetime | None:
    """Say until when its next data should have come, were it on time."""
    minutes, succeeded = connection.sync_frequency, connection.succeeded_at
    if connection.schedule_type != "auto" or minutes is None or succeeded is None:
        return None
    return _later(succeeded, 2 * minutes + GRACE)


@dataclass(slots=True)
class Cluster:
    """Connectors of one service with one cause."""

    cause: Cause
    service: str | None
    count: int = 0
    since: datetime | None = None
    examples: list[tuple[str, str | None]] = field(default_factory=list)
    members: int = 0
    """A checksum of the ids, whatever their order."""

    def add(self, connection: Connection, since: datetime | None) -> None:
        """Count a connector in."""
        self.count += 1
        self.members ^= zlib.crc32(connection.id.encode(errors="replace"))
        if since is not None:
            self.since = min(since, self.since or since)
        if len(self.examples) < MOST_EXAMPLES:
            name = clean_name(connection.name)[:60] if connection.name else None
            self.examples.append((connection.id, name))

    @property
    def key(self) -> str:
        """What the cluster is told by, from one answer to the next."""
        return hashlib.sha256(f"{self.cause.code}/{self.service}".encode()).hexdigest()[:8]


@dataclass(slots=True)
class Triage:
    """What is wrong in an account, read connector by connector."""

    now: datetime
    newer_than: datetime | None = None
    """Only trouble that began after this is clustered; what has no known beginning is not."""
    total: int = 0
    in_trouble: int = 0
    states: Counter[State] = field(default_factory=Counter)
    troubled_groups: Counter[str] = field(default_factory=Counter)
    _clusters: dict[tuple[str, str | None], Cluster] = field(default_factory=dict)

    def add(self, connection: Connection) -> None:
        """Look at one connector."""
        self.total += 1
        self.states[state_of(connection)] += 1
        cause = cause_of(connection, self.now)
        if cause is None or (
            self.newer_than is not None and (cause.since is None or cause.since < self.newer_than)
        ):
            return
        self.in_trouble += 1
        self.troubled_groups[connection.group_id or "unknown"] += 1
        place = (cause.code, connection.service)
        if place not in self._clusters and len(self._clusters) >= MOST_CLUSTERS:
            cause, place = Cause(OTHER, cause.since), (OTHER, None)
        cluster = self._clusters.setdefault(place, Cluster(cause, place[1]))
        cluster.add(connection, cause.since)

    def clusters(self) -> list[Cluster]:
        """List the clusters, the worst and the largest first."""
        return sorted(
            self._clusters.values(),
            key=lambda each: (each.cause.meaning.weight, -each.count, each.key),
        )

    def marker(self) -> str:
        """Write down what is wrong now, so that a later answer can tell what has changed."""
        seen = {each.key: each.members for each in self.clusters()[:MOST_MARKED]}
        packed = zlib.compress(json.dumps(seen, separators=(",", ":")).encode(), 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def marked(marker: str) -> Mapping[str, int]:
    """Read a marker.

    Raises:
        ToolFailure: It is not one of ours.
    """
    try:
        packed = base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4))
        seen = json.loads(zlib.decompressobj().decompress(packed, MOST_UNPACKED))
    except (ValueError, binascii.Error, zlib.error, RecursionError):
        seen = None
    if not isinstance(seen, dict) or not all(isinstance(each, int) for each in seen.values()):
        raise ToolFailure(
            "invalid_arguments",
            "changed_since: it is not a marker that this server gave",
            hint="Pass `marker` of an earlier answer exactly as it came, or leave changed_since out.",
        )
    return seen
