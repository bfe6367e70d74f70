"""An async client for the part of Fivetran's REST API that manages connectors.

It knows nothing of MCP. Fivetran's API calls connectors *connections*, and so does this package.
"""

from mcp_server.fivetran.budget import Budget
from mcp_server.fivetran.client import Fivetran
from mcp_server.fivetran.transport import Transport

__all__ = ["Budget", "Fivetran", "Transport"]
