"""The operator's policy: what is allowed, confirmed or denied, of what the mode allows.

Pure: `load` reads the file, whose form `mcp_server.rules_file` tells; everything else only decides.

A policy narrows. Nothing in it lets a call pass that the mode, a missing confirmation or Fivetran
stops: `allow` says only that the rules below it are not read.

The rules are read from the top, for each connector that a call is about, up to the first `allow`
that matches; of those read that match, the strictest counts: `deny`, then `confirm`. So a `deny` or
`confirm` is added at any place without loosening anything, and an exception is an `allow` that
stands above what it is an exception from. What is protected, capped or frozen is so whatever the
rules say.

When in doubt it is strict:

- What is not known of a connector counts as matching for what forbids, and as not matching for
  `allow`. Only a read that names no connector, such as a list, is none of the rules' about targets.
- `write` in a rule that forbids means destructive calls too; in one that allows, it does not.
- A call is taken for every tool whose work it does: `bulk_update` that pauses is also
  `pause_connector`. One that matches is enough to forbid, all have to match to allow.
- A move is judged where the connector is and where it would go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mcp_server.rules_file import RulesError, read
from mcp_server.rules_tables import (
    BY_ID,
    Freeze,
    PolicyFile,
    Protected,
    Rule,
    Verdict,
    conditions,
    fits,
    folded,
    listed,
)
from mcp_server.toolkit import Effect

__all__ = ["Act", "Decision", "Rules", "RulesError", "Subject", "Verdict", "load", "summary"]

MOST_REASONS: Final = 5
"""Rules that one refusal names."""
_ORDER: Final[Sequence[Verdict]] = ("allow", "confirm", "deny")
_GIVEN: Final = object()

STANDS_FOR: Final = (
    ("bulk_update", "action", "pause", "pause_connector"),
    ("bulk_update", "action", "resume", "resume_connector"),
    ("bulk_update", "action", "sync", "sync_connector"),
    ("bulk_update", "action", "set_sync_frequency", "set_sync_frequency"),
    ("update_connector", "paused", True, "pause_connector"),
    ("update_connector", "paused", False, "resume_connector"),
    ("update_connector", "sync_frequency", _GIVEN, "set_sync_frequency"),
    ("update_connector", "schedule_type", _GIVEN, "set_sync_frequency"),
    ("update_connector", "daily_sync_time", _GIVEN, "set_sync_frequency"),
    ("update_connector", "run_setup_tests", True, "run_setup_tests"),
    ("create_connector", "run_setup_tests", True, "run_setup_tests"),
    ("create_connector", "connect_card_redirect_uri", _GIVEN, "create_connect_card"),
    ("run_setup_tests", "trust_certificates", True, "approve_trust"),
    ("run_setup_tests", "trust_fingerprints", True, "approve_trust"),
)
"""A tool with this argument does the work of another tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A connector that a call is about, as Fivetran tells it; None is what is not known."""

    connector_id: str | None = None
    name: str | None = None
    service: str | None = None
    group_id: str | None = None
    is_new: bool = False
    """It does not exist yet, so it has no id that a rule could mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A call that is about to be made."""

    tool: str
    effect: Effect
    """Of this very call: a dry run only reads."""
    subjects: Sequence[Subject] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """As they were accepted, not as they were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a call, in words for the model."""

    verdict: Verdict
    rule: str | None = None
    """The first of what decided, as it is called in the message."""
    message: str = ""
    hint: str = ""
    subject_ids: Sequence[str] = ()
    """The connectors that it is about; the others of the call may be changed, for all it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """One thing that speaks against a call."""

    verdict: Verdict
    rule: str
    reason: str | None = None
    subject: Subject | None = None
    is_sure: bool = True
    hint: str | None = None
    """What to do instead, where there is something to do."""


def load(path: Path, *, tools: frozenset[str]) -> "Rules":
    """Read a policy file, which may name these tools.

    Raises:
        RulesError: It cannot be read, or something in it is wrong.
    """
    return Rules(read(path, tools=tools))


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy in force."""

    policy: PolicyFile

    def parted(self, replicas: int) -> "Rules":
        """Give the part of one of several processes, which know nothing of each other.

        Raises:
            RulesError: A cap leaves nothing for one of them.
        """
        most = self.policy.caps.resyncs_per_day
        if not most or replicas == 1:
            return self
        if most < replicas:
            raise RulesError(
                f"[caps] resyncs_per_day = {most} cannot be parted among {replicas} replicas: raise"
                " it to at least as many, or set it to 0 (FIVETRAN_MCP_REPLICAS)\n"
            )
        caps = self.policy.caps.model_copy(update={"resyncs_per_day": most // replicas})
        return Rules(self.policy.model_copy(update={"caps": caps}))

    def needs_subject(self, tool: str, effect: Effect) -> bool:
        """Whether a call can only be judged by what Fivetran tells of its connectors."""
        policy, changes = self.policy, effect is not Effect.READ
        kept = policy.protected.connectors or policy.protected.groups
        if changes and (kept or any(freeze.groups for freeze in policy.freeze)):
            return True
        names = {tool} | {other for this, _, _, other in STANDS_FOR if this == tool}
        # A write may turn out to be destructive, so between these two it makes no difference.
        effects = {Effect.WRITE, Effect.DESTRUCTIVE} if changes else {Effect.READ}
        return any(
            rule.has_targets
            and any(_is_among(rule.tools, name) for name in names)
            and not effects.isdisjoint(rule.effects or effects)
            for rule in policy.rules
        )

    def decide(self, act: Act, now: datetime, resyncs_today: int = 0) -> Decision:
        """Judge a call; `resyncs_today` are those that were begun before it."""
        freezes = [freeze for freeze in self.policy.freeze if freeze.holds(now)]
        findings = [*self._over_a_cap(act, resyncs_today)]
        for subject in _places(act):
            found = [*self._kept(act, subject, freezes), *self._ruled(act, subject)]
            findings += sorted(found, key=_rank, reverse=True)[:1]
        if not findings:
            return Decision(verdict="allow")
        worst = max(map(_rank, findings))
        return _decision(act, [each for each in findings if _rank(each) == worst])

    def _over_a_cap(self, act: Act, resyncs_today: int) -> Iterator[_Finding]:
        caps = self.policy.caps
        if act.effect is Effect.READ:
            return
        most, count = caps.bulk_targets, len(act.subjects)
        if most is not None and act.tool.startswith("bulk_") and count > most:
            yield _Finding(
                verdict="deny",
                rule="[caps] bulk_targets",
                reason=f"{count} connectors in one call, at most {most} are allowed",
                hint="Choose fewer, and only those that the person asked for.",
            )
        most = caps.resyncs_per_day
        if most is not None and act.tool == "resync_connector" and resyncs_today >= most:
            yield _Finding(
                verdict="deny",
                rule="[caps] resyncs_per_day",
                reason=f"{resyncs_today} were begun today, at most {most} are allowed",
                hint="The count begins anew at 00:00 UTC; for stale data sync_connector is enough.",
            )
        least = caps.smallest_sync_frequency
        for name in ("minutes", "sync_frequency"):
            minutes = act.arguments.get(name)
            if least is not None and minutes is not None and not _is_at_least(minutes, least):
                yield _Finding(
                    verdict="deny",
                    rule="[caps] smallest_sync_frequency",
                    reason=f"at least {least} minutes have to lie between syncs",
                    hint=f"Set {name} to {least} or more.",
                )

    def _kept(self, act: Act, subject: Subject, freezes: Sequence[Freeze]) -> Iterator[_Finding]:
        """Say what keeps a connector from being changed, whatever the rules say."""
        if act.effect is Effect.READ:
            return
        for kept in _parts(self.policy.protected):
            held = _is_about(kept, subject)
            if held is not False:
                yield _Finding(
                    verdict="deny",
                    rule="[protected]",
                    reason="only to be read",
                    subject=subject,
                    is_sure=held is True,
                )
        for freeze in freezes:
            held = _one_of(freeze.groups, subject.group_id)
            if held is not False:
                yield _Finding(
                    verdict="deny",
                    rule=f"freeze '{freeze.name}'",
                    reason="; ".join(filter(None, (freeze.reason, f"no changes {freeze.when}"))),
                    subject=subject,
                    is_sure=held is True,
                    hint="Wait until it is over.",
                )

    def _ruled(self, act: Act, subject: Subject) -> Iterator[_Finding]:
        """Say what the rules have against it."""
        tools = _names(act)
        # A list that names no connector is about none in particular.
        is_strict = act.effect is not Effect.READ or subject.connector_id is not None
        for rule in self.policy.rules:
            if not (_is_for_tools(rule, tools) and _is_for_effect(rule, act.effect)):
                continue
            held = _is_about(rule, subject)
            if rule.verdict == "allow":
                if held:
                    return
            elif held or (held is None and is_strict):
                yield _Finding(
                    verdict=rule.verdict,
                    rule=f"rule '{rule.name}'",
                    reason=rule.reason,
                    subject=subject,
                    is_sure=held is True,
                )


def _rank(finding: _Finding) -> int:
    return _ORDER.index(finding.verdict)


def _names(act: Act) -> frozenset[str]:
    """Name every tool whose work a call does."""
    others = {
        other
        for tool, argument, value, other in STANDS_FOR
        if tool == act.tool and _has(act.arguments.get(argument), value)
    }
    return frozenset({act.tool, *others})


def _has(given: Any, value: object) -> bool:
    return given is not None if value is _GIVEN else given == value


def _is_at_least(minutes: Any, least: int) -> bool:
    return isinstance(minutes, int | float) and minutes >= least


def _places(act: Act) -> Iterator[Subject]:
    """List what a call is about: at least something of which nothing is known."""
    subjects = act.subjects or [Subject()]
    yield from subjects
    if act.tool == "move_connector":
        for subject in subjects:
            yield replace(subject, group_id=act.arguments.get("group_id"))


def _parts(protected: Protected) -> Iterator[Protected]:
    """Part conditions of which one is enough."""
    for name in ("connectors", "groups"):
        patterns = getattr(protected, name)
        if patterns:
            yield Protected.model_construct(**{name: patterns})


def _is_for_tools(rule: Rule, names: Iterable[str]) -> bool:
    held = [_is_among(rule.tools, name) for name in names]
    return all(held) if rule.verdict == "allow" else any(held)


def _is_for_effect(rule: Rule, effect: Effect) -> bool:
    return rule.effects_meant is None or effect in rule.effects_meant


def _is_among(patterns: Sequence[str] | None, name: str) -> bool:
    return patterns is None or any(fits(name, pattern) for pattern in patterns)


def _is_about(of: Rule | Protected, subject: Subject) -> bool | None:
    """Whether all conditions on the target hold; None if it depends on what is not known."""
    held = {
        _one_of(of.groups, subject.group_id),
        _is_meant(of.connectors, subject),
        _one_of(of.services if isinstance(of, Rule) else None, subject.service),
    }
    return False if False in held else None if None in held else True


def _one_of(patterns: Sequence[str] | None, value: str | None) -> bool | None:
    if patterns is None:
        return True
    text = folded(value or "")
    return _is_among(patterns, text) if text else None


def _is_meant(patterns: Sequence[str] | None, subject: Subject) -> bool | None:
    if patterns is None:
        return True
    by_id = [pattern.removeprefix(BY_ID) for pattern in patterns]
    by_name = [pattern for pattern in patterns if not pattern.startswith(BY_ID)]
    held = {
        False if subject.is_new else _one_of(by_id, subject.connector_id),
        _one_of(by_name, subject.name) if by_name else False,
    }
    return True if True in held else None if None in held else False


def _decision(act: Act, findings: Sequence[_Finding]) -> Decision:
    """Put what decided into words."""
    verdict = findings[0].verdict
    by_rule: dict[str, list[_Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    said = [_said(each) for each in [*by_rule.values()][:MOST_REASONS]]
    left = len(by_rule) - MOST_REASONS
    more = f"; and {left} more" if left > 0 else ""
    head = "was refused and nothing was changed" if verdict == "deny" else "was not done yet"
    ids = _ids(findings)
    return Decision(
        verdict=verdict,
        rule=findings[0].rule,
        message=f"{act.tool} {head}: {'; '.join(said)}{more}",
        hint=" ".join(_advice(act, findings, ids)),
        subject_ids=ids,
    )


def _said(findings: Sequence[_Finding]) -> str:
    """Say what one rule has against which connectors."""
    first, ids = findings[0], _ids(findings)
    why = f" ({first.reason})" if first.reason else ""
    what = "forbids it" if first.verdict == "deny" else "wants a person to agree first"
    on = f" for connector{'s' * (len(ids) > 1)} {listed(ids)}" if ids else ""
    is_sure = all(finding.is_sure for finding in findings)
    unknown = "" if is_sure else "; not all is known of what it is about, so it counts as meant"
    return f"{first.rule}{why} {what}{on}{unknown}"


def _advice(act: Act, findings: Sequence[_Finding], ids: Sequence[str]) -> Iterator[str]:
    if findings[0].verdict == "confirm":
        yield "Show the person what this call would do, and to what; do it only if they agree."
        return
    # What helps against one of them helps nothing while another stands.
    if all(finding.hint for finding in findings):
        yield from dict.fromkeys(finding.hint or "" for finding in findings)
    left = len({subject.connector_id for subject in act.subjects}) - len(ids)
    if ids and left:
        yield f"If the person wants the rest ({left}) changed, leave these out."
    rules = [*dict.fromkeys(finding.rule for finding in findings)]
    yield f"Tell the person: whoever runs the server can change {listed(rules)} in its policy file."
    yield "Do not try any other way."


def _ids(findings: Iterable[_Finding]) -> list[str]:
    subjects = [finding.subject for finding in findings if finding.subject]
    return [*dict.fromkeys(each.connector_id for each in subjects if each.connector_id)]


def summary(rules: Rules) -> list[str]:
    """Say a policy in words, one line for each of its tables."""
    policy = rules.policy
    lines = [f"rule '{rule.name}': {rule.verdict} {conditions(rule)}" for rule in policy.rules]
    lines += [
        f"[protected]: nothing but reads for {conditions(kept)}"
        for kept in _parts(policy.protected)
    ]
    caps = policy.caps.model_dump(exclude_none=True)
    lines += [f"[caps]: {', '.join(f'{name} {value}' for name, value in caps.items())}"] * bool(
        caps
    )
    for freeze in policy.freeze:
        where = f" for groups {listed(freeze.groups)}" if freeze.groups else ""
        lines.append(f"freeze '{freeze.name}': no changes {freeze.when}{where}")
    return lines
