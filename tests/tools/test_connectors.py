"""`list_connectors`, `get_connector`, `delete_connector`; and bad input for every tool of theirs."""

import json
import unicodedata
from typing import Any

import pytest

from mcp_server.sandbox import Fault, Sandbox
from tests.support import Caller, Connect, text_of


def ids(answer: dict[str, Any]) -> list[str]:
    """Name the connectors of a list."""
    return [row["id"] for row in answer["connectors"]]


async def test_a_row_says_what_a_connector_is_how_it_is_and_why(caller: Caller) -> None:
    """Everything to answer "what is broken and why", and nothing of the configuration."""
    answer = await caller.ok("list_connectors", schema="pg_shop")

    assert answer == {
        "connectors": [
            {
                "id": "brisk_lantern",
                "name": "pg_shop",
                "service": "postgres",
                "group_id": "amber_harbor",
                "state": "broken",
                "last_success": "2026-03-10T04:50:00Z",
                "last_failure": "2026-03-10T10:50:00Z",
                "task": {
                    "code": "reconnect",
                    "details": 'password authentication failed for user "fivetran"',
                },
            }
        ],
        "complete": True,
    }


async def test_no_row_has_a_configuration_even_if_the_api_sends_one(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Fivetran's document has `config` on the rows of a list."""
    row = {"id": "a", "config": {"password": "canary"}, "connect_card": {"uri": "canary"}}
    body = {"code": "Success", "data": {"items": [row]}}
    sandbox.fail(Fault(path="/v1/connections", status=200, body=body))

    answer = await caller.ok("list_connectors")

    assert answer["connectors"] == [{"id": "a", "state": "healthy"}]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"schema": "crm"}, ["swift_meadow"]),
        ({"schema": "CRM"}, []),
        ({"schema": "cr"}, []),
        ({"name_contains": "CRM"}, ["swift_meadow", "first_light", "cron_crane"]),
        ({"name_contains": "crm", "service": "salesforce"}, ["swift_meadow", "cron_crane"]),
        ({"name_contains": "crm", "group_id": "quiet_delta"}, ["swift_meadow"]),
        ({"service": "connector_sdk"}, ["sdk_weather", "sdk_blank"]),
        ({"service": "connector_s"}, []),
        ({"sync_state": "rescheduled"}, ["patient_owl", "stuck_heron"]),
        ({"state": "rescheduled"}, ["patient_owl", "stuck_heron"]),
        ({"state": "failing"}, ["failing_fox"]),
        ({"state": "incomplete"}, ["calm_ridge"]),
        ({"state": "delayed"}, ["late_willow"]),
        ({"state": "healthy", "group_id": "dev_sands", "service": "s3"}, ["odd_names"]),
        ({"state": "syncing", "sync_state": "paused"}, []),
    ],
)
async def test_filters_combine(
    caller: Caller, filters: dict[str, Any], expected: list[str]
) -> None:
    """Every filter alone, and what two leave."""
    answer = await caller.ok("list_connectors", **filters)

    assert ids(answer) == expected
    assert answer["complete"] is True


@pytest.mark.parametrize("state", ["broken", "paused", "syncing", "healthy", "unhealthy"])
async def test_a_state_filters_as_the_rows_tell_it(caller: Caller, state: str) -> None:
    """`unhealthy` is all that needs a look."""
    everything = (await caller.ok("list_connectors", limit=500))["connectors"]
    fine = {"paused", "syncing", "healthy"}

    answer = await caller.ok("list_connectors", state=state, limit=500)

    expected = [
        row
        for row in everything
        if row["state"] == state or (state == "unhealthy" and row["state"] not in fine)
    ]
    assert expected
    assert answer["connectors"] == expected


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"service": "Stripe"}, "No connector has this service. Ids of services are lower case"),
        (
            {"service": "nobody", "group_id": "amber_harbor"},
            "No connector of this group has this service.",
        ),
        ({"service": "stripe", "state": "syncing"}, None),
        ({"service": "stripe"}, None),
        ({"name_contains": "nobody"}, None),
        ({"service": "Stripe", "schema": "stripe"}, None),
    ],
)
async def test_a_service_that_no_connector_has_is_told(
    caller: Caller, filters: dict[str, Any], told: str | None
) -> None:
    """And not where it is another filter that fits none."""
    answer = await caller.ok("list_connectors", **filters)

    assert answer.get("note", "").startswith(told or "")
    assert ("note" in answer) is (told is not None)


async def test_the_filters_the_api_has_are_sent_to_it(caller: Caller, sandbox: Sandbox) -> None:
    """Group and exact name; the rest is ours."""
    await caller.ok(
        "list_connectors", group_id="quiet_delta", schema="a&limit=1 é/?", state="paused"
    )

    request = sandbox.requests[0]
    assert request.path == "/v1/connections"
    assert request.query == "group_id=quiet_delta&schema=a%26limit%3D1+%C3%A9%2F%3F&limit=1000"


async def test_an_empty_list_does_not_hide_a_wrong_group(caller: Caller, sandbox: Sandbox) -> None:
    """A group that exists may be empty; a key that may not see groups is believed."""
    wrong = await caller.error("list_connectors", group_id="no_such_group")
    none = await caller.ok("list_connectors", group_id="dev_sands", name_contains="zzz")
    sandbox.fail(Fault(path="/v1/groups/.*", status=403))
    unseen = await caller.ok("list_connectors", group_id="no_such_group")

    assert wrong["code"] == "not_found"
    assert "group 'no_such_group'" in wrong["message"]
    assert none == unseen == {"connectors": [], "complete": True}


async def test_a_connector_is_read_with_everything_about_it(caller: Caller) -> None:
    """State, schedule, tasks, warnings, and the configuration without its secrets."""
    answer = await caller.ok("get_connector", connector_id="brisk_lantern")

    assert answer == {
        "id": "brisk_lantern",
        "name": "pg_shop",
        "service": "postgres",
        "group_id": "amber_harbor",
        "state": "broken",
        "paused": False,
        "setup_state": "broken",
        "sync_state": "scheduled",
        "update_state": "delayed",
        "is_historical_sync": False,
        "last_success": "2026-03-10T04:50:00Z",
        "last_failure": "2026-03-10T10:50:00Z",
        "created_at": "2024-10-26T12:00:00Z",
        "sync_frequency": 360,
        "schedule_type": "auto",
        "data_delay_sensitivity": "NORMAL",
        "data_delay_threshold": 0,
        "pause_after_trial": False,
        "networking_method": "SshTunnel",
        "destination_schema_names": "FIVETRAN_NAMING",
        "service_version": 1,
        "tasks": [
            {"code": "reconnect", "details": 'password authentication failed for user "fivetran"'}
        ],
        "warnings": [{"code": "resync_table_warning"}],
        "config": {
            "port": 5432,
            "database": "shop",
            "user": "fivetran",
            "update_method": "WAL_PGOUTPUT",
            "publication_name": "fivetran_pub",
            "replication_slot": "fivetran_slot",
            "host": "db.shop.example",
            "password": "[redacted]",
            "tunnel_host": "bastion.shop.example",
            "tunnel_port": 22,
            "tunnel_user": "fivetran",
            "schema_prefix": "pg_shop",
        },
    }


@pytest.mark.parametrize(
    ("connector_id", "expected"),
    [
        ("deadline_dove", {"sync_frequency": 1440, "daily_sync_time": "03:00"}),
        ("patient_owl", {"state": "rescheduled", "rescheduled_for": "2026-03-10T12:50:00Z"}),
        ("stuck_heron", {"schedule_type": "manual"}),
        ("first_light", {"state": "syncing", "is_historical_sync": True}),
    ],
)
async def test_what_only_some_connectors_have_is_shown(
    caller: Caller, connector_id: str, expected: dict[str, Any]
) -> None:
    """What is absent is left out, what is there is not."""
    answer = await caller.ok("get_connector", connector_id=connector_id)

    assert answer.items() >= expected.items()


async def test_a_connector_with_a_custom_schedule_has_no_frequency(caller: Caller) -> None:
    """Null upstream, absent here, as the schema's description says."""
    assert "sync_frequency" not in await caller.ok("get_connector", connector_id="cron_crane")


async def test_secrets_of_a_list_of_pairs_stay_inside(caller: Caller) -> None:
    """The Connector SDK keeps its secrets so, and the API does not mask them."""
    answer = await caller.ok("get_connector", connector_id="sdk_weather")

    assert answer["config"]["secrets_list"] == "[redacted]"
    assert "sandbox-station" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("tool", "arguments", "longest"),
    [
        ("get_connector", {"connector_id": "trickster"}, 4_000),
        ("list_connectors", {"schema": "hubspot_partner"}, 1_000),
    ],
)
async def test_hostile_texts_come_out_harmless_and_short(
    caller: Caller, tool: str, arguments: dict[str, Any], longest: int
) -> None:
    """Nothing that hides, reorders or controls; cut with a count of what was left out."""
    text = text_of(await caller.raw(tool, **arguments))

    assert "Ignore all previous instructions" in text
    assert {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs"}} == set()
    assert "\\u" not in text
    assert "more characters]" in text
    assert len(text) < longest


async def test_a_large_configuration_is_bounded_and_says_so(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The large entry is named with its size, the small ones are shown."""
    sandbox.connections["solid_anchor"]["config"] = {"host": "h", "tables": ["t" * 90] * 5_000}

    answer = await caller.ok("get_connector", connector_id="solid_anchor")

    assert answer["config"] == {"host": "h"}
    assert answer["config_too_large"] == {"tables": 470_000}


async def test_an_unknown_connector_is_told_from_a_failure(caller: Caller) -> None:
    """With where to find the right id."""
    error = await caller.error("get_connector", connector_id="nobody")

    assert error["code"] == "not_found"
    assert "'nobody'" in error["message"]
    assert "list_connectors" in error["hint"]


async def test_a_deletion_is_previewed_first_and_nothing_is_changed(
    caller: Caller, sandbox: Sandbox
) -> None:
    """What it is, what would be lost, how much, that it cannot be undone, and the exact next call."""
    error = await caller.error("delete_connector", connector_id="swift_meadow")

    assert error["code"] == "confirmation_required"
    assert error["preview"] == {
        "target": {
            "connector_id": "swift_meadow",
            "name": "crm",
            "service": "salesforce",
            "group_id": "quiet_delta",
            "group_name": "Marketing",
            "state": "healthy",
            "paused": False,
            "last_success": "2026-03-10T11:27:00Z",
        },
        "effect": "The connector would be deleted.",
        "lost": "Its configuration and credentials, its selection of tables, its cursors and its"
        " sync history. Data already in the destination stays.",
        "size": "25 enabled tables",
        "undo": "It cannot be undone: a new one has another id and loads all history again."
        " To only stop it, use pause_connector.",
    }
    assert error["next_call"] == {
        "tool": "delete_connector",
        "arguments": {"connector_id": "swift_meadow", "confirm": True},
    }
    assert {request.method for request in sandbox.requests} == {"GET"}
    assert "swift_meadow" in sandbox.connections


async def test_the_next_call_of_the_preview_deletes(caller: Caller, sandbox: Sandbox) -> None:
    """Exactly as it was given; a second time there is nothing left."""
    preview = await caller.error("delete_connector", connector_id="swift_meadow")
    call = preview["next_call"]

    answer = await caller.ok(call["tool"], **call["arguments"])

    assert answer == {"connector_id": "swift_meadow", "name": "crm", "deleted": True}
    assert "swift_meadow" not in sandbox.connections
    error = await caller.error(call["tool"], **call["arguments"])
    assert error["code"] == "not_found"
    assert sum(request.method == "DELETE" for request in sandbox.requests) == 1


@pytest.mark.parametrize("confirm", ["true", "True", "yes", 1, 1.0, 0, [], [True], {}, None])
async def test_only_true_confirms(caller: Caller, sandbox: Sandbox, confirm: Any) -> None:
    """What merely looks like it is refused, and nothing is sent."""
    error = await caller.error("delete_connector", connector_id="swift_meadow", confirm=confirm)

    assert error["code"] == "invalid_arguments"
    assert "confirm: " in error["message"]
    assert not sandbox.requests


@pytest.mark.parametrize("status", [401, 403, 404, 500])
@pytest.mark.parametrize(
    ("path", "absent", "size"),
    [
        ("/v1/connections/swift_meadow/schemas", None, "number of tables unknown"),
        ("/v1/groups/quiet_delta", "group_name", "25 enabled tables"),
    ],
)
async def test_a_deletion_is_previewed_without_what_cannot_be_read(  # noqa: PLR0913 -- a table
    caller: Caller, sandbox: Sandbox, *, status: int, path: str, absent: str | None, size: str
) -> None:
    """A key that may not see the group, or a schema that was never read, do not hide the rest."""
    sandbox.fail(Fault(method="GET", path=path, status=status))

    preview = (await caller.error("delete_connector", connector_id="swift_meadow"))["preview"]

    assert absent not in preview["target"]
    assert preview["target"]["name"] == "crm"
    assert preview["size"] == size


async def test_a_deletion_of_a_bare_connector_is_previewed(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Only an id is certain."""
    body = {"code": "Success", "data": {"id": "swift_meadow"}}
    sandbox.fail(Fault(path="/v1/connections/swift_meadow", status=200, body=body))

    error = await caller.error("delete_connector", connector_id="swift_meadow")

    assert error["preview"]["target"] == {"connector_id": "swift_meadow", "state": "healthy"}


@pytest.mark.parametrize(
    ("tables", "size"),
    [
        ({"a": {"enabled": True}, "b": {"enabled": False}, "c": {}}, "1 enabled table"),
        ({}, "0 enabled tables"),
    ],
)
async def test_the_size_counts_what_is_synced(
    caller: Caller, sandbox: Sandbox, tables: dict[str, Any], size: str
) -> None:
    """Enabled tables of enabled schemas."""
    off = {"enabled": False, "tables": {"x": {"enabled": True}}}
    schemas = {"on": {"enabled": True, "tables": tables}, "off": off}
    body = {"code": "Success", "data": {"schemas": schemas}}
    sandbox.fail(Fault(path="/v1/connections/swift_meadow/schemas", status=200, body=body))

    error = await caller.error("delete_connector", connector_id="swift_meadow")

    assert error["preview"]["size"] == size


@pytest.mark.parametrize("status", [500, 502])
async def test_a_lost_answer_to_a_deletion_is_settled_by_a_look(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """It is gone, so that is the answer."""
    sandbox.fail(Fault(method="DELETE", status=status, applied=True))

    answer = await caller.ok("delete_connector", connector_id="swift_meadow", confirm=True)

    assert answer["deleted"] is True
    assert sum(request.method == "DELETE" for request in sandbox.requests) == 1


@pytest.mark.parametrize("look", [None, 403])
async def test_a_deletion_that_cannot_be_seen_to_have_taken_effect_is_not_called_done(
    caller: Caller, sandbox: Sandbox, look: int | None
) -> None:
    """The connector is still there, or cannot be looked at."""
    sandbox.fail(Fault(method="DELETE", status=500))
    if look:
        body = {"code": "Success", "data": {"id": "swift_meadow", "schema": "crm"}}
        path = "/v1/connections/swift_meadow"
        sandbox.fail(Fault(method="GET", path=path, status=200, body=body))
        sandbox.fail(Fault(method="GET", path=path, status=look))

    error = await caller.error("delete_connector", connector_id="swift_meadow", confirm=True)

    assert error["code"] == "outcome_unknown"
    assert "get_connector" in error["hint"]
    assert "swift_meadow" in sandbox.connections


@pytest.mark.parametrize("status", [401, 403, 409])
async def test_a_refused_deletion_is_a_refusal(
    caller: Caller, sandbox: Sandbox, status: int
) -> None:
    """Not an unknown outcome, and not a success."""
    sandbox.fail(Fault(method="DELETE", status=status))

    error = await caller.error("delete_connector", connector_id="swift_meadow", confirm=True)

    assert error["code"] == {401: "unauthorized", 403: "forbidden", 409: "conflict"}[status]
    assert "swift_meadow" in sandbox.connections


CREATION = {"group_id": "amber_harbor", "service": "stripe", "config": {"schema": "new"}}


@pytest.mark.parametrize(
    ("tool", "arguments", "mode", "needed"),
    [
        ("create_connector", CREATION, "read-only", "write"),
        (
            "update_connector",
            {"connector_id": "swift_meadow", "paused": True},
            "read-only",
            "write",
        ),
        ("delete_connector", {"connector_id": "swift_meadow"}, "read-only", "full"),
        ("delete_connector", {"connector_id": "swift_meadow"}, "write", "full"),
        ("delete_connector", {"connector_id": "swift_meadow", "confirm": True}, "write", "full"),
    ],
)
async def test_a_mode_that_is_too_low_refuses_and_names_the_one_needed(  # noqa: PLR0913 -- a table
    connect: Connect,
    sandbox: Sandbox,
    tool: str,
    arguments: dict[str, Any],
    *,
    mode: str,
    needed: str,
) -> None:
    """No preview either: nothing is sent."""
    async with connect(mode) as caller:
        error = await caller.error(tool, **arguments)

    assert error["code"] == "mode_forbids"
    assert f"--mode {needed}" in error["hint"]
    assert not sandbox.requests


IDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("list_connectors", "group_id", {}),
    ("get_connector", "connector_id", {}),
    ("get_connector_state", "connector_id", {}),
    ("create_connector", "group_id", CREATION),
    ("update_connector", "connector_id", {"paused": True}),
    ("delete_connector", "connector_id", {"confirm": True}),
)


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("list_connectors", {"limit": 0}, "limit: "),
    ("list_connectors", {"limit": 501}, "limit: "),
    ("list_connectors", {"limit": "50"}, "limit: "),
    ("list_connectors", {"limit": 50.5}, "limit: "),
    ("list_connectors", {"limit": True}, "limit: "),
    ("list_connectors", {"limit": None}, "limit: "),
    ("list_connectors", {"schema": ""}, "schema: "),
    ("list_connectors", {"schema": "x" * 501}, "schema: "),
    ("list_connectors", {"schema": ["crm"]}, "schema: "),
    ("list_connectors", {"schema": None}, "schema: must not be null: leave it out instead"),
    ("list_connectors", {"service": "a b"}, "service: "),
    ("list_connectors", {"service": None}, "service: must not be null: leave it out instead"),
    ("list_connectors", {"state": "sick"}, "state: "),
    ("list_connectors", {"state": "Broken"}, "state: "),
    ("list_connectors", {"state": None}, "state: must not be null: leave it out instead"),
    ("list_connectors", {"sync_state": "failed"}, "sync_state: "),
    ("list_connectors", {"sync_state": 1}, "sync_state: "),
    ("list_connectors", {"name_contains": ""}, "name_contains: "),
    ("list_connectors", {"name_contains": "x" * 201}, "name_contains: "),
    ("list_connectors", {"name": "crm"}, "name: unknown"),
    ("list_connectors", {"group": "g"}, "group: unknown, did you mean group_id?"),
    ("list_connectors", {"states": "broken"}, "states: unknown, did you mean state?"),
    ("get_connector", {}, "connector_id: is required"),
    ("get_connector", {"id": "a"}, "connector_id: is required"),
    ("get_connector", {"connection_id": "a"}, "connection_id: unknown, did you mean connector_id?"),
    ("get_connector", {"connector_id": "a", "zzz": 1}, "zzz: unknown"),
    ("get_connector_state", {}, "connector_id: is required"),
    ("get_connector_state", {"connector_id": "a", "limit": 1}, "limit: unknown"),
    ("delete_connector", {}, "connector_id: is required"),
    ("delete_connector", {"confirm": True}, "connector_id: is required"),
    (
        "delete_connector",
        {"connector_id": "a", "confirmed": True},
        "confirmed: unknown, did you mean confirm?",
    ),
)


@pytest.mark.parametrize(("tool", "arguments", "problem"), WRONG)
async def test_a_wrong_argument_is_named_with_its_fix_and_nothing_is_sent(
    caller: Caller, sandbox: Sandbox, tool: str, arguments: dict[str, Any], problem: str
) -> None:
    """Type, range, choice, null, missing, unknown."""
    error = await caller.error(tool, **arguments)

    assert error["code"] == "invalid_arguments"
    assert problem in error["message"]
    assert error["hint"].startswith("Nothing was sent. Correct the arguments")
    listed = "unknown" in problem or "required" in problem
    assert ("it takes: " in error["hint"]) is listed
    assert not sandbox.requests


@pytest.mark.parametrize(("tool", "_argument", "_rest"), IDS)
async def test_a_secret_in_a_wrong_argument_is_not_repeated(
    caller: Caller, tool: str, _argument: str, _rest: dict[str, Any]
) -> None:
    """An error names arguments, never their values."""
    result = await caller.raw(tool, connector_id="can/ary", group_id="can/ary", password="can/ary")

    assert result.is_error
    assert "can/ary" not in text_of(result)


async def test_a_row_that_waits_says_until_when(caller: Caller) -> None:
    """Its reason speaks of that moment."""
    rows = (await caller.ok("list_connectors", state="rescheduled"))["connectors"]

    assert {row["id"] for row in rows} == {"patient_owl", "stuck_heron"}
    assert all("rescheduled_for" in row and row["why"] for row in rows)
