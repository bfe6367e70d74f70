"""Lists over several upstream pages: never cut silently, nothing twice, bounded."""

import base64
import json
from typing import Any

import pytest

from mcp_server.fivetran.models import Group, Page
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.toolkit import ToolFailure
from mcp_server.tools import paging
from mcp_server.tools.paging import Cursor, fitting, part, room_for, size_of, walk
from tests.support import Caller, Clock


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, clock: Clock) -> Sandbox:
    """Build the usual account, or one of as many connections as the test asks for."""
    return Sandbox(connections=getattr(request, "param", None), now=clock.now)


three_pages = pytest.mark.parametrize("sandbox", [2500], indirect=True)


def page_of(*rows: str, next_cursor: str | None = None) -> Fault:
    """Let the API answer a list with a page of connections of these ids."""
    items = [{"id": row, "schema": f"name_{row}", "service": "postgres"} for row in rows]
    data = {"items": items, "next_cursor": next_cursor}
    body = {"code": "Success", "data": data}
    return Fault(method="GET", path="/v1/connections", status=200, body=body)


def ids(answer: dict[str, Any]) -> list[str]:
    """Name the connectors of a list."""
    return [row["id"] for row in answer["connectors"]]


def reads(sandbox: Sandbox) -> int:
    """Count the pages read so far."""
    return len(sandbox.requests)


@three_pages
async def test_all_connectors_are_reached_part_by_part(caller: Caller, sandbox: Sandbox) -> None:
    """2,500 in parts of 500: each once, in the order of the API, and the last part says so."""
    seen: list[str] = []
    complete: list[bool] = []
    arguments: dict[str, Any] = {"limit": 500}
    for _ in range(5):
        answer = await caller.ok("list_connectors", **arguments)
        seen += ids(answer)
        complete.append(answer["complete"])
        arguments["cursor"] = answer.get("next_cursor")

    assert complete == [False, False, False, False, True]
    assert arguments["cursor"] is None
    assert seen == list(sandbox.connections)


@three_pages
async def test_a_part_ends_at_its_limit_and_reads_no_more_pages_than_it_needs(
    caller: Caller, sandbox: Sandbox
) -> None:
    """One page of a thousand is enough for fifty rows."""
    answer = await caller.ok("list_connectors")

    assert len(ids(answer)) == 50
    assert answer["complete"] is False
    assert reads(sandbox) == 1
    assert "limit=1000" in sandbox.requests[-1].query


@three_pages
async def test_matches_are_collected_over_upstream_pages(caller: Caller, sandbox: Sandbox) -> None:
    """A filter of ours looks through all pages, and the list is known to be whole."""
    wanted = [i for i, c in sandbox.connections.items() if c["schema"] == "jira_2393"]

    answer = await caller.ok("list_connectors", name_contains="JIRA_2393")

    assert ids(answer) == wanted
    assert len(wanted) == 1
    assert answer["complete"] is True
    assert reads(sandbox) == 3


@three_pages
async def test_a_filtered_list_goes_on_in_the_midst_of_an_upstream_page(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Neither lost nor twice, wherever the parts meet."""
    wanted = [i for i, c in sandbox.connections.items() if c["service"] == "s3"]
    seen: list[str] = []
    arguments: dict[str, Any] = {"service": "s3", "limit": 40}
    complete = False
    while not complete:
        answer = await caller.ok("list_connectors", **arguments)
        seen += ids(answer)
        complete = answer["complete"]
        arguments["cursor"] = answer.get("next_cursor")

    assert len(wanted) > 100
    assert seen == wanted


async def test_a_limit_that_is_just_met_leaves_nothing_behind(
    caller: Caller, sandbox: Sandbox
) -> None:
    """`complete` is found out, not guessed from the count."""
    sandbox.fail(page_of("a", "b"))

    answer = await caller.ok("list_connectors", limit=2)

    assert answer["complete"] is True
    assert "next_cursor" not in answer


@three_pages
async def test_a_walk_ends_after_the_most_pages_with_a_cursor_behind_them(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few matched: the answer says that there is more, and where."""
    monkeypatch.setattr(paging, "MOST_PAGES", 2)

    first = await caller.ok("list_connectors", name_contains="jira_2393")
    assert first["connectors"] == []
    assert first["complete"] is False
    assert reads(sandbox) == 2

    second = await caller.ok(
        "list_connectors", name_contains="jira_2393", cursor=first["next_cursor"]
    )
    assert len(second["connectors"]) == 1
    assert second["complete"] is True
    assert reads(sandbox) == 3


@three_pages
async def test_a_walk_whose_last_page_is_also_its_most_is_complete(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is no end of its own."""
    monkeypatch.setattr(paging, "MOST_PAGES", 3)

    answer = await caller.ok("list_connectors", name_contains="no such name")

    assert answer == {"connectors": [], "complete": True}


async def test_a_row_that_comes_again_counts_once(caller: Caller, sandbox: Sandbox) -> None:
    """The API pages by offset: a new connector shifts the rest by one."""
    for page in (
        page_of("a", "b", next_cursor="p2"),
        page_of("b", "c", next_cursor="p3"),
        page_of("c", "d"),
    ):
        sandbox.fail(page)

    answer = await caller.ok("list_connectors")

    assert ids(answer) == ["a", "b", "c", "d"]
    assert answer["complete"] is True


async def test_a_row_that_comes_again_does_not_end_a_part(caller: Caller, sandbox: Sandbox) -> None:
    """The cursor stands at the first row that is really left."""
    sandbox.fail(page_of("a", "b", next_cursor="p2"))
    sandbox.fail(page_of("b", "c"))

    answer = await caller.ok("list_connectors", limit=2)
    assert ids(answer) == ["a", "b"]
    assert answer["complete"] is False

    sandbox.fail(page_of("b", "c"))
    rest = await caller.ok("list_connectors", limit=2, cursor=answer["next_cursor"])
    assert ids(rest) == ["c"]
    assert rest["complete"] is True
    assert "cursor=p2" in sandbox.requests[-1].query


async def test_a_set_that_shrank_below_a_cursor_ends_the_list(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What was to be skipped is no longer there."""
    sandbox.fail(page_of("a", "b", "c"))
    answer = await caller.ok("list_connectors", limit=2)
    sandbox.fail(page_of("a"))

    rest = await caller.ok("list_connectors", limit=2, cursor=answer["next_cursor"])

    assert rest == {"connectors": [], "complete": True}


@pytest.mark.parametrize("cursors", [("p1", "p1"), ("p1", "p2", "p1")])
async def test_an_upstream_cursor_that_comes_again_is_an_error(
    caller: Caller, sandbox: Sandbox, cursors: tuple[str, ...]
) -> None:
    """Neither an endless walk nor a list that only looks whole."""
    for cursor in cursors:
        sandbox.fail(page_of("a", next_cursor=cursor))

    error = await caller.error("list_connectors")

    assert error["code"] == "upstream_error"
    assert reads(sandbox) == len(cursors)


async def test_a_page_that_fails_fails_the_list(caller: Caller, sandbox: Sandbox) -> None:
    """Half a list is never passed off as one."""
    sandbox.fail(page_of("a", next_cursor="p2"))
    sandbox.fail(Fault(method="GET", path="/v1/connections", status=403))

    error = await caller.error("list_connectors")

    assert error["code"] == "forbidden"


def forged(*content: Any) -> str:
    """Write a cursor as this server does, of any content."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "garbage",
        "x",
        "====",
        "é",
        "\x00\x1b",
        base64.urlsafe_b64encode(b"\x80\xff\x00").decode(),
        base64.urlsafe_b64encode(b"[" * 1400).decode(),
        base64.urlsafe_b64encode(b"null").decode(),
        base64.urlsafe_b64encode(b'"abc"').decode(),
        base64.urlsafe_b64encode(b'{"a":1,"b":2,"c":3}').decode(),
        forged(),
        forged("", 0),
        forged(None, 0, "digest"),
        forged("", -1, "digest"),
        forged(*["", True, "digest"]),
        forged("", 1.5, "digest"),
        forged("", "0", "digest"),
        forged("", 10**30, "digest"),
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(
    caller: Caller, sandbox: Sandbox, cursor: str
) -> None:
    """Whatever it is: nothing is sent, and the way out is told."""
    error = await caller.error("list_connectors", cursor=cursor)

    assert error["code"] == "invalid_arguments"
    assert error["message"].startswith("cursor: ")
    assert "next_cursor" in error["hint"]
    assert reads(sandbox) == 0


@pytest.mark.parametrize("cursor", ["", "x" * 2001, "x" * 1_000_000, 5, ["x"], None])
async def test_a_cursor_of_another_type_or_size_is_refused(
    caller: Caller, sandbox: Sandbox, cursor: Any
) -> None:
    """Before anything is made of it."""
    error = await caller.error("list_connectors", cursor=cursor)

    assert error["code"] == "invalid_arguments"
    assert "cursor: " in error["message"]
    assert len(json.dumps(error)) < 1000
    assert reads(sandbox) == 0


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"service": "stripe"},
        {"service": "s3", "group_id": "amber_harbor"},
        {"service": "s3", "state": "healthy"},
        {"service": "s3", "sync_state": "scheduled"},
        {"service": "s3", "schema": "s3_1"},
        {"service": "s3", "name_contains": "s"},
    ],
)
async def test_a_cursor_of_other_filters_is_refused(
    caller: Caller, sandbox: Sandbox, other: dict[str, Any]
) -> None:
    """It would go on at a place that means nothing there."""
    cursor = (await caller.ok("list_connectors", service="s3", limit=1))["next_cursor"]
    before = reads(sandbox)

    error = await caller.error("list_connectors", **other, cursor=cursor)

    assert error["code"] == "invalid_arguments"
    assert error["message"] == "cursor: it belongs to a call with other arguments"
    assert reads(sandbox) == before


async def test_a_cursor_of_another_list_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """Groups are not connectors."""
    cursor = (await caller.ok("list_connectors", limit=1))["next_cursor"]
    before = reads(sandbox)

    error = await caller.error("list_groups", cursor=cursor)

    assert error["message"] == "cursor: it belongs to a call with other arguments"
    assert reads(sandbox) == before


async def test_a_cursor_serves_another_limit(caller: Caller) -> None:
    """A limit is no filter: a smaller part is a part as well."""
    first = await caller.ok("list_connectors", limit=3)
    more = await caller.ok("list_connectors", limit=2, cursor=first["next_cursor"])

    assert len(ids(more)) == 2
    assert not set(ids(first)) & set(ids(more))


async def test_a_walk_asks_for_the_first_page_without_a_cursor() -> None:
    """An empty cursor is not what the API calls the beginning."""
    asked: list[str | None] = []

    async def fetch(cursor: str | None) -> Page[Group]:
        asked.append(cursor)
        return Page[Group](items=(Group(id="a"),), next_cursor=None if cursor else "p2")

    found = await walk(fetch, filters={}, cursor=None, limit=5, keep=lambda _: True)

    assert asked == [None, "p2"]
    assert [group.id for group in found.rows] == ["a"]


def test_what_is_at_hand_is_given_in_parts() -> None:
    """The same cursors, without pages behind them."""
    first = part(range(5), start=Cursor(), filters={"a": 1}, limit=3)
    going_on = Cursor.decode(first.next_cursor, {"a": 1})
    second = part(range(5), start=going_on, filters={"a": 1}, limit=3)

    assert list(first.rows) == [0, 1, 2]
    assert list(second.rows) == [3, 4]
    assert second.next_cursor is None
    assert part(range(3), start=Cursor(), filters={}, limit=3).next_cursor is None
    with pytest.raises(ToolFailure, match="other arguments"):
        Cursor.decode(first.next_cursor, {"a": 2})


def test_a_part_ends_where_its_room_does_and_goes_on_there() -> None:
    """By whole rows; the first is given whatever its size, so that every part leads on."""
    rows = ["aaaa", "b" * 1000, "cccc", "dddd", "eeee"]
    parts: list[list[str]] = []
    start, cursor = Cursor("kept"), None
    while not parts or cursor:
        found = part(rows, start=start, filters={}, limit=3, room=14)
        parts.append(list(found.rows))
        cursor = found.next_cursor
        start = Cursor.decode(cursor, {})
        assert start.upstream == ("kept" if cursor else "")

    assert parts == [["aaaa"], ["b" * 1000], ["cccc", "dddd"], ["eeee"]]
    assert part([], start=Cursor(), filters={}, limit=3, room=0).next_cursor is None


def test_the_size_of_a_row_is_that_of_its_json_in_bytes() -> None:
    """Of what is sent: None is not."""
    identified = Group.model_validate({"id": "日", "name": None})

    assert size_of(identified) == len('{"id":"日"},'.encode())
    assert fitting([identified] * 9, 4 * size_of(identified)) == 4
    assert fitting([], 100) == 0


@pytest.mark.parametrize(
    ("limit", "tokens"), [(1, 3_000), (100, 3_000), (101, 6_000), (500, 6_000)]
)
def test_more_room_is_given_where_more_rows_are_asked_for(limit: int, tokens: int) -> None:
    """With something left for what stands around the rows."""
    assert tokens * 4 - 500 <= room_for(limit) < tokens * 4


@pytest.mark.parametrize(
    "cursor", [Cursor(), Cursor("eyJza2lwIjoxMDB9", 7), Cursor("é\u2028+/=", 0)]
)
def test_a_cursor_reads_what_it_wrote(cursor: Cursor) -> None:
    """As text that goes anywhere."""
    text = cursor.encode({"x": [None, "é"]})

    assert text.isascii()
    assert "=" not in text
    assert Cursor.decode(text, {"x": [None, "é"]}) == cursor
