"""The edge of the HTTP server, around the SDK's application: probes, metrics, challenges, outages."""

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mcp_server.addresses import is_secure
from mcp_server.auth import VerifierUnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mcp_server.telemetry import Prometheus
    from mcp_server.tokens import JwtVerifier

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"
WAIT: Final = "5"
"""Seconds after which to ask again when tokens cannot be verified."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
_READS: Final = ("GET", "HEAD")


class Edge:
    """Answers probes without a token, and says in HTTP's words what the SDK leaves out.

    A challenge names the scopes to ask for. A token that cannot be verified now is a 503: not a 401,
    at which clients throw their tokens away, and never an entry.
    """

    def __init__(
        self,
        app: "ASGIApp",
        *,
        verifier: "JwtVerifier | None" = None,
        metrics: "Prometheus | None" = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._metrics = metrics

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in {ALIVE, READY}:
            answer = await self._probe(scope["method"], scope["path"])
            await answer(scope, receive, send)
            return
        try:
            if self._metrics is not None and scope["path"] == METRICS:
                answer = await self._measured(self._metrics, Request(scope))
                await answer(scope, receive, send)
                return
            await self._app(scope, receive, self._challenging(send))
        except VerifierUnavailableError:
            await _unavailable()(scope, receive, send)

    async def _probe(self, method: str, path: str) -> Response:
        if method not in _READS:
            return _only_reads()
        if path == READY and self._verifier is not None:
            try:
                await self._verifier.keys.ready()
            except VerifierUnavailableError:
                return PlainTextResponse("the issuer's keys cannot be had", 503, _NO_STORE)
        return PlainTextResponse("ok", headers=_NO_STORE)

    async def _measured(self, metrics: "Prometheus", request: Request) -> Response:
        """Answer with the metrics: they tell how much of what is done here.

        Where tokens are required, one is: behind a proxy every request comes from this machine.
        Where none are, only this machine can connect, but a web page could, by a name of its own.
        """
        if request.method not in _READS:
            return _only_reads()
        refused = await self._stranger(request)
        if refused is not None:
            return refused
        page, media_type = metrics.page()
        return Response(page, headers={**_NO_STORE, "Content-Type": media_type})

    async def _stranger(self, request: Request) -> Response | None:
        if self._verifier is None:
            known = is_secure(f"http://{request.headers.get('host', '')}")
            return None if known else PlainTextResponse("Invalid Host header", 421, _NO_STORE)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        bearer = given.strip() if scheme.lower() == "bearer" else ""
        token = await self._verifier.verify_token(bearer) if bearer else None
        scope = self._verifier.config.read_scope
        if token is not None and scope in token.scopes:
            return None
        status, error = (403, "insufficient_scope") if token else (401, "invalid_token")
        challenge = {"WWW-Authenticate": f'Bearer error="{error}", scope="{scope}"'}
        return PlainTextResponse(error, status, {**_NO_STORE, **challenge})

    def _challenging(self, send: "Send") -> "Send":
        if self._verifier is None:
            return send
        scopes = f', scope="{" ".join(self._verifier.config.asked)}"'.encode()

        async def send_challenge(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (k, v + scopes if k == b"www-authenticate" and b"scope=" not in v else v)
                    for k, v in message["headers"]
                ]
                message = {**message, "headers": headers}
            await send(message)

        return send_challenge


def _only_reads() -> Response:
    return PlainTextResponse("GET only", 405, {**_NO_STORE, "Allow": "GET, HEAD"})


def _unavailable() -> Response:
    return JSONResponse(
        {
            "error": "temporarily_unavailable",
            "error_description": "The token cannot be verified now. Try again later.",
        },
        503,
        {**_NO_STORE, "Retry-After": WAIT},
    )
