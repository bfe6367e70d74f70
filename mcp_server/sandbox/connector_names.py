"""Which connector types there are: those that can be connected here, and many that are only listed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from mcp_server.sandbox.chance import number, pick


@dataclass(frozen=True, slots=True)
class Kind:
    """A connector type, as far as the list tells it."""

    name: str
    category: str
    status: str = "general_availability"
    lite: bool = False
    by_api: bool = True


MODELLED = {
    "postgres": Kind("PostgreSQL", "Database"),
    "mysql": Kind("MySQL", "Database"),
    "sql_server": Kind("SQL Server", "Database"),
    "snowflake_db": Kind("Snowflake", "Database"),
    "salesforce": Kind("Salesforce", "Sales"),
    "google_analytics_4": Kind("Google Analytics 4", "Marketing"),
    "google_ads": Kind("Google Ads", "Marketing"),
    "google_sheets": Kind("Google Sheets", "File"),
    "s3": Kind("Amazon S3", "File"),
    "hubspot": Kind("HubSpot", "Marketing"),
    "stripe": Kind("Stripe", "Finance"),
    "zendesk": Kind("Zendesk Support", "Support"),
    "facebook_ads": Kind("Facebook Ads", "Marketing"),
    "shopify": Kind("Shopify", "Sales"),
    "jira": Kind("Jira", "Engineering"),
    "connector_sdk": Kind("Connector SDK", "Function"),
    "aws_lambda": Kind("AWS Lambda", "Function"),
    "google_cloud_function": Kind("Google Cloud Functions", "Function"),
}
"""Every service of `services.py`."""

_REAL = {
    "aurora_postgres": Kind("Amazon Aurora PostgreSQL", "Database"),
    "postgres_rds": Kind("Amazon RDS for PostgreSQL", "Database"),
    "azure_postgres": Kind("Azure PostgreSQL", "Database"),
    "google_cloud_postgresql": Kind("Google Cloud PostgreSQL", "Database"),
    "heroku_postgres": Kind("Heroku PostgreSQL", "Database"),
    "mysql_rds": Kind("Amazon RDS for MySQL", "Database"),
    "mysql_azure": Kind("Azure MySQL", "Database"),
    "oracle": Kind("Oracle", "Database"),
    "mongo": Kind("MongoDB", "Database"),
    "fivetran_log": Kind("Fivetran Platform", "Log", by_api=False),
    "google_search_console": Kind("Google Search Console", "Marketing"),
    "linkedin_ads": Kind("LinkedIn Ads", "Marketing"),
    "salesforce_sandbox": Kind("Salesforce sandbox", "Sales"),
    "slack": Kind("Slack", "Productivity", lite=True),
    "15five": Kind("15Five", "HumanResources", lite=True),
    "google_analytics": Kind("Google Analytics", "Marketing", "sunset"),
}
_BRANDS = (
    "Alder", "Basalt", "Cinder", "Dovetail", "Elmwood", "Fernhill", "Granite", "Hawthorn",
    "Ironbark", "Juniper", "Kestrel", "Larkspur", "Magnolia", "Northwind", "Opaline", "Pinecrest",
    "Quartz", "Rosewood", "Saffron", "Thistle", "Umberline", "Verbena", "Willow", "Yellowfin",
    "Zephyr", "Copperleaf", "Driftwood", "Evergreen", "Foxglove",
)  # fmt: skip
_PRODUCTS = {
    "Ads": "Marketing", "Analytics": "Marketing", "Mail": "Marketing", "CRM": "Sales",
    "Commerce": "Sales", "Point of Sale": "Sales", "Payroll": "HumanResources",
    "People": "HumanResources", "Recruiting": "HumanResources", "Billing": "Finance",
    "Payments": "Finance", "Ledger": "Finance", "Tax": "Finance", "Helpdesk": "Support",
    "Chat": "Support", "Surveys": "Support", "Tasks": "Productivity", "Forms": "Productivity",
    "Notes": "Productivity", "Build": "Engineering", "Monitoring": "Engineering",
    "Identity": "Security", "Audit": "Security", "Events": "Events", "Storage": "File",
    "Reports": "API",
}  # fmt: skip
_STATUSES = (
    *("general_availability",) * 15, "beta", "beta", "private_preview", "sunset", "development",
)  # fmt: skip
_LISTED = 752
_NOT_BY_API = 15


def kinds() -> dict[str, Kind]:
    """Build the list, by id; the same every time."""
    invented = _invented(_LISTED - len(_REAL))
    return dict(sorted({**MODELLED, **_REAL, **dict(invented)}.items()))


def _invented(count: int) -> Iterator[tuple[str, Kind]]:
    for (product_name, category), brand in list(product(_PRODUCTS.items(), _BRANDS))[:count]:
        name = f"{brand} {product_name}"
        yield (
            name.lower().replace(" ", "_"),
            Kind(
                name=name,
                category=category,
                status=pick(f"{name}/status", _STATUSES),
                lite=number(f"{name}/lite", 1, 2) == 1,
                by_api=number(f"{name}/api", 1, _NOT_BY_API) != 1,
            ),
        )
