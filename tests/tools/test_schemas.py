"""The tools that read a selection: configuration, columns, reload."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.paging import Cursor
from tests.support import Caller, Connect, changes

TOOLS: dict[str, dict[str, Any]] = {
    "get_schema_config": {},
    "get_table_columns": {"schema": "public", "table": "orders"},
    "reload_schema_config": {},
}
ZERO_WIDTH = "\u200b"
ODD = {
    "raw files/2026": ["events.v1", "100% done", "what?", 'said "so"', "it's", "a/b", ".."],
    "日本語": ["受注", "naïve café", "two  spaces", "plus+and&"],
    "dots.and.more": ["one.two.three", "%2F", "#anchor", "semi;colon", "back\\slash"],
}


def table(**fields: Any) -> dict[str, Any]:
    """Make a table of a configuration."""
    return {"enabled": True, "enabled_patch_settings": {"allowed": True}, **fields}


def answer_with(sandbox: Sandbox, schemas: dict[str, Any], **more: Any) -> None:
    """Let the next read of a configuration find these schemas."""
    data = {"schema_change_handling": "ALLOW_ALL", "schemas": schemas}
    body = {"code": "Success", "data": data}
    sandbox.fail(Fault(method="GET", path=".*/schemas", status=200, body=body, **more))


# get_schema_config


async def test_a_selection_is_shown_with_counts_and_what_really_syncs(caller: Caller) -> None:
    """A table syncs if both it and its schema are enabled; locks say why."""
    answer = await caller.ok("get_schema_config", connector_id="solid_anchor")

    assert answer["schemas"] == [
        {"schema_name": "public", "enabled": True, "tables": 6, "enabled_tables": 5},
        {"schema_name": "audit log", "enabled": False, "tables": 2, "enabled_tables": 0},
    ]
    assert answer["matching_tables"] == 8
    assert answer["complete"] is True
    assert answer["schema_change_handling"] in {"ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL"}
    rows = {row["table"]: row for row in answer["tables"]}
    assert rows["orders"] == {
        "schema_name": "public",
        "table": "orders",
        "enabled": True,
    }
    assert answer["usual_sync_mode"] == "SOFT_DELETE"
    assert rows["refunds"]["enabled"] is False
    assert rows["customers"]["changed_columns"] == 2
    assert rows["schema_migrations"]["locked"] == "The table does not support exclusion"
    assert rows["log_actors"]["enabled"] is False
    assert rows["log_actors"]["in_disabled_schema"] is True
    assert rows["log entries"]["name_in_destination"] == "log_entries"


@pytest.mark.parametrize(
    ("filters", "tables"),
    [
        ({"schema": "audit log"}, ["log entries", "log_actors"]),
        ({"table_contains": "MENTS"}, ["payments"]),
        ({"enabled": True, "table_contains": "r"}, ["orders", "customers", "schema_migrations"]),
        ({"enabled": False}, ["refunds", "log entries", "log_actors"]),
        ({"enabled": False, "schema": "public"}, ["refunds"]),
        ({"table_contains": "nothing like it"}, []),
    ],
)
async def test_tables_are_filtered_and_schemas_are_counted_only_without_filters(
    caller: Caller, filters: dict[str, Any], tables: list[str]
) -> None:
    """The filters meet the tables, by what really syncs."""
    answer = await caller.ok("get_schema_config", connector_id="solid_anchor", **filters)

    assert [row["table"] for row in answer["tables"]] == tables
    assert answer["matching_tables"] == len(tables)
    assert "schemas" not in answer
    assert answer["complete"] is True


async def test_a_table_says_of_which_table_it_is_a_part(caller: Caller) -> None:
    """Salesforce keeps histories beside their tables."""
    answer = await caller.ok(
        "get_schema_config", connector_id="swift_meadow", table_contains="lead_history"
    )

    assert answer["tables"][0]["parent_table"] == "lead"


async def test_all_1200_tables_are_reached_and_none_comes_twice(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Each part says that it is one and where it goes on; schemas come with the first only."""
    seen: list[tuple[str, str]] = []
    more: dict[str, Any] = {}
    parts = 0
    while True:
        answer = await caller.ok("get_schema_config", connector_id="wide_river", **more)
        assert answer["matching_tables"] == 1200
        assert ("schemas" in answer) is (parts == 0)
        assert len(json.dumps(answer)) < 24_000
        seen += [(row["schema_name"], row["table"]) for row in answer["tables"]]
        parts += 1
        if answer["complete"]:
            break
        more = {"cursor": answer["next_cursor"]}

    assert "next_cursor" not in answer
    assert parts == len(sandbox.requests) == 12
    assert len(seen) == len(set(seen)) == 1200
    assert seen[-1] == ("sales", "sales_200")


async def test_a_filtered_list_goes_on_with_the_same_filters(caller: Caller) -> None:
    """By limits of the caller's own."""
    filters = {"connector_id": "wide_river", "schema": "hr", "table_contains": "hr_00", "limit": 4}
    first = await caller.ok("get_schema_config", **filters)
    second = await caller.ok("get_schema_config", **filters, cursor=first["next_cursor"])
    third = await caller.ok("get_schema_config", **filters, cursor=second["next_cursor"])

    assert first["matching_tables"] == 9
    rows = [row["table"] for part in (first, second, third) for row in part["tables"]]
    assert rows == [f"hr_00{turn}" for turn in range(1, 10)]
    assert [part["complete"] for part in (first, second, third)] == [False, False, True]


@pytest.mark.parametrize(
    ("modes", "usual", "shown"),
    [
        (("LIVE", "LIVE"), "LIVE", [None, None]),
        (("LIVE", "HISTORY", "LIVE"), "LIVE", [None, "HISTORY", None]),
        (("LIVE", None, "LIVE"), None, ["LIVE", None, "LIVE"]),
        ((None, None), None, [None, None]),
    ],
)
async def test_the_sync_mode_that_most_tables_have_is_said_once(
    caller: Caller,
    sandbox: Sandbox,
    modes: tuple[str | None, ...],
    usual: str | None,
    shown: list[str | None],
) -> None:
    """Unless there are tables without any, which would seem to have it."""
    tables = {f"t{number}": table(sync_mode=mode) for number, mode in enumerate(modes)}
    answer_with(sandbox, {"s": {"enabled": True, "tables": tables}})

    answer = await caller.ok("get_schema_config", connector_id="solid_anchor")

    assert answer.get("usual_sync_mode") == usual
    assert [row.get("sync_mode") for row in answer["tables"]] == shown


def tokens(answer: dict[str, Any]) -> float:
    """Tell about how much a model pays for an answer."""
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) / 4


def wide(tables: int, schemas: int, length: int, letter: str = "x") -> dict[str, Any]:
    """Make a source of so many tables, with names of so many letters, none locked."""
    return {
        f"schema_{place:04d}".ljust(length, letter): {
            "enabled": True,
            "tables": {
                name: table(sync_mode="SOFT_DELETE", name_in_destination=name)
                for number in range(tables // schemas)
                for name in (f"table_{number:04d}".ljust(length, letter),)
            },
        }
        for place in range(schemas)
    }


@pytest.mark.parametrize(
    ("tables", "schemas", "names"),
    [
        *((5_000, schemas, (11,)) for schemas in (1, 10, 200, 5_000)),
        (5_000, 1, (60,)),
        (5_000, 200, (60,)),
        (5_000, 200, (60, "日")),
        (200, 1, (1_000,)),
        (200, 200, (1_000,)),
    ],
)
async def test_an_answer_about_5000_tables_stays_small(
    caller: Caller, sandbox: Sandbox, tables: int, schemas: int, names: tuple[Any, ...]
) -> None:
    """In tokens, whatever the names are: 3,000, or 6,000 if more rows are asked for."""
    answer_with(sandbox, wide(tables, schemas, *names), times=3)

    first = await caller.ok("get_schema_config", connector_id="solid_anchor")
    more = await caller.ok("get_schema_config", connector_id="solid_anchor", limit=500)
    found = await caller.ok(
        "get_schema_config", connector_id="solid_anchor", table_contains="TABLE_"
    )

    assert first["matching_tables"] == found["matching_tables"] == tables
    assert tokens(first) <= 3_000 < tokens(more) <= 6_000
    assert tokens(found) <= 3_000
    assert len(first["tables"]) < len(more["tables"])
    assert len(first["schemas"]) + first.get("more_schemas", 0) == schemas
    if names == (11,):
        assert len(first["tables"]) == len(found["tables"]) == 100


@pytest.mark.parametrize("letter", ["x", "日"])
async def test_tables_and_counts_are_reached_wherever_the_parts_meet(
    caller: Caller, sandbox: Sandbox, letter: str
) -> None:
    """Every table once and every schema once, in order, by whole rows."""
    source = wide(180, 90, 60, letter)
    answer_with(sandbox, source, times=1_000)
    named = {"connector_id": "solid_anchor"}

    answers = [await caller.ok("get_schema_config", **named)]
    while not answers[-1]["complete"]:
        cursor = answers[-1]["next_cursor"]
        answers.append(await caller.ok("get_schema_config", **named, cursor=cursor))

    assert max(map(tokens, answers)) <= 3_000
    rows = [(row["schema_name"], row["table"]) for answer in answers for row in answer["tables"]]
    assert rows == [(name, each) for name, schema in source.items() for each in schema["tables"]]
    counted = [row for answer in answers for row in answer.get("schemas", ())]
    assert [row["schema_name"] for row in counted] == list(source)
    assert {(row["tables"], row["enabled_tables"]) for row in counted} == {(2, 2)}


async def test_counts_of_very_many_schemas_go_on_behind_the_tables(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Those of schemas without tables are reached too."""
    empty = {f"s{turn:03d}": {"enabled": True, "tables": {}} for turn in range(110)}
    full = {"t": {"enabled": True, "tables": {"one": table(), "two": table()}}}
    answer_with(sandbox, {**empty, **full}, times=3)

    first = await caller.ok("get_schema_config", connector_id="solid_anchor", limit=1)
    answers = [first]
    while not answers[-1]["complete"]:
        cursor = answers[-1]["next_cursor"]
        answers.append(
            await caller.ok("get_schema_config", connector_id="solid_anchor", cursor=cursor)
        )

    assert [len(each["schemas"]) for each in answers] == [50, 50, 11]
    assert [each.get("more_schemas") for each in answers] == [61, 11, None]
    shown = [[row["table"] for row in each["tables"]] for each in answers]
    assert shown == [["one"], ["two"], []]


@pytest.mark.parametrize("upstream", ["x", "-1", "9" * 1_000, "²"])
async def test_a_cursor_made_by_hand_does_no_harm(caller: Caller, upstream: str) -> None:
    """It belongs to these arguments and leads nowhere: it is read as far as it makes sense."""
    filters = {"tables": ["solid_anchor", None, "", None]}
    cursor = Cursor(upstream, 10**30).encode(filters)

    answer = await caller.ok("get_schema_config", connector_id="solid_anchor", cursor=cursor)

    assert answer["tables"] == []
    assert answer["complete"] is True


@pytest.mark.parametrize("tool", ["get_schema_config", "get_table_columns"])
async def test_a_cursor_that_is_none_is_refused_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str
) -> None:
    """Neither invented, nor of another call, nor of another tool."""
    first = await caller.ok("get_schema_config", connector_id="wide_river", limit=1)
    sandbox.requests.clear()

    for cursor in ("x", "e30", "WyIiLC0xLCIiXQ", "%%%", first["next_cursor"]):
        error = await caller.error(
            tool, connector_id="solid_anchor", **TOOLS[tool], limit=1, cursor=cursor
        )
        assert error["code"] == "invalid_arguments"
        assert "cursor" in error["message"]
        assert "next_cursor" in error["hint"]
    assert not sandbox.requests


async def test_a_cursor_of_other_filters_is_refused(caller: Caller) -> None:
    """It would skip rows of a list that it does not belong to."""
    first = await caller.ok("get_schema_config", connector_id="wide_river", schema="hr")

    error = await caller.error(
        "get_schema_config", connector_id="wide_river", cursor=first["next_cursor"]
    )

    assert "other arguments" in error["message"]


async def test_a_schema_that_is_unknown_is_refused_with_the_nearest(caller: Caller) -> None:
    """An empty list would look like an answer."""
    error = await caller.error("get_schema_config", connector_id="solid_anchor", schema="audit_log")

    assert error["code"] == "not_found"
    assert "'audit log'" in error["message"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_schema_config", {}),
        ("update_schema_config", {"schema_change_handling": "BLOCK_ALL"}),
    ],
)
async def test_what_has_no_selection_yet_says_how_it_gets_one(
    caller: Caller, tool: str, arguments: dict[str, Any]
) -> None:
    """A 404 that is no wrong id."""
    error = await caller.error(tool, connector_id="calm_ridge", **arguments)

    assert error["code"] == "schema_not_ready"
    assert "reload_schema_config" in error["hint"]
    assert "set up" in error["hint"]


async def test_names_of_every_kind_are_listed_as_they_are(caller: Caller) -> None:
    """Spaces, dots, slashes, percent signs, quotes, other scripts, and a table named `..`."""
    answer = await caller.ok("get_schema_config", connector_id="odd_names")

    found: dict[str, list[str]] = {}
    for row in answer["tables"]:
        found.setdefault(row["schema_name"], []).append(row["table"])
    assert found == ODD


async def test_characters_that_do_not_show_are_left_out_of_names(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A schema and its tables are still found by the names that are shown."""
    hidden = {f"pub{ZERO_WIDTH}lic": {"enabled": True, "tables": {f"or{ZERO_WIDTH}ders": table()}}}
    answer_with(sandbox, hidden)

    answer = await caller.ok("get_schema_config", connector_id="solid_anchor", schema="public")
    whole = await caller.ok("get_schema_config", connector_id="solid_anchor")

    assert whole["schemas"][0]["schema_name"] == "public"
    assert answer["tables"] == [{"schema_name": "public", "table": "orders", "enabled": True}]


async def test_a_lock_without_a_reason_is_still_one(caller: Caller, sandbox: Sandbox) -> None:
    """Fivetran's code, or else our own words; a long reason is cut with its length told."""
    tables = {
        "a": table(enabled_patch_settings={"allowed": False}),
        "b": table(enabled_patch_settings={"allowed": False, "reason_code": "DELETED"}),
        "c": table(enabled_patch_settings={"allowed": False, "reason": "x" * 300}),
    }
    answer_with(sandbox, {"s": {"enabled": True, "tables": tables}})

    answer = await caller.ok("get_schema_config", connector_id="solid_anchor")

    a, b, c = (row["locked"] for row in answer["tables"])
    assert (a, b) == ("locked by Fivetran", "DELETED")
    assert "100 more characters" in c


# get_table_columns


async def test_columns_say_which_sync_and_which_are_hashed(caller: Caller) -> None:
    """The primary key is locked, and Fivetran says why."""
    answer = await caller.ok(
        "get_table_columns", connector_id="solid_anchor", schema="public", table="customers"
    )

    assert (answer["schema_name"], answer["table"]) == ("public", "customers")
    assert answer["matching_columns"] == len(answer["columns"]) == 12
    assert answer["complete"] is True
    columns = {row["column"]: row for row in answer["columns"]}
    assert columns["id"]["primary_key"] is True
    assert "Primary Key" in columns["id"]["locked"]
    assert columns["card_no"] == {"column": "card_no", "enabled": True, "hashed": True}
    assert columns["email"] == {"column": "email", "enabled": True}


async def test_columns_are_found_by_part_of_their_name_and_go_on_at_a_cursor(
    caller: Caller,
) -> None:
    """The filter is ours, and the cursor belongs to it."""
    named = {"connector_id": "solid_anchor", "schema": "public", "table": "customers"}
    dates = await caller.ok("get_table_columns", **named, name_contains="_AT")
    first = await caller.ok("get_table_columns", **named, limit=7)
    second = await caller.ok("get_table_columns", **named, limit=7, cursor=first["next_cursor"])

    assert [row["column"] for row in dates["columns"]] == ["created_at", "updated_at"]
    assert dates["matching_columns"] == 2
    assert (first["complete"], second["complete"]) == (False, True)
    assert len({row["column"] for row in first["columns"] + second["columns"]}) == 12


@pytest.mark.parametrize(
    ("columns", "names"), [(500, (11,)), (500, (60,)), (500, (60, "日")), (50, (1_000,))]
)
async def test_an_answer_about_500_columns_stays_small_and_all_are_reached(
    caller: Caller, sandbox: Sandbox, columns: int, names: tuple[Any, ...]
) -> None:
    """In tokens, whatever the names are: 3,000, or 6,000 if more rows are asked for."""
    length, *letter = names
    wanted = [f"column_{turn:03d}".ljust(length, *letter) for turn in range(columns)]
    found = {name: {"enabled": True, "name_in_destination": name} for name in wanted}
    body = {"code": "Success", "data": {"columns": found}}
    sandbox.fail(Fault(path=".*/columns", status=200, body=body, times=100))
    named = {"connector_id": "solid_anchor", "schema": "s" * length, "table": "t" * length}

    answers = [await caller.ok("get_table_columns", **named)]
    while not answers[-1]["complete"]:
        cursor = answers[-1]["next_cursor"]
        answers.append(await caller.ok("get_table_columns", **named, cursor=cursor))
    more = await caller.ok("get_table_columns", **named, limit=500)

    assert max(map(tokens, answers)) <= 3_000
    assert tokens(more) <= 6_000
    assert [row["column"] for answer in answers for row in answer["columns"]] == wanted
    assert len(answers[0]["columns"]) < len(more["columns"])
    assert len(answers[0]["columns"]) == 100 or length > 11


async def test_a_row_that_is_larger_than_an_answer_is_shown_alone(
    caller: Caller, sandbox: Sandbox
) -> None:
    """There is no other way to see it."""
    tables = {f"{turn}" + "日" * 5_000: table() for turn in range(2)}
    answer_with(sandbox, {"s": {"enabled": True, "tables": tables}}, times=2)

    first = await caller.ok("get_schema_config", connector_id="solid_anchor")
    second = await caller.ok(
        "get_schema_config", connector_id="solid_anchor", cursor=first["next_cursor"]
    )

    assert [row["table"] for each in (first, second) for row in each["tables"]] == list(tables)
    assert len(first["tables"]) == 1
    assert second["complete"] is True


@pytest.mark.parametrize(("schema", "table_name"), [(s, t) for s, ts in ODD.items() for t in ts])
async def test_odd_names_stay_inside_their_segments_of_the_path(
    caller: Caller, sandbox: Sandbox, schema: str, table_name: str
) -> None:
    """What left has the names, encoded, where names belong; `..` does not leave at all."""
    error = await caller.error(
        "get_table_columns", connector_id="odd_names", schema=schema, table=table_name
    )

    if table_name == "..":
        assert error["code"] == "invalid_arguments"
        assert not sandbox.requests
        return
    assert error["code"] == "rejected"  # a service without a selection of columns
    assert "support a selection of columns" in error["hint"]
    (received,) = sandbox.requests
    segments = [unquote(segment) for segment in received.path.split("/")]
    assert segments[1:4] == ["v1", "connections", "odd_names"]
    assert segments[4:] == ["schemas", schema, "tables", table_name, "columns"]
    assert received.query == ""


async def test_columns_of_odd_names_are_read_where_the_service_has_them(
    caller: Caller, sandbox: Sandbox
) -> None:
    """As they are written in the configuration."""
    body = {"code": "Success", "data": {"columns": {"受 注": {"enabled": True}}}}
    path = "/v1/connections/solid_anchor/schemas/a%2Fb/tables/%3F%23%25/columns"
    sandbox.fail(Fault(path=path, status=200, body=body))

    answer = await caller.ok(
        "get_table_columns", connector_id="solid_anchor", schema="a/b", table="?#%"
    )

    assert answer["columns"] == [{"column": "受 注", "enabled": True}]


@pytest.mark.parametrize(
    ("names", "nearest"),
    [
        ({"schema": "public", "table": "custmers"}, "'customers'"),
        ({"schema": "pubic", "table": "customers"}, "'public'"),
        ({"schema": "public", "table": "Orders"}, "'orders'"),
    ],
)
async def test_a_table_that_is_unknown_is_refused_with_the_nearest(
    caller: Caller, names: dict[str, str], nearest: str
) -> None:
    """Fivetran's 404 is followed by a look at the configuration."""
    error = await caller.error("get_table_columns", connector_id="solid_anchor", **names)

    assert error["code"] == "not_found"
    assert nearest in error["message"]


async def test_columns_are_found_by_the_shown_names_of_their_table(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The name that Fivetran knows is looked up in the configuration."""
    answer_with(sandbox, {"public": {"enabled": True, "tables": {f"or{ZERO_WIDTH}d": table()}}})
    body = {"code": "Success", "data": {"columns": {f"i{ZERO_WIDTH}d": {"enabled": True}}}}
    sandbox.fail(Fault(path=".*/tables/or%E2%80%8Bd/columns", status=200, body=body))

    answer = await caller.ok(
        "get_table_columns", connector_id="solid_anchor", schema="public", table="ord"
    )

    assert answer["table"] == "ord"
    assert answer["columns"] == [{"column": "id", "enabled": True}]


async def test_a_table_that_is_configured_but_gone_is_not_found(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran's own words say so: there is no nearer name."""
    body = {"code": "NotFound_Table", "message": "The table has gone"}
    sandbox.fail(Fault(path=".*/columns", status=404, body=body))

    error = await caller.error(
        "get_table_columns", connector_id="solid_anchor", schema="public", table="orders"
    )

    assert error["code"] == "not_found"
    assert error["fivetran"]["message"] == "The table has gone"


async def test_columns_of_a_broken_connector_say_that_it_must_be_connected(caller: Caller) -> None:
    """They are read live, so a broken connection to the source is the reason."""
    error = await caller.error(
        "get_table_columns", connector_id="brisk_lantern", schema="public", table="orders"
    )

    assert error["code"] == "rejected"
    assert "must be connected (get_sync_status)" in error["hint"]
    assert "not connected" in error["fivetran"]["message"]


async def test_columns_of_what_has_no_selection_yet_say_so(caller: Caller) -> None:
    """There are no tables to have columns."""
    error = await caller.error(
        "get_table_columns", connector_id="calm_ridge", schema="gsheets", table="budget"
    )

    assert error["code"] == "schema_not_ready"


# reload_schema_config


@pytest.mark.parametrize("arguments", [{}, {"exclude_mode": "PRESERVE"}])
async def test_a_reload_that_keeps_the_selection_is_a_write_without_confirmation(
    connect: Connect, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    """Nothing is switched, and the counts are of what really syncs."""
    async with connect("write") as caller:
        answer = await caller.ok("reload_schema_config", connector_id="solid_anchor", **arguments)

    assert answer == {
        "connector_id": "solid_anchor",
        "schemas": 2,
        "tables": 8,
        "enabled_tables": 5,
        "new_tables": [],
        "gone_tables": [],
        "switched_tables": 0,
    }
    path = "/v1/connections/solid_anchor/schemas/reload"
    assert changes(sandbox) == [("POST", path, {"exclude_mode": "PRESERVE"})]


@pytest.mark.parametrize("mode", ["INCLUDE", "EXCLUDE"])
async def test_a_reload_that_switches_tables_needs_mode_full(
    connect: Connect, sandbox: Sandbox, mode: str
) -> None:
    """Confirmed or not: in mode write nothing is sent but reads."""
    async with connect("write") as caller:
        error = await caller.error(
            "reload_schema_config", connector_id="solid_anchor", exclude_mode=mode, confirm=True
        )

    assert error["code"] == "mode_forbids"
    assert "'full'" in error["message"]
    assert changes(sandbox) == []


async def test_a_server_that_only_reads_reloads_nothing(connect: Connect, sandbox: Sandbox) -> None:
    """Not even keeping the selection: it writes a configuration where there is none."""
    async with connect("read-only") as caller:
        error = await caller.error("reload_schema_config", connector_id="solid_anchor")

    assert error["code"] == "mode_forbids"
    assert "'write'" in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("connector_id", "mode", "switched"),
    [
        ("solid_anchor", "INCLUDE", 3),
        ("solid_anchor", "EXCLUDE", 4),
        ("azure_brook", "EXCLUDE", 1),
        ("odd_names", "INCLUDE", 0),
        ("live_wire", "EXCLUDE", 12),
    ],
)
async def test_the_preview_of_a_reload_counts_what_then_is_switched(
    caller: Caller, sandbox: Sandbox, connector_id: str, mode: str, switched: int
) -> None:
    """Locked tables are not counted, tables of a disabled schema are as they sync."""
    error = await caller.error("reload_schema_config", connector_id=connector_id, exclude_mode=mode)
    assert error["code"] == "confirmation_required"
    tables = "table" if switched == 1 else "tables"
    assert error["preview"]["size"] == f"{switched} {tables} would be switched"
    assert error["preview"]["target"]["connector_id"] == connector_id
    assert "by hand" in error["preview"]["undo"]
    assert changes(sandbox) == []

    call = error["next_call"]
    answer = await caller.ok(call["tool"], **call["arguments"])

    assert answer["switched_tables"] == switched
    path = f"/v1/connections/{connector_id}/schemas/reload"
    assert changes(sandbox) == [("POST", path, {"exclude_mode": mode})]


async def test_the_preview_of_a_reload_counts_the_live_tables_it_drops(
    caller: Caller, sandbox: Sandbox
) -> None:
    """In LIVE mode what is disabled disappears from the destination."""
    named = {"connector_id": "live_wire"}
    drops = await caller.error("reload_schema_config", **named, exclude_mode="EXCLUDE")
    keeps = await caller.error("reload_schema_config", **named, exclude_mode="INCLUDE")

    assert "12 in LIVE mode" in drops["preview"]["lost"]
    assert "stop syncing" in drops["preview"]["effect"]
    assert "LIVE" not in keeps["preview"]["lost"]
    assert "historical sync" in keeps["preview"]["effect"]

    await caller.ok(drops["next_call"]["tool"], **drops["next_call"]["arguments"])
    assert len(sandbox.dropped) == 12


async def test_a_reload_tells_new_and_gone_tables(caller: Caller, sandbox: Sandbox) -> None:
    """Compared with the configuration before; what is new has not been switched."""
    tables = {"orders": table(), "bygone": table()}
    answer_with(sandbox, {"public": {"enabled": True, "tables": tables}})

    answer = await caller.ok("reload_schema_config", connector_id="solid_anchor")

    assert len(answer["new_tables"]) == 7
    assert "audit log.log entries" in answer["new_tables"]
    assert answer["gone_tables"] == ["public.bygone"]
    assert answer["switched_tables"] == 0


async def test_long_lists_of_new_and_gone_tables_are_cut_with_a_count(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fifty are named, the rest is counted."""
    gone = {f"old_{turn:03d}": table() for turn in range(70)}
    answer_with(sandbox, {"sales": {"enabled": True, "tables": gone}})

    answer = await caller.ok("reload_schema_config", connector_id="wide_river")

    assert (len(answer["new_tables"]), answer["more_new_tables"]) == (50, 1150)
    assert (len(answer["gone_tables"]), answer["more_gone_tables"]) == (50, 20)


async def test_a_reload_makes_a_selection_where_there_is_none(
    caller: Caller, sandbox: Sandbox
) -> None:
    """There is nothing to compare it with, so nothing is called new."""
    sandbox.connections["calm_ridge"]["status"]["setup_state"] = "connected"

    answer = await caller.ok("reload_schema_config", connector_id="calm_ridge")

    assert answer == {
        "connector_id": "calm_ridge",
        "schemas": 1,
        "tables": 1,
        "enabled_tables": 1,
    }
    assert (await caller.ok("get_schema_config", connector_id="calm_ridge"))["matching_tables"] == 1


async def test_the_preview_of_a_first_reload_cannot_count(caller: Caller) -> None:
    """It says so, and still asks."""
    error = await caller.error(
        "reload_schema_config", connector_id="calm_ridge", exclude_mode="EXCLUDE"
    )

    assert error["code"] == "confirmation_required"
    assert "unknown" in error["preview"]["size"]


@pytest.mark.parametrize("connector_id", ["calm_ridge", "brisk_lantern"])
async def test_what_is_not_connected_cannot_be_reloaded(caller: Caller, connector_id: str) -> None:
    """The source is asked, so it must answer."""
    error = await caller.error("reload_schema_config", connector_id=connector_id)

    assert error["code"] == "rejected"
    assert "must be connected" in error["hint"]
    assert "get_sync_status" in error["hint"]


async def test_a_reload_whose_answer_is_lost_is_of_unknown_outcome(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is sent once."""
    sandbox.fail(Fault(method="POST", status=504, applied=True, times=9))

    error = await caller.error("reload_schema_config", connector_id="solid_anchor")

    assert error["code"] == "outcome_unknown"
    assert len(changes(sandbox)) == 1


# What is true of all of them


ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_schema_config", {"schema": None}),
    ("get_schema_config", {"schema": ""}),
    ("get_schema_config", {"schema": 1}),
    ("get_schema_config", {"table_contains": ""}),
    ("get_schema_config", {"table_contains": "x" * 10_000}),
    ("get_schema_config", {"enabled": "true"}),
    ("get_schema_config", {"enabled": 1}),
    ("get_schema_config", {"enabled": None}),
    ("get_schema_config", {"limit": 0}),
    ("get_schema_config", {"limit": 501}),
    ("get_schema_config", {"limit": "5"}),
    ("get_schema_config", {"limit": True}),
    ("get_schema_config", {"limit": None}),
    ("get_schema_config", {"cursor": ""}),
    ("get_schema_config", {"cursor": None}),
    ("get_schema_config", {"cursor": 1}),
    ("get_schema_config", {"tables": "orders"}),
    ("get_table_columns", {"schema": ""}),
    ("get_table_columns", {"schema": None}),
    ("get_table_columns", {"table": ""}),
    ("get_table_columns", {"table": 7}),
    ("get_table_columns", {"table": "x" * 10_000}),
    ("get_table_columns", {"name_contains": None}),
    ("get_table_columns", {"cursor": None}),
    ("get_table_columns", {"limit": 1.5}),
    ("get_table_columns", {"column": "id"}),
    ("reload_schema_config", {"exclude_mode": "include"}),
    ("reload_schema_config", {"exclude_mode": ""}),
    ("reload_schema_config", {"exclude_mode": None}),
    ("reload_schema_config", {"exclude_mode": True}),
    ("reload_schema_config", {"confirm": "true"}),
    ("reload_schema_config", {"confirm": 1}),
    ("reload_schema_config", {"confirm": None}),
    ("reload_schema_config", {"mode": "PRESERVE"}),
)


@pytest.mark.parametrize(("tool", "wrong"), ARGUMENTS)
async def test_wrong_arguments_are_named_with_their_fix_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str, wrong: dict[str, Any]
) -> None:
    """Of the wrong type, empty, null, too long or unknown."""
    (argument,) = wrong
    error = await caller.error(tool, **{"connector_id": "solid_anchor", **TOOLS[tool], **wrong})

    assert error["code"] == "invalid_arguments"
    assert f"{argument}: " in error["message"]
    assert "Nothing was sent" in error["hint"]
    assert len(json.dumps(error)) < 1000
    assert not sandbox.requests


@pytest.mark.parametrize("missing", ["connector_id", "schema", "table"])
async def test_what_is_missing_is_named_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, missing: str
) -> None:
    """All three are needed to say which table is meant."""
    whole = {"connector_id": "solid_anchor", "schema": "public", "table": "orders"}
    del whole[missing]

    error = await caller.error("get_table_columns", **whole)

    assert f"{missing}: is required" in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_connector_is_not_found(caller: Caller, tool: str) -> None:
    """The hint names the tool that lists ids."""
    error = await caller.error(tool, connector_id="no_such_one", **TOOLS[tool])

    assert error["code"] == "not_found"
    assert "list_connectors" in error["hint"]


@pytest.mark.parametrize("tool", ["get_schema_config", "get_table_columns"])
async def test_a_server_that_only_reads_shows_selections(connect: Connect, tool: str) -> None:
    """Reading needs no more than the least mode."""
    async with connect("read-only") as caller:
        await caller.ok(tool, connector_id="solid_anchor", **TOOLS[tool])
