"""`find_tables`: in which connectors a table or a column lives, and how much was looked at."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_server.fivetran.models import SchemaConfig
from mcp_server.fivetran.schemas import Schemas
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools import table_search
from mcp_server.tools.paging import Cursor
from mcp_server.tools.table_matches import MOST_COLUMNS, Candidate, Wanted
from tests.support import Caller, Clock, Connect, serve, text_of

ZERO_WIDTH = "\u200b"
Row = tuple[str, str, str, bool]


def rows(answer: dict[str, Any]) -> list[Row]:
    """Flatten an answer: connector, schema, table, whether it syncs."""
    return [
        (place["connector_id"], place["schema_name"], table, syncs)
        for place in answer["places"]
        for syncs, field in ((True, "tables"), (False, "disabled_tables"))
        for table in place.get(field, ())
    ]


def configured(*names: str, **fields: Any) -> dict[str, Any]:
    """Make a schema of tables with these names."""
    return {"enabled": True, "tables": {name: {"enabled": True, **fields} for name in names}}


def config(sandbox: Sandbox, connector_id: str, schemas: dict[str, Any], **more: Any) -> None:
    """Let reads of a connector's configuration find these schemas."""
    body = {"code": "Success", "data": {"schemas": schemas}}
    path = f"/v1/connections/{connector_id}/schemas"
    sandbox.fail(Fault(path=path, status=200, body=body, **{"times": 1_000, **more}))


def columns(sandbox: Sandbox, *names: str, path: str = ".*/columns", times: int = 1_000) -> None:
    """Let reads of columns find these."""
    found = {name: {"enabled": True} for name in names}
    body = {"code": "Success", "data": {"columns": found}}
    sandbox.fail(Fault(path=path, status=200, body=body, times=times))


def reads(sandbox: Sandbox, end: str) -> list[str]:
    """Name the connectors of which something was read, in order."""
    return [each.path.split("/")[3] for each in sandbox.requests if each.path.endswith(end)]


async def whole(caller: Caller, **arguments: Any) -> list[dict[str, Any]]:
    """Call until it is complete; all answers."""
    answers = [await caller.ok("find_tables", **arguments)]
    while not answers[-1]["complete"]:
        cursor = answers[-1]["next_cursor"]
        answers.append(await caller.ok("find_tables", **arguments, cursor=cursor))
        assert len(answers) < 200
    return answers


# What is found


async def test_tables_are_found_in_all_connectors_in_the_order_of_the_list(
    caller: Caller, sandbox: Sandbox
) -> None:
    """By part of their name in any case, grouped by connector and schema; all of it covered."""
    answer = await caller.ok("find_tables", pattern="REFUND", limit=500)

    place = next(each for each in answer["places"] if each["connector_id"] == "solid_anchor")
    assert place == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "service": "postgres",
        "schema_name": "public",
        "disabled_tables": ["refunds"],
    }
    found = rows(answer)
    order = list(sandbox.connections)
    assert [order.index(row[0]) for row in found] == sorted(order.index(row[0]) for row in found)
    assert ("wary_lynx", "public", "refunds", True) in found
    assert answer["tables_found"] == len(found) == len(set(found))
    assert answer["connectors_total"] == 40
    assert answer["connectors_scanned"] == 39
    assert answer["without_schema"] == 1
    assert answer["complete"] is True
    assert answer["note"] == "Scanned 39 of 40 connectors, 1 without a schema yet."


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("log_actors", [("solid_anchor", "audit log", "log_actors", False)]),
        ("LOG*ACTORS", [("solid_anchor", "audit log", "log_actors", False)]),
        ("*og_actor", []),
        ("log entries", [("solid_anchor", "audit log", "log entries", False)]),
        ("log_entries", [("solid_anchor", "audit log", "log entries", False)]),
        ("audit log.log_a", [("solid_anchor", "audit log", "log_actors", False)]),
        ("pg_billing_audit_log.*actors", [("solid_anchor", "audit log", "log_actors", False)]),
        ("audit log", []),
        ("what?", [("odd_names", "raw files/2026", "what?", True)]),
        ("wha??", []),
        ("what?*", [("odd_names", "raw files/2026", "what?", True)]),
        ("[w]hat*", []),
        ("*.v1", [("odd_names", "raw files/2026", "events.v1", True)]),
        ("受", [("odd_names", "日本語", "受注", True)]),
        ("日本語.受注", [("odd_names", "日本語", "受注", True)]),
        (ZERO_WIDTH, []),
    ],
)
async def test_a_pattern_is_part_of_a_name_or_with_a_star_the_whole(
    caller: Caller, pattern: str, found: list[Row]
) -> None:
    """In the source or in the destination, with its schema if there is a dot; only `*` is special."""
    assert rows(await caller.ok("find_tables", pattern=pattern)) == found


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """However it fails."""
    wanted = Wanted("*a" * 99 + "b*", None, None)
    named = SchemaConfig.model_validate({"schemas": {"s": configured("a" * 1000)}})

    assert list(wanted.tables(named)) == []


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, lambda _: True),
        ({"enabled": True}, lambda row: row[3]),
        ({"enabled": False}, lambda row: not row[3]),
    ],
)
async def test_tables_that_sync_can_be_told_from_those_that_do_not(
    caller: Caller, filters: dict[str, Any], kept: Callable[[Row], bool]
) -> None:
    """A table syncs if its schema does too."""
    every = rows(await caller.ok("find_tables", pattern="refunds", limit=500))

    answer = await caller.ok("find_tables", pattern="refunds", limit=500, **filters)

    assert rows(answer) == [row for row in every if kept(row)]
    assert {row[3] for row in every} == {True, False}


async def test_only_connectors_of_a_group_and_a_service_are_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The group at Fivetran, the service before a configuration is read."""
    answer = await caller.ok(
        "find_tables", pattern="orders", group_id="north_pine", service="postgres"
    )

    among = [
        name
        for name, each in sandbox.connections.items()
        if (each["group_id"], each["service"]) == ("north_pine", "postgres")
    ]
    assert sorted(reads(sandbox, "/schemas")) == sorted(among)
    assert answer["connectors_total"] == answer["connectors_scanned"] == len(among)
    assert {row[0] for row in rows(answer)} == {"deadline_dove", "light_mesa"}
    assert "note" not in answer
    assert "group_id=north_pine" in sandbox.requests[0].query


async def test_a_group_that_does_not_exist_is_refused(caller: Caller) -> None:
    """An empty answer would hide the wrong id."""
    error = await caller.error("find_tables", pattern="orders", group_id="no_such_group")

    assert error["code"] == "not_found"


async def test_finding_nothing_says_what_was_covered(caller: Caller) -> None:
    """So that it is not taken for more than it is."""
    answer = await caller.ok("find_tables", pattern="no such table")

    assert answer["places"] == []
    assert answer["complete"] is True
    assert answer["note"] == (
        "Nothing found in what was scanned. Scanned 39 of 40 connectors, 1 without a schema yet."
    )


async def test_names_are_shown_and_found_without_what_does_not_show(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Those of connectors, schemas, tables and columns."""
    hidden = f"or{ZERO_WIDTH}ders"
    sandbox.connections["solid_anchor"]["schema"] = f"pg{ZERO_WIDTH}_billing"
    known = {f"i{ZERO_WIDTH}d": {"enabled": False}}
    schema = configured(hidden, columns=known, supports_columns_config=False)
    config(sandbox, "solid_anchor", {f"pub{ZERO_WIDTH}lic": schema})

    answer = await caller.ok(
        "find_tables", pattern="public.orders", column="id", group_id="amber_harbor"
    )

    assert answer["places"][0] == {
        "connector_id": "solid_anchor",
        "name": "pg_billing",
        "service": "postgres",
        "schema_name": "public",
        "tables": ["orders"],
        "columns": [{"table": "orders", "column": "id", "disabled": True}],
    }


# Columns


async def test_a_column_is_sought_live_in_the_tables_that_match(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Only tables that have it are told, with what happens to it."""
    answer = await caller.ok("find_tables", pattern="customers", column="CARD_*", limit=500)

    assert answer["places"] == [
        {
            "connector_id": "solid_anchor",
            "name": "pg_billing",
            "service": "postgres",
            "schema_name": "public",
            "tables": ["customers"],
            "columns": [{"table": "customers", "column": "card_no", "hashed": True}],
        }
    ]
    asked = {each.path for each in sandbox.requests if each.path.endswith("/columns")}
    assert all("/tables/customers/" in path for path in asked)
    # brisk_lantern is broken: asking its source would fail.
    assert answer["columns_unread"] == {
        "not_connected": {"tables": 2, "connector_ids": ["brisk_lantern"]}
    }
    assert "brisk_lantern" not in reads(sandbox, "/columns")
    assert "The columns of 2 tables that match could not be read." in answer["note"]


async def test_columns_that_cannot_be_read_are_still_found_where_they_are_known(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A configuration has those that were once changed; the others are counted as unread."""
    known = {"email": {"enabled": False}, "phone": {"enabled": True}}
    unreadable = {"supports_columns_config": False}
    tables = configured("a_known", columns=known, **unreadable)
    tables["tables"] |= configured("a_unknown", **unreadable)["tables"]
    config(sandbox, "solid_anchor", {"public": tables})

    answer = await caller.ok(
        "find_tables", pattern="a_*", column="mail", group_id="amber_harbor", service="postgres"
    )

    assert [place["columns"] for place in answer["places"]] == [
        [{"table": "a_known", "column": "email", "disabled": True}]
    ]
    assert answer["columns_unread"] == {
        "not_supported": {"tables": 1, "connector_ids": ["solid_anchor"]}
    }
    assert not reads(sandbox, "/columns")


async def test_a_table_whose_columns_fail_to_be_read_is_counted_and_the_search_goes_on(
    caller: Caller, sandbox: Sandbox
) -> None:
    """By the code of the failure."""
    path = "/v1/connections/solid_anchor/.*/customers/columns"
    sandbox.fail(Fault(path=path, status=400))

    answer = await caller.ok(
        "find_tables", pattern="customers", column="id", group_id="amber_harbor", limit=100
    )

    assert answer["columns_unread"] == {
        "not_connected": {"tables": 2, "connector_ids": ["brisk_lantern"]},
        "rejected": {"tables": 1, "connector_ids": ["solid_anchor"]},
    }
    assert "solid_anchor" not in {row[0] for row in rows(answer)}
    assert "busy_bee" in {row[0] for row in rows(answer)}
    assert answer["complete"] is True


async def test_of_many_connectors_with_unread_columns_five_are_named(
    caller: Caller, sandbox: Sandbox
) -> None:
    """For each reason; the others are counted."""
    for each in sandbox.connections.values():
        each["status"]["setup_state"] = "broken"

    answer = await caller.ok("find_tables", pattern="orders", column="id", service="postgres")

    unread = answer["columns_unread"]["not_connected"]
    assert len(unread["connector_ids"]) == 5
    assert set(unread["connector_ids"]) <= set(sandbox.connections)
    assert unread["more"] == 1
    assert unread["tables"] >= 6


async def test_of_very_many_columns_of_a_table_some_are_shown_and_the_rest_counted(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Together with those of other tables of the schema."""
    columns(sandbox, *(f"c{number:03d}" for number in range(300)))

    answer = await caller.ok(
        "find_tables", pattern="public.*s", column="c*", group_id="north_pine", service="mysql"
    )

    (place,) = answer["places"]
    tables = place["tables"]
    assert len(tables) > 3
    assert [each["table"] for each in place["columns"]] == [
        table for table in tables for _ in range(MOST_COLUMNS)
    ]
    assert place["more_columns"] == len(tables) * (300 - MOST_COLUMNS)


async def test_only_so_many_tables_are_read_in_a_call_and_the_rest_behind_the_cursor(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table once; each read is one of the few that the account has for its sources."""
    monkeypatch.setattr(table_search, "MOST_READS", 7)
    among: dict[str, Any] = {"pattern": "c*", "column": "created_at", "group_id": "amber_harbor"}

    answers = await whole(caller, **among, limit=500)

    asked = [each.path for each in sandbox.requests if each.path.endswith("/columns")]
    assert len(asked) == len(set(asked))
    assert len(answers) == -(-len(asked) // 7)
    monkeypatch.undo()
    at_once = await caller.ok("find_tables", **among, limit=500)
    assert [row for answer in answers for row in rows(answer)] == rows(at_once)
    assert sum(answer["connectors_scanned"] for answer in answers) == at_once["connectors_scanned"]
    parts = [answer.get("columns_unread", {}) for answer in answers]
    unread = sum(part["not_connected"]["tables"] for part in parts if "not_connected" in part)
    assert unread == at_once["columns_unread"]["not_connected"]["tables"] > 0
    for answer in answers[:-1]:
        assert "This call ended after reading the columns of 7 tables: " in answer["note"]


# Part by part


@pytest.mark.parametrize("limit", [1, 3, 17])
@pytest.mark.parametrize("column", [{}, {"column": "id"}])
async def test_a_search_goes_on_exactly_where_it_ended(
    caller: Caller, limit: int, column: dict[str, str]
) -> None:
    """Nothing twice, nothing left out, in the midst of a connector too; every connector counts once."""
    among: dict[str, Any] = {"pattern": "orders", "service": "postgres", **column}
    at_once = await caller.ok("find_tables", **among, limit=500)

    answers = await whole(caller, **among, limit=limit)

    assert [row for answer in answers for row in rows(answer)] == rows(at_once)
    assert all(answer["tables_found"] <= limit for answer in answers)
    assert sum(answer["connectors_scanned"] for answer in answers) == 7
    assert [answer["connectors_total"] for answer in answers] == [7] * len(answers)
    for answer in answers[:-1]:
        left = f"{answer['connectors_left']} connectors are left, behind next_cursor."
        assert f"This call ended at limit={limit}: {left}" in answer["note"]


async def test_a_service_that_no_connector_has_is_told(caller: Caller) -> None:
    """Not as if tables had been looked for in vain."""
    nobody = "Ids of services are lower case, like google_ads: search_connector_types finds them by name."

    wrong = await caller.ok("find_tables", pattern="orders", service="Stripe")
    elsewhere = await caller.ok(
        "find_tables", pattern="orders", service="nobody", group_id="amber_harbor"
    )

    assert wrong["note"] == f"No connector has this service. {nobody}"
    assert elsewhere["note"] == f"No connector of this group has this service. {nobody}"


async def test_a_call_reads_so_many_connectors_and_no_more(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large account takes several calls; each tells how many are left."""
    monkeypatch.setattr(table_search, "MOST_CONNECTORS", 15)

    answers = await whole(caller, pattern="campaign", limit=500)

    assert [answer.get("connectors_left", 0) for answer in answers] == [25, 10, 0]
    assert sorted(reads(sandbox, "/schemas")) == sorted(sandbox.connections)
    assert [answer["connectors_scanned"] for answer in answers] == [14, 15, 10]
    assert answers[0]["note"] == (
        "Scanned 14 of 40 connectors, 1 without a schema yet."
        " This call ended after 15 connectors: 25 connectors are left, behind next_cursor."
    )


async def test_no_more_is_kept_of_a_connector_than_a_call_can_tell(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of its tables match; all are reached."""
    config(sandbox, "solid_anchor", {"s": configured(*(f"t{n:04d}" for n in range(700)))})
    kept = 0

    def counted(*fields: Any) -> Candidate:
        nonlocal kept
        kept += 1
        return Candidate(*fields)

    monkeypatch.setattr(table_search, "Candidate", counted)
    among = {"pattern": "t*", "service": "postgres", "group_id": "amber_harbor", "limit": 100}

    answers = await whole(caller, **among)

    found = [row[2] for answer in answers for row in rows(answer) if row[0] == "solid_anchor"]
    assert found == [f"t{n:04d}" for n in range(700)]
    assert len(answers) == 7
    assert kept <= len(answers) * (100 + table_search.MOST_READS + 1)


async def test_an_account_that_is_larger_than_one_call_lists_says_so(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No total that is none; a row that comes again at the beginning of a page counts once."""
    monkeypatch.setattr(table_search, "MOST_PAGES", 2)
    pages = (["solid_anchor", "busy_bee"], ["busy_bee", "wary_lynx"])
    for number, names in enumerate(pages):
        items = [{"id": name} for name in names]
        body = {"code": "Success", "data": {"items": items, "next_cursor": f"p{number}"}}
        sandbox.fail(Fault(path="/v1/connections", status=200, body=body))

    answer = await caller.ok("find_tables", pattern="customers")

    assert list(dict.fromkeys(row[0] for row in rows(answer))) == [
        "solid_anchor",
        "busy_bee",
        "wary_lynx",
    ]
    assert answer["connectors_scanned"] == 3
    assert "connectors_total" not in answer
    assert answer["complete"] is False
    assert "narrow by group_id" in answer["note"]


async def test_a_list_that_shrank_below_a_cursor_ends_the_search(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What was to come is no longer there."""
    first = await caller.ok("find_tables", pattern="orders", limit=3)
    sandbox.connections.clear()

    answer = await caller.ok("find_tables", pattern="orders", cursor=first["next_cursor"])

    assert answer["complete"] is True
    assert answer["connectors_total"] == answer["connectors_scanned"] == 0


# What cannot be read


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "forbidden"), (404, "not_found"), (400, "rejected"), (500, "upstream_error")],
)
async def test_connectors_that_fail_are_counted_by_code_and_the_search_goes_on(
    caller: Caller, sandbox: Sandbox, status: int, code: str
) -> None:
    """One failure must not hide the rest."""
    for name in ("busy_bee", "live_wire"):
        path = f"/v1/connections/{name}/schemas"
        sandbox.fail(Fault(path=path, status=status, body={"code": "x"}, times=9))

    answer = await caller.ok("find_tables", pattern="customers")

    assert answer["failed"] == {code: 2}
    assert answer["connectors_scanned"] == 37
    assert answer["complete"] is True
    assert "2 that could not be read" in answer["note"]
    assert not {"busy_bee", "live_wire"} & {row[0] for row in rows(answer)}


async def test_a_key_that_is_refused_ends_the_search_as_an_error(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It would be refused for all."""
    sandbox.fail(Fault(path=".*/schemas", status=401))

    error = await caller.error("find_tables", pattern="customers")

    assert error["code"] == "unauthorized"


async def test_a_search_in_which_nothing_could_be_read_is_an_error(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing found would look like an answer."""
    sandbox.fail(Fault(path=".*/schemas", status=403, times=100))

    error = await caller.error("find_tables", pattern="customers")

    assert error["code"] == "forbidden"


@pytest.mark.parametrize(("status", "is_error"), [(403, False), (500, True)])
async def test_a_first_part_in_which_nothing_could_be_read_leads_on_unless_it_would_be_the_same(
    caller: Caller,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    is_error: bool,
) -> None:
    """Other connectors may be allowed; an outage is one for all."""
    monkeypatch.setattr(table_search, "MOST_CONNECTORS", 5)
    sandbox.fail(Fault(path=".*/schemas", status=status, times=100))

    if is_error:
        error = await caller.error("find_tables", pattern="customers")
        assert error["retryable"] is True
        return
    answer = await caller.ok("find_tables", pattern="customers")
    assert answer["failed"] == {"forbidden": 5}
    assert answer["connectors_left"] == 35
    assert "Nothing found in what was scanned. Scanned 0 of 40 connectors" in answer["note"]


# The budget of requests, and of time


async def test_a_search_that_uses_up_the_budget_tells_what_it_found_and_when_to_go_on(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """A part that says so is better than an error; afterwards it goes on where it was."""
    at_once = await caller.ok("find_tables", pattern="customers", limit=500)
    path = "/v1/connections/busy_bee/schemas"
    sandbox.fail(Fault(path=path, status=429, headers={"Retry-After": "1800"}))
    sandbox.requests.clear()

    answer = await caller.ok("find_tables", pattern="customers", limit=500)

    done = list(sandbox.connections).index("busy_bee")
    assert rows(answer) == [row for row in rows(at_once) if row in rows(answer)]
    assert answer["connectors_scanned"] == done
    assert answer["connectors_left"] == 40 - done
    assert answer["retry_after_seconds"] == 1800
    assert answer["complete"] is False
    assert "ended as the account's budget of requests is used up: " in answer["note"]
    assert answer["note"].endswith("Wait before going on.")
    assert len(reads(sandbox, "/schemas")) < done + table_search.AT_ONCE + 1

    clock.wait(1801)
    rest = await caller.ok(
        "find_tables", pattern="customers", limit=500, cursor=answer["next_cursor"]
    )
    assert rows(answer) + rows(rest) == rows(at_once)
    assert rest["complete"] is True


async def test_a_search_that_finds_no_budget_at_all_is_an_error(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It says when to call again."""
    headers = {"Retry-After": "60"}
    sandbox.fail(Fault(path=".*/schemas", status=429, headers=headers, times=100))

    error = await caller.error("find_tables", pattern="customers")

    assert error["code"] == "rate_limited"
    assert error["retry_after_seconds"] == 60


async def test_the_budget_of_the_sources_may_end_as_well(caller: Caller, sandbox: Sandbox) -> None:
    """What was read before is told; the cursor stands at the first table that was not."""
    path = "/v1/connections/live_wire/.*/columns"
    sandbox.fail(Fault(path=path, status=429, headers={"Retry-After": "30"}))
    columns(sandbox, "id")

    answer = await caller.ok("find_tables", pattern="orders", column="id", group_id="amber_harbor")

    found = list(dict.fromkeys(row[0] for row in rows(answer)))
    assert found == ["solid_anchor", "busy_bee", "first_light"]
    assert answer["retry_after_seconds"] == 30
    assert answer["complete"] is False
    assert answer["connectors_scanned"] == len(found) + 1


async def test_a_search_ends_when_its_time_is_over_and_goes_on_in_the_next_call(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is told."""
    at_once = await caller.ok("find_tables", pattern="customers", limit=500)
    monkeypatch.setattr(table_search, "SECONDS", 0.0)

    answers = await whole(caller, pattern="customers", limit=500)

    assert len(answers) == 2
    assert "This call ended as its time was up: 16 connectors are left" in answers[0]["note"]
    assert [row for answer in answers for row in rows(answer)] == rows(at_once)
    assert answers[0]["connectors_left"] == 40 - table_search.CHUNK


async def test_columns_are_read_only_as_long_as_there_is_time(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many at a time as there are rows left."""
    arguments = {"pattern": "orders", "column": "id", "service": "mysql", "limit": 2}
    columns_of_all = {**arguments, "limit": 500}
    at_once = await caller.ok("find_tables", **columns_of_all)
    monkeypatch.setattr(table_search, "SECONDS", 0.0)

    answers = await whole(caller, **arguments)

    assert [row for answer in answers for row in rows(answer)] == rows(at_once)


async def test_columns_that_match_nowhere_are_not_sought_longer_than_there_is_time(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops between two batches, at a table."""
    monkeypatch.setattr(table_search, "SECONDS", 0.0)

    answer = await caller.ok(
        "find_tables", pattern="orders", column="zzz", service="mysql", limit=1
    )

    assert answer["places"] == []
    assert answer["complete"] is False
    assert len(reads(sandbox, "/columns")) == 1


async def test_what_answers_too_slowly_is_told_as_a_timeout_and_not_waited_for(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are read all the same."""
    monkeypatch.setattr(table_search, "PATIENCE", 0.5)
    sandbox.fail(Fault(path="/v1/connections/busy_bee/schemas", delay=3600))

    answer = await caller.ok("find_tables", pattern="customers", group_id="amber_harbor")

    assert answer["failed"] == {"timeout": 1}
    assert answer["complete"] is True
    assert "live_wire" in {row[0] for row in rows(answer)}


async def test_a_search_gets_further_with_each_call_though_all_are_slow(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first few are always waited for; what was only begun is left to the next call."""
    await caller.ok("find_tables", pattern="customers", limit=1)
    monkeypatch.setattr(table_search, "PATIENCE", 0.5)
    monkeypatch.setattr(table_search, "SECONDS", 0.0)
    for name in list(sandbox.connections)[1:]:
        sandbox.fail(Fault(path=f"/v1/connections/{name}/schemas", delay=3600))

    answer = await caller.ok("find_tables", pattern="customers")

    assert answer["connectors_scanned"] == 1
    assert answer["failed"]["timeout"] >= table_search.AT_ONCE - 1
    assert answer["connectors_left"] >= 40 - 2 * table_search.AT_ONCE


async def test_no_more_is_read_at_once_than_leaves_room_for_other_calls(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client lets eight through."""
    running = most = 0
    get: Callable[[Schemas, str], Awaitable[SchemaConfig]] = Schemas.get

    async def counted(self: Schemas, connection_id: str) -> SchemaConfig:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await get(self, connection_id)
        finally:
            running -= 1

    monkeypatch.setattr(Schemas, "get", counted)

    await caller.ok("find_tables", pattern="no such table")

    assert most == table_search.AT_ONCE < 8


# The rest


async def test_progress_is_reported_while_it_scans(caller: Caller) -> None:
    """It grows, and ends at the total."""
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    await caller.client.call_tool(
        "find_tables", {"pattern": "no such table"}, progress_callback=hear
    )
    with anyio.fail_after(5):
        while len(heard) < 2:
            await anyio.lowlevel.checkpoint()

    assert heard == [
        (24, 40, "Scanned 24 of 40 connectors"),
        (40, 40, "Scanned 40 of 40 connectors"),
    ]


LONG = {f"{'schema':x<60}": configured(*(f"{f'table_{number:04d}':x<60}" for number in range(300)))}
HUGE = {"s" * 1000: configured(*(f"{number:03d}" + "日" * 997 for number in range(50)))}


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        ({"pattern": "orders"}, 2_500),
        ({"pattern": "customers", "column": "created"}, 2_500),
        ({"pattern": "orders", "limit": 100}, 3_000),
        ({"pattern": "*", "limit": 100}, 3_000),
        ({"pattern": "*", "limit": 500}, 6_000),
        ({"pattern": "no such table"}, 200),
    ],
)
async def test_an_answer_about_300_connectors_stays_small(
    clock: Clock, arguments: dict[str, Any], most: int
) -> None:
    """In tokens; a quarter of its bytes."""
    sandbox = Sandbox(connections=300, now=clock.now)

    async with Client(serve(sandbox, "read-only")) as client:
        result = await client.call_tool("find_tables", arguments)

    assert not result.is_error
    assert len(text_of(result).encode()) / 4 <= most
    answer = json.loads(text_of(result))
    assert len(rows(answer)) >= min(arguments.get("limit", 50), 90) or answer["tables_found"] == 0


@pytest.mark.parametrize(
    ("schemas", "size", "ended"),
    [(LONG, 20_000, "at limit=100"), (HUGE, 5, "as the answer is full")],
)
async def test_long_names_make_fewer_rows_and_no_larger_answer(
    connect: Connect, sandbox: Sandbox, schemas: dict[str, Any], size: int, ended: str
) -> None:
    """Cut by rows, never by characters, and all are reached."""
    for name in list(sandbox.connections)[3:]:
        del sandbox.connections[name]
    for name in sandbox.connections:
        config(sandbox, name, schemas)
    found: list[Row] = []
    cursor: dict[str, str] = {}
    async with connect("read-only") as caller:
        for _ in range(3):
            answer = await caller.ok("find_tables", pattern="*", limit=100, **cursor)
            text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
            assert len(text.encode()) / 4 <= 3_000
            found += rows(answer)
            assert f"This call ended {ended}: " in answer["note"]
            cursor = {"cursor": answer["next_cursor"]}

    names = [table for schema in schemas.values() for table in schema["tables"]]
    assert [row[2] for row in found[: len(names)]] == names[: len(found)]
    assert len(found) >= min(size, 5)


@pytest.mark.parametrize("upstream", ["x", "-1", "9" * 1_000, "²"])
async def test_a_cursor_made_by_hand_does_no_harm(caller: Caller, upstream: str) -> None:
    """It is of these arguments and leads to no place: it is read as far as it makes sense."""
    filters = {"find": ["orders", None, None, None, None]}
    cursor = Cursor(upstream, 10**30).encode(filters)

    answer = await caller.ok("find_tables", pattern="orders", cursor=cursor)

    assert answer["complete"] is True
    assert answer["places"] == []


@pytest.mark.parametrize(
    "other", [{"pattern": "order"}, {"column": "id"}, {"enabled": True}, {"service": "mysql"}]
)
async def test_a_cursor_of_another_search_is_refused(
    caller: Caller, sandbox: Sandbox, other: dict[str, Any]
) -> None:
    """Nothing is sent."""
    first = await caller.ok("find_tables", pattern="orders", limit=1)
    sandbox.requests.clear()

    error = await caller.error(
        "find_tables", **{"pattern": "orders", **other}, cursor=first["next_cursor"]
    )

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"pattern": ""},
        {"pattern": "x" * 201},
        {"pattern": None},
        {"pattern": 5},
        {"column": ""},
        {"column": None},
        {"column": ["id"]},
        {"enabled": "yes"},
        {"group_id": "../x"},
        {"service": "a/b"},
        {"limit": 501},
        {"cursor": "x"},
        {"table": "orders"},
    ],
)
async def test_wrong_arguments_are_named_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    """Whatever is wrong with them."""
    (argument,) = wrong

    error = await caller.error("find_tables", **{"pattern": "orders", **wrong})

    assert error["code"] == "invalid_arguments"
    assert f"{argument}: " in error["message"]
    assert not sandbox.requests
