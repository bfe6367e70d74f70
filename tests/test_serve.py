"""The real process: stdio and streamable HTTP, how they end, and what is on stdout."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO, Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from mcp_server.auth import caller_mode, caller_name
from mcp_server.edge import Edge
from mcp_server.policy import Mode
from mcp_server.sandbox import Sandbox
from mcp_server.serve import http_app
from mcp_server.telemetry import Prometheus
from mcp_server.tokens import RETRY, JwtVerifier
from tests.issuer import ISSUER, RESOURCE, Issuer, config, token
from tests.support import ERAS, Caller, nowhere, serve, text_of

COMMAND = [sys.executable, "-m", "mcp_server", "--sandbox"]
FAMILIES = {
    "list_connectors": {"state": "broken"},
    "list_groups": {},
    "get_schema_config": {"connector_id": "solid_anchor"},
    "pause_connector": {"connector_id": "solid_anchor"},
    "update_connector": {"connector_id": "solid_anchor", "data_delay_sensitivity": "LOW"},
}
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server; it must have ended by itself, or is killed."""
    # The coverage of the process is part of the whole.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FIVETRAN")}  # noqa: TID251
    process = subprocess.Popen(  # noqa: S603 -- our own command
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Give a pipe that is there."""
    assert stream is not None
    return stream


def ask(process: subprocess.Popen[bytes], *messages: object) -> None:
    """Write lines to the server."""
    for message in messages:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        pipe(process.stdin).write(line + b"\n")
    pipe(process.stdin).flush()


def answer(process: subprocess.Popen[bytes]) -> Any:
    """Read one line of the protocol."""
    return json.loads(pipe(process.stdout).readline())


@asynccontextmanager
async def over_stdio(era: str, *arguments: str, **options: Any) -> AsyncIterator[Client]:
    """Connect to a process."""
    parameters = StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "--mode", "full", "--log-level", "warning", *arguments],
        env={**os.environ},  # noqa: TID251 -- for the coverage of the process
    )
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log), mode=era, **options) as client:
            yield client


@contextmanager
def serving_http(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve on a free port; the address of `/mcp`."""
    with running("--http", "127.0.0.1:0", "--log-format", "json", *arguments) as process:
        for line in pipe(process.stderr):
            event = str(json.loads(line)["event"])
            if event.startswith("Uvicorn running on "):
                yield f"{event.split()[3]}/mcp", process
                break


async def try_families(client: Client) -> None:
    """Call a tool of each family; refuse a destructive one; check every answer."""
    caller = Caller(client)
    for tool, arguments in FAMILIES.items():
        await caller.ok(tool, **arguments)
    error = await caller.error("delete_connector", connector_id="solid_anchor")
    assert error["code"] == "confirmation_required"
    assert (await caller.ok("delete_connector", **error["next_call"]["arguments"]))["deleted"]


@pytest.mark.parametrize("era", ERAS)
async def test_each_family_of_tools_works_over_stdio(era: str) -> None:
    """On both revisions of the protocol."""
    async with over_stdio(era) as client:
        await try_families(client)


@pytest.mark.parametrize("era", ERAS)
async def test_each_family_of_tools_works_over_http(era: str) -> None:
    """On both revisions of the protocol."""
    with serving_http("--mode", "full") as (url, _):
        async with Client(url, mode=era) as client:
            await try_families(client)


def test_another_host_or_origin_is_refused_over_http() -> None:
    """A web page must not reach the server through a name that resolves to this machine."""
    with serving_http() as (url, _):
        for headers, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
        ):
            answered = httpx.post(url, headers=headers, json=HELLO)
            assert answered.status_code == status


def test_stdout_has_nothing_but_the_protocol() -> None:
    """Whatever comes in, and whatever is logged."""
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "list_connectors", "arguments": {}},
    }
    with running("--log-level", "debug") as process:
        ask(process, HELLO)
        lines = [answer(process)]
        ask(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        ask(process, b"garbage", b'{"half', b"[]", b"\xff\xfe", b"[" * 5000, call)
        lines.append(answer(process))
        out, err = process.communicate(timeout=20)

    lines += [json.loads(line) for line in out.splitlines()]
    assert [line["jsonrpc"] for line in lines] == ["2.0"] * len(lines)
    assert lines[1]["id"] == 2
    assert b"tool_call" in err
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
    ],
)
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_signal_ends_the_server_cleanly(number: int, code: int, transport: str) -> None:
    """With its own exit code and no traceback; input is still open."""
    if transport == "http":
        with serving_http() as (_, process):
            process.send_signal(number)
            assert process.wait(timeout=20) == code
            assert b"Traceback" not in pipe(process.stderr).read()
        return
    with running() as process:
        ask(process, HELLO)
        assert answer(process)["id"] == 1
        process.send_signal(number)
        assert process.wait(timeout=20) == code
        assert b"Traceback" not in pipe(process.stderr).read()


def test_the_end_of_input_ends_the_server_with_success() -> None:
    """The way in which hosts end one."""
    with running() as process:
        ask(process, HELLO)
        assert answer(process)["id"] == 1
        _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert b"Traceback" not in err


ACCEPT = {"Accept": "application/json, text/event-stream"}


def guarded(verifier: JwtVerifier) -> MCPServer[Any]:
    """Make a server that says who calls it."""
    server: MCPServer[Any] = MCPServer(
        "guarded",
        token_verifier=verifier,
        auth=verifier.config.settings(),
        subscriptions=False,
    )

    @server.tool()
    async def whoami() -> str:
        mode = caller_mode(verifier.config)
        return f"{caller_name()}: {mode.word if mode is not None else None}"

    return server


def guarded_app(issuer: Issuer, **settings: Any) -> Starlette:
    """Serve it to all the world."""
    verifier = issuer.verifier(**settings)
    return http_app(guarded(verifier), "0.0.0.0", auth=verifier)  # noqa: S104 -- not bound


@asynccontextmanager
async def talking_to(
    app: Starlette, bearer: str | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Send requests to an application, without sockets."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url=RESOURCE.removesuffix("/mcp"),
            headers=headers,
        ) as http,
    ):
        yield http


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("stateless", [False, True])
@pytest.mark.parametrize(
    ("scope", "mode"),
    [("fivetran:read", "read-only"), ("fivetran:write", "write"), ("fivetran:full", "full")],
)
async def test_each_caller_has_the_mode_of_its_scopes(
    era: str, scope: str, mode: str, *, stateless: bool
) -> None:
    """On one server, whoever else uses it."""
    verifier = Issuer().verifier()
    app = http_app(guarded(verifier), "127.0.0.1", auth=verifier, stateless=stateless)
    async with (
        talking_to(app, token(scope=scope)) as http,
        Client(streamable_http_client(RESOURCE, http_client=http), mode=era) as client,
    ):
        assert text_of(await client.call_tool("whoami", {})) == f"ada (desk): {mode}"


async def test_a_session_gives_nobody_more_than_the_token_of_each_request() -> None:
    """Not a lesser token of the same person, and nothing at all to another."""
    async with talking_to(guarded_app(Issuer())) as http:

        async def post(bearer: str, **message: Any) -> httpx2.Response:
            headers = {**ACCEPT, **session, "Authorization": f"Bearer {bearer}"}
            return await http.post("/mcp", headers=headers, json={"jsonrpc": "2.0", **message})

        session: dict[str, str] = {}
        full, read = token(scope="fivetran:full"), token()
        opened = await post(full, **{k: v for k, v in HELLO.items() if k != "jsonrpc"})
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        assert (await post(full, method="notifications/initialized")).status_code == 202
        call = {"id": 2, "method": "tools/call", "params": {"name": "whoami"}}
        assert "ada (desk): full" in (await post(full, **call)).text
        assert "ada (desk): read-only" in (await post(read, **call)).text
        assert (await post(token(sub="eve", scope="fivetran:full"), **call)).status_code == 404
        assert (await post(token(client_id="other"), **call)).status_code == 404
        assert (await post(token(scope="openid"), **call)).status_code == 403
        assert (await post(token(exp=1), **call)).status_code == 401


@pytest.mark.parametrize(
    ("bearer", "status", "error"),
    [
        (None, 401, "invalid_token"),
        ("nonsense", 401, "invalid_token"),
        ("expired", 401, "invalid_token"),
        ("unscoped", 403, "insufficient_scope"),
    ],
)
@pytest.mark.parametrize(
    ("ask", "scopes"),
    [
        (Mode.READ_ONLY, ["fivetran:read"]),
        (Mode.FULL, ["fivetran:read", "fivetran:write", "fivetran:full"]),
    ],
)
async def test_a_refusal_says_where_to_get_a_token_and_with_which_scopes(
    bearer: str | None, status: int, error: str, ask: Mode, scopes: list[str]
) -> None:
    """As RFC 9728 and the protocol's authorization want it; the metadata say the same."""
    made = {"expired": token(exp=1), "unscoped": token(scope="openid")}.get(bearer or "", bearer)
    async with talking_to(guarded_app(Issuer(), ask=ask), made) as http:
        refused = await http.post("/mcp", headers=ACCEPT, json=HELLO)
        assert refused.status_code == status
        (challenge,) = refused.headers.get_list("www-authenticate")
        assert challenge.startswith(f'Bearer error="{error}"')
        assert challenge.endswith(f'scope="{" ".join(scopes)}"')
        metadata = challenge.split('resource_metadata="')[1].split('"')[0]
        assert metadata == "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
        described = (await http.get(metadata)).json()

    assert described["resource"] == RESOURCE
    assert described["authorization_servers"] == [ISSUER]
    assert described["scopes_supported"] == scopes


async def test_a_resource_without_a_path_is_described_as_it_is_written() -> None:
    """Clients compare the texts."""
    url = "https://mcp.example.com"
    async with talking_to(guarded_app(Issuer(), audience=url)) as http:
        described = (await http.get("/.well-known/oauth-protected-resource")).json()
    assert described["resource"] == url


async def test_a_challenge_that_names_scopes_stays_as_it_is() -> None:
    """The SDK may learn to do it."""

    async def app(_: Any, __: Any, send: Any) -> None:
        headers = [(b"www-authenticate", b'Bearer scope="x"'), (b"x-other", b"1")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    edge = Edge(app, verifier=Issuer().verifier())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=edge)) as http:
        answered = await http.get(RESOURCE)
    assert answered.headers["www-authenticate"] == 'Bearer scope="x"'
    assert answered.headers["x-other"] == "1"


async def test_without_the_issuer_nobody_comes_in_and_all_come_back() -> None:
    """A 503 asks to try again; a 401 would make clients throw their tokens away."""
    issuer = Issuer()
    issuer.fault = httpx.ConnectError("no")
    async with talking_to(guarded_app(issuer), token()) as http:
        for _ in range(2):
            refused = await http.post("/mcp", headers=ACCEPT, json=HELLO)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "5"
            assert refused.headers["cache-control"] == "no-store"
            assert refused.json()["error"] == "temporarily_unavailable"
            assert "www-authenticate" not in refused.headers
        issuer.fault = None
        issuer.wait(RETRY)
        assert (await http.post("/mcp", headers=ACCEPT, json=HELLO)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token_no_name_and_say_nothing_more(path: str) -> None:
    """An orchestrator asks by address."""
    async with talking_to(guarded_app(Issuer()), "nonsense") as http:
        answered = await http.get(path, headers={"Host": "10.0.0.7:8000"})
        assert (answered.status_code, answered.text) == (200, "ok")
        assert answered.headers["cache-control"] == "no-store"
        assert (await http.head(path)).status_code == 200
        refused = await http.post(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
        assert (await http.get(path + "/x")).status_code == 404


async def test_a_server_without_keys_is_alive_and_not_ready() -> None:
    """Until they are there; many probes ask the issuer once."""
    issuer = Issuer()
    issuer.fault = httpx.ConnectError("no")
    async with talking_to(guarded_app(issuer)) as http:
        for _ in range(3):
            assert (await http.get("/healthz")).status_code == 200
            refused = await http.get("/readyz")
            assert (refused.status_code, refused.text) == (503, "the issuer's keys cannot be had")
        assert issuer.searches == 1
        issuer.fault = None
        issuer.wait(RETRY)
        assert (await http.get("/readyz")).status_code == 200


async def test_a_server_for_this_machine_has_probes_and_needs_no_token(sandbox: Sandbox) -> None:
    """And sends no challenge."""
    app = http_app(serve(sandbox), "127.0.0.1", stateless=True)
    async with talking_to(app) as http:
        http.base_url = "http://127.0.0.1:8000"
        for path in ("/healthz", "/readyz"):
            assert (await http.get(path)).text == "ok"
        opened = await http.post("/mcp", headers=ACCEPT, json=HELLO)
        assert opened.status_code == 200
        assert "mcp-session-id" not in opened.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "mcp.example.com:8443"}, 200),
        ({"Host": "inside.example"}, 200),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "[fd00::7]:8000"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "0.0.0.0:8000"}, 421),
        ({"Host": "mcp.example.com.evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://chat.example"}, 200),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://0.0.0.0:8000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://chat.example.evil.example"}, 403),
    ],
)
async def test_only_known_hosts_and_origins_are_served(
    headers: dict[str, str], status: int
) -> None:
    """Even with a good token."""
    verifier = Issuer().verifier()
    bound = "fd00::7" if "fd00" in headers.get("Host", "") else "0.0.0.0"  # noqa: S104 -- not bound
    app = http_app(
        guarded(verifier),
        bound,
        auth=verifier,
        hosts=["Inside.example"],
        origins=["https://chat.example"],
    )
    async with talking_to(app, token()) as http:
        answered = await http.post("/mcp", headers={**ACCEPT, **headers}, json=HELLO)
    assert answered.status_code == status


async def test_a_large_body_is_refused() -> None:
    """And is not even read without a token."""
    large = b" " * (4 * 1024 * 1024 + 1)
    for bearer, status in ((token(), 413), (None, 401)):
        async with talking_to(guarded_app(Issuer()), bearer) as http:
            answered = await http.post("/mcp", headers=ACCEPT, content=large)
        assert answered.status_code == status


def test_nothing_is_served_beyond_this_machine_without_tokens(sandbox: Sandbox) -> None:
    """Nor by a server that would not look at them, nor by one that looks with another's eyes."""
    verifier = Issuer().verifier()
    for host in ("0.0.0.0", "::", "10.0.0.7", "mcp.example.com", ""):  # noqa: S104 -- not bound
        with pytest.raises(ValueError, match="tokens must be required"):
            http_app(serve(sandbox), host)
    with pytest.raises(ValueError, match="not built for this authentication"):
        http_app(serve(sandbox), "0.0.0.0", auth=verifier)  # noqa: S104 -- not bound
    with pytest.raises(ValueError, match="not built for this authentication"):
        http_app(guarded(verifier), "127.0.0.1")


def test_a_configuration_says_the_same_to_the_sdk() -> None:
    """Whoever may not read does not come in."""
    settings = config().settings()
    assert settings.required_scopes == ["fivetran:read"]
    assert str(settings.issuer_url) == ISSUER


def measured(verifier: JwtVerifier | None = None, *, metrics: bool = True) -> Edge:
    """Serve metrics, and an application that says the same to everything else."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("the application")(scope, receive, send)

    kept = Prometheus(list)
    kept.tool_call("get_connector", "read", "ok", 0.2)
    return Edge(app, verifier=verifier, metrics=kept if metrics else None)


async def scrape(edge: Edge, method: str = "GET", **headers: str) -> httpx2.Response:
    """Ask for the metrics."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=edge)) as http:
        return await http.request(method, "http://127.0.0.1:8000/metrics", headers=headers)


async def test_metrics_are_for_those_who_may_read() -> None:
    """Behind a proxy everybody comes from this machine, so that is not enough."""
    edge = measured(Issuer().verifier())
    for bearer, status, error in (
        (None, 401, "invalid_token"),
        ("Bearer ", 401, "invalid_token"),
        (f"Basic {token()}", 401, "invalid_token"),
        ("Bearer nonsense", 401, "invalid_token"),
        (f"Bearer {token(exp=1)}", 401, "invalid_token"),
        (f"Bearer {token(scope='openid')}", 403, "insufficient_scope"),
    ):
        refused = await scrape(edge, **({"Authorization": bearer} if bearer else {}))
        assert refused.status_code == status
        challenge = refused.headers["www-authenticate"]
        assert challenge == f'Bearer error="{error}", scope="fivetran:read"'
        assert "get_connector" not in refused.text

    page = await scrape(edge, Authorization=f"bearer {token()}")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=")
    assert page.headers["cache-control"] == "no-store"
    assert 'tool="get_connector"' in page.text


async def test_metrics_wait_for_the_issuer_like_everything_else() -> None:
    """Nobody comes in meanwhile."""
    issuer = Issuer()
    issuer.fault = httpx.ConnectError("no")
    refused = await scrape(measured(issuer.verifier()), Authorization=f"Bearer {token()}")
    assert refused.status_code == 503


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("127.0.0.1@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_metrics_of_a_server_for_this_machine_are_for_this_machine(
    host: str, status: int
) -> None:
    """A web page whose name leads here learns nothing."""
    assert (await scrape(measured(), Host=host)).status_code == status


async def test_metrics_are_only_read() -> None:
    """By a HEAD as well."""
    refused = await scrape(measured(), "POST")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    head = await scrape(measured(), "HEAD")
    assert (head.status_code, head.text) == (200, "")


async def test_without_metrics_their_path_is_the_applications() -> None:
    """There is nothing to protect."""
    assert (await scrape(measured(metrics=False))).text == "the application"


async def test_what_was_called_can_be_counted_over_http() -> None:
    """By tool and outcome, and what is left of the rate limits; without ids."""
    with serving_http("--mode", "read-only") as (url, _):
        async with Client(url) as client:
            caller = Caller(client)
            await caller.ok("get_connector", connector_id="solid_anchor")
            await caller.error("get_connector", connector_id="nobody")
            await caller.error("delete_connector", connector_id="solid_anchor")
        told = httpx2.get(url.replace("/mcp", "/metrics")).text

    assert 'tool="get_connector"' in told
    assert 'outcome="not_found"' in told
    assert 'code="mode_forbids"' in told
    assert "/v1/connections/{connection_id}" in told
    assert 'kind="all"' in told
    assert "solid_anchor" not in told
