"""Connections, as the sandbox and a scripted far end have them."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mcp_server.fivetran import Fivetran, Transport
from mcp_server.fivetran.errors import (
    BadAnswerError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    UnauthorizedError,
    UnreachableError,
)
from mcp_server.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

CONFIG = {"schema_prefix": "pg_new", "host": "db.example", "user": "u", "password": "p"}
NEW: dict[str, Any] = {"group_id": "dev_sands", "service": "postgres", "config": CONFIG}
LOST = [
    pytest.param(httpx.ReadTimeout(""), id="no answer"),
    pytest.param(httpx.ReadError(""), id="broken connection"),
    pytest.param(httpx.Response(500), id="500"),
    pytest.param(httpx.Response(503), id="503"),
    pytest.param(httpx.Response(200, text="<html>"), id="no JSON"),
    pytest.param(httpx.Response(200, json={"data": {"id": None}}), id="no id"),
    pytest.param(httpx.Response(204), id="nothing"),
]


def connection(**fields: Any) -> httpx.Response:
    """Answer with a connection."""
    return httpx.Response(200, json={"code": "Success", "data": {"id": "c", **fields}})


def methods(sandbox: Sandbox) -> list[str]:
    """Tell what the sandbox was asked."""
    return [received.method for received in sandbox.requests]


# Reading


async def test_connections_are_listed_page_by_page(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """The largest page is asked for by default; the cursor leads on, until there is none."""
    whole = await fivetran.connections.page()
    assert len(whole.items) == len(sandbox.connections)
    assert whole.next_cursor is None
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await fivetran.connections.page(cursor=cursor, limit=15)
        seen += [each.id for each in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [each.id for each in whole.items]
    assert sandbox.requests[0].query == "limit=1000"
    assert sandbox.requests[1].query == "limit=15"
    assert sandbox.requests[2].query.startswith("cursor=")
    assert {received.path for received in sandbox.requests} == {"/v1/connections"}


async def test_a_list_can_be_narrowed(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """The API calls a connection's name its schema."""
    page = await fivetran.connections.page(group_id="amber_harbor", name="pg_shop", limit=3)
    assert [(each.id, each.name) for each in page.items] == [("brisk_lantern", "pg_shop")]
    assert sandbox.requests[0].query == "group_id=amber_harbor&schema=pg_shop&limit=3"
    assert (await fivetran.connections.page(group_id="nope")).items == ()


async def test_empty_filters_are_not_sent(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """They would match nothing."""
    await fivetran.connections.page(group_id="", name="", cursor="")
    assert sandbox.requests[0].query == "limit=1000"


async def test_a_connection_is_read(fivetran: Fivetran) -> None:
    """With its state, its tasks and its configuration."""
    broken = await fivetran.connections.get("brisk_lantern")
    assert (broken.id, broken.service, broken.name) == ("brisk_lantern", "postgres", "pg_shop")
    assert broken.status.setup_state == "broken"
    assert broken.status.tasks[0].code == "reconnect"
    assert broken.status.warnings[0].code == "resync_table_warning"
    assert broken.failed_at is not None
    assert broken.config is not None
    assert broken.config["password"] == "******"


async def test_every_connection_of_the_sandbox_can_be_read(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Whatever state it is in."""
    for connection_id in sandbox.connections:
        assert (await fivetran.connections.get(connection_id)).id == connection_id


async def test_an_unknown_connection_is_not_found(fivetran: Fivetran) -> None:
    """With the code and words of the API."""
    with pytest.raises(NotFoundError) as caught:
        await fivetran.connections.get("nope")
    assert caught.value.api_code == "NotFound_Connection"
    assert caught.value.api_message == "Connection with id 'nope' does not exist."


async def test_a_wrong_key_is_refused(sandbox: Sandbox) -> None:
    """Before anything else."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=sandbox.app),
        base_url="https://api.fivetran.com",
        auth=("wrong", "pair"),
    ) as http:
        with pytest.raises(UnauthorizedError):
            await Fivetran(Transport(http)).connections.page()


async def test_a_used_up_budget_is_told_with_its_wait(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """An hour is not waited for."""
    sandbox.limit_requests(1)
    await fivetran.connections.get("solid_anchor")
    with pytest.raises(RateLimitedError) as caught:
        await fivetran.connections.get("solid_anchor")
    assert caught.value.retry_after == 3600
    assert len(sandbox.requests) == 1


async def test_the_state_of_a_connector_of_ones_own_is_read(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """It is free JSON; other connections have none."""
    state = await fivetran.connections.state("sdk_weather")
    assert state == {"cursor": "2026-01-31T00:00:00Z", "stations": {"north": 128}}
    assert sandbox.requests[0].path == "/v1/connections/sdk_weather/state"
    for other in ("sdk_blank", "solid_anchor"):
        with pytest.raises(InvalidRequestError):
            await fivetran.connections.state(other)


@pytest.mark.parametrize("state", [None, {}, [1], "text", 0])
async def test_a_state_can_be_any_json(scripted: Fivetran, far: "Far", state: Any) -> None:
    """It is given back as it is."""
    far.answers(httpx.Response(200, json={"data": {"state": state}}))
    assert await scripted.connections.state("c") == state


async def test_the_state_of_a_paused_connection_is_replaced(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """As a whole; one that is not paused keeps its own."""
    with pytest.raises(InvalidRequestError):
        await fivetran.connections.write_state("sdk_weather", {"cursor": 1})
    await fivetran.connections.update("sdk_weather", paused=True, run_setup_tests=False)
    await fivetran.connections.write_state("sdk_weather", {"cursor": 1})
    sent = sandbox.requests[-1]
    assert (sent.method, sent.path) == ("PATCH", "/v1/connections/sdk_weather/state")
    assert json.loads(sent.body) == {"state": {"cursor": 1}}
    assert sent.headers["accept"] == "application/json;version=2"
    assert await fivetran.connections.state("sdk_weather") == {"cursor": 1}


async def test_a_state_whose_answer_is_lost_is_not_written_again(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Whether it was written is for the caller to see."""
    sandbox.fail(Fault(method="PATCH", status=504, times=9))
    with pytest.raises(OutcomeUnknownError):
        await fivetran.connections.write_state("sdk_weather", {})
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("data", [None, [], "x", {"items": {}}, {"items": [{"service": "s3"}]}])
async def test_a_list_of_another_shape_is_a_bad_answer(
    scripted: Fivetran, far: "Far", data: Any
) -> None:
    """It is not an empty list."""
    far.answers(httpx.Response(200, json={"code": "Success", "data": data}))
    with pytest.raises(BadAnswerError):
        await scripted.connections.page()


async def test_connections_are_asked_for_in_version_2(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """Every endpoint of theirs but the schemas has it."""
    made = await fivetran.connections.create(NEW)
    await fivetran.connections.page()
    await fivetran.connections.get(made.id)
    await fivetran.connections.update(made.id, paused=False)
    await fivetran.connections.sync(made.id, force=False)
    await fivetran.connections.resync("solid_anchor")
    await fivetran.connections.state("sdk_weather")
    await fivetran.connections.delete(made.id)
    accepted = [received.headers["accept"] for received in sandbox.requests]
    assert accepted == ["application/json;version=2"] * 8


# Creating


async def test_a_connection_is_created(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """Paused, with the results of its setup tests."""
    made = await fivetran.connections.create(NEW)
    assert made.name == "pg_new"
    assert made.paused is True
    assert {test.status for test in made.setup_tests} == {"PASSED"}
    assert sandbox.connections[made.id]["config"]["password"] == "p"
    assert json.loads(sandbox.requests[0].body) == NEW
    with pytest.raises(ConflictError):
        await fivetran.connections.create(NEW)


async def test_a_connect_card_comes_with_a_new_connection(fivetran: Fivetran) -> None:
    """Where one was asked for."""
    card = {"redirect_uri": "https://app.example"}
    made = await fivetran.connections.create(NEW | {"connect_card_config": card})
    assert made.connect_card is not None
    assert made.connect_card.uri is not None
    assert made.connect_card.uri.startswith("https://")


@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_creation_is_not_repeated(
    scripted: Fivetran, far: "Far", lost: httpx.Response | Exception
) -> None:
    """There could be two of it."""
    far.answers(lost)
    with pytest.raises(OutcomeUnknownError):
        await scripted.connections.create(NEW)
    assert [request.method for request in far.requests] == ["POST"]


# Updating


async def test_an_update_changes_what_it_names(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """And returns the connection as it is then, with no need for a second look."""
    after = await fivetran.connections.update(
        "solid_anchor", sync_frequency=60, run_setup_tests=False
    )
    assert after.sync_frequency == 60
    assert after.name == "pg_billing"
    assert json.loads(sandbox.requests[0].body) == {"sync_frequency": 60, "run_setup_tests": False}
    assert methods(sandbox) == ["PATCH"]


async def test_a_pause_that_is_answered_with_500_took_effect(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """As Fivetran's own documents say; a look settles it."""
    after = await fivetran.connections.update("stubborn_mule", paused=True, run_setup_tests=False)
    assert after.paused is True
    assert methods(sandbox) == ["PATCH", "GET"]
    assert sandbox.requests[1].path == "/v1/connections/stubborn_mule"


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(
    "fields",
    [
        {"paused": True},
        {"paused": False, "run_setup_tests": True},
        {"sync_frequency": 60},
        {"schedule_type": "manual"},
        {"sync_frequency": 1440, "daily_sync_time": "03:00"},
    ],
)
async def test_a_lost_update_that_took_effect_is_a_success(
    scripted: Fivetran, far: "Far", fields: dict[str, Any], lost: httpx.Response | Exception
) -> None:
    """A read shows every value as it was asked for."""
    wanted = {key: value for key, value in fields.items() if key != "run_setup_tests"}
    far.answers(lost, connection(**wanted))
    after = await scripted.connections.update("c", **fields)
    assert {key: getattr(after, key) for key in wanted} == wanted
    assert [request.method for request in far.requests] == ["PATCH", "GET"]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(
    "found",
    [
        connection(paused=False, sync_frequency=60),
        connection(paused=True, sync_frequency=360),
        connection(paused=True),
        connection(),
        connection(paused=None, sync_frequency=None),
    ],
)
async def test_a_lost_update_that_did_not_take_effect_is_not_a_success(
    scripted: Fivetran, far: "Far", lost: httpx.Response | Exception, found: httpx.Response
) -> None:
    """Half of it is not enough; it may yet take effect, so it is not called a failure."""
    far.answers(lost, found)
    with pytest.raises(OutcomeUnknownError):
        await scripted.connections.update("c", paused=True, sync_frequency=60)
    assert [request.method for request in far.requests] == ["PATCH", "GET"]


@pytest.mark.parametrize(
    "look",
    [
        httpx.ConnectError(""),
        httpx.ReadTimeout(""),
        *(httpx.Response(status) for status in (401, 403, 429, 500, 503, 302)),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"data": {}}),
    ],
)
@pytest.mark.parametrize(("change", "fields"), [("update", {"paused": True}), ("delete", {})])
async def test_a_look_that_fails_leaves_the_outcome_unknown(
    scripted: Fivetran, far: "Far", look: httpx.Response | Exception, change: str, fields: Any
) -> None:
    """The error is that of the change, not of the look: that one would say nothing was changed."""
    far.answers(httpx.Response(502, json={"code": "Mine"}), look)
    with pytest.raises(OutcomeUnknownError) as caught:
        await getattr(scripted.connections, change)("c", **fields)
    assert (caught.value.status, caught.value.api_code) == (502, "Mine")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "fields",
    [
        {"config": {"password": "p"}},
        {"paused": True, "config": {}},
        {"auth": {}},
        {"networking_method": "Directly"},
        {"is_historical_sync": True},
    ],
)
async def test_a_lost_update_that_cannot_be_verified_is_not_looked_after(
    scripted: Fivetran, far: "Far", fields: dict[str, Any]
) -> None:
    """Secrets are masked in answers, and some changes leave no trace."""
    far.answers(httpx.ReadError(""), connection(**fields))
    with pytest.raises(OutcomeUnknownError):
        await scripted.connections.update("c", **fields)
    assert [request.method for request in far.requests] == ["PATCH"]


@pytest.mark.parametrize("applied", [True, False])
async def test_the_sandbox_agrees_on_lost_updates(
    fivetran: Fivetran, sandbox: Sandbox, *, applied: bool
) -> None:
    """The same, with a state behind it."""
    sandbox.fail(Fault(method="PATCH", status=504, applied=applied))
    update = fivetran.connections.update("solid_anchor", paused=True, run_setup_tests=False)
    if applied:
        assert (await update).paused is True
    else:
        with pytest.raises(OutcomeUnknownError):
            await update
    assert sandbox.connections["solid_anchor"]["paused"] is applied
    assert methods(sandbox) == ["PATCH", "GET"]


async def test_a_refused_update_is_not_looked_after(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """A refusal is certain."""
    with pytest.raises(InvalidRequestError) as caught:
        await fivetran.connections.update("solid_anchor", sync_frequency=7)
    assert caught.value.api_code == "InvalidInput"
    assert methods(sandbox) == ["PATCH"]


async def test_an_update_without_a_connection_is_not_looked_after(
    scripted: Fivetran, far: "Far"
) -> None:
    """Nothing was sent, three times."""
    far.answers(httpx.ConnectError(""))
    with pytest.raises(UnreachableError):
        await scripted.connections.update("c", paused=True)
    assert [request.method for request in far.requests] == ["PATCH"] * 3


# Deleting


async def test_a_connection_is_deleted(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """For good; a second time there is nothing to delete."""
    await fivetran.connections.delete("solid_anchor")
    assert "solid_anchor" not in sandbox.connections
    assert methods(sandbox) == ["DELETE"]
    with pytest.raises(NotFoundError):
        await fivetran.connections.delete("solid_anchor")
    assert methods(sandbox) == ["DELETE", "DELETE"]


@pytest.mark.parametrize("status", [200, 500, 502, 504])
@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_deletion_is_settled_by_a_look(
    fivetran: Fivetran, sandbox: Sandbox, status: int, *, applied: bool
) -> None:
    """What cannot be found any more was deleted."""
    sandbox.fail(Fault(method="DELETE", status=status, body="<html>", applied=applied))
    if applied:
        await fivetran.connections.delete("solid_anchor")
    else:
        with pytest.raises(OutcomeUnknownError):
            await fivetran.connections.delete("solid_anchor")
    assert ("solid_anchor" in sandbox.connections) is not applied
    assert methods(sandbox) == ["DELETE", "GET"]


# Syncing


@pytest.mark.parametrize("force", [True, False])
async def test_a_sync_is_started(fivetran: Fivetran, sandbox: Sandbox, *, force: bool) -> None:
    """Whether a running one is stopped for it is always said."""
    await fivetran.connections.sync("solid_anchor", force=force)
    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", "/v1/connections/solid_anchor/sync")
    assert json.loads(received.body) == {"force": force}
    assert sandbox.connections["solid_anchor"]["status"]["sync_state"] == "syncing"


@pytest.mark.parametrize(
    ("tables", "body"),
    [
        (None, {}),
        ({"public": ("orders", "refunds")}, {"scope": {"public": ["orders", "refunds"]}}),
    ],
)
async def test_a_resync_is_started(
    fivetran: Fivetran,
    sandbox: Sandbox,
    tables: dict[str, tuple[str, ...]] | None,
    body: dict[str, Any],
) -> None:
    """Of the tables named, or of everything."""
    await fivetran.connections.resync("solid_anchor", tables)
    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", "/v1/connections/solid_anchor/resync")
    assert json.loads(received.body) == body
    status = sandbox.connections["solid_anchor"]["status"]
    assert status["sync_state"] == "syncing"
    assert status["is_historical_sync"] is (tables is None)


async def test_a_resync_of_nothing_is_not_one_of_everything(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """An empty map is sent as such, and refused."""
    with pytest.raises(InvalidRequestError):
        await fivetran.connections.resync("solid_anchor", {})
    assert json.loads(sandbox.requests[0].body) == {"scope": {}}


@pytest.mark.parametrize("status", [200, 500, 503])
async def test_a_lost_sync_is_neither_repeated_nor_looked_after(
    fivetran: Fivetran, sandbox: Sandbox, status: int
) -> None:
    """A second one would cost again."""
    for call in (
        fivetran.connections.sync("solid_anchor", force=True),
        fivetran.connections.resync("wide_river"),
    ):
        sandbox.fail(Fault(method="POST", status=status, body="<html>", applied=True))
        with pytest.raises(OutcomeUnknownError):
            await call
    assert methods(sandbox) == ["POST", "POST"]
