"""How connections are shown: with their secrets masked, and in lists without their config."""

from mcp_server.sandbox.account import Account
from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.clock import advance, end_moves
from mcp_server.sandbox.paging import page
from mcp_server.sandbox.replies import Json
from mcp_server.sandbox.services import masked

_DETAILS_ONLY = ("config", "source_sync_details")


def shown(account: Account, connection_id: str, **more: object) -> Json:
    """Show one connection as it is now."""
    connection = account.connections[connection_id]
    advance(account, connection_id)
    return {**connection, "config": masked(connection["config"]), **more}


def connections_page(call: Call, group_id: str | None) -> Json:
    """Cut a page of the connections of a group, or of all; only those on it are looked at."""
    name = call.query.get("schema")
    for connection_id in call.account.connections:
        end_moves(call.account, connection_id)
    chosen = [
        connection
        for connection in call.account.connections.values()
        if group_id in (None, connection["group_id"]) and name in (None, connection["schema"])
    ]

    def item(connection: Json) -> Json:
        advance(call.account, connection["id"])
        return {field: connection[field] for field in connection if field not in _DETAILS_ONLY}

    return page(chosen, call.query, item)
