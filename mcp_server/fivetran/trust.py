"""`/v1/connections/{id}/certificates` and `/fingerprints`: whom a connection trusts."""

from typing import Final, Literal

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse
from mcp_server.fivetran.connections import PAGE_SIZE
from mcp_server.fivetran.models import Page, Trusted
from mcp_server.fivetran.transport import JSON, Transport

Kind = Literal["certificate", "fingerprint"]

_PATHS: Final[dict[Kind, str]] = {"certificate": "certificates", "fingerprint": "fingerprints"}
_CONTENT: Final[dict[Kind, str]] = {"certificate": "encoded_cert", "fingerprint": "public_key"}

_page = TypeAdapter(Page[Trusted])
_trusted = TypeAdapter(Trusted)


class Trust:
    """Operations on approved certificates and SSH fingerprints. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(
        self, connection_id: str, kind: Kind, *, cursor: str | None = None, limit: int = PAGE_SIZE
    ) -> Page[Trusted]:
        """List what is approved, one page."""
        params: dict[str, str | int] = {"limit": limit}
        if cursor:
            params["cursor"] = cursor
        data = await self._transport.get(
            "connections", connection_id, _PATHS[kind], params=params, accept=JSON
        )
        return parse(_page, data)

    async def get(self, connection_id: str, kind: Kind, trusted_id: str) -> Trusted:
        """Read one by its id, which is its hash in base64url."""
        data = await self._transport.get(
            "connections", connection_id, _PATHS[kind], trusted_id, accept=JSON
        )
        return parse(_trusted, data)

    async def approve(self, connection_id: str, kind: Kind, *, hash_: str, content: str) -> None:
        """Trust a certificate (`content`: it, in base64) or a host (`content`: its public key)."""
        await self._transport.change(
            "POST",
            "connections",
            connection_id,
            _PATHS[kind],
            body={"hash": hash_, _CONTENT[kind]: content},
            accept=JSON,
        )

    async def revoke(self, connection_id: str, kind: Kind, trusted_id: str) -> None:
        """Trust one no longer; by its id."""
        await self._transport.change(
            "DELETE", "connections", connection_id, _PATHS[kind], trusted_id, accept=JSON
        )
