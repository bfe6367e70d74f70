"""Tools on connector types: what can be connected, and what each type needs."""

from mcp_server.toolkit import Toolset

toolset = Toolset("types")
