"""A file that is only appended to, in which every line is chained to the one before by its hash.

Several processes may share one: each line is one write under a lock, and is on the disk before
anything else happens. A chain shows that a line was altered or is missing. It does not keep whoever
may write the file from making all of it anew; a key does, that is kept where they cannot read it.
Without `fcntl`, as on Windows, there is neither a lock nor a check of who may read the file: there
one file is for one process.
"""

import hashlib
import hmac
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

FORMAT: Final = 1
NOTHING: Final = "0" * 64
"""What the first line is chained to."""
LONGEST_LINE: Final = 16 * 1024
"""Bytes of a line at most."""
WINDOW: Final = 4 * LONGEST_LINE
"""Bytes at the end of a file among which its last whole line must be."""
BLOCK: Final = 64 * 1024
PATIENCE: Final = 5.0
"""Seconds to wait for another process that is writing."""
BETWEEN_TRIES: Final = 0.005
START: Final = f'{{"n":0,"prev":"{NOTHING}","at":"'.encode()
"""How every file of this kind begins."""

_POSIX: Final = os.name == "posix"
_FCNTL: Final[Any] = import_module("fcntl") if _POSIX else None
_FLAGS: Final[int] = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
)
_MAC_BEGINS: Final = b',"mac":"'
_MAC_LENGTH: Final = len(_MAC_BEGINS) + 64 + len(b'"}')


class JournalError(Exception):
    """The record cannot be kept or read; the message says why, and what to do."""


def iso(moment: datetime) -> str:
    """Write a moment with its milliseconds, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encoded(value: Any) -> bytes:
    """Write compact JSON in ASCII: nothing in it can deceive who reads the file on a terminal."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def hash_of(line: bytes) -> str:
    """Compute what the next line is chained to."""
    return hashlib.sha256(line).hexdigest()


def parsed(line: bytes) -> dict[str, Any] | None:
    """Read an entry; None if the line is none, or only a part of one."""
    try:
        entry = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    return entry if type(entry.get("n")) is int and isinstance(entry.get("prev"), str) else None


def sealed(line: bytes, key: bytes | None) -> bytes:
    """Add the keyed hash of a line to it, if there is a key."""
    if key is None:
        return line
    mac = hmac.digest(key, line, "sha256").hex().encode()
    return line[:-1] + _MAC_BEGINS + mac + b'"}'


def is_sealed(line: bytes) -> bool:
    """Whether a line ends in a keyed hash."""
    return line[-_MAC_LENGTH:].startswith(_MAC_BEGINS)


def seal_fits(line: bytes, key: bytes) -> bool:
    """Whether a line was written by somebody who had the key."""
    return hmac.compare_digest(sealed(line[:-_MAC_LENGTH] + b"}", key), line)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of a file, and what the next line is chained to."""

    end: int
    n: int = -1
    hash: str = NOTHING
    open_ended: bool = False
    torn: bytes | None = None
    """What stands after the last whole line: somebody was killed while writing it."""


class ChainedFile:
    """Appends entries, and reads them from the end."""

    def __init__(self, path: Path, *, now: Callable[[], datetime], key: bytes | None) -> None:
        """Open a file, or begin it.

        Raises:
            JournalError: It cannot be, or is not fit to be, a journal.
        """
        self._path = path
        self._now = now
        self._key = key
        self._mutex = Lock()
        self._known: _Tail | None = None
        self._replaced = False
        self._descriptor = _opened(path)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    def append(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Write an entry on a line of its own, and see it to the disk; it comes back as written.

        Raises:
            JournalError: It is not sure that it is there.
        """
        with self._held():
            tail = self._beginning(self._tail())
            self._known, written = self._written(tail, entry)
        return written

    def _begin(self) -> None:
        with self._held():
            self._known = self._beginning(self._tail())

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            with self._mutex:
                try:
                    self._lock_current()
                    yield
                finally:
                    if _FCNTL:
                        _FCNTL.flock(self._descriptor, _FCNTL.LOCK_UN)
                # After the lock, which other processes wait for: the place in the file is taken.
                os.fsync(self._descriptor)
        except OSError as error:
            raise JournalError(
                f"The journal {self._path} cannot be written: {error.strerror}. Make room for it, or"
                " mend its file system."
            ) from error

    def _lock_current(self) -> None:
        """Lock the file that has the name now: it may have been rotated, or taken away."""
        _lock(self._descriptor, self._path)
        while not self._is_current():
            descriptor = _opened(self._path)
            os.close(self._descriptor)
            self._descriptor, self._replaced = descriptor, True
            _lock(self._descriptor, self._path)

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.lstat())
        except FileNotFoundError:
            return False

    def _tail(self) -> _Tail:
        size = os.fstat(self._descriptor).st_size
        # Not read again, so that what is altered behind our back does not become the truth.
        if self._known and not self._replaced and self._known.end == size:
            return self._known
        first, *_ = self._read(0, len(START)).split(b"\n")
        if size and not (first and START.startswith(first)):
            raise JournalError(f"{self._path} is not a journal. Name another file, or a new one.")
        begin = max(0, size - WINDOW)
        lines = self._read(begin, size - begin).split(b"\n")
        # The first of them may be the rest of a line.
        for index in range(len(lines) - 1, 0 if begin else -1, -1):
            entry = parsed(lines[index])
            if entry is not None:
                self._check_seal(lines[index])
                return _Tail(
                    end=size,
                    n=entry["n"],
                    hash=hash_of(lines[index]),
                    open_ended=lines[-1] != b"",
                    torn=_torn(lines[index + 1 :]),
                )
        if begin:
            raise JournalError(
                f"The end of {self._path} is no journal any more. Keep the file, and name a new one."
            )
        return _Tail(end=size, open_ended=lines[-1] != b"", torn=_torn(lines))

    def _check_seal(self, line: bytes) -> None:
        if self._key is None and is_sealed(line):
            what = "was written with a key. Give that key"
        elif self._key is not None and not is_sealed(line):
            what = "was begun without a key. Leave the key out"
        elif self._key is not None and not seal_fits(line, self._key):
            what = "was altered at its end, or written with another key. Keep it"
        else:
            return
        raise JournalError(f"{self._path} {what}, or name a new file.")

    def _beginning(self, tail: _Tail) -> _Tail:
        """Write a header where a file begins, or is not what it was when we last wrote to it."""
        shortened = self._known is not None and tail.end < self._known.end
        if tail.n >= 0 and not self._replaced and not shortened:
            return tail
        header: dict[str, Any] = {"at": iso(self._now()), "phase": "log", "format": FORMAT}
        if self._known:
            header["follows"] = self._known.hash
            header["why"] = "replaced" if self._replaced else "shortened"
        tail, _ = self._written(tail, header)
        self._replaced = False
        return tail

    def _written(self, tail: _Tail, entry: Mapping[str, Any]) -> tuple[_Tail, dict[str, Any]]:
        numbered = {"n": tail.n + 1, "prev": tail.hash, **entry}
        if tail.torn is not None:
            numbered["after_torn"] = hash_of(tail.torn)
        line = sealed(encoded(numbered), self._key)
        if len(line) > LONGEST_LINE:
            raise JournalError(f"An entry of {len(line)} bytes is too long for {self._path}.")
        content = (b"\n" if tail.open_ended else b"") + line + b"\n"
        if os.write(self._descriptor, content) != len(content):
            raise JournalError(f"Only a part of a line fits into {self._path}. Make room for it.")
        return _Tail(tail.end + len(content), numbered["n"], hash_of(line)), numbered

    def _read(self, begin: int, count: int) -> bytes:
        os.lseek(self._descriptor, begin, os.SEEK_SET)
        return os.read(self._descriptor, count)

    def backwards(self, before: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Read the lines from the end, or from before the one at a place; each with its place.

        Raises:
            JournalError: The file cannot be read.
            ValueError: No line ends before this place.
        """
        try:
            with self._path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                if before is not None:
                    # Beyond the end there is nothing to read.
                    file.seek(max(0, before - 1))
                    if before and file.read(1) != b"\n":
                        raise ValueError("no line ends there")
                    end = before
                rest = b""
                while end > 0:
                    begin = max(0, end - BLOCK)
                    file.seek(begin)
                    first, *lines = (file.read(end - begin) + rest).split(b"\n")
                    place = end + len(rest)
                    for line in reversed(lines):
                        place -= len(line)
                        if line:
                            yield place, line
                        place -= 1
                    end, rest = begin, first
                    if len(rest) > WINDOW:
                        raise JournalError(f"{self._path} has a line that is no entry.")
                if rest:
                    yield 0, rest
        except OSError as error:
            raise JournalError(
                f"The journal {self._path} cannot be read: {error.strerror}."
            ) from error


def _torn(lines: list[bytes]) -> bytes | None:
    """Join what stands after a line; None if nothing does."""
    after = b"\n".join(lines)
    return after.removesuffix(b"\n") if after else None


def _opened(path: Path) -> int:
    """Open a file that nobody else may read or write.

    Raises:
        JournalError: It is not such a file.
    """
    if path.is_symlink():
        raise JournalError(f"{path} is a link. Name the file itself.")
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be opened: {error.strerror}. Name a file in a directory that"
            " exists, and that this user may write."
        ) from error
    problem = _unfit(os.fstat(descriptor))
    if problem:
        os.close(descriptor)
        raise JournalError(f"{path} {problem}")
    return descriptor


def _unfit(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is not a file of the usual kind. Name a file."
    if not _POSIX:
        return None
    if status.st_uid != os.geteuid():
        return "belongs to another user, who could alter it. Name a file of this user."
    if status.st_mode & 0o077:
        return "may be read or written by others. Run: chmod 600 on it."
    return None


def _lock(descriptor: int, path: Path) -> None:
    if _FCNTL is None:
        return
    for _ in range(round(PATIENCE / BETWEEN_TRIES)):
        try:
            _FCNTL.flock(descriptor, _FCNTL.LOCK_EX | _FCNTL.LOCK_NB)
        except BlockingIOError:
            time.sleep(BETWEEN_TRIES)
        else:
            return
    raise JournalError(
        f"Another process has held {path} for {PATIENCE:g} seconds. See what it waits for, and end it."
    )
