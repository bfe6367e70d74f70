"""Tokens and keys of an issuer that behaves, and of one that does not."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from mcp_server import tokens
from mcp_server.addresses import is_loopback, is_secure, is_unspecified
from mcp_server.auth import VerifierUnavailableError, caller_mode, caller_name, mode_of
from mcp_server.policy import Mode
from mcp_server.tokens import JwtVerifier
from tests.issuer import (
    ISSUER,
    JWKS,
    METADATA,
    OPENID,
    RESOURCE,
    Issuer,
    Page,
    config,
    jwk,
    part,
    private_key,
    token,
)


@pytest.fixture
def issuer() -> Issuer:
    """Have an issuer with an RSA key."""
    return Issuer()


@pytest.fixture
def verifier(issuer: Issuer) -> JwtVerifier:
    """Have a verifier of its tokens."""
    return issuer.verifier()


async def test_a_good_token_says_who_calls_and_what_is_allowed(verifier: JwtVerifier) -> None:
    """And the token itself is not kept, so nothing can log it or pass it on."""
    made = token()
    access = await verifier.verify_token(made)

    assert access is not None
    assert (access.subject, access.client_id, access.resource) == ("ada", "desk", RESOURCE)
    assert access.scopes == ["fivetran:read"]
    assert access.claims == {"iss": ISSUER}
    assert access.expires_at is not None
    assert 300 < access.expires_at - time.time() <= 330
    assert made not in repr(access)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")],
)
async def test_keys_of_each_kind_verify(key: str, algorithm: str) -> None:
    """An RSA key without `alg` serves both of its paddings."""
    verifier = Issuer(jwk("rsa"), jwk("ec"), jwk("ed")).verifier()
    assert await verifier.verify_token(token(key, algorithm))


def now(seconds: float) -> int:
    """Tell a time from now."""
    return int(time.time() + seconds)


def swapped() -> str:
    """Put other claims under a signature."""
    head, _, signature = token().split(".")
    return ".".join([head, token(sub="eve").split(".")[1], signature])


def unsigned(algorithm: str) -> str:
    """Say that no signature is needed."""
    return f"{part({'alg': algorithm, 'kid': 'rsa'}).decode()}.{token().split('.')[1]}."


def confused() -> str:
    """Use what everybody knows as the secret."""
    key = private_key("rsa").public_key()
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    content = part({"alg": "HS256", "kid": "rsa"}) + b"." + token().split(".")[1].encode()
    return (content + b"." + part(hmac.new(secret, content, hashlib.sha256).digest())).decode()


def raw(claims: Any) -> str:
    """Sign something else than claims."""
    content = part({"alg": "RS256", "kid": "rsa"}) + b"." + part(claims)
    signature = get_default_algorithms()["RS256"].sign(content, private_key("rsa"))
    return (content + b"." + part(signature)).decode()


DEFECTS: dict[str, Callable[[], str]] = {
    "expired": lambda: token(exp=now(-31)),
    "not yet valid": lambda: token(nbf=now(60)),
    "of the future": lambda: token(iat=now(60)),
    "of another issuer": lambda: token(iss="https://evil.example.com"),
    "of an issuer with a slash more": lambda: token(iss=ISSUER + "/"),
    "of no issuer": lambda: token(iss=None),
    "for another audience": lambda: token(aud="https://other.example.com/mcp"),
    "for a longer audience": lambda: token(aud=RESOURCE + "/more"),
    "for a shorter audience": lambda: token(aud=RESOURCE[:-1]),
    "for a list without this audience": lambda: token(aud=["a", "b"]),
    "for a list with a number": lambda: token(aud=[RESOURCE, 1]),
    "for no audience": lambda: token(aud=None),
    "without an end": lambda: token(exp=None),
    "with an end that is no number": lambda: token(exp="soon"),
    "with an end that is not a number": lambda: token(exp=float("nan")),
    "with an end in the infinite": lambda: token(exp=float("inf")),
    "without a subject": lambda: token(sub=None),
    "with an empty subject": lambda: token(sub=""),
    "with a subject that is no text": lambda: token(sub=7),
    "bound to a key": lambda: token(cnf={"jkt": "x"}),
    "with an unknown key": lambda: token("rsa-other"),
    "with another's key under a known name": lambda: token("rsa-other", header={"kid": "rsa"}),
    "with its own key in it": lambda: token(
        "rsa-other", header={"kid": "rsa", "jwk": jwk("rsa-other"), "jku": "https://evil.example"}
    ),
    "without a key's name": lambda: token(header={"kid": None}),
    "with a key's name that is no text": lambda: token(header={"kid": 1}),
    "with an algorithm that is off": lambda: token(algorithm="RS512"),
    "with an algorithm of another kind of key": lambda: token(header={"alg": "ES256"}),
    "without an algorithm": lambda: token(header={"alg": None}),
    "with a list for an algorithm": lambda: token(header={"alg": ["RS256"]}),
    "an ID token by its type": lambda: token(header={"typ": "id_token+jwt"}),
    "a logout token": lambda: token(header={"typ": "logout+jwt"}),
    "with an extension that must be understood": lambda: token(header={"crit": ["x"], "x": 1}),
    "detached": lambda: token(header={"b64": False, "crit": ["b64"]}),
    "cut": lambda: token()[:-2],
    "with a character more": lambda: token() + "A",
    "with another's claims": swapped,
    "unsigned": lambda: unsigned("none"),
    "unsigned in capitals": lambda: unsigned("NONE"),
    "signed with the public key as a secret": confused,
    "too long": lambda: token(note="x" * 9000),
    "empty": str,
    "no JWT": lambda: "secret-opaque-token",
    "three dots": lambda: "...",
    "not ASCII": lambda: "é.ü.ß",
    "claims that are a list": lambda: raw(["x"]),
    "claims that are no JSON": lambda: raw(b"{"),
    "claims that are deep": lambda: raw(b"[" * 5000),
    "a header that is deep": lambda: f"{part(b'[' * 5000).decode()}.e30.e30",
}


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_token_with_a_single_defect_is_refused(defect: str, verifier: JwtVerifier) -> None:
    """While one without is accepted, and the log names the reason and nothing of the token."""
    made = DEFECTS[defect]()
    with structlog.testing.capture_logs() as logs:
        assert await verifier.verify_token(made) is None
    assert [line["event"] for line in logs] == ["token_refused"]
    assert logs[0]["reason"]
    assert not any(len(piece) > 3 and piece in str(logs) for piece in made.split("."))
    assert await verifier.verify_token(token())


@pytest.mark.parametrize(
    "make",
    [
        lambda: token(exp=now(-20)),
        lambda: token(nbf=now(20), iat=now(20)),
        lambda: token(iat=None),
        lambda: token(aud=["https://other.example.com", RESOURCE]),
    ],
    ids=["just expired", "nearly valid", "of no known age", "for several"],
)
async def test_what_is_no_defect_is_accepted(
    make: Callable[[], str], verifier: JwtVerifier
) -> None:
    """Clocks differ by some seconds, and a token may be for several servers."""
    access = await verifier.verify_token(make())
    assert access is not None
    assert access.expires_at is not None
    # The SDK compares it with the time, without a leeway.
    assert access.expires_at > time.time()


@pytest.mark.parametrize("kind", [None, "JWT", "AT+JWT", "application/at+jwt"])
async def test_a_token_may_say_that_it_is_an_access_token(
    kind: str | None, verifier: JwtVerifier
) -> None:
    """In each of the usual ways, or not at all."""
    assert await verifier.verify_token(token(header={"typ": kind}))


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client_id": None, "azp": "b"}, "b"),
        ({"client_id": 7, "azp": "b"}, "b"),
        ({"client_id": None, "cid": "c"}, "c"),
        ({"client_id": None}, ""),
    ],
)
async def test_the_client_is_named_as_issuers_do(
    claims: dict[str, Any], client: str, verifier: JwtVerifier
) -> None:
    """There is no agreement on the claim."""
    access = await verifier.verify_token(token(**claims))
    assert access is not None
    assert access.client_id == client


@pytest.mark.parametrize(
    ("claims", "mode"),
    [
        ({"scope": "fivetran:read"}, Mode.READ_ONLY),
        ({"scope": "fivetran:read fivetran:write"}, Mode.WRITE),
        ({"scope": "fivetran:full"}, Mode.FULL),
        ({"scope": None, "scp": "x fivetran:write"}, Mode.WRITE),
        ({"scope": None, "scp": ["fivetran:full", 7, None]}, Mode.FULL),
        ({"scope": "openid", "scp": "fivetran:full"}, None),
        ({"scope": "fivetran:fullest xfivetran:read FIVETRAN:READ"}, None),
        ({"scope": "fivetran:read\u00a0fivetran:full"}, None),
        ({"scope": ""}, None),
        ({"scope": {"fivetran:full": 1}}, None),
        ({"scope": None}, None),
    ],
)
async def test_scopes_allow_a_mode(
    claims: dict[str, Any], mode: Mode | None, verifier: JwtVerifier
) -> None:
    """The greatest, and with it those that it includes."""
    access = await verifier.verify_token(token(**claims))
    assert access is not None
    assert mode_of(access.scopes, verifier.config) == mode
    assert access.scopes == list(verifier.config.up_to(mode))


async def test_scopes_may_have_other_names() -> None:
    """Issuers have their own rules for names."""
    settings = {"read_scope": "r", "write_scope": "w", "full_scope": "https://x.example/all"}
    verifier = Issuer().verifier(**settings)
    access = await verifier.verify_token(token(scope="https://x.example/all fivetran:read"))
    assert access is not None
    assert access.scopes == ["r", "w", "https://x.example/all"]


async def test_the_keys_are_fetched_once_and_looked_for_again_after_a_while(
    issuer: Issuer, verifier: JwtVerifier
) -> None:
    """Ten minutes later."""
    for _ in range(3):
        assert await verifier.verify_token(token())
        issuer.wait(tokens.FRESH / 3)
    assert issuer.searches == 1
    issuer.wait(1)
    assert await verifier.verify_token(token())
    assert issuer.searches == 2


async def test_many_at_once_fetch_the_keys_once(issuer: Issuer, verifier: JwtVerifier) -> None:
    """Also those that name a key which nobody has."""
    accepted: list[bool] = []

    async def verify(made: str) -> None:
        accepted.append(await verifier.verify_token(made) is not None)

    async with anyio.create_task_group() as tasks:
        for made in [token(), token("rsa-other")] * 20:
            tasks.start_soon(verify, made)
    assert sorted(accepted) == [False] * 20 + [True] * 20
    assert issuer.searches == 1


async def test_a_new_key_is_found_at_once_and_a_key_withdrawn_is_refused(
    issuer: Issuer, verifier: JwtVerifier
) -> None:
    """Issuers rotate their keys."""
    assert await verifier.verify_token(token())
    issuer.wait(tokens.PAUSE)
    issuer.documents[JWKS] = {"keys": [jwk("rsa-new")]}
    assert await verifier.verify_token(token("rsa-new"))
    assert await verifier.verify_token(token()) is None
    assert issuer.searches == 2


async def test_what_cannot_be_a_token_of_the_issuer_costs_it_nothing(
    issuer: Issuer, verifier: JwtVerifier
) -> None:
    """Not even the first request."""
    for made in (token(header={"kid": None}), unsigned("none"), "nonsense", "x" * 9000):
        assert await verifier.verify_token(made) is None
    assert issuer.asked == []


async def test_unknown_keys_cost_the_issuer_one_request_a_minute(
    issuer: Issuer, verifier: JwtVerifier
) -> None:
    """Whoever invents them."""
    for _ in range(50):
        assert await verifier.verify_token(token("rsa-other")) is None
        issuer.wait(3)
    assert issuer.searches == 3


FAULTS = {
    "it refuses connections": httpx.ConnectError("no"),
    "it does not answer": httpx.ReadTimeout("late"),
    "it is slow": TimeoutError(),
    "it answers nonsense": httpx.RemoteProtocolError("?"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_without_keys_nobody_comes_in_until_they_can_be_had(
    fault: Exception, issuer: Issuer, verifier: JwtVerifier
) -> None:
    """The issuer is asked again after some seconds, not at each token."""
    issuer.fault = fault
    for made in (token(), token("rsa-other"), token()):
        with pytest.raises(VerifierUnavailableError):
            await verifier.verify_token(made)
    assert issuer.searches == 1
    issuer.fault = None
    with pytest.raises(VerifierUnavailableError):
        await verifier.verify_token(token())
    issuer.wait(tokens.RETRY)
    assert await verifier.verify_token(token())
    assert await verifier.verify_token(token("rsa-other")) is None


async def test_a_search_that_takes_too_long_is_given_up(
    issuer: Issuer, verifier: JwtVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a byte comes now and then."""
    monkeypatch.setattr(tokens, "TIMEOUT", 0)
    with pytest.raises(VerifierUnavailableError):
        await verifier.verify_token(token())
    monkeypatch.undo()
    issuer.wait(tokens.RETRY)
    assert await verifier.verify_token(token())


async def test_known_keys_serve_for_an_hour_while_the_issuer_is_down(
    issuer: Issuer, verifier: JwtVerifier
) -> None:
    """An unknown one may be new, so nothing is said about it; it is asked once a minute."""
    assert await verifier.verify_token(token())
    issuer.asked.clear()
    issuer.fault = httpx.ConnectError("no")
    for _ in range(59):
        issuer.wait(60)
        assert await verifier.verify_token(token())
        with pytest.raises(VerifierUnavailableError):
            await verifier.verify_token(token("rsa-new"))
    assert issuer.searches <= 59
    issuer.wait(61)
    with pytest.raises(VerifierUnavailableError):
        await verifier.verify_token(token())
    issuer.wait(tokens.RETRY)
    issuer.fault = None
    assert await verifier.verify_token(token())


async def test_a_fault_of_the_verifier_is_no_entry(
    verifier: JwtVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says nothing of the token."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(made)

    made = token()
    monkeypatch.setattr(jwt, "decode", fail)
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(VerifierUnavailableError) as caught,
    ):
        await verifier.verify_token(made)
    assert logs == [{"event": "verifier_failed", "error": "RuntimeError", "log_level": "error"}]
    assert made not in repr(caught.getrepr(chain=True))


def secret_jwk(name: str) -> dict[str, Any]:
    """Publish what should be kept."""
    key: Any = private_key(name)
    return {
        **get_default_algorithms()["RS256"].to_jwk(key, as_dict=True),
        "kid": name,
        "key_ops": ["verify"],
    }


GOOD_KEYS = json.dumps({"keys": [jwk("rsa")]}).encode()

BAD_KEYS: dict[str, Any] = {
    "no object": [jwk("rsa")],
    "no list of keys": {"keys": jwk("rsa")},
    "no keys": {"keys": []},
    "a private key": {"keys": [secret_jwk("rsa")]},
    "a key for encryption": {"keys": [jwk("rsa", use="enc")]},
    "a key for other operations": {"keys": [jwk("rsa", key_ops=["encrypt"])]},
    "operations that are no list": {"keys": [jwk("rsa", key_ops="verify")]},
    "a key for another algorithm": {"keys": [jwk("rsa", alg="RS512")]},
    "a key without a name": {"keys": [jwk("rsa", kid=None)]},
    "a key without a number": {"keys": [jwk("rsa", n=7)]},
    "a secret": {"keys": [{"kty": "oct", "kid": "rsa", "alg": "HS256", "k": "c2VjcmV0"}]},
    "keys that are texts": {"keys": ["rsa"]},
    "too many keys": {"keys": [7] * 100 + [jwk("rsa")]},
    "too much": {"keys": [jwk("rsa")], "more": "x" * tokens.LARGEST_DOCUMENT},
    "no JSON": Page(200, b"<html>"),
    "depth": Page(200, b"[" * 100_000),
    "an error": Page(500, GOOD_KEYS),
    "a redirect": Page(302, GOOD_KEYS, {"location": "https://evil.example.com/keys"}),
    "a compressed answer": Page(200, b"\x1f\x8b" + GOOD_KEYS),
}


@pytest.mark.parametrize("keys", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_a_key_set_that_has_no_usable_key_is_none(keys: Any, issuer: Issuer) -> None:
    """Those known before go on to be used."""
    verifier = issuer.verifier()
    assert await verifier.verify_token(token())
    issuer.documents[JWKS] = keys
    issuer.wait(tokens.FRESH + 1)
    assert await verifier.verify_token(token())
    assert issuer.searches == 2
    issuer.wait(tokens.STALE)
    with pytest.raises(VerifierUnavailableError):
        await verifier.verify_token(token())
    assert {*issuer.asked} <= {METADATA, JWKS}


async def test_a_key_that_cannot_be_used_does_not_hide_the_others() -> None:
    """And of two with the same name, each serves its own algorithm."""
    keys = [
        7,
        jwk("ec", use="enc"),
        {"kid": "rsa"},
        jwk("ec", kid="rsa"),
        jwk("rsa", key_ops=["verify"], use="sig", alg="RS256"),
    ]
    verifier = Issuer(*keys).verifier()
    assert await verifier.verify_token(token())
    assert await verifier.verify_token(token("ec", "ES256", header={"kid": "rsa"}))
    assert await verifier.verify_token(token(algorithm="PS256")) is None


async def test_weak_and_unfitting_keys_verify_nothing() -> None:
    """An RSA key of 1024 bits; a curve that is not the algorithm's."""
    verifier = Issuer(jwk("small"), jwk("wide")).verifier()
    assert await verifier.verify_token(token("small")) is None
    assert await verifier.verify_token(token("wide", "ES256")) is None


@pytest.mark.parametrize(
    "documents",
    [
        {OPENID: {"issuer": ISSUER, "jwks_uri": JWKS}},
        {METADATA: {"issuer": ISSUER}, OPENID: {"issuer": ISSUER, "jwks_uri": JWKS}},
        {METADATA: Page(200, b"<html>"), OPENID: {"issuer": ISSUER, "jwks_uri": JWKS}},
        {
            "https://login.example.com/.well-known/openid-configuration/realms/data": {
                "issuer": ISSUER,
                "jwks_uri": JWKS,
            }
        },
    ],
    ids=["OpenID", "no keys in the first", "a page for everything", "OpenID, the other way"],
)
async def test_the_keys_are_found_as_issuers_publish_them(documents: dict[str, Any]) -> None:
    """By OAuth's metadata, or OpenID's."""
    issuer = Issuer()
    del issuer.documents[METADATA]
    issuer.documents.update(documents)
    assert await issuer.verifier().verify_token(token())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example.com", "jwks_uri": JWKS},
        {"jwks_uri": JWKS},
        {"issuer": ISSUER, "jwks_uri": "http://login.example.com/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": 7},
    ],
    ids=["of another issuer", "of none", "plain http", "a file", "a number"],
)
async def test_metadata_that_cannot_be_trusted_are_not_followed(
    metadata: dict[str, Any],
) -> None:
    """Nobody comes in."""
    issuer = Issuer()
    issuer.documents[METADATA] = metadata
    with pytest.raises(VerifierUnavailableError):
        await issuer.verifier().verify_token(token())
    assert JWKS not in issuer.asked


async def test_an_issuer_without_a_path_and_one_that_says_nothing() -> None:
    """The address of the keys can be a setting."""
    root = "https://login.example.com"
    assert tokens.metadata_urls(root) == (
        f"{root}/.well-known/oauth-authorization-server",
        f"{root}/.well-known/openid-configuration",
    )
    issuer = Issuer()
    assert await issuer.verifier(jwks_url=JWKS).verify_token(token())
    assert issuer.asked == [JWKS]


async def test_an_audience_need_not_be_a_url() -> None:
    """Then the resource is said apart."""
    verifier = Issuer().verifier(audience="api://f1", resource=RESOURCE)
    assert await verifier.verify_token(token()) is None
    access = await verifier.verify_token(token(aud="api://f1"))
    assert access is not None
    assert access.resource == RESOURCE


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"audience": ""}, "the audience is not set"),
        ({"audience": "api://f1"}, "the resource is not an https URL"),
        ({"issuer": "http://login.example.com"}, "the issuer is not an https URL"),
        ({"issuer": ISSUER + "?x=1"}, "the issuer has a query"),
        ({"audience": RESOURCE + "#x"}, "the resource has a query or a fragment"),
        (
            {"audience": "https://MCP.example.com:443/mcp"},
            "usual form, https://mcp.example.com/mcp",
        ),
        ({"jwks_url": "http://login.example.com/keys"}, "the JWKS is not an https URL"),
        ({"algorithms": ()}, "the algorithms are not some of RS256"),
        ({"algorithms": ("RS256", "none")}, "the algorithms are not some of"),
        ({"algorithms": ("HS256",)}, "the algorithms are not some of"),
        ({"leeway": -1}, "the leeway is not from 0 to 300"),
        ({"leeway": 301}, "the leeway is not from 0 to 300"),
        ({"read_scope": "fivetran:full"}, "three different words"),
        ({"read_scope": 'a"b'}, "three different words"),
        ({"write_scope": "a b"}, "three different words"),
        ({"full_scope": ""}, "three different words"),
    ],
)
def test_a_wrong_configuration_is_refused(settings: dict[str, Any], problem: str) -> None:
    """Before anything is served."""
    with pytest.raises(ValueError, match=problem):
        config(**settings)


def test_a_resource_may_be_a_host_alone_or_this_machine() -> None:
    """Neither is written in another way than the operator's."""
    for url, host in (
        ("https://mcp.example.com", "mcp.example.com"),
        ("http://[::1]:8000/mcp", "::1"),
    ):
        made = config(audience=url)
        assert (made.host, str(made.settings().resource_server_url)) == (host, url)


def test_without_a_token_nobody_calls() -> None:
    """So a server that asks for tokens lets nothing pass where none can be."""
    assert caller_mode(config()) is None
    assert caller_name() is None


def test_addresses_are_told_apart() -> None:
    """This machine, all its addresses, and others."""
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "10.0.0.1", "x")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert [is_unspecified(h) for h in ("0.0.0.0", "::", "127.0.0.1", "x")] == [  # noqa: S104 -- not bound
        *(True, True),
        *(False, False),
    ]


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:9/x", True),
        ("http://localhost", True),
        ("http://a.example", False),
        ("http://127.0.0.1.a.example", False),
        ("http://localhost@a.example", False),
        ("https://user:word@a.example", False),
        ("https://a.example:99999", False),
        ("https://[::1", False),
        ("https://a.example/\n", False),
        ("https://a .example", False),
        ("https:///x", False),
        ("ftp://127.0.0.1", False),
        ("None", False),
    ],
)
def test_a_url_is_secure_by_tls_or_by_never_leaving(url: str, *, secure: bool) -> None:
    """And has nothing in it that another reader would read otherwise."""
    assert is_secure(url) is secure
