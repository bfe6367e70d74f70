"""The only reader of the environment. What is wrong is told all at once, with its remedy."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mcp_server.addresses import is_loopback
from mcp_server.auth import AuthConfig
from mcp_server.policy import MODES, Mode
from mcp_server.vault import Vault

USUAL: Final = ("connectors", "fleet", "groups", "schemas", "setup", "syncs", "types")
TOOLSETS: Final = (*USUAL, "advanced")
"""What models are told of tools costs at every start, so what few need is not offered by default."""
FIVETRAN: Final = "https://api.fivetran.com"
HIGHEST_PORT: Final = 65535
SHORTEST_KEY: Final = 32
PREFIX: Final = "FIVETRAN_MCP_"
PLACEHOLDERS: Final = ("...", "your key", "your secret")
"""What configurations and pages have in the place of the key pair."""
REFERENCES: Final = ("${", "$FIVETRAN_")
"""What references to variables begin with; a client that knows them replaces them."""

VARIABLES: Final = {
    "api_key": "FIVETRAN_API_KEY",
    "api_secret": "FIVETRAN_API_SECRET",
    "base_url": "FIVETRAN_BASE_URL",
    "mode": "FIVETRAN_MCP_MODE",
    "read_only": "FIVETRAN_MCP_READ_ONLY",
    "approval": "FIVETRAN_MCP_APPROVAL",
    "policy": "FIVETRAN_MCP_POLICY",
    "audit_file": "FIVETRAN_MCP_AUDIT_FILE",
    "audit_key": "FIVETRAN_MCP_AUDIT_KEY",
    "toolsets": "FIVETRAN_MCP_TOOLSETS",
    "secret_env": "FIVETRAN_MCP_SECRET_ENV",
    "secret_dir": "FIVETRAN_MCP_SECRET_DIR",
    "literal_secrets": "FIVETRAN_MCP_LITERAL_SECRETS",
    "sandbox": "FIVETRAN_MCP_SANDBOX",
    "http": "FIVETRAN_MCP_HTTP",
    "auth_issuer": "FIVETRAN_MCP_AUTH_ISSUER",
    "auth_audience": "FIVETRAN_MCP_AUTH_AUDIENCE",
    "auth_resource": "FIVETRAN_MCP_AUTH_RESOURCE",
    "auth_jwks": "FIVETRAN_MCP_AUTH_JWKS",
    "hosts": "FIVETRAN_MCP_HOSTS",
    "origins": "FIVETRAN_MCP_ORIGINS",
    "state_key": "FIVETRAN_MCP_STATE_KEY",
    "replicas": "FIVETRAN_MCP_REPLICAS",
    "timeout": "FIVETRAN_MCP_TIMEOUT",
    "log_level": "FIVETRAN_MCP_LOG_LEVEL",
    "log_format": "FIVETRAN_MCP_LOG_FORMAT",
}
"""The environment variable of each setting."""

REMEDIES: Final = {
    "api_key": "set FIVETRAN_API_KEY to the key of a Fivetran API key pair, or use --sandbox",
    "api_secret": "set FIVETRAN_API_SECRET to the secret of that pair, or use --sandbox",
    "base_url": f"leave FIVETRAN_BASE_URL out, or give an https URL without a path, as {FIVETRAN}",
    "mode": "use read-only, write or full (--mode, FIVETRAN_MCP_MODE)",
    "read_only": "use true or false (FIVETRAN_MCP_READ_ONLY)",
    "policy": "give the path of a policy file; `mcp-server-fivetran policy check FILE` tells what is"
    " wrong with one (--policy, FIVETRAN_MCP_POLICY)",
    "approval": "use auto, human, argument or preview (--approval, FIVETRAN_MCP_APPROVAL)",
    "toolsets": f"use a comma-separated list of {', '.join(TOOLSETS)}; default (all but advanced) or"
    " all (--toolsets, FIVETRAN_MCP_TOOLSETS)",
    "secret_env": "give names of variables, separated by commas, or prefixes of at least 3 characters"
    " with a * at the end, as PG_PASSWORD,CONNECTOR_* (FIVETRAN_MCP_SECRET_ENV)",
    "secret_dir": "give the absolute path of a directory that exists (FIVETRAN_MCP_SECRET_DIR)",
    "literal_secrets": "use allow or refuse (FIVETRAN_MCP_LITERAL_SECRETS)",
    "sandbox": "use true or false (FIVETRAN_MCP_SANDBOX)",
    "http": "give an address and a port, as 127.0.0.1:8000 (--http, FIVETRAN_MCP_HTTP); one that is not"
    " this machine's own needs FIVETRAN_MCP_AUTH_ISSUER and FIVETRAN_MCP_AUTH_AUDIENCE",
    "auth_issuer": "give the https URL of the authorization server, as its tokens name it in iss"
    " (FIVETRAN_MCP_AUTH_ISSUER)",
    "auth_audience": "give what its tokens for this server name in aud, normally this server's https"
    " URL ending in /mcp; both or neither (FIVETRAN_MCP_AUTH_AUDIENCE)",
    "auth_resource": "give this server's https URL, where the audience is none"
    " (FIVETRAN_MCP_AUTH_RESOURCE)",
    "auth_jwks": "give the https URL of the issuer's keys, or leave it out (FIVETRAN_MCP_AUTH_JWKS)",
    "audit_file": "give the path of a file that this server may write (FIVETRAN_MCP_AUDIT_FILE)",
    "audit_key": "give a text of at least 32 characters, and keep it (FIVETRAN_MCP_AUDIT_KEY)",
    "hosts": "give names by which clients reach the server, separated by commas (FIVETRAN_MCP_HOSTS)",
    "origins": "give origins of web pages that may call it, as https://app.example, separated by"
    " commas (FIVETRAN_MCP_ORIGINS)",
    "state_key": "give the same text of at least 32 characters to all replicas; while it is changed,"
    " the one to use, a comma, and the other (FIVETRAN_MCP_STATE_KEY)",
    "replicas": "give how many processes share the account's limits at most, from 1 to 100"
    " (FIVETRAN_MCP_REPLICAS)",
    "timeout": "give seconds from 1 to 600 (FIVETRAN_MCP_TIMEOUT)",
    "log_level": "use debug, info, warning or error (--log-level, FIVETRAN_MCP_LOG_LEVEL)",
    "log_format": "use console or json (--log-format, FIVETRAN_MCP_LOG_FORMAT)",
}

_PATTERN: Final = re.compile(r"[A-Za-z_]\w*|[A-Za-z_]\w{2,}\*", re.ASCII)

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]


class SettingsError(Exception):
    """The configuration is wrong; the message lists every problem and its remedy."""


class Settings(BaseSettings):
    """What an operator decides. Arguments of the command line win over the environment."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
        validate_default=True,
    )

    # First, because the credentials are checked by it.
    sandbox: bool = Field(default=False, alias=VARIABLES["sandbox"])
    api_key: SecretStr = Field(default=SecretStr(""), alias=VARIABLES["api_key"])
    api_secret: SecretStr = Field(default=SecretStr(""), alias=VARIABLES["api_secret"])
    base_url: str = Field(default=FIVETRAN, alias=VARIABLES["base_url"])
    mode: Literal["read-only", "write", "full"] = Field(
        default="read-only", alias=VARIABLES["mode"]
    )
    read_only: bool = Field(default=False, alias=VARIABLES["read_only"])
    approval: Literal["auto", "human", "argument", "preview"] = Field(
        default="auto", alias=VARIABLES["approval"]
    )
    toolsets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("default",), alias=VARIABLES["toolsets"]
    )
    secret_env: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), alias=VARIABLES["secret_env"]
    )
    secret_dir: Path | None = Field(default=None, alias=VARIABLES["secret_dir"])
    literal_secrets: Literal["allow", "refuse"] = Field(
        default="allow", alias=VARIABLES["literal_secrets"]
    )
    policy: Path | None = Field(default=None, alias=VARIABLES["policy"])
    audit_file: Path | None = Field(default=None, alias=VARIABLES["audit_file"])
    audit_key: SecretStr | None = Field(default=None, alias=VARIABLES["audit_key"])
    # Before the address, which is checked by them.
    auth_issuer: str = Field(default="", alias=VARIABLES["auth_issuer"])
    auth_audience: str = Field(default="", alias=VARIABLES["auth_audience"])
    auth_resource: str = Field(default="", alias=VARIABLES["auth_resource"])
    auth_jwks: str = Field(default="", alias=VARIABLES["auth_jwks"])
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(default=(), alias=VARIABLES["hosts"])
    origins: Annotated[tuple[str, ...], NoDecode] = Field(default=(), alias=VARIABLES["origins"])
    state_key: SecretStr | None = Field(default=None, alias=VARIABLES["state_key"])
    http: str | None = Field(default=None, alias=VARIABLES["http"])
    replicas: int = Field(default=1, ge=1, le=100, alias=VARIABLES["replicas"])
    timeout: float = Field(default=90.0, ge=1, le=600, alias=VARIABLES["timeout"])
    log_level: LogLevel = Field(default="info", alias=VARIABLES["log_level"])
    log_format: LogFormat = Field(default="console", alias=VARIABLES["log_format"])

    @property
    def mode_in_force(self) -> Mode:
        """The mode, where `read_only` wins over everything."""
        return Mode.READ_ONLY if self.read_only else MODES[self.mode]

    @property
    def toolset_names(self) -> frozenset[str]:
        """The toolsets, `default` and `all` spelled out."""
        several = {"all": TOOLSETS, "default": USUAL}
        return frozenset(one for name in self.toolsets for one in several.get(name, (name,)))

    @property
    def address(self) -> tuple[str, int] | None:
        """Where to serve streamable HTTP; None for stdio."""
        return None if self.http is None else split_address(self.http)

    @property
    def auth(self) -> AuthConfig | None:
        """Whose tokens are accepted over HTTP; None if none are needed.

        Raises:
            ValueError: Something about it is wrong.
        """
        if not (self.auth_issuer or self.auth_audience):
            return None
        return AuthConfig(
            issuer=self.auth_issuer,
            audience=self.auth_audience,
            resource=self.auth_resource,
            jwks_url=self.auth_jwks,
        )

    @property
    def state_keys(self) -> tuple[bytes, ...]:
        """What replicas share: the first key is used, those after it are still known."""
        return tuple(each.encode() for each in _each(self.state_key))

    def vault(self) -> Vault:
        """Open what the operator lets be named; this server's own settings never are."""
        own = {*VARIABLES.values()}
        opened = {
            name: value
            for name, value in os.environ.items()
            if name not in own and any(_matches(name, pattern) for pattern in self.secret_env)
        }
        keys = (self.api_key, self.api_secret, self.state_key, self.audit_key)
        whole = tuple(key.get_secret_value() for key in keys if key)
        return Vault(opened, self.secret_dir, hidden=(*whole, *_each(self.state_key)))

    @field_validator("api_key", "api_secret")
    @classmethod
    def _given(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        text = value.get_secret_value().strip()
        if info.data.get("sandbox"):
            return value
        if not text:
            raise ValueError("it is not set")
        if text in PLACEHOLDERS or text.startswith(REFERENCES):
            raise ValueError("it is a placeholder that nobody and no client has replaced")
        return value

    @field_validator("base_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        url = urlsplit(value)
        host = url.hostname or ""
        if not host or not (url.scheme == "https" or (url.scheme == "http" and is_loopback(host))):
            raise ValueError("it is not an https URL")
        if url.path.strip("/") or url.query or url.fragment or "@" in url.netloc:
            raise ValueError("it has more than a host and a port")
        return value.rstrip("/")

    @field_validator("toolsets", "secret_env", "hosts", "origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("toolsets")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - {*TOOLSETS, "default", "all"})
        if unknown or not value:
            raise ValueError(f"there is no toolset {', '.join(unknown) or 'in it'}")
        return value

    @field_validator("secret_env")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [pattern for pattern in value if not _PATTERN.fullmatch(pattern)]
        if wrong:
            raise ValueError(f"entry {1 + value.index(wrong[0])} is no name and no prefix")
        return value

    @field_validator("secret_dir")
    @classmethod
    def _directory(cls, value: Path | None) -> Path | None:
        if value is not None and not (value.is_absolute() and value.is_dir()):
            raise ValueError("there is no such directory")
        return value

    @field_validator("http")
    @classmethod
    def _reachable(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or is_loopback(split_address(value)[0]):
            return value
        if not (info.data.get("auth_issuer") and info.data.get("auth_audience")):
            raise ValueError("it is not a loopback address, and nobody has to say who they are")
        return value

    @field_validator("state_key")
    @classmethod
    def _ring(cls, value: SecretStr | None) -> SecretStr | None:
        keys = _each(value)
        if len({*keys}) < len(keys):
            raise ValueError("it has a key twice")
        if value is not None and min(map(len, keys)) < SHORTEST_KEY:
            raise ValueError("it is too short")
        return value

    @field_validator("audit_key")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError("it is too short")
        return value

    @field_validator("policy")
    @classmethod
    def _file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file")
        return value


def _each(keys: SecretStr | None) -> list[str]:
    """Take keys apart that are separated by commas."""
    return [key.strip() for key in keys.get_secret_value().split(",")] if keys else []


def _matches(name: str, pattern: str) -> bool:
    prefix = pattern.removesuffix("*")
    return name == pattern or (prefix != pattern and name.startswith(prefix))


def split_address(text: str) -> tuple[str, int]:
    """Split `host:port`, `[::1]:port` included.

    Raises:
        ValueError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > HIGHEST_PORT:
        raise ValueError("it is not an address and a port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def load_settings(**arguments: Any) -> Settings:
    """Read the environment, with the command line's arguments before it.

    Raises:
        SettingsError: Something is wrong; the message lists everything that is.
    """
    misspelt = _misspelt()
    given = {VARIABLES[name]: value for name, value in arguments.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise _all_of(misspelt + _problems(error)) from None
    problems = misspelt + _auth_problems(settings)
    if problems:
        raise _all_of(problems)
    return settings


def _auth_problems(settings: Settings) -> list[str]:
    try:
        settings.auth  # noqa: B018 -- only whether it can be made
    except ValueError as error:
        return [f"{VARIABLES['auth_issuer']} and the like: {error}; {REMEDIES['auth_issuer']}"]
    return []


def _all_of(problems: list[str]) -> SettingsError:
    return SettingsError(
        "The configuration is wrong:\n" + "".join(f"  - {problem}\n" for problem in problems)
    )


def _problems(error: ValidationError) -> list[str]:
    names = {variable: name for name, variable in VARIABLES.items()}
    problems = []
    for issue in error.errors(include_url=False, include_input=False, include_context=False):
        # A default that is wrong is told by the field's name, everything else by the variable's.
        place = str(issue["loc"][0])
        name = names.get(place, place)
        what = issue["msg"].removeprefix("Value error, ")
        problems.append(f"{VARIABLES[name]}: {what[:1].lower()}{what[1:]}; {REMEDIES[name]}")
    return problems


def _misspelt() -> list[str]:
    """Find variables with our prefix that mean nothing: a misspelt READ_ONLY must not pass."""
    known = {*VARIABLES.values()}
    unknown = [v for v in sorted(os.environ) if v.startswith(PREFIX) and v not in known]
    return [f"{v}: there is no such setting{_nearest(v)}; correct or unset it" for v in unknown]


def _nearest(variable: str) -> str:
    near = difflib.get_close_matches(variable, VARIABLES.values(), n=1)
    return f", did you mean {near[0]}" if near else ""


def audit_key() -> bytes | None:
    """Read the key of the audit file alone, for whoever only checks that."""
    text = os.environ.get(VARIABLES["audit_key"], "")
    return text.encode() or None


def client_directories() -> dict[str, str]:
    """Read where the system and Codex keep configurations, as far as variables say it."""
    names = ("APPDATA", "XDG_CONFIG_HOME", "CODEX_HOME")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def tracing_wanted() -> bool:
    """Whether the environment names a collector of spans; the rest of its variables the SDK reads."""
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if exporters:
        return "otlp" in exporters.replace(" ", "").split(",")
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(os.environ.get(name) for name in names)
