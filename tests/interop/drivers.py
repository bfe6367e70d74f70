"""Other SDKs' clients, each a process that is told what to do in JSON lines."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from jsonschema import Draft202012Validator

from mcp_server.exchanges import EXAMPLES, proposal

SLOWEST: Final = 90.0
"""Seconds for one answer: waiting for a sync takes up to a minute."""
MOST: Final = 1 << 20
MOST_CALLS: Final = 3
LAST: Final = "delete_connector"
ORDER: Final = {"wait_for_sync": 0, LAST: 2}
"""The examples are made for accounts that nobody has touched: a sync is started while there is none,
and the connector of the others is deleted after them."""


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
        """Have something done that may throw."""
        stdin = self.process.stdin
        assert stdin is not None
        await stdin.send(json.dumps({"do": what, "with": given}).encode() + b"\n")
        with anyio.fail_after(SLOWEST):
            return json.loads(await self.lines.receive_until(b"\n", MOST))


@asynccontextmanager
async def driving(
    command: list[str], server: Mapping[str, Any], *, era: str, answer: str
) -> AsyncIterator[Driver]:
    """Start a client of a server, whose person answers every question so."""
    given = {"SERVER": json.dumps(server), "ERA": era, "ANSWER": answer}
    environment = {**os.environ, **given}  # noqa: TID251 -- the client needs PATH and the like
    async with await anyio.open_process(command, env=environment, stderr=None) as process:
        assert process.stdout is not None
        driver = Driver(process, BufferedByteReceiveStream(process.stdout))
        try:
            yield driver
            await driver.do("close")
        finally:
            # Whatever was going on: it ends with its server, which reads from it.
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
        """Try every tool, then all else."""
        for name in sorted(EXAMPLES, key=_turn):
            await self.example(name)
        # A change that was made for another example cannot be made again.
        if failed := {name: why for name, why in self.refusals.items() if why}:
            raise ProblemError(f"these tools answered with errors only: {failed}")
        unknown = await self.driver.do("call", {"name": "no_such_tool", "arguments": {}})
        self._error("no_such_tool", unknown)
        await self.others()

    async def example(self, tool: str) -> None:
        """Make the calls of a tool's example."""
        example = EXAMPLES[tool]
        last: dict[str, Any] = {}
        for name, arguments in example.before:
            last = await self.confirmed(name, arguments)
        learned = example.learned(last)
        await self.confirmed(tool, {**example.arguments, **learned})

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
            Draft202012Validator(schema).validate(told)
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

    async def others(self) -> None:
        """Try prompts, resources and completions."""
        prompts = (await self.driver.do("prompts"))["prompts"]
        for prompt in prompts:
            needed = [each["name"] for each in prompt.get("arguments", []) if each.get("required")]
            given = {"name": prompt["name"], "arguments": dict.fromkeys(needed, "solid_anchor")}
            said = await self.driver.attempt("prompt", given)
            if "thrown" in said and not needed:
                raise ProblemError(f"prompt {prompt['name']}: {said['thrown']}")
        for resource in (await self.driver.do("resources"))["resources"]:
            read = await self.driver.do("read", {"uri": resource["uri"]})
            if not read["contents"]:
                raise ProblemError(f"{resource['uri']} is empty")
        if not (await self.driver.do("templates"))["resourceTemplates"]:
            raise ProblemError("there are no resource templates")
        if "thrown" not in await self.driver.attempt("read", {"uri": "fivetran://nothing"}):
            raise ProblemError("a resource that is not there was read")
        ref = {"type": "ref/resource", "uri": "fivetran://connectors/{connector_id}"}
        asked = {"ref": ref, "argument": {"name": "connector_id", "value": "soli"}}
        completed = await self.driver.do("complete", asked)
        if "solid_anchor" not in completed["completion"]["values"]:
            raise ProblemError("connector_id was not completed")


async def asked(driver: Driver, *, agrees: bool) -> None:
    """Confirm a deletion as somebody who then says yes or no."""
    given = {"connector_id": "solid_anchor", "confirm": True}
    result = await driver.do("call", {"name": LAST, "arguments": given})
    told = json.loads(result["content"][0]["text"])
    ended = "deleted" if told.get("deleted") else told["error"]["code"]
    if ended != ("deleted" if agrees else "not_approved"):
        raise ProblemError(f"after {'a yes' if agrees else 'a no'}: {ended}")


def _turn(name: str) -> tuple[int, str]:
    return (ORDER.get(name, 1), name)
