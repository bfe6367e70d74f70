"""The options of `mcp-server-fivetran config`; what does it is imported only when it runs."""

from pathlib import Path
from typing import Annotated

import typer


def config(  # noqa: PLR0913 -- one parameter for each option
    client: Annotated[
        str,
        typer.Argument(
            metavar="CLIENT",
            help="claude-desktop, claude-code, vscode, cursor, codex, gemini, windsurf, or zed.",
        ),
    ],
    *,
    mode: Annotated[str | None, typer.Option(help="read-only (default), write, or full.")] = None,
    toolsets: Annotated[str | None, typer.Option(help="As the server's own option.")] = None,
    approval: Annotated[str | None, typer.Option(help="As the server's own option.")] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The operator's rules.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Serve a made-up account; needs no keys.")
    ] = False,
    name: Annotated[str, typer.Option(help="How the client calls the server.")] = "fivetran",
    scope: Annotated[
        str | None, typer.Option(help="user or project, where the client has both.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Another file than the client's usual one.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Merge it into the file, with a backup beside it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what --write would change.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change an entry of that name; its keys stay.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print an install link, for vscode and cursor.")
    ] = False,
) -> None:
    """Print the configuration of a client that starts this server, or write it with --write.

    Keys are never written into it: the client asks for them, passes them on, or leaves their place.
    """
    from mcp_server.clients.command import Wish, configure  # noqa: PLC0415 -- only this needs it
    from mcp_server.settings import client_directories  # noqa: PLC0415 -- likewise

    wish = Wish(
        client,
        mode=mode,
        toolsets=toolsets,
        approval=approval,
        policy=policy,
        sandbox=sandbox,
        name=name,
        scope=scope,
        file=file,
        write=write,
        dry_run=dry_run,
        replace=replace,
        link=link,
    )
    raise typer.Exit(configure(wish, client_directories()))
