"""How a policy file is read, and what is said of one that is wrong."""

import inspect
import textwrap
import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server import rules_file
from mcp_server.rules_file import RulesError, lines_of, parse, read
from mcp_server.rules_tables import Caps, Freeze, PolicyFile, Protected, Rule, fits, folded

TOOLS = frozenset({"delete_connector", "resync_connector", "sync_connector"})


def problems(text: str) -> list[str]:
    """List what is said of a text that is wrong."""
    with pytest.raises(RulesError) as caught:
        parse(text, tools=TOOLS)
    head, *rows = str(caught.value).splitlines()
    assert head == 'The policy file "policy.toml" is wrong:'
    assert all(row.startswith("  - ") for row in rows)
    return [row.removeprefix("  - ") for row in rows]


def rule(*lines: str) -> str:
    """Write a rule that is right, and these lines after it."""
    return "\n".join(['[[rules]]\nname = "r"\nverdict = "deny"', *lines])


def test_the_example_in_the_documentation_is_right() -> None:
    """And has every table and every key."""
    text = inspect.getdoc(rules_file) or ""
    example = "\n".join(row for row in text.splitlines() if row.startswith("    ") or not row)
    policy = parse(textwrap.dedent(example), tools=TOOLS)

    assert [each.name for each in policy.rules] == ["The sandbox is free", "Nobody deletes"]
    said = {
        *(key for each in policy.rules for key in each.model_fields_set),
        *(key for each in policy.freeze for key in each.model_fields_set),
        *policy.protected.model_fields_set,
        *policy.caps.model_fields_set,
    }
    known = [*Rule.model_fields, *Freeze.model_fields, *Caps.model_fields, *Protected.model_fields]
    assert said == {*known}


def test_every_key_has_a_remedy() -> None:
    """A problem is told with what to do."""
    models = (PolicyFile, Rule, Protected, Caps, Freeze)
    keys = {each.alias or key for model in models for key, each in model.model_fields.items()}

    assert keys == {*rules_file.REMEDIES}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[rule]]\nname = "x"', "line 1: rule: there is no such key; did you mean rules?"),
        (
            rule('verdit = "x"'),
            "line 4: [[rules]] no. 1, verdit: there is no such key; did you mean",
        ),
        (rule("zzz = 1"), "line 4: [[rules]] no. 1, zzz: there is no such key. There are: name, v"),
        (rule("\n# why\n[rules.zzz]\na = 1"), "line 6: [[rules]] no. 1, zzz: there is no such"),
        ("[caps]\nbulk = 1", "line 2: [caps], bulk: there is no such key. There are: bulk_targets"),
        ("[caps]\nbulk_target = 1", "line 2: [caps], bulk_target: there is no such key; did you"),
        (
            '[[freeze]]\nname="f"\ndays=["fri"]\nform="18:00"',
            "line 4: [[freeze]] no. 1, form: there is no such key; did you mean from?",
        ),
        (
            '[[freeze]]\nname="f"\nbegin="18:00"',
            "line 3: [[freeze]] no. 1, begin: there is no such",
        ),
        ('[protected]\nservices = ["x"]', "line 2: [protected], services: there is no such key"),
        ('[[rules]]\nname = "x"', "line 1: [[rules]] no. 1, verdict: it is required; use"),
        ('[[rules]]\nverdict = "deny"', "line 1: [[rules]] no. 1, name: it is required; give it"),
        (rule('tools = ["delete_conector"]'), "did you mean delete_connector"),
        (rule('tools = ["zzz"]'), 'there is no tool "zzz"; list names of tools'),
        (
            rule('tools = ["drop_*"]'),
            'line 4: [[rules]] no. 1, tools, entry 1: there is no tool "dro',
        ),
        (
            rule('tools = [\n  "sync_*",\n  "zzz"\n]'),
            "line 4: [[rules]] no. 1, tools, entry 2: the",
        ),
        (rule("tools = []"), "line 4: [[rules]] no. 1, tools: it is empty; list names of tools"),
        (rule("groups = []"), "line 4: [[rules]] no. 1, groups: it is empty; list ids"),
        (rule("services = []"), "line 4: [[rules]] no. 1, services: it is empty; list"),
        (rule("connectors = []"), "line 4: [[rules]] no. 1, connectors: it is empty"),
        (rule("effects = []"), "line 4: [[rules]] no. 1, effects: it is empty"),
        (rule('effects = ["writes"]'), "effects, entry 1: input should be 'read', 'write' or"),
        (rule('effects = "write"'), "line 4: [[rules]] no. 1, effects: it should be a list; list"),
        (rule('groups = ["a group"]'), 'entry 1: "a group" has not the form of an id; list ids'),
        (rule('groups = [""]'), 'entry 1: "" has not the form of an id'),
        (rule("groups = [1]"), "groups, entry 1: input should be a valid string; list ids"),
        (rule('connectors = ["id:a b"]'), 'entry 1: "a b" has not the form of an id; list names'),
        (rule('connectors = ["\u200b "]'), "connectors, entry 1: an entry is empty; list names"),
        (
            rule(f'connectors = ["{"x" * 201}"]'),
            "entry 1: string should have at most 200 characters",
        ),
        (
            rule('reason = "a\u200bb"'),
            "line 4: [[rules]] no. 1, reason: it is empty, or holds chara",
        ),
        (rule(f'reason = "{"x" * 301}"'), "reason: string should have at most 300 characters"),
        ('[[rules]]\nname=" "\nverdict="deny"', "line 2: [[rules]] no. 1, name: it is empty, or"),
        ('[[rules]]\nname="x"\nverdict="never"', "line 3: [[rules]] no. 1, verdict: input should"),
        (f"{rule()}\n{rule()}", "line 5: [[rules]] no. 2, name: another one has this name; give"),
        ('[rules]\nname = "x"', "line 1: [rules]: it should be a list; write each rule under [[ru"),
        ("rules = []", "line 1: [rules]: it is empty; write each rule under [[rules]]"),
        ("rules = [1]", "line 1: [[rules]] no. 1: it should be a table; write each rule"),
        (
            '[[protected]]\ngroups = ["x"]',
            "line 1: [protected]: it should be a table; write [prote",
        ),
        ("[protected]", "line 1: [protected]: there is nothing in it; write [protected] once"),
        (
            "\n[caps]",
            "line 2: [caps]: there is nothing in it; write [caps] once, with bulk_targets",
        ),
        (
            "[caps]\nbulk_targets = true",
            "line 2: [caps], bulk_targets: input should be a valid int",
        ),
        ("[caps]\nbulk_targets = -1", "line 2: [caps], bulk_targets: input should be greater"),
        ("[caps]\nresyncs_per_day = '2'", "line 2: [caps], resyncs_per_day: input should be a val"),
        ("[caps]\nsmallest_sync_frequency = 0", "line 2: [caps], smallest_sync_frequency: input"),
        ("", "the file: there is nothing in it; write one of rules, protected, caps, freeze, or"),
        ("# nothing\n", "the file: there is nothing in it"),
        ('[[freeze]]\nname = "f"', "line 1: [[freeze]] no. 1: it does not say when; write each"),
        ('[[freeze]]\nname="f"\nfrom="25:00"', "line 3: [[freeze]] no. 1, from: it is not a time"),
        (
            '[[freeze]]\nname="f"\nfrom=18',
            "line 3: [[freeze]] no. 1, from: it is not a time of day",
        ),
        (
            '[[freeze]]\nname="f"\nuntil="24:00"',
            "until: it is not a time of day; give hours and minu",
        ),
        ('[[freeze]]\nname="f"\ndays=["Fri"]', "days, entry 1: input should be 'mon', 'tue'"),
        ('[[freeze]]\nname="f"\ndays=[]', "line 3: [[freeze]] no. 1, days: it is empty; list some"),
        ('[[freeze]]\nname="f"\nstart="2026-01-01"', "start: it is not a date of this millennium"),
        ('[[freeze]]\nname="f"\nstart=9999-12-31', "start: it is not a date of this millennium"),
        (
            '[[freeze]]\nname="f"\nend=1999-12-31T00:00:00',
            "end: it is not a date of this millennium",
        ),
        (
            '[[freeze]]\nname="f"\nstart=2026-02-01\nend=2026-01-31',
            "line 1: [[freeze]] no. 1: its end is not after its start; write each",
        ),
        (
            '[[freeze]]\nname="f"\ndays=["fri"]\nzone="Mars/Base"',
            'line 4: [[freeze]] no. 1, zone: this machine knows no time zone "Mars/Base"; give an',
        ),
        (
            '[[freeze]]\nname="f"\ndays=["fri"]\nzone="../passwd"',
            "zone: this machine knows no time",
        ),
        ('[[freeze]]\nname="f"\ndays=["fri"]\nzone="Europe"', "zone: this machine knows no time"),
        ('[[freeze]]\nname="f"\ndays=["fri"]\nzone=""', "zone: this machine knows no time zone"),
        (
            f'[[rules]]\nname = "all"\nverdict = "allow"\n{rule()}',
            "line 1: [[rules]] no. 1: it allows everything, so no rule below it is ever read",
        ),
        ("a = \n", "line 1: it is not TOML: Invalid value"),
        ("[caps]\nx = [1,\n2,,\n]", "line 3: it is not TOML: Invalid value"),
        ("a = 1\na = 2", "line 2: it is not TOML: Cannot overwrite a value"),
        ('a = 1\nb = """x\n', "line 3: it is not TOML: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_its_remedy(text: str, expected: str) -> None:
    """And nothing else is told with it."""
    (problem,) = problems(text)

    assert expected in problem


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    """So that an operator starts the server twice at most."""
    text = f"{rule('x = 1', 'groups = []')}\n[caps]\ny = 1\n{rule('z = 1')}\n[[freeze]]\nw = 1\n"
    told = [problem.split(": ")[:2] for problem in problems(text)]

    assert told == [
        ["line 4", "[[rules]] no. 1, x"],
        ["line 5", "[[rules]] no. 1, groups"],
        ["line 7", "[caps], y"],
        ["line 9", "[[rules]] no. 2, name"],
        ["line 11", "[[rules]] no. 2, z"],
        ["line 12", "[[freeze]] no. 1, name"],
        ["line 13", "[[freeze]] no. 1, w"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'"{"k" * 500}\\u200b" = 1',
        rule(f'tools = ["{"k" * 150}\\u001b[31m"]'),
        rule(f'groups = ["{"k" * 150}\\u202e"]'),
        f'[[freeze]]\nname="f"\ndays=["fri"]\nzone="{"k" * 150}\\u202e"',
        f'[[rules]]\nname="r"\nverdict="{"k" * 500}"',
        f"[{'k' * 500}]\n[{'k' * 500}]",
    ],
)
def test_no_value_is_repeated_at_length(text: str) -> None:
    """Nor with what does not show."""
    told = "\n".join(problems(text))

    assert "k" * 81 not in told
    assert told.replace("\n", "").isprintable()


def test_an_allow_of_everything_may_stand_last() -> None:
    """It changes nothing, and says what is meant."""
    text = f'{rule()}\n[[rules]]\nname = "all"\nverdict = "allow"'

    assert len(parse(text, tools=TOOLS).rules) == 2


def test_a_text_of_several_lines_is_one_text() -> None:
    """A reason is easier to write so."""
    policy = parse(rule('reason = """\n  Ask the team\n  first."""'), tools=TOOLS)

    assert policy.rules[0].reason == "Ask the team first."


def test_a_file_is_read_with_the_mark_that_some_editors_write(tmp_path: Path) -> None:
    """And with their line ends."""
    path = tmp_path / "policy.toml"
    path.write_bytes(b"\xef\xbb\xbf[caps]\r\nbulk_targets = 3\r\n")

    assert read(path, tools=TOOLS).caps.bulk_targets == 3


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """With its whole path, however long."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# caf\xe9")
    for path, why in (
        (tmp_path / f"{'long' * 50}.toml", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (latin, "it is not UTF-8"),
    ):
        with pytest.raises(RulesError, match=f'"{path}" cannot be read: {why}'):
            read(path, tools=TOOLS)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    """There may be several."""
    path = tmp_path / "policy.toml"
    path.write_text("x = 1")

    with pytest.raises(RulesError, match=f'The policy file "{path}" is wrong:\n  - line 1: x: '):
        read(path, tools=TOOLS)


LINES = '''# first
top = 1
[[rules]] # "[[rules]]"
name = """
[[rules]]
name = "not this"
"""
tools = [
  "a", # ]
  "b",
]
inline = { a = 1, b = [{ c = 2 }] }
  [rules.sub]
  "quo.ted" = 1
  dotted . key = [[1], [2]]

[[rules]]
name = '[caps]'
   [[rules.rows]]
   a = 1
   [[rules.rows]]
   a = 2
   [rules.rows.deep]
   b = 3
[caps]
bulk_targets = 1
'''


def test_the_line_of_every_key_is_found() -> None:
    """Whatever way it is written, and whatever looks like one."""
    expected: dict[tuple[str | int, ...], int] = {
        (): 1,
        ("top",): 2,
        ("rules",): 3,
        ("rules", 0): 3,
        ("rules", 0, "name"): 4,
        ("rules", 0, "tools"): 8,
        ("rules", 0, "tools", 0): 8,
        ("rules", 0, "tools", 1): 8,
        ("rules", 0, "inline"): 12,
        ("rules", 0, "inline", "a"): 12,
        ("rules", 0, "inline", "b"): 12,
        ("rules", 0, "inline", "b", 0): 12,
        ("rules", 0, "inline", "b", 0, "c"): 12,
        ("rules", 0, "sub"): 13,
        ("rules", 0, "sub", "quo.ted"): 14,
        ("rules", 0, "sub", "dotted"): 15,
        ("rules", 0, "sub", "dotted", "key"): 15,
        **{("rules", 0, "sub", "dotted", "key", at): 15 for at in (0, 1)},
        **{("rules", 0, "sub", "dotted", "key", at, 0): 15 for at in (0, 1)},
        ("rules", 1): 17,
        ("rules", 1, "name"): 18,
        ("rules", 1, "rows"): 19,
        ("rules", 1, "rows", 0): 19,
        ("rules", 1, "rows", 0, "a"): 20,
        ("rules", 1, "rows", 1): 21,
        ("rules", 1, "rows", 1, "a"): 22,
        ("rules", 1, "rows", 1, "deep"): 23,
        ("rules", 1, "rows", 1, "deep", "b"): 24,
        ("caps",): 25,
        ("caps", "bulk_targets"): 26,
    }

    assert lines_of(LINES) == expected


KEYS = st.text("ab.#[\"'\\ =\n\u00e9", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(st.integers(0, 9), st.booleans(), st.text("ab#[]\"'\\ =\n\u2028", max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=6,
)


def written(value: Any) -> str:
    """Write a value as TOML, a list over several lines."""
    if isinstance(value, dict):
        rows = (f"{written(key)} = {inline(inner)}" for key, inner in value.items())
        return "{" + ", ".join(rows) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"  {written(each)}, # [\n" for each in value) + "]"
    return inline(value)


def inline(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, dict):
        return written(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(each):04x}" if each in '"\\\n' else each for each in value)
        return f'"{escaped}"'
    return str(value).lower()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=3), min_size=1, max_size=3))
def test_the_lines_of_any_file_are_found(rows: list[Mapping[str, Any]]) -> None:
    """Each key of each table, on the line on which it was written."""
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}
    for index, row in enumerate(rows):
        expected["rules", index] = len(lines) + 1
        lines += ["[[ rules ]] # x"]
        for key, value in row.items():
            expected["rules", index, key] = len(lines) + 1
            lines += f"{written(key)} = {written(value)}".split("\n")
    text = "\n".join(lines)
    assert tomllib.loads(text) == {"rules": rows}
    found = lines_of(text)

    assert {place: found[place] for place in expected} == expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("", "", True),
        ("", "*", True),
        ("abc", "*", True),
        ("abc", "a*c", True),
        ("abc", "abc*", True),
        ("abc", "*abc*", True),
        ("abc", "ab", False),
        ("aba", "aba*aba", False),
        ("abaaba", "aba*aba", True),
        ("axbxc", "a*b*c", True),
        ("axcxb", "a*b*c", False),
        ("abc", "a*b*b*c", False),
        ("abbc", "a*b*b*c", True),
        ("ab", "a*b*b", False),
        ("abc", "b*", False),
        ("abc", "*b", False),
        ("a.c", "a?c", False),
        ("a[c", "a[c", True),
    ],
)
def test_a_star_stands_for_any_characters(text: str, pattern: str, expected: bool) -> None:
    """And nothing else stands for anything."""
    assert fits(text, pattern) is expected


def test_a_long_name_takes_no_long_time() -> None:
    """Names come from outside."""
    assert not fits("a" * 100_000, "*a" * 50 + "b")


INVISIBLE = st.sampled_from(["\u200b", "\u00ad", "\u202e", "\ufe0f", "\u034f", "\x00", "\u3164"])


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=12), INVISIBLE, st.integers(0, 12))
def test_a_name_is_the_same_whatever_does_not_show(text: str, hidden: str, at: int) -> None:
    """Inside letters and their accents too, and however these are composed."""
    apart = unicodedata.normalize("NFD", text)

    assert folded(apart) == folded(text)
    assert folded(apart[:at] + hidden + apart[at:]) == folded(text)
    assert folded(f" {text} ".upper().lower()) == folded(text.upper().lower())


BERLIN = {"zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("table", "moment", "expected"),
    [
        # 2026-03-10 is a Tuesday.
        ({"days": ["tue"]}, "2026-03-10T00:00", True),
        ({"days": ["tue"]}, "2026-03-10T23:59", True),
        ({"days": ["tue"]}, "2026-03-11T00:00", False),
        ({"days": ["mon", "tue"]}, "2026-03-09T12:00", True),
        ({"from": "09:00", "until": "17:00"}, "2026-03-10T08:59", False),
        ({"from": "09:00", "until": "17:00"}, "2026-03-10T09:00", True),
        ({"from": "09:00", "until": "17:00"}, "2026-03-10T16:59", True),
        ({"from": "09:00", "until": "17:00"}, "2026-03-10T17:00", False),
        ({"from": "09:00"}, "2026-03-10T23:59", True),
        ({"from": "09:00"}, "2026-03-11T00:00", False),
        ({"until": "09:00"}, "2026-03-10T08:59", True),
        ({"until": "09:00"}, "2026-03-10T09:00", False),
        ({"from": "09:00", "until": "00:00"}, "2026-03-10T23:59", True),
        # Over midnight: the days are those on which it begins.
        ({"days": ["tue"], "from": "18:00", "until": "08:00"}, "2026-03-10T07:00", False),
        ({"days": ["tue"], "from": "18:00", "until": "08:00"}, "2026-03-10T18:00", True),
        ({"days": ["tue"], "from": "18:00", "until": "08:00"}, "2026-03-11T07:59", True),
        ({"days": ["tue"], "from": "18:00", "until": "08:00"}, "2026-03-11T08:00", False),
        ({"days": ["tue"], "from": "18:00", "until": "08:00"}, "2026-03-11T18:00", False),
        ({"days": ["sun"], "from": "18:00", "until": "08:00"}, "2026-03-09T07:00", True),
        ({"days": ["tue"], "from": "18:00", "until": "18:00"}, "2026-03-11T17:59", True),
        ({"days": ["tue"], "from": "18:00", "until": "18:00"}, "2026-03-11T18:00", False),
        # In a zone, whose days are its own.
        ({"days": ["tue"], **BERLIN}, "2026-03-09T22:59", False),
        ({"days": ["tue"], **BERLIN}, "2026-03-09T23:00", True),
        ({"from": "09:00", "until": "10:00", **BERLIN}, "2026-03-10T08:30", True),
        ({"from": "09:00", "until": "10:00", **BERLIN}, "2026-07-10T08:30", False),
        ({"from": "09:00", "until": "10:00", **BERLIN}, "2026-07-10T07:30", True),
        # 2026-03-29: 02:00 becomes 03:00 in Berlin.
        ({"from": "02:00", "until": "03:00", **BERLIN}, "2026-03-29T00:59", False),
        ({"from": "02:00", "until": "03:00", **BERLIN}, "2026-03-29T01:00", False),
        ({"from": "02:30", "until": "05:00", **BERLIN}, "2026-03-29T01:00", True),
        # 2026-10-25: 03:00 becomes 02:00 in Berlin, so 02:30 comes twice.
        ({"from": "02:00", "until": "02:45", **BERLIN}, "2026-10-25T00:30", True),
        ({"from": "02:00", "until": "02:45", **BERLIN}, "2026-10-25T00:50", False),
        ({"from": "02:00", "until": "02:45", **BERLIN}, "2026-10-25T01:30", True),
        ({"from": "02:00", "until": "02:45", **BERLIN}, "2026-10-25T02:30", False),
    ],
)
def test_a_freeze_holds_by_the_clock_on_the_wall(
    table: Mapping[str, Any], moment: str, expected: bool
) -> None:
    """Over midnight and over a change of the clocks."""
    freeze = Freeze.model_validate({"name": "f", **table})

    assert freeze.holds(datetime.fromisoformat(f"{moment}+00:00")) is expected


@pytest.mark.parametrize(
    ("toml", "first", "last"),
    [
        ("start = 2026-12-20\nend = 2027-01-02", "2026-12-20T00:00", "2027-01-03T00:00"),
        ("start = 2026-12-20\nend = 2026-12-20", "2026-12-20T00:00", "2026-12-21T00:00"),
        (
            'start = 2026-12-20\nend = 2026-12-21\nzone = "Europe/Berlin"',
            "2026-12-19T23:00",
            "2026-12-21T23:00",
        ),
        (
            "start = 2026-12-20T10:00:00\nend = 2026-12-20T12:30:00",
            "2026-12-20T10:00",
            "2026-12-20T12:30",
        ),
        (
            'start = 2026-12-20T10:00:00-05:00\nend = 2026-12-20T12:00:00\nzone = "America/New_York"',
            "2026-12-20T15:00",
            "2026-12-20T17:00",
        ),
        # What the clocks repeat or skip is frozen from its first to its last reading.
        (
            'start = 2026-10-25T02:30:00\nend = 2026-10-25T02:45:00\nzone = "Europe/Berlin"',
            "2026-10-25T00:30",
            "2026-10-25T01:45",
        ),
        (
            'start = 2026-03-29T02:30:00\nend = 2026-03-29T02:45:00\nzone = "Europe/Berlin"',
            "2026-03-29T00:30",
            "2026-03-29T01:45",
        ),
    ],
)
def test_a_freeze_holds_from_its_start_to_its_end(toml: str, first: str, last: str) -> None:
    """A date ends with its day, a moment is the end."""
    (freeze,) = parse(f'[[freeze]]\nname = "f"\n{toml}', tools=TOOLS).freeze
    minute = 60
    begin, end = (datetime.fromisoformat(f"{text}+00:00").timestamp() for text in (first, last))

    seconds = (begin - minute, begin, end - minute, end)
    held = [freeze.holds(datetime.fromtimestamp(each, UTC)) for each in seconds]
    assert held == [False, True, True, False]


def test_a_freeze_with_one_end_holds_on_the_other_side() -> None:
    """From then on, or until then; and with hours, only in them."""
    since = Freeze.model_validate({"name": "f", "start": datetime(2026, 3, 1, tzinfo=UTC)})
    until = Freeze.model_validate(
        {"name": "f", "end": datetime(2026, 3, 1, tzinfo=UTC), "from": "12:00"}
    )

    assert since.holds(datetime(2099, 1, 1, tzinfo=UTC))
    assert not since.holds(datetime(2026, 2, 28, tzinfo=UTC))
    assert until.holds(datetime(2026, 2, 28, 13, tzinfo=UTC))
    assert not until.holds(datetime(2026, 2, 28, 11, tzinfo=UTC))
    assert not until.holds(datetime(2026, 3, 1, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('days = ["fri", "sat"]', "fri, sat (UTC)"),
        (
            'days = ["fri"]\nfrom = 18:00:00\nuntil = "08:00"\nzone = "Europe/Berlin"',
            "fri from 18:00 until 08:00 (Europe/Berlin)",
        ),
        (
            "start = 2026-12-20\nend = 2027-01-02",
            "since 2026-12-20 to the end of 2027-01-02 (UTC)",
        ),
        ("end = 2027-01-02T10:00:00", "before 2027-01-02 10:00:00 (UTC)"),
    ],
)
def test_a_freeze_says_when_it_holds(toml: str, words: str) -> None:
    """In the operator's own words, as far as they go."""
    (freeze,) = parse(f'[[freeze]]\nname = "f"\n{toml}', tools=TOOLS).freeze

    assert freeze.when == words
