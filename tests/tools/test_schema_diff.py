"""`compare_schema`: what two connectors sync differently, and what changed of one since before."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.fivetran.models import SchemaConfig
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools import schema_diff
from mcp_server.tools.schema_diff import SNAPSHOT_BUDGET
from mcp_server.tools.selections import Side, Snapshot, shown_names
from tests.support import Caller, Connect, changes, text_of

HERE, THERE = "solid_anchor", "deadline_dove"
Schemas = Mapping[str, Any]


def table(**fields: Any) -> dict[str, Any]:
    """Make a table that syncs, but for what is given."""
    return {"enabled": True, "sync_mode": "SOFT_DELETE", **fields}


def schema(*syncing: str, enabled: bool = True, **tables: Any) -> dict[str, Any]:
    """Make a schema of tables that sync, and of others."""
    return {"enabled": enabled, "tables": {**{name: table() for name in syncing}, **tables}}


OFF = table(enabled=False)


def answer_with(
    sandbox: Sandbox, connector_id: str, schemas: Schemas, handling: str | None = "ALLOW_ALL"
) -> None:
    """Let the next read of a connector's configuration find these schemas."""
    data = {"schema_change_handling": handling, "schemas": schemas}
    body = {"code": "Success", "data": data}
    path = f"/v1/connections/{connector_id}/schemas"
    sandbox.fail(Fault(method="GET", path=path, status=200, body=body))


async def compare(
    caller: Caller, sandbox: Sandbox, here: Schemas, there: Schemas, *, with_snapshot: bool = False
) -> dict[str, Any]:
    """Compare two configurations, of two connectors or of one now and before."""
    against: dict[str, Any] = {"other_connector_id": THERE}
    if with_snapshot:
        answer_with(sandbox, HERE, there)
        against = {"snapshot": (await caller.ok("compare_schema", connector_id=HERE))["snapshot"]}
    else:
        answer_with(sandbox, THERE, there)
    answer_with(sandbox, HERE, here)
    return await caller.ok("compare_schema", connector_id=HERE, **against)


def tokens(answer: Any) -> int:
    """Count tokens as bytes of compact JSON over four."""
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) // 4


def many(count: int, **fields: Any) -> dict[str, Any]:
    """Make a schema of many tables."""
    tables: dict[str, Any] = {
        f"customer_table_{turn:04d}": table(**fields) for turn in range(count)
    }
    return schema(**tables)


EMAIL_HASHED = table(columns={"email": {"enabled": True, "hashed": True}})
EMAIL_OUT = table(columns={"email": {"enabled": False, "hashed": True}})
EMAIL_USUAL = table(columns={"email": {"enabled": True, "hashed": False}})


@pytest.mark.parametrize("with_snapshot", [False, True], ids=["connector", "snapshot"])
@pytest.mark.parametrize(
    ("here", "there", "row"),
    [
        (schema("a", "b"), schema("a"), ("table_missing", "b", None, "syncs", "absent")),
        (schema("a"), schema("a", "b"), ("table_missing", "b", None, "absent", "syncs")),
        (schema("a", b=OFF), schema("a", "b"), ("table_switched", "b", None, "off", "syncs")),
        (schema("a", b=OFF), schema("a"), ("unsynced_missing", "b", None, "off", "absent")),
        (
            schema(a=table(sync_mode="HISTORY")),
            schema("a"),
            ("sync_mode", "a", None, "HISTORY", "SOFT_DELETE"),
        ),
        (
            schema(a=table(sync_mode="LIVE")),
            schema(a=table(sync_mode=None)),
            ("sync_mode", "a", None, "LIVE", "DEFAULT"),
        ),
        (schema(a=EMAIL_HASHED), schema("a"), ("column", "a", "email", "hashed", "in clear")),
        (schema("a"), schema(a=EMAIL_OUT), ("column", "a", "email", "in clear", "excluded")),
        (
            schema(a=EMAIL_OUT),
            schema(a=EMAIL_HASHED),
            ("column", "a", "email", "excluded", "hashed"),
        ),
        (
            schema("a", "b", enabled=False),
            schema("a", c=OFF),
            ("schema_switched", None, None, "disabled, 0 of 2 tables sync", "1 of 2 tables sync"),
        ),
        (
            schema("a", "b", c=OFF),
            schema(),
            ("schema_missing", None, None, "2 of 3 tables sync", "0 of 0 tables sync"),
        ),
    ],
)
async def test_each_kind_of_difference_is_told_with_both_sides(  # noqa: PLR0913, PLR0917 -- a table's columns
    caller: Caller,
    sandbox: Sandbox,
    here: dict[str, Any],
    there: dict[str, Any],
    row: tuple[str | None, ...],
    with_snapshot: bool,
) -> None:
    """The same between two connectors as between now and before."""
    answer = await compare(caller, sandbox, {"s": here}, {"s": there}, with_snapshot=with_snapshot)

    names = ("kind", "table", "column", "here", "there")
    told = {name: value for name, value in zip(names, row, strict=True) if value is not None}
    assert answer["differences"] == [{"schema_name": "s", **told}]
    assert answer["counts"] == {row[0]: 1}
    assert answer["identical"] is False
    assert answer["complete"] is True


@pytest.mark.parametrize("with_snapshot", [False, True], ids=["connector", "snapshot"])
@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({}, {}),
        ({"s": schema()}, {"s": schema()}),
        ({"s": schema("a", "b")}, {"s": schema("b", "a")}),
        ({"s": schema("a")}, {"s": schema(a=table(sync_mode=None))}),
        ({"s": schema("a")}, {"s": schema(a=EMAIL_USUAL)}),
        ({"s": schema(a=OFF)}, {"s": schema(a=EMAIL_OUT | {"enabled": False})}),
        ({"s": schema("a", enabled=False)}, {"s": schema(a=OFF, enabled=False)}),
    ],
)
async def test_what_makes_no_difference_is_none(
    caller: Caller, sandbox: Sandbox, here: Schemas, there: Schemas, with_snapshot: bool
) -> None:
    """An order, a default written out, the settings of what does not sync."""
    answer = await compare(caller, sandbox, here, there, with_snapshot=with_snapshot)

    assert answer["identical"] is True
    assert answer["differences"] == []
    assert "counts" not in answer
    assert answer["synced_here"] == answer["synced_there"]


async def test_a_whole_schema_is_one_row_and_tells_whether_anything_in_it_syncs(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Not one for each of its tables."""
    here = {"big": many(500), "idle": schema(a=OFF), "same": schema("x")}
    there = {"same": schema("x"), "new": schema("a", "b")}

    answer = await compare(caller, sandbox, here, there)

    assert answer["differences"] == [
        {
            "kind": "schema_missing",
            "schema_name": "big",
            "here": "500 of 500 tables sync",
            "there": "absent",
        },
        {
            "kind": "schema_missing",
            "schema_name": "new",
            "here": "absent",
            "there": "2 of 2 tables sync",
        },
        {
            "kind": "unsynced_missing",
            "schema_name": "idle",
            "here": "0 of 1 tables sync",
            "there": "absent",
        },
    ]
    assert (answer["synced_here"], answer["synced_there"]) == (501, 3)


async def test_the_handling_of_new_objects_is_compared_where_both_tell_it(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It comes first, and changes nothing about what syncs now."""
    for handling, there in (("BLOCK_ALL", "ALLOW_ALL"), ("BLOCK_ALL", None)):
        answer_with(sandbox, HERE, {"s": schema("a")}, handling)
        answer_with(sandbox, THERE, {"s": schema("a")}, there)
    pair = {"connector_id": HERE, "other_connector_id": THERE}

    differs = await caller.ok("compare_schema", **pair)
    unknown = await caller.ok("compare_schema", **pair)

    assert differs["differences"] == [
        {"kind": "schema_change_handling", "here": "BLOCK_ALL", "there": "ALLOW_ALL"}
    ]
    assert differs["notes"] == ["What syncs now is the same."]
    assert unknown["identical"] is True


async def test_two_connectors_are_named_and_asked_for_once(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Two configurations, two names, and nothing is changed."""
    answer = await caller.ok("compare_schema", connector_id=HERE, other_connector_id=THERE)

    assert (answer["name"], answer["other_name"]) == ("pg_billing", "pg_reports")
    assert len(sandbox.requests) == 4
    assert not changes(sandbox)
    assert answer["counts"] == {
        "schema_missing": 1,
        "column": 1,
        "table_switched": 1,
        "table_missing": 8,
        "unsynced_missing": 1,
    }
    kinds = [row["kind"] for row in answer["differences"]]
    assert kinds == sorted(kinds, key=schema_diff.KINDS.index)
    assert "`in clear` can also be one that is not there" in answer["notes"][0]


async def test_the_only_schemas_of_two_connectors_are_a_pair_whatever_their_names(
    caller: Caller,
) -> None:
    """Those of applications are named after the connector; either name narrows to the pair."""
    pair = {"connector_id": "patient_owl", "other_connector_id": "stuck_heron"}

    whole = await caller.ok("compare_schema", **pair)
    ours = await caller.ok("compare_schema", **pair, schema="ads_europe")
    theirs = await caller.ok("compare_schema", **pair, schema="ads_america")

    note = "Each has one schema, so these were compared: here 'ads_europe', there 'ads_america'."
    assert whole["notes"] == [note, "What syncs now is the same."]
    assert whole["counts"] == {"schema_change_handling": 1}
    for answer in (ours, theirs):
        assert answer["notes"] == [note]
        assert answer["identical"] is True
        assert answer["synced_there"] == 4


async def test_a_renamed_schema_of_one_connector_is_no_pair(
    caller: Caller, sandbox: Sandbox
) -> None:
    """There it is another schema: the old one has gone."""
    answer = await compare(
        caller, sandbox, {"new": schema("a")}, {"old": schema("a")}, with_snapshot=True
    )

    assert answer["counts"] == {"schema_missing": 2}


async def test_different_services_are_compared_with_a_note(caller: Caller) -> None:
    """It may be meant, or a slip."""
    answer = await caller.ok("compare_schema", connector_id="live_wire", other_connector_id=HERE)

    assert answer["notes"][0] == "Different services: here mysql, there postgres."
    assert answer["counts"]["schema_missing"] == 2


async def test_names_that_cannot_be_read_do_not_stop_a_comparison(
    caller: Caller, sandbox: Sandbox
) -> None:
    """They are a courtesy."""
    sandbox.fail(Fault(method="GET", path=f"/v1/connections/{THERE}", status=403))

    answer = await caller.ok("compare_schema", connector_id=HERE, other_connector_id=THERE)

    assert answer["name"] == "pg_billing"
    assert "other_name" not in answer


# Snapshots


async def test_a_snapshot_is_short_and_says_what_is_not_as_usual(caller: Caller) -> None:
    """What a person would write down, in names that are shown; from a server that only reads."""
    answer = await caller.ok("compare_schema", connector_id=HERE)

    assert answer == {
        "connector_id": HERE,
        "complete": True,
        "snapshot": {
            "connector_id": HERE,
            "schema_change_handling": "BLOCK_ALL",
            "schemas": {
                "public": {
                    "syncs": {
                        "SOFT_DELETE": [
                            *("orders", "customers", "invoices", "payments"),
                            "schema_migrations",
                        ]
                    },
                    "off": ["refunds"],
                    "columns": {"customers": {"card_no": "hashed"}},
                },
                "audit log": {"disabled": True, "off": ["log entries", "log_actors"]},
            },
        },
    }


@pytest.mark.parametrize(
    "connector_id", [HERE, "odd_names", "live_wire", "wide_river", "swift_meadow"]
)
async def test_nothing_differs_from_a_snapshot_until_something_changes(
    caller: Caller, connector_id: str
) -> None:
    """Odd names, live mode and 1,200 tables included; as an object, or as the text of one."""
    snapshot = (await caller.ok("compare_schema", connector_id=connector_id))["snapshot"]

    for same in (snapshot, json.dumps(snapshot)):
        answer = await caller.ok("compare_schema", connector_id=connector_id, snapshot=same)
        assert answer["identical"] is True
        assert answer["synced_here"] == answer["synced_there"] > 0
        assert "name" not in answer


async def test_exactly_what_was_changed_differs(caller: Caller) -> None:
    """By the tool that changes it."""
    snapshot = (await caller.ok("compare_schema", connector_id=HERE))["snapshot"]
    tables = {
        "orders": {"enabled": False},
        "invoices": {"sync_mode": "HISTORY"},
        "customers": {
            "columns": {"email": {"hashed": True}, "card_no": {"enabled": False}},
        },
    }
    await caller.ok(
        "update_schema_config",
        connector_id=HERE,
        schemas={"public": {"tables": tables}, "audit log": {"enabled": True}},
        schema_change_handling="ALLOW_ALL",
        confirm=True,
    )

    answer = await caller.ok("compare_schema", connector_id=HERE, snapshot=snapshot)

    rows = [
        (row["kind"], row.get("table"), row.get("column"), row["here"], row["there"])
        for row in answer["differences"]
    ]
    assert rows == [
        ("schema_change_handling", None, None, "ALLOW_ALL", "BLOCK_ALL"),
        (
            *("schema_switched", None, None),
            *("2 of 2 tables sync", "disabled, 0 of 2 tables sync"),
        ),
        ("column", "customers", "card_no", "excluded", "hashed"),
        ("column", "customers", "email", "hashed", "in clear"),
        ("table_switched", "orders", None, "off", "syncs"),
        ("sync_mode", "invoices", None, "HISTORY", "SOFT_DELETE"),
    ]


async def test_a_table_that_leaves_live_mode_is_seen(caller: Caller) -> None:
    """There, what is disabled is dropped."""
    snapshot = (await caller.ok("compare_schema", connector_id="live_wire"))["snapshot"]
    change = {"live": {"tables": {"orders": {"sync_mode": "SOFT_DELETE"}}}}
    await caller.ok("update_schema_config", connector_id="live_wire", schemas=change, confirm=True)

    answer = await caller.ok("compare_schema", connector_id="live_wire", snapshot=snapshot)

    (row,) = answer["differences"]
    assert (row["here"], row["there"]) == ("SOFT_DELETE", "LIVE")


async def test_odd_names_are_told_as_they_are_and_can_be_asked_for(caller: Caller) -> None:
    """Dots, slashes, quotes, other alphabets."""
    snapshot = (await caller.ok("compare_schema", connector_id="odd_names"))["snapshot"]
    kept = snapshot["schemas"]["日本語"]["syncs"]["DEFAULT"]
    kept.remove("naïve café")
    snapshot["schemas"]["raw files/2026"]["syncs"]["DEFAULT"].remove("..")

    answer = await caller.ok("compare_schema", connector_id="odd_names", snapshot=snapshot)
    one = await caller.ok(
        "compare_schema", connector_id="odd_names", snapshot=snapshot, schema="日本語"
    )

    missing = [(row["schema_name"], row["table"]) for row in answer["differences"]]
    assert missing == [("raw files/2026", ".."), ("日本語", "naïve café")]
    assert one["differences"] == answer["differences"][1:]


async def test_a_snapshot_of_one_schema_is_about_that_one(caller: Caller) -> None:
    """The others are not missing, and the handling of new objects is no part of it."""
    snapshot = (await caller.ok("compare_schema", connector_id="wide_river", schema="h\u200br"))[
        "snapshot"
    ]
    assert snapshot["only"] == "hr"
    assert list(snapshot["schemas"]) == ["hr"]
    assert "schema_change_handling" not in snapshot

    for narrowed in ({}, {"schema": "hr"}):
        answer = await caller.ok(
            "compare_schema", connector_id="wide_river", snapshot=snapshot, **narrowed
        )
        assert answer["identical"] is True
        assert answer["synced_here"] == answer["synced_there"] == 200


async def test_a_snapshot_of_another_connector_can_be_compared_and_says_so(
    caller: Caller,
) -> None:
    """Production as it was yesterday, against staging."""
    snapshot = (await caller.ok("compare_schema", connector_id="stuck_heron"))["snapshot"]

    answer = await caller.ok("compare_schema", connector_id="patient_owl", snapshot=snapshot)

    assert answer["notes"][0] == "The snapshot is of connector stuck_heron."
    assert "Each has one schema" in answer["notes"][1]


async def test_one_schema_of_another_connector_is_no_pair(caller: Caller) -> None:
    """That one has others, so which of them is meant is not for the server to guess."""
    snapshot = (await caller.ok("compare_schema", connector_id="wide_river", schema="hr"))[
        "snapshot"
    ]

    answer = await caller.ok("compare_schema", connector_id="patient_owl", snapshot=snapshot)

    (row,) = answer["differences"]
    assert (row["schema_name"], row["here"]) == ("hr", "absent")


def test_very_many_names_that_show_alike_stay_apart() -> None:
    """Each has a number of its own, also beside names that look numbered."""
    names = ["x" + "\u200b" * turn for turn in range(2_000)] + ["x (2)", "x (2000)\u2060"]

    shown = shown_names(names)

    assert shown[:3] == ["x", "x (2)", "x (3)"]
    assert shown[-2:] == ["x (2) (2)", "x (2000) (2)"]
    assert len(set(shown)) == len(names)


async def test_names_that_show_alike_are_told_apart_by_a_number(
    caller: Caller, sandbox: Sandbox
) -> None:
    """None of them is lost, and none hides anything."""
    names = ("or\u200bders", "orders", "or\u202eders", "\u200b")
    schemas = {"pub\x1blic": schema(*names)}

    answer_with(sandbox, HERE, schemas)
    snapshot = (await caller.ok("compare_schema", connector_id=HERE))["snapshot"]
    answer_with(sandbox, HERE, schemas)
    same = await caller.ok("compare_schema", connector_id=HERE, snapshot=snapshot)

    tables = ["orders", "orders (2)", "orders (3)", "(blank)"]
    assert snapshot["schemas"] == {"public": {"syncs": {"SOFT_DELETE": tables}}}
    assert same["identical"] is True


NAMES = st.text(st.characters(codec="utf-8"), max_size=6)
COLUMNS = st.dictionaries(
    NAMES, st.fixed_dictionaries({"enabled": st.booleans(), "hashed": st.booleans()}), max_size=3
)
TABLES = st.fixed_dictionaries(
    {
        "enabled": st.booleans(),
        "sync_mode": st.one_of(st.sampled_from(["SOFT_DELETE", "LIVE", None]), NAMES),
        "columns": COLUMNS,
    }
)
SCHEMAS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"enabled": st.booleans(), "tables": st.dictionaries(NAMES, TABLES, max_size=5)}
    ),
    max_size=3,
)


@given(schemas=SCHEMAS, handling=st.one_of(st.none(), NAMES))
def test_whatever_a_configuration_holds_its_snapshot_reads_as_the_same(
    schemas: dict[str, Any], handling: str | None
) -> None:
    """Through JSON and back."""
    config = {"schemas": schemas, "schema_change_handling": handling}
    side = Side.of_config(SchemaConfig.model_validate(config))

    written = side.kept(HERE, named=True).model_dump_json(exclude_none=True)

    assert Side.of_snapshot(Snapshot.model_validate_json(written)) == side


# Sizes


async def test_a_snapshot_of_1200_tables_is_affordable(caller: Caller) -> None:
    """In the order of what a single page of the selection costs."""
    answer = await caller.ok("compare_schema", connector_id="wide_river")

    assert tokens(answer) <= 4_500
    assert "notes" not in answer


async def test_tables_that_do_not_sync_are_counted_where_they_are_too_many_to_name(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What did sync is known by name all the same; of the others, their number."""
    before = {"s": schema("a", "b", "c", **many(3_000, enabled=False)["tables"])}
    extra: dict[str, Any] = {"new_1": OFF, "new_2": table()}
    after = {"s": schema("a", b=OFF, **many(3_000, enabled=False)["tables"], **extra)}
    answer_with(sandbox, HERE, before)
    kept = await caller.ok("compare_schema", connector_id=HERE)
    answer_with(sandbox, HERE, before)
    same = await caller.ok("compare_schema", connector_id=HERE, snapshot=kept["snapshot"])
    answer_with(sandbox, HERE, after)
    changed = await caller.ok("compare_schema", connector_id=HERE, snapshot=kept["snapshot"])

    assert kept["snapshot"]["schemas"]["s"] == {
        "syncs": {"SOFT_DELETE": ["a", "b", "c"]},
        "off_count": 3_000,
    }
    assert kept["complete"] is True
    assert "too many to be named" in kept["notes"][0]
    assert same["identical"] is True
    assert "compared by number" in same["notes"][0]
    rows = [
        (row["kind"], row.get("table"), row["here"], row["there"]) for row in changed["differences"]
    ]
    assert rows == [
        ("table_switched", "b", "off", "syncs"),
        ("table_switched", "new_2", "syncs", "off or absent"),
        ("table_missing", "c", "absent", "syncs"),
        ("table_count", None, "3004 tables", "3003 tables"),
    ]


async def test_a_selection_that_is_too_large_for_one_snapshot_is_kept_schema_by_schema(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The answer says so, and which there are."""
    schemas = {"one": many(900), "two": many(900)}
    answer_with(sandbox, HERE, schemas)
    whole = await caller.ok("compare_schema", connector_id=HERE)
    answer_with(sandbox, HERE, schemas)
    one = await caller.ok("compare_schema", connector_id=HERE, schema="two")

    assert "snapshot" not in whole
    assert whole["complete"] is False
    (note,) = whole["notes"]
    assert "Ask for one schema at a time, with schema: one, two." in note
    assert "tokens, which is too much to keep" in note
    assert SNAPSHOT_BUDGET * 0.7 < len(json.dumps(one["snapshot"])) <= SNAPSHOT_BUDGET
    assert one["complete"] is True


async def test_a_schema_that_alone_is_too_large_says_what_else_there_is(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Two connectors can be compared whatever their size."""
    answer_with(sandbox, HERE, {"one": many(2_000)})

    answer = await caller.ok("compare_schema", connector_id=HERE)

    assert answer["complete"] is False
    assert "other_connector_id" in answer["notes"][0]
    assert "get_schema_config" in answer["notes"][0]


@pytest.mark.parametrize(
    ("there", "most", "rows"),
    [
        (lambda: many(4_990), 500, 10),
        (schema, 200, 1),
        (lambda: many(5_000), 100, 0),
    ],
    ids=["ten differ", "an empty one", "the same"],
)
async def test_5000_tables_with_few_differences_make_a_short_answer(
    caller: Caller,
    sandbox: Sandbox,
    there: Callable[[], dict[str, Any]],
    most: int,
    rows: int,
) -> None:
    """What is the same is not told."""
    answer = await compare(caller, sandbox, {"s": many(5_000)}, {"s": there()})

    assert len(answer["differences"]) == rows
    assert answer["identical"] is (rows == 0)
    assert tokens(answer) <= most


def test_comparing_5000_tables_holds_nobody_up() -> None:
    """Other calls wait for it; ten times the limit that it is meant to keep is a slow machine."""
    configs = [
        SchemaConfig.model_validate({"schemas": {"s": many(5_000, enabled=enabled)}})
        for enabled in (True, False)
    ]

    started = time.process_time()
    here, there = map(Side.of_config, configs)
    rows = list(schema_diff._compare(schema_diff._pairs(here, there, None, foreign=True)))  # noqa: SLF001 -- measured alone

    assert time.process_time() - started < 1
    assert len(rows) == 5_000


async def test_differences_go_on_where_they_ended(caller: Caller) -> None:
    """None twice, none left out; the counts are of all."""
    pair = {"connector_id": HERE, "other_connector_id": THERE}
    whole = await caller.ok("compare_schema", **pair)
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await caller.ok("compare_schema", **pair, limit=5, **cursor)
        rows += answer["differences"]
        assert answer["counts"] == whole["counts"]
        if answer["complete"]:
            break
        cursor = {"cursor": answer["next_cursor"]}

    assert rows == whole["differences"]
    assert len(rows) == 12


# What is refused


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"other_connector_id": "live_wire"},
        {"other_connector_id": THERE, "schema": "public"},
        {"snapshot": {"connector_id": HERE, "schemas": {}}},
    ],
)
async def test_a_cursor_of_another_call_is_refused_before_anything_is_read(
    caller: Caller, sandbox: Sandbox, other: dict[str, Any]
) -> None:
    """It would go on in the midst of something else."""
    pair = {"connector_id": HERE, "other_connector_id": THERE}
    first = await caller.ok("compare_schema", **pair, limit=1)
    sent = len(sandbox.requests)

    error = await caller.error(
        "compare_schema", connector_id=HERE, **other, cursor=first["next_cursor"]
    )

    assert error["code"] == "invalid_arguments"
    assert "cursor" in error["message"]
    assert len(sandbox.requests) == sent


SNAPSHOT = {"connector_id": HERE, "only": "public", "schemas": {"public": {"off": ["a"]}}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"other_connector_id": HERE}, "other_connector_id: is connector_id itself"),
        (
            {"other_connector_id": THERE, "snapshot": SNAPSHOT},
            "other_connector_id: does not go with snapshot",
        ),
        ({"snapshot": SNAPSHOT, "schema": "x"}, "schema: the snapshot is about 'public' only"),
    ],
)
async def test_arguments_that_contradict_are_refused(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], said: str
) -> None:
    """Nothing is sent."""
    error = await caller.error("compare_schema", connector_id=HERE, **arguments)

    assert error["code"] == "invalid_arguments"
    assert said in error["message"]
    assert not sandbox.requests


def of_public(value: Any) -> dict[str, Any]:
    """Make a snapshot with this in the place of a schema."""
    return {"connector_id": HERE, "schemas": {"public": value}}


DEEP: Any = json.loads("[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        ({}, "snapshot.connector_id: is required"),
        ("no JSON", "snapshot: should be an object"),
        ([], "snapshot: should be an object"),
        ({"connector_id": "../x", "schemas": {}}, "snapshot.connector_id: has not the form"),
        ({"connector_id": HERE, "schemas": []}, "snapshot.schemas: should be an object"),
        ({"connector_id": HERE, "schemas": {}, "more": 1}, "snapshot.more: unknown"),
        (of_public(None), "snapshot.schemas.public: should be an object"),
        (of_public({"off": "a"}), "snapshot.schemas.public.off: should be a list"),
        (of_public({"off": [1]}), "snapshot.schemas.public.off.0: "),
        (of_public({"off": None}), "snapshot.schemas.public.off: must not be null"),
        (of_public({"off": DEEP}), "snapshot.schemas.public.off.0: "),
        (of_public({"off_count": -1}), "snapshot.schemas.public.off_count: "),
        (of_public({"off_count": True}), "snapshot.schemas.public.off_count: "),
        (of_public({"syncs": ["a"]}), "snapshot.schemas.public.syncs: should be an object"),
        (of_public({"off": ["a"], "syncs": {"LIVE": ["a"]}}), "public: names a table twice"),
        (
            of_public({"disabled": True, "syncs": {"LIVE": ["a"]}}),
            "public: is disabled, so no table of it syncs",
        ),
        (of_public({"columns": {"a": {"b": "drop"}}}), "snapshot.schemas.public.columns.a.b: "),
        (
            {"connector_id": HERE, "schemas": {"\u202ex\x1b": {"off": 1}}},
            "snapshot.schemas.x.off: should be a list",
        ),
    ],
)
async def test_a_snapshot_that_is_none_is_refused_with_where_it_is_wrong(
    caller: Caller, sandbox: Sandbox, snapshot: Any, said: str
) -> None:
    """Before anything is read; and none of its values is repeated."""
    error = await caller.error("compare_schema", connector_id=HERE, snapshot=snapshot)

    assert error["code"] == "invalid_arguments"
    assert said in error["message"]
    assert len(error["message"]) < 500
    assert not sandbox.requests


async def test_what_a_hostile_snapshot_names_is_shown_without_what_does_not_show(
    caller: Caller,
) -> None:
    """It is text from outside as much as any."""
    evil = "x\u202e\x1b[31m\u200by"
    snapshot = {
        "connector_id": HERE,
        "schema_change_handling": evil * 100,
        "schemas": {
            evil: {"syncs": {evil: [evil]}},
            "public": {
                "syncs": {evil * 100: ["orders", evil], "LIVE": ["customers"]},
                "off": [f"{evil}off"],
                "columns": {"customers": {evil: "hashed"}, evil: {evil: "excluded"}},
            },
        },
    }

    result = await caller.raw("compare_schema", connector_id=HERE, snapshot=snapshot, limit=500)

    assert not result.is_error
    text = text_of(result)
    assert not any(character in text for character in "\u202e\x1b\u200b")
    rows = json.loads(text)["differences"]
    assert all(len(row["there"]) <= 40 for row in rows)
    assert "x[31myoff" in {row.get("table") for row in rows}
    modes = {row["table"]: row["there"] for row in rows if row["kind"] == "sync_mode"}
    assert modes["customers"] == "LIVE"
    assert modes["orders"].startswith("X[31MYX")


@pytest.mark.parametrize("against", ["other_connector_id", "snapshot"])
async def test_a_schema_that_neither_has_is_answered_with_the_nearest(
    caller: Caller, against: str
) -> None:
    """One that only the other side has is a difference."""
    snapshot = (await caller.ok("compare_schema", connector_id=THERE))["snapshot"]
    other = {"snapshot": snapshot, "other_connector_id": THERE}[against]
    call = {"connector_id": HERE, against: other}

    error = await caller.error("compare_schema", **call, schema="pubic")
    answer = await caller.ok("compare_schema", **call, schema="reports")

    assert error["code"] == "not_found"
    assert "'public'" in error["message"]
    assert answer["counts"] == {"schema_missing": 1}


async def test_a_snapshot_of_a_schema_that_is_not_there_is_answered_with_the_nearest(
    caller: Caller,
) -> None:
    """Rather than being empty."""
    error = await caller.error("compare_schema", connector_id=HERE, schema="Public")

    assert error["code"] == "not_found"
    assert "'public'" in error["message"]


@pytest.mark.parametrize(
    ("fault", "code", "hint"),
    [
        ({"status": 404, "body": {"code": "NotFound_SchemaConfig"}}, "schema_not_ready", "reload"),
        ({"status": 404, "body": {"code": "NotFound"}}, "not_found", "list_connectors"),
        ({"status": 403, "body": {"code": "Forbidden"}}, "forbidden", "administrator"),
    ],
)
@pytest.mark.parametrize("of", [HERE, THERE])
async def test_what_keeps_one_of_two_from_being_read_names_which(  # noqa: PLR0913, PLR0917 -- a table's columns
    caller: Caller, sandbox: Sandbox, of: str, fault: dict[str, Any], code: str, hint: str
) -> None:
    """The next step is about that one."""
    sandbox.fail(Fault(method="GET", path=f"/v1/connections/{of}/schemas", **fault))

    error = await caller.error("compare_schema", connector_id=HERE, other_connector_id=THERE)

    assert error["code"] == code
    assert f"connector {of} " in error["message"]
    assert hint in error["hint"]


async def test_it_is_there_for_who_only_reads(connect: Connect) -> None:
    """In the mode that is the default."""
    async with connect("read-only") as caller:
        answer = await caller.ok(
            "compare_schema", connector_id="swift_meadow", other_connector_id="cron_crane"
        )

    assert answer["identical"] is True
    assert "notes" not in answer
