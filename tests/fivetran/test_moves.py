"""Moves, as the sandbox and a scripted far end have them."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import (
    BadAnswerError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
)
from mcp_server.fivetran.models import Move
from mcp_server.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far


async def start(fivetran: Fivetran, connection_id: str = "dusty_canyon") -> Move:
    """Move a connection to another group."""
    return await fivetran.moves.start(
        connection_id, group_id="north_pine", sync_behavior="BACKFILL", force=False
    )


async def test_a_move_is_started_and_followed(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """What is sent is all that the endpoint takes; both speak plain JSON."""
    move = await start(fivetran)
    assert move.job_id
    assert (move.source_group_id, move.destination_group_id) == ("quiet_delta", "north_pine")
    assert move.sync_behavior == "BACKFILL"
    assert move.moved_at is not None
    status = await fivetran.moves.status("dusty_canyon", move.job_id)
    assert (status.status, status.error_message) == ("PENDING", None)
    sent, asked = sandbox.requests
    assert (sent.method, sent.path) == ("POST", "/v1/connections/dusty_canyon/move")
    assert json.loads(sent.body) == {
        "destination_group_id": "north_pine",
        "sync_behavior": "BACKFILL",
        "force_move": False,
    }
    assert asked.path == f"/v1/connections/dusty_canyon/move/{move.job_id}"
    assert {request.headers["accept"] for request in (sent, asked)} == {"application/json"}


async def test_what_the_api_refuses_is_an_error(fivetran: Fivetran) -> None:
    """A connection that runs, one that is unknown, a job that is unknown."""
    with pytest.raises(ConflictError):
        await start(fivetran, "solid_anchor")
    with pytest.raises(NotFoundError):
        await start(fivetran, "nope")
    with pytest.raises(NotFoundError):
        await fivetran.moves.status("dusty_canyon", "nope")


@pytest.mark.parametrize("status", [200, 500, 504])
async def test_a_move_whose_answer_is_lost_is_not_sent_again(
    fivetran: Fivetran, sandbox: Sandbox, status: int
) -> None:
    """It may have begun."""
    sandbox.fail(Fault(method="POST", status=status, body="<html>", applied=True, times=9))
    with pytest.raises(OutcomeUnknownError):
        await start(fivetran)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("data", [{"job_id": 5}, {"moved_at": "soon"}])
async def test_a_move_whose_answer_cannot_be_read_may_have_begun(
    scripted: Fivetran, far: "Far", data: dict[str, Any]
) -> None:
    """A success is no failure for being unreadable."""
    far.answers(httpx.Response(200, json={"data": data}))
    with pytest.raises(OutcomeUnknownError):
        await start(scripted)


async def test_what_is_missing_of_an_answer_is_absent(scripted: Fivetran, far: "Far") -> None:
    """Not every move is a job."""
    far.answers(httpx.Response(200, json={"data": {"job_id": None}}))
    assert (await start(scripted)).job_id is None
    far.answers(httpx.Response(200, json={"data": {"status": "RESTING"}}))
    assert (await scripted.moves.status("c", "j")).status == "RESTING"
    far.answers(httpx.Response(200, json={"data": {"status": 5}}))
    with pytest.raises(BadAnswerError):
        await scripted.moves.status("c", "j")
