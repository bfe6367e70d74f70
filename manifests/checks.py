"""What the checks of the places share: files, schemas, and the code to compare with."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer.main
import yaml
from jsonschema import Draft202012Validator

from mcp_server import cli
from mcp_server.listings import ROOT
from mcp_server.settings import VARIABLES, Settings, SettingsError, load_settings

PLACES: Final = ROOT / "manifests"
Problems = Iterator[str]
Files = dict[str, Any]


def read(folder: Path) -> Files:
    """Read the YAML files of a folder, by name."""
    return {p.name: yaml.safe_load(p.read_text(encoding="utf-8")) for p in folder.glob("*.yaml")}


def against(schema: Any, value: Any) -> Problems:
    """Compare with a schema of our own."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


def unknown_options(arguments: list[str], name: str) -> Problems:
    """Find options that the command does not have."""
    command = typer.main.get_command(cli.app)
    known = {option for parameter in command.params for option in parameter.opts}
    for argument in arguments:
        if argument.startswith("--") and argument.partition("=")[0] not in known:
            yield f"{name}: there is no option {argument}"


def settings_of(env: dict[str, str]) -> Settings | str:
    """Read an environment as the server would, or say what is wrong with it."""
    names = {variable: name for name, variable in VARIABLES.items()}
    unknown = sorted(name for name in env if name not in names and not name.startswith("OTEL_"))
    if unknown:
        return f"there is no setting {', '.join(unknown)}"
    try:
        return load_settings(**{names[k]: value for k, value in env.items() if k in names})
    except SettingsError as error:
        return str(error).rstrip()


def module(path: Path) -> Any:
    """Import a script that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 -- it ends in .py
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
