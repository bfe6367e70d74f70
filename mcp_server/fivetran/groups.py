"""`/v1/groups`: destination groups, where connections live."""

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse
from mcp_server.fivetran.connections import PAGE_SIZE
from mcp_server.fivetran.models import Group, Page
from mcp_server.fivetran.transport import JSON, Transport

_page = TypeAdapter(Page[Group])
_group = TypeAdapter(Group)


class Groups:
    """Operations on groups. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(self, *, cursor: str | None = None, limit: int = PAGE_SIZE) -> Page[Group]:
        """List groups the key may see, one page."""
        params: dict[str, str | int] = {"limit": limit}
        if cursor:
            params["cursor"] = cursor
        return parse(_page, await self._transport.get("groups", params=params, accept=JSON))

    async def get(self, group_id: str) -> Group:
        """Read one group."""
        return parse(_group, await self._transport.get("groups", group_id, accept=JSON))
