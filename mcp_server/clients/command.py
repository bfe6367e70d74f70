"""`mcp-server-fivetran config CLIENT`: print a client's configuration, or merge it into its file."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from mcp_server.clients.files import Content, FileError, read, write
from mcp_server.clients.known import CLIENTS, Client, Server
from mcp_server.clients.links import LINKS
from mcp_server.clients.merging import CannotMergeError, Merged, difference, merge
from mcp_server.clients.places import places
from mcp_server.settings import SettingsError, load_settings

DONE, LEFT_ALONE, USAGE_ERROR = 0, 1, 2


class UsageError(Exception):
    """The command line asks for something that is not to be had."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for: the server's own options, and what to do with them."""

    client: str
    mode: str | None = None
    toolsets: str | None = None
    approval: str | None = None
    policy: Path | None = None
    sandbox: bool = False
    name: str = "fivetran"
    scope: str | None = None
    file: Path | None = None
    write: bool = False
    dry_run: bool = False
    replace: bool = False
    link: bool = False


def configure(wish: Wish, directories: Mapping[str, str]) -> int:
    """Do as asked; the exit code."""
    try:
        client = _client(wish)
        server = _server(wish)
        if wish.link:
            typer.echo(_link(wish, server))
            return DONE
        path = _path(wish, directories)
    except (UsageError, SettingsError) as error:
        typer.echo(str(error).rstrip(), err=True)
        return USAGE_ERROR
    if wish.write or wish.dry_run:
        return _merge(wish, client, server, path)
    typer.echo(client.text(server), nl=False)
    typer.echo(f"This goes into {path}; --write merges it into what is there.", err=True)
    _tell(client.advice(server))
    return DONE


def _client(wish: Wish) -> Client:
    if wish.client not in CLIENTS:
        raise UsageError(f"There is no client {wish.client!r}: use one of {', '.join(CLIENTS)}.")
    return CLIENTS[wish.client]


def _server(wish: Wish) -> Server:
    # The key pair is the client's business, so it is not asked for here.
    settings = load_settings(
        mode=wish.mode,
        toolsets=wish.toolsets,
        approval=wish.approval,
        policy=wish.policy,
        sandbox=True,
    )
    command, *args = own_command(Path(sys.executable))
    if wish.sandbox:
        args.append("--sandbox")
    args += ["--mode", wish.mode or "read-only"]
    if wish.toolsets:
        args += ["--toolsets", ",".join(settings.toolsets)]
    if wish.approval:
        args += ["--approval", wish.approval]
    if wish.policy:
        # The client starts the server in a directory of its own.
        args += ["--policy", str(wish.policy.absolute())]
    server = Server(command, tuple(args), wish.name, needs_keys=not wish.sandbox)
    if not server.is_well_named:
        raise UsageError(
            f"The name {wish.name!r} does not fit every client: use up to 64 letters, digits and"
            " hyphens (--name)."
        )
    return server


def own_command(python: Path) -> list[str]:
    """Find the command of this very installation, by the Python that runs it."""
    suffix = ".exe" if python.suffix == ".exe" else ""
    script = python.with_name(f"mcp-server-fivetran{suffix}")
    return [str(script)] if script.is_file() else [str(python), "-m", "mcp_server"]


def _link(wish: Wish, server: Server) -> str:
    if wish.client not in LINKS:
        raise UsageError(f"Only {' and '.join(LINKS)} have install links; leave --link out.")
    return LINKS[wish.client](server)


def _path(wish: Wish, directories: Mapping[str, str]) -> Path:
    known = places(
        wish.client,
        platform=sys.platform,
        home=Path.home(),
        project=Path.cwd(),
        directories=directories,
    )
    if wish.scope not in {None, *known}:
        raise UsageError(
            f"{CLIENTS[wish.client].title} has no scope {wish.scope!r} here: use"
            f" {' or '.join(known)} (--scope)."
        )
    usual = next(iter(known))
    return wish.file.absolute() if wish.file else Path(known[wish.scope or usual])


def _merge(wish: Wish, client: Client, server: Server, path: Path) -> int:
    try:
        content = read(path)
        merged = merge(content.text, client, server)
        if merged.after == merged.before:
            typer.echo(f"{path} has it already; nothing was written.", err=True)
            return DONE
        if wish.dry_run:
            typer.echo(difference(merged, client, server, str(path)), nl=False)
            typer.echo(f"Nothing was written to {path}. {_needed(merged, wish)}".rstrip(), err=True)
            return DONE
        _check_replacing(merged, wish, difference(merged, client, server, str(path)))
        backup = write(content, merged.after, datetime.now(tz=UTC).astimezone())
    except (FileError, CannotMergeError) as error:
        typer.echo(f"{path} was left as it is: {error}.", err=True)
        return LEFT_ALONE
    typer.echo(f"Written: {path}" + (f"; what was there: {backup}" if backup else ""), err=True)
    _tell(_left_to_do(client, server, merged, content))
    return DONE


def _check_replacing(merged: Merged, wish: Wish, changes: str) -> None:
    needed = _needed(merged, wish)
    if needed:
        typer.echo(changes, nl=False, err=True)
        raise CannotMergeError(needed.removesuffix("."))


def _needed(merged: Merged, wish: Wish) -> str:
    """Say what else it takes to write."""
    if not merged.replaces or wish.replace:
        return ""
    return (
        f"Another {wish.name!r} is in it: --replace changes it as shown, another --name leaves it."
    )


def _left_to_do(client: Client, server: Server, merged: Merged, content: Content) -> list[str]:
    lines = client.advice(server)
    if merged.keeps:
        lines = [f"Kept as it was: {', '.join(merged.keeps)}.", client.start]
    if client.is_written and server.needs_keys and content.is_readable_by_others:
        lines.append(
            f"Others on this machine may read it: chmod 600 {shlex.quote(str(content.path))}"
        )
    return lines


def _tell(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)
