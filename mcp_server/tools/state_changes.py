"""The tool that replaces the state of a Function or Connector SDK connector."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import anyio
from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError, InvalidRequestError, OutcomeUnknownError
from mcp_server.fivetran.models import ConnectionDetails
from mcp_server.fivetran.transport import within
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    Effect,
    Fivetran,
    Plan,
    Preview,
    Result,
    SecretSource,
    ToolFailure,
)
from mcp_server.tools.advanced import toolset
from mcp_server.tools.connectors import NO_STATE
from mcp_server.tools.credentials import refuse_masks
from mcp_server.tools.results import name_of
from mcp_server.tools.state import ConnectorState, state_in_parts
from mcp_server.tools.targets import listed, target_of
from mcp_server.untrusted import clean, hide, redact, scrub, secrets_in

SECONDS_BETWEEN_LOOKS: Final = 5.0
MOST_LOOKS: Final = 15
"""Looks until a running sync must have stopped: 70 seconds, where Fivetran itself tries for 60."""

NewState = Annotated[
    dict[str, Any],
    Field(description="All of the new state: what it leaves out is gone."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePlan(Plan):
    """A state to replace."""

    connection: ConnectionDetails
    secrets: frozenset[str]
    """What the answer will not show, wherever it stands."""


async def plan_state_change(
    connector_id: str, state: NewState, fivetran: Fivetran, source: SecretSource
) -> StatePlan:
    """Read the state there is, and tell what replacing it means."""
    refuse_masks({"state": state})
    connection = await fivetran.connections.get(connector_id)
    secrets = secrets_in({"state": state}) | source.vault.known()
    present = await _old_state(fivetran, connection)
    if present == state:
        raise ToolFailure(
            "conflict",
            f"Connector {connector_id} has exactly this state already, so nothing was changed",
            hint="There is nothing left to do; get_connector_state shows it.",
        )
    old = _Backup.of(connector_id, present, secrets)
    return StatePlan(
        connection=connection,
        secrets=secrets,
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect=_effect(old, state, secrets, paused=bool(connection.paused)),
            lost="The old state. A new one that is behind loads data again, one that is ahead skips"
            f" data, an empty one usually loads everything.{'' if old.exact else f' {NO_BACKUP}'}",
            size=f"{old.size} replaced by {_size(state)}",
            undo="Call this again with old_state of the answer; it does not undo what synced since."
            if old.exact
            else "Not from here: the answer cannot show all of the old state.",
        ),
    )


LONGEST_SHOWN: Final = 300
"""Characters of a state that a preview shows."""


def _effect(old: "_Backup", state: Any, secrets: frozenset[str], *, paused: bool) -> str:
    """Show the old and the new state, as far as they fit, so that somebody can judge."""
    before, after = (
        clean(json.dumps(hide(redact(each), secrets), ensure_ascii=False), LONGEST_SHOWN)
        for each in (old.shown.state, state)
    )
    pause = (
        "It is paused, and stays so."
        if paused
        else "It would be paused for that, which stops a running sync, and resumed after."
    )
    return (
        f"Its whole state would be replaced. Now: {before} Then: {after} {pause} The next sync starts"
        " from the new state."
    )


NO_BACKUP: Final = (
    "No copy of it can be had here, for credentials in it are redacted, or it is too large: keep one"
    " from elsewhere first (Fivetran's API, or the connector's own code)."
)


async def _old_state(fivetran: Client, connection: ConnectionDetails) -> Any:
    try:
        return await fivetran.connections.state(connection.id)
    except InvalidRequestError as error:
        words = clean(scrub(error.api_message), 300) if error.api_message else None
        raise ToolFailure(
            "conflict",
            f"Nothing was changed: connector {connection.id} (service {connection.service}) has no"
            " state that could be replaced",
            hint=NO_STATE,
            details={"fivetran": {"status": error.status, "message": words}} if words else None,
        ) from None


def _size(state: Any) -> str:
    """Say how large a state is, and what is in it."""
    size = f"{len(json.dumps(state, ensure_ascii=False).encode(errors='replace'))} bytes"
    if not isinstance(state, Mapping):
        return size
    return f"{size}, entries: {listed([str(key) for key in state]) or 'none'}"


@dataclass(frozen=True, slots=True)
class _Backup:
    """An old state as it can be shown."""

    shown: ConnectorState
    exact: bool
    """Whether what is shown is all of it, as it is."""
    size: str

    @classmethod
    def of(cls, connector_id: str, state: Any, secrets: frozenset[str]) -> "_Backup":
        """Show a state, and tell whether it could be restored from that."""
        shown = state_in_parts(connector_id, state)
        return cls(shown, hide(shown.state, secrets) == state, _size(state))


class StateReplaced(Result):
    """A state after it was replaced, and the old one."""

    connector_id: str
    name: str | None = None
    old_state: dict[str, Any]
    can_undo: bool = Field(
        description="Whether old_state is exact, so that this tool can restore it; else credentials"
        " in it are redacted, or parts left out or shortened."
    )
    too_large: dict[str, int] | None = Field(
        default=None, description="Entries left out of old_state, with their bytes."
    )
    more_too_large: int | None = None
    paused: bool
    next_step: str


@toolset.tool(
    title="Set connector state", effect=Effect.DESTRUCTIVE, idempotent=True, rejected_hint=NO_STATE
)
async def set_connector_state(
    connector_id: ConnectorId,
    state: NewState,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    source: SecretSource,
    plan: Annotated[StatePlan, Resolve(plan_state_change)],
) -> StateReplaced:
    """Replace the cursors of a Function or Connector SDK connector, pausing it meanwhile.

    Answers with the old state: keep it. Read with `get_connector_state` first, and change that.
    """
    work = _Replacement(fivetran, plan.connection, state, plan.secrets)
    old = await work.run()
    paused = bool(plan.connection.paused)
    return StateReplaced(
        connector_id=connector_id,
        name=name_of(plan.connection),
        old_state=old.shown.state,
        can_undo=old.exact,
        too_large=old.shown.too_large,
        more_too_large=old.shown.more_too_large,
        paused=paused,
        next_step="It is still paused: resume_connector when ready."
        if paused
        else "It syncs by its schedule, from the new state on; sync_connector starts one now.",
    )


PAUSE: Final = "pause"
STOP: Final = "wait until the sync has stopped"
READ: Final = "read the old state"
WRITE: Final = "write the new state"
COMPARE: Final = "read it back"
RESUME: Final = "resume"

HINTS: Final = {
    PAUSE: "Nothing was written. See get_sync_status, then call this again.",
    STOP: "Nothing was written. When get_sync_status says paused, call this again.",
    READ: "Nothing was written. Call this again.",
    WRITE: "Compare get_connector_state with old_state, then call this again.",
    COMPARE: "It was written, but is not seen to be there: compare get_connector_state, then call this"
    " again.",
    RESUME: "The new state is in place; only the pause is left.",
}


@dataclass(slots=True)
class _Replacement:
    """A replacement under way; it knows how far it has come."""

    fivetran: Client
    connection: ConnectionDetails
    state: Mapping[str, Any]
    secrets: frozenset[str]
    done: list[str] = field(default_factory=list)
    old: _Backup | None = None

    async def run(self) -> _Backup:
        """Do everything in order; whatever stops it says where it stopped.

        Once it is paused, a caller that goes away does not stop it: it would stay paused unseen.
        """
        with anyio.CancelScope(shield=True), within(math.inf):
            await self._pause()
            await self._stop()
            old = await self._read()
            await self._write()
            await self._resume()
        return old

    async def _pause(self) -> None:
        if self.connection.paused:
            return
        try:
            await self._switch(paused=True)
        except OutcomeUnknownError as error:
            raise await self._failure(PAUSE, error) from None
        self.done.append(PAUSE)

    async def _switch(self, *, paused: bool) -> None:
        await self.fivetran.connections.update(
            self.connection.id, paused=paused, run_setup_tests=False
        )

    async def _stop(self) -> None:
        for look in range(MOST_LOOKS):
            if look:
                await anyio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                found = await self.fivetran.connections.get(self.connection.id)
            except FivetranError as error:
                raise await self._failure(STOP, error) from None
            if found.status.sync_state == "paused":
                return
        raise await self._failure(STOP)

    async def _read(self) -> _Backup:
        """Read the state that is lost: a sync may have changed it since it was looked at."""
        try:
            state = await self.fivetran.connections.state(self.connection.id)
        except FivetranError as error:
            raise await self._failure(READ, error) from None
        self.old = _Backup.of(self.connection.id, state, self.secrets)
        return self.old

    async def _write(self) -> None:
        """Write, and see that it is there; that settles a lost answer too."""
        lost: OutcomeUnknownError | None = None
        try:
            await self.fivetran.connections.write_state(self.connection.id, self.state)
        except OutcomeUnknownError as error:
            lost = error
        except FivetranError as error:
            raise await self._failure(WRITE, error) from None
        step = WRITE if lost else COMPARE
        self.done += [] if lost else [WRITE]
        try:
            now = await self.fivetran.connections.state(self.connection.id)
        except FivetranError as error:
            raise await self._failure(step, error) from None
        if now != self.state:
            raise await self._failure(step, lost)
        self.done += [WRITE, COMPARE] if lost else [COMPARE]

    async def _resume(self) -> None:
        if self.connection.paused:
            return
        try:
            await self._switch(paused=False)
        except FivetranError as error:
            raise await self._failure(RESUME, error) from None

    async def _failure(self, step: str, error: FivetranError | None = None) -> ToolFailure:
        """Say what was done, what was not, how the connector is now, and what the old state was."""
        try:
            paused = (await self.fivetran.connections.get(self.connection.id)).paused
        except FivetranError:
            paused = None
        was, now = bool(self.connection.paused), _PAUSED[paused]
        hint = HINTS[step]
        if not was and paused is not False:
            hint += " It ran before: call resume_connector when all is well."
        return ToolFailure(
            "incomplete",
            f"Replacing the state of connector {self.connection.id} stopped at: {step}."
            f" Done before: {', '.join(self.done) or 'nothing'}. It is {now}",
            hint=hint,
            details={
                "stopped_at": step,
                "done": list(self.done),
                "was_paused": was,
                "paused": paused,
                **self._old_state(),
                **_words(error),
            },
        )

    def _old_state(self) -> dict[str, Any]:
        if self.old is None:
            return {}
        return {
            "old_state": self.old.shown.model_dump(exclude_none=True),
            "can_undo": self.old.exact,
        }


_PAUSED: Final = {True: "paused now", False: "not paused", None: "paused or not, it is not known"}


def _words(error: FivetranError | None) -> dict[str, Any]:
    """Pass on what Fivetran said, if it said anything."""
    if error is None or error.status is None:
        return {}
    words = clean(scrub(error.api_message), 300) if error.api_message else None
    return {"fivetran": {"status": error.status, **({"message": words} if words else {})}}
