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
    ElicitResult,
    Implementation,
    PromptReference,
    ResourceTemplateReference,
)

ANSWER = os.environ["ANSWER"]  # noqa: TID251 -- no part of the server
SERVER = json.loads(os.environ["SERVER"])  # noqa: TID251 -- likewise
QUIET = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- until the process ends


async def reply(*_: Any) -> ElicitResult:
    """Say what the person would."""
    return ElicitResult(action="accept", content={"approve": ANSWER == "yes"})


def reference(ref: dict[str, Any]) -> Any:
    """Make a reference of its JSON."""
    kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
    return kind(**ref)


def actions_of(session: ClientSession) -> dict[str, Any]:
    """Name what a client does, as the other drivers do."""
    return {
        "tools": lambda _: session.list_tools(),
        "call": lambda a: session.call_tool(a["name"], a["arguments"]),
        "prompts": lambda _: session.list_prompts(),
        "prompt": lambda a: session.get_prompt(a["name"], a.get("arguments")),
        "resources": lambda _: session.list_resources(),
        "templates": lambda _: session.list_resource_templates(),
        "read": lambda a: session.read_resource(a["uri"]),
        "complete": lambda a: session.complete(reference(a["ref"]), a["argument"]),
    }


async def main() -> None:
    """Answer one line after the other."""
    async with AsyncExitStack() as stack:
        if "url" in SERVER:
            opening = streamable_http_client(SERVER["url"])
        else:
            opening = stdio_client(StdioServerParameters(**SERVER), errlog=QUIET)
        read, write, *_ = await stack.enter_async_context(opening)
        asks = {} if ANSWER == "nobody" else {"elicitation_callback": reply}
        info = Implementation(name="interop", version="1")
        session = ClientSession(read, write, client_info=info, **asks)
        await stack.enter_async_context(session)
        began = await session.initialize()
        actions = actions_of(session)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            try:
                if asked["do"] == "close":
                    result = None
                elif asked["do"] == "era":
                    result = began.protocolVersion
                else:
                    told = await actions[asked["do"]](asked.get("with"))
                    result = told.model_dump(mode="json", by_alias=True, exclude_none=True)
                said = {"result": result}
            except Exception as error:  # noqa: BLE001 -- whatever it is, it is told
                said = {"thrown": str(error)}
            print(json.dumps(said), flush=True)


asyncio.run(main())
