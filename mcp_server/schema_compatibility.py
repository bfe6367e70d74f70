"""What changed between two JSON Schemas, and whether those who rely on the old one notice.

Of arguments, which callers send, whatever the old schema takes the new one has to take. Of answers,
which callers read, whatever the new one allows the old one has to allow; but for new fields and for
new words in a list of words, which callers are told to expect.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

Schema = Mapping[str, Any]
Type = Literal["null", "boolean", "object", "array", "number", "integer", "string"]


@with_config(ConfigDict(extra="allow", strict=True))
class Keywords(TypedDict, total=False):
    """How the keywords that are understood are written; the others are taken as they are."""

    type: Type | list[Type]
    enum: list[Any]
    const: Any
    pattern: str
    properties: dict[str, "Subschema"]
    required: list[str]
    items: "Subschema"
    additionalProperties: "Subschema"
    title: str
    description: str
    default: Any
    deprecated: bool
    minimum: float
    minLength: int
    minItems: int
    minProperties: int
    maximum: float
    maxLength: int
    maxItems: int


Subschema: TypeAlias = Keywords | bool
AnySchema: TypeAlias = Schema | bool

ANY: Final = frozenset(get_args(Type))
LEAST: Final = ("minimum", "minLength", "minItems", "minProperties")
MOST: Final = ("maximum", "maxLength", "maxItems")
KNOWN: Final = frozenset(Keywords.__annotations__)
"""The keywords that are understood. A schema that has another one must not change at all."""


class Kind(IntEnum):
    """What a change means for those who rely on what was."""

    TEXT = 0
    """Only what models and people are told changed."""
    COMPATIBLE = 1
    BREAKING = 2


class Side(StrEnum):
    """Who is bound by a schema."""

    ARGUMENT = "argument"
    """The caller, who sends it."""
    FIELD = "field"
    """The server, which answers with it."""


class Finding(NamedTuple):
    """One change of a schema."""

    kind: Kind
    at: str
    """Which argument or field, as `tables.*[]`; empty for the whole."""
    what: str


Findings = Iterator[Finding]


def same(old: Any, new: Any) -> bool:
    """Whether two values are the same JSON; to Python, True == 1."""
    return _text(old) == _text(new)


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True, ensure_ascii=False)


def compare(old: AnySchema, new: AnySchema, side: Side, at: str = "") -> Findings:
    """List what changed from one schema to another; where it cannot be told, that it breaks."""
    if same(old, new):
        return
    strange = ", ".join(sorted(_strange(old) | _strange(new)))
    if strange or isinstance(old, bool) or isinstance(new, bool):
        yield Finding(Kind.BREAKING, at, f"changed; cannot tell how, because of {strange}")
        return
    yield from _texts(old, new, side, at)
    yield from _types(old, new, side, at)
    yield from _values(old, new, side, at)
    yield from _limits(old, new, side, at)
    yield from _patterns(old, new, side, at)
    yield from _members(old, new, side, at)
    yield from _other_names(old, new, side, at)
    yield from compare(old.get("items", {}), new.get("items", {}), side, f"{at}[]")


def _strange(schema: AnySchema) -> set[str]:
    if isinstance(schema, bool):
        return {_text(schema)}
    unnamed = set(schema.get("required", ())) - set(schema.get("properties", {}))
    return (schema.keys() - KNOWN) | {f"required {name}" for name in unnamed}


def _judge(side: Side, *, narrower: bool, wider: bool) -> Kind:
    broken = narrower if side is Side.ARGUMENT else wider
    return Kind.BREAKING if broken else Kind.COMPATIBLE


def _texts(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    # What a default of an argument means depends on whether it had to be given: see `_member`.
    for name in ("title", "description", *(["default"] if side is Side.FIELD else [])):
        if not same(old.get(name), new.get(name)):
            yield Finding(Kind.TEXT, at, f"{name} changed")
    before, after = old.get("deprecated", False), new.get("deprecated", False)
    if before != after:
        yield Finding(Kind.COMPATIBLE, at, "deprecated" if after else "no longer deprecated")


def _types(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    before, after = _taken(old), _taken(new)
    if before != after:
        kind = _judge(side, narrower=bool(before - after), wider=bool(after - before))
        words = (_text(each.get("type", "any")) for each in (old, new))
        yield Finding(kind, at, f"type {' -> '.join(words)}")


def _taken(schema: Schema) -> frozenset[str]:
    kinds = schema.get("type", ANY)
    names = frozenset({kinds} if isinstance(kinds, str) else kinds)
    return names | {"integer"} if "number" in names else names


def _values(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    before, after = _listed(old), _listed(new)
    if before is None or after is None:
        if after is not None:
            kind = _judge(side, narrower=True, wider=False)
            yield Finding(kind, at, f"only these values now: {', '.join(sorted(after))}")
        elif before is not None:
            kind = _judge(side, narrower=False, wider=True)
            yield Finding(kind, at, f"any value, not only {', '.join(sorted(before))}")
        return
    if before - after:
        kind = _judge(side, narrower=True, wider=False)
        yield Finding(kind, at, f"without the value {', '.join(sorted(before - after))}")
    if after - before:
        expected = "" if side is Side.ARGUMENT else ", which clients that do not know it ignore"
        words = f"new value {', '.join(sorted(after - before))}{expected}"
        yield Finding(Kind.COMPATIBLE, at, words)


def _listed(schema: Schema) -> frozenset[str] | None:
    """Name the values that are allowed, if they are listed."""
    lists = [schema["enum"]] if "enum" in schema else []
    lists += [[schema["const"]]] if "const" in schema else []
    sets = [frozenset(_text(value) for value in each) for each in lists]
    return frozenset.intersection(*sets) if sets else None


def _limits(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    for name in (*LEAST, *MOST):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None or after is None:
            narrower = before is None
        else:
            narrower = (after > before) is (name in LEAST)
        kind = _judge(side, narrower=narrower, wider=not narrower)
        yield Finding(kind, at, f"{name} {_or_none(before)} -> {_or_none(after)}")


def _or_none(limit: float | None) -> str:
    return "none" if limit is None else _text(limit)


def _patterns(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    before, after = old.get("pattern"), new.get("pattern")
    if before != after:  # which of two takes more cannot be told: as if it were both
        kind = _judge(side, narrower=after is not None, wider=before is not None)
        yield Finding(kind, at, f"pattern {before or 'none'} -> {after or 'none'}")


def _members(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    before, after = (each.get("properties", {}) for each in (old, new))
    for name in dict.fromkeys((*before, *after)):
        where = f"{at}.{name}" if at else name
        if name not in after:
            alike = [n for n in after if n not in before and same(after[n], before[name])]
            yield Finding(Kind.BREAKING, where, f"removed{renamed(alike)}")
        elif name in before:
            yield from _member(old, new, side, name, where)
        else:
            needed = side is Side.ARGUMENT and name in new.get("required", ())
            kind = Kind.BREAKING if needed else Kind.COMPATIBLE
            yield Finding(kind, where, "new and required" if needed else "new")
            rest = _rest(old, side)
            if rest is not None:  # the name was taken, or sent, before: as any other
                yield from compare(rest, after[name], side, where)


def _member(old: Schema, new: Schema, side: Side, name: str, where: str) -> Findings:
    """Tell what changed of an argument or field that is still there."""
    before, after = old["properties"][name], new["properties"][name]
    had, has = (name in each.get("required", ()) for each in (old, new))
    if had != has:
        kind = _judge(side, narrower=has, wider=had)
        yield Finding(kind, where, "required" if has else "no longer required")
    yield from compare(before, after, side, where)
    defaults = [_default(each) for each in (before, after)]
    if side is Side.ARGUMENT and not had and len(set(defaults)) > 1:
        words = f"default {' -> '.join(defaults)}: a call without it does something else"
        yield Finding(Kind.BREAKING, where, words)


def _default(schema: AnySchema) -> str:
    if isinstance(schema, bool) or "default" not in schema:
        return "none"
    return _text(schema["default"])


def renamed(alike: Iterable[str]) -> str:
    """Name what may be the new name of something that is gone."""
    names = " or ".join(f"`{name}`" for name in alike)
    return f"; renamed to {names}?" if names else ""


def _other_names(old: Schema, new: Schema, side: Side, at: str) -> Findings:
    """Compare what stands under any other name; an answer promises something of it only as a map."""
    where = f"{at}.*" if at else "*"
    before, after = (_rest(each, side) for each in (old, new))
    if before is not None and after is not None:
        yield from compare(before, after, side, where)
    elif before is not None:
        yield Finding(Kind.BREAKING, where, "no other name any more")
    elif after is not None:
        yield Finding(Kind.COMPATIBLE, where, "any other name")


def _rest(schema: Schema, side: Side) -> Schema | None:
    rest = schema.get("additionalProperties", True)
    if isinstance(rest, Mapping):
        return rest
    return {} if rest and side is Side.ARGUMENT else None
