"""How a connector is, in one word, and what becomes of it, in one sentence."""

from datetime import datetime
from typing import Literal

from mcp_server.fivetran.models import Connection

State = Literal[
    "broken", "incomplete", "paused", "failing", "rescheduled", "delayed", "syncing", "healthy"
]

FINE: frozenset[State] = frozenset({"paused", "syncing", "healthy"})
"""States in which nothing needs to be done."""


def failed_last(connection: Connection) -> datetime | None:
    """Tell when the last sync failed; None if it did not fail."""
    failed, succeeded = connection.failed_at, connection.succeeded_at
    return failed if failed and (succeeded is None or failed > succeeded) else None


def state_of(connection: Connection) -> State:
    """Tell in one word how a connector is: the first that applies."""
    status = connection.status
    signs: tuple[tuple[State, bool], ...] = (
        ("broken", status.setup_state == "broken"),
        ("incomplete", status.setup_state == "incomplete"),
        ("paused", bool(connection.paused) or status.sync_state == "paused"),
        ("failing", bool(failed_last(connection) or status.tasks)),
        ("rescheduled", status.sync_state == "rescheduled"),
        ("delayed", status.update_state == "delayed"),
        ("syncing", status.sync_state == "syncing"),
    )
    return next((state for state, applies in signs if applies), "healthy")


def prospect(connection: Connection, now: datetime) -> tuple[bool, str]:
    """Say whether a sync would start now, and why not or what starts the next one."""
    status, manual = connection.status, connection.schedule_type == "manual"
    due = status.rescheduled_for is not None and status.rescheduled_for <= now
    state = state_of(connection)
    signs = (
        (
            state == "incomplete",
            False,
            "Its setup is incomplete: run_setup_tests; update_connector or create_connect_card.",
        ),
        (connection.paused, False, "It is paused: resume_connector starts it again."),
        (status.sync_state == "syncing", False, "A sync is running: wait for it to end."),
        (
            status.sync_state == "paused",
            False,
            "Its last pause has not quite ended; look again in a minute.",
        ),
        (
            state == "broken",
            True,
            "A sync would start, but probably fail: its setup is broken, run_setup_tests tells why.",
        ),
        (
            status.sync_state == "rescheduled" and manual,
            True,
            (
                "The source's quota was used up, and with a manual schedule nothing restarts it:"
                f" call sync_connector{'' if due else ' once rescheduled_for has passed'}."
            ),
        ),
        (
            status.sync_state == "rescheduled",
            True,
            "The source's quota is used up; it goes on by itself at rescheduled_for.",
        ),
    )
    found = ((can_sync, why) for applies, can_sync, why in signs if applies)
    return next(found, (True, f"{_past(state)}{_schedule(connection)}"))


def _past(state: State) -> str:
    """Say what is wrong with a connector that syncs all the same."""
    if state == "failing":
        return "Its last sync failed or tasks are open. "
    if state == "delayed":
        return "Fivetran calls its data older than expected, and gives no reason. "
    return ""


def _schedule(connection: Connection) -> str:
    if connection.schedule_type == "manual":
        return "It syncs only when triggered, by sync_connector: its schedule is manual."
    if connection.sync_frequency is None:
        return "It syncs by its schedule."
    return f"It syncs by its schedule, every {connection.sync_frequency} minutes."
