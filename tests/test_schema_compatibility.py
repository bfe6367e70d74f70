"""What of a schema may change, and what breaks those who rely on it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcp_server.schema_compatibility import KNOWN, Kind, Side, compare
from tests.test_catalogue import KEYWORDS

Schema = dict[str, Any]
OBJECT: Schema = {"type": "object", "additionalProperties": False}


def obj(required: tuple[str, ...] = (), rest: Any = False, **properties: Schema | bool) -> Schema:
    """Make the schema of an object."""
    needed = {"required": [*required]} if required else {}
    return {**OBJECT, "properties": properties, **needed, "additionalProperties": rest}


def told(old: Schema, new: Schema, side: Side) -> list[tuple[str, str, str]]:
    """List what is told of a change."""
    return [(kind.name.lower(), at, what) for kind, at, what in compare(old, new, side)]


TEXT: Schema = {"type": "string"}
ABC: Schema = {"enum": ["a", "b"]}
ABCD: Schema = {"enum": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("old", "new", "what", "argument", "field"),
    [
        (TEXT, {"type": "integer"}, 'type "string" -> "integer"', 2, 2),
        ({"type": "integer"}, {"type": "number"}, 'type "integer" -> "number"', 1, 2),
        (TEXT, {}, 'type "string" -> "any"', 1, 2),
        (TEXT, {"type": ["string", "null"]}, 'type "string" -> ["string", "null"]', 1, 2),
        (ABC, ABCD, 'new value "c"', 1, 1),
        (ABCD, ABC, 'without the value "c"', 2, 1),
        ({"const": 1}, {"enum": [1, True]}, "new value true", 1, 1),
        ({"const": 1, "enum": [1, 2]}, {"enum": [1, 2]}, "new value 2", 1, 1),
        ({}, ABC, 'only these values now: "a", "b"', 2, 1),
        (ABC, {}, 'any value, not only "a", "b"', 1, 2),
        ({"minimum": 1}, {"minimum": 2}, "minimum 1 -> 2", 2, 1),
        ({"minLength": 2}, {"minLength": 1}, "minLength 2 -> 1", 1, 2),
        ({}, {"minItems": 1}, "minItems none -> 1", 2, 1),
        ({"minProperties": 1}, {}, "minProperties 1 -> none", 1, 2),
        ({"maximum": 9}, {"maximum": 8}, "maximum 9 -> 8", 2, 1),
        ({"maxLength": 8}, {"maxLength": 9}, "maxLength 8 -> 9", 1, 2),
        ({}, {"maxItems": 1}, "maxItems none -> 1", 2, 1),
        ({"maximum": 8}, {}, "maximum 8 -> none", 1, 2),
        ({}, {"pattern": "^a$"}, "pattern none -> ^a$", 2, 1),
        ({"pattern": "^a$"}, {}, "pattern ^a$ -> none", 1, 2),
        ({"pattern": "^a$"}, {"pattern": "^b$"}, "pattern ^a$ -> ^b$", 2, 2),
        ({"description": "a"}, {"description": "b"}, "description changed", 0, 0),
        ({"title": "a"}, {}, "title changed", 0, 0),
        ({}, {"deprecated": True}, "deprecated", 1, 1),
        ({"deprecated": True}, {}, "no longer deprecated", 1, 1),
        ({"not": ABC}, {"not": ABCD}, "changed; cannot tell how, because of not", 2, 2),
        (
            {"not": ABC},
            {"not": ABC, "minimum": 1},
            "changed; cannot tell how, because of not",
            2,
            2,
        ),
        ({}, {"required": ["x"]}, "changed; cannot tell how, because of required x", 2, 2),
        (True, {}, "changed; cannot tell how, because of true", 2, 2),
        ({}, False, "changed; cannot tell how, because of false", 2, 2),
    ],
)
def test_each_change_of_a_value_is_judged_for_those_who_send_it_and_those_who_read_it(
    old: Schema | bool, new: Schema | bool, what: str, argument: int, field: int
) -> None:
    """What callers send may not get less, what they read not more, but for words of a list."""
    expected = {Side.ARGUMENT: Kind(argument), Side.FIELD: Kind(field)}
    for side, kind in expected.items():
        (found,) = compare(old, new, side, "x")
        assert (found.kind, found.at) == (kind, "x")
        assert found.what.startswith(what)


@pytest.mark.parametrize(
    ("old", "new", "argument", "field"),
    [
        (obj(), obj(x=TEXT), ("compatible", "x", "new"), ("compatible", "x", "new")),
        (
            obj(),
            obj(("x",), x=TEXT),
            ("breaking", "x", "new and required"),
            ("compatible", "x", "new"),
        ),
        (obj(x=TEXT), obj(), ("breaking", "x", "removed"), ("breaking", "x", "removed")),
        (
            obj(x=TEXT),
            obj(y=TEXT),
            ("breaking", "x", "removed; renamed to `y`?"),
            ("breaking", "x", "removed; renamed to `y`?"),
        ),
        (
            obj(x=TEXT),
            obj(("x",), x=TEXT),
            ("breaking", "x", "required"),
            ("compatible", "x", "required"),
        ),
        (
            obj(("x",), x=TEXT),
            obj(x=TEXT),
            ("compatible", "x", "no longer required"),
            ("breaking", "x", "no longer required"),
        ),
        (
            obj(x=obj(y={"items": obj(z=TEXT)})),
            obj(x=obj(y={"items": obj(z={"type": "integer"})})),
            ("breaking", "x.y[].z", 'type "string" -> "integer"'),
            ("breaking", "x.y[].z", 'type "string" -> "integer"'),
        ),
        (
            obj(x=obj(rest=ABC)),
            obj(x=obj(rest=ABCD)),
            ("compatible", "x.*", 'new value "c"'),
            ("compatible", "x.*", 'new value "c", which clients that do not know it ignore'),
        ),
        (
            obj(rest=TEXT),
            obj(),
            ("breaking", "*", "no other name any more"),
            ("breaking", "*", "no other name any more"),
        ),
        (
            obj(),
            obj(rest=TEXT),
            ("compatible", "*", "any other name"),
            ("compatible", "*", "any other name"),
        ),
        (obj(), obj(rest=True), ("compatible", "*", "any other name"), None),
        (obj(rest=True), obj(), ("breaking", "*", "no other name any more"), None),
    ],
)
def test_each_change_of_an_object_is_judged_for_those_who_send_it_and_those_who_read_it(
    old: Schema,
    new: Schema,
    argument: tuple[str, str, str],
    field: tuple[str, str, str] | None,
) -> None:
    """New fields may come, as the published schemas are open; nothing may go."""
    assert argument in told(old, new, Side.ARGUMENT)
    assert field in told(old, new, Side.FIELD) if field else not told(old, new, Side.FIELD)


def test_a_new_name_is_held_against_what_was_taken_under_any_name() -> None:
    """An open object took it before, as whatever was given."""
    old, new = obj(rest={"type": "integer"}), obj(rest={"type": "integer"}, x=TEXT)

    for side in Side:
        assert told(old, new, side) == [
            ("compatible", "x", "new"),
            ("breaking", "x", 'type "integer" -> "string"'),
        ]
    assert told(obj(rest=True), obj(rest=True, x=TEXT), Side.ARGUMENT)[1][0] == "breaking"


def test_another_default_is_another_call_for_whoever_leaves_the_argument_out() -> None:
    """Nobody could leave out what was required; in an answer the value is there to be read."""
    old, new = obj(x={"default": 1}), obj(x={"default": 2})
    words = "default 1 -> 2: a call without it does something else"

    assert told(old, new, Side.ARGUMENT) == [("breaking", "x", words)]
    assert told(old, new, Side.FIELD) == [("text", "x", "default changed")]
    assert told({**old, "required": ["x"]}, new, Side.ARGUMENT) == [
        ("compatible", "x", "no longer required")
    ]
    added = told(obj(x={}), obj(x={"default": 1}), Side.ARGUMENT)
    assert added == [("breaking", "x", words.replace("1 -> 2", "none -> 1"))]


@pytest.mark.parametrize(("old", "new"), [(obj(x=True), obj(x=TEXT)), (obj(x=TEXT), obj(x=False))])
def test_a_bare_yes_or_no_in_place_of_a_schema_is_told_apart_from_none(
    old: Schema, new: Schema
) -> None:
    """JSON Schema has them; the contract has none, so a change is one that nobody can judge."""
    for side in Side:
        (found,) = told(old, new, side)
        assert found[:2] == ("breaking", "x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"enum": [1]}, {"enum": [1.0]}),
        (ABC, {"enum": ["b", "a"]}),
        (obj(("x", "y"), x={}, y={}), obj(("y", "x"), y={}, x={})),
    ],
)
def test_what_is_only_written_otherwise_is_no_change(old: Schema, new: Schema) -> None:
    """The order of words means nothing."""
    for side in Side:
        assert told(old, new, side) == []


def test_a_number_is_no_truth_value() -> None:
    """To Python they are equal."""
    assert told({"enum": [1]}, {"enum": [True]}, Side.ARGUMENT) == [
        ("breaking", "", "without the value 1"),
        ("compatible", "", "new value true"),
    ]


def test_every_keyword_that_a_tool_may_use_is_understood() -> None:
    """Else a change of it could never be judged."""
    assert KEYWORDS <= KNOWN


# --- against a validator: whatever is called compatible must be so ---

LIMITS = st.integers(0, 2)
VALUES: list[Any] = [None, True, 0, 1, 2, 1.5, "", "a", "b", "ab", [], {}]
INSTANCES: list[Any] = [
    *VALUES,
    *([each] for each in VALUES),
    *({name: each} for name in "xyz" for each in VALUES),
    *([0, "a"], ["a", "b", "ab"], [[]], [["a"]], [{"x": 1}]),
    *({"x": first, "y": second} for first in (0, "a", True) for second in (1, "b", None)),
    *({"x": {"x": each}} for each in (1, "a", None)),
    {"x": 1, "y": "a", "z": None},
]


def keywords(schemas: st.SearchStrategy[Any]) -> Mapping[str, st.SearchStrategy[Any]]:
    """Say what can stand under each keyword."""
    kinds = st.sampled_from(["null", "boolean", "object", "array", "number", "integer", "string"])
    return {
        "type": st.one_of(kinds, st.lists(kinds, min_size=1, max_size=3, unique=True)),
        "enum": st.lists(st.sampled_from(VALUES), min_size=1, max_size=4),
        "const": st.sampled_from(VALUES),
        "pattern": st.sampled_from(["^a", "b$", "."]),
        "properties": st.dictionaries(st.sampled_from("xyz"), schemas, max_size=2),
        "required": st.lists(st.sampled_from("xyz"), max_size=2, unique=True),
        "items": schemas,
        "additionalProperties": st.one_of(st.booleans(), schemas),
        "default": st.sampled_from(VALUES),
        "description": st.sampled_from("pq"),
        "not": schemas,
        **dict.fromkeys(
            [*("minimum", "maximum", "minLength", "maxLength"), *("minItems", "maxItems")], LIMITS
        ),
        "minProperties": LIMITS,
    }


@st.composite
def pairs(draw: st.DrawFn, depth: int = 2) -> tuple[Schema, Schema]:
    """Draw two schemas that differ in a keyword or two, at some depth."""
    inner = st.just({}) if not depth else pairs(depth - 1).map(lambda pair: pair[0]) | st.booleans()
    chosen = draw(NAMES)
    drawn = keywords(inner)
    old = {name: draw(drawn[name]) for name in chosen}
    new = dict(old)
    for name in draw(CHANGED)[:2]:
        deeper = old.get(name) if depth and draw(st.booleans()) else None
        if name == "properties" and deeper:
            before, after = draw(pairs(depth - 1))
            first = next(iter(deeper))
            old[name], new[name] = {**deeper, first: before}, {**deeper, first: after}
        elif name in {"items", "additionalProperties"} and deeper:
            old[name], new[name] = draw(pairs(depth - 1))
        elif name in new and draw(st.booleans()):
            del new[name]
        else:
            new[name] = draw(drawn[name])
    return with_known_names(old), with_known_names(new)


def with_known_names(schema: Schema) -> Schema:
    """Require only what the schema describes, for else nothing can be told of it."""
    needed = [n for n in schema.get("required", []) if n in schema.get("properties", {})]
    return {**schema, "required": needed} if needed else without(schema, "required")


def without(schema: Schema, keyword: str) -> Schema:
    """Leave a keyword out."""
    return {name: value for name, value in schema.items() if name != keyword}


ALL = st.sampled_from([*keywords(st.nothing())])
OF_OBJECTS = st.permutations(["properties", "required", "additionalProperties"])
NAMES = st.lists(ALL, max_size=4, unique=True) | OF_OBJECTS
CHANGED = st.lists(ALL, min_size=1, max_size=2, unique=True) | OF_OBJECTS


def opened(schema: Any) -> Any:
    """Make of a schema what is published of an answer: new fields may come."""
    if not isinstance(schema, dict):
        return schema
    inner = {
        key: opened(schema[key])
        for key in ("items", "additionalProperties")
        if key in schema and (key, schema[key]) != ("additionalProperties", False)
    }
    fields = {name: opened(each) for name, each in schema.get("properties", {}).items()}
    return {
        **without(schema, "additionalProperties"),
        **({"properties": fields} if fields else {}),
        **inner,
    }


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_whatever_was_taken_is_taken_after_a_compatible_change(pair: tuple[Schema, Schema]) -> None:
    """Of arguments, on a hundred values."""
    old, new = pair
    if any(found.kind is Kind.BREAKING for found in compare(old, new, Side.ARGUMENT)):
        return
    takes, took = Draft202012Validator(new), Draft202012Validator(old)
    assert not [each for each in INSTANCES if took.is_valid(each) and not takes.is_valid(each)]


@settings(max_examples=300, deadline=None)
@given(pairs())
def test_whatever_is_sent_after_a_compatible_change_could_be_sent_before(
    pair: tuple[Schema, Schema],
) -> None:
    """Of answers, on a hundred values; new words of a list are told, and left out here."""
    old, new = pair
    found = [*compare(old, new, Side.FIELD)]
    if any(each.kind is Kind.BREAKING or each.what.startswith("new value") for each in found):
        return
    sends, sent = Draft202012Validator(new), Draft202012Validator(opened(old))
    assert not [each for each in INSTANCES if sends.is_valid(each) and not sent.is_valid(each)]
