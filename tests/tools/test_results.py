"""Shared results: a state in one word, ages, tasks, setup tests, configurations without secrets."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_server.fivetran.models import Connection, ConnectionDetails, Notice, SetupTest
from mcp_server.tools.health import state_of
from mcp_server.tools.results import (
    CONFIG_BUDGET,
    LONGEST_IN_ROW,
    ConnectorDetails,
    ConnectorRow,
    details,
    failed_tests,
    issue,
    issues,
    row,
    seconds_since,
    setup_outcomes,
)

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
EARLY = "2026-03-10T10:00:00Z"
LATE = "2026-03-10T11:00:00Z"
TASK = {"code": "reconnect"}


def connection(status: dict[str, Any] | None = None, **fields: Any) -> Connection:
    """Build a connection from what is told of it."""
    return Connection.model_validate({"id": "some_id", "status": status, **fields})


def detailed(**fields: Any) -> dict[str, Any]:
    """Show a connection of these fields, as `get_connector` would send it."""
    shown = details(ConnectionDetails.model_validate({"id": "some_id", **fields}))
    return ConnectorDetails(**shown).model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("state", "status", "fields"),
    [
        # Each sign alone.
        ("broken", {"setup_state": "broken"}, {}),
        ("incomplete", {"setup_state": "incomplete"}, {}),
        ("paused", {}, {"paused": True}),
        ("paused", {"sync_state": "paused"}, {}),
        ("failing", {}, {"failed_at": LATE, "succeeded_at": EARLY}),
        ("failing", {}, {"failed_at": EARLY}),
        ("failing", {"tasks": [TASK]}, {}),
        ("rescheduled", {"sync_state": "rescheduled"}, {}),
        ("delayed", {"update_state": "delayed"}, {}),
        ("syncing", {"sync_state": "syncing"}, {}),
        ("healthy", {"sync_state": "scheduled"}, {}),
        # Of two signs the first counts.
        ("broken", {"setup_state": "broken", "sync_state": "paused"}, {"paused": True}),
        ("broken", {"setup_state": "broken", "tasks": [TASK]}, {"failed_at": LATE}),
        ("incomplete", {"setup_state": "incomplete", "sync_state": "paused"}, {"paused": True}),
        ("paused", {"tasks": [TASK], "update_state": "delayed"}, {"paused": True}),
        ("paused", {"sync_state": "syncing"}, {"paused": True}),
        ("paused", {"sync_state": "paused"}, {"paused": False}),
        ("failing", {"sync_state": "rescheduled", "update_state": "delayed"}, {"failed_at": LATE}),
        ("failing", {"sync_state": "syncing", "tasks": [TASK]}, {"succeeded_at": LATE}),
        ("rescheduled", {"sync_state": "rescheduled", "update_state": "delayed"}, {}),
        ("delayed", {"sync_state": "syncing", "update_state": "delayed"}, {}),
        # What is no sign.
        ("healthy", {}, {"failed_at": EARLY, "succeeded_at": LATE}),
        ("healthy", {}, {"failed_at": EARLY, "succeeded_at": EARLY}),
        ("healthy", {"warnings": [TASK]}, {"paused": False}),
        ("healthy", {"setup_state": "connected", "update_state": "on_schedule"}, {}),
        # Null and absent, and words that the API may add.
        ("healthy", None, {}),
        ("healthy", {"setup_state": None, "sync_state": None, "tasks": None}, {"paused": None}),
        ("healthy", {}, {"failed_at": None, "succeeded_at": None}),
        ("healthy", {"setup_state": "new", "sync_state": "new", "update_state": "new"}, {}),
        # Times of other zones.
        ("failing", {}, {"failed_at": "2026-03-10T12:30:00+01:00", "succeeded_at": LATE}),
        ("healthy", {}, {"failed_at": "2026-03-10T12:30:00+02:00", "succeeded_at": LATE}),
    ],
)
def test_the_first_sign_that_applies_is_the_state(
    state: str, status: dict[str, Any] | None, fields: dict[str, Any]
) -> None:
    """One word, so that a model need not weigh seven fields."""
    assert state_of(connection(status, **fields)) == state


@pytest.mark.parametrize(
    ("ago", "age"), [(None, None), (0.0, 0), (59.9, 59), (86_400.0, 86_400), (-30.0, 0)]
)
def test_an_age_is_in_whole_seconds_and_never_negative(ago: float | None, age: int | None) -> None:
    """A clock behind the API's gives 0."""
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    moment = None if ago is None else now - timedelta(seconds=ago)

    assert seconds_since(moment, now) == age


def test_a_message_that_repeats_its_code_is_left_out() -> None:
    """`reconnect`, "Reconnect" is one word, not two."""
    assert issue(Notice(code="reconnect", message="Reconnect")).message is None
    assert issue(Notice(code="reconnect", message="Reconnect now")).message == "Reconnect now"
    assert issue(Notice(code="reconnect", message="\u200b\u202e")).message is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, None),
        ("", None),
        ("\u200b\x00", None),
        ("a\n b\u202e\x1b[31m", "a b"),
        ({"table": "t\u200b", "token": "canary"}, '{"table": "t", "token": "[redacted]"}'),
        (["x", 1, None], '["x", 1, null]'),
        (0, "0"),
        ("postgres://me:canary@db.example/x", "postgres://[redacted]@db.example/x"),
        ("Authorization: Bearer canary-canary", "Authorization: Bearer [redacted]"),
    ],
)
def test_details_of_any_json_become_one_clean_text(given: Any, shown: str | None) -> None:
    """They are text, objects or lists, and come from the source."""
    assert issue(Notice(code="x", details=given)).details == shown


def test_long_texts_are_cut_with_a_count() -> None:
    """Nothing is cut without saying so."""
    shown = issue(Notice(code="c" * 100, message="m" * 700, details="d" * 10_000))

    assert shown.code == "c" * 80 + "… [20 more characters]"
    assert shown.message == "m" * 400 + "… [300 more characters]"
    assert shown.details == "d" * 400 + "… [9600 more characters]"


def test_of_many_tasks_the_first_are_shown_and_the_rest_counted() -> None:
    """Ten, and how many more."""
    notices = [Notice(code=f"task_{number}") for number in range(25)]

    assert len(issues(notices[:10])) == 10
    shown = issues(notices)
    assert [one.code for one in shown] == [*(f"task_{number}" for number in range(10)), "more"]
    assert shown[-1].message == "15 more not shown"


def test_a_row_has_the_first_task_short_and_no_configuration() -> None:
    """What explains the state, and nothing that belongs into the details."""
    tasks = [{"code": "reconnect", "details": "d" * 500}, TASK, TASK]
    one = Connection.model_validate(
        {"id": "a", "schema": "cr\u200bm", "config": {"x": 1}, "status": {"tasks": tasks}}
    )

    shown = row(one, NOW).model_dump(mode="json", exclude_none=True)

    assert shown == {
        "id": "a",
        "name": "crm",
        "state": "failing",
        "task": {"code": "reconnect", "details": "d" * LONGEST_IN_ROW + "… [340 more characters]"},
        "more_tasks": 2,
    }
    assert "config" not in ConnectorRow.model_fields


def test_setup_tests_are_shown_and_only_those_that_failed_with_details() -> None:
    """Details of what passed are of no use."""
    tests = [
        SetupTest(title="One", status="PASSED", message="", details="long"),
        SetupTest(title="Two", status="FAILED", message="no\x07pe", details={"password": "canary"}),
        SetupTest(status="WARNING", message="hm", details=None),
        SetupTest(title="Four"),
    ]

    shown = [one.model_dump(exclude_none=True) for one in setup_outcomes(tests) or []]

    assert shown == [
        {"title": "One", "status": "PASSED"},
        {
            "title": "Two",
            "status": "FAILED",
            "message": "nope",
            "details": '{"password": "[redacted]"}',
        },
        {"title": "unnamed", "status": "WARNING", "message": "hm"},
        {"title": "Four", "status": "UNKNOWN"},
    ]
    assert setup_outcomes([]) is None


@pytest.mark.parametrize(
    ("statuses", "failed"),
    [
        ([], False),
        (["PASSED", "SKIPPED", "WARNING"], False),
        (["PASSED", "FAILED"], True),
        (["JOB_FAILED"], True),
        (["SOMETHING_NEW"], True),
        ([None], True),
    ],
)
def test_only_what_is_known_to_be_no_failure_counts_as_none(
    *, statuses: list[str | None], failed: bool
) -> None:
    """A status the API adds later must not pass for success."""
    assert failed_tests([SetupTest(status=status) for status in statuses]) is failed


def test_the_configuration_is_shown_without_a_secret_anywhere() -> None:
    """Masks, names that tell, at every depth, in lists, in addresses."""
    shown = detailed(
        config={
            "host": "db.example",
            "password": "******",
            "note": "********",
            "client_secret": "canary-1",
            "secrets_list": [{"key": "station", "value": "canary-2"}],
            "variables": [{"key": "station", "value": "canary-3"}],
            "nested": {"deep": [{"api_key": "canary-4", "port": 22, "empty": None}]},
            "url": "https://me:canary-5@db.example/x",
            "header": "Basic canary-6",
            "text": "a\u200bb\u202ec\x1b",
        }
    )

    assert shown["config"] == {
        "host": "db.example",
        "password": "[redacted]",
        "note": "[redacted]",
        "client_secret": "[redacted]",
        "secrets_list": "[redacted]",
        "variables": [{"key": "station", "value": "[redacted]"}],
        "nested": {"deep": [{"api_key": "[redacted]", "port": 22, "empty": None}]},
        "url": "https://[redacted]@db.example/x",
        "header": "Basic [redacted]",
        "text": "abc",
    }
    assert "canary" not in json.dumps(shown)


def test_a_connect_card_is_never_among_the_details() -> None:
    """It would let its bearer enter credentials."""
    card = {"token": "canary-token", "uri": "https://fivetran.example/?auth=canary-uri"}

    assert "canary" not in json.dumps(
        detailed(connect_card=card, connect_card_config={"x": "canary"})
    )


def test_a_large_configuration_is_cut_by_entries_and_says_so() -> None:
    """What does not fit is named with its size."""
    shown = detailed(config={"host": "db.example", "tables": ["t" * 100] * 200})

    assert shown["config"] == {"host": "db.example"}
    assert shown["config_too_large"] == {"tables": 20_800}
    assert len(json.dumps(shown)) < CONFIG_BUDGET


def test_an_empty_configuration_is_left_out() -> None:
    """What is absent is not sent."""
    assert detailed(config={}) == detailed() == {"id": "some_id", "state": "healthy"}


def test_the_texts_of_a_connector_have_no_character_that_does_not_show() -> None:
    """Every text of the answer, whatever field it is in."""
    bad = "a\u200b\u202e\x00\x1b\u2066\ufeff\U000e0041b"
    notice = {"code": bad, "message": bad, "details": bad}
    shown = detailed(
        schema=bad,
        connected_by=bad,
        networking_method=bad,
        config={bad: [bad]},
        setup_tests=[{"title": bad, "status": bad, "message": bad, "details": {bad: bad}}],
        status={"tasks": [notice], "warnings": [notice]},
    )

    text = json.dumps(shown, ensure_ascii=False)
    assert {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co"}} == set()
    assert "\\u" not in text
    assert text.count("ab") == 16
