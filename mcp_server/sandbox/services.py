"""What the sandbox knows of each connector type."""

from dataclasses import dataclass, field

from mcp_server.sandbox.replies import Json

SECRET_NAMES = frozenset({
    "access_key_secret", "access_token", "agent_password", "api_key", "api_secret", "api_token",
    "certificate", "client_private_key", "client_secret", "connection_string", "password",
    "pgp_pass_phrase", "pgp_secret_key", "private_key", "refresh_token", "role_arn", "secret_key",
    "secrets", "sftp_password", "token",
})  # fmt: skip
MASK = "******"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A connector type: how it is named and set up, and what it can do."""

    naming: tuple[str, ...] = ("schema",)
    required: tuple[str, ...] = ()
    oauth: bool = False
    database: bool = False
    state: bool = False
    table_resync: bool = True
    columns: bool = False
    sync_modes: bool = False
    tables: tuple[str, ...] = ()
    config: Json = field(default_factory=dict)


def _database(port: int, **config: object) -> Service:
    return Service(
        naming=("schema_prefix",),
        required=("host", "user", "password"),
        database=True,
        columns=True,
        sync_modes=True,
        tables=(
            "orders", "customers", "products", "invoices", "payments", "order_items", "addresses",
            "suppliers", "shipments", "stock_levels", "refunds", "price_lists",
        ),
        config={"port": port, "database": "main", "user": "fivetran", **config},
    )  # fmt: skip


SERVICES: dict[str, Service] = {
    "postgres": _database(
        5432,
        update_method="WAL_PGOUTPUT",
        publication_name="fivetran_pub",
        replication_slot="fivetran_slot",
    ),
    "mysql": _database(3306, update_method="BINLOG"),
    "sql_server": _database(1433, update_method="NATIVE_UPDATE"),
    "snowflake_db": _database(443),
    "salesforce": Service(
        oauth=True,
        columns=True,
        sync_modes=True,
        tables=(
            "account",
            "account_history",
            "asset",
            "campaign",
            "campaign_member",
            "case",
            "case_comment",
            "case_history",
            "contact",
            "contact_history",
            "contract",
            "event",
            "lead",
            "lead_history",
            "note",
            "opportunity",
            "opportunity_history",
            "opportunity_line_item",
            "order",
            "pricebook_entry",
            "product_2",
            "profile",
            "task",
            "user",
            "user_role",
        ),
        config={"authentication_method": "OAUTH2", "sync_formula_fields": False},
    ),
    "google_analytics_4": Service(
        oauth=True,
        tables=("events_report", "traffic_acquisition", "pages_and_screens", "conversions"),
        config={"accounts": ["accounts/1001"], "properties": ["properties/2002"]},
    ),
    "google_ads": Service(
        oauth=True,
        tables=("campaign_stats", "ad_group_stats", "keyword_stats", "account_history"),
        config={"customer_id": "100-200-3000", "accounts": ["1002003000"]},
    ),
    "google_sheets": Service(
        naming=("schema", "table"),
        required=("sheet_id", "named_range"),
        oauth=True,
        table_resync=False,
        tables=("budget",),
        config={"sheet_id": "https://docs.google.example/sheet/1", "named_range": "budget"},
    ),
    "s3": Service(
        naming=("schema", "table_group_name"),
        required=("bucket",),
        tables=("events", "archive", "exports"),
        config={"bucket": "acme-landing", "prefix": "in/", "file_type": "csv"},
    ),
    "hubspot": Service(
        oauth=True,
        columns=True,
        tables=("company", "contact", "deal", "deal_stage", "email_event", "engagement", "owner"),
    ),
    "stripe": Service(
        required=("api_key",),
        tables=("balance_transaction", "charge", "customer", "invoice", "refund", "subscription"),
    ),
    "zendesk": Service(
        oauth=True,
        tables=("group", "organization", "ticket", "ticket_comment", "user"),
        config={"sub_domain": "acme"},
    ),
    "facebook_ads": Service(
        oauth=True,
        tables=("ad_history", "ad_set_history", "basic_ad", "campaign_history"),
        config={"accounts": ["act_1001"]},
    ),
    "shopify": Service(
        oauth=True,
        tables=("customer", "order", "order_line", "product", "product_variant", "transaction"),
        config={"shop": "acme"},
    ),
    "jira": Service(
        required=("host", "api_token"),
        tables=("board", "comment", "epic", "issue", "project", "sprint", "user", "version"),
        config={"host": "jira.example", "port": 443, "user": "fivetran"},
    ),
    "connector_sdk": Service(
        required=("package_id",),
        state=True,
        tables=("observation", "station"),
        config={"package_id": "weather_package", "python_version": "3.12"},
    ),
    "aws_lambda": Service(
        required=("function", "region"),
        state=True,
        tables=("record",),
        config={"function": "export-records", "region": "eu-west-1"},
    ),
    "google_cloud_function": Service(
        required=("function_trigger",),
        state=True,
        tables=("record",),
        config={"function_trigger": "https://functions.example/export"},
    ),
}


def is_mask(value: object) -> bool:
    """Tell whether a value is a mask somebody read and sent back."""
    return isinstance(value, str) and value != "" and set(value) == {"*"}


def masked(config: Json) -> Json:
    """Copy a config with its secrets masked, at every depth."""
    return {
        name: MASK if name in SECRET_NAMES and value else _masked_value(value)
        for name, value in config.items()
    }


def _masked_value(value: object) -> object:
    if isinstance(value, dict):
        return masked(value)
    if isinstance(value, list):
        return [_masked_value(item) for item in value]
    return value


def name_of(service: Service, config: Json) -> str:
    """Build the connection's name from the naming fields of its config."""
    return ".".join(str(config[part]) for part in service.naming)
