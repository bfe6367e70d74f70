"""Installs the public clients and suites beside this file: what npm and pip need the network for."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
HOSTS: Final = HERE / "hosts"
NPM: Final = ("--no-audit", "--no-fund", "--loglevel=error")
VENV: Final = HERE / ".venv"
OLD_PYTHON: Final = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
OLDEST_NODE: Final = 22
LONGEST: Final = 600.0
"""Seconds for one command that installs."""


class InstallError(Exception):
    """A client or suite could not be installed."""


def install() -> str:
    """Install everything that is not here; says why the hosts could not be, if they could not.

    Raises:
        InstallError: The network, npm or pip failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InstallError("npm is not on the PATH; it comes with Node.js")
    # No package but the hosts needs its scripts to run.
    clients = [npm, "ci", "--ignore-scripts", *NPM]
    once(HERE / "node_modules", [HERE / "npm-shrinkwrap.json"], (clients, HERE))
    pip = [OLD_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    once(
        VENV,
        [HERE / "requirements.txt"],
        ([sys.executable, "-m", "venv", "--clear", str(VENV)], HERE),
        ([*pip, "--require-hashes", "--requirement", "requirements.txt"], HERE),
    )
    try:
        # They come without a lock: they install what they like anyway, and may fail to.
        hosts = [npm, "install", "--no-package-lock", *NPM]
        once(HOSTS / "node_modules", [HOSTS / "package.json"], (hosts, HOSTS))
    except InstallError as error:
        return f"did not install; see below. {error}"
    return ""


def once(target: Path, made_from: Sequence[Path], *commands: tuple[list[str], Path]) -> None:
    """Run commands in folders, unless the stamp in what they make says that it is current."""
    stamp = target / "made-from"
    told = b"".join(path.read_bytes() for path in made_from) + sys.version.encode()
    wanted = hashlib.sha256(told).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    for command, folder in commands:
        try:
            done = subprocess.run(  # noqa: S603 -- our own command
                command,
                cwd=folder,
                check=False,
                text=True,
                timeout=LONGEST,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except subprocess.TimeoutExpired:
            raise InstallError(f"no end within {LONGEST:.0f} s: {' '.join(command)}") from None
        if done.returncode:
            raise InstallError(
                f"exit code {done.returncode} of {' '.join(command)}\n{done.stdout[-3000:]}"
            )
    stamp.write_text(wanted, encoding="utf-8")


def node() -> str:
    """Find a Node.js that is new enough: the one that was installed, or that of the PATH.

    Raises:
        InstallError: There is none.
    """
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    own = HERE / "node_modules" / f"node-linux-{machine}" / "bin" / "node"
    if own.exists():
        return str(own)
    found = shutil.which("node")
    version = found and subprocess.run(  # noqa: S603 -- said by the PATH
        [found, "--version"], check=True, text=True, stdout=subprocess.PIPE
    ).stdout.removeprefix("v")
    if not found or not version or int(version.split(".", maxsplit=1)[0]) < OLDEST_NODE:
        raise InstallError(f"Node.js {OLDEST_NODE} or newer is not on the PATH")
    return found


def script(name: str) -> list[str]:
    """Say how a program of npm's is started."""
    return [node(), str(HERE / "node_modules" / ".bin" / name)]
