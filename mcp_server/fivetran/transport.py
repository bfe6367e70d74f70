"""One request to Fivetran: built, bounded, retried by a table, its answer read or explained."""

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import anyio
import httpx
import pydantic_core
import stamina

from mcp_server.fivetran.budget import Budget
from mcp_server.fivetran.errors import (
    BY_STATUS,
    BadAnswerError,
    BadSegmentError,
    BudgetError,
    DeadlineError,
    FivetranError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    ReadOnlyError,
    RefusedError,
    SchemaNotReadyError,
    UnreachableError,
    UpstreamError,
)
from mcp_server.fivetran.windows import Kind

DEADLINE: Final = 90.0
"""Seconds for one request with its retries. The API's own limit is 60, and a pause can take that."""
CONNECT_TIMEOUT: Final = 10.0
MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest answer read, decompressed: some 300,000 tables of a schema configuration."""
ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 5.0
"""The longest wait asked for by `Retry-After`, or by the budget, in seconds; a longer one is the
caller's to decide on."""
CONCURRENCY: Final = 8

JSON: Final = "application/json"
JSON_V2: Final = "application/json;version=2"

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_GATEWAY_FAILURES = frozenset({502, 503, 504})
_SERVER_ERROR = 500
_DOTS = frozenset({".", ".."})


def path_of(*segments: str) -> str:
    """Join segments to a path that has exactly as many, whatever they contain.

    Raises:
        BadSegmentError: A segment is empty, a dot segment, which servers resolve, or no text.
    """
    for segment in segments:
        if not segment or segment in _DOTS:
            raise BadSegmentError(f"{segment!r} cannot be part of a path of Fivetran's API")
    try:
        return "/" + "/".join(quote(segment, safe="") for segment in segments)
    except UnicodeEncodeError:
        # Replacing the lone surrogate would name something else.
        raise BadSegmentError("half a character cannot be part of a path") from None


def retry_after(headers: httpx.Headers) -> float | None:
    """Read `Retry-After`: seconds or an HTTP date. Anything else counts as absent."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


async def only_reads(request: httpx.Request) -> None:
    """Refuse to send anything but GET: the second lock of read-only mode, an httpx request hook.

    Raises:
        ReadOnlyError: The request is no read.
    """
    if request.method != "GET":
        raise ReadOnlyError(f"{request.method} refused: this client only reads")


@dataclass(slots=True)
class _Errand:
    request: httpx.Request
    kind: Kind
    refused: bool = False
    """Whether its last answer was a 429."""


class Transport:
    """Sends requests to one API and one only, over one pool.

    A read is tried up to three times on connection errors, short 429s and 502, 503, 504. A change
    is tried again only if it was certainly not carried out (no connection, 429); if its answer is
    lost the caller gets `OutcomeUnknownError`. Redirects are never followed.

    Nothing is sent beyond the account's limits: `kind` says which of them a request counts against.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        deadline: float = DEADLINE,
        max_bytes: int = MAX_BYTES,
        concurrency: int = CONCURRENCY,
        budget: Budget | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self._http = http
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._limiter = anyio.Semaphore(concurrency)
        retrying = stamina.AsyncRetryingCaller(
            attempts=ATTEMPTS, timeout=deadline, wait_initial=0.2, wait_max=2.0, wait_jitter=0.3
        )
        self._retrying_reads = retrying.on(_backoff_of_read)
        self._retrying_changes = retrying.on(_backoff_of_change)

    async def get(
        self,
        *segments: str,
        params: Mapping[str, str | int] | None = None,
        accept: str = JSON_V2,
        kind: Kind = "all",
    ) -> dict[str, Any]:
        """Read; the answer's `data`.

        Raises:
            FivetranError: See `mcp_server.fivetran.errors`.
        """
        request = self._request("GET", segments, accept, params=params)
        return await self._send(_Errand(request, kind))

    async def change(
        self,
        method: str,
        *segments: str,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON_V2,
        kind: Kind = "all",
    ) -> dict[str, Any]:
        """Change something; the answer's `data`, empty where the API sends none.

        A body is always sent but with DELETE: some endpoints answer 400 to a missing one.

        Raises:
            FivetranError: See `mcp_server.fivetran.errors`.
        """
        json = None if method == "DELETE" else dict(body or {})
        request = self._request(method, segments, accept, json=json)
        return await self._send(_Errand(request, kind))

    def _request(
        self, method: str, segments: tuple[str, ...], accept: str, **content: Any
    ) -> httpx.Request:
        path = "/v1" + path_of(*segments)
        try:
            return self._http.build_request(method, path, headers={"Accept": accept}, **content)
        except (httpx.InvalidURL, ValueError):
            raise NotSentError(
                f"{method} was not sent: its URL is too long, or its content is no JSON"
            ) from None

    async def _send(self, errand: _Errand) -> dict[str, Any]:
        request = errand.request
        retrying = self._retrying_reads if request.method == "GET" else self._retrying_changes
        queued = True
        try:
            with anyio.fail_after(self._deadline):
                async with self._limiter:
                    queued = False
                    return await retrying(self._once, errand)
        except TimeoutError:
            what = f"no answer within {self._deadline:g} seconds"
            if queued:
                raise DeadlineError(f"{request.method} was not sent: {what} to others") from None
            raise _unanswered(request, DeadlineError, what) from None

    async def _once(self, errand: _Errand) -> dict[str, Any]:
        request = errand.request
        try:
            response, body = await self._exchange(errand)
        except _UNSENT:
            raise UnreachableError(f"{request.method} failed: no connection to Fivetran") from None
        except httpx.TimeoutException:
            raise _unanswered(request, DeadlineError, "Fivetran did not answer in time") from None
        except (httpx.DecodingError, httpx.InvalidURL):
            # Broken compression; a `Location` that is no URL, which httpx reads though told not to.
            raise _unanswered(request, BadAnswerError, "the answer cannot be read") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise _unanswered(request, UnreachableError, "the connection broke") from None
        return _data(request, response, body)

    async def _exchange(self, errand: _Errand) -> tuple[httpx.Response, bytes]:
        request = errand.request
        async with self.budget.spend(
            errand.kind, longest=LONGEST_WAIT, refused=errand.refused
        ) as attempt:
            try:
                response = await self._http.send(request, stream=True, follow_redirects=False)
            except _UNSENT:
                attempt.sent = False
                raise
            try:
                errand.refused = response.status_code == httpx.codes.TOO_MANY_REQUESTS
                pause = retry_after(response.headers)
                self.budget.learn(attempt, response.status_code, response.headers, pause)
                return response, await self._read(request, response)
            finally:
                await response.aclose()

    async def _read(self, request: httpx.Request, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise _unanswered(
                    request, BadAnswerError, f"the answer is larger than {self._max_bytes} bytes"
                )
        return bytes(body)


def _unanswered(
    request: httpx.Request, kind: type[NoAnswerError], what: str, status: int | None = None
) -> FivetranError:
    """Choose the error for an answer that is of no use: for a change, its outcome is unknown."""
    if request.method == "GET":
        return kind(f"GET failed: {what}", status=status)
    return OutcomeUnknownError(f"{request.method} was sent, but {what}", status=status)


def _data(request: httpx.Request, response: httpx.Response, body: bytes) -> dict[str, Any]:
    status = response.status_code
    if not (response.is_success or response.is_error):
        raise BadAnswerError(
            f"{request.method} failed: an answer with status {status}, which is not followed",
            status=status,
        )
    try:
        envelope = pydantic_core.from_json(body) if body else {}
    except ValueError:
        envelope = None
    if not response.is_success:
        raise _refusal(request, response, envelope if isinstance(envelope, dict) else {})
    data = envelope
    if isinstance(envelope, dict):
        data = envelope.get("data")
        if data is None and request.method != "GET":
            data = {}
    if not isinstance(data, dict):
        raise _unanswered(request, BadAnswerError, "the answer is not what the API documents")
    return data


def _refusal(
    request: httpx.Request, response: httpx.Response, envelope: dict[str, Any]
) -> FivetranError:
    status = response.status_code
    code, message = envelope.get("code"), envelope.get("message")
    kind: type[FivetranError]
    if status >= _SERVER_ERROR:
        # A 500 on a change may hide a change that took effect:
        # fivetran.com/docs/rest-api/troubleshooting/pause-connector-500-error
        kind = UpstreamError if request.method == "GET" else OutcomeUnknownError
    else:
        kind = BY_STATUS.get(status, InvalidRequestError)
        if kind is NotFoundError and code == "NotFound_SchemaConfig":
            kind = SchemaNotReadyError
    return kind(
        f"{request.method} was answered with status {status}",
        status=status,
        api_code=code if isinstance(code, str) else None,
        api_message=message if isinstance(message, str) else None,
        retry_after=retry_after(response.headers),
    )


def _backoff_of_change(error: Exception) -> bool | float:
    """Say whether to send a change again: only if it was certainly not carried out."""
    if isinstance(error, BudgetError):
        return False
    if isinstance(error, RateLimitedError):
        wait = error.retry_after
        return True if not wait else wait if wait <= LONGEST_WAIT else False
    return isinstance(error, UnreachableError)


def _backoff_of_read(error: Exception) -> bool | float:
    """Say whether to send a read again, and after how many seconds if the answer said so."""
    if isinstance(error, RefusedError) and error.status in _GATEWAY_FAILURES:
        return True
    return _backoff_of_change(error)
