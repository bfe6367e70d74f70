"""Bearer tokens: JWTs of one issuer, for this server, verified with the issuer's keys.

Imported by servers with authentication only, because stdio starts sooner without PyJWT.
"""

import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx
import jwt
import structlog
from mcp.server.auth.provider import AccessToken

from mcp_server.addresses import is_secure
from mcp_server.auth import AuthConfig, VerifierUnavailableError, mode_of

_log = structlog.stdlib.get_logger("mcp_server.tokens")

LONGEST_TOKEN: Final = 8 * 1024
LARGEST_DOCUMENT: Final = 256 * 1024
MOST_KEYS: Final = 100
FRESH: Final = 600.0
"""Seconds for which keys are used without looking for newer ones."""
STALE: Final = 3600.0
"""Seconds for which they are used while the issuer cannot be reached."""
PAUSE: Final = 60.0
"""Seconds between two searches, whatever key a token names."""
RETRY: Final = 5.0
"""Seconds between two searches while there are no keys at all."""
TIMEOUT: Final = 5.0
"""Seconds for one search, from metadata to keys."""

_OK: Final = 200
_KINDS: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What a token may say that it is; an ID token's or a logout token's place is elsewhere."""
_CLIENT: Final = ("client_id", "azp", "cid", "appid")
"""Where issuers name the client."""
_NOT_KEPT: Final = "[not kept]"

Keys = Mapping[tuple[str, str], jwt.PyJWK]
"""The key for each key id and algorithm."""


class TokenRefusedError(jwt.InvalidTokenError):
    """A token is not accepted; the message is for the log, and holds nothing of the token."""


class SigningKeys:
    """The issuer's keys: fetched when needed, kept for a while, by one task for all."""

    def __init__(
        self,
        config: AuthConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._keys: Keys = {}
        self._fetched = self._tried = -math.inf
        self._failed = False
        self._lock = anyio.Lock()

    async def find(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """Find a key; None if the issuer has none of this id for this algorithm.

        Raises:
            VerifierUnavailableError: The issuer could not be asked.
        """
        await self.ready()
        if (kid, algorithm) not in self._keys:
            await self._refresh()
        key = self._keys.get((kid, algorithm))
        if key is None and self._failed:
            raise VerifierUnavailableError
        return key

    async def ready(self) -> None:
        """Have keys that are not too old.

        Raises:
            VerifierUnavailableError: They cannot be had.
        """
        if self._age() > FRESH:
            await self._refresh()
        if self._age() > STALE:
            raise VerifierUnavailableError

    def _age(self) -> float:
        return self._clock() - self._fetched

    async def _refresh(self) -> None:
        async with self._lock:
            # Whoever waited for the lock finds that another has just searched.
            pause = RETRY if self._age() > STALE else PAUSE
            if self._clock() - self._tried >= pause:
                await self._search()

    async def _search(self) -> None:
        try:
            with anyio.fail_after(TIMEOUT):
                self._keys = await self._fetch()
        except Exception as error:  # noqa: BLE001 -- whatever it was, there are no new keys
            self._failed = True
            _log.warning("signing_keys_not_fetched", error=type(error).__name__)
        else:
            self._failed = False
            self._fetched = self._clock()
        self._tried = self._clock()

    async def _fetch(self) -> Keys:
        async with httpx.AsyncClient(
            transport=self._transport,
            follow_redirects=False,
            timeout=TIMEOUT,
            # What is not compressed cannot be larger than it looks.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as http:
            url = self._config.jwks_url or await self._discover(http)
            return usable_keys(await _read(http, url), self._config.algorithms)

    async def _discover(self, http: httpx.AsyncClient) -> str:
        for url in metadata_urls(self._config.issuer):
            metadata = await _read(http, url)
            found = metadata.get("jwks_uri")
            if metadata.get("issuer") == self._config.issuer and is_secure(str(found)):
                return str(found)
        raise LookupError("the issuer does not say where its keys are")


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Say where an issuer may describe itself: RFC 8414, then OpenID Connect Discovery."""
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{root}{path}/.well-known/openid-configuration",
        *([f"{root}/.well-known/openid-configuration{path}"] if path else []),
    )


async def _read(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Read a JSON object; whatever is none, or too large, counts as an empty one."""
    body = bytearray()
    async with http.stream("GET", url) as answer:
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > LARGEST_DOCUMENT:
                return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if answer.status_code == _OK and isinstance(content, dict) else {}


def usable_keys(document: Mapping[str, Any], algorithms: Collection[str]) -> Keys:
    """Take the public keys for signatures out of a JWKS.

    Raises:
        LookupError: There are none.
    """
    listed = document.get("keys")
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for each in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        if not _verifies(each):
            continue
        for algorithm in algorithms:
            if each.get("alg", algorithm) == algorithm:
                with suppress(jwt.PyJWTError):  # a key of another kind than the algorithm's
                    found.setdefault((each["kid"], algorithm), jwt.PyJWK(each, algorithm))
    if not found:
        raise LookupError("there are no keys to verify signatures with")
    return found


def _verifies(key: Any) -> bool:
    if not isinstance(key, dict) or not isinstance(key.get("kid"), str) or "d" in key:
        return False
    uses = key.get("key_ops", ["verify"])
    return key.get("use", "sig") == "sig" and isinstance(uses, list) and "verify" in uses


class JwtVerifier:
    """Verifies bearer tokens, for the SDK's `token_verifier=`."""

    def __init__(
        self,
        config: AuthConfig,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.keys = SigningKeys(config, transport=transport, clock=clock)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Say whose token it is and what it allows; None if it is not accepted.

        Raises:
            VerifierUnavailableError: Nothing can be said about it now.
        """
        try:
            return self._accepted(await self._claims(token))
        except jwt.PyJWTError as error:
            # The library's own messages repeat parts of the token.
            ours = isinstance(error, TokenRefusedError)
            _log.info("token_refused", reason=str(error) if ours else type(error).__name__)
            return None
        except VerifierUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 -- no fault may become an entry
            _log.error("verifier_failed", error=type(error).__name__)
            raise VerifierUnavailableError from None

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise TokenRefusedError("it is too long")
        header = jwt.get_unverified_header(token)
        kid, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in self.config.algorithms:
            raise TokenRefusedError("its algorithm is not accepted")
        if str(header.get("typ", "JWT")).lower() not in _KINDS:
            raise TokenRefusedError("it is not an access token")
        if kid is None:
            raise TokenRefusedError("it names no key")
        key = await self.keys.find(kid, algorithm)
        if key is None:
            raise TokenRefusedError("the issuer has no such key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self.config.audience,
            issuer=self.config.issuer,
            leeway=self.config.leeway,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )
        return claims

    def _accepted(self, claims: Mapping[str, Any]) -> AccessToken:
        if not claims["sub"]:
            raise TokenRefusedError("it has no subject")
        if "cnf" in claims:
            # RFC 9449, 7.2: bound to a key whose possession a bearer does not show.
            raise TokenRefusedError("it is not a bearer token")
        named = (claims.get(name) for name in _CLIENT)
        return AccessToken(
            token=_NOT_KEPT,
            client_id=next((name for name in named if isinstance(name, str)), ""),
            scopes=list(self.config.up_to(mode_of(granted(claims), self.config))),
            # The SDK looks at it once more, and knows of no leeway.
            expires_at=int(claims["exp"]) + self.config.leeway,
            resource=self.config.url,
            subject=claims["sub"],
            claims={"iss": self.config.issuer},
        )


def granted(claims: Mapping[str, Any]) -> list[str]:
    """List a token's scopes: `scope`, or `scp` where there is none, each as a text or a list."""
    value = claims.get("scope", claims.get("scp"))
    if isinstance(value, str):
        return value.split(" ")
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
