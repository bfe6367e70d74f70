"""The tables of a policy file, whose form `mcp_server.rules_file` tells."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from mcp_server.untrusted import clean, clean_name

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_SHOWN: Final = 80
"""Characters of a value that a message repeats."""
LONGEST_PATTERN: Final = 200
MOST_NAMED: Final = 10
BY_ID: Final = "id:"
YEARS: Final = range(2000, 3000)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_ID: Final = re.compile(r"[a-z0-9_*-]{1,64}", re.ASCII)

Verdict = Literal["allow", "confirm", "deny"]


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """Write a name so that no difference remains that does not show."""
    # First cleaned, so that nothing stands between a letter and its accent.
    shown = clean_name(unicodedata.normalize("NFKC", clean_name(text)))
    return " ".join(shown.casefold().split())


def fits(text: str, pattern: str) -> bool:
    """Whether a folded text is as a folded pattern has it; one pass, whatever they are."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == first
    *middle, last = rest
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def quoted(value: str) -> str:
    """Repeat a value of the file in a message."""
    return f'"{clean(value, LONGEST_SHOWN)}"'


def _legible(value: str) -> str:
    text = " ".join(value.split())
    if not text or clean_name(text) != text:
        raise ValueError("it is empty, or holds characters that do not show")
    return text


def _id_pattern(value: str) -> str:
    pattern = folded(value)
    if not _ID.fullmatch(pattern):
        raise ValueError(f"{quoted(value)} has not the form of an id")
    return pattern


def _connector_pattern(value: str) -> str:
    pattern = folded(value)
    if pattern.startswith(BY_ID):
        return BY_ID + _id_pattern(pattern.removeprefix(BY_ID))
    if not pattern:
        raise ValueError("an entry is empty")
    return pattern


def _tool_pattern(value: str, info: ValidationInfo) -> str:
    pattern, tools = folded(value), sorted(info.context or ())
    if any(fits(tool, pattern) for tool in tools):
        return pattern
    near = difflib.get_close_matches(pattern, tools, n=1)
    nearest = f", did you mean {near[0]}" if near else ""
    raise ValueError(f"there is no tool {quoted(value)}{nearest}")


def _clock(value: Any) -> Any:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    if not isinstance(value, time):
        raise ValueError("it is not a time of day")  # noqa: TRY004 -- only this becomes a problem
    return value


def _moment(value: Any) -> Any:
    if not isinstance(value, date) or value.year not in YEARS:  # a datetime is a date
        raise ValueError("it is not a date of this millennium, nor a date and a time")
    return value


def _zone(value: str) -> str:
    try:
        zone_of(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"this machine knows no time zone {quoted(value)}") from None
    return value


def zone_of(name: str) -> tzinfo:
    """Find a time zone; UTC is there even where no others are installed."""
    return UTC if name == "UTC" else ZoneInfo(name)


_Pattern = Annotated[str, Field(max_length=LONGEST_PATTERN)]
_Ids = Annotated[list[Annotated[_Pattern, AfterValidator(_id_pattern)]], Field(min_length=1)]
_Tools = Annotated[list[Annotated[_Pattern, AfterValidator(_tool_pattern)]], Field(min_length=1)]
_Connectors = Annotated[
    list[Annotated[_Pattern, AfterValidator(_connector_pattern)]], Field(min_length=1)
]
_Effects = Annotated[list[Literal["read", "write", "destructive"]], Field(min_length=1)]
_Days = Annotated[
    list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)
]
_Name = Annotated[str, Field(max_length=LONGEST_SHOWN), AfterValidator(_legible)]
_Reason = Annotated[str, Field(max_length=300), AfterValidator(_legible)]
_Clock = Annotated[time, BeforeValidator(_clock)]
_Moment = Annotated[Any, BeforeValidator(_moment)]


class Table(BaseModel):
    """A table of the file: strict, closed, and never empty."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, frozen=True)

    @model_validator(mode="after")
    def _filled(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("there is nothing in it")
        return self


class Rule(Table):
    """One rule: all its conditions have to hold, and one that is left out does."""

    name: _Name
    verdict: Verdict
    tools: _Tools | None = None
    effects: _Effects | None = None
    groups: _Ids | None = None
    services: _Ids | None = None
    connectors: _Connectors | None = None
    reason: _Reason | None = None

    @property
    def effects_meant(self) -> Sequence[str] | None:
        """The effects that it is about: what forbids writes forbids the worse ones too."""
        effects = self.effects
        if effects is None or self.verdict == "allow" or "write" not in effects:
            return effects
        return list(dict.fromkeys([*effects, "destructive"]))

    @property
    def has_targets(self) -> bool:
        """Whether it depends on which connector a call is about."""
        return bool(self.groups or self.services or self.connectors)

    @property
    def is_for_all(self) -> bool:
        """Whether it holds for every call."""
        return not (self.tools or self.effects or self.has_targets)


class Protected(Table):
    """What is only read."""

    connectors: _Connectors | None = None
    groups: _Ids | None = None


class Caps(Table):
    """How much of something there may be."""

    bulk_targets: int | None = Field(default=None, ge=0)
    resyncs_per_day: int | None = Field(default=None, ge=0)
    smallest_sync_frequency: int | None = Field(default=None, ge=1, le=1440)


class Freeze(Table):
    """A time in which nothing is changed."""

    name: _Name
    days: _Days | None = None
    begin: _Clock | None = Field(default=None, alias="from")
    until: _Clock | None = None
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    start: _Moment | None = None
    end: _Moment | None = None
    groups: _Ids | None = None
    reason: _Reason | None = None

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if not any((self.days, self.begin, self.until, self.start, self.end)):
            raise ValueError("it does not say when")
        first, last = self._bounds()
        if first and last and first >= last:
            raise ValueError("its end is not after its start")
        return self

    def holds(self, now: datetime) -> bool:
        """Whether it holds at a moment."""
        first, last = self._bounds()
        if (first and now < first) or (last and now >= last):
            return False
        local = now.astimezone(zone_of(self.zone))
        # By the clock on the wall: an hour that comes twice is frozen twice.
        clock, days = local.time(), self.days or DAYS
        today, day_before = DAYS[local.weekday()] in days, DAYS[local.weekday() - 1] in days
        begin, until = self.begin or time.min, self.until or time.min
        if begin < until:
            return today and begin <= clock < until
        return (today and clock >= begin) or (day_before and clock < until)

    @property
    def when(self) -> str:
        """The time in words."""
        parts = [", ".join(self.days)] if self.days else []
        parts += [f"from {self.begin:%H:%M}"] if self.begin else []
        parts += [f"until {self.until:%H:%M}"] if self.until else []
        parts += [f"since {self.start}"] if self.start else []
        to = "before" if isinstance(self.end, datetime) else "to the end of"
        parts += [f"{to} {self.end}"] if self.end else []
        return f"{' '.join(parts)} ({self.zone})"

    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        """Give the first moment, and the first after the last."""
        last = self.end
        if last is not None and not isinstance(last, datetime):
            last += timedelta(days=1)
        return (
            min(self._readings(self.start)) if self.start else None,
            max(self._readings(last)) if last else None,
        )

    def _readings(self, moment: date) -> Iterator[datetime]:
        """Read a moment; a local time that a change of the clocks skips or repeats has two."""
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time.min)
        for fold in (0, 1):
            aware = moment if moment.tzinfo else moment.replace(tzinfo=zone_of(self.zone))
            yield aware.replace(fold=fold).astimezone(UTC)


class PolicyFile(Table):
    """The whole file."""

    rules: list[Rule] = Field(default=[], min_length=1)
    protected: Protected = Field(default_factory=Protected.model_construct)
    caps: Caps = Field(default_factory=Caps.model_construct)
    freeze: list[Freeze] = Field(default=[], min_length=1)


def listed(texts: Sequence[str]) -> str:
    """Name some and count the rest."""
    left = len(texts) - MOST_NAMED
    named = ", ".join(clean(text, 100) for text in texts[:MOST_NAMED])
    return f"{named} and {left} more" if left > 0 else named


def conditions(of: Rule | Protected) -> str:
    """Say in words what a table is about."""
    names = ("tools", "effects_meant", "groups", "services", "connectors")
    lists: dict[str, Sequence[str] | None] = {name: getattr(of, name, None) for name in names}
    given = [f"{name.split('_')[0]} {listed(texts)}" for name, texts in lists.items() if texts]
    return "; ".join(given) or "everything"
