"""Text and values from outside."""

import json
import time
from urllib.parse import quote

import pytest

from mcp_server.untrusted import (
    REDACTED,
    clean,
    clean_name,
    fit,
    hide,
    is_mask,
    is_reference,
    is_secret_name,
    redact,
    scrub,
    secrets_in,
)

HIDDEN = (
    "\u3164\u034f\ufe0f\U000e0101\x00\x1b[31m\u200b\u202e\u2066\ufeff\u00ad\U000e0041\x85\u2028"
)

# Every name that Fivetran's OpenAPI document marks `format: password`, but for those that name no
# secret (an id, a host, a container); and those that it forgets to mark.
SECRET_NAMES = """
abs_connection_string access_key access_key_id access_key_secret access_token account_key
account_token admin_api_key agent_password api_access_token api_key api_key_2 api_key_api_secret
api_password api_secret api_secret_key api_token app_key app_secret application_key asm_password
auth_code auth_secret auth_token aws_secret_access_key bearer_token blob_sas_url certificate
client_cert client_cert_key client_certificate client_key client_private_key client_secret
company_key connect_password connection_string consumer_key consumer_secret credentials dsv_password
ftp_password function_key integration_key key key_password keystore keystore_password
login_password oauth2_secret oauth_subscription_key oauth_token oauth_token_secret
pass_phrase passphrase password pat_secret personal_access_token pgp_pass_phrase pgp_secret_key
primary_key private_access_token private_key private_token public_key refresh_token role_arn
s3role_arn s3_role_arn salesforce_security_token sasl_plain_key sasl_plain_secret
sasl_scram256_key sasl_scram512_secret schema_registry_api_key schema_registry_key secret
secret_access_key secret_key secret_value secrets secured_signon_key sender_password
service_account_key sftp_password shard_authorization_id storage_account_key subscription_key
system_user_access_token tde_certificate tde_private_key tde_wallet_password token token_key
token_secret trusted_cert truststore user_key user_token webhook_secret workspace_token
ws_certificate x_api_key x_key x_master_key x_user_token api_username query_param_value
""".split()  # noqa: SIM905 -- a list of a hundred names is read like this


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_field_named_like_a_secret_is_one(name: str) -> None:
    """However it is written."""
    assert is_secret_name(name)
    assert is_secret_name(name.upper())


@pytest.mark.parametrize(
    "name",
    [
        *["host", "port", "user", "database", "schema_prefix", "update_method", "bucket"],
        *["sync_mode", "primary", "keyspace", "authentic", "monkey", "spin", "tables"],
    ],
)
def test_a_field_that_explains_a_connector_is_shown(name: str) -> None:
    """Redacting everything would be of no use."""
    assert not is_secret_name(name)


def test_what_does_not_show_is_dropped_and_white_space_folded() -> None:
    """Control, zero width, bidi and tag characters can hide or turn text."""
    assert clean(f"a{HIDDEN}b\n\n  c\t日本語 é") == "a b c 日本語 é"


def test_a_long_text_is_cut_and_says_how_much_is_missing() -> None:
    """Never silently."""
    assert clean("x" * 1000, 10) == "x" * 10 + "… [990 more characters]"


def test_a_name_keeps_its_spaces_and_loses_only_what_does_not_show() -> None:
    """Names are arguments of the next call."""
    assert clean_name(f"a  b{HIDDEN}/..% c") == "a  b[31m/..% c"


@pytest.mark.parametrize(
    ("value", "answer"), [("*", True), ("******", True), ("", False), ("*a*", False), (None, False)]
)
def test_only_asterisks_are_a_mask(value: object, answer: bool) -> None:
    """The API shows six or eight of them."""
    assert is_mask(value) is answer


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://joe:hunter2@db/x", f"postgres://{REDACTED}@db/x"),
        ("Authorization: Basic YWJjZGVmZ2g=", f"Authorization: Basic {REDACTED}"),
        ("bearer eyJhbGciOi.J9", f"bearer {REDACTED}"),
        ("https://canary@db.example/x", f"https://{REDACTED}@db.example/x"),
        ("x://u:p@ss/w@h and more", f"x://{REDACTED}@h and more"),
        ("https://db.example/a:1", "https://db.example/a:1"),
        ("host=db password=hunter2 port=1", f"host=db password={REDACTED} port=1"),
        ("Server=db;Pwd=hunter2;x=1", f"Server=db;Pwd={REDACTED};x=1"),
        (
            'sent {"client_secret": "hunter2", "a": 1}',
            f'sent {{"client_secret": "{REDACTED}", "a": 1}}',
        ),
        ("/cb?access_token=hunter2&state=1", f"/cb?access_token={REDACTED}&state=1"),
        ("Invalid token: it has expired", "Invalid token: it has expired"),
    ],
)
def test_credentials_inside_a_text_are_redacted(text: str, shown: str) -> None:
    """Connection errors like to quote them."""
    assert scrub(text) == shown


def test_json_is_redacted_at_every_depth() -> None:
    """By name, by mask, inside texts, and in lists of key and value."""
    value = {
        "host": "db\u202e",
        "password": "canary1",
        "nested": [{"api_key": "canary2", "port": 5432}, "x://u:canary3@h"],
        "other": "********",
        "secrets_list": [{"key": "NAME", "value": "canary4"}],
        "pairs": [{"key": "NAME", "value": "canary5", "note": "n", "token": "canary6"}],
        "flag": True,
        "none": None,
    }

    shown = redact(value)

    assert "canary" not in json.dumps(shown)
    assert shown["host"] == "db"
    assert shown["nested"][0] == {"api_key": REDACTED, "port": 5432}
    assert shown["other"] == REDACTED
    assert shown["pairs"] == [{"key": "NAME", "value": REDACTED, "note": "n", "token": REDACTED}]
    assert shown["flag"] is True
    assert shown["none"] is None


def test_what_does_not_fit_is_named_with_its_size() -> None:
    """The smallest entries are kept, in their order."""
    kept, left = fit({"b": "x" * 100, "a": 1, "c": [2]}, 20)

    assert kept == {"a": 1, "c": [2]}
    assert left == {"b": 102}


def test_many_small_entries_stay_within_the_budget() -> None:
    """Quotes, colons and commas count."""
    kept, left = fit({f"entry{n}": n for n in range(20_000)}, 10_000)

    assert len(json.dumps(kept, separators=(",", ":"))) <= 10_001
    assert len(kept) + len(left) == 20_000


def test_credentials_of_arguments_are_found_and_hidden_anywhere() -> None:
    """By the name of their field, at every depth; the longest first."""
    secrets = secrets_in(
        {
            "connector_id": "solid_anchor",
            "config": {"host": "db.example", "password": "canary", "port": 1, "pin": "123"},
            "auth": {"client_access": {"client_secret": ["canary-long"]}},
            "pairs": [{"key": "NAME", "value": "canary-pair"}],
        }
    )

    assert secrets == {"canary", "canary-long", "canary-pair"}
    shown = hide({"a": ["bad canary-long", {"b": "canary"}], "n": 1}, secrets)
    assert shown == {"a": [f"bad {REDACTED}", {"b": REDACTED}], "n": 1}
    assert hide(shown, frozenset()) == shown


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"$env": "PG_PASSWORD"}, True),
        ({"$file": "pg"}, True),
        ({"$env": 5}, False),
        ({"$env": "A", "$file": "b"}, False),
        ({"env": "A"}, False),
        ("$env", False),
    ],
)
def test_a_reference_is_one_name_and_nothing_else(value: object, answer: bool) -> None:
    """Anything like it is not taken for one."""
    assert is_reference(value) is answer


def test_the_name_in_a_reference_is_no_credential() -> None:
    """It may be repeated, so that an error can name it."""
    assert secrets_in({"password": {"$env": "PG_PASSWORD"}, "token": {"$file": "t"}}) == frozenset()


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("pa ss\u200b\n word", "it is pa ss word", f"it is {REDACTED}"),
        ('say "so"\\', json.dumps(['say "so"\\']), f'["{REDACTED}"]'),
        ("naïve-é", json.dumps(["naïve-é"]), f'["{REDACTED}"]'),
        ("a token=b c", scrub("it is a token=b c"), f"it is {REDACTED}"),
        ("a\x1fb c", json.dumps(json.dumps(["a\x1fb c"])), f'"[\\"{REDACTED}\\"]"'),
        ("\U0001f511-secret", json.dumps("\U0001f511-secret"), f'"{REDACTED}"'),
        ("p@ss/w rd", "https://db.example/?p=p%40ss%2Fw%20rd", f"https://db.example/?p={REDACTED}"),
        ("-- BEGIN --\nMIIEvQIBADANBgkq\n-- END --", "at MIIEvQIBADANBgkq", f"at {REDACTED}"),
    ],
)
def test_a_credential_is_hidden_in_whatever_form_it_comes_back(
    secret: str, text: str, shown: str
) -> None:
    """Cleaned, escaped, in a URL, or a line of it; as a value or as a key."""
    assert hide({text: [text]}, frozenset({secret})) == {shown: [shown]}


def test_the_beginning_of_a_credential_before_a_cut_is_hidden_too() -> None:
    """What was cut off may have been the rest of it."""
    text = clean("user=canary-0123456789", 12)

    assert hide(text, frozenset({"canary-0123456789"})) == f"user={REDACTED}… [10 more characters]"
    assert hide(text, frozenset({"something-else"})) == text


def test_a_credential_that_is_an_ordinary_word_does_not_take_our_own_keys() -> None:
    """An answer keeps its shape."""
    shown = hide(
        {"name": "name", "config": {"my name": 1}}, frozenset({"name"}), frozenset({"name"})
    )

    assert shown == {"name": REDACTED, "config": {f"my {REDACTED}": 1}}


def test_hiding_takes_no_longer_for_a_text_made_to_be_slow() -> None:
    """A second at the most, where a careless pattern would take for ever."""
    started = time.perf_counter()
    hide(["\\" * 20_000, "a" + "\\" * 20_000 + " b", "é " * 20_000], frozenset({"a\x1f b é é é"}))

    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "secret",
    [
        "0123456789abcdef" * 4,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "%25" * 30,
        "%" * 60,
        "\\" * 60 + "a",
        "\\u0041" * 20,
        "u" * 60,
        "é" * 60,
        "a b" * 20,
        "{}/+=&" * 10,
    ],
)
def test_a_text_that_is_nearly_a_credential_is_read_at_once(secret: str) -> None:
    """Two ways to read a letter would be two to the power of sixty; a model can try that."""
    almost = [secret[:-1], f"{secret[:-1]}#", json.dumps(secret)[:-2], quote(secret)[:-1] + "#"]
    started = time.process_time()
    hide([text * 3 for text in almost], frozenset({secret}))

    assert time.process_time() - started < 2
    assert hide(f"<{secret}>", frozenset({secret})) == f"<{REDACTED}>"


@pytest.mark.parametrize(
    "secret",
    ["x" * 200_000, "\n".join(f"line{n:04}-{'k' * 60}" for n in range(1_000)), "\\u0041" * 100],
)
def test_a_large_credential_is_hidden_and_takes_no_time(secret: str) -> None:
    """As it is, as JSON and as URLs write it; a model can give one of any size."""
    started = time.process_time()
    for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert hide(f"<{form}>", frozenset({secret})) == f"<{REDACTED}>"

    assert time.process_time() - started < 3


def test_of_many_credentials_the_short_ones_are_sought_in_every_way() -> None:
    """What does not fit is sought as it is."""
    secrets = frozenset({"hunter-22", *(f"{n:03}-{'x' * 60}" for n in range(100))})

    assert hide("h\\u0075nter-22", secrets) == REDACTED
    assert hide(f"a {'099-' + 'x' * 60} b", secrets) == f"a {REDACTED} b"
