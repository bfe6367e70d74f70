"""Other SDKs' clients, each a process that is told what to do in JSON lines."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from jsonschema import Draft202012Validator, ValidationError

from mcp_server.exchanges import EXAMPLES, proposal

SLOWEST: Final = 90.0
"""Seconds for one answer: waiting for a sync takes up to a minute."""
MOST: Final = 1 << 20
MOST_CALLS: Final = 3
LAST: Final = "delete_connector"
ORDER: Final = {"wait_for_sync": 0, LAST: 2}
"""The examples are made for accounts that nobody has touched: a sync is started while there is none,
and the connector of the others is deleted after them."""
BRIEFLY: Final[Mapping[str, Any]] = {"wait_for_sync": {"max_wait_seconds": 3}}
"""How examples are cut short: long enough for progress to be told once."""
VICTIM: Final = {"connector_id": "solid_anchor"}
"""What a person is asked about; its deletion is the last that is tried."""
YES: Final = {"action": "accept", "content": {"approve": True}}
NOES: Final = (
    {"action": "accept", "content": {"approve": False}},
    {"action": "decline"},
    {"action": "cancel"},
)
FILLED_IN: Final = {
    "connector": "solid_anchor",
    "connector_id": "solid_anchor",
    "schema": "public",
    "service": "postgres",
    "source": "the shop's Postgres",
}
"""What prompts and resources need, but for what is completed."""


class ProblemError(Exception):
    """A client did not get on with the server."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A client under way."""

    process: Process
    lines: BufferedByteReceiveStream

    async def do(self, what: str, given: Any = None) -> Any:
        """Have something done.

        Raises:
            ProblemError: The SDK threw, or did not answer.
        """
        said = await self.attempt(what, given)
        if "thrown" in said:
            raise ProblemError(f"{what} {json.dumps(given)[:200]}: {said['thrown'][:500]}")
        return said["result"]

    async def attempt(self, what: str, given: Any = None) -> Any:
        """Have something done that may throw.

        Raises:
            ProblemError: The client ended, or did not answer.
        """
        stdin = self.process.stdin
        assert stdin is not None
        try:
            with anyio.fail_after(SLOWEST):
                await stdin.send(json.dumps({"do": what, "with": given}).encode() + b"\n")
                return json.loads(await self.lines.receive_until(b"\n", MOST))
        except TimeoutError:
            raise ProblemError(f"{what}: no answer within {SLOWEST:.0f} s") from None
        except (anyio.IncompleteRead, anyio.BrokenResourceError):
            raise ProblemError(f"{what}: the client ended, with what it said on stderr") from None


@asynccontextmanager
async def driving(
    command: list[str], server: Mapping[str, Any], *, era: str, somebody: bool = True
) -> AsyncIterator[Driver]:
    """Start a client of a server; one with nobody before it says that it cannot ask anybody."""
    person = "somebody" if somebody else "nobody"
    given = {"SERVER": json.dumps(server), "ERA": era, "PERSON": person}
    environment = {**os.environ, **given}  # noqa: TID251 -- the client needs PATH and the like
    async with await anyio.open_process(command, env=environment, stderr=None) as process:
        assert process.stdout is not None
        driver = Driver(process, BufferedByteReceiveStream(process.stdout))
        try:
            yield driver
            await driver.do("close")
        finally:
            # Whatever was going on: it ends with its server, which reads from it.
            with suppress(ProcessLookupError):
                process.terminate()


@dataclass(slots=True)
class Trial:
    """Everything that is tried with one client; it counts what it has looked at."""

    driver: Driver
    contract: Mapping[str, Any]
    """The tools as `manifests/tools.json` has them."""
    published: Mapping[str, Any]
    """The output schemas as this client got them."""
    calls: int = 0
    refusals: dict[str, str] = field(default_factory=dict)
    """How each tool was answered that has not worked yet."""

    @classmethod
    async def of(cls, driver: Driver, contract: Mapping[str, Any]) -> "Trial":
        """List the tools."""
        tools = (await driver.do("tools"))["tools"]
        missing = contract.keys() ^ {tool["name"] for tool in tools}
        if missing:
            raise ProblemError(f"tools/list and the contract differ in {sorted(missing)}")
        return cls(driver, contract, {tool["name"]: tool["outputSchema"] for tool in tools})

    async def run(self) -> None:
        """Try every tool, then all else, with somebody who can be asked."""
        await self.refused()
        await self.driver.do("person", YES)
        for name in sorted(EXAMPLES, key=_turn):
            await self.example(name)
        # A change that was made for another example cannot be made again.
        if failed := {name: why for name, why in self.refusals.items() if why}:
            raise ProblemError(f"these tools answered with errors only: {failed}")
        unknown = await self.driver.do("call", {"name": "no_such_tool", "arguments": {}})
        self._error("no_such_tool", unknown)
        await self.prompts()
        await self.resources()
        await self.driver.do("questions")
        await self.deleted(questions=1)

    async def example(self, tool: str) -> None:
        """Make the calls of a tool's example."""
        example = EXAMPLES[tool]
        last: dict[str, Any] = {}
        for name, arguments in example.before:
            last = await self.confirmed(name, arguments)
        learned = example.learned(last)
        await self.confirmed(tool, {**example.arguments, **learned, **BRIEFLY.get(tool, {})})

    async def confirmed(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call, and then those that its answers propose; the last answer."""
        told = await self.call(tool, arguments)
        for _ in range(MOST_CALLS - 1):
            proposed = proposal(told)
            if proposed is None:
                break
            told = await self.call(tool, proposed)
        error = told.get("error")
        if error is None or tool not in self.refusals:
            self.refusals[tool] = f"{error['code']}: {error['message']}" if error else ""
        return told

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Make a call, and check its answer."""
        self.calls += 1
        result = await self.driver.do("call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            return self._error(tool, result)
        told: dict[str, Any] = result["structuredContent"]
        for schema in (self.published[tool], self.contract[tool]["outputSchema"]):
            try:
                Draft202012Validator(schema).validate(told)
            except ValidationError as error:
                raise ProblemError(f"{tool}: {error.json_path}: {error.message[:300]}") from None
        if json.loads(result["content"][0]["text"]) != told:
            raise ProblemError(f"{tool}: the text says something else than the structure")
        return told

    def _error(self, tool: str, result: Mapping[str, Any]) -> dict[str, Any]:
        if "structuredContent" in result or not result.get("isError"):
            raise ProblemError(f"{tool}: an error has to be text alone")
        told: dict[str, Any] = json.loads(result["content"][0]["text"])
        if not {"code", "message", "hint", "retryable"} <= told["error"].keys():
            raise ProblemError(f"{tool}: an error without code, message and hint")
        return told

    async def refused(self) -> None:
        """Confirm a deletion before somebody who says no, in all the ways there are."""
        for says in NOES:
            await self.driver.do("person", says)
            told = await self.call(LAST, {**VICTIM, "confirm": True})
            if told.get("error", {}).get("code") != "not_approved":
                raise ProblemError(f"after {says}: {json.dumps(told)[:300]}")
        questions = await self.driver.do("questions")
        if len(questions) != len(NOES):
            raise ProblemError(f"the person was asked {len(questions)} times, not {len(NOES)}")

    async def deleted(self, *, questions: int) -> None:
        """Delete, after as many questions to a person."""
        told = await self.call(LAST, VICTIM)
        if told.get("error", {}).get("code") != "confirmation_required":
            raise ProblemError(f"without confirm: {json.dumps(told)[:300]}")
        told = await self.call(LAST, proposal(told) or {})
        asked = await self.driver.do("questions")
        if not told.get("deleted") or len(asked) != questions:
            raise ProblemError(f"after {len(asked)} questions: {json.dumps(told)[:300]}")

    async def prompts(self) -> None:
        """Get every prompt."""
        for prompt in (await self.driver.do("prompts"))["prompts"]:
            needed = [each["name"] for each in prompt.get("arguments", []) if each.get("required")]
            given = {name: FILLED_IN[name] for name in needed}
            got = await self.driver.do("prompt", {"name": prompt["name"], "arguments": given})
            if not got["messages"]:
                raise ProblemError(f"prompt {prompt['name']} is empty")
        await self.completed({"type": "ref/prompt", "name": "find_and_fix"}, "connector", "pg_b")

    async def resources(self) -> None:
        """Read every resource, with the addresses that have to be filled in."""
        addresses = [each["uri"] for each in (await self.driver.do("resources"))["resources"]]
        known = dict(FILLED_IN)
        for template in (await self.driver.do("templates"))["resourceTemplates"]:
            address: str = template["uriTemplate"]
            for name, begun in (("connector_id", "soli"), ("code", "")):
                if address.endswith(f"{{{name}}}"):
                    ref = {"type": "ref/resource", "uri": address}
                    known[name] = await self.completed(ref, name, begun)
            addresses.append(address.format_map(known))
        for uri in addresses:
            if not (await self.driver.do("read", {"uri": uri}))["contents"]:
                raise ProblemError(f"{uri} is empty")
        if "thrown" not in await self.driver.attempt("read", {"uri": "fivetran://nothing"}):
            raise ProblemError("a resource that is not there was read")

    async def completed(self, ref: Mapping[str, str], name: str, begun: str) -> str:
        """Have an argument completed; the first of the values."""
        asked = {"ref": ref, "argument": {"name": name, "value": begun}}
        values: list[str] = (await self.driver.do("complete", asked))["completion"]["values"]
        if not values or not values[0].startswith(begun):
            raise ProblemError(f"{name} of {ref} was not completed")
        return values[0]


def _turn(name: str) -> tuple[int, str]:
    return (ORDER.get(name, 1), name)
