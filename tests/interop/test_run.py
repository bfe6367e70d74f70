"""How the trials with public clients judge what they see; the trials themselves need the network."""

import json
from pathlib import Path

import anyio
import pytest

from mcp_server.exchanges import EXAMPLES
from mcp_server.server import all_specs
from tests.interop import run
from tests.interop.conformance import Baseline, read, worst
from tests.interop.drivers import ProblemError
from tests.interop.run import HERE, InstallError, Row, report, tried

BASELINE = Baseline(
    applies=frozenset({"ping", "caching"}),
    left_out=frozenset({"images"}),
    failures=frozenset({("ping", "known")}),
)
AS_EXPECTED = {
    "ping": {"known": "FAILURE", "other": "SUCCESS"},
    "caching": {"a": "WARNING"},
    "images": {"a": "FAILURE"},
}


def test_a_run_that_is_as_expected_has_no_problems() -> None:
    """What is left out may fail."""
    assert BASELINE.problems(AS_EXPECTED) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"caching": {"a": "FAILURE"}}, "caching: a failed"),
        ({"ping": {"known": "SUCCESS"}}, "ping: known passes now: remove it"),
        ({"ping": {}}, "ping: known passes now: remove it"),
        ({"brand-new": {"a": "SUCCESS"}}, "brand-new is new"),
    ],
)
def test_the_expected_failures_can_only_get_less(
    change: dict[str, dict[str, str]], said: str
) -> None:
    """A new failure is a problem, and so is one that is none any more."""
    (problem,) = BASELINE.problems({**AS_EXPECTED, **change})

    assert problem.startswith(said)


def test_a_scenario_that_did_not_run_is_a_problem() -> None:
    """It did not pass."""
    assert BASELINE.problems({"ping": AS_EXPECTED["ping"]}) == ["caching did not run"]


@pytest.mark.parametrize("revision", run.REVISIONS.values())
def test_the_baseline_expects_failures_only_of_what_applies(revision: str) -> None:
    """And leaves nothing out that applies."""
    baseline = Baseline.of(revision)

    assert {scenario for scenario, _ in baseline.failures} <= baseline.applies
    assert not baseline.applies & baseline.left_out


def test_what_the_suite_wrote_is_read_by_scenario(tmp_path: Path) -> None:
    """A check that was made several times has passed if it always did."""
    folder = tmp_path / "server-server-stateless-2026-03-10T12-00-00-000Z"
    folder.mkdir()
    checks = [{"id": "a", "status": s} for s in ("SUCCESS", "FAILURE", "SUCCESS")]
    (folder / "checks.json").write_text(json.dumps(checks), encoding="utf-8")

    assert read(tmp_path) == {"server-stateless": {"a": "FAILURE"}}
    assert worst(checks[:1]) == {"a": "SUCCESS"}


async def test_what_fails_is_a_row_and_what_is_not_here_is_none_of_those(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that does not install is told, and fails nothing."""

    async def passes() -> str:
        return "3 calls"

    async def fails() -> str:
        raise ProblemError("it threw\nat length")

    async def absent() -> str:
        raise InstallError("not installed on this machine")

    rows = [await tried("a", passes), await tried("b", fails), await tried("c", absent)]

    assert [row.outcome for row in rows] == ["passed", "failed", "not tried"]
    assert report(rows) == 1
    told = capsys.readouterr()
    assert "3 calls" in told.out
    assert "at length" in told.err
    assert report([row for row in rows if row.outcome != "failed"]) == 0


async def test_what_has_no_end_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its time."""
    monkeypatch.setattr(run, "LONGEST", 0.0)

    async def waits() -> str:
        await anyio.sleep_forever()
        return ""

    row = await tried("a", waits)

    assert isinstance(row, Row)
    assert row.said.startswith("no end within")


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
