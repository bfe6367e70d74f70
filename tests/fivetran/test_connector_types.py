"""Connector types: read once a process, and generously."""

from typing import Any

import anyio
import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.connector_types import MOST_PAGES
from mcp_server.fivetran.errors import BadAnswerError, NotFoundError, UpstreamError
from mcp_server.fivetran.models import ConfigField
from mcp_server.sandbox import Fault, Sandbox
from tests.fivetran.conftest import Far

TYPES = "/v1/metadata/connector-types"


def listed(*ids: str, cursor: str | None = None) -> httpx.Response:
    """Answer with a page."""
    items = [{"id": each} for each in ids]
    return httpx.Response(200, json={"data": {"items": items, "next_cursor": cursor}})


def described(**more: Any) -> httpx.Response:
    """Answer with a type."""
    return httpx.Response(200, json={"data": {"id": "x", **more}})


async def test_all_types_are_read_once(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """In pages as large as may be, and in plain JSON."""
    types = await fivetran.connector_types.all()
    again = await fivetran.connector_types.all()

    assert len(types) == 770
    assert again is types
    (request,) = sandbox.requests
    assert (request.method, request.path, request.query) == ("GET", TYPES, "limit=1000")
    assert request.headers["accept"] == "application/json"


async def test_first_calls_at_the_same_time_read_once(scripted: Fivetran, far: Far) -> None:
    """The others wait for the one that reads."""
    ready = anyio.Event()

    async def slowly(_request: httpx.Request) -> httpx.Response:
        await ready.wait()
        return listed("a", "b")

    far.answers(slowly)
    found = []

    async def read() -> None:
        found.append([each.id for each in await scripted.connector_types.all()])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        ready.set()

    assert found == [["a", "b"]] * 3
    assert len(far.requests) == 1


async def test_pages_are_walked_and_a_type_counts_once(scripted: Fivetran, far: Far) -> None:
    """Pages are by offset, so a row may come again."""
    far.answers(listed("a", "b", cursor="next"), listed("b", "c"))

    types = await scripted.connector_types.all()

    assert [each.id for each in types] == ["a", "b", "c"]
    assert [request.url.params.get("cursor") for request in far.requests] == [None, "next"]


async def test_a_list_without_an_end_is_given_up(scripted: Fivetran, far: Far) -> None:
    """After more pages than there are."""
    far.answers(listed("a", cursor="same"))

    with pytest.raises(BadAnswerError, match="has no end within 20 pages"):
        await scripted.connector_types.all()
    assert len(far.requests) == MOST_PAGES


async def test_a_failure_is_not_remembered(scripted: Fivetran, far: Far) -> None:
    """Neither of the list nor of one type."""
    broken = httpx.Response(500, json={})
    far.answers(broken)
    with pytest.raises(UpstreamError):
        await scripted.connector_types.all()
    with pytest.raises(UpstreamError):
        await scripted.connector_types.get("x")

    far.answers(listed("a"))
    assert len(await scripted.connector_types.all()) == 1
    far.answers(described(name="X"))
    assert (await scripted.connector_types.get("x")).name == "X"


async def test_a_type_is_read_once(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """With its features, its configuration and its authorization."""
    google = await fivetran.connector_types.get("google_ads")
    again = await fivetran.connector_types.get("google_ads")

    assert again is google
    assert google.can("API_CONFIGURABLE")
    assert not google.can("HISTORY")
    client = google.auth.properties["client_access"].properties
    assert client["client_secret"].is_secret is False
    assert google.config.properties["schema"].immutable is True
    items = google.config.properties["reports"].items
    assert items is not None
    assert items.properties["table"].type == "string"
    (request,) = sandbox.requests
    assert request.path == f"{TYPES}/google_ads"


async def test_marked_secrets_and_required_fields_are_told(fivetran: Fivetran) -> None:
    """By the database's password and its list of required fields."""
    postgres = await fivetran.connector_types.get("postgres")

    assert postgres.config.properties["password"].is_secret
    assert postgres.config.required == ("host", "user", "password")
    assert postgres.auth == ConfigField()


async def test_an_unknown_type_is_an_error(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """And asked for again the next time."""
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await fivetran.connector_types.get("nope")
    assert len(sandbox.requests) == 2


async def test_a_list_that_is_none_is_an_error(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """A proxy may answer anything."""
    sandbox.fail(Fault(path=TYPES, status=200, body={"data": {"items": [{"name": "no id"}]}}))

    with pytest.raises(BadAnswerError, match=r"items\.0\.id"):
        await fivetran.connector_types.all()


async def test_fields_described_in_unusual_ways_do_not_spoil_the_others(
    scripted: Fivetran, far: Far
) -> None:
    """Nulls, a flag where a list is, several types: what is not understood is not known."""
    field = {
        "type": ["string", "null"],
        "required": True,
        "enum": "A",
        "items": [],
        "properties": None,
        "description": None,
        "default": False,
        "readonly": None,
    }
    far.answers(
        described(auth=None, config={"properties": {"odd": field, "plain": {"type": "string"}}})
    )

    config = (await scripted.connector_types.get("x")).config

    assert config.properties["odd"] == ConfigField(default=False)
    assert config.properties["plain"].type == "string"


async def test_a_field_that_is_no_object_is_not_what_the_api_documents(
    scripted: Fivetran, far: Far
) -> None:
    """And the error names the place."""
    far.answers(described(config={"properties": {"host": "string"}}))

    with pytest.raises(BadAnswerError, match=r"config\.properties\.host"):
        await scripted.connector_types.get("x")
