"""Resources: the runbook, as a whole and by code."""

import pytest
from mcp_types import TextResourceContents

from mcp_server.tools.codes import KNOWN
from tests.support import Caller


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

    assert [str(each.uri) for each in listed] == ["fivetran://runbook"]
    assert [each.uri_template for each in templates] == ["fivetran://runbook/{code}"]
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
