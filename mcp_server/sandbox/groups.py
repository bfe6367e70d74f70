"""The account itself, its groups, and the connections of a group."""

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.listing import connections_page
from mcp_server.sandbox.paging import page
from mcp_server.sandbox.replies import Reply, ok


def account_info(_call: Call) -> Reply:
    """GET /v1/account/info."""
    return ok(
        {
            "account_id": "sandbox_account",
            "account_name": "Sandbox",
            "user_id": "quiet_meadow",
        }
    )


def list_groups(call: Call) -> Reply:
    """GET /v1/groups."""
    return ok(page(list(call.account.groups.values()), call.query, dict))


def get_group(call: Call) -> Reply:
    """GET /v1/groups/{groupId}."""
    return ok(call.account.group(call.names[0]))


def list_group_connections(call: Call) -> Reply:
    """GET /v1/groups/{groupId}/connections."""
    group_id: str = call.account.group(call.names[0])["id"]
    return ok(connections_page(call, group_id))
