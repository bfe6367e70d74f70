"""The operator's rules, the record and the caller's token, as the gate applies them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types import ElicitResult, ErrorData, PromptReference

from mcp_server.auth import AuthConfig
from mcp_server.gate import Gate
from mcp_server.journal import Journal, JournalError
from mcp_server.journal_check import verify
from mcp_server.policy import Mode
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.server import all_specs
from mcp_server.settings import TOOLSETS
from tests.support import Caller, Clock, changes, serve

POLICY = """
[[rules]]
name = "billing"
connectors = ["pg_bill*"]
effects = ["write"]
verdict = "deny"
reason = "Finance closes its books."

[[rules]]
name = "ask about stripe"
services = ["stripe"]
effects = ["write"]
verdict = "confirm"

[[rules]]
name = "no new ones up north"
groups = ["north_pine"]
tools = ["create_connector"]
verdict = "deny"

[caps]
resyncs_per_day = 1
"""


@pytest.fixture(name="policy")
def _policy(tmp_path: Path) -> str:
    """Write the operator's file."""
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    return str(file)


async def test_a_rule_forbids_by_what_fivetran_says_of_the_connector(
    era: str, sandbox: Sandbox, policy: str
) -> None:
    """Not by what the model wrote: it named an id, the rule a name."""
    async with Client(serve(sandbox, policy=policy), mode=era) as client:
        caller = Caller(client)
        for tool, more in (
            ("pause_connector", {}),
            ("delete_connector", {"confirm": True}),
            ("set_sync_frequency", {"minutes": 60}),
        ):
            error = await caller.error(tool, connector_id="solid_anchor", **more)
            assert error["code"] == "policy_forbids"
            assert "billing" in error["message"]
            assert "Finance closes its books." in error["message"]
        assert changes(sandbox) == []
        assert (await caller.ok("pause_connector", connector_id="brisk_lantern"))["changed"]


async def test_reads_and_dry_runs_go_on_and_cost_nothing_more(
    sandbox: Sandbox, policy: str
) -> None:
    """What a rule does not concern needs no look at its target."""
    async with Client(serve(sandbox, policy=policy)) as client:
        caller = Caller(client)
        await caller.ok("get_connector", connector_id="solid_anchor")
        assert len(sandbox.requests) == 1
        await caller.ok("update_connector", connector_id="solid_anchor", paused=True, dry_run=True)
        dry = await caller.ok("bulk_update", action="pause", service="postgres")
        assert "solid_anchor" in json.dumps(dry)
        error = await caller.error("bulk_update", **dry["dry_run"]["next_call"]["arguments"])

    assert error["code"] == "policy_forbids"
    assert "solid_anchor" in error["message"] + error["hint"]
    assert changes(sandbox) == []


async def test_a_rule_can_demand_a_person_for_what_needs_no_confirmation(
    era: str, sandbox: Sandbox, policy: str
) -> None:
    """Asked through the client; where it cannot ask, nothing is done."""
    asked: list[str] = []

    async def reply(context: Any, params: Any) -> ElicitResult:
        assert context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": len(asked) > 1})

    async with Client(serve(sandbox, policy=policy), mode=era) as client:
        error = await Caller(client).error("sync_connector", connector_id="failing_fox")
        assert error["code"] == "not_approved"
        assert "ask about stripe" in error["message"]
    async with Client(
        serve(sandbox, policy=policy), mode=era, elicitation_callback=reply
    ) as client:
        caller = Caller(client)
        error = await caller.error("sync_connector", connector_id="failing_fox")
        assert error["code"] == "not_approved"
        assert changes(sandbox) == []
        await caller.ok("sync_connector", connector_id="failing_fox")

    assert "failing_fox" in asked[0]
    assert len(changes(sandbox)) == 1


async def test_new_connectors_and_resyncs_are_ruled_too(
    sandbox: Sandbox, policy: str, clock: Clock
) -> None:
    """By their group, before they exist; by how many there were today."""
    async with Client(serve(sandbox, policy=policy)) as client:
        caller = Caller(client)
        new = {"service": "hubspot", "config": {"schema": "x", "access_token": "made-up"}}
        error = await caller.error("create_connector", group_id="north_pine", **new)
        assert error["code"] == "policy_forbids"
        resync = {"connector_id": "brisk_lantern", "scope": "connector", "confirm": True}
        await caller.ok("resync_connector", **resync)
        error = await caller.error("resync_connector", **resync)
        assert error["code"] == "policy_forbids"
        clock.wait(24 * 3600)
        await caller.raw("resync_connector", **resync)

    assert [path for _, path, _ in changes(sandbox)].count(
        "/v1/connections/brisk_lantern/resync"
    ) >= 1


# --- the record ---


def lines_of(file: Path) -> list[dict[str, Any]]:
    """Read an audit file, without its header."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()][1:]


async def test_every_change_refusal_and_approval_is_recorded(
    era: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """What was meant, then what became of it; no credential, and a chain that holds."""
    file = tmp_path / "audit.jsonl"

    async def reply(*_: Any) -> Any:
        return ElicitResult(action="accept", content={"approve": True})

    server = serve(sandbox, audit_file=str(file))
    options: Any = {"elicitation_callback": reply}
    async with Client(server, mode=era, **options) as client:
        caller = Caller(client)
        await caller.ok("get_connector", connector_id="solid_anchor")
        await caller.ok("pause_connector", connector_id="solid_anchor")
        await caller.error("delete_connector", connector_id="solid_anchor")
        await caller.ok("delete_connector", connector_id="solid_anchor", confirm=True)
        await caller.error("pause_connector", connector_id="nobody")
        await caller.ok(
            "update_connector", connector_id="brisk_lantern", config={"password": "canary-secret"}
        )

    told = [(line["phase"], line["tool"], line.get("outcome")) for line in lines_of(file)]
    assert told == [
        ("intended", "pause_connector", None),
        ("done", "pause_connector", "ok"),
        ("refused", "delete_connector", None),
        ("approved", "delete_connector", None),
        ("intended", "delete_connector", None),
        ("done", "delete_connector", "ok"),
        ("intended", "pause_connector", None),
        ("done", "pause_connector", "not_found"),
        ("intended", "update_connector", None),
        ("done", "update_connector", "ok"),
    ]
    deleted = lines_of(file)[5]
    assert deleted["connector_id"] == "solid_anchor"
    assert deleted["name"] == "pg_billing"
    assert deleted["by"] == "a person"
    assert deleted["effect"] == "destructive"
    assert deleted["protocol"]
    assert lines_of(file)[7]["status"] == 404
    assert "canary" not in file.read_text(encoding="utf-8")
    assert verify(file).ok


async def test_a_refused_tool_is_recorded_though_it_is_not_offered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Somebody tried; a read that does not exist is nobody's business."""
    file = tmp_path / "audit.jsonl"
    async with Client(serve(sandbox, "read-only", audit_file=str(file))) as client:
        caller = Caller(client)
        await caller.error("delete_connector", connector_id="solid_anchor", confirm=True)
        await caller.error("no_such_tool")

    (line,) = lines_of(file)
    assert (line["phase"], line["tool"], line["by"]) == ("refused", "delete_connector", "the mode")


async def test_what_cannot_be_recorded_is_not_done(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is; reads go on."""

    def full(*_: Any) -> None:
        raise JournalError("no space left")

    monkeypatch.setattr(Journal, "intend", full)
    error = await caller.error("pause_connector", connector_id="solid_anchor")

    assert error["code"] == "not_recorded"
    assert changes(sandbox) == []
    assert await caller.ok("get_connector", connector_id="solid_anchor")


async def test_an_act_that_crashes_is_recorded_as_such(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that Fivetran's answer leaves open is told as that."""
    file = tmp_path / "audit.jsonl"
    async with Client(serve(sandbox, audit_file=str(file))) as client:
        caller = Caller(client)
        sandbox.fail(Fault(method="POST", status=502))
        await caller.error("sync_connector", connector_id="solid_anchor")
        await caller.error("sync_connector", connector_id="dusty_canyon")

        def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError("a mistake of ours")

        monkeypatch.setattr("mcp_server.tools.syncs.name_of", crash)
        await caller.error("pause_connector", connector_id="brisk_lantern")

    outcomes = [line["outcome"] for line in lines_of(file) if line["phase"] == "done"]
    assert outcomes == ["outcome_unknown", "conflict", "internal_error"]


# --- the caller's token ---

AUTH = AuthConfig(issuer="https://idp.example", audience="https://mcp.example/mcp")


@contextmanager
def token_of(*scopes: str) -> Iterator[None]:
    """Call as somebody with these scopes."""
    token = AccessToken(token="x", client_id="host", subject="ann", scopes=list(scopes))
    mark = auth_context_var.set(AuthenticatedUser(token))
    try:
        yield
    finally:
        auth_context_var.reset(mark)


@pytest.mark.parametrize(
    ("scopes", "most"),
    [
        ((), None),
        (("fivetran:read",), Mode.READ_ONLY),
        (("fivetran:write",), Mode.WRITE),
        (("fivetran:full",), Mode.FULL),
        (("other",), None),
    ],
)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_caller_may_do_what_both_the_server_and_the_token_allow(
    scopes: tuple[str, ...], most: Mode | None, mode: Mode
) -> None:
    """One server can be read-only for one caller and full for another, never more than it is."""
    gate = Gate(mode=mode, toolsets=frozenset(TOOLSETS), auth=AUTH)
    plain = {m: Gate(mode=m, toolsets=frozenset(TOOLSETS)) for m in Mode}
    with token_of(*scopes):
        offered = {spec.name for spec in all_specs() if gate.offers_caller(spec)}

    least = None if most is None else min(most, mode)
    expected = {s.name for s in all_specs() if least is not None and plain[least].offers(s)}
    assert offered == expected


async def test_a_call_beyond_the_token_is_refused_and_not_listed(
    sandbox: Sandbox,
) -> None:
    """It names the scope; a confirmed act of a tool that is only partly destructive as well."""
    server = serve(sandbox)
    object.__setattr__(server._gate, "auth", AUTH)  # noqa: SLF001 -- as over HTTP, without its tokens
    async with Client(server) as client:
        caller = Caller(client)
        with token_of("fivetran:write"):
            listed = {tool.name for tool in (await server.list_tools())}
            assert "pause_connector" in listed
            assert "delete_connector" not in listed
        error = await caller.error("get_connector", connector_id="solid_anchor")
        assert error["code"] == "scope_missing"
        assert "fivetran:read" in error["message"]

    assert not sandbox.requests


# --- the end of a call ---


async def test_a_call_ends_though_each_of_its_requests_would_have_time(
    era: str, sandbox: Sandbox
) -> None:
    """A read is cut off; a change that was sent is waited for, and none is sent after it."""
    server = serve(sandbox)
    object.__setattr__(server._gate, "call_seconds", 0.2)  # noqa: SLF001 -- nobody waits two minutes
    async with Client(server, mode=era) as client:
        caller = Caller(client)
        sandbox.fail(Fault(method="GET", delay=5, status=500))
        error = await caller.error("get_connector", connector_id="solid_anchor")
        assert error["code"] == "timeout"
        sandbox.clear_faults()
        sandbox.fail(Fault(method="PATCH", delay=0.5, status=200, applied=True, body=PAUSED))
        assert await caller.ok("pause_connector", connector_id="solid_anchor")

    assert len(changes(sandbox)) == 1


PAUSED = {"code": "Success", "data": {"id": "solid_anchor", "paused": True}}


# --- between the question and the act ---

FREEZE = """
[[freeze]]
name = "noon"
start = 2026-03-10T12:05:00Z
end = 2026-03-10T13:00:00Z

[caps]
resyncs_per_day = 1
"""


async def test_a_freeze_that_begins_while_the_person_thinks_holds(
    era: str, sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    """The policy is that of the moment of the act."""
    file = tmp_path / "policy.toml"
    file.write_text(FREEZE, encoding="utf-8")

    async def reply(*_: Any) -> Any:
        clock.wait(590)
        return ElicitResult(action="accept", content={"approve": True})

    options: Any = {"elicitation_callback": reply}
    async with Client(serve(sandbox, policy=str(file)), mode=era, **options) as client:
        error = await Caller(client).error(
            "resync_connector", connector_id="solid_anchor", scope="connector", confirm=True
        )

    assert error["code"] == "policy_forbids"
    assert changes(sandbox) == []


async def test_two_questions_at_once_do_not_pass_a_cap_together(
    era: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Each was judged before the other began."""
    file = tmp_path / "policy.toml"
    file.write_text("[caps]\nresyncs_per_day = 1\n", encoding="utf-8")
    asked = anyio.Event()
    waiting = 0

    async def reply(*_: Any) -> Any:
        nonlocal waiting
        waiting += 1
        if waiting == 2:
            asked.set()
        await asked.wait()
        return ElicitResult(action="accept", content={"approve": True})

    options: Any = {"elicitation_callback": reply}
    async with Client(serve(sandbox, policy=str(file)), mode=era, **options) as client:
        caller = Caller(client)

        async def resync(connector_id: str) -> None:
            await caller.raw(
                "resync_connector", connector_id=connector_id, scope="connector", confirm=True
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resync, "solid_anchor")
            tasks.start_soon(resync, "brisk_lantern")

    assert len(changes(sandbox)) == 1


async def test_a_question_names_every_argument_and_no_credential(
    era: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """None can push another out of sight; what does not fit is not asked."""
    file = tmp_path / "policy.toml"
    file.write_text(
        '[[rules]]\nname = "ask"\ntools = ["update_connector"]\nverdict = "confirm"\n',
        encoding="utf-8",
    )
    asked: list[str] = []

    async def reply(_: Any, params: Any) -> Any:
        asked.append(params.message)
        return ElicitResult(action="decline")

    config = {
        "database": "shop" + "x" * 4_000,
        "password": "canary-word",
        "host": "db.canary-word.example",
    }
    options: Any = {"elicitation_callback": reply}
    async with Client(serve(sandbox, policy=str(file)), mode=era, **options) as client:
        caller = Caller(client)
        await caller.error("update_connector", connector_id="brisk_lantern", config=config)
        many = {f"field_{n}": "x" * 60 for n in range(200)}
        error = await caller.error("update_connector", connector_id="brisk_lantern", config=many)

    (question,) = asked
    assert '"host"' in question
    assert "canary" not in question
    assert error["code"] == "not_approved"
    assert "more words" in error["message"]
    assert changes(sandbox) == []


async def test_a_client_that_fails_to_ask_approves_nothing(sandbox: Sandbox) -> None:
    """An error is no answer."""

    async def reply(*_: Any) -> Any:
        return ErrorData(code=-32603, message="no window")

    options: Any = {"elicitation_callback": reply}
    async with Client(serve(sandbox), mode="legacy", **options) as client:
        error = await Caller(client).error(
            "delete_connector", connector_id="solid_anchor", confirm=True
        )

    assert error["code"] == "not_approved"


async def test_names_are_not_completed_where_a_policy_might_hide_them(
    sandbox: Sandbox, policy: str
) -> None:
    """It is applied to calls, and completions are none."""
    async with Client(serve(sandbox, policy=policy)) as client:
        answer = await client.complete(
            PromptReference(name="find_and_fix"), {"name": "connector", "value": "pg"}
        )

    assert answer.completion.values == []
    assert not sandbox.requests


async def test_what_changed_nothing_is_no_change_and_what_failed_is_no_success(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Dry runs are not recorded; a bulk run is recorded as it ended."""
    file = tmp_path / "audit.jsonl"
    pause = {"action": "pause", "connector_ids": ["solid_anchor", "brisk_lantern"]}
    async with Client(serve(sandbox, audit_file=str(file))) as client:
        caller = Caller(client)
        dry = await caller.ok("bulk_update", **pause)
        await caller.ok("update_connector", connector_id="solid_anchor", paused=True, dry_run=True)
        assert lines_of(file) == []
        sandbox.fail(Fault(method="PATCH", status=403, times=9))
        await caller.ok("bulk_update", **dry["dry_run"]["next_call"]["arguments"])
        sandbox.clear_faults()
        sandbox.fail(Fault(method="PATCH", status=403))
        dry = await caller.ok("bulk_update", **pause)
        await caller.ok("bulk_update", **dry["dry_run"]["next_call"]["arguments"])

    done = [line["outcome"] for line in lines_of(file) if line["phase"] == "done"]
    assert done == ["failed", "partial"]
