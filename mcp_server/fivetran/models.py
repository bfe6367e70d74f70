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


class CardOfConnection(Model):
    """The answer of the endpoint that makes Connect Cards."""

    connect_card: ConnectCard = Field(repr=False)


class Trusted(Identified):
    """An approved certificate or SSH fingerprint; its id is its hash in base64url."""

    hash: str | None = None
    name: str | None = None
    type: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    public_key: str | None = None
    validated_date: Moment | None = None
    validated_by: str | None = None


class Stage(Model):
    """How much one stage of a sync moved, in megabytes."""

    volume: float | None = None


class Sync(Identified):
    """A sync that ran, runs or was to run. Without an end it still runs."""

    id: str = Field(validation_alias="sync_id")
    status: str | None = None
    start: Moment | None = None
    end: Moment | None = None
    reason: str | None = None
    stages: dict[str, Stage] = {}


class Warned(Model):
    """An open warning about a table."""

    code: str = "unknown"
    message: str | None = None
    error_message: str | None = None
    created_at: Moment | None = None


class TableWarnings(Model):
    """The open warnings of a table in the destination, or of the connection as a whole."""

    name_of_schema: str | None = Field(default=None, validation_alias="schema")
    table: str | None = None
    warnings: tuple[Warned, ...] = ()


class ErrorReport(Model):
    """An open error, with what Fivetran advises."""

    type: str = "unknown"
    title: str | None = None
    reason: str | None = None
    message: str | None = None
    created_at: Moment | None = None


class Move(Model):
    """A move that was accepted."""

    job_id: str | None = None
    source_group_id: str | None = None
    destination_group_id: str | None = None
    sync_behavior: str | None = None
    moved_at: Moment | None = None


class MoveStatus(Model):
    """How a move goes: PENDING, IN_PROGRESS, SUCCESS or FAILED."""

    status: str | None = None
    error_message: str | None = None


class Feature(Identified):
    """Something that a connector type can do; the notes say how far."""

    notes: str | None = None


class ConnectorType(Identified):
    """A kind of source, called service where a connection names it."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    connector_class: str | None = None
    service_status: str | None = None
    link_to_docs: str | None = None
    supported_features: tuple[Feature, ...] = ()

    def can(self, feature: str) -> bool:
        """Whether it has a feature, such as API_CONFIGURABLE."""
        return any(each.id == feature for each in self.supported_features)


class ConfigField(Model):
    """A field of a configuration, described much as JSON Schema does.

    `type` cannot be relied on where there is an `enum`, and few fields say that they are required.
    What is not described in the usual way counts as not described.
    """

    type: str | None = None
    title: str | None = None
    description: str | None = None
    format: str | None = None
    enum: tuple[Any, ...] = ()
    default: Any = None
    readonly: bool = False
    immutable: bool = False
    required: tuple[str, ...] = ()
    properties: dict[str, "ConfigField"] = {}
    items: "ConfigField | None" = None

    @model_validator(mode="before")
    @classmethod
    def _unusual_is_absent(cls, data: Any) -> Any:
        """Leave out what older drafts of JSON Schema write in other shapes: `required: true`."""
        usual = {"type": str, "required": list, "enum": list, "properties": dict, "items": dict}
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if isinstance(v, usual.get(k, object))}

    @property
    def is_secret(self) -> bool:
        """Whether the API marks it as a credential."""
        return self.format == "password"


class ConnectorTypeDetails(ConnectorType):
    """A connector type with what its configuration and its authorization consist of."""

    config: ConfigField = ConfigField()
    auth: ConfigField = ConfigField()


class AccountInfo(Model):
    """Whose key this is: an account, and its user or system key."""

    account_id: str | None = None
    account_name: str | None = None
    user_id: str | None = None
    system_key_id: str | None = None


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
    next_cursor: Annotated[str, Field(max_length=1_000)] | None = None
