"""Completions of the arguments of prompts and addresses."""

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Completion,
    PromptReference,
    ResourceTemplateReference,
)

from mcp_server.completions import KEPT
from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Clock, Connect

FIX = PromptReference(name="find_and_fix")
CONNECTOR = ResourceTemplateReference(uri="fivetran://connectors/{connector_id}")
SCHEMA = ResourceTemplateReference(uri="fivetran://connectors/{connector_id}/schema/{schema}")
TYPE = ResourceTemplateReference(uri="fivetran://connector-types/{service}")
CODE = ResourceTemplateReference(uri="fivetran://runbook/{code}")
MORNING = PromptReference(name="morning_check")
REVIEW = PromptReference(name="review_personal_data")


async def complete(
    caller: Caller, ref: Any, name: str, value: str = "", **before: str
) -> Completion:
    """Ask what completes an argument."""
    answer = await caller.client.complete(
        ref, {"name": name, "value": value}, context_arguments=before or None
    )
    return answer.completion


@pytest.mark.parametrize(
    ("ref", "name", "value", "first"),
    [
        (FIX, "connector", "pg_bill", "pg_billing"),
        (FIX, "connector", "SOLID_anch", "pg_billing"),
        (CONNECTOR, "connector_id", "solid", "solid_anchor"),
        (CONNECTOR, "connector_id", "pg_billing", "solid_anchor"),
        (MORNING, "group", "quiet_delta", "Marketing"),
        (TYPE, "service", "postgres", "postgres"),
        (TYPE, "service", "google ad", "google_ads"),
        (CODE, "code", "recon", "reconnect"),
    ],
)
async def test_what_is_typed_is_completed_by_id_or_name(
    caller: Caller, ref: Any, name: str, value: str, first: str
) -> None:
    """In any case; prompts get names, addresses ids."""
    found = await complete(caller, ref, name, value)

    assert found.values[0] == first
    assert found.total == len(found.values)
    assert found.has_more is False


@pytest.mark.parametrize("before", [{"connector_id": "solid_anchor"}])
async def test_schemas_are_those_of_the_connector_given_before(
    caller: Caller, before: dict[str, str]
) -> None:
    """By its id or its name; without one there are none."""
    assert (await complete(caller, SCHEMA, "schema", "", **before)).values == [
        "audit log",
        "public",
    ]
    by_name = await complete(caller, REVIEW, "schema", "pub", connector="pg_billing")
    assert by_name.values == ["public"]
    assert (await complete(caller, REVIEW, "schema")).values == []
    assert (await complete(caller, REVIEW, "schema", connector="nobody")).values == []


async def test_what_begins_with_the_text_stands_first(caller: Caller, sandbox: Sandbox) -> None:
    """Then what holds it elsewhere, each in the order of the letters."""
    for number, name in enumerate(("x_shop", "shop_b", "Shop_a")):
        row = dict(sandbox.connections["solid_anchor"], id=f"new{number}", schema=name)
        sandbox.connections[row["id"]] = row

    found = await complete(caller, FIX, "connector", "shop")

    assert [v for v in found.values if v in {"x_shop", "shop_b", "Shop_a"}] == [
        "Shop_a",
        "shop_b",
        "x_shop",
    ]


async def test_at_most_a_hundred_are_given_and_the_rest_is_counted(connect: Connect) -> None:
    """As the protocol wants it."""
    async with connect("read-only") as caller:
        found = await complete(caller, TYPE, "service", "")
        assert found.total is not None
        if found.total > 100:
            assert len(found.values) == 100
            assert found.has_more is True
    assert found.values


async def test_typing_on_asks_fivetran_once_a_minute(
    caller: Caller, sandbox: Sandbox, clock: Clock
) -> None:
    """Each letter is a request of the client's."""
    for value in ("p", "pg", "pg_"):
        await complete(caller, FIX, "connector", value)
        await complete(caller, CONNECTOR, "connector_id", value)
        await complete(caller, MORNING, "group", value)
    assert len(sandbox.requests) == 2

    clock.wait(KEPT.total_seconds())
    await complete(caller, FIX, "connector", "pg")
    assert len(sandbox.requests) == 3


async def test_an_account_of_any_size_is_walked_so_far_and_no_farther(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Five pages of a thousand."""
    for number in range(7):
        body = {
            "code": "Success",
            "data": {
                "items": [{"id": f"c{number}", "schema": f"name{number}"}],
                "next_cursor": str(number),
            },
        }
        sandbox.fail(Fault(method="GET", path="/v1/connections", status=200, body=body))

    found = await complete(caller, FIX, "connector", "name")

    assert found.values == [f"name{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (FIX, "nothing"),
        (PromptReference(name="nothing"), "connector"),
        (ResourceTemplateReference(uri="fivetran://connectors"), "connector_id"),
    ],
)
async def test_what_does_not_exist_cannot_be_completed(caller: Caller, ref: Any, name: str) -> None:
    """An error of the protocol, as it says."""
    with pytest.raises(MCPError) as caught:
        await complete(caller, ref, name)

    assert caught.value.error.code == INVALID_PARAMS


async def test_a_failure_is_no_empty_list(caller: Caller, sandbox: Sandbox) -> None:
    """And it is not remembered."""
    sandbox.fail(Fault(status=401))
    with pytest.raises(MCPError) as caught:
        await complete(caller, FIX, "connector", "pg")

    assert caught.value.error.code == INTERNAL_ERROR
    assert "401" in caught.value.error.message
    assert (await complete(caller, FIX, "connector", "pg")).values


async def test_what_the_tools_would_not_tell_is_not_told_here(
    connect: Connect, sandbox: Sandbox
) -> None:
    """A free text has no completions either."""
    async with connect("read-only", toolsets="fleet") as caller:
        for ref, name in ((FIX, "connector"), (MORNING, "group"), (REVIEW, "schema")):
            assert (await complete(caller, ref, name, connector="solid_anchor")).values == []
        plan = PromptReference(name="plan_resync")
        assert (await complete(caller, plan, "reason", "rows")).values == []

    assert not sandbox.requests


async def test_names_are_shown_without_what_does_not_show(caller: Caller, sandbox: Sandbox) -> None:
    """One that would be empty then is left out."""
    sandbox.connections["solid_anchor"]["schema"] = "zz\u202e\x1b[31mtop"

    found = await complete(caller, FIX, "connector", "zz")

    assert found.values == ["zz[31mtop"]


async def test_a_name_of_any_length_is_no_completion(caller: Caller, sandbox: Sandbox) -> None:
    """Nobody could read it."""
    sandbox.connections["solid_anchor"]["schema"] = "zz" + "x" * 1_000

    assert (await complete(caller, FIX, "connector", "zz")).values == []
