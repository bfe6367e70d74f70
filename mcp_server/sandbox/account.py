"""The state of the sandbox: one account, its groups and its connections."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mcp_server.sandbox.replies import Json, missing
from mcp_server.sandbox.tables import build_schemas, choose

NowFunction = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Origin:
    """How a connection was when the sandbox started: its earlier syncs are derived from this."""

    now: datetime
    succeeded_at: str | None
    failed_at: str | None
    rescheduled_for: str | None
    reason: str | None
    """Why its syncs failed, if they did."""
    minutes: int
    """From one sync to the next."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a sync ends that was told how to."""

    word: str
    """As in sync history; BROKEN if it finds the setup broken, NEVER if it does not even begin."""
    seconds: float | None = None
    """How long it takes; None for as long as any other."""
    reason: str | None = None


Place = tuple[str, str, str]
"""Where a column is: schema, table, column."""


@dataclass(slots=True)
class Move:
    """A move to another group."""

    group_id: str
    behavior: str
    started: datetime
    ended: bool = False
    error: str | None = None


@dataclass(slots=True)
class Backstage:
    """What the API knows about a connection and never shows."""

    ends: datetime | None = None
    """When the running sync ends; None while it runs with no end in sight."""
    started: datetime | None = None
    """When the running sync began, if that was seen."""
    syncs: list[Json] = field(default_factory=list)
    """The syncs that ended since the sandbox started, as the API shows them; oldest first."""
    origin: Origin | None = None
    """None for a connection that was made later."""
    due_now: bool = False
    """A sync was asked for that cannot start yet, or starts at the next look."""
    endings: deque[Ending] = field(default_factory=deque)
    """How the syncs to come end; those after end as usual."""
    ending: Ending | None = None
    """How the running sync ends, if it was told how to."""
    always_fails: bool = False
    stubborn: bool = False
    """The next pause during a sync takes effect and answers HTTP 500."""
    authorized: bool = True
    discovered: bool = True
    schema: Json | None = None
    """The schema config; built when first needed, for there may be thousands."""
    written: Json | None = None
    """The sync state (cursors) of function and Connector SDK connections."""
    chosen: Json | None = None
    """A selection that was made before the schema was captured."""
    to_drop: list[Place] = field(default_factory=list)
    """Columns that the next sync drops from the destination."""
    gone: set[Place] = field(default_factory=set)
    """Columns that were dropped so."""
    moves: dict[str, Move] = field(default_factory=dict)
    """Moves to other groups, by job id."""
    private_tls: bool = False
    """Its source presents a certificate that no public authority signed."""
    trusted: dict[tuple[str, str], Json] = field(default_factory=dict)
    """The certificates and SSH fingerprints that were approved, by kind and id."""


@dataclass(slots=True)
class Account:
    """Everything the requests read and change."""

    now: NowFunction
    sync_seconds: float
    groups: dict[str, Json] = field(default_factory=dict)
    connections: dict[str, Json] = field(default_factory=dict)
    backstage: dict[str, Backstage] = field(default_factory=lambda: defaultdict(Backstage))
    dropped: list[str] = field(default_factory=list)
    """Tables and columns dropped from the destination, `connection/schema/table[/column]`."""
    created: int = 0
    withheld: dict[str, int] = field(default_factory=dict)
    """Endpoints that this account does not have, with the status that says so."""

    def connection(self, connection_id: str) -> Json:
        """Find a connection or refuse with 404."""
        if connection_id not in self.connections:
            missing("Connection", f"Connection with id '{connection_id}' does not exist.")
        return self.connections[connection_id]

    def group(self, group_id: str) -> Json:
        """Find a group or refuse with 404."""
        if group_id not in self.groups:
            missing("Group", f"Group with id '{group_id}' does not exist.")
        return self.groups[group_id]

    def schema(self, connection_id: str) -> Json:
        """Find the schema config of a connection, or refuse with 404 until there is one."""
        backstage = self.backstage[connection_id]
        if not backstage.discovered:
            text = f"Connection with id '{connection_id}' doesn't have schema config"
            missing("SchemaConfig", text)
        if backstage.schema is None:
            backstage.schema = build_schemas(self.connections[connection_id])
            choose(connection_id, backstage.schema, backstage.chosen or {})
        return backstage.schema


def stamp(moment: datetime) -> str:
    """Write a moment as the API does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(text: str | None) -> datetime | None:
    """Read a moment the API wrote."""
    return None if text is None else datetime.fromisoformat(text)


def blank_connection(
    connection_id: str, service: str, schema: str, group_id: str, created_at: str
) -> Json:
    """Build a connection with the defaults of the API; what differs is set afterwards."""
    return {
        "id": connection_id,
        "service": service,
        "schema": schema,
        "group_id": group_id,
        "service_version": 1,
        "connected_by": "quiet_meadow",
        "created_at": created_at,
        "succeeded_at": None,
        "failed_at": None,
        "paused": True,
        "pause_after_trial": False,
        "sync_frequency": 360,
        "schedule_type": "auto",
        "daily_sync_time": None,
        "data_delay_sensitivity": "NORMAL",
        "data_delay_threshold": 0,
        "networking_method": "Directly",
        "private_link_id": None,
        "proxy_agent_id": None,
        "hybrid_deployment_agent_id": None,
        "destination_schema_names": "FIVETRAN_NAMING",
        "destination_configuration": {},
        "status": {},
        "source_sync_details": None,
        "config": {},
    }


def blank_status(*, setup: str, historical: bool) -> Json:
    """Build the status of a connection at rest."""
    return {
        "setup_state": setup,
        "sync_state": "scheduled",
        "update_state": "on_schedule",
        "is_historical_sync": historical,
        "rescheduled_for": None,
        "tasks": [],
        "warnings": [],
    }
