"""The pages of the tools, and `llms.txt`: rendered from the code, the same everywhere."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator

from mcp_server import pages
from mcp_server.catalogue import ROOT
from mcp_server.contract import answer_fields, build
from mcp_server.exchanges import EXAMPLES, NOBODY, Call, Exchange, exchanges, proposal, steady
from mcp_server.server import all_specs
from mcp_server.toolkit import Effect, Spec

SPECS = {spec.name: spec for spec in all_specs()}
each_tool = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
ELSEWHERE = {
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "4711",
    "PYTHONUTF8": "0",
    "COLUMNS": "20",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "FIVETRAN_MCP_READ_ONLY": "true",
    "FIVETRAN_MCP_POLICY": "/no/such/file",
    "FIVETRAN_MCP_MISSPELT": "1",
}
STALE = """
import sys
from mcp_server import log
from mcp_server.catalogue import ROOT
from mcp_server.pages import pages
log.configure("error", "console")
for path, text in pages(ROOT).items():
    if not path.exists() or path.read_bytes() != text.encode():
        print(path.relative_to(ROOT).as_posix())
"""


@cache
def made() -> dict[str, Exchange]:
    """Make the exchanges once."""
    return exchanges()


@cache
def rendered() -> dict[Path, str]:
    """Render the files once."""
    return pages.pages(ROOT)


def test_the_files_are_what_is_rendered_whatever_the_machine_and_the_shell_are() -> None:
    """With another time zone, locale, order of hashes and settings; `make fix` writes them."""
    ran = subprocess.run(  # noqa: S603 -- our own code
        [sys.executable, "-c", STALE],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **ELSEWHERE},  # noqa: TID251 -- for the coverage of the process
        check=False,
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_two_renderings_are_the_same() -> None:
    """Nothing random, nothing of the clock."""
    assert pages.pages(ROOT) == rendered()


def test_there_is_no_page_of_a_tool_that_is_gone() -> None:
    """What lies there is what is rendered."""
    folder = ROOT / pages.FOLDER

    assert {*folder.iterdir()} == {path for path in rendered() if path.parent == folder}


def test_every_tool_has_an_example() -> None:
    """And nothing else has one: a new tool is missed here first."""
    assert {*EXAMPLES} == {*SPECS}


def test_a_tool_without_an_example_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever adds one runs `make fix`, and reads this."""
    monkeypatch.delitem(cast("dict[str, Any]", EXAMPLES), "list_groups")

    with pytest.raises(
        LookupError, match=r"^list_groups: give an example in mcp_server/exchanges\.py$"
    ):
        exchanges()


@each_tool
def test_an_example_gives_what_the_tool_takes(spec: Spec) -> None:
    """With what was learned from the calls before it."""
    Draft202012Validator(build(spec).parameters).validate(made()[spec.name].calls[0].arguments)


@each_tool
def test_an_exchange_ends_well_and_shows_the_preview_first_where_one_is_needed(
    spec: Spec,
) -> None:
    """What always needs a confirmation is refused, and then done."""
    *before, last = made()[spec.name].calls

    assert not last.is_error
    for call in before:
        refused = call.answer.get("error", {}).get("code") == "confirmation_required"
        assert refused or "dry_run" in call.answer
    assert before or spec.effect is not Effect.DESTRUCTIVE


@each_tool
def test_an_id_that_does_not_exist_is_asked_for_too(spec: Spec) -> None:
    """Where the call names one, the page says which error that is."""
    first = made()[spec.name].calls[0].arguments
    stranger = made()[spec.name].stranger

    # A service of which there is none fits no connector of a bulk.
    assert (stranger is not None) == (
        "connector_id" in first or ("service" in first and spec.name != "bulk_update")
    )
    if stranger is not None:
        assert stranger["code"] == "not_found"
        assert "| `not_found` | " in rendered()[page_of(spec)]
    assert NOBODY not in json.dumps(first)


def page_of(spec: Spec) -> Path:
    """Name the page of a tool."""
    return ROOT / pages.FOLDER / f"{spec.name}.md"


@each_tool
def test_a_page_has_all_that_a_model_is_told_and_every_field(spec: Spec) -> None:
    """The description word for word; arguments and answers at any depth."""
    text = rendered()[page_of(spec)]

    assert spec.description in text
    for argument in build(spec).parameters["properties"]:
        assert f"\n| `{argument}` | " in text
    for name in answer_fields(spec):
        assert re.search(rf"\n\| `([\w.]|\[\])*\b{name}` \| ", text), name


@each_tool
def test_what_is_shown_is_json_and_nothing_of_a_source_that_gives_orders(spec: Spec) -> None:
    """The sandbox has such a source; whoever reads the pages may be a model, too."""
    text = rendered()[page_of(spec)]

    for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        json.loads(block)
    assert "gnore all previous" not in text


def test_what_varies_is_replaced_wherever_it_stands() -> None:
    """By the name of its field; everything else stays."""
    answer = {"rows": [{"id": "x", "baseline": "eNo"}], "baseline": "eNo", "more": 1}

    assert steady(answer, {"baseline": "..."}) == {
        "rows": [{"id": "x", "baseline": "..."}],
        "baseline": "...",
        "more": 1,
    }


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"error": {"code": "x", "next_call": {"arguments": {"a": 1}}}}, {"a": 1}),
        ({"dry_run": {"next_call": {"arguments": {"b": 2}}}}, {"b": 2}),
        ({"dry_run": {"digest": "x"}}, None),
        ({"error": {"code": "x"}}, None),
        ({}, None),
    ],
)
def test_the_call_that_an_answer_proposes_is_found(answer: dict[str, Any], found: Any) -> None:
    """Of a refusal and of a dry run."""
    assert proposal(answer) == found


def test_what_is_left_out_is_counted_in_its_place() -> None:
    """Rows and characters; one row more than the most is shown, for the count takes a line too."""
    assert pages.shortened({"rows": [1, 2, 3, 4, 5]}) == {"rows": [1, 2, 3, 4, 5]}
    assert pages.shortened([[1] * 6] * 9) == [
        *[[1, 1, 1, 1, "... 2 more rows"]] * 4,
        "... 5 more rows",
    ]
    cut = pages.shortened("x" * (pages.LONGEST_TEXT + 7))
    assert cut == "x" * pages.LONGEST_TEXT + "... 7 more characters"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "enum": ["a", "b"]}, "`a`, `b`"),
        ({"type": "integer", "enum": [1, 5]}, "`1`, `5`"),
        ({"type": "boolean", "const": True}, "`true`"),
        ({"type": "integer", "minimum": 1, "maximum": 5}, "integer, 1 to 5"),
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": "array", "items": {"type": "string"}}, "list of strings"),
        (
            {"type": "array", "items": {"type": "string", "enum": ["a"]}, "minItems": 1},
            "list of `a`, at least 1",
        ),
        ({"type": "object", "additionalProperties": {"type": "object"}}, "objects by name"),
        (
            {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
            "lists of strings by name",
        ),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({}, "anything"),
    ],
)
def test_a_type_is_said_in_words(schema: dict[str, Any], said: str) -> None:
    """Short enough for a cell."""
    assert pages.kind(schema) == said


def test_a_table_stays_whole_whatever_a_text_holds() -> None:
    """A bar, a line break, a tag."""
    call = Call({}, {}, is_error=False)
    rows = [*pages.arguments({"properties": {"a": {"type": "x", "description": "b|\nc <d>"}}})]

    assert "| `a` | x |  | b\\| c &lt;d> |" in pages.table(("1", "2", "3", "4"), rows)
    assert pages.table(("1",), []) == "None."
    assert pages.shown([call]).count("```json\n{}\n```") == 2


def test_the_index_names_every_tool_and_only_errors_that_there_are() -> None:
    """Each in its toolset; the codes are those of the code."""
    text = rendered()[ROOT / pages.FOLDER / "README.md"]
    source = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("mcp_server/[!p]*.py"))

    for name in SPECS:
        assert text.count(f"[`{name}`]({name}.md)") == 1
    codes = re.findall(r"`(\w+)`", "".join(re.findall(r"\n\| (.*?) \|", pages.ERRORS)))
    assert len(codes) > 8
    assert all(f'"{code}"' in source for code in codes)


def test_llms_txt_has_the_form_and_its_links_lead_somewhere() -> None:
    """A title, a paragraph, then sections of links with a line each, as llmstxt.org has it."""
    title, summary, *sections = rendered()[ROOT / "llms.txt"].strip().split("\n\n")

    assert title == "# mcp-server-fivetran"
    assert re.fullmatch(r"> .+", summary)
    links = []
    for head, body in zip(sections[::2], sections[1::2], strict=True):
        assert re.fullmatch(r"## .+", head)
        links += [re.fullmatch(r"- \[[^\]]+\]\(([^)]+)\): .+", line) for line in body.split("\n")]
    paths = [link[1] for link in links if link]
    assert len(paths) == len(links) == len({*paths}) > len(SPECS)
    assert [path for path in paths if not (ROOT / path).is_file()] == []
