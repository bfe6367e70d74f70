"""What is known of a connector when its sync is triggered, so that its end is told from older ones.

A baseline is a text the caller keeps, for the server keeps nothing. It is also the handle with which
a wait goes on where it stopped.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import ConnectorId, ToolFailure

MOST_CONNECTORS: Final = 50
LONGEST_BASELINE: Final = 5_000
"""Characters; fifty of the longest ids fit."""
MOST_UNPACKED: Final = 8_000
GRACE: Final = timedelta(seconds=90)
"""How long after its trigger a sync may take to begin."""
SETTLING: Final = timedelta(seconds=20)
"""How long after its end the API may take to agree with itself on how a sync ended."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

Kind = Literal["started", "restarted", "running", "behind", "held", "unread"]
"""How it was triggered.

`restarted`: a running sync was stopped for it. `running`: one ran already, and is the one. `behind`:
one ran, and may end before it begins. `held`: it begins when the connector is resumed. `unread`: it
is not known yet whether one runs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A connector as its sync was triggered, and what has been seen of that sync since."""

    connector_id: str
    triggered: datetime
    """By this server's clock; all else is by the API's."""
    kind: Kind
    ended_before: datetime | None = None
    """When the newest sync before had ended; None for never."""
    historical: bool = False
    """Whether it loads everything again, so that the API shows when that is over."""
    doubtful: bool = False
    """Whether the connector was broken or put off already, which then says nothing about this sync."""
    withheld: bool = False
    """Whether the account has no sync history."""
    seen: bool = False
    """Whether it was seen to run."""
    stopped: datetime | None = None
    """When it was first seen to have ended, with a result or without, by this server's clock."""

    @classmethod
    def of(
        cls, connection: Connection, kind: Kind, now: datetime, *, historical: bool = False
    ) -> "Baseline":
        """Take it of a connector, as it was before the trigger."""
        status = connection.status
        return cls(
            connector_id=connection.id,
            triggered=now,
            kind=kind,
            ended_before=last_end(connection),
            historical=historical,
            doubtful=status.sync_state == "rescheduled" or status.setup_state == "broken",
        )

    def is_new(self, end: datetime | None) -> bool:
        """Whether a sync that ended then did so after this was taken."""
        return end is not None and (self.ended_before is None or end > self.ended_before)

    def looked_at(self, connection: Connection, now: datetime) -> "Baseline":
        """Note what one more look at the connector tells."""
        running = connection.status.sync_state == "syncing"
        over = self.is_new(last_end(connection)) or (self.seen and not running)
        return replace(
            self, seen=self.seen or running, stopped=(self.stopped or now) if over else None
        )

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was triggered so lately that nothing may have happened yet."""
        return now - self.triggered < GRACE

    def is_settled(self, now: datetime) -> bool:
        """Whether it ended so long ago that nothing more will be told of it."""
        if self.stopped is None or now - self.stopped < SETTLING:
            return False
        return self.kind not in {"restarted", "behind"} or not self.is_fresh(now)


def last_end(connection: Connection) -> datetime | None:
    """Tell when a sync last ended, well or not."""
    ends = [end for end in (connection.succeeded_at, connection.failed_at) if end]
    return max(ends, default=None)


def kind_of(connection: Connection, *, force: bool) -> Literal["started", "restarted", "running"]:
    """Tell what a request for a sync does to a connector that was so before."""
    if connection.status.sync_state != "syncing":
        return "started"
    return "restarted" if force else "running"


def baseline_of(
    connections: Iterable[tuple[Connection, Kind]], now: datetime, *, historical: bool = False
) -> str:
    """Write down connectors as they were before their syncs were triggered, at most fifty."""
    return write(
        [Baseline.of(each, kind, now, historical=historical) for each, kind in connections]
    )


_LETTERS: Final[dict[Kind, str]] = {
    "started": "s",
    "restarted": "r",
    "running": "a",
    "behind": "b",
    "held": "p",
    "unread": "u",
}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}
_FLAGS: Final = {"historical": "h", "doubtful": "d", "withheld": "w", "seen": "v"}

_Milliseconds = Annotated[int, Field(ge=0, le=4_102_444_800_000)]
_Microseconds = Annotated[int, Field(ge=0, le=4_102_444_800_000_000)]
_Letters = Annotated[str, Field(pattern="^[srabpu][hdwv]{0,4}$")]
_rows = TypeAdapter(
    Annotated[
        list[tuple[ConnectorId, _Milliseconds, _Microseconds, _Letters, _Milliseconds]],
        Field(min_length=1, max_length=MOST_CONNECTORS),
    ],
    config=ConfigDict(strict=True, hide_input_in_errors=True, defer_build=True),
)


def write(baselines: Sequence[Baseline]) -> str:
    """Write baselines as one text, whose checksum tells when a copy of it is wrong."""
    rows = [
        (
            each.connector_id,
            _since_epoch(each.triggered) // 1_000,
            _since_epoch(each.ended_before),
            _LETTERS[each.kind] + "".join(v for k, v in _FLAGS.items() if getattr(each, k)),
            _since_epoch(each.stopped) // 1_000,
        )
        for each in baselines
    ]
    packed = zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(text: str, now: datetime) -> list[Baseline]:
    """Read what `write` wrote; nothing was triggered later than now.

    Raises:
        ToolFailure: It is not one of ours.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(
            base64.b64decode(padded, altchars=b"-_", validate=True), MOST_UNPACKED
        )
        rows = _rows.validate_json(content if unpacking.eof else b"")
    except (ValueError, zlib.error, ValidationError):
        raise ToolFailure(
            "invalid_arguments",
            "baselines: one of them is not what this server gave, or was not copied exactly",
            hint="Nothing was sent. Pass `baseline` of the earlier answer exactly as it came, or"
            " connector_ids instead.",
        ) from None
    return [
        Baseline(
            connector_id=connector_id,
            triggered=min(_EPOCH + timedelta(milliseconds=triggered), now),
            kind=_KINDS[letters[0]],
            ended_before=_moment(ended_before),
            stopped=_moment(stopped * 1_000),
            **{name: letter in letters[1:] for name, letter in _FLAGS.items()},
        )
        for connector_id, triggered, ended_before, letters, stopped in rows
    ]


def _since_epoch(moment: datetime | None) -> int:
    """Count microseconds, exactly: a time that has moved by one has moved. None is 0."""
    return 0 if moment is None else (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=microseconds) if microseconds else None
