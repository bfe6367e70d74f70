"""One request as the handlers see it: taken apart, decoded and checked once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from mcp_server.sandbox.account import Account
from mcp_server.sandbox.replies import Json, Refusal, Reply, invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request exactly as it arrived; the path is not decoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler works with."""

    account: Account
    names: tuple[str, ...]
    body: Json = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Reply]


def segments(raw_path: str) -> list[str]:
    """Split an undecoded path, resolve its dot segments, then decode each part.

    Dot segments count even when written as `%2e`, as they do for proxies: a client that lets
    one through reaches another resource here too.
    """
    parts: list[str] = []
    for part in raw_path.split("/")[1:]:
        name = unquote(part)
        if name == "..":
            del parts[-1:]
        elif name != ".":
            parts.append(name)
    return parts


def query_of(received: Received) -> dict[str, str]:
    """Decode the query; of repeated names the last counts."""
    return dict(parse_qsl(received.query, keep_blank_values=True))


def check_accept(received: Received) -> None:
    """Refuse with 406 unless JSON in version 1 (unnamed) or 2 is acceptable."""
    accept = received.headers.get("accept", "*/*")
    if not any(_is_json(kind) for kind in accept.split(",")):
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "NotAcceptable", f"Cannot produce {accept!r}")


def _is_json(media_type: str) -> bool:
    kind, *rest = (part.strip().lower() for part in media_type.split(";"))
    options = dict(part.partition("=")[::2] for part in rest)
    version = options.get("version", "2")
    return kind in {"application/json", "application/*", "*/*"} and version == "2"


def json_body(received: Received, *, required: bool) -> Json:
    """Read the body as a JSON object; an absent one counts as `{}` where it is optional."""
    if not received.body and required:
        invalid("Request body is missing")
    kind = received.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"Content type {kind!r} is not supported"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    try:
        content = json.loads(received.body or b"{}")
    except ValueError:
        invalid("Request body is not valid JSON")
    if not isinstance(content, dict):
        invalid("Request body must be a JSON object")
    return content
