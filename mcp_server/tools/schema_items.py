"""What a change of the selection consists of: as it is asked for, and setting by setting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from mcp_server.fivetran.models import Column, Schema, Table
from mcp_server.toolkit import Input, Maybe
from mcp_server.untrusted import clean_name

LEVELS: Final = ("schemas", "tables", "columns")


class ColumnChange(Input):
    """What to change of a column."""

    enabled: Maybe[bool] = None
    hashed: Maybe[bool] = None
    is_primary_key: Maybe[bool] = None


class TableChange(Input):
    """What to change of a table."""

    enabled: Maybe[bool] = None
    sync_mode: Maybe[Literal["SOFT_DELETE", "HISTORY", "LIVE"]] = None
    columns: dict[str, ColumnChange] = Field(default_factory=dict)


class SchemaChange(Input):
    """What to change of a schema."""

    enabled: Maybe[bool] = None
    tables: dict[str, TableChange] = Field(default_factory=dict)


SchemaChanges = Annotated[
    dict[str, SchemaChange],
    Field(description="By exact names of the source; what is not named stays."),
]
Handling = Annotated[
    Literal["ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL"],
    Field(
        description="What happens to new objects of the source: sync all; only columns of synced"
        " tables; none."
    ),
]
Value = str | bool | None


@dataclass(frozen=True, slots=True)
class Item:
    """A schema, table or column that the call names, as it is now and as it is wanted."""

    place: tuple[str, ...]
    now: Schema | Table | Column
    wanted: Mapping[str, str | bool]
    live: bool = False
    """Whether the table is in LIVE mode, where what is disabled is dropped in the destination."""

    @property
    def shown(self) -> str:
        """Where it is, as text."""
        return shown(self.place)


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs from what is wanted."""

    place: tuple[str, ...]
    setting: str
    before: Value
    after: str | bool

    @property
    def disables(self) -> bool:
        """Whether something that syncs would stop."""
        return self.setting == "enabled" and self.after is False

    @property
    def unhashes(self) -> bool:
        """Whether what was hashed would arrive in clear."""
        return self.setting == "hashed" and self.after is False

    @property
    def is_lasting(self) -> bool:
        """Whether switching back would not undo it."""
        return self.disables or self.unhashes or self.setting == "sync_mode"

    @property
    def enables(self) -> bool:
        """Whether something would start to sync."""
        return self.setting == "enabled" and self.after is True


def word(value: str | bool) -> str:
    """Write a setting's value as JSON's users know it."""
    return str(value).lower() if isinstance(value, bool) else value


def shown(place: Iterable[str]) -> str:
    """Write the place of a schema, table or column as text."""
    return ".".join(clean_name(name) for name in place)
