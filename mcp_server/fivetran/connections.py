"""`/v1/connections`: what Fivetran's users call connectors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse, parse_changed
from mcp_server.fivetran.errors import FivetranError, NotFoundError, OutcomeUnknownError
from mcp_server.fivetran.models import (
    CardOfConnection,
    ConnectCard,
    Connection,
    ConnectionDetails,
    Page,
)
from mcp_server.fivetran.transport import Transport
from mcp_server.fivetran.windows import Kind

PAGE_SIZE: Final = 1000
"""The most rows the API gives at once."""

_VERIFIABLE: Final = frozenset({"paused", "sync_frequency", "schedule_type", "daily_sync_time"})

_page = TypeAdapter(Page[Connection])
_details = TypeAdapter(ConnectionDetails)
_card = TypeAdapter(CardOfConnection)


class Connections:
    """Operations on connections. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(
        self,
        *,
        group_id: str | None = None,
        name: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_SIZE,
    ) -> Page[Connection]:
        """List connections the key may see, one page; `name` is matched exactly by the API."""
        given = {"group_id": group_id, "schema": name, "cursor": cursor}
        params = {key: value for key, value in given.items() if value}
        data = await self._transport.get("connections", params={**params, "limit": limit})
        return parse(_page, data)

    async def get(self, connection_id: str) -> ConnectionDetails:
        """Read one connection."""
        return parse(_details, await self._transport.get("connections", connection_id))

    async def create(self, fields: Mapping[str, Any]) -> ConnectionDetails:
        """Create a connection. Not idempotent: look with `page(group_id, name)` before a retry."""
        data = await self._transport.change(
            "POST", "connections", body=fields, kind=_kind_of(fields)
        )
        return parse_changed(_details, data)

    async def update(self, connection_id: str, **fields: Any) -> ConnectionDetails:
        """Change fields of a connection; those not named stay.

        The API runs setup tests unless `run_setup_tests` is false. A change that is in absolute
        values can be verified: when its answer is lost, or is the 500 that pausing a syncing
        connection is known for, the connection is read, and only a change that did not take, or
        that cannot be seen to have, is an error.
        """
        try:
            data = await self._transport.change(
                "PATCH", "connections", connection_id, body=fields, kind=_kind_of(fields)
            )
            return parse_changed(_details, data)
        except OutcomeUnknownError as unknown:
            wanted = {key: value for key, value in fields.items() if key != "run_setup_tests"}
            if not wanted.keys() <= _VERIFIABLE:
                raise
            try:
                found = await self.get(connection_id)
            except FivetranError:
                raise unknown from None
            if all(getattr(found, key) == value for key, value in wanted.items()):
                return found
            raise

    async def delete(self, connection_id: str) -> None:
        """Delete a connection for good. A lost answer is settled by a read."""
        try:
            await self._transport.change("DELETE", "connections", connection_id)
        except OutcomeUnknownError as unknown:
            try:
                await self.get(connection_id)
            except NotFoundError:
                return
            except FivetranError:
                raise unknown from None
            raise

    async def sync(self, connection_id: str, *, force: bool) -> None:
        """Start a sync. `force` stops a running one first; without it a running one goes on."""
        await self._transport.change(
            "POST", "connections", connection_id, "sync", body={"force": force}
        )

    async def resync(
        self, connection_id: str, tables: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Start a historical sync of the named tables; with None of everything."""
        body = {} if tables is None else {"scope": {k: list(v) for k, v in tables.items()}}
        await self._transport.change("POST", "connections", connection_id, "resync", body=body)

    async def test(
        self,
        connection_id: str,
        *,
        trust_certificates: bool = False,
        trust_fingerprints: bool = False,
    ) -> ConnectionDetails:
        """Run the setup tests live, which also discovers the schema; failed ones are no error.

        Trusting approves for good whatever certificate or host key the source presents.
        """
        body = {"trust_certificates": trust_certificates, "trust_fingerprints": trust_fingerprints}
        data = await self._transport.change(
            "POST", "connections", connection_id, "test", body=body, kind="setup"
        )
        return parse_changed(_details, data)

    async def connect_card(
        self, connection_id: str, *, redirect_uri: str, hide_setup_guide: bool
    ) -> ConnectCard:
        """Make a page where a person enters the credentials; its address is a secret for a day."""
        config = {"redirect_uri": redirect_uri, "hide_setup_guide": hide_setup_guide}
        data = await self._transport.change(
            "POST",
            "connections",
            connection_id,
            "connect-card",
            body={"connect_card_config": config},
        )
        return parse_changed(_card, data).connect_card

    async def write_state(self, connection_id: str, state: Mapping[str, Any]) -> None:
        """Replace the state of a paused Function or Connector SDK connection; the old one is lost."""
        await self._transport.change(
            "PATCH", "connections", connection_id, "state", body={"state": dict(state)}
        )

    async def state(self, connection_id: str) -> Any:
        """Read the state that a Function or Connector SDK connection keeps; free JSON."""
        data = await self._transport.get("connections", connection_id, "state")
        return data.get("state")


def _kind_of(fields: Mapping[str, Any]) -> Kind:
    return "all" if fields.get("run_setup_tests") is False else "setup"
