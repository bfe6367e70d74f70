"""The two formats of clients' files, behind one face: read, set one value, write anew."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.clients import jsonc
from mcp_server.clients.jsonc import FormatError, Place

_TOML_TOKEN: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"' + r"|'''.*?'''|'[^'\n]*'|(#[^\r\n]*)", re.DOTALL
)
"""A text, or a comment as the group."""


@dataclass(frozen=True)
class Format:
    """How files of one kind are handled; `put` changes nothing but the value at the path."""

    name: str
    parse: Callable[[str], Any]
    put: Callable[[str, Place, Any], str]
    render: Callable[[Any], str]
    comments: Callable[[str], list[str]]


def _parse_toml(text: str) -> Any:
    try:
        # As text, because `nan` is not equal to itself.
        return tomllib.loads(text, parse_float=str)
    except ValueError as error:
        raise FormatError(str(error)) from None
    except RecursionError:
        raise FormatError("it is nested too deeply") from None


def _put_toml(text: str, place: Place, value: Any) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    if not isinstance(value, dict):
        return _set_toml(text, place, value)
    # A new table at the end leaves all before it as it is.
    for key in reversed(place):
        value = {key: value}
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return text + gap + _render_toml(value).replace("\n", newline)


def _set_toml(text: str, place: Place, value: Any) -> str:
    import tomlkit  # noqa: PLC0415 -- only one client keeps TOML
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 -- likewise
    from tomlkit.items import InlineTable  # noqa: PLC0415 -- likewise

    try:
        document = tomlkit.parse(text)
        table: Any = document
        for key in place[:-1]:
            table = table[key]
            if isinstance(table, InlineTable):
                raise FormatError(f"{key} is written as {{ ... }}, not as a [table]")
        table[place[-1]] = value
        return tomlkit.dumps(document)
    except (TOMLKitError, RecursionError):
        raise FormatError("it is written in a way that cannot be changed here") from None


def _render_toml(value: Any) -> str:
    import tomlkit  # noqa: PLC0415 -- as in _set_toml

    return tomlkit.dumps(value)


def _toml_comments(text: str) -> list[str]:
    return [match[1] for match in _TOML_TOKEN.finditer(text) if match[1]]


JSON: Final = Format("JSON", jsonc.parse, jsonc.put, jsonc.render, jsonc.comments)
TOML: Final = Format("TOML", _parse_toml, _put_toml, _render_toml, _toml_comments)
