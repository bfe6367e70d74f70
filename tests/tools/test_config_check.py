"""A configuration is checked by its path, all at once, and no value is ever told."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.fivetran.models import ConnectorTypeDetails
from mcp_server.tools.config_check import MOST_COMPARED, MOST_TOLD, Check, check

CANARY = "canary"
DETAILS = ConnectorTypeDetails.model_validate({
    "id": "made_up",
    "config": {
        "type": "object",
        "required": ["host", "password"],
        "properties": {
            "schema_prefix": {"type": "string"},
            "host": {"type": "string"},
            "port": {"type": "integer"},
            "rate": {"type": "number"},
            "encrypted": {"type": "boolean"},
            "password": {"type": "string", "format": "password"},
            "update_method": {"type": "object", "enum": ["WAL_PGOUTPUT", "QUERY_BASED"]},
            "months": {"type": "integer", "enum": ["6", "12"]},
            "strict": {"type": "boolean", "enum": [True]},
            "parts": {"type": "array", "enum": ["A", "B"]},
            "accounts": {"type": "array", "items": {"type": "string"}},
            "pems": {"type": "array", "items": {"type": "string", "format": "password"}},
            "levels": {"type": "array", "items": {"enum": ["LOW", "HIGH"]}},
            "ekm": {"type": "list-of-things"},
            "untyped": {},
            "free": {"type": "object"},
            "nested": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
            },
            "files": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["table"],
                    "properties": {
                        "table": {"type": "string", "immutable": True},
                        "skip": {"type": "integer"},
                    },
                },
            },
            "secrets_list": {
                "type": "array",
                "items": {
                    "properties": {
                        "key": {"type": "string"},
                        "value": {"type": "string", "format": "password"},
                    }
                },
            },
            "payloads": {
                "type": "array",
                "items": {"properties": {"key": {"type": "string"}, "value": {"type": "string"}}},
            },
            "external_id": {"type": "string", "readonly": True},
            "region": {"type": "string", "immutable": True},
            "api_token_kind": {"enum": ["PERSONAL"]},
        },
    },
    "auth": {
        "properties": {
            "client_access": {
                "type": "object",
                "properties": {
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string"},
                },
            },
            "refresh_token": {"type": "string"},
        }
    },
})  # fmt: skip
NAMED = {"schema_prefix": "p", "host": "h", "password": {"$env": "PW"}}


def checked(config: Mapping[str, Any] | None, **more: Any) -> Check:
    """Check an update, unless said otherwise."""
    return check(DETAILS, **{"config": config, "auth": None, "creating": False, **more})


def problems(check: Check) -> dict[str, str]:
    """Take the problems by path."""
    found = {each.path: each.problem for each in check.problems}
    assert len(found) == len(check.problems)
    return found


def of(properties: dict[str, Any], **more: Any) -> ConnectorTypeDetails:
    """Make up a type."""
    return ConnectorTypeDetails.model_validate(
        {"id": "x", "config": {"properties": properties, **more}}
    )


def test_what_is_as_described_has_no_problem() -> None:
    """Every type of field, at every depth, on both calls."""
    config = {
        "port": 5432, "rate": 0.5, "encrypted": False, "update_method": "QUERY_BASED",
        "accounts": ["a"], "levels": ["LOW"], "free": {"any": [1, {"thing": None}]},
        "nested": {"name": "n", "count": 2.0}, "files": [{"table": "t", "skip": 0}],
        "secrets_list": [{"key": "k", "value": {"$file": "v"}}], "parts": ["A", "B"],
    }  # fmt: skip
    auth = {"client_access": {"client_id": "i"}}

    assert checked(config, auth=auth) == Check((), ())
    assert checked({**NAMED, **config}, auth=auth, creating=True) == Check((), ())


def test_all_problems_are_told_at_once_by_path() -> None:
    """In objects and in the items of lists, too."""
    config = {
        "hots": "h",
        "port": "5432",
        "update_method": "WAL",
        "accounts": ["a", 5],
        "nested": {"nmae": "n", "count": "2"},
        "files": [{"table": "t"}, {"table": 7, "skp": 1}, "x"],
        "external_id": "e",
    }

    assert problems(checked({**NAMED, **config}, creating=True)) == {
        "config.hots": "is unknown; did you mean host?",
        "config.port": "should be a whole number",
        "config.update_method": "is not one of the options: WAL_PGOUTPUT, QUERY_BASED",
        "config.accounts[1]": "should be a string",
        "config.nested.nmae": "is unknown; did you mean name?",
        "config.nested.count": "should be a whole number",
        "config.nested.name": "is required",
        "config.files[1].table": "should be a string",
        "config.files[1].skp": "is unknown; did you mean skip?",
        "config.files[2]": "should be an object",
        "config.external_id": "is set by Fivetran: leave it out",
    }


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("host", 5, "should be a string"),
        ("host", {}, "should be a string"),
        ("port", True, "should be a whole number"),
        ("port", 1.5, "should be a whole number"),
        ("port", float("inf"), "should be a whole number"),
        ("rate", "0.5", "should be a number"),
        ("rate", True, "should be a number"),
        ("encrypted", 1, "should be true or false"),
        ("encrypted", "true", "should be true or false"),
        ("accounts", "a", "should be a list"),
        ("free", "a", "should be an object"),
        ("nested", [], "should be an object"),
        ("update_method", 5, "is not one of the options: WAL_PGOUTPUT, QUERY_BASED"),
        ("update_method", {"a": 1}, "is not one of the options: WAL_PGOUTPUT, QUERY_BASED"),
        ("update_method", ["QUERY_BASED"], "is not one of the options: WAL_PGOUTPUT, QUERY_BASED"),
        ("update_method", "query_based", "is not one of the options: QUERY_BASED, WAL_PGOUTPUT"),
        ("months", 7, "is not one of the options: 6, 12"),
        ("months", 2**70, "is not one of the options: 6, 12"),
        ("months", 6.5, "is not one of the options: 6, 12"),
        ("strict", False, "is not one of the options: true"),
        ("parts", ["A", "C"], "is not one of the options: A, B"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told(name: str, value: Any, problem: str) -> None:
    """With what it should be; a list of options begins with the nearest."""
    assert problems(checked({name: value})) == {f"config.{name}": problem}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 5432.0),
        ("rate", 1),
        ("months", 6),
        ("months", "12"),
        ("strict", True),
        ("strict", "true"),
        ("parts", "A"),
        ("ekm", {"any": "thing"}),
        ("untyped", [1]),
        ("free", {}),
    ],
)
def test_what_the_metadata_does_not_rule_out_passes(name: str, value: Any) -> None:
    """The type beside an enumeration may be wrong, and a type that is unknown says nothing."""
    assert checked({name: value}) == Check((), ())


@pytest.mark.parametrize(
    "name", sorted(DETAILS.config.properties.keys() - {"schema_prefix", "region"})
)
def test_null_passes_for_it_clears_a_field(name: str) -> None:
    """Whatever the field holds, unless it cannot be set at all."""
    expected = {"config.external_id"} if name == "external_id" else set()

    assert problems(checked({name: None})).keys() == expected


def test_a_reference_stands_for_a_string_and_for_nothing_else() -> None:
    """It is looked up later."""
    reference = {"$env": "NAME"}
    good = ("host", "password", "update_method", "untyped", "ekm")
    bad = {
        "port": "a whole number",
        "rate": "a number",
        "encrypted": "true or false",
        "accounts": "a list",
        "free": "an object",
        "nested": "an object",
        "files": "a list",
    }

    found = checked(dict.fromkeys((*good, *bad), reference) | {"parts": ["A", reference]})

    assert problems(found) == {
        f"config.{name}": f"should be {words}; a reference stands for a string"
        for name, words in bad.items()
    }
    assert {each.kind for each in found.problems} == {"type"}
    assert found.literal_secrets == ()


def test_what_is_required_is_asked_for_only_of_a_new_connector() -> None:
    """An empty text is as good as none."""
    new = checked({"host": ""}, creating=True)

    assert problems(new) == {
        "config.schema_prefix": ("is required: the name in the destination, which is permanent"),
        "config.host": "is required",
        "config.password": "is required",
    }
    assert {each.kind for each in new.problems} == {"missing"}
    assert problems(checked(None, creating=True)) == problems(new)
    assert checked({"host": ""}) == Check((), ())
    assert checked(None) == Check((), ())


def test_what_something_else_supplies_is_not_asked_for() -> None:
    """A Connect Card asks the person, but not for the name in the destination."""
    assert problems(checked({}, creating=True, whole=False)).keys() == {"config.schema_prefix"}
    assert checked({"schema_prefix": "p"}, creating=True, whole=False) == Check((), ())


@pytest.mark.parametrize(
    ("known", "given", "missing"),
    [
        (["schema"], {}, ["config.schema"]),
        (["schema", "table"], {"schema": "s"}, ["config.table"]),
        (["schema", "table_group_name"], {}, ["config.schema", "config.table_group_name"]),
        (["schema", "table", "table_group_name"], {"schema": "s", "table": "t"}, []),
        (
            ["schema", "table", "table_group_name"],
            {"schema": "s"},
            ["config.table or table_group_name"],
        ),
        (["schema", "schema_prefix"], {"schema_prefix": "p"}, []),
        (["schema_prefix", "table"], {"schema_prefix": "p"}, []),
        (["host"], {}, []),
    ],
)
def test_the_names_in_the_destination_are_those_that_the_metadata_has(
    known: list[str], given: dict[str, str], missing: list[str]
) -> None:
    """A schema or a prefix, with some types a table or a group of tables."""
    details = of({name: {"type": "string"} for name in known})

    found = check(details, config=given, auth=None, creating=True)

    assert [each.path for each in found.problems] == missing


def test_names_that_the_metadata_does_not_tell_are_left_to_fivetran() -> None:
    """Or nothing could be created; and then they cannot be changed either."""
    details = of({"host": {"type": "string"}})
    config = {"schema": "s", "table": "t"}

    assert check(details, config=config, auth=None, creating=True) == Check((), ())
    later = check(details, config=config, auth=None, creating=False)
    assert [(each.path, each.kind) for each in later.problems] == [
        ("config.schema", "permanent"),
        ("config.table", "permanent"),
    ]


def test_the_wrong_way_to_name_it_is_told_with_the_right_one() -> None:
    """A schema is given where a prefix is wanted."""
    found = problems(checked({**NAMED, "schema_prefix": None, "schema": "s"}, creating=True))

    assert found.keys() == {"config.schema_prefix", "config.schema"}
    assert found["config.schema"] == "is unknown; did you mean schema_prefix?"


def test_what_is_permanent_can_be_set_once() -> None:
    """The names in the destination although nothing says so; a list is replaced as a whole."""
    config = {"schema_prefix": "p", "region": "eu", "files": [{"table": "t"}]}

    assert problems(checked(config)) == {
        "config.schema_prefix": "cannot be changed after creation",
        "config.region": "cannot be changed after creation",
    }
    assert checked({**NAMED, **config}, creating=True) == Check((), ())


def test_a_name_of_the_wrong_type_is_told() -> None:
    """Names are texts."""
    found = problems(checked({**NAMED, "schema_prefix": 5}, creating=True))

    assert found == {"config.schema_prefix": "should be a string"}


def test_a_field_in_the_wrong_place_is_told_the_right_one() -> None:
    """Credentials of an application go into `auth`."""
    assert problems(checked({"client_secret": "x", "zzz": 1}, auth={"host": "h"})) == {
        "config.client_secret": ("is unknown here; it belongs to auth.client_access.client_secret"),
        "config.zzz": "is unknown; describe_connector_type lists the fields",
        "auth.host": "is unknown here; it belongs to config.host",
    }


def test_what_nobody_described_passes() -> None:
    """A type without known fields, and an object without."""
    details = ConnectorTypeDetails(id="x")

    found = check(details, config={"a": {"b": [1]}}, auth={"c": 1}, creating=True)

    assert found == Check((), ())


def test_credentials_that_are_written_out_are_found_by_mark_and_by_name() -> None:
    """Also unmarked ones, in lists, and where nobody described the fields."""
    config = {
        "host": "h",
        "password": CANARY,
        "pems": [CANARY, {"$env": "A"}],
        "secrets_list": [{"key": "k", "value": CANARY}, {"key": "k", "value": {"$env": "A"}}],
        "payloads": [{"key": "k", "value": "v"}],
        "api_token_kind": "PERSONAL",
        "free": {
            "token": CANARY,
            "empty_password": "",
            "credentials": {"user": CANARY, "n": 5},
            "pairs": [{"key": "k", "value": CANARY}],
        },
    }
    auth = {"client_access": {"client_id": "i", "client_secret": CANARY}, "refresh_token": CANARY}

    found = checked(config, auth=auth)

    assert found.problems == ()
    assert found.literal_secrets == (
        "config.password",
        "config.pems[0]",
        "config.secrets_list[0].value",
        "config.free.token",
        "config.free.credentials.user",
        "config.free.pairs[0].value",
        "auth.client_access.client_secret",
        "auth.refresh_token",
    )


def test_what_is_told_is_bounded_and_the_rest_counted() -> None:
    """And the nearest name is not sought for thousands."""
    found = checked({f"hos{number}": 1 for number in range(200)})

    told = found.told()
    assert told.count(";") == 2 * MOST_TOLD
    assert told.endswith("; and 185 more")
    assert found.problems[MOST_COMPARED].problem == "is unknown"
    assert checked({"port": "x"}).told() == "config.port: should be a whole number"
    assert checked({}).told() == ""


def test_names_are_told_without_what_does_not_show_and_shortened() -> None:
    """They may be anything."""
    (problem,) = checked({"zz\u202ez" + "y" * 500: 1}).problems

    assert problem.path == "config.zzz" + "y" * 97


def test_an_object_of_any_depth_is_checked() -> None:
    """As deep as JSON can be read."""
    deep: Any = CANARY
    for _ in range(900):
        deep = [{"a": deep}]

    assert checked({"free": {"token": deep}, "nested": {"name": deep}}).literal_secrets


@pytest.mark.parametrize("secret", [CANARY, [CANARY], {"$env": CANARY, "x": CANARY}])
@pytest.mark.parametrize("name", sorted(DETAILS.config.properties))
def test_no_problem_holds_a_value(name: str, secret: Any) -> None:
    """Whatever is wrong with it."""
    for creating in (True, False):
        found = checked({name: secret}, auth={name: secret}, creating=creating)
        assert CANARY not in repr(found)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["WAL_PGOUTPUT", "", "A"])
    | st.text(max_size=5).map(lambda text: CANARY + text),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*DETAILS.config.properties, "key", "value", "$env", "name"])
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
)
objects = st.dictionaries(
    st.sampled_from([*DETAILS.config.properties, "client_access", "schema"]) | st.text(max_size=8),
    values,
    max_size=8,
)


@given(config=objects | st.none(), auth=objects | st.none(), creating=st.booleans())
def test_any_json_is_checked_and_no_value_told(
    config: dict[str, Any] | None, auth: dict[str, Any] | None, *, creating: bool
) -> None:
    """Nothing that a model could write makes the check fail."""
    found = check(DETAILS, config=config, auth=auth, creating=creating)

    assert CANARY not in repr(found)
    assert CANARY not in found.told()
    assert len(found.told()) < 20_000
    assert not creating or config or found.problems


@given(config=objects)
def test_any_json_passes_where_nobody_described_the_fields(config: dict[str, Any]) -> None:
    """No metadata, no problem."""
    assert (
        check(ConnectorTypeDetails(id="x"), config=config, auth=config, creating=True).told() == ""
    )


@given(metadata=values, config=objects)
def test_any_metadata_that_can_be_read_can_be_checked_against(
    metadata: Any, config: dict[str, Any]
) -> None:
    """It comes from outside, too."""
    field = {"type": metadata, "enum": [metadata], "default": metadata, "items": {"enum": metadata}}
    details = ConnectorTypeDetails.model_validate(
        json.loads(json.dumps({"id": "x", "config": {"properties": dict.fromkeys(config, field)}}))
    )

    assert check(details, config=config, auth=config, creating=False).told() is not None
