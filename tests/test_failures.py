"""What a failure of the API client means to whom the call goes on."""

import pytest

from mcp_server.failures import LONGEST_IN_ROW, Brief, in_brief
from mcp_server.fivetran import errors


@pytest.mark.parametrize(
    ("error", "brief"),
    [
        (
            errors.InvalidRequestError("x", api_message="no\u200b such plan"),
            Brief("rejected", retryable=False, message="no such plan"),
        ),
        (
            errors.UnreachableError("x"),
            Brief("unreachable", retryable=True, message="There was no connection to Fivetran"),
        ),
        (
            errors.OutcomeUnknownError("x", api_message="Internal error"),
            Brief(
                "outcome_unknown",
                retryable=False,
                message="The change was sent, but whether it took effect is not known",
            ),
        ),
    ],
)
def test_a_failure_in_brief_has_its_code_and_the_words_that_say_most(
    error: errors.FivetranError, brief: Brief
) -> None:
    """Fivetran's, cleaned, if it knew; else ours."""
    assert in_brief(error) == brief


def test_a_failure_in_brief_is_short_and_holds_no_credential() -> None:
    """There may be many of them."""
    words = "password=hunter22 " + "x" * 1_000

    message = in_brief(errors.ConflictError("x", api_message=words)).message

    assert "hunter22" not in message
    assert len(message) < LONGEST_IN_ROW + 40
    assert "more characters" in message
