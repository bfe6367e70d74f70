"""What a connector syncs, in the one form in which two selections are compared.

It is taken from a configuration that is read now, or from a snapshot that a caller kept, by names
as they are shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Final, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from mcp_server.fivetran.models import Column, Schema, SchemaConfig
from mcp_server.toolkit import ConnectorId, Input, Maybe, Whole
from mcp_server.tools.targets import find_name
from mcp_server.untrusted import clean_name

LONGEST_WORD: Final = 40
DEFAULT_MODE: Final = "DEFAULT"
"""Of a table whose connector tells no mode."""
SAME_MODE: Final = frozenset({DEFAULT_MODE, "SOFT_DELETE"})
"""Soft delete is what Fivetran does unless told otherwise."""

ColumnSetting = Literal["excluded", "hashed"]


class SchemaSnapshot(Input):
    """What syncs of a schema."""

    disabled: Maybe[Literal[True]] = None
    syncs: Maybe[dict[str, list[str]]] = Field(default=None, description="Tables by sync mode.")
    off: Maybe[list[str]] = Field(default=None, description="Tables that do not sync.")
    off_count: Maybe[Annotated[int, Field(ge=0), Whole]] = Field(
        default=None, description="Further ones, not named."
    )
    columns: Maybe[dict[str, dict[str, ColumnSetting]]] = Field(
        default=None, description="Excluded and hashed ones, by table."
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        names = [name for tables in (self.syncs or {}).values() for name in tables]
        if self.disabled and names:
            raise PydanticCustomError("disabled", "is disabled, so no table of it syncs")
        names += self.off or []
        if len(set(names)) < len(names):
            raise PydanticCustomError("twice", "names a table twice")
        return self


class Snapshot(Input):
    """What a connector syncs, to be kept by the caller; what is usual is left out."""

    connector_id: ConnectorId
    only: Maybe[str] = Field(default=None, description="The one schema it is about.")
    schema_change_handling: Maybe[str] = None
    schemas: dict[str, SchemaSnapshot]


# Written out, its schema would cost every host more than it tells a model, which passes it on as is.
SnapshotArgument = Annotated[
    Snapshot,
    WithJsonSchema(
        {"type": "object", "description": "`snapshot` of an earlier answer, exactly as it came."}
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What is compared of a schema."""

    disabled: bool
    syncs: Mapping[str, str]
    """Tables that sync, with their modes."""
    off: frozenset[str] = frozenset()
    off_count: int = 0
    """Tables that do not sync and have no name here."""
    columns: Mapping[str, Mapping[str, ColumnSetting]] = field(default_factory=dict)

    @classmethod
    def of_schema(cls, schema: Schema) -> "Selected":
        """Take it from a configuration; what does not sync has no settings that count."""
        tables = dict(zip(shown_names(schema.tables), schema.tables.values(), strict=True))
        syncing = {
            name: table for name, table in tables.items() if schema.enabled and table.enabled
        }
        return cls(
            disabled=not schema.enabled,
            syncs={name: _mode(table.sync_mode) for name, table in syncing.items()},
            off=frozenset(tables.keys() - syncing.keys()),
            columns={
                name: settings
                for name, table in syncing.items()
                if table.columns and (settings := _settings(table.columns))
            },
        )

    @classmethod
    def of_snapshot(cls, kept: SchemaSnapshot) -> "Selected":
        """Take it from a snapshot, which comes from outside as much as a configuration does."""
        return cls(
            disabled=bool(kept.disabled),
            syncs={
                name: _mode(mode)
                for mode, tables in (kept.syncs or {}).items()
                for name in shown_names(tables)
            },
            off=frozenset(shown_names(kept.off or ())),
            off_count=kept.off_count or 0,
            columns={
                clean_name(table): {clean_name(name): how for name, how in columns.items()}
                for table, columns in (kept.columns or {}).items()
            },
        )

    def kept(self, *, named: bool) -> SchemaSnapshot:
        """Write it down; tables that do not sync by name, or only counted."""
        by_mode: dict[str, list[str]] = {}
        for name, mode in self.syncs.items():
            by_mode.setdefault(mode, []).append(name)
        written = {
            "disabled": self.disabled,
            "syncs": by_mode,
            "off": sorted(self.off) if named else None,
            "off_count": None if named else len(self.off),
            "columns": self.columns,
        }
        return SchemaSnapshot.model_validate(_without_empty(written))

    @property
    def tables(self) -> int:
        """How many tables there are."""
        return len(self.syncs) + len(self.off) + self.off_count

    @property
    def summary(self) -> str:
        """What there is, in a few words."""
        count = f"{len(self.syncs)} of {self.tables} tables sync"
        return f"disabled, {count}" if self.disabled else count

    def state(self, table: str) -> str:
        """Say what is known of a table."""
        if table in self.syncs:
            return "syncs"
        if table in self.off:
            return "off"
        return "off or absent" if self.off_count else "absent"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared."""

    schemas: Mapping[str, Selected]
    handling: str | None = None
    only: str | None = None
    """The one schema it is about."""

    @classmethod
    def of_config(cls, config: SchemaConfig) -> "Side":
        """Take it from a configuration."""
        names = shown_names(config.schemas)
        states = map(Selected.of_schema, config.schemas.values())
        return cls(dict(zip(names, states, strict=True)), _word(config.schema_change_handling))

    @classmethod
    def of_snapshot(cls, kept: Snapshot) -> "Side":
        """Take it from a snapshot."""
        states = map(Selected.of_snapshot, kept.schemas.values())
        return cls(
            dict(zip(shown_names(kept.schemas), states, strict=True)),
            _word(kept.schema_change_handling),
            None if kept.only is None else clean_name(kept.only),
        )

    def narrowed(self, schema: str | None) -> "Side":
        """Keep one schema; what holds for the whole connector is no part of it.

        Raises:
            ToolFailure: There is none of this name.
        """
        if schema is None:
            return self
        name = find_name(clean_name(schema), self.schemas, "schema")
        return Side({name: self.schemas[name]}, None, name)

    def kept(self, connector_id: str, *, named: bool) -> Snapshot:
        """Write it down."""
        said = {"only": self.only, "schema_change_handling": self.handling}
        schemas = {name: schema.kept(named=named) for name, schema in self.schemas.items()}
        return Snapshot.model_validate(
            {"connector_id": connector_id, **_without_empty(said), "schemas": schemas}
        )


def _without_empty(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


def shown_names(names: Iterable[str]) -> list[str]:
    """Write names without what does not show; those that then look alike are numbered."""
    shown: dict[str, None] = {}
    turns: dict[str, int] = {}
    for name in names:
        one = first = clean_name(name) or "(blank)"
        turn = turns.get(first, 1)
        while one in shown:
            turn += 1
            one = f"{first} ({turn})"
        turns[first] = turn
        shown[one] = None
    return list(shown)


@lru_cache(maxsize=64)
def _word(text: str | None) -> str | None:
    """Write a word of an enumeration that may grow."""
    return clean_name((text or "").upper())[:LONGEST_WORD] or None


def _mode(text: str | None) -> str:
    return _word(text) or DEFAULT_MODE


def _settings(columns: Mapping[str, Column]) -> dict[str, ColumnSetting]:
    """Take what is not as usual; a column can be listed that is at its defaults again."""
    settings: dict[str, ColumnSetting] = {}
    for name, column in zip(shown_names(columns), columns.values(), strict=True):
        if column.enabled is False:
            settings[name] = "excluded"
        elif column.hashed:
            settings[name] = "hashed"
    return settings
