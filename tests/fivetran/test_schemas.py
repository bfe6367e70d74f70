"""Schema configurations, as the sandbox and a scripted far end have them."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import (
    BadAnswerError,
    ConflictError,
    FivetranError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    SchemaNotReadyError,
)
from mcp_server.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from tests.fivetran.conftest import Far

OFF = {"schemas": {"public": {"enabled": True, "tables": {"orders": {"enabled": False}}}}}
DROPS = {"public": {"customers": ["phone"]}}


async def test_a_configuration_is_read_whole(fivetran: Fivetran) -> None:
    """Schemas, tables, and the columns that were once changed."""
    config = await fivetran.schemas.get("solid_anchor")
    assert config.schema_change_handling
    assert list(config.schemas) == ["public", "audit log"]
    tables = config.schemas["public"].tables
    assert tables["orders"].enabled is True
    assert tables["orders"].sync_mode == "SOFT_DELETE"
    assert tables["orders"].patch.allowed
    assert tables["customers"].columns["card_no"].hashed is True
    locked = tables["schema_migrations"]
    assert not locked.patch.allowed
    assert (locked.patch.reason_code, locked.supports_columns_config) == ("SYSTEM_TABLE", False)


async def test_there_may_be_no_configuration_yet(fivetran: Fivetran) -> None:
    """That is another thing than an unknown connection, and has another cure."""
    with pytest.raises(SchemaNotReadyError) as caught:
        await fivetran.schemas.get("calm_ridge")
    assert caught.value.status == 404
    with pytest.raises(NotFoundError) as missing:
        await fivetran.schemas.get("nope")
    assert type(missing.value) is NotFoundError


async def test_all_columns_of_a_table_are_read(fivetran: Fivetran) -> None:
    """Those that were never changed too."""
    columns = await fivetran.schemas.columns("solid_anchor", "public", "customers")
    assert len(columns) == 12
    assert columns["id"].is_primary_key
    assert not columns["id"].patch.allowed
    assert columns["card_no"].hashed


@pytest.mark.parametrize(
    ("schema", "table"),
    [
        ("raw files/2026", "a/b"),
        ("raw files/2026", "100% done"),
        ("raw files/2026", "what?"),
        ("日本語", "受注"),
        ("日本語", "plus+and&"),
        ("dots.and.more", "%2F"),
        ("dots.and.more", "#anchor"),
        ("dots.and.more", "back\\slash"),
    ],
)
async def test_names_are_those_of_the_source(fivetran: Fivetran, schema: str, table: str) -> None:
    """However odd they are, they arrive as they are: the refusal names the very table."""
    with pytest.raises(InvalidRequestError) as caught:
        await fivetran.schemas.columns("odd_names", schema, table)
    assert caught.value.api_message == (
        f"Table `{table}` of schema `{schema}` doesn't supports columns configuration"
    )


async def test_a_change_is_merged_in(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """What is not named stays."""
    before = (await fivetran.schemas.get("solid_anchor")).schemas["public"].tables
    await fivetran.schemas.update("solid_anchor", OFF)
    after = (await fivetran.schemas.get("solid_anchor")).schemas["public"].tables
    assert after["orders"].enabled is False
    assert {name: table for name, table in after.items() if name != "orders"} == {
        name: table for name, table in before.items() if name != "orders"
    }
    change = sandbox.requests[1]
    assert (change.method, change.path) == ("PATCH", "/v1/connections/solid_anchor/schemas")
    assert json.loads(change.body) == OFF


async def test_the_answer_to_a_change_is_not_looked_at(scripted: Fivetran, far: "Far") -> None:
    """It may hold only the difference, or anything."""
    far.answers(httpx.Response(200, json={"data": {"schemas": 5}}))
    await scripted.schemas.update("c", OFF)
    assert len(far.requests) == 1


@pytest.mark.parametrize("status", [200, 500, 503])
async def test_a_change_whose_answer_is_lost_is_not_sent_again(
    fivetran: Fivetran, sandbox: Sandbox, status: int
) -> None:
    """Nor looked after: whoever changed something knows what to look for."""
    sandbox.fail(Fault(method="PATCH", status=status, body="<html>", applied=True, times=9))
    with pytest.raises(OutcomeUnknownError):
        await fivetran.schemas.update("solid_anchor", OFF)
    assert len(sandbox.requests) == 1
    config = await fivetran.schemas.get("solid_anchor")
    assert config.schemas["public"].tables["orders"].enabled is False


@pytest.mark.parametrize(
    ("mode", "enabled"),
    [("PRESERVE", (True, False)), ("INCLUDE", (True, True)), ("EXCLUDE", (False, False))],
)
async def test_a_reload_returns_the_new_configuration(
    fivetran: Fivetran, sandbox: Sandbox, mode: str, enabled: tuple[bool, bool]
) -> None:
    """Two of its modes switch every table, not only new ones."""
    config = await fivetran.schemas.reload("solid_anchor", mode)
    tables = config.schemas["public"].tables
    assert (tables["orders"].enabled, tables["refunds"].enabled) == enabled
    assert config == await fivetran.schemas.get("solid_anchor")
    reload = sandbox.requests[0]
    assert (reload.method, reload.path) == ("POST", "/v1/connections/solid_anchor/schemas/reload")
    assert json.loads(reload.body) == {"exclude_mode": mode}


async def test_a_reload_whose_answer_cannot_be_read_may_have_happened(
    scripted: Fivetran, far: "Far"
) -> None:
    """A success is no failure for being unreadable."""
    far.answers(httpx.Response(200, json={"data": {"schemas": []}}))
    with pytest.raises(OutcomeUnknownError, match=r"^the change was accepted, but .*: schemas$"):
        await scripted.schemas.reload("c", "PRESERVE")
    assert len(far.requests) == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"columns": [], "schemas": []}, BadAnswerError),
        ({"columns": {"c": 5}, "schemas": {"s": 5}}, BadAnswerError),
        ({"columns": None, "schemas": None}, None),
        ({}, None),
        ({"columns": {}, "schemas": {}}, None),
    ],
)
async def test_maps_may_be_null_but_nothing_else(
    scripted: Fivetran, far: "Far", data: dict[str, Any], kind: type[FivetranError] | None
) -> None:
    """An empty map is a table without columns, a list is no answer of this API."""
    far.answers(httpx.Response(200, json={"data": data}))
    if kind is None:
        assert await scripted.schemas.columns("c", "s", "t") == {}
        assert (await scripted.schemas.get("c")).schemas == {}
        return
    with pytest.raises(kind):
        await scripted.schemas.columns("c", "s", "t")
    with pytest.raises(kind):
        await scripted.schemas.get("c")


async def test_schemas_are_asked_for_in_plain_json(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """These endpoints have no version 2."""
    await fivetran.schemas.get("solid_anchor")
    await fivetran.schemas.columns("solid_anchor", "public", "customers")
    await fivetran.schemas.update("solid_anchor", OFF)
    await fivetran.schemas.reload("solid_anchor", "PRESERVE")
    assert [received.headers["accept"] for received in sandbox.requests] == ["application/json"] * 4


async def test_a_selection_is_made_before_capture(fivetran: Fivetran, sandbox: Sandbox) -> None:
    """And only then."""
    body = {"schemas": {"gsheets.budget": {"enabled": True}}}
    await fivetran.schemas.create("calm_ridge", body)
    with pytest.raises(ConflictError):
        await fivetran.schemas.create("solid_anchor", body)
    sent = sandbox.requests[0]
    assert (sent.method, sent.path) == ("POST", "/v1/connections/calm_ridge/schemas")
    assert json.loads(sent.body) == body
    assert sent.headers["accept"] == "application/json"


async def test_blocked_columns_are_dropped_in_one_request(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Those that still sync are not."""
    with pytest.raises(ConflictError):
        await fivetran.schemas.drop_columns("solid_anchor", DROPS)
    column = {"enabled": True, "columns": {"phone": {"enabled": False}}}
    block = {"schemas": {"public": {"enabled": True, "tables": {"customers": column}}}}
    await fivetran.schemas.update("solid_anchor", block)
    await fivetran.schemas.drop_columns("solid_anchor", DROPS)
    sent = sandbox.requests[-1]
    assert (sent.method, sent.path) == (
        "POST",
        "/v1/connections/solid_anchor/schemas/drop-columns",
    )
    assert json.loads(sent.body) == {
        "schemas": {"public": {"tables": {"customers": {"columns": ["phone"]}}}}
    }
    assert sent.headers["accept"] == "application/json"


async def test_a_drop_whose_answer_is_lost_is_not_sent_again(
    fivetran: Fivetran, sandbox: Sandbox
) -> None:
    """Whether the columns are marked is not known."""
    sandbox.fail(Fault(method="POST", status=504, times=9))
    with pytest.raises(OutcomeUnknownError):
        await fivetran.schemas.drop_columns("solid_anchor", DROPS)
    assert len(sandbox.requests) == 1
