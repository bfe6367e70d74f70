"""What the configurations of the modelled connector types consist of, as the metadata tells it.

With the flaws of the real metadata: the type of an enumeration is `object`, and the credentials of
an OAuth application are not marked as such.
"""

from mcp_server.sandbox.replies import Json


def _text(about: str, **more: object) -> Json:
    return {"type": "string", "title": "", "description": about, **more}


def _secret(about: str) -> Json:
    return _text(about, format="password")


def _whole(about: str) -> Json:
    return {"type": "integer", "title": "", "format": "int32", "description": about}


def _flag(about: str) -> Json:
    return {"type": "boolean", "title": "", "description": about}


def _choice(about: str, *options: str) -> Json:
    return {"type": "object", "title": "", "description": about, "enum": list(options)}


def _many(about: str, items: Json) -> Json:
    return {"type": "array", "title": "", "description": about, "items": items}


def _group(about: str = "", **properties: Json) -> Json:
    return {"type": "object", "title": "", "description": about, "properties": properties}


_TEXTS: Json = {"type": "string", "title": "", "description": ""}
_REACHED: Json = {
    "connection_type": _choice(
        "How the source is reached. Default value: `Directly`.",
        "Directly", "PrivateLink", "SshTunnel", "ProxyAgent",
    ),
    "tunnel_host": _text("SSH host, only to connect through a tunnel."),
    "tunnel_port": _whole("SSH port, only to connect through a tunnel."),
    "tunnel_user": _text("SSH user, only to connect through a tunnel."),
    "public_key": _text("The key to install on the SSH host.", readonly=True),
    "always_encrypted": _flag("Require TLS, also through the tunnel."),
}  # fmt: skip
_SERVER: Json = {
    "host": _text("Host name or IP address of the database."),
    "port": _whole("The port number."),
    "database": _text("The database name."),
    "user": _text("The user name."),
    "password": _secret("The user's password."),
    **_REACHED,
}
_SINCE: Json = {
    "historical_sync_time_frame": _choice(
        "How far back the historical sync goes. Default value: `ALL_TIME`.",
        "ALL_TIME",
        "DATE_LIMIT",
    ),
    "backward_sync_limit": _text("Its first day, as YYYY-MM-DD; only with `DATE_LIMIT`."),
}
_MONTHS = _choice(
    "How many months of reports the first sync loads. Default value: `TWELVE`.",
    "THREE", "SIX", "TWELVE", "TWENTY_FOUR", "ALL_TIME",
)  # fmt: skip
_PAIRS: Json = _group(key=_text("Name of the secret."), value=_secret("The secret."))
_RUNTIME: Json = {
    "secrets": _secret("Secrets for the function, as JSON."),
    "secrets_list": _many("Secrets for the function.", _PAIRS),
    "custom_payloads": _many(
        "Whatever else the function is given.",
        _group(key=_text("Name of the value."), value=_text("The value.")),
    ),
}
_REGIONS = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1",
    "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1",
    "eu-west-2", "eu-west-3", "me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
    "us-west-2",
)  # fmt: skip

NAMING: Json = {
    "schema": _text("Name of the schema in the destination.", immutable=True),
    "schema_prefix": _text("Beginning of the schemas' names in the destination.", immutable=True),
    "table": _text("Name of the table in the destination.", immutable=True),
    # A permanent field that says nothing of it: only its name tells.
    "table_group_name": _text("Name of the group of tables in the destination."),
}
CONFIG: dict[str, Json] = {
    "postgres": {
        **_SERVER,
        "auth_method": _choice(
            "Database authentication method.",
            "PASSWORD", "CLIENT_CERTIFICATE", "ENTRA_ID", "AWS_IAM",
        ),
        "client_public_certificate": _text("Client certificate in .pem format."),
        "client_private_key": _secret("Client private key in .pem format."),
        "update_method": _choice(
            "How changed rows are found. Default value: `WAL_PGOUTPUT`.",
            "WAL_PGOUTPUT", "QUERY_BASED",
        ),
        "publication_name": _text("Publication name, only with `WAL_PGOUTPUT`."),
        "replication_slot": _text("Replication slot, only with `WAL_PGOUTPUT`."),
        "delete_capture_enabled": _flag("Find deleted rows, only with `QUERY_BASED`."),
    },
    "mysql": {
        **_SERVER,
        "update_method": _choice("How changed rows are found.", "BINLOG", "TELEPORT"),
        "replica_id": _whole("Id that no other replica uses."),
    },
    "sql_server": {
        **_SERVER,
        "update_method": _choice(
            "How changed rows are found.", "NATIVE_UPDATE", "TELEPORT", "BINARY_LOG_READER"
        ),
        "enable_tde": _flag("Read transparently encrypted logs."),
        "tde_password": _secret("Password of the private key for encrypted logs."),
    },
    "snowflake_db": {
        **_SERVER,
        "auth": _choice("Authentication type.", "PASSWORD", "KEY_PAIR"),
        "private_key": _secret("Private key, only with `KEY_PAIR`."),
        "passphrase": _secret("Passphrase of the private key, if it has one."),
        "is_private_key_encrypted": _flag("The private key has a passphrase."),
        "role": _text("Role of the user."),
    },
    "salesforce": {
        "authentication_method": _choice(
            "Authentication type. Default value: `OAUTH2`.", "OAUTH2", "STANDARD", "ADVANCED"
        ),
        "base_url": _text("Custom domain, beginning with https://."),
        "api_usage_limit": _whole("Percentage of the daily API limit that may be used."),
        "certificate": _secret("The .pem certificate, only with `ADVANCED`."),
        "private_key": _secret("The .key private key, only with `ADVANCED`."),
        "sync_formula_fields": _flag("Sync formula fields directly. Default value: `false`."),
    },
    "google_analytics_4": {
        "sync_mode": _choice("Which accounts are synced.", "ALL_ACCOUNTS", "SPECIFIC_ACCOUNTS"),
        "accounts": _many("Ids of accounts, with `SPECIFIC_ACCOUNTS`.", _TEXTS),
        "properties": _many("Properties, as `properties/{id}`.", _TEXTS),
        "timeframe_months": _MONTHS,
        "reports": _many(
            "The reports; each becomes a table.",
            {
                **_group(
                    table=_text("Table in the destination."),
                    config_type=_choice("Kind of report.", "PREBUILT", "CUSTOM"),
                    prebuilt_report=_text("Its name, with `PREBUILT`."),
                    dimensions=_many("Dimensions, with `CUSTOM`.", _TEXTS),
                    metrics=_many("Metrics, with `CUSTOM`.", _TEXTS),
                    rollback_window=_whole("Days that are synced again."),
                ),
                "required": ["table", "config_type"],
            },
        ),
    },
    "google_ads": {
        "sync_mode": _choice(
            "Which accounts are synced.", "AllAccounts", "SpecificAccounts", "ManagerAccounts"
        ),
        "customer_id": _text("Id of the customer, from the Google Ads dashboard."),
        "accounts": _many("Ids of accounts, with `SpecificAccounts`.", _TEXTS),
        "manager_accounts": _many("Ids of managers, with `ManagerAccounts`.", _TEXTS),
        "conversion_window_size": _whole("Days in which a conversion is recorded."),
        "skip_empty_reports": _flag("Leave out reports without rows."),
        "timeframe_months": _MONTHS,
        "reports": _many(
            "The reports; each becomes a table.",
            _group(
                table=_text("Table in the destination."),
                report_type=_text("The report it is made from."),
                fields=_many("Fields, if not all.", _TEXTS),
            ),
        ),
    },
    "google_sheets": {
        "sheet_id": _text("Address or id of the sheet."),
        "named_range": _text("The named range whose cells are synced."),
        "auth_type": _choice("Authorization type.", "OAuth", "ServiceAccount"),
    },
    "s3": {
        "bucket": _text("The name of the bucket."),
        "prefix": _text("Folder in which files are looked for."),
        "pattern": _text("Regular expression of the files' names."),
        "auth_type": _choice("How it is accessed.", "IAM_ROLE", "ACCESS_KEY", "PUBLIC_BUCKET"),
        "role_arn": _secret("The role, with `IAM_ROLE`."),
        "external_id": _text("The external id of the role.", readonly=True),
        "access_key_id": _text("Access key id, with `ACCESS_KEY`."),
        "access_key_secret": _secret("Access key secret, with `ACCESS_KEY`."),
        "file_type": _choice(
            "What the files are, if their names do not say it. Default value: `infer`.",
            "infer", "avro", "csv", "json", "jsonl", "parquet", "tsv", "xml", "spreadsheet",
        ),
        "compression": _choice(
            "How they are compressed. Default value: `infer`.",
            "infer", "uncompressed", "bz2", "gzip", "tar", "zip",
        ),
        "delimiter": _text("What separates the columns of a CSV file."),
        "escape_char": _text("What escapes a character of a CSV file."),
        "skip_before": _whole("Lines that are skipped at the beginning."),
        "skip_after": _whole("Lines that are skipped at the end."),
        "on_error": _choice("What happens on a broken line.", "fail", "skip"),
        "append_file_option": _choice(
            "What a changed file does.", "upsert_file", "append_file", "upsert_file_with_primary_keys"
        ),
        "is_public": _flag("The bucket is public. Default value: `false`."),
        "use_pgp_encryption_options": _flag("The files are encrypted with PGP."),
        "pgp_pass_phrase": _secret("Passphrase of the PGP key."),
        "pgp_secret_key": _secret("The PGP key."),
        "files": _many(
            "Which files go to which table.",
            {
                **_group(
                    table_name=_text("Table in the destination."),
                    file_pattern=_text("Regular expression of the files' names."),
                    archive_pattern=_text("The same inside archives."),
                ),
                "required": ["table_name", "file_pattern"],
            },
        ),
    },
    "hubspot": {
        "client_secret": _secret("Client secret of a private app."),
        "sync_sensitive_data": _flag("Sync sensitive fields too."),
        **_SINCE,
    },
    "stripe": {
        "api_key": _secret("Restricted API key."),
        "support_connected_accounts_sync": _flag("Sync connected accounts too."),
        **_SINCE,
    },
    "zendesk": {
        "sub_domain": _text("What stands before .zendesk.com."),
        "api_token": _secret("Deprecated: authorize instead."),
        "email": _text("Address of the user, with a token."),
        "api_usage": {
            "type": "number", "title": "", "description": "Share of the API limit that may be used."
        },
        **_SINCE,
    },
    "facebook_ads": {
        "sync_mode": _choice("Which accounts are synced.", "AllAccounts", "SpecificAccounts"),
        "accounts": _many("Ids of accounts, with `SpecificAccounts`.", _TEXTS),
        "timeframe_months": _MONTHS,
        "custom_reports": _many(
            "Reports beyond the usual ones.",
            _group(
                table_name=_text("Table in the destination."),
                level=_choice("What a row is about.", "ACCOUNT", "CAMPAIGN", "AD_SET", "AD"),
                fields=_many("Fields of the report.", _TEXTS),
                breakdowns=_many("How rows are broken down.", _TEXTS),
                click_attribution_window=_choice("How long a click counts.", "DAY_1", "DAY_7", "DAY_28"),
            ),
        ),
    },
    "shopify": {
        "shop": _text("What stands before .myshopify.com."),
        "client_id": _text("Client id of the app."),
        "client_secret": _secret("Client secret of the app."),
        **_SINCE,
    },
    "jira": {
        "host": _text("Host of the Jira service."),
        "port": _whole("Its port."),
        "user": _text("The user name."),
        "api_token": _secret("API token of the user."),
        "auth_type": _choice("Authorization type.", "BASIC", "OAUTH", "SERVICE_ACCOUNT"),
        "on_premise": _flag("The service is not in the cloud."),
        "sync_mode": _choice("Which projects are synced.", "ALL", "CUSTOM"),
        "projects": _many(
            "Ids of projects, with `CUSTOM`.", {"type": "integer", "title": "", "description": ""}
        ),
    },
    "connector_sdk": {
        "package_id": _text("Id of the uploaded package."),
        "python_version": _text("Python version of the runtime."),
        "configuration": _group("Whatever the package reads, by name."),
        "secrets_list": _RUNTIME["secrets_list"],
    },
    "aws_lambda": {
        "function": _text("Name of the function."),
        "region": _choice("Region of the function.", *_REGIONS),
        "role_arn": _secret("The role that may call it."),
        "sync_method": _choice("Where its answer goes.", "DIRECT", "CLOUD_STORAGE"),
        "bucket": _text("Bucket of its answers, with `CLOUD_STORAGE`."),
        **_RUNTIME,
    },
    "google_cloud_function": {
        "function_trigger": _secret("Address that starts the function."),
        **_RUNTIME,
    },
}  # fmt: skip
"""By service, without the names in the destination."""


def _application(**more: Json) -> Json:
    """Describe what an OAuth application needs; none of it is marked as a credential."""
    return {
        "client_access": _group(
            "The client application.",
            client_id=_text("Client id of the application."),
            client_secret=_text("Client secret of the application."),
            **more,
        ),
        "refresh_token": _text("The long-lived refresh token of the application."),
    }


AUTH: dict[str, Json] = {
    "salesforce": _application(),
    "google_analytics_4": _application(),
    "google_ads": _application(
        developer_token=_text("Developer token, if it has one."),
        user_agent=_text("Name of the company."),
    ),
    "google_sheets": _application(),
    "hubspot": _application(),
    "zendesk": {"access_token": _text("The long-lived access token.")},
    "facebook_ads": {"access_token": _text("The long-lived access token.")},
    "shopify": {"access_token": _text("The access token.")},
}
"""By service, for those that a person authorizes."""
