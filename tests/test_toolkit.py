"""How tools are declared, and what a wrong declaration leads to."""

from typing import Annotated

import pytest
from mcp.server.mcpserver import Resolve
from pydantic import BaseModel, Field

from mcp_server.contract import answer_fields, build, deprecations, tidy, whole_schema
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Deprecated,
    Effect,
    Plan,
    Result,
    Toolset,
)


class Nothing(Result):
    """An empty answer."""


async def _plan() -> Plan:
    return Plan(preview=None)


async def unconfirmed(plan: Annotated[Plan, Resolve(_plan)]) -> Nothing:  # noqa: ARG001 -- a declaration
    """Have a plan and no confirm."""
    return Nothing()


async def unplanned(confirm: Confirm = False) -> Nothing:  # noqa: ARG001 -- a declaration
    """Have a confirm and no plan."""
    return Nothing()


async def plain() -> Nothing:
    """Do nothing."""
    return Nothing()


class Row(Result):
    """A row of an answer."""

    id: str = Field(description="Its id.")


class Rows(Result):
    """An answer with rows."""

    rows: list[Row]
    first: Row | None = None
    note: str | None = Field(default=None, description="What there is to say.")


async def listing() -> Rows:
    """List."""
    return Rows(rows=[])


@pytest.mark.parametrize(
    ("fn", "effect"),
    [
        (plain, Effect.DESTRUCTIVE),
        (unplanned, Effect.DESTRUCTIVE),
        (unconfirmed, Effect.WRITE),
        (unplanned, Effect.WRITE),
    ],
)
def test_what_can_be_destructive_cannot_be_declared_without_a_plan_and_confirm(
    fn: object, effect: Effect
) -> None:
    """Forgetting one must not be silent."""
    toolset = Toolset("test")

    with pytest.raises(TypeError, match="needs `confirm` and a `plan`"):
        toolset.tool(title="T", effect=effect)(fn)  # type: ignore[arg-type] # as a mistake would be
    assert toolset.specs == []


def test_a_declared_tool_has_its_name_and_docstring() -> None:
    """The docstring is what the model reads, without its indentation."""
    toolset = Toolset("test")
    toolset.tool(title="Plain", effect=Effect.READ)(plain)

    tool = build(toolset.specs[0])
    assert tool.name == "plain"
    assert tool.description == "Do nothing."
    assert tool.parameters["additionalProperties"] is False


def test_an_answer_is_published_in_outline_and_known_in_full() -> None:
    """Every host loads the one for every tool; the other is for whoever writes against it."""
    toolset = Toolset("test")
    toolset.tool(title="List", effect=Effect.READ)(listing)
    (spec,) = toolset.specs

    assert build(spec).output_schema == {
        "type": "object",
        "properties": {
            "rows": {"type": "array"},
            "first": {"type": "object"},
            "note": {"type": "string"},
            "few_requests_left": {"type": "string"},
        },
    }
    rows = whole_schema(spec)["properties"]["rows"]
    assert rows["items"]["properties"] == {"id": {"type": "string", "description": "Its id."}}
    assert answer_fields(spec) == {"rows", "first", "note", "id", "few_requests_left"}


def test_a_union_has_no_place_in_a_schema() -> None:
    """Some hosts reject the whole list of tools for one."""

    class Either(BaseModel):
        """Hold one of two types."""

        value: int | str

    with pytest.raises(TypeError, match="a union has no place"):
        tidy(Either.model_json_schema())


async def renamed(connector_id: ConnectorId, connection_id: ConnectorId = "x") -> Nothing:  # noqa: ARG001 -- a declaration
    """Do nothing, twice.

    And more of it.
    """
    return Nothing()


def test_a_deprecated_tool_says_first_what_to_use_and_can_still_be_called() -> None:
    """A model that reads only the first line takes the other one."""
    toolset = Toolset("test")
    gone = Deprecated(since="0.2.0", until="1.0.0", use="plain")
    toolset.tool(title="Old", effect=Effect.READ, deprecated=gone)(renamed)
    (spec,) = toolset.specs

    first, _, rest = build(spec).description.partition("\n\n")
    assert first == "Deprecated, use `plain`: it goes in 1.0.0."
    assert rest == "Do nothing, twice.\n\nAnd more of it."
    assert deprecations(spec) == {
        "deprecated": {"since": "0.2.0", "until": "1.0.0", "use": "plain"}
    }


def test_a_deprecated_argument_says_so_in_its_schema_and_first_in_its_description() -> None:
    """JSON Schema has a word for it; a model reads the text."""
    toolset = Toolset("test")
    gone = {"connection_id": Deprecated(since="0.2.0", until="1.0.0", use="connector_id")}
    toolset.tool(title="T", effect=Effect.READ, deprecated_arguments=gone)(renamed)
    (spec,) = toolset.specs

    properties = build(spec).parameters["properties"]
    assert properties["connection_id"]["deprecated"] is True
    assert properties["connection_id"]["description"] == (
        "Deprecated, use `connector_id`: it goes in 1.0.0. Id from `list_connectors`."
    )
    assert "deprecated" not in properties["connector_id"]
    assert deprecations(spec) == {
        "deprecatedArguments": {
            "connection_id": {"since": "0.2.0", "until": "1.0.0", "use": "connector_id"}
        }
    }


def test_what_is_not_deprecated_says_nothing_of_it() -> None:
    """The contract names it only where there is something to say."""
    toolset = Toolset("test")
    toolset.tool(title="T", effect=Effect.READ)(renamed)

    assert deprecations(toolset.specs[0]) == {}


@pytest.mark.parametrize(("name", "use"), [("nothing", "connector_id"), ("connector_id", "else")])
def test_an_argument_cannot_be_deprecated_without_it_or_its_replacement(
    name: str, use: str
) -> None:
    """A model told to use what is not there would be refused."""
    toolset = Toolset("test")
    gone = {name: Deprecated(since="0.2.0", until="1.0.0", use=use)}

    with pytest.raises(TypeError, match=r"there is no argument (nothing|else)"):
        toolset.tool(title="T", effect=Effect.READ, deprecated_arguments=gone)(renamed)
    assert toolset.specs == []
