"""What happens to `config` and `auth` before they are sent: checked, filled in, or refused."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, changes

PASSWORD = "canary-Pa55 w\u00f6rd"
POSTGRES: dict[str, Any] = {
    "schema_prefix": "pg_new",
    "host": "db.example",
    "port": 5432,
    "user": "fivetran",
    "password": {"$env": "PG_PASSWORD"},
    "database": "shop",
    "update_method": "WAL_PGOUTPUT",
}


def creation(service: str = "postgres", **config: Any) -> dict[str, Any]:
    """Ask for a connector; a field of None is left out."""
    whole = {**(POSTGRES if service == "postgres" else {}), **config}
    given = {name: value for name, value in whole.items() if value is not None}
    return {"group_id": "amber_harbor", "service": service, "config": given}


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Open a variable and a directory; the settings that do so."""
    monkeypatch.setenv("PG_PASSWORD", PASSWORD)
    monkeypatch.setenv("OTHER_SECRET", "canary-other")
    (tmp_path / "stripe_key").write_text("canary-file-key\n")
    return {"secret_env": "PG_*", "secret_dir": str(tmp_path)}


async def test_every_problem_is_told_at_once_by_its_path_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Unknown, of the wrong type, no option, missing: one answer, and no value in it."""
    error = await caller.error(
        "create_connector",
        **creation(
            hostt="canary", host=None, port="canary-port", update_method="CANARY", password="canary"
        ),
    )

    assert error["code"] == "invalid_arguments"
    for place, words in {
        "config.hostt": "did you mean host?",
        "config.host": "is required",
        "config.port": "should be a whole number",
        "config.update_method": "is not one of the options: ",
    }.items():
        assert f"{place}: " in error["message"]
        assert words in error["message"]
    assert "canary" not in json.dumps(error).casefold()
    assert "describe_connector_type(service='postgres')" in error["hint"]
    assert changes(sandbox) == []


async def test_a_change_is_checked_against_the_connectors_own_service(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing is required then, but what is permanent stays."""
    error = await caller.error(
        "update_connector",
        connector_id="brisk_lantern",
        config={"schema_prefix": "x", "pasword": "canary", "port": True},
    )

    assert "config.schema_prefix: cannot be changed" in error["message"]
    assert "config.pasword: is unknown; did you mean password?" in error["message"]
    assert "config.port: should be a whole number" in error["message"]
    assert changes(sandbox) == []


async def test_without_metadata_the_answer_says_that_nothing_was_checked(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran judges it then; credentials are known by their names."""
    sandbox.fail(Fault(path="/v1/metadata/.*", status=500, times=99))

    created = await caller.ok("create_connector", **creation(password="canary", note="n"))
    updated = await caller.ok(
        "update_connector", connector_id="solid_anchor", config={"host": "db2.example"}
    )

    assert "were not checked" in created["warnings"][0]
    assert "config.password" in created["warnings"][1]
    assert "were not checked" in updated["warnings"][0]


async def test_a_service_that_metadata_lists_but_does_not_describe_is_left_to_fivetran(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Only a service that is not listed either is unknown."""
    sandbox.fail(Fault(path="/v1/metadata/connector-types/stripe", status=404))

    created = await caller.ok("create_connector", **creation("stripe", schema="s", api_key="k" * 9))

    assert "were not checked" in created["warnings"][0]


async def test_a_connector_of_an_unknown_service_is_changed_unchecked(
    caller: Caller, sandbox: Sandbox
) -> None:
    """An answer of Fivetran's may leave the service out, and a service may leave the metadata."""
    body = {"code": "Success", "data": {"id": "solid_anchor"}}
    sandbox.fail(Fault(method="GET", path="/v1/connections/solid_anchor", status=200, body=body))
    first = await caller.ok("update_connector", connector_id="solid_anchor", config={"x": 1})
    sandbox.fail(Fault(path="/v1/metadata/connector-types/postgres", status=404))
    second = await caller.ok("update_connector", connector_id="solid_anchor", config={"y": 1})

    assert "were not checked" in first["warnings"][0]
    assert "were not checked" in second["warnings"][0]


async def test_a_named_credential_reaches_fivetran_and_nobody_else(
    connect: Connect, sandbox: Sandbox, opened: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """From a variable or a file; no answer, log or preview has it, not even one of Fivetran's."""
    caplog.set_level(logging.DEBUG)
    words = f"bad password {PASSWORD!r}, or canary-file-key"
    async with connect(**opened) as caller:
        with capture_logs() as logs:
            dry = await caller.ok("create_connector", **creation(), dry_run=True)
            made = await caller.ok("create_connector", **creation())
            stripe = creation("stripe", schema="shop", api_key={"$file": "stripe_key"})
            other = await caller.ok("create_connector", **stripe)
            sandbox.fail(Fault(method="PATCH", status=400, body={"code": "x", "message": words}))
            refused = await caller.error(
                "update_connector",
                connector_id=made["id"],
                config={"password": {"$env": "PG_PASSWORD"}},
            )

    assert sandbox.connections[made["id"]]["config"]["password"] == PASSWORD
    assert sandbox.connections[other["id"]]["config"]["api_key"] == "canary-file-key"
    assert dry["would_send"]["config"]["password"] == {"$env": "PG_PASSWORD"}
    assert "warnings" not in made
    assert refused["fivetran"]["message"].startswith("bad password '[redacted]', or [redacted]")
    for text in (json.dumps([dry, made, other, refused]), repr(logs), caplog.text):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"$env": "OTHER_SECRET"}, "no such variable was opened to this server; open: PG_PASSWORD"),
        ({"$env": "FIVETRAN_API_SECRET"}, "no such variable was opened"),
        ({"$file": "../stripe_key"}, "it is not the plain name of a file; open: stripe_key"),
        ({"$file": "other"}, "there is no such file of text in the directory"),
        ({"$env": 5}, "write a reference as"),
        ({"$env": "PG_PASSWORD", "$file": "stripe_key"}, "write a reference as"),
        ({"$env": "PG_PASSWORD", "x": 1}, "write a reference as"),
    ],
)
async def test_a_reference_that_gives_nothing_is_told_with_what_would(
    connect: Connect,
    sandbox: Sandbox,
    opened: dict[str, Any],
    reference: dict[str, Any],
    words: str,
) -> None:
    """And nothing is sent."""
    async with connect(**opened) as caller:
        error = await caller.error("create_connector", **creation(password=reference))

    assert "config.password: " in error["message"]
    assert words in error["message"]
    assert "canary" not in json.dumps(error)
    assert changes(sandbox) == []


async def test_by_default_no_reference_is_looked_up(
    caller: Caller, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator opens what may be named."""
    monkeypatch.setenv("PG_PASSWORD", PASSWORD)

    error = await caller.error("create_connector", **creation())

    assert "config.password: this server looks up no references" in error["message"]
    assert "FIVETRAN_MCP_SECRET_ENV" in error["message"]
    assert changes(sandbox) == []


async def test_a_reference_stands_for_a_text_also_in_lists_and_auth(
    connect: Connect, sandbox: Sandbox, opened: dict[str, Any]
) -> None:
    """Wherever a text may stand; nowhere else."""
    async with connect(**opened) as caller:
        made = await caller.ok(
            "create_connector",
            **creation(
                "connector_sdk",
                schema="mine",
                package_id="p1",
                secrets_list=[{"key": "token", "value": {"$env": "PG_PASSWORD"}}],
            ),
        )
        error = await caller.error("create_connector", **creation(port={"$env": "PG_PASSWORD"}))

    config = sandbox.connections[made["id"]]["config"]
    assert config["secrets_list"] == [{"key": "token", "value": PASSWORD}]
    assert "config.port: should be a whole number; a reference stands for" in error["message"]


async def test_a_written_out_credential_is_taken_with_a_warning(caller: Caller) -> None:
    """The model has seen it then."""
    made = await caller.ok("create_connector", **creation(password="canary-typed"))

    (warning,) = made["warnings"]
    assert warning.startswith(
        "Written out, so the model and its host have seen it: config.password."
    )
    assert "create_connect_card" in warning


async def test_a_written_out_credential_is_refused_where_the_operator_says_so(
    connect: Connect, sandbox: Sandbox, opened: dict[str, Any]
) -> None:
    """In a new connector and in a change; a reference passes."""
    async with connect(**opened, literal_secrets="refuse") as caller:
        error = await caller.error("create_connector", **creation(password="canary-typed"))
        change = {"connector_id": "solid_anchor", "config": {"password": "canary-typed"}}
        again = await caller.error("update_connector", **change)
        made = await caller.ok("create_connector", **creation())

    for each in (error, again):
        assert (
            "config.password: this server takes no credential that is written out"
            in (each["message"])
        )
        assert "canary" not in json.dumps(each)
    assert [method for method, *_ in changes(sandbox)] == ["POST"]
    assert made["outcome"] == "ready"


async def test_a_field_that_only_the_metadata_calls_secret_is_hidden_too(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Its name says nothing, so its value is remembered."""
    described = {
        "id": "stripe",
        "name": "Stripe",
        "config": {
            "type": "object",
            "properties": {
                "schema": {"type": "string"},
                "opener": {"type": "string", "format": "password"},
            },
        },
    }
    body = {"code": "Success", "data": described}
    path = "/v1/metadata/connector-types/stripe"
    sandbox.fail(Fault(method="GET", path=path, status=200, body=body))
    words = {"code": "InvalidInput", "message": "not canary-opener"}
    sandbox.fail(Fault(method="POST", status=400, body=words))
    asked = creation("stripe", schema="shop", opener="canary-opener")

    dry = await caller.ok("create_connector", **asked, dry_run=True)
    error = await caller.error("create_connector", **asked)

    assert dry["would_send"]["config"] == {"schema": "shop", "opener": "[redacted]"}
    assert "canary" not in json.dumps([dry, error])


async def test_a_dry_run_of_a_creation_shows_what_would_be_sent_and_sends_nothing(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Credentials redacted; the defaults that are sent are shown."""
    answer = await caller.ok(
        "create_connector",
        **creation(password="canary", tables=None),
        auth={"client_access": {"client_secret": "canary"}},
        sync_frequency=60,
        dry_run=True,
    )

    assert answer["outcome"] == "dry_run"
    assert answer["would_send"] == {
        "group_id": "amber_harbor",
        "service": "postgres",
        "config": {**POSTGRES, "password": "[redacted]"},
        "auth": {"client_access": {"client_secret": "[redacted]"}},
        "paused": True,
        "sync_frequency": 60,
    }
    assert "without dry_run" in answer["next_step"]
    assert "id" not in answer
    assert changes(sandbox) == []


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"paused": True}, {"paused": True, "run_setup_tests": False}),
        (
            {"config": {"password": "canary", "host": "db2"}, "run_setup_tests": False},
            {"config": {"password": "[redacted]", "host": "db2"}, "run_setup_tests": False},
        ),
    ],
)
async def test_a_dry_run_of_a_change_shows_what_would_be_sent_and_sends_nothing(
    caller: Caller, sandbox: Sandbox, given: dict[str, Any], body: dict[str, Any]
) -> None:
    """With or without a configuration."""
    answer = await caller.ok("update_connector", connector_id="solid_anchor", **given, dry_run=True)

    assert answer["outcome"] == "dry_run"
    assert answer["would_send"] == body
    assert changes(sandbox) == []


async def test_a_service_that_a_person_authorizes_points_to_the_connect_card(
    caller: Caller,
) -> None:
    """After its creation, and when credentials are given that Fivetran may not take."""
    made = await caller.ok(
        "create_connector", **creation("google_ads", schema="ads"), run_setup_tests=False
    )
    warned = await caller.ok(
        "create_connector",
        **creation("stripe", schema="s"),
        auth={"code": "x"},
        run_setup_tests=False,
    )

    assert made["outcome"] == "setup_incomplete"
    assert "create_connect_card" in made["next_step"]
    assert any("create_connect_card" in each for each in warned["warnings"])


async def test_a_service_that_cannot_be_set_up_by_api_is_warned_of(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Before Fivetran refuses it."""
    listed = await caller.ok("search_connector_types", query="a", limit=500)
    closed = next(row["id"] for row in listed["types"] if not row["api"])

    answer = await caller.ok(
        "create_connector", **creation(closed, schema="s"), run_setup_tests=False, dry_run=True
    )

    assert "does not let this service be set up by API" in answer["warnings"][0]
    assert changes(sandbox) == []


async def test_a_service_of_which_nothing_can_be_read_is_left_to_fivetran(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A list that cannot be read does not prove that there is no such service."""
    sandbox.fail(Fault(path="/v1/metadata/connector-types/stripe", status=404))
    sandbox.fail(Fault(path="/v1/metadata/connector-types", status=403))

    created = await caller.ok("create_connector", **creation("stripe", schema="s", api_key="k" * 9))

    assert "were not checked" in created["warnings"][0]


async def test_a_dry_run_finds_out_whether_the_group_is_there_and_the_name_is_free(
    caller: Caller, sandbox: Sandbox
) -> None:
    """As far as the key may read that."""
    wrong = {**creation(password="long-enough"), "group_id": "Production"}
    unknown = await caller.error("create_connector", **wrong, dry_run=True)
    taken = await caller.error(
        "create_connector",
        **creation(password="long-enough", schema_prefix="pg_billing"),
        dry_run=True,
    )
    sandbox.fail(Fault(method="GET", path="/v1/groups/.*", status=403))
    unread = await caller.ok("create_connector", **creation(password="long-enough"), dry_run=True)

    assert unknown["code"] == "not_found"
    assert "list_groups" in unknown["hint"]
    assert taken["code"] == "conflict"
    assert "solid_anchor" in taken["message"]
    assert unread["outcome"] == "dry_run"
    assert changes(sandbox) == []


@pytest.mark.parametrize("tool", ["create_connector", "update_connector"])
async def test_two_settings_that_contradict_each_other_are_refused(
    caller: Caller, sandbox: Sandbox, tool: str
) -> None:
    """How the source is reached stands in two places with some services."""
    config = {"connection_type": "SshTunnel"}
    call: dict[str, Any] = {"connector_id": "solid_anchor", "config": config}
    if tool == "create_connector":
        call = creation(password="long-enough", **config)

    error = await caller.error(tool, **call, networking_method="Directly")
    agreed = await caller.ok(tool, **call, networking_method="SshTunnel", dry_run=True)

    assert error["code"] == "invalid_arguments"
    assert "networking_method" in error["hint"]
    assert agreed["outcome"] == "dry_run"
    assert changes(sandbox) == []


async def test_a_dry_run_of_a_change_finds_out_whether_the_connector_is_there(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Also where there is no configuration to check."""
    error = await caller.error("update_connector", connector_id="nobody", paused=True, dry_run=True)

    assert error["code"] == "not_found"
    assert changes(sandbox) == []


async def test_masks_of_every_argument_are_told_at_once_and_before_anything_is_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Not those of one argument first and of another then."""
    masked = {
        "config": {"password": "****"},
        "auth": {"token": "****"},
        "external_secrets_keys_config": {"x": "****"},
    }
    error = await caller.error("update_connector", connector_id="solid_anchor", **masked)

    for place in ("config.password", "auth.token", "external_secrets_keys_config.x"):
        assert place in error["message"]
    assert not sandbox.requests
