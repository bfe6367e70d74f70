"""The state a Function or Connector SDK connector keeps: free JSON of any size."""

from typing import Any, Final

from pydantic import Field

from mcp_server.toolkit import Result
from mcp_server.untrusted import clean, fit, redact

STATE_BUDGET: Final = 20_000
"""Bytes of a state that are shown; larger entries are named with their size."""
MOST_NAMED: Final = 50


class ConnectorState(Result):
    """A connector's own state. Credentials in it are redacted."""

    connector_id: str
    state: dict[str, Any]
    complete: bool
    too_large: dict[str, int] | None = Field(
        default=None, description="Entries left out, with their bytes."
    )
    more_too_large: int | None = Field(default=None, description="Entries left out without names.")


def state_in_parts(connector_id: str, state: Any) -> ConnectorState:
    """Show a state, whole if it fits."""
    entries = state if isinstance(state, dict) else {} if state is None else {"value": state}
    kept, too_large = fit(redact(entries), STATE_BUDGET)
    named = {clean(key, 100): size for key, size in [*too_large.items()][:MOST_NAMED]}
    return ConnectorState(
        connector_id=connector_id,
        state=kept,
        complete=not too_large,
        too_large=named or None,
        more_too_large=(len(too_large) - len(named)) or None,
    )
