"""Schemas in our own words, for what no tool here knows: closed, and only of what our files use."""

from typing import Any, Final

TEXT: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
LABELS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": TEXT}


def closed(*optional: str, **required: Any) -> dict[str, Any]:
    """Describe an object with these fields and no others; the optional ones may hold anything."""
    return {
        "type": "object",
        "properties": {**{name: {} for name in optional}, **required},
        "required": [*required],
        "additionalProperties": False,
    }


def some(items: dict[str, Any]) -> dict[str, Any]:
    """Describe a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


def text(longest: int, pattern: str = "") -> dict[str, Any]:
    """Describe a text."""
    return {**TEXT, "maxLength": longest, **({"pattern": pattern} if pattern else {})}


KUSTOMIZATION: Final = closed(
    apiVersion={"const": "kustomize.config.k8s.io/v1beta1"},
    kind={"const": "Kustomization"},
    namespace=TEXT,
    resources=some(TEXT),
    images=some(closed(name=TEXT, newName=TEXT)),
)

_KEY: Final = closed(name=TEXT, key=TEXT)

SERVICE_MONITOR: Final = closed(
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "ServiceMonitor"},
    metadata=closed(name=TEXT, namespace=TEXT, labels=LABELS),
    spec=closed(
        selector=closed(matchLabels=LABELS),
        endpoints=some(
            closed(
                port=TEXT,
                path=text(100, "^/"),
                interval=text(10, r"^\d+s$"),
                oauth2=closed(
                    clientId=closed(secret=_KEY),
                    clientSecret=_KEY,
                    tokenUrl=text(200, "^https://"),
                    scopes=some(TEXT),
                    endpointParams=LABELS,
                ),
            )
        ),
    ),
)

_PIPELINE: Final = closed(receivers=some(TEXT), processors=some(TEXT), exporters=some(TEXT))

COLLECTOR: Final = closed(
    receivers={"type": "object", "minProperties": 1},
    processors={"type": "object", "minProperties": 1},
    exporters={"type": "object", "minProperties": 1},
    service=closed("telemetry", pipelines={"type": "object", "additionalProperties": _PIPELINE}),
)

VERSION: Final = text(255, r"^\d+\.\d+\.\d+([a-z0-9.-]+)?$")

REGISTRY_ENTRY: Final = closed(
    **{"$schema": text(200, "^https://")},
    name=text(200, r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$"),
    title=text(100),
    description=text(100),
    version=VERSION,
    packages=some(
        closed(
            registryType={"enum": ["pypi", "oci", "mcpb"]},
            identifier=TEXT,
            version=VERSION,
            runtimeHint={"enum": ["uvx", "docker"]},
            transport=closed(type={"const": "stdio"}),
            environmentVariables=some(
                {
                    **closed(
                        *("isRequired", "isSecret", "default", "choices"),
                        name=text(100, "^[A-Z_]+$"),
                        description=TEXT,
                    ),
                    "oneOf": [
                        {"required": ["isRequired", "isSecret"]},
                        {"required": ["default"]},
                    ],
                }
            ),
        )
    ),
)
"""The registry's rules, as far as the entry goes."""

BUNDLE_MANIFEST: Final = closed(
    "keywords",
    "prompts_generated",
    manifest_version={"const": "0.4"},
    name=text(100, "^[a-z-]+$"),
    display_name=TEXT,
    version=VERSION,
    description=text(100),
    long_description=TEXT,
    author=closed(name=TEXT),
    license=TEXT,
    server=closed(
        type={"const": "uv"},
        entry_point=TEXT,
        mcp_config=closed(command=TEXT, args=some(TEXT), env=LABELS),
    ),
    tools=some(closed(name=TEXT, description=TEXT)),
    compatibility=closed(
        platforms=some({"enum": ["darwin", "linux", "win32"]}), runtimes=closed(python=TEXT)
    ),
    user_config={
        "type": "object",
        "additionalProperties": {
            **closed(
                *("default", "sensitive"),
                type={"const": "string"},
                title=TEXT,
                description=TEXT,
                required={"type": "boolean"},
            ),
            # What is asked for and not entered has a default, or `${...}` would be passed on.
            "oneOf": [{"required": ["sensitive"]}, {"required": ["default"]}],
        },
    },
)
"""The rules of MCPB; the type `uv` exists since 0.4."""
