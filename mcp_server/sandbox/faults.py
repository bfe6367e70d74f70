"""Faults on demand: what a request meets instead of, or after, the real answer."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from mcp_server.sandbox.replies import Json, Reply, envelope

_CODES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.CONFLICT: "Conflict",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure for the requests that match, `times` times.

    `path` is a regular expression for the whole undecoded path. `applied` carries the request
    out first, so that its effect stays although the answer is lost.
    """

    method: str = "*"
    path: str = ".*"
    status: int = 500
    body: Json | str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    delay: float = 0.0
    applied: bool = False

    def matches(self, method: str, path: str) -> bool:
        """Tell whether this fault is meant for the request."""
        return self.method in ("*", method) and re.fullmatch(self.path, path) is not None

    def reply(self) -> Reply:
        """Build the answer; without a body, a plausible envelope for the status."""
        if isinstance(self.body, bytes | str):
            text = self.body.encode() if isinstance(self.body, str) else self.body
            plain = {"Content-Type": "text/plain; charset=utf-8"}
            return Reply(status=self.status, body=text, headers={**plain, **self.headers})
        if self.body is not None:
            kind = {"Content-Type": "application/json"}
            text = json.dumps(self.body).encode()
            return Reply(status=self.status, body=text, headers={**kind, **self.headers})
        code = _CODES.get(self.status, "InternalServerError")
        return envelope(self.status, code, "The request has failed", headers=self.headers)


class FaultList:
    """The faults still to come; the first that matches is used."""

    def __init__(self) -> None:
        """Start without faults."""
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Queue a fault for the requests to come."""
        if fault.times > 0:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Forget every fault."""
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Use up one turn of the first fault that matches."""
        for index, (fault, left) in enumerate(self._waiting):
            if fault.matches(method, path):
                self._waiting[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None
