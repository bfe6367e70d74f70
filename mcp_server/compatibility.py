"""What changed in the tool contract, and whether those who rely on it notice.

`python -m mcp_server.compatibility OLD.json [NEW.json]` compares two `manifests/tools.json`. Arguments
are what callers send: what was accepted has to stay accepted. Answers are what callers read: what
is sent has to stay within what they were told, but new fields may come (the published schemas are
open), and new words in a field that has a list of them (the published schemas do not list them).
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from mcp_server import __version__, schema_compatibility
from mcp_server.catalogue import ROOT
from mcp_server.policy import MODES
from mcp_server.schema_compatibility import Keywords, Kind, Side, renamed, same
from mcp_server.settings import USUAL
from mcp_server.toolkit import Deprecated

Version = tuple[int, int, int]

CURRENT: Final = ROOT / "manifests" / "tools.json"
SAFE: Final = {
    "readOnlyHint": True,
    "destructiveHint": False,
    "idempotentHint": True,
    "openWorldHint": False,
}
"""The hints on which a host may act without asking; MCP takes the opposite of one that is absent."""
CONFIRM: Final = "confirm"
HEADINGS: Final = {Kind.BREAKING: "breaking", Kind.COMPATIBLE: "compatible", Kind.TEXT: "text only"}
FEW: Final = 3
WIDTH: Final = 96


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts."""

    tool: str
    kind: Kind
    what: str


class Tool(BaseModel):
    """A tool of a contract. Without its mode and toolset, as MCP itself lists tools, it is usual."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    title: str = ""
    description: str = ""
    mode: str = Field(default=next(iter(MODES)), pattern=f"^({'|'.join(MODES)})$")
    toolset: str = USUAL[0]
    annotations: dict[str, Any] = {}
    inputSchema: Keywords  # noqa: N815 -- MCP's name
    outputSchema: Keywords = {}  # noqa: N815 -- likewise
    deprecated: Deprecated | None = None
    deprecatedArguments: dict[str, Deprecated] = {}  # noqa: N815 -- like its neighbours


class Contract(BaseModel):
    """What `manifests/tools.json` holds."""

    tools: list[Tool]

    @field_validator("tools")
    @classmethod
    def _each_once(cls, tools: list[Tool]) -> list[Tool]:
        names = Counter(tool.name for tool in tools)
        twice = ", ".join(name for name, times in names.items() if times > 1)
        if twice:
            raise PydanticCustomError(
                "twice", "{names} stands there more than once", {"names": twice}
            )
        return tools


def compare(old: Contract, new: Contract) -> list[Change]:
    """List what changed, by tool."""
    before, after = ({tool.name: tool for tool in each.tools} for each in (old, new))
    added = [tool for name, tool in after.items() if name not in before]
    changes: list[Change] = []
    for name in sorted(before | after):
        if name not in after:
            changes.append(Change(name, Kind.BREAKING, _gone_tool(before[name], added)))
            continue
        if name in before:
            changes += _tool(before[name], after[name])
        else:
            changes.append(Change(name, Kind.COMPATIBLE, "new tool"))
        changes += _without_replacement(after[name], after)
    return changes


def _gone_tool(gone: Tool, added: Sequence[Tool]) -> str:
    schemas = [gone.inputSchema, gone.outputSchema]
    alike = [each.name for each in added if same([each.inputSchema, each.outputSchema], schemas)]
    return f"tool removed{_announced(gone.deprecated)}{renamed(alike)}"


def _announced(deprecated: Deprecated | None) -> str:
    if deprecated is None:
        return ""
    return f" (announced since {deprecated.since} for {deprecated.until}; use `{deprecated.use}`)"


def _without_replacement(tool: Tool, tools: Mapping[str, Tool]) -> Iterator[Change]:
    """Find what is deprecated in favour of something that is not there."""
    arguments = tool.inputSchema.get("properties", {})
    going = [("tool", tool.deprecated, tools.keys())] if tool.deprecated else []
    going += [(f"argument `{n}`", d, arguments.keys()) for n, d in tool.deprecatedArguments.items()]
    for what, deprecated, there in going:
        if deprecated.use not in there:
            words = f"{what} is deprecated in favour of `{deprecated.use}`, which does not exist"
            yield Change(tool.name, Kind.BREAKING, words)


def _tool(old: Tool, new: Tool) -> Iterator[Change]:
    """List what changed of a tool that is still there."""
    name = new.name
    for each in ("title", "description"):
        if getattr(old, each) != getattr(new, each):
            yield Change(name, Kind.TEXT, f"{each} changed")
    if old.mode != new.mode:
        kind = Kind.BREAKING if MODES[new.mode] > MODES[old.mode] else Kind.COMPATIBLE
        yield Change(name, kind, f"mode {old.mode} -> {new.mode}")
    if old.toolset != new.toolset:
        hidden = old.toolset in USUAL and new.toolset not in USUAL
        lost = "no longer offered " + ("by default" if hidden else f"by --toolsets {old.toolset}")
        yield Change(name, Kind.BREAKING, f"toolset {old.toolset} -> {new.toolset}: {lost}")
    yield from _hints(old, new)
    if old.deprecated != new.deprecated:
        words = (
            f"deprecated{_announced(new.deprecated)}" if new.deprecated else "no longer deprecated"
        )
        yield Change(name, Kind.COMPATIBLE, words)
    yield from _arguments(old, new)
    for kind, at, what in schema_compatibility.compare(
        old.outputSchema, new.outputSchema, Side.FIELD
    ):
        yield Change(name, kind, f"{_label(Side.FIELD, at)}: {what}")
    before, after = old.model_extra or {}, new.model_extra or {}
    for each in sorted(before | after):
        if not same(before.get(each), after.get(each)):
            yield Change(name, Kind.BREAKING, f"{each} changed; cannot tell what that means")


def _hints(old: Tool, new: Tool) -> Iterator[Change]:
    before, after = old.annotations, new.annotations
    for hint in sorted(before | after):
        was, now = before.get(hint), after.get(hint)
        if was == now:
            continue
        kind = Kind.COMPATIBLE if hint in SAFE and was is not SAFE[hint] else Kind.BREAKING
        yield Change(new.name, kind, f"{hint} {_word(was)} -> {_word(now)}")


def _word(hint: Any) -> str:
    return "not given" if hint is None else json.dumps(hint)


def _arguments(old: Tool, new: Tool) -> Iterator[Change]:
    for finding in schema_compatibility.compare(old.inputSchema, new.inputSchema, Side.ARGUMENT):
        kind, at, what = finding
        if at == CONFIRM and what == "new":
            kind, what = Kind.BREAKING, "new: a call without it only shows what it would do"
        gone, going = (each.deprecatedArguments.get(at) for each in (old, new))
        told = gone if what.startswith("removed") else going if what == "deprecated" else None
        yield Change(new.name, kind, f"{_label(Side.ARGUMENT, at)}: {what}{_announced(told)}")


def _label(side: Side, at: str) -> str:
    return f"{side} `{at}`" if at else {Side.ARGUMENT: "arguments", Side.FIELD: "answer"}[side]


def least_version(released: Version, worst: Kind | None) -> tuple[Version, str]:
    """Find the least version that may have such a change, and which part of it is raised.

    Before 1.0 the second number takes the place of the first, and the third that of the second.
    """
    major, minor, patch = released
    match worst, major:
        case None, _:
            return released, "none"
        case Kind.BREAKING, 0:
            return (0, minor + 1, 0), "minor"
        case Kind.BREAKING, _:
            return (major + 1, 0, 0), "major"
        case Kind.COMPATIBLE, _ if major:
            return (major, minor + 1, 0), "minor"
        case _:
            return (major, minor, patch + 1), "patch"


def report(changes: Sequence[Change]) -> str:
    """Write what changed for a maintainer: what breaks first, then by tool."""
    lines: list[str] = []
    for kind, heading in HEADINGS.items():
        tools_of: dict[str, list[str]] = {}
        for change in changes:
            if change.kind is kind:
                tools_of.setdefault(change.what, []).append(change.tool)
        blocks: dict[str, list[str]] = {}
        for what, tools in tools_of.items():
            # What happened to many tools is told once, after what happened to one.
            for title in tools if len(tools) <= FEW else [", ".join(tools)]:
                blocks.setdefault(title, []).append(what)
        lines += [f"{heading}:"] if blocks else []
        for title in sorted(blocks, key=lambda title: (", " in title, title)):
            lines += [f"  {line}" for line in wrap(title, WIDTH)]
            lines += [f"    {what}" for what in blocks[title]]
    return "".join(f"{line}\n" for line in lines)


def version_of(text: str) -> Version:
    """Read a version of three numbers, as a tag has it with a v before it.

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise ValueError(f"{text!r} is not a version of three numbers, as 0.2.0")
    major, minor, patch = (int(part) for part in found.groups())
    return major, minor, patch


def read(path: str) -> Contract:
    """Read a contract from a file, or with `-` from standard input.

    Raises:
        ValueError: It cannot be read, or is none; the text says which and why.
    """
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        return Contract.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole of it"
        raise ValueError(f"{path} is no tool contract: {where}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def main(arguments: list[str]) -> int:
    """Tell what changed; the exit code: 0 for fine, 1 for a break, 2 for input that is none."""
    parser = argparse.ArgumentParser("python -m mcp_server.compatibility", description=__doc__)
    parser.add_argument("old", help="the contract that callers rely on; - reads standard input")
    parser.add_argument("new", nargs="?", default=str(CURRENT), help="by default this tree's")
    parser.add_argument(
        "--released",
        metavar="VERSION",
        help="the version that has the old one: then a break is fine if this tree's version says so",
    )
    given = parser.parse_args(arguments)
    try:
        released = version_of(given.released or __version__)
        changes = compare(read(given.old), read(given.new))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    worst = max((change.kind for change in changes), default=None)
    least, part = least_version(released, worst)
    counts = [f"{sum(c.kind is kind for c in changes)} {HEADINGS[kind]}" for kind in HEADINGS]
    sys.stdout.write(f"{report(changes)}{', '.join(counts)}. Version bump needed: {part}.\n")
    if given.released is None:
        return int(worst is Kind.BREAKING)
    if version_of(__version__) >= least:
        return 0
    needed = ".".join(map(str, least))
    sys.stderr.write(
        f"{given.released} is released, this is {__version__}: these changes need {needed} or higher."
        " Set __version__ in mcp_server/__init__.py, and run: make fix\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
