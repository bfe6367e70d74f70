"""Tools from a shell: the catalogue and one call, through the same gate."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from anyio import to_thread
from mcp import Client
from mcp_types import ElicitRequestFormParams
from typer.testing import CliRunner

from mcp_server import cli, shell
from mcp_server.sandbox import Sandbox
from mcp_server.server import all_specs
from tests.support import serve

runner = CliRunner()
BILLING = "solid_anchor"


def call(*arguments: str, mode: str = "full", stdin: str | None = None) -> Any:
    """Call on the sandbox."""
    given = ["--sandbox", "--mode", mode, "call", *arguments]
    return runner.invoke(cli.app, given, input=stdin)


def test_a_call_prints_its_answer_as_one_line_of_json() -> None:
    """For whatever reads it next."""
    told = call("list_connectors", "--state", "broken", "--limit", "1")

    assert told.exit_code == 0, told.output
    assert told.stderr == ""
    (line,) = told.stdout.splitlines()
    (row,) = json.loads(line)["connectors"]
    assert row["state"] == "broken"


def test_a_tool_and_its_options_may_be_written_with_either_dash() -> None:
    """People write -, models write _."""
    for tool in ("get_connector", "get-connector"):
        for option in ("--connector-id", "--connector_id"):
            told = call(tool, option, BILLING)
            assert json.loads(told.stdout)["id"] == BILLING


def test_every_tool_is_a_command_with_an_option_for_each_argument() -> None:
    """And its description."""
    for spec in all_specs():
        shown = call(spec.name, "--help").stdout
        assert "--json-args" in shown
        assert spec.description.split()[0] in shown
        for name in shell.gated(spec).parameters["properties"]:
            assert f"--{name.replace('_', '-')}" in shown


def test_the_tools_are_listed_as_commands() -> None:
    """Each with its first line."""
    shown = runner.invoke(cli.app, ["call", "--help"]).stdout

    assert "list_connectors" in shown
    assert "through the same gate" in shown


def test_lists_are_repeated_options_and_objects_are_json(tmp_path: Path) -> None:
    """Written out, in a file, or from the standard input."""
    several = call("wait_for_sync", "--connector-ids", "a_b", "--connector-ids", "c_d", "--help")
    assert several.exit_code == 0
    config = {"host": "db.example"}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    for given, stdin in (
        (json.dumps(config), None),
        (f"@{file}", None),
        ("-", json.dumps(config)),
    ):
        told = call(
            *("update_connector", "--connector-id", BILLING, "--dry-run", "--config", given),
            stdin=stdin,
        )
        assert told.exit_code == 0, told.output
        assert "db.example" in told.stdout


def test_all_arguments_may_be_one_object_and_options_win_over_it() -> None:
    """What is generated, and what is typed after it."""
    whole = '{"state": "broken", "limit": 1}'

    assert len(json.loads(call("list_connectors", "--json-args", whole).stdout)["connectors"]) == 1
    more = call("list_connectors", "--json-args", whole, "--limit", "2")
    assert len(json.loads(more.stdout)["connectors"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json-args", "[1]"], "--json-args: give a JSON object"),
        (["--json-args", "{"], "--json-args: this is no JSON"),
        (["--json-args", "@nowhere.json"], "nowhere.json cannot be read: No such file"),
        (["--json-args", "@latin.json"], "latin.json is not UTF-8"),
        (["--state", "brokn"], "is not one of"),
        (["--states", "broken"], "No such option"),
    ],
)
def test_what_cannot_be_called_ends_with_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent."""
    monkeypatch.chdir(tmp_path)
    Path("latin.json").write_bytes(b'{"a": "\xe9"}')

    told = call("list_connectors", *arguments)

    assert told.exit_code == 2
    assert said in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "mode", "code", "exit_code"),
    [
        (["get_connector"], "full", "invalid_arguments", 2),
        (["get_connector", "--connector-id", "no_such"], "full", "not_found", 1),
        (["delete_connector", "--connector-id", BILLING], "full", "confirmation_required", 3),
        (["delete_connector", "--connector-id", BILLING, "--confirm"], "write", "mode_forbids", 1),
    ],
)
def test_an_error_goes_to_stderr_and_its_code_is_the_exit_code(
    arguments: list[str], mode: str, code: str, exit_code: int
) -> None:
    """So that a script can tell what to do."""
    told = call(*arguments, mode=mode)

    assert told.exit_code == exit_code
    assert told.stdout == ""
    assert json.loads(told.stderr)["error"]["code"] == code


def test_a_script_is_nobody_who_could_approve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its input says."""
    monkeypatch.setenv("FIVETRAN_MCP_APPROVAL", "human")

    told = call("delete_connector", "--connector-id", BILLING, "--confirm", stdin="y\ny\n")

    assert told.exit_code == 3
    assert json.loads(told.stderr)["error"]["code"] == "not_approved"


class Terminal(io.StringIO):
    """Somebody sits before it."""

    def isatty(self) -> bool:  # type: ignore[explicit-override] # of StringIO
        """Say so."""
        return True


@pytest.mark.parametrize(("said", "exit_code"), [("y", 0), ("n", 3), ("", 3)])
def test_a_person_at_a_terminal_is_asked(
    said: str, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the preview; only a yes is one."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{said}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("FIVETRAN_MCP_APPROVAL", "human")
    given = ["--sandbox", "--mode", "full", "call", "delete_connector"]

    with pytest.raises(SystemExit) as ended:
        cli.app([*given, "--connector-id", BILLING, "--confirm"])

    assert ended.value.code == exit_code
    assert "Delete connector?" in screen.getvalue()
    assert '"pg_billing"' in screen.getvalue()
    assert "Approve? [y/N]" in screen.getvalue()
    assert ("deleted" in capsys.readouterr().out) is (exit_code == 0)


async def test_the_answer_to_a_question_is_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the question is shown as it came."""
    shown: list[str] = []
    monkeypatch.setattr(typer, "echo", lambda text, **_: shown.append(text))
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    question = ElicitRequestFormParams(message="Delete?", requested_schema={})

    answer = await shell.ask(None, question)  # type: ignore[arg-type] # it is not looked at

    assert answer.content == {"approve": True}
    assert shown == ["Delete?"]


async def test_ctrl_c_is_no_answer_and_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, though the loop has a handler of its own; that one is put back."""
    loops = signal.signal(signal.SIGINT, lambda *_: None)

    def press(*_: Any, **__: Any) -> bool:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise typer.Abort from None
        return True

    monkeypatch.setattr(typer, "confirm", press)
    handler = signal.getsignal(signal.SIGINT)
    try:
        question = ElicitRequestFormParams(message="Delete?", requested_schema={})
        answer = await shell.ask(None, question)  # type: ignore[arg-type] # it is not looked at
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, loops)

    assert answer.action == "cancel"


async def test_progress_is_for_whoever_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a log."""
    await shell.show_progress(1.0, 2.0, None)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    await shell.show_progress(1.0, 2.0, None)
    await shell.show_progress(1.0, None, None)
    await shell.show_progress(1.0, 2.0, "half")

    assert screen.getvalue() == "1 of 2\n1\nhalf\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [("list_connecters", "did you mean list_connectors"), ("xyzzy", "There is no tool xyzzy.")],
)
def test_an_unknown_tool_is_told_with_the_nearest(name: str, words: str) -> None:
    """By the exit code too."""
    for told in (call(name), runner.invoke(cli.app, ["tools", name])):
        assert told.exit_code == 2
        assert words in told.stderr
        assert "tools --all" in told.stderr


@pytest.mark.parametrize(
    ("options", "variable", "logged"),
    [([], "", False), (["--log-level", "info"], "", True), ([], "debug", True)],
)
def test_nothing_is_logged_unless_it_is_asked_for(
    options: list[str], variable: str, logged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says what failed; a log would say it again."""
    monkeypatch.setenv("FIVETRAN_MCP_LOG_LEVEL", variable)
    command = ["--sandbox", *options, "call", "get_connector", "--connector-id", "no_such"]

    told = runner.invoke(cli.app, command)

    assert ("tool_call" in told.stderr) is logged
    assert '"code":"not_found"' in told.stderr


def test_looking_at_the_tools_begins_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would belong to whoever looked, and not to the server."""
    file = tmp_path / "audit.jsonl"
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_FILE", str(file))

    assert runner.invoke(cli.app, ["tools"]).exit_code == 0
    assert not file.exists()
    assert call("pause_connector", "--connector-id", BILLING).exit_code == 0
    assert b"mcp-server-fivetran call" in file.read_bytes()


@pytest.mark.parametrize(
    ("options", "offered", "absent"),
    [
        ([], {"list_connectors"}, {"pause_connector", "delete_connector", "undo_change"}),
        (["--mode", "write"], {"pause_connector"}, {"delete_connector"}),
        (["--mode", "full", "--toolsets", "all"], {"undo_change", "delete_connector"}, set()),
    ],
)
def test_the_tools_that_a_server_offers_are_listed_without_a_key(
    options: list[str], offered: set[str], absent: set[str]
) -> None:
    """A line for each."""
    told = runner.invoke(cli.app, [*options, "tools"])

    names = {line.split("\t")[0] for line in told.stdout.splitlines()}
    assert offered <= names
    assert not absent & names
    whole = runner.invoke(cli.app, [*options, "tools", "--json"])
    assert {tool["name"] for tool in json.loads(whole.stdout)["tools"]} == names


async def test_scripts_get_exactly_what_clients_get() -> None:
    """Schemas, annotations and all."""
    server = serve(Sandbox())
    async with Client(server) as client:
        sent = (await client.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)

    assert await to_thread.run_sync(shell.listed, server) == sent["tools"]


def test_all_tools_are_listed_with_the_mode_they_need() -> None:
    """Whatever this server offers."""
    lines = runner.invoke(cli.app, ["--read-only", "tools", "--all"]).stdout.splitlines()
    needed = {line.split("\t")[0]: line.split("\t")[1] for line in lines}

    assert needed.keys() == {spec.name for spec in all_specs()}
    assert needed["pause_connector"] == "write"
    assert needed["undo_change"] == "write, advanced"


def test_a_terminal_gets_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a head."""
    monkeypatch.setenv("FORCE_COLOR", "1")

    shell.show_tools({"get_connector"})

    shown = capsys.readouterr().out
    assert "What it does" in shown
    assert "get_connector" in shown


def test_one_tool_is_shown_whole() -> None:
    """What a model reads, arguments, answer."""
    told = runner.invoke(cli.app, ["tools", "list-connectors"]).stdout

    assert "Offered in mode read-only or write or full; toolset connectors." in told
    assert "  limit (integer): Most rows. [default: 50]" in told
    assert "  complete: " in told


def test_a_tool_that_is_not_offered_is_not_shown() -> None:
    """But it is said how to see it."""
    told = runner.invoke(cli.app, ["tools", "pause_connector"])

    assert told.exit_code == 2
    assert told.stderr == "pause_connector is not offered here, it needs write; add --all.\n"
    assert runner.invoke(cli.app, ["tools", "pause_connector", "--all"]).exit_code == 0


def test_options_of_a_server_are_refused_where_there_is_none() -> None:
    """A --read-only that does nothing would be a promise."""
    told = runner.invoke(cli.app, ["--read-only", "--mode", "full", "demo"])

    assert told.exit_code == 2
    assert "--mode, --read-only would do nothing here" in told.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("call list_c", "list_connectors"),
        ("call list_connectors --sta", "--state"),
        ("call list_connectors --state he", "healthy"),
        ("too", "tools"),
    ],
)
def test_the_shell_completes_tools_options_and_values(words: str, offered: str) -> None:
    """As bash asks for it."""
    typed = f"mcp-server-fivetran {words}"
    place = str(len(typed.split()) - 1)

    assert offered in completed("bash", COMP_WORDS=typed, COMP_CWORD=place).split()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("zsh", {}),
        ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
        ("powershell", {"_TYPER_COMPLETE_WORD_TO_COMPLETE": "list_c"}),
    ],
)
def test_other_shells_ask_in_their_own_way(name: str, more: dict[str, str]) -> None:
    """And show what the tool does as well."""
    told = completed(name, _TYPER_COMPLETE_ARGS="mcp-server-fivetran call list_c", **more)

    assert "list_connectors" in told
    assert "list_groups" not in told


def completed(name: str, **variables: str) -> str:
    """Ask for completions as the script of a shell does."""
    environment = {"_MCP_SERVER_FIVETRAN_COMPLETE": f"complete_{name}", **variables}
    done = subprocess.run(
        [sys.executable, "-m", "mcp_server"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "powershell"])
def test_a_script_for_each_shell_can_be_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To be put where the shell looks for it."""
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: name, raising=False)

    told = runner.invoke(cli.app, ["--show-completion"], prog_name="mcp-server-fivetran")

    assert told.exit_code == 0, told.output
    assert "_MCP_SERVER_FIVETRAN_COMPLETE" in told.stdout
