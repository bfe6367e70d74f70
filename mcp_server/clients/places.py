"""Where clients keep their configuration, on each system."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

USER: Final = "user"
PROJECT: Final = "project"


def places(
    client: str,
    *,
    platform: str,
    home: PurePath,
    project: PurePath,
    directories: Mapping[str, str],
) -> dict[str, PurePath]:
    """Name the files of a client by their scope, the usual one first.

    `platform` is as `sys.platform` has it; `directories` are the variables APPDATA,
    XDG_CONFIG_HOME and CODEX_HOME, as far as they are set.
    """

    def directory(variable: str, otherwise: PurePath) -> PurePath:
        named = type(home)(directories.get(variable, ""))
        return named if named.is_absolute() else otherwise

    if platform == "win32":
        applications = directory("APPDATA", home / "AppData" / "Roaming")
        zed = applications / "Zed"
    elif platform == "darwin":
        applications = home / "Library" / "Application Support"
        zed = home / ".config" / "zed"
    else:
        applications = directory("XDG_CONFIG_HOME", home / ".config")
        zed = applications / "zed"
    codex = directory("CODEX_HOME", home / ".codex")
    known: dict[str, dict[str, PurePath]] = {
        "claude-desktop": {USER: applications / "Claude" / "claude_desktop_config.json"},
        "claude-code": {PROJECT: project / ".mcp.json"},
        "vscode": {
            USER: applications / "Code" / "User" / "mcp.json",
            PROJECT: project / ".vscode" / "mcp.json",
        },
        "cursor": {
            USER: home / ".cursor" / "mcp.json",
            PROJECT: project / ".cursor" / "mcp.json",
        },
        "codex": {USER: codex / "config.toml", PROJECT: project / ".codex" / "config.toml"},
        "gemini": {
            USER: home / ".gemini" / "settings.json",
            PROJECT: project / ".gemini" / "settings.json",
        },
        "windsurf": {USER: home / ".codeium" / "windsurf" / "mcp_config.json"},
        "zed": {USER: zed / "settings.json"},
    }
    return known[client]
