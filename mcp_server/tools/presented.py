"""What a source presents to a setup test and nobody has approved: certificates, SSH host keys.

Fivetran tells it in the `details` of the failed test, in a form that is not documented: an object
or a list of them. What has a hash is found there at any depth.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.fivetran.models import SetupTest, Trusted
from mcp_server.fivetran.trust import Kind
from mcp_server.toolkit import Result
from mcp_server.tools.results import failed_tests
from mcp_server.untrusted import clean, clean_name, scrub

LONGEST_HASH: Final = 200
DEEPEST: Final = 6
MOST_SHOWN: Final = 10
"""Items that one preview shows, and so the most that one confirmation can be about."""

_HASH: Final = re.compile(rf"[!-~]{{1,{LONGEST_HASH}}}")
_CONTENT: Final[Mapping[Kind, str]] = {"certificate": "encoded_cert", "fingerprint": "public_key"}
_OF_A_CERTIFICATE: Final = frozenset({"encoded_cert", "name", "type", "sha1", "sha256"})
_SIGNS: Final[Mapping[Kind, re.Pattern[str]]] = {
    "fingerprint": re.compile(r"fingerprint|host key", re.IGNORECASE),
    "certificate": re.compile(r"certificate|\b(tls|ssl)\b", re.IGNORECASE),
}
"""Words of a failed test by which it is about trust."""


class Unapproved(Result):
    """A certificate or SSH host key that the source presents. Compare it with the source's own."""

    kind: Kind
    hash: str
    name: str | None = None
    type: str | None = None
    sha1: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """One such item, with what an approval of it consists of."""

    shown: Unapproved
    content: str | None
    """The certificate, or the public key; None if the details do not have it."""


def id_of(hash_: str) -> str:
    """Build the id of what has this hash: the hash in base64url."""
    return base64.urlsafe_b64encode(hash_.encode()).decode().rstrip("=")


def is_called(hash_: str, given: str) -> bool:
    """Whether a hash is meant by a text that is it, or the id made of it."""
    return given == hash_ or given.rstrip("=") == id_of(hash_)


def presented(tests: Sequence[SetupTest]) -> list[Presented]:
    """Find what the source presented to the failed tests, each item once."""
    found: dict[tuple[Kind, str], Presented] = {}
    for test in tests:
        if failed_tests([test]):
            for item in _items(test.details, sign_of(test), DEEPEST):
                found.setdefault((item.shown.kind, item.shown.hash), item)
    return list(found.values())


def sign_of(test: SetupTest) -> Kind | None:
    """Tell by its words which kind of trust a failed test is about, if any."""
    for text in (test.message, test.title):
        for kind, sign in _SIGNS.items():
            if sign.search((text or "")[:2000]):
                return kind
    return None


def _items(details: Any, sign: Kind | None, depth: int) -> Iterator[Presented]:
    if depth == 0:
        return
    if isinstance(details, list):
        for item in details:
            yield from _items(item, sign, depth - 1)
    elif isinstance(details, Mapping):
        if isinstance(details.get("hash"), str) and _HASH.fullmatch(details["hash"]):
            yield _item(details, sign)
        else:
            yield from _items(list(details.values()), sign, depth - 1)


def _item(details: Mapping[str, Any], sign: Kind | None) -> Presented:
    kind: Kind = sign or "fingerprint"
    if _OF_A_CERTIFICATE & details.keys():
        kind = "certificate"
    elif "public_key" in details:
        kind = "fingerprint"
    content = details.get(_CONTENT[kind])
    return Presented(
        shown=Unapproved(
            kind=kind,
            hash=details["hash"],
            **{name: _text(details.get(name)) for name in ("name", "type", "sha1", "sha256")},
        ),
        content=content if isinstance(content, str) and content else None,
    )


def _text(value: Any) -> str | None:
    return clean(scrub(value), 120) or None if isinstance(value, str) else None


def in_words(item: Unapproved | Trusted, kind: Kind) -> str:
    """Write a certificate or host key so that a person can compare it: never its content."""
    parts = [f"{kind} {clean(scrub(item.name), 120)}" if item.name else kind]
    for name in ("type", "hash", "sha256", "sha1"):
        value: str | None = getattr(item, name)
        if value:
            parts.append(f"{name} {clean(value, LONGEST_HASH)}")
    if isinstance(item, Trusted) and item.validated_date:
        by = f" by {clean_name(item.validated_by)[:80]}" if item.validated_by else ""
        parts.append(f"approved {item.validated_date:%Y-%m-%dT%H:%M:%SZ}{by}")
    return ", ".join(parts)
