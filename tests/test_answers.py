"""What goes back to a model, whatever it was made of."""

import json
from typing import Any

from mcp_server.answers import HANDLES, MOST_BYTES, answer, answer_failure
from mcp_server.toolkit import Result, ToolFailure
from mcp_server.untrusted import contained
from tests.support import text_of


class Rows(Result):
    """Rows, and where they go on."""

    rows: list[dict[str, str]]
    next_cursor: str | None = None
    snapshot: dict[str, str] | None = None


def size_of(result: Any) -> int:
    """Count the bytes of an answer's text."""
    return len(text_of(result).encode())


def test_texts_get_shorter_until_an_answer_fits_and_handles_stay_whole() -> None:
    """By characters, which are counted; a cursor that was cut would lead nowhere."""
    kept = {"table": "t" * 1_000}
    rows = Rows(
        rows=[{"name": "n" * 5_000} for _ in range(100)], next_cursor="c" * 1_900, snapshot=kept
    )

    told = answer(rows, reads=True)

    assert not told.is_error
    assert size_of(told) <= MOST_BYTES
    assert told.structured_content
    assert told.structured_content["next_cursor"] == "c" * 1_900
    assert told.structured_content["snapshot"] == kept
    assert told.structured_content["rows"][0]["name"].endswith("more characters]")
    assert json.loads(text_of(told)) == told.structured_content
    assert "next_cursor" in HANDLES


def test_a_read_that_does_not_fit_at_all_is_refused_and_what_was_done_is_told() -> None:
    """A host would cut it anywhere."""
    rows = Rows(rows=[{"name": "n" * 70} for _ in range(5_000)])

    refused = answer(rows, reads=True)
    done = answer(rows)

    assert json.loads(text_of(refused))["error"]["code"] == "answer_too_large"
    assert not done.is_error
    assert size_of(done) > MOST_BYTES


def test_a_failure_is_short_and_shows_nothing_that_does_not_show() -> None:
    """Whatever stands in its details."""
    failure = ToolFailure(
        "conflict", "m\u202e", hint="h", details={"preview": {"effect": "e\x1b[2J" * 60_000}}
    )

    told = json.loads(text_of(answer_failure(failure)))["error"]

    assert told["message"] == "m"
    assert len(json.dumps(told)) < 8_000
    assert "\x1b" not in told["preview"]["effect"]


def test_names_that_look_alike_afterwards_are_kept_apart() -> None:
    """Keys are names too."""
    assert contained({"a\u200b": 1, "a": 2, "n": [None, 1.5]}, 10) == {
        "a": 1,
        "a (1)": 2,
        "n": [None, 1.5],
    }
