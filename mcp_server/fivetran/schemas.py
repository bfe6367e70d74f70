"""`/v1/connections/{id}/schemas`: what a connection syncs. Names are the source's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from mcp_server.fivetran.answers import parse, parse_changed
from mcp_server.fivetran.models import Column, Columns, SchemaConfig
from mcp_server.fivetran.transport import JSON, Transport

_config = TypeAdapter(SchemaConfig)
_columns = TypeAdapter(Columns)


class Schemas:
    """Operations on schema configurations. All raise `FivetranError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, connection_id: str) -> SchemaConfig:
        """Read the whole configuration; the API does not page it."""
        data = await self._transport.get("connections", connection_id, "schemas", accept=JSON)
        return parse(_config, data)

    async def columns(self, connection_id: str, schema: str, table: str) -> dict[str, Column]:
        """Read all columns of a table, live from the source."""
        data = await self._transport.get(
            "connections",
            connection_id,
            "schemas",
            schema,
            "tables",
            table,
            "columns",
            accept=JSON,
            kind="source",
        )
        return parse(_columns, data).columns

    async def update(self, connection_id: str, changes: Mapping[str, Any]) -> None:
        """Merge changes in. The answer may hold only the difference, so it is not returned."""
        await self._transport.change(
            "PATCH", "connections", connection_id, "schemas", body=changes, accept=JSON
        )

    async def create(self, connection_id: str, config: Mapping[str, Any]) -> None:
        """Choose what a new connection syncs before its schema is first captured."""
        await self._transport.change(
            "POST", "connections", connection_id, "schemas", body=config, accept=JSON
        )

    async def drop_columns(
        self, connection_id: str, columns: Mapping[str, Mapping[str, Sequence[str]]]
    ) -> None:
        """Drop blocked columns, by schema and table, from the destination at the next sync."""
        schemas = {
            schema: {"tables": {table: {"columns": [*names]} for table, names in tables.items()}}
            for schema, tables in columns.items()
        }
        await self._transport.change(
            "POST",
            "connections",
            connection_id,
            "schemas",
            "drop-columns",
            body={"schemas": schemas},
            accept=JSON,
        )

    async def reload(self, connection_id: str, exclude_mode: str) -> SchemaConfig:
        """Read the source's schema anew; slow. INCLUDE and EXCLUDE switch every table."""
        data = await self._transport.change(
            "POST",
            "connections",
            connection_id,
            "schemas",
            "reload",
            body={"exclude_mode": exclude_mode},
            accept=JSON,
            kind="source",
        )
        return parse_changed(_config, data)
