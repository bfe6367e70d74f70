"""JSON with comments: read strictly where it matters, changed only where it is meant."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.clients.jsonc import DEEPEST, FormatError, comments, parse, put, render

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 1, 2, "\t"]), st.booleans())
def test_plain_json_is_read_as_the_standard_library_reads_it(
    value: Any, indent: int | str | None, ascii_only: bool
) -> None:
    """However it is laid out."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    assert parse(text) == value
    assert parse(render(value)) == value


def test_comments_and_trailing_commas_are_read_over() -> None:
    """Also where they look like something else."""
    text = '/* { */ {"a": [1, 2.50,], // "b": 3\n "http://x": "/* no */", /**/} // end'

    assert parse(text) == {"a": [1, Decimal("2.5")], "http://x": "/* no */"}
    assert comments(text) == ["/* { */", '// "b": 3', "/**/", "// end"]
    assert parse(" // only this") == {}


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ('{"a": 1\n "b": 2}', "line 2, column 2", "comma"),
        ("{a: 1}", "line 1, column 2", "quotes"),
        ('{1: "a"}', "line 1, column 2", "quotes"),
        ('{"a" 1}', "line 1, column 6", "colon"),
        ('{"a": }', "line 1, column 7", "value"),
        ('{"a": 01}', "line 1, column 7", "value"),
        ('{"a": "\n"}', "line 1, column 7", "value"),
        ('{"a": truely}', "line 1, column 7", "value"),
        ('{"a": 1} x', "line 1, column 10", "after the end"),
        ('{"a": 1', "line 1, column 8", "comma"),
        ('{"a": 1, /* never closed', "line 1, column 10", "quotes"),
        ('{\n  "a": 1,\n  "a": 2\n}', "line 3, column 3", "twice"),
        ('{"a": 1, "\\u0061": 2}', "line 1, column 10", "twice"),
        ("[" * (DEEPEST + 1), f"line 1, column {DEEPEST + 1}", "deep"),
        (f'{{"a": 1e{"9" * 30}}}', "line 1, column 7", "number"),
        ("[,]", "line 1, column 2", "value"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, why: str) -> None:
    """Line and column, as editors count them."""
    with pytest.raises(FormatError, match=f"^{place}: .*{why}"):
        parse(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "s": {\n    "n": 1\n  }\n}'),
        ('{"a": 1}\n', '{"a": 1,\n  "s": {\n    "n": 1\n  }\n}\n'),
        ('{\n\t"a": 1 // x\n}', '{\n\t"a": 1, // x\n\t"s": {\n\t\t"n": 1\n\t}\n}'),
        ('{\n    "s": {\n    },\n}', '{\n    "s": {\n        "n": 1\n    },\n}'),
        ('{\r\n  "s": {}\r\n}', '{\r\n  "s": {\r\n    "n": 1\r\n  }\r\n}'),
        ('{"s": {"o": 2,},}', '{"s": {"o": 2,\n  "n": 1,\n},}'),
        ("// mine", '// mine\n{\n  "s": {\n    "n": 1\n  }\n}\n'),
        ('{"s": {"n": [2, 3]}}', '{"s": {"n": 1}}'),
    ],
)
def test_a_member_is_put_in_the_way_the_file_is_written(before: str, after: str) -> None:
    """Its indentation, its line ends, its trailing commas; nothing else moves."""
    assert put(before, ("s", "n"), 1) == after


def test_a_list_is_appended_to() -> None:
    """By the index after its last."""
    assert put('{\n  "l": [\n    1\n  ]\n}', ("l", 1), 2) == '{\n  "l": [\n    1,\n    2\n  ]\n}'
