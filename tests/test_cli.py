"""The command line."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mcp_server import __version__, cli, demo, serve, telemetry
from mcp_server.clients.known import CLIENTS
from mcp_server.policy import Mode
from mcp_server.sandbox import SANDBOX_SECRET
from mcp_server.server import FivetranServer

runner = CliRunner()


@pytest.fixture(name="served")
def _served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note what would be served, and do not serve it."""
    served: list[Any] = []
    monkeypatch.setattr(serve, "serve_stdio", lambda server: served.append((server, "stdio")))
    monkeypatch.setattr(serve, "serve_http", lambda *given, **_: served.append(given))
    return served


def test_the_version_is_told() -> None:
    """And nothing else."""
    result = runner.invoke(cli.app, ["--version"])

    assert result.exit_code == 0
    assert result.stdout == f"{__version__}\n"


def test_the_help_names_every_option_with_its_variable() -> None:
    """Everything that can be set."""
    shown = runner.invoke(cli.app, ["--help"]).stdout

    for option in ("--mode", "--read-only", "--toolsets", "--policy", "--http", "--approval"):
        assert option in shown
        assert f"FIVETRAN_MCP_{option[2:].upper().replace('-', '_')}" in shown


def test_wrong_settings_end_with_one_message_on_stderr_and_exit_code_2(served: list[Any]) -> None:
    """Every problem and its remedy, before anything is served."""
    result = runner.invoke(cli.app, ["--mode", "all", "--http", "0.0.0.0:1"])

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("The configuration is wrong:\n")
    for variable in ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "FIVETRAN_MCP_MODE", "_HTTP"):
        assert variable in result.stderr
    assert served == []


def test_an_unknown_option_ends_with_exit_code_2() -> None:
    """As every command does."""
    assert runner.invoke(cli.app, ["--reed-only"]).exit_code == 2


def test_options_reach_the_server(served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key pair from the environment."""
    monkeypatch.setenv("FIVETRAN_API_KEY", "key")
    monkeypatch.setenv("FIVETRAN_API_SECRET", "secret")

    result = runner.invoke(cli.app, ["--mode", "write", "--toolsets", "groups,syncs"])

    assert result.exit_code == 0, result.output
    ((server, transport),) = served
    assert isinstance(server, FivetranServer)
    assert transport == "stdio"
    assert server._gate.mode is Mode.WRITE  # noqa: SLF001 -- no other way to see it
    assert server._gate.toolsets == {"groups", "syncs"}  # noqa: SLF001 -- likewise


def test_an_address_serves_http(served: list[Any]) -> None:
    """On the sandbox, which needs no key pair."""
    result = runner.invoke(cli.app, ["--sandbox", "--http", "[::1]:8000"])

    assert result.exit_code == 0, result.output
    ((_, host, port),) = served
    assert (host, port) == ("::1", 8000)


def test_the_sandbox_does_not_get_a_real_key(
    served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its own."""
    monkeypatch.setenv("FIVETRAN_API_KEY", "real")
    monkeypatch.setenv("FIVETRAN_API_SECRET", "canary")
    seen: list[str] = []

    def build(settings: Any, **_: Any) -> object:
        seen.append(settings.api_secret.get_secret_value())
        return object()

    monkeypatch.setattr("mcp_server.server.build_server", build)

    assert runner.invoke(cli.app, ["--sandbox"]).exit_code == 0
    assert seen == [SANDBOX_SECRET]
    assert len(served) == 1


@pytest.mark.parametrize("code", [0, 1])
def test_the_demo_ends_with_its_own_exit_code(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a script can tell."""
    monkeypatch.setattr(demo, "run_demo", lambda: code)

    assert runner.invoke(cli.app, ["demo"]).exit_code == code


def test_the_configuration_of_a_client_is_printed_and_every_client_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the help, too; the options and the variables reach it."""
    shown = runner.invoke(cli.app, ["config", "--help"]).stdout
    assert all(client in shown for client in CLIENTS)

    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    for variable in ("APPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    printed = runner.invoke(cli.app, ["config", "codex", "--mode", "full", "--name", "mine"])
    assert printed.exit_code == 0
    assert tomllib.loads(printed.stdout)["mcp_servers"]["mine"]["args"][-1] == "full"
    assert str(tmp_path / "config.toml") in printed.stderr
    assert runner.invoke(cli.app, ["config", "emacs"]).exit_code == 2


@pytest.mark.parametrize(
    "command", [["-m", "mcp_server"], ["-c", "from mcp_server.cli import main; main()"]]
)
def test_both_ways_to_start_it_are_the_same_command(command: list[str]) -> None:
    """The module, and the function that the installed command calls."""
    result = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, *command, "--version"], capture_output=True, text=True, check=True
    )

    assert result.stdout == f"{__version__}\n"


POLICY = """
[[rules]]
name = "no deletes"
tools = ["delete_connector"]
verdict = "deny"
"""


def test_a_policy_file_is_said_in_words_or_its_mistakes_are_told(tmp_path: Path) -> None:
    """Before a server is started with it, and by the server itself."""
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")

    told = runner.invoke(cli.app, ["policy", "check", str(file)])
    assert told.exit_code == 0
    assert "no deletes" in told.output

    file.write_text(POLICY.replace("verdict", "verdikt"), encoding="utf-8")
    for arguments in (["policy", "check", str(file)], ["--sandbox", "--policy", str(file)]):
        told = runner.invoke(cli.app, arguments)
        assert told.exit_code == 2
        assert "verdikt" in told.output
        assert "line 5" in told.output


def test_a_policy_and_an_audit_file_reach_the_gate(
    served: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key that seals it."""
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_FILE", str(tmp_path / "audit.jsonl"))
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_KEY", "k" * 32)
    monkeypatch.setenv("FIVETRAN_MCP_STATE_KEY", "s" * 32)

    result = runner.invoke(cli.app, ["--sandbox", "--policy", str(file)])

    assert result.exit_code == 0, result.output
    ((server, _),) = served
    gate = server._gate  # noqa: SLF001 -- no other way to see it
    assert gate.rules is not None
    assert gate.journal.path == tmp_path / "audit.jsonl"
    gate.journal.close()

    verified = runner.invoke(cli.app, ["audit", "verify", str(tmp_path / "audit.jsonl")])
    assert verified.exit_code == 0, verified.output


def test_an_audit_file_that_was_altered_or_is_none_is_told(tmp_path: Path) -> None:
    """By the exit code too."""
    file = tmp_path / "audit.jsonl"
    file.write_text("not a journal\n", encoding="utf-8")

    assert runner.invoke(cli.app, ["audit", "verify", str(file)]).exit_code == 1
    missing = runner.invoke(cli.app, ["audit", "verify", str(tmp_path / "nothing")])
    assert missing.exit_code == 2
    assert "Traceback" not in missing.output


def test_with_an_issuer_http_asks_for_tokens(
    served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond this machine, too; a process on stdio is whoever started it."""
    monkeypatch.setenv("FIVETRAN_MCP_AUTH_ISSUER", "https://idp.example")
    monkeypatch.setenv("FIVETRAN_MCP_AUTH_AUDIENCE", "https://mcp.example/mcp")

    assert runner.invoke(cli.app, ["--sandbox", "--http", "192.0.2.1:80"]).exit_code == 0
    assert runner.invoke(cli.app, ["--sandbox"]).exit_code == 0
    (over_http, host, port), (over_stdio, _) = served
    assert (host, port) == ("192.0.2.1", 80)
    assert over_http._gate.auth is not None  # noqa: SLF001 -- no other way to see it
    assert over_stdio._gate.auth is None  # noqa: SLF001 -- likewise


def test_spans_are_set_up_before_anything_is_served_and_sent_at_the_end(
    served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a collector is named."""
    did: list[str] = []
    monkeypatch.setattr(telemetry, "configure_tracing", lambda: did.append("configured"))
    monkeypatch.setattr(telemetry, "flush", lambda: did.append(f"flushed after {len(served)}"))
    assert runner.invoke(cli.app, ["--sandbox"]).exit_code == 0
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    assert runner.invoke(cli.app, ["--sandbox"]).exit_code == 0

    assert did == ["flushed after 1", "configured", "flushed after 2"]
