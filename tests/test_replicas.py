"""Two processes behind a round-robin proxy: what works without stickiness, and what does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitResult

from mcp_server.journal_check import verify
from mcp_server.rules import Rules, RulesError
from mcp_server.rules_tables import PolicyFile
from tests.replicas import KEY, Fleet, fleet
from tests.support import ERAS, Caller

BILLING = "solid_anchor"
SHOP = "brisk_lantern"
PAUSED = "dusty_canyon"
OTHER_KEY = "o" * 32


@pytest.fixture(name="both", scope="module")
def _both() -> Iterator[Fleet]:
    """Start two replicas with the same key."""
    with fleet() as started:
        yield started


def saying(*, yes: bool) -> dict[str, Any]:
    """Be a client whose person says so."""

    async def reply(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": yes})

    return {"elicitation_callback": reply}


@pytest.mark.parametrize("era", ERAS)
async def test_every_request_may_go_to_another_replica(era: str, both: Fleet) -> None:
    """Of clients of both revisions; each replica has its turn."""
    both.balancer.handled.clear()

    async with Client(both.url, mode=era) as client:
        assert len((await client.list_tools()).tools) > 20
        caller = Caller(client)
        for _ in range(4):
            assert await caller.ok("get_sync_status", connector_id=SHOP)

    assert len(both.balancer.handled) == 2
    assert min(both.balancer.handled.values()) >= 2


async def test_a_question_of_one_replica_is_answered_at_the_other() -> None:
    """And its approval is for exactly that; the state of the question is signed."""
    with fleet(FIVETRAN_MCP_APPROVAL="human") as both:
        async with Client(both.url, **saying(yes=True)) as client:
            both.balancer.handled.clear()
            caller = Caller(client)
            told = await caller.ok("delete_connector", connector_id=BILLING, confirm=True)
            assert told["deleted"] is True
            assert len(both.balancer.handled) == 2
            gone = await caller.error("delete_connector", connector_id=BILLING, confirm=True)
        assert gone["code"] == "not_found"
        async with Client(both.url, **saying(yes=False)) as client:
            error = await Caller(client).error("delete_connector", connector_id=SHOP, confirm=True)
        assert error["code"] == "not_approved"


@pytest.mark.parametrize(("shared", "times"), [(True, 1), (False, 2)])
async def test_an_approval_is_good_once_or_once_per_replica(
    tmp_path: Path, shared: bool, times: int
) -> None:
    """Of an act that leaves its target as it was; with an audit file for both it is once."""
    more: dict[str, Any] = {"FIVETRAN_MCP_AUDIT_FILE": str(tmp_path / "audit")} if shared else {}
    arguments = {"connector_id": PAUSED, "scope": "connector", "confirm": True}
    with fleet(**more) as both:
        async with Client(both.url, **saying(yes=True)) as client:
            call: Any = client.session.call_tool
            first = await call("resync_connector", arguments, allow_input_required=True)
            yes = ElicitResult(action="accept", content={"approve": True})
            again = {
                "input_responses": dict.fromkeys(first.input_requests, yes),
                "request_state": first.request_state,
            }
            for _ in range(4):
                await call("resync_connector", arguments, **again, allow_input_required=True)

        assert sum(r.path.endswith("/resync") for r in both.sandbox.requests) == times


@pytest.mark.parametrize("shared", [True, False])
async def test_nobody_is_asked_twice_for_one_call(tmp_path: Path, shared: bool) -> None:
    """An approval before is no obstacle, whether the other replica knows of it or not."""
    more: dict[str, Any] = {"FIVETRAN_MCP_AUDIT_FILE": str(tmp_path / "audit")} if shared else {}
    arguments = {"connector_id": PAUSED, "scope": "connector", "confirm": True}
    asked = 0

    async def reply(*_: Any) -> Any:
        nonlocal asked
        asked += 1
        return ElicitResult(action="accept", content={"approve": True})

    options: Any = {"elicitation_callback": reply}
    with fleet(**more) as both:
        async with Client(both.url, **options) as client:
            for _ in range(4):
                await Caller(client).ok("resync_connector", **arguments)

    assert asked == 4


async def test_replicas_with_keys_of_their_own_take_no_answers_for_each_other() -> None:
    """Nothing is done, and the call ends with an error."""
    with fleet(keys=(KEY, OTHER_KEY), FIVETRAN_MCP_APPROVAL="human") as both:
        async with Client(both.url, **saying(yes=True)) as client:
            with pytest.raises(Exception, match=r"(?i)state") as raised:
                await client.call_tool(
                    "delete_connector", {"connector_id": BILLING, "confirm": True}
                )
            assert "Traceback" not in str(raised.value)
        assert BILLING in both.sandbox.connections


async def test_the_shared_key_can_be_changed_one_replica_after_the_other() -> None:
    """As long as each knows the key that the other uses."""
    keys = (f"{KEY},{OTHER_KEY}", f"{OTHER_KEY},{KEY}")
    with fleet(keys=keys, FIVETRAN_MCP_APPROVAL="human") as both:
        async with Client(both.url, **saying(yes=True)) as client:
            caller = Caller(client)
            for connector in (BILLING, SHOP):
                await caller.ok("delete_connector", connector_id=connector, confirm=True)
                await caller.ok("list_groups")  # so that the next question is asked by the other

        assert not {BILLING, SHOP} & both.sandbox.connections.keys()


async def test_a_live_question_needs_the_same_replica_so_a_client_of_2025_11_25_is_asked_nothing() -> (
    None
):
    """Without a person nothing is approved."""
    with fleet(FIVETRAN_MCP_APPROVAL="human") as both:
        async with Client(both.url, mode="legacy", **saying(yes=True)) as client:
            error = await Caller(client).error(
                "delete_connector", connector_id=BILLING, confirm=True
            )
        assert error["code"] == "not_approved"
        assert BILLING in both.sandbox.connections


@pytest.mark.parametrize("era", ERAS)
async def test_the_token_of_a_preview_is_known_to_the_other_replica(era: str) -> None:
    """So that a strict setting works as well."""
    with fleet(FIVETRAN_MCP_APPROVAL="preview") as both:
        async with Client(both.url, mode=era) as client:
            caller = Caller(client)
            preview = await caller.error("delete_connector", connector_id=BILLING)
            call = preview["next_call"]
            both.balancer.handled.clear()
            await caller.ok(call["tool"], **call["arguments"])
        assert BILLING not in both.sandbox.connections


async def test_what_one_replica_gives_the_other_takes(both: Fleet) -> None:
    """Cursors, the digest of a bulk change, a baseline."""
    async with Client(both.url) as client:
        caller = Caller(client)
        page = await caller.ok("list_connectors", limit=2)
        more = await caller.ok("list_connectors", limit=2, cursor=page["next_cursor"])
        assert not {r["id"] for r in page["connectors"]} & {r["id"] for r in more["connectors"]}

        dry = await caller.ok("bulk_update", action="pause", service="google_ads")
        run = await caller.ok("bulk_update", **dry["dry_run"]["next_call"]["arguments"])
        assert run["run"]["outcome"] == "done"

        started = await caller.ok("sync_connector", connector_id="swift_meadow")
        waited = await caller.ok("wait_for_sync", baselines=[started["baseline"]])
        assert waited


async def test_when_one_replica_is_killed_the_other_serves() -> None:
    """The next call and those after it."""
    with fleet() as both:
        async with Client(both.url) as client:
            caller = Caller(client)
            await caller.ok("get_sync_status", connector_id=SHOP)
            both.processes[0].kill()
            both.processes[0].wait()
            for _ in range(3):
                assert await caller.ok("get_sync_status", connector_id=SHOP)


async def test_the_budget_is_parted_so_that_no_limit_is_passed() -> None:
    """Fivetran tells nothing of what is left for reads that reach a source."""
    with fleet(plan="trial", FIVETRAN_MCP_REPLICAS="2") as both:
        async with Client(both.url) as client:
            caller = Caller(client)
            refused: list[str] = []

            async def read() -> None:
                result = await caller.raw(
                    "get_table_columns", connector_id=BILLING, schema="public", table="orders"
                )
                if result.is_error:
                    refused.append(str(result.content))

            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(read)

        assert refused
        assert all("rate_limited" in error for error in refused)
        assert both.statuses[429] == 0
        assert 20 <= sum("/columns" in request.path for request in both.sandbox.requests) <= 25


async def test_replicas_may_share_an_audit_file(tmp_path: Path) -> None:
    """Its lines stay one chain."""
    file = tmp_path / "audit.jsonl"
    with fleet(FIVETRAN_MCP_AUDIT_FILE=str(file)) as both:
        async with Client(both.url) as client, anyio.create_task_group() as tasks:
            caller = Caller(client)
            for minutes in (15, 30, 60, 120, 180, 360):
                for connector in (BILLING, SHOP):
                    tasks.start_soon(_schedule, caller, connector, minutes)

    found = verify(file, None, None)
    assert found.ok, found.in_words()
    assert file.read_text(encoding="utf-8").count('"phase":"done"') == 12


async def _schedule(caller: Caller, connector: str, minutes: int) -> None:
    await caller.raw("set_sync_frequency", connector_id=connector, minutes=minutes)


@pytest.mark.parametrize(("cap", "replicas", "part"), [(6, 1, 6), (6, 4, 1), (0, 4, 0)])
def test_a_cap_of_resyncs_is_parted_downwards(cap: int, replicas: int, part: int) -> None:
    """Together they never pass it."""
    rules = Rules(PolicyFile.model_validate({"caps": {"resyncs_per_day": cap}}))

    assert rules.parted(replicas).policy.caps.resyncs_per_day == part


def test_a_cap_that_cannot_be_parted_is_refused() -> None:
    """None would be allowed, and nobody would know why."""
    rules = Rules(PolicyFile.model_validate({"caps": {"resyncs_per_day": 2}}))

    with pytest.raises(RulesError, match=r"resyncs_per_day = 2 cannot be parted among 3 replicas"):
        rules.parted(3)
    uncapped = Rules(PolicyFile.model_validate({"caps": {"bulk_targets": 2}}))
    assert uncapped.parted(3).policy.caps.resyncs_per_day is None
