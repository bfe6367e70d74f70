"""`get_audit_log` and `undo_change`: what was changed, and taking it back."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import ElicitResult

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes, serve


@pytest.fixture(name="kept")
async def _kept(sandbox: Sandbox, tmp_path: Path, era: str) -> AsyncIterator[Caller]:
    """Call a server that keeps an audit file."""
    server = serve(sandbox, audit_file=str(tmp_path / "audit.jsonl"))
    async with Client(server, mode=era) as client:
        yield Caller(client)


async def newest(caller: Caller) -> dict[str, Any]:
    """Read the newest change."""
    entry: dict[str, Any] = (await caller.ok("get_audit_log", limit=1))["entries"][0]
    return entry


async def test_changes_and_refusals_are_listed_newest_first(caller: Caller) -> None:
    """Each act once, with how it ended; reads are none."""
    await caller.ok("get_connector", connector_id="solid_anchor")
    await caller.ok("pause_connector", connector_id="solid_anchor")
    await caller.error("delete_connector", connector_id="brisk_lantern")
    await caller.ok(
        "update_connector", connector_id="brisk_lantern", config={"password": "canary", "port": 1}
    )

    answer = await caller.ok("get_audit_log")

    told = [(e["tool"], e["phase"], e.get("outcome"), e["by"]) for e in answer["entries"]]
    assert told == [
        ("update_connector", "done", "ok", "the mode"),
        ("delete_connector", "refused", None, "no confirmation"),
        ("pause_connector", "done", "ok", "the mode"),
    ]
    assert answer["complete"] is True
    assert "keeps no audit file" in answer["note"]
    assert answer["entries"][2]["can_undo"] is True
    assert "can_undo" not in answer["entries"][0]
    assert "canary" not in json.dumps(answer)
    assert len(json.dumps(answer["entries"])) / 4 < 400


async def test_the_list_goes_on_and_can_be_narrowed(kept: Caller) -> None:
    """By connector and tool; with a file it has all of it."""
    for connector_id in ("solid_anchor", "brisk_lantern"):
        await kept.ok("pause_connector", connector_id=connector_id)
        await kept.ok("resume_connector", connector_id=connector_id)

    first = await kept.ok("get_audit_log", limit=3)
    rest = await kept.ok("get_audit_log", limit=3, cursor=first["next_cursor"])
    one = await kept.ok("get_audit_log", connector_id="solid_anchor", tool_name="pause_connector")

    assert first["complete"] is False
    assert "note" not in first
    assert len(first["entries"]) + len(rest["entries"]) == 4
    assert len({e["id"] for e in [*first["entries"], *rest["entries"]]}) == 4
    assert [(e["connector_id"], e["tool"]) for e in one["entries"]] == [
        ("solid_anchor", "pause_connector")
    ]
    error = await kept.error("get_audit_log", cursor="nonsense")
    assert error["code"] == "invalid_arguments"


async def test_what_stands_in_the_file_is_not_believed(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whoever can write it may have written anything."""
    file = tmp_path / "audit.jsonl"
    async with Client(serve(sandbox, audit_file=str(file))) as client:
        await Caller(client).ok("pause_connector", connector_id="solid_anchor")
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        forged = {**line, "name": "a\u202eb", "at": "never", "tool": "x\n", "arguments": [1]}
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(forged) + "\nnot json\n")
        answer = await Caller(client).ok("get_audit_log")

    entry = next(e for e in answer["entries"] if e.get("name") == "ab")
    assert "at" not in entry
    assert "arguments" not in entry
    assert entry["tool"] == "x"
    assert answer["unreadable"] == 1


UNDOABLE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a pause": ("pause_connector", {"connector_id": "solid_anchor"}, {"paused": False}),
    "a resume": ("resume_connector", {"connector_id": "dusty_canyon"}, {"paused": True}),
    "a frequency": (
        "set_sync_frequency",
        {"connector_id": "solid_anchor", "minutes": 60},
        {"sync_frequency": 360},
    ),
    "settings": (
        "update_connector",
        {"connector_id": "solid_anchor", "pause_after_trial": True, "config": {"port": 5433}},
        {"pause_after_trial": False},
    ),
}


@pytest.mark.parametrize("name", UNDOABLE)
async def test_a_change_is_taken_back_by_the_call_that_it_shows(
    name: str, kept: Caller, sandbox: Sandbox
) -> None:
    """First a preview, then the call; once."""
    tool, arguments, before = UNDOABLE[name]
    connection = sandbox.connections[arguments["connector_id"]]
    config = dict(connection["config"])
    await kept.ok(tool, **arguments)
    change = await newest(kept)
    assert change["can_undo"] is True
    sent = len(changes(sandbox))

    shown = await kept.error("undo_change", change_id=change["id"])
    assert shown["code"] == "confirmation_required"
    assert shown["preview"]["target"]["connector_id"] == arguments["connector_id"]
    assert len(changes(sandbox)) == sent

    answer = await kept.ok("undo_change", **shown["next_call"]["arguments"])

    assert answer["answer"]
    connection = sandbox.connections[arguments["connector_id"]]
    assert {key: connection[key] for key in before} == before
    assert connection["config"] == config
    again = await kept.error("undo_change", change_id=change["id"], confirm=True)
    assert again["code"] == "conflict"
    assert "taken back already" in again["message"]


async def test_switches_are_taken_back_too_but_what_that_costs_is_confirmed_on_its_own(
    kept: Caller, sandbox: Sandbox
) -> None:
    """Disabling again what was enabled is destructive: the call to make is told."""
    schemas = {"public": {"tables": {"refunds": {"enabled": True}}}}
    await kept.ok("update_schema_config", connector_id="solid_anchor", schemas=schemas)
    change = await newest(kept)
    sent = len(changes(sandbox))

    error = await kept.error("undo_change", change_id=change["id"], confirm=True)

    assert error["code"] == "conflict"
    assert "update_schema_config" in error["hint"]
    assert '"refunds": {"enabled": false}' in error["hint"]
    assert len(changes(sandbox)) == sent


async def test_arguments_with_parts_are_shown_as_json(kept: Caller) -> None:
    """A model reads them; they are as short as the others."""
    await kept.ok("update_connector", connector_id="solid_anchor", config={"host": "db.example"})

    entry = (await kept.ok("get_audit_log", limit=1))["entries"][0]

    assert json.loads(entry["arguments"]["config"]).keys() == {"host"}


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("sync_connector", {"connector_id": "solid_anchor"}, "cannot be taken back"),
        (
            "update_connector",
            {"connector_id": "solid_anchor", "config": {"password": "new-secret"}},
            "cannot be taken back",
        ),
        ("pause_connector", {"connector_id": "nobody"}, "did not end well"),
    ],
)
async def test_what_cannot_be_taken_back_says_so(
    tool: str, arguments: dict[str, Any], words: str, kept: Caller
) -> None:
    """A sync, a credential, a failure."""
    await kept.raw(tool, **arguments)
    change = await newest(kept)

    error = await kept.error("undo_change", change_id=change["id"])

    assert error["code"] == "conflict"
    assert words in error["message"]


async def test_an_unknown_change_says_where_to_look(caller: Caller, kept: Caller) -> None:
    """And that there may have been no file."""
    for each, words in ((caller, "keeps no audit file"), (kept, "on record")):
        error = await each.error("undo_change", change_id="0" * 12)
        assert error["code"] == "not_found"
        assert words in error["message"]


async def test_an_undo_that_fails_says_why(kept: Caller, sandbox: Sandbox) -> None:
    """In the words of the call that failed."""
    await kept.ok("pause_connector", connector_id="solid_anchor")
    change = await newest(kept)
    sandbox.fail(Fault(method="PATCH", status=403))

    error = await kept.error("undo_change", change_id=change["id"], confirm=True)

    assert error["code"] == "conflict"
    assert "may not do this" in error["message"]


async def test_a_client_that_can_be_asked_is_asked_for_the_undo(
    sandbox: Sandbox, connect: Connect
) -> None:
    """By its own question; a call in it that asks as well is told to be made by itself."""
    async with connect("write") as caller:
        await caller.ok("pause_connector", connector_id="solid_anchor")
        change = await newest(caller)
        answer = await caller.ok("undo_change", change_id=change["id"], confirm=True)

    assert answer["tool"] == "resume_connector"
    assert sandbox.connections["solid_anchor"]["paused"] is False


FORGED: dict[str, Any] = {
    "another tool": {
        "tool": "delete_connector",
        "arguments": {"connector_id": "solid_anchor", "confirm": True},
    },
    "a decision": {
        "tool": "update_schema_config",
        "arguments": {"connector_id": "solid_anchor", "confirm": True},
    },
    "itself": {"tool": "undo_change", "arguments": {"change_id": "0123456789ab"}},
    "no arguments": {"tool": "pause_connector", "arguments": ["solid_anchor"]},
    "no call": ["pause_connector"],
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("key", [None, "k" * 32])
async def test_a_line_that_somebody_else_wrote_is_not_carried_out(
    name: str, key: str | None, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Only what this server would have written; with a key, only what it did write."""
    file = tmp_path / "audit.jsonl"
    async with Client(serve(sandbox, audit_file=str(file), audit_key=key)) as client:
        caller = Caller(client)
        await caller.ok("pause_connector", connector_id="solid_anchor")
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        forged = {**line, "id": "0123456789ab", "undo": FORGED[name]}
        if name == "itself":
            del forged["tool"]
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(forged, separators=(",", ":")) + "\n")
        sent = len(changes(sandbox))

        error = await caller.error("undo_change", change_id="0123456789ab", confirm=True)

        assert error["code"] == ("not_found" if key else "conflict")
        assert len(changes(sandbox)) == sent


async def test_an_undo_whose_call_asks_the_person_is_left_to_that_call(
    sandbox: Sandbox, tmp_path: Path, era: str
) -> None:
    """On 2026-07-28 a question is an answer, which cannot be given from inside another call."""
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[rules]]\nname = "ask"\ntools = ["resume_connector"]\nverdict = "confirm"\n',
        encoding="utf-8",
    )

    async def reply(*_: Any) -> Any:
        return ElicitResult(action="accept", content={"approve": True})

    options: Any = {"elicitation_callback": reply}
    async with Client(serve(sandbox, policy=str(policy)), mode=era, **options) as client:
        caller = Caller(client)
        await caller.ok("pause_connector", connector_id="solid_anchor")
        change = await newest(caller)
        if era == "legacy":
            assert await caller.ok("undo_change", change_id=change["id"], confirm=True)
        else:
            error = await caller.error("undo_change", change_id=change["id"], confirm=True)
            assert error["code"] == "conflict"
            assert "asks the person first" in error["message"]
            assert "resume_connector" in error["hint"]


async def test_an_undo_is_taken_back_through_the_call_that_it_made(
    kept: Caller, sandbox: Sandbox
) -> None:
    """As its preview says; and the record names the connector of each."""
    await kept.ok("pause_connector", connector_id="solid_anchor")
    change = await newest(kept)
    assert change["name"] == "pg_billing"
    shown = await kept.error("undo_change", change_id=change["id"])
    assert "undo_change of the resume_connector" in shown["preview"]["undo"]
    await kept.ok("undo_change", change_id=change["id"], confirm=True)
    entries = (await kept.ok("get_audit_log", tool_name="resume_connector"))["entries"]

    await kept.ok("undo_change", change_id=entries[0]["id"], confirm=True)

    assert entries[0]["undo_of"] == change["id"]
    assert sandbox.connections["solid_anchor"]["paused"] is True
