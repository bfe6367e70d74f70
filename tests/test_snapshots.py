"""What a model reads of 300 connectors, tool by tool: to be looked at, and what it costs.

The answers lie in `tests/snapshots`. After a change that is meant, write them anew with
`python -m pytest tests/test_snapshots.py --accept`, and read them.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_server.sandbox import Sandbox
from mcp_server.tools import waiting
from tests.support import Caller, Clock, serve, text_of

HERE = Path(__file__).parent / "snapshots"
BULK = {"action": "pause", "service": "google_ads", "max_targets": 500}
CALLS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "triage": (1_000, "triage_connectors", {}),
    "triage of a service": (400, "triage_connectors", {"service": "google_ads"}),
    "list of the unhealthy": (3_000, "list_connectors", {"state": "unhealthy"}),
    "groups": (1_500, "list_groups", {}),
    "tables": (2_500, "find_tables", {"pattern": "orders"}),
    "columns": (2_500, "find_tables", {"pattern": "customers", "column": "email"}),
    "nothing found": (200, "find_tables", {"pattern": "no such table"}),
    "bulk dry run": (1_500, "bulk_update", BULK),
    "wait without a baseline": (
        300,
        "wait_for_sync",
        {"connector_ids": ["solid_anchor", "nobody"]},
    ),
    "comparison": (
        500,
        "compare_schema",
        {"connector_id": "solid_anchor", "other_connector_id": "brisk_lantern"},
    ),
    "schema of 1,200 tables": (3_000, "get_schema_config", {"connector_id": "wide_river"}),
    "server status": (150, "get_server_status", {}),
}
"""The most tokens (bytes of the text over four), tool and arguments."""


@pytest.fixture(name="fleet")
async def _fleet(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    """Call tools on an account of 300."""

    async def rest(seconds: float) -> None:
        clock.wait(seconds)

    monkeypatch.setattr(waiting, "rest", rest)
    async with Client(serve(Sandbox(connections=300, now=clock.now))) as client:
        yield Caller(client)


def compare(name: str, answer: Any, *, accept: bool) -> None:
    """Hold an answer against the one that somebody has looked at."""
    path = HERE / f"{name.replace(' ', '_').replace(',', '')}.json"
    text = json.dumps(answer, ensure_ascii=False, indent=1) + "\n"
    if accept:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    known = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == known, f"accept it with: python -m pytest {__file__} --accept"


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_about_300_connectors_is_as_it_was_read(
    name: str, fleet: Caller, pytestconfig: pytest.Config
) -> None:
    """Word for word, and within what it may cost."""
    most, tool, arguments = CALLS[name]

    result = await fleet.raw(tool, **arguments)

    assert not result.is_error
    assert len(text_of(result).encode()) / 4 <= most
    compare(name, result.structured_content, accept=pytestconfig.getoption("--accept"))


async def test_a_bulk_run_and_the_wait_for_it_are_as_they_were_read(
    fleet: Caller, pytestconfig: pytest.Config
) -> None:
    """From the dry run to the last sync, as a workflow does it."""
    accept = pytestconfig.getoption("--accept")
    bulk = {"action": "sync", "service": "stripe", "max_targets": 500}
    dry = await fleet.ok("bulk_update", **bulk)
    call = dry["dry_run"]["next_call"]
    preview = await fleet.error(call["tool"], **{**call["arguments"], "confirm": False})
    compare("bulk preview", preview, accept=accept)
    call = preview["next_call"]
    run = await fleet.ok(call["tool"], **call["arguments"])
    compare("bulk run", {**run, "run": {**run["run"], "baselines": ["..."]}}, accept=accept)
    waited = await fleet.ok("wait_for_sync", baselines=run["run"]["baselines"])
    compare("wait after a bulk run", waited, accept=accept)

    for answer, most in ((preview, 600), (run, 600), (waited, 1_500)):
        assert len(json.dumps(answer, separators=(",", ":"))) / 4 <= most
    assert waited["all_ended"] is True
