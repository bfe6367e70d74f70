"""Reading an answer: its body and its JSON within bounds, its `data` into a model."""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, TypeVar

import pydantic_core
from pydantic import TypeAdapter, ValidationError

from mcp_server.fivetran.errors import BadAnswerError, OutcomeUnknownError

T = TypeVar("T")

GZIP: Final = "gzip"
"""The one compression that is asked for, and so the one that is read."""
STEP: Final = 256 * 1024
"""Bytes decompressed at a time: a few bytes can become a thousand times as many."""
MOST_OBJECTS: Final = 140_000
MOST_VALUES: Final = 1_000_000
"""How much an answer may have in it. 10 MiB of schema configuration have 132,000 objects.

Small values take thirty times the memory of their JSON, and what is made of them as much again, so
bytes alone are no bound.
"""
LONGEST_TEXT: Final = 100_000
"""Characters that are kept of one text or name."""
LARGEST: Final = 2**63 - 1
"""The largest whole number of the API's; beyond it there is `1e999`, which is read as infinite."""

_GZIP_HEADER: Final = 16 + zlib.MAX_WBITS
_MAPS: Final = frozenset({"schemas", "tables", "columns"})
"""The fields whose keys are names of the source's, which no message may hold."""


class UnreadableError(Exception):
    """A body is of no use; the message says why, in words of ours."""


class CrowdedError(UnreadableError):
    """A body has more in it than is read."""


_BROKEN: Final = "the answer cannot be read"


class Inflater:
    """Undoes the compression of a body, in pieces of bounded size."""

    def __init__(self, encoding: str) -> None:
        """Begin with the `Content-Encoding`, empty if there is none.

        Raises:
            UnreadableError: It is one that was not asked for, or several on top of each other.
        """
        names = [name.strip().lower() for name in encoding.split(",")]
        match [name.removeprefix("x-") for name in names if name not in {"", "identity"}]:
            case []:
                self._zlib = None
            case ["gzip"]:
                self._zlib = zlib.decompressobj(_GZIP_HEADER)
            case _:
                raise UnreadableError("the answer is compressed in a way that was not asked for")

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress what has come.

        Raises:
            UnreadableError: It is broken.
        """
        if self._zlib is None:
            yield chunk
            return
        more = True
        while more:
            try:
                piece = self._zlib.decompress(chunk, STEP)
            except zlib.error:
                raise UnreadableError(_BROKEN) from None
            if self._zlib.unused_data:
                # What comes after the end would only be collected.
                raise UnreadableError(_BROKEN)
            chunk = self._zlib.unconsumed_tail
            yield piece
            # Output may be left inside although all input is taken in.
            more = bool(chunk) or len(piece) == STEP

    def end(self, body: bytearray) -> None:
        """Check that nothing is missing.

        Raises:
            UnreadableError: It breaks off.
        """
        if self._zlib is not None and body and not self._zlib.eof:
            raise UnreadableError(_BROKEN)


def read_json(body: bytearray) -> Any:
    """Read JSON, an empty body as an empty object.

    Raises:
        CrowdedError: It has more in it than this process could keep.
        ValueError: It is none, or holds a number that could not be written again.
    """
    if not body:
        return {}
    if _is_crowded(body):
        raise CrowdedError("the answer has more in it than is read")
    return _bounded(pydantic_core.from_json(body, allow_inf_nan=False))


def _is_crowded(body: bytearray) -> bool:
    """Whether JSON has too much in it; texts count as if they were JSON too."""
    others = body.count(b"[") + body.count(b",")
    return body.count(b"{") > MOST_OBJECTS or others > MOST_VALUES


def _bounded(value: Any) -> Any:
    """Cut texts and names that no one could read, saying how much is missing; refuse odd numbers."""
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        short: dict[str, Any] = {}
        for key, each in value.items():
            # A name is an argument only if it is whole; one that was cut just has to stay apart.
            name = _cut(key)
            short[name if name not in short else f"{name} ({len(short)})"] = _bounded(each)
        return short
    if isinstance(value, list):
        return [_bounded(each) for each in value]
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
        raise ValueError("a number that is out of range")
    return value


def _cut(text: str) -> str:
    left = len(text) - LONGEST_TEXT
    return text if left <= 0 else f"{text[:LONGEST_TEXT]}… [{left} more characters]"


def parse(adapter: TypeAdapter[T], data: dict[str, Any]) -> T:
    """Read the answer to a read.

    Raises:
        BadAnswerError: It has another shape than the API documents.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        issues = error.errors(include_input=False, include_url=False, include_context=False)
        places = sorted({_place(issue["loc"]) for issue in issues})
        raise BadAnswerError(
            f"the answer is not what the API documents, at: {', '.join(places[:3])}"
        ) from None


def parse_changed(adapter: TypeAdapter[T], data: dict[str, Any]) -> T:
    """Read the answer to a change; one that cannot be read does not undo the change.

    Raises:
        OutcomeUnknownError: It has another shape than the API documents.
    """
    try:
        return parse(adapter, data)
    except BadAnswerError as error:
        raise OutcomeUnknownError(f"the change was accepted, but {error.message}") from None


def _place(location: tuple[int | str, ...]) -> str:
    steps = pairwise(("", *location))
    return ".".join("*" if before in _MAPS else str(step) for before, step in steps)
