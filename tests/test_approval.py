"""A person decides: who is asked, what about, and what each answer leads to."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from mcp_server import approval
from mcp_server.approval import (
    Answer,
    Approvals,
    Approved,
    Tokens,
    answer_of,
    question_of,
)
from mcp_server.journal import Journal, JournalError
from mcp_server.sandbox import Sandbox
from mcp_server.toolkit import Preview, Target
from tests.support import Caller, Clock, serve, text_of

DELETE = {"connector_id": "solid_anchor", "confirm": True}
Reply = Any


def saying(action: Any, content: Any = None) -> Reply:
    """Answer every question so."""

    async def reply(context: Any, params: Any) -> ElicitResult:
        assert context
        assert params
        return ElicitResult(action=action, content=content)

    return reply


YES = saying("accept", {"approve": True})
ANSWERS: dict[str, tuple[Reply | None, str]] = {
    "yes": (YES, "done"),
    "no": (saying("accept", {"approve": False}), "declined"),
    "declined": (saying("decline"), "declined"),
    "cancelled": (saying("cancel"), "without an answer"),
    "nothing said": (saying("accept", {}), "cannot be read"),
    "a word for it": (saying("accept", {"approve": "true"}), "cannot be read"),
    "a number": (saying("accept", {"approve": 1}), "cannot be read"),
    "something else said": (saying("accept", {"approve": "certainly"}), "cannot be read"),
    "no content": (saying("accept"), "cannot be read"),
    "cannot be asked": (None, "cannot ask one"),
}


@asynccontextmanager
async def connected(
    sandbox: Sandbox, era: str, reply: Reply | None, setting: str
) -> AsyncIterator[Caller]:
    """Connect a client that answers so, or cannot be asked."""
    server = serve(sandbox, approval=setting)
    async with Client(server, mode=era, elicitation_callback=reply) as client:
        yield Caller(client)


@pytest.mark.parametrize("setting", list(Approvals))
@pytest.mark.parametrize("name", ANSWERS)
async def test_only_a_clear_yes_or_no_need_of_one_lets_a_call_pass(
    name: str, setting: str, era: str, sandbox: Sandbox
) -> None:
    """Every setting, every answer, both protocol revisions."""
    reply, ending = ANSWERS[name]
    asks = setting != "argument"
    passes = name == "yes" or not asks or (reply is None and setting in {"auto", "preview"})
    async with connected(sandbox, era, reply, setting) as caller:
        call = dict(DELETE)
        if setting == "preview":
            error = await caller.error("delete_connector", **call)
            assert error["code"] == "confirmation_required"
            call = error["next_call"]["arguments"]
        if passes:
            assert (await caller.ok("delete_connector", **call))["deleted"] is True
        else:
            error = await caller.error("delete_connector", **call)
            assert error["code"] == "not_approved"
            assert ending in error["message"]

    assert sent_of(sandbox) == ([("DELETE", "/v1/connections/solid_anchor")] if passes else [])


def sent_of(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Tell what was sent besides reads."""
    return [(r.method, r.path) for r in sandbox.requests if r.method != "GET"]


async def test_the_question_shows_the_preview_and_is_asked_once(era: str, sandbox: Sandbox) -> None:
    """Target by name and id, effect, what is lost, whether it can be undone."""
    asked: list[str] = []

    async def reply(context: Any, params: Any) -> ElicitResult:
        assert context
        asked.append(params.message)
        assert params.requested_schema["properties"].keys() == {"approve"}
        return ElicitResult(action="accept", content={"approve": True})

    async with connected(sandbox, era, reply, "auto") as caller:
        await caller.ok("delete_connector", **DELETE)

    (question,) = asked
    for words in ('"solid_anchor"', '"pg_billing"', '"postgres"', "Effect: ", "Lost: ", "Undo: "):
        assert words in question
    assert question.startswith("Delete connector?")


async def test_nobody_is_asked_about_what_is_not_confirmed_or_not_destructive(
    era: str, sandbox: Sandbox
) -> None:
    """A preview is free, and so is what can be undone."""

    async def reply(*_: Any) -> Any:
        raise AssertionError("nobody should be asked")

    async with connected(sandbox, era, reply, "human") as caller:
        error = await caller.error("delete_connector", connector_id="solid_anchor")
        assert error["code"] == "confirmation_required"
        await caller.ok("reload_schema_config", connector_id="solid_anchor")
        await caller.ok("pause_connector", connector_id="solid_anchor")


async def test_what_changed_while_the_person_thought_is_shown_anew(
    era: str, sandbox: Sandbox
) -> None:
    """The approval was of something else: nothing is done, or the new state is asked about."""
    asked: list[str] = []

    async def reply(context: Any, params: Any) -> ElicitResult:
        assert context
        asked.append(params.message)
        sandbox.connections["solid_anchor"]["schema"] = "renamed"
        return ElicitResult(action="accept", content={"approve": True})

    async with connected(sandbox, era, reply, "auto") as caller:
        if era == "legacy":
            error = await caller.error("delete_connector", **DELETE)
            assert error["code"] == "confirmation_required"
            assert error["preview"]["target"]["name"] == "renamed"
            assert sent_of(sandbox) == []
        assert (await caller.ok("delete_connector", **DELETE))["deleted"] is True

    first, second = asked
    assert '"pg_billing"' in first
    assert '"renamed"' in second


async def test_an_approval_is_good_once(sandbox: Sandbox, clock: Clock) -> None:
    """The same state and answer, sent again by the client."""
    async with Client(serve(sandbox), elicitation_callback=YES) as client:
        call: Any = client.session.call_tool
        arguments = {"connector_id": "solid_anchor", "scope": "connector", "confirm": True}
        first = await call("resync_connector", arguments, allow_input_required=True)
        assert first.result_type == "input_required"
        (key,) = first.input_requests
        again = {
            "input_responses": {key: ElicitResult(action="accept", content={"approve": True})},
            "request_state": first.request_state,
        }
        done = await call("resync_connector", arguments, **again)
        assert not done.is_error
        clock.wait(60)  # everything is again as it was when the question was asked
        replayed = await call("resync_connector", arguments, **again)
        other = {**arguments, "connector_id": "brisk_lantern"}
        with pytest.raises(MCPError):
            await call("resync_connector", other, **again)

    assert replayed.is_error
    assert "this approval was used before" in text_of(replayed)
    assert len(sent_of(sandbox)) == 1


async def test_a_person_who_does_not_answer_approves_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question ends, and the call with it."""
    monkeypatch.setattr(approval, "PATIENCE", 0.05)

    async def reply(*_: Any) -> Any:
        await anyio.sleep(5)
        raise AssertionError("too late")

    async with connected(sandbox, "legacy", reply, "auto") as caller:
        error = await caller.error("delete_connector", **DELETE)

    assert error["code"] == "not_approved"
    assert "in time" in error["message"]
    assert sent_of(sandbox) == []


# --- the token of a preview ---


async def test_with_preview_a_confirmation_needs_the_token_it_gave(
    era: str, sandbox: Sandbox, clock: Clock
) -> None:
    """For these arguments, on this state, for ten minutes; else there is a new preview."""
    async with connected(sandbox, era, None, "preview") as caller:
        tools = (await caller.client.list_tools()).tools
        described = next(t for t in tools if t.name == "delete_connector").input_schema
        assert "preview_token" in described["properties"]
        first = await caller.error("delete_connector", **DELETE)
        call = first["next_call"]["arguments"]

        for wrong in (
            {**call, "connector_id": "brisk_lantern"},
            {**call, "preview_token": "zz.zz"},
            {**call, "preview_token": call["preview_token"][:-1] + "x"},
            {**call, "preview_token": ""},
            {**call, "confirm": False},
        ):
            error = await caller.error("delete_connector", **wrong)
            assert error["code"] == "confirmation_required"
        sandbox.connections["solid_anchor"]["paused"] = True
        changed = await caller.error("delete_connector", **call)
        assert changed["preview"]["target"]["paused"] is True
        call = changed["next_call"]["arguments"]
        clock.wait(601)
        late = await caller.error("delete_connector", **call)
        assert sent_of(sandbox) == []
        assert (await caller.ok("delete_connector", **late["next_call"]["arguments"]))["deleted"]


async def test_without_it_there_is_no_such_argument(sandbox: Sandbox) -> None:
    """It costs nothing where it is not used."""
    async with connected(sandbox, "auto", None, "auto") as caller:
        error = await caller.error("delete_connector", **DELETE, preview_token="x")

    assert "preview_token: unknown" in error["message"]


# --- several processes ---

AGAIN = {
    "a resync that has ended": ("resync_connector", {**DELETE, "scope": "connector"}),
    "a resync of what is paused": (
        "resync_connector",
        {**DELETE, "connector_id": "dusty_canyon", "scope": "connector"},
    ),
    "columns of the same names": (
        "drop_columns",
        {**DELETE, "columns": {"public": {"customers": ["email"]}}},
    ),
}
"""What leaves its target as it was, so that the same approval would fit it again."""


@pytest.fixture
async def both(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Client, Client]]:
    """Connect to two servers with one key and one audit file, as somebody who always agrees."""
    monkeypatch.setenv("FIVETRAN_MCP_STATE_KEY", "k" * 32)
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    hidden = {"public": {"tables": {"customers": {"columns": {"email": {"enabled": False}}}}}}
    async with (
        Client(serve(sandbox), elicitation_callback=YES) as one,
        Client(serve(sandbox), elicitation_callback=YES) as other,
    ):
        await Caller(one).ok(
            "update_schema_config", connector_id="solid_anchor", schemas=hidden, confirm=True
        )
        sandbox.requests.clear()
        yield one, other


async def asked(client: Client, tool: str, arguments: Any) -> Any:
    """Have a question asked; what the client brings when the person agrees."""
    call: Any = client.session.call_tool
    first = await call(tool, arguments, allow_input_required=True)
    (key,) = first.input_requests
    answer = ElicitResult(action="accept", content={"approve": True})
    return {"input_responses": {key: answer}, "request_state": first.request_state}


@pytest.mark.parametrize("what", AGAIN)
async def test_an_approval_is_good_once_among_those_who_share_the_audit_file(
    what: str, both: tuple[Client, Client], sandbox: Sandbox, clock: Clock
) -> None:
    """Another one refuses it, and asks anew when called anew."""
    one, other = both
    tool, arguments = AGAIN[what]
    again = await asked(one, tool, arguments)
    call: Any = other.session.call_tool

    assert not (await one.session.call_tool(tool, arguments, **again)).is_error
    clock.wait(60)
    replayed = await call(tool, arguments, **again)

    assert replayed.is_error
    assert "this approval was used before" in text_of(replayed)
    assert len(sent_of(sandbox)) == 1
    await Caller(other).ok(tool, **arguments)
    assert len(sent_of(sandbox)) == 2


async def test_an_approval_that_cannot_be_recorded_lets_nothing_pass(
    both: tuple[Client, Client], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be one that was used."""

    def unreadable(*_: Any) -> Any:
        raise JournalError("gone")

    monkeypatch.setattr(Journal, "_approvals", unreadable)
    error = await Caller(both[0]).error("delete_connector", **DELETE)

    assert error["code"] == "not_recorded"
    assert sent_of(sandbox) == []


# --- its parts ---


def test_a_name_cannot_rewrite_the_question() -> None:
    """No line of its own, no quote that ends early, nothing that does not show."""
    name = 'x"\nApprove: it is only a test\u202e\x1b[2K\u200b'
    preview = Preview(
        target=Target(connector_id="c", name=name, group_name="g\nLost: nothing", state="healthy"),
        effect="It\nwould go.",
        lost="All\u202e",
        undo="No.",
    )
    question = question_of("Delete connector", preview)

    lines = question.split("\n")
    assert [line.split(":")[0].split(" ")[0] for line in lines] == [
        *("Delete", "Connector", "Effect", "Lost", "Undo", "Approve"),
    ]
    assert '\\"' in lines[1]
    assert question.isprintable() is False  # the line breaks, which are ours
    assert "".join(lines).isprintable()
    assert question_of("X", preview.model_copy(update={"target": None})).count("\n") == 4


def test_only_an_accepted_true_is_a_yes() -> None:
    """Whatever else comes is none."""
    for outcome in (None, {"approve": True}, True, "yes"):
        assert answer_of(outcome) is Answer.DECLINED


async def test_two_who_bring_the_same_answer_at_once_are_let_in_once(sandbox: Sandbox) -> None:
    """The second is told so."""
    arguments = {"connector_id": "solid_anchor", "scope": "connector", "confirm": True}
    async with Client(serve(sandbox), elicitation_callback=YES) as client:
        call: Any = client.session.call_tool
        first = await call("resync_connector", arguments, allow_input_required=True)
        (key,) = first.input_requests
        answer = {key: ElicitResult(action="accept", content={"approve": True})}
        results: list[Any] = []

        async def bring() -> None:
            results.append(
                await call(
                    "resync_connector",
                    arguments,
                    input_responses=answer,
                    request_state=first.request_state,
                    allow_input_required=True,
                )
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bring)
            tasks.start_soon(bring)

    assert len(sent_of(sandbox)) == 1
    assert len(results) == 2


def test_approvals_are_remembered_as_long_as_they_are_valid_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each by itself; the oldest make room."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    approved = Approved()
    assert approved.use("a", now)
    assert not approved.use("a", now + timedelta(minutes=9.9))
    assert approved.use("a", now + timedelta(minutes=10))
    monkeypatch.setattr(approval, "MOST_KEPT", 2)
    assert all(approved.use(each, now) for each in ("b", "c", "d"))
    assert not approved.use("d", now)
    assert approved.use("b", now)


def test_a_token_does_not_show_its_key() -> None:
    """Nor does another key accept it."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    preview = Preview(effect="e", lost="l", undo="u")
    tokens = Tokens(b"k" * 32)
    token = tokens.give("t", {"a": 1}, preview, now)

    assert tokens.check(token, "t", {"a": 1}, preview, now)
    assert not Tokens().check(token, "t", {"a": 1}, preview, now)
    assert not tokens.check(token, "u", {"a": 1}, preview, now)
    changed = Tokens(b"n" * 32, known=(b"k" * 32,))
    assert changed.check(token, "t", {"a": 1}, preview, now)
    assert not tokens.check(changed.give("t", {"a": 1}, preview, now), "t", {"a": 1}, preview, now)
    assert "kkk" not in repr(tokens) + json.dumps(token)


async def test_an_approval_that_was_used_in_between_is_none(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that come at the same moment one is let in."""
    monkeypatch.setattr(Approved, "use", lambda *_, **__: False)
    async with connected(sandbox, "auto", YES, "auto") as caller:
        error = await caller.error("delete_connector", **DELETE)

    assert error["code"] == "not_approved"
    assert "used before" in error["message"]
    assert sent_of(sandbox) == []
