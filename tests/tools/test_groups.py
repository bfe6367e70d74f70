"""`list_groups`."""

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
