"""Checks of request bodies: known fields, their types and their values."""

import re
from collections.abc import Callable, Mapping

from mcp_server.sandbox.replies import Json, invalid

Check = Callable[[object], bool]

_FREQUENCIES = frozenset({1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440})
_ON_THE_HOUR = re.compile(r"([01]\d|2[0-3]):00")
DAILY = 1440


def flag(value: object) -> bool:
    """Accept true and false."""
    return isinstance(value, bool)


def text(value: object) -> bool:
    """Accept a string."""
    return isinstance(value, str)


def mapping(value: object) -> bool:
    """Accept an object."""
    return isinstance(value, dict)


def whole(value: object) -> bool:
    """Accept an integer that is not negative; booleans are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def one_of(*options: str) -> Check:
    """Accept one of the given strings."""
    return lambda value: isinstance(value, str) and value in options


def optional(check: Check) -> Check:
    """Accept null too."""
    return lambda value: value is None or check(value)


def _frequency(value: object) -> bool:
    return whole(value) and value in _FREQUENCIES


def _on_the_hour(value: object) -> bool:
    return isinstance(value, str) and _ON_THE_HOUR.fullmatch(value) is not None


CONTROLS: dict[str, Check] = {
    "run_setup_tests": flag,
    "trust_certificates": flag,
    "trust_fingerprints": flag,
}
SETTINGS: dict[str, Check] = {
    "config": mapping,
    "auth": mapping,
    "paused": flag,
    "pause_after_trial": flag,
    "sync_frequency": _frequency,
    "daily_sync_time": _on_the_hour,
    "schedule_type": one_of("auto", "manual"),
    "data_delay_sensitivity": one_of("LOW", "NORMAL", "HIGH", "CUSTOM", "SYNC_FREQUENCY"),
    "data_delay_threshold": whole,
    "networking_method": one_of("Directly", "PrivateLink", "SshTunnel", "ProxyAgent"),
    "proxy_agent_id": optional(text),
    "private_link_id": optional(text),
    "hybrid_deployment_agent_id": optional(text),
    "destination_configuration": mapping,
    "external_secrets_manager_id": optional(text),
    "external_secrets_keys_config": mapping,
}
UPDATE: dict[str, Check] = {
    **SETTINGS,
    **CONTROLS,
    "is_historical_sync": flag,
    "schema_status": one_of("blocked_on_capture", "ready"),
}
CREATE: dict[str, Check] = {
    **SETTINGS,
    **CONTROLS,
    "group_id": text,
    "service": text,
    "destination_schema_names": one_of("FIVETRAN_NAMING", "SOURCE_NAMING"),
    "connect_card_config": mapping,
}
CONNECT_CARD: dict[str, Check] = {
    "redirect_uri": text,
    "hide_setup_guide": flag,
    "all_fields": flag,
}


def check(body: Json, known: Mapping[str, Check], required: tuple[str, ...] = ()) -> None:
    """Refuse unknown fields, wrong values and missing required fields with 400."""
    for name, value in body.items():
        if name not in known:
            invalid(f"Unknown or immutable field '{name}'")
        if not known[name](value):
            invalid(f"Field '{name}' has an invalid value")
    for name in required:
        if name not in body:
            invalid(f"Field '{name}' is required")


def check_schedule(body: Json, frequency: int | None) -> None:
    """Refuse a daily time unless the connection syncs, or is about to sync, once a day."""
    if "daily_sync_time" in body and body.get("sync_frequency", frequency) != DAILY:
        invalid("daily_sync_time can be set only when sync_frequency is 1440")


def check_ports(config: Json) -> None:
    """Refuse ports that are not numbers."""
    for name in ("port", "tunnel_port"):
        if name in config and not whole(config[name]):
            invalid(f"Field 'config.{name}' must be a number")


def check_card(config: Json) -> None:
    """Refuse a Connect Card without a web address to return to."""
    check(config, CONNECT_CARD, ("redirect_uri",))
    if not config["redirect_uri"].startswith(("http://", "https://")):
        invalid("redirect_uri must start with http:// or https://")
