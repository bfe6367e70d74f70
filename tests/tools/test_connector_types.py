"""`search_connector_types` and `describe_connector_type`: what can be connected, and with what."""

import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.sandbox.services import SERVICES
from mcp_server.tools.connector_types import MOST_BYTES, MOST_OPTIONS
from tests.support import Caller

TYPES = "/v1/metadata/connector-types"
OAUTH = "A person authorizes it: create_connect_card. Or give auth: see section=auth."


def tokens(answer: Any) -> int:
    """Count them as bytes of compact JSON over four."""
    return len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()) // 4


def types(sandbox: Sandbox, *items: dict[str, Any]) -> None:
    """Let the list be this."""
    sandbox.fail(Fault(path=TYPES, status=200, body={"data": {"items": list(items)}}))


def described(sandbox: Sandbox, properties: dict[str, Any], **more: Any) -> None:
    """Let the type `made_up` be this."""
    data = {"id": "made_up", "config": {"properties": properties}, **more}
    sandbox.fail(Fault(path=f"{TYPES}/made_up", status=200, body={"data": data}))


async def ids(caller: Caller, query: str, **more: Any) -> list[str]:
    """Search, and take the ids."""
    answer = await caller.ok("search_connector_types", query=query, **more)
    return [row["id"] for row in answer["types"]]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("postgres", "postgres"),
        ("PostgreSQL", "postgres"),
        ("google ads", "google_ads"),
        ("Google-Ads", "google_ads"),
        ("googleads", "google_ads"),
        ("ads google", "google_ads"),
        ("amazon s3", "s3"),
        ("google anal", "google_analytics_4"),
        ("rds mysql", "mysql_rds"),
        ("stripe", "stripe"),
        ("gogle adz", "google_ads"),
        ("postgress", "postgres"),
        ("15five", "15five"),
    ],
)
async def test_the_type_that_is_meant_comes_first(caller: Caller, query: str, first: str) -> None:
    """By id, by name, by words in any order, by its beginning, by a near spelling."""
    assert (await ids(caller, query))[0] == first


async def test_what_fits_better_stands_before_what_only_fits(caller: Caller) -> None:
    """The very name, its beginning, whole words, parts of words, the category."""
    found = await ids(caller, "postgres", limit=50)
    assert found[0] == "postgres"
    assert found[1] == "postgres_rds"
    assert set(found[2:]) == {
        "aurora_postgres", "azure_postgres", "google_cloud_postgresql", "heroku_postgres",
    }  # fmt: skip

    assert (await ids(caller, "alder marketing")) == ["alder_ads", "alder_mail", "alder_analytics"]


async def test_what_is_generally_available_stands_before_the_rest(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Then the shorter id."""
    types(
        sandbox,
        {"id": "x_old", "service_status": "sunset"},
        {"id": "x_longer", "service_status": "general_availability"},
        {"id": "x_short", "service_status": "general_availability"},
    )

    assert await ids(caller, "x") == ["x_short", "x_longer", "x_old"]


async def test_a_row_says_what_matters_before_choosing(caller: Caller) -> None:
    """Among it whether it can be set up by API at all."""
    answer = await caller.ok("search_connector_types", query="fivetran_log")

    assert answer == {
        "types": [
            {
                "id": "fivetran_log",
                "name": "Fivetran Platform",
                "connector_class": "standard",
                "status": "general_availability",
                "api": False,
            }
        ],
        "complete": True,
    }


async def test_matches_are_reached_part_by_part(caller: Caller, sandbox: Sandbox) -> None:
    """Nothing twice, nothing lost; and the list is read once."""
    whole = await ids(caller, "payroll", limit=500)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await caller.ok("search_connector_types", query="payroll", limit=7, **cursor)
        seen += [row["id"] for row in answer["types"]]
        if answer["complete"]:
            break
        cursor = {"cursor": answer["next_cursor"]}

    assert "next_cursor" not in answer
    assert seen == whole
    assert len(whole) == 29
    assert len(sandbox.requests) == 1


async def test_every_type_is_listed_if_the_query_has_no_word(caller: Caller) -> None:
    """Punctuation alone narrows nothing."""
    first = await caller.ok("search_connector_types", query="*", limit=500)
    rest = await caller.ok(
        "search_connector_types", query="*", limit=500, cursor=first["next_cursor"]
    )

    assert len(first["types"]) + len(rest["types"]) == 770
    assert rest["complete"] is True


async def test_an_answer_is_small(caller: Caller) -> None:
    """Ten rows of a usual search."""
    assert tokens(await caller.ok("search_connector_types", query="google")) <= 400


async def test_near_spellings_are_told_as_such(caller: Caller) -> None:
    """They are guesses."""
    answer = await caller.ok("search_connector_types", query="shoppify")

    assert answer["types"][0]["id"] == "shopify"
    assert answer["note"] == "No type has these words; these are spelled nearly so."


async def test_no_match_says_so_and_what_comes_nearest(caller: Caller, sandbox: Sandbox) -> None:
    """Not an error; with an empty list there is nothing near either."""
    types(sandbox)
    empty = await caller.ok("search_connector_types", query="anything")
    assert empty["note"] == "None of the 0 types that Fivetran's API lists is named like this."

    answer = await caller.ok("search_connector_types", query="qqqq")
    assert answer["types"] == []
    assert answer["complete"] is True
    assert answer["note"] == ("None of the 770 types that Fivetran's API lists is named like this.")

    answer = await caller.ok("search_connector_types", query="stripos")
    assert answer["types"] or "stripe" in answer["note"]


async def test_names_of_types_are_cleaned(caller: Caller, sandbox: Sandbox) -> None:
    """What does not show is left out, and a type may have no name."""
    types(
        sandbox,
        {
            "id": "x\u200b1",
            "name": "X\u202e\n1",
            "connector_class": "li\u200bte",
            "service_status": "be\u200bta",
        },
        {"id": "x2"},
    )

    answer = await caller.ok("search_connector_types", query="x")

    assert answer["types"] == [
        {"id": "x2", "api": False},
        {"id": "x1", "name": "X 1", "connector_class": "lite", "status": "beta", "api": False},
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "problem"),
    [
        ("search_connector_types", {}, "query: is required"),
        ("search_connector_types", {"query": ""}, "query: "),
        ("search_connector_types", {"query": "x" * 201}, "query: "),
        ("search_connector_types", {"query": None}, "query: "),
        ("search_connector_types", {"query": "x", "limit": 0}, "limit: "),
        ("search_connector_types", {"query": "x", "cursor": "garbage"}, "cursor: it is not one"),
        ("describe_connector_type", {}, "service: is required"),
        ("describe_connector_type", {"service": "a/b"}, "service: has not the form of one"),
        ("describe_connector_type", {"service": "s3", "section": "config"}, "section: "),
        ("describe_connector_type", {"service": "s3", "cursor": "garbage"}, "cursor: it is not"),
    ],
)
async def test_a_wrong_argument_is_named_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str, arguments: dict[str, Any], problem: str
) -> None:
    """Type, range, form, and cursors of nowhere."""
    error = await caller.error(tool, **arguments)

    assert error["code"] == "invalid_arguments"
    assert problem in error["message"]
    assert not sandbox.requests


async def test_what_a_database_needs_fits_into_few_tokens(caller: Caller) -> None:
    """The required fields, what it can do, and how many more fields there are."""
    answer = await caller.ok("describe_connector_type", service="postgres")

    assert answer == {
        "id": "postgres",
        "name": "PostgreSQL",
        "connector_class": "standard",
        "status": "general_availability",
        "api": True,
        "naming": ["schema_prefix"],
        "features": [
            "resync_tables",
            "history_mode",
            "column_hashing",
            "table_selection",
            "deletes",
        ],
        "fields": [
            {
                "path": "config.schema_prefix",
                "permanent": True,
                "about": "Beginning of the schemas' names in the destination.",
            },
            {"path": "config.host", "about": "Host name or IP address of the database."},
            {"path": "config.user", "about": "The user name."},
            {"path": "config.password", "secret": True, "about": "The user's password."},
        ],
        "optional_fields": 14,
        "auth_fields": 0,
        "complete": True,
        "next_step": answer["next_step"],
    }
    assert "(see section=optional): port, database" in answer["next_step"]
    assert tokens(answer) <= 400


async def test_a_type_that_a_person_authorizes_says_how(caller: Caller) -> None:
    """The fields of its authorization are counted, then shown; unmarked secrets are secrets."""
    answer = await caller.ok("describe_connector_type", service="google_ads")
    assert [row["path"] for row in answer["fields"]] == ["config.schema"]
    assert answer["auth_fields"] == 6
    assert answer["next_step"].startswith("create_connector with these fields. Optional, some")
    assert answer["next_step"].endswith(f"Fivetran marks none of them as required. {OAUTH}")

    auth = await caller.ok("describe_connector_type", service="google_ads", section="auth")
    paths = {row["path"]: row for row in auth["fields"]}
    assert len(paths) == 6
    assert "auth_fields" not in auth
    assert paths["auth.client_access"]["type"] == "object"
    assert {path for path, row in paths.items() if row.get("secret")} == {
        "auth.client_access.client_secret",
        "auth.client_access.developer_token",
        "auth.refresh_token",
    }


async def test_optional_fields_come_with_their_types_and_options(caller: Caller) -> None:
    """Items of lists have brackets in their path; what is read-only is left out."""
    answer = await caller.ok("describe_connector_type", service="s3", section="optional")

    rows = {row["path"]: row for row in answer["fields"]}
    assert rows["config.skip_before"] == {
        "path": "config.skip_before",
        "type": "integer",
        "about": "Lines that are skipped at the beginning.",
    }
    assert rows["config.auth_type"]["enum"] == ["IAM_ROLE", "ACCESS_KEY", "PUBLIC_BUCKET"]
    assert "type" not in rows["config.auth_type"]
    assert rows["config.files[]"]["type"] == "object"
    assert "required" not in rows["config.files[].table_name"]
    assert not {"config.external_id", "config.bucket"} & rows.keys()


async def test_all_fields_begin_with_the_required_ones_marked_as_such(caller: Caller) -> None:
    """Then the others, then the authorization."""
    answer = await caller.ok("describe_connector_type", service="google_sheets", section="all")

    assert [(row["path"], row.get("required")) for row in answer["fields"][:5]] == [
        ("config.schema", True),
        ("config.table", True),
        ("config.sheet_id", True),
        ("config.named_range", True),
        ("config.auth_type", None),
    ]
    assert answer["fields"][-1]["path"] == "auth.refresh_token"
    assert answer["naming"] == ["schema", "table"]
    assert answer["features"] == ["resync_connector", "authorization_by_api"]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_sections_are_the_whole(caller: Caller, service: str) -> None:
    """No field is in none, none in two."""
    paths = {
        section: [
            row["path"]
            for row in (
                await caller.ok("describe_connector_type", service=service, section=section)
            )["fields"]
        ]
        for section in ("required", "optional", "auth", "all")
    }
    whole = paths.pop("all")

    assert sorted(path for section in paths.values() for path in section) == sorted(whole)
    assert paths["required"]


async def test_a_type_with_many_fields_is_described_part_by_part(
    caller: Caller, sandbox: Sandbox
) -> None:
    """No part is large, none is empty, nothing is lost."""
    field = {"type": "string", "description": "d" * 300, "enum": [f"OPTION_{n}" for n in range(10)]}
    names = [f"field_{number}" for number in range(150)]
    described(
        sandbox,
        dict.fromkeys(names, field) | {"huge": {"enum": ["x" * 99 + str(n) for n in range(200)]}},
    )
    seen: list[str] = []
    cursor: dict[str, str] = {}
    parts = 0
    while True:
        answer = await caller.ok(
            "describe_connector_type", service="made_up", section="all", **cursor
        )
        parts += 1
        seen += [row["path"] for row in answer["fields"]]
        assert answer["fields"]
        assert tokens(answer["fields"]) <= MOST_BYTES / 4 + 100
        if answer["complete"]:
            break
        cursor = {"cursor": answer["next_cursor"]}

    assert seen == [f"config.{name}" for name in [*names, "huge"]]
    assert 2 <= parts <= 6


async def test_a_field_too_large_for_an_answer_is_shown_all_the_same(
    caller: Caller, sandbox: Sandbox
) -> None:
    """One always fits; how many options are left out is said."""
    options = [chr(0x1F600 + number) * 100 for number in range(MOST_OPTIONS + 5)]
    described(sandbox, {name: {"items": {"enum": options}} for name in ("first", "second")})

    answer = await caller.ok("describe_connector_type", service="made_up", section="all")

    assert answer["complete"] is False
    (row,) = answer["fields"]
    assert row["path"] == "config.first[]"
    assert len(row["enum"]) == MOST_OPTIONS
    assert row["more_options"] == 5


async def test_texts_and_defaults_of_the_metadata_are_cleaned(
    caller: Caller, sandbox: Sandbox
) -> None:
    """They come from outside; a default of a credential is not told, nor one that is no scalar."""
    described(
        sandbox,
        {
            "a\u200bb": {"type": "odd\u202e", "description": "x\u200by\n" + "z" * 200},
            "port": {"type": "integer", "default": 5432},
            "on": {"type": "boolean", "default": False},
            "text": {"type": "string", "default": "de\u200bfault"},
            "things": {"type": "array", "default": ["x"]},
            "token": {"type": "string", "default": "canary"},
            "choice": {"enum": ["o\u200bne", 2, True, None]},
            "hosts": {"type": "array", "description": "Hosts.", "items": {"type": "string"}},
            "grid": {"items": {"items": {"type": "integer"}}},
        },
        supported_features=[{"id": "RE_SYNC"}, {"id": "API_CONFIGURABLE"}, {"id": "NEW"}],
    )

    answer = await caller.ok("describe_connector_type", service="made_up", section="all")

    about = "xy " + "z" * 97 + "… [103 more characters]"
    assert answer["features"] == ["resync_connector"]
    assert answer["fields"] == [
        {"path": "config.ab", "type": "odd", "about": about},
        {"path": "config.port", "type": "integer", "default": 5432},
        {"path": "config.on", "type": "boolean", "default": False},
        {"path": "config.text", "default": "default"},
        {"path": "config.things", "type": "array"},
        {"path": "config.token", "secret": True},
        {"path": "config.choice", "enum": ["one", "2", "true"]},
        {"path": "config.hosts[]", "about": "Hosts."},
        {"path": "config.grid[][]", "type": "integer"},
    ]


async def test_a_type_that_cannot_be_set_up_by_api_says_so(caller: Caller) -> None:
    """There is nothing to create."""
    answer = await caller.ok("describe_connector_type", service="fivetran_log")

    assert answer["api"] is False
    assert answer["next_step"] == (
        "It cannot be set up by API: a person does it in Fivetran's dashboard."
    )


async def test_an_authorization_that_the_api_cannot_do_is_left_to_a_person(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The fields are shown, but not advised."""
    described(
        sandbox,
        {"schema": {"type": "string"}},
        auth={"properties": {"token": {"type": "string"}}},
        supported_features=[{"id": "API_CONFIGURABLE"}],
    )

    answer = await caller.ok("describe_connector_type", service="made_up")

    assert answer["next_step"] == (
        "create_connector with these fields. A person authorizes it: create_connect_card."
    )


async def test_names_of_which_one_is_enough_are_told_together(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A table or a group of tables."""
    names = ("schema", "table", "table_group_name")
    described(sandbox, {name: {"type": "string"} for name in names})

    answer = await caller.ok("describe_connector_type", service="made_up")

    assert answer["naming"] == ["schema", "table or table_group_name"]


@pytest.mark.parametrize(
    ("service", "nearest"),
    [
        ("postgress", "; the nearest: postgres"),
        ("google-ads", "; the nearest: google_ads"),
        ("zq", ""),
    ],
)
async def test_an_unknown_type_comes_with_the_nearest_ids(
    caller: Caller, service: str, nearest: str
) -> None:
    """If there are any near it."""
    error = await caller.error("describe_connector_type", service=service)

    assert error["code"] == "not_found"
    assert error["message"].startswith(
        f"There is no connector type with the id {service!r}{nearest}"
    )
    assert "search_connector_types" in error["hint"]


async def test_an_unknown_type_is_told_even_if_the_list_cannot_be_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Then without the nearest ids."""
    sandbox.fail(Fault(path=TYPES, status=403, body={"code": "Forbidden"}))

    error = await caller.error("describe_connector_type", service="postgress")

    assert error["message"] == "There is no connector type with the id 'postgress'"


async def test_a_type_that_fivetran_rejects_is_to_be_searched_for(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Its documents do not say how it answers to an unknown one."""
    body = {"code": "InvalidInput", "message": "Unknown service"}
    sandbox.fail(Fault(path=f"{TYPES}/nope", status=400, body=body))

    error = await caller.error("describe_connector_type", service="nope")

    assert error["code"] == "rejected"
    assert error["hint"] == "Find the id of the type with search_connector_types."


async def test_a_cursor_belongs_to_its_type_and_section(caller: Caller, sandbox: Sandbox) -> None:
    """Elsewhere it would go on at a place that means nothing."""
    described(sandbox, {f"f{n}": {"description": "d" * 90} for n in range(400)})
    first = await caller.ok("describe_connector_type", service="made_up", section="all")
    before = len(sandbox.requests)

    error = await caller.error(
        "describe_connector_type", service="made_up", cursor=first["next_cursor"]
    )

    assert error["message"] == "cursor: it belongs to a call with other arguments"
    assert len(sandbox.requests) == before


@pytest.mark.parametrize(("wanted", "meant"), [("strip", "stripe"), ("google_ad", "google_ads")])
async def test_a_type_is_named_once_among_the_nearest(
    caller: Caller, wanted: str, meant: str
) -> None:
    """Though it is found both by its words and by its spelling."""
    error = await caller.error("describe_connector_type", service=wanted)

    nearest = error["message"].partition("nearest: ")[2].split(", ")
    assert nearest[0] == meant
    assert len(nearest) == len(set(nearest))
