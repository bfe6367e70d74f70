"""The Python SDK 1.x as a client, driven by JSON lines as the others are."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    PromptReference,
    ResourceTemplateReference,
)

SOMEBODY = os.environ["PERSON"] == "somebody"  # noqa: TID251 -- no part of the server
SERVER = json.loads(os.environ["SERVER"])  # noqa: TID251 -- likewise
QUIET = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- until the process ends


class Person:
    """Whoever sits before the client: what they say to the next questions, and what was asked."""

    def __init__(self) -> None:
        self.says = ElicitResult(action="cancel")
        self.questions: list[str] = []

    async def reply(self, _: Any, asked: ElicitRequestParams) -> ElicitResult:
        """Answer a question."""
        self.questions.append(asked.message)
        return self.says

    async def instruct(self, says: dict[str, Any]) -> None:
        """Tell them what to say."""
        self.says = ElicitResult(**says)

    async def asked(self) -> list[str]:
        """Say what was asked since the last time."""
        questions, self.questions = self.questions, []
        return questions


def reference(ref: dict[str, Any]) -> Any:
    """Make a reference of its JSON."""
    kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
    return kind(**ref)


def actions_of(session: ClientSession, person: Person, revision: str) -> dict[str, Any]:
    """Name what a client does, as the other drivers do."""
    return {
        "era": lambda _: asyncio.sleep(0, revision),
        "tools": lambda _: session.list_tools(),
        "call": lambda a: session.call_tool(a["name"], a["arguments"]),
        "prompts": lambda _: session.list_prompts(),
        "prompt": lambda a: session.get_prompt(a["name"], a.get("arguments")),
        "resources": lambda _: session.list_resources(),
        "templates": lambda _: session.list_resource_templates(),
        "read": lambda a: session.read_resource(a["uri"]),
        "complete": lambda a: session.complete(reference(a["ref"]), a["argument"]),
        "person": person.instruct,
        "questions": lambda _: person.asked(),
        "close": lambda _: asyncio.sleep(0),
    }


def as_json(told: Any) -> Any:
    """Give what the SDK read as it was on the wire."""
    if hasattr(told, "model_dump"):
        return told.model_dump(mode="json", by_alias=True, exclude_none=True)
    return told


async def main() -> None:
    """Answer one line after the other."""
    person = Person()
    async with AsyncExitStack() as stack:
        if "url" in SERVER:
            opening = streamable_http_client(SERVER["url"])
        else:
            opening = stdio_client(StdioServerParameters(**SERVER), errlog=QUIET)
        read, write, *_ = await stack.enter_async_context(opening)
        asks = {"elicitation_callback": person.reply} if SOMEBODY else {}
        info = Implementation(name="interop", version="1")
        session = ClientSession(read, write, client_info=info, **asks)
        await stack.enter_async_context(session)
        began = await session.initialize()
        actions = actions_of(session, person, str(began.protocolVersion))
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            try:
                said = {"result": as_json(await actions[asked["do"]](asked.get("with")))}
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is told
                said = {"thrown": str(error)}
            print(json.dumps(said), flush=True)


asyncio.run(main())
