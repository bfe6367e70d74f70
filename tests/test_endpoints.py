"""Every endpoint of Fivetran's API that has to do with a connector: which tool it is, or part of.

The left of each row is the operation, the right a call that is made to prove it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from mcp_server.catalogue import tools
from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.sandbox.routes import ROUTES
from tests.support import Caller, Clock

C = "v1/connections/*"
ONE = {"connector_id": "solid_anchor"}
EMAIL = {"public": {"tables": {"customers": {"columns": {"email": {"enabled": False}}}}}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """An operation of the API, and the tool that covers it."""

    tool: str
    call: dict[str, Any] = field(default_factory=dict)
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Calls that bring about what the operation needs."""
    instead: str = ""
    """The path, after its method, by which the tool has the same effect; and why that one."""


SENT: dict[tuple[str, str, str], Row] = {
    ("list connections", "GET", "v1/connections"): Row(tool="list_connectors"),
    ("create a connection", "POST", "v1/connections"): Row(
        tool="create_connector",
        call={
            "group_id": "amber_harbor",
            "service": "stripe",
            "config": {"schema": "new", "api_key": "a-made-up-key"},
        },
    ),
    ("read a connection", "GET", C): Row(tool="get_connector", call=ONE),
    ("update a connection", "PATCH", C): Row(
        tool="update_connector", call={**ONE, "pause_after_trial": True}
    ),
    ("pause", "PATCH", C): Row(tool="pause_connector", call=ONE),
    ("resume", "PATCH", C): Row(tool="resume_connector", call={"connector_id": "dusty_canyon"}),
    ("schedule", "PATCH", C): Row(tool="set_sync_frequency", call={**ONE, "minutes": 60}),
    ("delete a connection", "DELETE", C): Row(
        tool="delete_connector", call={**ONE, "confirm": True}
    ),
    ("sync", "POST", f"{C}/sync"): Row(tool="sync_connector", call=ONE),
    ("re-sync", "POST", f"{C}/resync"): Row(
        tool="resync_connector", call={**ONE, "scope": "connector", "confirm": True}
    ),
    ("read the state", "GET", f"{C}/state"): Row(
        tool="get_connector_state", call={"connector_id": "sdk_weather"}
    ),
    ("replace the state", "PATCH", f"{C}/state"): Row(
        tool="set_connector_state",
        call={"connector_id": "sdk_weather", "state": {"cursor": "x"}, "confirm": True},
    ),
    ("run setup tests", "POST", f"{C}/test"): Row(tool="run_setup_tests", call=ONE),
    ("make a Connect Card", "POST", f"{C}/connect-card"): Row(
        tool="create_connect_card", call={**ONE, "redirect_uri": "https://app.example"}
    ),
    ("read the schema config", "GET", f"{C}/schemas"): Row(tool="get_schema_config", call=ONE),
    ("choose before the first capture", "POST", f"{C}/schemas"): Row(
        tool="update_schema_config",
        call={"connector_id": "calm_ridge", "schemas": {"gsheets": {"enabled": True}}},
    ),
    ("update the schema config", "PATCH", f"{C}/schemas"): Row(
        tool="update_schema_config",
        call={**ONE, "schemas": {"public": {"tables": {"refunds": {"enabled": True}}}}},
    ),
    ("reload the schema config", "POST", f"{C}/schemas/reload"): Row(
        tool="reload_schema_config", call=ONE
    ),
    ("list columns", "GET", f"{C}/schemas/*/tables/*/columns"): Row(
        tool="get_table_columns", call={**ONE, "schema": "public", "table": "orders"}
    ),
    ("drop columns", "POST", f"{C}/schemas/drop-columns"): Row(
        tool="drop_columns",
        call={**ONE, "columns": {"public": {"customers": ["email"]}}, "confirm": True},
        before=(("update_schema_config", {**ONE, "schemas": EMAIL, "confirm": True}),),
    ),
    ("list certificates", "GET", f"{C}/certificates"): Row(
        tool="list_trusted", call={**ONE, "kind": "certificate"}
    ),
    ("list fingerprints", "GET", f"{C}/fingerprints"): Row(
        tool="list_trusted", call={**ONE, "kind": "fingerprint"}
    ),
    ("approve a certificate", "POST", f"{C}/certificates"): Row(
        tool="approve_trust",
        call={"connector_id": "wary_lynx", "kind": "certificate", "confirm": True},
        before=(("run_setup_tests", {"connector_id": "wary_lynx"}),),
    ),
    ("approve a fingerprint", "POST", f"{C}/fingerprints"): Row(
        tool="approve_trust",
        call={"connector_id": "deep_mole", "kind": "fingerprint", "confirm": True},
        before=(("run_setup_tests", {"connector_id": "deep_mole"}),),
    ),
    ("revoke a certificate", "DELETE", f"{C}/certificates/*"): Row(
        tool="revoke_trust",
        call={"connector_id": "wary_lynx", "kind": "certificate", "confirm": True},
        before=(
            ("run_setup_tests", {"connector_id": "wary_lynx"}),
            (
                "approve_trust",
                {"connector_id": "wary_lynx", "kind": "certificate", "confirm": True},
            ),
        ),
    ),
    ("revoke a fingerprint", "DELETE", f"{C}/fingerprints/*"): Row(
        tool="revoke_trust",
        call={"connector_id": "brisk_lantern", "kind": "fingerprint", "confirm": True},
        before=(("list_trusted", {"connector_id": "brisk_lantern", "kind": "fingerprint"}),),
    ),
    ("list connector types", "GET", "v1/metadata/connector-types"): Row(
        tool="search_connector_types", call={"query": "postgres"}
    ),
    ("describe a connector type", "GET", "v1/metadata/connector-types/*"): Row(
        tool="describe_connector_type", call={"service": "postgres"}
    ),
    ("sync history", "GET", f"{C}/sync-history"): Row(tool="get_sync_history", call=ONE),
    ("list warnings", "GET", f"{C}/warnings"): Row(tool="get_connector_problems", call=ONE),
    ("dismiss warnings", "POST", f"{C}/dismiss-warnings"): Row(
        tool="dismiss_warnings",
        call={"connector_id": "brisk_lantern", "codes": ["resync_table_warning"]},
    ),
    ("list errors", "GET", f"{C}/errors"): Row(tool="get_connector_problems", call=ONE),
    ("move", "POST", f"{C}/move"): Row(
        tool="move_connector",
        call={
            "connector_id": "dusty_canyon",
            "group_id": "north_pine",
            "sync_behavior": "CONTINUE",
            "confirm": True,
        },
    ),
    ("follow a move", "GET", f"{C}/move/*"): Row(
        tool="get_move_status",
        call={"connector_id": "dusty_canyon"},
        before=(
            (
                "move_connector",
                {
                    "connector_id": "dusty_canyon",
                    "group_id": "north_pine",
                    "sync_behavior": "CONTINUE",
                    "confirm": True,
                },
            ),
        ),
    ),
}
"""What is sent to this very path."""

COVERED: dict[tuple[str, str, str], Row] = {
    ("list connections of a group", "GET", "v1/groups/*/connections"): Row(
        tool="list_connectors", instead="GET v1/connections: its group_id lists the same"
    ),
    ("re-sync tables", "POST", f"{C}/schemas/tables/resync"): Row(
        tool="resync_connector", instead=f"POST {C}/resync: with a scope it does the same"
    ),
    ("update a schema", "PATCH", f"{C}/schemas/*"): Row(
        tool="update_schema_config", instead=f"PATCH {C}/schemas: odd names stay out of the path"
    ),
    ("update a table", "PATCH", f"{C}/schemas/*/tables/*"): Row(
        tool="update_schema_config", instead=f"PATCH {C}/schemas: likewise"
    ),
    ("update a column", "PATCH", f"{C}/schemas/*/tables/*/columns/*"): Row(
        tool="update_schema_config", instead=f"PATCH {C}/schemas: likewise"
    ),
    ("drop a column", "DELETE", f"{C}/schemas/*/tables/*/columns/*"): Row(
        tool="drop_columns", instead=f"POST {C}/schemas/drop-columns: several at once, or none"
    ),
    ("read a certificate", "GET", f"{C}/certificates/*"): Row(
        tool="list_trusted", instead=f"GET {C}/certificates: its rows are as full"
    ),
    ("read a fingerprint", "GET", f"{C}/fingerprints/*"): Row(
        tool="list_trusted", instead=f"GET {C}/fingerprints: its rows are as full"
    ),
    ("list types without a key", "GET", "public/connector-types"): Row(
        tool="search_connector_types",
        instead="GET v1/metadata/connector-types: the server has a key",
    ),
    ("dismiss one type of warning", "DELETE", f"{C}/warnings/*"): Row(
        tool="dismiss_warnings", instead=f"POST {C}/dismiss-warnings: several at once, or none"
    ),
}
"""What another path does as well or better."""

ELSEWHERE = {
    ("GET", "v1/account/info"),
    ("GET", "v1/groups"),
    ("GET", "v1/groups/*"),
}
"""What the sandbox answers beyond connectors."""


def pattern(path: str) -> str:
    """Write a path that was asked for with a star for each name, as the routes have it."""
    parts = path.strip("/").split("/")
    fits = [route.path for route in ROUTES if route.names(parts) is not None]
    exact = [each for each in fits if each == "/".join(parts)]
    return (exact or sorted(fits, key=lambda each: each.count("*")))[0]


def test_no_endpoint_is_missing_and_every_tool_has_one() -> None:
    """The sandbox answers each, and nothing that is not in the table."""
    rows = {*SENT, *COVERED}
    endpoints = {(method, path) for _, method, path in rows}

    assert endpoints == {(route.method, route.path) for route in ROUTES} - ELSEWHERE
    named = {row.tool for row in (*SENT.values(), *COVERED.values())}
    of_many = {"bulk_update", "compare_schema", "find_tables", "triage_connectors", "wait_for_sync"}
    others = {"get_server_status", "get_sync_status", "list_groups"}
    of_many |= {"get_audit_log", "undo_change"}
    assert named == {tool.name for tool in tools()} - of_many - others


@pytest.mark.parametrize(("operation", "row"), SENT.items(), ids=[row[0] for row in SENT])
async def test_each_operation_is_sent_by_its_tool(
    operation: tuple[str, str, str], row: Row, caller: Caller, sandbox: Sandbox
) -> None:
    """To its method and path, and answered."""
    known: dict[str, Any] = {}
    for tool, arguments in row.before:
        answer = await caller.ok(tool, **arguments, **_given(tool, known))
        known |= _learned(answer)
    sandbox.requests.clear()

    await caller.ok(row.tool, **row.call, **_given(row.tool, known))

    _, method, path = operation
    assert (method, path) in {(each.method, pattern(each.path)) for each in sandbox.requests}


def _learned(answer: dict[str, Any]) -> dict[str, Any]:
    """Take what a later call needs from an answer."""
    items = [*answer.get("untrusted", []), *answer.get("trusted", [])]
    found = {"hash": items[0]["hash"]} if items else {}
    return {**found, **({"job_id": answer["job_id"]} if "job_id" in answer else {})}


def _given(tool: str, known: dict[str, Any]) -> dict[str, Any]:
    wanted = {"approve_trust": "hash", "revoke_trust": "hash", "get_move_status": "job_id"}
    return {wanted[tool]: known[wanted[tool]]} if tool in wanted else {}


@pytest.mark.parametrize(("operation", "row"), COVERED.items(), ids=[row[0] for row in COVERED])
async def test_each_operation_that_is_not_sent_has_another_that_is(
    operation: tuple[str, str, str], row: Row
) -> None:
    """By the same tool, and for a reason."""
    method, _, rest = row.instead.partition(" ")
    path, _, reason = rest.partition(": ")

    assert reason
    assert operation not in SENT
    assert row.tool in {each.tool for key, each in SENT.items() if key[1:] == (method, path)}


async def test_the_sandbox_answers_each(sandbox: Sandbox, clock: Clock) -> None:
    """With something of this API's, never with a crash; also what no tool asks for."""
    clock.wait(1)
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://x.example", auth=(SANDBOX_KEY, SANDBOX_SECRET)
    ) as http:
        for route in ROUTES:
            path = route.path.replace("*", "solid_anchor", 1).replace("*", "public")
            answer = await http.request(
                route.method, f"/{path}", json={} if route.method in {"POST", "PATCH"} else None
            )
            assert answer.status_code < 500, route
            assert isinstance(json.loads(answer.content)["code"], str), route
