"""`update_schema_config`."""

import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes

SOLID = "/v1/connections/solid_anchor/schemas"
ZERO_WIDTH = "\u200b"
HASH = {"public": {"tables": {"customers": {"columns": {"email": {"hashed": True}}}}}}
HASH_UNLISTED = {"public": {"tables": {"customers": {"columns": {"phone": {"hashed": True}}}}}}
ENABLE = {"public": {"tables": {"refunds": {"enabled": True}}}}
DISABLE = {"public": {"tables": {"orders": {"enabled": False}}}}
MODE = {"public": {"tables": {"orders": {"sync_mode": "HISTORY"}}}}
ACCEPTED = {"code": "Success", "data": {}}


def table(**fields: Any) -> dict[str, Any]:
    """Make a table of a configuration."""
    return {"enabled": True, "enabled_patch_settings": {"allowed": True}, **fields}


def answer_with(sandbox: Sandbox, schemas: dict[str, Any], times: int = 1) -> None:
    """Let the next reads of a configuration find these schemas."""
    body = {"code": "Success", "data": {"schema_change_handling": "ALLOW_ALL", "schemas": schemas}}
    sandbox.fail(Fault(method="GET", path=".*/schemas", status=200, body=body, times=times))


async def update(caller: Caller, connector_id: str = "solid_anchor", **more: Any) -> dict[str, Any]:
    """Change a selection."""
    return await caller.ok("update_schema_config", connector_id=connector_id, **more)


async def refused(
    caller: Caller, connector_id: str = "solid_anchor", **more: Any
) -> dict[str, Any]:
    """Change a selection in vain."""
    return await caller.error("update_schema_config", connector_id=connector_id, **more)


# What is sent, and what is answered


@pytest.mark.parametrize(
    ("schemas", "sent", "changed"),
    [
        pytest.param(
            ENABLE,
            {"public": {"enabled": True, "tables": {"refunds": {"enabled": True}}}},
            [("public.refunds", "enabled", "false", "true")],
            id="a table",
        ),
        pytest.param(
            {"audit log": {"enabled": True}},
            {"audit log": {"enabled": True}},
            [("audit log", "enabled", "false", "true")],
            id="a schema",
        ),
        pytest.param(
            HASH,
            {
                "public": {
                    "enabled": True,
                    "tables": {
                        "customers": {
                            "enabled": True,
                            "columns": {"email": {"enabled": True, "hashed": True}},
                        }
                    },
                }
            },
            [("public.customers.email", "hashed", "false", "true")],
            id="a listed column",
        ),
        pytest.param(
            {
                "public": {
                    "enabled": True,
                    "tables": {
                        "orders": {"enabled": True, "sync_mode": "SOFT_DELETE"},
                        "refunds": {"enabled": True},
                        "customers": {"columns": {"card_no": {"hashed": True}}},
                    },
                },
                "audit log": {"enabled": False},
            },
            {"public": {"enabled": True, "tables": {"refunds": {"enabled": True}}}},
            [("public.refunds", "enabled", "false", "true")],
            id="only what differs",
        ),
        pytest.param(
            {
                "audit log": {
                    "tables": {"log_actors": {"columns": {"id": {"is_primary_key": False}}}}
                }
            },
            {
                "audit log": {
                    "enabled": False,
                    "tables": {
                        "log_actors": {
                            "enabled": True,
                            "columns": {"id": {"enabled": True, "is_primary_key": False}},
                        }
                    },
                }
            },
            [("audit log.log_actors.id", "is_primary_key", "true", "false")],
            id="each level as it is",
        ),
    ],
)
async def test_only_what_changes_is_sent_with_enabled_at_each_level(
    caller: Caller,
    sandbox: Sandbox,
    schemas: dict[str, Any],
    sent: dict[str, Any],
    changed: list[tuple[str, ...]],
) -> None:
    """Fivetran wants `enabled` at each level; the answer is read back, before and after."""
    answer = await update(caller, schemas=schemas)

    assert changes(sandbox) == [("PATCH", SOLID, {"schemas": sent})]
    assert answer["changed"] == len(changed)
    assert [
        (row["place"], row["setting"], row["before"], row["after"]) for row in answer["changes"]
    ] == changed
    assert "unconfirmed" not in answer["changes"][0]
    assert sandbox.requests[-1].method == "GET"


@pytest.mark.parametrize(
    "arguments",
    [
        {"schemas": {"public": {}}},
        {"schemas": {"public": {"tables": {"orders": {"enabled": True}}}}},
        {"schemas": {"audit log": {"enabled": False}}},
        {"schemas": {"public": {"tables": {"schema_migrations": {"enabled": True}}}}},
        {"schemas": {"public": {"tables": {"customers": {"columns": {"email": {}}}}}}},
    ],
)
async def test_where_nothing_is_to_change_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Everything is as wanted already, so no confirmation either."""
    answer = await update(caller, **arguments)

    assert answer == {"connector_id": "solid_anchor", "changed": 0, "changes": []}
    assert changes(sandbox) == []


@pytest.mark.parametrize("handling", ["ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL"])
async def test_what_happens_to_new_objects_is_set_unless_it_is_so(
    caller: Caller, sandbox: Sandbox, handling: str
) -> None:
    """It is the connector's own setting, so its place is empty."""
    before = (await caller.ok("get_schema_config", connector_id="solid_anchor"))[
        "schema_change_handling"
    ]

    answer = await update(caller, schema_change_handling=handling)
    again = await update(caller, schema_change_handling=handling)

    assert again["changed"] == 0
    if handling == before:
        assert changes(sandbox) == []
        return
    assert changes(sandbox) == [("PATCH", SOLID, {"schema_change_handling": handling})]
    setting = {"place": "", "setting": "schema_change_handling"}
    assert answer["changes"] == [{**setting, "before": before, "after": handling}]
    assert ("warnings" in answer) is (handling == "ALLOW_ALL")


async def test_columns_that_are_not_listed_are_looked_up_live(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The configuration lists only columns that someone once changed."""
    answer = await update(caller, schemas=HASH_UNLISTED)

    paths = [received.path for received in sandbox.requests if received.method == "GET"]
    assert paths == [SOLID, f"{SOLID}/public/tables/customers/columns", SOLID]
    assert answer["changed"] == 1
    assert any("resync the table" in warning for warning in answer["warnings"])


async def test_more_live_reads_than_one_call_may_make_are_refused_before_the_first(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Each queries the source and counts against a limit by the hour."""

    def hashing(tables: int) -> dict[str, Any]:
        names = (f"hr_{turn:03d}" for turn in range(1, tables + 1))
        change = {"columns": {"created_at": {"hashed": True}}}
        return {"hr": {"tables": dict.fromkeys(names, change)}}

    error = await refused(caller, "wide_river", schemas=hashing(21))
    assert error["code"] == "invalid_arguments"
    assert "more than 20 tables" in error["message"]
    assert len(sandbox.requests) == 1

    answer = await update(caller, "wide_river", schemas=hashing(20))
    assert answer["changed"] == 20


async def test_a_long_list_of_changes_is_cut_with_a_count(caller: Caller, sandbox: Sandbox) -> None:
    """A hundred are shown, all are made."""
    names = [f"hr_{turn:03d}" for turn in range(1, 131)]
    off = {"hr": {"tables": {name: {"enabled": False} for name in names}}}

    preview = await refused(caller, "wide_river", schemas=off)
    assert "hr.hr_010 and 120 more." in preview["preview"]["effect"]
    assert preview["preview"]["size"] == "130 settings changed"
    assert preview["next_call"]["arguments"] == "the same as in this call, and confirm=true"

    answer = await update(caller, "wide_river", schemas=off, confirm=True)
    assert (answer["changed"], len(answer["changes"]), answer["more_changes"]) == (130, 100, 30)
    assert len(changes(sandbox)) == 1


async def test_a_level_of_unknown_state_is_left_out_rather_than_switched_off(
    caller: Caller, sandbox: Sandbox
) -> None:
    """To write false for what is absent would disable a whole schema."""
    before = {"public": {"tables": {"refunds": table(enabled=False)}}}
    after = {"public": {"tables": {"refunds": table()}}}
    answer_with(sandbox, before)
    answer_with(sandbox, after)
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))

    answer = await update(caller, schemas=ENABLE)

    ((_, _, body),) = changes(sandbox)
    assert body == {"schemas": {"public": {"tables": {"refunds": {"enabled": True}}}}}
    assert answer["changed"] == 1


async def test_what_never_was_set_counts_as_off(caller: Caller, sandbox: Sandbox) -> None:
    """To switch it off changes nothing; a setting without a value before shows none."""
    columns = {"a": {"enabled": True}}
    named = {"public": {"enabled": True, "tables": {"t": table(columns=columns)}}}
    answer_with(sandbox, named, times=2)
    off = {"public": {"tables": {"t": {"columns": {"a": {"hashed": False}}}}}}
    assert (await update(caller, schemas=off))["changed"] == 0

    sandbox.clear_faults()
    answer_with(sandbox, named)
    hashed = {"a": {"enabled": True, "hashed": True}}
    answer_with(sandbox, {"public": {"enabled": True, "tables": {"t": table(columns=hashed)}}})
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))
    on = {"public": {"tables": {"t": {"columns": {"a": {"hashed": True}}}}}}

    (change,) = (await update(caller, schemas=on))["changes"]
    assert change == {"place": "public.t.a", "setting": "hashed", "after": "true"}


async def test_arguments_that_come_as_json_text_are_read(caller: Caller) -> None:
    """Some hosts send objects so."""
    assert (await update(caller, schemas=json.dumps(ENABLE)))["changed"] == 1


# Names


@pytest.mark.parametrize(
    ("schemas", "unknown", "nearest"),
    [
        ({"publik": {"enabled": False}}, "'publik'", "'public'"),
        ({"Public": {"enabled": False}}, "'Public'", "'public'"),
        ({"public": {"tables": {"order": {"enabled": False}}}}, "'order'", "'orders'"),
        (
            {"public": {"tables": {"customers": {"columns": {"emial": {"hashed": True}}}}}},
            "'emial'",
            "'email'",
        ),
        (
            {"public": {"tables": {"refunds": {"enabled": True}, "zz": {"enabled": True}}}},
            "'zz'",
            "there are 6: 'orders', 'customers'",
        ),
    ],
)
async def test_unknown_names_are_refused_with_the_nearest_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, schemas: dict[str, Any], unknown: str, nearest: str
) -> None:
    """One unknown name stops the whole call."""
    error = await refused(caller, schemas=schemas, confirm=True)

    assert error["code"] == "not_found"
    assert unknown in error["message"]
    assert nearest in error["message"]
    assert changes(sandbox) == []


async def test_names_are_found_as_they_are_shown_and_sent_as_they_are(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Characters that do not show are put back at each of the three levels."""
    schema, name, column = f"pub{ZERO_WIDTH}lic", f"{ZERO_WIDTH}orders", f"em{ZERO_WIDTH}ail"

    def selection(*, hashed: bool) -> dict[str, Any]:
        columns = {column: {"enabled": True, "hashed": hashed}}
        return {schema: {"enabled": True, "tables": {name: table(columns=columns)}}}

    answer_with(sandbox, selection(hashed=False))
    answer_with(sandbox, selection(hashed=True))
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))
    wanted = {"public": {"tables": {"orders": {"columns": {"email": {"hashed": True}}}}}}

    answer = await update(caller, schemas=wanted)

    columns = {column: {"enabled": True, "hashed": True}}
    tables = {name: {"enabled": True, "columns": columns}}
    ((_, _, body),) = changes(sandbox)
    assert body == {"schemas": {schema: {"enabled": True, "tables": tables}}}
    assert answer["changes"][0]["place"] == "public.orders.email"


async def test_odd_names_are_changed_by_the_body_and_never_by_a_path(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A table named `..` is as good as any other."""
    tables = {"..": {"enabled": False}, "a/b": {"enabled": False}}
    schemas = {"raw files/2026": {"tables": tables}, "日本語": {"enabled": False}}

    answer = await update(caller, "odd_names", schemas=schemas, confirm=True)

    assert answer["changed"] == 3
    ((_, path, body),) = changes(sandbox)
    assert path == "/v1/connections/odd_names/schemas"
    assert body["schemas"]["raw files/2026"] == {"enabled": True, "tables": tables}


# What Fivetran would not take


@pytest.mark.parametrize(
    ("schemas", "what", "why"),
    [
        pytest.param(
            {"public": {"tables": {"schema_migrations": {"enabled": False}}}},
            "public.schema_migrations",
            "The table does not support exclusion",
            id="a locked table",
        ),
        pytest.param(
            {"public": {"tables": {"customers": {"columns": {"id": {"enabled": False}}}}}},
            "public.customers.id",
            "as it is a Primary Key",
            id="a locked column",
        ),
        pytest.param(
            {"public": {"tables": {"schema_migrations": {"columns": {"id": {"hashed": True}}}}}},
            "public.schema_migrations",
            "does not support a selection of columns",
            id="a table without a selection of columns",
        ),
        pytest.param(
            {"public": {"tables": {"schema_migrations": {"sync_mode": "HISTORY"}}}},
            "public.schema_migrations",
            "does not support history mode",
            id="a table without history",
        ),
    ],
)
async def test_what_is_locked_is_refused_with_the_reason_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, schemas: dict[str, Any], what: str, why: str
) -> None:
    """Even if the rest of the call could be done."""
    error = await refused(caller, schemas={**schemas, "audit log": {"enabled": True}}, confirm=True)

    assert error["code"] == "conflict"
    assert what in error["message"]
    assert why in error["message"]
    assert changes(sandbox) == []


async def test_a_table_that_cannot_switch_its_sync_mode_says_so(
    caller: Caller, sandbox: Sandbox
) -> None:
    """HubSpot's tables have none to switch."""
    config = await caller.ok("get_schema_config", connector_id="late_willow", limit=1)
    (row,) = config["tables"]
    schemas = {row["schema_name"]: {"tables": {row["table"]: {"sync_mode": "SOFT_DELETE"}}}}

    error = await refused(caller, "late_willow", schemas=schemas, confirm=True)

    assert error["code"] == "conflict"
    assert "cannot switch its sync mode" in error["message"]
    assert changes(sandbox) == []


async def test_columns_of_a_broken_connector_cannot_be_looked_up(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The hint says why: they are read live."""
    schemas = {"public": {"tables": {"orders": {"columns": {"total": {"hashed": True}}}}}}

    error = await refused(caller, "brisk_lantern", schemas=schemas)

    assert error["code"] == "rejected"
    assert "must be connected" in error["hint"]
    assert "not connected" in error["fivetran"]["message"]
    assert changes(sandbox) == []


async def test_a_running_sync_in_the_way_comes_with_what_to_do(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran tries for a minute to stop it, then gives up."""
    words = "Failed to stop in-progress sync after trying for 60 seconds"
    body = {"code": "InvalidInput", "message": words}
    sandbox.fail(Fault(method="PATCH", status=400, body=body))

    error = await refused(caller, schemas=ENABLE)

    assert error["fivetran"]["message"] == words
    assert "pause_connector" in error["hint"]
    assert "resume_connector" in error["hint"]


# What follows from a change


@pytest.mark.parametrize("schemas", [ENABLE, {"audit log": {"enabled": True}}])
async def test_enabling_says_that_a_historical_sync_starts_and_one_does(
    caller: Caller, sandbox: Sandbox, schemas: dict[str, Any]
) -> None:
    """It costs, so it is told, though it needs no confirmation."""
    answer = await update(caller, schemas=schemas)

    (warning,) = answer["warnings"]
    assert "historical sync starts" in warning
    assert answer["changes"][0]["place"] in warning
    assert sandbox.connections["solid_anchor"]["status"]["is_historical_sync"] is True


async def test_enabling_inside_what_is_disabled_starts_nothing_and_says_so(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A table syncs only if its schema does too."""
    inner = {"audit log": {"tables": {"log_actors": {"enabled": False}}}}
    await update(caller, schemas=inner, confirm=True)

    answer = await update(
        caller, schemas={"audit log": {"tables": {"log_actors": {"enabled": True}}}}
    )

    (warning,) = answer["warnings"]
    assert "without effect" in warning
    assert "audit log.log_actors" in warning
    assert sandbox.connections["solid_anchor"]["status"]["is_historical_sync"] is False


async def test_a_table_and_its_schema_enabled_together_do_sync(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What matters is how the schema is after the change."""
    inner = {"audit log": {"tables": {"log_actors": {"enabled": False}}}}
    await update(caller, schemas=inner, confirm=True)

    both = {"audit log": {"enabled": True, "tables": {"log_actors": {"enabled": True}}}}
    answer = await update(caller, schemas=both)

    (warning,) = answer["warnings"]
    assert "audit log, audit log.log_actors." in warning
    assert sandbox.connections["solid_anchor"]["status"]["is_historical_sync"] is True


@pytest.mark.parametrize("mode", ["HISTORY", "LIVE"])
async def test_a_new_sync_mode_is_previewed_and_then_loads_the_table_again(
    caller: Caller, sandbox: Sandbox, mode: str
) -> None:
    """What the table may lose is said before."""
    schemas = {"public": {"tables": {"orders": {"sync_mode": mode}}}}
    error = await refused(caller, schemas=schemas)
    call = error["next_call"]
    answer = await caller.ok(call["tool"], **call["arguments"])

    assert "change the sync mode" in error["preview"]["effect"]
    assert "public.orders" in error["preview"]["effect"]
    assert "old versions" in error["preview"]["lost"]
    assert "Nothing is removed" not in error["preview"]["lost"]
    assert answer["warnings"] == ["A new sync mode loads the table again."]
    assert answer["changes"] == [
        {
            "place": "public.orders",
            "setting": "sync_mode",
            "before": "SOFT_DELETE",
            "after": mode,
        }
    ]
    assert sandbox.connections["solid_anchor"]["status"]["is_historical_sync"] is True


# What is disabled, and its confirmation


@pytest.mark.parametrize("schemas", [ENABLE, HASH, HASH_UNLISTED, {"audit log": {"enabled": True}}])
async def test_enabling_and_hashing_need_no_more_than_mode_write(
    connect: Connect, sandbox: Sandbox, schemas: dict[str, Any]
) -> None:
    """They can be taken back and remove nothing."""
    async with connect("write") as caller:
        answer = await update(caller, schemas=schemas)

    assert answer["changed"] == 1
    assert len(changes(sandbox)) == 1


@pytest.mark.parametrize(
    "schemas",
    [
        pytest.param(DISABLE, id="a table"),
        pytest.param({"public": {"enabled": False}}, id="a schema"),
        pytest.param(
            {"public": {"tables": {"customers": {"columns": {"email": {"enabled": False}}}}}},
            id="a column",
        ),
        pytest.param(MODE, id="a sync mode"),
        pytest.param({**DISABLE, "audit log": {"enabled": True}}, id="among others"),
    ],
)
async def test_disabling_or_a_new_sync_mode_needs_mode_full_and_a_confirmation(
    connect: Connect, sandbox: Sandbox, schemas: dict[str, Any]
) -> None:
    """In mode write it is refused even confirmed; in full it is previewed first."""
    async with connect("write") as caller:
        error = await refused(caller, schemas=schemas, confirm=True)
    assert error["code"] == "mode_forbids"
    assert "'full'" in error["message"]

    async with connect("full") as caller:
        unconfirmed = await refused(caller, schemas=schemas)
        assert unconfirmed["code"] == "confirmation_required"
        assert changes(sandbox) == []

        next_call = {"connector_id": "solid_anchor", "schemas": schemas, "confirm": True}
        assert unconfirmed["next_call"]["arguments"] == next_call
        answer = await caller.ok("update_schema_config", **unconfirmed["next_call"]["arguments"])
    assert answer["changed"] >= 1
    assert len(changes(sandbox)) == 1


async def test_the_preview_names_the_target_and_what_would_stop(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A schema comes with the number of its tables that sync."""
    tables = {"orders": {"enabled": False}}
    schemas = {"public": {"enabled": False, "tables": tables}, "audit log": {"enabled": True}}

    preview = (await refused(caller, schemas=schemas))["preview"]

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
    assert preview["effect"] == (
        "2 would stop syncing: public (schema, 5 enabled tables), public.orders."
        " Also changed: audit log enabled=true."
    )
    assert preview["size"] == "3 settings changed"
    assert "Nothing is removed" in preview["lost"]
    assert "historical sync" in preview["undo"]


@pytest.mark.parametrize(
    ("wanted", "named", "dropped"),
    [
        pytest.param(
            {"tables": {"orders": {"enabled": False}}},
            "live.orders.",
            ["live_wire/live/orders"],
            id="a table",
        ),
        pytest.param(
            {"tables": {"orders": {"columns": {"created_at": {"enabled": False}}}}},
            "live.orders.created_at.",
            ["live_wire/live/orders/created_at"],
            id="a column",
        ),
        pytest.param({"enabled": False}, "live (schema, 12 enabled tables).", None, id="a schema"),
    ],
)
async def test_disabling_in_live_mode_says_that_data_is_dropped(
    caller: Caller,
    sandbox: Sandbox,
    wanted: dict[str, Any],
    named: str,
    dropped: list[str] | None,
) -> None:
    """The only change of a selection that removes data at once: it is told before and after."""
    error = await refused(caller, "live_wire", schemas={"live": wanted})
    assert error["preview"]["lost"] == (
        f"Dropped from the destination, being in LIVE mode: {named}"
    )
    assert sandbox.dropped == []

    answer = await caller.ok(error["next_call"]["tool"], **error["next_call"]["arguments"])

    assert "1 in LIVE mode: dropped from the destination." in answer["warnings"]
    assert sandbox.dropped == dropped if dropped else len(sandbox.dropped) == 12


async def test_a_table_that_goes_to_live_mode_and_is_disabled_counts_as_dropped(
    caller: Caller,
) -> None:
    """In which order Fivetran does both is not known, so the worse is told."""
    both = {"public": {"tables": {"orders": {"sync_mode": "LIVE", "enabled": False}}}}

    preview = (await refused(caller, schemas=both))["preview"]

    assert "LIVE mode: public.orders." in preview["lost"]
    assert "1 would stop syncing" in preview["effect"]
    assert "1 would change the sync mode" in preview["effect"]


async def test_a_single_table_is_counted_as_one(caller: Caller) -> None:
    """The preview is read by people."""
    (schema,) = (await caller.ok("get_schema_config", connector_id="azure_brook"))["schemas"]

    error = await refused(
        caller, "azure_brook", schemas={schema["schema_name"]: {"enabled": False}}
    )

    assert "(schema, 1 enabled table)" in error["preview"]["effect"]
    assert error["preview"]["size"] == "1 setting changed"


async def test_a_server_that_only_reads_changes_no_selection(
    connect: Connect, sandbox: Sandbox
) -> None:
    """The mode that would allow it is named, and nothing is sent."""
    async with connect("read-only") as caller:
        error = await refused(caller, schemas=ENABLE)

    assert error["code"] == "mode_forbids"
    assert "'write'" in error["message"]
    assert not sandbox.requests


# Answers that are lost, or not true


@pytest.mark.parametrize("schemas", [ENABLE, HASH, HASH_UNLISTED])
async def test_a_change_that_took_although_its_answer_was_lost_is_a_success(
    caller: Caller, sandbox: Sandbox, schemas: dict[str, Any]
) -> None:
    """It is read back, and sent once."""
    sandbox.fail(Fault(method="PATCH", status=500, applied=True))

    answer = await update(caller, schemas=schemas)

    assert answer["changed"] == 1
    assert "unconfirmed" not in answer["changes"][0]
    assert len(changes(sandbox)) == 1


@pytest.mark.parametrize("schemas", [ENABLE, HASH, HASH_UNLISTED])
async def test_a_change_that_did_not_take_and_whose_answer_was_lost_is_of_unknown_outcome(
    caller: Caller, sandbox: Sandbox, schemas: dict[str, Any]
) -> None:
    """Also for a column that the configuration does not list either way."""
    sandbox.fail(Fault(method="PATCH", status=503, times=9))

    error = await refused(caller, schemas=schemas)

    assert error["code"] == "outcome_unknown"
    assert error["retryable"] is False
    assert len(changes(sandbox)) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_change_that_cannot_be_read_back_is_of_unknown_outcome(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """To call it failed would be as wrong as to call it done."""
    answer_with(sandbox, {"public": {"enabled": True, "tables": {"refunds": table(enabled=False)}}})
    sandbox.fail(Fault(method="PATCH", status=status, body=ACCEPTED))
    sandbox.fail(Fault(method="GET", path=".*/schemas", status=500, times=9))

    error = await refused(caller, schemas=ENABLE)

    assert error["code"] == "outcome_unknown"
    assert error["retryable"] is False


@pytest.mark.parametrize(
    "arguments",
    [{"schemas": ENABLE}, {"schemas": HASH}, {"schemas": {"audit log": {"enabled": True}}}],
)
async def test_a_change_that_was_accepted_but_not_applied_is_told_as_that(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Success is what is read back, not what is answered."""
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))

    error = await refused(caller, **arguments)

    assert error["code"] == "not_applied"
    assert "1 of 1" in error["message"]
    assert "get_schema_config" in error["hint"]


async def test_a_handling_that_was_not_applied_is_told_as_that(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The connector's own setting is read back as well."""
    config = await caller.ok("get_schema_config", connector_id="solid_anchor")
    other = "BLOCK_ALL" if config["schema_change_handling"] != "BLOCK_ALL" else "ALLOW_ALL"
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))

    error = await refused(caller, schema_change_handling=other)

    assert error["code"] == "not_applied"


async def test_a_table_that_has_gone_meanwhile_is_not_called_changed(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What cannot be found did not change."""
    answer_with(sandbox, {"public": {"enabled": True, "tables": {"t": table(enabled=False)}}})
    answer_with(sandbox, {"public": {"enabled": True, "tables": {}}})
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))

    error = await refused(caller, schemas={"public": {"tables": {"t": {"enabled": True}}}})

    assert error["code"] == "not_applied"


async def test_a_column_that_is_not_listed_afterwards_is_told_as_unconfirmed(
    caller: Caller, sandbox: Sandbox
) -> None:
    """One that is back at its defaults need not be listed, so nothing can be said."""
    named = {"public": {"enabled": True, "tables": {"t": table(columns={"a": {"hashed": True}})}}}
    answer_with(sandbox, named)
    answer_with(sandbox, {"public": {"enabled": True, "tables": {"t": table()}}})
    sandbox.fail(Fault(method="PATCH", status=200, body=ACCEPTED))
    plain = {"public": {"tables": {"t": {"columns": {"a": {"hashed": False}}}}}}

    (change,) = (await update(caller, schemas=plain, confirm=True))["changes"]

    assert change["unconfirmed"] is True


# Wrong arguments


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"schemas": None}, "schemas"),
        ({"schemas": []}, "schemas"),
        ({"schemas": "public"}, "schemas"),
        ({"schemas": {"public": None}}, "schemas.public"),
        ({"schemas": {"public": False}}, "schemas.public"),
        ({"schemas": {"public": {"enabled": "false"}}}, "schemas.public.enabled"),
        ({"schemas": {"public": {"enabled": 0}}}, "schemas.public.enabled"),
        ({"schemas": {"public": {"enabled": None}}}, "schemas.public.enabled"),
        ({"schemas": {"public": {"table": {}}}}, "schemas.public.table"),
        ({"schemas": {"public": {"tables": ["orders"]}}}, "schemas.public.tables"),
        ({"schemas": {"public": {"tables": None}}}, "schemas.public.tables"),
        (
            {"schemas": {"public": {"tables": {"orders": {"sync_mode": "live"}}}}},
            "schemas.public.tables.orders.sync_mode",
        ),
        (
            {"schemas": {"public": {"tables": {"orders": {"row_filter": {}}}}}},
            "schemas.public.tables.orders.row_filter",
        ),
        (
            {"schemas": {"public": {"tables": {"orders": {"columns": {"id": {"hash": True}}}}}}},
            "schemas.public.tables.orders.columns.id.hash",
        ),
        ({"schema_change_handling": "block_all"}, "schema_change_handling"),
        ({"schema_change_handling": None}, "schema_change_handling"),
        ({"confirm": "true"}, "confirm"),
        ({"confirm": 1}, "confirm"),
        ({"confirm": None}, "confirm"),
        ({"tables": {}}, "tables"),
    ],
)
async def test_wrong_arguments_are_named_with_their_fix_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, wrong: dict[str, Any], place: str
) -> None:
    """By their whole place, and never with their values."""
    error = await refused(caller, **wrong)

    assert error["code"] == "invalid_arguments"
    assert f"{place}: " in error["message"]
    assert "Nothing was sent" in error["hint"]
    assert not sandbox.requests


async def test_an_unknown_connector_is_not_found(caller: Caller, sandbox: Sandbox) -> None:
    """The hint names the tool that lists ids."""
    error = await refused(caller, "no_such_one", schemas=ENABLE)

    assert error["code"] == "not_found"
    assert "list_connectors" in error["hint"]
    assert changes(sandbox) == []


@pytest.mark.parametrize("arguments", [{}, {"schemas": {}}, {"confirm": True}])
async def test_a_call_that_names_nothing_is_refused(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """It says what could be named, and reads nothing."""
    error = await caller.error("update_schema_config", connector_id="solid_anchor", **arguments)

    assert error["code"] == "invalid_arguments"
    assert "schema_change_handling" in error["hint"]
    assert not sandbox.requests


async def test_what_is_no_longer_hashed_is_shown_first_and_warned_of(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It arrives in clear, and that cannot be taken back."""
    columns = {"card_no": {"hashed": False}, "email": {"hashed": True}}
    schemas = {"public": {"tables": {"customers": {"columns": columns}}}}

    error = await refused(caller, schemas=schemas)
    assert changes(sandbox) == []
    answer = await update(caller, **error["next_call"]["arguments"])

    assert error["code"] == "confirmation_required"
    preview = error["preview"]
    clear = "1 would no longer be hashed and arrive in clear from the next sync on"
    assert preview["effect"] == (
        f"{clear}: public.customers.card_no. Also changed: public.customers.email hashed=true."
    )
    assert preview["lost"] == "Secrecy: whoever reads the destination can read these columns."
    assert "hashes new values only" in preview["undo"]
    assert "Switching back" not in preview["undo"]
    assert any("in clear" in warning for warning in answer["warnings"])


async def test_an_end_of_hashing_does_not_hide_what_is_disabled_beside_it(caller: Caller) -> None:
    """Each with its own way back."""
    columns = {"card_no": {"hashed": False}}
    tables = {"customers": {"columns": columns}, "orders": {"enabled": False}}

    preview = (await refused(caller, schemas={"public": {"tables": tables}}))["preview"]

    assert "1 would stop syncing: public.orders." in preview["effect"]
    assert "arrive in clear" in preview["effect"]
    assert "hashes new values only" in preview["undo"]
    assert "Switching back" in preview["undo"]


async def test_an_end_of_hashing_needs_the_mode_full(connect: Connect, sandbox: Sandbox) -> None:
    """As everything that cannot be taken back."""
    columns = {"card_no": {"hashed": False}}
    async with connect("write") as caller:
        error = await refused(
            caller,
            schemas={"public": {"tables": {"customers": {"columns": columns}}}},
            confirm=True,
        )

    assert error["code"] == "mode_forbids"
    assert changes(sandbox) == []


async def test_a_selection_in_advance_need_not_say_what_becomes_of_new_tables(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Then that is not sent."""
    made = await caller.ok(
        "create_connector",
        group_id="amber_harbor",
        service="postgres",
        config={"schema_prefix": "pg_new", "host": "db", "user": "me", "password": "long-enough"},
    )

    await update(caller, made["id"], schemas={"reports": {"enabled": False}})

    assert changes(sandbox)[-1][2] == {"schemas": {"reports": {"enabled": False}}}


async def test_a_selection_can_be_made_before_the_source_was_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing is lost by it, so nothing is confirmed; it counts when the source is read."""
    made = await caller.ok(
        "create_connector",
        group_id="amber_harbor",
        service="postgres",
        config={"schema_prefix": "pg_new", "host": "db", "user": "me", "password": "long-enough"},
    )
    wanted = {
        "public": {
            "tables": {
                "orders": {"enabled": False},
                "customers": {"columns": {"email": {"hashed": True}}},
            }
        },
        "reports": {"enabled": False},
    }

    answer = await caller.ok(
        "update_schema_config",
        connector_id=made["id"],
        schemas=wanted,
        schema_change_handling="BLOCK_ALL",
    )
    await caller.ok("reload_schema_config", connector_id=made["id"])
    after = await caller.ok("get_schema_config", connector_id=made["id"], limit=500)

    sent = next(b for m, path, b in changes(sandbox) if (m, path[-8:]) == ("POST", "/schemas"))
    assert sent == {
        "schema_change_handling": "BLOCK_ALL",
        "schemas": {
            "public": {
                "enabled": True,
                "tables": {
                    "orders": {"enabled": False},
                    "customers": {
                        "enabled": True,
                        "columns": {"email": {"enabled": True, "hashed": True}},
                    },
                },
            },
            "reports": {"enabled": False},
        },
    }
    assert answer["changed"] == len(answer["changes"]) == 7
    assert all(change["unconfirmed"] for change in answer["changes"])
    assert "names were not checked" in answer["warnings"][0]
    rows = {(row["schema_name"], row["table"]): row for row in after["tables"]}
    assert rows["public", "orders"]["enabled"] is False
    assert after["schema_change_handling"] == "BLOCK_ALL"
