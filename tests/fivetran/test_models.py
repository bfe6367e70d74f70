"""Answers are read generously, and never raise anything but this package's errors."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mcp_server.fivetran import Fivetran, Transport
from mcp_server.fivetran.answers import parse, parse_changed
from mcp_server.fivetran.errors import BadAnswerError, OutcomeUnknownError
from mcp_server.fivetran.models import (
    Columns,
    Connection,
    ConnectionDetails,
    Group,
    Notice,
    Page,
    SchemaConfig,
    Status,
)

groups = TypeAdapter(Page[Group])
details = TypeAdapter(ConnectionDetails)
connections = TypeAdapter(Page[Connection])
configs = TypeAdapter(SchemaConfig)
columns = TypeAdapter(Columns)

NAMES = (
    "id", "service", "schema", "paused", "created_at", "sync_frequency", "status", "tasks", "code",
    "details", "config", "setup_tests", "connect_card", "uri", "items", "next_cursor", "schemas",
    "tables", "columns", "enabled", "enabled_patch_settings", "allowed",
)  # fmt: skip
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str)
)
answers = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
        ),
    ),
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-10T12:00:00Z", datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("2026-03-10T12:00:00.123456Z", datetime(2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-10T12:00:00+02:00", datetime(2026, 3, 10, 10, tzinfo=UTC)),
        ("2026-03-10T12:00:00", datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("2026-03-10T12:00", datetime(2026, 3, 10, 12, tzinfo=UTC)),
    ],
)
def test_moments_are_in_utc(text: str, moment: datetime) -> None:
    """One without an offset is one in UTC."""
    read = parse(details, {"id": "c", "created_at": text}).created_at
    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_does_not_exist_in_utc_is_a_bad_answer(text: str) -> None:
    """It is not an OverflowError."""
    with pytest.raises(BadAnswerError, match=r"at: items\.0\.created_at$"):
        parse(groups, {"items": [{"id": "g", "created_at": text}]})


def test_everything_but_the_id_may_be_absent() -> None:
    """What is absent is None, or empty where it would be a collection."""
    read = parse(details, {"id": "c"})
    assert read.id == "c"
    assert read.status == Status()
    assert (read.status.tasks, read.status.warnings, read.setup_tests) == ((), (), ())
    assert (read.name, read.paused, read.config, read.connect_card) == (None, None, None, None)
    assert parse(groups, {}) == Page(items=(), next_cursor=None)
    assert parse(configs, {}).schemas == {}


def test_null_is_absent() -> None:
    """The API writes null for lists and objects too, on any level."""
    read = parse(
        details,
        {
            "id": "c",
            "schema": None,
            "config": None,
            "setup_tests": None,
            "connect_card": None,
            "status": {"tasks": None, "warnings": [{"code": None, "message": None}]},
        },
    )
    assert read.setup_tests == ()
    assert read.status.tasks == ()
    assert read.status.warnings == (Notice(code="unknown"),)
    assert parse(details, {"id": "c", "status": None}).status == Status()
    assert parse(groups, {"items": None, "next_cursor": None}).items == ()
    table = {"columns": None, "enabled_patch_settings": None}
    config = parse(configs, {"schemas": {"s": {"tables": {"t": table}}, "u": {"tables": None}}})
    assert config.schemas["s"].tables["t"].columns == {}
    assert config.schemas["s"].tables["t"].patch.allowed
    assert config.schemas["u"].tables == {}


def test_unknown_values_and_fields_are_accepted() -> None:
    """The API adds to its enumerations and objects without notice."""
    read = parse(
        details,
        {
            "id": "c",
            "service": "brand_new",
            "schedule_type": "lunar",
            "brand_new": {"a": 1},
            "status": {"sync_state": "dreaming", "setup_state": "odd", "mood": "fine"},
            "setup_tests": [{"title": "t", "status": "MAYBE", "details": [{"any": ["json"]}, 1]}],
        },
    )
    assert read.status.sync_state == "dreaming"
    assert read.setup_tests[0].status == "MAYBE"
    assert read.setup_tests[0].details == [{"any": ["json"]}, 1]
    assert not hasattr(read, "brand_new")


@pytest.mark.parametrize(
    ("adapter", "data", "place"),
    [
        (details, {}, "id"),
        (details, {"id": None}, "id"),
        (details, {"id": 7}, "id"),
        (details, {"id": "c", "paused": "perhaps"}, "paused"),
        (details, {"id": "c", "sync_frequency": 1.5}, "sync_frequency"),
        (details, {"id": "c", "created_at": "yesterday"}, "created_at"),
        (details, {"id": "c", "schema": ["s"]}, "schema"),
        (details, {"id": "c", "config": []}, "config"),
        (details, {"id": "c", "status": {"tasks": [{}, "x"]}}, r"status\.tasks\.1"),
        (details, {"id": "c", "status": "fine"}, "status"),
        (connections, {"items": {}}, "items"),
        (connections, {"items": [None]}, r"items\.0"),
        (connections, {"items": [{"id": "c"}, {}]}, r"items\.1\.id"),
        (connections, {"next_cursor": 5}, "next_cursor"),
        (configs, {"schemas": []}, "schemas"),
        (columns, {"columns": []}, "columns"),
        (
            details,
            dict.fromkeys(("id", "service", "paused", "status"), 9),
            r"id, paused, service",
        ),
    ],
)
def test_another_shape_is_a_bad_answer(
    adapter: TypeAdapter[Any], data: dict[str, Any], place: str
) -> None:
    """The message says where, for three places at the most; after a change nothing is certain."""
    with pytest.raises(
        BadAnswerError, match=rf"^the answer is not what the API documents, at: {place}$"
    ):
        parse(adapter, data)
    with pytest.raises(OutcomeUnknownError, match=rf"^the change was accepted, but .*: {place}$"):
        parse_changed(adapter, data)


@pytest.mark.parametrize(
    ("adapter", "data", "place"),
    [
        (configs, {"schemas": {"evil": 1}}, r"schemas\.\*"),
        (configs, {"schemas": {"evil": None}}, r"schemas\.\*"),
        (configs, {"schemas": {"evil": {"tables": {"evil": 1}}}}, r"schemas\.\*\.tables\.\*"),
        (
            configs,
            {"schemas": {"tables": {"tables": {"columns": {"columns": {"evil": 1}}}}}},
            r"schemas\.\*\.\*\.\*\.\*\.\*",
        ),
        (columns, {"columns": {"evil": {"hashed": "perhaps"}}}, r"columns\.\*\.hashed"),
        (details, {"id": "c", "service": {"evil": 1}, "config": "evil"}, "config, service"),
    ],
)
def test_no_message_holds_a_name_or_value_of_the_answer(
    adapter: TypeAdapter[Any], data: dict[str, Any], place: str
) -> None:
    """Names of schemas, tables and columns are written by whoever owns the source."""
    with pytest.raises(BadAnswerError, match=f": {place}$") as caught:
        parse(adapter, data)
    assert "evil" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@given(data=answers)
def test_no_answer_raises_anything_else(data: dict[str, Any]) -> None:
    """Any JSON object is read, or is a bad answer."""
    adapters: tuple[TypeAdapter[Any], ...] = (groups, details, connections, configs, columns)
    for adapter in adapters:
        try:
            parse(adapter, data)
        except BadAnswerError as error:
            assert error.message.startswith("the answer is not what the API documents, at: ")  # noqa: PT017 - it need not be raised


def test_secrets_stay_out_of_representations() -> None:
    """A configuration and a Connect Card's link hold credentials."""
    read = parse(
        details,
        {
            "id": "c",
            "config": {"password": "hunter2-canary"},
            "connect_card": {"uri": "https://card-canary.example", "token": "token-canary"},
        },
    )
    assert read.config == {"password": "hunter2-canary"}
    assert read.connect_card is not None
    assert read.connect_card.uri == "https://card-canary.example"
    assert "canary" not in f"{read!r} {read} {read.connect_card!r}"


def test_answers_do_not_change() -> None:
    """They are shared freely."""
    read = parse(details, {"id": "c"})
    with pytest.raises(ValidationError, match="frozen"):
        read.id = "d"  # type: ignore[misc] # that is the point


async def test_the_clock_of_the_client_is_utc_unless_given(transport: Transport) -> None:
    """Ages are told by it."""
    before = datetime.now(UTC)
    assert before <= Fivetran(transport).now() <= datetime.now(UTC)
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    assert Fivetran(transport, now=lambda: moment).now() == moment
