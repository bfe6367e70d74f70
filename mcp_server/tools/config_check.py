"""Checks a configuration against what Fivetran says of it, before anything is sent.

All problems are found at once, each by its path, and none holds a value: values are credentials.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mcp_server.fivetran.models import ConfigField, ConnectorTypeDetails
from mcp_server.tools.config_fields import NAMING, is_whole, join, naming, places, spelled
from mcp_server.tools.targets import listed
from mcp_server.untrusted import clean, is_reference, is_secret_name

MOST_TOLD: Final = 15
"""Problems that are written out; the others are counted."""
MOST_COMPARED: Final = 30
"""Problems up to which the nearest name is sought for each: it takes time."""

Kind = Literal["unknown", "type", "option", "missing", "read_only", "permanent"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one place."""

    path: str
    problem: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found."""

    problems: tuple[Problem, ...]
    literal_secrets: tuple[str, ...]
    """Paths of credentials that are written out instead of named."""

    def told(self) -> str:
        """Say what is wrong, and count what is too much to say."""
        texts = [f"{each.path}: {each.problem}" for each in self.problems[:MOST_TOLD]]
        left = len(self.problems) - len(texts)
        return "; ".join([*texts, f"and {left} more"] if left else texts)


def check(
    details: ConnectorTypeDetails,
    *,
    config: Mapping[str, Any] | None,
    auth: Mapping[str, Any] | None,
    creating: bool,
    whole: bool = True,
) -> Check:
    """Find what is wrong with these; null passes, for it clears a field.

    `whole` is false where something else supplies the rest, such as a Connect Card: then a new
    connector needs only its name in the destination.
    """
    checker = _Checker(details, creating=creating, whole=whole)
    if creating or config is not None:
        checker.check_config(config or {})
    if auth is not None:
        checker.check_object("auth", auth, details.auth)
    given = (("config", config, details.config), ("auth", auth, details.auth))
    literals = (path for root, value, known in given for path in _literals(root, value, known))
    return Check(tuple(checker.problems), tuple(literals))


@dataclass(slots=True)
class _Checker:
    details: ConnectorTypeDetails
    creating: bool
    whole: bool
    problems: list[Problem] = field(default_factory=list)

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Check the names in the destination, which obey rules of their own, and the rest."""
        groups = naming(self.details)
        names = frozenset(name for group in groups or NAMING for name in group)
        if self.creating:
            for group in groups:
                if all(_is_empty(config.get(name)) for name in group):
                    self._add("config", " or ".join(group), "missing", _NAME_MISSING)
        else:
            for name in config:
                if name in names:
                    self._add("config", name, "permanent", _PERMANENT)
        # Names that the metadata does not tell are left to Fivetran.
        apart = frozenset[str]() if self.creating and groups else names
        rest = {name: value for name, value in config.items() if name not in apart}
        self.check_object(
            "config", rest, self.details.config, named=names if groups else frozenset()
        )

    def check_object(
        self,
        path: str,
        given: Mapping[str, Any],
        known: ConfigField,
        *,
        named: frozenset[str] = frozenset(),
        in_list: bool = False,
    ) -> None:
        """Check every field; an object that nobody described passes."""
        if known.properties:
            for name, value in given.items():
                self._check_field(path, name, value, known, in_list=in_list)
        if self.creating and self.whole:
            for name in known.required:
                if name not in named and _is_empty(given.get(name)):
                    self._add(path, name, "missing", "is required")

    def _check_field(
        self, path: str, name: str, value: Any, parent: ConfigField, *, in_list: bool
    ) -> None:
        known = parent.properties.get(name)
        if known is None:
            self._add(path, name, "unknown", self._unknown(name, parent))
        elif known.readonly:
            self._add(path, name, "read_only", "is set by Fivetran: leave it out")
        # A list is replaced as a whole, so its items come with their permanent fields.
        elif known.immutable and not (self.creating or in_list):
            self._add(path, name, "permanent", _PERMANENT)
        else:
            self._check_value(join(path, name), value, known, in_list=in_list)

    def _check_value(self, path: str, value: Any, known: ConfigField, *, in_list: bool) -> None:
        problem = None if value is None else _problem(value, known)
        if problem:
            self.problems.append(Problem(path, problem, "option" if known.enum else "type"))
        elif isinstance(value, Mapping) and not is_reference(value):
            self.check_object(path, value, known, in_list=in_list)
        elif isinstance(value, list) and known.items is not None:
            for index, item in enumerate(value):
                self._check_value(f"{path}[{index}]", item, known.items, in_list=True)

    def _unknown(self, name: str, parent: ConfigField) -> str:
        if len(self.problems) >= MOST_COMPARED:
            return "is unknown"
        elsewhere = [p.path for p in places(self.details) if p.path.endswith(f".{name}")]
        if elsewhere:
            return f"is unknown here; it belongs to {listed(elsewhere)}"
        near = difflib.get_close_matches(name[:100], parent.properties, n=1)
        if near:
            return f"is unknown; did you mean {clean(near[0], 100)}?"
        return "is unknown; describe_connector_type lists the fields"

    def _add(self, path: str, name: str, kind: Kind, problem: str) -> None:
        self.problems.append(Problem(join(path, name), problem, kind))


_PERMANENT: Final = "cannot be changed after creation"
_NAME_MISSING: Final = "is required: the name in the destination, which is permanent"


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


_TYPES: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "string": ("a string", lambda value: isinstance(value, str)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("a whole number", is_whole),
    "number": ("a number", lambda value: isinstance(value, float) or is_whole(value)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "object": ("an object", lambda value: isinstance(value, Mapping)),
}
"""What is said and what is accepted; of types that are not here anything is."""


def _type_of(known: ConfigField) -> str | None:
    """Say what a field holds; what it consists of tells it more surely than its type."""
    if known.properties:
        return "object"
    return "array" if known.items is not None else known.type


def _problem(value: Any, known: ConfigField) -> str | None:
    """Say what is wrong with one value, apart from what is inside it."""
    if known.enum:
        return _not_an_option(value, known)
    words, accepts = _TYPES.get(_type_of(known) or "", ("", lambda _: True))
    if is_reference(value):
        # It stands for a string, which is looked up later.
        takes_it = not words or accepts("")
        return None if takes_it else f"should be {words}; a reference stands for a string"
    return None if accepts(value) else f"should be {words}"


def _not_an_option(value: Any, known: ConfigField) -> str | None:
    """Say which options there are. The type beside them cannot be trusted, so it is not asked."""
    options = [text for option in known.enum if (text := spelled(option)) is not None]
    several = isinstance(value, list) and _type_of(known) == "array"
    for each in value if several else [value]:
        if spelled(each) not in options and not is_reference(each):
            return f"is not one of the options: {listed(_by_likeness(spelled(each), options))}"
    return None


def _by_likeness(value: str | None, options: Sequence[str]) -> Sequence[str]:
    """Put the nearest options first, for not all may be named."""
    folded = {option.casefold(): option for option in options}
    wanted = (value or "")[:100].casefold()
    near = [folded[key] for key in difflib.get_close_matches(wanted, folded)]
    return [*near, *(option for option in options if option not in near)]


def _literals(root: str, value: Any, known: ConfigField) -> Iterator[str]:
    """Find credentials that are written out, also where nobody described the fields."""
    waiting: list[tuple[str, Any, ConfigField | None, bool]] = [(root, value, known, False)]
    while waiting:
        path, value, described, secret = waiting.pop()
        if isinstance(value, Mapping) and not is_reference(value):
            # `{"key": ..., "value": ...}` is how Functions and the Connector SDK list secrets.
            pair = {"key", "value"} <= value.keys()
            for name, inner in reversed(list(value.items())):
                inside = described.properties.get(name) if described else None
                hidden = _is_hidden(name, inside, pair=pair, secret=secret)
                waiting.append((join(path, name), inner, inside, hidden))
        elif isinstance(value, list):
            items = described.items if described else None
            hidden = secret or (items is not None and items.is_secret)
            for index, item in reversed(list(enumerate(value))):
                waiting.append((f"{path}[{index}]", item, items, hidden))
        elif secret and isinstance(value, str) and value:
            yield path


def _is_hidden(name: str, known: ConfigField | None, *, pair: bool, secret: bool) -> bool:
    """Whether a field holds a credential: as marked, by its name, or as a part of one."""
    if known is not None and known.is_secret:
        return True
    if pair and name == "key":
        return False
    if pair and name == "value":
        return secret or known is None
    return secret or (not (known and known.enum) and is_secret_name(name))
