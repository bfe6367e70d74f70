"""Certificates and SSH host keys: what a source presents, and what was approved of it.

The values are made up, and always the same for the same host: another host presents others. What
the API leaves open is decided so: an approval is by hash, and like Fivetran's own it takes any; a
certificate behind a tunnel is not seen until the tunnel's key is trusted; to trust one no longer
that the source presents breaks the connection at once.
"""

import base64
import hashlib
from collections.abc import Iterator
from http import HTTPStatus

from mcp_server.sandbox.account import Account, Backstage, stamp
from mcp_server.sandbox.calls import Call, Handler
from mcp_server.sandbox.fields import check, text
from mcp_server.sandbox.paging import page
from mcp_server.sandbox.replies import Json, Reply, done, envelope, invalid, missing, ok

CERTIFICATE = "certificate"
FINGERPRINT = "fingerprint"
_CONTENT = {CERTIFICATE: "encoded_cert", FINGERPRINT: "public_key"}
_SWITCHES = {CERTIFICATE: "trust_certificates", FINGERPRINT: "trust_fingerprints"}
EVERYTHING: Json = dict.fromkeys(_SWITCHES.values(), True)
"""The switches of a test that trusts whatever it meets."""
_FAILURES = {
    CERTIFICATE: ("Validating the certificate", "TLS verification failed"),
    FINGERPRINT: ("Connecting to SSH tunnel", "The fingerprint of the SSH host is not approved"),
}
_RECONNECT = {"code": "reconnect", "message": "Reconnect", "details": "The source is not trusted"}


def id_of(hash_: str) -> str:
    """Build the id of what has this hash: the hash in base64url."""
    return base64.urlsafe_b64encode(hash_.encode()).decode().rstrip("=")


def presented(connection: Json, backstage: Backstage) -> Iterator[tuple[str, Json]]:
    """Tell what the source presents that needs an approval, in the order in which it is met."""
    host, tunnel = connection["config"].get("host"), connection["config"].get("tunnel_host")
    if tunnel:
        key = f"ssh-ed25519 {_made_up('key', tunnel)}"
        yield FINGERPRINT, {"hash": _hash(key), "public_key": key}
    if host and backstage.private_tls:
        content = "MIID" + _made_up("certificate", host)
        yield CERTIFICATE, {**_about(host, _hash(content), content), "encoded_cert": content}


def checks(connection: Json, backstage: Backstage) -> list[Json]:
    """Test whether what the source presents is trusted; after a failure nothing more is seen."""
    results: list[Json] = []
    for kind, item in presented(connection, backstage):
        title, failure = _FAILURES[kind]
        result: Json = {"title": title, "status": "PASSED", "message": "", "details": None}
        if any(earlier["status"] == "FAILED" for earlier in results):
            result["status"] = "SKIPPED"
        elif (kind, id_of(item["hash"])) not in backstage.trusted:
            details = [item] if kind == CERTIFICATE else item
            result |= {"status": "FAILED", "message": failure, "details": details}
        results.append(result)
    return results


def trust_presented(account: Account, connection_id: str, switches: Json) -> None:
    """Approve for good whatever the source presents, as the switches of a test ask."""
    connection, backstage = account.connections[connection_id], account.backstage[connection_id]
    for kind, item in presented(connection, backstage):
        if switches.get(_SWITCHES[kind]):
            _approve(account, connection_id, kind, item["hash"], item[_CONTENT[kind]])


def _made_up(what: str, host: str) -> str:
    return base64.b64encode(hashlib.sha512(f"{what} of {host}".encode()).digest()).decode()


def _hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _about(host: str, hash_: str, content: str) -> Json:
    return {
        "name": f"CN={host}",
        "hash": hash_,
        "type": "TLS",
        "sha1": hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }


def _approve(account: Account, connection_id: str, kind: str, hash_: str, content: str) -> Json:
    """Keep an approval; a second one of the same leaves the first."""
    host = account.connections[connection_id]["config"].get("host")
    about = _about(host, hash_, content) if kind == CERTIFICATE else {"hash": hash_}
    item = {
        "id": id_of(hash_),
        **about,
        "public_key": content,
        "validated_date": stamp(account.now()),
        "validated_by": "quiet_meadow",
    }
    return account.backstage[connection_id].trusted.setdefault((kind, item["id"]), item)


def _found(call: Call, kind: str) -> tuple[Backstage, Json]:
    connection_id: str = call.account.connection(call.names[0])["id"]
    backstage = call.account.backstage[connection_id]
    if (kind, call.names[1]) not in backstage.trusted:
        missing(kind.capitalize(), f"There is no approved {kind} '{call.names[1]}'")
    return backstage, backstage.trusted[kind, call.names[1]]


def lists(kind: str) -> Handler:
    """GET /v1/connections/{connectionId}/certificates, and /fingerprints."""

    def handler(call: Call) -> Reply:
        connection_id: str = call.account.connection(call.names[0])["id"]
        trusted = call.account.backstage[connection_id].trusted
        items = [item for (each, _), item in trusted.items() if each == kind]
        return ok(page(items, call.query, dict))

    return handler


def reads(kind: str) -> Handler:
    """GET /v1/connections/{connectionId}/certificates/{hash}, and /fingerprints/{hash}."""

    def handler(call: Call) -> Reply:
        return ok(_found(call, kind)[1])

    return handler


def approves(kind: str) -> Handler:
    """POST /v1/connections/{connectionId}/certificates, and /fingerprints."""

    def handler(call: Call) -> Reply:
        connection_id: str = call.account.connection(call.names[0])["id"]
        fields = ("hash", _CONTENT[kind])
        check(call.body, dict.fromkeys(fields, text), fields)
        if not all(call.body.values()):
            invalid(f"Fields 'hash' and '{_CONTENT[kind]}' must not be empty")
        given = (call.body[field] for field in fields)
        item = _approve(call.account, connection_id, kind, *given)
        message = f"The {kind} has been approved"
        return envelope(HTTPStatus.CREATED, "Success", message, item)

    return handler


def revokes(kind: str) -> Handler:
    """DELETE /v1/connections/{connectionId}/certificates/{hash}, and /fingerprints/{hash}."""

    def handler(call: Call) -> Reply:
        backstage, item = _found(call, kind)
        del backstage.trusted[kind, item["id"]]
        connection = call.account.connections[call.names[0]]
        status = connection["status"]
        seen = [each["hash"] for _, each in presented(connection, backstage)]
        if status["setup_state"] == "connected" and item["hash"] in seen:
            status.update(setup_state="broken", tasks=[*status["tasks"], dict(_RECONNECT)])
        return done(f"The {kind} has been revoked")

    return handler
