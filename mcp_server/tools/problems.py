"""Tools on what is wrong with a connector: everything known of it, and dismissing warnings."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Generic, TypeVar

import anyio
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import FivetranError, ForbiddenError, NotFoundError
from mcp_server.fivetran.models import ConnectionDetails, Page
from mcp_server.toolkit import ConnectorId, Effect, Fivetran, Result, Timestamp, ToolFailure
from mcp_server.tools import advanced
from mcp_server.tools.findings import (
    Finding,
    Problem,
    from_connector,
    from_errors,
    from_history,
    from_warnings,
    problems,
)
from mcp_server.tools.health import State, failed_last, prospect, state_of
from mcp_server.tools.results import name_of
from mcp_server.tools.syncs import toolset
from mcp_server.tools.targets import listed

MOST_PROBLEMS: Final = 6
BEFORE_FAILURE: Final = timedelta(days=1)
"""How long before its failure a sync may have begun to be looked for."""

V = TypeVar("V")


class ConnectorProblems(Result):
    """What is wrong with a connector."""

    connector_id: str
    name: str | None = None
    service: str | None = None
    state: State
    last_success: Timestamp | None = None
    last_failure: Timestamp | None = None
    summary: str
    problems: list[Problem] = Field(description="The worst first.")
    more_problems: int | None = None
    not_available: list[str] | None = Field(
        default=None, description="What could not be read, and why."
    )


@toolset.tool(title="Get connector problems", effect=Effect.READ)
async def get_connector_problems(
    connector_id: ConnectorId, *, fivetran: Fivetran
) -> ConnectorProblems:
    """Tell why a connector does not work: all that is wrong with it, worst first, and what to do.

    Draws on its tasks, warnings, errors, setup tests and last failed sync. Each problem names the
    tool to call `next`. All connectors in trouble: `triage_connectors`.
    """
    connection = await fivetran.connections.get(connector_id)
    findings, missing = await _gather(fivetran, connection)
    found = problems(findings)
    return ConnectorProblems(
        connector_id=connection.id,
        name=name_of(connection),
        service=connection.service,
        state=state_of(connection),
        last_success=connection.succeeded_at,
        last_failure=connection.failed_at,
        summary=_summary(
            len(found), prospect(connection, fivetran.now())[1], partial=bool(missing)
        ),
        problems=found[:MOST_PROBLEMS],
        more_problems=len(found) - MOST_PROBLEMS if len(found) > MOST_PROBLEMS else None,
        not_available=missing or None,
    )


def _summary(count: int, what_follows: str, *, partial: bool) -> str:
    if count:
        return f"{count} {'problem' if count == 1 else 'problems'}. {what_follows}"
    known = " in what could be read" if partial else ""
    return f"No problem is known{known}. {what_follows}"


async def _gather(
    fivetran: Client, connection: ConnectionDetails
) -> tuple[list[Finding], list[str]]:
    """Read all sources at the same time; what cannot be read is named with the reason."""
    history, failed_at = fivetran.history, failed_last(connection)
    warnings = _Source("warnings", lambda: history.warnings(connection.id))
    errors = _Source("errors", lambda: history.errors(connection.id))
    until = failed_at or fivetran.now()
    start, end = until - BEFORE_FAILURE, until + timedelta(seconds=1)
    syncs = _Source("sync history", lambda: history.syncs(connection.id, start=start, end=end))
    sources: list[_Source[Any]] = [warnings, errors]
    if failed_at is not None:
        sources.append(syncs)
    async with anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(source.fetch)
    findings = [
        *from_connector(connection),
        *from_warnings(warnings.items),
        *from_errors(errors.items),
    ]
    findings += from_history(connection, syncs.items, findings)
    return findings, [source.missing for source in sources if source.missing]


@dataclass(slots=True)
class _Source(Generic[V]):
    """A place to look for problems, which not every account has."""

    name: str
    read: Callable[[], Awaitable[Page[V]]]
    items: Sequence[V] = ()
    missing: str | None = None

    async def fetch(self) -> None:
        """Read it, or say why it could not be read: one failure must not hide the rest."""
        try:
            page = await self.read()
        except (ForbiddenError, NotFoundError):
            self.missing = f"{self.name}: this account or its API key does not have it"
        except FivetranError:
            self.missing = f"{self.name}: could not be read; try again"
        else:
            self.items = page.items
            if page.next_cursor:
                self.missing = f"{self.name}: only the first {len(page.items)} were read"


WarningCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
WarningCodes = Annotated[
    list[WarningCode],
    Field(
        min_length=1,
        max_length=20,
        description="Codes of open warnings, from `get_connector_problems`.",
    ),
]


class DismissedWarning(Result):
    """A warning that was dismissed."""

    code: str
    tables: int = Field(description="On how many; 1 may be the connector as a whole.")


class Dismissed(Result):
    """Warnings that were dismissed."""

    connector_id: str
    dismissed: list[DismissedWarning]
    note: str = "Whatever caused them is still there, unless someone has corrected it."


@advanced.toolset.tool(title="Dismiss warnings", effect=Effect.WRITE)
async def dismiss_warnings(
    connector_id: ConnectorId, codes: WarningCodes, *, fivetran: Fivetran
) -> Dismissed:
    """Hide open warnings of these codes, on all tables, for good; nothing else changes.

    For what is corrected or needs nothing. Warnings cannot be shown again.
    """
    wanted = list(dict.fromkeys(codes))
    tables, complete = await _open_warnings(fivetran, connector_id)
    unknown = [code for code in wanted if code not in tables]
    if unknown:
        raise ToolFailure(
            "not_found",
            f"Connector {connector_id} has no open warning {listed(unknown)}; open are:"
            f" {listed(list(tables)) or 'none'}{'' if complete else ', as far as they were read'}",
            hint="Nothing was dismissed. Name only codes that are open.",
        )
    await fivetran.history.dismiss(connector_id, wanted)
    return Dismissed(
        connector_id=connector_id,
        dismissed=[DismissedWarning(code=code, tables=tables[code]) for code in wanted],
    )


async def _open_warnings(fivetran: Client, connector_id: str) -> tuple[Counter[str], bool]:
    """Count by code the tables with an open warning; and whether all were read.

    Raises:
        ToolFailure: The account has no such list, so nothing can be dismissed by it.
    """
    try:
        page = await fivetran.history.warnings(connector_id)
    except (ForbiddenError, NotFoundError):
        connection = await fivetran.connections.get(connector_id)
        raise ToolFailure(
            "not_available",
            f"Fivetran's API does not list the warnings of connector {connection.id}: this account or"
            " its API key does not have that",
            hint="Nothing was dismissed. A person can dismiss warnings in Fivetran's dashboard.",
        ) from None
    codes = [{warning.code for warning in place.warnings} for place in page.items]
    return Counter(code for each in codes for code in each), page.next_cursor is None
