"""Credentials that a model names and never sees.

`{"$env": "NAME"}` stands for a variable of the server's environment, `{"$file": "name"}` for a file
of one directory. Only what the operator opened can be named, and what was opened is hidden from
every answer, whether it was ever used or not.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

Source = Literal["$env", "$file"]

_NO_LINK: Final[int] = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
LARGEST: Final = 64 * 1024
"""Bytes of the largest file that is read."""
MOST_FILES: Final = 200
"""Files whose contents are hidden without having been asked for."""
MOST_HIDDEN: Final = 1_000
"""Values that are remembered; the key pair and the opened variables do not count."""


class NoSecretError(Exception):
    """A name that gives nothing; the message says why, and never a value."""


class Vault:
    """What may be named: these variables, and the files of this directory."""

    def __init__(
        self,
        variables: Mapping[str, str] | None = None,
        directory: Path | None = None,
        *,
        hidden: Iterable[str] = (),
    ) -> None:
        """Open these; `hidden` are values that nothing names and no answer may hold either."""
        self._variables = dict(variables or {})
        self._directory = directory.resolve() if directory else None
        self._always = frozenset(filter(None, [*self._variables.values(), *hidden]))
        self._hidden: dict[str, None] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is anything that could be named."""
        return bool(self._variables) or self._directory is not None

    def names(self, source: Source) -> list[str]:
        """List what can be named, for an error that helps."""
        if source == "$env":
            return sorted(self._variables)
        return sorted(path.name for path in self._files())

    def known(self) -> frozenset[str]:
        """Every value that could be named, now or before: what no answer may hold."""
        for path in self._files():
            text = _text_of(path)
            if text:
                self.hide(text)
        return self._always.union(self._hidden)

    def value(self, source: Source, name: str) -> str:
        """Give the value of a name.

        Raises:
            NoSecretError: It was not opened, is not there, or cannot be used.
        """
        value = self._variable(name) if source == "$env" else self._file(name)
        if not value:
            raise NoSecretError("it is empty")
        self.hide(value)
        return value

    def hide(self, value: str) -> None:
        """Let no answer hold this value from now on; the oldest of very many are forgotten."""
        self._hidden.pop(value, None)
        self._hidden[value] = None
        if len(self._hidden) > MOST_HIDDEN:
            del self._hidden[next(iter(self._hidden))]

    def _variable(self, name: str) -> str:
        if name not in self._variables:
            raise NoSecretError("no such variable was opened to this server")
        return self._variables[name]

    def _file(self, name: str) -> str:
        if self._directory is None:
            raise NoSecretError("no directory was opened to this server")
        if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
            raise NoSecretError("it is not the plain name of a file")
        inside = self._inside(self._directory / name)
        text = _text_of(inside) if inside else None
        if text is None:
            raise NoSecretError("there is no such file of text in the directory")
        return text

    def _files(self) -> Iterator[Path]:
        if self._directory is None:
            return
        try:
            entries = sorted(self._directory.iterdir())[:MOST_FILES]
        except OSError:
            return
        for entry in entries:
            inside = None if entry.name.startswith(".") else self._inside(entry)
            if inside and inside.is_file():
                yield inside

    def _inside(self, path: Path) -> Path | None:
        """Follow links, as mounted secrets have them, but none that leads out."""
        try:
            resolved = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        return resolved if self._directory in resolved.parents else None


def _text_of(path: Path) -> str | None:
    """Read a small text file that is no link any more, without the line break at its end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
    except OSError:
        return None
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        content = os.read(descriptor, LARGEST + 1) if regular else b""
    finally:
        os.close(descriptor)
    if not regular or len(content) > LARGEST:
        return None
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return None
