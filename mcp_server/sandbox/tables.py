"""Schema configs as they are when discovered: the same for the same connection, every time."""

from collections.abc import Container, Iterable, Iterator

from mcp_server.sandbox.chance import number, pick
from mcp_server.sandbox.replies import Json
from mcp_server.sandbox.services import SERVICES, Service

_COLUMNS = (
    "amount", "city", "country", "currency", "description", "discount", "due_on", "external_id",
    "is_active", "label", "language", "note", "origin", "owner_id", "position", "priority",
    "quantity", "reference", "region", "score", "source", "status", "total", "unit_price",
)  # fmt: skip
_ERP_SCHEMAS = ("finance", "hr", "inventory", "logistics", "production", "sales")
_ERP_TABLES_EACH = 200
_ODD_TABLES = {
    "raw files/2026": ("events.v1", "100% done", "what?", 'said "so"', "it's", "a/b", ".."),
    "日本語": ("受注", "naïve café", "two  spaces", "plus+and&"),
    "dots.and.more": ("one.two.three", "%2F", "#anchor", "semi;colon", "back\\slash"),
}
_SOLID_TABLES = ("orders", "customers", "invoices", "payments", "refunds", "schema_migrations")
_CUSTOMER_COLUMNS = (
    "id", "email", "phone", "card_no", "name", "street", "city", "postcode", "country",
    "notes", "created_at", "updated_at",
)  # fmt: skip
_OPEN: Json = {"allowed": True}
_SYSTEM_TABLE: Json = {
    "allowed": False,
    "reason_code": "SYSTEM_TABLE",
    "reason": "The table does not support exclusion",
}
_PRIMARY_KEY: Json = {
    "allowed": False,
    "reason_code": "SYSTEM_COLUMN",
    "reason": "The column does not support exclusion as it is a Primary Key",
}


def build_schemas(connection: Json) -> Json:
    """Build the schema config of a connection."""
    service = SERVICES[connection["service"]]
    special = _SPECIAL.get(connection["id"])
    schemas = special(connection, service) if special else _usual(connection, service)
    handling = pick(connection["id"] + "handling", ("ALLOW_ALL", "ALLOW_COLUMNS", "BLOCK_ALL"))
    return {"schema_change_handling": handling, "schemas": schemas}


def columns_of(
    connection_id: str, schema: str, table: str, changed: Json, gone: Container[tuple[str, ...]]
) -> Json:
    """List every column of a table but those gone; what was changed once is as it was changed."""
    if (connection_id, schema, table) == ("solid_anchor", "public", "customers"):
        names: Iterable[str] = _CUSTOMER_COLUMNS
    else:
        key = f"{connection_id}/{schema}/{table}"
        first = number(key, 0, len(_COLUMNS) - 1)
        count = number(key + "#", 4, 14)
        turned = _COLUMNS[first:] + _COLUMNS[:first]
        names = ("id", *turned[:count], "created_at", "updated_at")
    left = [name for name in names if (schema, table, name) not in gone]
    return {name: changed.get(name) or column(name) for name in left}


def choose(connection_id: str, config: Json, chosen: Json) -> None:
    """Apply a selection made before capture; what cannot be excluded or is not there is ignored."""
    config.update({name: value for name, value in chosen.items() if name != "schemas"})
    for schema_name, schema, wanted in _both(config["schemas"], chosen.get("schemas", {})):
        schema["enabled"] = wanted.get("enabled", schema["enabled"])
        for name, table, settings in _both(schema["tables"], wanted.get("tables", {})):
            if table["enabled_patch_settings"]["allowed"]:
                table["enabled"] = settings.get("enabled", table["enabled"])
            if table["supports_columns_config"]:
                columns = columns_of(connection_id, schema_name, name, {}, ())
                for column_name, found, own in _both(columns, settings.get("columns", {})):
                    if found["enabled_patch_settings"]["allowed"]:
                        table["columns"][column_name] = found | own


def _both(known: Json, wanted: Json) -> Iterator[tuple[str, Json, Json]]:
    return ((name, known[name], wanted[name]) for name in wanted if name in known)


def column(name: str, *, hashed: bool = False) -> Json:
    """Build a column as discovered; the primary key is locked."""
    primary = name == "id"
    return {
        "name_in_destination": destination_name(name),
        "enabled": True,
        "hashed": hashed,
        "is_primary_key": primary,
        "enabled_patch_settings": dict(_PRIMARY_KEY if primary else _OPEN),
    }


def destination_name(name: str) -> str:
    """Turn a source name into one that warehouses accept."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return plain if plain[:1].isalpha() else f"_{plain}"


def _table(name: str, service: Service, mode: str = "SOFT_DELETE") -> Json:
    table: Json = {
        "name_in_destination": destination_name(name),
        "enabled": True,
        "enabled_patch_settings": dict(_OPEN),
        "supports_columns_config": service.columns,
        "supports_history_mode": service.sync_modes,
        "columns": {},
    }
    if service.sync_modes:
        table["sync_mode"] = mode
    return table


def _schema(
    name: str, service: Service, tables: Iterable[str], *, enabled: bool = True, mode: str = ""
) -> Json:
    return {
        "name_in_destination": destination_name(name),
        "enabled": enabled,
        "tables": {table: _table(table, service, mode or "SOFT_DELETE") for table in tables},
    }


def _usual(connection: Json, service: Service) -> Json:
    if not service.database:
        return {_only_key(connection): _schema(connection["schema"], service, service.tables)}
    prefix = connection["schema"]
    schemas = {
        name: _schema(f"{prefix}_{name}", service, service.tables) for name in ("public", "reports")
    }
    for name, table in schemas["reports"]["tables"].items():
        table["enabled"] = pick(f"{connection['id']}/{name}", (True, False))
    return schemas


def _only_key(connection: Json) -> str:
    # Whatever the destination schema is called, Salesforce answers under its own name.
    name: str = connection["schema"]
    return "salesforce" if connection["service"] == "salesforce" else name


def _solid(_connection: Json, service: Service) -> Json:
    public = _schema("pg_billing_public", service, _SOLID_TABLES)
    migrations = public["tables"]["schema_migrations"]
    migrations["enabled_patch_settings"] = dict(_SYSTEM_TABLE)
    migrations.update(supports_columns_config=False, supports_history_mode=False)
    public["tables"]["refunds"]["enabled"] = False
    public["tables"]["customers"]["columns"] = {
        "email": column("email"),
        "card_no": column("card_no", hashed=True),
    }
    names = ("log entries", "log_actors")
    audit = _schema("pg_billing_audit_log", service, names, enabled=False)
    return {"public": public, "audit log": audit}


def _salesforce(connection: Json, service: Service) -> Json:
    schemas = _usual(connection, service)
    tables = schemas["salesforce"]["tables"]
    for name in tables:
        if name.endswith("_history"):
            tables[name]["parent_table"] = name.removesuffix("_history")
    return schemas


def _erp(connection: Json, service: Service) -> Json:
    schemas = {}
    for name in _ERP_SCHEMAS:
        tables = [f"{name}_{turn:03d}" for turn in range(1, _ERP_TABLES_EACH + 1)]
        schemas[name] = _schema(f"{connection['schema']}_{name}", service, tables)
    return schemas


def _odd(_connection: Json, service: Service) -> Json:
    return {name: _schema(name, service, tables) for name, tables in _ODD_TABLES.items()}


def _live(connection: Json, service: Service) -> Json:
    prefix = connection["schema"]
    return {"live": _schema(f"{prefix}_live", service, service.tables, mode="LIVE")}


_SPECIAL = {
    "solid_anchor": _solid,
    "swift_meadow": _salesforce,
    "wide_river": _erp,
    "odd_names": _odd,
    "live_wire": _live,
}
