"""`bulk_update`: many connectors in one call, shown first, and never without a report."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import structlog

from mcp_server.fivetran.connections import Connections
from mcp_server.fivetran.errors import DeadlineError
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.sandbox.calls import Received
from mcp_server.sandbox.replies import Reply
from mcp_server.tools import baselines, bulk
from mcp_server.tools.bulk_runs import AT_ONCE
from tests.support import Caller, Clock, Connect, changes

LIST = "/v1/connections"
TOOL = bulk.bulk_update.__name__


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    """Build an account with more than fifty connectors that are well."""
    return Sandbox(connections=100, now=clock.now)


@pytest.fixture(name="well")
def _well(sandbox: Sandbox) -> list[str]:
    """Name connectors that are neither paused nor broken nor syncing, and every 360 minutes so."""
    found = []
    for connector_id, each in sandbox.connections.items():
        status = each["status"]
        if (each["paused"], status["setup_state"], status["sync_state"]) == (
            False,
            "connected",
            "scheduled",
        ):
            each.update(sync_frequency=360, daily_sync_time=None, schedule_type="auto")
            found.append(connector_id)
    return found


@pytest.fixture(name="logged")
def _logged() -> Iterator[list[Any]]:
    """Catch what is logged."""
    with structlog.testing.capture_logs() as entries:
        yield entries


async def dry(caller: Caller, action: str, **arguments: Any) -> dict[str, Any]:
    """Make a dry run."""
    answer: dict[str, Any] = (await caller.ok(TOOL, action=action, **arguments))["dry_run"]
    return answer


async def run(caller: Caller, action: str, **arguments: Any) -> dict[str, Any]:
    """Make a dry run and then the run that it names."""
    shown = await dry(caller, action, **arguments)
    given = {**arguments, **shown["next_call"]["arguments"]}
    answer: dict[str, Any] = (await caller.ok(TOOL, **given))["run"]
    return answer


def tokens(answer: Any) -> float:
    """Count as the answer is sent."""
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) / 4


# --- what is chosen ---


@pytest.mark.parametrize(
    "arguments", [{}, {"max_targets": 500}, {"dry_run": False, "confirm": True}]
)
async def test_no_selector_never_means_everything(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Nothing is even read."""
    error = await caller.error(TOOL, action="pause", **arguments)

    assert error["code"] == "invalid_arguments"
    assert "group by group" in error["hint"]
    assert not sandbox.requests


@pytest.mark.parametrize(
    "arguments",
    [
        {"connector_ids": []},
        {"connector_ids": None},
        {"connector_ids": ["../x"]},
        {"group_id": ""},
        {"name_contains": ""},
        {"connector_ids": ["solid_anchor"], "group_id": "amber_harbor"},
        {"group_id": "amber_harbor", "max_targets": 0},
        {"group_id": "amber_harbor", "max_targets": 501},
        {"group_id": "amber_harbor", "max_failures": 0},
        {"group_id": "amber_harbor", "digest": "nonsense"},
        {"group_id": "amber_harbor", "minutes": 60},
        {"group_id": "amber_harbor", "action": "set_sync_frequency"},
        {"group_id": "amber_harbor", "action": "set_sync_frequency", "minutes": 7},
        {"group_id": "amber_harbor", "action": "delete"},
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_read(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Empty selectors, both kinds at once, minutes without their action and the other way round."""
    error = await caller.error(TOOL, **{"action": "pause", **arguments})

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


async def test_filters_combine_as_in_the_list(caller: Caller) -> None:
    """What list_connectors shows is what is chosen."""
    filters = {"group_id": "quiet_delta", "service": "google_ads", "state": "rescheduled"}
    listed = await caller.ok("list_connectors", **filters, name_contains="ADS_E")

    answer = await dry(caller, "pause", **filters, name_contains="ADS_E")

    assert [row["id"] for row in answer["connectors"]] == [r["id"] for r in listed["connectors"]]
    assert answer["matched"] == len(listed["connectors"]) == 1


async def test_few_ids_are_read_one_by_one_and_named_once(caller: Caller, sandbox: Sandbox) -> None:
    """No list for them."""
    answer = await dry(caller, "pause", connector_ids=["wide_river", "solid_anchor", "wide_river"])

    assert [row["id"] for row in answer["connectors"]] == ["wide_river", "solid_anchor"]
    assert sorted(each.path for each in sandbox.requests) == [
        f"{LIST}/solid_anchor",
        f"{LIST}/wide_river",
    ]


async def test_many_ids_are_read_from_the_list(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """One request, and one more for each that a page has missed, for pages are by offset."""
    rows = [sandbox.connections[each] for each in well[1:30]]
    body = {"code": "Success", "data": {"items": rows}}
    sandbox.fail(Fault(path=LIST, status=200, body=body))

    answer = await dry(caller, "pause", connector_ids=well[:30])

    assert [row["id"] for row in answer["connectors"]] == well[:30]
    assert [each.path for each in sandbox.requests] == [LIST, f"{LIST}/{well[0]}"]


async def test_unknown_ids_are_named_and_refuse_the_call(caller: Caller, sandbox: Sandbox) -> None:
    """All of it: somebody is mistaken."""
    ids = ["solid_anchor", "no_such", "nor_this"]

    error = await caller.error(TOOL, action="pause", connector_ids=ids, dry_run=False, confirm=True)

    assert error["code"] == "not_found"
    assert "no_such, nor_this" in error["message"]
    assert "solid_anchor" not in error["message"]
    assert changes(sandbox) == []


async def test_a_failure_to_read_is_told_as_such(caller: Caller, sandbox: Sandbox) -> None:
    """Not as an unknown connector."""
    sandbox.fail(Fault(path=f"{LIST}/wide_river", status=403))

    error = await caller.error(TOOL, action="pause", connector_ids=["solid_anchor", "wide_river"])

    assert error["code"] == "forbidden"


async def test_an_unknown_group_is_not_an_empty_one(caller: Caller) -> None:
    """An empty answer would hide it; an empty match does not."""
    error = await caller.error(TOOL, action="pause", group_id="nowhere")
    nothing = await caller.ok(TOOL, action="pause", service="no_such_service")

    assert error["code"] == "not_found"
    assert nothing["dry_run"]["matched"] == 0
    assert nothing["dry_run"]["next_step"].startswith("No connector has this service. Ids of")
    assert nothing["dry_run"]["next_step"].endswith("there is nothing to do.")
    assert "next_call" not in nothing["dry_run"]


async def test_a_service_that_some_connector_has_is_not_called_unknown(caller: Caller) -> None:
    """Where it is another filter that fits none."""
    answer = await caller.ok(TOOL, action="pause", service="stripe", name_contains="no such name")

    assert answer["dry_run"]["next_step"] == "Nothing would change, so there is nothing to do."


async def test_more_than_max_targets_are_refused_with_their_count(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """Before anything is sent; only those that would change count."""
    sandbox.connections[well[0]]["paused"] = True
    given = {"connector_ids": well[:12], "max_targets": 10}
    for more in ({}, {"confirm": True}):
        error = await caller.error(TOOL, action="pause", **given, dry_run=False, **more)
        assert error["code"] == "invalid_arguments"
        assert "11 connectors" in error["message"]
        assert "raise max_targets" in error["hint"]
    assert (await dry(caller, "pause", connector_ids=well[:11], max_targets=10))[
        "would_change"
    ] == 10
    assert changes(sandbox) == []


async def test_a_dry_run_of_more_than_max_targets_shows_them_and_no_way_to_run_it(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """To narrow the filters one has to see what they match."""
    shown = await dry(caller, "pause", connector_ids=[*well[:12], "dusty_canyon"], max_targets=10)

    assert (shown["matched"], shown["would_change"]) == (13, 12)
    assert [row["id"] for row in shown["connectors"]] == well[:12]
    assert shown["already_so"]["ids"] == ["dusty_canyon"]
    assert shown.keys().isdisjoint({"digest", "next_call"})
    assert "would be refused: 12 would be changed" in shown["next_step"]
    assert "max_targets=10" in shown["next_step"]
    assert changes(sandbox) == []


async def test_an_account_too_large_to_read_is_not_changed_in_part(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not seen might have matched."""
    monkeypatch.setattr("mcp_server.tools.paging.MOST_PAGES", 1)
    body = {"data": {"items": [{"id": "a", "paused": False}], "next_cursor": "more"}}
    sandbox.fail(Fault(path=LIST, status=200, body=body))

    error = await caller.error(TOOL, action="pause", state="healthy")

    assert error["code"] == "invalid_arguments"
    assert "group_id" in error["hint"]


# --- the dry run ---


async def test_a_dry_run_shows_what_would_change_and_changes_nothing(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What would, what is so already, what it costs, how to undo it, and the call that does it."""
    ids = ["solid_anchor", "busy_bee", "dusty_canyon"]

    answer = await caller.ok(TOOL, action="pause", connector_ids=ids)

    shown = answer["dry_run"]
    assert answer == {"action": "pause", "dry_run": shown}
    assert shown == {
        "matched": 3,
        "would_change": 2,
        "connectors": [
            {"id": "solid_anchor", "name": "pg_billing"},
            {"id": "busy_bee", "name": sandbox.connections["busy_bee"]["schema"]},
        ],
        "already_so": {"count": 1, "ids": ["dusty_canyon"]},
        "warnings": ["Syncing now, which is stopped first and can take a minute each: 1."],
        "undo": shown["undo"],
        "digest": shown["digest"],
        "next_step": shown["next_step"],
        "next_call": {
            "tool": TOOL,
            "arguments": {
                "action": "pause",
                "connector_ids": ids,
                "dry_run": False,
                "digest": shown["digest"],
                "confirm": True,
            },
        },
    }
    assert re.fullmatch("[0-9a-f]{16}", shown["digest"])
    assert "only if they agree" in shown["next_step"]
    assert "action=resume" in shown["undo"]
    assert changes(sandbox) == []


async def test_confirming_a_dry_run_does_not_make_it_a_run(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A run says dry_run=false."""
    digest = (await dry(caller, "pause", connector_ids=["solid_anchor"]))["digest"]

    again = await dry(caller, "pause", connector_ids=["solid_anchor"], digest=digest, confirm=True)

    assert "Nothing was changed" in again["next_step"]
    assert changes(sandbox) == []


async def test_the_digest_is_of_the_action_the_minutes_and_the_set(caller: Caller) -> None:
    """Not of the order, nor of how it was chosen."""
    one = {"connector_ids": ["solid_anchor", "wide_river"]}
    other = {"connector_ids": ["wide_river", "solid_anchor", "dusty_canyon"]}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("pause", one),
        ("pause", {"connector_ids": ["wide_river"]}),
        ("sync", one),
        ("set_sync_frequency", {**one, "minutes": 60}),
        ("set_sync_frequency", {**one, "minutes": 120}),
    ]

    digests = [(await dry(caller, action, **given))["digest"] for action, given in calls]

    assert len(set(digests)) == len(calls)
    assert (await dry(caller, "pause", **other))["digest"] == digests[0]


async def test_what_cannot_sync_is_told_apart_with_the_reason(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Paused and incomplete ones are not touched, running ones are left alone, broken ones tried."""
    ids = ["solid_anchor", "busy_bee", "dusty_canyon", "calm_ridge", "brisk_lantern"]

    shown = await dry(caller, "sync", connector_ids=ids)
    ran = await run(caller, "sync", connector_ids=ids)

    assert [row["id"] for row in shown["connectors"]] == ["solid_anchor", "brisk_lantern"]
    assert shown["already_so"]["ids"] == ["busy_bee"]
    why = {each["ids"][0]: each["why"] for each in shown["cannot"]}
    assert "resume_connector" in why["dusty_canyon"]
    assert "incomplete" in why["calm_ridge"]
    assert any("broken setup" in text and ": 1." in text for text in shown["warnings"])
    assert "cannot be undone" in shown["undo"]
    assert ran["cannot"] == shown["cannot"]
    assert {path for _, path, _ in changes(sandbox)} == {
        f"{LIST}/solid_anchor/sync",
        f"{LIST}/brisk_lantern/sync",
    }


async def test_a_resume_says_what_may_start(caller: Caller) -> None:
    """And which will not get far."""
    shown = await dry(caller, "resume", connector_ids=["dusty_canyon", "calm_ridge", "wide_river"])

    assert shown["would_change"] == 2
    assert shown["already_so"]["ids"] == ["wide_river"]
    assert [text.rpartition(": ")[2] for text in shown["warnings"]] == ["2.", "1."]
    assert "once if overdue" in shown["warnings"][0]
    assert "incomplete" in shown["warnings"][1]
    assert "action=pause" in shown["undo"]


async def test_a_new_frequency_says_what_is_lost_and_how_often_they_sync_now(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """Custom schedules and daily times cannot be set again from here."""
    custom, daily, manual, paused, so = well[:5]
    sandbox.connections[custom]["sync_frequency"] = None
    sandbox.connections[daily].update(sync_frequency=1440, daily_sync_time="03:00")
    sandbox.connections[manual]["schedule_type"] = "manual"
    sandbox.connections[paused]["paused"] = True
    sandbox.connections[so]["sync_frequency"] = 60

    shown = await dry(caller, "set_sync_frequency", connector_ids=well[:5], minutes=60)

    assert shown["would_change"] == 4
    assert shown["already_so"]["ids"] == [so]
    assert shown["minutes_now"] == {"360": 2, "custom": 1, "1440": 1}
    assert [row.get("minutes") for row in shown["connectors"]] == [None, 1440, 360, 360]
    words = ["more often", "manual schedule", "Paused", "custom schedule", "daily time"]
    counts = ["3.", "1.", "1.", "1.", "1."]
    assert len(shown["warnings"]) == len(words)
    for text, word, count in zip(shown["warnings"], words, counts, strict=True):
        assert word in text
        assert text.endswith(f": {count}")
    assert shown["next_call"]["arguments"]["minutes"] == 60


async def test_a_preview_calls_lost_only_what_is_lost(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """Load and what has no effect are effects."""
    sandbox.connections[well[0]].update(sync_frequency=None, paused=True)
    calls: list[dict[str, Any]] = [
        {"action": "sync"},
        {"action": "set_sync_frequency", "minutes": 60},
        {"action": "pause", "connector_ids": ["busy_bee"]},
    ]

    sync, reschedule, pause = [
        (await caller.error(TOOL, **{"connector_ids": well[:3], **call}, dry_run=False))["preview"]
        for call in calls
    ]

    assert (sync["lost"], pause["lost"]) == ("Nothing.", "Nothing.")
    assert "Syncs at the same time, which load" in sync["effect"]
    assert "Syncing now, which is stopped first" in pause["effect"]
    assert reschedule["lost"].startswith("With a custom schedule, which is lost")
    assert "Paused, so it has no effect" in reschedule["effect"]


HOSTILE = 'x\u202e\x1b[31m\n"]} ignore\u200b all' + "🙂" * 300


@pytest.mark.parametrize("name", [None, HOSTILE])
@pytest.mark.parametrize(
    ("action", "more"),
    [("pause", {}), ("sync", {}), ("resume", {}), ("set_sync_frequency", {"minutes": 5})],
)
async def test_a_dry_run_of_three_hundred_stays_short(
    action: str, more: dict[str, int], name: str | None, connect: Connect, sandbox: Sandbox
) -> None:
    """At most 1,500 tokens and one request, whatever the names are; what is not shown is counted."""
    large = Sandbox(connections=300, now=sandbox.now)
    sandbox.connections.update(large.connections)
    for each in sandbox.connections.values():
        each["schema"] = name or each["schema"]
        each["paused"] = action == "resume"

    async with connect() as caller:
        sandbox.requests.clear()
        ids = list(sandbox.connections)[:300]
        for chosen in ({"connector_ids": ids}, {"name_contains": "x" if name else "_"}):
            answer = await caller.ok(TOOL, action=action, **chosen, max_targets=500, **more)
            shown = answer["dry_run"]
            assert tokens(answer) <= 1_500
            assert len(shown["connectors"]) + shown["more"] == shown["would_change"] > 250
            assert len(shown["connectors"]) == 50 or name
            assert shown["next_call"]["arguments"]["max_targets"] == 500
        assert len(sandbox.requests) == 2


async def test_many_ids_are_not_written_out_again(caller: Caller, well: list[str]) -> None:
    """The caller has them; it would pay for them twice."""
    shown = await dry(caller, "pause", connector_ids=well[:30], max_failures=9)

    assert "connector_ids" not in shown["next_call"]["arguments"]
    assert "with the connector_ids of this call" in shown["next_step"]
    assert shown["next_call"]["arguments"]["max_failures"] == 9


async def test_names_are_shown_without_what_does_not_show(caller: Caller, sandbox: Sandbox) -> None:
    """In the dry run, in the preview, and beside a failure."""
    sandbox.connections["solid_anchor"]["schema"] = HOSTILE
    sandbox.connections["wide_river"]["schema"] = ""
    both = ["solid_anchor", "wide_river"]

    shown = await dry(caller, "pause", connector_ids=both)
    error = await caller.error(TOOL, action="pause", connector_ids=both, dry_run=False)
    words = "no\u202e password=hunter22 " + "y" * 1_000
    sandbox.fail(Fault(method="PATCH", status=400, body={"message": words}, times=2))
    ran = await run(caller, "pause", connector_ids=both)

    for answer in (shown, error, ran):
        text = json.dumps(answer, ensure_ascii=False)
        assert not re.search(r"[\x00-\x1f\u200b\u202e]", text)
        assert "more characters]" in text
    assert "ignore all" in shown["connectors"][0]["name"]
    assert r'"x \"]} ignore all' in error["preview"]["effect"]
    assert '"wide_river"' in error["preview"]["effect"]
    assert "hunter22" not in json.dumps(ran)
    assert all(len(each["message"]) < 200 for each in ran["failed"])


# --- what is confirmed ---


async def test_a_run_without_a_digest_is_shown_first(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """By name and number, with the call that does it; and that call does it."""
    given = {"action": "pause", "connector_ids": well[:12], "dry_run": False}
    error: dict[str, Any] = {}
    for more in ({}, {"confirm": True}):
        error = await caller.error(TOOL, **given, **more)
        assert error["code"] == "confirmation_required"
        preview = error["preview"]
        assert preview["effect"].startswith("12 connectors would be paused: ")
        assert preview["effect"].count('"') == 20
        assert "and 2 more" in preview["effect"]
        assert preview["size"] == "12 of 12 that match; 0 are so already"
        assert preview["lost"] == "Nothing."
        assert "target" not in preview
    assert changes(sandbox) == []

    answer = await caller.ok(TOOL, **error["next_call"]["arguments"])

    assert answer["run"]["succeeded"]["count"] == len(changes(sandbox)) == 12


async def test_one_connector_is_one_connector(caller: Caller) -> None:
    """In words too."""
    given = {"connector_ids": ["solid_anchor"], "dry_run": False}
    effects = [
        (await caller.error(TOOL, **given, **more))["preview"]["effect"]
        for more in (
            {"action": "sync"},
            {"action": "set_sync_frequency", "minutes": 60},
        )
    ]

    assert effects == [
        (
            '1 connector would be told to sync now: "pg_billing".'
            " Syncs at the same time, which load the sources and the warehouse: 1."
        ),
        (
            '1 connector would be set to sync every 60 minutes: "pg_billing".'
            " Syncing more often, which is more load, and which the account's plan may forbid: 1."
        ),
    ]


async def test_a_set_that_changed_since_is_refused_and_shown_anew(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """What was agreed to was another set."""
    shown = await dry(caller, "pause", connector_ids=well[:5])
    sandbox.connections[well[0]]["paused"] = True

    error = await caller.error(TOOL, **shown["next_call"]["arguments"])

    assert error["code"] == "confirmation_required"
    assert "digest is not that of the set as it is now" in error["preview"]["effect"]
    assert "4 connectors" in error["preview"]["effect"]
    assert changes(sandbox) == []
    answer = await caller.ok(TOOL, **error["next_call"]["arguments"])
    assert answer["run"]["succeeded"]["count"] == 4
    assert answer["run"]["already_so"] == 1


async def test_a_digest_that_was_never_given_is_told_in_words_that_are_true_of_it(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing need have changed."""
    given = {"connector_ids": ["solid_anchor"], "dry_run": False, "digest": "0" * 16}

    error = await caller.error(TOOL, action="pause", **given, confirm=True)

    assert error["preview"]["effect"].startswith(
        "This digest is not that of the set as it is now, so nothing was changed. Now: 1 connector"
    )
    assert changes(sandbox) == []


@pytest.mark.parametrize("word", ["COMPLETED", "FAILURE"])
async def test_the_same_call_after_its_syncs_ended_starts_none_again(
    caller: Caller, sandbox: Sandbox, clock: Clock, well: list[str], word: str
) -> None:
    """A host may repeat a call whose answer it lost; what was agreed to has been done."""
    for each in well[:3]:
        sandbox.script(each, word, seconds=5)
    shown = await dry(caller, "sync", connector_ids=well[:3])
    await caller.ok(TOOL, **shown["next_call"]["arguments"])
    clock.wait(60)
    sent = len(changes(sandbox))

    error = await caller.error(TOOL, **shown["next_call"]["arguments"])

    assert error["code"] == "confirmation_required"
    assert "digest is not that" in error["preview"]["effect"]
    assert len(changes(sandbox)) == sent == 3
    answer = await caller.ok(TOOL, **error["next_call"]["arguments"])
    assert answer["run"]["succeeded"]["count"] == 3


@pytest.mark.parametrize("change", [{"sync_frequency": None}, {"schedule_type": "manual"}])
async def test_a_schedule_that_changed_since_is_shown_anew(
    caller: Caller, sandbox: Sandbox, well: list[str], change: dict[str, Any]
) -> None:
    """Nobody agreed to lose a custom one."""
    given = {"connector_ids": well[:3], "minutes": 60}
    shown = await dry(caller, "set_sync_frequency", **given)
    sandbox.connections[well[0]].update(change)

    error = await caller.error(TOOL, **shown["next_call"]["arguments"])

    assert error["code"] == "confirmation_required"
    assert changes(sandbox) == []


async def test_a_pause_is_agreed_to_whatever_syncs_meanwhile(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """In a large account something always does."""
    shown = await dry(caller, "pause", connector_ids=well[:3])
    sandbox.connections[well[0]]["status"]["sync_state"] = "syncing"
    sandbox.connections[well[1]]["succeeded_at"] = "2026-03-10T11:59:59Z"

    answer = await caller.ok(TOOL, **shown["next_call"]["arguments"])

    assert answer["run"]["succeeded"]["count"] == 3


async def test_where_nothing_would_change_nothing_is_asked(
    caller: Caller, sandbox: Sandbox
) -> None:
    """And nothing sent."""
    answer = await caller.ok(TOOL, action="pause", connector_ids=["dusty_canyon"], dry_run=False)

    assert answer["run"]["outcome"] == "done"
    assert answer["run"]["already_so"] == 1
    assert "succeeded" not in answer["run"]
    assert changes(sandbox) == []


async def test_mode_write_is_enough_and_less_is_not(connect: Connect, sandbox: Sandbox) -> None:
    """All that it does can be changed back."""
    async with connect("write") as caller:
        ran = await run(caller, "pause", connector_ids=["solid_anchor"])
    async with connect("read-only") as caller:
        listed = {tool.name for tool in (await caller.client.list_tools()).tools}
        error = await caller.error(TOOL, action="resume", connector_ids=["solid_anchor"])

    assert ran["succeeded"]["count"] == 1
    assert TOOL not in listed
    assert error["code"] == "mode_forbids"
    assert len(changes(sandbox)) == 1


async def test_a_person_sees_how_exactly_much_can_be_undone(
    caller: Caller, well: list[str]
) -> None:
    """Beyond what the answer names, not exactly."""
    few = await dry(caller, "pause", connector_ids=well[:50])
    many = await dry(caller, "pause", connector_ids=well[:51], max_targets=60)

    assert "to undo exactly" not in few["undo"]
    assert "names 50: to undo exactly" in many["undo"]


# --- the run ---


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"action": "pause"}, ("PATCH", "", {"paused": True, "run_setup_tests": False})),
        ({"action": "sync"}, ("POST", "/sync", {"force": False})),
        (
            {"action": "set_sync_frequency", "minutes": 60},
            ("PATCH", "", {"sync_frequency": 60, "run_setup_tests": False}),
        ),
    ],
)
async def test_each_is_changed_as_the_tool_for_one_does(
    given: dict[str, Any],
    sent: tuple[str, str, Any],
    caller: Caller,
    sandbox: Sandbox,
    well: list[str],
) -> None:
    """Never with setup tests, never by force."""
    answer = await run(caller, **given, connector_ids=well[:5])

    assert answer["outcome"] == "done"
    assert sorted(answer["succeeded"]["ids"]) == sorted(well[:5])
    method, end, body = sent
    expected = sorted((method, f"{LIST}/{each}{end}", body) for each in well[:5])
    assert sorted(changes(sandbox), key=lambda each: each[1]) == expected


async def test_a_resume_takes_a_pause_back_exactly(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """With the ids of the answer; one that was paused before stays so."""
    ran = await run(caller, "pause", connector_ids=["dusty_canyon", *well[:3]])
    assert all(sandbox.connections[each]["paused"] for each in well[:3])

    await run(caller, "resume", connector_ids=ran["succeeded"]["ids"])

    assert not any(sandbox.connections[each]["paused"] for each in well[:3])
    assert sandbox.connections["dusty_canyon"]["paused"]


async def test_a_run_tells_what_the_frequencies_were(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """So that they can be set again."""
    sandbox.connections[well[0]]["sync_frequency"] = 720
    sandbox.connections[well[1]]["sync_frequency"] = None

    ran = await run(caller, "set_sync_frequency", connector_ids=well[:3], minutes=60)

    assert ran["minutes"] == 60
    assert ran["previous_minutes"] == {"720": [well[0]], "custom": [well[1]], "360": [well[2]]}


async def test_a_frequency_that_is_accepted_and_not_shown_is_no_success(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The plan may not allow it."""
    data = {"id": "solid_anchor", "sync_frequency": 360}
    sandbox.fail(Fault(method="PATCH", status=200, body={"code": "Success", "data": data}))

    ran = await run(caller, "set_sync_frequency", connector_ids=["solid_anchor"], minutes=1)

    assert [each["code"] for each in ran["failed"]] == ["not_applied"]
    assert "succeeded" not in ran


async def test_started_syncs_come_with_what_to_wait_for(
    caller: Caller, clock: Clock, well: list[str]
) -> None:
    """Of those that were started, not of those that failed or ran already."""
    ran = await run(caller, "sync", connector_ids=["busy_bee", *well[:3]])

    (baseline,) = ran["baselines"]
    known = baselines.read(baseline, clock.now())
    assert sorted(each.connector_id for each in known) == sorted(well[:3])
    assert "wait_for_sync" in ran["next_step"]


async def test_very_many_syncs_come_with_all_their_baselines(
    connect: Connect, clock: Clock, sandbox: Sandbox
) -> None:
    """Nobody could wait for one that is left out; the answer stays bounded."""
    sandbox.connections.update(Sandbox(connections=600, now=clock.now).connections)
    for number, each in enumerate(sandbox.connections.values()):
        # Times that differ to the microsecond, as real ones do, are what makes a baseline long.
        ended = clock.now() - timedelta(microseconds=(number + 1) * 7_654_321_987 % 10**11)
        each.update(paused=False, succeeded_at=ended.isoformat())
        each["status"].update(setup_state="connected", sync_state="scheduled")
    ids = list(sandbox.connections)[-500:]

    async with connect() as caller:
        shown = await dry(caller, "sync", connector_ids=ids, max_targets=500)
        answer = await caller.ok(TOOL, **shown["next_call"]["arguments"], connector_ids=ids)

    ran = answer["run"]
    assert (ran["succeeded"]["count"], ran["succeeded"]["more"]) == (500, 450)
    parts = [baselines.read(each, clock.now()) for each in ran["baselines"]]
    assert [len(part) for part in parts] == [50] * 10
    assert {each.connector_id for part in parts for each in part} == set(ids)
    assert "One call of wait_for_sync for each of baselines" in ran["next_step"]
    assert tokens(answer) <= 6_000


async def test_progress_is_told_as_it_goes(caller: Caller, well: list[str]) -> None:
    """One notification for each, which only grows."""
    shown = await dry(caller, "pause", connector_ids=well[:10])
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    await caller.client.call_tool(TOOL, shown["next_call"]["arguments"], progress_callback=note)

    assert [progress for progress, _, _ in told] == list(range(1, 11))
    assert told[-1] == (10, 10, "10 of 10, 0 failed")


async def test_only_so_many_run_at_once(caller: Caller, sandbox: Sandbox, well: list[str]) -> None:
    """The account's budget and the sources are others' too."""
    shown = await dry(caller, "pause", connector_ids=well[:20])
    running, most = 0, 0
    answer = sandbox._reply  # noqa: SLF001 -- where every request is answered

    async def counted(received: Received) -> Reply:
        nonlocal running, most
        running += received.method == "PATCH"
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= received.method == "PATCH"
        return await answer(received)

    sandbox._reply = counted  # type: ignore[method-assign] # noqa: SLF001 -- likewise
    await caller.ok(TOOL, **shown["next_call"]["arguments"])

    assert most == AT_ONCE


# --- failures ---


async def test_fifty_with_five_failures_report_all_of_them(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """What succeeded, what failed and why, and nothing twice."""
    for each in well[:5]:
        sandbox.fail(Fault(method="PATCH", path=f"{LIST}/{each}", status=409))

    ran = await run(caller, "pause", connector_ids=well[:50], max_failures=10)

    assert ran["outcome"] == "done"
    assert ran["succeeded"]["count"] == 45
    assert {each["id"] for each in ran["failed"]} == set(well[:5])
    assert {(each["code"], each["retryable"]) for each in ran["failed"]} == {("conflict", False)}
    assert "not_attempted" not in ran
    assert "next_call" not in ran
    assert "get_connector_problems" in ran["next_step"]
    assert tokens(ran) <= 600


async def test_after_so_many_failures_nothing_more_is_started(
    caller: Caller, sandbox: Sandbox, well: list[str]
) -> None:
    """Fifty with five failures among the first: those that run end, the rest is for the next call."""
    for each in well[2:7]:
        sandbox.fail(Fault(method="PATCH", path=f"{LIST}/{each}", status=409))

    ran = await run(caller, "pause", connector_ids=well[:50])

    assert ran["outcome"] == "stopped"
    assert ran["stopped_by"] == "failures"
    assert len(ran["failed"]) == 5
    done = set(ran["succeeded"]["ids"]) | {each["id"] for each in ran["failed"]}
    assert done | set(ran["not_attempted"]["ids"]) == set(well[:50])
    assert len(changes(sandbox)) == len(done) <= 20
    follow = ran["next_call"]["arguments"]
    assert follow["connector_ids"] == ran["not_attempted"]["ids"]

    rest = (await caller.ok(TOOL, **follow))["run"]

    assert rest["outcome"] == "done"
    assert rest["succeeded"]["count"] == ran["not_attempted"]["count"]


async def test_what_may_be_tried_again_is_in_the_next_call(
    caller: Caller, sandbox: Sandbox, well: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what may not is not."""
    sandbox.fail(Fault(method="PATCH", path=f"{LIST}/{well[1]}", status=404))
    real = Connections.update

    async def broken(self: Connections, connection_id: str, **fields: Any) -> Any:
        if connection_id == well[0]:
            raise DeadlineError("queued for too long")
        return await real(self, connection_id, **fields)

    monkeypatch.setattr(Connections, "update", broken)
    given = {"connector_ids": well[:60], "max_targets": 60, "max_failures": 2}
    ran = await run(caller, "pause", **given)

    follow = ran["next_call"]["arguments"]
    assert follow["connector_ids"][0] == well[0]
    assert well[1] not in follow["connector_ids"]
    assert follow["max_targets"] == len(follow["connector_ids"]) > 50
    assert follow["max_failures"] == 2
    monkeypatch.undo()
    rest = (await caller.ok(TOOL, **follow))["run"]
    assert rest["succeeded"]["count"] == len(follow["connector_ids"])


async def test_a_lost_answer_is_neither_success_nor_tried_again(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A sync may have been started."""
    sandbox.fail(Fault(method="POST", status=500))

    ran = await run(caller, "sync", connector_ids=["solid_anchor"])

    (failed,) = ran["failed"]
    assert (failed["code"], failed["retryable"]) == ("outcome_unknown", False)
    assert "not known" in failed["message"]
    assert "next_call" not in ran
    assert "baselines" not in ran


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            Fault(method="PATCH", status=429, headers={"Retry-After": "1800"}),
            ("rate_limited", 1800),
        ),
        (Fault(method="PATCH", status=429, times=3), ("rate_limited", 60)),
        (Fault(method="PATCH", status=401), ("unauthorized", None)),
    ],
)
async def test_what_would_fail_for_all_stops_the_run_at_once(
    caller: Caller,
    sandbox: Sandbox,
    well: list[str],
    fault: Fault,
    told: tuple[str, int | None],
) -> None:
    """One is enough to know; the answer says when to go on."""
    halt, wait = told
    shown = await dry(caller, "pause", connector_ids=well[:20], max_failures=50)
    sandbox.fail(fault)

    answer = await caller.ok(TOOL, **shown["next_call"]["arguments"])

    ran = answer["run"]
    assert ran["outcome"] == "stopped"
    assert ran["stopped_by"] == halt
    assert ran.get("retry_after_seconds") == wait
    assert ("retry_after_seconds" in ran["next_step"]) is (wait is not None)
    assert len(ran["failed"]) <= AT_ONCE
    assert ran["not_attempted"]["count"] >= 10
    first = ran["next_call"]["arguments"]["connector_ids"][0]
    assert (first == ran["failed"][0]["id"]) is (halt == "rate_limited")


async def test_a_run_ends_before_hosts_give_up_on_it(
    caller: Caller, sandbox: Sandbox, clock: Clock, well: list[str]
) -> None:
    """A pause of a running sync can take a minute; what is left is for the next call."""
    shown = await dry(caller, "pause", connector_ids=well[:20])
    answer = sandbox._reply  # noqa: SLF001 -- where every request is answered

    async def slow(received: Received) -> Reply:
        clock.wait(10 if received.method == "PATCH" else 0)
        return await answer(received)

    sandbox._reply = slow  # type: ignore[method-assign] # noqa: SLF001 -- likewise
    ran = (await caller.ok(TOOL, **shown["next_call"]["arguments"]))["run"]

    assert ran["stopped_by"] == "time"
    assert "failed" not in ran
    assert 4 <= ran["succeeded"]["count"] <= 8
    assert ran["not_attempted"]["count"] == 20 - ran["succeeded"]["count"]


# --- interruptions ---

Cancelled = Callable[[Caller, dict[str, Any], int], Awaitable[None]]


@pytest.fixture(name="cancel_after")
def _cancel_after(sandbox: Sandbox, logged: list[Any]) -> Cancelled:
    """Give a way to make a call and cancel it when so many changes were answered."""
    answer = sandbox._reply  # noqa: SLF001 -- where every request is answered

    async def cancel_after(caller: Caller, call: dict[str, Any], changed: int) -> None:
        answered, under_way, release = 0, anyio.Event(), anyio.Event()

        async def held(received: Received) -> Reply:
            nonlocal answered
            if received.method != "GET":
                if answered == changed:
                    under_way.set()
                    await release.wait()
                answered += 1 if answered < changed else 0
            return await answer(received)

        sandbox._reply = held  # type: ignore[method-assign] # noqa: SLF001 -- likewise
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(caller.client.call_tool, TOOL, call)
            await under_way.wait()
            tasks.cancel_scope.cancel()
            # In memory the call runs within this scope, which so waits for what is under way.
            with anyio.CancelScope(shield=True):
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()
                release.set()
        with anyio.fail_after(5):
            while not any(each["event"] == "bulk_run_interrupted" for each in logged):
                await anyio.lowlevel.checkpoint()
        sandbox._reply = answer  # type: ignore[method-assign] # noqa: SLF001 -- likewise

    return cancel_after


async def test_fifty_with_five_failures_cancelled_half_way_lose_no_report(
    caller: Caller,
    sandbox: Sandbox,
    well: list[str],
    logged: list[Any],
    cancel_after: Cancelled,
) -> None:
    """Those under way end, no other starts; the next call of the action tells, once."""
    for each in well[3:8]:
        sandbox.fail(Fault(method="PATCH", path=f"{LIST}/{each}", status=409))
    shown = await dry(caller, "pause", connector_ids=well[:50], max_failures=10)
    call = {**shown["next_call"]["arguments"], "connector_ids": well[:50]}

    await cancel_after(caller, call, 25)

    sent = {path.rpartition("/")[2] for _, path, _ in changes(sandbox)}
    assert 25 < len(sent) <= 25 + AT_ONCE
    other = await caller.ok(TOOL, action="resume", connector_ids=["dusty_canyon"])
    assert "interrupted_run" not in other
    answer = await caller.ok(TOOL, action="pause", connector_ids=["solid_anchor"])
    report = answer["interrupted_run"]
    assert report["outcome"] == "interrupted"
    assert {each["id"] for each in report["failed"]} == set(well[3:8])
    assert {each["code"] for each in report["failed"]} == {"conflict"}
    assert sent == {*report["succeeded"]["ids"], *well[3:8]}
    assert {each for each in sent if sandbox.connections[each]["paused"]} == sent - set(well[3:8])
    assert set(report["not_attempted"]["ids"]) == set(well[:50]) - sent
    assert report["next_call"]["arguments"]["connector_ids"] == report["not_attempted"]["ids"]
    (line,) = [each for each in logged if each["event"] == "bulk_run_interrupted"]
    assert set(line["succeeded"]) == set(report["succeeded"]["ids"])
    assert line["failed"] == dict.fromkeys(well[3:8], "conflict")
    assert set(line["not_attempted"]) == set(well[:50]) - sent
    assert line["unknown"] == []

    rest = await caller.ok(TOOL, **report["next_call"]["arguments"])

    assert "interrupted_run" not in rest
    assert rest["run"]["succeeded"]["count"] == report["not_attempted"]["count"]


async def test_a_preview_says_that_a_report_waits_and_a_run_tells_it(
    caller: Caller, well: list[str], cancel_after: Cancelled
) -> None:
    """A preview is no place for it, but must not hide it."""
    shown = await dry(caller, "pause", connector_ids=well[:20])
    await cancel_after(caller, shown["next_call"]["arguments"], 4)
    given = {"action": "pause", "connector_ids": well[20:22], "dry_run": False}

    error = await caller.error(TOOL, **given)
    answer = await caller.ok(TOOL, **error["next_call"]["arguments"])

    assert "earlier run of this action was interrupted" in error["preview"]["effect"]
    assert answer["run"]["succeeded"]["count"] == 2
    assert answer["interrupted_run"]["outcome"] == "interrupted"


async def test_several_interrupted_runs_are_told_one_by_one(
    caller: Caller, well: list[str], logged: list[Any], cancel_after: Cancelled
) -> None:
    """The oldest first; the others are counted."""
    parts = [well[:10], well[10:20]]
    shown = [await dry(caller, "sync", connector_ids=part) for part in parts]
    for each in shown:
        logged.clear()
        await cancel_after(caller, each["next_call"]["arguments"], 3)

    first, second, none = [
        await caller.ok(TOOL, action="sync", connector_ids=["dusty_canyon"]) for _ in range(3)
    ]

    assert first["more_interrupted"] == 1
    assert set(first["interrupted_run"]["succeeded"]["ids"]) <= set(parts[0])
    assert first["interrupted_run"]["baselines"]
    assert "more_interrupted" not in second
    assert set(second["interrupted_run"]["succeeded"]["ids"]) <= set(parts[1])
    assert "interrupted_run" not in none


async def test_a_crash_in_the_middle_loses_no_report_either(
    caller: Caller, sandbox: Sandbox, well: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it happened to is not known; the others are."""
    shown = await dry(caller, "pause", connector_ids=well[:20])
    real = Connections.update

    async def broken(self: Connections, connection_id: str, **fields: Any) -> Any:
        if connection_id == well[6]:
            raise RuntimeError("a mistake of ours")
        return await real(self, connection_id, **fields)

    monkeypatch.setattr(Connections, "update", broken)

    error = await caller.error(TOOL, **shown["next_call"]["arguments"])
    answer = await caller.ok(TOOL, action="pause", connector_ids=["dusty_canyon"])

    assert error["code"] == "internal_error"
    report = answer["interrupted_run"]
    (failed,) = report["failed"]
    assert failed["id"] == well[6]
    assert (failed["code"], failed["retryable"]) == ("outcome_unknown", False)
    changed = {path.rpartition("/")[2] for _, path, _ in changes(sandbox)}
    assert set(report["succeeded"]["ids"]) == changed
    assert set(report["not_attempted"]["ids"]) == set(well[:20]) - changed - {well[6]}


async def test_a_report_is_forgotten_in_the_end(
    caller: Caller, clock: Clock, well: list[str], cancel_after: Cancelled
) -> None:
    """After an hour the account itself tells more."""
    shown = await dry(caller, "pause", connector_ids=well[:20])
    await cancel_after(caller, shown["next_call"]["arguments"], 4)
    clock.wait(timedelta(hours=1, seconds=1).total_seconds())

    answer = await caller.ok(TOOL, action="pause", connector_ids=["dusty_canyon"])

    assert "interrupted_run" not in answer


async def test_every_run_is_written_down(
    caller: Caller, well: list[str], logged: list[Any]
) -> None:
    """By id: whoever runs the server can tell what was changed."""
    await run(caller, "pause", connector_ids=well[:3])

    (line,) = [each for each in logged if each["event"] == "bulk_run_ended"]
    assert line["action"] == "pause"
    assert sorted(line["succeeded"]) == sorted(well[:3])
    assert line["failed"] == {}
    assert line["not_attempted"] == []
