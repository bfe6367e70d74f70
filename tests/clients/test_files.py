"""Files of somebody else's: replaced in one step with a backup, or left as they are."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clients import files
from mcp_server.clients.files import FileError, read, write

NOW = datetime(2026, 3, 10, 12, 30, 5, tzinfo=UTC)
BACKUP = "mcp.json.backup-20260310-123005"


def mode(path: Path) -> int:
    """Read the rights of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    """Make a file of a client."""
    file = tmp_path / "mcp.json"
    file.write_bytes(b"before\r\n")
    file.chmod(0o640)
    return file


def test_a_file_is_replaced_and_what_was_there_lies_beside_it(file: Path) -> None:
    """Both with the rights it had."""
    backup = write(read(file), "after\n", NOW)

    assert backup == file.with_name(BACKUP)
    assert (file.read_bytes(), backup.read_bytes()) == (b"after\n", b"before\r\n")
    assert (mode(file), mode(backup)) == (0o640, 0o640)
    assert {path.name for path in file.parent.iterdir()} == {"mcp.json", BACKUP}


def test_a_second_backup_in_a_second_has_another_name(file: Path) -> None:
    """None is overwritten."""
    names = [write(read(file), text, NOW) for text in ("1", "2", "3")]

    assert names == [file.with_name(BACKUP + end) for end in ("", "-2", "-3")]
    assert [name.read_text() for name in names if name] == ["before\n", "1", "2"]


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Its directories are made; there is nothing to back up."""
    file = tmp_path / "a" / "b" / "mcp.json"

    assert write(read(file), "text", NOW) is None
    assert file.read_text() == "text"
    assert mode(file) == 0o600
    assert not read(file).is_readable_by_others


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    """What it leads to is replaced, also if that is not there yet."""
    link, loose = tmp_path / "link.json", tmp_path / "loose.json"
    link.symlink_to(file)
    loose.symlink_to(tmp_path / "later.json")

    assert write(read(link), "after", NOW) == file.with_name(BACKUP)
    write(read(loose), "new", NOW)

    assert link.is_symlink()
    assert file.read_text() == "after"
    assert loose.is_symlink()
    assert (tmp_path / "later.json").read_text() == "new"


def test_who_may_read_a_file_is_told(file: Path) -> None:
    """For the advice to change that."""
    assert read(file).is_readable_by_others
    file.chmod(0o600)
    assert not read(file).is_readable_by_others


def _directory(path: Path) -> None:
    path.mkdir()


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _other_encoding(path: Path) -> None:
    path.write_bytes('{"a": "é"}'.encode("utf-16"))


def _large(path: Path) -> None:
    path.write_bytes(b" " * (files.MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_directory, "not a file"),
        (_pipe, "not a file"),
        (_circle, "symbolic links; check its path"),
        (_other_encoding, "not UTF-8, at byte 0"),
        (_large, "larger than 4,194,304 bytes"),
    ],
)
def test_what_is_no_readable_text_file_is_refused(
    make: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    """At once, and with the reason."""
    path = tmp_path / "odd"
    make(path)

    with pytest.raises(FileError, match=why):
        read(path)


def test_a_file_that_may_not_be_read_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system says it; the tests may run as somebody who may read everything."""

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match=r"^permission denied; check its path and its permissions$"):
        read(file)


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Path, "mkdir"),
        (os, "open"),
        (os, "fsync"),
        (os, "chown"),
        (Path, "chmod"),
        (Path, "replace"),
    ],
)
@pytest.mark.parametrize("failing", [1, 2])
def test_whatever_step_fails_the_file_is_as_it_was(
    owner: Any, step: str, failing: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no half-written file lies beside it; the second time is at the backup."""
    content = read(file)
    really = getattr(owner, step)
    calls = 0

    def fail(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= failing:
            raise OSError(28, "No space left on device")
        return really(*given, **named)

    monkeypatch.setattr(owner, step, fail)
    if failing == 2 and step in {"mkdir", "replace"}:
        write(content, "after", NOW)
        assert file.read_text() == "after"
        return
    with pytest.raises(FileError, match="no space left on device"):
        write(content, "after", NOW)
    monkeypatch.undo()
    assert file.read_bytes() == b"before\r\n"
    assert mode(file) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["mcp.json"]


def test_an_interrupt_leaves_the_file_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just before the new text would have its name."""

    def interrupt(_path: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(read(file), "after", NOW)
    assert file.read_bytes() == b"before\r\n"
    assert [path.name for path in file.parent.iterdir()] == ["mcp.json"]


def test_a_file_that_the_client_changed_meanwhile_is_not_overwritten(file: Path) -> None:
    """Nor one that it made meanwhile."""
    content, missing = read(file), read(file.with_name("new.json"))
    file.write_text("by the client")
    missing.path.write_text("")

    for old, text in ((content, "by the client"), (missing, "")):
        with pytest.raises(FileError, match="changed meanwhile; run the command again"):
            write(old, "after", NOW)
        assert old.path.read_text() == text
    assert {path.name for path in file.parent.iterdir()} == {"mcp.json", "new.json"}


def test_a_directory_that_cannot_be_synced_is_no_failure(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems cannot open one; others have no owners."""
    really = os.open

    def refuse(path: Path, *given: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return really(path, *given)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.delattr(os, "chown")
    write(read(file), "after", NOW)
    assert file.read_text() == "after"
