"""Which handler answers which method and path."""

from dataclasses import dataclass
from http import HTTPStatus

from mcp_server.sandbox import (
    column_drops,
    connections,
    connector_types,
    groups,
    history,
    moves,
    schemas,
    setup,
    syncs,
    trust,
    warnings,
)
from mcp_server.sandbox.calls import Handler
from mcp_server.sandbox.replies import Refusal, missing

_NAME = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """An operation; the stars of its path stand for names."""

    method: str
    path: str
    handler: Handler
    body_required: bool = False

    def names(self, parts: list[str]) -> tuple[str, ...] | None:
        """Return the names in a path that fits, in order; None for one that does not."""
        pattern = self.path.split("/")
        if len(pattern) != len(parts):
            return None
        pairs = list(zip(pattern, parts, strict=True))
        fits = all(part if wanted == _NAME else part == wanted for wanted, part in pairs)
        return tuple(part for wanted, part in pairs if wanted == _NAME) if fits else None


_CONNECTION = "v1/connections/*"
_SCHEMAS = f"{_CONNECTION}/schemas"
_TABLE = f"{_SCHEMAS}/*/tables/*"
_TRUST = {kind: f"{_CONNECTION}/{kind}s" for kind in (trust.CERTIFICATE, trust.FINGERPRINT)}
ROUTES = (
    Route("GET", "v1/account/info", groups.account_info),
    Route("GET", "v1/metadata/connector-types", connector_types.list_connector_types),
    Route("GET", "v1/metadata/connector-types/*", connector_types.get_connector_type),
    Route("GET", "public/connector-types", connector_types.list_connector_types),
    Route("GET", "v1/groups", groups.list_groups),
    Route("GET", "v1/groups/*", groups.get_group),
    Route("GET", "v1/groups/*/connections", groups.list_group_connections),
    Route("GET", "v1/connections", connections.list_connections),
    Route("POST", "v1/connections", connections.create_connection),
    Route("GET", _CONNECTION, connections.get_connection),
    Route("PATCH", _CONNECTION, connections.update_connection),
    Route("DELETE", _CONNECTION, connections.delete_connection),
    Route("POST", f"{_CONNECTION}/sync", syncs.sync),
    Route("POST", f"{_CONNECTION}/resync", syncs.resync),
    Route("GET", f"{_CONNECTION}/state", syncs.get_state),
    Route("PATCH", f"{_CONNECTION}/state", syncs.update_state),
    Route("GET", f"{_CONNECTION}/sync-history", history.sync_history),
    Route("GET", f"{_CONNECTION}/errors", history.list_errors),
    Route("GET", f"{_CONNECTION}/warnings", warnings.list_warnings),
    Route("DELETE", f"{_CONNECTION}/warnings/*", warnings.dismiss_warning),
    Route("POST", f"{_CONNECTION}/dismiss-warnings", warnings.dismiss_warnings),
    Route("POST", f"{_CONNECTION}/move", moves.start_move),
    Route("GET", f"{_CONNECTION}/move/*", moves.get_move),
    Route("POST", f"{_CONNECTION}/test", setup.test_connection, body_required=True),
    Route("POST", f"{_CONNECTION}/connect-card", setup.make_connect_card),
    *(
        route
        for kind, path in _TRUST.items()
        for route in (
            Route("GET", path, trust.lists(kind)),
            Route("POST", path, trust.approves(kind), body_required=True),
            Route("GET", f"{path}/*", trust.reads(kind)),
            Route("DELETE", f"{path}/*", trust.revokes(kind)),
        )
    ),
    Route("GET", _SCHEMAS, schemas.get_schemas),
    Route("PATCH", _SCHEMAS, schemas.update_schemas),
    Route("POST", _SCHEMAS, schemas.create_schemas),
    Route("POST", f"{_SCHEMAS}/drop-columns", column_drops.drop_columns),
    Route("POST", f"{_SCHEMAS}/reload", schemas.reload_schemas),
    Route("POST", f"{_SCHEMAS}/tables/resync", syncs.resync_tables),
    Route("PATCH", f"{_SCHEMAS}/*", schemas.update_schema),
    Route("PATCH", _TABLE, schemas.update_table),
    Route("GET", f"{_TABLE}/columns", schemas.list_columns),
    Route("PATCH", f"{_TABLE}/columns/*", schemas.update_column),
    Route("DELETE", f"{_TABLE}/columns/*", column_drops.drop_column),
)


def find(method: str, parts: list[str]) -> tuple[Route, tuple[str, ...]]:
    """Find the operation, or refuse with 404 for the path or 405 for the method."""
    fitting = [(route, names) for route in ROUTES if (names := route.names(parts)) is not None]
    if not fitting:
        missing("", "The requested resource does not exist")
    for route, names in fitting:
        if route.method == method:
            return route, names
    allowed = ", ".join(sorted({route.method for route, _ in fitting}))
    message = f"Method {method} is not allowed"
    raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, {"Allow": allowed})
