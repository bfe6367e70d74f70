"""The record: every change, refusal and approval, before the act as intended, after it as done.

Each is one line of log (`audit`) and, where a file is set, one line of that file, which is on the
disk before the act begins. So a process that is killed leaves the truth: an act that was intended
and never done. Entries about one act have one id, and stand for themselves.

All of this blocks, for the disk: call it in a thread.
"""

import hmac
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

import structlog

from mcp_server.journal_file import (
    ChainedFile,
    JournalError,
    is_sealed,
    iso,
    parsed,
    seal_fits,
)
from mcp_server.journal_record import Record, bounded, fields_of, text_of

__all__ = ["Act", "Found", "Journal", "JournalError", "Page", "Record"]

_log = structlog.stdlib.get_logger("mcp_server.journal")

MOST_KEPT: Final = 1_000
"""Entries in memory, where there is no file."""
SHORTEST_KEY: Final = 16
MOST_LOOKED_THROUGH: Final = 20_000
"""Entries that one question looks through."""
MOST_UNMATCHED: Final = 100
_ID: Final = re.compile(r"[0-9a-f]{12}")
_CURSOR: Final = re.compile(r"[0-9]{1,18}(,[0-9a-f]{12}){0,100}")
_ABOUT_THE_FILE: Final = frozenset({"prev", "mac", "after_torn"})


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first. Whoever can write the file may have written what is in them."""

    entries: list[dict[str, Any]]
    before: str | None
    """Where the next page begins; None: there is nothing more."""
    unreadable: int = 0
    """Lines in between that are no entries."""


@dataclass(frozen=True, slots=True)
class Found:
    """The newest entry about an act, and the act that took it back, if one did."""

    entry: dict[str, Any]
    undone_by: str | None

    @property
    def is_done(self) -> bool:
        """Whether it is known how it went."""
        return bool(self.entry["phase"] == "done")


@dataclass(frozen=True, slots=True)
class Act:
    """What is going to be done."""

    journal: "Journal" = field(repr=False)
    record: Record

    @property
    def id(self) -> str:
        """What an undo names."""
        return self.record.id

    def done(
        self,
        *,
        outcome: str,
        status: int | None = None,
        seconds: float | None = None,
        undo: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write how it went: `ok`, or the code of a failure. False, and loud, if that failed."""
        result = {"outcome": outcome, "status": status, "seconds": seconds}
        record = self.record if undo is None else replace(self.record, undo=undo)
        return self.journal.tell("done", record, result)


class Journal:
    """Keeps the record; several threads may use it, and several processes its file."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        key: bytes | None = None,
    ) -> None:
        """Open or begin the file, if there is to be one; `key` seals each of its lines.

        Raises:
            JournalError: It cannot be used.
        """
        if key is not None and len(key) < SHORTEST_KEY:
            raise JournalError(
                f"The journal's key is too short. Give {SHORTEST_KEY} bytes or more."
            )
        self.path = path
        self._key = key
        self._now = now
        # Not the key itself, which is for lines. With it, hashes compare across restarts.
        self._hashing = (
            hmac.digest(key, b"credentials", "sha256") if key else secrets.token_bytes(32)
        )
        self._file = ChainedFile(path, now=now, key=key) if path else None
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self._count = 0
        self._mutex = Lock()
        self.problem: str | None = None
        """Why the last entry could not be written; None: it was."""

    def close(self) -> None:
        """Give the file back."""
        if self._file:
            self._file.close()

    def intend(self, record: Record) -> Act:
        """Write what is going to be done, before it is.

        Raises:
            JournalError: It is not sure that this was written; what is destructive must not be done.
        """
        self._write("intended", record, {})
        return Act(self, record)

    def refuse(self, record: Record, decision: str, by: str) -> bool:
        """Write that something is not done, and what decided so."""
        return self.tell("refused", replace(record, decision=decision, by=by))

    def approve(self, record: Record, since: datetime) -> bool:
        """Write that a person approved; False if that very approval was used before, since then.

        Of the processes that share the file, the one whose line comes first has it.

        Raises:
            JournalError: It is not sure that this was written, or what was before.
        """
        if record.approval in self._approvals(since).values():
            return False
        self._write("approved", record, {})
        acts = [act for act, used in self._approvals(since).items() if used == record.approval]
        return record.approval is None or not acts or acts[-1] == record.id

    def tell(self, phase: str, record: Record, result: Mapping[str, Any] | None = None) -> bool:
        """Write what cannot be stopped any more; say loudly if that failed, and go on."""
        try:
            self._write(phase, record, result or {})
        except JournalError:
            return False
        return True

    def recent(
        self,
        limit: int,
        connector_id: str | None = None,
        tool: str | None = None,
        before: str | None = None,
    ) -> Page:
        """Give the newest entries, or those before a page. An act that was done comes once.

        Raises:
            JournalError: The file cannot be read.
            ValueError: `before` is not one that a page gave.
        """
        start, done = _read_cursor(before)
        rows: list[dict[str, Any]] = []
        next_before, unreadable = "", 0
        for looked, (place, entry) in enumerate(self._backwards(start), 1):
            if entry is None:
                unreadable += 1
            elif _is_about(entry, connector_id, tool) and not _is_told(entry, done):
                if len(rows) == limit:
                    return Page(rows, next_before, unreadable)
                rows.append(entry)
                next_before = _cursor(place, done)
            if looked == MOST_LOOKED_THROUGH:
                return Page(rows, _cursor(place, done), unreadable)
        return Page(rows, None, unreadable)

    def find(self, act: str) -> Found | None:
        """Find an act by its id, no further back than one question looks.

        Raises:
            JournalError: The file cannot be read.
        """
        undone_by = None
        for looked, (_, entry) in enumerate(self._backwards(None)):
            if looked == MOST_LOOKED_THROUGH:
                break
            if entry is None:
                continue
            if entry.get("undo_of") == act and entry.get("outcome") == "ok":
                undone_by = entry["id"]
            if entry.get("id") == act and entry["phase"] in {"intended", "done"}:
                return Found(entry, undone_by)
        return None

    def _write(self, phase: str, record: Record, result: Mapping[str, Any]) -> None:
        entry = self._entry(phase, record, result)
        try:
            entry = self._file.append(entry) if self._file else self._keep(entry)
        except JournalError as error:
            self.problem = str(error)
            _log.error("audit_not_written", why=self.problem, **_logged(entry))
            raise
        self.problem = None
        _log.info("audit", **_logged(entry))

    def _entry(self, phase: str, record: Record, result: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in result.items() if value is not None}
        if "outcome" in told:
            told["outcome"] = text_of(told["outcome"])
        if "seconds" in told:
            told["seconds"] = round(told["seconds"], 3)
        said = fields_of(record, self._hashing)
        return bounded({"id": record.id, "at": iso(self._now()), "phase": phase, **said, **told})

    def _approvals(self, since: datetime) -> dict[str, str]:
        """Give the approvals that the file tells of, by the acts that used them, the newest first."""
        used: dict[str, str] = {}
        for _, entry in self._backwards(None) if self._file else ():
            if entry and str(entry.get("at")) < iso(since):
                break
            if entry and entry["phase"] == "approved" and "approval" in entry:
                used[entry["id"]] = str(entry["approval"])
        return used

    def _keep(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        with self._mutex:
            numbered = {"n": self._count, **entry}
            self._count += 1
            self._kept.append(numbered)
        return numbered

    def _backwards(self, before: int | None) -> Iterator[tuple[int, dict[str, Any] | None]]:
        if self._file:
            for place, line in self._file.backwards(before):
                # With a key, what has no seal that fits was written by somebody else.
                trusted = self._key is None or (is_sealed(line) and seal_fits(line, self._key))
                entry = parsed(line) if trusted else None
                if entry is None or entry.get("phase") != "log":
                    yield place, _shown(entry)
            return
        with self._mutex:
            kept = [*self._kept]
        for entry in reversed(kept):
            if before is None or entry["n"] < before:
                yield entry["n"], entry


def _logged(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Say the same on one line of log; what would undo the act is kept in the record alone."""
    shown = {name: value for name, value in entry.items() if name not in {"prev", "undo"}}
    return {**shown, "can_undo": True} if "undo" in entry else shown


def _shown(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Take from a line what is not about the file; None if it is not one of ours."""
    if entry is None or not isinstance(entry.get("phase"), str):
        return None
    if not (isinstance(entry.get("id"), str) and _ID.fullmatch(entry["id"])):
        return None
    if not isinstance(entry.get("connector_ids", []), list):
        return None
    return {name: value for name, value in entry.items() if name not in _ABOUT_THE_FILE}


def _is_about(entry: Mapping[str, Any], connector_id: str | None, tool: str | None) -> bool:
    return (tool is None or entry.get("tool") == tool) and (
        connector_id is None
        or entry.get("connector_id") == connector_id
        or connector_id in entry.get("connector_ids", ())
    )


def _is_told(entry: Mapping[str, Any], done: list[str]) -> bool:
    """Whether an entry says no more than one already told; `done` are those still to come upon."""
    if entry["phase"] == "intended" and entry["id"] in done:
        done.remove(entry["id"])
        return True
    if entry["phase"] == "done":
        done.append(entry["id"])
        # Of very old acts the beginning may be in another file.
        del done[:-MOST_UNMATCHED]
    return False


def _cursor(place: int, done: list[str]) -> str:
    return ",".join([str(place), *done])


def _read_cursor(text: str | None) -> tuple[int | None, list[str]]:
    if text is None:
        return None, []
    if not _CURSOR.fullmatch(text):
        raise ValueError("it is not one that a page gave")
    place, *done = text.split(",")
    return int(place), done
