"""What every request meets: key, limits, faults, headers, paths, bodies."""

from collections.abc import Callable

import anyio
import httpx
import pytest

from mcp_server.sandbox import Fault, Sandbox

ONE = "/v1/connections/solid_anchor"


@pytest.mark.parametrize("auth", [None, ("sandbox_key", "other"), ("other", "sandbox_secret")])
async def test_a_wrong_key_is_refused(api: httpx.AsyncClient, auth: tuple[str, str] | None) -> None:
    """Without the right key and secret there is a 401 with a body."""
    api.auth = None  # type: ignore[assignment]  # httpx accepts it, its stub does not
    answer = await api.get("/v1/account/info", auth=auth)
    assert answer.status_code == 401
    assert answer.json() == {
        "code": "Unauthorized",
        "message": "Invalid authorization credentials",
    }


async def test_the_account_names_itself(api: httpx.AsyncClient) -> None:
    """The right key gets the account."""
    answer = await api.get("/v1/account/info")
    assert answer.json()["data"]["account_id"] == "sandbox_account"


async def test_requests_are_recorded_as_they_arrived(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Method, undecoded path, query, headers and body are kept."""
    await api.post("/v1/connections/a%2Fb/sync?x=%20", json={"force": True})
    received = sandbox.requests[-1]
    assert (received.method, received.path) == ("POST", "/v1/connections/a%2Fb/sync")
    assert (received.query, received.body) == ("x=%20", b'{"force":true}')
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/v1/nothing", 404),
        ("/v1/connections/", 404),
        ("/v1/connections/a%2Fb", 404),
        ("/v1/connections/solid_anchor%2Fschemas", 404),
        ("/v1/connections/nobody/%2e%2e/solid_anchor", 200),
        ("/v1/connections/%2e/solid_anchor", 200),
        ("/v1/groups/nothing", 404),
        ("/v1/connections/a%0Ab", 404),
    ],
)
async def test_paths_are_taken_apart_before_they_are_decoded(
    api: httpx.AsyncClient, path: str, status: int
) -> None:
    """A slash inside a name stays there, and dot segments are resolved as proxies do."""
    assert (await api.get(path)).status_code == status


async def test_a_wrong_method_is_told_the_right_ones(api: httpx.AsyncClient) -> None:
    """405 names what is allowed."""
    answer = await api.put(ONE)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("application/json;version=2", 200),
        ("text/html, application/json", 200),
        ("*/*", 200),
        ("application/json;version=3", 406),
        ("text/html", 406),
    ],
)
async def test_only_json_is_acceptable(api: httpx.AsyncClient, accept: str, status: int) -> None:
    """An Accept header that excludes JSON gets 406."""
    assert (await api.get(ONE, headers={"Accept": accept})).status_code == status


@pytest.mark.parametrize("kind", [None, "text/plain"])
async def test_a_body_needs_its_content_type(api: httpx.AsyncClient, kind: str | None) -> None:
    """POST without the JSON content type gets 415."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await api.post(f"{ONE}/sync", content=b"{}", headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"1"])
async def test_a_body_must_be_a_json_object(api: httpx.AsyncClient, body: bytes) -> None:
    """Anything else is invalid input."""
    headers = {"Content-Type": "application/json"}
    answer = await api.post(f"{ONE}/sync", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidInput")


async def test_an_optional_body_may_be_empty(api: httpx.AsyncClient) -> None:
    """An empty body of the right type counts as an empty object."""
    answer = await api.post(f"{ONE}/sync", headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


async def test_each_answer_tells_what_is_left_of_the_hour(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    """The remaining number falls with each request and rises as the hour rolls on."""
    first = await api.get("/v1/account/info")
    second = await api.get("/v1/nothing")
    assert first.headers["x-rate-limit"] == "20000"
    assert first.headers["x-rate-limit-remaining"] == "19999"
    assert second.headers["x-rate-limit-remaining"] == "19998"
    wait(3600)
    assert (await api.get("/v1/groups")).headers["x-rate-limit-remaining"] == "19999"


async def test_too_many_requests_are_refused_until_the_oldest_is_an_hour_old(
    api: httpx.AsyncClient, sandbox: Sandbox, wait: Callable[[float], None]
) -> None:
    """429 says in seconds when to come back."""
    sandbox.limit_requests(2)
    await api.get("/v1/groups")
    wait(60)
    await api.get("/v1/groups")
    refused = await api.get("/v1/groups")
    assert refused.status_code == 429
    assert refused.json()["code"] == "TooManyRequests"
    assert refused.headers["retry-after"] == "3540"
    assert refused.headers["x-rate-limit-remaining"] == "0"
    wait(3540)
    assert (await api.get("/v1/groups")).status_code == 200


async def test_a_limit_of_nothing_refuses_everything(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Even the first request may be one too many."""
    sandbox.limit_requests(0)
    assert (await api.get("/v1/groups")).headers["retry-after"] == "3600"


async def test_the_first_fault_that_matches_is_used_as_often_as_asked(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Faults are used in order, and only on what they match."""
    sandbox.fail(Fault(method="DELETE", status=503))
    sandbox.fail(Fault(method="GET", path="/v1/connections/solid.*", status=502, times=2))
    sandbox.fail(Fault(status=504))
    sandbox.fail(Fault(times=0))
    statuses = [(await api.get(ONE)).status_code for _ in range(4)]
    assert statuses == [502, 502, 504, 200]
    sandbox.clear_faults()
    assert (await api.delete(ONE)).status_code == 200


@pytest.mark.parametrize(
    ("fault", "kind", "text"),
    [
        (Fault(body={"a": 1}), "application/json", '{"a": 1}'),
        (Fault(body="<html>"), "text/plain; charset=utf-8", "<html>"),
        (Fault(body=b"", headers={"Content-Type": "text/html"}), "text/html", ""),
        (
            Fault(status=429),
            "application/json",
            '{"code":"TooManyRequests","message":"The request has failed"}',
        ),
        (
            Fault(status=599),
            "application/json",
            '{"code":"InternalServerError","message":"The request has failed"}',
        ),
    ],
)
async def test_a_fault_answers_with_its_body(
    api: httpx.AsyncClient, sandbox: Sandbox, fault: Fault, kind: str, text: str
) -> None:
    """Objects become JSON, text stays text, and without a body there is an envelope."""
    sandbox.fail(fault)
    answer = await api.get(ONE)
    assert (answer.headers["content-type"], answer.text) == (kind, text)
    assert "x-rate-limit" in answer.headers


async def test_a_fault_may_come_after_the_request_was_carried_out(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """Then the effect stays though the answer is an error."""
    sandbox.fail(Fault(method="PATCH", applied=True))
    answer = await api.patch(ONE, json={"paused": True})
    assert answer.status_code == 500
    assert sandbox.connections["solid_anchor"]["paused"] is True


async def test_a_fault_waits_before_it_answers(
    api: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delay is slept through before the answer."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    sandbox.fail(Fault(delay=30.0))
    assert (await api.get(ONE)).status_code == 500
    assert slept == [30.0]


async def test_pages_follow_each_other_to_the_end(api: httpx.AsyncClient) -> None:
    """Cursors lead through all items once; the last page has none."""
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 15}
    while True:
        data = (await api.get("/v1/connections", params=query)).json()["data"]
        seen += [item["id"] for item in data["items"]]
        if "next_cursor" not in data:
            break
        query["cursor"] = data["next_cursor"]
    assert len(seen) == len(set(seen)) == 40


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=",
        "limit=%C2%B2",
        "cursor=",
        "cursor=!!",
        "cursor=e30",
        "cursor=eyJza2lwIjotMX0",
        "cursor=eyJza2lwIjoiMSJ9",
        "cursor=MQ",
    ],
)
async def test_a_page_that_cannot_be_is_refused(api: httpx.AsyncClient, query: str) -> None:
    """Invalid cursors and limits are invalid input."""
    assert (await api.get(f"/v1/groups?{query}")).status_code == 400


async def test_groups_are_listed_and_read(api: httpx.AsyncClient) -> None:
    """There are four groups, and each knows its connections."""
    items = (await api.get("/v1/groups")).json()["data"]["items"]
    assert [(item["id"], item["name"]) for item in items] == [
        ("amber_harbor", "Production"),
        ("quiet_delta", "Marketing"),
        ("north_pine", "Finance"),
        ("dev_sands", "Development"),
    ]
    assert (await api.get("/v1/groups/north_pine")).json()["data"] == items[2]
    inside = (await api.get("/v1/groups/north_pine/connections")).json()["data"]["items"]
    assert {item["group_id"] for item in inside} == {"north_pine"}
    assert (await api.get("/v1/groups/x/connections")).json()["code"] == "NotFound_Group"
