"""One request to Fivetran: built, bounded, retried by a table, its answer read or explained."""

import email.utils
import math
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, cast
from urllib.parse import quote

import anyio
import httpx
import stamina

from mcp_server.fivetran.answers import GZIP, CrowdedError, Inflater, UnreadableError, read_json
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
    TooLargeError,
    UnreachableError,
    UpstreamError,
)
from mcp_server.fivetran.windows import Kind

DEADLINE: Final = 90.0
"""Seconds for one request with its retries. The API's own limit is 60, and a pause can take that."""
CONNECT_TIMEOUT: Final = 10.0
MAX_BYTES: Final = 10 * 1024 * 1024
"""The largest answer read, decompressed: some 65,000 tables of a schema configuration, which take
200 MiB of memory while they are looked at."""
MAX_REFUSAL: Final = 1024 * 1024
"""The largest refusal read; of a larger one only the status is known."""
LARGE: Final = 1024 * 1024
"""Bytes from which answers are read one after the other: together they would fill the memory."""
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
_ends: ContextVar[float] = ContextVar("ends", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give the requests made inside so many seconds together, whatever each may take.

    A read is cut off when they are over. A change that was sent is not, as its outcome would be
    lost; but none is sent any more.
    """
    token = _ends.set(anyio.current_time() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def _time_left(method: str) -> float:
    """Tell what `within` leaves.

    Raises:
        DeadlineError: Nothing.
    """
    left = _ends.get() - anyio.current_time()
    if left <= 0:
        raise DeadlineError(f"{method} was not sent: the call has used up its time")
    return left


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
        self._large = anyio.Lock()
        # Nothing is remembered of an answer, least of all by what would be sent back.
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
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
        headers = {"Accept": accept, "Accept-Encoding": GZIP}
        try:
            return self._http.build_request(method, path, headers=headers, **content)
        except (httpx.InvalidURL, ValueError):
            raise NotSentError(
                f"{method} was not sent: its URL is too long, or its content is no JSON"
            ) from None

    async def _send(self, errand: _Errand) -> dict[str, Any]:
        request = errand.request
        reads = request.method == "GET"
        retrying = self._retrying_reads if reads else self._retrying_changes
        left = _time_left(request.method)
        deadline = min(self._deadline, left) if reads else self._deadline
        queued = True
        try:
            with anyio.fail_after(deadline):
                async with self._limiter:
                    queued = False
                    return await retrying(self._once, errand)
        except TimeoutError:
            what = f"no answer within {deadline:.3g} seconds"
            if queued:
                raise DeadlineError(f"{request.method} was not sent: {what} to others") from None
            raise _unanswered(request, DeadlineError, what) from None

    async def _once(self, errand: _Errand) -> dict[str, Any]:
        request = errand.request
        _time_left(request.method)
        try:
            async with AsyncExitStack() as turn:
                response, body = await self._exchange(errand, turn)
                return _data(request, response, body)
        except _UNSENT:
            raise UnreachableError(f"{request.method} failed: no connection to Fivetran") from None
        except httpx.TimeoutException:
            raise _unanswered(request, DeadlineError, "Fivetran did not answer in time") from None
        except UnreadableError as error:
            kind = TooLargeError if isinstance(error, CrowdedError) else BadAnswerError
            raise _unanswered(request, kind, str(error)) from None
        except httpx.InvalidURL:
            # A `Location` that is no URL, which httpx reads though told not to follow it.
            raise _unanswered(request, BadAnswerError, "the answer cannot be read") from None
        except (httpx.HTTPError, httpx.StreamError):
            raise _unanswered(request, UnreachableError, "the connection broke") from None

    async def _exchange(
        self, errand: _Errand, turn: AsyncExitStack
    ) -> tuple[httpx.Response, bytearray]:
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
                return response, await self._read(response, turn)
            finally:
                await response.aclose()

    async def _read(self, response: httpx.Response, turn: AsyncExitStack) -> bytearray:
        """Read what is of use of a body; `turn` is held until that is not needed any more."""
        if response.is_success:
            return await self._read_up_to(self._max_bytes, response, turn)
        if response.is_error:
            try:
                return await self._read_up_to(MAX_REFUSAL, response, turn)
            except UnreadableError:
                # The status says enough, and must not get lost.
                return bytearray()
        return bytearray()

    async def _read_up_to(
        self, most: int, response: httpx.Response, turn: AsyncExitStack
    ) -> bytearray:
        inflater = Inflater(response.headers.get("Content-Encoding", ""))
        body, alone = bytearray(), False
        # httpx would decompress a chunk as a whole, and as often as the answer says it was packed.
        async for chunk in cast("httpx.AsyncByteStream", response.stream):
            for piece in inflater.pieces(chunk):
                body += piece
                if len(body) > most:
                    body.clear()  # the error's traceback would keep it
                    raise CrowdedError(f"the answer is larger than {most} bytes")
                if len(body) > LARGE and not alone:
                    await turn.enter_async_context(self._large)
                    alone = True
        inflater.end(body)
        return body


def _unanswered(
    request: httpx.Request, kind: type[NoAnswerError], what: str, status: int | None = None
) -> FivetranError:
    """Choose the error for an answer that is of no use: for a change, its outcome is unknown."""
    if request.method == "GET":
        return kind(f"GET failed: {what}", status=status)
    return OutcomeUnknownError(f"{request.method} was sent, but {what}", status=status)


def _data(request: httpx.Request, response: httpx.Response, body: bytearray) -> dict[str, Any]:
    status = response.status_code
    if not (response.is_success or response.is_error):
        raise BadAnswerError(
            f"{request.method} failed: an answer with status {status}, which is not followed",
            status=status,
        )
    if not response.is_success:
        raise _refusal(request, response, _said(body))
    try:
        envelope = read_json(body)
    except ValueError:
        envelope = None
    data = envelope
    if isinstance(envelope, dict):
        data = envelope.get("data")
        if data is None and request.method != "GET":
            data = {}
    if not isinstance(data, dict):
        raise _unanswered(request, BadAnswerError, "the answer is not what the API documents")
    return data


def _said(body: bytearray) -> dict[str, Any]:
    """Read what a refusal says; its status says enough if that is nothing."""
    try:
        envelope = read_json(body)
    except (ValueError, CrowdedError):
        return {}
    return envelope if isinstance(envelope, dict) else {}


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
