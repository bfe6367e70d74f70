"""Finds connector types by what a person calls them: the API cannot search."""

import difflib
import re
from collections.abc import Sequence
from typing import Final

from mcp_server.fivetran.models import ConnectorType

MOST_NEAR: Final = 10
_LIKENESS: Final = 0.65
_LONGEST: Final = 100
_BETWEEN: Final = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Write a name as words in lower case, whatever stood between them."""
    return _BETWEEN.sub(" ", text[:_LONGEST].casefold()).strip()


def search(wanted: str, types: Sequence[ConnectorType]) -> list[ConnectorType]:
    """List the types that fit, the best first; `wanted` is plain."""
    fitting = [(fit, each) for each in types if (fit := _fit(wanted, each)) is not None]
    fitting.sort(key=lambda pair: (pair[0], *_standing(pair[1])))
    return [each for _, each in fitting]


def near(
    wanted: str, types: Sequence[ConnectorType], *, likeness: float = _LIKENESS
) -> list[ConnectorType]:
    """List types whose id or name is spelled much like this."""
    spelled = {plain(text): each for each in types for text in (each.name or "", each.id)}
    found = difflib.get_close_matches(wanted, spelled, n=MOST_NEAR, cutoff=likeness)
    return list({spelled[text].id: spelled[text] for text in found}.values())


def _fit(wanted: str, each: ConnectorType) -> int | None:
    """Say how well a type fits: 0 is its very name, None not at all."""
    names = (plain(each.id), plain(each.name or ""))
    joined, solid = " ".join(names), wanted.replace(" ", "")
    about = f"{joined} {plain(each.type or '')} {(each.description or '').casefold()}"
    words = wanted.split()
    ways = (
        wanted in names or solid in {name.replace(" ", "") for name in names},
        any(name.startswith(wanted) for name in names),
        set(words) <= set(joined.split()),
        all(word in joined for word in words),
        all(word in about for word in words),
    )
    return next((fit for fit, fits in enumerate(ways) if fits), None)


def _standing(each: ConnectorType) -> tuple[bool, int, str]:
    """Order what fits equally: what is generally available, then the shorter name."""
    return each.service_status != "general_availability", len(each.id), each.id
