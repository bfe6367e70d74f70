"""What an operator can watch: a span, a line of log and counts of each request to Fivetran.

No ids, no names and no texts from outside get into any of them: a request is named by its route.
Spans go nowhere unless `configure_tracing` was called; counts are kept only where HTTP serves them.
"""

import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, cast

import httpx
import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from typing_extensions import override

from mcp_server import __version__
from mcp_server.fivetran.budget import Share
from mcp_server.fivetran.errors import (
    BY_STATUS,
    DeadlineError,
    FivetranError,
    InvalidRequestError,
    OutcomeUnknownError,
    UnreachableError,
    UpstreamError,
)
from mcp_server.fivetran.transport import retry_after

_log = structlog.stdlib.get_logger("mcp_server.telemetry")

TRACER: Final = trace.get_tracer("mcp-server-fivetran", __version__)
FLUSH: Final = 0.4
"""Seconds an ending process waits for its last spans to be taken."""
OTHER: Final = "other"
ATTEMPT: Final = "mcp_server.attempt"
"""Where a request remembers how often it was sent: the same one is sent again."""
_UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_CONNECTION: Final = "/v1/connections/{connection_id}"
_SCHEMAS: Final = f"{_CONNECTION}/schemas"
_TABLE: Final = f"{_SCHEMAS}/{{schema}}/tables/{{table}}"
ROUTES: Final = (
    "GET /v1/account/info",
    "GET /v1/metadata/connector-types",
    "GET /v1/metadata/connector-types/{service}",
    "GET /v1/groups",
    "GET /v1/groups/{group_id}",
    "GET /v1/groups/{group_id}/connections",
    "GET /v1/connections",
    "POST /v1/connections",
    *(f"{method} {_CONNECTION}" for method in ("GET", "PATCH", "DELETE")),
    f"POST {_CONNECTION}/sync",
    f"POST {_CONNECTION}/resync",
    f"GET {_CONNECTION}/state",
    f"PATCH {_CONNECTION}/state",
    f"GET {_CONNECTION}/sync-history",
    f"GET {_CONNECTION}/errors",
    f"GET {_CONNECTION}/warnings",
    f"DELETE {_CONNECTION}/warnings/{{code}}",
    f"POST {_CONNECTION}/dismiss-warnings",
    f"POST {_CONNECTION}/move",
    f"GET {_CONNECTION}/move/{{job_id}}",
    f"POST {_CONNECTION}/test",
    f"POST {_CONNECTION}/connect-card",
    *(
        f"{method} {_CONNECTION}/{kind}{more}"
        for kind in ("certificates", "fingerprints")
        for method, more in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/{hash}"),
            ("DELETE", "/{hash}"),
        )
    ),
    *(f"{method} {_SCHEMAS}" for method in ("GET", "PATCH", "POST")),
    f"POST {_SCHEMAS}/drop-columns",
    f"POST {_SCHEMAS}/reload",
    f"POST {_SCHEMAS}/tables/resync",
    f"PATCH {_SCHEMAS}/{{schema}}",
    f"PATCH {_TABLE}",
    f"GET {_TABLE}/columns",
    f"PATCH {_TABLE}/columns/{{column}}",
    f"DELETE {_TABLE}/columns/{{column}}",
)
"""Every operation the client uses. What is none of them is counted as `other`, never by its path."""


def _by_shape() -> dict[tuple[str, int], list[tuple[str, list[str]]]]:
    found: dict[tuple[str, int], list[tuple[str, list[str]]]] = {}
    for route in ROUTES:
        method, _, path = route.partition(" ")
        parts = path.split("/")
        found.setdefault((method, len(parts)), []).append((path, parts))
    return found


_SHAPES: Final = _by_shape()


def route_of(request: httpx.Request) -> str:
    """Name what a request is for: its path, with placeholders for everything that names something."""
    parts = request.url.raw_path.partition(b"?")[0].decode("ascii").split("/")
    for path, wanted in _SHAPES.get((request.method, len(parts)), ()):
        if all(w.startswith("{") or w == p for w, p in zip(wanted, parts, strict=True)):
            return path
    return OTHER


class Metrics:
    """Counts nothing: on stdio nobody could ask."""

    def tool_call(self, tool: str, effect: str, outcome: str, seconds: float) -> None:
        """Count a call of a declared tool that has ended; the outcome is `ok` or an error's code."""

    def refusal(self, code: str) -> None:
        """Count a call that the server did not let pass."""

    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request to Fivetran; its status is a class, as 2xx, or none."""

    def retry(self, method: str, route: str) -> None:
        """Count that a request is sent again."""


class Prometheus(Metrics):
    """Counts for Prometheus, in a registry of its own. Every label has few values, all of them ours."""

    def __init__(self, shares: Callable[[], Iterable[Share]]) -> None:
        # Only here: stdio does without, and starts sooner.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram  # noqa: PLC0415
        from prometheus_client import metrics as options  # noqa: PLC0415

        options.disable_created_metrics()  # type: ignore[no-untyped-call] # it declares no types
        own: dict[str, Any] = {"registry": CollectorRegistry(), "namespace": "fivetran_mcp"}
        self._registry: CollectorRegistry = own["registry"]
        self._shares = shares
        called, sent = ["tool", "effect", "outcome"], ["method", "route"]
        self._calls = Counter("tool_calls", "Tool calls that ended.", called, **own)
        self._call_seconds = Histogram(
            "tool_call_seconds", "How long they took.", ["tool"], buckets=_SECONDS, **own
        )
        self._refusals = Counter("refusals", "Calls that were not let pass.", ["code"], **own)
        self._requests = Counter(
            "upstream_requests", "Requests to Fivetran, each attempt.", [*sent, "status"], **own
        )
        self._request_seconds = Histogram(
            "upstream_request_seconds", "How long they took.", sent, buckets=_SECONDS, **own
        )
        self._retries = Counter("upstream_retries", "Requests sent again.", sent, **own)
        limits = ["kind", "window_seconds"]
        self._left = Gauge("rate_budget_left", "Requests still allowed.", limits, **own)
        self._limit = Gauge("rate_budget_limit", "Requests allowed at all.", limits, **own)
        Gauge("build_info", "The version.", ["version"], **own).labels(__version__).set(1)

    @override
    def tool_call(self, tool: str, effect: str, outcome: str, seconds: float) -> None:
        self._calls.labels(tool, effect, outcome).inc()
        self._call_seconds.labels(tool).observe(seconds)

    @override
    def refusal(self, code: str) -> None:
        self._refusals.labels(code).inc()

    @override
    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        self._requests.labels(method, route, status).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    @override
    def retry(self, method: str, route: str) -> None:
        self._retries.labels(method, route).inc()

    def page(self) -> tuple[bytes, str]:
        """Write everything down; with it goes its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 -- as above

        for share in self._shares():
            limit = (share.kind, str(share.window_seconds))
            self._left.labels(*limit).set(share.left)
            self._limit.labels(*limit).set(share.limit)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class ObservedClient(httpx.AsyncClient):
    """Tells of each request that it sends. A transport of its own would lose the usual proxies."""

    def __init__(self, *, metrics: Metrics | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._metrics = metrics or Metrics()

    @override
    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        attempt = _Attempt(request, self._metrics)
        try:
            response = await super().send(request, **options)
        except BaseException as error:
            attempt.fail(error)
            raise
        attempt.answer(response)
        if response.is_closed:
            attempt.end()
        else:
            response.stream = _Body(response.stream, attempt)
        return response


class _Body(httpx.AsyncByteStream):
    """The body of an answer, with which its attempt ends."""

    def __init__(self, stream: Any, attempt: "_Attempt") -> None:
        self._stream = cast("httpx.AsyncByteStream", stream)
        self._attempt = attempt

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except GeneratorExit:  # whoever reads it has enough
            raise
        except BaseException as error:
            self._attempt.fail(error)
            raise

    @override
    async def aclose(self) -> None:
        self._attempt.end()
        await self._stream.aclose()


class _Attempt:
    """One sending of a request, until its answer is read or it failed."""

    def __init__(self, request: httpx.Request, metrics: Metrics) -> None:
        self._number: int = request.extensions.get(ATTEMPT, 0) + 1
        request.extensions[ATTEMPT] = self._number
        self._method = request.method
        self._route = route_of(request)
        self._metrics = metrics
        self._status: int | None = None
        self._error: str | None = None
        self._ended = False
        self._started = time.perf_counter()
        attributes: dict[str, str | int] = {
            "http.request.method": self._method,
            "url.template": self._route,
            "server.address": request.url.host,
        }
        if self._number > 1:
            attributes["http.request.resend_count"] = self._number - 1
            metrics.retry(self._method, self._route)
        self._span = TRACER.start_span(
            f"{self._method} {self._route}", kind=SpanKind.CLIENT, attributes=attributes
        )

    def answer(self, response: httpx.Response) -> None:
        """Note the head of the answer."""
        self._status = int(response.status_code)  # the sandbox answers with an enum
        self._span.set_attribute("http.response.status_code", self._status)
        if response.is_error:
            self._error = _refusal(self._method, self._status)
        pause = retry_after(response.headers)
        if pause is not None:
            self._span.set_attribute("fivetran.retry_after_seconds", pause)

    def fail(self, error: BaseException) -> None:
        """End without a whole answer."""
        self._error = _failure(self._method, error)
        self.end()

    def end(self) -> None:
        """Tell of it, once."""
        if self._ended:
            return
        self._ended = True
        seconds = time.perf_counter() - self._started
        if self._error:
            self._span.set_attribute("error.type", self._error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        status = "none" if self._status is None else f"{self._status // 100}xx"
        self._metrics.request(self._method, self._route, status, seconds)
        _log.debug(
            "fivetran_request",
            method=self._method,
            route=self._route,
            status=self._status,
            milliseconds=round(seconds * 1000, 1),
            attempt=self._number,
            error=self._error,
        )


def _refusal(method: str, status: int) -> str:
    """Name the error of an answer, as the client does."""
    if status < httpx.codes.INTERNAL_SERVER_ERROR:
        return BY_STATUS.get(status, InvalidRequestError).__name__
    return (UpstreamError if method == "GET" else OutcomeUnknownError).__name__


def _failure(method: str, error: BaseException) -> str:
    """Name the error of an answer that did not come, as the client does."""
    if isinstance(error, FivetranError):
        return type(error).__name__
    if not isinstance(error, Exception):
        return "cancelled"
    if isinstance(error, _UNSENT):
        return UnreachableError.__name__
    if method != "GET":
        return OutcomeUnknownError.__name__
    late = isinstance(error, httpx.TimeoutException)
    return (DeadlineError if late else UnreachableError).__name__


@contextmanager
def call_id() -> Iterator[None]:
    """Give all lines of log of a tool call one id: those of JSON-RPC repeat between clients."""
    with structlog.contextvars.bound_contextvars(request_id=secrets.token_hex(8)):
        yield


def configure_tracing() -> None:
    """Send spans to the collector that the variables of OpenTelemetry name, with the extra `otel`."""
    try:
        resources, sdk, export, otlp = (
            import_module(f"opentelemetry.{name}")
            for name in (
                "sdk.resources",
                "sdk.trace",
                "sdk.trace.export",
                "exporter.otlp.proto.http.trace_exporter",
            )
        )
    except ImportError:
        _log.warning(
            "tracing_is_off",
            why="the environment names an exporter, but opentelemetry is not installed",
            remedy="install mcp-server-fivetran[otel], or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        )
        return
    ours = {"service.name": "mcp-server-fivetran", "service.version": __version__}
    # The operator's own names win.
    named = resources.Resource.create(ours).merge(resources.OTELResourceDetector().detect())
    provider = sdk.TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Send the last spans, but do not hold up the end of the process for a collector that is down."""
    force = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force is not None:
        # The SDK's own limit of time is not kept.
        sending = threading.Thread(target=force, daemon=True)
        sending.start()
        sending.join(FLUSH)
