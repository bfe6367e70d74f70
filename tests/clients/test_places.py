"""Where the clients' files are, on each system."""

from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest

from mcp_server.clients.known import CLIENTS
from mcp_server.clients.places import PROJECT, USER, places

MAC = PurePosixPath("/Users/ada")
LINUX = PurePosixPath("/home/ada")
WINDOWS = PureWindowsPath("C:/Users/ada")
SUPPORT = f"{MAC}/Library/Application Support"
ROAMING = f"{WINDOWS}\\AppData\\Roaming"


@pytest.mark.parametrize(
    ("client", "mac", "linux", "windows"),
    [
        (
            "claude-desktop",
            f"{SUPPORT}/Claude/claude_desktop_config.json",
            f"{LINUX}/.config/Claude/claude_desktop_config.json",
            f"{ROAMING}\\Claude\\claude_desktop_config.json",
        ),
        (
            "vscode",
            f"{SUPPORT}/Code/User/mcp.json",
            f"{LINUX}/.config/Code/User/mcp.json",
            f"{ROAMING}\\Code\\User\\mcp.json",
        ),
        (
            "zed",
            f"{MAC}/.config/zed/settings.json",
            f"{LINUX}/.config/zed/settings.json",
            f"{ROAMING}\\Zed\\settings.json",
        ),
        *(
            (client, f"{MAC}/{path}", f"{LINUX}/{path}", str(WINDOWS / path))
            for client, path in (
                ("cursor", ".cursor/mcp.json"),
                ("codex", ".codex/config.toml"),
                ("gemini", ".gemini/settings.json"),
                ("windsurf", ".codeium/windsurf/mcp_config.json"),
            )
        ),
    ],
)
def test_the_file_of_a_user_is_where_the_client_looks(
    client: str, mac: str, linux: str, windows: str
) -> None:
    """With no variable set."""
    for platform, home, expected in (
        ("darwin", MAC, mac),
        ("linux", LINUX, linux),
        ("win32", WINDOWS, windows),
    ):
        found = places(client, platform=platform, home=home, project=home, directories={})
        assert str(found[USER]) == expected
        assert next(iter(found)) == USER


def test_the_file_of_a_project_is_in_it() -> None:
    """For the clients that have one."""
    project = PurePosixPath("/projects/shop")
    found = {
        client: places(client, platform="linux", home=LINUX, project=project, directories={})
        for client in CLIENTS
    }

    assert {client: str(one[PROJECT]) for client, one in found.items() if PROJECT in one} == {
        "claude-code": "/projects/shop/.mcp.json",
        "vscode": "/projects/shop/.vscode/mcp.json",
        "cursor": "/projects/shop/.cursor/mcp.json",
        "codex": "/projects/shop/.codex/config.toml",
        "gemini": "/projects/shop/.gemini/settings.json",
    }


@pytest.mark.parametrize(
    ("client", "platform", "home", "directories", "expected"),
    [
        ("vscode", "win32", WINDOWS, {"APPDATA": "D:\\r"}, "D:\\r\\Code\\User\\mcp.json"),
        ("zed", "linux", LINUX, {"XDG_CONFIG_HOME": "/x"}, "/x/zed/settings.json"),
        ("zed", "darwin", MAC, {"XDG_CONFIG_HOME": "/x"}, f"{MAC}/.config/zed/settings.json"),
        ("zed", "linux", LINUX, {"XDG_CONFIG_HOME": "x"}, f"{LINUX}/.config/zed/settings.json"),
        ("codex", "linux", LINUX, {"CODEX_HOME": "/c"}, "/c/config.toml"),
    ],
)
def test_variables_move_it(
    client: str, platform: str, home: PurePath, directories: dict[str, str], expected: str
) -> None:
    """Those that the client honours; a relative directory is none."""
    found = places(client, platform=platform, home=home, project=home, directories=directories)

    assert str(found[USER]) == expected
