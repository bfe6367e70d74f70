"""The command line: arguments to settings, logs, server; nothing is served before all is right."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_server import __version__

if TYPE_CHECKING:
    from mcp_server.server import FivetranServer
    from mcp_server.settings import Settings
    from mcp_server.tokens import JwtVerifier

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

USAGE_ERROR = 2


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
    if context.invoked_subcommand is None:
        run(
            mode=mode,
            read_only=read_only,
            toolsets=toolsets,
            sandbox=sandbox,
            approval=approval,
            policy=policy,
            http=http,
            log_level=log_level,
            log_format=log_format,
        )


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


def run(**arguments: Any) -> None:
    """Serve with these settings before those of the environment."""
    # Imported late, so that --version, --help and a wrong option answer at once.
    from mcp_server import log, telemetry  # noqa: PLC0415 -- as said above
    from mcp_server.settings import SettingsError, load_settings, tracing_wanted  # noqa: PLC0415 -- as said above

    try:
        settings = load_settings(**arguments)
    except SettingsError as error:
        typer.echo(error, err=True, nl=False)
        raise typer.Exit(USAGE_ERROR) from None
    log.configure(settings.log_level, settings.log_format)
    if tracing_wanted():
        telemetry.configure_tracing()
    from mcp_server.journal import JournalError  # noqa: PLC0415 -- as said above
    from mcp_server.rules import RulesError  # noqa: PLC0415 -- as said above
    from mcp_server.serve import serve_http, serve_stdio  # noqa: PLC0415 -- as said above

    verifier = _verifier(settings)
    try:
        server = _server(settings, verifier)
    except (RulesError, JournalError) as error:
        typer.echo(str(error).rstrip(), err=True)
        raise typer.Exit(USAGE_ERROR) from None
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


def _verifier(settings: "Settings") -> "JwtVerifier | None":
    """Make what verifies tokens; whoever starts a process on stdio needs none."""
    if settings.address is None or settings.auth is None:
        return None
    from mcp_server.tokens import JwtVerifier  # noqa: PLC0415 -- only HTTP needs it

    return JwtVerifier(settings.auth)


def _server(settings: "Settings", verifier: "JwtVerifier | None") -> "FivetranServer":
    from mcp_server.server import build_server  # noqa: PLC0415 -- as in run

    if not settings.sandbox:
        return build_server(settings, auth=verifier)
    # Only now: a real account has no use for them.
    from httpx import ASGITransport  # noqa: PLC0415 -- as said above
    from pydantic import SecretStr  # noqa: PLC0415 -- as said above

    from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox  # noqa: PLC0415 -- as said above

    # Whatever real key is in the environment stays out of it.
    own = {"api_key": SecretStr(SANDBOX_KEY), "api_secret": SecretStr(SANDBOX_SECRET)}
    upstream = ASGITransport(app=Sandbox().app)
    return build_server(settings.model_copy(update=own), upstream=upstream, auth=verifier)
