"""The client: one attribute per noun of the API."""

from collections.abc import Callable
from datetime import UTC, datetime

from mcp_server.fivetran.account import Account
from mcp_server.fivetran.connections import Connections
from mcp_server.fivetran.connector_types import ConnectorTypes
from mcp_server.fivetran.groups import Groups
from mcp_server.fivetran.history import History
from mcp_server.fivetran.moves import Moves
from mcp_server.fivetran.schemas import Schemas
from mcp_server.fivetran.transport import Transport
from mcp_server.fivetran.trust import Trust


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Fivetran:
    """Fivetran's REST API, as one account's key sees it.

    `now` is the clock by which ages are told, `budget` what the account's limits leave.
    """

    def __init__(self, transport: Transport, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.now = now
        self.budget = transport.budget
        self.account = Account(transport)
        self.connections = Connections(transport)
        self.connector_types = ConnectorTypes(transport)
        self.groups = Groups(transport)
        self.history = History(transport)
        self.moves = Moves(transport)
        self.schemas = Schemas(transport)
        self.trust = Trust(transport)
