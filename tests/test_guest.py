"""Being a good guest: an account of 500 connectors, everything at once, and not one 429."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from typing_extensions import override

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.server import build_server
from mcp_server.settings import load_settings
from tests.fivetran.night import Night
from tests.support import Caller, Clock, text_of

CONNECTORS = 500


class Network(httpx.ASGITransport):
    """Count what the account answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(app=sandbox.app)
        self.statuses: Counter[int] = Counter()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        self.statuses[response.status_code] += 1
        return response


class Agent:
    """Does as it is told: comes back when an answer says so, and goes on where it ended."""

    def __init__(self, caller: Caller, night: Night) -> None:
        self.caller = caller
        self.night = night
        self.told_to_wait = 0

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool until it has answered."""
        while True:
            result = await self.caller.raw(tool, **arguments)
            if not result.is_error:
                answer: dict[str, Any] = json.loads(text_of(result))
                await self.wait(answer)
                return answer
            error = await self.caller.error(tool, **arguments)
            assert error["code"] == "rate_limited", error
            await self.wait(error)

    async def wait(self, answer: Mapping[str, Any]) -> None:
        """Stay away for as long as an answer says."""
        if "retry_after_seconds" in answer:
            self.told_to_wait += 1
            await self.night.sleep(answer["retry_after_seconds"])

    async def search(self, **what: Any) -> int:
        """Look for tables to the end; how many connectors were looked at."""
        scanned = 0
        cursor: dict[str, str] = {}
        while True:
            answer = await self.ask("find_tables", **what, **cursor)
            scanned += int(answer["connectors_scanned"])
            if answer["complete"]:
                return scanned
            cursor = {"cursor": answer["next_cursor"]}

    async def pause_all(self, service: str) -> int:
        """Pause all of a service, as dry runs and stopped runs say to go on; how many it were."""
        dry = await self.ask("bulk_update", action="pause", service=service, max_targets=500)
        changed, call = 0, dry["dry_run"].get("next_call")
        while call:
            arguments = {**call["arguments"], "confirm": True}
            answer = await self.ask("bulk_update", **arguments)
            changed += answer["run"]["succeeded"]["count"]
            call = answer["run"].get("next_call")
        return changed


@pytest.fixture
def night(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Let nobody really sleep."""
    night = Night(clock)
    monkeypatch.setattr(anyio, "sleep", night.sleep)
    return night


@pytest.fixture(params=["standard", "trial"])
def plan(request: pytest.FixtureRequest) -> Any:
    """Name the account's plan: 20,000 requests an hour, or 500."""
    return request.param


@pytest.fixture
def account(clock: Clock, plan: Any) -> Sandbox:
    """Build an account of 500 connectors."""
    sandbox = Sandbox(connections=CONNECTORS, now=clock.now)
    sandbox.limit_requests(plan=plan)
    return sandbox


@pytest.fixture
def network(account: Sandbox) -> Network:
    """Connect to it."""
    return Network(account)


@pytest.fixture
async def agent(account: Sandbox, network: Network, night: Night) -> AsyncIterator[Agent]:
    """Call its tools."""
    settings = load_settings(mode="write", api_key=SANDBOX_KEY, api_secret=SANDBOX_SECRET)
    server = build_server(settings, upstream=network, now=account.now)
    async with Client(server) as client:
        yield Agent(Caller(client), night)


async def test_triage_search_and_a_bulk_run_together_never_see_a_429(
    agent: Agent, network: Network, account: Sandbox, plan: str
) -> None:
    """All of them get their answers; on a trial account it takes hours, and they are told so."""
    done: dict[str, int] = {}

    async def search(name: str, what: dict[str, str]) -> None:
        done[name] = await agent.search(**what)

    async def pause() -> None:
        done["paused"] = await agent.pause_all("google_ads")

    async def triage() -> None:
        for _ in range(5):
            done["triage"] = (await agent.ask("triage_connectors"))["total"]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(search, "tables", {"pattern": "orders"})
        tasks.start_soon(search, "columns", {"pattern": "customers", "column": "email"})
        tasks.start_soon(pause)
        tasks.start_soon(triage)

    running = [c for c in account.connections.values() if c["service"] == "google_ads"]
    assert done["triage"] == CONNECTORS
    assert all(each["paused"] for each in running)
    assert done["paused"] > 10
    assert done["tables"] >= CONNECTORS - 20
    assert network.statuses[429] == 0
    assert network.statuses.total() > CONNECTORS
    assert (agent.told_to_wait > 0) is (plan == "trial")
