"""What goes back to a model: an answer, or a failure it can act on."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp_types import CallToolResult, TextContent
from pydantic import ValidationError

from mcp_server.contract import FEW_LEFT
from mcp_server.toolkit import Preview, Result, Target, ToolFailure
from mcp_server.untrusted import clean_name, contained, hide, secrets_in

MOST_PROBLEMS: Final = 10
LONGEST_REPEAT: Final = 1500
"""Bytes of arguments up to which a preview writes out the call that confirms it."""
MOST_BYTES: Final = 100_000
"""Bytes of an answer, some 25,000 tokens: hosts cut off larger ones, wherever that is."""
LONGEST: Final = (6_000, 400, 80)
"""Characters of a text: fewer where the answer is too large otherwise, which takes odd names."""
HANDLES: Final = frozenset(
    {"next_cursor", "marker", "baseline", "baselines", "digest", "preview_token"}
    | {"snapshot", "next_call"}
)
"""Fields that are of use only when they are whole."""

ERROR_FIELDS: Final = frozenset(
    {"code", "message", "hint", "retryable", "retry_after_seconds", "fivetran", "status"}
    | {"preview", "next_call", "tool", "arguments", "stopped_at", "done", "was_paused"}
    | {"old_state", "can_undo", "too_large", "more_too_large"}
    | {*Preview.model_fields, *Target.model_fields}
)


def answer(
    result: Result,
    secrets: frozenset[str] = frozenset(),
    fields: frozenset[str] = frozenset(),
    few_requests_left: str | None = None,
    *,
    reads: bool = False,
) -> CallToolResult:
    """Say the same twice: hosts show the model either the structure or the text.

    Of a call that only reads an answer that is too large is refused; what was done is told always.
    """
    content = hide(
        contained(result.model_dump(mode="json", exclude_none=True), LONGEST[0]), secrets, fields
    )
    if few_requests_left:
        content[FEW_LEFT] = few_requests_left
    content, text = _fitting(content)
    if reads and _size(text) > MOST_BYTES:
        return answer_failure(_TOO_LARGE)
    return CallToolResult(content=[text], structured_content=content)


_TOO_LARGE: Final = ToolFailure(
    "answer_too_large",
    "The answer would be larger than a host shows",
    hint="Ask for less: a smaller limit, or a filter; next_cursor goes on.",
)


def _fitting(content: Any) -> tuple[Any, TextContent]:
    """Write an answer, with shorter texts if it is too large otherwise."""
    text = _text(content)
    for longest in LONGEST[1:]:
        if _size(text) <= MOST_BYTES:
            break
        content = contained(content, longest, HANDLES)
        text = _text(content)
    return content, text


def _size(text: TextContent) -> int:
    return len(text.text.encode())


def answer_failure(failure: ToolFailure, secrets: frozenset[str] = frozenset()) -> CallToolResult:
    """Give a failure as text only: older clients reject an error with a structure of its own."""
    error: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "hint": failure.hint,
        "retryable": failure.retryable,
    }
    if failure.retry_after_seconds is not None:
        error["retry_after_seconds"] = failure.retry_after_seconds
    shown = contained({**error, **failure.details}, LONGEST[0])
    _, text = _fitting({"error": hide(shown, secrets, ERROR_FIELDS)})
    return CallToolResult(is_error=True, content=[text])


def _text(value: Any) -> TextContent:
    return TextContent(
        type="text", text=json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    )


def wrong_arguments(tool: str, error: ValidationError, arguments: Mapping[str, Any]) -> ToolFailure:
    """Name each wrong argument and its fix, and never a value."""
    issues = error.errors(include_url=False, include_context=False, include_input=False)
    problems = [
        {
            "argument": clean_name(".".join(map(str, issue["loc"])))[:100] or "(all)",
            "problem": _problem(issue["type"], issue["msg"], issue["loc"], arguments),
        }
        for issue in issues[:MOST_PROBLEMS]
    ]
    left = len(issues) - len(problems)
    return ToolFailure(
        "invalid_arguments",
        f"{tool} was not called: "
        + "; ".join(f"{p['argument']}: {p['problem']}" for p in problems)
        + (f"; and {left} more" if left else ""),
        hint=f"Nothing was sent. Correct the arguments{_takes(issues, arguments)}.",
    )


def _takes(issues: Sequence[Any], arguments: Mapping[str, Any]) -> str:
    """List the arguments, where one was unknown or missing."""
    if any(issue["type"] in {"extra_forbidden", "missing"} for issue in issues):
        return f"; it takes: {', '.join(arguments) or 'none'}"
    return ""


def _problem(
    kind: str, message: str, place: tuple[int | str, ...], arguments: Mapping[str, Any]
) -> str:
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), arguments, n=1) if len(place) == 1 else []
        return "unknown" + (f", did you mean {near[0]}?" if near else "")
    if kind == "missing":
        return "is required"
    if kind == "string_pattern_mismatch":
        about = arguments.get(str(place[0]), {}).get("description", "")
        return f"has not the form of one. {about}".strip()
    return _IN_JSON.get(kind, message[:1].lower() + message[1:])


_IN_JSON: Final = {
    "dict_type": "should be an object",
    "model_type": "should be an object",
    "list_type": "should be a list",
}
"""What pydantic says in Python's words."""


def unknown_tool(name: str, names: Sequence[str]) -> ToolFailure:
    """Say that there is no such tool, and which there are."""
    near = difflib.get_close_matches(name, names, n=1)
    return ToolFailure(
        "unknown_tool",
        "There is no tool of this name" + (f"; did you mean {near[0]}?" if near else ""),
        hint=f"The tools are: {', '.join(names)}.",
    )


def unconfirmed(
    tool: str, given: Mapping[str, Any], preview: Preview, pinned: Mapping[str, Any]
) -> ToolFailure:
    """Show what a call would do, and the call that confirms it; `pinned` are its further arguments."""
    added = {**pinned, "confirm": True}
    call: Any = {**given, **added}
    # A credential would come out redacted, and a call with it so would be wrong.
    if len(json.dumps(call)) > LONGEST_REPEAT or secrets_in(given):
        repeated = (f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in added.items())
        call = f"the same as in this call, and {', '.join(repeated)}"
    return ToolFailure(
        "confirmation_required",
        f"Not done yet: {tool} first shows what it would do",
        hint="Show `preview` to the person; only if they agree, make the call in `next_call`.",
        details={
            "preview": preview.model_dump(mode="json", exclude_none=True),
            "next_call": {"tool": tool, "arguments": call},
        },
    )
