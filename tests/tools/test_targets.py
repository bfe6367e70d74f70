"""What a call is about: names resolved, and found again although they do not show as they are."""

import pytest

from mcp_server.fivetran.models import SchemaConfig
from mcp_server.toolkit import ToolFailure
from mcp_server.tools import targets
from mcp_server.tools.targets import find_name, find_tables, unknown_name


def test_a_name_is_found_as_the_source_writes_it() -> None:
    """An exact name needs no help, even where another one shows alike."""
    assert find_name("orders", {"orders": 1, "or\u200bders": 2}, "table") == "orders"


def test_a_name_with_characters_that_do_not_show_is_found_by_what_shows() -> None:
    """A model can write back only what it was shown."""
    assert find_name("orders", {"or\u200bders": 1, "other": 2}, "table") == "or\u200bders"


def test_a_name_that_two_show_as_is_refused() -> None:
    """A guess between them could change the wrong table."""
    with pytest.raises(ToolFailure) as caught:
        find_name("orders", {"or\u200bders": 1, "or\u2060ders": 2}, "table")

    assert caught.value.code == "invalid_arguments"
    assert "'orders'" in caught.value.message
    assert "2 names differ" in caught.value.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Orders", "There is no table named 'Orders'; the nearest: 'orders', 'customers'"),
        ("odres", "There is no table named 'odres'; the nearest: 'orders'"),
        ("zzz", "There is no table named 'zzz'; there are 2: 'orders', 'customers'"),
        ("z\x1b[31m\u202ez", "There is no table named 'zz'; there are 2: 'orders', 'customers'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    """A slip of the pen or of the case is what most unknown names are."""
    with pytest.raises(ToolFailure) as caught:
        find_name(name, {"orders": 1, "customers": 2}, "table")

    assert caught.value.code == "not_found"
    assert caught.value.message == message
    assert "case-sensitive" in caught.value.hint


def test_the_nearest_of_very_many_names_are_sought_among_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comparing each of them would hold up every other call of the process."""
    monkeypatch.setattr(targets, "MOST_COMPARED", 3)
    names = [letter * 5 for letter in "abcdef"]

    among_the_first = unknown_name("CCCCC", names, "table").message
    beyond = unknown_name("FFFFF", names, "table").message

    assert among_the_first.endswith("the nearest: 'ccccc'")
    assert "there are 6: 'aaaaa'" in beyond
    assert unknown_name("?", [str(n) for n in range(11)], "t").message.endswith("; there are 11")


def test_long_names_are_compared_by_how_they_begin() -> None:
    """And shown so."""
    message = unknown_name("a" * 1000, ["a" * 900], "table").message

    assert message.endswith(f"the nearest: '{'a' * 100}… [800 more characters]'")


CONFIG = SchemaConfig.model_validate(
    {"schemas": {"pub\u200blic": {"tables": {"orders": {}, "cust\u2060omers": {}}}, "audit": {}}}
)


def test_tables_are_found_by_schema_each_once() -> None:
    """What is shown is turned into what the source calls it."""
    found = find_tables(CONFIG, {"public": ["orders", "customers", "orders"]})

    assert found == {"pub\u200blic": ["orders", "cust\u2060omers"]}


def test_tables_of_a_schema_that_is_named_twice_are_all_found() -> None:
    """As it shows and as it is, both mean the same one."""
    found = find_tables(CONFIG, {"public": ["orders"], "pub\u200blic": ["customers", "orders"]})

    assert found == {"pub\u200blic": ["orders", "cust\u2060omers"]}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"pubic": ["orders"]}, "There is no schema named 'pubic'; the nearest: 'public'"),
        (
            {"public": ["order"]},
            "There is no table in schema 'public' named 'order'; the nearest: 'orders'",
        ),
        ({"audit": ["orders"]}, "There is no table in schema 'audit' named 'orders'; there are 0"),
    ],
)
def test_a_table_that_is_not_there_is_named_with_its_schema(
    tables: dict[str, list[str]], message: str
) -> None:
    """Nothing is dropped silently from a list of tables."""
    with pytest.raises(ToolFailure) as caught:
        find_tables(CONFIG, tables)

    assert caught.value.message == message
