"""Tools that set connectors up: make one, change one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import ConflictError, FivetranError, OutcomeUnknownError
from mcp_server.fivetran.models import ConnectionDetails
from mcp_server.toolkit import (
    ConnectorId,
    DailySyncTime,
    Effect,
    Fivetran,
    GroupId,
    Maybe,
    Minutes,
    ScheduleType,
    ToolFailure,
    Toolset,
    Whole,
)
from mcp_server.tools.connectors import ServiceName
from mcp_server.tools.results import (
    Identity,
    Issue,
    SetupTestOutcome,
    failed_tests,
    identity,
    issues,
    setup_outcomes,
)
from mcp_server.tools.syncs import DAILY, refuse_daily_time
from mcp_server.untrusted import REDACTED, clean, is_mask, scrub

toolset = Toolset("setup")

Config = Annotated[
    dict[str, Any],
    Field(
        description="Fields of the service, e.g. postgres: host, port, user, password, database,"
        " update_method. A new one needs its permanent name in the destination: `schema` (and"
        " `table`), or `schema_prefix` for databases."
    ),
]
Auth = Annotated[dict[str, Any], Field(description="Credentials of OAuth-like services.")]
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


class SetUpConnector(Identity):
    """A connector that was made or changed, and whether it can sync."""

    paused: bool | None = None
    outcome: Literal["ready", "setup_incomplete", "setup_tests_failed"] = Field(
        description="Anything but `ready`: the connector exists, but cannot sync yet."
    )
    next_step: str
    tasks: list[Issue] | None = None
    setup_tests: list[SetupTestOutcome] | None = None
    connect_card_uri: str | None = Field(
        default=None, description="For the person only; a secret, valid one day."
    )


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
                description="Asks for a Connect Card, a page where a person enters the credentials,"
                " and is where that page returns to. No setup tests are run then.",
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
    *,
    fivetran: Fivetran,
) -> SetUpConnector:
    """Create a connector, paused unless said otherwise.

    Failed setup tests do not undo it: see `outcome`, mend with `update_connector`. Better than
    passwords in `config`: a Connect Card. Do not repeat a call whose outcome is unknown.
    """
    refuse_masks(
        {
            "config": config,
            "auth": auth,
            "external_secrets_keys_config": external_secrets_keys_config,
        }
    )
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
    fields = _given(
        group_id=group_id,
        service=service,
        config=config,
        auth=auth,
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
    try:
        created = await fivetran.connections.create(fields)
    except ConflictError as error:
        raise _clash(error) from None
    except OutcomeUnknownError:
        raise await _look_for(fivetran, group_id, service, _possible_names(config)) from None
    return _set_up(created, CHOOSE)


@toolset.tool(title="Update connector", effect=Effect.WRITE, idempotent=True)
async def update_connector(
    connector_id: ConnectorId,
    config: Maybe[
        Annotated[dict[str, Any], Field(description="Only the fields to change.")]
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
    *,
    fivetran: Fivetran,
) -> SetUpConnector:
    """Change a connector's configuration or settings; what is left out stays.

    Old credentials are overwritten and cannot be read back. Setup tests run if credentials or
    network change. A sync in progress is stopped. Simpler: `pause_connector`, `resume_connector`,
    `set_sync_frequency`. Group, service and name are permanent.
    """
    refuse_masks(
        {
            "config": config,
            "auth": auth,
            "external_secrets_keys_config": external_secrets_keys_config,
        }
    )
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
    test = bool(reaching) if run_setup_tests is None else run_setup_tests
    updated = await fivetran.connections.update(connector_id, **fields, run_setup_tests=test)
    return _set_up(updated, _after_update(updated))


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _warehouse(name: str | None) -> dict[str, str] | None:
    return None if name is None else {"virtual_warehouse": name}


MOST_NAMED: Final = 10
_STAND_IN: Final = re.compile(rf".*{re.escape(REDACTED)}.*|.*… \[\d+ more characters\]", re.DOTALL)
"""What `mcp_server.untrusted` writes in place of a value."""


def refuse_masks(fields: Mapping[str, Any]) -> None:
    """Refuse what is shown in place of a value: sent back it would overwrite the value.

    Raises:
        ToolFailure: Some value is a mask, redacted or shortened.
    """
    masked = [clean(place, 100) for place in _masks(fields, "")]
    if masked:
        raise ToolFailure(
            "invalid_arguments",
            "Nothing was sent: what is given here is only shown in place of a value (a mask, redacted"
            f" or shortened) and would overwrite it: {', '.join(masked[:MOST_NAMED])}"
            + (f" and {len(masked) - MOST_NAMED} more" if len(masked) > MOST_NAMED else ""),
            hint="Leave the field out to keep its present value, or give the real one.",
        )


def _masks(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _masks(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _masks(item, f"{place}[{index}]")
    elif is_mask(value) or (isinstance(value, str) and _STAND_IN.fullmatch(value)):
        yield place


CHOOSE: Final = (
    "First reload_schema_config, then choose what it syncs with update_schema_config (what is new in"
    " the source syncs by schema_change_handling), then resume_connector if it is paused."
)
NEXT_STEPS: Final = {
    "setup_incomplete": "Credentials or fields are missing or no longer work: a person opens the"
    " Connect Card, or update_connector supplies them and runs the setup tests.",
    "setup_tests_failed": "See setup_tests; correct the configuration with update_connector. Do not"
    " create it again.",
}


def _after_update(connection: ConnectionDetails) -> str:
    return "It is paused: resume_connector when ready." if connection.paused else "Nothing is left."


def _set_up(connection: ConnectionDetails, when_ready: str) -> SetUpConnector:
    outcome: Literal["ready", "setup_incomplete", "setup_tests_failed"] = "ready"
    if failed_tests(connection.setup_tests):
        outcome = "setup_tests_failed"
    elif connection.status.setup_state != "connected":
        outcome = "setup_incomplete"
    card = connection.connect_card
    return SetUpConnector(
        **identity(connection),
        paused=connection.paused,
        outcome=outcome,
        next_step=NEXT_STEPS.get(outcome, when_ready),
        tasks=issues(connection.status.tasks) or None,
        setup_tests=setup_outcomes(connection.setup_tests),
        connect_card_uri=card.uri if card else None,
    )


def _clash(error: ConflictError) -> ToolFailure:
    """Say what a conflict is when nothing is there yet that could be syncing."""
    words = clean(scrub(error.api_message), 300) if error.api_message else None
    return ToolFailure(
        "conflict",
        "create_connector made nothing: it conflicts with what is there, most likely a connector of"
        " the same name in this group",
        hint="Find that one with list_connectors (group_id, schema) and change it with"
        " update_connector, or give this one another name in config.",
        details={"fivetran": {"status": error.status, "message": words}} if words else None,
    )


async def _look_for(
    fivetran: Client, group_id: str, service: str, names: Sequence[str]
) -> ToolFailure:
    """Find out whether a connector was made although its answer was lost."""
    try:
        found = await _find(fivetran, group_id, service, names)
    except FivetranError:
        seen = "and looking for it failed too"
        hint = "Look for it with list_connectors (group_id, schema) before creating it again."
    else:
        if not names:
            seen = "what it would be named is not known, so it was not looked for"
            hint = "Look for it with list_connectors (group_id, service) before creating it again."
        elif found:
            seen = f"a connector of that name is there: {found}"
            hint = "Call get_connector for it: it may be the new one. Do not create it again."
        else:
            seen = "no connector of that name is there so far"
            hint = "Look once more with list_connectors in a minute before creating it again."
    return ToolFailure(
        "outcome_unknown", f"create_connector was sent, but its answer was lost; {seen}", hint=hint
    )


async def _find(fivetran: Client, group_id: str, service: str, names: Sequence[str]) -> str | None:
    """Find a connector by the first of its possible names that is there."""
    for name in names:
        page = await fivetran.connections.page(group_id=group_id, name=name)
        for connection in page.items:
            if connection.service in {None, service}:
                return connection.id
    return None


def _possible_names(config: Mapping[str, Any]) -> list[str]:
    """Say how Fivetran may name it: the prefix, the schema, or schema.table."""
    schema = config.get("schema")
    table = config.get("table") or config.get("table_group_name")
    names = (config.get("schema_prefix"), f"{schema}.{table}" if table else None, schema)
    return [name for name in names if isinstance(name, str) and name]
