"""What `make` runs, for machines with and without make: `python3 make.py demo`.

Needs Python 3.11 or newer and nothing else. The environment is `.venv`, made by
`venv` and pip from `requirements/dev.txt`, whose every file is pinned by hash.
It is made again only when those pins, the project's metadata or the Python change.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / ("python.exe" if os.name == "nt" else "python"))
OLDEST = (3, 11)

Command = list[str]


def run(*command: str) -> None:
    """Run one command in the repository; stop with its exit code when it fails."""
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code:
        print(f"failed with exit code {code}: {' '.join(command)}", file=sys.stderr)
        raise SystemExit(code)


def fingerprint() -> str:
    """Tell what the environment is made from; a changed one is made anew."""
    pins = (ROOT / "requirements" / "dev.txt").read_bytes()
    project = (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(pins + project + sys.version.encode() + str(ROOT).encode()).hexdigest()


def environment() -> None:
    """Make `.venv`, unless it is there and current."""
    stamp = VENV / "made-from"
    wanted = fingerprint()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("making .venv (once; about a minute)", file=sys.stderr)
    run(sys.executable, "-m", "venv", "--clear", str(VENV))
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "--require-hashes", "--requirement", "requirements/dev.txt")
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")
    stamp.write_text(wanted, encoding="utf-8")


def demo() -> None:
    """Walk through the server on an account that comes with it."""
    run(PYTHON, "-m", "mcp_server", "demo")


def test() -> None:
    """Run all tests, on every processor, and demand full branch coverage."""
    run(PYTHON, "-m", "coverage", "erase")
    spread = ["--numprocesses", "auto", "--dist", "worksteal"]
    run(PYTHON, "-m", "coverage", "run", "-m", "pytest", *spread, *sys.argv[2:])
    run(PYTHON, "-m", "coverage", "combine", "--quiet")
    run(PYTHON, "-m", "coverage", "report")


def check() -> None:
    """Lint, format, types, import contracts, generated files."""
    run(PYTHON, "-m", "ruff", "check")
    run(PYTHON, "-m", "ruff", "format", "--check")
    run(PYTHON, "-m", "mypy")
    run(str(BIN / "lint-imports"), "--no-logo")
    run(PYTHON, "-m", "mcp_server.catalogue", "--check")
    run(PYTHON, "-m", "manifests.validate")


def fix() -> None:
    """Format, apply safe lint fixes, write the generated files."""
    run(PYTHON, "-m", "ruff", "check", "--fix-only")
    run(PYTHON, "-m", "ruff", "format")
    run(PYTHON, "-m", "mcp_server.catalogue")


def git(*command: str) -> bytes:
    """Ask git; stop with its own words when it fails."""
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 -- wherever it is
    if done.returncode:
        raise SystemExit(done.stderr.decode(errors="replace").strip())
    return done.stdout


def contract() -> None:
    """Tell what changed in the tool contract since the newest release, or since a revision."""
    asked = sys.argv[2:3]
    newest = git("tag", "--merged", "HEAD", "--sort=-version:refname", "--list", "v*").decode()
    base = [*asked, *newest.split()][:1]
    if not base:
        print("nothing is released yet: there is no tag v* in this history")
        return
    command = [PYTHON, "-m", "mcp_server.compatibility", "-"]
    command += [] if asked else ["--released", *base]
    old = git("show", f"{base[0]}:manifests/tools.json")
    raise SystemExit(subprocess.run(command, cwd=ROOT, input=old, check=False).returncode)


def bench() -> None:
    """Measure against a bare SDK tool, in one run."""
    run(PYTHON, "benchmarks/bench.py")


def dist() -> None:
    """Build wheel, source archive and bundle, and start each where nothing else is."""
    run(PYTHON, "-m", "manifests.dist")


def interop() -> None:
    """Try the server with public clients and suites, which npm and pip install first."""
    run(PYTHON, "-m", "tests.interop.run", *sys.argv[2:])


def pictures() -> None:
    """Draw the pictures of the documentation anew."""
    run(PYTHON, "docs/pictures/draw.py")


TARGETS: dict[str, Callable[[], None]] = {
    "environment": lambda: None,
    "demo": demo,
    "test": test,
    "check": check,
    "fix": fix,
    "contract": contract,
    "bench": bench,
    "dist": dist,
    "interop": interop,
    "pictures": pictures,
}


def main() -> None:
    """Make the environment, then run the named target in it."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        raise SystemExit(f"usage: python3 make.py {{{','.join(TARGETS)}}}")
    if sys.version_info < OLDEST:
        raise SystemExit(
            f"Python {'.'.join(map(str, OLDEST))} or newer is needed, this is {sys.version.split()[0]}; "
            "name another one: make PYTHON=python3.12 " + name
        )
    environment()
    TARGETS[name]()


if __name__ == "__main__":
    main()
