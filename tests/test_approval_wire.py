"""The question to the person over real transports: the installed command, a real client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp_types import ElicitResult

from tests.support import ERAS, Caller
from tests.test_serve import over_stdio, serving_http

DELETE = {"connector_id": "solid_anchor", "confirm": True}


@asynccontextmanager
async def connected(transport: str, era: str, setting: str, answer: str) -> AsyncIterator[Caller]:
    """Connect over a transport as somebody who says yes, no, or cannot be asked."""

    async def reply(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": answer == "yes"})

    options: dict[str, Any] = {} if answer == "nobody" else {"elicitation_callback": reply}
    arguments = ("--approval", setting)
    if transport == "stdio":
        async with over_stdio(era, *arguments, **options) as client:
            yield Caller(client)
    else:
        with serving_http("--mode", "full", *arguments) as (url, _):
            async with Client(url, mode=era, **options) as client:
                yield Caller(client)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize(
    ("setting", "answer", "code"),
    [
        ("human", "yes", None),
        ("human", "no", "not_approved"),
        ("human", "nobody", "not_approved"),
        ("auto", "no", "not_approved"),
        ("auto", "nobody", None),
    ],
)
async def test_a_person_decides_over_each_transport(
    transport: str,
    era: str,
    setting: str,
    answer: str,
    code: str | None,
) -> None:
    """By an answer that asks for more, or by a live request; refused where nobody can be asked."""
    async with connected(transport, era, setting, answer) as caller:
        if code is None:
            assert (await caller.ok("delete_connector", **DELETE))["deleted"] is True
        else:
            assert (await caller.error("delete_connector", **DELETE))["code"] == code
            assert await caller.ok("get_connector", connector_id="solid_anchor")
