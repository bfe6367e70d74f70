"""Answers and refusals in Fivetran's envelope of `code`, `message` and `data`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer, before the headers every answer carries."""

    status: int = HTTPStatus.OK
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """Ends a request with an error answer."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Keep what the answer needs."""
        super().__init__(message)
        self.reply = envelope(status, code, message, headers=headers or {})


def envelope(
    status: int,
    code: str,
    message: str | None = None,
    data: Json | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Build a JSON answer; `message` and `data` are absent rather than null."""
    content: Json = {"code": code}
    if message is not None:
        content["message"] = message
    if data is not None:
        content["data"] = data
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    kind = {"Content-Type": "application/json"}
    return Reply(
        status=status, body=text.encode(errors="replace"), headers={**kind, **(headers or {})}
    )


def ok(data: Json, message: str | None = None) -> Reply:
    """Answer 200 with data."""
    return envelope(HTTPStatus.OK, "Success", message, data)


def done(message: str) -> Reply:
    """Answer 200 without data, as deletes and syncs do."""
    return envelope(HTTPStatus.OK, "Success", message)


def invalid(message: str) -> NoReturn:
    """Refuse what the caller sent."""
    raise Refusal(HTTPStatus.BAD_REQUEST, "InvalidInput", message)


def bad_request(message: str) -> NoReturn:
    """Refuse what the target cannot do."""
    raise Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def conflict(message: str) -> NoReturn:
    """Refuse because of the state the target is in."""
    raise Refusal(HTTPStatus.CONFLICT, "Conflict", message)


def missing(noun: str, message: str) -> NoReturn:
    """Say that a resource does not exist; the code names its kind."""
    raise Refusal(HTTPStatus.NOT_FOUND, f"NotFound_{noun}" if noun else "NotFound", message)
