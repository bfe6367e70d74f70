"""JSON with comments and trailing commas, as editors keep it: read, and changed in place.

The libraries that read it write it anew, without the comments or with another layout. A file of
somebody else's needs one member put in and every other character left alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

DEEPEST: Final = 64
BLANKS: Final = " \t\r\n"

_TRIVIUM: Final = re.compile(r"[ \t\r\n]+|(?P<comment>//[^\r\n]*|/\*.*?\*/)", re.DOTALL)
_SCALAR: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"'
    r"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.])|(?:true|false|null)\b"
)
_INDENT: Final = re.compile(r"[ \t]*")
_FIRST_INDENT: Final = re.compile(r'^([ \t]+)"', re.MULTILINE)

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""


class FormatError(Exception):
    """A text cannot be read; the message names the line and the column."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A value and where it stands; `begin` is where its key does, if it has one."""

    begin: int
    start: int
    end: int
    value: Any
    children: Mapping[str | int, "_Node"] = field(default_factory=dict)
    has_last_comma: bool = False


class _Reader:
    """Reads one text from its beginning."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.comments: list[str] = []

    def document(self) -> _Node | None:
        """Read all of it; None if there is nothing but blanks and comments."""
        self.skip()
        if self.at == len(self.text):
            return None
        node = self.value(self.at, 0)
        self.skip()
        if self.at < len(self.text):
            raise self.error("there is something after the end")
        return node

    def skip(self) -> None:
        while match := _TRIVIUM.match(self.text, self.at):
            if match["comment"]:
                self.comments.append(match["comment"])
            self.at = match.end()

    def value(self, begin: int, depth: int) -> _Node:
        start = self.at
        if self.text.startswith(("{", "["), start):
            return self.collection(begin, depth)
        scalar = _SCALAR.match(self.text, start)
        if scalar is None:
            raise self.error("a value is missing or cannot be read")
        try:
            value = _decoded(scalar[0])
        except InvalidOperation:
            raise self.error("a number is beyond all bounds") from None
        self.at = scalar.end()
        return _Node(begin, start, self.at, value)

    def collection(self, begin: int, depth: int) -> _Node:
        start = self.at
        is_object = self.text[start] == "{"
        close = "}" if is_object else "]"
        if depth == DEEPEST:
            raise self.error(f"it is nested more than {DEEPEST} levels deep")
        self.at += 1
        children: dict[str | int, _Node] = {}
        comma = False
        while not self.take(close):
            if children and not comma:
                raise self.error(f"a comma or a {close} is missing")
            first = self.at
            key = self.key(children) if is_object else len(children)
            children[key] = self.value(first, depth + 1)
            comma = self.take(",")
        values = {key: child.value for key, child in children.items()}
        whole = values if is_object else [*values.values()]
        return _Node(begin, start, self.at, whole, children, comma)

    def key(self, known: Mapping[str | int, _Node]) -> str:
        match = _SCALAR.match(self.text, self.at)
        if match is None or not match[0].startswith('"'):
            raise self.error('a key in "quotes" is missing')
        key = str(_decoded(match[0]))
        if key in known:
            raise self.error(f"the key {match[0]} is there twice")
        self.at = match.end()
        if not self.take(":"):
            raise self.error("a colon is missing")
        self.skip()
        return key

    def take(self, token: str) -> bool:
        self.skip()
        found = self.text.startswith(token, self.at)
        self.at += found
        return found

    def error(self, what: str) -> FormatError:
        before = self.text[: self.at]
        line, column = before.count("\n") + 1, self.at - before.rfind("\n")
        return FormatError(f"line {line}, column {column}: {what}")


def _decoded(scalar: str) -> Any:
    # Numbers of any length, compared exactly.
    return json.loads(scalar, parse_int=Decimal, parse_float=Decimal)


def parse(text: str) -> Any:
    """Read a value; of nothing but blanks and comments, an empty object.

    Raises:
        FormatError: It is not JSON, comments and trailing commas allowed.
    """
    node = _Reader(text).document()
    return {} if node is None else node.value


def comments(text: str) -> list[str]:
    """List the comments of a text that can be read."""
    reader = _Reader(text)
    reader.document()
    return [comment.rstrip() for comment in reader.comments]


def put(text: str, place: Place, value: Any) -> str:
    """Set one value, with the objects around it that are missing; the rest stays as it is.

    An index one past the end of a list appends to it.
    """
    node = _Reader(text).document()
    if node is None:
        return put(text + ("" if text[-1:] in {"", "\n"} else "\n") + "{}\n", place, value)
    for depth, key in enumerate(place):
        child = node.children.get(key)
        if child is None:
            for missing in reversed(place[depth + 1 :]):
                value = {missing: value}
            return _insert(text, node, key, value)
        node = child
    return text[: node.start] + _dumped(text, value, _indent(text, node.begin)) + text[node.end :]


def render(value: Any) -> str:
    """Write a whole file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _insert(text: str, node: _Node, key: str | int, value: Any) -> str:
    newline = _newline(text)
    outer = _indent(text, node.begin)
    siblings = [*node.children.values()]
    inner = outer + _unit(text)
    if siblings and _begins_line(text, siblings[0].begin):
        inner = _indent(text, siblings[0].begin)
    close = node.end - 1
    end = len(text[:close].rstrip(BLANKS))
    head, tail = text[:end], text[end:close]
    if siblings and not node.has_last_comma:
        last = siblings[-1].end
        head = text[:last] + "," + text[last:end]
    label = f"{json.dumps(key, ensure_ascii=False)}: " if isinstance(key, str) else ""
    member = newline + inner + label + _dumped(text, value, inner)
    if node.has_last_comma:
        member += ","
    if "\n" not in tail:
        tail = newline + outer
    return head + member + tail + text[close:]


def _dumped(text: str, value: Any, indent: str) -> str:
    dumped = json.dumps(value, indent=_unit(text), ensure_ascii=False)
    return dumped.replace("\n", _newline(text) + indent)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    first = _FIRST_INDENT.search(text)
    return first[1] if first else "  "


def _line(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _begins_line(text: str, at: int) -> bool:
    return not text[_line(text, at) : at].strip(BLANKS)


def _indent(text: str, at: int) -> str:
    match = _INDENT.match(text, _line(text, at))
    return match[0] if match else ""
