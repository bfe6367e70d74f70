"""Text and values from outside: made safe to show to a model and to log.

Names, task details and error messages come from sources that anyone may write to, and
configurations hold credentials. Nothing of either kind leaves the server but through here.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

REDACTED: Final = "[redacted]"
SHORTEST: Final = 4
"""Characters from which a credential is looked for in answers; shorter ones are in every word."""
MOST_LETTERS: Final = 4_000
"""Letters of credentials that are sought in every way they may be written."""
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
_URL: Final = re.compile(r"(?<=://)[^\s\"'<>]+")
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CUT: Final = re.compile(r"… \[\d+ more characters\]")
"""The end of a text that `clean` made shorter."""
_BEARER: Final = re.compile(r"\b(basic|bearer)\s+[a-z0-9+/._~=-]{8,}", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"(passw(?:or)?d|pwd|secret|token|api_?key|access_?key)(\"?\s*[=:]\s*\"|=)[^\s\"',;&]+",
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
    if name.isascii() and name.isprintable():  # almost every name, of which there may be thousands
        return name
    return "".join(filter(_shows, name))


def contained(value: Any, longest: int, whole: frozenset[str] = frozenset()) -> Any:
    """Copy JSON without characters that do not show, and without texts that are too long.

    `whole` are fields that mean nothing unless they are whole, and that this server wrote.
    """
    if isinstance(value, str):
        shown = clean_name(value)
        left = len(shown) - longest
        return shown if left <= 0 else f"{shown[:longest]}… [{left} more characters]"
    if isinstance(value, list):
        return [contained(each, longest, whole) for each in value]
    if not isinstance(value, Mapping):
        return value
    copy: dict[str, Any] = {}
    for key, each in value.items():
        name = contained(key, longest)
        inside = each if key in whole else contained(each, longest, whole)
        copy[name if name not in copy else f"{name} ({len(copy)})"] = inside
    return copy


def told_briefly(arguments: Mapping[str, Any], longest: int = 60) -> str:
    """Name every argument at every depth, with the beginning of its value: none can hide another."""
    return json.dumps(contained(redact(arguments), longest), ensure_ascii=False, default=str)


def is_mask(value: object) -> bool:
    """Whether a value is what Fivetran shows in place of a secret: only asterisks."""
    return isinstance(value, str) and _MASK.fullmatch(value) is not None


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a credential."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str) -> str:
    """Redact credentials that stand inside a longer text."""
    shown = _BEARER.sub(rf"\1 {REDACTED}", _URL.sub(_without_password, text))
    return _ASSIGNED.sub(rf"\1\2{REDACTED}", shown)


def _without_password(url: re.Match[str]) -> str:
    before, at, host = url[0].rpartition("@")
    return f"{REDACTED}{at}{host}" if before else url[0]


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
    """Copy JSON without these credentials, wherever and however written they stand.

    `ours` are keys that were not written by anyone outside: a credential may be an ordinary word.
    """
    pattern, beginnings = _matcher(secrets)
    forms = _plain_forms(secrets)
    if not beginnings and not forms:
        return value

    def without(item: Any) -> Any:
        if isinstance(item, Mapping):
            return {k if k in ours else without(k): without(v) for k, v in item.items()}
        if isinstance(item, list):
            return [without(each) for each in item]
        if not isinstance(item, str):
            return item
        for form in forms:
            item = item.replace(form, REDACTED)
        return _without(item, pattern, beginnings) if beginnings else item

    return without(value)


def _without(text: str, pattern: re.Pattern[str], beginnings: Sequence[str]) -> str:
    shown = pattern.sub(REDACTED, text)
    cut = _CUT.search(shown)
    if cut is None:
        return shown
    # What was cut off may have been the rest of a credential.
    head = shown[: cut.start()]
    keep = _begins_at(head, beginnings)
    return shown if keep == len(head) else f"{head[:keep]}{REDACTED}{cut[0]}"


@lru_cache(maxsize=64)
def _matcher(secrets: frozenset[str]) -> tuple[re.Pattern[str], list[str]]:
    """Build what finds credentials, and what their letters begin with."""
    whole = {text for secret in secrets for text in (secret, scrub(secret), *_long_lines(secret))}
    long = (text for text in whole if len(clean(text, len(text))) >= SHORTEST)
    texts = _within_reason(sorted(long, key=len, reverse=True))
    # A credential may itself look like an escape, so it is also taken letter by letter.
    beginnings = {"".join(letter for _, letter in _letters(text)) for text in texts}
    beginnings |= {"".join(filter(_counts, text)) for text in texts}
    return re.compile("|".join(map(_however_written, texts))), sorted(beginnings)


def _within_reason(texts: Sequence[str]) -> list[str]:
    """Choose what is sought in every way it may be written: that takes time by the letter.

    What is left out is sought as it is, and as JSON and URLs write it.
    """
    letters, chosen = 0, []
    for text in reversed(texts):
        letters += len(text)
        if letters <= MOST_LETTERS:
            chosen.append(text)
    return chosen[::-1]


@lru_cache(maxsize=64)
def _plain_forms(secrets: frozenset[str]) -> list[str]:
    """Write credentials in the usual ways, the longest first."""
    if sum(map(len, secrets)) * 3 <= MOST_LETTERS:
        return []  # all of them are sought in every way
    texts = {each for secret in secrets for each in (secret, *_long_lines(secret))}
    forms = {
        form
        for text in texts
        if len(text) >= SHORTEST
        for form in (
            *(text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]),
            quote(text, safe="", errors="replace"),
        )
    }
    return sorted(forms, key=len, reverse=True)


def _long_lines(secret: str) -> list[str]:
    return [line.strip() for line in secret.splitlines() if len(line.strip()) >= LONG_LINE]


def _however_written(text: str) -> str:
    """Write a pattern of a text as it is, cleaned, in JSON once or several times, or in a URL."""
    pattern, gap, before = "", False, ""
    for character in _BACKSLASHES.sub(r"\\", text.strip()):
        if character.isspace() or not _shows(character):
            gap = True
            continue
        pattern += (_GAP if gap and pattern else "") + _letter(character, after=before)
        gap, before = False, character
    return pattern


_BACKSLASHES: Final = re.compile(r"\\+")
"""As many as there are stand for one: escaping doubles them."""

# Each way begins differently, so that no text makes the search for it slow.
_GAP: Final = (
    r"(?:\\|(?<=\\)u[0-9a-fA-F]{4}|(?<=\\)[nrtbf]|%[0-9a-fA-F]{2}|\s|[^\x20-\x7e]){0,200}?"
)
"""What does not show, or folds into a space."""


def _letter(character: str, *, after: str) -> str:
    if character == "\\":
        return r"(?:\\+|(?:%5C)+)"
    units = character.encode("utf-16-be", errors="replace")
    escaped = "".join(rf"\\+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    plain, in_url = re.escape(character), re.escape(quote(character, safe="", errors="replace"))
    # Two ways to read a letter are two to the power of all letters, where the last does not fit.
    escapes = "" if after == "\\" else r"\\*"  # those are the letter before
    ways = [f"{escapes}{plain}", escaped, *([] if in_url == plain else [in_url])]
    return f"(?:{'|'.join(ways)})"


def _begins_at(head: str, beginnings: Sequence[str]) -> int:
    """Find where a credential begins that the end of a text breaks off; the length if none does."""
    letters = list(_letters(_PARTIAL.sub("", head)))
    plain = "".join(letter for _, letter in letters)
    lengths = (
        length
        for beginning in beginnings
        for length in range(min(len(beginning), len(plain)), SHORTEST - 1, -1)
        if plain.endswith(beginning[:length])
    )
    longest = max(lengths, default=0)
    return letters[-longest][0] if longest else len(head)


_PARTIAL: Final = re.compile(r"(\\+(u[0-9a-fA-F]{0,3})?|%[0-9a-fA-F]?)\Z")
_UNIT: Final = re.compile(
    r"\\+u(?P<code>[0-9a-fA-F]{4})|\\+[nrtbf]|(?P<url>(?:%[0-9a-fA-F]{2})+)|(?P<one>[^\\])"
)


def _counts(letter: str) -> bool:
    return letter < "\ufffd" and letter != "\\" and not letter.isspace() and _shows(letter)


def _letters(text: str) -> Iterator[tuple[int, str]]:
    """List the letters of a text that show, whatever way they are written, each with its place."""
    for unit in _UNIT.finditer(text):
        code = unit["code"]
        written = chr(int(code, 16)) if code else unquote(unit["url"] or "") or unit["one"] or ""
        for letter in written:
            if _counts(letter):
                yield unit.start(), letter


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
