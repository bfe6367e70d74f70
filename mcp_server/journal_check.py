"""Whether a journal is what was written: every line follows from the one before.

What was cut off at the end cannot be seen in the file itself. Keep the last hash that a check
gives somewhere else, and give it to the next one.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from mcp_server.journal_file import (
    FORMAT,
    LONGEST_LINE,
    NOTHING,
    JournalError,
    hash_of,
    is_sealed,
    parsed,
    seal_fits,
)
from mcp_server.untrusted import clean

MOST_TOLD: Final = 100
"""Problems, and as many warnings, that are told one by one."""
LONGEST_READ: Final = 4 * LONGEST_LINE

Told = tuple[int, str]
"""A line's number, from 1, and what is wrong there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check found."""

    ok: bool
    """Nothing was altered, as far as can be seen. Warnings do not count."""
    lines: int
    last: str
    """The hash of the last entry, to be kept elsewhere and expected by the next check."""
    sealed: bool
    """Every entry was checked against the key."""
    problems: list[Told]
    warnings: list[Told]
    more_problems: int
    more_warnings: int

    def in_words(self) -> list[str]:
        """Say it on lines for an operator."""
        told = [f"line {n}: {what}" for n, what in self.problems]
        told += [f"... and {self.more_problems} more problems"] if self.more_problems else []
        told += [f"line {n}: warning: {what}" for n, what in self.warnings]
        told += [f"... and {self.more_warnings} more warnings"] if self.more_warnings else []
        verdict = "the record is whole" if self.ok else "the record was altered, or is not whole"
        proof = "" if self.sealed else ", as far as that shows without a key"
        return [*told, f"{self.lines} lines: {verdict}{proof}", f"last hash: {self.last}"]


@dataclass(slots=True)
class _Told:
    few: list[Told] = field(default_factory=list)
    more: int = 0

    def __call__(self, line: int, what: str) -> None:
        if len(self.few) < MOST_TOLD:
            self.few.append((line, what))
        else:
            self.more += 1


@dataclass(slots=True)
class _Broken:
    """Lines that are no entries, since the last that was one."""

    first: int = 0
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, line: int, content: bytes) -> None:
        if self.count:
            self.digest.update(b"\n")
        else:
            self.first = line
        self.count += 1
        self.digest.update(content)


@dataclass(slots=True)
class _Check:
    key: bytes | None
    expected: str | None
    problem: _Told = field(default_factory=_Told)
    warn: _Told = field(default_factory=_Told)
    broken: _Broken = field(default_factory=_Broken)
    lines: int = 0
    n: int = -1
    last: str = NOTHING
    at: int = 0
    """The line of the last entry."""
    unchecked: int = 0
    open: dict[str, Told] = field(default_factory=dict)

    def line(self, content: bytes) -> None:
        self.lines += 1
        entry = parsed(content) if len(content) <= LONGEST_LINE else None
        if entry is None:
            self.broken.add(self.lines, content)
            return
        told = self._after_broken(entry)
        number = self._follows(entry, told=told)
        self._seal(content)
        self._says(entry)
        self.n, self.last, self.at = number, hash_of(content), self.lines
        if self.last == self.expected:
            self.expected = None

    def _after_broken(self, entry: dict[str, Any]) -> bool:
        """Look at the lines before that are none; whether they were told as a problem."""
        broken, self.broken = self.broken, _Broken()
        claimed = entry.get("after_torn")
        if claimed is None and not broken.count:
            return False
        if broken.count and claimed == broken.digest.hexdigest():
            self.warn(broken.first, "the writer was stopped in the middle of it")
            return False
        if broken.count:
            self.problem(broken.first, "is no entry: it was altered, or put in")
        else:
            self.problem(self.lines, "the torn line before it is missing")
        return True

    def _follows(self, entry: dict[str, Any], *, told: bool) -> int:
        """Look at its place in the chain; its number, as it should be."""
        missing = entry["n"] - self.n - 1
        if entry["prev"] == self.last:
            if missing:
                self.problem(self.lines, "has a wrong number: it was altered")
            return self.n + 1
        if not missing and self.at:
            self.problem(self.at, "was altered: the next line is chained to what it was")
        elif not missing:
            self.problem(self.lines, "does not begin a chain: it was altered")
        elif missing < 0:
            self.problem(self.lines, "stands in the wrong place, or twice")
        elif not told:
            place = "before it" if self.at else "at the beginning"
            self.problem(self.lines, f"{missing} missing {place}: lines were taken out")
        number: int = entry["n"]
        return number

    def _seal(self, content: bytes) -> None:
        if self.key is None:
            self.unchecked += 1
        elif not is_sealed(content):
            self.problem(self.lines, "has no mac: it was not written with the key")
        elif not seal_fits(content, self.key):
            self.problem(self.lines, "has a wrong mac: it was not written with this key")

    def _says(self, entry: dict[str, Any]) -> None:
        phase, act = entry.get("phase"), str(entry.get("id"))
        if phase == "log":
            self._header(entry)
        elif self.lines == 1 and not entry["n"]:
            self.problem(1, "is not the beginning of a journal")
        if phase == "intended":
            tool = clean(str(entry.get("tool")), 60)
            self.open[act] = (
                self.lines,
                f"act {clean(act, 20)} ({tool}) was intended, and it is not known whether it was done",
            )
        elif phase == "done" and self.open.pop(act, None) is None:
            self.warn(self.lines, f"act {clean(act, 20)} was not intended in this file")

    def _header(self, entry: dict[str, Any]) -> None:
        if entry.get("format") != FORMAT:
            self.problem(self.lines, f"has another format than {FORMAT}, which this version reads")
        follows = entry.get("follows")
        if follows is None or follows == entry["prev"]:
            return
        where = f"the line before had the hash {clean(str(follows), 64)}"
        if self.lines > 1 and entry.get("why") == "shortened":
            self.problem(
                self.lines, f"lines before it were cut off while the file was in use: {where}"
            )
        else:
            self.warn(self.lines, f"goes on from another file, rotated or taken away: {where}")

    def end(self, *, whole: bool) -> None:
        if self.broken.count == 1 and not whole:
            self.warn(self.broken.first, "is not whole: its writer was stopped, or is writing it")
        elif self.broken.count:
            self.problem(self.broken.first, "is no entry: it was altered, or put in")
        if not self.at:
            self.problem(1, "there is no entry")
        if self.expected is not None:
            self.problem(
                self.lines, "no line has the expected hash: lines were cut off or rewritten"
            )
        for line, what in self.open.values():
            self.warn(line, what)


def verify(path: Path, key: bytes | None = None, expected: str | None = None) -> Verification:
    """Read a journal from its beginning to its end, whatever its size.

    `expected` is the hash of an entry that was there at an earlier check.

    Raises:
        JournalError: The file cannot be read.
    """
    check, whole = _Check(key, expected.strip().lower() if expected else None), True
    try:
        with path.open("rb") as file:
            for line in _lines(file):
                whole = line.endswith(b"\n")
                check.line(line.removesuffix(b"\n"))
    except OSError as error:
        raise JournalError(f"The journal {path} cannot be read: {error.strerror}.") from error
    check.end(whole=whole)
    return Verification(
        ok=not check.problem.few,
        lines=check.lines,
        last=check.last,
        sealed=not check.unchecked,
        problems=check.problem.few,
        warnings=check.warn.few,
        more_problems=check.problem.more,
        more_warnings=check.warn.more,
    )


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Read lines; of one that is far too long, only the beginning."""
    while line := file.readline(LONGEST_READ):
        rest = line
        while len(rest) == LONGEST_READ and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_READ)
        yield line if rest is line else line + rest[-1:]
