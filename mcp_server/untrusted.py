"""Text and values from outside: made safe to show to a model and to log.

Names, task details and error messages come from sources that anyone may write to, and
configurations hold credentials. Nothing of either kind leaves the server but through here.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
LONGEST_TEXT: Final = 600
"""Characters of one text from outside that are shown; the rest is counted, not shown."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that do not show: control, format (zero width, bidi), and the like."""

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
_URL_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")
_BEARER: Final = re.compile(r"\b(basic|bearer)\s+[a-z0-9+/._~=-]{8,}", re.IGNORECASE)


def clean(text: str, longest: int = LONGEST_TEXT) -> str:
    """Drop characters that do not show, fold white space, and say how much was left out."""
    folded = " ".join(text.split())
    shown = "".join(c for c in folded if unicodedata.category(c) not in _INVISIBLE)
    if len(shown) <= longest:
        return shown
    return f"{shown[:longest]}… [{len(shown) - longest} more characters]"


def clean_name(name: str) -> str:
    """Drop characters that do not show from a name, and nothing else: names are arguments."""
    return "".join(c for c in name if unicodedata.category(c) not in _INVISIBLE)


def is_mask(value: object) -> bool:
    """Whether a value is what Fivetran shows in place of a secret: only asterisks."""
    return isinstance(value, str) and _MASK.fullmatch(value) is not None


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a credential."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """Redact credentials that stand inside a longer text."""
    return _BEARER.sub(rf"\1 {REDACTED}", _URL_PASSWORD.sub(REDACTED, text))


def redact(value: Any) -> Any:
    """Copy JSON, with every credential replaced and every other text cleaned."""
    if isinstance(value, Mapping):
        # `{"key": ..., "value": ...}` is how Functions and the Connector SDK list their secrets.
        pair = value.keys() == {"key", "value"}
        return {
            clean_name(str(k)): REDACTED
            if (is_secret_name(str(k)) and not pair) or (pair and k == "value")
            else redact(v)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return REDACTED if is_mask(value) else clean(scrub(value))
    return value


def fit(values: Mapping[str, Any], budget: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Keep the smallest entries that fit into `budget` bytes of JSON; name the rest with sizes."""
    sizes = {k: len(json.dumps(v, ensure_ascii=False).encode()) for k, v in values.items()}
    kept: set[str] = set()
    used = 0
    for key in sorted(sizes, key=lambda k: sizes[k]):
        used += sizes[key] + len(key)
        if used > budget:
            break
        kept.add(key)
    return (
        {k: v for k, v in values.items() if k in kept},
        {k: sizes[k] for k in values if k not in kept},
    )
