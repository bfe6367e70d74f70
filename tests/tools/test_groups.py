"""`list_groups`."""

from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller


async def test_all_groups_are_listed_with_ids_and_names(caller: Caller) -> None:
    """Four groups, and the list says that it is whole."""
    answer = await caller.ok("list_groups")

    assert [group["name"] for group in answer["groups"]] == [
        "Production",
        "Marketing",
        "Finance",
        "Development",
    ]
    assert answer["complete"] is True
    assert "next_cursor" not in answer


async def test_groups_are_found_by_part_of_their_name_in_any_case(caller: Caller) -> None:
    """The filter is ours: the API has none."""
    answer = await caller.ok("list_groups", name_contains="FIN")

    assert answer["groups"] == [{"id": "north_pine", "name": "Finance"}]


async def test_a_list_cut_by_its_limit_goes_on_at_its_cursor(caller: Caller) -> None:
    """Two by two, nothing twice, nothing lost."""
    first = await caller.ok("list_groups", limit=2)
    second = await caller.ok("list_groups", limit=2, cursor=first["next_cursor"])

    assert first["complete"] is False
    assert second["complete"] is True
    ids = [group["id"] for group in first["groups"] + second["groups"]]
    assert sorted(ids) == ["amber_harbor", "dev_sands", "north_pine", "quiet_delta"]


async def test_names_of_groups_are_shown_without_what_does_not_show(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Anyone who may name a group could hide text in one; a group may also have no name."""
    items = [{"id": "g1", "name": "Fin\u200bance\u202e"}, {"id": "g2", "name": None}]
    body = {"code": "Success", "data": {"items": items}}
    sandbox.fail(Fault(path="/v1/groups", status=200, body=body))

    answer = await caller.ok("list_groups")

    assert answer["groups"] == [{"id": "g1", "name": "Finance"}, {"id": "g2"}]


async def test_no_match_is_an_empty_and_whole_list(caller: Caller) -> None:
    """Not an error."""
    assert await caller.ok("list_groups", name_contains="nowhere") == {
        "groups": [],
        "complete": True,
    }


async def test_a_cursor_of_another_filter_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """It would go on at a place that means nothing there."""
    first = await caller.ok("list_groups", limit=1)

    error = await caller.error("list_groups", name_contains="fin", cursor=first["next_cursor"])

    assert error["message"] == "cursor: it belongs to a call with other arguments"
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"limit": 0}, "limit: "),
        ({"limit": 501}, "limit: "),
        ({"limit": "5"}, "limit: "),
        ({"limit": True}, "limit: "),
        ({"limit": None}, "limit: "),
        ({"name_contains": ""}, "name_contains: "),
        ({"name_contains": "x" * 10_000}, "name_contains: "),
        ({"name_contains": None}, "name_contains: must not be null: leave it out instead"),
        ({"name_contains": 5}, "name_contains: "),
        ({"cursor": ""}, "cursor: "),
        ({"cursor": "garbage"}, "cursor: it is not one that this server gave"),
        ({"cursor": None}, "cursor: must not be null: leave it out instead"),
        ({"name": "x"}, "name: unknown"),
        ({"limits": 5}, "limits: unknown, did you mean limit?"),
    ],
)
async def test_a_wrong_argument_is_named_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, arguments: dict[str, Any], problem: str
) -> None:
    """Type, range, null, unknown, and cursors of nowhere."""
    error = await caller.error("list_groups", **arguments)

    assert error["code"] == "invalid_arguments"
    assert problem in error["message"]
    assert not sandbox.requests
