"""Tools on syncing: how it goes, start, stop, schedule, and all over again."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.models import Connection
from mcp_server.toolkit import (
    ConnectorId,
    DailySyncTime,
    Effect,
    Fivetran,
    Maybe,
    Minutes,
    Result,
    ScheduleType,
    Timestamp,
    ToolFailure,
    Toolset,
)
from mcp_server.tools.baselines import baseline_of, kind_of
from mcp_server.tools.health import State, prospect, state_of
from mcp_server.tools.results import Issue, issues, name_of, seconds_since
from mcp_server.undoing import taken_back_by

toolset = Toolset("syncs")


class SyncStatus(Result):
    """How a connector's syncing goes."""

    connector_id: str
    name: str | None = None
    service: str | None = None
    state: State
    paused: bool | None = None
    sync_state: str | None = None
    setup_state: str | None = None
    update_state: str | None = None
    is_historical_sync: bool | None = None
    sync_frequency: int | None = Field(default=None, description="Minutes.")
    schedule_type: str | None = None
    last_success: Timestamp | None = None
    seconds_since_success: int | None = None
    last_failure: Timestamp | None = None
    seconds_since_failure: int | None = None
    rescheduled_for: Timestamp | None = None
    can_sync: bool = Field(
        description="Whether sync_connector would start one now, not whether it would succeed."
    )
    why: str = Field(description="Why not, or what starts the next one.")
    tasks: list[Issue]
    warnings: list[Issue]


@toolset.tool(title="Get sync status", effect=Effect.READ)
async def get_sync_status(connector_id: ConnectorId, *, fivetran: Fivetran) -> SyncStatus:
    """Tell whether a connector syncs, when it last did, what is wrong, whether it could start now.

    To wait for the end of a sync, and learn how it ended: `wait_for_sync`.
    All that is wrong and what to do: `get_connector_problems`.
    """
    connection = await fivetran.connections.get(connector_id)
    status, now = connection.status, fivetran.now()
    can_sync, why = prospect(connection, now)
    return SyncStatus(
        connector_id=connection.id,
        name=name_of(connection),
        service=connection.service,
        state=state_of(connection),
        paused=connection.paused,
        sync_state=status.sync_state,
        setup_state=status.setup_state,
        update_state=status.update_state,
        is_historical_sync=status.is_historical_sync,
        sync_frequency=connection.sync_frequency,
        schedule_type=connection.schedule_type,
        last_success=connection.succeeded_at,
        seconds_since_success=seconds_since(connection.succeeded_at, now),
        last_failure=connection.failed_at,
        seconds_since_failure=seconds_since(connection.failed_at, now),
        rescheduled_for=status.rescheduled_for,
        can_sync=can_sync,
        why=why,
        tasks=issues(status.tasks),
        warnings=issues(status.warnings),
    )


NEXT_STEP: Final = "wait_for_sync with baselines=[baseline] tells how it ends."


class SyncStarted(Result):
    """What a request for a sync led to."""

    connector_id: str
    name: str | None = None
    outcome: Literal["started", "restarted", "already_running"]
    last_success: Timestamp | None = Field(default=None, description="Before this sync.")
    last_failure: Timestamp | None = Field(default=None, description="Before this sync.")
    warning: str | None = None
    baseline: str = Field(description="For wait_for_sync.")
    next_step: str = NEXT_STEP


@toolset.tool(title="Sync connector", effect=Effect.WRITE)
async def sync_connector(
    connector_id: ConnectorId,
    force: Annotated[
        bool, Field(description="Stop a running sync and start anew; its progress may be lost.")
    ] = False,
    *,
    fivetran: Fivetran,
) -> SyncStarted:
    """Start an incremental sync now; the schedule stays.

    Returns at once; `wait_for_sync` waits for its end. Not for loading everything again: that is
    `resync_connector`.
    """
    before = await fivetran.connections.get(connector_id)
    _refuse_unsyncable(before)
    kind, now = kind_of(before, force=force), fivetran.now()
    await fivetran.connections.sync(connector_id, force=force)
    warning = None
    if before.status.setup_state == "broken":
        warning = "Its setup is broken, so this sync may fail again; see get_connector_problems."
    return SyncStarted(
        connector_id=before.id,
        name=name_of(before),
        outcome="already_running" if kind == "running" else kind,
        last_success=before.succeeded_at,
        last_failure=before.failed_at,
        warning=warning,
        baseline=baseline_of([(before, kind)], now),
    )


def _refuse_unsyncable(connection: Connection) -> None:
    refuse_incomplete(connection)
    if connection.paused:
        raise ToolFailure(
            "conflict",
            f"Connector {connection.id} is paused, so no sync would start",
            hint="Call resume_connector first, then sync_connector again.",
        )


def refuse_incomplete(connection: Connection) -> None:
    """Let a connector pass whose setup was finished once.

    Raises:
        ToolFailure: It was not, so there is nothing to sync with.
    """
    if connection.status.setup_state == "incomplete":
        raise ToolFailure(
            "conflict",
            f"The setup of connector {connection.id} is incomplete, so no sync would start",
            hint="Supply what is missing with update_connector, or have a person finish the setup"
            " in Fivetran's dashboard.",
        )


class Switched(Result):
    """A connector after it was paused or resumed."""

    connector_id: str
    name: str | None = None
    changed: bool
    state: State
    paused: bool | None = None
    sync_state: str | None = None
    note: str


async def _switch(fivetran: Client, connector_id: str, *, paused: bool) -> Switched:
    """Pause or resume; one that already is so is left alone."""
    before = await fivetran.connections.get(connector_id)
    changed = before.paused is not paused
    after = before
    if changed:
        after = await fivetran.connections.update(
            connector_id, paused=paused, run_setup_tests=False
        )
        taken_back_by(f"{'resume' if paused else 'pause'}_connector", connector_id=connector_id)
    done = "Paused." if paused else "Resumed."
    if paused and before.status.sync_state == "syncing":
        done = "Paused, and the sync that ran was stopped."
    same = f"It was already {'paused' if paused else 'running'}; nothing was changed."
    what = "Only resume_connector ends a pause." if paused else prospect(after, fivetran.now())[1]
    return Switched(
        connector_id=after.id,
        name=name_of(after),
        changed=changed,
        state=state_of(after),
        paused=after.paused,
        sync_state=after.status.sync_state,
        note=f"{done if changed else same} {what}",
    )


@toolset.tool(title="Pause connector", effect=Effect.WRITE, idempotent=True)
async def pause_connector(connector_id: ConnectorId, *, fivetran: Fivetran) -> Switched:
    """Stop a connector from syncing until it is resumed. Loaded data stays.

    A running sync is stopped first, which can take a minute. Undo with `resume_connector`.
    """
    return await _switch(fivetran, connector_id, paused=True)


@toolset.tool(title="Resume connector", effect=Effect.WRITE, idempotent=True)
async def resume_connector(connector_id: ConnectorId, *, fivetran: Fivetran) -> Switched:
    """Let a paused connector sync again by its schedule; an overdue one may start at once.

    To start one now in any case, follow with `sync_connector`.
    """
    return await _switch(fivetran, connector_id, paused=False)


class Schedule(Result):
    """When a connector syncs by itself."""

    sync_frequency: int | None = Field(default=None, description="Minutes.")
    daily_sync_time: str | None = None
    schedule_type: str | None = None


class Rescheduled(Result):
    """A connector's schedule before and after."""

    connector_id: str
    name: str | None = None
    before: Schedule
    after: Schedule
    warning: str | None = None


@toolset.tool(title="Set sync frequency", effect=Effect.WRITE, idempotent=True)
async def set_sync_frequency(
    connector_id: ConnectorId,
    minutes: Minutes,
    daily_sync_time: Maybe[DailySyncTime] = None,
    schedule_type: Maybe[ScheduleType] = None,
    *,
    fivetran: Fivetran,
) -> Rescheduled:
    """Set how often a connector syncs by itself. One with a custom schedule is refused.

    More often loads the source and the warehouse more; the plan may forbid the short ones.
    """
    refuse_daily_time(daily_sync_time, daily=minutes == DAILY, setting="minutes")
    before = await fivetran.connections.get(connector_id)
    refuse_custom(before)
    wanted: dict[str, Any] = {"sync_frequency": minutes}
    if daily_sync_time:
        wanted["daily_sync_time"] = daily_sync_time
    if schedule_type:
        wanted["schedule_type"] = schedule_type
    after = await fivetran.connections.update(connector_id, **wanted, run_setup_tests=False)
    if any(getattr(after, name) != value for name, value in wanted.items()):
        raise ToolFailure(
            "not_applied",
            f"Fivetran accepted the schedule of connector {connector_id}, but does not show it",
            hint="See get_connector in a minute; the account's plan may not allow this frequency.",
        )
    if before.sync_frequency is not None:
        earlier = before.model_dump(include={*wanted, "schedule_type"}, exclude_none=True)
        taken_back_by(
            "set_sync_frequency",
            connector_id=connector_id,
            minutes=earlier.pop("sync_frequency"),
            **earlier,
        )
    return Rescheduled(
        connector_id=after.id,
        name=name_of(after),
        before=_schedule(before),
        after=_schedule(after),
        warning=" ".join(filter(None, (_no_effect(after), _custom(before)))) or None,
    )


DAILY: Final = 1440


def refuse_daily_time(daily_sync_time: str | None, *, daily: bool, setting: str) -> None:
    """Refuse a time of day without a daily sync; `setting` is what the frequency is called.

    Raises:
        ToolFailure: The two do not go together.
    """
    if daily_sync_time and not daily:
        raise ToolFailure(
            "invalid_arguments",
            f"daily_sync_time: goes only with {setting}={DAILY}",
            hint=f"Nothing was sent. Leave daily_sync_time out, or sync daily: {setting}={DAILY}.",
        )


def refuse_custom(connection: Connection) -> None:
    """Let a connector pass whose schedule can be set again; a custom one has no frequency.

    Raises:
        ToolFailure: It cannot, so somebody has to agree first.
    """
    if connection.sync_frequency is None and connection.schedule_type != "manual":
        raise ToolFailure(
            "conflict",
            f"Connector {connection.id} has a custom schedule, which this would replace for good",
            hint="Nothing was changed; only Fivetran's dashboard can set such a schedule."
            " bulk_update with action=set_sync_frequency and connector_ids=[id] shows that first and"
            " takes a confirmation.",
        )


def _no_effect(after: Connection) -> str | None:
    """Say what keeps a schedule from having an effect."""
    if after.paused:
        return "It is paused: this has no effect until resume_connector."
    if after.schedule_type == "manual":
        return "Its schedule is manual: frequency and time have no effect until it is auto."
    return None


def _custom(before: Connection) -> str | None:
    """Say that a custom schedule is gone: such a one has no frequency."""
    if before.sync_frequency is not None:
        return None
    return "It had a custom schedule, which this replaced; only the dashboard can set one again."


def _schedule(connection: Connection) -> Schedule:
    return Schedule(
        sync_frequency=connection.sync_frequency,
        daily_sync_time=connection.daily_sync_time,
        schedule_type=connection.schedule_type,
    )
