"""`list_trusted`, `approve_trust`, `revoke_trust`: whom a connector trusts."""

import base64
import json
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes

CASES = pytest.mark.parametrize(
    ("connector_id", "kind", "content"),
    [("wary_lynx", "certificate", "encoded_cert"), ("deep_mole", "fingerprint", "public_key")],
)
TESTS = "/v1/connections/[^/]+/test"


def id_of(hash_: str) -> str:
    """Build the id of a hash."""
    return base64.urlsafe_b64encode(hash_.encode()).decode().rstrip("=")


async def presented(caller: Caller, connector_id: str) -> str:
    """Take the hash of what a connector's source presents."""
    answer = await caller.ok("run_setup_tests", connector_id=connector_id)
    (item,) = answer["untrusted"]
    hash_: str = item["hash"]
    return hash_


def answers(sandbox: Sandbox, details: Any) -> None:
    """Let the next setup tests fail with these details."""
    test = {"title": "T", "status": "FAILED", "message": "TLS", "details": details}
    body = {"code": "Success", "data": {"id": "solid_anchor", "setup_tests": [test]}}
    sandbox.fail(Fault(method="POST", path=TESTS, status=200, body=body))


# list_trusted


async def test_what_is_trusted_is_listed_part_by_part(caller: Caller, sandbox: Sandbox) -> None:
    """No row twice, and the keys themselves are not shown."""
    items = [{"id": id_of(each), "hash": each, "public_key": "ssh-rsa"} for each in "abc"]
    body = {"code": "Success", "data": {"items": items}}
    sandbox.fail(Fault(method="GET", path=".*/fingerprints", status=200, body=body, times=2))
    call = {"connector_id": "brisk_lantern", "kind": "fingerprint", "limit": 2}

    first = await caller.ok("list_trusted", **call)
    rest = await caller.ok("list_trusted", **call, cursor=first["next_cursor"])

    assert [row["hash"] for row in first["trusted"]] == ["a", "b"]
    assert [row["hash"] for row in rest["trusted"]] == ["c"]
    assert (first["complete"], rest["complete"]) == (False, True)
    assert "ssh-rsa" not in json.dumps([first, rest])


async def test_a_trusted_key_is_shown_with_who_approved_it(caller: Caller) -> None:
    """And a connector without any trusts nothing."""
    call = {"connector_id": "brisk_lantern"}

    keys = await caller.ok("list_trusted", **call, kind="fingerprint")
    certificates = await caller.ok("list_trusted", **call, kind="certificate")

    (row,) = keys["trusted"]
    assert row == {
        "id": id_of(row["hash"]),
        "hash": row["hash"],
        "approved_at": "2026-03-10T12:00:00Z",
        "approved_by": "quiet_meadow",
    }
    assert keys["complete"] is True
    assert certificates == {"trusted": [], "complete": True}


async def test_an_unknown_connector_trusts_nobody(caller: Caller) -> None:
    """That is an error, not an empty list."""
    error = await caller.error("list_trusted", connector_id="nope", kind="fingerprint")
    assert error["code"] == "not_found"


async def test_the_name_of_a_certificate_is_cleaned(caller: Caller, sandbox: Sandbox) -> None:
    """Whoever runs the source chose it."""
    name = "CN=a\u202eb\x00 " + "x" * 500
    item = {"id": "aWQ", "name": name, "type": name, "sha256": name, "validated_by": name}
    body = {"code": "Success", "data": {"items": [item]}}
    sandbox.fail(Fault(method="GET", path=".*/certificates", status=200, body=body))

    answer = await caller.ok("list_trusted", connector_id="wary_lynx", kind="certificate")

    (row,) = answer["trusted"]
    assert row["name"].startswith("CN=ab xxx")
    assert len(json.dumps(row)) < 900
    assert "hash" not in row


# approve_trust


@CASES
async def test_an_approval_shows_what_it_would_trust_and_then_approves_exactly_that(
    caller: Caller, sandbox: Sandbox, connector_id: str, kind: str, content: str
) -> None:
    """Its content comes from the failed test; nobody has to pass it on."""
    hash_ = await presented(caller, connector_id)
    sandbox.requests.clear()
    call = {"connector_id": connector_id, "kind": kind, "hash": hash_}

    error = await caller.error("approve_trust", **call)

    assert error["code"] == "confirmation_required"
    assert error["preview"]["target"]["connector_id"] == connector_id
    assert f"hash {hash_}" in error["preview"]["effect"]
    assert "compare the hash" in error["preview"]["lost"]
    assert [path for _, path, _ in changes(sandbox)] == [f"/v1/connections/{connector_id}/test"]

    answer = await caller.ok("approve_trust", **error["next_call"]["arguments"])

    method, path, body = changes(sandbox)[-1]
    assert (method, path) == ("POST", f"/v1/connections/{connector_id}/{kind}s")
    assert set(body) == {"hash", content}
    assert body["hash"] == hash_
    assert answer["approved"]["hash"] == hash_
    assert "run_setup_tests" in answer["next_step"]
    assert body[content] not in json.dumps([error, answer])
    tested = await caller.ok("run_setup_tests", connector_id=connector_id)
    assert tested["outcome"] == "passed"


async def test_an_id_is_as_good_as_a_hash(caller: Caller) -> None:
    """With or without its padding."""
    hash_ = await presented(caller, "deep_mole")
    for given in (id_of(hash_), id_of(hash_) + "="):
        call = {"connector_id": "deep_mole", "kind": "fingerprint", "hash": given}
        error = await caller.error("approve_trust", **call)
        assert f"hash {hash_}" in error["preview"]["effect"]


@pytest.mark.parametrize("confirm", [False, True])
async def test_what_is_not_presented_is_never_approved(
    caller: Caller, sandbox: Sandbox, *, confirm: bool
) -> None:
    """A source that presents something else than what was compared is told, with what it is."""
    hash_ = await presented(caller, "deep_mole")
    sandbox.connections["deep_mole"]["config"]["tunnel_host"] = "in-between.example"
    now = await presented(caller, "deep_mole")

    error = await caller.error(
        "approve_trust", connector_id="deep_mole", kind="fingerprint", hash=hash_, confirm=confirm
    )

    assert error["code"] == "not_found"
    assert f"it presents: fingerprint, hash {now}" in error["message"]
    assert "find out why" in error["hint"]
    assert not any(path.endswith("fingerprints") for _, path, _ in changes(sandbox))


async def test_a_hash_counts_only_for_its_kind(caller: Caller) -> None:
    """A certificate is not found among the host keys."""
    hash_ = await presented(caller, "wary_lynx")
    error = await caller.error(
        "approve_trust", connector_id="wary_lynx", kind="fingerprint", hash=hash_
    )
    assert error["code"] == "not_found"
    assert "it presents: none" in error["message"]


async def test_of_many_presented_the_first_are_named(caller: Caller, sandbox: Sandbox) -> None:
    """The rest is counted."""
    answers(sandbox, [{"hash": f"h{n}", "encoded_cert": "Yw=="} for n in range(12)])
    error = await caller.error(
        "approve_trust", connector_id="solid_anchor", kind="certificate", hash="other"
    )
    assert "hash h9; and 2 more" in error["message"]


async def test_what_is_trusted_already_needs_no_approval(caller: Caller) -> None:
    """It says since when and by whom."""
    hash_ = await presented(caller, "deep_mole")
    call = {"connector_id": "deep_mole", "kind": "fingerprint", "hash": hash_, "confirm": True}
    await caller.ok("approve_trust", **call)

    error = await caller.error("approve_trust", **call)

    assert error["code"] == "conflict"
    assert "approved 2026-03-10T12:00:00Z by quiet_meadow" in error["message"]


async def test_what_is_told_without_its_content_cannot_be_approved_by_hash(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The other way is named."""
    answers(sandbox, [{"name": "CN=db", "hash": "abc="}])
    error = await caller.error(
        "approve_trust", connector_id="solid_anchor", kind="certificate", hash="abc="
    )
    assert error["code"] == "not_found"
    assert "trust_certificates=true" in error["hint"]


# revoke_trust


@pytest.mark.parametrize("by", ["hash", "id"])
async def test_a_revocation_shows_what_follows_and_then_revokes(
    caller: Caller, sandbox: Sandbox, by: str
) -> None:
    """Found by its hash or by its id; syncs fail until it is approved again."""
    listed = await caller.ok("list_trusted", connector_id="brisk_lantern", kind="fingerprint")
    (row,) = listed["trusted"]
    call = {"connector_id": "brisk_lantern", "kind": "fingerprint", "hash": row[by]}

    error = await caller.error("revoke_trust", **call)

    assert error["code"] == "confirmation_required"
    assert changes(sandbox) == []
    effect = error["preview"]["effect"]
    assert f"hash {row['hash']}" in effect
    assert "approved 2026-03-10T12:00:00Z by quiet_meadow" in effect
    assert "syncs fail" in effect

    answer = await caller.ok("revoke_trust", **error["next_call"]["arguments"])

    assert answer["connector_id"] == "brisk_lantern"
    assert answer["revoked"] == row
    assert "approve only another one" in answer["next_step"]
    path = f"/v1/connections/brisk_lantern/fingerprints/{row['id']}"
    assert [(method, place) for method, place, _ in deletions(sandbox)] == [("DELETE", path)]
    again = await caller.error("revoke_trust", **call, confirm=True)
    assert again["code"] == "not_found"
    assert "list_trusted" in again["hint"]


def deletions(sandbox: Sandbox) -> list[tuple[str, str, bytes]]:
    """Tell what was deleted."""
    return [
        (each.method, each.path, each.body) for each in sandbox.requests if each.method == "DELETE"
    ]


async def test_an_approval_without_a_name_of_who_made_it_is_shown_all_the_same(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A certificate with its name and hashes, and only the time."""
    item = {
        "id": "aWQ",
        "name": "CN=db",
        "type": "TLS",
        "hash": "id",
        "sha1": "s1",
        "sha256": "s2",
        "validated_date": "2026-01-02T03:04:05Z",
    }
    body = {"code": "Success", "data": item}
    sandbox.fail(Fault(method="GET", path=".*/certificates/aWQ", status=200, body=body))

    error = await caller.error(
        "revoke_trust", connector_id="wary_lynx", kind="certificate", hash="id"
    )

    assert (
        "certificate CN=db, type TLS, hash id, sha256 s2, sha1 s1, approved 2026-01-02T03:04:05Z."
        in error["preview"]["effect"]
    )


@pytest.mark.parametrize("tool", ["approve_trust", "revoke_trust"])
async def test_trust_is_changed_only_in_full_mode(
    connect: Connect, sandbox: Sandbox, tool: str
) -> None:
    """Elsewhere these tools are not offered."""
    async with connect("write") as caller:
        error = await caller.error(tool, connector_id="deep_mole", kind="fingerprint", hash="h")
    assert error["code"] == "mode_forbids"
    assert not sandbox.requests


@pytest.mark.parametrize("given", ["", "a b", "ä", "x\n", "h" * 201])
async def test_what_cannot_be_a_hash_is_refused(
    caller: Caller, sandbox: Sandbox, given: str
) -> None:
    """Before anything is sent."""
    for tool in ("approve_trust", "revoke_trust"):
        error = await caller.error(tool, connector_id="deep_mole", kind="fingerprint", hash=given)
        assert error["code"] == "invalid_arguments"
    assert not sandbox.requests


@pytest.mark.parametrize("given", ["..", "../../groups", "%2e%2e", "a/b", "?x=1", "="])
async def test_a_hash_never_leaves_its_place_in_a_path(
    caller: Caller, sandbox: Sandbox, given: str
) -> None:
    """It is one segment, or refused."""
    error = await caller.error(
        "revoke_trust", connector_id="deep_mole", kind="fingerprint", hash=given
    )
    assert error["code"] in {"not_found", "invalid_arguments"}
    places = [received.path for received in sandbox.requests if "fingerprints" in received.path]
    assert places
    for place in places:
        assert place.startswith("/v1/connections/deep_mole/fingerprints/")
        assert place.count("/") == 5
