"""`create_connector` and `update_connector`: exactly what was asked for, and no secret comes back."""

import json
import logging
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.credentials import refuse_masks
from tests.support import Caller, text_of

SECRET = "canary-secret"
CONFIG = {"schema": "new_shop", "api_key": SECRET}
CREATION: dict[str, Any] = {"group_id": "amber_harbor", "service": "stripe", "config": CONFIG}
CARD = {"connect_card_redirect_uri": "https://app.example/back?x=1"}
CREATIONS = "/v1/connections"


def no_metadata(sandbox: Sandbox) -> None:
    """Let the account have no description of any service."""
    sandbox.fail(Fault(path="/v1/metadata/.*", status=403, times=99))


def sent(sandbox: Sandbox, method: str) -> list[dict[str, Any]]:
    """Read the bodies of the changes that were sent."""
    return [json.loads(each.body) for each in sandbox.requests if each.method == method]


async def test_a_connector_is_created_paused_from_what_was_given(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The body holds the arguments, `paused`, and nothing else."""
    answer = await caller.ok("create_connector", **CREATION)

    assert sent(sandbox, "POST") == [
        {"group_id": "amber_harbor", "service": "stripe", "config": CONFIG, "paused": True}
    ]
    assert answer == {
        "id": answer["id"],
        "name": "new_shop",
        "service": "stripe",
        "group_id": "amber_harbor",
        "state": "paused",
        "paused": True,
        "outcome": "ready",
        "next_step": answer["next_step"],
        "warnings": answer["warnings"],
        "setup_tests": [
            {"title": "Checking the configuration", "status": "PASSED"},
            {"title": "Connecting to the source", "status": "PASSED"},
        ],
    }
    assert "resume_connector" in answer["next_step"]
    assert sandbox.connections[answer["id"]]["config"] == CONFIG


async def test_every_setting_of_a_new_connector_is_sent_under_its_own_name(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What is given as it is, with the warehouse where the API wants it."""
    settings: dict[str, Any] = {
        "auth": {"client_access": {"client_secret": SECRET}},
        "paused": False,
        "destination_schema_names": "SOURCE_NAMING",
        "sync_frequency": 1440,
        "schedule_type": "manual",
        "daily_sync_time": "23:00",
        "run_setup_tests": False,
        "pause_after_trial": True,
        "data_delay_sensitivity": "CUSTOM",
        "data_delay_threshold": 0,
        "networking_method": "ProxyAgent",
        "private_link_id": "link_1",
        "proxy_agent_id": "agent_1",
        "hybrid_deployment_agent_id": "agent_2",
        "external_secrets_manager_id": "manager_1",
        "external_secrets_keys_config": {"api_key": "path/in/vault"},
    }

    await caller.ok("create_connector", **CREATION, **settings, virtual_warehouse="WH 1")

    (body,) = sent(sandbox, "POST")
    assert body == {
        **CREATION,
        **settings,
        "destination_configuration": {"virtual_warehouse": "WH 1"},
    }


async def test_a_configuration_that_arrives_as_json_text_is_read(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Some hosts send objects so."""
    await caller.ok(
        "create_connector",
        group_id="amber_harbor",
        service="stripe",
        config=json.dumps(CONFIG),
        auth='{"token": "x"}',
    )

    (body,) = sent(sandbox, "POST")
    assert body["config"] == CONFIG
    assert body["auth"] == {"token": "x"}


async def test_texts_of_a_configuration_arrive_as_they_are(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Numbers, JSON and spaces in a text stay text; nothing is trimmed or parsed."""
    no_metadata(sandbox)
    config: dict[str, Any] = {
        **CONFIG,
        "a": " 1 ",
        "b": "true",
        "c": '{"x": 1}',
        "d": None,
        "e": 1.5,
        "f": [[]],
    }

    await caller.ok("create_connector", **{**CREATION, "config": config})

    assert sent(sandbox, "POST")[0]["config"] == config


async def test_failed_setup_tests_are_not_success(caller: Caller, sandbox: Sandbox) -> None:
    """The connector exists, and the outcome says that it cannot sync."""
    config = {"schema_prefix": "pg_new", "host": "db", "user": "me", "password": "wrong"}
    answer = await caller.ok(
        "create_connector", group_id="amber_harbor", service="postgres", config=config
    )

    assert answer["outcome"] == "setup_tests_failed"
    assert answer["state"] == "incomplete"
    assert "Do not create it again" in answer["next_step"]
    assert answer["setup_tests"][-1] == {
        "title": "Connecting to the source",
        "status": "FAILED",
        "message": 'password authentication failed for user "me"',
        "details": 'password authentication failed for user "me"',
        "advice": "Correct user and password with update_connector, or let a person enter them:"
        " create_connect_card, then run_setup_tests again.",
    }
    assert answer["id"] in sandbox.connections


@pytest.mark.parametrize(
    ("tests", "setup_state", "outcome"),
    [
        (["PASSED", "SKIPPED"], "connected", "ready"),
        (["WARNING"], "connected", "ready"),
        (["JOB_FAILED"], "connected", "setup_tests_failed"),
        (["PASSED", "FAILED"], "incomplete", "setup_tests_failed"),
        (["NEW_WORD"], "connected", "setup_tests_failed"),
        ([], "incomplete", "setup_incomplete"),
        ([], "broken", "setup_incomplete"),
        ([], None, "setup_incomplete"),
    ],
)
async def test_the_outcome_follows_the_tests_and_then_the_setup_state(
    caller: Caller, sandbox: Sandbox, tests: list[str], setup_state: str | None, outcome: str
) -> None:
    """Only what is known to be fine is `ready`."""
    data = {
        "id": "made",
        "setup_tests": [{"title": "T", "status": status} for status in tests],
        "status": {"setup_state": setup_state},
    }
    body = {"code": "Success", "data": data}
    sandbox.fail(Fault(method="POST", status=201, body=body))

    answer = await caller.ok("create_connector", **CREATION)

    assert answer["outcome"] == outcome
    assert answer["next_step"]


async def test_without_setup_tests_a_connector_is_incomplete(caller: Caller) -> None:
    """A shell, to be filled later."""
    answer = await caller.ok("create_connector", **CREATION, run_setup_tests=False)

    assert answer["outcome"] == "setup_incomplete"
    assert "setup_tests" not in answer


SECRETS: tuple[dict[str, Any], ...] = (
    {"config": CONFIG},
    {"config": {**CONFIG, "secrets_list": [{"key": "a", "value": SECRET}]}},
    {"config": CONFIG, "auth": {"client_access": {"refresh_token": SECRET}}},
    {"config": {"schema": "new_shop", "note": SECRET}},
)


@pytest.mark.parametrize("given", SECRETS)
async def test_no_answer_and_no_log_repeats_a_secret(
    caller: Caller, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, given: dict[str, Any]
) -> None:
    """Created, updated, refused, lost: what went in does not come out."""
    no_metadata(sandbox)
    caplog.set_level(logging.DEBUG)
    texts = []
    with capture_logs() as logs:
        created = await caller.raw("create_connector", **{**CREATION, **given})
        again = await caller.raw("create_connector", **{**CREATION, **given})
        wrong = await caller.raw("create_connector", **{**CREATION, **given}, nonsense=SECRET)
        identity = json.loads(text_of(created))["id"]
        updated = await caller.raw("update_connector", connector_id=identity, **given)
        found = await caller.raw("get_connector", connector_id=identity)
        texts = [text_of(each) for each in (created, again, wrong, updated)]

    assert not created.is_error
    assert not updated.is_error
    assert again.is_error
    assert wrong.is_error
    assert SECRET not in "".join(texts)
    assert "api_key" not in given["config"] or SECRET not in text_of(found)
    assert SECRET not in repr(logs)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [500, 502])
async def test_a_connector_whose_answer_was_lost_is_looked_for_and_named(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """It may be the new one: creating it again would be the second."""
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=status, applied=True))
    before = set(sandbox.connections)

    error = await caller.error("create_connector", **CREATION)

    (new,) = set(sandbox.connections) - before
    assert error["code"] == "outcome_unknown"
    assert error["retryable"] is False
    assert error["message"].endswith(f"a connector of that name is there: {new}")
    assert "Do not create it again" in error["hint"]
    assert [each.method for each in sandbox.requests] == ["GET", "POST", "GET"]
    assert sandbox.requests[-1].query == "group_id=amber_harbor&schema=new_shop&limit=1000"


async def test_a_connector_that_was_not_made_is_not_found(caller: Caller, sandbox: Sandbox) -> None:
    """So far: Fivetran may still be at it, hence one more look before another try."""
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=500))

    error = await caller.error("create_connector", **CREATION)

    assert error["code"] == "outcome_unknown"
    assert error["message"].endswith("no connector of that name is there so far")
    assert "before creating it again" in error["hint"]
    assert len(sent(sandbox, "POST")) == 1


async def test_a_look_that_fails_too_is_told(caller: Caller, sandbox: Sandbox) -> None:
    """Nothing is claimed that was not seen."""
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=502, applied=True))
    sandbox.fail(Fault(method="GET", path=CREATIONS, status=403))

    error = await caller.error("create_connector", **CREATION)

    assert error["code"] == "outcome_unknown"
    assert error["message"].endswith("and looking for it failed too")
    assert "before creating it again" in error["hint"]


async def test_an_answer_that_cannot_be_read_is_a_lost_answer(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A proxy's page with status 200 does not undo the creation."""
    fault = Fault(method="POST", path=CREATIONS, status=200, body="<html>", applied=True)
    sandbox.fail(fault)

    error = await caller.error("create_connector", **CREATION)

    assert error["code"] == "outcome_unknown"
    assert "a connector of that name is there" in error["message"]


@pytest.mark.parametrize(
    ("service", "config", "asked"),
    [
        ("postgres", {"schema_prefix": "p"}, ["p"]),
        ("google_sheets", {"schema": "s", "table": "t"}, ["s.t", "s"]),
        ("s3", {"schema": "s", "table_group_name": "t"}, ["s.t", "s"]),
        ("stripe", {"schema": "s"}, ["s"]),
    ],
)
async def test_a_lost_connector_is_looked_for_by_every_name_it_may_have(
    caller: Caller, sandbox: Sandbox, service: str, config: dict[str, str], asked: list[str]
) -> None:
    """How it is named depends on the service."""
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=500))

    creation = {"group_id": "dev_sands", "service": service, "config": config}
    await caller.error("create_connector", **creation, run_setup_tests=False)

    looks = [r.query for r in sandbox.requests if r.method == "GET" and r.path == CREATIONS]
    assert looks == [f"group_id=dev_sands&schema={name}&limit=1000" for name in asked]


async def test_a_connector_of_another_service_is_not_taken_for_the_lost_one(
    caller: Caller, sandbox: Sandbox
) -> None:
    """`hubspot` is a connector's name already, and no spreadsheet."""
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=500))

    error = await caller.error(
        "create_connector",
        group_id="quiet_delta",
        service="google_sheets",
        config={"schema": "hubspot", "table": "t"},
        run_setup_tests=False,
    )

    assert error["message"].endswith("no connector of that name is there so far")


@pytest.mark.parametrize("config", [{}, {"schema": 5}, {"schema": ""}])
async def test_a_lost_connector_of_unknown_name_is_not_claimed_to_be_absent(
    caller: Caller, sandbox: Sandbox, config: dict[str, Any]
) -> None:
    """There was nothing to look for."""
    no_metadata(sandbox)
    sandbox.fail(Fault(method="POST", path=CREATIONS, status=500))

    error = await caller.error("create_connector", **{**CREATION, "config": config})

    assert error["code"] == "outcome_unknown"
    assert "was not looked for" in error["message"]
    assert sandbox.requests[-1].method == "POST"


async def test_a_connect_card_is_handed_out_once_and_to_nobody_else(
    caller: Caller, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Its address lets its bearer enter credentials: in the answer, in no log, in no later read."""
    caplog.set_level(logging.DEBUG)
    config = {"schema": "cards"}
    with capture_logs() as logs:
        answer = await caller.ok(
            "create_connector",
            group_id="quiet_delta",
            service="hubspot",
            config=config,
            **CARD,
            hide_setup_guide=True,
        )
        found = await caller.ok("get_connector", connector_id=answer["id"])
        listed = await caller.ok("list_connectors", schema="cards")

    token = f"sandbox-card-{answer['id']}"
    assert answer["connect_card_uri"] == f"https://fivetran.com/connect-card/setup?auth={token}"
    assert answer["outcome"] == "setup_incomplete"
    assert "connect_card_uri" in answer["next_step"]
    assert "token" not in answer
    for other in (json.dumps(found), json.dumps(listed), repr(logs), caplog.text):
        assert token not in other
    (body,) = sent(sandbox, "POST")
    assert body["connect_card_config"] == {
        "redirect_uri": "https://app.example/back?x=1",
        "hide_setup_guide": True,
    }


@pytest.mark.parametrize(
    ("asked", "sends"),
    [({}, False), ({"run_setup_tests": False}, False), ({"run_setup_tests": True}, True)],
)
async def test_with_a_connect_card_no_setup_tests_are_run_unless_asked_for(
    caller: Caller, sandbox: Sandbox, asked: dict[str, bool], *, sends: bool
) -> None:
    """There is nothing to test before a person entered the credentials."""
    await caller.ok("create_connector", **CREATION, **CARD, **asked)

    (body,) = sent(sandbox, "POST")
    assert body["run_setup_tests"] is sends
    assert body["connect_card_config"] == {"redirect_uri": CARD["connect_card_redirect_uri"]}


async def test_an_unknown_service_is_refused_with_the_nearest(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Nothing was sent; a list that cannot be read leaves it to Fivetran."""
    error = await caller.error("create_connector", **{**CREATION, "service": "strype"})

    assert error["code"] == "not_found"
    assert "stripe" in error["message"]
    assert "search_connector_types" in error["hint"]
    assert sent(sandbox, "POST") == []

    no_metadata(sandbox)
    error = await caller.error("create_connector", **{**CREATION, "service": "no_such_service"})

    assert error["code"] == "rejected"
    assert error["fivetran"]["message"] == "Unsupported connector service 'no_such_service'"


async def test_an_unknown_group_is_named(caller: Caller) -> None:
    """With the tool that lists the right ones."""
    error = await caller.error("create_connector", **{**CREATION, "group_id": "nowhere"})

    assert error["code"] == "not_found"
    assert "group 'nowhere'" in error["message"]
    assert "list_groups" in error["hint"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "Connection with schema 'stripe' already exists in group 'north_pine'"),
        ({"code": "Conflict", "message": "no\u202e\x07 " + "m" * 400}, "no mmm"),
        ({"code": "Conflict"}, None),
    ],
)
async def test_a_name_that_is_taken_is_told_as_such(
    caller: Caller, sandbox: Sandbox, body: dict[str, Any] | None, words: str | None
) -> None:
    """A conflict of a creation is no running sync."""
    if body:
        sandbox.fail(Fault(method="POST", path=CREATIONS, status=409, body=body))
    creation = {"group_id": "north_pine", "service": "stripe", "config": {"schema": "stripe"}}

    error = await caller.error("create_connector", **creation, run_setup_tests=False)

    assert error["code"] == "conflict"
    assert "same name in this group" in error["message"]
    assert "list_connectors" in error["hint"]
    assert "sync" not in error["message"] + error["hint"]
    if words is None:
        assert "fivetran" not in error
    else:
        assert error["fivetran"]["message"].startswith(words)
        assert len(error["fivetran"]["message"]) < 340


MASKED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"config": {"schema": "x", "password": "******"}}, "config.password"),
    ({"config": {"schema": "x", "password": "****"}}, "config.password"),
    ({"config": {"a": {"b": [{"c": "********"}]}}}, "config.a.b[0].c"),
    ({"config": {"list": ["fine", ["******"]]}}, "config.list[1][0]"),
    ({"auth": {"client_access": {"client_secret": "******"}}}, "auth.client_access.client_secret"),
    ({"config": {"password": "[redacted]"}}, "config.password"),
    ({"config": {"url": "https://[redacted]@db.example/x"}}, "config.url"),
    ({"config": {"text": "long\ntext… [123 more characters]"}}, "config.text"),
)


@pytest.mark.parametrize(("masked", "place"), MASKED)
@pytest.mark.parametrize("tool", ["create_connector", "update_connector"])
async def test_what_is_shown_in_place_of_a_value_is_never_sent_back(
    caller: Caller, sandbox: Sandbox, tool: str, masked: dict[str, Any], place: str
) -> None:
    """Fivetran's masks, and what `get_connector` writes: either would overwrite the real value."""
    who = {"connector_id": "solid_anchor"} if tool == "update_connector" else CREATION

    error = await caller.error(tool, **{**who, **masked})

    assert error["code"] == "invalid_arguments"
    assert error["message"].endswith(f"would overwrite it: {place}")
    assert "Leave the field out" in error["hint"]
    assert not sandbox.requests


async def test_a_configuration_as_it_was_read_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """The most likely slip: read, change one field, write everything back."""
    config = (await caller.ok("get_connector", connector_id="solid_anchor"))["config"]

    error = await caller.error(
        "update_connector", connector_id="solid_anchor", config={**config, "port": 5433}
    )

    assert error["message"].endswith(": config.password")
    assert not sent(sandbox, "PATCH")


def test_of_many_masks_the_first_are_named_and_the_rest_counted() -> None:
    """No error longer than it needs to be."""
    with pytest.raises(Exception, match=r"config\.f0, .*config\.f9 and 15 more$"):
        refuse_masks({"config": {f"f{number}": "******" for number in range(25)}})


@pytest.mark.parametrize("value", ["", "*.csv", "a******", "a* b*", None, 4, True, []])
def test_what_only_looks_like_a_mask_is_a_value(value: Any) -> None:
    """A pattern has more than asterisks."""
    refuse_masks({"config": {"x": value}, "auth": None})


@pytest.mark.parametrize("value", ["*", "**", "******", "********"])
def test_asterisks_alone_are_a_mask_however_many(value: str) -> None:
    """How many Fivetran shows is not documented."""
    with pytest.raises(Exception, match=r"config\.x$"):
        refuse_masks({"config": {"x": value}, "auth": None})


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("create_connector", {"sync_frequency": 7}, "sync_frequency: "),
    ("create_connector", {"sync_frequency": "60"}, "sync_frequency: "),
    ("create_connector", {"sync_frequency": True}, "sync_frequency: "),
    ("create_connector", {"sync_frequency": None}, "sync_frequency: must not be null"),
    ("create_connector", {"schedule_type": "cron"}, "schedule_type: "),
    ("create_connector", {"daily_sync_time": "3:00"}, "daily_sync_time: "),
    ("create_connector", {"daily_sync_time": "03:30"}, "daily_sync_time: "),
    ("create_connector", {"daily_sync_time": "24:00"}, "daily_sync_time: "),
    ("create_connector", {"daily_sync_time": "03:00\n"}, "daily_sync_time: "),
    ("create_connector", {"daily_sync_time": "03:00"}, "daily_sync_time: goes only with"),
    (
        "create_connector",
        {"daily_sync_time": "03:00", "sync_frequency": 60},
        "daily_sync_time: goes only with sync_frequency=1440",
    ),
    ("create_connector", {"config": None}, "config: "),
    ("create_connector", {"config": []}, "config: "),
    ("create_connector", {"config": "schema=x"}, "config: "),
    ("create_connector", {"config": '["x"]'}, "config: "),
    ("create_connector", {"auth": "token"}, "auth: "),
    ("create_connector", {"auth": None}, "auth: must not be null"),
    ("create_connector", {"service": ""}, "service: "),
    ("create_connector", {"service": "../x"}, "service: "),
    ("create_connector", {"service": 5}, "service: "),
    ("create_connector", {"service": None}, "service: "),
    ("create_connector", {"paused": "false"}, "paused: "),
    ("create_connector", {"paused": 0}, "paused: "),
    ("create_connector", {"paused": None}, "paused: "),
    ("create_connector", {"run_setup_tests": "no"}, "run_setup_tests: "),
    ("create_connector", {"destination_schema_names": "MINE"}, "destination_schema_names: "),
    ("create_connector", {"data_delay_sensitivity": "normal"}, "data_delay_sensitivity: "),
    ("create_connector", {"data_delay_threshold": -1}, "data_delay_threshold: "),
    ("create_connector", {"networking_method": "Tunnel"}, "networking_method: "),
    ("create_connector", {"private_link_id": "../x"}, "private_link_id: "),
    ("create_connector", {"proxy_agent_id": ""}, "proxy_agent_id: "),
    ("create_connector", {"hybrid_deployment_agent_id": 5}, "hybrid_deployment_agent_id: "),
    ("create_connector", {"virtual_warehouse": ""}, "virtual_warehouse: "),
    ("create_connector", {"external_secrets_manager_id": "a/b"}, "external_secrets_manager_id: "),
    ("create_connector", {"external_secrets_keys_config": []}, "external_secrets_keys_config: "),
    ("create_connector", {"connect_card_redirect_uri": "ftp://x"}, "connect_card_redirect_uri: "),
    (
        "create_connector",
        {"connect_card_redirect_uri": "https://x y"},
        "connect_card_redirect_uri: ",
    ),
    ("create_connector", {"hide_setup_guide": "yes", **CARD}, "hide_setup_guide: "),
    (
        "create_connector",
        {"hide_setup_guide": False},
        "hide_setup_guide: goes only with connect_card_redirect_uri",
    ),
    ("create_connector", {"schema": "x"}, "schema: unknown"),
    ("create_connector", {"pause": True}, "pause: unknown, did you mean paused?"),
    ("create_connector", {"connect_card_config": {}}, "connect_card_config: unknown"),
    ("update_connector", {"sync_frequency": 10}, "sync_frequency: "),
    ("update_connector", {"sync_frequency": None}, "sync_frequency: must not be null"),
    ("update_connector", {"daily_sync_time": "noon"}, "daily_sync_time: "),
    (
        "update_connector",
        {"daily_sync_time": "03:00", "sync_frequency": 60},
        "daily_sync_time: goes only with sync_frequency=1440",
    ),
    ("update_connector", {"config": "x"}, "config: "),
    ("update_connector", {"config": None}, "config: must not be null"),
    ("update_connector", {"paused": None}, "paused: must not be null"),
    ("update_connector", {"paused": "true"}, "paused: "),
    ("update_connector", {"schema_status": "open"}, "schema_status: "),
    ("update_connector", {"networking_method": None}, "networking_method: must not be null"),
    ("update_connector", {"group_id": "quiet_delta"}, "group_id: unknown"),
    ("update_connector", {"service": "mysql"}, "service: unknown"),
    ("update_connector", {"schema": "x"}, "schema: unknown"),
    ("update_connector", {"destination_schema_names": "SOURCE_NAMING"}, "unknown"),
)


@pytest.mark.parametrize(("tool", "arguments", "problem"), WRONG)
async def test_a_wrong_argument_is_named_with_its_fix_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str, arguments: dict[str, Any], problem: str
) -> None:
    """Type, choice, null, unknown, and what does not go together."""
    who = {"connector_id": "solid_anchor"} if tool == "update_connector" else CREATION

    error = await caller.error(tool, **{**who, **arguments})

    assert error["code"] == "invalid_arguments"
    assert problem in error["message"]
    assert "Nothing was sent" in error["hint"]
    assert SECRET not in json.dumps(error)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("tool", "missing"),
    [
        ("create_connector", ["group_id", "service", "config"]),
        ("update_connector", ["connector_id"]),
    ],
)
async def test_missing_arguments_are_all_named(
    caller: Caller, sandbox: Sandbox, tool: str, missing: list[str]
) -> None:
    """At once, not one by one."""
    error = await caller.error(tool)

    for argument in missing:
        assert f"{argument}: is required" in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("argument", ["trust_certificates", "trust_fingerprints"])
@pytest.mark.parametrize("tool", ["create_connector", "update_connector"])
async def test_trusting_a_host_is_left_to_a_person(
    caller: Caller, sandbox: Sandbox, tool: str, argument: str
) -> None:
    """To trust a certificate or host key unseen is a security decision that no tool here makes."""
    who = {"connector_id": "solid_anchor"} if tool == "update_connector" else CREATION

    error = await caller.error(tool, **who, **{argument: True})

    assert f"{argument}: unknown" in error["message"]
    assert not sandbox.requests


async def test_a_hidden_full_resync_cannot_be_asked_for(caller: Caller, sandbox: Sandbox) -> None:
    """`is_historical_sync` would load everything again at once, without a confirmation."""
    error = await caller.error(
        "update_connector", connector_id="solid_anchor", paused=False, is_historical_sync=True
    )

    assert error["code"] == "invalid_arguments"
    assert "is_historical_sync: unknown" in error["message"]
    assert not sandbox.requests


QUIET: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"paused": True}, {"paused": True}),
    ({"paused": False}, {"paused": False}),
    ({"sync_frequency": 60}, {"sync_frequency": 60}),
    (
        {"sync_frequency": 1440, "daily_sync_time": "03:00"},
        {"sync_frequency": 1440, "daily_sync_time": "03:00"},
    ),
    ({"schedule_type": "manual"}, {"schedule_type": "manual"}),
    ({"schema_status": "ready"}, {"schema_status": "ready"}),
    ({"pause_after_trial": False}, {"pause_after_trial": False}),
    ({"data_delay_sensitivity": "HIGH"}, {"data_delay_sensitivity": "HIGH"}),
    ({"data_delay_threshold": 0}, {"data_delay_threshold": 0}),
    ({"virtual_warehouse": "WH"}, {"destination_configuration": {"virtual_warehouse": "WH"}}),
)
REACHING: tuple[dict[str, Any], ...] = (
    {"config": {"port": 5433}},
    {"auth": {"token": SECRET}},
    {"networking_method": "Directly"},
    {"private_link_id": "link_1"},
    {"proxy_agent_id": "agent_1"},
    {"hybrid_deployment_agent_id": "agent_2"},
    {"external_secrets_manager_id": "manager_1"},
    {"external_secrets_keys_config": {"password": "path"}},
)


@pytest.mark.parametrize(
    ("given", "fields", "tested"),
    [
        *((given, fields, False) for given, fields in QUIET),
        *((given, given, True) for given in REACHING),
    ],
)
async def test_a_change_is_sent_as_it_is_and_tested_only_if_it_reaches_the_source(
    caller: Caller,
    sandbox: Sandbox,
    given: dict[str, Any],
    fields: dict[str, Any],
    *,
    tested: bool,
) -> None:
    """The API would test every change, which takes time and uses up a budget."""
    answer = await caller.ok("update_connector", connector_id="solid_anchor", **given)

    assert sent(sandbox, "PATCH") == [{**fields, "run_setup_tests": tested}]
    assert ("setup_tests" in answer) is tested


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("given", [{"paused": True}, {"config": {"port": 5433}}])
async def test_setup_tests_are_run_as_asked(
    caller: Caller, sandbox: Sandbox, given: dict[str, Any], *, asked: bool
) -> None:
    """What is said outright wins."""
    await caller.ok("update_connector", connector_id="solid_anchor", **given, run_setup_tests=asked)

    assert sent(sandbox, "PATCH") == [{**given, "run_setup_tests": asked}]


async def test_a_configuration_is_merged(caller: Caller, sandbox: Sandbox) -> None:
    """Fields that are left out stay, secrets among them."""
    before = dict(sandbox.connections["solid_anchor"]["config"])

    answer = await caller.ok(
        "update_connector", connector_id="solid_anchor", config={"port": 5433, "database": "new"}
    )

    assert sandbox.connections["solid_anchor"]["config"] == {
        **before,
        "port": 5433,
        "database": "new",
    }
    assert answer["outcome"] == "ready"
    assert answer["id"] == "solid_anchor"


async def test_a_broken_connector_is_mended_by_its_password(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The way from "what is broken" to "it works", without a secret on the way back."""
    result = await caller.raw(
        "update_connector", connector_id="brisk_lantern", config={"password": SECRET}
    )

    answer = json.loads(text_of(result))
    assert answer["outcome"] == "ready"
    assert SECRET not in text_of(result)
    assert sandbox.connections["brisk_lantern"]["config"]["password"] == SECRET


async def test_a_change_that_leaves_a_connector_broken_says_so(caller: Caller) -> None:
    """Without and with tests: the change was made, it cannot sync."""
    quiet = await caller.ok(
        "update_connector", connector_id="brisk_lantern", pause_after_trial=True
    )
    tested = await caller.ok(
        "update_connector", connector_id="brisk_lantern", config={"port": 5433}
    )

    assert quiet["outcome"] == "setup_incomplete"
    assert quiet["state"] == "broken"
    assert quiet["tasks"][0]["code"] == "reconnect"
    assert "no longer work" in quiet["next_step"]
    assert tested["outcome"] == "setup_tests_failed"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"run_setup_tests": True},
        {"config": {}},
        {"config": {}, "auth": {}, "external_secrets_keys_config": {}, "run_setup_tests": False},
    ],
)
async def test_a_change_of_nothing_is_refused(
    caller: Caller, sandbox: Sandbox, given: dict[str, Any]
) -> None:
    """The API refuses it too, or stops a running sync for nothing."""
    error = await caller.error("update_connector", connector_id="solid_anchor", **given)

    assert error["code"] == "invalid_arguments"
    assert "nothing to change" in error["message"]
    assert not sandbox.requests


async def test_a_field_that_is_permanent_is_refused(caller: Caller, sandbox: Sandbox) -> None:
    """A connector keeps its name."""
    change = {"connector_id": "solid_anchor", "config": {"schema_prefix": "other"}}

    error = await caller.error("update_connector", **change)

    assert error["code"] == "invalid_arguments"
    assert "config.schema_prefix: cannot be changed after creation" in error["message"]
    assert sent(sandbox, "PATCH") == []
    assert sandbox.connections["solid_anchor"]["schema"] == "pg_billing"


async def test_an_unknown_connector_is_not_changed(caller: Caller) -> None:
    """404, as everywhere."""
    error = await caller.error("update_connector", connector_id="nobody", paused=True)

    assert error["code"] == "not_found"
    assert "'nobody'" in error["message"]


async def test_a_lost_answer_to_a_change_that_shows_is_settled_by_a_look(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Pausing a connector that syncs is known to answer 500 and to take effect."""
    answer = await caller.ok("update_connector", connector_id="stubborn_mule", paused=True)

    assert answer["paused"] is True
    assert len(sent(sandbox, "PATCH")) == 1


async def test_a_lost_answer_to_a_change_that_does_not_show_is_unknown(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Secrets cannot be read back, so nobody can tell."""
    sandbox.fail(Fault(method="PATCH", status=502, applied=True))

    error = await caller.error(
        "update_connector", connector_id="solid_anchor", config={"password": SECRET}
    )

    assert error["code"] == "outcome_unknown"
    assert "get_connector" in error["hint"]
    assert SECRET not in json.dumps(error)
    assert len(sent(sandbox, "PATCH")) == 1


async def test_an_update_that_leaves_nothing_to_do_says_so(caller: Caller) -> None:
    """The next steps of a new connector are not those of one that runs."""
    answer = await caller.ok(
        "update_connector", connector_id="solid_anchor", data_delay_sensitivity="LOW"
    )

    assert answer["outcome"] == "ready"
    assert answer["next_step"] == "Nothing is left."
    paused = await caller.ok(
        "update_connector", connector_id="dusty_canyon", data_delay_sensitivity="LOW"
    )
    assert "resume_connector" in paused["next_step"]


async def test_a_mask_among_the_keys_of_a_secrets_manager_is_refused(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Every free object is looked through."""
    keys = {"password": "******"}
    error = await caller.error(
        "update_connector", connector_id="solid_anchor", external_secrets_keys_config=keys
    )

    assert error["message"].endswith("external_secrets_keys_config.password")
    assert not sandbox.requests
