"""Ids and names become exactly one path segment each, whatever they contain."""

from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.fivetran import Fivetran, Transport
from mcp_server.fivetran.errors import BadSegmentError, NotFoundError, NotSentError
from mcp_server.fivetran.transport import path_of

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

segments = st.text(min_size=1).filter(lambda text: text not in {".", ".."})


@pytest.mark.parametrize(
    ("segment", "sent"),
    [
        ("solid_anchor", b"solid_anchor"),
        ("../groups/g1", b"..%2Fgroups%2Fg1"),
        ("a/b", b"a%2Fb"),
        ("/", b"%2F"),
        ("//evil.example/x", b"%2F%2Fevil.example%2Fx"),
        ("https://evil.example/", b"https%3A%2F%2Fevil.example%2F"),
        ("@evil.example", b"%40evil.example"),
        (":80", b"%3A80"),
        ("%2e%2e", b"%252e%252e"),
        ("%2F", b"%252F"),
        ("%", b"%25"),
        ("?x=1", b"%3Fx%3D1"),
        ("#", b"%23"),
        ("a;b=c", b"a%3Bb%3Dc"),
        ("back\\slash", b"back%5Cslash"),
        ("one\r\nHost: evil.example", b"one%0D%0AHost%3A%20evil.example"),
        ("\0", b"%00"),
        (" ", b"%20"),
        ("+", b"%2B"),
        ("...", b"..."),
        ("a.b-c_d~e", b"a.b-c_d~e"),
        ("受注", b"%E5%8F%97%E6%B3%A8"),
        ("x" * 10_000, b"x" * 10_000),
    ],
)
async def test_a_hostile_id_leaves_as_one_segment(
    transport: Transport, far: "Far", segment: str, sent: bytes
) -> None:
    """Neither quoting by us nor the URL handling of httpx lets it change the path around it."""
    await transport.get("connections", segment, "schemas")
    (request,) = far.requests
    assert request.url.raw_path == b"/v1/connections/" + sent + b"/schemas"
    assert request.url.host == "host-canary.example"
    assert request.url.scheme == "https"


@pytest.mark.parametrize("segment", ["", ".", "..", "\ud800", "a\udfffb"])
async def test_what_cannot_be_a_segment_is_not_sent(
    transport: Transport, far: "Far", segment: str
) -> None:
    """Dot segments are resolved by servers; half a character replaced would name another thing."""
    for place in [("connections", segment), (segment,), ("connections", segment, "state")]:
        with pytest.raises(BadSegmentError) as caught:
            await transport.get(*place)
        assert not caught.value.retryable
    assert far.requests == []


@pytest.mark.parametrize("length", [70_000, 7_500])
async def test_a_path_longer_than_a_url_may_be_is_not_sent(
    transport: Transport, far: "Far", length: int
) -> None:
    """What httpx refuses comes out as an error of this package; non-ASCII counts ninefold."""
    with pytest.raises(NotSentError, match="GET was not sent"):
        await transport.get("connections", "受" * length)
    assert far.requests == []


@given(st.lists(segments, min_size=1, max_size=5))
def test_paths_have_as_many_segments_as_asked_for(texts: list[str]) -> None:
    """Splitting and unquoting gives back exactly what was joined."""
    path = path_of(*texts)
    assert [unquote(part) for part in path.split("/")] == ["", *texts]
    assert path.isascii()
    assert not set(path) & set("?#\\ \r\n;:@")


@given(
    segment=segments,
    base=st.sampled_from(["https://api.example", "https://api.example/", "http://p.example:8/a/b"]),
)
async def test_what_leaves_is_what_was_joined(segment: str, base: str) -> None:
    """The base address stays in front of the path, the path is not normalised, no query appears."""
    sent: list[httpx.URL] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append(request.url)
        return httpx.Response(200, json={"data": {}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(note), base_url=base) as client:
        await Transport(client).get("connections", segment)
    (url,) = sent
    home = httpx.URL(base)
    prefix = home.raw_path.decode().rstrip("/") + "/v1/connections/"
    path = url.raw_path.decode()
    assert (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port)
    assert path.startswith(prefix)
    assert path.count("/") == prefix.count("/")
    assert unquote(path.removeprefix(prefix)) == segment
    assert url.query == b""
    assert url.fragment == ""


@pytest.mark.parametrize(
    "hostile", ["../groups/amber_harbor", "solid_anchor/schemas", "solid_anchor?x=", "%2e%2e", "é"]
)
async def test_a_hostile_id_reaches_nothing_else(fivetran: Fivetran, hostile: str) -> None:
    """The API looks for a connection of that very name, and has none."""
    with pytest.raises(NotFoundError) as caught:
        await fivetran.connections.get(hostile)
    assert caught.value.api_code == "NotFound_Connection"
