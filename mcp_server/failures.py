"""What each failure of the API client means for a model: a code, a sentence, what to do next."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from mcp_server.fivetran import errors
from mcp_server.toolkit import Spec, ToolFailure
from mcp_server.untrusted import clean, hide, scrub

_log = structlog.stdlib.get_logger("mcp_server.failures")

LONGEST_API_MESSAGE: Final = 300
LONGEST_CODE: Final = 60
LONGEST_IN_ROW: Final = 160
"""Characters of Fivetran's message where there may be many."""

_LOOK: Final = (
    "Look first at what would show it (get_connector, get_connector_problems, get_schema_config,"
    " list_trusted); do not repeat the call blindly."
)

# The first class that fits, so subclasses stand before their bases.
_MEANINGS: Final[tuple[tuple[type[errors.FivetranError], str, str, str], ...]] = (
    (
        errors.BadSegmentError,
        "invalid_arguments",
        "An id or name is empty or a dot segment, so it cannot be asked for",
        (
            "Take ids from list_connectors. A schema or table that is really named so cannot be read"
            " through Fivetran's API; get_schema_config has what is known of it."
        ),
    ),
    (
        errors.ReadOnlyError,
        "mode_forbids",
        "Nothing was sent: the API client of this server only reads",
        "Whoever runs the server can start it with --mode write or --mode full.",
    ),
    (
        errors.NotSentError,
        "invalid_arguments",
        "These arguments cannot be sent, and nothing was",
        "Shorten them, and use plain text and finite numbers.",
    ),
    (
        errors.OutcomeUnknownError,
        "outcome_unknown",
        "The change was sent, but whether it took effect is not known",
        _LOOK,
    ),
    (
        errors.DeadlineError,
        "timeout",
        "There was no whole answer in time, and nothing was changed",
        "Try again; for schemas of many thousand tables this can take more than one try.",
    ),
    (
        errors.UnreachableError,
        "unreachable",
        "There was no connection to Fivetran",
        (
            "Try again. If it stays so, whoever runs the server should check its network, proxy and"
            " FIVETRAN_BASE_URL."
        ),
    ),
    (
        errors.TooLargeError,
        "answer_too_large",
        "Fivetran's answer is larger than this server reads (10 MiB)",
        (
            "Trying again will not help. Of a connector with so many tables, get_table_columns still"
            " reads one table."
        ),
    ),
    (
        errors.BadAnswerError,
        "upstream_error",
        "What came back is not an answer of Fivetran's API",
        (
            "A proxy may have answered in its place: whoever runs the server should check the network"
            " and FIVETRAN_BASE_URL."
        ),
    ),
    (
        errors.SchemaNotReadyError,
        "schema_not_ready",
        "It has no schema configuration yet",
        (
            "Call reload_schema_config, or wait for its first sync; an incomplete connector must be set"
            " up first."
        ),
    ),
    (
        errors.NotFoundError,
        "not_found",
        "Fivetran knows nothing of this id or name, or the key may not see it",
        (
            "A name is no id: list_connectors with schema=<name> finds the id of a connector,"
            " list_groups that of a group, get_schema_config the names. Names are case-sensitive."
        ),
    ),
    (
        errors.UnauthorizedError,
        "unauthorized",
        "Fivetran does not accept the API key",
        (
            "Whoever runs the server must set FIVETRAN_API_KEY and FIVETRAN_API_SECRET to a valid pair;"
            " a new secret makes the old pair invalid at once."
        ),
    ),
    (
        errors.ForbiddenError,
        "forbidden",
        "The API key may not do this",
        (
            "An account administrator can give its user or system key the right; trying again will not"
            " help."
        ),
    ),
    (
        errors.ConflictError,
        "conflict",
        "Its present state does not allow this, often because a sync is running",
        "See get_sync_status; wait_for_sync or pause_connector, then call again.",
    ),
    (
        errors.RateLimitedError,
        "rate_limited",
        "The account has used up its requests to Fivetran's API",
        "Wait as long as retry_after_seconds says (if absent, some minutes), and ask for less.",
    ),
    (
        errors.UpstreamError,
        "upstream_error",
        "Fivetran failed to answer",
        "Try again in a minute.",
    ),
    (
        errors.FivetranError,
        "rejected",
        "Fivetran rejected the request as it was",
        "Fivetran's own words say why; change the arguments accordingly.",
    ),
)


def explain(
    error: BaseException,
    spec: Spec,
    arguments: Mapping[str, Any],
    secrets: frozenset[str] = frozenset(),
) -> ToolFailure:
    """Turn whatever a tool's body raised into a failure a model can act on."""
    if not isinstance(error, errors.FivetranError):
        # The text of a foreign exception may quote what it was given.
        trace = hide("".join(traceback.format_exception(error)), secrets)
        _log.error("tool_crashed", tool=spec.name, exception=trace)
        return ToolFailure(
            "internal_error",
            f"{spec.name} failed for a reason of the server's own",
            hint=f"The server's log has the details. {_LOOK}",
        )
    code, meaning, hint = _meaning(error)
    if isinstance(error, errors.InvalidRequestError) and spec.rejected_hint:
        hint = spec.rejected_hint
    api_code = hide(clean(error.api_code, LONGEST_CODE), secrets) if error.api_code else None
    _log.warning("fivetran_failed", tool=spec.name, what=error.message, api_code=api_code)
    return ToolFailure(
        code,
        f"{spec.name}{_about(arguments)}: {meaning}.",
        hint=hint,
        retryable=error.retryable,
        retry_after_seconds=error.retry_after,
        details=_in_fivetrans_words(error),
    )


@dataclass(frozen=True, slots=True)
class Brief:
    """A failure in a row of an answer, one among others."""

    code: str
    retryable: bool
    message: str
    """Fivetran's words, or ours where it had none, or did not know either."""


def in_brief(error: errors.FivetranError) -> Brief:
    """Explain a failure of the API client to a caller for whom the call goes on."""
    code, meaning, _ = _meaning(error)
    said = None if isinstance(error, errors.OutcomeUnknownError) else error.api_message
    return Brief(code, error.retryable, clean(scrub(said), LONGEST_IN_ROW) if said else meaning)


def _meaning(error: errors.FivetranError) -> tuple[str, str, str]:
    return next(
        (code, meaning, hint) for kind, code, meaning, hint in _MEANINGS if isinstance(error, kind)
    )


def _about(arguments: Mapping[str, Any]) -> str:
    """Say what the call was about. Arguments that got as far as Fivetran have passed validation."""
    named = ("connector_id", "group_id", "schema", "table")
    given = [
        f"{n.removesuffix('_id')} {clean(str(arguments[n]), 100)!r}"
        for n in named
        if n in arguments
    ]
    return f" of {', '.join(given)}" if given else ""


def _in_fivetrans_words(error: errors.FivetranError) -> dict[str, Any]:
    """Pass on the status, code and message of the API: untrusted, so cleaned and short."""
    words = {
        "status": error.status,
        "code": clean(error.api_code, LONGEST_CODE) if error.api_code else None,
        "message": clean(scrub(error.api_message), LONGEST_API_MESSAGE)
        if error.api_message
        else None,
    }
    said = {key: value for key, value in words.items() if value is not None}
    return {"fivetran": said} if said else {}
