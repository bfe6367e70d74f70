"""Tools that set connectors up: make one, change one."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mcp_server.fivetran.errors import ConflictError, OutcomeUnknownError
from mcp_server.fivetran.models import ConnectionDetails
from mcp_server.toolkit import (
    ConnectorId,
    DailySyncTime,
    Effect,
    Fivetran,
    GroupId,
    Maybe,
    Minutes,
    Result,
    ScheduleType,
    SecretSource,
    ToolFailure,
    Toolset,
    Whole,
)
from mcp_server.tools.advice import AdvisedTest, advised
from mcp_server.tools.connectors import ServiceName
from mcp_server.tools.creations import check_place, clash, look_for, possible_names
from mcp_server.tools.credentials import refuse_masks
from mcp_server.tools.health import State
from mcp_server.tools.preparation import Prepared, prepare, refuse_two_ways
from mcp_server.tools.results import (
    Issue,
    failed_tests,
    identity,
    issues,
)
from mcp_server.tools.syncs import DAILY, refuse_custom, refuse_daily_time
from mcp_server.undoing import taken_back_by
from mcp_server.untrusted import redact

toolset = Toolset("setup")

Config = Annotated[
    dict[str, Any],
    Field(
        description="Fields as `describe_connector_type` lists them. A credential is best named:"
        ' `{"$env": "NAME"}` or `{"$file": "name"}`, which the server looks up.'
    ),
]
Auth = Annotated[dict[str, Any], Field(description="Credentials of OAuth-like services.")]
DryRun = Annotated[bool, Field(description="Only check, and show what would be sent.")]
_ID: Final = r"^[A-Za-z0-9_-]{1,100}$"
PrivateLinkId = Annotated[str, Field(pattern=_ID, description="Only with PrivateLink.")]
ProxyAgentId = Annotated[str, Field(pattern=_ID, description="Only with ProxyAgent.")]
HybridAgentId = Annotated[str, Field(pattern=_ID, description="Default: the destination's.")]
SecretsManagerId = Annotated[str, Field(pattern=_ID, description="Where credentials are kept.")]
Paused = Annotated[bool, Field(description="Whether it does not sync by itself.")]
PauseAfterTrial = Annotated[bool, Field(description="Pause when the free trial ends.")]
RunSetupTests = Annotated[bool, Field(description="Test live against the source; takes a while.")]
Sensitivity = Annotated[
    Literal["LOW", "NORMAL", "HIGH", "CUSTOM", "SYNC_FREQUENCY"],
    Field(description="When data counts as delayed."),
]
Threshold = Annotated[int, Field(ge=0, le=100_000, description="Minutes; only with CUSTOM."), Whole]
Networking = Annotated[
    Literal["Directly", "PrivateLink", "SshTunnel", "ProxyAgent"],
    Field(description="How the source is reached."),
]
Warehouse = Annotated[str, Field(min_length=1, max_length=255, description="Snowflake only.")]
SecretKeys = Annotated[dict[str, Any], Field(description="Config field to key in that manager.")]


class SetUpConnector(Result):
    """A connector that was made or changed, and whether it can sync; or what would be sent."""

    outcome: Literal["ready", "setup_incomplete", "setup_tests_failed", "dry_run"] = Field(
        description="`dry_run`: nothing was sent. Else the connector exists, and only if `ready` it"
        " can sync."
    )
    id: str | None = None
    name: str | None = None
    service: str | None = None
    group_id: str | None = None
    state: State | None = None
    paused: bool | None = None
    next_step: str
    warnings: list[str] | None = None
    tasks: list[Issue] | None = None
    setup_tests: list[AdvisedTest] | None = None
    connect_card_uri: str | None = Field(
        default=None, description="For the person only; a secret, valid one day."
    )
    would_send: dict[str, Any] | None = Field(default=None, description="Credentials redacted.")


@toolset.tool(title="Create connector", effect=Effect.WRITE)
async def create_connector(
    group_id: GroupId,
    service: ServiceName,
    config: Config,
    auth: Maybe[Auth] = None,
    paused: Paused = True,
    destination_schema_names: Maybe[
        Annotated[
            Literal["FIVETRAN_NAMING", "SOURCE_NAMING"],
            Field(description="Permanent after the first sync; say it, it is becoming required."),
        ]
    ] = None,
    sync_frequency: Maybe[Minutes] = None,
    schedule_type: Maybe[ScheduleType] = None,
    daily_sync_time: Maybe[DailySyncTime] = None,
    run_setup_tests: Maybe[RunSetupTests] = None,
    connect_card_redirect_uri: Maybe[
        Annotated[
            str,
            Field(
                pattern=r"^https?://[^\s]+$",
                max_length=2000,
                description="Also makes a Connect Card, which returns there; then no setup tests are"
                " run.",
            ),
        ]
    ] = None,
    hide_setup_guide: Maybe[Annotated[bool, Field(description="On the Connect Card.")]] = None,
    pause_after_trial: Maybe[PauseAfterTrial] = None,
    data_delay_sensitivity: Maybe[Sensitivity] = None,
    data_delay_threshold: Maybe[Threshold] = None,
    networking_method: Maybe[Networking] = None,
    private_link_id: Maybe[PrivateLinkId] = None,
    proxy_agent_id: Maybe[ProxyAgentId] = None,
    hybrid_deployment_agent_id: Maybe[HybridAgentId] = None,
    virtual_warehouse: Maybe[Warehouse] = None,
    external_secrets_manager_id: Maybe[SecretsManagerId] = None,
    external_secrets_keys_config: Maybe[SecretKeys] = None,
    dry_run: DryRun = False,
    *,
    fivetran: Fivetran,
    secrets: SecretSource,
) -> SetUpConnector:
    """Create a connector, paused unless said otherwise. Begin with `search_connector_types`.

    All fields are checked before anything is sent. Failed setup tests do not undo it: see
    `outcome`. Do not repeat a call whose outcome is unknown.
    """
    refuse_masks(
        {
            "config": config,
            "auth": auth,
            "external_secrets_keys_config": external_secrets_keys_config,
        }
    )
    refuse_two_ways(networking_method, config)
    refuse_daily_time(daily_sync_time, daily=sync_frequency == DAILY, setting="sync_frequency")
    card = None
    if hide_setup_guide is not None and not connect_card_redirect_uri:
        raise ToolFailure(
            "invalid_arguments",
            "hide_setup_guide: goes only with connect_card_redirect_uri",
            hint="Nothing was sent. Add connect_card_redirect_uri, or leave hide_setup_guide out.",
        )
    if connect_card_redirect_uri:
        card = _given(redirect_uri=connect_card_redirect_uri, hide_setup_guide=hide_setup_guide)
        run_setup_tests = bool(run_setup_tests)
    supplied_elsewhere = external_secrets_keys_config or run_setup_tests is False
    prepared = await prepare(
        fivetran,
        secrets,
        service=service,
        config=config,
        auth=auth,
        creating=True,
        whole=not supplied_elsewhere,
    )
    fields = _given(
        group_id=group_id,
        service=service,
        config=prepared.config,
        auth=prepared.auth,
        paused=paused,
        destination_schema_names=destination_schema_names,
        sync_frequency=sync_frequency,
        schedule_type=schedule_type,
        daily_sync_time=daily_sync_time,
        run_setup_tests=run_setup_tests,
        connect_card_config=card,
        pause_after_trial=pause_after_trial,
        data_delay_sensitivity=data_delay_sensitivity,
        data_delay_threshold=data_delay_threshold,
        networking_method=networking_method,
        private_link_id=private_link_id,
        proxy_agent_id=proxy_agent_id,
        hybrid_deployment_agent_id=hybrid_deployment_agent_id,
        destination_configuration=_warehouse(virtual_warehouse),
        external_secrets_manager_id=external_secrets_manager_id,
        external_secrets_keys_config=external_secrets_keys_config,
    )
    if dry_run:
        await check_place(fivetran, group_id, possible_names(config))
        return _dry_run(fields, prepared)
    try:
        created = await fivetran.connections.create(fields)
    except ConflictError as error:
        raise clash(error) from None
    except OutcomeUnknownError:
        raise await look_for(fivetran, group_id, service, possible_names(config)) from None
    return _set_up(created, CHOOSE, prepared)


@toolset.tool(title="Update connector", effect=Effect.WRITE, idempotent=True)
async def update_connector(
    connector_id: ConnectorId,
    config: Maybe[
        Annotated[
            dict[str, Any],
            Field(description="Only the fields to change; credentials as in `create_connector`."),
        ]
    ] = None,
    auth: Maybe[Auth] = None,
    paused: Maybe[Paused] = None,
    sync_frequency: Maybe[Minutes] = None,
    schedule_type: Maybe[ScheduleType] = None,
    daily_sync_time: Maybe[DailySyncTime] = None,
    run_setup_tests: Maybe[RunSetupTests] = None,
    schema_status: Maybe[
        Annotated[
            Literal["blocked_on_capture", "ready"],
            Field(description="Only for Universal Column Masking."),
        ]
    ] = None,
    pause_after_trial: Maybe[PauseAfterTrial] = None,
    data_delay_sensitivity: Maybe[Sensitivity] = None,
    data_delay_threshold: Maybe[Threshold] = None,
    networking_method: Maybe[Networking] = None,
    private_link_id: Maybe[PrivateLinkId] = None,
    proxy_agent_id: Maybe[ProxyAgentId] = None,
    hybrid_deployment_agent_id: Maybe[HybridAgentId] = None,
    virtual_warehouse: Maybe[Warehouse] = None,
    external_secrets_manager_id: Maybe[SecretsManagerId] = None,
    external_secrets_keys_config: Maybe[SecretKeys] = None,
    dry_run: DryRun = False,
    *,
    fivetran: Fivetran,
    secrets: SecretSource,
) -> SetUpConnector:
    """Change a connector's configuration or settings; what is left out stays.

    Old credentials are overwritten and cannot be read back; OAuth is renewed by a person:
    `create_connect_card`. Setup tests run if credentials or network change. A sync in progress is
    stopped. Simpler: `pause_connector`, `resume_connector`, `set_sync_frequency`. Group, service
    and name are permanent.
    """
    refuse_masks(
        {
            "config": config,
            "auth": auth,
            "external_secrets_keys_config": external_secrets_keys_config,
        }
    )
    refuse_two_ways(networking_method, config)
    refuse_daily_time(
        daily_sync_time, daily=sync_frequency in {None, DAILY}, setting="sync_frequency"
    )
    reaching = _given(
        config=config or None,
        auth=auth or None,
        networking_method=networking_method,
        private_link_id=private_link_id,
        proxy_agent_id=proxy_agent_id,
        hybrid_deployment_agent_id=hybrid_deployment_agent_id,
        external_secrets_manager_id=external_secrets_manager_id,
        external_secrets_keys_config=external_secrets_keys_config or None,
    )
    fields = reaching | _given(
        paused=paused,
        sync_frequency=sync_frequency,
        schedule_type=schedule_type,
        daily_sync_time=daily_sync_time,
        schema_status=schema_status,
        pause_after_trial=pause_after_trial,
        data_delay_sensitivity=data_delay_sensitivity,
        data_delay_threshold=data_delay_threshold,
        destination_configuration=_warehouse(virtual_warehouse),
    )
    if not fields:
        raise ToolFailure(
            "invalid_arguments",
            "update_connector was not called: there is nothing to change in these arguments",
            hint="Name at least one field besides connector_id and run_setup_tests; an empty object"
            " changes nothing.",
        )
    prepared, before = None, await fivetran.connections.get(connector_id)
    taken_back = _before(before, fields)
    if config or auth:
        prepared = await prepare(
            fivetran, secrets, service=before.service, config=config, auth=auth, creating=False
        )
        fields |= _given(config=prepared.config or None, auth=prepared.auth or None)
    if _SCHEDULE & fields.keys():
        refuse_custom(before)
    fields["run_setup_tests"] = bool(reaching) if run_setup_tests is None else run_setup_tests
    if dry_run:
        return _dry_run(fields, prepared)
    updated = await fivetran.connections.update(connector_id, **fields)
    if taken_back:
        taken_back_by("update_connector", connector_id=connector_id, **taken_back)
    return _set_up(updated, _after_update(updated), prepared)


_SCHEDULE: Final = frozenset({"sync_frequency", "schedule_type", "daily_sync_time"})


def _before(connection: ConnectionDetails, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give what these fields are now; None unless all of them can be written back."""
    known = connection.model_dump(include=set(fields) & _WRITABLE, exclude_none=True)
    config = {n: (connection.config or {}).get(n) for n in fields.get("config", {})}
    if known.keys() | ({"config"} if config else set()) != fields.keys():
        return None
    if None in config.values() or redact(config) != config:
        return None
    return {**known, **({"config": config} if config else {})}


_WRITABLE: Final = frozenset(
    {"paused", "sync_frequency", "schedule_type", "daily_sync_time", "pause_after_trial"}
    | {"data_delay_sensitivity", "data_delay_threshold"}
)
"""Settings whose present value is shown as it would be written."""


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _warehouse(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"virtual_warehouse": name}


CHOOSE: Final = (
    "First reload_schema_config, then choose what it syncs with update_schema_config (what is new in"
    " the source syncs by schema_change_handling), then resume_connector if it is paused."
)
NEXT_STEPS: Final = {
    "setup_incomplete": "Credentials or fields are missing or no longer work: a person enters them"
    " on the page of create_connect_card, or update_connector supplies them; then run_setup_tests.",
    "setup_tests_failed": "Follow the advice of the first of setup_tests that failed; then"
    " run_setup_tests. Do not create it again.",
}
OPEN_CARD: Final = (
    "Give connect_card_uri to the person, who enters the credentials there; then run_setup_tests."
)
AUTHORIZE: Final = (
    "A person authorizes it in the browser: create_connect_card; then run_setup_tests."
)


def _after_update(connection: ConnectionDetails) -> str:
    return "It is paused: resume_connector when ready." if connection.paused else "Nothing is left."


def _dry_run(fields: Mapping[str, Any], prepared: Prepared | None) -> SetUpConnector:
    """Show what would be sent; of the configuration as it was given, not as it was filled in."""
    given = prepared.shown if prepared else {}
    rest = {name: value for name, value in fields.items() if name not in given}
    return SetUpConnector(
        outcome="dry_run",
        next_step="Nothing was sent. The same call without dry_run sends it.",
        warnings=(prepared.warnings or None) if prepared else None,
        would_send={**redact(rest), **given},
    )


def _set_up(
    connection: ConnectionDetails, when_ready: str, prepared: Prepared | None
) -> SetUpConnector:
    outcome: Literal["ready", "setup_incomplete", "setup_tests_failed"] = "ready"
    if failed_tests(connection.setup_tests):
        outcome = "setup_tests_failed"
    elif connection.status.setup_state != "connected":
        outcome = "setup_incomplete"
    card = connection.connect_card
    next_step = NEXT_STEPS.get(outcome, when_ready)
    if card:
        next_step = OPEN_CARD
    elif outcome == "setup_incomplete" and prepared and prepared.needs_person:
        next_step = AUTHORIZE
    return SetUpConnector(
        **identity(connection),
        paused=connection.paused,
        outcome=outcome,
        next_step=next_step,
        warnings=(prepared.warnings or None) if prepared else None,
        tasks=issues(connection.status.tasks) or None,
        setup_tests=advised(connection.setup_tests),
        connect_card_uri=card.uri if card else None,
    )
