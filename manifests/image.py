"""The image without an engine: its Containerfile read, its build stage carried out, and started."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from manifests.smoke import Offer, ask
from mcp_server.listings import ROOT

CONTAINERFILE: Final = ROOT / "manifests" / "container" / "Containerfile"
Instruction = tuple[str, str]


def instructions(text: str) -> list[Instruction]:
    """Split a Containerfile into instructions and what they say."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), " ".join(rest.split())) for word, _, rest in found]


def pairs(text: str) -> dict[str, str]:
    """Read the `NAME=value` of ENV, ARG and LABEL."""
    return {name: quoted or plain for name, quoted, plain in _PAIR.findall(text)}


_PAIR: Final = re.compile(r'([\w.]+)=(?:"([^"]*)"|(\S*))')


def environment(steps: list[Instruction]) -> dict[str, str]:
    """Read what the image sets for the process."""
    return {k: v for word, rest in steps if word == "ENV" for k, v in pairs(rest).items()}


def entrypoint(steps: list[Instruction]) -> list[str]:
    """Read what the image starts."""
    (command,) = (rest for word, rest in steps if word == "ENTRYPOINT")
    started: list[str] = json.loads(command)
    return started


def lay_out(steps: list[Instruction], folder: Path) -> None:
    """Carry out the build stage with this Python, in a folder instead of a container's root."""
    starts = [number for number, (word, _) in enumerate(steps) if word == "FROM"]
    for word, rest in steps[starts[0] + 1 : starts[1]]:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, _inside(folder, target), into=target.endswith("/"))
        elif word == "RUN":
            command = [_placed(part, folder) for part in json.loads(rest)]
            subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    place = target / source.name if into else target
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


def _placed(part: str, folder: Path) -> str:
    """Put the paths in an argument below the folder."""
    option, equals, path = part.rpartition("=")
    return f"{option}{equals}{_inside(folder, path)}" if path.startswith("/") else part


def _inside(folder: Path, path: str) -> Path:
    return folder / path.removeprefix("/")


def start(steps: list[Instruction], folder: Path, home: Path) -> Offer:
    """Start what was laid out; `-S` keeps away what this Python has installed."""
    env = {
        name: str(_inside(folder, value)) if value.startswith("/") else value
        for name, value in environment(steps).items()
    }
    return ask([sys.executable, "-S", *entrypoint(steps)[1:]], home=home, folder=home, env=env)
