"""A file of somebody else's: read whole or not at all, and replaced in one step, with a backup."""

import contextlib
import itertools
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 4 * 1024 * 1024
NEW_MODE: Final = 0o600
FOR_OTHERS: Final = 0o077


class FileError(Exception):
    """The file was left as it is; the message says why and what to do."""


@dataclass(frozen=True)
class Content:
    """What a file holds; `status` is None if there is none yet."""

    path: Path
    """Where it really is, symbolic links followed."""
    text: str
    status: os.stat_result | None

    @property
    def is_readable_by_others(self) -> bool:
        """Whether other users of the machine may read it; Windows does not tell that way."""
        is_posix = os.name == "posix"
        return bool(is_posix and self.status and self.status.st_mode & FOR_OTHERS)


def read(path: Path) -> Content:
    """Read a file, or find that there is none.

    Raises:
        FileError: It is something else than a readable text file of moderate size.
    """
    target = Path(os.path.realpath(path))
    try:
        status = target.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileError("it is not a file; name another one with --file")
        if status.st_size > MOST_BYTES:
            raise FileError(f"it is larger than {MOST_BYTES:,} bytes; change it by hand")
        return Content(target, target.read_bytes().decode(), status)
    except FileNotFoundError:
        return Content(target, "", None)
    except UnicodeDecodeError as error:
        raise FileError(f"it is not UTF-8, at byte {error.start}; save it as UTF-8 first") from None
    except OSError as error:
        raise FileError(_reason(error)) from None


def write(content: Content, text: str, now: datetime) -> Path | None:
    """Replace a file by a new text; where its backup is, if there was one.

    Raises:
        FileError: It could not be done, or the file was changed since it was read.
    """
    path, status = content.path, content.status
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            temporary = _new(path, f".{path.name}", text, status, undo)
            if _is_changed(content):
                raise FileError("it was changed meanwhile; run the command again")
            backup = None
            if status:
                backup = _new(
                    path, f"{path.name}.backup-{now:%Y%m%d-%H%M%S}", content.text, status, undo
                )
            temporary.replace(path)
            undo.pop_all()
        _sync(path.parent)
    except OSError as error:
        raise FileError(_reason(error)) from None
    return backup


def _is_changed(content: Content) -> bool:
    now = read(content.path)
    return (now.text, now.status is None) != (content.text, content.status is None)


def _new(
    path: Path, name: str, text: str, status: os.stat_result | None, undo: contextlib.ExitStack
) -> Path:
    """Write a text beside a file, with its rights; `undo` takes it away again."""
    new = _free(path.with_name(name))
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_MODE)
    undo.callback(new.unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    _give_rights(new, status)
    return new


def _free(path: Path) -> Path:
    """Find a name that is not taken, by a number at its end."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not one.exists())


def _give_rights(path: Path, status: os.stat_result | None) -> None:
    if status is None:
        path.chmod(NEW_MODE)
        return
    # Windows has no owners of this kind.
    with contextlib.suppress(AttributeError):
        os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode))


def _sync(directory: Path) -> None:
    """Make the new name last through a crash, where a directory can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: OSError) -> str:
    reason = error.strerror or "it cannot be reached"
    return f"{reason[:1].lower()}{reason[1:]}; check its path and its permissions"
