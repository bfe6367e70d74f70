"""Rules that every declared tool keeps, and the generated files."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_server import catalogue
from mcp_server.contract import whole_schema
from mcp_server.gate import GatedTool
from mcp_server.settings import USUAL
from mcp_server.toolkit import Effect

VERBS = frozenset(
    {
        "approve",
        "bulk",
        "compare",
        "create",
        "delete",
        "describe",
        "dismiss",
        "drop",
        "find",
        "get",
        "list",
        "move",
        "pause",
        "reload",
        "resume",
        "resync",
        "revoke",
        "run",
        "search",
        "set",
        "sync",
        "triage",
        "undo",
        "update",
        "wait",
    }
)
TOOLS = {tool.name: tool for tool in catalogue.tools()}
each_tool = pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())


def size(*parts: Any) -> int:
    """Count tokens as bytes of compact JSON over four."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) // 4


@each_tool
def test_a_name_is_a_verb_and_a_noun(tool: GatedTool) -> None:
    """Hosts put their own prefix before it, so it stays short."""
    verb, _, noun = tool.name.partition("_")

    assert verb in VERBS
    assert noun
    assert len(tool.name) <= 40
    assert tool.title


@each_tool
def test_a_description_begins_with_a_short_sentence(tool: GatedTool) -> None:
    """A model that reads only the first line knows what happens."""
    first = tool.description.split("\n\n", maxsplit=1)[0]

    assert first.endswith(".")
    assert len(first) <= 120
    assert "Args:" not in tool.description


@each_tool
def test_every_tool_that_a_description_names_exists(tool: GatedTool) -> None:
    """A neighbour that is not there would be called in vain."""
    named = re.findall(r"`([a-z]+_[a-z_]+)`", tool.description)
    answers = (tool.output_schema or {})["properties"]

    assert set(named) <= {*TOOLS, *tool.parameters["properties"], *answers}


@each_tool
def test_arguments_are_closed_described_and_plain(tool: GatedTool) -> None:
    """Nothing unknown, nothing that some host cannot take: no union, reference, title or null."""
    schema = tool.parameters
    Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)

    assert schema["additionalProperties"] is False
    for word in ("anyOf", "oneOf", "allOf", "$ref", "$defs", '"null"', '"title"'):
        assert word not in text
    assert all(argument.get("description") for argument in schema["properties"].values())


KEYWORDS = frozenset(
    {"type", "description", "enum", "const", "default", "properties", "required", "items"}
    | {"additionalProperties", "minimum", "maximum", "minLength", "maxLength", "pattern"}
    | {"minItems", "maxItems", "minProperties", "deprecated"}
)


def keywords(schema: Any) -> set[str]:
    """Find every keyword of a schema, and of those inside it."""
    found = set(schema)
    inner = [*schema.get("properties", {}).values()]
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return found.union(*(keywords(each) for each in inner if isinstance(each, dict)))


@each_tool
def test_schemas_use_only_keywords_that_every_host_knows(tool: GatedTool) -> None:
    """A constraint that is not written as JSON Schema is one that no model learns of."""
    assert keywords(tool.parameters) <= KEYWORDS
    assert keywords(tool.output_schema or {}) <= KEYWORDS


@each_tool
def test_answers_are_described_as_objects_without_unions(tool: GatedTool) -> None:
    """2025 clients demand an object at the root."""
    schema = tool.output_schema or {}
    Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)

    assert schema["type"] == "object"
    for word in ("anyOf", "oneOf", "allOf", "$ref", "$defs", '"null"'):
        assert word not in text


def shape(schema: Any) -> dict[str, Any]:
    """Take the type of a field, and of its items if they are plain."""
    items = {"items": shape(schema["items"])} if "items" in schema else {}
    return {"type": schema["type"], **(items if items.get("items") != {"type": "object"} else {})}


@each_tool
def test_what_is_published_of_an_answer_is_what_its_whole_schema_says(tool: GatedTool) -> None:
    """Both are made of the same declaration, in two ways: the short one starts a server sooner."""
    whole = whole_schema(tool.spec)["properties"]

    assert tool.output_schema is not None
    assert tool.output_schema["properties"] == {name: shape(each) for name, each in whole.items()}


@each_tool
def test_annotations_follow_from_the_effect(tool: GatedTool) -> None:
    """All four are set, and no tool is both harmless and destructive."""
    hints = tool.annotations
    assert hints is not None

    assert hints.read_only_hint is (tool.spec.effect is Effect.READ)
    assert hints.destructive_hint is ("confirm" in tool.parameters["properties"])
    assert hints.idempotent_hint in {True, False}
    assert hints.open_world_hint is True
    assert not (hints.read_only_hint and hints.destructive_hint)
    assert hints.destructive_hint or tool.spec.effect is not Effect.DESTRUCTIVE


@pytest.mark.parametrize(("reads_only", "most"), [(True, 3_000), (False, 7_000)])
def test_the_catalogue_costs_what_it_may(reads_only: bool, most: int) -> None:
    """In tokens, of what is offered unasked; what describes the answers adds 60 % at most."""
    usual = [tool for tool in TOOLS.values() if tool.spec.toolset in USUAL]
    tools = [tool for tool in usual if not reads_only or tool.spec.effect is Effect.READ]
    costs = {
        tool.name: (size(tool.name, tool.description, tool.parameters), size(tool.output_schema))
        for tool in tools
    }
    offered = sum(cost for cost, _ in costs.values())
    answers = sum(cost for _, cost in costs.values())
    for name, (cost, answer) in costs.items():
        print(f"{name:26} {cost:5} + {answer:4}")  # noqa: T201 -- shown when the test fails, or with -s
    print(f"{'all':26} {offered:5} + {answers:4}")  # noqa: T201 -- likewise

    assert offered <= most
    assert answers <= 0.6 * offered


def test_the_generated_files_are_current() -> None:
    """The same command as `make check` runs."""
    command = [sys.executable, "-m", "mcp_server.catalogue", "--check"]

    assert subprocess.run(command, check=False).returncode == 0  # noqa: S603 -- our own command


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    """Make a repository with a README and nothing generated."""
    (tmp_path / "manifests").mkdir()
    begin, end = catalogue.MARKED
    parts = [f"{begin.format(name=n)}old\n{end.format(name=n)}" for n in ("tools", "links")]
    (tmp_path / "README.md").write_text(f"before\n{'between'.join(parts)}after\n", encoding="utf-8")
    return tmp_path


def test_a_stale_file_is_named_with_the_command_that_accepts_it(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written by a check."""
    assert catalogue.main(["--check"], copy) == 1

    told = capsys.readouterr().err
    for name in (
        "README.md",
        "manifests/tools.json",
        "manifests/server.json",
        "manifests/mcpb/manifest.json",
    ):
        assert f"{name} is stale. If the change is meant, accept it with: make fix" in told
    assert not (copy / "manifests" / "tools.json").exists()


def test_writing_makes_every_file_current_and_keeps_the_rest(copy: Path) -> None:
    """What stands around the table stays."""
    assert catalogue.main([], copy) == 0

    assert catalogue.main(["--check"], copy) == 0
    readme = (copy / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "| `list_connectors` |" in readme

    contract = copy / "manifests" / "tools.json"
    before = contract.stat().st_mtime_ns
    assert catalogue.main([], copy) == 0
    assert contract.stat().st_mtime_ns == before
