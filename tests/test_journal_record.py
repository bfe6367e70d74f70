"""What an entry says: redacted, cleaned, bounded."""

import hmac
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_server.journal_file import encoded
from mcp_server.journal_record import (
    LONGEST_FIELD,
    MOST_CONNECTORS,
    ROOM,
    Record,
    bounded,
    fields_of,
    new_id,
    redacted,
)
from tests.journals import pausing

HASHING = b"h" * 32
CANARY = "canary-9f3-secret"


def hash_of(text: str) -> str:
    """Hash a credential as the record does."""
    return f"hmac:{hmac.digest(HASHING, text.encode(), 'sha256').hex()[:12]}"


def said(**known: Any) -> dict[str, Any]:
    """Say what an entry says about a call."""
    return fields_of(pausing(**known), HASHING)


def test_a_credential_becomes_a_keyed_hash() -> None:
    """Equal ones can be seen to be equal; another key gives another hash."""
    config = {"host": "db", "password": CANARY, "again": [CANARY], "api_token": "other-canary"}
    shown = redacted(config, frozenset(), HASHING)

    assert shown == {
        "host": "db",
        "password": hash_of(CANARY),
        "again": [hash_of(CANARY)],
        "api_token": hash_of("other-canary"),
    }
    assert redacted(config, frozenset(), b"another")["password"] != shown["password"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"pin": "12"}, {"pin": hash_of("12")}),
        ({"pin": 1234, "key": 1.5}, {"pin": hash_of("1234"), "key": hash_of("1.5")}),
        ({"password": True, "secret": None}, {"password": True, "secret": None}),
        ({"password": "", "token": "****"}, {"password": "", "token": "****"}),
        ({"password": {"$env": "PG_PASSWORD"}}, {"password": {"$env": "PG_PASSWORD"}}),
        ({"secrets": {"a": ["b"]}}, {"secrets": {"a": [hash_of("b")]}}),
        ([{"key": "K", "value": "v"}], [{"key": "K", "value": hash_of("v")}]),
        ({"n": 7, "x": 0.5, "big": 1 << 300}, {"n": 7, "x": 0.5, "big": "[integer of 301 bits]"}),
        ({"pin": 1 << 20_000}, {"pin": "[integer of 20001 bits]"}),
        ({"x": float("inf")}, {"x": "inf"}),
        ({"x": b"canary"}, {"x": "[bytes]"}),
        ({"x": ("a", "b")}, {"x": ["a", "b"]}),
        ({"url": "x://u:canary@h"}, {"url": "x://[redacted]@h"}),
        ({"x\u202e": "a\x1b[31m\nb\u200b"}, {"x": "a b"}),
    ],
)
def test_values_as_the_record_has_them(given: Any, shown: Any) -> None:
    """Short ones and numbers too, in whatever they are nested; names of credentials stay."""
    assert redacted(given, frozenset(), HASHING) == shown


def test_a_credential_inside_a_text_or_a_name_is_hidden() -> None:
    """Whether it came with this call or is the server's own."""
    given = {"password": CANARY, "note": f"use {CANARY} twice", f"x{CANARY}": 1, "own": "<vault-1>"}
    shown = json.dumps(redacted(given, frozenset({"vault-1"}), HASHING))

    assert CANARY not in shown
    assert "vault-1" not in shown
    assert "use [redacted] twice" in shown


def test_a_long_text_is_cut_and_its_length_told() -> None:
    """A credential that the cut breaks does not show its beginning."""
    text = " " * 990 + CANARY
    shown = redacted(
        {"long": "a" * 500, "longer": "b" * 9_000, "s": text}, frozenset({CANARY}), HASHING
    )

    assert shown["long"] == "a" * 400 + "… [100 more characters]"
    assert shown["longer"].startswith("b" * 400 + "… [")
    assert shown["longer"].endswith(" [of 9000]")
    assert "canary" not in shown["s"]


def test_of_long_lists_and_objects_the_beginning_is_kept() -> None:
    """How many more there were is told."""
    shown = redacted([list(range(150)), {str(n): n for n in range(150)}], frozenset(), HASHING)

    assert shown[0][99:] == [99, "… [50 more]"]
    assert len(shown[1]) == 101
    assert shown[1]["…"] == "[50 more]"


def test_names_that_became_the_same_stay_apart() -> None:
    """Nothing takes the place of another."""
    names = ["a", "a [1]", "a\u200b", "a [2]", *("t" * 99 + str(n) for n in range(100, 103))]
    given = {name: n for n, name in enumerate(names)}

    assert [*redacted(given, frozenset(), HASHING).values()] == [*range(7)]


def test_an_entry_has_what_is_known() -> None:
    """And nothing for what is not."""
    full: dict[str, Any] = {
        "name": "north\u202e_pine",
        "principal": "ops@example",
        "client": "Claude 1.0",
        "protocol": "2026-07-28",
        "decision": "allowed",
        "by": "mode",
        "undo_of": new_id(),
    }

    assert said() == {
        "tool": "pause_connector",
        "effect": "write",
        "connector_id": "solid_anchor",
    }
    assert said(**full).items() >= {**full, "name": "north_pine"}.items()
    assert CANARY not in json.dumps(said(name=CANARY, arguments={"password": CANARY}))


def test_a_record_shows_no_credential_when_printed() -> None:
    """In a traceback, for example."""
    record = pausing(
        arguments={"password": CANARY}, secrets=frozenset({CANARY}), undo={"a": CANARY}
    )

    assert CANARY not in repr(record)


def test_an_act_on_several_names_them() -> None:
    """As many as fit; how many more is told."""
    ids = [f"connector_{number}" for number in range(MOST_CONNECTORS + 5)]
    entry = fields_of(Record(tool="bulk_update", effect="write", connector_ids=ids), HASHING)

    assert entry["connector_ids"] == ids[:MOST_CONNECTORS]
    assert entry["more_connectors"] == 5


def test_what_undoes_an_act_is_kept_as_it_is() -> None:
    """A cleaned name would be another one."""
    undo = {"tool": "update_schema_config", "arguments": {"table": "a\u200b  b"}}

    assert said(undo=undo)["undo"] == undo


@pytest.mark.parametrize(
    ("undo", "reason"),
    [
        ({"password": CANARY}, "it would hold a credential"),
        ({"password": "******"}, "it would hold a credential"),
        ({"note": f"<{CANARY}>"}, "it would hold a credential"),
        ({"tables": ["t" * 100] * 100}, "it takes 10312 bytes"),
        ({"moment": {1, 2}}, "it is not JSON"),
    ],
)
def test_what_cannot_undo_an_act_is_not_kept(undo: Any, reason: str) -> None:
    """The entry says why."""
    entry = said(undo=undo, secrets=frozenset({CANARY}))

    assert entry["no_undo"] == reason
    assert "undo" not in entry


def test_large_arguments_are_left_out_by_name() -> None:
    """The small ones stay."""
    table = {"t" * 99 + str(n): "x" * 300 for n in range(30)}
    entry = said(arguments={"connector_id": "solid_anchor", "schema": table})

    assert entry["arguments"] == {"connector_id": "solid_anchor"}
    assert list(entry["left_out"]) == ["arguments.schema"]
    assert entry["left_out"]["arguments.schema"].endswith(" bytes")


def test_many_large_arguments_are_counted() -> None:
    """Letters that take more bytes escaped than they do otherwise are counted as they are written."""
    entry = said(arguments={f"a{n:02}": "é" * 390 for n in range(20)})

    assert 0 < len(encoded(entry["arguments"])) <= 6_000
    assert entry["left_out"]["more"].endswith(" arguments")


def test_arguments_that_are_too_deep_are_told() -> None:
    """The entry is written all the same."""
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    entry = said(arguments={"deep": deep}, undo={"deep": deep})

    assert entry["left_out"] == {"arguments": "nested too deeply"}
    assert entry["no_undo"] == "it is not JSON"


def test_an_entry_that_is_too_long_loses_its_largest_fields() -> None:
    """Who did what to which connector stays, and what was lost is told."""
    wide = "\U0001f600" * LONGEST_FIELD
    ids = [wide] * MOST_CONNECTORS
    arguments = {f"a{n}": "é" * 390 for n in range(20)}
    entry = bounded(
        said(connector_ids=ids, name=wide, client=wide, arguments=arguments, undo={"é": "é" * 800})
    )

    assert len(encoded(entry)) <= ROOM
    assert entry["connector_id"] == "solid_anchor"
    assert entry["left_out"]["connector_ids"].endswith(" bytes")
    assert "connector_ids" not in entry
    assert entry["undo"]


def test_what_was_left_out_of_arguments_counts_no_more_when_they_all_are() -> None:
    """One line about them is enough."""
    entry = bounded({"arguments": {"a": "x" * ROOM}, "left_out": {"arguments.b": "7 bytes"}})

    assert entry == {"left_out": {"arguments": f"{ROOM + 8} bytes"}}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), JSON), st.text(), st.dictionaries(st.text(), JSON))
def test_whatever_comes_an_entry_is_one_short_line(
    arguments: dict[str, Any], name: str, undo: dict[str, Any]
) -> None:
    """Of JSON in ASCII."""
    line = encoded(bounded(said(arguments=arguments, name=name, undo=undo)))

    assert len(line) <= ROOM
    assert line.isascii()
    assert b"\n" not in line
    assert json.loads(line)["tool"] == "pause_connector"
