"""The demo does what its transcript says, and fails when that is not so."""

import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import Tool

from mcp_server import demo
from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Fault, Sandbox
from mcp_server.server import build_server
from mcp_server.settings import load_settings

DEMO = [sys.executable, "-m", "mcp_server", "demo"]
SHELL = {
    "COLUMNS": "80",
    "PYTHONIOENCODING": "utf-8",
    "FIVETRAN_API_KEY": "somebodys-key",
    "FIVETRAN_API_SECRET": "somebodys-secret",
    "FIVETRAN_BASE_URL": "http://not-https.example",
    "FIVETRAN_MCP_READ_ONLY": "true",
    "FIVETRAN_MCP_MISSPELT": "1",
}


def serving(sandbox: Sandbox, default: str = "read-only") -> demo.Connect:
    """Make what connects to servers in this process; `default` is the mode of the second one."""

    def connect(*arguments: str) -> Client:
        settings = load_settings(
            sandbox=True,
            api_key=SANDBOX_KEY,
            api_secret=SANDBOX_SECRET,
            mode="full" if arguments else default,
        )
        return Client(build_server(settings, upstream=httpx.ASGITransport(app=sandbox.app)))

    return connect


def starting(*command: str) -> demo.Connect:
    """Make what starts another program instead of the server."""
    server = StdioServerParameters(command=command[0], args=list(command[1:]))
    return lambda *_: Client(server)


def flat(transcript: str) -> str:
    """Give a transcript without frames and line breaks."""
    return " ".join(transcript.replace("│", " ").split())


def test_the_demo_walks_through_a_real_server_whatever_the_shell_has_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every step passes over stdio, and stray variables do not reach the server."""
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    ran = subprocess.run(  # noqa: S603 -- our own command
        DEMO, capture_output=True, encoding="utf-8", timeout=60, check=False
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    transcript = flat(ran.stdout)
    for line in (
        'Call: list_connectors(state="broken")',
        'password authentication failed for user "fivetran"',
        "Checked: get_sync_status agrees: it is paused",
        "Checked: get_sync_status agrees: it is not paused",
        "Checked: card_no arrives hashed in the destination",
        "Preview: nothing has happened yet",
        "Target pg_billing (postgres, solid_anchor) in the group Production",
        "Checked: the refusal changed nothing: same last success, no sync",
        'Call: resync_connector(connector_id="solid_anchor", scope="connector", confirm=true)',
        "Checked: get_sync_status agrees: a historical sync is running",
        "Checked: the last success moved, the connector is well",
        "Checked: delete_connector was refused, with code mode_forbids",
        "Every step did what it says.",
    ):
        assert line in transcript
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def mend_the_broken(sandbox: Sandbox) -> None:
    """Leave nothing to find where the demo expects something broken."""
    sandbox.connections[demo.BROKEN]["status"]["setup_state"] = "connected"


def refuse_changes(sandbox: Sandbox) -> None:
    """Let every change be forbidden."""
    sandbox.fail(Fault(method="PATCH", status=403, times=9))


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (
            mend_the_broken,
            "step 2, What is broken",
            "This does not hold: brisk_lantern is among the broken.",
        ),
        (
            refuse_changes,
            "step 4, Pause and resume",
            "pause_connector was answered with forbidden: ",
        ),
    ],
)
def test_a_step_that_does_not_do_what_it_says_ends_the_demo(
    change: Callable[[Sandbox], None],
    place: str,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 1, and the transcript ends with the step and the reason."""
    sandbox = Sandbox()
    change(sandbox)

    assert demo.run_demo(serving(sandbox)) == 1

    transcript = flat(capsys.readouterr().out)
    assert f"FAILED at: {place}" in transcript
    assert reason in transcript
    assert "Every step did" not in transcript


def test_a_resync_that_is_over_at_once_is_not_taken_for_a_running_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After the confirmation, the demo wants to see the historical sync."""
    assert demo.run_demo(serving(Sandbox(sync_seconds=0))) == 1

    transcript = flat(capsys.readouterr().out)
    assert "FAILED at: step 7, The same, confirmed" in transcript
    assert "This does not hold: get_sync_status agrees: a historical sync" in transcript


def test_a_sync_that_fails_ends_the_demo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moved last failure is told as such, not waited for."""
    monkeypatch.setattr(demo, "STEPS", (demo.sync_to_its_end,))
    sandbox = Sandbox(sync_seconds=0)
    sandbox.connections[demo.CRM]["status"]["setup_state"] = "broken"

    assert demo.run_demo(serving(sandbox)) == 1

    assert "The sync failed. " in flat(capsys.readouterr().out)


def test_a_sync_that_takes_too_long_ends_the_demo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is bounded."""
    monkeypatch.setattr(demo, "STEPS", (demo.sync_to_its_end,))
    monkeypatch.setattr(demo, "SYNC_TIMEOUT", 0.0)

    assert demo.run_demo(serving(Sandbox())) == 1

    assert "The sync did not end within 0 seconds." in flat(capsys.readouterr().out)


def test_a_deletion_that_is_not_refused_ends_the_demo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second server that is not read-only is found out."""
    monkeypatch.setattr(demo, "STEPS", ())

    assert demo.run_demo(serving(Sandbox(), default="full")) == 1

    assert "delete_connector had to be refused, and was not." in flat(capsys.readouterr().out)


def test_a_refusal_for_another_reason_ends_the_demo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error alone does not count as the refusal that was announced."""
    monkeypatch.setattr(demo, "STEPS", ())
    sandbox = Sandbox()
    del sandbox.connections[demo.BROKEN]

    assert demo.run_demo(serving(sandbox, default="full")) == 1

    reason = "This does not hold: delete_connector was refused, with code mode_forbids."
    assert reason in flat(capsys.readouterr().out)


def test_a_failing_connector_without_a_task_is_shown_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says that there is no task, and no success yet."""
    monkeypatch.setattr(demo, "STEPS", (demo.what_is_broken,))
    sandbox = Sandbox()
    sandbox.connections["failing_fox"]["status"]["tasks"] = []
    sandbox.connections["failing_fox"]["succeeded_at"] = None

    assert demo.run_demo(serving(sandbox)) == 0

    assert "failing never no open task" in flat(capsys.readouterr().out.replace("stripe", ""))


@pytest.mark.parametrize(
    ("connect", "reason"),
    [
        (starting(sys.executable, "-c", "pass"), "The server did not answer: Connection closed."),
        (starting("/no/such/program"), "FileNotFoundError: "),
    ],
)
def test_a_server_that_does_not_start_is_told_plainly(
    connect: demo.Connect, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, without a traceback."""
    assert demo.run_demo(connect) == 1

    told = capsys.readouterr()
    assert "FAILED at: start of the server" in told.out
    assert reason in flat(told.out)
    assert "Traceback" not in told.out + told.err


def test_a_tool_without_hints_counts_as_one_that_can_destroy() -> None:
    """This is what MCP assumes as well."""
    assert demo.kind_of(Tool(name="unknown", input_schema={})) == demo.KINDS[2]
