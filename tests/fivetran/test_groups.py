"""Groups, as the sandbox has them."""

import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import InvalidRequestError, NotFoundError
from mcp_server.sandbox import Sandbox


async def test_groups_are_listed_page_by_page(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """The cursor leads to the next page, and there is none on the last."""
    whole = await fivetran.groups.page()
    assert len(whole.items) > 2
    assert whole.next_cursor is None
    first = await fivetran.groups.page(limit=2)
    assert first.items == whole.items[:2]
    assert first.next_cursor
    rest = await fivetran.groups.page(cursor=first.next_cursor, limit=2)
    assert rest.items == whole.items[2:4]
    assert [received.query for received in sandbox.requests] == [
        "limit=1000",
        "limit=2",
        f"limit=2&cursor={first.next_cursor}",
    ]
    assert {received.path for received in sandbox.requests} == {"/v1/groups"}


async def test_a_group_is_read(fivetran: Fivetran) -> None:
    """By its id."""
    group = await fivetran.groups.get("amber_harbor")
    assert group.id == "amber_harbor"
    assert group.name
    assert group.created_at is not None


async def test_groups_are_asked_for_in_plain_json(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """These endpoints have no version 2."""
    await fivetran.groups.page()
    await fivetran.groups.get("amber_harbor")
    assert [received.headers["accept"] for received in sandbox.requests] == ["application/json"] * 2
    assert [received.method for received in sandbox.requests] == ["GET", "GET"]


async def test_what_the_api_refuses_is_an_error(fivetran: Fivetran) -> None:
    """An unknown group, a made-up cursor."""
    with pytest.raises(NotFoundError) as missing:
        await fivetran.groups.get("nope")
    assert missing.value.api_code == "NotFound_Group"
    with pytest.raises(InvalidRequestError) as invalid:
        await fivetran.groups.page(cursor="made up")
    assert invalid.value.api_message == "Cursor is invalid"
