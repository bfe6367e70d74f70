"""The server put into a client's file: what is there stays, and the result is read back."""

import copy
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.clients.formats import Format
from mcp_server.clients.jsonc import FormatError, Place
from mcp_server.clients.known import SECRETS, Client, Server
from mcp_server.policy import MODES

BOM: Final = "\ufeff"
BY_HAND: Final = "add the configuration by hand, as printed without --write"
REMOTE: Final = ("url", "serverUrl", "httpUrl")
"""Keys of servers that are reached over HTTP."""

_TEXT: Final = re.compile(r""""(?:[^"\\]|\\.)*"(?P<key>\s*:)?|'[^']*'|(?://|/\*|\#).*""")
"""What a line may say: a text, in JSON maybe as a key, or a comment."""
HIDDEN: Final = "..."


class CannotMergeError(Exception):
    """The file is left alone; the message says why and what to do."""


@dataclass(frozen=True)
class Merged:
    """What becomes of a file."""

    before: str
    after: str
    replaces: bool
    """Whether an entry of that name was there and had something else in it."""
    keeps: tuple[str, ...]
    """Secrets of that entry that are left as they are."""


def merge(text: str, client: Client, server: Server) -> Merged:
    """Put a server into the text of a client's file.

    Raises:
        CannotMergeError: The file cannot be read, or not be changed without losing something.
    """
    bom = BOM if text.startswith(BOM) else ""
    body = text.removeprefix(BOM)
    if not body.strip():
        return Merged(text, bom + client.text(server), replaces=False, keeps=())
    kind = client.format
    content = _parse(kind, body)
    existing = _existing(content, client, server)
    wanted = client.entry(server)
    place = (client.container, server.name)
    if existing is None:
        edits: list[tuple[Place, Any]] = [(place, wanted)]
    else:
        edits = [*_differences(existing, wanted, place)]
    replaces = existing is not None and bool(edits)
    expected = _with(content, edits)
    # Only what the entry refers to in the end: a person's own way to the secrets stays.
    used = str(expected[client.container][server.name].get("env"))
    inputs = [one for one in client.inputs(server) if f"${{input:{one['id']}}}" in used]
    more = _missing_inputs(content, inputs)
    after = _applied(kind, body, [*more, *edits], _with(expected, more))
    keeps = _kept(existing, wanted) if existing else ()
    return Merged(text, bom + after, replaces=replaces, keeps=keeps)


def _parse(kind: Format, text: str) -> dict[str, Any]:
    try:
        content = kind.parse(text)
    except FormatError as error:
        raise CannotMergeError(f"it is not valid {kind.name}: {error}; mend it first") from None
    if not isinstance(content, dict):
        raise CannotMergeError(f"it holds no {kind.name} object; mend it first")
    return content


def _existing(content: Mapping[str, Any], client: Client, server: Server) -> dict[str, Any] | None:
    servers = content.get(client.container, {})
    if not isinstance(servers, dict):
        raise CannotMergeError(f"{client.container} in it is not an object; mend it first")
    if server.name not in servers:
        return None
    entry = servers[server.name]
    place = f"{client.container}.{server.name}"
    if not isinstance(entry, dict):
        raise CannotMergeError(f"{place} in it is not an object; mend it, or choose another --name")
    if any(key in entry for key in REMOTE):
        raise CannotMergeError(
            f"{place} in it is a server reached by a URL; remove it, or choose another --name"
        )
    return entry


def _differences(
    there: Mapping[str, Any], wanted: Mapping[str, Any], place: Place
) -> Iterator[tuple[Place, Any]]:
    """Tell what has to be set; what the person added or filled in stays."""
    for key, value in wanted.items():
        if key not in there:
            yield (*place, key), value
        elif isinstance(value, dict):
            if not isinstance(there[key], dict):
                raise CannotMergeError(f"{'.'.join(map(str, place))}.{key} is not an object")
            yield from _differences(there[key], value, (*place, key))
        elif key == "env_vars" and isinstance(there[key], list):
            missing = [one for one in value if one not in there[key]]
            if missing:
                yield (*place, key), there[key] + missing
        elif there[key] != value and not (key in SECRETS and there[key]):
            yield (*place, key), value


def _kept(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = there.get("env", {}), wanted.get("env", {})
    return tuple(
        key for key in SECRETS if key in after and before.get(key, after[key]) != after[key]
    )


def _missing_inputs(
    content: Mapping[str, Any], inputs: list[dict[str, Any]]
) -> list[tuple[Place, Any]]:
    there = content.get("inputs", [])
    if not isinstance(there, list):
        raise CannotMergeError("inputs in it is not a list; mend it first")
    known = [one.get("id") for one in there if isinstance(one, dict)]
    missing = [one for one in inputs if one["id"] not in known]
    if missing and "inputs" not in content:
        return [(("inputs",), missing)]
    return [(("inputs", len(there) + at), one) for at, one in enumerate(missing)]


def _with(content: dict[str, Any], edits: list[tuple[Place, Any]]) -> dict[str, Any]:
    """Make the edits on what was read, to compare with."""
    changed = copy.deepcopy(content)
    for (*outer, last), value in edits:
        holder: Any = changed
        for key in outer:
            holder = holder.setdefault(key, {}) if isinstance(holder, dict) else holder[key]
        if isinstance(holder, list):
            holder.append(value)
        else:
            holder[last] = value
    return changed


def _applied(
    kind: Format, text: str, edits: list[tuple[Place, Any]], expected: dict[str, Any]
) -> str:
    after = text
    try:
        for path, value in edits:
            after = kind.put(after, path, value)
        is_right = kind.parse(after) == expected and kind.comments(after) == kind.comments(text)
    except FormatError as error:
        raise CannotMergeError(f"it could not be changed: {error}; {BY_HAND}") from None
    if not is_right:
        raise CannotMergeError(f"it could not be changed without losing a comment; {BY_HAND}")
    return after


def difference(merged: Merged, client: Client, server: Server, file: str) -> str:
    """Show what would change, and of texts only those of this server: others may be secret."""
    before, after = merged.before.splitlines(), merged.after.splitlines()
    head_and_lines = [*difflib.unified_diff(before, after, file, file, n=0, lineterm="")]
    own = {match[0] for match in _TEXT.finditer(client.text(server))}
    own |= {f'"{mode}"' for mode in MODES}

    def shown(match: re.Match[str]) -> str:
        return match[0] if match["key"] or match[0] in own else HIDDEN

    head, lines = head_and_lines[:2], head_and_lines[2:]
    return "".join(f"{line}\n" for line in [*head, *(_TEXT.sub(shown, line) for line in lines)])
