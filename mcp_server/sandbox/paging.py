"""Pages: an opaque cursor that is an offset inside, as Fivetran's is."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from mcp_server.sandbox.replies import Json, invalid

_Item = TypeVar("_Item")
_MAX_LIMIT = 1000
_DEFAULT_LIMIT = "100"


def page(items: Sequence[_Item], query: Mapping[str, str], show: Callable[[_Item], Json]) -> Json:
    """Cut one page; `next_cursor` is absent from the last one."""
    skip = _offset(query["cursor"]) if "cursor" in query else 0
    stop = skip + _limit(query.get("limit", _DEFAULT_LIMIT))
    data: Json = {"items": [show(item) for item in items[skip:stop]]}
    if stop < len(items):
        data["next_cursor"] = _cursor(stop)
    return data


def _cursor(skip: int) -> str:
    text = json.dumps({"skip": skip}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _offset(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        skip = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))["skip"]
    except (ValueError, KeyError, TypeError):
        invalid("Cursor is invalid")
    if not isinstance(skip, int) or skip < 0:
        invalid("Cursor is invalid")
    return skip


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _MAX_LIMIT):
        invalid(f"Limit must be a number from 1 to {_MAX_LIMIT}")
    return int(text)
