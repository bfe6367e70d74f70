"""From a question to a running connector, whose password nobody typed."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_server.sandbox import Sandbox
from tests.support import Clock, Connect

PASSWORD = "canary-the-password"


async def test_a_postgres_connector_is_set_up_from_its_name_alone(
    connect: Connect,
    sandbox: Sandbox,
    clock: Clock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each step is taken from the answer before it."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "shop_db").write_text(f"{PASSWORD}\n")
    said: list[Any] = []

    async with connect(secret_dir=str(tmp_path), literal_secrets="refuse") as caller:
        with capture_logs() as logs:

            async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
                answer = await caller.ok(tool, **arguments)
                said.append(answer)
                return answer

            # Which type, and what it needs.
            found = await ask("search_connector_types", query="Postgres")
            service = found["types"][0]["id"]
            needs = await ask("describe_connector_type", service=service)
            paths = [field["path"].removeprefix("config.") for field in needs["fields"]]
            assert {*paths} == {"schema_prefix", "host", "user", "password"}
            groups = await ask("list_groups", name_contains="production")

            # Checked, shown, made; the host is reached through a tunnel that nobody knows yet.
            config = {
                "schema_prefix": "shop",
                "host": "db.shop.example",
                "user": "fivetran",
                "password": {"$file": "shop_db"},
                "tunnel_host": "bastion.shop.example",
                "tunnel_port": 22,
                "tunnel_user": "fivetran",
            }
            creation = {
                "group_id": groups["groups"][0]["id"],
                "service": service,
                "config": config,
                "networking_method": "SshTunnel",
            }
            dry = await ask("create_connector", **creation, dry_run=True)
            assert dry["would_send"]["config"]["password"] == {"$file": "shop_db"}
            made = await ask("create_connector", **creation)
            assert made["outcome"] == "setup_tests_failed"
            assert "warnings" not in made

            # A person compares the host's key, and it is trusted.
            target = {"connector_id": made["id"]}
            tested = await ask("run_setup_tests", **target)
            (key,) = tested["untrusted"]
            trust = {**target, "kind": key["kind"], "hash": key["hash"]}
            refused = await caller.error("approve_trust", **trust)
            said.append(refused)
            assert key["hash"] in json.dumps(refused["preview"])
            await ask("approve_trust", **refused["next_call"]["arguments"])
            assert (await ask("run_setup_tests", **target))["outcome"] == "passed"

            # What it syncs, and off it goes.
            await ask("get_schema_config", **target)
            table = {"schema": "public", "table": "customers"}
            columns = await ask("get_table_columns", **target, **table)
            assert "label" in {column["column"] for column in columns["columns"]}
            hashed = {"public": {"tables": {"customers": {"columns": {"label": {"hashed": True}}}}}}
            await ask("update_schema_config", **target, schemas=hashed)
            await ask("resume_connector", **target)
            clock.wait(60)
            status = await ask("get_sync_status", **target)
            history = await ask("get_sync_history", **target)
            problems = await ask("get_connector_problems", **target)

    assert status["state"] == "healthy"
    assert status["last_success"]
    assert [sync["status"] for sync in history["syncs"]] == ["COMPLETED"]
    assert problems["problems"] == []
    assert sandbox.connections[made["id"]]["config"]["password"] == PASSWORD
    for text in (json.dumps(said), repr(logs), caplog.text):
        assert "canary" not in text
