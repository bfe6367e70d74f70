"""Where the server is run and listed: each file is right, and what could go wrong is noticed."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from manifests import bundle, checks, cluster, dist, image, smoke, validate
from mcp_server import __version__, listings, log
from mcp_server.settings import VARIABLES

TEXT = image.CONTAINERFILE.read_text(encoding="utf-8")
DIGEST = "a" * 64


def test_every_place_is_as_its_schema_and_the_code_want_it() -> None:
    """What `make check` runs."""
    assert [*validate.problems()] == []


Change = Callable[[Any], object]


def container(files: Any) -> Any:
    """Find the one container of the deployment."""
    return files["deployment.yaml"]["spec"]["template"]["spec"]["containers"][0]


WRONG_MANIFESTS: dict[str, tuple[Change, str]] = {
    "a misspelt field": (
        lambda f: f["deployment.yaml"]["spec"]["template"]["spec"].update(hostNetwrok=True),
        "deployment.yaml: in Kubernetes 1.30",
    ),
    "a misspelt field of a kind of the operator's": (
        lambda f: f["servicemonitor.yaml"]["spec"].update(endpoint=[]),
        "servicemonitor.yaml: $.spec",
    ),
    "a file that is not applied": (
        lambda f: f["kustomization.yaml"]["resources"].remove("networkpolicy.yaml"),
        "networkpolicy.yaml is not both there and listed",
    ),
    "a policy for other pods": (
        lambda f: f["networkpolicy.yaml"]["spec"].update(podSelector={"matchLabels": {"a": "b"}}),
        "networkpolicy.yaml: its selector",
    ),
    "a monitor of another service": (
        lambda f: f["servicemonitor.yaml"]["spec"]["selector"].update(matchLabels={"a": "b"}),
        "servicemonitor.yaml: its selector",
    ),
    "an autoscaler of something else": (
        lambda f: f["autoscaler.yaml"]["spec"]["scaleTargetRef"].update(name="other"),
        "autoscaler.yaml: it does not scale",
    ),
    "more replicas than are reckoned with": (
        lambda f: f["autoscaler.yaml"]["spec"].update(maxReplicas=9),
        "configmap.yaml: FIVETRAN_MCP_REPLICAS is not",
    ),
    "two namespaces": (
        lambda f: f["kustomization.yaml"].update(namespace="other"),
        "namespace.yaml: the namespace is called otherwise",
    ),
    "another port": (
        lambda f: container(f)["ports"][0].update(containerPort=9000),
        "the server listens to another port",
    ),
    "a probe of no port": (
        lambda f: container(f)["livenessProbe"]["httpGet"].update(port="web"),
        "deployment.yaml: web is no port",
    ),
    "a monitor of no port": (
        lambda f: f["servicemonitor.yaml"]["spec"]["endpoints"][0].update(port="web"),
        "servicemonitor.yaml: web is no port",
    ),
    "a backend that is not there": (
        lambda f: cluster._paths(f)[0]["backend"]["service"].update(name="other"),  # noqa: SLF001 -- the same file
        "ingress.yaml: a backend",
    ),
    "a secret without the key of all replicas": (
        lambda f: container(f)["env"].pop(),
        "the secret is to give FIVETRAN_API_KEY",
    ),
    "an option that there is not": (
        lambda f: container(f)["args"].extend(["--replicas", "2"]),
        "there is no option --replicas",
    ),
    "a misspelt setting": (
        lambda f: f["configmap.yaml"]["data"].update(FIVETRAN_MCP_READONLY="true"),
        "there is no setting FIVETRAN_MCP_READONLY",
    ),
    "a setting with a wrong value": (
        lambda f: f["configmap.yaml"]["data"].update(FIVETRAN_MCP_MODE="all"),
        "configmap.yaml: The configuration is wrong",
    ),
    "no issuer": (
        lambda f: f["configmap.yaml"]["data"].pop("FIVETRAN_MCP_AUTH_ISSUER"),
        "nobody has to say who they are",
    ),
    "a probe of nothing": (
        lambda f: container(f)["livenessProbe"]["httpGet"].update(path="/health"),
        "/health is asked for, and is not there",
    ),
    "a pod that is killed too soon": (
        lambda f: f["deployment.yaml"]["spec"]["template"]["spec"].update(
            terminationGracePeriodSeconds=30
        ),
        "killed before it is told to end",
    ),
    "another public name": (
        lambda f: f["ingress.yaml"]["spec"]["rules"][0].update(host="other.example.com"),
        "name different hosts",
    ),
    "a name in the cluster that is refused": (
        lambda f: f["configmap.yaml"]["data"].pop("FIVETRAN_MCP_HOSTS"),
        "refused for the service's name",
    ),
    "a token for something else": (
        lambda f: f["servicemonitor.yaml"]["spec"]["endpoints"][0]["oauth2"].update(scopes=["x"]),
        "its tokens would not be let in",
    ),
}


@pytest.mark.parametrize(("change", "told"), WRONG_MANIFESTS.values(), ids=WRONG_MANIFESTS)
def test_a_mistake_in_a_manifest_of_kubernetes_is_told(change: Change, told: str) -> None:
    """By its schema, or because it does not fit the others or the code."""
    files = json.loads(json.dumps(checks.read(checks.PLACES / "kubernetes")))
    change(files)

    assert told in "\n".join(cluster.kubernetes(files))


WRONG_COMPOSE: dict[str, tuple[Change, str]] = {
    "a misspelt field": (
        lambda f: f["compose.yaml"]["services"]["server"].update(readonly=True),
        "compose.yaml: ",
    ),
    "a pipeline to nowhere": (
        lambda f: f["collector.yaml"]["service"]["pipelines"]["traces"].update(exporters=["otlp"]),
        "otlp is not both declared and used among exporters",
    ),
    "no pipelines": (
        lambda f: f["collector.yaml"]["service"].pop("pipelines"),
        "collector.yaml: $.service: 'pipelines' is a required property",
    ),
    "no Containerfile": (
        lambda f: f["compose.yaml"]["services"]["server"]["build"].update(dockerfile="Dockerfile"),
        "there is no such Containerfile",
    ),
    "an address for all, without an issuer": (
        lambda f: f["compose.yaml"]["services"]["server"]["environment"].update(
            FIVETRAN_MCP_HTTP="0.0.0.0:8000"
        ),
        "nobody has to say who they are",
    ),
    "spans to another port": (
        lambda f: f["compose.yaml"]["services"]["server"]["environment"].update(
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317"
        ),
        "spans are sent to where",
    ),
    "metrics of another path": (
        lambda f: f["collector.yaml"]["receivers"]["prometheus"]["config"]["scrape_configs"][
            0
        ].update(metrics_path="/stats"),
        "the metrics are asked for where they are not",
    ),
}


@pytest.mark.parametrize(("change", "told"), WRONG_COMPOSE.values(), ids=WRONG_COMPOSE)
def test_a_mistake_in_the_compose_file_or_the_collector_is_told(change: Change, told: str) -> None:
    """The two have to name the same ports."""
    files = json.loads(json.dumps(checks.read(checks.PLACES / "compose")))
    change(files)

    assert told in "\n".join(validate.compose(files))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("python:3.13-slim", "python:latest", "is no Python that the project names"),
        (f'version="{__version__}"', 'version="0.0.9"', "its label has another version"),
        ("USER 65532:65532", "USER root", "the user is not a number"),
        ('"--require-hashes", ', "", "installed without its hash"),
        ("COPY mcp_server ", "COPY mcp_servers ", "there is no mcp_servers"),
        ("HEALTHCHECK", "#", "it has no health check"),
        ('"-m", "mcp_server"]', '"-m", "mcp"]', "or starts something else"),
    ],
)
def test_a_mistake_in_the_containerfile_is_told(before: str, after: str, told: str) -> None:
    """It is read as an engine would."""
    assert before in TEXT
    assert told in "\n".join(validate.container(TEXT.replace(before, after)))


def test_an_image_of_another_version_is_told(tmp_path: Path) -> None:
    """In documentation too."""
    (tmp_path / "README.md").write_text(
        f"{listings.NAME}:0.0.9 {listings.NAME}:{__version__}", "utf-8"
    )

    (told,) = validate.versions(tmp_path)
    assert "mcp-server-fivetran:0.0.9 is not the version of the code" in told


def test_what_is_wrong_ends_the_check_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is told on stderr."""
    monkeypatch.setattr(log, "configure", lambda *_: None)
    monkeypatch.setattr(validate, "problems", lambda: iter(["a.yaml: bad"]))
    assert validate.main() == 1
    assert capsys.readouterr().err == "a.yaml: bad\n"

    monkeypatch.setattr(validate, "problems", lambda: iter(()))
    assert validate.main() == 0
    assert "nothing wrong" in capsys.readouterr().out


# ---- Listings


def test_the_registry_and_the_bundle_ask_for_the_same_settings_safely() -> None:
    """Credentials as secrets and without a default; the rest as the server itself defaults it."""
    (package,) = listings.registry_entry()["packages"]
    entered = listings.bundle_manifest()["user_config"]
    variables = {each["name"]: each for each in package["environmentVariables"]}

    assert [VARIABLES[name] for name in entered] == [*variables]
    for name, asked in entered.items():
        variable = variables[VARIABLES[name]]
        assert variable["description"] == asked["description"]
        if name in {"api_key", "api_secret"}:
            assert variable["isSecret"] and asked["sensitive"]  # noqa: PT018 -- one fact
            assert "default" not in {**variable, **asked}
        else:
            assert variable["default"] == asked["default"]
    assert variables["FIVETRAN_MCP_MODE"]["choices"] == ["read-only", "write", "full"]
    assert entered["mode"]["default"] == "read-only"


def test_the_versions_are_the_code_s_and_the_readme_proves_the_name() -> None:
    """The registry looks for the name in the README."""
    entry, manifest = listings.registry_entry(), listings.bundle_manifest()

    assert {entry["version"], entry["packages"][0]["version"], manifest["version"]} == {__version__}
    assert f"mcp-name: {entry['name']}" in (listings.ROOT / "README.md").read_text("utf-8")


def test_the_bundle_names_every_tool_by_its_first_sentence() -> None:
    """As the contract has them."""
    contract = json.loads((listings.ROOT / "manifests" / "tools.json").read_text("utf-8"))
    listed = listings.bundle_manifest()["tools"]

    assert [each["name"] for each in listed] == [each["name"] for each in contract["tools"]]
    assert all(each["description"].endswith(".") for each in listed)


# ---- The bundle


def lock(version: str = "1.0", digest: str = DIGEST, name: str = "a") -> str:
    """Write a lock of the project and one dependency."""
    return (
        '[[package]]\nname = "mcp-server-fivetran"\nversion = "1"\nsource = { virtual = "." }\n'
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "x" }}\n'
        f'wheels = [{{ hash = "sha256:{digest}" }}]\n'
    )


@pytest.mark.parametrize(
    "text",
    [lock(version="1.1"), lock(digest="b" * 64), lock(name="b"), lock().replace("wheels", "x")],
)
def test_a_lock_of_anything_but_what_is_pinned_is_refused(text: str) -> None:
    """Another version, another file, another package, or no hash at all."""
    pins = {"a": ("a==1.0 ; os_name == 'nt'", frozenset({DIGEST}))}
    bundle.compare(lock(), pins)

    with pytest.raises(bundle.UnpinnedError, match="compile the requirements anew"):
        bundle.compare(text, pins)


def test_every_requirement_is_pinned_by_hash() -> None:
    """Those of the server, those of the image, those of development."""
    for path in (bundle.PINS, image.CONTAINERFILE.with_name("otel.txt")):
        for requirement, hashes in bundle.pinned(path).values():
            assert "==" in requirement
            assert hashes


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Lay out a bundle which this Python starts, since it has what the server needs."""
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    manifest = listings.bundle_manifest()
    manifest["server"]["mcp_config"] |= {
        "command": sys.executable,
        "args": ["${__dirname}/start.py"],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    start = listings.ROOT / "manifests" / "mcpb" / listings.ENTRY
    (folder / listings.ENTRY).write_bytes(start.read_bytes())
    (folder / "inner" / "file").touch()
    return folder


def test_the_same_content_is_the_same_bundle(unpacked: Path, tmp_path: Path) -> None:
    """Whatever the times of the files are."""
    bundle.pack(unpacked, tmp_path / "one")
    os.utime(unpacked / "inner" / "file", (1, 1))
    bundle.pack(unpacked, tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_bundle_starts_as_its_manifest_says(unpacked: Path, tmp_path: Path) -> None:
    """With what a person entered, or the defaults: read-only."""
    bundle.pack(unpacked, tmp_path / "packed.mcpb")

    offer = bundle.start(tmp_path / "packed.mcpb", tmp_path)

    assert offer.version == __version__
    assert "list_connectors" in offer.tools
    assert "pause_connector" not in offer.tools
    assert str(offer) == f"answers as {__version__} with {len(offer.tools)} tools"


# ---- The archives


def test_the_wheel_is_the_same_bytes_every_time_and_so_from_the_source_archive(
    tmp_path: Path,
) -> None:
    """What is released can be built again by anybody."""
    for target in ("wheel", "sdist"):
        dist.build(listings.ROOT, target, tmp_path)

    told = dist.check_sources(tmp_path / dist.SOURCES, tmp_path / dist.WHEEL, tmp_path)
    assert told == "builds the same wheel"

    (tmp_path / "other").mkdir()
    (tmp_path / dist.WHEEL).write_bytes(b"another")
    with pytest.raises(dist.IncompleteError, match="builds another"):
        dist.check_sources(tmp_path / dist.SOURCES, tmp_path / dist.WHEEL, tmp_path / "other")


def test_what_cannot_be_built_is_told_with_its_reason(tmp_path: Path) -> None:
    """And not as a traceback of the builder."""
    with pytest.raises(dist.IncompleteError, match="cannot be built"):
        dist.build(tmp_path, "wheel", tmp_path)


# ---- The image

READ_ONLY = """
import errno, os, runpy, sys

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.truncate", "os.utime"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def watch(event, arguments):
    opened = event == "open" and isinstance(arguments[0], str) and arguments[0] != os.devnull
    if event in CHANGES or (opened and (arguments[2] or 0) & WRITES):
        raise OSError(errno.EROFS, "read-only file system")

sys.addaudithook(watch)
try:
    open("anything", "w")
except OSError:
    runpy.run_module("mcp_server", run_name="__main__", alter_sys=True)
"""


def test_the_server_writes_no_file(tmp_path: Path) -> None:
    """So it fits a read-only file system: any try to write fails here as it would there."""
    # The code is this repository's.
    env = {**image.environment(image.instructions(TEXT)), "PYTHONPATH": str(listings.ROOT)}

    offer = smoke.ask([sys.executable, "-c", READ_ONLY], home=tmp_path, folder=tmp_path, env=env)

    assert offer.version == __version__
    assert [*tmp_path.iterdir()] == []


STEPS = """\
# comment
FROM base AS build
COPY manifests/container/otel.txt LICENSE /pins/
COPY manifests/mcpb /app/mcpb
RUN ["python", "-c", "import sys; open(sys.argv[1].partition('=')[2], 'w')", \\
     "--target=/app/made"]
FROM base
ENV ONE=1 \\
    TWO="2 3"
entrypoint ["python", "-m", "this"]
"""


def test_a_build_stage_is_carried_out_in_a_folder(tmp_path: Path) -> None:
    """With its paths below it."""
    steps = image.instructions(STEPS)

    image.lay_out(steps, tmp_path)

    files = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {"pins/otel.txt", "pins/LICENSE", "app/mcpb/start.py", "app/made"} <= files
    assert image.environment(steps) == {"ONE": "1", "TWO": "2 3"}
    assert image.entrypoint(steps) == ["python", "-m", "this"]


class Health(BaseHTTPRequestHandler):
    """Answers as a server that is well, or is not."""

    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    @override
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Serve on this machine."""
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_health_check_asks_the_server_where_it_serves(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stdio there is nothing to ask."""
    probe = checks.module(image.CONTAINERFILE.with_name("healthcheck.py"))

    assert probe.healthy("")
    assert probe.healthy(address)
    monkeypatch.setattr(Health, "status", 503)
    assert not probe.healthy(address)
    assert not probe.healthy("127.0.0.1:1")
