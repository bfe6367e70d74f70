"""What changed in the tool contract, and which version that takes."""

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_server import __version__, compatibility
from mcp_server.catalogue import contract
from mcp_server.compatibility import (
    CURRENT,
    Contract,
    compare,
    least_version,
    main,
    read,
    report,
    version_of,
)
from mcp_server.schema_compatibility import Kind

ANNOTATIONS = {"readOnlyHint": True, "destructiveHint": False}
GONE = {"since": "0.2.0", "until": "1.0.0", "use": "list_rows"}
TOLD = "announced since 0.2.0 for 1.0.0; use"


def tool(name: str = "get_row", **parts: Any) -> dict[str, Any]:
    """Make a tool of a contract."""
    usual = {"name": name, "mode": "read-only", "toolset": "syncs", "annotations": ANNOTATIONS}
    return {**usual, "inputSchema": {"type": "object"}, **parts}


def takes(**arguments: Any) -> dict[str, Any]:
    """Make the schema of a tool's arguments."""
    return {"type": "object", "properties": arguments, "additionalProperties": False}


def made(*tools: dict[str, Any]) -> Contract:
    """Make a contract of tools."""
    return Contract.model_validate({"tools": tools})


def changes(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """List what is told of a change."""
    return {(each.kind.name.lower(), each.what) for each in compare(made(*old), made(*new))}


@pytest.mark.parametrize(
    ("before", "after", "kind", "what"),
    [
        ({"title": "A"}, {"title": "B"}, "text", "title changed"),
        ({}, {"description": "B"}, "text", "description changed"),
        ({}, {"mode": "write"}, "breaking", "mode read-only -> write"),
        ({"mode": "full"}, {"mode": "write"}, "compatible", "mode full -> write"),
        (
            {},
            {"toolset": "advanced"},
            "breaking",
            "toolset syncs -> advanced: no longer offered by default",
        ),
        (
            {"toolset": "advanced"},
            {},
            "breaking",
            "toolset advanced -> syncs: no longer offered by --toolsets advanced",
        ),
        (
            {},
            {"annotations": {**ANNOTATIONS, "readOnlyHint": False}},
            "breaking",
            "readOnlyHint true -> false",
        ),
        (
            {},
            {"annotations": {"readOnlyHint": True}},
            "breaking",
            "destructiveHint false -> not given",
        ),
        (
            {"annotations": {}},
            {"annotations": {"destructiveHint": False}},
            "compatible",
            "destructiveHint not given -> false",
        ),
        (
            {},
            {"annotations": {**ANNOTATIONS, "newHint": True}},
            "breaking",
            "newHint not given -> true",
        ),
        (
            {},
            {"deprecated": {**GONE, "use": "get_row"}},
            "compatible",
            f"deprecated ({TOLD} `get_row`)",
        ),
        ({"deprecated": GONE}, {}, "compatible", "no longer deprecated"),
        (
            {"meta": 1},
            {"meta": 1, "icons": []},
            "breaking",
            "icons changed; cannot tell what that means",
        ),
        (
            {"inputSchema": takes()},
            {"inputSchema": takes(x={"type": "string"})},
            "compatible",
            "argument `x`: new",
        ),
        (
            {"inputSchema": takes()},
            {"inputSchema": takes(confirm={"type": "boolean"})},
            "breaking",
            "argument `confirm`: new: a call without it only shows what it would do",
        ),
        (
            {"inputSchema": {"type": "object"}},
            {"inputSchema": {"type": "array"}},
            "breaking",
            'arguments: type "object" -> "array"',
        ),
        (
            {"outputSchema": {"description": "A"}},
            {"outputSchema": {"description": "B"}},
            "text",
            "answer: description changed",
        ),
        (
            {"outputSchema": takes(x={})},
            {"outputSchema": takes()},
            "breaking",
            "field `x`: removed",
        ),
    ],
)
def test_each_change_of_a_tool_is_judged(
    before: dict[str, Any], after: dict[str, Any], kind: str, what: str
) -> None:
    """By whether somebody who relied on it gets something else."""
    assert changes([tool(**before)], [tool(**after)]) == {(kind, what)}


def test_a_tool_that_is_gone_breaks_and_its_likely_new_name_is_told() -> None:
    """A client that knows the old name cannot tell that it is only another one."""
    found = changes([tool("get_row")], [tool("read_row")])

    assert found == {
        ("breaking", "tool removed; renamed to `read_row`?"),
        ("compatible", "new tool"),
    }


def test_what_was_announced_still_breaks_when_it_goes_and_says_since_when() -> None:
    """A version number has to tell of it to those who did not read the announcement."""
    assert changes([tool(deprecated=GONE)], []) == {
        ("breaking", f"tool removed ({TOLD} `list_rows`)")
    }
    old = tool(inputSchema=takes(x={"deprecated": True}, y={}), deprecatedArguments={"x": GONE})
    assert changes([old], [tool(inputSchema=takes(y={}))]) == {
        ("breaking", f"argument `x`: removed ({TOLD} `list_rows`)")
    }


def test_an_argument_that_is_announced_to_go_says_what_to_use() -> None:
    """That is compatible: it still works."""
    announced = {"x": {**GONE, "use": "y"}}
    old = tool(inputSchema=takes(x={}, y={}))
    new = tool(inputSchema=takes(x={"deprecated": True}, y={}), deprecatedArguments=announced)

    assert changes([old], [new]) == {("compatible", f"argument `x`: deprecated ({TOLD} `y`)")}


def test_what_is_deprecated_in_favour_of_nothing_is_found() -> None:
    """Models are told to use the replacement, so it has to be there."""
    gone = tool(deprecated=GONE, deprecatedArguments={"x": GONE})
    words = "is deprecated in favour of `list_rows`, which does not exist"

    assert changes([gone], [gone]) == {
        ("breaking", f"tool {words}"),
        ("breaking", f"argument `x` {words}"),
    }
    assert changes([], [gone]) == {
        ("compatible", "new tool"),
        ("breaking", f"tool {words}"),
        ("breaking", f"argument `x` {words}"),
    }


def test_the_contract_of_today_is_compatible_with_itself() -> None:
    """And so whatever it deprecates has a replacement that exists."""
    today = Contract.model_validate(contract())

    assert compare(today, read(str(CURRENT))) == []


@pytest.mark.parametrize(
    ("released", "worst", "least", "part"),
    [
        ("1.2.3", Kind.BREAKING, "2.0.0", "major"),
        ("1.2.3", Kind.COMPATIBLE, "1.3.0", "minor"),
        ("1.2.3", Kind.TEXT, "1.2.4", "patch"),
        ("1.2.3", None, "1.2.3", "none"),
        ("0.2.3", Kind.BREAKING, "0.3.0", "minor"),
        ("0.2.3", Kind.COMPATIBLE, "0.2.4", "patch"),
        ("0.2.3", Kind.TEXT, "0.2.4", "patch"),
    ],
)
def test_the_worst_change_says_which_version_it_takes(
    released: str, worst: Kind | None, least: str, part: str
) -> None:
    """Semantic versioning; before 1.0, one place further right."""
    assert least_version(version_of(released), worst) == (version_of(least), part)


def test_a_report_tells_first_what_breaks_and_once_what_happened_to_many() -> None:
    """A maintainer reads it from the top."""
    many = [f"get_{letter}" for letter in "abcdefghijklm"]
    old = [tool(name) for name in (*many, "list_rows")]
    new = [tool(name, title="New") for name in many]
    new += [tool("list_rows", title="List", mode="write"), tool("sync_rows")]

    assert report(compare(made(*old), made(*new))) == (
        "breaking:\n"
        "  list_rows\n"
        "    mode read-only -> write\n"
        "compatible:\n"
        "  sync_rows\n"
        "    new tool\n"
        "text only:\n"
        "  get_a, get_b, get_c, get_d, get_e, get_f, get_g, get_h, get_i, get_j, get_k, get_l, get_m,\n"
        "  list_rows\n"
        "    title changed\n"
    )


# --- the command ---


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> tuple[str, str]:
    """Write two contracts, of which the second has a tool less."""
    paths = tmp_path / "old.json", tmp_path / "new.json"
    for path, tools in zip(paths, ([tool("a_b"), tool("c_d")], [tool("a_b")]), strict=True):
        path.write_text(json.dumps({"tools": tools}), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def test_a_break_ends_with_1_and_names_the_bump(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool and what became of it."""
    monkeypatch.setattr(compatibility, "__version__", "1.4.0")

    assert main([*files]) == 1
    assert capsys.readouterr().out == (
        "breaking:\n  c_d\n    tool removed\n"
        "1 breaking, 0 compatible, 0 text only. Version bump needed: major.\n"
    )


def test_a_contract_from_standard_input_is_held_against_that_of_this_tree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git show` writes it."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(CURRENT.read_text(encoding="utf-8")))

    assert main(["-"]) == 0
    assert capsys.readouterr().out == (
        "0 breaking, 0 compatible, 0 text only. Version bump needed: none.\n"
    )


@pytest.mark.parametrize(("version", "code"), [("1.9.9", 1), ("2.0.0", 0)])
def test_after_a_release_a_break_is_fine_if_the_version_says_so(
    files: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    code: int,
) -> None:
    """Else the least version that does is named, and where to write it."""
    monkeypatch.setattr(compatibility, "__version__", version)

    assert main([*files, "--released", "v1.4.0"]) == code
    complaint = (
        "v1.4.0 is released, this is 1.9.9: these changes need 2.0.0 or higher."
        " Set __version__ in mcp_server/__init__.py, and run: make fix\n"
    )
    assert capsys.readouterr().err == (complaint if code else "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is no tool contract: the whole of it: Invalid JSON"),
        ("{}", "is no tool contract: tools: Field required"),
        ('{"tools": [{"name": "x"}]}', "is no tool contract: tools.0.inputSchema: Field required"),
        (json.dumps({"tools": [tool(mode="root")]}), "tools.0.mode: String should match pattern"),
        (json.dumps({"tools": [tool("x"), tool("x")]}), "tools: x stands there more than once"),
        (
            json.dumps({"tools": [tool(inputSchema={"required": "x"})]}),
            "tools.0.inputSchema.required: Input should be a valid array",
        ),
        (
            json.dumps({"tools": [tool(outputSchema=takes(x={"minimum": "1"}))]}),
            "tools.0.outputSchema.properties.x.Keywords.minimum: Input should be a valid number",
        ),
        ("\udcff", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_contract_ends_with_2_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, why: str
) -> None:
    """Never with 1: that something breaks is another finding."""
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")

    assert main([str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert str(path) in told.err
    assert why in told.err


def test_a_release_that_is_no_version_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As a tag that does not name one."""
    assert main([str(CURRENT), "--released", "vNext"]) == 2
    assert capsys.readouterr().err == "'vNext' is not a version of three numbers, as 0.2.0\n"
    assert version_of(__version__)


def test_it_runs_as_a_module(files: tuple[str, str]) -> None:
    """With the exit code of what it found."""
    command = [sys.executable, "-m", "mcp_server.compatibility", *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 -- our own command

    assert done.returncode == 1
    assert done.stdout.startswith("breaking:\n  c_d\n    tool removed\n")
