"""A stateful fake of the Fivetran REST API, for demos and tests without an account."""

from mcp_server.sandbox.app import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.sandbox.calls import Received
from mcp_server.sandbox.faults import Fault

__all__ = ["SANDBOX_KEY", "SANDBOX_SECRET", "Fault", "Received", "Sandbox"]
