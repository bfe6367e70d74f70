"""An issuer of tokens, its keys, and a verifier of them, without a network."""

import base64
import json
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anyio
import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from mcp_server.auth import AuthConfig
from mcp_server.tokens import JwtVerifier

ISSUER = "https://login.example.com/realms/data"
RESOURCE = "https://mcp.example.com/mcp"
JWKS = "https://login.example.com/keys"
METADATA = "https://login.example.com/.well-known/oauth-authorization-server/realms/data"
OPENID = "https://login.example.com/realms/data/.well-known/openid-configuration"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def private_key(name: str) -> Private:
    """Make a key, whose name says of which kind: rsa, small (an RSA key), ec, wide, ed."""
    kind = name.partition("-")[0]
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "wide":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "ed":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 1024 if kind == "small" else 2048)


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """Publish a key."""
    key: Any = private_key(name)
    kind = {"ec": "ES256", "wide": "ES384", "ed": "EdDSA"}.get(name.partition("-")[0], "RS256")
    found: dict[str, Any] = json.loads(get_default_algorithms()[kind].to_jwk(key.public_key()))
    found.pop("key_ops", None)
    return {**found, "kid": name, "use": "sig", **more}


def part(value: Any) -> bytes:
    """Encode a part of a token."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(
    key: str = "rsa",
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """Sign a good token, but for what is changed; None leaves a claim out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "ada",
        "client_id": "desk",
        "iat": now,
        "exp": now + 300,
        "scope": "openid fivetran:read",
        **changes,
    }
    head = {"alg": algorithm, "kid": key, "typ": "at+jwt", **(header or {})}
    content = part({k: v for k, v in head.items() if v is not None}) + b"."
    content += part({k: v for k, v in claims.items() if v is not None})
    signature = get_default_algorithms()[algorithm].sign(content, private_key(key))
    return (content + b"." + part(signature)).decode()


@dataclass(frozen=True)
class Page:
    """What an issuer answers instead of a document."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Issuer:
    """An authorization server as far as its documents go, and a clock that tests move."""

    def __init__(self, *keys: Any) -> None:
        self.documents: dict[str, Any] = {
            METADATA: {"issuer": ISSUER, "jwks_uri": JWKS},
            JWKS: {"keys": list(keys or (jwk("rsa"),))},
        }
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.moment = 1000.0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Give a document."""
        self.asked.append(str(request.url))
        await anyio.lowlevel.checkpoint()
        if self.fault:
            raise self.fault
        page = self.documents.get(str(request.url), Page(404))
        if not isinstance(page, Page):
            page = Page(200, json.dumps(page).encode())
        return httpx.Response(
            page.status, headers=page.headers, stream=httpx.ByteStream(page.content)
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += seconds

    @property
    def searches(self) -> int:
        """How often the keys were fetched, or tried to."""
        return self.asked.count(JWKS) if not self.fault else len(self.asked)

    def verifier(self, **settings: Any) -> JwtVerifier:
        """Make a verifier of its tokens."""
        return JwtVerifier(
            config(**settings),
            transport=httpx.MockTransport(self.answer),
            clock=lambda: self.moment,
        )


def config(**settings: Any) -> AuthConfig:
    """Accept the tokens of the issuer."""
    return AuthConfig(**{"issuer": ISSUER, "audience": RESOURCE, **settings})
