"""The one door of every tool call."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import structlog
from mcp import Client
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ElicitResult
from pydantic import BaseModel, Field

from mcp_server.fivetran.errors import FivetranError
from mcp_server.gate import Gate, GatedTool
from mcp_server.policy import Mode
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.server import all_specs
from mcp_server.settings import TOOLSETS
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Deprecated,
    Effect,
    Maybe,
    Plan,
    Preview,
    Result,
    Target,
    Toolset,
)
from mcp_server.vault import Vault
from tests.support import HOSTILE, Caller, Clock, Connect, serve, text_of

EVERY = frozenset({*TOOLSETS, "test"})
SPECS = {spec.name: spec for spec in all_specs()}
# Enough to pass the schema of each tool, but for the id.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "approve_trust": {"kind": "certificate", "hash": "x"},
    "bulk_update": {"action": "pause"},
    "create_connect_card": {"redirect_uri": "https://app.example"},
    "create_connector": {"service": "postgres", "config": {"schema_prefix": "x"}},
    "describe_connector_type": {"service": "postgres"},
    "dismiss_warnings": {"codes": ["resync_table_warning"]},
    "drop_columns": {"columns": {"public": {"orders": ["note"]}}},
    "find_tables": {"pattern": "orders"},
    "get_move_status": {"job_id": "x"},
    "list_trusted": {"kind": "certificate"},
    "move_connector": {"group_id": "north_pine", "sync_behavior": "CONTINUE"},
    "revoke_trust": {"kind": "certificate", "hash": "x"},
    "search_connector_types": {"query": "postgres"},
    "set_connector_state": {"state": {"cursor": 1}},
    "get_table_columns": {"schema": "public", "table": "orders"},
    "resync_connector": {"scope": "connector"},
    "set_sync_frequency": {"minutes": 60},
    "update_connector": {"paused": True},
    "undo_change": {"change_id": "0123456789ab"},
    "update_schema_config": {"schema_change_handling": "BLOCK_ALL"},
    "wait_for_sync": {"connector_ids": ["solid_anchor"]},
}
IDS = {
    name: id_
    for name, spec in SPECS.items()
    for id_ in ("group_id", "connector_id")  # of two the latter
    if id_ in spec.fn.__annotations__
}


@pytest.fixture(name="logged")
def _logged() -> Iterator[list[Any]]:
    """Catch what is logged."""
    with structlog.testing.capture_logs() as entries:
        yield entries


# --- what is offered ---


@pytest.mark.parametrize("mode", ["read-only", "write", "full"])
async def test_a_tool_beyond_the_mode_is_neither_listed_nor_run(
    mode: str, connect: Connect, sandbox: Sandbox
) -> None:
    """A call of one names the mode it needs, and nothing is sent."""
    order = ["read-only", "write", "full"]
    needed = {Effect.READ: "read-only", Effect.WRITE: "write", Effect.DESTRUCTIVE: "full"}
    async with connect(mode) as caller:
        listed = {tool.name for tool in (await caller.client.list_tools()).tools}
        for name, spec in SPECS.items():
            allowed = order.index(needed[spec.effect]) <= order.index(mode)
            assert (name in listed) is allowed
            if not allowed:
                error = await caller.error(name, confirm=True)
                assert error["code"] == "mode_forbids"
                assert f"--mode {needed[spec.effect]}" in error["hint"]

    assert not sandbox.requests


async def test_a_tool_of_a_toolset_that_is_off_is_refused(
    connect: Connect, sandbox: Sandbox
) -> None:
    """It names the toolset."""
    async with connect(toolsets="groups") as caller:
        listed = [tool.name for tool in (await caller.client.list_tools()).tools]
        error = await caller.error("list_connectors")

    assert listed == ["list_groups"]
    assert error["code"] == "toolset_off"
    assert "connectors" in error["hint"]
    assert not sandbox.requests


async def test_a_tool_that_does_not_exist_gets_the_nearest_name(caller: Caller) -> None:
    """And the names of all that are offered."""
    error = await caller.error("list_connections")

    assert error["code"] == "unknown_tool"
    assert "did you mean list_connectors?" in error["message"]
    assert "get_connector" in error["hint"]
    assert "did you mean" not in (await caller.error("zzz"))["message"]


async def test_the_list_is_the_same_in_the_same_order_each_time(caller: Caller) -> None:
    """Hosts cache prompts by it."""
    first = [tool.name for tool in (await caller.client.list_tools()).tools]
    second = [tool.name for tool in (await caller.client.list_tools()).tools]

    assert first == second == sorted(first)


async def test_reads_send_nothing_but_get(connect: Connect, sandbox: Sandbox) -> None:
    """The annotation of each read tool is proved by what it sends."""
    async with connect("read-only") as caller:
        for name, spec in SPECS.items():
            if spec.effect is Effect.READ:
                given = {"connector_id": "solid_anchor"} if name in IDS else {}
                given.pop("group_id", None)
                if name == "list_connectors":
                    given = {}
                await caller.raw(name, **given, **ARGUMENTS.get(name, {}))

    assert {request.method for request in sandbox.requests} == {"GET"}


# --- arguments ---


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_id_is_refused_by_every_tool_before_anything_is_sent(
    value: str, caller: Caller, sandbox: Sandbox
) -> None:
    """The answer names the argument, never its value."""
    for tool, name in IDS.items():
        rest = {**ARGUMENTS.get(tool, {}), **({"confirm": True} if tool in DESTRUCTIVE else {})}
        error = await caller.error(tool, **{name: value}, **rest)

        assert error["code"] == "invalid_arguments"
        assert f"{name}: " in error["message"]
        assert f"from `list_{name[:-3]}s`" in error["message"]
        assert len(error["message"]) < 300
    assert SPECS.keys() - IDS.keys() == {
        "describe_connector_type",
        "get_server_status",
        "list_groups",
        "search_connector_types",
        "undo_change",
        "wait_for_sync",
    }, "the others take the id of a connector or group"
    for tool, rest in (("wait_for_sync", {}), ("bulk_update", {"action": "pause"})):
        error = await caller.error(tool, connector_ids=[value], **rest)
        assert error["code"] == "invalid_arguments"
        assert "connector_ids.0: has not the form of one" in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("tool", SPECS)
async def test_wrong_arguments_are_named_with_their_fix_by_every_tool(
    tool: str, caller: Caller, sandbox: Sandbox
) -> None:
    """Unknown ones, with the nearest; null; wrong types. Nothing is sent."""
    tools = (await caller.client.list_tools()).tools
    properties = next(t.input_schema["properties"] for t in tools if t.name == tool)
    for name, schema in properties.items():
        wrong = {"nested": "canary"} if schema.get("type") != "object" else 17
        for value in (wrong, None):
            error = await caller.error(tool, **{name: value})
            assert error["code"] == "invalid_arguments"
            assert f"{name}: " in error["message"]
            assert "canary" not in json.dumps(error)
    required = next(t.input_schema for t in tools if t.name == tool).get("required", [])
    if required:
        told = (await caller.error(tool))["message"]
        assert all(f"{name}: is required" in told for name in required)
    for name in [*properties][:1]:
        error = await caller.error(tool, **{f"{name}x": "x"})
        assert f"{name}x: unknown, did you mean {name}?" in error["message"]
    assert "zzz: unknown" in (await caller.error(tool, zzz=1))["message"]

    assert not sandbox.requests


async def test_a_flood_of_problems_is_counted_not_listed(caller: Caller) -> None:
    """Ten are enough to see what is wrong."""
    error = await caller.error("list_groups", **{f"qqqq{n}": n for n in range(25)})

    assert error["message"].count("unknown") == 10
    assert "and 15 more" in error["message"]


async def test_objects_that_arrive_as_text_are_read_and_other_texts_left_alone(
    connect: Connect, sandbox: Sandbox
) -> None:
    """Some hosts send objects as JSON in a string; a name that looks like JSON is a name."""
    async with connect("write") as caller:
        await caller.ok(
            "update_connector", connector_id="solid_anchor", config='{"database": "other"}'
        )
        answer = await caller.ok("list_connectors", name_contains="[1]")

    assert sandbox.connections["solid_anchor"]["config"]["database"] == "other"
    assert answer["connectors"] == []


async def test_a_whole_number_may_be_written_with_a_point(caller: Caller, sandbox: Sandbox) -> None:
    """To JSON Schema 10.0 is an integer; 1.5 and true are none."""
    assert await caller.ok("list_groups", limit=2.0)
    await caller.ok("set_sync_frequency", connector_id="solid_anchor", minutes=60.0)
    for value in (1.5, True, "10"):
        assert "limit: " in (await caller.error("list_groups", limit=value))["message"]

    assert json.loads(sandbox.requests[-1].body)["sync_frequency"] == 60


@pytest.mark.parametrize("value", ["true", "yes", 1, "True"])
async def test_only_a_true_true_confirms(value: object, caller: Caller, sandbox: Sandbox) -> None:
    """A word is not a decision."""
    error = await caller.error("delete_connector", connector_id="solid_anchor", confirm=value)

    assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


# --- confirmation ---

DESTRUCTIVE: dict[str, dict[str, Any]] = {
    "approve_trust": {"connector_id": "wary_lynx", "kind": "certificate"},
    "delete_connector": {"connector_id": "solid_anchor"},
    "drop_columns": {
        "connector_id": "solid_anchor",
        "columns": {"public": {"customers": ["email"]}},
    },
    "move_connector": {
        "connector_id": "dusty_canyon",
        "group_id": "north_pine",
        "sync_behavior": "CONTINUE",
    },
    "reload_schema_config": {"connector_id": "solid_anchor", "exclude_mode": "EXCLUDE"},
    "resync_connector": {"connector_id": "solid_anchor", "scope": "connector"},
    "revoke_trust": {"connector_id": "brisk_lantern", "kind": "fingerprint"},
    "run_setup_tests": {"connector_id": "wary_lynx", "trust_certificates": True},
    "set_connector_state": {"connector_id": "sdk_weather", "state": {"cursor": "2026-02-01"}},
    "update_schema_config": {
        "connector_id": "solid_anchor",
        "schemas": {"public": {"tables": {"orders": {"enabled": False}}}},
    },
}
TESTS_FIRST = {"approve_trust", "run_setup_tests"}
"""What learns by running the setup tests what would be trusted."""


async def arguments_for(tool: str, caller: Caller, sandbox: Sandbox) -> dict[str, Any]:
    """Bring about the state in which a tool has something to destroy; the arguments that do it."""
    given = DESTRUCTIVE[tool]
    if tool == "approve_trust":
        answer = await caller.ok("run_setup_tests", connector_id=given["connector_id"])
        given = {**given, "hash": answer["untrusted"][0]["hash"]}
    if tool == "revoke_trust":
        answer = await caller.ok("list_trusted", **given)
        given = {**given, "hash": answer["trusted"][0]["hash"]}
    if tool == "drop_columns":
        email = {"public": {"tables": {"customers": {"columns": {"email": {"enabled": False}}}}}}
        await caller.ok(
            "update_schema_config", connector_id="solid_anchor", schemas=email, confirm=True
        )
    sandbox.requests.clear()
    return given


def test_every_tool_that_can_be_destructive_is_tried_here() -> None:
    """A new one must not be forgotten."""
    planned = {name for name, spec in SPECS.items() if spec.is_planned}
    assert {*DESTRUCTIVE} | {"bulk_update", "undo_change"} == planned, "these have their own tests"


@pytest.mark.parametrize("tool", DESTRUCTIVE)
async def test_a_destructive_call_first_shows_what_it_would_do(
    tool: str, caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing is changed; the preview has all that a person needs to decide."""
    given = await arguments_for(tool, caller, sandbox)
    connection = sandbox.connections[given["connector_id"]]

    error = await caller.error(tool, **given)

    assert error["code"] == "confirmation_required"
    sent = {request.path for request in sandbox.requests if request.method != "GET"}
    tests = {f"/v1/connections/{connection['id']}/test"}
    assert sent == (tests if tool in TESTS_FIRST else set())
    target, preview = error["preview"]["target"], error["preview"]
    assert target["connector_id"] == connection["id"]
    assert target["name"] == connection["schema"]
    assert target["service"] == connection["service"]
    assert target["group_name"]
    for part in ("effect", "lost", "undo"):
        assert preview[part]
    called = error["next_call"]
    assert called["tool"] == tool
    assert {**called["arguments"], **given, "confirm": True} == called["arguments"]
    added = {k for k, v in called["arguments"].items() if k not in given and v is not False}
    assert added <= {"confirm", "hashes"}


@pytest.mark.parametrize("tool", DESTRUCTIVE)
async def test_the_call_that_a_preview_names_does_it(
    tool: str, caller: Caller, sandbox: Sandbox
) -> None:
    """Word for word."""
    error = await caller.error(tool, **await arguments_for(tool, caller, sandbox))
    sandbox.requests.clear()

    await caller.ok(error["next_call"]["tool"], **error["next_call"]["arguments"])

    changed = {request.path for request in sandbox.requests if request.method != "GET"}
    assert any(not path.endswith("/test") for path in changed)


@pytest.mark.parametrize("tool", DESTRUCTIVE)
async def test_after_a_persons_yes_a_call_is_planned_anew_and_done(
    tool: str, era: str, sandbox: Sandbox
) -> None:
    """Of every destructive tool, by an answer that asks for more and by a live question."""

    async def yes(*_: Any) -> Any:
        return ElicitResult(action="accept", content={"approve": True})

    said: Any = yes
    server = serve(sandbox, approval="human", toolsets="all")
    async with Client(server, mode=era, elicitation_callback=said) as client:
        caller = Caller(client)
        error = await caller.error(tool, **await arguments_for(tool, caller, sandbox))
        await caller.ok(error["next_call"]["tool"], **error["next_call"]["arguments"])


@pytest.mark.parametrize("tool", DESTRUCTIVE)
@pytest.mark.parametrize("mode", ["read-only", "write"])
async def test_no_confirmation_helps_below_mode_full(
    tool: str, mode: str, connect: Connect, sandbox: Sandbox
) -> None:
    """Whatever the arguments, nothing but reads is sent, and tests where they may run."""
    async with connect("full") as caller:
        given = await arguments_for(tool, caller, sandbox)
    async with connect(mode) as caller:
        error = await caller.error(tool, **given, confirm=True)

    assert error["code"] == "mode_forbids"
    changed = [request.path for request in sandbox.requests if request.method != "GET"]
    allowed = mode == "write" and tool in TESTS_FIRST
    assert all(allowed and path.endswith("/test") for path in changed)


async def test_a_long_call_is_not_written_out_in_its_preview(caller: Caller) -> None:
    """The model has it already; it would pay for it twice."""
    everything = await caller.ok("get_schema_config", connector_id="wide_river", limit=200)
    tables: dict[str, Any] = {}
    for row in everything["tables"]:
        tables.setdefault(row["schema_name"], []).append(row["table"])

    error = await caller.error(
        "resync_connector", connector_id="wide_river", scope="tables", tables=tables
    )

    assert "confirm=true" in error["next_call"]["arguments"]


# --- failures ---


async def test_text_from_fivetran_is_cleaned_and_short(caller: Caller, sandbox: Sandbox) -> None:
    """It may have been written by anyone."""
    words = "no\u202e\x1b[31m\n x://u:canary@h " + "y" * 1000
    sandbox.fail(Fault(status=400, body={"code": "Inv\u200balid", "message": words}))

    error = await caller.error("get_connector", connector_id="solid_anchor")

    assert error["code"] == "rejected"
    assert error["fivetran"]["code"] == "Invalid"
    assert "canary" not in json.dumps(error)
    assert not re.search(r"[\x00-\x1f\u200b\u202e]", error["fivetran"]["message"])
    assert "more characters" in error["fivetran"]["message"]


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        (Fault(status=401, times=9), "unauthorized", False),
        (Fault(status=403, times=9), "forbidden", False),
        (Fault(status=404, times=9), "not_found", False),
        (
            Fault(status=404, times=9, body={"code": "NotFound_SchemaConfig", "message": "none"}),
            "schema_not_ready",
            False,
        ),
        (Fault(status=409, times=9), "conflict", False),
        (Fault(status=415, times=9), "rejected", False),
        (Fault(status=429, times=9, headers={"Retry-After": "1800"}), "rate_limited", True),
        (Fault(status=500, times=9), "upstream_error", True),
        (Fault(status=503, times=9), "upstream_error", True),
        (Fault(status=200, times=9, body="<html>"), "upstream_error", False),
        (Fault(status=200, times=9, body={"data": {"id": 7}}), "upstream_error", False),
        (Fault(status=302, times=9, headers={"Location": "x"}), "upstream_error", False),
    ],
)
async def test_each_failure_says_what_happened_to_what_and_what_to_do(  # noqa: PLR0913, PLR0917 -- a table's columns
    fault: Fault, code: str, retryable: bool, caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """By status; the server lives on."""
    sandbox.fail(fault)

    error = await caller.error("get_connector", connector_id="solid_anchor")
    sandbox.clear_faults()

    assert error["code"] == code
    assert error["retryable"] is retryable
    assert "get_connector of connector 'solid_anchor'" in error["message"]
    if code == "rate_limited":
        assert error["retry_after_seconds"] == 1800
        clock.wait(1800)
    assert await caller.ok("get_connector", connector_id="solid_anchor")


async def test_no_answer_repeats_a_credential_that_was_just_given(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran and the source like to quote what they did not accept."""
    config = {"password": "canary-one", "host": "db.example", "secret_key": "canary-two"}
    sandbox.fail(Fault(path="/v1/metadata/.*", status=403, times=9))
    body = {"code": "InvalidInput", "message": "bad value 'canary-one' for password"}
    sandbox.fail(Fault(method="PATCH", status=400, body=body))
    refused = await caller.error("update_connector", connector_id="solid_anchor", config=config)
    tests = [
        {"title": "t", "status": "FAILED", "message": "no canary-two", "details": ["canary-one"]}
    ]
    sandbox.fail(
        Fault(method="PATCH", status=200, body={"data": {"id": "x", "setup_tests": tests}})
    )
    failed = await caller.ok("update_connector", connector_id="solid_anchor", config=config)

    sandbox.fail(Fault(method="PATCH", status=400, body=body))
    as_text = await caller.error(
        "update_connector", connector_id="solid_anchor", config=json.dumps(config)
    )

    assert "bad value '[redacted]'" in refused["fivetran"]["message"]
    assert as_text["fivetran"] == refused["fivetran"]
    assert failed["setup_tests"][0]["message"] == "no [redacted]"
    assert "canary" not in json.dumps([refused, failed])


def test_every_error_of_the_client_has_a_meaning() -> None:
    """A new class without one would be told as a crash."""

    def leaves(kind: type[FivetranError]) -> list[type[FivetranError]]:
        below = kind.__subclasses__()
        return [kind, *(leaf for each in below for leaf in leaves(each))]

    from mcp_server.failures import explain  # noqa: PLC0415 -- only here

    spec = SPECS["get_connector"]
    for kind in leaves(FivetranError):
        failure = explain(kind("GET failed"), spec, {"connector_id": "x"})
        assert failure.code != "internal_error"
        assert failure.hint


# --- tools of our own, to try the door itself ---

made_up = Toolset("test")


class Nothing(Result):
    """An empty answer."""


class Inner(BaseModel):
    """Something pydantic checks."""

    number: int


@made_up.tool(title="Crash", effect=Effect.READ)
async def get_crash(
    config: Maybe[Annotated[dict[str, Any], Field(description="C.")]] = None,
) -> Nothing:
    """Crash."""
    raise RuntimeError(f"canary-secret {config}")


class Echo(Result):
    """What was said."""

    name: str


@made_up.tool(title="Echo", effect=Effect.READ)
async def get_echo(text: Annotated[str, Field(description="T.")]) -> Echo:
    """Say it again."""
    return Echo(name=text)


@made_up.tool(title="Misread", effect=Effect.READ)
async def get_misread() -> Nothing:
    """Fail a validation of its own."""
    Inner.model_validate({"number": "canary-secret"})
    return Nothing()


@made_up.tool(title="Protocol", effect=Effect.READ)
async def get_protocol_error(ctx: Context[Any, Any]) -> Nothing:
    """Answer with a protocol error."""
    assert ctx.request_id
    raise MCPError(INVALID_PARAMS, "on purpose")


async def _no_preview() -> Plan:
    return Plan(preview=None)


@made_up.tool(title="Careless", effect=Effect.DESTRUCTIVE)
async def delete_carelessly(
    confirm: Confirm = False,  # noqa: ARG001 -- a declaration
    *,
    plan: Annotated[Plan, Resolve(_no_preview)],  # noqa: ARG001 -- likewise
) -> Nothing:
    """Be destructive without saying what would happen."""
    raise AssertionError("the gate let it pass")


async def _preview() -> Plan:
    target = Target(connector_id="x")
    return Plan(preview=Preview(target=target, effect="e", lost="l", undo="u"))


@made_up.tool(title="Deed", effect=Effect.DESTRUCTIVE)
async def delete_something(
    auth: Maybe[Annotated[dict[str, Any], Field(description="A.")]] = None,  # noqa: ARG001 -- likewise
    confirm: Confirm = False,  # noqa: ARG001 -- a declaration
    *,
    plan: Annotated[Plan, Resolve(_preview)],  # noqa: ARG001 -- likewise
) -> Nothing:
    """Be destructive, properly."""
    return Nothing()


class Approval(BaseModel):
    """What a person answers."""

    approve: bool


async def _ask() -> Elicit[Approval]:
    return Elicit("Do it?", Approval)


@made_up.tool(title="Asked", effect=Effect.WRITE)
async def set_if_asked(approval: Annotated[Approval, Resolve(_ask)]) -> Nothing:
    """Ask a person first."""
    assert approval.approve
    return Nothing()


@pytest.fixture(name="own")
async def _own(era: str) -> Any:
    """Connect to a server of made-up tools."""
    vault = Vault({"A": "opened-value", "B": "name"})
    gate = Gate(mode=Mode.FULL, toolsets=EVERY, vault=vault)
    server = MCPServer("own", tools=[GatedTool.of(spec, gate) for spec in made_up.specs])
    async with Client(server, mode=era) as client:
        yield Caller(client)


@pytest.mark.parametrize("tool", ["get_crash", "get_misread"])
async def test_a_crash_is_told_without_its_text(tool: str, own: Caller, logged: list[Any]) -> None:
    """The log has the traceback, the model what to do."""
    error = await own.error(tool)

    assert error["code"] == "internal_error"
    assert "canary" not in json.dumps(error)
    crash = next(entry for entry in logged if entry["event"] == "tool_crashed")
    assert "Traceback" in crash["exception"]


async def test_the_log_of_a_crash_has_no_credential_of_the_call_nor_of_the_server(
    own: Caller, logged: list[Any]
) -> None:
    """An exception may quote what it was given."""
    await own.error("get_crash", config={"password": "canary-given", "note": "opened-value"})

    text = str(logged)
    assert "canary-given" not in text
    assert "opened-value" not in text
    assert "[redacted]" in text


async def test_what_the_operator_opened_is_in_no_answer(own: Caller) -> None:
    """Wherever it comes from; the answer's own words stay, though one of them is a credential."""
    answer = await own.ok("get_echo", text="it is opened-value, name")

    assert answer == {"name": "it is [redacted], [redacted]"}


async def test_a_preview_does_not_write_out_a_call_with_credentials(own: Caller) -> None:
    """They would be redacted, and so be wrong in the call that confirms it."""
    plain = await own.error("delete_something", auth={"user": "joe"})
    secret = await own.error("delete_something", auth={"password": "canary"})

    assert plain["next_call"]["arguments"] == {"auth": {"user": "joe"}, "confirm": True}
    assert secret["next_call"]["arguments"] == "the same as in this call, and confirm=true"


async def test_a_protocol_error_stays_one(own: Caller) -> None:
    """Some things are for the client, not for the model."""
    with pytest.raises(MCPError, match="on purpose"):
        await own.raw("get_protocol_error")


async def test_a_destructive_tool_without_a_preview_fails_closed(own: Caller) -> None:
    """Even when confirmed."""
    error = await own.error("delete_carelessly", confirm=True)

    assert error["code"] == "internal_error"


async def test_a_confirmed_call_passes(own: Caller) -> None:
    """And only that."""
    assert (await own.error("delete_something"))["code"] == "confirmation_required"
    assert await own.ok("delete_something", confirm=True) == {}


async def test_a_tool_can_ask_the_person_through_the_gate(era: str) -> None:
    """By a live request, or by an answer that asks for more: the gate lets both through."""
    asked: list[str] = []

    async def approve(context: Any, params: Any) -> ElicitResult:
        assert context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": True})

    vault = Vault({"A": "opened-value", "B": "name"})
    gate = Gate(mode=Mode.FULL, toolsets=EVERY, vault=vault)
    server = MCPServer("own", tools=[GatedTool.of(spec, gate) for spec in made_up.specs])
    async with Client(server, mode=era, elicitation_callback=approve) as client:
        assert await Caller(client).ok("set_if_asked") == {}

    assert asked == ["Do it?"]


async def test_a_tool_behind_a_stricter_gate_refuses_by_itself() -> None:
    """The list is not the lock."""
    gate = Gate(mode=Mode.READ_ONLY, toolsets=EVERY)
    server = MCPServer("own", tools=[GatedTool.of(spec, gate) for spec in made_up.specs])
    async with Client(server) as client:
        result = await client.call_tool("delete_something", {"confirm": True})

    assert json.loads(text_of(result))["error"]["code"] == "mode_forbids"


# --- the log ---


async def test_each_call_is_one_line_without_its_arguments(
    caller: Caller, logged: list[Any]
) -> None:
    """What was called, on what, how it ended, how long it took."""
    await caller.ok("get_connector", connector_id="solid_anchor")
    await caller.error("update_connector", connector_id="x" * 999, config={"password": "canary"})
    await caller.error("get_connector", connector_id=7)

    calls = [entry for entry in logged if entry["event"] == "tool_call"]
    assert [call["outcome"] for call in calls] == ["ok", "invalid_arguments", "invalid_arguments"]
    assert calls[0]["connector_id"] == "solid_anchor"
    assert calls[0]["milliseconds"] >= 0
    assert len(calls[1]["connector_id"]) == 64
    assert calls[2]["connector_id"] is None
    assert "canary" not in str(logged)


async def test_a_call_of_what_is_deprecated_is_told_in_its_line(logged: list[Any]) -> None:
    """An operator finds who still calls it before it goes."""
    gone = Deprecated(since="0.2.0", until="1.0.0", use="new")
    old = Toolset("syncs")

    @old.tool(title="Old", effect=Effect.READ, deprecated=gone, deprecated_arguments={"old": gone})
    async def get_old(old: ConnectorId = "x", new: ConnectorId = "x") -> Nothing:  # noqa: ARG001 -- a declaration
        """Do nothing."""
        return Nothing()

    gate = Gate(mode=Mode.READ_ONLY, toolsets=EVERY)
    server = MCPServer("own", tools=[GatedTool.of(spec, gate) for spec in old.specs])
    async with Client(server) as client:
        await client.call_tool("get_old", {})
        await client.call_tool("get_old", {"old": "y"})

    calls = [entry for entry in logged if entry["event"] == "tool_call"]
    assert [call["deprecated"] for call in calls] == [["get_old"], ["get_old", "old"]]


async def test_a_refused_tool_is_logged_without_the_text_that_was_asked_for(
    connect: Connect, logged: list[Any]
) -> None:
    """A name that does not exist may be anything."""
    async with connect("read-only") as caller:
        await caller.error("delete_connector", connector_id="solid_anchor")
        await caller.error("canary\nforged")

    refused = [entry for entry in logged if entry["event"] == "tool_refused"]
    assert [(entry["tool"], entry["outcome"]) for entry in refused] == [
        ("delete_connector", "mode_forbids"),
        (None, "unknown_tool"),
    ]


# --- being a good guest ---


async def test_an_answer_says_when_less_than_a_quarter_of_a_limit_is_left(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Which one, and how much; before that it costs nothing."""
    sandbox.limit_requests(40)
    for _ in range(30):
        assert "few_requests_left" not in await caller.ok("list_groups")

    assert (await caller.ok("list_groups"))["few_requests_left"] == "all/hour: 9 of 40"
