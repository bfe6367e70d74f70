"""Text and values from outside: made safe to show to a model and to log.

Names, task details and error messages come from sources that anyone may write to, and
configurations hold credentials. Nothing of either kind leaves the server but through here.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

REDACTED: Final = "[redacted]"
SHORTEST: Final = 4
"""Characters from which a credential is looked for in answers; shorter ones are in every word."""
LONG_LINE: Final = 16
"""Characters from which a line of a credential, such as a private key, is looked for by itself."""
LONGEST_TEXT: Final = 400
"""Characters of one text from outside that are shown; the rest is counted, not shown."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that do not show: control, format (zero width, bidi), and the like."""
_BLANKS: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Letters and marks that do not show either; variation selectors are known to hide text."""

_MASK: Final = re.compile(r"\*+")
# The names that Fivetran's OpenAPI document marks `format: password`, and those it forgets to.
_SECRET_NAME: Final = re.compile(
    r"passw|pass_?phrase|secret|token|credential|api_?key|(^|_)key($|_\d|_password|store)|"
    r"(access|account|admin|application|app|company|consumer|function|integration|master|primary|"
    r"private|public|registry|service|signon|storage|subscription|user|client|cert|plain|x|"
    r"scram\d+|pat)_key|access_key_id|(^|_)auth(_code|orization)|shard_authorization|"
    r"connection_string|sas_url|role_?arn|cert|truststore|wallet|(^|_)p(at|em|in|wd)$|jwt|cookie|"
    r"signature|query_param_value|api_user(name|_identifier)|private_link_uri",
    re.IGNORECASE,
)
# Up to the last @: a password may hold any character, and hiding a path does less harm.
_URL_PASSWORD: Final = re.compile(r"(?<=://)[^\s\"'<>]+(?=@)")
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CUT: Final = re.compile(r"… \[\d+ more characters\]")
"""The end of a text that `clean` made shorter."""
_BEARER: Final = re.compile(r"\b(basic|bearer)\s+[a-z0-9+/._~=-]{8,}", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"\b([\w-]*(?:passw(?:or)?d|pwd|secret|token|api_?key|access_?key))(\"?\s*[=:]\s*\"|=)[^\s\"',;&]+",
    re.IGNORECASE,
)
"""`password=...`, `"token": "..."`: how connection strings and echoed requests write them."""


def _shows(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE and character not in _BLANKS


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Drop characters that do not show, fold white space, and say how much was left out."""
    folded = " ".join(_ANSI.sub("", text).split())
    shown = "".join(filter(_shows, folded))
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest]}… [{len(shown) - longest} more characters]"


def clean_name(name: str) -> str:
    """Drop characters that do not show from a name, and nothing else: names are arguments."""
    return "".join(filter(_shows, name))


def is_mask(value: object) -> bool:
    """Whether a value is what Fivetran shows in place of a secret: only asterisks."""
    return isinstance(value, str) and _MASK.fullmatch(value) is not None


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a credential."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """Redact credentials that stand inside a longer text."""
    shown = _BEARER.sub(rf"\1 {REDACTED}", _URL_PASSWORD.sub(REDACTED, text))
    return _ASSIGNED.sub(rf"\1\2{REDACTED}", shown)


def redact(value: Any) -> Any:
    """Copy JSON, with every credential replaced and every other text cleaned."""
    if isinstance(value, Mapping):
        # `{"key": ..., "value": ...}` is how Functions and the Connector SDK list their secrets.
        pair = {"key", "value"} <= value.keys()
        return {
            clean_name(str(k)): REDACTED
            if (k == "value" if pair and k in {"key", "value"} else is_secret_name(str(k)))
            else redact(v)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return REDACTED if is_mask(value) else clean(scrub(value))
    return value


def is_reference(value: object) -> bool:
    """Whether a value only names a credential: `{"$env": "NAME"}` or `{"$file": "name"}`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    return any(isinstance(value.get(source), str) for source in ("$env", "$file"))


def secrets_in(value: Any, *, named: bool = False) -> frozenset[str]:
    """Find the credentials in arguments, so that no answer repeats one."""
    if is_reference(value):
        return frozenset()
    if isinstance(value, Mapping):
        pair = {"key", "value"} <= value.keys()
        return frozenset().union(
            *(
                secrets_in(v, named=named or (k == "value" if pair else is_secret_name(str(k))))
                for k, v in value.items()
            )
        )
    if isinstance(value, list):
        return frozenset().union(*(secrets_in(item, named=named) for item in value))
    return frozenset({value} if named and isinstance(value, str) and len(value) >= SHORTEST else ())


def hide(value: Any, secrets: frozenset[str], ours: frozenset[str] = frozenset()) -> Any:
    """Copy JSON without these credentials, wherever and in whatever form they stand.

    `ours` are keys that were not written by anyone outside: a credential may be an ordinary word.
    """
    forms = _forms(secrets)
    if not forms:
        return value
    pattern = re.compile("|".join(map(re.escape, forms)))

    def without(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {k if k in ours else without(k): without(v) for k, v in item.items()}
        if isinstance(item, list):
            return [without(each) for each in item]
        return _without(item, pattern, forms) if isinstance(item, str) else item

    return without(value)


def _without(text: str, pattern: re.Pattern[str], forms: Sequence[str]) -> str:
    shown = pattern.sub(REDACTED, text)
    cut = _CUT.search(shown)
    if cut is None:
        return shown
    # What was cut off may have been the rest of a credential.
    head = shown[: cut.start()]
    lengths = (
        length
        for form in forms
        for length in range(min(len(form), len(head)), SHORTEST - 1, -1)
        if head.endswith(form[:length])
    )
    longest = max(lengths, default=0)
    return f"{head[: len(head) - longest]}{REDACTED}{cut[0]}" if longest else shown


def _forms(secrets: frozenset[str]) -> list[str]:
    """List how credentials may appear, the longest first: as they are, cleaned, escaped, by line."""
    found: set[str] = set()
    for secret in secrets:
        lines = [line.strip() for line in secret.splitlines()]
        for text in (secret, *(line for line in lines if len(line) >= LONG_LINE)):
            cleaned = (clean(text, len(text)), clean_name(text))
            escaped = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
            found.update((text, *cleaned, *escaped, quote(text, safe="", errors="replace")))
    return sorted((form for form in found if len(form) >= SHORTEST), key=len, reverse=True)


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def fit(values: Mapping[str, Any], budget: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Keep the smallest entries that fit into `budget` bytes of JSON; name the rest with sizes."""
    sizes = {k: _bytes(k) + _bytes(v) + len(":,") for k, v in values.items()}
    kept: set[str] = set()
    used = 0
    for key in sorted(sizes, key=lambda k: sizes[k]):
        used += sizes[key]
        if used > budget:
            break
        kept.add(key)
    return (
        {k: v for k, v in values.items() if k in kept},
        {k: _bytes(v) for k, v in values.items() if k not in kept},
    )
