"""The SDK's tool of a declaration: what it takes and what it answers with, as schemas every host takes."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from pydantic import BaseModel, ConfigDict, create_model
from typing_extensions import override

from mcp_server.toolkit import Result, Spec

FEW_LEFT: Final = "few_requests_left"
"""What any answer can also have: which of the account's limits is nearly used up."""
_FEW_LEFT: Final = {"type": "string"}
_STRUCTURED: Final = frozenset({"object", "array"})


class StrictMetadata(FuncMetadata):
    """Argument handling that leaves strings alone.

    The SDK's own parses any JSON-like text given for an optional string. Objects and lists that
    arrive as JSON text are still read: some hosts send them so.
    """

    structured: frozenset[str]

    @override
    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in data.items() if name in self.structured}
        return {**data, **super().pre_parse_json(given)}


def _strict(model: type[ArgModelBase]) -> type[ArgModelBase]:
    """Close the arguments of a tool: nothing unknown, nothing converted, no value in an error."""
    config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)
    return type(model.__name__, (model,), {"__module__": model.__module__, "model_config": config})


def tidy(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Make a schema that every host takes: no titles, no references, no nullable unions."""
    return _tidy(schema, schema.get("$defs", {}))


def _tidy(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in schema.items():
        match key, value:
            # Hosts that know little of JSON Schema reject `propertyNames`; it is checked all the same.
            case ("title" | "$defs" | "propertyNames", _) | ("default", None):
                pass
            case ("additionalProperties", True):  # as without it
                pass
            case "$ref", str():
                flat = {**_tidy(definitions[value.rpartition("/")[2]], definitions), **flat}
            case "anyOf", list():
                flat = {**_tidy(_only(value), definitions), **flat}
            case "properties", dict():
                flat[key] = {name: _tidy(prop, definitions) for name, prop in value.items()}
            case (("items" | "additionalProperties"), dict()):
                flat[key] = _tidy(value, definitions)
            case _:
                flat[key] = value
    return flat


def outline(result: type[Result]) -> dict[str, Any]:
    """Publish of an answer's schema which fields there are, and of which type.

    Every host loads it for every tool, and hardly any shows it to a model: the answer is what the
    model reads. The whole schemas stand in `manifests/tools.json`; making them takes longer than
    all else a server does to start. It is open, as answers may get more fields in a later version.
    """
    return {
        "type": "object",
        "properties": {
            **{name: _shape(each.annotation) for name, each in result.model_fields.items()},
            FEW_LEFT: _FEW_LEFT,
        },
    }


def _shape(annotation: Any) -> dict[str, Any]:
    """Name the JSON type of what is declared; None is never sent."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _shape(inner[0])
    if kind in {Union, UnionType}:
        (only,) = (each for each in inner if each is not NoneType)
        return _shape(only)
    if kind is Literal:
        return {"type": _JSON_TYPES[type(inner[0])]}
    if kind is list:
        items = _shape(inner[0])
        return (
            {"type": "array"} if items == {"type": "object"} else {"type": "array", "items": items}
        )
    if kind is dict or issubclass(annotation, BaseModel):
        return {"type": "object"}
    return {"type": _JSON_TYPES[annotation]}


_JSON_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    datetime: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def _only(variants: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Take the one variant of a union that is not null."""
    real = [variant for variant in variants if variant.get("type") != "null"]
    if len(real) != 1:
        raise TypeError("a union has no place in a schema: some hosts reject every tool for one")
    return real[0]


@cache
def whole_schema(spec: Spec) -> dict[str, Any]:
    """Describe all of an answer."""
    schema = tidy(spec.result.model_json_schema(mode="serialization"))
    about = "Only when less than a quarter of one of the account's limits is left: which."
    schema["properties"][FEW_LEFT] = {**_FEW_LEFT, "description": about}
    return schema


@cache
def answer_fields(spec: Spec) -> frozenset[str]:
    """Name the fields that an answer can have, at any depth: words of ours, not of anyone outside."""
    return frozenset(_fields(whole_schema(spec)))


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from _fields(inner)
    if "items" in schema:
        yield from _fields(schema["items"])


@cache
def build(spec: Spec) -> Tool:
    """Make the SDK's tool of a declaration, with schemas of what is really taken and sent."""
    tool = Tool.from_function(
        spec.fn,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        annotations=spec.annotations,
        structured_output=False,
    )
    tool.parameters = {**tidy(tool.parameters), "additionalProperties": False}
    properties = tool.parameters.get("properties", {})
    for name, announced in spec.deprecated_arguments.items():
        description = f"{announced.notice} {properties[name]['description']}"
        properties[name] |= {"deprecated": True, "description": description}
    tool.fn_metadata = StrictMetadata(
        arg_model=_strict(tool.fn_metadata.arg_model),
        output_schema=outline(spec.result),
        structured=frozenset(n for n, p in properties.items() if p.get("type") in _STRUCTURED),
    )
    return tool


def deprecations(spec: Spec) -> dict[str, Any]:
    """Say for `manifests/tools.json` what of a tool will go, since when, and what to use instead."""
    going = {name: asdict(each) for name, each in spec.deprecated_arguments.items()}
    return {
        **({"deprecated": asdict(spec.deprecated)} if spec.deprecated else {}),
        **({"deprecatedArguments": going} if going else {}),
    }


def add_argument(tool: Tool, name: str, annotation: Any) -> None:
    """Let a tool take one more text, which may be left out."""
    arguments = tool.fn_metadata.arg_model
    fields: dict[str, Any] = {name: (annotation, "")}
    model = create_model(arguments.__name__, __base__=arguments, **fields)
    described = tidy(model.model_json_schema())["properties"][name]
    properties = {**tool.parameters["properties"], name: described}
    tool.parameters = {**tool.parameters, "properties": properties}
    tool.fn_metadata = tool.fn_metadata.model_copy(update={"arg_model": model})


F = TypeVar("F", bound=Callable[..., Any])


def with_parameters(fn: F, parameters: Mapping[str, Any]) -> F:
    """Make a function declare these parameters, with their annotations, for the SDK reads them."""
    kind = inspect.Parameter.KEYWORD_ONLY
    signature = [inspect.Parameter(n, kind, annotation=a) for n, a in parameters.items()]
    fn.__annotations__ = dict(parameters)
    fn.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined] # inspect reads it
    return fn


def accepted(tool: Tool) -> Sequence[str]:
    """Name the arguments a tool takes."""
    return tuple(tool.parameters.get("properties", {}))
