"""What an operator sees of requests and calls, and what nobody sees."""

import base64
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
import stamina
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from typing_extensions import override

from mcp_server import __version__, log, telemetry
from mcp_server.fivetran import Budget, Transport
from mcp_server.fivetran.errors import (
    DeadlineError,
    FivetranError,
    OutcomeUnknownError,
    ReadOnlyError,
)
from mcp_server.fivetran.transport import only_reads
from mcp_server.sandbox import Sandbox
from mcp_server.sandbox.routes import ROUTES
from mcp_server.telemetry import Metrics, ObservedClient, Prometheus, route_of

BASE = "https://api.fivetran.com"
CANARY = "canary-that-nobody-sees"
Spans = Callable[[], tuple[ReadableSpan, ...]]
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Keep the spans that end."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(telemetry, "TRACER", provider.get_tracer("test"))
    return kept.get_finished_spans


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Give what was logged, as a text; put logging back as it was."""
    root, ours = logging.getLogger(), logging.getLogger(log.OURS)
    handlers, level = root.handlers[:], root.level
    hooks = stamina.instrumentation.get_on_retry_hooks()
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)
    ours.setLevel(logging.NOTSET)
    stamina.instrumentation.set_on_retry_hooks(hooks)
    structlog.reset_defaults()


def ok(_: httpx.Request) -> httpx.Response:
    """Answer well."""
    return httpx.Response(200, json={"code": "Success", "data": {"x": CANARY}})


def client(answer: Answer = ok, metrics: Metrics | None = None, **options: Any) -> ObservedClient:
    """Make a client whose network is a function."""
    return ObservedClient(
        base_url=BASE,
        auth=("canary-key", CANARY),
        transport=httpx.MockTransport(answer),
        metrics=metrics,
        **options,
    )


def raises(error: Exception) -> Answer:
    """Fail before there is an answer."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


def samples(page: bytes, name: str) -> set[str]:
    """Read the samples of a metric, without its name."""
    lines = page.decode().splitlines()
    return {line.removeprefix(name) for line in lines if line.startswith((f"{name}{{", f"{name} "))}


# What is not below v1 needs no key, and the client does not use it.
USED = {f"{route.method} {route.path}": route for route in ROUTES if route.path.startswith("v1/")}


@pytest.mark.parametrize("route", USED.values(), ids=USED)
def test_every_operation_has_one_route_which_names_nothing(route: Any) -> None:
    """Whatever the names in its path are, an operation's own words included."""
    named = set()
    for name in ("canary", "a%2Fb", "sync", "%2E", "{id}"):
        url = f"{BASE}/{route.path.replace('*', name)}?cursor={CANARY}"
        named.add(route_of(httpx.Request(route.method, url)))
    (template,) = named
    assert "canary" not in template
    starred = "/".join("*" if part.startswith("{") else part for part in template.split("/"))
    assert starred == f"/{route.path}"


def test_what_is_no_operation_has_no_name() -> None:
    """Its path may hold anything."""
    for method, path in (
        ("GET", "/v1/connections/x/canary"),
        ("BREW", "/v1/groups"),
        ("GET", ""),
        ("GET", "/v1/a/b/c/d/e/f/g/h/i"),
    ):
        assert route_of(httpx.Request(method, BASE + path)) == "other"


async def test_a_request_has_a_span_of_its_route(spans: Spans) -> None:
    """With what the conventions of OpenTelemetry want, and no more."""
    transport = Transport(client())
    assert await transport.get("connections", "canary_id", params={"cursor": CANARY})

    (span,) = spans()
    assert span.name == "GET /v1/connections/{connection_id}"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/v1/connections/{connection_id}",
        "server.address": "api.fivetran.com",
        "http.response.status_code": 200,
    }
    assert "canary" not in span.to_json()


async def test_each_attempt_has_a_span(spans: Spans) -> None:
    """With its number, and the pause that was asked for."""
    answers = iter(
        [
            httpx.Response(429, headers={"Retry-After": "1"}, json={"message": CANARY}),
            httpx.Response(503, text=CANARY),
            httpx.Response(200, json={"data": {}}),
        ]
    )
    metrics = Prometheus(list)
    transport = Transport(client(lambda _: next(answers), metrics))
    await transport.get("groups")

    first, second, third = spans()
    assert [span.status.status_code for span in (first, second, third)] == [
        StatusCode.ERROR,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    facts = [dict(span.attributes or {}) for span in (first, second, third)]
    assert facts[0]["fivetran.retry_after_seconds"] == 1
    assert [f.get("error.type") for f in facts] == ["RateLimitedError", "UpstreamError", None]
    assert [f.get("http.request.resend_count") for f in facts] == [None, 1, 2]
    assert all("canary" not in span.to_json() for span in spans())

    page, _ = metrics.page()
    route = 'method="GET",route="/v1/groups"'
    assert samples(page, "fivetran_mcp_upstream_requests_total") == {
        f'{{{route},status="{status}"}} 1.0' for status in ("2xx", "4xx", "5xx")
    }
    assert samples(page, "fivetran_mcp_upstream_retries_total") == {f"{{{route}}} 2.0"}
    assert samples(page, "fivetran_mcp_upstream_request_seconds_count") == {f"{{{route}}} 3.0"}


@pytest.mark.parametrize(
    ("method", "answer", "error"),
    [
        ("GET", raises(httpx.ConnectError(CANARY)), "UnreachableError"),
        ("GET", raises(httpx.ReadTimeout(CANARY)), "DeadlineError"),
        pytest.param("GET", raises(httpx.ReadError(CANARY)), "UnreachableError", id="broken"),
        ("PATCH", raises(httpx.ConnectTimeout(CANARY)), "UnreachableError"),
        ("PATCH", raises(httpx.ReadTimeout(CANARY)), "OutcomeUnknownError"),
        ("GET", lambda _: httpx.Response(404), "NotFoundError"),
        ("GET", lambda _: httpx.Response(418), "InvalidRequestError"),
        ("GET", lambda _: httpx.Response(500), "UpstreamError"),
        ("PATCH", lambda _: httpx.Response(500), "OutcomeUnknownError"),
    ],
)
async def test_a_failure_is_named_as_the_client_names_it(
    spans: Spans, logged: Callable[[], str], method: str, answer: Answer, error: str
) -> None:
    """In the span and in the log, and nowhere in its own words."""
    log.configure("debug", "json")
    transport = Transport(client(answer))
    with pytest.raises(FivetranError) as caught:
        await (
            transport.get("groups", "canary")
            if method == "GET"
            else transport.change(method, "connections", "canary")
        )

    assert type(caught.value).__name__ == error
    for span in spans():
        assert (span.attributes or {})["error.type"] == error
        assert span.status.status_code is StatusCode.ERROR
        assert "canary" not in span.to_json()
    assert f'"error": "{error}"' in (text := logged())
    assert "canary" not in text


class Trickle(httpx.AsyncByteStream):
    """A body that comes in pieces, and ends as told."""

    def __init__(self, end: Callable[[], Any]) -> None:
        self._end = end

    @override
    async def __aiter__(self) -> Any:
        """Give a piece."""
        yield b"{"
        await self._end()


async def broken() -> None:
    """Break the connection."""
    raise httpx.ReadError(CANARY)


@pytest.mark.parametrize(
    ("end", "error", "kind"),
    [
        (broken, "OutcomeUnknownError", OutcomeUnknownError),
        (anyio.sleep_forever, "cancelled", None),
    ],
)
async def test_an_answer_that_breaks_off_is_no_success(
    spans: Spans, end: Callable[[], Any], error: str, kind: type[FivetranError] | None
) -> None:
    """Its span ends with it, not with its head."""
    metrics = Prometheus(list)
    http = client(lambda _: httpx.Response(200, stream=Trickle(end)), metrics)
    method = "POST" if kind else "GET"
    with pytest.raises(kind or DeadlineError):
        await (
            Transport(http).change("POST", "connections")
            if kind
            else Transport(http, deadline=0.05).get("connections")
        )

    (span,) = spans()
    assert (span.attributes or {})["error.type"] == error
    assert (span.attributes or {})["http.response.status_code"] == 200
    route = f'method="{method}",route="/v1/connections"'
    page, _ = metrics.page()
    assert samples(page, "fivetran_mcp_upstream_requests_total") == {
        f'{{{route},status="2xx"}} 1.0'
    }


async def test_an_answer_of_which_enough_was_read_is_no_failure(spans: Spans) -> None:
    """Whoever reads may stop."""
    http = client(lambda _: httpx.Response(200, stream=Trickle(anyio.sleep_forever)))
    async with http.stream("GET", "/v1/groups") as response:
        body: Any = response.stream
        pieces = body.__aiter__()
        assert await anext(pieces) == b"{"
        await pieces.aclose()

    (span,) = spans()
    assert span.status.status_code is StatusCode.UNSET


async def test_a_request_that_was_not_streamed_ends_as_well(spans: Spans) -> None:
    """Once."""
    await client().get("/v1/groups")
    assert len(spans()) == 1


async def test_what_the_lock_refuses_reached_nobody(spans: Spans) -> None:
    """It has no status."""
    metrics = Prometheus(list)
    http = client(metrics=metrics, event_hooks={"request": [only_reads]})
    with pytest.raises(ReadOnlyError):
        await Transport(http).change("DELETE", "connections", "x")

    (span,) = spans()
    assert (span.attributes or {})["error.type"] == "ReadOnlyError"
    page, _ = metrics.page()
    (sample,) = samples(page, "fivetran_mcp_upstream_requests_total")
    assert 'status="none"' in sample


async def test_debug_has_a_line_for_each_request(logged: Callable[[], str]) -> None:
    """By its route, without what was asked and answered."""
    log.configure("debug", "json")
    await Transport(client()).get("connections", "canary", params={"cursor": "canary"})

    text = logged()
    (line,) = [json.loads(each) for each in text.splitlines()]
    assert line["event"] == "fivetran_request"
    assert line["method"] == "GET"
    assert line["route"] == "/v1/connections/{connection_id}"
    assert (line["status"], line["attempt"], line["error"]) == (200, 1, None)
    assert line["milliseconds"] >= 0
    assert "canary" not in text


async def test_no_credential_is_logged_by_a_real_connection(logged: Callable[[], str]) -> None:
    """The HTTP library would log every header."""
    log.configure("debug", "json")

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            seen.append(await stream.receive())
            body = b'{"data": {}}'
            await stream.send(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: canary=1\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )

    seen: list[bytes] = []
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        auth = httpx.BasicAuth("canary-key", CANARY)
        async with ObservedClient(base_url=f"http://127.0.0.1:{port}", auth=auth) as http:
            await Transport(http).get("groups", params={"cursor": "canary"})
        tasks.cancel_scope.cancel()

    text, encoded = logged(), base64.b64encode(f"canary-key:{CANARY}".encode())
    assert encoded in seen[0]
    assert "fivetran_request" in text
    assert "canary" not in text
    assert encoded.decode() not in text


def test_a_call_is_counted_by_tool_effect_and_outcome() -> None:
    """And refusals by what they say."""
    metrics = Prometheus(list)
    metrics.tool_call("get_connector", "read", "ok", 0.2)
    metrics.tool_call("get_connector", "read", "ok", 0.02)
    metrics.tool_call("delete_connector", "destructive", "confirmation_required", 3)
    metrics.refusal("confirmation_required")

    page, media_type = metrics.page()
    assert media_type.startswith("text/plain; version=")
    assert samples(page, "fivetran_mcp_tool_calls_total") == {
        '{effect="read",outcome="ok",tool="get_connector"} 2.0',
        '{effect="destructive",outcome="confirmation_required",tool="delete_connector"} 1.0',
    }
    buckets = samples(page, "fivetran_mcp_tool_call_seconds_bucket")
    assert '{le="0.05",tool="get_connector"} 1.0' in buckets
    assert '{le="0.25",tool="get_connector"} 2.0' in buckets
    assert '{le="2.5",tool="delete_connector"} 0.0' in buckets
    assert samples(page, "fivetran_mcp_refusals_total") == {'{code="confirmation_required"} 1.0'}
    assert samples(page, "fivetran_mcp_build_info") == {f'{{version="{__version__}"}} 1.0'}
    assert b"_created" not in page


async def test_the_budget_is_looked_at_when_somebody_asks() -> None:
    """What is left, of how much, by kind and window."""
    budget = Budget()
    metrics = Prometheus(budget.shares)
    async with budget.spend("source", longest=0):
        pass
    page, _ = metrics.page()

    left = samples(page, "fivetran_mcp_rate_budget_left")
    assert '{kind="all",window_seconds="3600"} 19999.0' in left
    assert '{kind="source",window_seconds="60"} 499.0' in left
    assert '{kind="setup",window_seconds="60"} 250.0' in left
    limits = samples(page, "fivetran_mcp_rate_budget_limit")
    assert '{kind="source",window_seconds="60"} 500.0' in limits


def test_two_servers_count_apart() -> None:
    """Nothing is kept in the registry that all libraries share."""
    one, other = Prometheus(list), Prometheus(list)
    one.refusal("mode_forbids")
    assert not samples(other.page()[0], "fivetran_mcp_refusals_total")


async def test_where_nobody_asks_nothing_is_counted(sandbox: Sandbox) -> None:
    """And everything works."""
    metrics = Metrics()
    metrics.tool_call("x", "read", "ok", 1)
    metrics.refusal("x")
    http = ObservedClient(transport=httpx.ASGITransport(app=sandbox.app), base_url=BASE)
    request = http.build_request("GET", "/v1/groups")
    for _ in range(2):
        assert (await http.send(request)).status_code == 401


def test_lines_of_a_call_have_one_id_and_others_none(logged: Callable[[], str]) -> None:
    """However many run."""
    log.configure("debug", "json")
    logger = structlog.stdlib.get_logger("mcp_server.x")
    for _ in range(2):
        with telemetry.call_id():
            logger.info("one")
            logger.info("two")
    logger.info("outside")

    first, second, third, fourth, outside = map(json.loads, logged().splitlines())
    assert first["request_id"] == second["request_id"]
    assert third["request_id"] == fourth["request_id"]
    assert first["request_id"] != third["request_id"]
    assert "request_id" not in outside


def test_without_the_extra_a_warning_says_what_to_install(
    logged: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the server goes on."""
    log.configure("debug", "json")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    telemetry.configure_tracing()

    (line,) = map(json.loads, logged().splitlines())
    assert (line["event"], line["level"]) == ("tracing_is_off", "warning")
    assert "mcp-server-fivetran[otel]" in line["remedy"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Be the place where the process keeps its provider."""
    kept: list[Any] = [trace.ProxyTracerProvider()]

    def keep(provider: Any) -> None:
        kept[0] = provider

    monkeypatch.setattr(trace, "set_tracer_provider", keep)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept[0])
    yield kept
    if isinstance(kept[0], TracerProvider):
        kept[0].shutdown()


def test_spans_go_to_the_collector_before_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, provider: list[Any]
) -> None:
    """They say which server they are of; the operator's name for it wins."""
    exporter = InMemorySpanExporter()
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    parts = name.split(".")
    for end in range(2, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), SimpleNamespace(__path__=[]))
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(OTLPSpanExporter=lambda: exporter))
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours-in-production")
    telemetry.configure_tracing()
    provider[0].get_tracer("x").start_span("one").end()
    assert exporter.get_finished_spans() == ()
    telemetry.flush()

    (span,) = exporter.get_finished_spans()
    assert span.resource.attributes["service.name"] == "ours-in-production"
    assert span.resource.attributes["service.version"] == __version__


def test_a_collector_that_is_down_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, provider: list[Any]
) -> None:
    """The last spans are lost then."""
    over = threading.Event()
    monkeypatch.setattr(telemetry, "FLUSH", 0.01)
    provider[0] = SimpleNamespace(force_flush=lambda: over.wait(10))
    started = time.monotonic()
    telemetry.flush()
    over.set()
    assert time.monotonic() - started < 5


def test_without_tracing_there_is_nothing_to_flush(provider: list[Any]) -> None:
    """The API's own provider cannot."""
    assert not hasattr(provider[0], "force_flush")
    telemetry.flush()
