"""The one door of every tool call.

In this order, and nowhere else: is the tool offered, are the arguments right, what would the call
do (its plan), does the mode allow that, was it confirmed; then the call; then its answer or its
failure as text and structure. One line of log for each call.
"""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import structlog
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Elicit, Resolve, build_resolver_plans
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import Field, InstanceOf, ValidationError
from typing_extensions import override

from mcp_server import failures
from mcp_server.answers import (
    answer,
    answer_failure,
    unconfirmed,
    unknown_tool,
    wrong_arguments,
)
from mcp_server.approval import (
    BROUGHT,
    ENDINGS,
    LOOKED_BACK,
    Answer,
    Approval,
    Approvals,
    Approved,
    Tokens,
    answer_of,
    ask_live,
    can_ask,
    is_live,
    is_modern,
    nobody_to_ask,
    not_approved,
    question_of,
)
from mcp_server.auth import AuthConfig, caller_mode, caller_name
from mcp_server.contract import (
    FEW_LEFT,
    accepted,
    add_argument,
    answer_fields,
    build,
    with_parameters,
)
from mcp_server.fivetran.transport import within
from mcp_server.journal import Journal, Record
from mcp_server.judging import RESYNC, Resyncs, act_of, is_idle, preview_of
from mcp_server.policy import Mode, check_effect, check_tool, is_offered, needed_mode
from mcp_server.recording import (
    RECORD,
    REFUSALS,
    approved_once,
    carried_out,
    client_of,
    refused,
    with_plan,
)
from mcp_server.rules import Rules
from mcp_server.telemetry import Metrics
from mcp_server.toolkit import (
    Effect,
    Plan,
    Result,
    Spec,
    ToolFailure,
    plain,
)
from mcp_server.undoing import UNDO_OF
from mcp_server.untrusted import hide, secrets_in
from mcp_server.vault import Vault

_log = structlog.stdlib.get_logger("mcp_server.gate")

CALL_SECONDS: Final = 120.0
LONGEST_QUESTION: Final = 6_000
LONGEST_ID: Final = 64


USED_BEFORE: Final = "this approval was used before"
TOKEN: Final = "preview_token"  # noqa: S105 -- the name of an argument
PreviewToken = Annotated[
    str, Field(max_length=100, description="From the preview; good for this very call.")
]


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What decides, besides the call itself."""

    mode: Mode
    toolsets: frozenset[str]
    vault: Vault = field(default_factory=Vault)
    """What no answer may hold, besides the credentials in a call's own arguments."""
    approvals: Approvals = Approvals.AUTO
    """What a confirmed call needs besides `confirm`."""
    tokens: Tokens = field(default_factory=Tokens)
    approved: Approved = field(default_factory=Approved)
    now: Callable[[], datetime] = utc_now
    rules: Rules | None = None
    """What the operator's policy file says."""
    resyncs: Resyncs = field(default_factory=Resyncs)
    auth: AuthConfig | None = None
    """Whose tokens say how much a caller may do; None where the server's mode is everybody's."""
    journal: Journal = field(default_factory=Journal)
    metrics: Metrics = field(default_factory=Metrics)
    call_seconds: float = CALL_SECONDS
    """After so many no more is sent for a call; what a person takes to approve does not count."""

    def offers(self, spec: Spec) -> bool:
        """Whether a tool is offered to anybody."""
        return is_offered(spec, self.mode, self.toolsets)

    def offers_caller(self, spec: Spec) -> bool:
        """Whether a tool is offered to whoever makes this call."""
        caller = self._caller_mode()
        return self.offers(spec) and caller is not None and is_offered(spec, caller, self.toolsets)

    def _caller_mode(self) -> Mode | None:
        return self.mode if self.auth is None else caller_mode(self.auth)

    def pass_tool(self, spec: Spec) -> None:
        """Let a call of an offered tool pass.

        Raises:
            ToolFailure: It is not offered, or not to this caller.
        """
        check_tool(spec, self.mode, self.toolsets)
        self._pass_effect(spec, spec.effect)

    def _pass_effect(self, spec: Spec, effect: Effect) -> None:
        """Let an effect pass in the server's mode, and in that of the caller's token."""
        check_effect(spec.name, effect, self.mode)
        caller, needed = self._caller_mode(), needed_mode(effect)
        if self.auth and (caller is None or caller < needed):
            raise ToolFailure(
                "scope_missing",
                f"{spec.name} was refused and nothing was sent: the token of this caller lacks the"
                f" scope {self.auth.scopes[needed]}",
                hint="Tell the person: whoever gives out access can grant it. No argument changes it.",
            )

    def pass_plan(self, spec: Spec, arguments: Mapping[str, Any], plan: Plan) -> None:
        """Let a planned call pass, if nothing in it is destructive or if that is confirmed.

        Raises:
            ToolFailure: The mode forbids it, or it is not confirmed; the latter is the preview.
        """
        if plan.preview is None:
            if spec.effect is Effect.DESTRUCTIVE:
                raise TypeError(f"{spec.name} made no preview of a destructive call")
            return
        self._pass_effect(spec, plan.effect)
        shown = all(arguments.get(name) == value for name, value in plan.pinned.items())
        usual = {n: each.default for n, each in inspect.signature(spec.fn).parameters.items()}
        given = {
            name: plain(value)
            for name, value in arguments.items()
            if name not in {"confirm", TOKEN} and value is not None and value != usual.get(name)
        }
        pinned, now = dict(plan.pinned), self.now()
        if self.approvals is Approvals.PREVIEW:
            act = {**given, **pinned}
            token = str(arguments.get(TOKEN))
            shown = shown and self.tokens.check(token, spec.name, act, plan.preview, now)
            pinned[TOKEN] = self.tokens.give(spec.name, act, plan.preview, now)
        if arguments["confirm"] is not True or not shown:
            raise unconfirmed(spec.name, given, plan.preview, pinned)

    async def ask(
        self, spec: Spec, arguments: Mapping[str, Any], plan: Plan | None, ctx: Context[Any, Any]
    ) -> Answer | Elicit[Approval]:
        """Apply the policy, then ask the person where one is needed; the SDK carries a question on.

        Raises:
            ToolFailure: As `pass_plan`; or the policy forbids it, or nobody can be asked.
        """
        ruled = await self._ruled(spec, arguments, plan, ctx)
        if plan is not None:
            self.pass_plan(spec, arguments, plan)
        preview = plan.preview if plan else None
        if ruled is None and (preview is None or self.approvals is Approvals.ARGUMENT):
            return Answer.NOT_ASKED
        if not can_ask(ctx):
            if ruled is not None or self.approvals is Approvals.HUMAN:
                raise nobody_to_ask(spec.name, ruled)
            return Answer.NOT_ASKED
        question = question_of(spec.title, preview or preview_of(spec, arguments), ruled)
        # On 2026-07-28 the question is part of an answer, and the gate hides nothing in those.
        given = {name: plain(value) for name, value in arguments.items()}
        question = hide(question, secrets_in(given) | self.vault.known())
        if len(question) > LONGEST_QUESTION:
            raise not_approved(
                spec.name, "it takes more words than a question to a person may have"
            )
        if not is_modern(ctx):
            said = await ask_live(ctx, question)
            if said is Answer.APPROVED:  # it took time, in which a freeze may have begun
                await self._ruled(spec, arguments, plan, ctx)
            return said
        return Elicit(question, Approval)

    async def _ruled(
        self, spec: Spec, arguments: Mapping[str, Any], plan: Plan | None, ctx: Context[Any, Any]
    ) -> str | None:
        """Judge a call by the policy; what it says of one that a person has to approve.

        Raises:
            ToolFailure: The policy forbids it.
        """
        if self.rules is None:
            return None
        fivetran = ctx.request_context.lifespan_context.fivetran
        act = await act_of(spec, arguments, plan, fivetran, self.rules)
        decision = self.rules.decide(act, self.now(), self.resyncs.today(self.now()))
        if decision.verdict == "deny":
            raise ToolFailure("policy_forbids", decision.message, hint=decision.hint)
        return decision.message if decision.verdict == "confirm" else None

    def count_resync(self, tool: str) -> None:
        """Count a resync that is about to begin; calls that wait for a person are judged together.

        Raises:
            ToolFailure: There were as many as the policy allows, begun meanwhile.
        """
        most = self.rules.policy.caps.resyncs_per_day if self.rules else None
        if tool == RESYNC and most is not None and self.resyncs.today(self.now()) >= most:
            raise ToolFailure(
                "policy_forbids",
                f"{tool} was refused: the policy allows {most} a day, and others began meanwhile",
                hint="Tell the person; it can be done tomorrow (UTC).",
            )
        self.resyncs.note(tool, self.now())

    async def refuse_offer(self, name: str, specs: Sequence[Spec]) -> CallToolResult:
        """Answer a call of a tool that is not offered, or does not exist; record it if it is one."""
        spec = next((spec for spec in specs if spec.name == name), None)
        failure = unknown_tool(name, [spec.name for spec in specs if self.offers_caller(spec)])
        try:
            if spec is not None:
                self.pass_tool(spec)
        except ToolFailure as refusal:
            failure = refusal
        _log.info("tool_refused", tool=spec.name if spec else None, outcome=failure.code)
        self.metrics.refusal(failure.code)
        if spec and spec.effect is not Effect.READ:
            record = Record(tool=spec.name, effect=str(spec.effect), principal=caller_name())
            await refused(self.journal, record, failure)
        return answer_failure(failure)


class GatedTool(Tool):
    """A tool whose every call goes through the gate."""

    spec: Spec
    gate: InstanceOf[Gate]

    @classmethod
    def of(cls, spec: Spec, gate: Gate) -> "GatedTool":
        """Make the SDK's tool of a declaration, behind the gate."""
        plain = build(spec)
        tool = cls(
            **{name: getattr(plain, name) for name in type(plain).model_fields},
            spec=spec,
            gate=gate,
        )
        if spec.effect is not Effect.READ or gate.rules:
            tool._guard()
        return tool

    def _guard(self) -> None:
        """Put the plan, the confirmation and the person before the body."""
        if self.gate.approvals is Approvals.PREVIEW and self.spec.is_planned:
            add_argument(self, TOKEN, PreviewToken)
        names = accepted(self)
        parameters = inspect.signature(self.spec.fn).parameters
        planned = {"plan": parameters["plan"].annotation} if self.spec.is_planned else {}

        async def ask(
            ctx: Context[Any, Any], plan: Plan | None = None, **given: Any
        ) -> Answer | Elicit[Approval]:
            return await self.gate.ask(self.spec, given, plan, ctx)

        takes = {**planned, "ctx": Context[Any, Any], **dict.fromkeys(names, Any)}
        resolved = {**self.resolved_params, "answer": (Resolve(with_parameters(ask, takes)), True)}
        self.resolved_params = resolved
        self.resolver_plans = build_resolver_plans(resolved, set(names))
        self.fn = self._guarded

    async def _guarded(self, *, answer: Any, **kwargs: Any) -> Result:
        """Go on if the person did not say no, with all the time that a call has."""
        given = {name: kwargs[name] for name in accepted(self)}
        said = answer_of(answer)
        if said in ENDINGS:
            raise not_approved(self.name, ENDINGS[said])
        kwargs.pop(TOKEN, None)
        with within(self.gate.call_seconds):
            return await self._carry_out(answer, given, kwargs)

    async def _carry_out(
        self, answer: Any, given: Mapping[str, Any], kwargs: dict[str, Any]
    ) -> Result:
        """Run the body, of exactly what was approved and with a record of it."""
        said = answer_of(answer)
        plan: Plan | None = kwargs.get("plan")
        approval: str | None = None
        if said is Answer.APPROVED and not is_live(answer):
            approval = BROUGHT.get()
            if not self.gate.approved.use(approval, self.gate.now()):
                raise not_approved(self.name, USED_BEFORE)
        elif plan and said is Answer.APPROVED:
            plan = kwargs["plan"] = await self._again(given, kwargs)
        if self.spec.effect is Effect.READ or is_idle(given, plan):
            return await self.spec.fn(**kwargs)
        record = with_plan(RECORD.get(), plan, approved=said is Answer.APPROVED)
        if said is Answer.APPROVED:
            record, since = replace(record, approval=approval), self.gate.now() - LOOKED_BACK
            if not await approved_once(self.gate.journal, record, since):
                raise not_approved(self.name, USED_BEFORE)
        self.gate.count_resync(self.name)
        return await carried_out(
            self.gate.journal,
            record,
            partial(self.spec.fn, **kwargs),
        )

    async def _again(self, given: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Plan:
        """Plan anew after the person was asked, for that takes time.

        Raises:
            ToolFailure: What would be done is no longer what was approved; a new preview says what.
        """
        before: Plan = kwargs["plan"]
        make = self.spec.planner
        now: Plan = await make(
            **{name: kwargs[name] for name in inspect.signature(make).parameters}
        )
        if now.preview != before.preview:
            self.gate.pass_plan(self.spec, {**given, "confirm": False}, now)
        return now

    @override
    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        """Run a call to its answer: a `CallToolResult` whatever happens, but for cancellation."""
        started = time.perf_counter()
        record = self._record(arguments, context)
        called = RECORD.set(record)  # a call can be made inside another
        try:
            self.gate.pass_tool(self.spec)
            with within(self.gate.call_seconds):
                result = await super().run(arguments, context)
        except MCPError:
            raise
        except Exception as error:  # noqa: BLE001 -- the boundary: every failure becomes an answer
            failure = self._explain(error, arguments)
            self._log_call(arguments, started, failure)
            if self.spec.effect is not Effect.READ and failure.code in REFUSALS:
                await refused(self.gate.journal, record, failure)
            return answer_failure(failure, self._secrets(arguments))
        finally:
            RECORD.reset(called)
        if isinstance(result, InputRequiredResult):
            return result
        self._log_call(arguments, started, None)
        few = getattr(context.request_context.lifespan_context, FEW_LEFT, None)
        return answer(
            result,
            self._secrets(arguments),
            answer_fields(self.spec),
            few,
            reads=self.spec.effect is Effect.READ,
        )

    def _record(self, arguments: Mapping[str, Any], context: Context[Any, Any]) -> Record:
        """Say who calls what, before anything is known of whether it will be done."""
        target = arguments.get("connector_id")
        return Record(
            tool=self.name,
            effect=str(self.spec.effect),
            connector_id=target if isinstance(target, str) else None,
            arguments=self.fn_metadata.pre_parse_json(dict(arguments)),
            secrets=self.gate.vault.known(),
            principal=caller_name(),
            client=client_of(context),
            protocol=context.protocol_version,
            undo_of=UNDO_OF.get(),
        )

    def _explain(self, error: Exception, arguments: Mapping[str, Any]) -> ToolFailure:
        cause = error.__cause__ if isinstance(error, ToolError) else error
        if isinstance(cause, ToolError):  # the SDK's, of an answer to a question
            return not_approved(self.name, ENDINGS[Answer.UNREADABLE])
        if isinstance(cause, ToolFailure):
            return cause
        if type(error) is ToolError and isinstance(cause, ValidationError):
            return wrong_arguments(self.name, cause, self.parameters["properties"])
        return failures.explain(cause or error, self.spec, arguments, self._secrets(arguments))

    def _secrets(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        """Find the credentials of a call, also in objects that came as text, and the server's own."""
        return (
            secrets_in(self.fn_metadata.pre_parse_json(dict(arguments))) | self.gate.vault.known()
        )

    def _log_call(
        self, arguments: Mapping[str, Any], started: float, failure: ToolFailure | None
    ) -> None:
        connector_id = arguments.get("connector_id")
        seconds, outcome = time.perf_counter() - started, failure.code if failure else "ok"
        self.gate.metrics.tool_call(self.name, str(self.spec.effect), outcome, seconds)
        if outcome in REFUSALS:
            self.gate.metrics.refusal(outcome)
        _log.info(
            "tool_call",
            tool=self.name,
            effect=str(self.spec.effect),
            connector_id=connector_id[:LONGEST_ID] if isinstance(connector_id, str) else None,
            outcome=outcome,
            milliseconds=round(seconds * 1000, 1),
            **_going(self.spec, arguments),
        )


def _going(spec: Spec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Name what a call uses that will go, so that an operator finds who still calls it."""
    names = [spec.name] if spec.deprecated else []
    names += [name for name in spec.deprecated_arguments if name in arguments]
    return {"deprecated": names} if names else {}
