"""`resync_connector`."""

from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.baselines import read
from tests.support import Caller, Clock, Connect, changes

ORDERS = {"connector_id": "solid_anchor", "scope": "tables", "tables": {"public": ["orders"]}}
WHOLE = {"connector_id": "solid_anchor", "scope": "connector"}
PATH = "/v1/connections/solid_anchor/resync"


# The preview


async def test_without_confirm_nothing_is_changed_and_the_preview_says_it_all(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The refusal is the preview: what, how much, what it costs, and the call that does it."""
    error = await caller.error("resync_connector", **WHOLE)

    assert error["code"] == "confirmation_required"
    assert changes(sandbox) == []
    preview = error["preview"]
    assert preview["target"] == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "service": "postgres",
        "group_id": "amber_harbor",
        "group_name": "Production",
        "state": "healthy",
        "paused": False,
        "last_success": sandbox.connections["solid_anchor"]["succeeded_at"][:19] + "Z",
    }
    assert "everything this connector syncs" in preview["effect"]
    assert "days" in preview["effect"]
    assert "marked deleted" in preview["lost"]
    assert preview["size"] == "5 enabled tables"
    assert "cannot be undone" in preview["undo"]
    assert error["next_call"] == {
        "tool": "resync_connector",
        "arguments": {**WHOLE, "confirm": True},
    }


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (WHOLE, {}),
        (ORDERS, {"scope": {"public": ["orders"]}}),
        (
            {**ORDERS, "tables": {"public": ["orders", "refunds"], "audit log": ["log entries"]}},
            {"scope": {"public": ["orders", "refunds"], "audit log": ["log entries"]}},
        ),
    ],
)
async def test_exactly_the_next_call_of_the_preview_does_it(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], body: dict[str, Any]
) -> None:
    """With a scope it does what the API's own call for tables does, without one everything."""
    preview = await caller.error("resync_connector", **arguments)
    call = preview["next_call"]
    answer = await caller.ok(call["tool"], **call["arguments"])

    assert changes(sandbox) == [("POST", PATH, body)]
    assert answer["scope"] == arguments["scope"]
    assert answer.get("tables") == arguments.get("tables")
    assert answer["starts"] == "now"
    assert answer["name"] == "pg_billing"


async def test_a_resync_runs_and_its_end_shows(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """A historical sync takes twice as long as another; then the last success has moved."""
    started = await caller.ok("resync_connector", **WHOLE, confirm=True)
    during = await caller.ok("get_sync_status", connector_id="solid_anchor")
    clock.wait(13)
    after = await caller.ok("get_sync_status", connector_id="solid_anchor")

    assert (during["sync_state"], during["is_historical_sync"]) == ("syncing", True)
    assert after["is_historical_sync"] is False
    assert after["last_success"] > started["last_success"]
    assert len(changes(sandbox)) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "historical"),
    [
        (WHOLE, "started", True),
        (ORDERS, "started", False),
        ({**WHOLE, "connector_id": "dusty_canyon"}, "held", True),
        ({**WHOLE, "connector_id": "busy_bee"}, "started", True),
    ],
)
async def test_a_resync_comes_with_the_baseline_its_end_is_judged_against(
    caller: Caller, clock: Clock, arguments: dict[str, Any], kind: str, *, historical: bool
) -> None:
    """Fivetran finished what ran before: that end is none of the resync's."""
    clock.wait(10)
    answer = await caller.ok("resync_connector", **arguments, confirm=True)

    (known,) = read(answer["baseline"], clock.now())
    assert (known.kind, known.historical, known.triggered) == (kind, historical, clock.now())
    finished = known.ended_before == clock.now()
    assert finished is (arguments["connector_id"] == "busy_bee")
    assert answer["next_step"].endswith(
        "wait_for_sync with baselines=[baseline] tells how it ends."
    )
    assert answer["next_step"].startswith("After resume_connector") is (kind == "held")


@pytest.mark.parametrize("status", [200, 500])
async def test_a_resync_whose_predecessor_has_not_ended_waits_behind_it(
    caller: Caller, sandbox: Sandbox, clock: Clock, status: int
) -> None:
    """Or may do so, if it cannot be seen: that is no failure of the resync."""
    before = sandbox.connections["busy_bee"]
    body = {"data": {**before, "status": {**before["status"]}}} if status == 200 else None
    sandbox.fail(Fault(method="GET", path=".*/busy_bee", status=200, body={"data": {**before}}))
    sandbox.fail(Fault(method="GET", path=".*/busy_bee", status=status, body=body))

    answer = await caller.ok(
        "resync_connector", connector_id="busy_bee", scope="connector", confirm=True
    )

    (known,) = read(answer["baseline"], clock.now())
    assert known.kind == "behind"
    assert len(changes(sandbox)) == 1


async def test_the_preview_counts_the_tables_of_a_scope(caller: Caller) -> None:
    """A name given twice is one table."""
    tables = {"public": ["orders", "orders", "customers"]}
    error = await caller.error("resync_connector", **{**ORDERS, "tables": tables})

    assert error["preview"]["size"] == "2 tables"
    assert "load 2 tables" in error["preview"]["effect"]


async def test_a_selection_that_cannot_be_read_is_not_counted(
    caller: Caller, sandbox: Sandbox
) -> None:
    """To say that the number is unknown is better than to say nothing at all."""
    sandbox.fail(Fault(path=".*/schemas", status=403))

    error = await caller.error("resync_connector", **WHOLE)

    assert error["code"] == "confirmation_required"
    assert error["preview"]["size"] == "number of tables unknown"


async def test_a_group_that_cannot_be_read_stays_an_id(caller: Caller, sandbox: Sandbox) -> None:
    """The preview does not fail for the want of a name."""
    sandbox.fail(Fault(path="/v1/groups/.*", status=403))

    error = await caller.error("resync_connector", **ORDERS)

    assert error["preview"]["target"]["group_id"] == "amber_harbor"
    assert "group_name" not in error["preview"]["target"]


async def test_a_paused_connector_resyncs_when_it_is_resumed(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The preview says so, and so does the answer."""
    arguments = {"connector_id": "dusty_canyon", "scope": "connector"}
    error = await caller.error("resync_connector", **arguments)
    answer = await caller.ok("resync_connector", **arguments, confirm=True)

    assert "until it is resumed" in error["preview"]["effect"]
    assert answer["starts"] == "when resumed"
    assert sandbox.connections["dusty_canyon"]["status"]["sync_state"] == "paused"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({}, "scope"),
        ({"scope": None}, "scope"),
        ({"scope": ""}, "scope"),
        ({"scope": "everything"}, "scope"),
        ({"scope": "tables"}, "tables"),
        ({"scope": "tables", "tables": None}, "tables"),
        ({"scope": "tables", "tables": {}}, "tables"),
        ({"scope": "tables", "tables": {"public": []}}, "tables"),
        ({"scope": "tables", "tables": {"public": None}}, "tables"),
        ({"scope": "tables", "tables": {"public": [""]}}, "tables"),
        ({"scope": "tables", "tables": {"": ["orders"]}}, "tables"),
        ({"scope": "tables", "tables": {"public": "orders"}}, "tables"),
        ({"scope": "tables", "tables": {"public": [1]}}, "tables"),
        ({"scope": "tables", "tables": ["orders"]}, "tables"),
        ({"scope": "connector", "tables": {"public": ["orders"]}}, "tables"),
        ({"scope": "connector", "tables": None}, "tables"),
        ({"tables": {"public": ["orders"]}}, "scope"),
        ({"scope": "connector", "force": True}, "force"),
    ],
)
async def test_an_absent_or_empty_selector_never_means_everything(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], argument: str
) -> None:
    """Not even confirmed: the answer names the argument, and nothing is sent."""
    error = await caller.error(
        "resync_connector", connector_id="solid_anchor", confirm=True, **arguments
    )

    assert error["code"] == "invalid_arguments"
    assert argument in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("confirm", ["true", "yes", 1, 0, None, [], {}, "True"])
async def test_only_a_true_of_json_confirms(
    caller: Caller, sandbox: Sandbox, confirm: object
) -> None:
    """What merely looks like a yes is a mistake, not an agreement."""
    error = await caller.error("resync_connector", **WHOLE, confirm=confirm)

    assert error["code"] == "invalid_arguments"
    assert "confirm" in error["message"]
    assert not sandbox.requests


async def test_confirm_false_is_no_confirmation(caller: Caller, sandbox: Sandbox) -> None:
    """It is what leaving it out means."""
    error = await caller.error("resync_connector", **WHOLE, confirm=False)

    assert error["code"] == "confirmation_required"
    assert changes(sandbox) == []


@pytest.mark.parametrize(
    ("tables", "unknown", "nearest"),
    [
        ({"publik": ["orders"]}, "'publik'", "'public'"),
        ({"Public": ["orders"]}, "'Public'", "'public'"),
        ({"public": ["order"]}, "'order'", "'orders'"),
        ({"public": ["orders", "CUSTOMERS"]}, "'CUSTOMERS'", "'customers'"),
        ({"public": ["public.orders"]}, "'public.orders'", "'orders'"),
        ({"public": ["zzz"]}, "'zzz'", "there are 6: 'orders', 'customers'"),
    ],
)
async def test_unknown_names_are_refused_with_the_nearest(
    caller: Caller, sandbox: Sandbox, tables: dict[str, list[str]], unknown: str, nearest: str
) -> None:
    """Names are checked against the configuration before anything is sent."""
    error = await caller.error("resync_connector", **{**ORDERS, "tables": tables}, confirm=True)

    assert error["code"] == "not_found"
    assert unknown in error["message"]
    assert nearest in error["message"]
    assert changes(sandbox) == []


async def test_a_service_that_resyncs_only_as_a_whole_says_so(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Google Sheets has no tables to choose from; the hint names the way that is left."""
    sheet = "azure_brook"
    assert sandbox.connections[sheet]["service"] == "google_sheets"
    config = await caller.ok("get_schema_config", connector_id=sheet)
    tables = {config["tables"][0]["schema_name"]: [config["tables"][0]["table"]]}

    error = await caller.error(
        "resync_connector", connector_id=sheet, scope="tables", tables=tables, confirm=True
    )
    whole = await caller.ok("resync_connector", connector_id=sheet, scope="connector", confirm=True)

    assert error["code"] == "rejected"
    assert "table-level" in error["fivetran"]["message"]
    assert "scope=connector" in error["hint"]
    assert whole["starts"] == "now"


async def test_an_incomplete_connector_has_nothing_to_resync(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It was never set up, and that is what the answer says."""
    error = await caller.error(
        "resync_connector", connector_id="calm_ridge", scope="connector", confirm=True
    )

    assert error["code"] == "conflict"
    assert "incomplete" in error["message"]
    assert changes(sandbox) == []


async def test_a_resync_during_a_historical_sync_is_a_conflict(caller: Caller) -> None:
    """Fivetran finishes the one that runs first."""
    error = await caller.error(
        "resync_connector", connector_id="first_light", scope="connector", confirm=True
    )

    assert error["code"] == "conflict"
    assert "get_sync_status" in error["hint"]


async def test_an_unknown_connector_is_not_found(caller: Caller, sandbox: Sandbox) -> None:
    """There is no preview of what does not exist."""
    error = await caller.error("resync_connector", connector_id="no_such_one", scope="connector")

    assert error["code"] == "not_found"
    assert changes(sandbox) == []


@pytest.mark.parametrize("mode", ["read-only", "write"])
async def test_a_mode_below_full_refuses_a_resync_and_names_the_mode(
    connect: Connect, sandbox: Sandbox, mode: str
) -> None:
    """No confirmation helps, and nothing is sent, not even a read."""
    async with connect(mode) as caller:
        error = await caller.error("resync_connector", **WHOLE, confirm=True)

    assert error["code"] == "mode_forbids"
    assert "'full'" in error["message"]
    assert "--mode full" in error["hint"]
    assert not sandbox.requests


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("arguments", [WHOLE, ORDERS])
async def test_a_resync_whose_answer_is_lost_is_not_sent_again(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], *, applied: bool
) -> None:
    """A second one would begin days of loading anew."""
    sandbox.fail(Fault(method="POST", status=503, applied=applied, times=9))

    error = await caller.error("resync_connector", **arguments, confirm=True)

    assert error["code"] == "outcome_unknown"
    assert error["retryable"] is False
    assert len(changes(sandbox)) == 1


async def test_tables_with_odd_names_are_resynced_by_them(caller: Caller, sandbox: Sandbox) -> None:
    """They travel in the body, so no name leaves its place."""
    tables = {"raw files/2026": ["..", "a/b", "100% done"], "日本語": ["受注"]}
    await caller.ok(
        "resync_connector", connector_id="odd_names", scope="tables", tables=tables, confirm=True
    )

    path = "/v1/connections/odd_names/resync"
    assert changes(sandbox) == [("POST", path, {"scope": tables})]
