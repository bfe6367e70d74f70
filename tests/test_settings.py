"""Settings: what is right, and everything that is wrong at once."""

from pathlib import Path

import pytest

from mcp_server.addresses import is_loopback
from mcp_server.clients.known import CLIENTS, Server
from mcp_server.policy import Mode
from mcp_server.settings import (
    PLACEHOLDERS,
    REMEDIES,
    TOOLSETS,
    USUAL,
    VARIABLES,
    SettingsError,
    audit_key,
    load_settings,
    split_address,
    tracing_wanted,
)
from mcp_server.tools import TOOLSETS as DECLARED

PAIR = {"FIVETRAN_API_KEY": "the-key", "FIVETRAN_API_SECRET": "the-canary-secret"}


@pytest.fixture(name="environment")
def _environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set a key pair."""
    for name, value in PAIR.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems_of(**arguments: object) -> str:
    """Load settings that are wrong; the message."""
    with pytest.raises(SettingsError) as caught:
        load_settings(**arguments)
    return str(caught.value)


@pytest.mark.usefixtures("environment")
def test_a_key_pair_is_enough_and_the_mode_is_read_only() -> None:
    """The safest choices are the defaults."""
    settings = load_settings()

    assert settings.mode_in_force is Mode.READ_ONLY
    assert settings.toolset_names == frozenset(USUAL)
    assert settings.base_url == "https://api.fivetran.com"
    assert settings.address is None
    assert settings.api_secret.get_secret_value() == PAIR["FIVETRAN_API_SECRET"]
    assert "canary" not in repr(settings)


def test_without_a_key_pair_both_variables_are_named_with_their_remedy() -> None:
    """A newcomer learns at once what to set."""
    message = problems_of()

    assert "FIVETRAN_API_KEY: it is not set" in message
    assert "FIVETRAN_API_SECRET: it is not set" in message
    assert "--sandbox" in message


@pytest.mark.parametrize(
    "text", ["...", " your key", "your secret", "${FIVETRAN_API_KEY}", "$FIVETRAN_API_KEY"]
)
def test_a_placeholder_is_no_key(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The likeliest mistake of all is told before Fivetran says no; it is repeated nowhere."""
    monkeypatch.setenv("FIVETRAN_API_KEY", text)
    monkeypatch.setenv("FIVETRAN_API_SECRET", "secret")

    assert "FIVETRAN_API_KEY: it is a placeholder" in problems_of()


def test_what_clients_files_have_in_its_place_is_known() -> None:
    """By the words that are written into them."""
    for client in CLIENTS.values():
        for variable, shown in client.entry(Server()).get("env", {}).items():
            assert shown in PLACEHOLDERS or shown.startswith("$"), variable


def test_the_sandbox_needs_no_key_pair() -> None:
    """It is for trying without an account."""
    assert load_settings(sandbox=True).sandbox is True


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should have to start the server once for each mistake."""
    for name, value in {
        "FIVETRAN_BASE_URL": "http://api.fivetran.com",
        "FIVETRAN_MCP_MODE": "everything",
        "FIVETRAN_MCP_READ_ONLY": "perhaps",
        "FIVETRAN_MCP_APPROVAL": "nobody",
        "FIVETRAN_MCP_POLICY": "nowhere.toml",
        "FIVETRAN_MCP_AUDIT_KEY": "short",
        "FIVETRAN_MCP_STATE_KEY": "short",
        "FIVETRAN_MCP_TOOLSETS": "connectors,syncz",
        "FIVETRAN_MCP_SECRET_ENV": "PG_PASSWORD, P*",
        "FIVETRAN_MCP_SECRET_DIR": "secrets",
        "FIVETRAN_MCP_LITERAL_SECRETS": "perhaps",
        "FIVETRAN_MCP_SANDBOX": "maybe",
        "FIVETRAN_MCP_HTTP": "0.0.0.0:8000",
        "FIVETRAN_MCP_REPLICAS": "0",
        "FIVETRAN_MCP_TIMEOUT": "0",
        "FIVETRAN_MCP_LOG_LEVEL": "loud",
        "FIVETRAN_MCP_LOG_FORMAT": "xml",
        "FIVETRAN_MCP_READONLY": "true",
    }.items():
        monkeypatch.setenv(name, value)

    message = problems_of()

    # Any text can be one of these; whether it is right is found out later.
    free = {"audit_file", "hosts", "origins"}
    checked = [n for n in VARIABLES if n not in free and not n.startswith("auth_")]
    for name in checked:
        assert f"- {VARIABLES[name]}: " in message, name
        assert REMEDIES[name] in message
    assert "FIVETRAN_MCP_READONLY: there is no such setting, did you mean" in message
    assert len(message.splitlines()) == len(checked) + 2


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("k" * 31, "it is too short"),
        (f"{'k' * 32},{'n' * 31}", "it is too short"),
        (f"{'k' * 32},", "it is too short"),
        (f"{'k' * 32}, {'k' * 32}", "it has a key twice"),
    ],
)
def test_each_key_of_replicas_is_long_and_another(
    key: str, problem: str, environment: pytest.MonkeyPatch
) -> None:
    """A comma separates them, for as long as one takes the place of another."""
    environment.setenv(VARIABLES["state_key"], key)

    assert f"{VARIABLES['state_key']}: {problem}" in problems_of()


def test_of_the_keys_of_replicas_none_comes_out(environment: pytest.MonkeyPatch) -> None:
    """In the order in which they were given, and alone as well as together."""
    assert load_settings().state_keys == ()
    environment.setenv(VARIABLES["state_key"], f"{'n' * 32}, {'k' * 32}")

    settings = load_settings()

    assert settings.state_keys == (b"n" * 32, b"k" * 32)
    assert {"n" * 32, "k" * 32} <= settings.vault().known()


def test_a_variable_that_resembles_no_setting_is_named_without_a_guess(
    environment: pytest.MonkeyPatch,
) -> None:
    """A guess that is far off would mislead."""
    environment.setenv("FIVETRAN_MCP_ZZZZZZZZZZZZZZZZZZZZZZ", "1")

    message = problems_of()

    assert "FIVETRAN_MCP_ZZZZZZZZZZZZZZZZZZZZZZ: there is no such setting; correct" in message


def test_no_message_repeats_a_value(environment: pytest.MonkeyPatch) -> None:
    """A secret pasted into the wrong variable stays out of logs."""
    environment.setenv("FIVETRAN_MCP_MODE", "canary-value")

    assert "canary" not in problems_of()


def test_arguments_win_over_the_environment(environment: pytest.MonkeyPatch) -> None:
    """The command line is nearer."""
    environment.setenv("FIVETRAN_MCP_MODE", "full")

    assert load_settings().mode_in_force is Mode.FULL
    assert load_settings(mode="write").mode_in_force is Mode.WRITE


def test_read_only_wins_over_every_mode(environment: pytest.MonkeyPatch) -> None:
    """Whoever sets it means it."""
    environment.setenv("FIVETRAN_MCP_READ_ONLY", "true")

    assert load_settings(mode="full").mode_in_force is Mode.READ_ONLY


def test_nothing_of_the_environment_can_be_named_unless_opened(
    environment: pytest.MonkeyPatch,
) -> None:
    """Neither variables nor files; but the key pair is hidden all the same."""
    environment.setenv("PG_PASSWORD", "canary")

    vault = load_settings().vault()

    assert not vault.is_open
    assert vault.known() == set(PAIR.values())
    assert load_settings().literal_secrets == "allow"


def test_variables_are_opened_by_name_or_prefix(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And no other."""
    for name in ("PG_PASSWORD", "PG_PASSWORD_2", "CONNECTOR_A", "CONNECTOR_", "connector_b"):
        environment.setenv(name, "canary")
    environment.setenv("FIVETRAN_MCP_SECRET_ENV", "PG_PASSWORD, CONNECTOR_*")
    environment.setenv("FIVETRAN_MCP_SECRET_DIR", str(tmp_path))

    vault = load_settings().vault()

    assert vault.names("$env") == ["CONNECTOR_", "CONNECTOR_A", "PG_PASSWORD"]
    assert vault.names("$file") == []
    assert vault.is_open


def test_the_servers_own_settings_are_never_opened(environment: pytest.MonkeyPatch) -> None:
    """Sent as the password of a database, the key pair would leave."""
    environment.setenv("FIVETRAN_MCP_SECRET_ENV", "FIVETRAN_*,FIVETRAN_API_SECRET,FIV*")

    assert load_settings().vault().names("$env") == []


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("pattern", ["*", "P*", "PG-1", "A=B", "PG*PASSWORD", "PG**", "é", "1A"])
def test_a_pattern_that_opens_too_much_or_nothing_is_refused(pattern: str) -> None:
    """By its place in the list; it may be a value pasted by mistake."""
    message = problems_of(secret_env=f"PG_PASSWORD {pattern}")

    remedy = REMEDIES["secret_env"]
    assert f"FIVETRAN_MCP_SECRET_ENV: entry 2 is no name and no prefix; {remedy}\n" in message


@pytest.mark.usefixtures("environment")
def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file, a relative path, nothing."""
    (tmp_path / "file").write_text("x")

    for path in (tmp_path / "file", tmp_path / "nothing", Path("tests")):
        assert "FIVETRAN_MCP_SECRET_DIR: there is no such directory" in problems_of(secret_dir=path)


def test_an_empty_variable_counts_as_not_set(environment: pytest.MonkeyPatch) -> None:
    """Hosts pass inputs that a person left empty."""
    environment.setenv("FIVETRAN_MCP_MODE", "")

    assert load_settings().mode_in_force is Mode.READ_ONLY


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("connectors, groups", {"connectors", "groups"}),
        ("syncs schemas", {"syncs", "schemas"}),
        ("all", set(TOOLSETS)),
        ("all,groups", set(TOOLSETS)),
        ("default", set(USUAL)),
        ("advanced default", set(TOOLSETS)),
    ],
)
def test_toolsets_are_a_list_with_commas_or_spaces(text: str, names: set[str]) -> None:
    """`all` stands for every one, `default` for those that are offered unasked."""
    assert load_settings(toolsets=text).toolset_names == names


@pytest.mark.usefixtures("environment")
def test_an_empty_list_of_toolsets_is_refused() -> None:
    """A server without tools is a mistake."""
    assert "FIVETRAN_MCP_TOOLSETS" in problems_of(toolsets=" , ")


def test_the_named_toolsets_are_those_that_tools_declare() -> None:
    """Two lists, one truth."""
    assert {toolset.name for toolset in DECLARED} == set(TOOLSETS)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "url",
    [
        "http://api.fivetran.com",
        "ftp://api.fivetran.com",
        "https://",
        "api.fivetran.com",
        "https://api.fivetran.com/v1",
        "https://api.fivetran.com?x=1",
        "https://key:secret@api.fivetran.com",
        "http://127.0.0.1.evil.example",
    ],
)
def test_an_address_that_could_leak_the_key_is_refused(url: str) -> None:
    """Only https, only a host; plain http nowhere but on this machine."""
    assert "FIVETRAN_BASE_URL" in problems_of(base_url=url)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "url", ["https://proxy.example:8443", "http://127.0.0.1:9000/", "http://localhost:1"]
)
def test_another_address_may_be_https_or_on_this_machine(url: str) -> None:
    """A trailing slash does no harm."""
    assert load_settings(base_url=url).base_url == url.rstrip("/")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("127.0.0.2:65535", ("127.0.0.2", 65535)),
    ],
)
def test_a_loopback_address_can_be_served_on(text: str, address: tuple[str, int]) -> None:
    """IPv6 in brackets."""
    assert load_settings(http=text).address == address


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "text", ["0.0.0.0:80", "example.com:80", "192.168.1.1:80", "8000", "127.0.0.1:", "127.0.0.1:x"]
)
def test_other_addresses_are_refused(text: str) -> None:
    """Nobody would have to say who they are."""
    assert "FIVETRAN_MCP_HTTP" in problems_of(http=text)


def test_a_port_that_does_not_exist_is_no_address() -> None:
    """Ports end at 65535."""
    with pytest.raises(ValueError, match="address"):
        split_address("127.0.0.1:65536")


@pytest.mark.parametrize(
    ("host", "answer"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("::", False)]
)
def test_loopback_is_told_by_the_address(host: str, answer: bool) -> None:
    """And by the one name."""
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("issuer", "audience", "words"),
    [
        ("http://idp.example", "https://mcp.example/mcp", "the issuer is not an https URL"),
        ("https://idp.example", "", "the audience is not set"),
        ("", "https://mcp.example/mcp", "the issuer is not an https URL"),
    ],
)
def test_what_is_wrong_with_authentication_is_told_at_start(
    environment: pytest.MonkeyPatch, issuer: str, audience: str, words: str
) -> None:
    """In one sentence, with what to set."""
    environment.setenv("FIVETRAN_MCP_AUTH_ISSUER", issuer)
    environment.setenv("FIVETRAN_MCP_AUTH_AUDIENCE", audience)

    assert words in problems_of()


def test_beyond_this_machine_an_issuer_and_an_audience_are_needed(
    environment: pytest.MonkeyPatch,
) -> None:
    """Then any address may be served."""
    environment.setenv("FIVETRAN_MCP_AUTH_ISSUER", "https://idp.example")
    environment.setenv("FIVETRAN_MCP_AUTH_AUDIENCE", "https://mcp.example/mcp")
    settings = load_settings(http="192.0.2.1:8000")

    assert settings.address == ("192.0.2.1", 8000)
    assert settings.auth
    assert settings.auth.issuer == "https://idp.example"


def test_keys_and_files_of_an_operator_are_read(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The keys are hidden from every answer."""
    policy = tmp_path / "policy.toml"
    policy.write_text("", encoding="utf-8")
    environment.setenv("FIVETRAN_MCP_POLICY", str(policy))
    environment.setenv("FIVETRAN_MCP_AUDIT_KEY", "a" * 32)
    environment.setenv("FIVETRAN_MCP_STATE_KEY", "b" * 32)
    settings = load_settings()

    assert settings.policy == policy
    assert {"a" * 32, "b" * 32} <= settings.vault().known()
    assert audit_key() == b"a" * 32


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, False),
    ],
)
def test_spans_are_sent_where_the_environment_names_a_collector(
    environment: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    """Never to stdout, which belongs to the protocol."""
    for name, value in variables.items():
        environment.setenv(name, value)

    assert tracing_wanted() is wanted
