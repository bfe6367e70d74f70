"""What Fivetran's codes and a connector's states mean, and what to do about each: one table."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Weight(IntEnum):
    """How much a problem stands in the way; the worst comes first."""

    BLOCKS = 0
    """Nothing syncs until someone does something."""
    FAILS = 1
    """Syncs are tried, and fail."""
    WAITS = 2
    """Nothing syncs for now, because someone or the source wants it so."""
    HARMS = 3
    """It syncs, but some of the data is wrong, missing or late."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means."""

    weight: Weight
    meaning: str
    next: str


SYNC_FAILED: Final = "last_sync_failed"
TEST_FAILED: Final = "setup_test_failed"

_LOG_IN: Final = (
    "run_setup_tests tells which step fails. Then new credentials by update_connector, or"
    " create_connect_card for a person to authorize again."
)

KNOWN: Final[dict[str, Code]] = {
    # Fivetran's own
    "reconnect": Code(
        Weight.BLOCKS,
        "Fivetran no longer gets into the source: credentials, authorization or network.",
        _LOG_IN,
    ),
    "auth_token_expired": Code(
        Weight.BLOCKS,
        "The authorization at the source has expired.",
        "create_connect_card gives a person a link to authorize again; then sync_connector.",
    ),
    "unknown_sync_failure": Code(
        Weight.FAILS,
        "The last sync failed for a cause that Fivetran has no code for.",
        "get_sync_history tells whether it always fails. Remove the cause, then sync_connector.",
    ),
    "python_code_throwing_error": Code(
        Weight.FAILS,
        "The connector's own code (Connector SDK) raised an error.",
        "A developer has to correct and deploy the code; then sync_connector.",
    ),
    "sync_warning": Code(
        Weight.HARMS,
        "Something about its syncs needs attention; part of the data may not be loaded.",
        "Act on the details, then sync_connector.",
    ),
    "resync_table_warning": Code(
        Weight.HARMS,
        "These tables may lack rows or have stale ones until they are loaded again.",
        "resync_connector with scope=tables; names as in get_schema_config. It costs time and money.",
    ),
    "type_coercion_to_null_warning": Code(
        Weight.HARMS,
        "Values did not fit the type of their column and were loaded as null.",
        "A person corrects the values or the type; then resync_connector with scope=tables.",
    ),
    # States of a connector
    "incomplete": Code(
        Weight.BLOCKS,
        "Its setup was never finished, so it cannot sync.",
        "run_setup_tests tells what is missing: update_connector supplies it, or"
        " create_connect_card lets a person do so.",
    ),
    "broken": Code(Weight.BLOCKS, "Its setup worked once and does not any more.", _LOG_IN),
    "paused": Code(
        Weight.WAITS,
        "Someone paused it, so it does not sync.",
        "resume_connector, if that is wanted.",
    ),
    "rescheduled": Code(
        Weight.WAITS,
        "The source's quota is used up; it goes on by itself at rescheduled_for of get_sync_status.",
        "Nothing: wait until then.",
    ),
    "rescheduled_manual": Code(
        Weight.BLOCKS,
        "The source's quota is used up until rescheduled_for of get_sync_status; with a manual schedule"
        " nothing restarts it then.",
        "sync_connector, once that time has passed.",
    ),
    "delayed": Code(
        Weight.HARMS,
        "Fivetran calls its data older than expected.",
        "get_sync_history tells whether syncs take long or are rare. Then set_sync_frequency, or with a"
        " manual schedule sync_connector.",
    ),
    # Found by this server
    "paused_long": Code(
        Weight.WAITS,
        "Paused, and without a sync for over a week: forgotten, perhaps.",
        "Ask whether it is wanted; resume_connector, or delete_connector.",
    ),
    "historical_long": Code(
        Weight.HARMS,
        "A historical sync has been going on for over a week.",
        "get_sync_history tells whether it gets on.",
    ),
    "overdue": Code(
        Weight.HARMS,
        "Its data is older than twice its schedule, though no sync failed.",
        "get_sync_history tells whether syncs take long or do not start.",
    ),
    "other": Code(
        Weight.HARMS,
        "Causes beyond those that are counted one by one.",
        "triage_connectors of one group or service tells them apart.",
    ),
    SYNC_FAILED: Code(
        Weight.FAILS,
        "Its last sync failed.",
        "get_sync_history tells whether it always fails. Remove the cause, then sync_connector.",
    ),
    TEST_FAILED: Code(
        Weight.BLOCKS,
        "Setup tests did not pass.",
        "update_connector corrects what they name; then run_setup_tests.",
    ),
}

_UNKNOWN_WARNING: Final = Code(
    Weight.HARMS,
    "A warning this server does not know; the details are all there is.",
    "Act on the details; dismiss_warnings hides it if there is nothing to do.",
)
_UNKNOWN_TROUBLE: Final = Code(
    Weight.FAILS,
    "Trouble this server does not know; the details are all there is.",
    "Act on the details; run_setup_tests and get_sync_history tell more.",
)


def explained(code: str, *, warning: bool) -> Code:
    """Tell what a code means; Fivetran has more codes than anyone has listed."""
    return KNOWN.get(code) or (_UNKNOWN_WARNING if warning else _UNKNOWN_TROUBLE)
