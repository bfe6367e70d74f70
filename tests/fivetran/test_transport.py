"""One request: what leaves, what is retried, what bounds it, and how failures are told."""

import base64
import gzip
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from typing_extensions import override

from mcp_server.fivetran import Transport, errors
from mcp_server.fivetran.answers import LONGEST_TEXT, MOST_OBJECTS, MOST_VALUES
from mcp_server.fivetran.transport import JSON, JSON_V2, LARGE, only_reads, retry_after

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

CHANGES = ("POST", "PATCH", "DELETE")
METHODS = ("GET", *CHANGES)
DONE = httpx.Response(200, json={"code": "Success", "data": {"done": True}})
CANARY_ID = "id-canary"


async def send(transport: Transport, method: str) -> dict[str, Any]:
    """Send the simplest request of that method."""
    if method == "GET":
        return await transport.get("things", CANARY_ID)
    return await transport.change(method, "things", CANARY_ID, body={"a": 1})


async def failure(transport: Transport, method: str) -> errors.FivetranError:
    """Send a request that fails, and return how."""
    with pytest.raises(errors.FivetranError) as caught:
        await send(transport, method)
    return caught.value


class Stream(httpx.AsyncByteStream):
    """A body that comes in pieces, and remembers how it ended."""

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self._pieces = pieces
        self.given = 0
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces():
            self.given += 1
            yield piece

    @override
    async def aclose(self) -> None:
        """Remember."""
        self.closed = True


def streaming(
    stream: Stream, **headers: str
) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Answer with a body in pieces."""

    async def step(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=stream)

    return step


async def silence(_request: httpx.Request) -> httpx.Response:
    """Never answer."""
    await anyio.sleep_forever()
    return DONE


# What leaves


async def test_a_read_asks_for_json_with_the_key_and_nothing_more(
    transport: Transport, far: "Far"
) -> None:
    """Version 2 of the format is the default; there is no body and no stray query."""
    far.answers(DONE)
    assert await transport.get("things", "a b") == {"done": True}
    (request,) = far.requests
    assert request.method == "GET"
    assert str(request.url) == "https://host-canary.example/v1/things/a%20b"
    assert request.headers["Accept"] == JSON_V2 == "application/json;version=2"
    credentials = base64.b64encode(b"key-canary:secret-canary").decode()
    assert request.headers["Authorization"] == f"Basic {credentials}"
    assert request.content == b""
    assert "Content-Type" not in request.headers


async def test_parameters_are_encoded(transport: Transport, far: "Far") -> None:
    """A value cannot add a parameter."""
    await transport.get("things", params={"cursor": "a&limit=2#x y", "limit": 5}, accept=JSON)
    (request,) = far.requests
    assert dict(request.url.params) == {"cursor": "a&limit=2#x y", "limit": "5"}
    assert request.url.raw_path == b"/v1/things?cursor=a%26limit%3D2%23x+y&limit=5"
    assert request.headers["Accept"] == JSON


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize("body", [{"a": [1, "é"]}, {}, None])
async def test_a_change_always_has_a_body(
    transport: Transport, far: "Far", method: str, body: dict[str, Any] | None
) -> None:
    """Some endpoints answer 400 to an absent one, and all answer 415 to one without its type."""
    await transport.change(method, "things", body=body)
    (request,) = far.requests
    assert request.method == method
    assert json.loads(request.content) == (body or {})
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == JSON_V2


async def test_a_delete_has_no_body(transport: Transport, far: "Far") -> None:
    """There is nothing to say but the path."""
    await transport.change("DELETE", "things", "x", accept=JSON)
    (request,) = far.requests
    assert request.content == b""
    assert "Content-Type" not in request.headers
    assert request.headers["Accept"] == JSON


@pytest.mark.parametrize("body", [{"a": "\ud800"}, {"a": float("nan")}, {"a": float("inf")}])
async def test_a_body_that_is_no_json_is_not_sent(
    transport: Transport, far: "Far", body: dict[str, Any]
) -> None:
    """Half a character and not-a-number have no place in JSON."""
    with pytest.raises(errors.NotSentError, match="POST was not sent"):
        await transport.change("POST", "things", body=body)
    assert far.requests == []


@pytest.mark.parametrize("cursor", ["\ud800", "x" * 70_000])
async def test_a_parameter_that_fits_no_url_is_not_sent(
    transport: Transport, far: "Far", cursor: str
) -> None:
    """It is an error of this package, not of the HTTP library."""
    with pytest.raises(errors.NotSentError, match="GET was not sent"):
        await transport.get("things", params={"cursor": cursor})
    assert far.requests == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
async def test_a_client_that_only_reads_sends_no_change(
    http: httpx.AsyncClient, far: "Far", method: str
) -> None:
    """The hook is the second lock of read-only mode; it holds whoever calls."""
    http.event_hooks = {"request": [only_reads]}
    with pytest.raises(errors.ReadOnlyError, match=f"^{method} refused: this client only reads$"):
        await Transport(http).change(method, "things")
    with pytest.raises(errors.ReadOnlyError):
        await http.request(method.lower(), "/v1/things")
    assert far.requests == []


async def test_a_client_that_only_reads_reads(http: httpx.AsyncClient, far: "Far") -> None:
    """The hook lets GET pass, retries included."""
    http.event_hooks = {"request": [only_reads]}
    far.answers(httpx.Response(503), DONE)
    assert await Transport(http).get("things") == {"done": True}
    assert [request.method for request in far.requests] == ["GET", "GET"]


# Retries


CONNECTING = [
    httpx.ConnectError("canary"),
    httpx.ConnectTimeout("canary"),
    httpx.PoolTimeout("canary"),
    httpx.UnsupportedProtocol("canary"),
]
BREAKING = [
    httpx.ReadError("canary"),
    httpx.WriteError("canary"),
    httpx.CloseError("canary"),
    httpx.RemoteProtocolError("canary"),
    httpx.ProxyError("canary"),
]
WAITING = [httpx.ReadTimeout("canary"), httpx.WriteTimeout("canary")]


def kind_of(error: Exception) -> str:
    """Name a case."""
    return type(error).__name__


@pytest.mark.parametrize("error", CONNECTING, ids=kind_of)
@pytest.mark.parametrize("method", METHODS)
async def test_anything_is_tried_three_times_to_connect(
    transport: Transport, far: "Far", method: str, error: Exception
) -> None:
    """Nothing was sent, so nothing can happen twice."""
    far.answers(error)
    raised = await failure(transport, method)
    assert type(raised) is errors.UnreachableError
    assert raised.message == f"{method} failed: no connection to Fivetran"
    assert raised.retryable
    assert len(far.requests) == 3


@pytest.mark.parametrize("method", METHODS)
async def test_the_last_try_can_succeed(transport: Transport, far: "Far", method: str) -> None:
    """Failures before it leave no trace."""
    far.answers(httpx.ConnectError("canary"), httpx.Response(429), DONE)
    assert await send(transport, method) == {"done": True}
    assert len(far.requests) == 3
    assert len({(each.method, each.url, each.content) for each in far.requests}) == 1


@pytest.mark.parametrize("error", BREAKING, ids=kind_of)
async def test_a_read_is_tried_again_when_the_connection_breaks(
    transport: Transport, far: "Far", error: Exception
) -> None:
    """Reading twice does no harm."""
    far.answers(error)
    raised = await failure(transport, "GET")
    assert type(raised) is errors.UnreachableError
    assert raised.message == "GET failed: the connection broke"
    assert len(far.requests) == 3
    far.answers(error, DONE)
    assert await send(transport, "GET") == {"done": True}


@pytest.mark.parametrize("error", WAITING, ids=kind_of)
async def test_a_read_that_took_too_long_is_not_tried_again(
    transport: Transport, far: "Far", error: Exception
) -> None:
    """It would take too long again."""
    far.answers(error)
    raised = await failure(transport, "GET")
    assert type(raised) is errors.DeadlineError
    assert raised.message == "GET failed: Fivetran did not answer in time"
    assert raised.retryable
    assert len(far.requests) == 1


@pytest.mark.parametrize("error", [*BREAKING, *WAITING], ids=kind_of)
@pytest.mark.parametrize("method", CHANGES)
async def test_a_change_that_may_have_arrived_is_sent_once(
    transport: Transport, far: "Far", method: str, error: Exception
) -> None:
    """Its outcome is not known, and only the caller can look."""
    far.answers(error)
    raised = await failure(transport, method)
    assert type(raised) is errors.OutcomeUnknownError
    assert raised.message.startswith(f"{method} was sent, but ")
    assert not raised.retryable
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("method", "status", "requests"),
    [
        *(("GET", status, 3) for status in (502, 503, 504)),
        *(("GET", status, 1) for status in (500, 501, 505, 599)),
        *((method, status, 1) for method in CHANGES for status in (500, 502, 503, 504)),
        *((method, 429, 3) for method in METHODS),
        *((method, status, 1) for method in METHODS for status in (401, 404, 408, 409, 425)),
    ],
)
async def test_statuses_that_are_tried_again(
    transport: Transport, far: "Far", method: str, status: int, requests: int
) -> None:
    """A gateway's failure on a read, and a refusal for the rate; nothing else."""
    far.answers(httpx.Response(status, json={"code": "C"}))
    assert (await failure(transport, method)).status == status
    assert len(far.requests) == requests


def in_seconds(seconds: float) -> str:
    """Write a moment from now on as an HTTP date."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("header", "requests"),
    [
        ("0", 3),
        ("0.5", 3),
        ("5", 3),
        ("-1", 3),
        ("-1e9", 3),
        (None, 3),
        ("", 3),
        ("soon", 3),
        ("nan", 3),
        ("inf", 3),
        ("1e999", 3),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 3),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 3),
        ("5.1", 1),
        ("3600", 1),
        ("1" * 300, 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1),
    ],
)
async def test_only_short_waits_are_waited_for(
    transport: Transport, far: "Far", method: str, header: str | None, requests: int
) -> None:
    """A longer one is the caller's to decide on, and is told."""
    headers = {} if header is None else {"Retry-After": header}
    far.answers(httpx.Response(429, headers=headers, json={"code": "TooManyRequests"}))
    raised = await failure(transport, method)
    assert type(raised) is errors.RateLimitedError
    assert raised.retryable
    assert len(far.requests) == requests
    assert requests == 3 or (raised.retry_after or 0) > 5


@pytest.mark.parametrize(
    ("header", "shortest", "longest"),
    [("3", 3, 3), ("0.25", 0.25, 0.25), ("0", 0.2, 0.5), (None, 0.2, 0.5), ("soon", 0.2, 0.5)],
)
async def test_the_wait_is_the_one_asked_for(
    transport: Transport, far: "Far", header: str | None, shortest: float, longest: float
) -> None:
    """Where none was, it is short and not the same for all clients."""
    waits: list[float] = []
    far.answers(httpx.Response(429, headers={} if header is None else {"Retry-After": header}))
    with anyio.CancelScope() as scope, stamina.set_testing(False):

        def leave(details: RetryDetails) -> None:
            waits.append(details.wait_for)
            scope.cancel()

        set_on_retry_hooks([leave])
        await transport.get("things")
    (wait,) = waits
    assert shortest <= wait <= longest
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3600", 3600),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("-5", 0),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0),
        ("Sat, 01 Jan 2000 00:00:00", 0),
        ("soon", None),
        ("nan", None),
        ("-inf", None),
        ("Mon, 99 Foo 2000 00:00:00 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    """Anything else counts as absent."""
    assert retry_after(httpx.Headers({"Retry-After": header})) == seconds


def test_a_date_to_come_is_told_in_seconds() -> None:
    """With an offset or without, it is in UTC."""
    for text in (in_seconds(100), in_seconds(100).removesuffix(" GMT")):
        seconds = retry_after(httpx.Headers({"Retry-After": text}))
        assert seconds is not None
        assert 90 < seconds <= 100


@given(
    st.text(st.characters(max_codepoint=255))
    | st.builds(
        "Mon, {} Jan {} 00:00:00 {}".format,
        st.integers(),
        st.integers(),
        st.integers().map("{:+05d}".format),
    )
)
def test_no_retry_after_is_too_odd(text: str) -> None:
    """Whatever the far end sends, there is a number of seconds, or none."""
    seconds = retry_after(httpx.Headers([(b"Retry-After", text.encode("latin-1"))]))
    assert seconds is None or 0 <= seconds < float("inf")


# Bounds


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dripping", [False, True])
async def test_a_request_ends_at_the_deadline(
    http: httpx.AsyncClient, far: "Far", method: str, *, dripping: bool
) -> None:
    """Neither silence nor a body that trickles on can hold it up."""

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.lowlevel.checkpoint()

    stream = Stream(drip)
    far.answers(streaming(stream) if dripping else silence)
    raised = await failure(Transport(http, deadline=0.02), method)
    if method == "GET":
        assert type(raised) is errors.DeadlineError
        assert raised.message == "GET failed: no answer within 0.02 seconds"
    else:
        assert type(raised) is errors.OutcomeUnknownError
        assert raised.message == f"{method} was sent, but no answer within 0.02 seconds"
    assert len(far.requests) == 1
    assert stream.closed is dripping


@pytest.mark.parametrize("method", METHODS)
async def test_a_request_that_never_got_its_turn_was_not_sent(
    http: httpx.AsyncClient, far: "Far", method: str
) -> None:
    """Nothing can have changed, so the outcome is known."""
    entered, leave = anyio.Event(), anyio.Event()

    async def hold(_request: httpx.Request) -> httpx.Response:
        entered.set()
        with anyio.CancelScope(shield=True):
            await leave.wait()
        return DONE

    async def occupy() -> None:
        with suppress(errors.DeadlineError):
            await transport.get("things")

    far.answers(hold)
    transport = Transport(http, deadline=0.02, concurrency=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(occupy)
        await entered.wait()
        raised = await failure(transport, method)
        leave.set()
    assert type(raised) is errors.DeadlineError
    assert raised.message.startswith(f"{method} was not sent: ")
    assert len(far.requests) == 1


async def test_no_more_requests_are_under_way_than_allowed(
    http: httpx.AsyncClient, far: "Far"
) -> None:
    """The others wait for their turn, and all are answered."""
    under_way = most = 0

    async def work(_request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        under_way -= 1
        return DONE

    far.answers(work)
    transport = Transport(http, concurrency=3)
    async with anyio.create_task_group() as tasks:
        for turn in range(20):
            tasks.start_soon(send, transport, METHODS[turn % 4])
    assert most == 3
    assert len(far.requests) == 20


async def test_a_cancelled_request_gives_its_turn_back(http: httpx.AsyncClient, far: "Far") -> None:
    """Whether it was under way or still waiting for its turn."""
    far.answers(silence, DONE)
    transport = Transport(http, concurrency=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, transport, "GET")
        await anyio.wait_all_tasks_blocked()
        assert len(far.requests) == 1
        tasks.start_soon(send, transport, "POST")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert await transport.get("things") == {"done": True}
    assert len(far.requests) == 2


@pytest.mark.parametrize(
    "broken", [httpx.ReadError("canary"), httpx.Response(500), httpx.Response(200, text="<html>")]
)
async def test_a_failed_request_gives_its_turn_back(
    http: httpx.AsyncClient, far: "Far", broken: httpx.Response | Exception
) -> None:
    """Failures do not use up the turns."""
    transport = Transport(http, concurrency=1)
    for method in METHODS:
        far.answers(broken)
        await failure(transport, method)
    far.answers(DONE)
    assert await transport.get("things") == {"done": True}


@pytest.mark.parametrize(
    ("method", "kind"),
    [("GET", errors.TooLargeError), *((each, errors.OutcomeUnknownError) for each in CHANGES)],
)
async def test_an_answer_that_is_too_large_is_not_read_on(
    http: httpx.AsyncClient, far: "Far", method: str, kind: type[errors.FivetranError]
) -> None:
    """Reading stops at the bound, and the connection is closed."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10

    stream = Stream(endless)
    far.answers(streaming(stream))
    raised = await failure(Transport(http, max_bytes=100), method)
    assert type(raised) is kind
    assert raised.message.endswith("the answer is larger than 100 bytes")
    assert not raised.retryable
    assert stream.given == 11
    assert stream.closed
    assert len(far.requests) == 1


async def test_the_bound_is_on_what_is_decompressed(http: httpx.AsyncClient, far: "Far") -> None:
    """A small answer can be large inside; one of just the size allowed is read."""
    body = b'{"data":{}}'
    far.answers(httpx.Response(200, content=body))
    assert await Transport(http, max_bytes=len(body)).get("things") == {}
    with pytest.raises(errors.BadAnswerError, match="larger than 10 bytes"):
        await Transport(http, max_bytes=len(body) - 1).get("things")

    async def bomb() -> AsyncIterator[bytes]:
        yield gzip.compress(b" " * 1_000_000)

    far.answers(streaming(Stream(bomb), **{"Content-Encoding": "gzip"}))
    with pytest.raises(errors.BadAnswerError, match="larger than 100000 bytes"):
        await Transport(http, max_bytes=100_000).get("things")


@pytest.mark.parametrize(
    "body",
    [b"no gzip", gzip.compress(b'{"data":{}}')[:15], gzip.compress(b"{}")[:-8] + b"\xff" * 8],
    ids=["none", "cut off", "with another checksum"],
)
@pytest.mark.parametrize("method", METHODS)
async def test_broken_compression_is_a_bad_answer(
    transport: Transport, far: "Far", method: str, body: bytes
) -> None:
    """It is no broken connection, and it would be as broken the next time."""

    async def pieces() -> AsyncIterator[bytes]:
        yield body

    far.answers(streaming(Stream(pieces), **{"Content-Encoding": "gzip"}))
    raised = await failure(transport, method)
    wanted = errors.BadAnswerError if method == "GET" else errors.OutcomeUnknownError
    assert type(raised) is wanted
    assert not raised.retryable
    assert len(far.requests) == 1


async def test_a_compressed_answer_is_read(transport: Transport, far: "Far") -> None:
    """In pieces too."""
    packed = gzip.compress(DONE.content)

    async def pieces() -> AsyncIterator[bytes]:
        for byte in packed:
            yield bytes([byte])

    far.answers(streaming(Stream(pieces), **{"Content-Encoding": "gzip"}))
    assert await transport.get("things") == {"done": True}


@pytest.mark.parametrize("encoding", ["", "identity", "Gzip", "x-gzip", "identity, gzip"])
async def test_what_was_asked_for_is_decompressed(
    transport: Transport, far: "Far", encoding: str
) -> None:
    """Also what becomes a thousand times as large, in steps, and the last of it."""
    content = json.dumps({"data": {"a": "x" * 90_000}, "b": " " * 2_000_000}).encode()
    packed = content if encoding in {"", "identity"} else gzip.compress(content)

    async def pieces() -> AsyncIterator[bytes]:
        yield packed

    far.answers(streaming(Stream(pieces), **{"Content-Encoding": encoding}))
    assert await transport.get("things") == {"a": "x" * 90_000}
    assert far.requests[0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "odd"])
async def test_what_was_not_asked_for_is_not_decompressed(
    transport: Transport, far: "Far", encoding: str
) -> None:
    """Least of all what was packed twice: it could be a million times as large."""

    async def pieces() -> AsyncIterator[bytes]:
        yield gzip.compress(gzip.compress(b'{"data":{}}'))

    far.answers(streaming(Stream(pieces), **{"Content-Encoding": encoding}))
    raised = await failure(transport, "GET")
    assert type(raised) is errors.BadAnswerError
    assert raised.message == "GET failed: the answer is compressed in a way that was not asked for"


async def test_nothing_may_follow_the_end_of_what_is_compressed(
    transport: Transport, far: "Far"
) -> None:
    """It would be kept, and never read."""

    async def pieces() -> AsyncIterator[bytes]:
        yield gzip.compress(b'{"data":{}}')
        yield b"more"

    far.answers(streaming(Stream(pieces), **{"Content-Encoding": "gzip"}))
    raised = await failure(transport, "GET")
    assert raised.message == "GET failed: the answer cannot be read"


@pytest.mark.parametrize("encoding", ["gzip", "br", ""])
async def test_a_refusal_that_cannot_be_read_stays_one(
    transport: Transport, far: "Far", encoding: str
) -> None:
    """Its status says enough; of one that is too large no more is read."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    stream = Stream(endless)
    streamed = streaming(stream, **{"Content-Encoding": encoding})

    async def refuse(request: httpx.Request) -> httpx.Response:
        answer = await streamed(request)
        answer.status_code = 403
        return answer

    far.answers(refuse)
    raised = await failure(transport, "POST")
    assert type(raised) is errors.ForbiddenError
    assert stream.given < 12
    assert stream.closed


async def test_large_answers_are_read_one_after_the_other(
    http: httpx.AsyncClient, far: "Far"
) -> None:
    """Together they would fill the memory; small ones pass by."""
    large = 0
    finish = anyio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal large
        yield b'{"data":{"a":"' + b"x" * LARGE
        large += 1
        await finish.wait()
        yield b'"}}'

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("small"):
            return DONE
        return httpx.Response(200, stream=Stream(pieces))

    far.answers(answer)
    transport = Transport(http)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(transport.get, "large")
        await anyio.wait_all_tasks_blocked()
        assert large == 1
        assert await transport.get("small") == {"done": True}
        finish.set()
    assert large == 3


async def test_a_long_text_is_cut_and_says_by_how_much(transport: Transport, far: "Far") -> None:
    """Names too, which stay apart."""
    long = "n" * LONGEST_TEXT
    data = {
        "text": f"{long}xyz",
        "list": [long, 5, None],
        "names": {f"{long}abc": 1, f"{long}def": 2, "b": True},
    }
    far.answers(httpx.Response(200, json={"data": data}))
    cut = f"{long}… [3 more characters]"
    assert await transport.get("things") == {
        "text": cut,
        "list": [long, 5, None],
        "names": {cut: 1, f"{cut} (1)": 2, "b": True},
    }


@pytest.mark.parametrize(
    ("inside", "fits"),
    [
        ("{}," * (MOST_OBJECTS - 2), True),
        ("{}," * MOST_OBJECTS, False),
        ("[]," * (MOST_VALUES // 2 - 9), True),
        ("[]," * (MOST_VALUES // 2), False),
        ("1," * (MOST_VALUES + 1), False),
    ],
    ids=["many objects", "too many objects", "many lists", "too many lists", "too many numbers"],
)
async def test_an_answer_may_not_have_too_much_in_it(
    transport: Transport, far: "Far", inside: str, *, fits: bool
) -> None:
    """A few bytes each, and much memory."""
    far.answers(httpx.Response(200, content=f'{{"data":{{"a":[{inside}1]}}}}'.encode()))
    if fits:
        assert await transport.get("things")
        return
    raised = await failure(transport, "GET")
    assert type(raised) is errors.TooLargeError


async def test_a_refusal_with_too_much_in_it_is_known_by_its_status(
    transport: Transport, far: "Far"
) -> None:
    """Which must not get lost."""
    far.answers(httpx.Response(404, content=b"[" + b"{}," * (MOST_OBJECTS + 1) + b"1]"))

    assert type(await failure(transport, "GET")) is errors.NotFoundError


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        ("9223372036854775807", True),
        ("-9223372036854775807", True),
        ("9223372036854775808", False),
        ("-1e300", False),
        ("1e999", False),
        ("0.5", True),
        ("NaN", False),
        ("Infinity", False),
    ],
)
async def test_numbers_are_those_that_can_be_counted_and_written_again(
    transport: Transport, far: "Far", number: str, *, fits: bool
) -> None:
    """JSON has no infinity, and no field of the API a number of twenty digits."""
    far.answers(httpx.Response(200, content=f'{{"data":{{"a":{number}}}}}'.encode()))
    if fits:
        assert await transport.get("things") == {"a": json.loads(number)}
        return
    assert type(await failure(transport, "GET")) is errors.BadAnswerError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    ["https://evil.example/v1/things", "http://host-canary.example/v1/things", "/v2/things", "?"],
)
@pytest.mark.parametrize("method", METHODS)
async def test_a_redirect_is_not_followed(
    transport: Transport, far: "Far", method: str, location: str, status: int
) -> None:
    """Not even by a client that would, so no credentials go anywhere else."""
    far.answers(httpx.Response(status, headers={"Location": location}), DONE)
    raised = await failure(transport, method)
    assert type(raised) is errors.BadAnswerError
    assert raised.message == (
        f"{method} failed: an answer with status {status}, which is not followed"
    )
    assert raised.status == status
    assert not raised.retryable
    assert [request.url.host for request in far.requests] == ["host-canary.example"]


@pytest.mark.parametrize("status", [300, 301, 304, 399, 600])
async def test_statuses_that_are_neither_success_nor_error_are_bad_answers(
    transport: Transport, far: "Far", status: int
) -> None:
    """The API has none of them."""
    far.answers(httpx.Response(status, json={"data": {}}))
    raised = await failure(transport, "GET")
    assert type(raised) is errors.BadAnswerError
    assert raised.status == status


@pytest.mark.parametrize("location", ["mailto:canary", "javascript:canary", "data:,canary"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_redirect_to_no_address_is_a_bad_answer(
    transport: Transport, far: "Far", method: str, location: str
) -> None:
    """What httpx makes of such a location does not come out."""
    far.answers(httpx.Response(302, headers={"Location": location}))
    raised = await failure(transport, method)
    wanted = errors.BadAnswerError if method == "GET" else errors.OutcomeUnknownError
    assert type(raised) is wanted
    assert "canary" not in raised.message
    assert len(far.requests) == 1


# What an answer may be


@pytest.mark.parametrize(
    "body",
    [
        b"<html>canary</html>",
        b"[]",
        b'[{"data": {}}]',
        b'"data"',
        b"5",
        b"null",
        b"true",
        b'{"data": []}',
        b'{"data": "canary"}',
        b'{"data": 0}',
        b'{"data": false}',
        b'{"data": {"id": "canary"}',
        b'{"data": {}} x',
        b"\xff\xfe",
        b'{"data": {"a": "\\ud800"}}',
        b'{"data": {"a": ' + b"9" * 5_000 + b"}}",
        b'{"data": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b"[" * 100_000,
        b" ",
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
@pytest.mark.parametrize("method", METHODS)
async def test_a_success_that_cannot_be_read_is_a_bad_answer(
    transport: Transport, far: "Far", method: str, body: bytes
) -> None:
    """To a read; what became of a change is not known, and it is not sent again."""
    far.answers(httpx.Response(200, content=body))
    raised = await failure(transport, method)
    if method == "GET":
        assert type(raised) is errors.BadAnswerError
        assert raised.message == "GET failed: the answer is not what the API documents"
    else:
        assert type(raised) is errors.OutcomeUnknownError
        assert raised.message == (
            f"{method} was sent, but the answer is not what the API documents"
        )
    assert not raised.retryable
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(204),
        httpx.Response(200),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"code": "Success", "message": "Done"}),
        httpx.Response(200, json={"code": "Success", "data": None}),
    ],
)
async def test_only_changes_may_be_answered_without_data(
    transport: Transport, far: "Far", answer: httpx.Response
) -> None:
    """Deletes and syncs are; a list without data is not an empty list."""
    far.answers(answer)
    for method in CHANGES:
        assert await send(transport, method) == {}
    assert type(await failure(transport, "GET")) is errors.BadAnswerError


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("code", ["Success", "Created", "Odd", None, 5])
async def test_the_status_alone_decides_on_success(
    transport: Transport, far: "Far", status: int, code: Any
) -> None:
    """The `code` of a success varies."""
    headers = {"Location": "https://evil.example"} if status == 201 else {}
    far.answers(httpx.Response(status, headers=headers, json={"code": code, "data": {"a": 1}}))
    assert await send(transport, "POST") == {"a": 1}


# How failures are told


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidInput", errors.InvalidRequestError),
        (400, "NotFound_SchemaConfig", errors.InvalidRequestError),
        (401, "Unauthorized", errors.UnauthorizedError),
        (403, "Forbidden", errors.ForbiddenError),
        (404, "NotFound_Connection", errors.NotFoundError),
        (404, "NotFound", errors.NotFoundError),
        (404, None, errors.NotFoundError),
        (404, "NotFound_SchemaConfig", errors.SchemaNotReadyError),
        (405, "MethodNotAllowed", errors.InvalidRequestError),
        (406, "NotAcceptable", errors.InvalidRequestError),
        (409, "Conflict", errors.ConflictError),
        (415, "UnsupportedMediaType", errors.InvalidRequestError),
        (418, "Teapot", errors.InvalidRequestError),
        (429, "TooManyRequests", errors.RateLimitedError),
        (429, "NotFound_SchemaConfig", errors.RateLimitedError),
    ],
)
async def test_each_refusal_has_its_error(
    http: httpx.AsyncClient,
    far: "Far",
    status: int,
    code: str | None,
    kind: type[errors.RefusedError],
) -> None:
    """The status decides; Fivetran's own words are kept apart from ours."""
    far.answers(httpx.Response(status, json={"code": code, "message": "canary"}))
    for method in METHODS:
        raised = await failure(Transport(http), method)
        assert type(raised) is kind
        assert raised.message == f"{method} was answered with status {status}"
        assert str(raised) == raised.message
        assert raised.status == status
        assert (raised.api_code, raised.api_message) == (code, "canary")
        assert raised.retry_after is None
        assert raised.retryable is (kind is errors.RateLimitedError)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("GET", errors.UpstreamError), *((each, errors.OutcomeUnknownError) for each in CHANGES)],
)
@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_failure_of_the_api_may_hide_a_change(
    transport: Transport, far: "Far", status: int, method: str, kind: type[errors.FivetranError]
) -> None:
    """On a read it is just a failure, on a change the outcome is not known."""
    answer = httpx.Response(
        status, headers={"Retry-After": "7"}, json={"code": "InternalServerError"}
    )
    far.answers(answer)
    raised = await failure(transport, method)
    assert type(raised) is kind
    assert (raised.status, raised.api_code) == (status, "InternalServerError")
    assert raised.retry_after == 7
    assert raised.retryable is (method == "GET")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>canary</html>",
        b"[]",
        b"null",
        b'"canary"',
        b"{",
        b'{"code": 5, "message": ["canary"]}',
        b'{"code": null, "message": {"canary": 1}}',
        b'{"code": ["NotFound_SchemaConfig"]}',
    ],
)
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_words_that_are_no_strings_are_left_out(
    transport: Transport, far: "Far", status: int, body: bytes
) -> None:
    """A refusal stays one, however little can be read of it."""
    far.answers(httpx.Response(status, content=body))
    raised = await failure(transport, "GET")
    assert isinstance(raised, errors.RefusedError)
    assert not isinstance(raised, errors.SchemaNotReadyError)
    assert raised.status == status
    assert raised.api_code is None
    assert raised.api_message is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "step",
    [
        *(kind(f"canary {kind.__name__}") for kind in (httpx.ConnectError, httpx.ReadTimeout)),
        httpx.ReadError("canary https://key-canary:secret-canary@host-canary.example/"),
        httpx.Response(302, headers={"Location": "https://elsewhere-canary.example/"}),
        httpx.Response(200, headers={"X-Secret": "canary"}, text="canary"),
        *(
            httpx.Response(
                status,
                headers={"X-Secret": "canary", "Set-Cookie": "a=canary"},
                json={"code": "code-canary", "message": "message-canary", "data": "canary"},
            )
            for status in (200, 400, 401, 403, 404, 409, 418, 429, 500, 503)
        ),
    ],
)
async def test_no_error_tells_a_secret_an_address_or_foreign_words(
    transport: Transport, far: "Far", method: str, step: httpx.Response | Exception
) -> None:
    """Neither in its message and representation, nor in the traceback that a log may hold."""
    far.answers(step)
    raised = await failure(transport, method)
    told = [raised.message, str(raised), repr(raised), repr(raised.args)]
    told += traceback.format_exception_only(raised)
    told += [str(raised.__cause__), str(raised.__suppress_context__ or raised.__context__)]
    authorization = far.requests[0].headers["Authorization"].removeprefix("Basic ")
    assert not [text for text in told if "canary" in text or authorization in text]
