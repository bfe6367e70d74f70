"""Every known trap of Fivetran's API: the test that proves it handled, or why it cannot bite.

A trap is something that a client falls into by reading the documentation once, or by trusting an
older client. The table is checked: a test that is named must exist.
"""

import re
from pathlib import Path

import pytest

from mcp_server.catalogue import tools
from mcp_server.fivetran.transport import DEADLINE

TESTS = Path(__file__).parent

HANDLED = {
    # Slow calls
    "pausing a syncing connection may answer 500 although it took effect": (
        "test_the_500_that_hides_a_pause_is_seen_through"
    ),
    "a pause whose answer is lost must be looked after before anyone tries again": (
        "test_a_pause_whose_answer_timed_out_is_looked_after"
    ),
    "changing a schema during a sync fails until the sync is stopped": (
        "test_a_running_sync_in_the_way_comes_with_what_to_do"
    ),
    "Retry-After can be an hour, absent, a date or garbage": "test_only_short_waits_are_waited_for",
    "creates, resyncs and forced syncs must not be repeated": (
        "test_a_change_that_may_have_arrived_is_sent_once"
    ),
    # Answers
    "success is told by the status, not by the code": "test_the_status_alone_decides_on_success",
    "an error code may be any, only its prefix is known": "test_each_refusal_has_its_error",
    "sync, resync and delete answer without data": "test_only_changes_may_be_answered_without_data",
    "POST without a body is refused by some endpoints": "test_a_change_always_has_a_body",
    "connections want version 2, schemas plain JSON": (
        "test_connections_are_asked_for_in_version_2"
    ),
    "fields come and go, nulls stand where lists do, enumerations grow": (
        "test_unknown_values_and_fields_are_accepted"
    ),
    # Lists
    "the first page is not the list": "test_all_connectors_are_reached_part_by_part",
    "pages are by offset, so rows repeat": "test_a_row_that_comes_again_counts_once",
    "only group and exact name are filtered upstream": "test_the_filters_the_api_has_are_sent_to_it",
    "list items may have a configuration": "test_no_row_has_a_configuration_even_if_the_api_sends_one",
    # Creating and changing
    "whether a new connection is paused is not documented": (
        "test_a_connector_is_created_paused_from_what_was_given"
    ),
    "failed setup tests come with a 201": "test_failed_setup_tests_are_not_success",
    "a create whose answer is lost may have made a connection": (
        "test_a_connector_whose_answer_was_lost_is_looked_for_and_named"
    ),
    "a Connect Card wants no setup tests": (
        "test_with_a_connect_card_no_setup_tests_are_run_unless_asked_for"
    ),
    "a Connect Card's address is a secret": (
        "test_a_connect_card_is_handed_out_once_and_to_nobody_else"
    ),
    "changes run setup tests by default": "test_pausing_and_resuming_never_run_setup_tests",
    "a change of nothing, or of test controls alone, is refused": (
        "test_a_change_of_nothing_is_refused"
    ),
    "is_historical_sync in an update is a full resync": (
        "test_a_hidden_full_resync_cannot_be_asked_for"
    ),
    "a mask that is sent back overwrites the secret": (
        "test_what_is_shown_in_place_of_a_value_is_never_sent_back"
    ),
    "not every secret is masked": "test_the_configuration_is_shown_without_a_secret_anywhere",
    "a custom schedule has no frequency": "test_a_custom_schedule_has_no_frequency_before",
    "only eleven frequencies are legal": "test_other_frequencies_are_refused_and_nothing_is_sent",
    "a time of day goes only with 1440 minutes": "test_a_time_of_day_goes_with_a_daily_sync",
    "a manual schedule ignores frequency and time": "test_a_manual_schedule_comes_with_a_warning",
    "trust_certificates and trust_fingerprints approve whatever is presented": (
        "test_confirmed_exactly_what_was_shown_is_approved_and_tested_again"
    ),
    "create and update could trust a host on the way": "test_trusting_a_host_is_left_to_a_person",
    "what a source presents can change after it was compared": (
        "test_a_confirmation_that_does_not_name_what_is_presented_is_shown_it_first"
    ),
    "setup tests discover the schema": "test_passed_tests_discover_the_schema",
    "details of a setup test can be any JSON": "test_what_is_presented_is_found_in_any_details",
    # Types
    "credentials in auth are not marked as secrets": (
        "test_a_type_that_a_person_authorizes_says_how"
    ),
    "the types beside enumerations are wrong": "test_what_the_metadata_does_not_rule_out_passes",
    "names in the destination are permanent although nothing says so": (
        "test_what_is_permanent_can_be_set_once"
    ),
    "the list of types has no search": "test_the_type_that_is_meant_comes_first",
    "not every type can be set up by API": "test_a_type_that_cannot_be_set_up_by_api_says_so",
    # What happened
    "an empty list of warning types dismisses all": (
        "test_all_warnings_are_never_dismissed_by_omission"
    ),
    "one unknown warning type dismisses nothing": (
        "test_a_warning_that_is_not_open_dismisses_nothing"
    ),
    "sync history takes seven days at most": "test_a_long_span_is_read_week_by_week",
    "not every account has sync history": (
        "test_an_account_without_history_gets_what_is_known_all_the_same"
    ),
    "warnings and errors are in private preview": (
        "test_what_an_account_lacks_is_named_and_the_rest_is_told"
    ),
    "tasks often have no details": (
        "test_the_reason_of_the_last_sync_is_the_details_of_a_task_without_any"
    ),
    # State, columns, moves
    "a column that is not blocked is a 409": "test_every_problem_is_named_in_one_answer",
    "a state is written to a paused connection only": (
        "test_a_state_is_replaced_between_a_pause_and_a_resume"
    ),
    "the old state is lost": "test_the_old_state_of_the_answer_undoes_it",
    "a move ends long after its answer": (
        "test_a_move_is_started_followed_and_ends_in_the_other_group"
    ),
    "a move must not be repeated": ("test_a_move_whose_answer_is_lost_is_looked_for_and_sent_once"),
    "a second delete is a 404": "test_the_next_call_of_the_preview_deletes",
    # Syncing
    "a sync of a paused connection says Success and does nothing": (
        "test_what_cannot_sync_is_refused_with_what_to_do"
    ),
    "a broken connection may recover by a sync": "test_a_broken_connector_syncs_with_a_warning",
    "a sync while syncing says Success and starts nothing": (
        "test_a_running_sync_goes_on_unless_it_is_forced"
    ),
    "there is no failed sync state": "test_the_first_sign_that_applies_is_the_state",
    "rescheduled with a manual schedule never goes on": (
        "test_a_quota_that_is_back_calls_for_a_sync_at_once"
    ),
    "setup_state stands in status, not at the top": (
        "test_the_status_says_whether_a_sync_would_start_and_if_not_why"
    ),
    "paused and sync_state differ for a while": (
        "test_a_pause_that_has_not_quite_ended_is_no_time_to_sync"
    ),
    "an absent or empty scope resyncs everything": (
        "test_an_absent_or_empty_selector_never_means_everything"
    ),
    "some services resync only as a whole": "test_a_service_that_resyncs_only_as_a_whole_says_so",
    "a resync of a paused connection waits": "test_a_paused_connector_resyncs_when_it_is_resumed",
    "a resync during another is a 409": "test_a_resync_during_a_historical_sync_is_a_conflict",
    "state exists only for Functions and the Connector SDK": (
        "test_a_connector_without_a_state_is_told_from_a_failure"
    ),
    # Schemas
    "a new connection has no schema configuration": (
        "test_what_has_no_selection_yet_says_how_it_gets_one"
    ),
    "enabled is required at each level": "test_only_what_changes_is_sent_with_enabled_at_each_level",
    "the answer to a schema change may be only the difference": (
        "test_a_change_that_was_accepted_but_not_applied_is_told_as_that"
    ),
    "disabling in LIVE mode drops data": "test_disabling_in_live_mode_says_that_data_is_dropped",
    "enabling starts a historical sync": (
        "test_enabling_says_that_a_historical_sync_starts_and_one_does"
    ),
    "locked tables and columns cannot be switched": (
        "test_what_is_locked_is_refused_with_the_reason_and_nothing_is_sent"
    ),
    "columns are listed only if they were changed": (
        "test_columns_that_are_not_listed_are_looked_up_live"
    ),
    "a table may be enabled in a disabled schema": (
        "test_a_selection_is_shown_with_counts_and_what_really_syncs"
    ),
    "INCLUDE and EXCLUDE switch all tables, not only new ones": (
        "test_the_preview_of_a_reload_counts_what_then_is_switched"
    ),
    "columns need a connected source": (
        "test_columns_of_a_broken_connector_say_that_it_must_be_connected"
    ),
    "names are free text and case-sensitive": (
        "test_odd_names_stay_inside_their_segments_of_the_path"
    ),
    "ids can leave their place in a path": (
        "test_a_hostile_id_is_refused_by_every_tool_before_anything_is_sent"
    ),
    "schemas of thousands of tables flood a model": (
        "test_all_1200_tables_are_reached_and_none_comes_twice"
    ),
}

ABSENT = {
    "schedule objects (intervals, times of day, cron): in an official client, not in the API's"
    " document": ("cron",),
    "row filters, target data types and type locks: fields of the API's newest document only": (
        "row_filter",
        "target_data_type",
        "is_type_locked",
    ),
    "masking algorithms do not exist in the API; hashing does": ("masking_algorithm",),
    "column types are told by no endpoint": ("type",),
    "the API's own call for tables has the effect of a resync with a scope": ("resync_tables",),
}


@pytest.mark.parametrize(("trap", "proof"), HANDLED.items(), ids=HANDLED.keys())
def test_a_trap_that_is_handled_has_its_test(trap: str, proof: str) -> None:
    """Under this name."""
    files = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py")]

    assert any(re.search(rf"def {proof}\b", text) for text in files), trap


@pytest.mark.parametrize(("reason", "names"), ABSENT.items(), ids=ABSENT.keys())
def test_what_is_left_out_for_a_reason_is_nowhere(reason: str, names: tuple[str, ...]) -> None:
    """No tool of the name, no argument of the name."""
    offered = {tool.name for tool in tools()}
    arguments = {name for tool in tools() for name in tool.parameters["properties"]}

    assert not {*names} & (offered | arguments), reason


def test_a_request_may_take_longer_than_the_api_itself_allows() -> None:
    """Fivetran stops a sync for up to 60 seconds before it answers; 30 would be a false failure."""
    assert DEADLINE > 60
