"""Baselines: written for the caller to keep, and read back with suspicion."""

import base64
import json
import random
import string
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import ToolFailure
from mcp_server.tools.baselines import (
    LONGEST_BASELINE,
    MOST_CONNECTORS,
    Baseline,
    baseline_of,
    kind_of,
    read,
    write,
)

NOW = datetime(2026, 3, 10, 12, 0, 0, 123_000, tzinfo=UTC)
ENDED = datetime(2026, 3, 10, 9, 59, 59, 999_999, tzinfo=UTC)


def connection(**fields: Any) -> Connection:
    """Build a connector."""
    return Connection.model_validate({"id": "one", **fields})


def packed(content: bytes) -> str:
    """Write what pretends to be a baseline."""
    return base64.urlsafe_b64encode(zlib.compress(content)).decode().rstrip("=")


def rows(*changed: Any) -> str:
    """Write a row with some of its values replaced."""
    row: list[Any] = ["one", 1_773_144_000_123, 0, "s", 0]
    for place, value in zip(changed[::2], changed[1::2], strict=True):
        row[place] = value
    return packed(json.dumps([row]).encode())


BASELINES = [
    Baseline(connector_id="one", triggered=NOW, kind="started"),
    Baseline(
        connector_id="two-_2",
        triggered=NOW - timedelta(days=3),
        kind="restarted",
        ended_before=ENDED,
        historical=True,
        doubtful=True,
        withheld=True,
        seen=True,
        stopped=NOW - timedelta(seconds=1),
    ),
    *(
        Baseline(connector_id=kind, triggered=NOW, kind=kind)
        for kind in ("running", "behind", "held", "unread")
    ),
]


def test_a_baseline_is_read_as_it_was_written() -> None:
    """To the microsecond, for a time that has moved by one has moved."""
    assert read(write(BASELINES), NOW) == BASELINES


def test_the_newest_end_before_is_what_counts() -> None:
    """Whether it was a success or a failure."""
    both = connection(succeeded_at=ENDED - timedelta(1), failed_at=ENDED)
    neither = connection()

    told = read(baseline_of([(both, "started"), (neither, "held")], NOW, historical=True), NOW)

    assert [each.ended_before for each in told] == [ENDED, None]
    assert [each.kind for each in told] == ["started", "held"]
    assert {each.historical for each in told} == {True}
    assert not told[0].is_new(ENDED)
    assert told[0].is_new(ENDED + timedelta(microseconds=1))
    assert told[1].is_new(ENDED)
    assert not told[1].is_new(None)


@pytest.mark.parametrize(
    ("status", "doubtful"),
    [
        ({}, False),
        ({"sync_state": "rescheduled"}, True),
        ({"setup_state": "broken"}, True),
        ({"setup_state": "connected", "sync_state": "scheduled"}, False),
    ],
)
def test_a_state_that_would_look_like_an_end_is_remembered(
    status: dict[str, str], *, doubtful: bool
) -> None:
    """Right after the trigger it still says what it said before."""
    assert Baseline.of(connection(status=status), "started", NOW).doubtful is doubtful


@pytest.mark.parametrize(
    ("sync_state", "force", "kind"),
    [
        ("syncing", True, "restarted"),
        ("syncing", False, "running"),
        ("scheduled", True, "started"),
        ("rescheduled", False, "started"),
    ],
)
def test_what_a_request_for_a_sync_does_depends_on_what_runs(
    sync_state: str, kind: str, *, force: bool
) -> None:
    """A running sync goes on, unless it is forced to stop."""
    assert kind_of(connection(status={"sync_state": sync_state}), force=force) == kind


def test_a_sync_that_runs_again_has_not_stopped() -> None:
    """Between the sync that is stopped and the one that was forced, nothing runs."""
    runs = connection(status={"sync_state": "syncing"})
    first = Baseline(connector_id="one", triggered=NOW, kind="restarted").looked_at(runs, NOW)
    second = first.looked_at(connection(), NOW)
    third = second.looked_at(runs, NOW)

    assert [each.stopped for each in (first, second, third)] == [None, NOW, None]
    assert {each.seen for each in (first, second, third)} == {True}


def test_a_baseline_is_short() -> None:
    """A model writes it out at each call: for fifty connectors as well as for one."""
    letters = random.Random(7)  # noqa: S311 -- names, not secrets

    def some(length: int) -> Connection:
        name = "".join(letters.choices(string.ascii_letters + string.digits + "_-", k=length))
        ended = ENDED - timedelta(microseconds=letters.randrange(10**11))
        return connection(id=name, succeeded_at=ended)

    assert len(baseline_of([(some(14), "started")], NOW)) <= 100
    fifty = baseline_of([(some(14), "started") for _ in range(MOST_CONNECTORS)], NOW)
    assert len(fifty) <= 1_700
    longest = write(
        [
            Baseline(
                connector_id=some(64).id,
                triggered=NOW,
                kind="started",
                ended_before=ENDED - timedelta(microseconds=letters.randrange(10**11)),
                historical=True,
                doubtful=True,
                withheld=True,
                seen=True,
                stopped=NOW - timedelta(milliseconds=letters.randrange(10**6)),
            )
            for _ in range(MOST_CONNECTORS)
        ]
    )
    assert len(longest) <= LONGEST_BASELINE
    assert len(read(longest, NOW)) == MOST_CONNECTORS


def test_nothing_was_triggered_later_than_now() -> None:
    """Another machine's clock may be ahead; a forger's certainly is."""
    ahead = Baseline(connector_id="one", triggered=NOW + timedelta(days=999), kind="started")

    assert read(write([ahead]), NOW)[0].triggered == NOW


GOOD = write(BASELINES[:1])
HOSTILE = {
    "nothing": "",
    "an id": "solid_anchor",
    "no base64": "eNqL%jlYq",
    "another alphabet": "日本語",
    "a letter too few": GOOD[:-1],
    "a letter too many": f"{GOOD}A",
    "a letter wrong": GOOD[:20] + ("A" if GOOD[20] != "A" else "B") + GOOD[21:],
    "a space": f"{GOOD} ",
    "no compression": base64.urlsafe_b64encode(b"[]").decode(),
    "a bomb": packed(b" " * 50_000_000 + b'[["one",0,0,"s",0]]'),
    "no JSON": packed(b"[[["),
    "deep": packed(b"[" * 5_000),
    "no UTF-8": packed(b'["\xff"]'),
    "an object": packed(b"{}"),
    "no rows": packed(b"[]"),
    "a marker of triage": packed(b'{"ab12cd34":1}'),
    "too many rows": packed(json.dumps([["a", 0, 0, "s", 0]] * 51).encode()),
    "too few values": packed(b'[["a",0,0,"s"]]'),
    "another path": rows(0, "../groups"),
    "no id": rows(0, ""),
    "a line break": rows(0, "a\n"),
    "an id of a number": rows(0, 1),
    "a negative time": rows(1, -1),
    "a time that never comes": rows(1, 10**15),
    "a huge time": rows(2, 10**30),
    "a fraction": rows(1, 1.5),
    "a text for a number": rows(1, "1"),
    "true for a number": packed(b'[["one",true,0,"s",0]]'),
    "null": rows(2, None),
    "no kind": rows(3, ""),
    "an unknown kind": rows(3, "x"),
    "an unknown flag": rows(3, "sx"),
    "too many flags": rows(3, "shdwvh"),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_baseline_is_refused_and_not_repeated(text: str) -> None:
    """With what to pass instead, and at once."""
    began = time.perf_counter()
    with pytest.raises(ToolFailure) as caught:
        read(text, NOW)

    assert caught.value.code == "invalid_arguments"
    assert "exactly as it came" in caught.value.hint
    assert not text or text not in f"{caught.value.message}{caught.value.hint}"
    assert time.perf_counter() - began < 1
