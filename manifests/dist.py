"""Build what is handed out, into `dist`, and start each part where nothing else is installed.

`python -m manifests.dist`: a wheel, a source archive that builds the same wheel, an MCPB bundle. The
image is built by whoever has an engine; here the steps of its Containerfile are carried out without.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

from manifests import bundle, image
from manifests.bundle import PINS, UV
from manifests.smoke import Offer, ask
from mcp_server import __version__
from mcp_server.listings import NAME, ROOT

DIST: Final = ROOT / "dist"
WHEEL: Final = f"{NAME.replace('-', '_')}-{__version__}-py3-none-any.whl"
SOURCES: Final = f"{NAME.replace('-', '_')}-{__version__}.tar.gz"
BUNDLE: Final = f"{NAME}-{__version__}.mcpb"
WIDTH: Final = len(WHEEL)
UNWANTED: Final = frozenset({".venv", "__pycache__", ".git", "dist", "node_modules"})


class IncompleteError(Exception):
    """What was built is not what it should be."""


def build(root: Path, target: str, folder: Path) -> None:
    """Build the wheel or the source archive of a tree; both are the same bytes every time."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    built = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if built.returncode:
        raise IncompleteError(f"the {target} of {root} cannot be built:\n{built.stderr}")


def check_sources(archive: Path, wheel: Path, scratch: Path) -> str:
    """Build the wheel from the source archive, which has to be the same.

    Raises:
        IncompleteError: It is not, or the archive has what nobody wants.
    """
    with tarfile.open(archive) as tar:
        unwanted = [name for name in tar.getnames() if UNWANTED & {*Path(name).parts}]
        tar.extractall(scratch / "sources", filter="data")
    if unwanted:
        raise IncompleteError(f"{archive.name} has {unwanted[0]} in it")
    (tree,) = (scratch / "sources").iterdir()
    build(tree, "wheel", scratch / "again")
    if digest(scratch / "again" / wheel.name) != digest(wheel):
        raise IncompleteError(f"{archive.name} builds another {wheel.name}")
    return "builds the same wheel"


def digest(path: Path) -> str:
    """Tell a file from any other."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_wheel(wheel: Path, scratch: Path) -> Offer:
    """Install a wheel and what is pinned into an empty environment, and start the command."""
    venv, home = scratch / "venv", scratch / "nobody"
    home.mkdir()
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [UV, "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, "--require-hashes", "--requirement", PINS], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    return ask([str(python.with_name(NAME))], home=home, folder=home)


def check_image(scratch: Path) -> Offer:
    """Carry out the build stage of the Containerfile, and start what it makes."""
    folder, home = scratch / "image", scratch / "nowhere"
    home.mkdir()
    steps = image.instructions(image.CONTAINERFILE.read_text(encoding="utf-8"))
    image.lay_out(steps, folder)
    return image.start(steps, folder, home)


def size(path: Path) -> int:
    """Add up the bytes of a file, or of all files in a folder."""
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def main() -> None:
    """Build all, try all, and tell what each is."""
    began = time.monotonic()
    DIST.mkdir(exist_ok=True)
    wheel, sources, packed = (DIST / name for name in (WHEEL, SOURCES, BUNDLE))
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        build(ROOT, "wheel", DIST)
        build(ROOT, "sdist", DIST)
        bundle.make(packed, scratch)
        tried: list[tuple[str, Path, object]] = [
            (wheel.name, wheel, check_wheel(wheel, scratch)),
            (sources.name, sources, check_sources(sources, wheel, scratch)),
            (packed.name, packed, bundle.start(packed, scratch)),
            ("(the image's steps)", scratch / "image", check_image(scratch)),
        ]
        for name, path, told in tried:
            print(f"{name:<{WIDTH}} {size(path) / 1000:>6.0f} kB  {told}")
    print(f"in {DIST}, after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
