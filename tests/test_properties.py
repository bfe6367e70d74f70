"""What holds for every argument: what is sent, and what never comes out."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from structlog.testing import capture_logs

from mcp_server.catalogue import tools
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.sandbox.routes import ROUTES
from mcp_server.tools import state_changes, waiting
from tests.support import HOSTILE, Clock, serve, text_of

TOOLS = {tool.name: tool for tool in tools()}
C = "v1/connections/*"
WRITES: dict[str, set[tuple[str, str]]] = {
    "approve_trust": {
        ("POST", f"{C}/certificates"),
        ("POST", f"{C}/fingerprints"),
        ("POST", f"{C}/test"),
    },
    "bulk_update": {("PATCH", C), ("POST", f"{C}/sync")},
    "create_connect_card": {("POST", f"{C}/connect-card")},
    "create_connector": {("POST", "v1/connections")},
    "delete_connector": {("DELETE", C)},
    "dismiss_warnings": {("POST", f"{C}/dismiss-warnings")},
    "drop_columns": {("POST", f"{C}/schemas/drop-columns")},
    "move_connector": {("POST", f"{C}/move")},
    "pause_connector": {("PATCH", C)},
    "reload_schema_config": {("POST", f"{C}/schemas/reload")},
    "resume_connector": {("PATCH", C)},
    "resync_connector": {("POST", f"{C}/resync")},
    "revoke_trust": {("DELETE", f"{C}/certificates/*"), ("DELETE", f"{C}/fingerprints/*")},
    "run_setup_tests": {
        ("POST", f"{C}/test"),
        ("POST", f"{C}/certificates"),
        ("POST", f"{C}/fingerprints"),
    },
    "set_connector_state": {("PATCH", C), ("PATCH", f"{C}/state")},
    "set_sync_frequency": {("PATCH", C)},
    "sync_connector": {("POST", f"{C}/sync")},
    "undo_change": set(),
    "update_connector": {("PATCH", C)},
    "update_schema_config": {("PATCH", f"{C}/schemas"), ("POST", f"{C}/schemas")},
}
"""All that a tool may send besides reads."""

PLAIN = st.characters(codec="utf-8")
"""What JSON can carry: half a character is no text."""
WILD = st.one_of(st.sampled_from([*HOSTILE.values()]), st.text(PLAIN, max_size=30))
NAMES = st.sampled_from(
    [
        *("solid_anchor", "brisk_lantern", "sdk_weather", "dusty_canyon", "amber_harbor"),
        *("north_pine", "public", "orders", "customers", "email", "postgres", "stripe"),
    ]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), NAMES, WILD),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.one_of(NAMES, WILD), inner, max_size=2)
    ),
    max_leaves=5,
)
steady = settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Draw values for an argument: mostly as its schema has them, sometimes anything."""
    if "enum" in schema:
        fitting: st.SearchStrategy[Any] = st.sampled_from(schema["enum"])
    elif schema["type"] == "boolean":
        fitting = st.booleans()
    elif schema["type"] == "integer":
        fitting = st.integers(schema.get("minimum", 0), schema.get("maximum", 9))
    elif schema["type"] == "array":
        fitting = st.lists(values(schema["items"]), min_size=1, max_size=2)
    elif schema["type"] == "object":
        fitting = st.dictionaries(st.one_of(NAMES, WILD), _inside(schema), max_size=2)
    else:
        fitting = st.one_of(NAMES, NAMES, WILD)
    return st.one_of(fitting, fitting, fitting, ANYTHING)


def _inside(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    inner = schema.get("additionalProperties")
    if not isinstance(inner, dict) or "type" not in inner:
        return ANYTHING
    if "properties" in inner:
        return st.fixed_dictionaries(
            {}, optional={name: values(each) for name, each in inner["properties"].items()}
        )
    return values(inner)


def arguments(tool: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw arguments of a tool."""
    schema = TOOLS[tool].parameters
    drawn = {name: values(each) for name, each in schema["properties"].items()}
    required = set(schema.get("required", []))
    return st.fixed_dictionaries(
        {name: each for name, each in drawn.items() if name in required},
        optional={name: each for name, each in drawn.items() if name not in required},
    )


def texts_in(value: Any) -> set[str]:
    """List every text of a call, keys included."""
    if isinstance(value, dict):
        return {*value, *(text for each in value.values() for text in texts_in(each))}
    if isinstance(value, list):
        return {text for each in value for text in texts_in(each)}
    return {value} if isinstance(value, str) else set()


def routes_of(path: str) -> list[str]:
    """Find the routes that a raw path fits, segment by segment and not decoded."""
    parts = path.split("/")[1:]
    assert not {unquote(part) for part in parts} & {"", ".", ".."}, path
    return [
        route.path
        for route in ROUTES
        if len(wanted := route.path.split("/")) == len(parts)
        and all(want in {"*", part} for want, part in zip(wanted, parts, strict=True))
    ]


@pytest.mark.parametrize("tool", TOOLS)
@given(data=st.data())
@steady
async def test_no_argument_makes_a_tool_send_anything_but_its_own_requests(
    tool: str, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own method and path, the names in it being arguments; and unconfirmed, no change."""
    given, clock = data.draw(arguments(tool)), Clock()
    sandbox = Sandbox(now=clock.now)

    async def rest(seconds: float) -> None:
        clock.wait(seconds)

    monkeypatch.setattr(waiting, "rest", rest)

    async with Client(serve(sandbox)) as client:
        result = await client.call_tool(tool, given)

    for request in sandbox.requests:
        fitting = routes_of(request.path)
        assert fitting, request.path
        if request.method == "GET":
            continue
        allowed = {path for method, path in WRITES.get(tool, set()) if method == request.method}
        assert allowed & {*fitting}, (request.method, request.path)
        if "confirm" in TOOLS[tool].parameters["properties"] and given.get("confirm") is not True:
            destructive = TOOLS[tool].spec.effect.value == "destructive"
            assert not destructive or request.path.endswith("/test")
    known = {*sandbox.connections, "groups", "metadata"} | texts_in(given)
    for request in sandbox.requests:
        if request.method != "GET" and request.path.count("/") > 2:
            assert unquote(request.path.split("/")[3]) in known
    text = text_of(result)
    assert "internal_error" not in text, text


CORE = "c4n4ry"
UPSTREAM = "upstre4m-canary"
"""What the server was never given: known only by where Fivetran shows it."""
SECRET_KEYS = st.sampled_from(["password", "api_key", "client_secret", "access_token", "secret"])
FORMS: list[Callable[[str], str]] = [
    lambda secret: f"it said {secret} to me",
    lambda secret: json.dumps({"sent": secret}),
    lambda secret: json.dumps({"sent": secret}, ensure_ascii=False),
    lambda secret: f"https://db.example/x?p={quote(secret, safe='')}",
    lambda secret: "x" * 290 + secret,
    lambda secret: f"postgres://joe:{quote(secret, safe='')}@db/x",
    lambda secret: f"{secret}\n{secret}",
]


@given(data=st.data())
@settings(steady, max_examples=60)
async def test_a_secret_comes_out_nowhere_however_it_went_in_or_comes_back(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    data: st.DataObject,
) -> None:
    """Written out or named, at any depth; quoted by Fivetran in a refusal, a test, a read."""
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    monkeypatch.setattr(state_changes, "SECONDS_BETWEEN_LOOKS", 0)
    sandbox = Sandbox()
    before, after = data.draw(st.text(PLAIN, max_size=12)), data.draw(st.text(PLAIN, max_size=12))
    secret = f"{before}{CORE}{after}".replace("\x00", "")
    monkeypatch.setenv("CANARY_VALUE", secret)
    named = data.draw(st.booleans())
    value: Any = {"$env": "CANARY_VALUE"} if named else secret
    key = data.draw(SECRET_KEYS)
    keys = {"external_secrets_keys_config": {key: secret}} if data.draw(st.booleans()) else {}
    wrapped = data.draw(
        st.sampled_from([{key: value}, {"list": [{key: value}]}, {"in": {key: value}}])
    )
    tool, call = data.draw(
        st.sampled_from(
            [
                (
                    "create_connector",
                    {"group_id": "amber_harbor", "service": "stripe", "config": wrapped},
                ),
                (
                    "create_connector",
                    {
                        "group_id": "amber_harbor",
                        "service": "stripe",
                        "config": wrapped,
                        "dry_run": True,
                    },
                ),
                (
                    "update_connector",
                    {"connector_id": "solid_anchor", "config": wrapped, "auth": wrapped},
                ),
                (
                    "update_connector",
                    {"connector_id": "solid_anchor", "config": json.dumps(wrapped)},
                ),
                (
                    "update_connector",
                    {"connector_id": "solid_anchor", "auth": wrapped, "dry_run": True},
                ),
                ("set_connector_state", {"connector_id": "sdk_weather", "state": {key: secret}}),
                (
                    "set_connector_state",
                    {"connector_id": "sdk_weather", "state": {key: secret}, "confirm": True},
                ),
                ("get_connector", {"connector_id": "solid_anchor"}),
                ("get_connector_problems", {"connector_id": "brisk_lantern"}),
                ("run_setup_tests", {"connector_id": "solid_anchor"}),
            ]
        )
    )
    if data.draw(st.booleans()):
        sandbox.fail(Fault(path="/v1/metadata/.*", status=403, times=5))
    echo = data.draw(st.sampled_from(FORMS))(secret)
    _let_fivetran_say(sandbox, echo, refuse=data.draw(st.booleans()))

    with capture_logs() as logs:
        async with Client(serve(sandbox, secret_env="CANARY_*")) as client:
            more = keys if tool in {"create_connector", "update_connector"} else {}
            result = await client.call_tool(tool, {**call, **more})

    shown = [text_of(result), repr(logs), caplog.text]
    assert not any(CORE in text or UPSTREAM in text for text in shown), shown


def _let_fivetran_say(sandbox: Sandbox, words: str, *, refuse: bool) -> None:
    """Quote a secret in the next answer to anything that concerns a connection."""
    leaks = f"postgres://joe:{UPSTREAM}@db/x?password={UPSTREAM} Authorization: Bearer {UPSTREAM}"
    text = f"{words} {leaks}"
    said = {"title": words, "status": "FAILED", "message": text, "details": {"sent": [text]}}
    notice = {"code": words, "message": text, "details": text}
    body = {
        "code": words if refuse else "Success",
        "message": text,
        "data": {
            "id": "solid_anchor",
            "service": "postgres",
            "schema": words,
            "group_id": "amber_harbor",
            "status": {"setup_state": "broken", "tasks": [notice], "warnings": [notice]},
            "setup_tests": [said],
            "config": {"host": text, "password": UPSTREAM, "in": [{"api_key": UPSTREAM}]},
        },
    }
    status = 400 if refuse else 200
    for method in ("POST", "PATCH"):
        sandbox.fail(Fault(method=method, path="/v1/connections.*", status=status, body=body))
    if not refuse:
        sandbox.fail(
            Fault(method="GET", path="/v1/connections/brisk_lantern", status=200, body=body)
        )


DESTRUCTIVE_REQUESTS = frozenset(
    {("DELETE", C), ("POST", f"{C}/resync"), ("POST", f"{C}/schemas/tables/resync")}
    | {("PATCH", f"{C}/state"), ("POST", f"{C}/move"), ("POST", f"{C}/schemas/drop-columns")}
    | {("POST", f"{C}/certificates"), ("POST", f"{C}/fingerprints")}
    | {("DELETE", f"{C}/certificates/*"), ("DELETE", f"{C}/fingerprints/*")}
)
"""What is never sent without a confirmation, whatever else its tool may send."""
FORBID_ALL = '[[rules]]\nname = "all"\neffects = ["write", "destructive"]\nverdict = "deny"\n'


@given(data=st.data())
@settings(steady, max_examples=80)
async def test_no_mode_policy_or_argument_lets_a_change_through_that_may_not_be(
    data: st.DataObject, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only reads below mode write or under a policy that forbids; nothing destructive unconfirmed."""
    tool = data.draw(st.sampled_from(sorted(TOOLS)))
    mode = data.draw(st.sampled_from(["read-only", "write", "full"]))
    approval = data.draw(st.sampled_from(["auto", "human", "argument", "preview"]))
    forbidden = data.draw(st.booleans())
    given, clock = data.draw(arguments(tool)), Clock()
    sandbox = Sandbox(now=clock.now)

    async def rest(seconds: float) -> None:
        clock.wait(seconds)

    monkeypatch.setattr(waiting, "rest", rest)
    policy = {}
    if forbidden:
        file = tmp_path_factory.mktemp("policy") / "policy.toml"
        file.write_text(FORBID_ALL, encoding="utf-8")
        policy = {"policy": str(file)}
    async with Client(serve(sandbox, mode, approval=approval, **policy)) as client:
        result = await client.call_tool(tool, given)

    sent = [(r.method, r.path) for r in sandbox.requests if r.method != "GET"]
    tests_only = all(path.endswith("/test") for _, path in sent)
    assert not sent or mode != "read-only"
    # Trust is planned by running the setup tests, which change nothing.
    assert not sent or not forbidden or tests_only
    for method, path in sent:
        destructive = {(method, route) for route in routes_of(path)} & DESTRUCTIVE_REQUESTS
        if destructive:
            assert mode == "full"
            assert given.get("confirm") is True
            assert approval in {"auto", "argument"}, "nobody was asked, and no preview was shown"
    assert "internal_error" not in text_of(result), text_of(result)
