"""The file of the record: who may read it, what it is chained to, and what it survives."""

import errno
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mcp_server import journal_file
from mcp_server.journal import Journal
from mcp_server.journal_check import verify
from mcp_server.journal_file import (
    BLOCK,
    LONGEST_LINE,
    NOTHING,
    WINDOW,
    ChainedFile,
    JournalError,
    hash_of,
)
from tests.journals import KEY, journal, kept, now, pause


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that is not there yet."""
    return tmp_path / "audit.jsonl"


def why_not(path: Path, key: bytes | None = None) -> str:
    """Open what cannot be a journal; the reason."""
    with pytest.raises(JournalError) as caught:
        Journal(path, now=now, key=key)
    return str(caught.value).replace(str(path), "FILE")


def entries(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_file_begins_with_a_header_and_is_for_its_owner_alone(path: Path) -> None:
    """Whatever the process lets others do with its files otherwise."""
    before = os.umask(0)
    try:
        (header,) = kept(path, acts=0)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(header) == {
        "n": 0,
        "prev": NOTHING,
        "at": "2026-03-10T12:00:00.000Z",
        "phase": "log",
        "format": 1,
    }


def test_a_file_is_opened_so_that_nothing_in_it_is_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it go to a process that this one starts."""
    flags: list[int] = []
    opened = os.open

    def watched(path: Path, flag: int, mode: int) -> int:
        flags.append(flag)
        return opened(path, flag, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", watched)
        kept(path)

    assert flags == [flags[0] | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC]


def test_every_line_is_chained_to_the_one_before(path: Path) -> None:
    """Also to those of an earlier run."""
    kept(path)
    lines = kept(path)

    assert len(lines) == 13
    for number, (line, following) in enumerate(pairwise(lines)):
        assert json.loads(line)["n"] == number
        assert json.loads(following)["prev"] == hash_of(line)
    assert verify(path).ok


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused(path: Path, mode: int) -> None:
    """With what to do about it."""
    kept(path)
    path.chmod(mode)

    assert why_not(path) == "FILE may be read or written by others. Run: chmod 600 on it."


def test_a_file_of_somebody_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They could open it to themselves."""
    kept(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    assert why_not(path).startswith("FILE belongs to another user")


def test_without_such_rights_they_are_not_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are there locks, as on Windows."""
    monkeypatch.setattr(journal_file, "_POSIX", False)
    monkeypatch.setattr(journal_file, "_FCNTL", None)
    kept(path)
    path.chmod(0o666)

    assert len(kept(path)) == 13
    assert verify(path).ok


def test_what_is_no_plain_file_is_refused(path: Path) -> None:
    """Each with its reason."""
    target = path.with_name("elsewhere")
    target.touch(0o600)
    path.symlink_to(target)
    assert why_not(path) == "FILE is a link. Name the file itself."
    path.unlink()
    path.mkdir()
    assert "Is a directory" in why_not(path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    assert "not a file of the usual kind" in why_not(path)
    path.unlink()
    assert "No such file or directory" in why_not(path / "audit")
    assert target.read_bytes() == b""


@pytest.mark.parametrize(
    "content", [b"export PATH=/bin\n", b"\n", b"x", b'{"n":0,"prev":"00"}\n', b"[]\n" * 99_000]
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    """Somebody named the wrong one."""
    path.touch(0o600)
    path.write_bytes(content)

    assert why_not(path) == "FILE is not a journal. Name another file, or a new one."
    assert path.read_bytes() == content


def test_a_journal_whose_end_is_none_is_refused(path: Path) -> None:
    """Somebody wrote something else into it."""
    kept(path)
    with path.open("ab") as file:
        file.write(b"noise\n" * WINDOW)

    assert why_not(path).startswith("The end of FILE is no journal any more.")


@pytest.mark.parametrize(
    ("began", "goes_on", "reason"),
    [
        (KEY, None, "was written with a key."),
        (None, KEY, "was begun without a key."),
        (KEY, KEY[::-1], "was altered at its end, or written with another key."),
    ],
)
def test_a_file_has_one_key(
    path: Path, began: bytes | None, goes_on: bytes | None, reason: str
) -> None:
    """Or none, from its first line on."""
    kept(path, key=began)

    assert why_not(path, goes_on).startswith(f"FILE {reason}")
    assert len(kept(path, key=began)) == 13


def test_a_key_has_to_be_long() -> None:
    """An empty one, above all, is a mistake."""
    with pytest.raises(JournalError, match="16 bytes or more"):
        Journal(key=b"")


def test_a_torn_line_stays_and_is_marked(path: Path) -> None:
    """A process was killed in the middle of writing it."""
    lines = kept(path)
    path.write_bytes(path.read_bytes()[:-20])
    torn = lines[-1][:-19]
    kept(path, acts=1)

    *_, before, after, _ = path.read_bytes().splitlines()
    assert before == torn
    assert json.loads(after)["after_torn"] == hash_of(torn)
    assert json.loads(after)["prev"] == hash_of(lines[-2])
    assert json.loads(after)["n"] == 6
    assert verify(path).ok


def test_a_line_that_only_lacks_its_end_is_a_whole_one(path: Path) -> None:
    """The next begins on a new line, and says nothing of it."""
    lines = kept(path)
    path.write_bytes(path.read_bytes()[:-1])
    kept(path, acts=1)

    assert path.read_bytes().splitlines()[:-2] == lines
    assert "after_torn" not in entries(path)[-2]
    assert verify(path).ok
    assert not verify(path).warnings


@pytest.mark.parametrize("left", [0, 1, 40, 100])
def test_a_file_whose_header_was_torn_gets_another(path: Path, left: int) -> None:
    """The process was killed as it began."""
    (header,) = kept(path, acts=0)
    path.write_bytes(header[:left])
    kept(path, acts=1)
    kept(path, acts=1)

    assert verify(path).ok
    assert len(verify(path).warnings) == (left > 0)
    assert entries_from(path, 1 if left else 0) == ["log", "intended", "done", "intended", "done"]


def entries_from(path: Path, line: int) -> list[str]:
    """Read the phases of the entries from a line on."""
    return [json.loads(each)["phase"] for each in path.read_bytes().splitlines()[line:]]


def test_torn_lines_after_torn_lines_are_marked_together(path: Path) -> None:
    """Killed, started again, and killed in the middle of the first line."""
    kept(path)
    with path.open("ab") as file:
        file.write(b'{"n":7,"pr\n{"n":7')
    kept(path, acts=1)

    assert verify(path).ok
    assert verify(path).warnings == [(8, "the writer was stopped in the middle of it")]


def test_a_rotated_file_is_followed_by_a_new_one(path: Path) -> None:
    """The new one says what it follows; without a file nothing would be kept."""
    with journal(path) as opened:
        pause(opened)
        path.rename(path.with_suffix(".1"))
        pause(opened)
        path.unlink()
        pause(opened)

    old = path.with_suffix(".1")
    header, *rest = entries(path)
    assert len(rest) == 2
    assert header["why"] == "replaced"
    assert verify(old).ok
    assert verify(path).ok
    assert "rotated or taken away" in verify(path).warnings[0][1]


def test_a_file_that_was_replaced_by_an_older_one_says_so(path: Path) -> None:
    """The new lines go on from its end, but name the hash that should have been there."""
    kept(path)
    older = path.read_bytes()
    with journal(path) as opened:
        pause(opened)
        last = verify(path).last
        path.unlink()
        path.touch(0o600)
        path.write_bytes(older)
        pause(opened)

    (line, what), *_ = verify(path).warnings
    assert line == 8
    assert last in what


def test_a_file_that_was_cut_while_in_use_says_so(path: Path) -> None:
    """The process remembers how far it had come."""
    with journal(path) as opened:
        pause(opened)
        last = verify(path).last
        cut = b"".join(path.read_bytes().splitlines(keepends=True)[:2])
        path.write_bytes(cut)
        pause(opened)

    verification = verify(path)
    assert not verification.ok
    assert verification.problems[0] == (
        3,
        f"lines before it were cut off while the file was in use: the line before had the hash {last}",
    )


def test_what_is_altered_while_in_use_is_not_taken_over(path: Path) -> None:
    """The next line is chained to what was written, not to what stands there."""
    with journal(path) as opened:
        pause(opened)
        path.write_bytes(path.read_bytes().replace(b'"outcome":"ok"', b'"outcome":"no"'))
        pause(opened)

    assert verify(path).problems == [
        (3, "was altered: the next line is chained to what it was"),
    ]


def test_a_file_that_was_replaced_by_a_link_is_not_written(path: Path) -> None:
    """Nobody leads the record elsewhere; and it recovers when the link is gone."""
    target = path.with_name("elsewhere")
    target.touch(0o600)
    with journal(path) as opened:
        path.unlink()
        path.symlink_to(target)
        with pytest.raises(JournalError, match="is a link"):
            pause(opened)
        path.unlink()
        pause(opened)

    assert target.read_bytes() == b""
    assert verify(path).ok


WRITER = """
import sys
from pathlib import Path
from mcp_server.journal import Journal, Record
journal = Journal(Path(sys.argv[1]))
sys.stderr.write("ready")
sys.stdin.read()
for number in range(100):
    journal.intend(Record(tool=sys.argv[2], effect="write")).done(outcome="ok")
"""


def test_two_processes_share_a_file(path: Path) -> None:
    """400 lines, one chain."""
    writers = [
        subprocess.Popen(  # noqa: S603 -- our own interpreter
            [sys.executable, "-c", WRITER, str(path), tool],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for tool in ("first", "second")
    ]
    for writer in writers:
        assert writer.stderr
        assert writer.stderr.read(5) == b"ready"
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
    for writer in writers:
        with writer:
            assert writer.wait(60) == 0

    tools = [entry.get("tool") for entry in entries(path)]
    assert (tools.count("first"), tools.count("second")) == (200, 200)
    assert sum(a != b for a, b in pairwise(tools)) > 2, "they took turns"
    verification = verify(path)
    assert (verification.ok, verification.lines, verification.warnings) == (True, 401, [])


KILLED = """
import os, signal, sys
from pathlib import Path
from mcp_server.journal import Journal, Record
journal = Journal(Path(sys.argv[1]))
act = journal.intend(Record(tool="delete_connector", effect="destructive", id="0123456789ab"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_what_it_was_about_to_do(path: Path) -> None:
    """And the file can be gone on with."""
    killed = subprocess.run(  # noqa: S603 -- our own interpreter
        [sys.executable, "-c", KILLED, str(path)], check=False, stdout=subprocess.DEVNULL
    )
    assert killed.returncode == -9
    with journal(path) as opened:
        found = opened.find("0123456789ab")
        pause(opened)

    assert found is not None
    assert not found.is_done
    assert verify(path).ok
    assert verify(path).warnings == [
        (
            2,
            "act 0123456789ab (delete_connector) was intended, and it is not known whether it was done",
        )
    ]


def test_a_process_that_holds_the_file_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been stopped; when it lets go, all is well."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with journal(path) as opened:
        descriptor = os.open(path, os.O_RDWR)
        journal_file._FCNTL.flock(descriptor, journal_file._FCNTL.LOCK_EX)  # noqa: SLF001 -- another process's
        with pytest.raises(JournalError, match="for 5 seconds"):
            pause(opened)
        os.close(descriptor)
        pause(opened)

    assert sum(slept) == pytest.approx(5)
    assert verify(path).ok


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_an_error_and_the_chain_goes_on_after_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whether or not the line came to be in the file."""

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with journal(path) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(JournalError, match="cannot be written: No space left on device"):
                pause(opened)
        pause(opened)

    assert verify(path).ok
    assert len(entries(path)) == (3 if call == "write" else 4)


def test_a_line_that_was_written_in_part_is_an_error_and_is_marked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full in the middle of it."""
    write = os.write
    with journal(path) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda to, content: write(to, content[:50]))
            with pytest.raises(JournalError, match="Only a part of a line fits"):
                pause(opened)
        pause(opened)

    assert verify(path).ok
    assert verify(path).warnings == [(2, "the writer was stopped in the middle of it")]


def test_an_entry_that_is_too_long_is_not_written(path: Path) -> None:
    """It could not be found again from the end."""
    file = ChainedFile(path, now=now, key=None)
    with pytest.raises(JournalError, match="too long"):
        file.append({"x": "x" * LONGEST_LINE})
    file.close()

    assert len(entries(path)) == 1


def test_lines_are_read_from_the_end_with_their_places(path: Path) -> None:
    """In blocks, and also from the middle."""
    lines = kept(path, acts=200)
    assert path.stat().st_size > BLOCK
    with journal(path):
        file = ChainedFile(path, now=now, key=None)
        found = [*file.backwards()]
        place, _ = found[100]
        rest = [*file.backwards(place)]
        nothing = [*file.backwards(0)]
        file.close()

    content = path.read_bytes()
    assert [line for _, line in found] == lines[::-1]
    assert all(content[place : place + len(line)] == line for place, line in found)
    assert rest == found[101:]
    assert nothing == []


@pytest.mark.parametrize("place", [5, 10**9])
def test_a_place_where_no_line_begins_is_refused(path: Path, place: int) -> None:
    """It is not one that was given."""
    kept(path)
    file = ChainedFile(path, now=now, key=None)
    with pytest.raises(ValueError, match="no line ends there"):
        [*file.backwards(place)]
    file.close()


def test_what_cannot_be_read_is_an_error(path: Path) -> None:
    """A line without an end, or no file."""
    kept(path)
    file = ChainedFile(path, now=now, key=None)
    with path.open("ab") as raw:
        raw.write(b"x" * (WINDOW + BLOCK + 1))
    with pytest.raises(JournalError, match="has a line that is no entry"):
        [*file.backwards()]
    path.unlink()
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        [*file.backwards()]
    file.close()
