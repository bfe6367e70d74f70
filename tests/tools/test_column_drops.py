"""`drop_columns`."""

import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.column_drops import MOST_PROBLEMS
from mcp_server.tools.schema_plan import MOST_COLUMN_READS
from mcp_server.tools.schemas import MOST_NAMES
from tests.support import Caller, Clock, Connect, changes

SOLID = "/v1/connections/solid_anchor/schemas"
PHONE = {"public": {"customers": ["phone"]}}
OPEN = {"enabled_patch_settings": {"allowed": True}}


async def block(caller: Caller, *columns: str, table: str = "customers") -> None:
    """Let columns sync no more."""
    off = {column: {"enabled": False} for column in columns}
    schemas = {"public": {"tables": {table: {"columns": off}}}}
    await caller.ok(
        "update_schema_config", connector_id="solid_anchor", schemas=schemas, confirm=True
    )


async def drop(caller: Caller, columns: Any, **more: Any) -> dict[str, Any]:
    """Drop columns of the connector with the known tables."""
    return await caller.ok(
        "drop_columns", connector_id="solid_anchor", columns=columns, confirm=True, **more
    )


async def refused(caller: Caller, columns: Any, **more: Any) -> dict[str, Any]:
    """Drop columns in vain."""
    more = {"connector_id": "solid_anchor", "confirm": True, **more}
    return await caller.error("drop_columns", columns=columns, **more)


def drops(sandbox: Sandbox) -> list[Any]:
    """Tell which drops were sent."""
    return [body for _, path, body in changes(sandbox) if path.endswith("/drop-columns")]


def answer_with(sandbox: Sandbox, tables: dict[str, Any], times: int = 1) -> None:
    """Let the next reads of a configuration find these tables."""
    schemas = {"public": {"enabled": True, "tables": tables}}
    body = {"code": "Success", "data": {"schemas": schemas}}
    sandbox.fail(Fault(method="GET", path=SOLID, status=200, body=body, times=times))


# The preview and the drop


async def test_without_confirm_nothing_is_dropped_and_the_preview_names_what_is_lost(
    caller: Caller, sandbox: Sandbox
) -> None:
    """By the names of the destination, for there it is lost."""
    await block(caller, "phone", "city")
    columns = {"public": {"customers": ["phone", "city"]}}

    error = await refused(caller, columns, confirm=False)

    assert error["code"] == "confirmation_required"
    assert drops(sandbox) == []
    preview = error["preview"]
    assert preview["target"]["name"] == "pg_billing"
    assert "next sync 2 columns would be dropped" in preview["effect"]
    assert (
        "pg_billing_public.customers.phone, pg_billing_public.customers.city" in (preview["effect"])
    )
    assert "Every value" in preview["lost"]
    assert preview["size"] == "2 columns"
    assert "cannot be undone" in preview["undo"]
    assert error["next_call"]["arguments"] == {
        "connector_id": "solid_anchor",
        "columns": columns,
        "confirm": True,
    }


async def test_blocked_columns_are_dropped_at_the_next_sync(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """One request marks them all; a name given twice is one column."""
    await block(caller, "phone", "city")

    answer = await drop(caller, {"public": {"customers": ["phone", "city", "phone"]}})

    assert answer == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "columns": 2,
        "in_destination": [
            "pg_billing_public.customers.phone",
            "pg_billing_public.customers.city",
        ],
        "next_step": answer["next_step"],
    }
    assert "sync_connector" in answer["next_step"]
    assert drops(sandbox) == [
        {"schemas": {"public": {"tables": {"customers": {"columns": ["phone", "city"]}}}}}
    ]
    assert sandbox.dropped == []
    await caller.ok("sync_connector", connector_id="solid_anchor")
    clock.wait(6)
    await caller.ok("get_sync_status", connector_id="solid_anchor")
    assert sandbox.dropped == [
        "solid_anchor/public/customers/phone",
        "solid_anchor/public/customers/city",
    ]


async def test_a_paused_connector_drops_when_it_is_resumed(caller: Caller) -> None:
    """The answer says so."""
    await block(caller, "phone")
    await caller.ok("pause_connector", connector_id="solid_anchor")

    answer = await drop(caller, PHONE)

    assert "resume_connector" in answer["next_step"]


async def test_columns_that_the_configuration_lists_need_no_look_at_the_source(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Blocked ones are listed as a rule; others are read live."""
    await block(caller, "phone")
    before = len(sandbox.requests)
    await drop(caller, PHONE)
    paths = [received.path for received in list(sandbox.requests)[before:]]

    assert not any(path.endswith("/columns") for path in paths)


async def test_a_column_blocked_by_default_is_found_at_the_source(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The configuration may not list it."""
    data = {"columns": {"hidden": {"enabled": False, **OPEN}}}
    sandbox.fail(Fault(method="GET", path=".*/columns", status=200, body={"data": data}, times=2))
    sandbox.fail(Fault(method="POST", status=200, body={"code": "Success"}))

    answer = await drop(caller, {"public": {"orders": ["hidden"]}})

    assert answer["in_destination"] == ["pg_billing_public.orders.hidden"]


async def test_names_without_a_name_of_the_destination_are_the_sources(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Names are found as they are shown, and sent as they are."""
    columns = {"ph\u200bone": {"enabled": False, **OPEN}}
    answer_with(sandbox, {"customers": {"enabled": True, "columns": columns, **OPEN}})
    sandbox.fail(Fault(method="POST", status=200, body={"code": "Success"}))

    answer = await drop(caller, PHONE)

    assert answer["in_destination"] == ["public.customers.phone"]
    sent = drops(sandbox)[0]["schemas"]["public"]["tables"]["customers"]["columns"]
    assert sent == ["ph\u200bone"]


async def test_a_long_answer_counts_what_it_does_not_name(caller: Caller, sandbox: Sandbox) -> None:
    """All are dropped."""
    names = [f"c{turn}" for turn in range(MOST_NAMES + 3)]
    columns = {name: {"enabled": False, **OPEN} for name in names}
    answer_with(sandbox, {"customers": {"enabled": True, "columns": columns, **OPEN}})
    sandbox.fail(Fault(method="POST", status=200, body={"code": "Success"}))

    answer = await drop(caller, {"public": {"customers": names}})

    assert answer["columns"] == MOST_NAMES + 3
    assert (len(answer["in_destination"]), answer["more"]) == (MOST_NAMES, 3)


# What is refused


async def test_every_problem_is_named_in_one_answer(caller: Caller, sandbox: Sandbox) -> None:
    """Unknown names at each level, columns that sync, tables without a choice: nothing is dropped."""
    await block(caller, "phone")
    columns = {
        "Public": {"orders": ["id"]},
        "public": {
            "customers": ["phone", "email", "Phone"],
            "order": ["id"],
            "schema_migrations": ["version"],
        },
    }

    error = await refused(caller, columns)

    assert error["code"] == "conflict"
    for words in (
        "Nothing was dropped",
        "no schema named 'Public'; the nearest: 'public'",
        "no table in schema 'public' named 'order'",
        "'public.schema_migrations' has no selection of columns",
        "'public.customers.email' is not blocked",
        "named 'Phone'; the nearest: 'phone'",
    ):
        assert words in error["message"]
    assert "'public.customers.phone' is not" not in error["message"]
    assert "update_schema_config" in error["hint"]
    assert drops(sandbox) == []


async def test_many_problems_are_counted(caller: Caller) -> None:
    """The answer stays short."""
    ghosts = {f"ghost {turn}": {"t": ["c"]} for turn in range(MOST_PROBLEMS + 2)}

    error = await refused(caller, ghosts)

    assert "and 2 more problems" in error["message"]


async def test_a_column_whose_state_is_not_known_is_not_dropped(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Only a clear no is a block."""
    answer_with(sandbox, {"customers": {"columns": {"phone": OPEN}, **OPEN}})

    error = await refused(caller, PHONE)

    assert "'public.customers.phone' is not blocked" in error["message"]


async def test_too_many_looks_at_the_source_are_refused(caller: Caller, sandbox: Sandbox) -> None:
    """Before the first one."""
    tables = {f"t{turn}": {"enabled": True, **OPEN} for turn in range(MOST_COLUMN_READS + 1)}
    answer_with(sandbox, tables)

    error = await refused(caller, {"public": {name: ["c"] for name in tables}})

    assert error["code"] == "invalid_arguments"
    assert "Split the call" in error["hint"]
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {},
        None,
        {"public": {}},
        {"public": {"customers": []}},
        {"public": {"customers": "phone"}},
        {"public": {"customers": [""]}},
        {"public": {"": ["phone"]}},
        {"": {"customers": ["phone"]}},
        {"public": ["customers"]},
    ],
)
async def test_an_empty_selection_never_means_everything(
    caller: Caller, sandbox: Sandbox, columns: Any
) -> None:
    """Nothing is asked or sent."""
    error = await refused(caller, columns)

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


async def test_columns_may_come_as_text(caller: Caller) -> None:
    """Some hosts send objects so."""
    await block(caller, "phone")

    assert (await drop(caller, json.dumps(PHONE)))["columns"] == 1


async def test_dropping_needs_the_mode_full(connect: Connect, sandbox: Sandbox) -> None:
    """It cannot be undone."""
    async with connect("write") as caller:
        error = await refused(caller, PHONE)

    assert error["code"] == "mode_forbids"
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("connector_id", "code", "words"),
    [
        ("nobody", "not_found", "list_connectors"),
        ("calm_ridge", "schema_not_ready", "reload_schema_config"),
    ],
)
async def test_a_connector_without_a_configuration_has_nothing_to_drop(
    caller: Caller, connector_id: str, code: str, words: str
) -> None:
    """As with every tool on schemas."""
    error = await refused(caller, PHONE, connector_id=connector_id)

    assert error["code"] == code
    assert words in error["hint"]


# What goes wrong


async def test_a_source_that_cannot_be_read_is_the_reason(caller: Caller, sandbox: Sandbox) -> None:
    """Nothing is dropped unseen."""
    sandbox.connections["solid_anchor"]["status"]["setup_state"] = "broken"

    error = await refused(caller, PHONE)

    assert error["code"] == "rejected"
    assert "read live" in error["hint"]
    assert drops(sandbox) == []


async def test_a_drop_whose_answer_is_lost_may_be_asked_for_again(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It was sent once, and a second call does no harm."""
    await block(caller, "phone")
    sandbox.fail(Fault(method="POST", status=504, applied=True))

    error = await refused(caller, PHONE)

    assert error["code"] == "outcome_unknown"
    assert "again" in error["hint"]
    assert len(drops(sandbox)) == 1
    assert (await drop(caller, PHONE))["columns"] == 1


async def test_a_column_enabled_meanwhile_is_fivetrans_to_refuse(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Its words come along."""
    await block(caller, "phone")
    body = {"code": "Conflict", "message": "Column not in blocked state"}
    sandbox.fail(Fault(method="POST", status=409, body=body))

    error = await refused(caller, PHONE)

    assert error["code"] == "conflict"
    assert error["fivetran"]["message"] == "Column not in blocked state"
