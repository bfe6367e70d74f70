"""The demo: a real MCP client walks through the server on a made-up account, and checks it."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Json: TypeAlias = dict[str, Any]
Connect: TypeAlias = Callable[..., Client]
"""Makes a client of a server that is started with the given arguments."""

BROKEN: Final = "brisk_lantern"
BILLING: Final = "solid_anchor"
CRM: Final = "swift_meadow"
KINDS: Final = ("read", "change", "can destroy: they ask first")
WIDEST: Final = 100
LONGEST_REASON: Final = 170
READ_TIMEOUT: Final = 20.0
POLL_SECONDS: Final = 0.5
SYNC_TIMEOUT: Final = 30.0


class StepFailed(Exception):  # noqa: N818 -- what the walk found, not an error of the program
    """A step did not do what it says."""


def sandbox_client(*arguments: str) -> Client:
    """Make a client that starts the real server as a subprocess and speaks stdio with it.

    The SDK hands a child only a few harmless variables, so nobody's FIVETRAN_* reach it.
    """
    command = ["-m", "mcp_server", "--sandbox", "--log-level", "warning", *arguments]
    server = StdioServerParameters(command=sys.executable, args=command)
    return Client(server, read_timeout_seconds=READ_TIMEOUT)


def run_demo(connect: Connect = sandbox_client) -> int:
    """Print the walk; 0 if every step did what it says, 1 otherwise."""
    width = min(Console().width, WIDEST)
    # What servers send is shown as it is: brackets in it are not markup.
    guide = Guide(Console(markup=False, emoji=False, highlight=False, width=width))
    try:
        anyio.run(walk, connect, guide)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 -- a message, not a traceback
        guide.show(Panel(reason_of(error), title=f"FAILED at: {guide.at}", style="red"))
        return 1
    guide.show(Panel("Every step did what it says.", style="green"))
    return 0


def reason_of(error: BaseException) -> str:
    """Say what went wrong; the client's task groups wrap it, sometimes twice."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return f"The server did not answer: {error}. What it says itself is on stderr."
    return str(error) if isinstance(error, StepFailed) else f"{type(error).__name__}: {error}"


async def walk(connect: Connect, guide: "Guide") -> None:
    """Walk through a server in full mode, then look at one as it is by default."""
    guide.show(
        "What an MCP client sees of mcp-server-fivetran. The account is made up, the server is"
        " real: a subprocess, started with --sandbox --mode full, reached over stdio."
    )
    async with connect("--mode", "full") as client:
        caller = Caller(client, guide)
        for step in STEPS:
            await step(guide, caller)
    guide.at = "start of the second server"
    async with connect() as client:
        await read_only(guide, Caller(client, guide))


class Guide:
    """Tells the person at the terminal what happens."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.at = "start of the server"
        self._steps = 0

    def step(self, title: str, question: str) -> None:
        """Begin a step with what a person would ask."""
        self._steps += 1
        self.at = f"step {self._steps}, {title}"
        self.console.print()
        self.console.rule(f"{self._steps}. {title}", align="left", style="dim")
        self._say("Person", question, "bold")

    def call(self, tool: str, arguments: Mapping[str, Any]) -> None:
        """Show a call as it is made."""
        given = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
        self._say("Call", f"{tool}({given})", "cyan")

    def show(self, result: Any) -> None:
        """Show something that rich can render."""
        self.console.print(result)

    def result(self, text: str) -> None:
        """Show a result that fits a line."""
        self._say("Result", text, "none")

    def note(self, text: str) -> None:
        """Say what just happened and why it matters."""
        self._say("Note", text, "italic")

    def check(self, fact: str, *, holds: bool) -> None:
        """Tell a fact, or fail because it does not hold."""
        if not holds:
            raise StepFailed(f"This does not hold: {fact}.")
        self._say("Checked", fact, "green")

    def _say(self, label: str, text: str, style: str) -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(width=8, style="dim")
        line.add_column(style=style, overflow="fold")
        line.add_row(f"{label}:", text)
        self.console.print(line)


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls tools, and shows that."""

    client: Client
    guide: Guide

    async def call(self, tool: str, **arguments: Any) -> Json:
        """Show a call, make it, and give its result."""
        self.guide.call(tool, arguments)
        return await self.ask(tool, **arguments)

    async def ask(self, tool: str, **arguments: Any) -> Json:
        """Make a call without showing it, and give its result."""
        result = await self.client.call_tool(tool, arguments)
        if result.is_error:
            error = error_of(result)
            problem = f"{error['code']}: {error['message']}\n{error['hint']}"
            raise StepFailed(f"{tool} was answered with {problem}")
        return dict(result.structured_content or {})

    async def refused(self, code: str, tool: str, **arguments: Any) -> Json:
        """Show a call, make it, and give the error it has to be refused with."""
        self.guide.call(tool, arguments)
        result = await self.client.call_tool(tool, arguments)
        if not result.is_error:
            raise StepFailed(f"{tool} had to be refused, and was not.")
        error = error_of(result)
        self.guide.check(f"{tool} was refused, with code {code}", holds=error["code"] == code)
        return error


async def what_is_offered(guide: Guide, caller: Caller) -> None:
    """List the tools by what they may do."""
    guide.step("What is offered", "What can you do with my Fivetran account?")
    guide.call("tools/list", {})
    tools = (await caller.client.list_tools()).tools
    names = {kind: [tool.name for tool in tools if kind_of(tool) == kind] for kind in KINDS}
    table = Table("Tools that", "", show_lines=True)
    for kind, among in names.items():
        table.add_row(kind, ", ".join(among))
    guide.show(table)
    guide.check(f"{len(tools)} tools, of all three kinds", holds=all(names.values()))
    guide.note(
        "Each tool carries such hints (MCP annotations), so a client can tell them apart."
        f" The protocol spoken here is MCP {caller.client.protocol_version}."
    )


def kind_of(tool: Tool) -> str:
    """Tell which of `KINDS` a tool is; without hints, MCP assumes the worst."""
    hints = tool.annotations or ToolAnnotations()
    if hints.read_only_hint:
        return KINDS[0]
    return KINDS[1] if hints.destructive_hint is False else KINDS[2]


async def what_is_broken(guide: Guide, caller: Caller) -> None:
    """Find the connectors that do not work."""
    guide.step("What is broken", "Which of my connectors are broken, and why?")
    broken = (await caller.call("list_connectors", state="broken"))["connectors"]
    failing = (await caller.call("list_connectors", state="failing"))["connectors"]
    table = Table("Connector", "State", "Last success, UTC", "Why", show_lines=True)
    for row in [*broken, *failing]:
        name = f"{row['name']}\n{row['service']}\n{row['id']}"
        table.add_row(name, row["state"], when(row.get("last_success")), reason(row.get("task")))
    guide.show(table)
    guide.check(f"{BROKEN} is among the broken", holds=BROKEN in {row["id"] for row in broken})
    states = [row["state"] for row in [*broken, *failing]]
    asked = ["broken"] * len(broken) + ["failing"] * len(failing)
    guide.check("the lists hold what was asked for, and nothing else", holds=states == asked)
    guide.note(
        "One reason tries to give orders. Such texts come from data sources: they arrive cleaned"
        " and cut, and the server tells the model that they are data, never instructions."
    )


async def one_status(guide: Guide, caller: Caller) -> None:
    """Look at one broken connector."""
    guide.step("One status", "What is wrong with pg_shop, and would it help to sync it now?")
    status = await caller.call("get_sync_status", connector_id=BROKEN)
    rows = {
        "Connector": f"{status['name']} ({status['service']})",
        "State": status["state"],
        "Last success": age(status.get("seconds_since_success")),
        "Last failure": age(status.get("seconds_since_failure")),
        "Open tasks": "\n".join(reason(task) for task in status["tasks"]),
        "Sync now?": f"{'Possible' if status['can_sync'] else 'No'}. {status['why']}",
    }
    guide.show(facts("Sync status", rows))
    told = bool(status["tasks"]) and status["state"] == "broken"
    guide.check("it is broken, and a task says why", holds=told)
    guide.note("Ages and the verdict are computed by the server, so no model has to guess them.")


async def pause_and_resume(guide: Guide, caller: Caller) -> None:
    """Stop a connector and let it go on."""
    guide.step("Pause and resume", "Pause pg_billing while we move its database, then resume it.")
    for tool, word in (("pause_connector", "is"), ("resume_connector", "is not")):
        answer = await caller.call(tool, connector_id=BILLING)
        guide.result(f"state {answer['state']}. {answer['note']}")
        status = await caller.ask("get_sync_status", connector_id=BILLING)
        paused = status["state"] == "paused"
        guide.check(f"get_sync_status agrees: it {word} paused", holds=paused is (word == "is"))
    guide.note("What can be undone needs the mode `write` or `full`, and no confirmation.")


async def schema_question(guide: Guide, caller: Caller) -> None:
    """Ask what is synced."""
    question = "Which tables of pg_billing are left out? And are card numbers protected?"
    guide.step("A schema question", question)
    tables = await caller.call("get_schema_config", connector_id=BILLING, enabled=False)
    table = Table("Schema", "Table left out", "Because")
    for row in tables["tables"]:
        because = "its schema is off" if row.get("in_disabled_schema") else "it is off"
        table.add_row(row["schema_name"], row["table"], because)
    guide.show(table)
    left_out = [not row["enabled"] for row in tables["tables"]]
    guide.check("only tables that do not sync are listed", holds=bool(left_out) and all(left_out))
    of = {"connector_id": BILLING, "schema": "public", "table": "customers"}
    found = await caller.call("get_table_columns", **of, name_contains="card")
    hashed = [column["column"] for column in found["columns"] if column.get("hashed")]
    guide.result(f"hashed: {', '.join(hashed)}")
    guide.check("card_no arrives hashed in the destination", holds=hashed == ["card_no"])
    guide.note("Filters run in the server: the model reads a few rows, not the whole schema.")


async def resync_after_preview(guide: Guide, caller: Caller) -> None:
    """Have a costly call refused with its preview, then make the call that the preview names."""
    guide.step("A resync, refused", "Load all of pg_billing again from its source.")
    before = await caller.ask("get_sync_status", connector_id=BILLING)
    resync = {"connector_id": BILLING, "scope": "connector"}
    error = await caller.refused("confirmation_required", "resync_connector", **resync)
    guide.show(preview_of(error["preview"]))
    between = await caller.ask("get_sync_status", connector_id=BILLING)
    same = between.get("last_success") == before.get("last_success")
    idle = between["sync_state"] != "syncing" and not between["is_historical_sync"]
    guide.check("the refusal changed nothing: same last success, no sync", holds=same and idle)
    guide.note("The refusal is the preview. It names the next call, to be made if a person agrees.")
    guide.step("The same, confirmed", "Yes, do it.")
    confirmed = error["next_call"]
    started = await caller.call(confirmed["tool"], **confirmed["arguments"])
    guide.result(f"accepted, starts {started['starts']}")
    after = await caller.ask("get_sync_status", connector_id=BILLING)
    runs = after["sync_state"] == "syncing" and after["is_historical_sync"]
    guide.check("get_sync_status agrees: a historical sync is running", holds=runs)
    guide.note(
        "A model can set `confirm` as well: what protects an account is the mode the server is"
        " started with, and an API key with few rights."
    )


def preview_of(preview: Json) -> Panel:
    """Show what a destructive call would do."""
    target = preview["target"]
    rows = {
        "Target": f"{target['name']} ({target['service']}, {target['connector_id']})"
        f" in the group {target.get('group_name')}",
        "Effect": preview["effect"],
        "Lost": preview["lost"],
        "Size": preview.get("size", "unknown"),
        "Undo": preview["undo"],
    }
    return facts("Preview: nothing has happened yet", rows, style="yellow")


async def sync_to_its_end(guide: Guide, caller: Caller) -> None:
    """Start a sync and follow it."""
    guide.step("A sync, followed to its end", "Sync crm now, and tell me when it is done.")
    started = await caller.call("sync_connector", connector_id=CRM)
    guide.check("the sync has started", holds=started["outcome"] == "started")
    guide.call("get_sync_status", {"connector_id": CRM})
    ended = await follow(guide, caller, started)
    moved = f"{when(started.get('last_success'))} -> {when(ended.get('last_success'))}, UTC"
    guide.result(f"last success {moved}")
    guide.check("the last success moved, the connector is well", holds=ended["state"] == "healthy")
    guide.note(
        "Fivetran tells no percentage, so a client asks again until last_success has moved."
        f" Here it did, every {POLL_SECONDS} seconds."
    )


async def follow(guide: Guide, caller: Caller, started: Json) -> Json:
    """Ask for the status until the sync has ended."""
    columns = (TextColumn("         {task.description}"), BarColumn(), TimeElapsedColumn())
    deadline = anyio.current_time() + SYNC_TIMEOUT
    with Progress(*columns, console=guide.console) as progress:
        bar = progress.add_task("syncing", total=None)
        while anyio.current_time() < deadline:
            status = await caller.ask("get_sync_status", connector_id=started["connector_id"])
            if status.get("last_failure") != started.get("last_failure"):
                raise StepFailed(f"The sync failed. {status['why']}")
            if status.get("last_success") != started.get("last_success"):
                progress.update(bar, description="synced ", total=1, completed=1)
                return status
            await anyio.sleep(POLL_SECONDS)
    raise StepFailed(f"The sync did not end within {SYNC_TIMEOUT:.0f} seconds.")


async def read_only(guide: Guide, caller: Caller) -> None:
    """Have a deletion refused by a server as it is by default."""
    question = "Delete pg_shop. (Asked of a second server, started without --mode.)"
    guide.step("The default: read-only", question)
    deletion = {"connector_id": BROKEN, "confirm": True}
    error = await caller.refused("mode_forbids", "delete_connector", **deletion)
    guide.show(facts("Refusal", {"Message": error["message"], "Hint": error["hint"]}, "yellow"))
    kinds = [kind_of(tool) for tool in (await caller.client.list_tools()).tools]
    reads = all(kind == KINDS[0] for kind in kinds)
    guide.check(f"of all tools, only the {len(kinds)} that read are listed", holds=reads)
    guide.note("Nothing a model says changes the mode: whoever starts the server decides it.")


STEPS: Final = (
    what_is_offered,
    what_is_broken,
    one_status,
    pause_and_resume,
    schema_question,
    resync_after_preview,
    sync_to_its_end,
)


def error_of(result: CallToolResult) -> Json:
    """Read the error that a tool answered with."""
    text = "".join(part.text for part in result.content if isinstance(part, TextContent))
    return dict(json.loads(text)["error"])


def facts(title: str, rows: Mapping[str, str], style: str = "none") -> Panel:
    """Show names and values in a frame."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for row in rows.items():
        grid.add_row(*row)
    return Panel(grid, title=title, title_align="left", border_style=style)


def reason(task: Json | None) -> str:
    """Say what an open task is about."""
    if task is None:
        return "no open task"
    text = ": ".join(task[key] for key in ("code", "message", "details") if key in task)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


def when(moment: str | None) -> str:
    """Show a moment."""
    return "never" if moment is None else moment.replace("T", " ").removesuffix("Z")


def age(seconds: int | None) -> str:
    """Show how long ago something was."""
    return "never" if seconds is None else f"{seconds // 3600} h {seconds // 60 % 60} min ago"
