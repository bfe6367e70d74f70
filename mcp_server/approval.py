"""Who approves what is confirmed: the argument alone, the preview's token, or a person.

A question shows the preview. What is approved is exactly that: one tool, these arguments, the target
as it was shown. A person's approval is good once, a preview's token for ten minutes.
"""

import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import anyio
from mcp.server.elicitation import AcceptedElicitation, CancelledElicitation
from mcp.server.mcpserver import Context
from mcp.server.request_state import AESGCMRequestStateCodec
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitationCapability
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field, ValidationError
from typing_extensions import override

from mcp_server.toolkit import Preview, Target, ToolFailure
from mcp_server.untrusted import clean

MODERN: Final = "2026-07-28"
"""From this revision on a question is an answer that asks for more, and the client calls again."""
PATIENCE: Final = 600.0
"""Seconds for which a live question waits for the person."""
VALID: Final = timedelta(minutes=10)
LOOKED_BACK: Final = VALID + timedelta(minutes=2)
"""For approvals that other processes used: their clocks may differ."""
MOST_KEPT: Final = 10_000
LONGEST_PART: Final = 20_000
"""More than a question may have: what does not fit is refused, not cut."""
BROUGHT: Final[ContextVar[str]] = ContextVar("brought")
"""Which question the client brings back with the call that runs."""


class Approvals(StrEnum):
    """What a confirmed call needs besides `confirm`."""

    AUTO = "auto"
    """A person, where the client can ask one."""
    HUMAN = "human"
    """A person; without one it is refused."""
    ARGUMENT = "argument"
    """Nothing."""
    PREVIEW = "preview"
    """The token of the preview; and a person, where the client can ask one."""


class Approval(BaseModel):
    """What the person is asked for."""

    approve: bool = Field(strict=True, description="Yes: do exactly this, once.")


class Answer(StrEnum):
    """How a question ended."""

    NOT_ASKED = "not_asked"
    APPROVED = "approved"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNREADABLE = "unreadable"


def nobody_to_ask(tool: str, ruled: str | None) -> ToolFailure:
    """Say that a person is needed and cannot be asked; `ruled` is what the policy says of it."""
    return ToolFailure(
        "not_approved",
        f"{tool} was refused and nothing was changed: a person must approve it, and this client"
        f" cannot ask one{f'. {ruled}' if ruled else ''}",
        hint="Tell the person: it can be done with a client that supports elicitation, or in"
        " Fivetran's dashboard. No argument changes it.",
    )


def not_approved(tool: str, why: str) -> ToolFailure:
    """Say that a call was not approved, so nothing was changed."""
    return ToolFailure(
        "not_approved",
        f"Nothing was changed by {tool}: {why}",
        hint="Do not try again by yourself; ask the person what they want.",
    )


ENDINGS: Final = {
    Answer.DECLINED: "the person declined",
    Answer.CANCELLED: "the person closed the question without an answer",
    Answer.TIMED_OUT: "nobody answered the question in time",
    Answer.UNREADABLE: "the client's answer to the question cannot be read",
}
"""Why a call is not carried out, by how its question ended."""


def can_ask(ctx: Context[Any, Any]) -> bool:
    """Tell whether the client can put a question to a person, in this very call."""
    offered = ctx.client_capabilities
    form = _takes_forms(offered.elicitation if offered else None)
    return form and (is_modern(ctx) or ctx.session.can_send_request)


def _takes_forms(offered: ElicitationCapability | None) -> bool:
    """Whether it takes forms: an empty capability means it does, one with only `url` that it does not."""
    return offered is not None and (offered.form is not None or offered.url is None)


def is_modern(ctx: Context[Any, Any]) -> bool:
    """Tell whether questions are answers, and the client calls again."""
    spoken = ctx.protocol_version
    return spoken is not None and is_version_at_least(spoken, MODERN)


async def ask_live(ctx: Context[Any, Any], question: str) -> Answer:
    """Ask by a request to the client, in the middle of the call."""
    try:
        with anyio.fail_after(PATIENCE):
            return answer_of(await ctx.elicit(question, Approval))
    except TimeoutError:
        return Answer.TIMED_OUT
    except (ValueError, ValidationError, MCPError):
        return Answer.UNREADABLE


def is_live(outcome: Any) -> bool:
    """Tell whether the answer came in the middle of the call: time has passed since its plan."""
    return isinstance(getattr(outcome, "data", None), Answer)


def answer_of(outcome: Any) -> Answer:
    """Read how a question ended; only a clear yes is one."""
    if isinstance(outcome, CancelledElicitation):
        return Answer.CANCELLED
    said = outcome.data if isinstance(outcome, AcceptedElicitation) else None
    if isinstance(said, Answer):
        return said
    approved = isinstance(said, Approval) and said.approve is True
    return Answer.APPROVED if approved else Answer.DECLINED


def question_of(title: str, preview: Preview, ruled: str | None = None) -> str:
    """Put a preview as a question. Names stand in quotes, so that none can pass for a word of ours."""
    lines = (
        f"{title}?",
        *([_plain(ruled)] if ruled else []),
        *_about(preview.target),
        f"Effect: {_plain(preview.effect)}",
        f"Lost: {_plain(preview.lost)}",
        *([f"Size: {_plain(preview.size)}"] if preview.size else []),
        f"Undo: {_plain(preview.undo)}",
        "Approve only if you want exactly this.",
    )
    return "\n".join(lines)


def _about(target: Target | None) -> list[str]:
    if target is None:
        return []
    parts = {
        "name": target.name,
        "service": target.service,
        "group": target.group_name or target.group_id,
        "state": target.state,
    }
    more = ", ".join(f"{name} {_quoted(value)}" for name, value in parts.items() if value)
    return [f"Connector {_quoted(target.connector_id)}" + (f": {more}" if more else "")]


def _quoted(text: str) -> str:
    return json.dumps(clean(text, 200), ensure_ascii=False)


def _plain(text: str) -> str:
    """Keep a part on its line."""
    return clean(text, LONGEST_PART)


class Questions(AESGCMRequestStateCodec):
    """Seals the questions that clients bring back with an answer, and tells which one came back.

    Without keys nobody else can open them, and nor can this process once it is started anew.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        super().__init__(keys or [secrets.token_bytes(32)])

    @override
    def unseal(self, token: str) -> bytes:
        payload = super().unseal(token)
        # No two seals are alike, even of the same question.
        BROUGHT.set(hashlib.sha256(token.encode()).hexdigest()[:32])
        return payload


@dataclass(slots=True)
class Approved:
    """The approvals that this process let pass of late, so that none is good twice.

    The client brings a question back with its answer, and could do so again. What other processes
    let pass, only a journal that they share can tell.
    """

    _used: "OrderedDict[str, datetime]" = field(default_factory=OrderedDict)

    def use(self, approval: str, now: datetime) -> bool:
        """Use an approval; False if it was used before, as long as it would be taken."""
        if self._used.get(approval, now) > now:
            return False
        self._used[approval] = now + VALID
        self._used.move_to_end(approval)
        while len(self._used) > MOST_KEPT:
            self._used.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that previews give: good for this tool, these arguments, this state, ten minutes."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    known: tuple[bytes, ...] = field(default=(), repr=False)
    """Others whose tokens are taken, while the key is changed."""

    def give(self, tool: str, arguments: Mapping[str, Any], preview: Preview, now: datetime) -> str:
        """Make the token of a preview."""
        until = int((now + VALID).timestamp())
        return f"{until:x}.{_token_mark(self.key, until, tool, arguments, preview)}"

    def check(
        self,
        token: str,
        tool: str,
        arguments: Mapping[str, Any],
        preview: Preview,
        now: datetime,
    ) -> bool:
        """Tell whether a token was given for exactly this, and not too long ago."""
        head, _, mark = token.partition(".")
        try:
            until = int(head, 16)
        except ValueError:
            return False
        marks = (
            _token_mark(key, until, tool, arguments, preview) for key in (self.key, *self.known)
        )
        fits = any(hmac.compare_digest(mark.encode(), each.encode()) for each in marks)
        return fits and now.timestamp() <= until


def _token_mark(
    key: bytes, until: int, tool: str, arguments: Mapping[str, Any], preview: Preview
) -> str:
    content = json.dumps([until, tool, arguments, preview.model_dump(mode="json")], sort_keys=True)
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()[:32]
