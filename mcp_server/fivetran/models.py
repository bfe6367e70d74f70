"""What this package stands by of Fivetran's answers.

Everything but an id may be absent, unknown fields are ignored, enumerations are open: the API adds
to all of them. Sources of the facts: Fivetran's OpenAPI document and the endpoint's pages.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("out of range in UTC") from None


T = TypeVar("T")
Moment = Annotated[datetime, AfterValidator(_utc)]


class Model(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # a server that only lists its tools needs none of these
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Read null as absent: the API writes it where it has no value, lists included."""
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Notice(Model):
    """A task (needs action) or a warning. Codes are an open set; texts come from the source."""

    code: str = "unknown"
    message: str | None = None
    details: Any = None


class Status(Model):
    """`status` of a connection."""

    setup_state: str | None = None
    sync_state: str | None = None
    update_state: str | None = None
    schema_status: str | None = None
    is_historical_sync: bool | None = None
    rescheduled_for: Moment | None = None
    tasks: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()


class Identified(Model):
    """Anything with an id."""

    id: str


class Connection(Identified):
    """A connection as the list has it; its configuration is left out on purpose."""

    service: str | None = None
    name: str | None = Field(default=None, validation_alias="schema")
    group_id: str | None = None
    paused: bool | None = None
    created_at: Moment | None = None
    succeeded_at: Moment | None = None
    failed_at: Moment | None = None
    sync_frequency: int | None = None
    schedule_type: str | None = None
    daily_sync_time: str | None = None
    status: Status = Status()


class SetupTest(Model):
    """One setup test. `details` can be any JSON."""

    title: str | None = None
    status: str | None = None
    message: str | None = None
    details: Any = None


class ConnectCard(Model):
    """A link with which a person enters credentials in the browser; a secret for one day."""

    uri: str | None = Field(default=None, repr=False)


class ConnectionDetails(Connection):
    """A connection as its own endpoint has it."""

    service_version: int | None = None
    connected_by: str | None = None
    pause_after_trial: bool | None = None
    data_delay_sensitivity: str | None = None
    data_delay_threshold: int | None = None
    networking_method: str | None = None
    private_link_id: str | None = None
    proxy_agent_id: str | None = None
    hybrid_deployment_agent_id: str | None = None
    destination_schema_names: str | None = None
    config: dict[str, Any] | None = Field(default=None, repr=False)
    setup_tests: tuple[SetupTest, ...] = ()
    connect_card: ConnectCard | None = Field(default=None, repr=False)


class Group(Identified):
    """A destination group. Its destination has the same id."""

    name: str | None = None
    created_at: Moment | None = None


class PatchSettings(Model):
    """Whether a table or column may be switched, and why not."""

    allowed: bool = True
    reason_code: str | None = None
    reason: str | None = None


class Column(Model):
    """A column of a schema configuration."""

    name_in_destination: str | None = None
    enabled: bool | None = None
    hashed: bool | None = None
    is_primary_key: bool | None = None
    patch: PatchSettings = Field(default=PatchSettings(), validation_alias="enabled_patch_settings")


class Columns(Model):
    """All columns of a table, by name."""

    columns: dict[str, Column] = {}


class Table(Model):
    """A table of a schema configuration. `columns` has only those that were once changed."""

    name_in_destination: str | None = None
    enabled: bool | None = None
    sync_mode: str | None = None
    supports_columns_config: bool | None = None
    supports_history_mode: bool | None = None
    parent_table: str | None = None
    patch: PatchSettings = Field(default=PatchSettings(), validation_alias="enabled_patch_settings")
    columns: dict[str, Column] = {}


class Schema(Model):
    """A schema of a schema configuration."""

    name_in_destination: str | None = None
    enabled: bool | None = None
    tables: dict[str, Table] = {}


class SchemaConfig(Model):
    """What a connection syncs, by the names of the source."""

    schema_change_handling: str | None = None
    schemas: dict[str, Schema] = {}


class Page(Model, Generic[T]):
    """One page of a list."""

    items: tuple[T, ...] = ()
    next_cursor: str | None = None
