"""One real exchange with each tool, for its page in the documentation.

A client in this process calls a server over the sandbox, at a fixed moment, so that what it is
answered is the same on every machine and every day.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json import loads
from typing import Any, Final, TypeAlias

import anyio
import httpx
from mcp import Client
from mcp_types import Implementation, TextContent
from pydantic import SecretStr

from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.server import all_specs, build_server
from mcp_server.settings import VARIABLES, Settings

Json: TypeAlias = dict[str, Any]

START: Final = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
CLIENT: Final = Implementation(name="a client", version="1.0")
MOST_CALLS: Final = 3
"""More would be a circle."""
NAMED: Final = ("connector_id", "service")
NOBODY: Final = "nobody"
CHANGE: Final = "0123456789ab"
VARIES: Final[Mapping[str, Any]] = {
    "baseline": "a text for wait_for_sync",
    "baselines": ["a text for wait_for_sync"],
    "change_id": CHANGE,
    "marker": "a text for changed_since",
    "sdk_version": "2",
}
"""What is random, packed or of the machine, by the name of its field, and what is shown instead."""

VAULT: Final = {"connector_id": "wary_lynx"}
BILLING: Final = {"connector_id": "solid_anchor"}
SHOP: Final = {"connector_id": "brisk_lantern"}
ANALYTICS: Final = {"connector_id": "dusty_canyon"}
MOVE: Final = {**ANALYTICS, "group_id": "north_pine", "sync_behavior": "CONTINUE"}
HOURLY: Final = ("set_sync_frequency", {**BILLING, "minutes": 60})
EMAIL: Final = {"customers": {"columns": {"email": {"enabled": False}}}}
NEW: Final = {
    "group_id": "amber_harbor",
    "service": "postgres",
    "config": {
        "schema_prefix": "shop_eu",
        "host": "db.shop.example",
        "user": "fivetran",
        "password": "a made-up password",
    },
}


def _nothing(_: Json) -> Json:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A call that is worth showing."""

    arguments: Json = field(default_factory=dict)
    before: tuple[tuple[str, Json], ...] = ()
    """Calls that bring about what it needs; they are confirmed."""
    learned: Callable[[Json], Json] = _nothing
    """Takes arguments from the answer to the last of them."""
    later: float = 0
    """Seconds that pass before the call."""
    varies: Mapping[str, Any] = field(default_factory=dict)
    """As `VARIES`, for this tool alone."""


def _first_hash(tested: Json) -> Json:
    (found,) = tested["untrusted"]
    return {"hash": found["hash"]}


EXAMPLES: Final[Mapping[str, Example]] = {
    "approve_trust": Example(
        arguments={**VAULT, "kind": "certificate"},
        before=(("run_setup_tests", VAULT),),
        learned=_first_hash,
    ),
    "bulk_update": Example(arguments={"action": "pause", "service": "google_ads"}),
    "compare_schema": Example(
        arguments={**BILLING, "other_connector_id": "brisk_lantern", "limit": 3}
    ),
    "create_connect_card": Example(arguments=SHOP),
    "create_connector": Example(arguments=NEW),
    "delete_connector": Example(arguments=SHOP),
    "describe_connector_type": Example(arguments={"service": "postgres"}),
    "dismiss_warnings": Example(arguments={**SHOP, "codes": ["resync_table_warning"]}),
    "drop_columns": Example(
        arguments={**BILLING, "columns": {"public": {"customers": ["email"]}}},
        before=(("update_schema_config", {**BILLING, "schemas": {"public": {"tables": EMAIL}}}),),
    ),
    "find_tables": Example(arguments={"pattern": "customers", "column": "email", "limit": 3}),
    "get_audit_log": Example(before=(HOURLY,), varies={"id": CHANGE}),
    "get_connector": Example(arguments=SHOP),
    "get_connector_problems": Example(arguments=SHOP),
    "get_connector_state": Example(arguments={"connector_id": "sdk_weather"}),
    "get_move_status": Example(
        arguments=ANALYTICS,
        before=(("move_connector", MOVE),),
        learned=lambda moved: {"job_id": moved["job_id"]},
        later=60,
    ),
    "get_schema_config": Example(arguments={**BILLING, "enabled": False}),
    "get_server_status": Example(),
    "get_sync_history": Example(arguments={**SHOP, "hours": 24, "limit": 3}),
    "get_sync_status": Example(arguments=SHOP),
    "get_table_columns": Example(arguments={**BILLING, "schema": "public", "table": "customers"}),
    "list_connectors": Example(arguments={"group_id": "amber_harbor", "state": "unhealthy"}),
    "list_groups": Example(),
    "list_trusted": Example(arguments={**SHOP, "kind": "fingerprint"}),
    "move_connector": Example(arguments=MOVE),
    "pause_connector": Example(arguments=BILLING),
    "reload_schema_config": Example(arguments=BILLING),
    "resume_connector": Example(arguments=ANALYTICS),
    "resync_connector": Example(
        arguments={**BILLING, "scope": "tables", "tables": {"public": ["orders"]}}
    ),
    "revoke_trust": Example(
        arguments={**SHOP, "kind": "fingerprint"},
        before=(("list_trusted", {**SHOP, "kind": "fingerprint"}),),
        learned=lambda listed: {"hash": listed["trusted"][0]["hash"]},
    ),
    "run_setup_tests": Example(arguments=VAULT),
    "search_connector_types": Example(arguments={"query": "postgres", "limit": 3}),
    "set_connector_state": Example(
        arguments={"connector_id": "sdk_weather", "state": {"cursor": "2026-02-28T00:00:00Z"}}
    ),
    "set_sync_frequency": Example(arguments=HOURLY[1]),
    "sync_connector": Example(arguments=BILLING),
    "triage_connectors": Example(arguments={"group_id": "quiet_delta"}),
    "undo_change": Example(
        before=(HOURLY, ("get_audit_log", {})),
        learned=lambda log: {"change_id": log["entries"][0]["id"]},
    ),
    "update_connector": Example(
        arguments={**SHOP, "config": {"user": "fivetran_reader"}, "run_setup_tests": False}
    ),
    "update_schema_config": Example(
        arguments={**BILLING, "schemas": {"public": {"tables": {"orders": {"enabled": False}}}}}
    ),
    "wait_for_sync": Example(
        before=(("sync_connector", BILLING),),
        learned=lambda started: {"baselines": [started["baseline"]]},
        later=60,
    ),
}
"""What each tool's page shows; the tools' own names, so that one without is found."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and what it was answered."""

    arguments: Json
    answer: Json
    is_error: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a page shows of a tool."""

    calls: list[Call]
    """The call, and then those that the answers proposed."""
    stranger: Json | None
    """The error of the same call with an id that does not exist, if that is one."""


@dataclass(slots=True)
class Clock:
    """Stands still unless told otherwise."""

    moment: datetime = START

    def now(self) -> datetime:
        """Tell the time."""
        return self.moment


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls tools of a server on an account of its own."""

    client: Client
    clock: Clock

    async def call(self, tool: str, arguments: Json) -> Call:
        """Make one call."""
        result = await self.client.call_tool(tool, arguments)
        (block,) = (part for part in result.content if isinstance(part, TextContent))
        return Call(arguments, loads(block.text), bool(result.is_error))

    async def calls(self, tool: str, arguments: Json) -> list[Call]:
        """Make a call, and then those that its answers propose."""
        made = [await self.call(tool, arguments)]
        while len(made) < MOST_CALLS and (proposed := proposal(made[-1].answer)):
            made.append(await self.call(tool, proposed))
        return made

    async def example(self, tool: str, example: Example) -> Exchange:
        """Bring about what an example needs, and make its calls."""
        learned: Json = {}
        for name, arguments in example.before:
            last = (await self.calls(name, arguments))[-1]
            learned = last.answer
        self.clock.moment += timedelta(seconds=example.later)
        arguments = {**example.arguments, **example.learned(learned)}
        stranger = await self.stranger(tool, arguments)
        made = await self.calls(tool, arguments)
        varies = {**VARIES, **example.varies}
        return Exchange(
            [Call(steady(c.arguments, varies), steady(c.answer, varies), c.is_error) for c in made],
            stranger,
        )

    async def stranger(self, tool: str, arguments: Json) -> Json | None:
        """Make the call with an id that does not exist; the error that it is answered with."""
        name = next((name for name in NAMED if name in arguments), None)
        if name is None:
            return None
        made = await self.call(tool, {**arguments, name: NOBODY})
        error: Json | None = made.answer.get("error")
        return error


def proposal(answer: Json) -> Json | None:
    """Find the arguments of the call that an answer proposes, if it proposes one."""
    for place in (answer.get("error"), answer.get("dry_run")):
        if place and "next_call" in place:
            found: Json = place["next_call"]["arguments"]
            return found
    return None


def steady(value: Any, varies: Mapping[str, Any]) -> Any:
    """Replace what differs from one run to the next."""
    if isinstance(value, dict):
        return {k: varies[k] if k in varies else steady(v, varies) for k, v in value.items()}
    return [steady(each, varies) for each in value] if isinstance(value, list) else value


@asynccontextmanager
async def caller() -> AsyncIterator[Caller]:
    """Connect a client to a server that may do everything, on an account of its own."""
    clock = Clock()
    sandbox = Sandbox(now=clock.now)
    given: Json = {
        VARIABLES["mode"]: "full",
        VARIABLES["toolsets"]: ("all",),
        VARIABLES["api_key"]: SecretStr(SANDBOX_KEY),
        VARIABLES["api_secret"]: SecretStr(SANDBOX_SECRET),
    }
    # Constructed, not loaded: what whoever runs this has set has no say here.
    settings = Settings.model_construct(**given)
    upstream = httpx.ASGITransport(app=sandbox.app)
    async with Client(
        build_server(settings, upstream=upstream, now=clock.now), client_info=CLIENT
    ) as client:
        yield Caller(client, clock)


async def _exchanges() -> dict[str, Exchange]:
    made = {}
    for tool, example in EXAMPLES.items():
        async with caller() as calling:
            made[tool] = await calling.example(tool, example)
    return made


def exchanges() -> dict[str, Exchange]:
    """Make the exchange of every tool, each on an account that nobody has touched.

    Raises:
        LookupError: A tool has no example.
    """
    without = [spec.name for spec in all_specs() if spec.name not in EXAMPLES]
    if without:
        raise LookupError(f"{', '.join(without)}: give an example in mcp_server/exchanges.py")
    return anyio.run(_exchanges)
