"""The toolset of what few need: it is not on by default, so that nobody pays for it unasked."""

from mcp_server.toolkit import Toolset

toolset = Toolset("advanced")
