"""Reading the `data` of an answer into a model."""

from itertools import pairwise
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from mcp_server.fivetran.errors import BadAnswerError, OutcomeUnknownError

T = TypeVar("T")

_MAPS: Final = frozenset({"schemas", "tables", "columns"})
"""The fields whose keys are names of the source's, which no message may hold."""


def parse(adapter: TypeAdapter[T], data: dict[str, Any]) -> T:
    """Read the answer to a read.

    Raises:
        BadAnswerError: It has another shape than the API documents.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        issues = error.errors(include_input=False, include_url=False, include_context=False)
        places = sorted({_place(issue["loc"]) for issue in issues})
        raise BadAnswerError(
            f"the answer is not what the API documents, at: {', '.join(places[:3])}"
        ) from None


def parse_changed(adapter: TypeAdapter[T], data: dict[str, Any]) -> T:
    """Read the answer to a change; one that cannot be read does not undo the change.

    Raises:
        OutcomeUnknownError: It has another shape than the API documents.
    """
    try:
        return parse(adapter, data)
    except BadAnswerError as error:
        raise OutcomeUnknownError(f"the change was accepted, but {error.message}") from None


def _place(location: tuple[int | str, ...]) -> str:
    steps = pairwise(("", *location))
    return ".".join("*" if before in _MAPS else str(step) for before, step in steps)
