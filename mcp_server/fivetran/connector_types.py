"""`/v1/metadata/connector-types`: what can be connected, and what each type needs.

The same for every account and rarely changed, so it is read once a process.
"""

from typing import Final

import anyio
from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse
from mcp_server.fivetran.connections import PAGE_SIZE
from mcp_server.fivetran.errors import BadAnswerError
from mcp_server.fivetran.models import ConnectorType, ConnectorTypeDetails, Page
from mcp_server.fivetran.transport import JSON, Transport

MOST_PAGES: Final = 20
"""Pages that are walked: 20,000 types, where there are some 770."""

_page = TypeAdapter(Page[ConnectorType])
_details = TypeAdapter(ConnectorTypeDetails)


class ConnectorTypes:
    """The connector types. All operations raise `FivetranError`; failures are not remembered."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._all: tuple[ConnectorType, ...] = ()
        self._details: dict[str, ConnectorTypeDetails] = {}
        self._reading = anyio.Lock()

    async def all(self) -> tuple[ConnectorType, ...]:
        """List every type; the API cannot search."""
        async with self._reading:
            if not self._all:
                self._all = await self._walk()
            return self._all

    async def get(self, service: str) -> ConnectorTypeDetails:
        """Read what the configuration of one type consists of."""
        if service not in self._details:
            data = await self._transport.get("metadata", "connector-types", service, accept=JSON)
            self._details[service] = parse(_details, data)
        return self._details[service]

    async def _walk(self) -> tuple[ConnectorType, ...]:
        found: dict[str, ConnectorType] = {}
        params: dict[str, str | int] = {"limit": PAGE_SIZE}
        for _ in range(MOST_PAGES):
            data = await self._transport.get(
                "metadata", "connector-types", params=params, accept=JSON
            )
            page = parse(_page, data)
            found.update({each.id: each for each in page.items})
            if not page.next_cursor:
                return tuple(found.values())
            params["cursor"] = page.next_cursor
        raise BadAnswerError(f"the list of connector types has no end within {MOST_PAGES} pages")
