"""How the trials with public clients judge what they see; the trials themselves need the network."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from rich.console import Console

from mcp_server.exchanges import EXAMPLES
from mcp_server.server import all_specs
from tests.interop import installing, run
from tests.interop.conformance import WIRE, Baseline, read, worst
from tests.interop.drivers import Driver, ProblemError, Trial, driving
from tests.interop.installing import HERE, InstallError, install, node, once
from tests.interop.run import Row, connected, report, tried

BASELINE = Baseline(
    applies=frozenset({"ping", "caching"}),
    left_out=frozenset({"images"}),
    exceptions=frozenset({("ping", "known")}),
)
AS_EXPECTED = {
    "ping": {"known": "FAILURE", "other": "SUCCESS"},
    "caching": {"a": "INFO"},
    "images": {"a": "FAILURE", WIRE: "SUCCESS"},
}
ANSWERS = """
import sys
for line in sys.argv[1:]:
    sys.stdin.readline()
    print(line, flush=True)
"""
SERVES = """
import anyio, httpx
from tests.interop import run

async def serves():
    async with run.served("http") as server:
        print(httpx.URL(server["url"]).port, flush=True)
        await anyio.sleep_forever()

run.install = lambda: ""
run.rows = lambda missing: [run.Row("Client", "http", "", serves)]
run.main([])
"""
"""A run whose one client goes on for ever."""
MANY = 400
"""Calls, whose log is more than a pipe holds."""
STRANGER = {"connector_id": "no_such"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def text(told: Any) -> list[dict[str, str]]:
    """Make the content of an answer."""
    return [{"type": "text", "text": json.dumps(told)}]


@asynccontextmanager
async def answering(*results: Any) -> AsyncIterator[Driver]:
    """Give a client that answers with these, one after the other, and with nothing on closing."""
    lines = [json.dumps({"result": result}) for result in (*results, None)]
    command = [sys.executable, "-c", ANSWERS, *lines]
    async with driving(command, {}, era="modern") as driver:
        yield driver


def test_a_run_that_is_as_expected_has_no_problems() -> None:
    """What is left out may fail."""
    assert BASELINE.problems(AS_EXPECTED) == []
    assert BASELINE.summary(AS_EXPECTED).startswith("2 scenarios, 2 checks passed, 1 exceptions")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"caching": {"a": "FAILURE"}}, "caching: a is FAILURE"),
        ({"caching": {"a": "WARNING"}}, "caching: a is WARNING"),
        ({"caching": {"a": "SKIPPED"}}, "caching: a is SKIPPED"),
        ({"caching": {}}, "caching did not run"),
        ({"ping": {"known": "SUCCESS"}}, "ping: known passes now: remove it"),
        ({"ping": {"other": "SUCCESS"}}, "ping: known passes now: remove it"),
        ({"images": {WIRE: "FAILURE"}}, f"images: {WIRE} is FAILURE"),
        ({"brand-new": {"a": "SUCCESS"}}, "brand-new is new"),
    ],
)
def test_the_exceptions_can_only_get_less(change: dict[str, dict[str, str]], said: str) -> None:
    """A new failure is a problem, and so is one that is none any more."""
    (problem,) = BASELINE.problems({**AS_EXPECTED, **change})

    assert problem.startswith(said)


def test_a_scenario_that_did_not_run_is_a_problem() -> None:
    """It did not pass."""
    assert BASELINE.problems({"ping": AS_EXPECTED["ping"]}) == ["caching did not run"]


@pytest.mark.parametrize("revision", run.REVISIONS.values())
def test_the_baseline_has_exceptions_only_of_what_applies(revision: str) -> None:
    """And leaves nothing out that applies."""
    baseline = Baseline.of(revision)

    assert {scenario for scenario, _ in baseline.exceptions} <= baseline.applies
    assert not baseline.applies & baseline.left_out


def test_what_the_suite_wrote_is_read_by_scenario(tmp_path: Path) -> None:
    """A check that was made several times has passed if it always did."""
    folder = tmp_path / "server-server-stateless-2026-03-10T12-00-00-000Z"
    folder.mkdir()
    checks = [{"id": "a", "status": s} for s in ("SUCCESS", "FAILURE", "SUCCESS")]
    (folder / "checks.json").write_text(json.dumps(checks), encoding="utf-8")

    assert read(tmp_path) == {"server-stateless": {"a": "FAILURE"}}
    assert worst(checks[:1]) == {"a": "SUCCESS"}


def row(check: run.Check) -> Row:
    """Make a row that tries this."""
    return Row("Client", "stdio", "2026-07-28", check)


async def test_what_fails_is_a_row_and_what_is_not_here_is_none_of_those(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that does not install is told, and fails nothing."""

    async def passes() -> str:
        return "3 calls"

    async def fails() -> str:
        raise ExceptionGroup("tasks", [ProblemError("it threw\nat length")])

    async def absent() -> str:
        raise InstallError("not installed\nfor a reason")

    rows = [await tried(row(check)) for check in (passes, fails, absent)]

    assert [each.outcome for each in rows] == ["passed", "failed", "not tried"]
    console = Console(width=run.WIDTH)
    assert report(rows, console) == 1
    told = capsys.readouterr()
    assert "3 calls" in told.out
    assert "not installed" in told.out
    name = "Client stdio 2026-07-28"
    assert told.err == f"\n{name}\nit threw\nat length\n\n{name}\nnot installed\nfor a reason\n"
    assert report([each for each in rows if each.outcome != "failed"], console) == 0


async def test_what_has_no_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its time."""
    monkeypatch.setattr(run, "LONGEST", 0.0)

    async def waits() -> str:
        await anyio.sleep_forever()
        return ""

    found = await tried(row(waits))

    assert found.outcome == "failed"
    assert found.said.startswith("no end within")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"structuredContent": {"n": "x"}, "content": text({"n": "x"})}, "'x' is not of type"),
        ({"structuredContent": {"n": 1}, "content": text({"n": 2})}, "something else"),
        ({"isError": True, "structuredContent": {}, "content": text({})}, "text alone"),
        ({"isError": True, "content": text({"error": {"code": "x"}})}, "without code, message"),
    ],
)
async def test_an_answer_is_looked_at_whole(result: dict[str, Any], said: str) -> None:
    """Against its schema, its own text, and what an error is made of."""
    async with answering({"tools": [{"name": "t", "outputSchema": SCHEMA}]}, result) as driver:
        trial = await Trial.of(driver, {"t": {"outputSchema": SCHEMA}})
        with pytest.raises(ProblemError, match=said):
            await trial.call("t", {})


async def test_another_list_of_tools_than_the_contract_is_a_problem() -> None:
    """One tool more or less."""
    async with answering({"tools": []}) as driver:
        with pytest.raises(ProblemError, match=r"differ in \['t'\]"):
            await Trial.of(driver, {"t": {"outputSchema": SCHEMA}})


async def test_a_deletion_that_nobody_was_asked_about_is_a_problem() -> None:
    """A client that can ask has to be given the question."""
    tools = {"tools": [{"name": "delete_connector", "outputSchema": {}}]}
    refused = {"code": "confirmation_required", "message": "", "hint": "", "retryable": True}
    error = {"isError": True, "content": text({"error": refused})}
    deleted = {"structuredContent": {"deleted": True}, "content": text({"deleted": True})}
    async with answering(tools, error, deleted, []) as driver:
        trial = await Trial.of(driver, {"delete_connector": {"outputSchema": {}}})
        with pytest.raises(ProblemError, match="after 0 questions"):
            await trial.deleted(questions=1)


async def test_a_client_that_ends_is_a_problem() -> None:
    """And no hanging."""
    with pytest.raises(ProblemError, match="tools: the client ended"):
        async with driving([sys.executable, "-c", ""], {}, era="modern") as driver:
            await driver.do("tools")


async def test_a_server_on_http_goes_on_when_it_has_written_much() -> None:
    """Its log is read, or it would wait for ever to write the next line."""
    with anyio.fail_after(15):
        async with run.served("http") as server, Client(server["url"]) as client:
            for _ in range(MANY):
                assert (await client.call_tool("get_connector", STRANGER)).is_error


async def test_a_run_that_is_cancelled_leaves_no_server() -> None:
    """As continuous integration does it: with SIGTERM."""
    async with await anyio.open_process([sys.executable, "-c", SERVES], cwd=run.ROOT) as process:
        assert process.stdout is not None
        with anyio.fail_after(30):
            port = int(await process.stdout.receive())
            process.terminate()
            await process.wait()

    with pytest.raises(OSError, match="All connection attempts failed"):
        await anyio.connect_tcp("127.0.0.1", port)


@pytest.mark.parametrize(
    ("said", "is_connected"),
    [
        ("fivetran: /bin/server --sandbox - \u2714 Connected\n", True),
        ("fivetran: /bin/server --sandbox - \u2717 Failed to connect\n", False),
        ("fivetran: /bin/server (stdio) - Disconnected\n", False),
        ("other: /bin/server - Connected\n", False),
        ("", False),
    ],
)
def test_a_host_is_connected_when_it_says_so(said: str, is_connected: bool) -> None:
    """Of this server."""
    assert connected(said) is is_connected


def test_without_npm_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is installed."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(InstallError, match="npm is not on the PATH"):
        install()


def test_a_node_that_is_too_old_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The suite does not start with it."""
    program = tmp_path / "node"
    monkeypatch.setattr(installing, "HERE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for version in ("v20.20.2", "v22.0.0"):
        program.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
        program.chmod(0o755)
        if version == "v22.0.0":
            assert node() == str(program)
        else:
            with pytest.raises(InstallError, match="22 or newer"):
                node()


def test_an_installation_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the network swallows what is sent."""
    monkeypatch.setattr(installing, "LONGEST", 0.0)
    waits = [sys.executable, "-c", "import time; time.sleep(60)"]

    with pytest.raises(InstallError, match="no end within 0 s"):
        once(tmp_path / "made", [], (waits, tmp_path))


def test_what_is_here_is_not_made_again(tmp_path: Path) -> None:
    """Until what it is made from changes; a command that fails leaves nothing that looks made."""
    pins, target = tmp_path / "pins", tmp_path / "made"
    command = [sys.executable, "-c", f"import os; os.mkdir({str(target)!r})"]
    fails = [sys.executable, "-c", "print('no network'); raise SystemExit(3)"]
    pins.write_text("1", encoding="utf-8")

    once(target, [pins], (command, tmp_path))
    once(target, [pins], (fails, tmp_path))
    pins.write_text("2", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(InstallError, match=r"(?s)exit code 3.*no network"):
            once(target, [pins], (fails, tmp_path))


def test_every_tool_is_called_by_every_client() -> None:
    """As the examples of its page do."""
    assert EXAMPLES.keys() == {spec.name for spec in all_specs()}


def test_pins_name_no_address() -> None:
    """What is installed is told by hashes; from where, by whoever installs it."""
    for name in ("npm-shrinkwrap.json", "requirements.txt"):
        assert "://" not in (HERE / name).read_text(encoding="utf-8")
    locked = json.loads((HERE / "npm-shrinkwrap.json").read_text(encoding="utf-8"))["packages"]
    assert all("integrity" in package for path, package in locked.items() if path)
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert locked[""]["dependencies"] == wanted
