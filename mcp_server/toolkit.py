"""How a tool is declared: effect, toolset, plan, the named argument types.

A tool is an async function. Left of `*` stand its arguments, which come from the model; right of it
what the server provides, which the model does not see. Its docstring is what the model reads.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Protocol,
    TypeVar,
    get_args,
)

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.models import Connection
from mcp_server.journal import Journal
from mcp_server.unanswered import Unanswered
from mcp_server.vault import Vault

T = TypeVar("T")


class Effect(StrEnum):
    """What a tool does to the account; everything about its safety follows from it."""

    READ = "read"
    WRITE = "write"
    """Changes something that can be changed back."""
    DESTRUCTIVE = "destructive"
    """Costs data, days or money, or cannot be undone."""


class ToolFailure(Exception):  # noqa: N818 -- the field's word for it, as in the SDK's ToolError
    """A failure that was foreseen. Every text in it is written for the model, none comes from outside."""

    def __init__(  # noqa: PLR0913 -- the parts of an error, all but two by name
        self,
        code: str,
        message: str,
        *,
        hint: str,
        retryable: bool = False,
        retry_after_seconds: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Final = code
        self.message: Final = message
        self.hint: Final = hint
        self.retryable: Final = retryable
        self.retry_after_seconds: Final = retry_after_seconds
        self.details: Final = dict(details or {})


class Input(BaseModel):
    """Base of nested arguments: strict, and closed."""

    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, frozen=True, defer_build=True
    )


class Result(BaseModel):
    """Base of results. What is None is not sent, so None means absent."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        frozen=True,
        defer_build=True,  # only what is offered and called is built
    )

    @property
    def recorded_as(self) -> str:
        """How the record calls what this tells of; a call on several can have failed in part."""
        return "ok"


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[datetime, PlainSerializer(_iso, return_type=str)]
"""A moment as ISO 8601 UTC, whole seconds."""


class Target(Result):
    """What a call would act on."""

    connector_id: str
    name: str | None = None
    service: str | None = None
    group_id: str | None = None
    group_name: str | None = None
    state: str | None = None
    paused: bool | None = None
    last_success: Timestamp | None = None


class Preview(Result):
    """What a destructive call would do; shown before it is confirmed."""

    target: Target | None = None
    """None where a call acts on several connectors; `effect` names them."""
    effect: str
    lost: str
    size: str | None = None
    undo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a call is going to do, computed before it does it.

    A tool takes its plan as an injected argument. The gate looks at it before the body runs, so a
    call that is destructive only with certain arguments is caught as well.
    """

    preview: Preview | None
    """None if nothing about this call is destructive."""
    pinned: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that a confirmation has to repeat, so that it is about what was shown."""
    idle: bool = False
    """Whether the call changes nothing: a dry run, or nothing is left to do."""
    concerns: Sequence[Connection] = ()
    """The connectors of a call on several."""
    effect: Effect = Effect.DESTRUCTIVE
    """What it takes to carry it out. WRITE: confirmed as well, for it is large, but can be undone."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """How credentials get into a configuration."""

    vault: Vault
    literals: bool = True
    """Whether they may also be written out in the arguments."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server is and may do."""

    version: str
    mode: str
    toolsets: tuple[str, ...]
    toolsets_off: tuple[str, ...]


class Holder(Protocol):
    """What a server's lifespan yields, as far as tools go."""

    @property
    def fivetran(self) -> Client:
        """The API client of this process."""
        ...

    @property
    def secrets(self) -> Secrets:
        """How credentials get into a configuration."""
        ...

    @property
    def about(self) -> ServerInfo:
        """What this server is and may do."""
        ...

    @property
    def journal(self) -> Journal:
        """The record of what was changed."""
        ...

    @property
    def few_requests_left(self) -> str | None:
        """Which of the account's limits is nearly used up, if any is."""
        ...

    @property
    def unanswered(self) -> Unanswered:
        """What became of calls that were interrupted."""
        ...


def plain(value: Any) -> Any:
    """Write an argument as JSON has it, without what was not given."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_unset=True) if dump else value


class Reporter(Protocol):
    """Tells the client how far a call has come; nobody may listen."""

    async def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Report progress, which only grows."""
        ...


async def _client(ctx: Context[Holder, Any]) -> Client:
    return ctx.request_context.lifespan_context.fivetran


Fivetran = Annotated[Client, Resolve(_client)]
"""The API client, injected."""


async def _secrets(ctx: Context[Holder, Any]) -> Secrets:
    return ctx.request_context.lifespan_context.secrets


SecretSource = Annotated[Secrets, Resolve(_secrets)]
"""Where named credentials come from, injected."""


async def _about(ctx: Context[Holder, Any]) -> ServerInfo:
    return ctx.request_context.lifespan_context.about


Server = Annotated[ServerInfo, Resolve(_about)]
"""What the server is and may do, injected."""


async def _journal(ctx: Context[Holder, Any]) -> Journal:
    return ctx.request_context.lifespan_context.journal


Records = Annotated[Journal, Resolve(_journal)]
"""The record of what was changed, injected."""


async def _unanswered(ctx: Context[Holder, Any]) -> Unanswered:
    token = get_access_token()
    caller = None if token is None else repr((token.client_id, token.subject))
    return ctx.request_context.lifespan_context.unanswered.of(caller)


Unheard = Annotated[Unanswered, Resolve(_unanswered)]
"""What became of the caller's own calls that were interrupted, injected."""


@dataclass(frozen=True, slots=True)
class CallerInfo:
    """What is known of the client that makes a call."""

    protocol: str | None
    can: tuple[str, ...]
    """The capabilities that it declares."""


async def _caller(ctx: Context[Holder, Any]) -> CallerInfo:
    offered = ctx.client_capabilities
    return CallerInfo(
        protocol=ctx.protocol_version,
        can=tuple(offered.model_dump(by_alias=True, exclude_none=True)) if offered else (),
    )


Caller = Annotated[CallerInfo, Resolve(_caller)]
"""What is known of the client, injected."""


async def _progress(ctx: Context[Holder, Any]) -> Reporter:
    return ctx.report_progress


Progress = Annotated[Reporter, Resolve(_progress)]
"""Progress notifications, injected. Their texts hold ids and counts, nothing from outside."""


def _present(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "must not be null: leave it out instead")
    return value


Maybe = Annotated[T | None, BeforeValidator(_present)]
"""An argument that may be left out; null is refused, for it could mean "clear" as well as "any"."""


def _whole(value: Any) -> Any:
    # To JSON Schema 10.0 is an integer; to Python True == 1, so a Literal of numbers would take it.
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""Takes any number without a fraction."""


ConnectorId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id from `list_connectors`.")
]
GroupId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id from `list_groups`.")
]
NameContains = Annotated[
    str, Field(min_length=1, max_length=200, description="Part of the name, in any case.")
]
Limit = Annotated[int, Field(ge=1, le=500, description="Most rows."), Whole]
CursorText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="`next_cursor` of the previous, equal call.",
    ),
]
SourceName = Annotated[
    str,
    Field(min_length=1, max_length=1000, description="Exact name, from `get_schema_config`."),
]
Confirm = Annotated[
    bool,
    Field(description="False: only a preview. True: after a person agreed to it."),
]
Minutes = Annotated[
    Literal[1, 5, 15, 30, 60, 120, 180, 360, 480, 720, 1440],
    Whole,
    Field(description="Minutes between syncs."),
]
ScheduleType = Annotated[
    Literal["auto", "manual"],
    Field(description="`manual`: syncs only when triggered, ignoring frequency and time."),
]
DailySyncTime = Annotated[
    str,
    Field(
        pattern=r"^([01]\d|2[0-3]):00$",
        description="Full hour, UTC (or the destination's: Fivetran's pages differ); only with 1440.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecated:
    """Of a tool, or of an argument: it still works, and will go."""

    since: str
    """The version that announced it."""
    until: str
    """The first version without it."""
    use: str
    """The tool, or the argument of the same tool, to use instead."""

    @property
    def notice(self) -> str:
        """What a model reads first."""
        return f"Deprecated, use `{self.use}`: it goes in {self.until}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One declared tool."""

    fn: Callable[..., Awaitable[Result]]
    name: str
    title: str
    description: str
    toolset: str
    effect: Effect
    idempotent: bool
    rejected_hint: str | None
    deprecated: Deprecated | None = None
    deprecated_arguments: Mapping[str, Deprecated] = field(default_factory=dict, hash=False)

    @property
    def result(self) -> type[Result]:
        """What it answers with."""
        answer: type[Result] = inspect.signature(self.fn).return_annotation
        return answer

    @property
    def is_planned(self) -> bool:
        """Whether the gate sees a plan, and so may ask for a confirmation."""
        return "plan" in inspect.signature(self.fn).parameters

    @property
    def _plan(self) -> Any:
        return inspect.signature(self.fn).parameters["plan"].annotation

    @property
    def planner(self) -> Callable[..., Awaitable[Plan]]:
        """What makes the plan of a planned tool."""
        resolve: Resolve = get_args(self._plan)[1]
        return resolve.fn

    @property
    def confirmed_effect(self) -> Effect:
        """What it takes to carry out a call that has to be confirmed: the default of its plan."""
        plan = get_args(self._plan)[0]
        defaults: dict[str, Any] = {each.name: each.default for each in fields(plan)}
        return Effect(defaults["effect"])

    @property
    def annotations(self) -> ToolAnnotations:
        """The four hints of MCP."""
        return ToolAnnotations(
            read_only_hint=self.effect is Effect.READ,
            destructive_hint=self.effect is Effect.DESTRUCTIVE or self.is_planned,
            idempotent_hint=self.idempotent or self.effect is Effect.READ,
            open_world_hint=True,
        )


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools that are offered together."""

    name: str
    specs: list[Spec] = field(default_factory=list)

    def tool(  # noqa: PLR0913 -- what there is to declare, all by name
        self,
        *,
        title: str,
        effect: Effect,
        idempotent: bool = False,
        rejected_hint: str | None = None,
        deprecated: Deprecated | None = None,
        deprecated_arguments: Mapping[str, Deprecated] | None = None,
    ) -> Callable[[Callable[..., Awaitable[Result]]], Callable[..., Awaitable[Result]]]:
        """Declare the decorated function as a tool.

        `rejected_hint` says what to do when Fivetran rejects the request as invalid.

        Raises:
            TypeError: A destructive tool has no plan, or a planned one no `confirm`; or there is no
                such argument as a deprecated one or its replacement.
        """
        going = dict(deprecated_arguments or {})

        def declare(fn: Callable[..., Awaitable[Result]]) -> Callable[..., Awaitable[Result]]:
            described = inspect.cleandoc(fn.__doc__ or "")
            spec = Spec(
                fn=fn,
                name=fn.__name__,
                title=title,
                description=f"{deprecated.notice}\n\n{described}" if deprecated else described,
                toolset=self.name,
                effect=effect,
                idempotent=idempotent,
                rejected_hint=rejected_hint,
                deprecated=deprecated,
                deprecated_arguments=going,
            )
            parameters = inspect.signature(fn).parameters
            if (effect is Effect.DESTRUCTIVE and not spec.is_planned) or (
                spec.is_planned != ("confirm" in parameters)
            ):
                raise TypeError(
                    f"{spec.name}: what can be destructive needs `confirm` and a `plan`"
                )
            missing = {*going, *(each.use for each in going.values())} - set(parameters)
            if missing:
                raise TypeError(f"{spec.name}: there is no argument {', '.join(sorted(missing))}")
            self.specs.append(spec)
            return fn

        return declare
