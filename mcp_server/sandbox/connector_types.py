"""Metadata: which connector types there are, and what each needs.

What the API's documents leave open is decided so: the list is in the order of the ids, an unknown
type is a 404, and a type whose configuration nobody described has only its name in the destination.
"""

from functools import cache

from mcp_server.sandbox.calls import Call
from mcp_server.sandbox.connector_fields import AUTH, CONFIG, NAMING
from mcp_server.sandbox.connector_names import Kind, kinds
from mcp_server.sandbox.paging import page
from mcp_server.sandbox.replies import Json, Reply, missing, ok
from mcp_server.sandbox.services import SERVICES, Service

_UNDESCRIBED = Service()
_UPDATED = "2024-05-02"


def list_connector_types(call: Call) -> Reply:
    """GET /v1/metadata/connector-types."""
    return ok(page(list(_kinds().items()), call.query, lambda entry: _item(*entry)))


def get_connector_type(call: Call) -> Reply:
    """GET /v1/metadata/connector-types/{service}."""
    (name,) = call.names
    if name not in _kinds():
        missing("ConnectorType", f"Connector type with id '{name}' does not exist.")
    return ok({**_item(name, _kinds()[name]), **_needs(name)})


@cache
def _kinds() -> dict[str, Kind]:
    return kinds()


def _item(name: str, kind: Kind) -> Json:
    path = name.replace("_", "-")
    return {
        "id": name,
        "name": kind.name,
        "type": kind.category,
        "description": f"{kind.name} is a source of the kind {kind.category}",
        "icons": [],
        "icon_url": f"https://fivetran.com/integrations/{path}/logo.svg",
        "link_to_docs": f"https://fivetran.com/docs/connectors/{path}",
        "link_to_erd": None,
        "connector_class": "lite" if kind.lite else "standard",
        "supported_features": _features(kind, SERVICES.get(name, _UNDESCRIBED)),
        "service_status": kind.status,
        "service_status_updated_at": _UPDATED,
    }


def _features(kind: Kind, service: Service) -> list[Json]:
    notes = "Connection and table level" if service.table_resync else "Connection level"
    has = {
        "API_CONFIGURABLE": kind.by_api,
        "RE_SYNC": True,
        "HISTORY": service.sync_modes,
        "COLUMN_HASHING": service.columns,
        "DATA_BLOCKING": service.columns,
        "CAPTURE_DELETES": service.database,
        "PRIVATE_NETWORKING": service.database,
        "AUTHORIZATION_VIA_API": service.oauth,
    }
    found = (feature for feature, present in has.items() if present)
    return [
        {"id": feature, "notes": notes} if feature == "RE_SYNC" else {"id": feature}
        for feature in found
    ]


def _needs(name: str) -> Json:
    service = SERVICES.get(name, _UNDESCRIBED)
    properties = {part: NAMING[part] for part in service.naming}
    config: Json = {"type": "object", "properties": {**properties, **CONFIG.get(name, {})}}
    if service.required:
        config["required"] = list(service.required)
    needs: Json = {"config": config}
    if name in AUTH:
        needs["auth"] = {"type": "object", "properties": AUTH[name]}
    return needs
