"""`config CLIENT`: what is printed, what is written, and what is left alone."""

import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clients.command import Wish, configure, own_command
from mcp_server.clients.known import CLIENTS, SECRETS

KEY, SECRET = SECRETS


@dataclass
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(name="run")
def _run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command in a home and a project of its own, with a real key in the environment."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv(KEY, "canary")
    monkeypatch.setenv(SECRET, "canary")

    def run(client: str, **options: Any) -> Ran:
        code = configure(Wish(client, **options), {})
        out, err = capsys.readouterr()
        assert "canary" not in out + err
        return Ran(code, out, err)

    return run


@pytest.mark.parametrize("client", CLIENTS)
def test_the_configuration_is_printed_and_the_place_told(client: str, run: Run) -> None:
    """The one to paste on stdout, the rest on stderr; nothing is written."""
    ran = run(client, mode="write")

    assert ran.code == 0
    content = CLIENTS[client].format.parse(ran.out)
    server = content[CLIENTS[client].container]["fivetran"]
    own, *args = own_command(Path(sys.executable))
    assert (server["command"], server["args"]) == (own, [*args, "--mode", "write"])
    assert "--write merges it" in ran.err
    assert len(ran.err.splitlines()) == 3
    assert [*Path.cwd().iterdir()] == []


def test_every_option_of_the_server_reaches_it(run: Run, tmp_path: Path) -> None:
    """A policy by its whole path: the client starts the server elsewhere."""
    Path("policy.toml").write_text("", encoding="utf-8")
    options = {"toolsets": "groups, syncs", "approval": "human", "policy": Path("policy.toml")}
    ran = run("cursor", name="mine", **options)

    args = json.loads(ran.out)["mcpServers"]["mine"]["args"]
    assert args[-8:] == [
        *("--mode", "read-only", "--toolsets", "groups,syncs", "--approval", "human"),
        *("--policy", str(tmp_path / "project" / "policy.toml")),
    ]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_sandbox_has_no_secrets(client: str, run: Run) -> None:
    """Nor a word of them."""
    ran = run(client, sandbox=True)

    assert "--sandbox" in ran.out
    assert "API" not in ran.out + ran.err
    assert "inputs" not in ran.out


@pytest.mark.parametrize(
    ("client", "options", "why"),
    [
        ("emacs", {}, "no client 'emacs': use one of claude-desktop, claude-code,"),
        ("cursor", {"mode": "all"}, "use read-only, write or full (--mode"),
        ("cursor", {"toolsets": "x"}, "there is no toolset x"),
        ("cursor", {"approval": "x"}, "FIVETRAN_MCP_APPROVAL"),
        ("cursor", {"policy": Path("nowhere")}, "FIVETRAN_MCP_POLICY: there is no such file"),
        ("cursor", {"name": "my server"}, "letters, digits and hyphens (--name)"),
        ("cursor", {"name": "my_server"}, "letters, digits and hyphens (--name)"),
        ("zed", {"scope": "project"}, "Zed has no scope 'project' here: use user (--scope)"),
        ("gemini", {"scope": "x"}, "use user or project (--scope)"),
        ("zed", {"link": True}, "Only vscode and cursor have install links"),
    ],
)
def test_what_is_not_to_be_had_is_told(
    client: str, options: dict[str, Any], why: str, run: Run
) -> None:
    """With exit code 2, as every command does."""
    ran = run(client, **options)

    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err


@pytest.mark.parametrize("client", ["vscode", "cursor"])
def test_an_install_link_is_printed_alone(client: str, run: Run) -> None:
    """To open it with, from the shell."""
    ran = run(client, link=True)

    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith(f"{client}:")
    assert len(ran.out.splitlines()) == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_is_written_where_the_client_looks_and_only_once(client: str, run: Run) -> None:
    """The second time nothing is to be done."""
    printed = run(client).out
    first = run(client, write=True)
    path = Path(first.err.splitlines()[0].removeprefix("Written: "))

    assert (first.code, first.out) == (0, "")
    assert path.read_text(encoding="utf-8") == printed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = run(client, write=True)
    assert second.code == 0
    assert second.err == f"{path} has it already; nothing was written.\n"
    assert [*path.parent.iterdir()] == [path]


def test_a_project_has_its_own_file(run: Run, tmp_path: Path) -> None:
    """With the scope that says so."""
    assert run("vscode", scope="project", write=True).code == 0
    assert (tmp_path / "project" / ".vscode" / "mcp.json").is_file()


def test_what_is_there_is_backed_up(run: Run) -> None:
    """And where, is told."""
    Path("mcp.json").write_text('{"mcpServers": {"other": {"command": "x"}}}', encoding="utf-8")
    ran = run("cursor", write=True, file=Path("mcp.json"))

    backup = Path(ran.err.splitlines()[0].partition("what was there: ")[2])
    assert "fivetran" not in backup.read_text(encoding="utf-8")
    servers = json.loads(Path("mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    assert [*servers] == ["other", "fivetran"]


def test_a_dry_run_shows_the_difference_and_writes_nothing(run: Run) -> None:
    """Of a new file, and of another entry."""
    ran = run("cursor", dry_run=True)
    assert ran.code == 0
    assert '+  "mcpServers": {' in ran.out
    assert [*Path.cwd().iterdir()] == []

    run("cursor", write=True)
    ran = run("cursor", write=True, dry_run=True, mode="full")
    assert '-        "read-only"\n+        "full"\n' in ran.out
    assert "--replace changes it as shown" in ran.err
    assert run("cursor", dry_run=True).err.endswith("nothing was written.\n")


def test_another_entry_of_that_name_is_replaced_only_on_request(run: Run) -> None:
    """Without it, the difference is shown; with it, a filled-in key stays."""
    run("claude-desktop", write=True, file=Path("c.json"))
    text = Path("c.json").read_text(encoding="utf-8").replace("your key", "canary")
    Path("c.json").write_text(text, encoding="utf-8")

    refused = run("claude-desktop", write=True, file=Path("c.json"), mode="full")
    assert refused.code == 1
    assert '+        "full"' in refused.err
    assert "was left as it is: Another 'fivetran' is in it: --replace" in refused.err
    assert Path("c.json").read_text(encoding="utf-8") == text

    done = run("claude-desktop", write=True, replace=True, file=Path("c.json"), mode="full")
    assert done.code == 0
    assert f"Kept as it was: {KEY}." in done.err
    after = Path("c.json").read_text(encoding="utf-8")
    assert after == text.replace("read-only", "full")


@pytest.mark.parametrize(("rights", "told"), [(0o644, True), (0o600, False)])
def test_a_file_for_keys_that_others_may_read_is_told(rights: int, told: bool, run: Run) -> None:
    """With the command that changes it; its rights are the person's."""
    file = Path("my settings.json")
    file.write_text("{}", encoding="utf-8")
    file.chmod(rights)
    ran = run("zed", write=True, file=file)

    assert (f"chmod 600 '{file.absolute()}'" in ran.err) is told
    assert stat.S_IMODE(file.stat().st_mode) == rights


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"mcpServers": [', "not valid JSON: line 1, column 17"),
        (b"\xff\xfe{", "not UTF-8"),
        (b'{"mcpServers": []}', "not an object"),
    ],
)
def test_a_file_that_cannot_be_merged_into_is_left_alone(
    content: bytes, why: str, run: Run
) -> None:
    """With exit code 1, the file and the reason."""
    file = Path("mcp.json")
    file.write_bytes(content)
    ran = run("cursor", write=True, file=file)

    assert ran.code == 1
    assert ran.err.startswith(f"{file.absolute()} was left as it is: ")
    assert why in ran.err
    assert file.read_bytes() == content
    assert [*Path.cwd().iterdir()] == [file.absolute()]


def test_a_failing_disk_is_told_and_nothing_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step is one that happens wholly or not at all."""
    file = Path("mcp.json")
    file.write_text("{}", encoding="utf-8")

    def fail(_path: Path, _target: Path) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(Path, "replace", fail)
    ran = run("cursor", write=True, file=file)

    assert ran.code == 1
    assert "check its path and its permissions" in ran.err
    assert file.read_text(encoding="utf-8") == "{}"


def test_the_command_is_the_one_beside_this_python(tmp_path: Path) -> None:
    """Or the module, where there is none; on Windows it ends in .exe."""
    python = tmp_path / "python"
    assert own_command(python) == [str(python), "-m", "mcp_server"]
    script = tmp_path / "mcp-server-fivetran"
    script.touch()
    assert own_command(python) == [str(script)]
    windows = tmp_path / "python.exe"
    script.with_suffix(".exe").touch()
    assert own_command(windows) == [f"{script}.exe"]
