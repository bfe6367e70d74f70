"""Resources: the runbook, and answers of tools by an address."""

import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.codes import KNOWN
from tests.support import Caller, Connect


async def read(caller: Caller, uri: str) -> str:
    """Read a resource of one text."""
    (content,) = (await caller.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/markdown"
    return content.text


async def test_the_runbook_is_listed_and_has_every_code(caller: Caller) -> None:
    """With its address, and that of each entry."""
    listed = (await caller.client.list_resources()).resources
    templates = (await caller.client.list_resource_templates()).resource_templates

    assert [str(each.uri) for each in listed] == ["fivetran://runbook", "fivetran://account"]
    assert [each.uri_template for each in templates] == [
        "fivetran://runbook/{code}",
        "fivetran://connectors/{connector_id}",
        "fivetran://connectors/{connector_id}/schema",
        "fivetran://connectors/{connector_id}/schema/{schema}",
        "fivetran://connector-types/{service}",
    ]
    assert all(each.description for each in listed)
    assert all(each.description for each in templates)
    text = await read(caller, "fivetran://runbook")
    for code, known in KNOWN.items():
        assert f"## {code}\n\n{known.meaning}\n\nNext: {known.next}\n" in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("reconnect", "no longer gets into the source"),
        ("some_new_warning", "A warning this server does not know"),
        ("never_heard_of", "Trouble this server does not know"),
    ],
)
async def test_an_entry_says_what_a_code_means_and_what_to_do(
    caller: Caller, code: str, words: str
) -> None:
    """Also of a code that nobody has listed: it says so."""
    text = await read(caller, f"fivetran://runbook/{code}")

    assert text.startswith(f"## {code}\n")
    assert words in text
    assert "Next: " in text


async def test_a_code_is_shown_without_what_does_not_show(caller: Caller) -> None:
    """It comes from outside."""
    text = await read(caller, "fivetran://runbook/a%E2%80%AEb%0A%23%20c" + "x" * 500)

    assert text.startswith("## ab # cx")
    assert len(text.partition("\n")[0]) < 120


@pytest.mark.parametrize(
    ("uri", "tool", "arguments"),
    [
        ("account", "get_server_status", {}),
        ("connectors/solid_anchor", "get_connector", {"connector_id": "solid_anchor"}),
        ("connectors/wide_river/schema", "get_schema_config", {"connector_id": "wide_river"}),
        (
            "connectors/odd_names/schema/raw%20files%2F2026",
            "get_schema_config",
            {"connector_id": "odd_names", "schema": "raw files/2026"},
        ),
        ("connector-types/postgres", "describe_connector_type", {"service": "postgres"}),
    ],
)
async def test_an_address_shows_what_the_tool_says(
    caller: Caller, uri: str, tool: str, arguments: dict[str, Any]
) -> None:
    """The same answer, through the same gate, as JSON."""
    (content,) = (await caller.client.read_resource(f"fivetran://{uri}")).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"

    told = json.loads(content.text)
    said = await caller.ok(tool, **arguments)
    for each in (told, said):
        each.pop("requests_left", None)  # one more was made by then
    assert told == said


@pytest.mark.parametrize(
    ("uri", "fault", "code", "words"),
    [
        ("connectors/nobody", None, INVALID_PARAMS, "list_connectors with schema=<name>"),
        ("connectors/a%2Fb", None, INVALID_PARAMS, "connector_id: has not the form of one"),
        ("connectors/calm_ridge/schema", None, INVALID_PARAMS, "no schema configuration yet"),
        ("connectors/solid_anchor/schema/nope", None, INVALID_PARAMS, "no schema named 'nope'"),
        ("connector-types/postgress", None, INVALID_PARAMS, "postgres"),
        ("connectors/solid_anchor", Fault(status=500), INTERNAL_ERROR, "Fivetran failed to answer"),
    ],
)
async def test_an_address_that_cannot_be_read_says_why(  # noqa: PLR0913, PLR0917 -- a table's columns
    caller: Caller, sandbox: Sandbox, uri: str, fault: Fault | None, code: int, words: str
) -> None:
    """What happened and what to do, as the tool would say it."""
    if fault:
        sandbox.fail(fault)

    with pytest.raises(MCPError) as caught:
        await caller.client.read_resource(f"fivetran://{uri}")

    assert caught.value.error.code == code
    assert words in caught.value.error.message
    assert caught.value.error.data["error"]["code"]


async def test_only_what_the_tools_could_say_is_offered(connect: Connect) -> None:
    """A toolset that is off has no other way in."""
    async with connect("read-only", toolsets="syncs") as caller:
        listed = (await caller.client.list_resources()).resources
        templates = (await caller.client.list_resource_templates()).resource_templates

        assert [str(each.uri) for each in listed] == ["fivetran://runbook"]
        assert [each.uri_template for each in templates] == ["fivetran://runbook/{code}"]
        with pytest.raises(MCPError):
            await caller.client.read_resource("fivetran://connectors/solid_anchor")


async def test_no_credential_comes_out_by_an_address(
    connect: Connect, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the configuration, nor one that the operator lets be named."""
    monkeypatch.setenv("CONNECTOR_SECRET", "canary-of-the-vault")
    sandbox.connections["solid_anchor"]["config"] |= {
        "password": "canary-of-the-source",
        "host": "canary-of-the-vault.example",
    }
    async with connect("read-only", secret_env="CONNECTOR_*") as caller:
        (content,) = (
            await caller.client.read_resource("fivetran://connectors/solid_anchor")
        ).contents

    assert "canary" not in content.model_dump_json()
