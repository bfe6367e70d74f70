"""The command line: arguments to settings, logs, server; nothing is served before all is right."""

import gc
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_server import __version__

if TYPE_CHECKING:
    from mcp_server.server import FivetranServer
    from mcp_server.settings import Settings

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
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve streamable HTTP on a loopback address, at /mcp. [FIVETRAN_MCP_HTTP]",
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
            http=http,
            log_level=log_level,
            log_format=log_format,
        )


@app.command()
def demo() -> None:
    """Walk through the server on a made-up account, as a client sees it."""
    from mcp_server.demo import run_demo  # noqa: PLC0415 -- serving does not need it, and starts sooner

    raise typer.Exit(run_demo())


def run(**arguments: Any) -> None:
    """Serve with these settings before those of the environment."""
    # Imported late, so that --version, --help and a wrong option answer at once.
    from mcp_server import log  # noqa: PLC0415 -- as said above
    from mcp_server.settings import SettingsError, load_settings  # noqa: PLC0415 -- as said above

    try:
        settings = load_settings(**arguments)
    except SettingsError as error:
        typer.echo(error, err=True, nl=False)
        raise typer.Exit(USAGE_ERROR) from None
    log.configure(settings.log_level, settings.log_format)
    from mcp_server.serve import serve_http, serve_stdio  # noqa: PLC0415 -- as said above

    server = _server(settings)
    gc.freeze()
    gc.enable()
    if settings.address:
        serve_http(server, *settings.address)
    else:
        serve_stdio(server)


def _server(settings: "Settings") -> "FivetranServer":
    from mcp_server.server import build_server  # noqa: PLC0415 -- as in run

    if not settings.sandbox:
        return build_server(settings)
    # Only now: a real account has no use for them.
    from httpx import ASGITransport  # noqa: PLC0415 -- as said above
    from pydantic import SecretStr  # noqa: PLC0415 -- as said above

    from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox  # noqa: PLC0415 -- as said above

    # Whatever real key is in the environment stays out of it.
    own = {"api_key": SecretStr(SANDBOX_KEY), "api_secret": SecretStr(SANDBOX_SECRET)}
    upstream = ASGITransport(app=Sandbox().app)
    return build_server(settings.model_copy(update=own), upstream=upstream)
