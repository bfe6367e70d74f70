"""Who calls over HTTP, and how much they may do: OAuth scopes to modes.

The server is a resource server only: it verifies tokens (see `mcp_server.tokens`) and gives none.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings

from mcp_server.addresses import is_secure
from mcp_server.policy import Mode
from mcp_server.untrusted import clean

ASYMMETRIC: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Algorithms whose verifying key cannot sign: never `none`, never HMAC."""
LONGEST_LEEWAY: Final = 300
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class VerifierUnavailableError(Exception):
    """Nothing can be said about a token now: neither let in nor told that it is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """Whose tokens are accepted, and what their scopes allow."""

    issuer: str
    """The `iss` of the tokens, exactly; its metadata says where its keys are."""
    audience: str
    """The `aud` of the tokens, exactly: normally the URL of this server, as clients know it."""
    resource: str = ""
    """That URL, for issuers whose audience is no URL."""
    jwks_url: str = ""
    """Where the keys are, for issuers that do not say."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    leeway: int = 30
    """Seconds that clocks may differ."""
    read_scope: str = "fivetran:read"
    write_scope: str = "fivetran:write"
    full_scope: str = "fivetran:full"
    ask: Mode = Mode.READ_ONLY
    """The mode whose scopes clients without a token are told to ask for."""

    def __post_init__(self) -> None:
        """Check what an operator wrote.

        Raises:
            ValueError: It is wrong.
        """
        if not self.audience:
            raise ValueError("the audience is not set")
        for name, url in (("issuer", self.issuer), ("resource", self.url), ("JWKS", self.keys_at)):
            if not is_secure(url):
                raise ValueError(f"the {name} is not an https URL")
        for name, url in (("issuer", self.issuer), ("resource", self.url)):
            if any(mark in url for mark in "?#"):
                raise ValueError(f"the {name} has a query or a fragment")
        shown = str(self.settings().resource_server_url)
        if shown != self.url:
            raise ValueError(f"the resource is not in its usual form, {shown}")
        unknown = sorted({*self.algorithms} - {*ASYMMETRIC})
        if unknown or not self.algorithms:
            raise ValueError(f"the algorithms are not some of {', '.join(ASYMMETRIC)}")
        if not 0 <= self.leeway <= LONGEST_LEEWAY:
            raise ValueError(f"the leeway is not from 0 to {LONGEST_LEEWAY} seconds")
        scopes = [*self.scopes.values()]
        if len(set(scopes)) < len(scopes) or not all(map(_SCOPE.fullmatch, scopes)):
            raise ValueError("the scopes are not three different words")

    @property
    def url(self) -> str:
        """The URL of this server, as clients know it."""
        return self.resource or self.audience

    @property
    def host(self) -> str:
        """The host of that URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def keys_at(self) -> str:
        """The URL to begin with in search of the keys."""
        return self.jwks_url or self.issuer

    @property
    def scopes(self) -> Mapping[Mode, str]:
        """The scope of each mode."""
        return {
            Mode.READ_ONLY: self.read_scope,
            Mode.WRITE: self.write_scope,
            Mode.FULL: self.full_scope,
        }

    @property
    def asked(self) -> tuple[str, ...]:
        """The scopes that clients are told to ask for."""
        return self.up_to(self.ask)

    def up_to(self, mode: Mode | None) -> tuple[str, ...]:
        """List the scopes of a mode and of those that it includes."""
        return tuple(s for each, s in self.scopes.items() if mode is not None and each <= mode)

    def settings(self) -> AuthSettings:
        """Say it in the SDK's words: without the read scope, nobody comes in."""
        return AuthSettings.model_validate(
            {
                "issuer_url": self.issuer,
                "resource_server_url": self.url,
                "required_scopes": [self.read_scope],
                # The verifier has checked the audience, which need not be the resource.
                "validate_token_resource": False,
            }
        )


def mode_of(scopes: Collection[str], config: AuthConfig) -> Mode | None:
    """Find the greatest mode that these scopes allow; None if they allow nothing here."""
    return max((mode for mode, scope in config.scopes.items() if scope in scopes), default=None)


def caller_mode(config: AuthConfig) -> Mode | None:
    """Find the mode of whoever makes the current call; None if nobody is known to."""
    token = get_access_token()
    return mode_of(token.scopes, config) if token else None


def caller_name() -> str | None:
    """Name whoever makes the current call, for logs: subject and client; None without a token."""
    token = get_access_token()
    return clean(f"{token.subject} ({token.client_id})", 200) if token else None
