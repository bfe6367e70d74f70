"""Pack the MCPB bundle, and start it as a host would.

A host has `uv` make the environment. Its `uv run` checks the hashes of a lock, and of nothing else,
so the bundle brings one, made here from the pins of `requirements/runtime.txt` and compared with them.
The lock names the index it was made from, so it is no part of the repository.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit

from manifests.smoke import Offer, ask
from mcp_server.listings import ENTRY, NAME, ROOT, bundle_manifest

UV: Final = str(Path(sys.executable).with_name("uv"))
PINS: Final = ROOT / "requirements" / "runtime.txt"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the bundle: the same content is the same bytes."""
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")


class UnpinnedError(Exception):
    """The lock of the bundle is not what the repository pins."""


def pinned(path: Path = PINS) -> dict[str, tuple[str, frozenset[str]]]:
    """Read a file of requirements: by name, the requirement as written, and its hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement = line.partition("--hash")[0].strip()
        name = requirement.partition("==")[0].lower()
        found[name] = (requirement, frozenset(_HASH.findall(line)))
    return found


def stage(folder: Path) -> None:
    """Lay out what the bundle holds."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mcp_server", folder / "mcp_server", ignore=ignored)
    for path in (ROOT / "README.md", ROOT / "LICENSE", ROOT / "manifests" / "mcpb" / ENTRY):
        shutil.copyfile(path, folder / path.name)
    manifest = json.dumps(bundle_manifest(), indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(manifest, encoding="utf-8", newline="\n")
    (folder / "pyproject.toml").write_text(_project(), encoding="utf-8", newline="\n")
    subprocess.run([UV, "lock", "--quiet", "--no-config", "--directory", folder], check=True)
    compare((folder / "uv.lock").read_text(encoding="utf-8"), pinned())


def _project() -> str:
    """Say what the server needs; there is nothing to build, so nothing is."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    pins = [requirement for requirement, _ in pinned().values()]
    return tomlkit.dumps(
        {
            "project": {
                "name": NAME,
                "version": bundle_manifest()["version"],
                "requires-python": project["requires-python"],
                "dependencies": project["dependencies"],
            },
            "tool": {"uv": {"package": False, "constraint-dependencies": pins}},
        }
    )


def compare(lock: str, pins: Mapping[str, tuple[str, frozenset[str]]]) -> None:
    """Check that a lock names the pinned versions and files, and no others.

    Raises:
        UnpinnedError: It does not.
    """
    locked = {
        package["name"]: package
        for package in tomllib.loads(lock)["package"]
        if "registry" in package["source"]
    }
    wrong = sorted(locked.keys() ^ pins.keys())
    for name in sorted(locked.keys() & pins.keys()):
        requirement, hashes = pins[name]
        files: list[dict[str, Any]] = [*locked[name].get("wheels", [])]
        files += [locked[name]["sdist"]] if "sdist" in locked[name] else []
        known = all(file["hash"].removeprefix("sha256:") in hashes for file in files)
        version = requirement.partition(";")[0].partition("==")[2].strip()
        if version != locked[name]["version"] or not files or not known:
            wrong.append(name)
    if wrong:
        raise UnpinnedError(
            f"the bundle's lock and {PINS.relative_to(ROOT)} differ in {', '.join(wrong)};"
            " compile the requirements anew"
        )


def pack(folder: Path, bundle: Path) -> None:
    """Write a folder's files to a bundle, in one order and without times."""
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def make(bundle: Path, scratch: Path) -> None:
    """Pack the bundle."""
    folder = scratch / "bundle"
    folder.mkdir()
    stage(folder)
    pack(folder, bundle)


def start(bundle: Path, scratch: Path) -> Offer:
    """Unpack a bundle into an empty folder, and start it as its manifest says."""
    folder, home = scratch / "installed", scratch / "home"
    home.mkdir()
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    entered = {
        name: each.get("default", "made-up") for name, each in manifest["user_config"].items()
    }
    values = {"__dirname": str(folder)} | {f"user_config.{k}": v for k, v in entered.items()}
    config = manifest["server"]["mcp_config"]
    command = [_filled(each, values) for each in (config["command"], *config["args"])]
    env = {name: _filled(value, values) for name, value in config["env"].items()}
    return ask(command, home=home, folder=home, env=env)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], text)
