"""The fields of a connector type's configuration as one list, by path."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.fivetran.models import ConfigField, ConnectorTypeDetails
from mcp_server.untrusted import clean_name, is_secret_name

NAMING: Final = (("schema", "schema_prefix"), ("table", "table_group_name"))
"""What names a connector in its destination: one of the first, with some types one of the second."""
_LONGEST_NAME: Final = 100
_LARGEST: Final = 2**63
"""Numbers from here on are no options."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field that can be set, and where."""

    path: str
    """From `config` or `auth`, dotted, with `[]` for the items of a list."""
    field: ConfigField
    required: bool
    permanent: bool

    @property
    def secret(self) -> bool:
        """Whether it holds a credential: as marked, or by its name, for not all are marked."""
        if self.field.is_secret:
            return True
        name = self.path.rpartition(".")[2].removesuffix("[]")
        is_text = self.field.type in {None, "string"} and not self.field.enum
        return is_text and is_secret_name(name)


def naming(details: ConnectorTypeDetails) -> list[tuple[str, ...]]:
    """Say which fields name it in the destination; of each group one must be given."""
    known = details.config.properties
    groups = NAMING if "schema" in known else NAMING[:1]
    present = (tuple(name for name in group if name in known) for group in groups)
    return [group for group in present if group]


def join(path: str, name: str) -> str:
    """Go one step down."""
    return f"{path}.{clean_name(name)[:_LONGEST_NAME]}"


def places(details: ConnectorTypeDetails) -> list[Place]:
    """List every field that can be set: those of `config`, those of `auth`."""
    names = frozenset(name for group in naming(details) for name in group)
    return [
        *_inside("config", details.config, naming=names, required=True),
        *_inside("auth", details.auth, naming=frozenset(), required=True),
    ]


def _inside(
    path: str, parent: ConfigField, *, naming: frozenset[str], required: bool
) -> Iterator[Place]:
    for name, field in parent.properties.items():
        if field.readonly:
            continue
        place, inner = join(path, name), field
        while inner.items is not None:
            place, inner = f"{place}[]", inner.items
        needed = required and (name in parent.required or name in naming)
        permanent = field.immutable or name in naming
        yield Place(place, _described(inner, field), needed, permanent)
        yield from _inside(place, inner, naming=frozenset(), required=needed)


def _described(item: ConfigField, field: ConfigField) -> ConfigField:
    """Take what the items of a list do not say themselves from the list."""
    if item is field:
        return field
    return item.model_copy(
        update={
            "description": item.description or field.description,
            "enum": item.enum or field.enum,
            "default": field.default,
        }
    )


def spelled(value: Any) -> str | None:
    """Write a value as options may be written: numbers and truth as texts; None if it is no scalar."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if is_whole(value) and abs(value) < _LARGEST else None


def is_whole(value: Any) -> bool:
    """Whether a value is a number without a fraction; truth is no number."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )
