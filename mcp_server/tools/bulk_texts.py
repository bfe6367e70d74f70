"""What a bulk change does, costs and loses, in words and numbers, and how to take it back."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from mcp_server.fivetran.models import Connection
from mcp_server.tools.bulk_runs import MOST_SHOWN, short_name
from mcp_server.tools.bulk_targets import Action, Targets
from mcp_server.tools.syncs import DAILY
from mcp_server.tools.targets import listed


def effect_of(targets: Targets) -> str:
    """Say what happens to how many, and to which."""
    count = len(targets.change)
    names = listed([_quoted(each) for each in targets.change])
    connectors = "connector" if count == 1 else "connectors"
    return f"{count} {connectors} would be {_done(targets)}: {names}."


def _quoted(connection: Connection) -> str:
    return json.dumps(short_name(connection) or connection.id, ensure_ascii=False)


def _done(targets: Targets) -> str:
    """Say what happens to a connector."""
    return {
        "pause": "paused",
        "resume": "resumed",
        "sync": "told to sync now",
        "set_sync_frequency": f"set to sync every {targets.minutes} minutes",
    }[targets.action]


def effects(targets: Targets) -> list[str]:
    """Say what a change costs, and what it does not do, with numbers."""
    return [f"{text}: {count}." for text, count in _SIGNS[targets.action](targets) if count]


def losses(targets: Targets) -> list[str]:
    """Say what a change loses, with numbers."""
    if targets.action != "set_sync_frequency":
        return []
    signs = (
        (
            "With a custom schedule, which is lost: only the dashboard can set one again",
            sum(each.sync_frequency is None for each in targets.change),
        ),
        (
            f"With a daily time, which is lost: it goes only with {DAILY}",
            sum(bool(each.daily_sync_time) for each in targets.change),
        ),
    )
    return [f"{text}: {count}." for text, count in signs if count]


def _when_paused(targets: Targets) -> Iterator[tuple[str, int]]:
    running = [each.status.sync_state == "syncing" for each in targets.change]
    yield "Syncing now, which is stopped first and can take a minute each", sum(running)


def _when_resumed(targets: Targets) -> Iterator[tuple[str, int]]:
    text = "May sync at once if overdue, which loads the sources and the warehouse"
    yield text, len(targets.change)
    yield from _broken(targets)
    incomplete = [each.status.setup_state == "incomplete" for each in targets.change]
    yield "With an incomplete setup, so they will not sync", sum(incomplete)


def _when_synced(targets: Targets) -> Iterator[tuple[str, int]]:
    yield "Syncs at the same time, which load the sources and the warehouse", len(targets.change)
    yield from _broken(targets)


def _broken(targets: Targets) -> Iterator[tuple[str, int]]:
    broken = [each.status.setup_state == "broken" for each in targets.change]
    yield "With a broken setup, so their syncs will probably fail", sum(broken)


def _when_rescheduled(targets: Targets) -> Iterator[tuple[str, int]]:
    change, minutes = targets.change, targets.minutes or 0
    yield (
        "Syncing more often, which is more load, and which the account's plan may forbid",
        sum((each.sync_frequency or 0) > minutes for each in change),
    )
    yield (
        "With a manual schedule, so it has no effect until that is auto",
        sum(each.schedule_type == "manual" for each in change),
    )
    yield "Paused, so it has no effect until they are resumed", sum(bool(e.paused) for e in change)


_SIGNS: Final[Mapping[Action, Callable[[Targets], Iterator[tuple[str, int]]]]] = {
    "pause": _when_paused,
    "resume": _when_resumed,
    "sync": _when_synced,
    "set_sync_frequency": _when_rescheduled,
}


def undo_of(targets: Targets) -> str:
    """Say how to take a change back, and how exactly that can be done."""
    how = _UNDO[targets.action]
    if targets.action == "sync" or len(targets.change) <= MOST_SHOWN:
        return how
    return (
        f"{how} The answer names {MOST_SHOWN}: to undo exactly, change no more than that in a call."
    )


_UNDO: Final[Mapping[Action, str]] = {
    "pause": "bulk_update with action=resume and the ids in succeeded.",
    "resume": "bulk_update with action=pause and the ids in succeeded.",
    "sync": "A sync cannot be undone; bulk_update with action=pause stops those that run.",
    "set_sync_frequency": "bulk_update with the minutes and ids in previous_minutes of the answer.",
}
