"""What the journal says of an act: who, what, to which connector; redacted, and bounded."""

import hmac
import math
import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from mcp_server.journal_file import LONGEST_LINE, encoded
from mcp_server.untrusted import (
    LONGEST_TEXT,
    clean,
    fit,
    hide,
    is_mask,
    is_reference,
    is_secret_name,
    scrub,
    secrets_in,
)

LONGEST_FIELD: Final = 200
"""Characters of a name, a client, a reason."""
LONGEST_KEY: Final = 100
LOOKED_AT: Final = 1_000
"""Characters of a text that are looked through for credentials; far fewer are shown."""
MOST_ITEMS: Final = 100
"""Items of a list or an object."""
ROOM: Final = LONGEST_LINE - 512
"""Bytes of an entry, without what the file adds to it."""
ROOM_FOR_ARGUMENTS: Final = 6_000
ROOM_FOR_UNDO: Final = 5_000
MOST_CONNECTORS: Final = 200
MOST_LEFT_OUT: Final = 5
LONGEST_INTEGER: Final = 256
"""Bits."""
FREE: Final = frozenset({"config", "auth", "external_secrets_keys_config", "state"})
"""Arguments with fields of the source's own: what is a credential in them, nobody can tell for sure."""
_MAY_GO: Final = ("arguments", "undo", "connector_ids", "client", "principal", "name")
"""Fields that are left out of an entry that is too long, the largest first."""
_TEXTS: Final = (
    *("tool", "effect", "connector_id", "name", "principal", "client", "protocol"),
    *("decision", "by", "approval", "undo_of"),
)


def new_id() -> str:
    """Make the id of an act."""
    return random.token_hex(6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call that changes something, as the gate knows it; nothing in it is redacted yet."""

    tool: str
    effect: str
    connector_id: str | None = None
    name: str | None = None
    connector_ids: Sequence[str] = ()
    """Of an act on several."""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Credentials known besides those in the arguments: no entry holds one."""
    principal: str | None = None
    client: str | None = None
    protocol: str | None = None
    decision: str | None = None
    by: str | None = None
    """What decided: the mode, a rule, a person."""
    approval: str | None = None
    """Which answer of a person let it pass; the same answer, brought again, has the same."""
    undo_of: str | None = None
    """The act that this one takes back."""
    undo: Mapping[str, Any] | None = field(default=None, repr=False)
    """What would take this one back: what was before it."""
    id: str = field(default_factory=new_id)
    """The same in every entry about this act."""


def fields_of(record: Record, key: bytes) -> dict[str, Any]:
    """Say what an entry says of a record; absent is what is not known."""
    try:
        secrets = record.secrets | secrets_in(record.arguments)
        arguments, left_out = _fitted(_Redaction(secrets, key).of(record.arguments))
    except RecursionError:
        secrets, arguments, left_out = record.secrets, {}, {"arguments": "nested too deeply"}
    listed = record.connector_ids[:MOST_CONNECTORS]
    texts = {name: text_of(getattr(record, name), secrets) for name in _TEXTS}
    said: dict[str, Any] = {
        **texts,
        "connector_ids": [text_of(each, secrets) for each in listed],
        "more_connectors": len(record.connector_ids) - len(listed),
        "arguments": arguments,
        "left_out": left_out,
        **undo_of(record.undo, secrets),
    }
    return {name: value for name, value in said.items() if value}


def text_of(text: str | None, secrets: frozenset[str] = frozenset()) -> str | None:
    """Make a text short, one line, and free of credentials."""
    if text is None:
        return None
    shown = _readable(text, secrets, LONGEST_FIELD)
    # Some letters take twelve bytes.
    return shown if len(encoded(shown)) <= 3 * LONGEST_FIELD else clean(shown, LONGEST_FIELD // 4)


def _readable(text: str, secrets: frozenset[str], longest: int) -> str:
    looked_at = text
    if len(text) > LOOKED_AT:
        # Marked as cut, so that the beginning of a credential at its end is hidden as well.
        looked_at = f"{text[:LOOKED_AT]}… [{len(text) - LOOKED_AT} more characters]"
    shown = clean(scrub(hide(looked_at, secrets)), longest)
    return shown if looked_at is text else f"{shown} [of {len(text)}]"


def undo_of(undo: Mapping[str, Any] | None, secrets: frozenset[str]) -> dict[str, Any]:
    """Keep what would take an act back as it is, or say why it is not kept."""
    if undo is None:
        return {}
    try:
        size = len(encoded(undo))
        # With a credential redacted it would set a wrong one.
        holds = secrets_in(undo) or hide(undo, secrets) != undo
    except (TypeError, ValueError, RecursionError):
        return {"no_undo": "it is not JSON"}
    if holds:
        return {"no_undo": "it would hold a credential"}
    return {"undo": undo} if size <= ROOM_FOR_UNDO else {"no_undo": f"it takes {size} bytes"}


def bounded(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out the largest fields of an entry until it is short enough, and say so."""
    sizes = {name: len(encoded(entry[name])) for name in _MAY_GO if name in entry}
    kept = dict(entry)
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        if len(encoded(kept)) <= ROOM:
            break
        del kept[name]
        # What was left out of the arguments counts no more when all of them are.
        kept["left_out"] = {**_left_out_of(kept), name: f"{sizes[name]} bytes"}
    return kept


def _left_out_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    before: dict[str, Any] = entry.get("left_out", {})
    return {name: what for name, what in before.items() if name in _MAY_GO}


def _fitted(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    kept, left = fit(arguments, ROOM_FOR_ARGUMENTS)
    if len(encoded(kept)) > ROOM_FOR_ARGUMENTS:
        kept, left = fit(arguments, ROOM_FOR_ARGUMENTS // 3)
    told = {f"arguments.{clean(name, 40)}": f"{left[name]} bytes" for name in sorted(left)}
    shown = dict(list(told.items())[:MOST_LEFT_OUT])
    if len(left) > len(shown):
        shown["more"] = f"{len(left) - len(shown)} arguments"
    return kept, shown


def redacted(arguments: Any, secrets: frozenset[str], key: bytes) -> Any:
    """Copy JSON for the record: credentials as keyed hashes, texts cleaned and cut.

    Equal credentials have equal hashes, and without the key nobody can try which one it was.
    """
    return _Redaction(secrets | secrets_in(arguments), key).of(arguments)


@dataclass(frozen=True, slots=True)
class _Redaction:
    secrets: frozenset[str]
    key: bytes

    def of(self, value: Any, *, named: bool = False) -> Any:
        if isinstance(value, Mapping):
            # The name of a credential is what an operator looks for.
            return self._object(value, named=named and not is_reference(value))
        if isinstance(value, list | tuple):
            shown = [self.of(item, named=named) for item in value[:MOST_ITEMS]]
            left = len(value) - len(shown)
            return [*shown, f"… [{left} more]"] if left else shown
        if value is None or isinstance(value, bool):
            return value
        return self._leaf(value, named=named)

    def _object(self, value: Mapping[Any, Any], *, named: bool) -> dict[str, Any]:
        pair = {"key", "value"} <= value.keys()
        shown: dict[str, Any] = {}
        for place, (k, v) in enumerate(islice(value.items(), MOST_ITEMS)):
            name = self._text(str(k), LONGEST_KEY)
            # Names that were cut or redacted may have become the same.
            while name in shown:
                name = f"{name} [{place}]"
            secret = k == "value" if pair else k in FREE or is_secret_name(str(k)[:LOOKED_AT])
            shown[name] = self.of(v, named=named or secret)
        left = len(value) - MOST_ITEMS
        return {**shown, "…": f"[{left} more]"} if left > 0 else shown

    def _leaf(self, value: Any, *, named: bool) -> Any:
        if isinstance(value, int | float):
            return self._number(value, named=named)
        if not isinstance(value, str):
            return f"[{type(value).__name__}]"
        if is_mask(value):
            return clean(value)
        if (named and value) or value in self.secrets:
            return self._hash(value)
        return self._text(value, LONGEST_TEXT)

    def _number(self, value: float, *, named: bool) -> Any:
        if isinstance(value, int) and value.bit_length() > LONGEST_INTEGER:
            return f"[integer of {value.bit_length()} bits]"
        if named:
            return self._hash(str(value))
        return value if math.isfinite(value) else str(value)

    def _text(self, text: str, longest: int) -> str:
        return _readable(text, self.secrets, longest)

    def _hash(self, text: str) -> str:
        content = text.encode(errors="surrogatepass")
        return f"hmac:{hmac.digest(self.key, content, 'sha256').hex()[:12]}"
