"""The account a sandbox starts with: connections with known traits, then plausible ones."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, count, islice

from mcp_server.sandbox.account import (
    Account,
    Backstage,
    Origin,
    blank_connection,
    blank_status,
    stamp,
)
from mcp_server.sandbox.chance import identifier, number, pick
from mcp_server.sandbox.replies import Json
from mcp_server.sandbox.services import SERVICES, Service
from mcp_server.sandbox.traits import TRAITS, Trait
from mcp_server.sandbox.trust import EVERYTHING, trust_presented

_DEFAULT_COUNT = 40
_GROUPS = {
    "amber_harbor": "Production",
    "quiet_delta": "Marketing",
    "north_pine": "Finance",
    "dev_sands": "Development",
}
_PLAIN_SERVICES = (
    "postgres", "salesforce", "stripe", "mysql", "google_ads", "aws_lambda", "zendesk",
    "sql_server", "hubspot", "facebook_ads", "s3", "shopify", "google_analytics_4", "jira",
    "snowflake_db", "google_sheets", "google_cloud_function",
)  # fmt: skip
_FREQUENCIES = (180, 360, 360, 480, 720, 1440)
_DEFAULT_FREQUENCY = 360
# Healthy connections are not due before this many minutes have passed: tests find them at rest.
_QUIET_MINUTES = 75
_PAUSED_SHARE = 12
_BROKEN_SHARE = 40
_HOUR = timedelta(hours=1)


def fill(account: Account, connections: int | None, seed: int) -> None:
    """Put the groups and the given number of connections into an empty account."""
    now = account.now()
    for age, (group_id, name) in enumerate(_GROUPS.items()):
        created = stamp(now - timedelta(days=900 - age))
        account.groups[group_id] = {"id": group_id, "name": name, "created_at": created}
    wanted = _DEFAULT_COUNT if connections is None else connections
    for connection_id, trait in islice(_traits(seed), wanted):
        connection = build(connection_id, trait, seed, now)
        account.connections[connection_id] = connection
        account.backstage[connection_id] = _backstage(trait, connection, now)
        if trait.trusted:
            trust_presented(account, connection_id, EVERYTHING)


def build(connection_id: str, trait: Trait, seed: int, now: datetime) -> Json:
    """Build a connection as the API shows it, but for the secrets, which are still readable."""
    created = stamp(now - timedelta(minutes=trait.created))
    connection = blank_connection(
        connection_id, trait.service, trait.schema, trait.group_id, created
    )
    tunnel = "tunnel_host" in trait.config
    return connection | {
        "connected_by": pick(f"{seed}/{connection_id}/by", ("quiet_meadow", "plain_river", None)),
        "succeeded_at": _succeeded(connection_id, trait, seed, now),
        "failed_at": _ago(now, trait.failed),
        "paused": trait.paused,
        "sync_frequency": trait.frequency,
        "schedule_type": trait.schedule,
        "daily_sync_time": trait.daily,
        "networking_method": "SshTunnel" if tunnel else "Directly",
        "status": _status(trait, now),
        "config": _config(SERVICES[trait.service], trait),
    }


def _traits(seed: int) -> Iterator[tuple[str, Trait]]:
    names = (identifier(f"seed {seed}", turn) for turn in count())
    plain = ((name, _plain(f"{seed}/{name}", turn)) for turn, name in enumerate(names))
    return chain(TRAITS.items(), plain)


def _plain(key: str, turn: int) -> Trait:
    name = _PLAIN_SERVICES[turn % len(_PLAIN_SERVICES)]
    schema = f"{name}_{turn:03d}"
    service = SERVICES[name]
    common: Json = {
        "service": name,
        "schema": schema if len(service.naming) == 1 else f"{schema}.{service.tables[0]}",
        "group_id": pick(key + "group", tuple(_GROUPS)),
        "created": number(key + "created", 40_000, 1_000_000),
        "frequency": pick(key + "frequency", _FREQUENCIES),
    }
    if number(key + "paused", 1, _PAUSED_SHARE) == 1:
        idle = number(key + "idle", 2_000, 30_000)
        return Trait(**common, paused=True, sync="paused", succeeded=idle)
    if number(key + "broken", 1, _BROKEN_SHARE) == 1:
        return Trait(
            **common,
            setup="broken",
            update="delayed",
            succeeded=number(key + "idle", 2_000, 30_000),
            failed=number(key + "failed", 5, 300),
            tasks=({"code": "reconnect", "message": "Reconnect", "details": None},),
            config={"password": "wrong"} if service.database else {},
            backstage={"authorized": not service.oauth},
        )
    return Trait(**common)


def _backstage(trait: Trait, connection: Json, now: datetime) -> Backstage:
    ends = None if trait.runs_for is None else now + timedelta(minutes=trait.runs_for)
    origin = Origin(
        now=now,
        succeeded_at=connection["succeeded_at"],
        failed_at=connection["failed_at"],
        rescheduled_for=connection["status"]["rescheduled_for"],
        reason=next((task["details"] or task["message"] for task in trait.tasks), None),
        minutes=trait.frequency or _DEFAULT_FREQUENCY,
    )
    return Backstage(ends=ends, origin=origin, **trait.backstage)


def _status(trait: Trait, now: datetime) -> Json:
    waits = trait.rescheduled_in
    return blank_status(setup=trait.setup, historical=trait.historical) | {
        "sync_state": trait.sync,
        "update_state": trait.update,
        "rescheduled_for": None if waits is None else stamp(now + timedelta(minutes=waits)),
        "tasks": [dict(task) for task in trait.tasks],
        "warnings": [dict(warning) for warning in trait.warnings],
    }


def _config(service: Service, trait: Trait) -> Json:
    names = dict(zip(service.naming, trait.schema.split("."), strict=True))
    config: Json = {**service.config}
    for name in service.required:
        config.setdefault(name, "sandbox")
    if service.database:
        config["host"] = f"{trait.schema}.db.example".replace("_", "-")
    return {**config, **trait.config, **names}


def _ago(now: datetime, minutes: int | None) -> str | None:
    return None if minutes is None else stamp(now - timedelta(minutes=minutes))


def _succeeded(connection_id: str, trait: Trait, seed: int, now: datetime) -> str | None:
    if trait.succeeded != -1:
        return _ago(now, trait.succeeded)
    if trait.daily is not None:
        return stamp(_daily(trait.daily, now))
    longest = (trait.frequency or _DEFAULT_FREQUENCY) - _QUIET_MINUTES
    return _ago(now, number(f"{seed}/{connection_id}/succeeded", 5, longest))


def _daily(clock: str, now: datetime) -> datetime:
    today = now.replace(hour=int(clock[:2]), minute=12, second=0, microsecond=0)
    latest = today if today <= now else today - timedelta(days=1)
    return max(latest, now - 22 * _HOUR)
