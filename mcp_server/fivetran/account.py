"""`/v1/account/info`: whose key this is."""

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse
from mcp_server.fivetran.models import AccountInfo
from mcp_server.fivetran.transport import JSON, Transport

_info = TypeAdapter(AccountInfo)


class Account:
    """Operations on the account. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def info(self) -> AccountInfo:
        """Read which account the key belongs to, and which user or system key it is."""
        return parse(_info, await self._transport.get("account", "info", accept=JSON))
