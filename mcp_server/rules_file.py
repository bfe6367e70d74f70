"""The operator's policy file: what it may hold, and what is wrong with one.

A file in TOML, of which every part may be left out:

    [[rules]]                               # read from the top, as many as are needed
    name = "The sandbox is free"
    groups = ["decent_dropsy"]              # ids of groups
    verdict = "allow"                       # no rule below is read for these

    [[rules]]
    name = "Nobody deletes"                 # a refusal calls the rule by its name
    tools = ["delete_connector", "resync_*"]
    effects = ["write"]                     # read, write, destructive
    services = ["postgres", "google_*"]
    connectors = ["prod_*", "id:solid_anchor"]
    verdict = "deny"                        # or "confirm": only if a person agrees
    reason = "Production is changed by hand"

    [protected]                             # nothing but reads, whatever the rules say
    connectors = ["billing"]
    groups = ["upright_pier"]

    [caps]
    bulk_targets = 20                       # connectors changed by one call
    resyncs_per_day = 2                     # historical syncs begun in a day (UTC)
    smallest_sync_frequency = 15            # minutes

    [[freeze]]                              # no changes at these times
    name = "Weekend"
    days = ["fri"]                          # the days on which it begins
    from = "18:00"                          # by the clock on the wall of the zone
    until = "08:00"                         # not after `from`: on the next day
    zone = "Europe/Berlin"                  # UTC if left out
    groups = ["upright_pier"]               # everywhere if left out

    [[freeze]]
    name = "Year end"
    start = 2026-12-20                      # a date, or a date and a time
    end = 2027-01-02                        # a date: with all of that day
    reason = "The books are closed"

In every list of texts but days and effects `*` stands for any characters, and upper case is lower
case. A connector is meant by its name or its id, with `id:` before it only by its id. Letters that
merely look alike are different letters. How the rules work together is told in `mcp_server.rules`.
"""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from mcp_server.rules_tables import (
    DAYS,
    LONGEST_SHOWN,
    Caps,
    Freeze,
    PolicyFile,
    Protected,
    Rule,
    Table,
    folded,
)
from mcp_server.untrusted import clean

Place = tuple[str | int, ...]
"""Where something stands in a file: keys, and numbers in lists."""


class RulesError(Exception):
    """The policy file is wrong; the message lists every problem, its line and its remedy."""


_TABLES: Final[Mapping[str, type[Table]]] = {
    "rules": Rule,
    "protected": Protected,
    "caps": Caps,
    "freeze": Freeze,
}
_ID_LIST: Final = 'as ["decent_dropsy"]; * stands for any characters'
REMEDIES: Final = {
    "name": f"give it a name of its own, up to {LONGEST_SHOWN} characters",
    "verdict": 'use "allow", "confirm" or "deny"',
    "tools": 'list names of tools, as ["delete_connector", "resync_*"], or leave it out for all',
    "effects": 'list some of "read", "write", "destructive", or leave it out for all',
    "groups": f"list ids of groups, {_ID_LIST}",
    "services": 'list services, as ["postgres", "google_*"]',
    "connectors": 'list names or ids, as ["prod_*", "id:solid_anchor"]',
    "reason": "give a text of up to 300 characters, or leave it out",
    "bulk_targets": "give a whole number from 0",
    "resyncs_per_day": "give a whole number from 0",
    "smallest_sync_frequency": "give minutes from 1 to 1440",
    "days": f"list some of {', '.join(DAYS)}, in quotation marks",
    "from": 'give hours and minutes, as "18:00"',
    "until": 'give hours and minutes, as "18:00"; "00:00" is the end of the day',
    "zone": 'give an IANA name, as "Europe/Berlin", or leave it out for UTC; where the system has none,'
    " the package tzdata has them",
    "start": "give a date, as 2026-12-20, or a date and a time, without quotation marks",
    "end": "give a date, as 2026-12-31, or a date and a time, without quotation marks",
    "rules": "write each rule under [[rules]], in double brackets",
    "freeze": "write each under [[freeze]], in double brackets, with days, from, until, start or end",
    "protected": "write [protected] once, with connectors or groups",
    "caps": f"write [caps] once, with {', '.join(Caps.model_fields)}",
}
_SHAPES: Final = {
    "too_short": "it is empty",
    "model_type": "it should be a table",
    "list_type": "it should be a list",
}


def read(path: Path, *, tools: frozenset[str]) -> PolicyFile:
    """Read a policy file.

    Raises:
        RulesError: It cannot be read, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RulesError(f'The policy file "{path}" cannot be read: {why}\n') from None
    return parse(text, tools=tools, name=str(path))


def parse(text: str, *, tools: frozenset[str], name: str = "policy.toml") -> PolicyFile:
    """Read the text of a policy file; its tools have to be among these.

    Raises:
        RulesError: Something in it is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _all_of(name, [_syntax(str(error), text)]) from None
    problems: list[tuple[Place, str]] = list(_repeated(document))
    try:
        policy = PolicyFile.model_validate(document, context=tools)
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False, include_context=False)
        problems += [(issue["loc"], _problem(issue)) for issue in issues]
        raise _all_of(name, _with_lines(problems, text)) from None
    problems += _unread(policy.rules)
    if problems:
        raise _all_of(name, _with_lines(problems, text))
    return policy


def _all_of(name: str, problems: Sequence[str]) -> RulesError:
    listed = "".join(f"  - {problem}\n" for problem in problems)
    return RulesError(f'The policy file "{name}" is wrong:\n{listed}')


def _syntax(message: str, text: str) -> str:
    what, _, where = message.rpartition(" (at ")
    number = re.match(r"line (\d+)", where)
    line = number[1] if number else text.count("\n") + 1
    return f"line {line}: it is not TOML: {clean(what, LONGEST_SHOWN)}"


def _with_lines(problems: Sequence[tuple[Place, str]], text: str) -> list[str]:
    lines = lines_of(text)

    def line(place: Place) -> int:
        return next((lines[up] for up in _upwards(place) if up in lines), 0)

    found = sorted((line(place), _in_words(place), what) for place, what in problems)
    return [
        f"line {number}: {where}: {what}" if number else f"{where}: {what}"
        for number, where, what in found
    ]


def _upwards(place: Place) -> Iterator[Place]:
    return (place[:length] for length in range(len(place), 0, -1))


def _in_words(place: Place) -> str:
    if not place:
        return "the file"
    table, *rest = place
    words = []
    if table not in _TABLES:
        rest = [table]
    elif rest and isinstance(rest[0], int):
        words, rest = [f"[[{table}]] no. {rest[0] + 1}"], rest[1:]
    else:
        words = [f"[{table}]"]
    words += [f"entry {part + 1}" if isinstance(part, int) else clean(part, 80) for part in rest]
    return ", ".join(words)


def _problem(issue: Any) -> str:
    """Say what is wrong, and what to do."""
    place: Place = issue["loc"]
    if issue["type"] == "extra_forbidden":
        return _unknown_key(place)
    keys = [part for part in place if isinstance(part, str)]
    if not keys:
        return f"there is nothing in it; write one of {', '.join(_TABLES)}, or start without it"
    if issue["type"] == "missing":
        return f"it is required; {REMEDIES[keys[-1]]}"
    what = _SHAPES.get(issue["type"]) or issue["msg"].removeprefix("Value error, ")
    return f"{what[:1].lower()}{what[1:]}; {REMEDIES[keys[-1]]}"


def _unknown_key(place: Place) -> str:
    model = _TABLES[str(place[0])] if len(place) > 1 else PolicyFile
    known = [each.alias or key for key, each in model.model_fields.items()]
    near = difflib.get_close_matches(str(place[-1]), known, n=1)
    nearest = f"; did you mean {near[0]}?" if near else "."
    return f"there is no such key{nearest} There are: {', '.join(known)}"


def _repeated(document: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Find names that are given twice: a refusal has to mean one rule."""
    for table in ("rules", "freeze"):
        rows = document.get(table)
        seen: set[str] = set()
        for index, row in enumerate(rows if isinstance(rows, list) else []):
            name = row.get("name") if isinstance(row, dict) else None
            if not isinstance(name, str):
                continue  # which is told as another problem
            if folded(name) in seen:
                yield (table, index, "name"), f"another one has this name; {REMEDIES['name']}"
            seen.add(folded(name))


def _unread(rules: Sequence[Rule]) -> Iterator[tuple[Place, str]]:
    """Find rules that could never matter."""
    for index, rule in enumerate(rules[:-1]):
        if rule.verdict == "allow" and rule.is_for_all:
            what = "it allows everything, so no rule below it is ever read; narrow it, or delete it"
            yield ("rules", index), what


def lines_of(text: str) -> dict[Place, int]:
    """Find on which line each key is written; `tomllib` tells none.

    Every statement of a file of TOML is one by itself, and no beginning of a statement is, so the
    parser itself tells where each ends.
    """
    found: dict[Place, int] = {}
    tables: Counter[Place] = Counter()
    place: Place = ()
    pending: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        pending.append(line)
        statement = _statement(pending)
        if statement is None:
            continue
        first = number - len(pending) + 1
        if pending[0].lstrip().startswith("["):
            place = _table(statement, tables)
            for up in _upwards(place):
                found.setdefault(up, first)
        else:
            for path in _paths(statement, place):
                found.setdefault(path, first)
        pending = []
    return found


def _statement(lines: Sequence[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _table(header: Any, tables: Counter[Place]) -> Place:
    """Tell which table a header begins."""
    place: Place = ()
    while header:
        ((key, header),) = header.items()
        place = (*place, key)
        if isinstance(header, list):
            tables[place] += 1
            header = None
        if tables[place]:
            place = (*place, tables[place] - 1)
    return place


def _paths(value: Any, place: Place) -> Iterator[Place]:
    yield place
    inside: Any = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else inside:
        yield from _paths(inner, (*place, key))
