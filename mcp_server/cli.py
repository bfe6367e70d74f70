"""The command line: arguments to settings, logs, server; nothing is served before all is right."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from mcp_server import __version__
from mcp_server.clients.options import config

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport

    from mcp_server.server import FivetranServer
    from mcp_server.settings import Settings
    from mcp_server.tokens import JwtVerifier

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("config")(config)

USAGE_ERROR = 2
ON_A_SERVER = ("call", "tools", "doctor")
"""The commands that are about a server, and so take the options that describe one."""
QUIET = "error"
"""Where a person reads the answer, a log of the same failure would say it a second time."""


def main() -> None:
    """Run the command."""
    # Starting makes only what stays; looking for garbage in it takes a tenth of the time.
    gc.disable()
    app(prog_name="mcp-server-fivetran")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 -- typer calls it
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def serve(  # noqa: PLR0913 -- one parameter for each option
    context: typer.Context,
    *,
    mode: Annotated[
        str | None,
        typer.Option(help="read-only (default), write, or full. [FIVETRAN_MCP_MODE]"),
    ] = None,
    read_only: Annotated[
        bool | None,
        typer.Option(
            "--read-only", help="Only reads, whatever --mode says. [FIVETRAN_MCP_READ_ONLY]"
        ),
    ] = None,
    toolsets: Annotated[
        str | None,
        typer.Option(
            help="Some of connectors,fleet,groups,schemas,setup,syncs,types,advanced; default: all but"
            " advanced; or all. [FIVETRAN_MCP_TOOLSETS]"
        ),
    ] = None,
    sandbox: Annotated[
        bool | None,
        typer.Option("--sandbox", help="Serve a made-up account. [FIVETRAN_MCP_SANDBOX]"),
    ] = None,
    approval: Annotated[
        str | None,
        typer.Option(
            help="Who approves what is confirmed: auto (default), human, argument, preview."
            " [FIVETRAN_MCP_APPROVAL]"
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The operator's rules. [FIVETRAN_MCP_POLICY]"),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve streamable HTTP at /mcp; beyond this machine it needs"
            " FIVETRAN_MCP_AUTH_ISSUER. [FIVETRAN_MCP_HTTP]",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="debug, info (default), warning, error. [FIVETRAN_MCP_LOG_LEVEL]"),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(help="console (default) or json, on stderr. [FIVETRAN_MCP_LOG_FORMAT]"),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Serve Fivetran's connectors to MCP clients, on stdio unless --http is given.

    Credentials: FIVETRAN_API_KEY and FIVETRAN_API_SECRET; FIVETRAN_BASE_URL replaces the API's
    address, FIVETRAN_MCP_TIMEOUT the seconds for one request (90).
    """
    given = {
        "mode": mode,
        "read_only": read_only,
        "toolsets": toolsets,
        "sandbox": sandbox,
        "approval": approval,
        "policy": policy,
        "http": http,
        "log_level": log_level,
        "log_format": log_format,
    }
    context.obj = {name: value for name, value in given.items() if value is not None}
    command = context.invoked_subcommand
    if command is None:
        run(**context.obj)
    elif context.obj and command not in ON_A_SERVER:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in context.obj)
        typer.echo(
            f"{command} is about no server, so {options} would do nothing here; see"
            f" `mcp-server-fivetran {command} --help` for its own options.",
            err=True,
        )
        raise typer.Exit(USAGE_ERROR)


@app.command()
def demo() -> None:
    """Walk through the server on a made-up account, as a client sees it."""
    from mcp_server.demo import run_demo  # noqa: PLC0415 -- serving does not need it, and starts sooner

    raise typer.Exit(run_demo())


policies = typer.Typer(help="The operator's policy file.", no_args_is_help=True)
audits = typer.Typer(help="The record of what was changed.", no_args_is_help=True)
app.add_typer(policies, name="policy")
app.add_typer(audits, name="audit")
PathArgument = Annotated[Path, typer.Argument(metavar="FILE")]


@policies.command("check")
def check_policy(file: PathArgument) -> None:
    """Say what a policy file means, or everything that is wrong with it."""
    from mcp_server.rules import RulesError, load, summary  # noqa: PLC0415 -- only this needs it
    from mcp_server.server import all_specs  # noqa: PLC0415 -- likewise

    try:
        rules = load(file, tools=frozenset(spec.name for spec in all_specs()))
    except RulesError as error:
        typer.echo(error, err=True, nl=False)
        raise typer.Exit(USAGE_ERROR) from None
    for line in summary(rules):
        typer.echo(line)


@audits.command("verify")
def verify_audit(
    file: PathArgument,
    expected: Annotated[
        str | None, typer.Option(help="The last hash of an earlier check.", metavar="HASH")
    ] = None,
) -> None:
    """Tell whether lines of an audit file are missing or altered; exit code 1 if so.

    A file that was sealed needs the same FIVETRAN_MCP_AUDIT_KEY.
    """
    from mcp_server.journal import JournalError  # noqa: PLC0415 -- only this needs it
    from mcp_server.journal_check import verify  # noqa: PLC0415 -- likewise
    from mcp_server.settings import audit_key  # noqa: PLC0415 -- likewise

    try:
        found = verify(file, audit_key(), expected)
    except JournalError as error:
        typer.echo(error, err=True)
        raise typer.Exit(USAGE_ERROR) from None
    for line in found.in_words():
        typer.echo(line)
    raise typer.Exit(0 if found.ok else 1)


class Calls(TyperGroup):
    """A command for each tool."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        from mcp_server.server import all_specs  # noqa: PLC0415 -- only this needs it

        return [spec.name for spec in all_specs()]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from mcp_server import shell  # noqa: PLC0415 -- as said above

        spec = shell.spec_of(cmd_name)
        if spec is None and not ctx.resilient_parsing:
            ctx.fail(shell.unknown(cmd_name))
        return shell.command_of(spec, _described) if spec else None


calls = typer.Typer(
    cls=Calls,
    help="Call one tool, through the same gate as every client; `call TOOL --help` has its arguments.",
    no_args_is_help=True,
)
app.add_typer(calls, name="call")


@app.command()
def tools(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only this one, whole.")] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that the mode and the toolsets leave out.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As clients get them: what tools/list answers.")
    ] = False,
) -> None:
    """List the tools that the server offers."""
    import json  # noqa: PLC0415 -- only this needs it

    from mcp_server import shell  # noqa: PLC0415 -- likewise

    if every:
        context.obj = {**context.obj, "mode": "full", "toolsets": "all", "read_only": False}
    found = shell.listed(_described(context, keyless=True))
    if name is not None:
        found = [tool for tool in found if tool["name"] == name.replace("-", "_")]
        if not found:
            spec = shell.spec_of(name)
            needed = (
                spec and f"{name} is not offered here, it needs {shell.needed(spec)}; add --all."
            )
            typer.echo(needed or shell.unknown(name), err=True)
            raise typer.Exit(USAGE_ERROR)
    if as_json:
        typer.echo(json.dumps({"tools": found}, ensure_ascii=False, indent=2))
    elif name is None:
        shell.show_tools({tool["name"] for tool in found})
    else:
        shell.show_tool(found[0]["name"])


@app.command()
def doctor(
    context: typer.Context,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object, for scripts; ok says whether all is well.")
    ] = False,
) -> None:
    """Look at settings, network, TLS, clock, credentials, rights, rate limits and stdout.

    Says what to do about each; exit code 1 if something fails.
    """
    from mcp_server import doctor as doctors  # noqa: PLC0415 -- only this needs it
    from mcp_server import log  # noqa: PLC0415 -- likewise

    # What fails is told by the checks, in words for people.
    log.configure(QUIET, "console")
    checks, secrets = doctors.examine(context.obj, _reached, _verified, command=_again(context.obj))
    raise typer.Exit(doctors.report(checks, secrets, as_json=as_json))


def _verified(settings: "Settings") -> "JwtVerifier | None":
    """Build the server, and give what verifies its callers."""
    verifier = _verifier(settings)
    _server(settings, verifier)
    return verifier


def _again(given: dict[str, Any]) -> list[str]:
    """Write the command that starts a server with these options."""
    command = [sys.executable, "-m", "mcp_server"]
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        command += [option] if value is True else [option, str(value)]
    return command


def _described(context: typer.Context, *, keyless: bool = False) -> "FivetranServer":
    """Build the server that the options before a command describe; `keyless` if nothing is sent."""
    from mcp_server import log  # noqa: PLC0415 -- as in run

    settings = _settings({**context.obj, "sandbox": True} if keyless else context.obj)
    own: dict[str, Any] = {}
    if "log_level" not in settings.model_fields_set:
        own["log_level"] = QUIET
    if keyless:
        # Whoever only looks must not begin a record as another user than the server's.
        own["audit_file"] = None
    settings = settings.model_copy(update=own)
    log.configure(settings.log_level, settings.log_format)
    # A policy or a record that cannot be used ends this as it ends the start of a server.
    return _ready(settings, None)


def run(**arguments: Any) -> None:
    """Serve with these settings before those of the environment."""
    # Imported late, so that --version, --help and a wrong option answer at once.
    from mcp_server import log, telemetry  # noqa: PLC0415 -- as said above
    from mcp_server.settings import tracing_wanted  # noqa: PLC0415 -- as said above

    settings = _settings(arguments)
    log.configure(settings.log_level, settings.log_format)
    if tracing_wanted():
        telemetry.configure_tracing()
    from mcp_server.serve import serve_http, serve_stdio  # noqa: PLC0415 -- as said above

    verifier = _verifier(settings)
    server = _ready(settings, verifier)
    gc.freeze()
    gc.enable()
    try:
        if settings.address:
            serve_http(
                server,
                *settings.address,
                auth=verifier,
                hosts=settings.hosts,
                origins=settings.origins,
                stateless=settings.state_key is not None,
            )
        else:
            serve_stdio(server)
    finally:
        telemetry.flush()


def _settings(arguments: dict[str, Any]) -> "Settings":
    """Read the settings, or say everything that is wrong with them and end."""
    from mcp_server.settings import SettingsError, load_settings  # noqa: PLC0415 -- as in run

    try:
        return load_settings(**arguments)
    except SettingsError as error:
        typer.echo(error, err=True, nl=False)
        raise typer.Exit(USAGE_ERROR) from None


def _ready(settings: "Settings", verifier: "JwtVerifier | None") -> "FivetranServer":
    """Build the server, or say what is wrong with one of its files and end."""
    from mcp_server.journal import JournalError  # noqa: PLC0415 -- as in run
    from mcp_server.rules import RulesError  # noqa: PLC0415 -- as in run

    try:
        return _server(settings, verifier)
    except (RulesError, JournalError) as error:
        typer.echo(str(error).rstrip(), err=True)
        raise typer.Exit(USAGE_ERROR) from None


def _verifier(settings: "Settings") -> "JwtVerifier | None":
    """Make what verifies tokens; whoever starts a process on stdio needs none."""
    if settings.address is None or settings.auth is None:
        return None
    from mcp_server.tokens import JwtVerifier  # noqa: PLC0415 -- only HTTP needs it

    return JwtVerifier(settings.auth)


def _server(settings: "Settings", verifier: "JwtVerifier | None") -> "FivetranServer":
    from mcp_server.server import build_server  # noqa: PLC0415 -- as in run

    own, upstream = _reached(settings)
    return build_server(own, upstream=upstream, auth=verifier)


def _reached(settings: "Settings") -> "tuple[Settings, AsyncBaseTransport | None]":
    """Say what is served: the account of the key pair, over the network, or the sandbox."""
    if not settings.sandbox:
        return settings, None
    # Only now: a real account has no use for them.
    from httpx import ASGITransport  # noqa: PLC0415 -- as said above
    from pydantic import SecretStr  # noqa: PLC0415 -- as said above

    from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox  # noqa: PLC0415 -- as said above

    # Whatever real key is in the environment stays out of it.
    own = {"api_key": SecretStr(SANDBOX_KEY), "api_secret": SecretStr(SANDBOX_SECRET)}
    return settings.model_copy(update=own), ASGITransport(app=Sandbox().app)
