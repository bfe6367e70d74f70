"""Tools from a shell: the catalogue, and one call, through the same gate as every client's."""

import difflib
import inspect
import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import anyio
import typer
from mcp import Client
from mcp_types import ElicitResult, Implementation, TextContent
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand
from typer.main import get_command

from mcp_server import __version__
from mcp_server.contract import whole_schema
from mcp_server.gate import Gate, GatedTool
from mcp_server.policy import MODES, Mode, needed_mode
from mcp_server.server import FivetranServer, all_specs
from mcp_server.settings import TOOLSETS, USUAL
from mcp_server.toolkit import Spec

if TYPE_CHECKING:
    from mcp.client.session import ClientRequestContext
    from mcp_types import CallToolResult, ElicitRequestParams

FAILED: Final = 1
USAGE: Final = 2
UNCONFIRMED: Final = 3
EXIT_CODES: Final = {
    "invalid_arguments": USAGE,
    "unknown_tool": USAGE,
    "confirmation_required": UNCONFIRMED,
    "not_approved": UNCONFIRMED,
}
"""The exit code of an error, by its code; 1 for every other."""
CALLER: Final = Implementation(name="mcp-server-fivetran call", version=__version__)

TYPES: Final[Mapping[str, Any]] = {"string": str, "integer": int, "boolean": bool}


class UsageError(Exception):
    """What was typed cannot be called; the message says why."""


Serve = Callable[[typer.Context], FivetranServer]
"""Builds the server that the options before the command describe."""


def spec_of(name: str) -> Spec | None:
    """Find a tool, written with - or with _."""
    return next((spec for spec in all_specs() if spec.name == name.replace("-", "_")), None)


def unknown(name: str) -> str:
    """Say that there is no such tool, and which are near."""
    near = difflib.get_close_matches(name.replace("-", "_"), [spec.name for spec in all_specs()])
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"There is no tool {name}{meant} `mcp-server-fivetran tools --all` lists them."


def command_of(spec: Spec, serve: Serve) -> TyperCommand:
    """Make a tool a command, with an option for each of its arguments."""
    properties: Mapping[str, Any] = gated(spec).parameters["properties"]

    def run(context: typer.Context, json_args: str | None, **options: Any) -> None:
        try:
            arguments = arguments_of(properties, options, json_args)
        except UsageError as error:
            typer.echo(error, err=True)
            raise typer.Exit(USAGE) from None
        raise typer.Exit(call(serve(context), spec.name, arguments))

    _declare(run, properties, gated(spec).parameters.get("required", []))
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    # Options are written with - here, and with _ wherever models write them: both are taken.
    names = {"token_normalize_func": lambda name: name.replace("_", "-")}
    app.command(spec.name, help=spec.description, context_settings=names)(run)
    # An application of one command is that command.
    return cast("TyperCommand", get_command(app))


def _declare(run: Callable[..., None], properties: Mapping[str, Any], required: list[str]) -> None:
    """Give a function the parameters that typer reads options from."""
    declared: dict[str, Any] = {"context": typer.Context}
    for name, schema in properties.items():
        said = _help(schema, required=name in required)
        flag = f"--{name.replace('_', '-')}"
        flags = [f"{flag}/--no-{flag[2:]}"] if schema["type"] == "boolean" else [flag]
        declared[name] = Annotated[_type(schema) | None, typer.Option(*flags, help=said)]
    whole = typer.Option(
        "--json-args", help="All arguments as one JSON object, @FILE, or - for stdin."
    )
    declared["json_args"] = Annotated[str | None, whole]
    kind = inspect.Parameter.KEYWORD_ONLY
    run.__annotations__ = declared
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # typer reads it
        [
            inspect.Parameter(
                name,
                kind,
                default=inspect.Parameter.empty if name == "context" else None,
                annotation=each,
            )
            for name, each in declared.items()
        ]
    )


def _type(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema and schema["type"] == "string":
        return Literal[tuple(schema["enum"])]
    if schema["type"] == "array" and schema["items"]["type"] == "string":
        return list[str]
    return TYPES.get(schema["type"], str)


def _help(schema: Mapping[str, Any], *, required: bool) -> str:
    said = [schema.get("description", "")]
    if schema["type"] == "array" and schema["items"]["type"] == "string":
        said.append("Repeat it for several.")
    elif schema["type"] in {"array", "object"}:
        said.append("JSON, @FILE, or - for stdin.")
    if schema["type"] == "integer" and "enum" in schema:
        said.append(f"One of {', '.join(map(str, schema['enum']))}.")
    if required:
        said.append("[required]")
    elif "default" in schema:
        said.append(f"[default: {json.dumps(schema['default'])}]")
    return " ".join(filter(None, said))


def arguments_of(
    properties: Mapping[str, Any], options: Mapping[str, Any], json_args: str | None
) -> dict[str, Any]:
    """Make the arguments of a call of what was typed.

    Raises:
        UsageError: Something is no JSON, or a file cannot be read.
    """
    arguments: dict[str, Any] = {}
    if json_args is not None:
        whole = _json("--json-args", json_args)
        if not isinstance(whole, dict):
            raise UsageError("--json-args: give a JSON object, as '{\"limit\": 5}'")
        arguments.update(whole)
    for name, value in options.items():
        # An option that may be repeated and was not given comes as an empty list.
        if value is None or value == []:
            continue
        structured = isinstance(value, str) and properties[name]["type"] in {"array", "object"}
        arguments[name] = _json(f"--{name.replace('_', '-')}", value) if structured else value
    return arguments


def _json(option: str, text: str) -> Any:
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        return json.loads(text)
    except OSError as error:
        raise UsageError(f"{option}: {text[1:]} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {text[1:]} is not UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{option}: this is no JSON: {error.msg} at {place}") from None


def call(server: FivetranServer, tool: str, arguments: Mapping[str, Any]) -> int:
    """Call a tool, print what it answers, and give the exit code."""
    result = anyio.run(_call, server, tool, arguments)
    told = "".join(part.text for part in result.content if isinstance(part, TextContent))
    error = json.loads(told)["error"] if result.is_error else None
    answer = {"error": error} if error else result.structured_content
    stream = sys.stderr if error else sys.stdout
    indent = 2 if stream.isatty() else None
    separators = None if indent else (",", ":")
    typer.echo(
        json.dumps(answer, ensure_ascii=False, indent=indent, separators=separators),
        err=bool(error),
    )
    return EXIT_CODES.get(error["code"], FAILED) if error else 0


async def _call(
    server: FivetranServer, tool: str, arguments: Mapping[str, Any]
) -> "CallToolResult":
    # A script can answer no question, and must not be taken for a person who did.
    asks = {"elicitation_callback": ask} if sys.stdin.isatty() and sys.stderr.isatty() else {}
    async with Client(server, client_info=CALLER, **asks) as client:  # type: ignore[arg-type] # as the callback is
        return await client.call_tool(tool, dict(arguments), progress_callback=show_progress)


async def ask(_: "ClientRequestContext", question: "ElicitRequestParams") -> ElicitResult:
    """Ask the person at the terminal; only a yes is one."""
    typer.echo(question.message, err=True)
    # Not in a thread, which Ctrl-C would not wake: until there is an answer nothing else is to be done.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        said = typer.confirm("Approve?", err=True)
    except typer.Abort:
        return ElicitResult(action="cancel")
    finally:
        signal.signal(signal.SIGINT, usual)
    return ElicitResult(action="accept", content={"approve": said})


async def show_progress(
    progress: float, total: float | None = None, message: str | None = None
) -> None:
    """Tell a person at the terminal how far it is."""
    if sys.stderr.isatty():
        of = f" of {total:g}" if total else ""
        typer.echo(message or f"{progress:g}{of}", err=True)


def gated(spec: Spec) -> GatedTool:
    """Build a tool as it is served where everything is allowed."""
    return GatedTool.of(spec, Gate(mode=Mode.FULL, toolsets=frozenset(TOOLSETS)))


def listed(server: FivetranServer) -> list[dict[str, Any]]:
    """Write the tools that the server offers, as its clients get them."""
    tools = anyio.run(server.list_tools)
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


def show_tools(names: set[str]) -> None:
    """Print a line for each tool: name, the mode it needs, what it does."""
    rows = [
        (spec.name, needed(spec), spec.description.split("\n", maxsplit=1)[0])
        for spec in all_specs()
        if spec.name in names
    ]
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
        return
    table = Table("Tool", "Mode", "What it does", box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def needed(spec: Spec) -> str:
    """Say which mode and toolset offer a tool."""
    mode = needed_mode(spec.effect).word
    return mode if spec.toolset in USUAL else f"{mode}, {spec.toolset}"


def show_tool(name: str) -> None:
    """Print one tool whole: what a model reads, arguments, fields of the answer."""
    (spec,) = (each for each in all_specs() if each.name == name)
    tool = gated(spec)
    modes = [word for word, mode in MODES.items() if mode >= needed_mode(spec.effect)]
    typer.echo(f"{spec.name}: {tool.title}\n")
    typer.echo(
        f"Offered in mode {' or '.join(modes)}; toolset {spec.toolset}.\n\n{tool.description}"
    )
    required = tool.parameters.get("required", [])
    typer.echo("\nArguments")
    for argument, schema in tool.parameters["properties"].items():
        said = _help(schema, required=argument in required)
        typer.echo(f"  {argument} ({schema['type']}): {said}")
    typer.echo("\nAnswer")
    for part, schema in whole_schema(spec)["properties"].items():
        typer.echo(f"  {part}: {schema.get('description') or schema['type']}")
