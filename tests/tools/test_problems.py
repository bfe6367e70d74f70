"""The tools on what is wrong with a connector."""

import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes

ONE = "/v1/connections/[^/]+"
RESYNC = "resync_table_warning"


def says(end: str, *items: Any, **more: Any) -> Fault:
    """Let the API answer once with these items."""
    body = {"code": "Success", "data": {"items": list(items), **more}}
    return Fault(path=f"{ONE}/{end}", status=200, body=body)


def connection(sandbox: Sandbox, **fields: Any) -> None:
    """Let the API show a connection once that has failed an hour ago, and with these fields."""
    data = {
        "id": "solid_anchor",
        "failed_at": "2026-03-10T11:00:00Z",
        "succeeded_at": "2026-03-10T10:00:00Z",
        **fields,
    }
    sandbox.fail(Fault(path=ONE, status=200, body={"code": "Success", "data": data}))


async def found(caller: Caller, connector_id: str = "solid_anchor") -> list[dict[str, Any]]:
    """List the problems of a connector."""
    answer = await caller.ok("get_connector_problems", connector_id=connector_id)
    problems: list[dict[str, Any]] = answer["problems"]
    return problems


def table_warning(code: str, table: str, message: str | None = None) -> dict[str, Any]:
    """Make a warning about a table."""
    warning = {"code": code, "error_message": message, "created_at": "2026-03-01T00:00:00Z"}
    return {"schema": "public", "table": table, "warnings": [warning]}


# get_connector_problems


@pytest.mark.parametrize(
    ("connector_id", "codes"),
    [
        ("solid_anchor", []),
        ("busy_bee", []),
        ("first_light", []),
        ("brisk_lantern", ["reconnect", RESYNC]),
        ("failing_fox", ["unknown_sync_failure"]),
        ("calm_ridge", ["incomplete", "paused"]),
        ("dusty_canyon", ["paused"]),
        ("patient_owl", ["rescheduled"]),
        ("stuck_heron", ["rescheduled_manual"]),
        ("late_willow", ["delayed"]),
        ("trickster", ["reconnect", "sync_warning"]),
    ],
)
async def test_each_kind_of_trouble_is_named_the_worst_first(
    caller: Caller, connector_id: str, codes: list[str]
) -> None:
    """With what it means and what to do; a healthy connector has none."""
    answer = await caller.ok("get_connector_problems", connector_id=connector_id)

    assert [problem["code"] for problem in answer["problems"]] == codes
    assert all(problem["meaning"] and problem["next"] for problem in answer["problems"])
    assert answer.keys().isdisjoint({"not_available", "more_problems"})


async def test_a_healthy_connector_is_said_to_be_so(caller: Caller) -> None:
    """In a sentence, and briefly."""
    answer = await caller.ok("get_connector_problems", connector_id="solid_anchor")

    assert answer == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "service": "postgres",
        "state": "healthy",
        "last_success": "2026-03-10T08:23:00Z",
        "summary": "No problem is known. It syncs by its schedule, every 360 minutes.",
        "problems": [],
    }


async def test_what_several_sources_say_of_the_same_is_one_problem(caller: Caller) -> None:
    """Here the task, the error and the failed sync say the same in the same words."""
    answer = await caller.ok("get_connector_problems", connector_id="brisk_lantern")

    reconnect, resync = answer["problems"]
    assert reconnect["sources"] == ["tasks", "errors", "sync_history"]
    assert reconnect["details"] == 'password authentication failed for user "fivetran"'
    assert reconnect["since"] == "2026-03-10T10:50:00Z"
    assert "more_details" not in reconnect
    assert "update_connector" in reconnect["next"]
    assert resync["tables"] == ["pg_shop_public.orders", "pg_shop_public.customers"]
    assert resync["sources"] == ["warnings"]
    assert "details" not in resync
    assert answer["summary"].startswith("2 problems. ")
    assert answer["last_failure"] == "2026-03-10T10:50:00Z"


async def test_the_reason_of_the_last_sync_is_the_details_of_a_task_without_any(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Tasks often have none; an older failure, and a sync that goes on, have no say."""
    task = {"code": "unknown_sync_failure", "message": "Unknown sync failure"}
    connection(sandbox, status={"tasks": [task]})
    old = {"sync_id": "1", "status": "FAILURE", "reason": "old", "end": "2026-03-10T10:30:00Z"}
    new = {"sync_id": "2", "status": "FAILURE", "reason": "new", "end": "2026-03-10T11:00:00Z"}
    other = {"sync_id": "3", "status": "CANCELED", "reason": "c", "end": "2026-03-10T11:00:00Z"}
    running = {"sync_id": "4", "status": "FAILURE", "reason": "r", "end": None}
    sandbox.fail(says("sync-history", old, new, other, running))

    (problem,) = await found(caller)

    assert (problem["code"], problem["details"]) == ("unknown_sync_failure", "new")
    assert problem["sources"] == ["tasks", "sync_history"]
    query = next(r.query for r in sandbox.requests if r.path.endswith("/sync-history"))
    assert "end_time=2026-03-10T11%3A00%3A01Z" in query


@pytest.mark.parametrize(
    "tasks",
    [
        [],
        [{"code": "reconnect", "details": "something else"}],
        [{"code": "sync_warning"}],
    ],
)
async def test_a_reason_that_no_task_accounts_for_is_a_problem_of_its_own(
    caller: Caller, sandbox: Sandbox, tasks: list[dict[str, str]]
) -> None:
    """Nothing is said to be the cause of something else without a sign of it."""
    connection(sandbox, status={"tasks": tasks})
    failed = {"sync_id": "1", "status": "FAILURE", "reason": "no", "end": "2026-03-10T11:00:00Z"}
    sandbox.fail(says("sync-history", failed))

    problems = {problem["code"]: problem for problem in await found(caller)}

    assert problems["last_sync_failed"]["details"] == "no"
    assert problems["last_sync_failed"]["sources"] == ["sync_history"]
    assert len(problems) == len(tasks) + 1


async def test_a_failure_without_any_reason_is_still_a_problem(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The times alone tell it."""
    connection(sandbox, succeeded_at=None)

    (problem,) = await found(caller)

    assert problem["code"] == "last_sync_failed"
    assert problem["sources"] == ["state"]
    assert "details" not in problem


async def test_a_failure_that_a_task_tells_is_not_told_twice(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Without a reason the history adds nothing."""
    connection(sandbox, status={"tasks": [{"code": "brand_new_task", "details": "x"}]})

    (problem,) = await found(caller)

    assert problem["code"] == "brand_new_task"


async def test_a_failure_that_was_made_good_is_no_problem(caller: Caller, sandbox: Sandbox) -> None:
    """History is not even asked."""
    connection(sandbox, succeeded_at="2026-03-10T11:30:00Z")

    assert await found(caller) == []
    assert not [r for r in sandbox.requests if r.path.endswith("/sync-history")]


async def test_setup_tests_that_did_not_pass_are_a_problem(
    caller: Caller, sandbox: Sandbox
) -> None:
    """If the connection shows any; a broken setup is then explained."""
    tests = [
        {"title": "Connecting", "status": "FAILED", "message": "no route"},
        {"title": "Reading", "status": "PASSED"},
        {"status": "JOB_FAILED"},
    ]
    connection(sandbox, failed_at=None, setup_tests=tests, status={"setup_state": "broken"})

    (problem,) = await found(caller)

    assert problem["code"] == "setup_test_failed"
    assert problem["details"] == "Connecting: no route"
    assert problem["more_details"] == 1
    assert problem["sources"] == ["setup_tests"]


async def test_a_broken_setup_that_nothing_explains_is_a_problem(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The state is then all that is known."""
    connection(sandbox, failed_at=None, status={"setup_state": "broken"})

    (problem,) = await found(caller)

    assert problem["code"] == "broken"
    assert "run_setup_tests" in problem["next"]


async def test_a_quota_says_until_when(caller: Caller, sandbox: Sandbox) -> None:
    """Where Fivetran says so."""
    (waiting,) = await found(caller, "patient_owl")
    connection(sandbox, failed_at=None, status={"sync_state": "rescheduled"})
    (unknown,) = await found(caller)

    assert waiting["details"] == "until 2026-03-10T12:50:00Z"
    assert "details" not in unknown


async def test_unknown_codes_are_passed_on_as_they_are(caller: Caller, sandbox: Sandbox) -> None:
    """And admitted to be unknown; a task weighs more than a warning, an error has its message."""
    sandbox.fail(says("warnings", table_warning("brand_new_warning", "a", "odd")))
    sandbox.fail(says("errors", {"type": "brand_new_error", "message": "Do this."}))

    trouble, warning = await found(caller)

    assert (trouble["code"], trouble["details"]) == ("brand_new_error", "Do this.")
    assert (warning["code"], warning["details"]) == ("brand_new_warning", "odd")
    assert "does not know" in trouble["meaning"]
    assert "dismiss_warnings" in warning["next"]


async def test_a_warning_may_have_no_schema_or_no_table(caller: Caller, sandbox: Sandbox) -> None:
    """It is then about more than a table."""
    whole = {"warnings": [{"code": RESYNC}]}
    sandbox.fail(says("warnings", whole, {**whole, "table": "a"}, {**whole, "schema": "s"}))

    (problem,) = await found(caller)

    assert problem["tables"] == ["a", "s"]
    assert "since" not in problem


async def test_an_answer_stays_small_however_much_is_wrong(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Five hundred tables, a dozen codes, long texts: what is left out is counted."""
    long = "the value of a column did not fit " * 40
    sandbox.fail(
        says(
            "warnings",
            *(table_warning(RESYNC, f"{n}_{'t' * 200}", f"{n} {long}") for n in range(500)),
            *(table_warning(f"new_{n}", f"{n}_{'t' * 200}", f"{n} {long}") for n in range(12)),
        )
    )

    result = await caller.raw("get_connector_problems", connector_id="brisk_lantern")

    answer = result.structured_content
    assert answer is not None
    assert len(json.dumps(answer, ensure_ascii=False, separators=(",", ":"))) / 4 <= 1000
    assert answer["summary"].startswith("14 problems")
    assert len(answer["problems"]) == 6
    assert answer["more_problems"] == 8
    resync = answer["problems"][1]
    assert resync["code"] == RESYNC
    assert len(resync["tables"]) == 5
    assert resync["more_tables"] == 495
    assert resync["more_details"] == 499


async def test_hostile_texts_are_made_harmless(caller: Caller, sandbox: Sandbox) -> None:
    """Names of tables and codes, too."""
    evil = "x\u200b\x1b[31m\u202e"
    sandbox.fail(says("warnings", table_warning(f"code{evil}", f"t{evil}", f"say{evil}")))
    sandbox.fail(says("errors", {"type": f"type{evil}", "reason": f"postgres://u:canary@h/{evil}"}))

    answer = await caller.ok("get_connector_problems", connector_id="trickster")

    text = json.dumps(answer, ensure_ascii=False)
    assert text.isprintable()
    assert "canary" not in text


@pytest.mark.parametrize("status", [403, 404])
async def test_what_an_account_lacks_is_named_and_the_rest_is_told(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """These endpoints are young, some are in private preview."""
    sandbox.withhold("warnings", "errors", "sync-history", status=status)

    answer = await caller.ok("get_connector_problems", connector_id="brisk_lantern")

    lacks = "this account or its API key does not have it"
    assert answer["not_available"] == [
        f"warnings: {lacks}",
        f"errors: {lacks}",
        f"sync history: {lacks}",
    ]
    reconnect, resync = answer["problems"]
    assert reconnect["sources"] == ["tasks"]
    assert (resync["code"], resync["sources"]) == (RESYNC, ["warnings"])
    assert "tables" not in resync


async def test_health_is_claimed_only_as_far_as_could_be_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """One source that fails hides nothing of the others."""
    sandbox.fail(Fault(path=f"{ONE}/errors", status=500, times=3))

    answer = await caller.ok("get_connector_problems", connector_id="solid_anchor")

    assert answer["not_available"] == ["errors: could not be read; try again"]
    assert answer["summary"].startswith("No problem is known in what could be read.")


async def test_a_first_page_is_not_taken_for_all(caller: Caller, sandbox: Sandbox) -> None:
    """It is said to be one."""
    sandbox.fail(says("errors", {"type": "reconnect"}, next_cursor="more"))

    answer = await caller.ok("get_connector_problems", connector_id="solid_anchor")

    assert answer["not_available"] == ["errors: only the first 1 were read"]
    assert answer["summary"].startswith("1 problem. ")


async def test_a_connector_that_does_not_exist_has_no_problems_but_that(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing more is asked."""
    error = await caller.error("get_connector_problems", connector_id="nope")

    assert error["code"] == "not_found"
    assert len(sandbox.requests) == 1


# dismiss_warnings


async def test_warnings_are_dismissed_by_code(caller: Caller, sandbox: Sandbox) -> None:
    """On all tables; a code that is named twice counts once."""
    answer = await caller.ok(
        "dismiss_warnings", connector_id="brisk_lantern", codes=[RESYNC, RESYNC]
    )

    assert answer["dismissed"] == [{"code": RESYNC, "tables": 2}]
    assert "still there" in answer["note"]
    path = "/v1/connections/brisk_lantern/dismiss-warnings"
    assert changes(sandbox) == [("POST", path, {"warning_types": [RESYNC]})]
    after = [problem["code"] for problem in await found(caller, "brisk_lantern")]
    assert after == ["reconnect"]


async def test_a_table_with_a_code_twice_counts_once(caller: Caller, sandbox: Sandbox) -> None:
    """It is tables that are counted."""
    twice = {"schema": "s", "table": "t", "warnings": [{"code": RESYNC}, {"code": RESYNC}]}
    sandbox.fail(says("warnings", twice))

    answer = await caller.ok("dismiss_warnings", connector_id="brisk_lantern", codes=[RESYNC])

    assert answer["dismissed"] == [{"code": RESYNC, "tables": 1}]


@pytest.mark.parametrize(
    ("connector_id", "codes", "open_ones"),
    [
        ("brisk_lantern", [RESYNC, "sync_warning"], RESYNC),
        ("solid_anchor", [RESYNC], "none"),
    ],
)
async def test_a_warning_that_is_not_open_dismisses_nothing(
    caller: Caller, sandbox: Sandbox, connector_id: str, codes: list[str], open_ones: str
) -> None:
    """And those that are open are named."""
    error = await caller.error("dismiss_warnings", connector_id=connector_id, codes=codes)

    assert error["code"] == "not_found"
    assert codes[-1] in error["message"]
    assert f"open are: {open_ones}" in error["message"]
    assert changes(sandbox) == []


@pytest.mark.parametrize("codes", [[], ["a"] * 21, None, [""], ["a b"], [None], RESYNC])
async def test_all_warnings_are_never_dismissed_by_omission(
    caller: Caller, sandbox: Sandbox, codes: Any
) -> None:
    """To the API an empty list means everything."""
    error = await caller.error("dismiss_warnings", connector_id="brisk_lantern", codes=codes)

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests
    error = await caller.error("dismiss_warnings", connector_id="brisk_lantern")
    assert error["code"] == "invalid_arguments"


@pytest.mark.parametrize("status", [403, 404])
async def test_without_a_list_of_warnings_none_is_dismissed(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """What cannot be seen is not hidden; a connector that does not exist is told from that."""
    sandbox.withhold("warnings", status=status)

    error = await caller.error("dismiss_warnings", connector_id="brisk_lantern", codes=[RESYNC])
    assert error["code"] == "not_available"
    assert "dashboard" in error["hint"]
    error = await caller.error("dismiss_warnings", connector_id="nope", codes=[RESYNC])
    assert error["code"] == "not_found"
    assert changes(sandbox) == []


async def test_a_dismissal_whose_answer_is_lost_has_an_unknown_outcome(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is not sent again."""
    sandbox.fail(Fault(method="POST", path=f"{ONE}/dismiss-warnings", status=500))

    error = await caller.error("dismiss_warnings", connector_id="brisk_lantern", codes=[RESYNC])

    assert error["code"] == "outcome_unknown"
    assert len(changes(sandbox)) == 1


async def test_dismissing_needs_the_mode_write(connect: Connect, sandbox: Sandbox) -> None:
    """It hides something for everyone."""
    async with connect("read-only") as caller:
        error = await caller.error("dismiss_warnings", connector_id="x", codes=[RESYNC])
        assert error["code"] == "mode_forbids"
    async with connect("write") as caller:
        await caller.ok("dismiss_warnings", connector_id="brisk_lantern", codes=[RESYNC])
    assert len(changes(sandbox)) == 1


async def test_a_list_of_warnings_that_goes_on_is_not_called_the_whole(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The API gives a cursor there and takes none."""
    row = {"table": "t", "warnings": [{"code": "sync_warning"}]}
    body = {"code": "Success", "data": {"items": [row], "next_cursor": "more"}}
    path = "/v1/connections/brisk_lantern/warnings"
    sandbox.fail(Fault(method="GET", path=path, status=200, body=body))

    error = await caller.error(
        "dismiss_warnings", connector_id="brisk_lantern", codes=["resync_table_warning"]
    )

    assert "open are: sync_warning, as far as they were read" in error["message"]
