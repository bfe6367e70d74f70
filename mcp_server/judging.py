"""What the policy is applied to: a call with the connectors it is about, as Fivetran tells them."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.models import Connection
from mcp_server.rules import Act, Rules, Subject
from mcp_server.toolkit import Effect, Plan, Preview, Spec, plain
from mcp_server.tools.creations import possible_names
from mcp_server.untrusted import told_briefly

RESYNC: Final = "resync_connector"
CREATE: Final = "create_connector"


@dataclass(frozen=True, slots=True)
class Resyncs:
    """The resyncs that this process began; others' it does not know."""

    _begun: deque[datetime] = field(default_factory=lambda: deque(maxlen=1_000))

    def note(self, tool: str, now: datetime) -> None:
        """Count a call that is carried out, if it is one."""
        if tool == RESYNC:
            self._begun.append(now)

    def today(self, now: datetime) -> int:
        """Count those since midnight, UTC."""
        return sum(each.date() == now.date() for each in self._begun)


def is_idle(arguments: Mapping[str, Any], plan: Plan | None) -> bool:
    """Whether a call of a tool that changes something changes nothing."""
    return plan.idle if plan else bool(arguments.get("dry_run"))


async def act_of(
    spec: Spec, arguments: Mapping[str, Any], plan: Plan | None, fivetran: Fivetran, rules: Rules
) -> Act:
    """Tell what a call is about to do, and to what: read from Fivetran, if a rule depends on it."""
    effect = spec.effect
    if plan is not None and plan.preview:
        effect = plan.effect
    elif is_idle(arguments, plan):
        effect = Effect.READ
    if plan is not None and plan.concerns:
        subjects: Sequence[Subject] = [_subject(each) for each in plan.concerns]
    elif spec.name == CREATE:
        subjects = _new(arguments)
    else:
        ids = [arguments.get("connector_id"), arguments.get("other_connector_id")]
        ids += arguments.get("connector_ids") or []
        known = [each for each in ids if each]
        if rules.needs_subject(spec.name, effect):
            subjects = [_subject(await fivetran.connections.get(each)) for each in known]
        else:
            subjects = [Subject(connector_id=each) for each in known]
    return Act(tool=spec.name, effect=effect, subjects=subjects, arguments=arguments)


def _subject(connection: Connection) -> Subject:
    return Subject(
        connector_id=connection.id,
        name=connection.name,
        service=connection.service,
        group_id=connection.group_id,
    )


def _new(arguments: Mapping[str, Any]) -> list[Subject]:
    names: Sequence[str | None] = possible_names(arguments.get("config") or {}) or [None]
    return [
        Subject(
            name=name,
            service=arguments.get("service"),
            group_id=arguments.get("group_id"),
            is_new=True,
        )
        for name in names
    ]


def preview_of(spec: Spec, arguments: Mapping[str, Any]) -> Preview:
    """Show a call that has no preview of its own: what it does, and with what arguments."""
    given = {name: plain(value) for name, value in arguments.items() if value is not None}
    first = spec.description.split("\n\n", maxsplit=1)[0].replace("\n", " ")
    return Preview(
        effect=f"{first} Arguments: {told_briefly(given)}",
        lost="Nothing that is known of.",
        undo="See what the tool's description says.",
    )
