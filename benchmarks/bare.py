"""The least an MCP server can be: one SDK tool that does one GET over a pooled client."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel


@dataclass
class App:
    """What lives as long as the process."""

    http: httpx.AsyncClient


class Connection(BaseModel):
    """As much as the real tool answers with."""

    connector_id: str
    name: str
    service: str
    paused: bool
    sync_state: str
    setup_state: str
    succeeded_at: str | None


@asynccontextmanager
async def _lifespan(_: MCPServer[App]) -> AsyncIterator[App]:
    # os.environ: this server has no settings of its own.
    async with httpx.AsyncClient(base_url=os.environ["FIVETRAN_BASE_URL"]) as http:  # noqa: TID251
        yield App(http)


server = MCPServer("bare", lifespan=_lifespan)


@server.tool()
async def get_sync_status(connector_id: str, ctx: Context[App]) -> Connection:
    """Tell whether a connector syncs."""
    http = ctx.request_context.lifespan_context.http
    data = (await http.get(f"/v1/connections/{connector_id}")).json()["data"]
    return Connection(
        connector_id=data["id"],
        name=data["schema"],
        service=data["service"],
        paused=data["paused"],
        sync_state=data["status"]["sync_state"],
        setup_state=data["status"]["setup_state"],
        succeeded_at=data["succeeded_at"],
    )


if __name__ == "__main__":
    server.run()
