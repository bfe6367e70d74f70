"""The documentation: every command in it is run, every example read, every link followed.

Programs that are not ours are stood in for by ones that do nothing; their arguments are looked at.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

import make
from benchmarks import bench
from mcp_server import __version__, cli
from mcp_server.catalogue import ROOT
from mcp_server.checks import listen
from mcp_server.listings import NAME
from mcp_server.rules import load
from mcp_server.server import all_specs
from mcp_server.settings import VARIABLES, load_settings

PAGES: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "manifests").rglob("*.md")),
]
GENERATED: Final = sorted((ROOT / "docs" / "tools").glob("*.md"))
FENCED: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
ASSIGNED: Final = re.compile(r"([A-Z][A-Z_]*)=(.*)", re.DOTALL)

OURS: Final = (NAME, f".venv/bin/{NAME}")
COMMANDS: Final = {*getattr(get_command(cli.app), "commands", ()), "--help", "--version"}
"""What makes the command something else than a server."""
PYTHON: Final = ".venv/bin/python"
MAKE: Final = {
    "environment": ".ci/run",
    "check": ".ci/run",
    "test": ".ci/run",
    "dist": ".ci/run",
    "interop": ".ci/run",
    "demo": "tests/test_demo.py",
    "fix": "tests/test_catalogue.py",
    "contract": "tests/test_compatibility.py",
    "pictures": "tests/test_pictures.py",
    "bench": "tests/test_docs.py",
}
"""What runs each target, or what it does: within the tests most would run the tests again."""
OTHERS: Final = ("claude", "docker", "kubectl")
"""Programs that are not ours."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Say where it is."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Find the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for found in FENCED.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found[1], found[2])


BLOCKS: Final = [block for page in PAGES for block in blocks_of(page)]


def of(*languages: str) -> pytest.MarkDecorator:
    """Try every block in one of these languages."""
    some = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", some, ids=[block.name for block in some])


def commands_of(text: str) -> list[list[str]]:
    """Split a block into commands, as a shell does."""
    joined = text.replace("\\\n", " ")
    lines = (shlex.split(line, comments=True) for line in joined.splitlines())
    return [words for words in lines if words]


@pytest.fixture(name="record", scope="module")
def _record(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make a record of a change."""
    file = tmp_path_factory.mktemp("record") / "audit.jsonl"
    pause = ["pause_connector", "--connector-id", "solid_anchor"]
    ours(["--sandbox", "--mode", "write", "call", *pause], FIVETRAN_MCP_AUDIT_FILE=str(file))
    return file.read_bytes()


@pytest.fixture(name="place")
def _place(tmp_path: Path, record: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be somebody with a home, a policy and a record, and no account."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.toml").write_text('[protected]\nconnectors = ["billing"]\n', "utf-8")
    (tmp_path / "audit.jsonl").write_bytes(record)
    for directory in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "CODEX_HOME"):
        monkeypatch.setenv(directory, str(tmp_path))  # clients' files of whoever runs this stay
    monkeypatch.setenv("FIVETRAN_MCP_SANDBOX", "true")
    return tmp_path


def ours(arguments: list[str], **given: str) -> None:
    """Run the server's own command; it has to end well, and a server to offer its tools."""
    command = [sys.executable, "-m", "mcp_server", *arguments]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**given, "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)
        if not COMMANDS & {*arguments}:
            check = listen(command)
            assert check.status == "ok", f"{arguments}: {check.found}"
            return
        done = subprocess.run(  # noqa: S603 -- our own command
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"


def run(words: list[str], here: Path = ROOT) -> None:
    """Run one command of a page, in a folder of the repository, as far as it is ours.

    A command that no rule covers fails the test.
    """
    given: dict[str, str] = {}
    while words and (assigned := ASSIGNED.fullmatch(words[0])):
        given[assigned[1]] = assigned[2]
        words = words[1:]
    assert {name for name in given if name.startswith("FIVETRAN")} <= {*VARIABLES.values()}
    match words:
        case [program, *arguments] if program in OURS:
            ours(arguments, **given)
        case ["make", target, *_]:
            assert target in make.TARGETS
            runner = ROOT / MAKE[target]
            assert runner.exists()
            if runner.name == "run" and target != "environment":
                assert f"make {target}\n" in runner.read_text(encoding="utf-8")
        case [program, "-m", "pytest", *arguments] if program == PYTHON:
            assert all((ROOT / each).exists() for each in arguments if not each.startswith("-"))
        case [program, *arguments] if program in OTHERS:
            others(program, arguments, here)
        case _:
            pytest.fail(f"nothing tells how to run this: {words}")


def others(program: str, arguments: list[str], here: Path) -> None:
    """Look at what another program is told of this repository, and run what it would run of ours."""
    image = f"{NAME}:{__version__}"
    match program, arguments:
        case "claude", ["mcp", "add", *options]:
            end = options.index("--")
            assert options[end + 1] == f"$PWD/.venv/bin/{NAME}"
            ours(options[end + 2 :])
        case "docker", ["run", *options]:
            assert image in options
            ours(options[options.index(image) + 1 :])
        case "docker", ["build", *options]:
            assert image in options
        case "docker", ["compose", "up", *_]:
            assert (here / "compose.yaml").is_file()
        case "kubectl", _:
            pass
        case _:
            pytest.fail(f"nothing tells what this does: {program} {arguments}")
    for option, value in pairwise(arguments):
        assert option not in {"-f", "-k"} or (here / value).exists(), value
    for name in re.findall(r"FIVETRAN_\w+", " ".join(arguments)):
        assert name in VARIABLES.values(), name


@of("sh", "bash", "console")
def test_every_command_runs(block: Block, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours for real, on the sandbox; a block of nothing but settings is loaded as those."""
    commands = commands_of(block.text)
    if all(ASSIGNED.fullmatch(word) for words in commands for word in words):
        for (assigned,) in commands:
            name, _, value = assigned.partition("=")
            assert name in VARIABLES.values()
            monkeypatch.setenv(name, str(place) if value == "/run/secrets" else value)
        load_settings()
        return
    here = ROOT
    for words in commands:
        if words[0] == "cd":
            here /= words[1]
            assert here.is_dir()
        else:
            run(words, here)


@pytest.mark.usefixtures("place")
def test_a_command_that_does_not_work_is_found() -> None:
    """A wrong option, a target that is not there, a program of nobody's, a path that is gone."""
    for wrong in (
        ".venv/bin/mcp-server-fivetran --reed-only tools",
        "FIVETRAN_MCP_MOOD=full make demo",
        "make everything",
        "curl example.com",
        "kubectl apply -k manifests/swarm",
        "kubectl apply -f swarm.yaml",
        "claude mcp add fivetran -- server",
        "claude mcp add fivetran -- '$PWD/.venv/bin/mcp-server-fivetran' --reed-only",
        "docker run -i mcp-server-fivetran:0.0.1",
        "docker compose up",
        "docker compose down",
        "kubectl create --from-literal=FIVETRAN_MCP_MOOD=full",
        ".venv/bin/python -m pytest tests/test_nothing.py",
    ):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            run(shlex.split(wrong))


@of("toml")
def test_every_policy_is_one(block: Block, tmp_path: Path) -> None:
    """Read as the server reads it."""
    file = tmp_path / "policy.toml"
    file.write_text(block.text, encoding="utf-8")
    # It raises what is wrong.
    load(file, tools=frozenset(spec.name for spec in all_specs()))


@pytest.mark.usefixtures("place")
@of("json")
def test_every_example_is_json(block: Block) -> None:
    """For a client to read; what it would start is looked at like any other command."""
    example = json.loads(block.text)

    run([example["command"], *example["args"]])


@of("python")
def test_every_piece_of_code_is_python(block: Block) -> None:
    """A decorator may stand without its function."""
    text = re.sub(r"^ {3}", "", block.text, flags=re.MULTILINE)
    compile(text if "def " in text else f"{text}def tool() -> None: ...\n", block.name, "exec")


def test_no_block_is_left_out() -> None:
    """Each language has a test; a picture in letters has none."""
    known = {"sh", "bash", "console", "toml", "json", "python", ""}
    assert {block.language for block in BLOCKS} <= known
    layout = [block for block in BLOCKS if not block.language]
    assert [block.page.name for block in layout] == ["CONTRIBUTING.md"]
    package = ROOT / "mcp_server"
    for line in layout[0].text.splitlines():
        for name in re.split(r" {3,}", line)[0].split():
            assert (package / name).is_dir() or (package / f"{name}.py").exists(), name


def anchors_of(page: Path) -> set[str]:
    """Name the headings of a page as links do."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page",
    [*PAGES, *GENERATED, ROOT / "llms.txt"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Within the repository: to a file, and to a heading in it."""
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the business of whoever installs."""
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 -- the git of whoever develops
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        text = (ROOT / name).read_bytes().decode(errors="replace")
        assert not [host for host in hosts if host in text], name


def test_the_benchmark_runs(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Once each; what it measures is for people."""
    for name in ("CALLS", "ROUNDS", "STARTS"):
        monkeypatch.setattr(bench, name, 1)
    monkeypatch.setattr(bench, "FLEETS", (100,))

    bench.main()

    assert "tokens" in capsys.readouterr().out
