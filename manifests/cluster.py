"""The manifests of Kubernetes: each by its schema, how they fit together, and the code they start."""

from typing import Any, Final

import anyio
import httpx
import kubernetes_validate  # type: ignore[import-untyped] # it comes without types

from manifests import schemas
from manifests.checks import Files, Problems, against, settings_of, unknown_options
from mcp_server.serve import http_app
from mcp_server.server import build_server
from mcp_server.settings import VARIABLES, Settings
from mcp_server.tokens import JwtVerifier

OLDEST: Final = "1.30"
"""The first version whose `preStop` can sleep without a shell."""
APART: Final = {"servicemonitor.yaml"}
"""Needs the Prometheus operator, so it is not applied with the rest."""
CREDENTIALS: Final = ("api_key", "api_secret", "state_key")
PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def kubernetes(files: Files) -> Problems:
    """Check the manifests of Kubernetes: each by its schema, and how they fit together."""
    own = {
        "kustomization.yaml": schemas.KUSTOMIZATION,
        "servicemonitor.yaml": schemas.SERVICE_MONITOR,
    }
    wrong = [
        f"{name}: {problem}"
        for name, value in files.items()
        for problem in (against(own[name], value) if name in own else _known_kind(value))
    ]
    yield from wrong
    if not wrong:
        yield from _fitting(files)
        yield from _process(files)


def _known_kind(value: Any) -> Problems:
    for version in (OLDEST, kubernetes_validate.latest_version()):
        try:
            kubernetes_validate.validate(value, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"in Kubernetes {version}: {error.message}"


def _fitting(files: Files) -> Problems:
    applied = {*files} - APART - {"kustomization.yaml"}
    listed = {*files["kustomization.yaml"]["resources"]}
    for name in sorted(applied ^ listed):
        yield f"kustomization.yaml: {name} is not both there and listed"
    labels = files["deployment.yaml"]["spec"]["template"]["metadata"]["labels"].items()
    for name, selector in (
        ("deployment.yaml", files["deployment.yaml"]["spec"]["selector"]["matchLabels"]),
        ("service.yaml", files["service.yaml"]["spec"]["selector"]),
        (
            "disruptionbudget.yaml",
            files["disruptionbudget.yaml"]["spec"]["selector"]["matchLabels"],
        ),
        ("networkpolicy.yaml", files["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"]),
    ):
        if not selector or not selector.items() <= labels:
            yield f"{name}: its selector does not select the pods"
    monitored = files["servicemonitor.yaml"]["spec"]["selector"]["matchLabels"].items()
    if not monitored <= files["service.yaml"]["metadata"]["labels"].items():
        yield "servicemonitor.yaml: its selector does not select the service"
    target = files["autoscaler.yaml"]["spec"]["scaleTargetRef"]
    if (target["kind"], target["name"]) != ("Deployment", _name(files["deployment.yaml"])):
        yield "autoscaler.yaml: it does not scale the deployment"
    namespace = files["kustomization.yaml"]["namespace"]
    monitor = files["servicemonitor.yaml"]["metadata"]["namespace"]
    if {namespace, monitor} != {_name(files["namespace.yaml"])}:
        yield "namespace.yaml: the namespace is called otherwise elsewhere"
    yield from _ports(files)


def _name(manifest: Any) -> str:
    name: str = manifest["metadata"]["name"]
    return name


def _ports(files: Files) -> Problems:
    (container,) = files["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    (service,) = files["service.yaml"]["spec"]["ports"]
    (monitored,) = files["servicemonitor.yaml"]["spec"]["endpoints"]
    if not container["args"][-1].endswith(f":{port['containerPort']}"):
        yield "deployment.yaml: the server listens to another port than the container's"
    probes = [container[probe]["httpGet"]["port"] for probe in PROBES]
    (ingress,) = files["networkpolicy.yaml"]["spec"]["ingress"]
    for name, given in (
        *(("deployment.yaml", probed) for probed in probes),
        ("service.yaml", service["targetPort"]),
        ("networkpolicy.yaml", ingress["ports"][0]["port"]),
    ):
        if given != port["name"]:
            yield f"{name}: {given} is no port of the container"
    backends = [path["backend"]["service"] for path in _paths(files)]
    for backend in backends:
        if (backend["name"], backend["port"]["name"]) != (
            _name(files["service.yaml"]),
            service["name"],
        ):
            yield "ingress.yaml: a backend is not the service"
    if monitored["port"] != service["name"]:
        yield f"servicemonitor.yaml: {monitored['port']} is no port of the service"


def _paths(files: Files) -> list[Any]:
    (rule,) = files["ingress.yaml"]["spec"]["rules"]
    paths: list[Any] = rule["http"]["paths"]
    return paths


def _process(files: Files) -> Problems:
    """Start the server as the deployment does, in memory, and ask it for every path that is named."""
    pod = files["deployment.yaml"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    secrets = {each["name"]: each["valueFrom"]["secretKeyRef"]["key"] for each in container["env"]}
    wanted = {VARIABLES[name]: VARIABLES[name] for name in CREDENTIALS}
    if secrets != wanted:
        yield f"deployment.yaml: the secret is to give {', '.join(wanted)}"
    yield from unknown_options(container["args"], "deployment.yaml")
    env = {**files["configmap.yaml"]["data"], **dict.fromkeys(wanted, "m" * 32)}
    options = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    settings = settings_of({**env, VARIABLES["http"]: options.get("--http", "")})
    if isinstance(settings, str):
        yield f"configmap.yaml: {settings}"
        return
    for path, status in anyio.run(_asked, settings, _named(files)).items():
        if status == httpx.codes.NOT_FOUND:
            yield f"{path} is asked for, and is not there"
    grace, pause = pod["terminationGracePeriodSeconds"], container["lifecycle"]["preStop"]["sleep"]
    if grace <= pause["seconds"]:
        yield "deployment.yaml: the process would be killed before it is told to end"
    yield from _public(files, settings)


def _named(files: Files) -> list[str]:
    (container,) = files["deployment.yaml"]["spec"]["template"]["spec"]["containers"]
    probes = [container[probe]["httpGet"]["path"] for probe in PROBES]
    (monitored,) = files["servicemonitor.yaml"]["spec"]["endpoints"]
    routes = [
        path["path"] + ("/mcp" if path["pathType"] == "Prefix" else "") for path in _paths(files)
    ]
    return [*probes, monitored["path"], *routes]


async def _asked(settings: Settings, paths: list[str]) -> dict[str, int]:
    """Ask as the kubelet does: by the pod's address, without a token."""
    assert settings.auth is not None  # noqa: S101 -- load_settings has refused it
    nobody = httpx.MockTransport(lambda _: httpx.Response(httpx.codes.SERVICE_UNAVAILABLE))
    verifier = JwtVerifier(settings.auth, transport=nobody)
    host = settings.address[0] if settings.address else ""
    app = http_app(build_server(settings, auth=verifier), host, auth=verifier, stateless=True)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1:8000") as client:
        return {path: (await client.get(path)).status_code for path in paths}


def _public(files: Files, settings: Settings) -> Problems:
    """Check that all mean the same server by its public name, and as many of it."""
    if settings.replicas != files["autoscaler.yaml"]["spec"]["maxReplicas"]:
        yield f"configmap.yaml: {VARIABLES['replicas']} is not autoscaler.yaml's maxReplicas"
    (rule,) = files["ingress.yaml"]["spec"]["rules"]
    (tls,) = files["ingress.yaml"]["spec"]["tls"]
    config = settings.auth
    names = {rule["host"], *tls["hosts"], *([config.host] if config else [])}
    if len(names) > 1:
        yield f"ingress.yaml and configmap.yaml name different hosts: {', '.join(sorted(names))}"
    inside = f"{_name(files['service.yaml'])}.{_name(files['namespace.yaml'])}.svc"
    if not {_name(files["service.yaml"]), inside} <= {*settings.hosts}:
        yield "configmap.yaml: callers in the cluster would be refused for the service's name"
    (monitored,) = files["servicemonitor.yaml"]["spec"]["endpoints"]
    asked = (monitored["oauth2"]["scopes"], monitored["oauth2"]["endpointParams"]["audience"])
    if config and asked != ([config.read_scope], config.audience):
        yield "servicemonitor.yaml: its tokens would not be let in"
