"""Whom a connection trusts: certificates and SSH host keys."""

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import (
    BadAnswerError,
    BadSegmentError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
)
from mcp_server.fivetran.trust import Kind
from mcp_server.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

KINDS = pytest.mark.parametrize(
    ("kind", "path", "field"),
    [
        ("certificate", "certificates", "encoded_cert"),
        ("fingerprint", "fingerprints", "public_key"),
    ],
)


@KINDS
async def test_an_approval_has_the_hash_and_the_content(
    fivetran: Fivetran, sandbox: Sandbox, kind: Kind, path: str, field: str
) -> None:
    """The content goes under the name that its kind has."""
    await fivetran.trust.approve("wary_lynx", kind, hash_="a/b+c=", content="dGVzdA==")

    (received,) = sandbox.requests
    assert (received.method, received.path) == ("POST", f"/v1/connections/wary_lynx/{path}")
    assert json.loads(received.body) == {"hash": "a/b+c=", field: "dGVzdA=="}
    (item,) = (await fivetran.trust.page("wary_lynx", kind)).items
    assert item.hash == "a/b+c="
    assert item.public_key == "dGVzdA=="
    assert item.validated_by == "quiet_meadow"
    assert item.validated_date is not None
    assert (item.type == "TLS") is (kind == "certificate")


@KINDS
async def test_what_is_trusted_is_read_and_revoked_by_its_id(
    fivetran: Fivetran, sandbox: Sandbox, kind: Kind, path: str, field: str
) -> None:
    """Afterwards it is not found."""
    assert field
    await fivetran.trust.approve("wary_lynx", kind, hash_="hash", content="dGVzdA==")
    assert (await fivetran.trust.get("wary_lynx", kind, "aGFzaA")).hash == "hash"

    await fivetran.trust.revoke("wary_lynx", kind, "aGFzaA")

    last = sandbox.requests[-1]
    assert (last.method, last.path) == ("DELETE", f"/v1/connections/wary_lynx/{path}/aGFzaA")
    with pytest.raises(NotFoundError):
        await fivetran.trust.get("wary_lynx", kind, "aGFzaA")
    with pytest.raises(NotFoundError):
        await fivetran.trust.revoke("wary_lynx", kind, "aGFzaA")


async def test_the_list_is_read_page_by_page(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """The largest page by default, and on by its cursor."""
    for each in "abc":
        await fivetran.trust.approve("wary_lynx", "certificate", hash_=each, content="Yw==")
    sandbox.requests.clear()

    whole = await fivetran.trust.page("wary_lynx", "certificate")
    first = await fivetran.trust.page("wary_lynx", "certificate", limit=2)
    rest = await fivetran.trust.page("wary_lynx", "certificate", limit=2, cursor=first.next_cursor)

    assert [item.hash for item in whole.items] == ["a", "b", "c"]
    assert whole.items == first.items + rest.items
    assert rest.next_cursor is None
    assert [received.query for received in sandbox.requests] == [
        "limit=1000",
        "limit=2",
        f"limit=2&cursor={first.next_cursor}",
    ]


async def test_trust_is_asked_for_in_plain_json(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """These endpoints have no version 2."""
    await fivetran.trust.approve("wary_lynx", "certificate", hash_="hash", content="Yw==")
    await fivetran.trust.page("wary_lynx", "certificate")
    await fivetran.trust.get("wary_lynx", "certificate", "aGFzaA")
    await fivetran.trust.revoke("wary_lynx", "certificate", "aGFzaA")
    assert [received.headers["accept"] for received in sandbox.requests] == ["application/json"] * 4


async def test_what_the_api_refuses_is_an_error(fivetran: Fivetran) -> None:
    """An unknown connection, an empty approval, an id that leaves its place."""
    with pytest.raises(NotFoundError):
        await fivetran.trust.page("nope", "fingerprint")
    with pytest.raises(InvalidRequestError):
        await fivetran.trust.approve("wary_lynx", "fingerprint", hash_="", content="")
    with pytest.raises(BadSegmentError):
        await fivetran.trust.revoke("wary_lynx", "fingerprint", "..")


async def test_nothing_but_an_approval_counts_as_one(scripted: Fivetran, far: "Far") -> None:
    """A lost answer leaves the outcome unknown; another shape is no list and no item."""
    far.answers(httpx.ReadTimeout(""))
    with pytest.raises(OutcomeUnknownError):
        await scripted.trust.approve("c", "certificate", hash_="h", content="c")
    assert len(far.requests) == 1
    far.answers(httpx.Response(200, json={"data": {"items": [{"hash": "h"}]}}))
    with pytest.raises(BadAnswerError):
        await scripted.trust.page("c", "certificate")
    with pytest.raises(BadAnswerError):
        await scripted.trust.get("c", "certificate", "h")
