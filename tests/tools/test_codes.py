"""What codes mean."""

import re

import pytest

from mcp_server.catalogue import tools
from mcp_server.tools.codes import KNOWN, Code, Weight, explained

ALL = {
    **KNOWN,
    "unknown warning": explained("brand_new", warning=True),
    "unknown trouble": explained("brand_new", warning=False),
}
each_code = pytest.mark.parametrize("code", ALL.values(), ids=ALL.keys())


@each_code
def test_each_code_says_in_a_sentence_what_it_means_and_what_to_do(code: Code) -> None:
    """Briefly: an answer may hold several."""
    for text in (code.meaning, code.next):
        assert text.endswith(".")
        assert len(text) <= 150


@each_code
def test_every_tool_that_a_code_names_exists(code: Code) -> None:
    """A tool that is not there would be called in vain."""
    words = set(re.findall(r"\b[a-z]+_[a-z_]+\b", code.next))

    assert words <= {tool.name for tool in tools()}


@pytest.mark.parametrize("code", ["reconnect", "auth_token_expired", "incomplete", "broken"])
def test_what_keeps_a_connector_from_syncing_at_all_is_the_worst(code: str) -> None:
    """Whoever asks why nothing comes wants to hear that first."""
    assert explained(code, warning=False).weight is Weight.BLOCKS


def test_the_quota_of_a_manual_schedule_is_worse_than_that_of_another() -> None:
    """One goes on by itself."""
    assert KNOWN["rescheduled_manual"].weight < KNOWN["rescheduled"].weight


def test_an_unknown_code_is_admitted_to_be_unknown() -> None:
    """A warning does less harm than a task, and may be dismissed."""
    warning, trouble = (explained("brand_new", warning=each) for each in (True, False))

    assert "does not know" in warning.meaning
    assert "does not know" in trouble.meaning
    assert warning.weight > trouble.weight
    assert "dismiss_warnings" in warning.next
    assert "dismiss_warnings" not in trouble.next


def test_a_known_code_means_the_same_wherever_it_stands() -> None:
    """`sync_warning` comes as a task, an error and a warning."""
    assert explained("sync_warning", warning=True) is explained("sync_warning", warning=False)
