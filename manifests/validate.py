"""Check what the server is run and listed by: `python -m manifests.validate`.

Each file against its schema, and all of them against the code: versions, settings, options, ports,
paths. What is wrong is told with its file; the exit code is 1 then.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from manifests import image, schemas
from manifests.bundle import PINS, pinned
from manifests.checks import PLACES, Files, Problems, against, module, read, settings_of
from manifests.cluster import kubernetes
from mcp_server import __version__, edge, log
from mcp_server.listings import NAME, ROOT, bundle_manifest, registry_entry
from mcp_server.settings import VARIABLES


def compose(files: Files) -> Problems:
    """Check the compose file by the specification's schema, and the collector with it."""
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "-"]
    checked = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        input=json.dumps(files["compose.yaml"]),
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = [f"compose.yaml: {checked.stdout.strip()}"] if checked.returncode else []
    wrong += [
        f"collector.yaml: {each}" for each in against(schemas.COLLECTOR, files["collector.yaml"])
    ]
    yield from wrong
    if not wrong:
        yield from _pipelines(files["collector.yaml"])
        yield from _services(files)


def _pipelines(collector: Any) -> Problems:
    used = [*collector["service"]["pipelines"].values()]
    for kind in ("receivers", "processors", "exporters"):
        named = {name for pipeline in used for name in pipeline[kind]}
        for name in sorted(named ^ collector[kind].keys()):
            yield f"collector.yaml: {name} is not both declared and used among {kind}"


def _services(files: Files) -> Problems:
    server = files["compose.yaml"]["services"]["server"]
    if not (
        PLACES / "compose" / server["build"]["context"] / server["build"]["dockerfile"]
    ).is_file():
        yield "compose.yaml: there is no such Containerfile"
    # What compose takes from the shell is made up, and what it defaults is what is tried.
    env = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value or "made-up")
        for name, value in server["environment"].items()
    }
    settings = settings_of(env)
    if isinstance(settings, str):
        yield f"compose.yaml: {settings}"
        return
    receivers = files["collector.yaml"]["receivers"]
    spans = receivers["otlp"]["protocols"]["http"]["endpoint"]
    if env["OTEL_EXPORTER_OTLP_ENDPOINT"] != f"http://{spans}":
        yield "compose.yaml: spans are sent to where the collector does not listen"
    (scraped,) = receivers["prometheus"]["config"]["scrape_configs"]
    asked = (scraped["metrics_path"], scraped["static_configs"])
    if asked != (edge.METRICS, [{"targets": [settings.http]}]):
        yield "collector.yaml: the metrics are asked for where they are not"


# ---- The image


def container(text: str) -> Problems:
    """Check the Containerfile, and what it copies in."""
    steps = image.instructions(text)
    said = dict(steps)
    labels = image.pairs(said.get("LABEL", ""))
    base = image.pairs(said.get("ARG", "")).get("PYTHON", "")
    wants = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tried = [c.rpartition(" ")[2] for c in wants["classifiers"] if "Python :: 3." in c]
    tag = re.fullmatch(r"python:(\d+\.\d+)-slim", base)
    if tag is None or tag[1] not in tried:
        yield f"Containerfile: the base {base!r} is no Python that the project names"
    if labels.get("org.opencontainers.image.version") != __version__:
        yield "Containerfile: its label has another version"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", said.get("USER", "")):
        yield "Containerfile: the user is not a number other than 0"
    if not said.get("HEALTHCHECK") or said.get("ENTRYPOINT") != '["python", "-m", "mcp_server"]':
        yield "Containerfile: it has no health check, or starts something else"
    for word, rest in steps:
        if word == "RUN" and "pip" in rest and not {"--require-hashes"} <= {*json.loads(rest)}:
            yield "Containerfile: something is installed without its hash"
        sources = rest.split()[:-1] if word == "COPY" and "--from" not in rest else []
        yield from (f"Containerfile: there is no {s}" for s in sources if not (ROOT / s).exists())
    probe = module(PLACES / "container" / "healthcheck.py")
    if probe.PATH != edge.ALIVE or f'"{VARIABLES["http"]}"' not in Path(probe.__file__).read_text(
        "utf-8"
    ):
        yield "healthcheck.py: it asks for something else than the server has"
    yield from _extra(wants["optional-dependencies"]["otel"])


def _extra(wanted: list[str]) -> Problems:
    """Check the pins that the image has beside those of the server."""
    extra, own = pinned(PLACES / "container" / "otel.txt"), pinned()
    for name in sorted(extra.keys() & own.keys()):
        yield f"otel.txt: {name} is pinned in {PINS.name} already"
    for requirement in wanted:
        if requirement.partition(">")[0] not in extra:
            yield f"otel.txt: {requirement} is not pinned"
    tested = pinned(ROOT / "requirements" / "dev.txt")
    for name, (requirement, hashes) in extra.items():
        if not hashes:
            yield f"otel.txt: {name} has no hash"
        if name in tested and tested[name][0] != requirement:
            yield f"otel.txt: {requirement} is another version than the tested one"


# ---- All


def listings() -> Problems:
    """Check what lists the server, and that no setting is asked for that there is not."""
    yield from (
        f"server.json: {each}" for each in against(schemas.REGISTRY_ENTRY, registry_entry())
    )
    manifest = bundle_manifest()
    yield from (f"manifest.json: {each}" for each in against(schemas.BUNDLE_MANIFEST, manifest))
    config = manifest["server"]["mcp_config"]
    asked = {f"${{user_config.{name}}}" for name in manifest["user_config"]}
    if {*config["env"].values()} != asked or not {*config["env"]} <= {*VARIABLES.values()}:
        yield "manifest.json: what is asked for is not what the server gets"


def versions(folder: Path) -> Problems:
    """Find images of another version than the code's, in any file."""
    for path in sorted(each for each in folder.rglob("*") if each.suffix in {".md", ".yaml", ""}):
        if path.is_file():
            found = re.findall(rf"\b{NAME}:(\d[\w.-]*)", path.read_text(encoding="utf-8"))
            for version in sorted({*found} - {__version__}):
                yield f"{path.name}: {NAME}:{version} is not the version of the code, {__version__}"


def problems() -> Problems:
    """Check everything."""
    yield from kubernetes(read(PLACES / "kubernetes"))
    yield from compose(read(PLACES / "compose"))
    yield from container(image.CONTAINERFILE.read_text(encoding="utf-8"))
    yield from listings()
    yield from versions(PLACES)


def main() -> int:
    """Tell what is wrong; the exit code."""
    # The server in memory has nothing to tell.
    log.configure("error", "console")
    found = [*problems()]
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"places to run the server: {len(found) or 'nothing'} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
