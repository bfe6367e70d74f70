"""Certificates and SSH host keys: presented, approved, revoked."""

import base64
from typing import Any

import httpx
import pytest

from mcp_server.sandbox import Sandbox

TLS = "/v1/connections/wary_lynx"
TUNNEL = "/v1/connections/deep_mole"
CASES = [
    pytest.param(TLS, "certificate", "encoded_cert", "trust_certificates", id="certificate"),
    pytest.param(TUNNEL, "fingerprint", "public_key", "trust_fingerprints", id="fingerprint"),
]


async def run(api: httpx.AsyncClient, path: str, **switches: bool) -> dict[str, Any]:
    """Run the setup tests; the connection as it is after them."""
    answer = await api.post(f"{path}/test", json=switches)
    assert answer.status_code == 200
    data: dict[str, Any] = answer.json()["data"]
    return data


def failed(data: dict[str, Any]) -> dict[str, Any]:
    """Take the one test that failed."""
    (test,) = (each for each in data["setup_tests"] if each["status"] == "FAILED")
    return dict(test)


def item_of(test: dict[str, Any]) -> dict[str, Any]:
    """Take what the source presented: an object, or a list of one."""
    details = test["details"]
    return dict(details[0] if isinstance(details, list) else details)


@pytest.mark.parametrize(("path", "kind", "content", "_switch"), CASES)
async def test_what_the_source_presents_must_be_approved(
    api: httpx.AsyncClient, path: str, kind: str, content: str, _switch: str
) -> None:
    """The failed test has the hash and the content; approved, the tests pass."""
    data = await run(api, path)
    item = item_of(failed(data))
    assert data["status"]["setup_state"] == "broken"
    assert data["setup_tests"][-1] == {
        "title": "Connecting to the source",
        "status": "SKIPPED",
        "message": "",
        "details": None,
    }

    body = {"hash": item["hash"], content: item[content]}
    answer = await api.post(f"{path}/{kind}s", json=body)

    assert answer.status_code == 201
    assert answer.json()["message"] == f"The {kind} has been approved"
    approved = answer.json()["data"]
    assert approved["id"] == base64.urlsafe_b64encode(item["hash"].encode()).decode().rstrip("=")
    assert approved["public_key"] == item[content]
    assert approved["validated_date"] == "2026-03-10T12:00:00.000000Z"
    after = await run(api, path)
    assert {test["status"] for test in after["setup_tests"]} == {"PASSED"}
    assert after["status"]["setup_state"] == "connected"


@pytest.mark.parametrize(("path", "kind", "_content", "switch"), CASES)
async def test_a_switch_trusts_whatever_is_presented_and_the_other_does_not(
    api: httpx.AsyncClient, path: str, kind: str, _content: str, switch: str
) -> None:
    """For good: it is listed, and the next plain tests pass."""
    other = ({"trust_certificates", "trust_fingerprints"} - {switch}).pop()
    assert failed(await run(api, path, **{other: True}))

    data = await run(api, path, **{switch: True})

    assert {test["status"] for test in data["setup_tests"]} == {"PASSED"}
    assert len((await api.get(f"{path}/{kind}s")).json()["data"]["items"]) == 1
    assert (await run(api, path))["status"]["setup_state"] == "connected"


async def test_an_update_trusts_too(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Its switches are of its tests, and are not kept on the connection."""
    patch = {"data_delay_sensitivity": "LOW", "trust_certificates": True}
    data = (await api.patch(TLS, json=patch)).json()["data"]
    assert {test["status"] for test in data["setup_tests"]} == {"PASSED"}
    assert "trust_certificates" not in sandbox.connections["wary_lynx"]


@pytest.mark.parametrize(("trusting", "setup_state"), [(False, "incomplete"), (True, "connected")])
async def test_a_new_tunnel_must_be_trusted(
    api: httpx.AsyncClient, *, trusting: bool, setup_state: str
) -> None:
    """By its key, which the failed test tells unless the creation trusts it."""
    config = {"schema_prefix": "pg_far", "host": "db", "user": "u", "password": "p"}
    body = {
        "group_id": "dev_sands",
        "service": "postgres",
        "config": {**config, "tunnel_host": "bastion.example"},
        "trust_fingerprints": trusting,
    }
    answer = await api.post("/v1/connections", json=body)
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert data["status"]["setup_state"] == setup_state
    if not trusting:
        assert failed(data)["message"] == "The fingerprint of the SSH host is not approved"


async def test_a_certificate_behind_a_tunnel_is_seen_only_through_a_trusted_one(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """First the host key, then the certificate."""
    sandbox.connections["wary_lynx"]["config"]["tunnel_host"] = "bastion.example"
    first = await run(api, TLS)
    assert [test["status"] for test in first["setup_tests"][-3:]] == [
        "FAILED",
        "SKIPPED",
        "SKIPPED",
    ]
    second = await run(api, TLS, trust_fingerprints=True)
    assert [test["status"] for test in second["setup_tests"][-3:]] == [
        "PASSED",
        "FAILED",
        "SKIPPED",
    ]
    assert failed(second)["message"] == "TLS verification failed"


async def test_another_host_presents_something_else(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """And the same one always the same."""
    first = item_of(failed(await run(api, TUNNEL)))
    assert item_of(failed(await run(api, TUNNEL))) == first
    sandbox.connections["deep_mole"]["config"]["tunnel_host"] = "elsewhere.example"
    assert item_of(failed(await run(api, TUNNEL)))["hash"] != first["hash"]


async def test_what_is_trusted_is_listed_page_by_page_and_read_by_its_id(
    api: httpx.AsyncClient,
) -> None:
    """Only of the kind that was asked for."""
    for each in ("a", "b", "a"):
        body = {"hash": each, "encoded_cert": "Y2VydA=="}
        assert (await api.post(f"{TLS}/certificates", json=body)).status_code == 201
    await api.post(f"{TLS}/fingerprints", json={"hash": "c", "public_key": "ssh-rsa x"})

    first = (await api.get(f"{TLS}/certificates?limit=1")).json()["data"]
    query = f"limit=1&cursor={first['next_cursor']}"
    second = (await api.get(f"{TLS}/certificates?{query}")).json()["data"]
    assert [item["hash"] for item in first["items"] + second["items"]] == ["a", "b"]
    assert "next_cursor" not in second
    fields = {"id", "hash", "public_key", "validated_date", "validated_by"}
    assert set(first["items"][0]) == fields | {"name", "type", "sha1", "sha256"}
    keys = (await api.get(f"{TLS}/fingerprints")).json()["data"]["items"]
    assert [set(key) for key in keys] == [fields]
    assert (await api.get(f"{TLS}/fingerprints/{keys[0]['id']}")).json()["data"] == keys[0]
    assert (await api.get(f"{TLS}/certificates/{keys[0]['id']}")).status_code == 404


async def test_revoking_what_the_source_presents_breaks_the_connection(
    api: httpx.AsyncClient,
) -> None:
    """Until it is approved again; a second revocation finds nothing."""
    path = "/v1/connections/wary_lynx"
    await run(api, path, trust_certificates=True)
    (item,) = (await api.get(f"{path}/certificates")).json()["data"]["items"]

    answer = await api.delete(f"{path}/certificates/{item['id']}")

    assert answer.status_code == 200
    assert answer.json()["message"] == "The certificate has been revoked"
    status = (await api.get(path)).json()["data"]["status"]
    assert (status["setup_state"], status["tasks"][0]["code"]) == ("broken", "reconnect")
    again = await api.delete(f"{path}/certificates/{item['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "NotFound_Certificate")
    cured = await run(api, path, trust_certificates=True)
    assert (cured["status"]["setup_state"], cured["status"]["tasks"]) == ("connected", [])


async def test_revoking_something_else_breaks_nothing(api: httpx.AsyncClient) -> None:
    """A key that the source does not present any more."""
    body = {"hash": "old", "public_key": "ssh-rsa old"}
    item = (await api.post(f"{TLS}/fingerprints", json=body)).json()["data"]
    assert (await api.delete(f"{TLS}/fingerprints/{item['id']}")).status_code == 200
    assert (await api.get(TLS)).json()["data"]["status"]["setup_state"] == "connected"


async def test_an_old_tunnel_is_trusted_from_the_start(api: httpx.AsyncClient) -> None:
    """Its key was approved when it was set up."""
    items = (await api.get("/v1/connections/brisk_lantern/fingerprints")).json()["data"]["items"]
    assert len(items) == 1
    titles = {
        test["title"]: test["status"]
        for test in (await run(api, "/v1/connections/brisk_lantern"))["setup_tests"]
    }
    assert titles["Connecting to SSH tunnel"] == "PASSED"
    assert titles["Connecting to the source"] == "FAILED"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"hash": "h"},
        {"encoded_cert": "c"},
        {"hash": "", "encoded_cert": "c"},
        {"hash": 1, "encoded_cert": "c"},
        {"hash": "h", "encoded_cert": "c", "public_key": "k"},
    ],
)
async def test_an_approval_needs_a_hash_and_a_content(
    api: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    """Anything else is invalid input, and nothing is trusted."""
    answer = await api.post(f"{TLS}/certificates", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidInput")
    assert (await api.get(f"{TLS}/certificates")).json()["data"]["items"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "nope/certificates"),
        ("POST", "nope/certificates"),
        ("GET", "nope/fingerprints/x"),
        ("DELETE", "wary_lynx/fingerprints/x"),
    ],
)
async def test_what_does_not_exist_is_not_found(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    """The connection, or the approval."""
    body = {"hash": "h", "encoded_cert": "c"} if method == "POST" else None
    answer = await api.request(method, f"/v1/connections/{path}", json=body)
    assert answer.status_code == 404
