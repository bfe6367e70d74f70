"""The edge of the HTTP server, around the SDK's application: probes, challenges, outages."""

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mcp_server.auth import VerifierUnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from mcp_server.tokens import JwtVerifier

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
WAIT: Final = "5"
"""Seconds after which to ask again when tokens cannot be verified."""
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Edge:
    """Answers probes without a token, and says in HTTP's words what the SDK leaves out.

    A challenge names the scopes to ask for. A token that cannot be verified now is a 503: not a 401,
    at which clients throw their tokens away, and never an entry.
    """

    def __init__(self, app: "ASGIApp", *, verifier: "JwtVerifier | None" = None) -> None:
        self._app = app
        self._verifier = verifier

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
            await self._app(scope, receive, self._challenging(send))
        except VerifierUnavailableError:
            await _unavailable()(scope, receive, send)

    async def _probe(self, method: str, path: str) -> Response:
        if method not in {"GET", "HEAD"}:
            return PlainTextResponse("GET only", 405, {**_NO_STORE, "Allow": "GET, HEAD"})
        if path == READY and self._verifier is not None:
            try:
                await self._verifier.keys.ready()
            except VerifierUnavailableError:
                return PlainTextResponse("the issuer's keys cannot be had", 503, _NO_STORE)
        return PlainTextResponse("ok", headers=_NO_STORE)

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


def _unavailable() -> Response:
    return JSONResponse(
        {
            "error": "temporarily_unavailable",
            "error_description": "The token cannot be verified now. Try again later.",
        },
        503,
        {**_NO_STORE, "Retry-After": WAIT},
    )
