"""The doctor: each thing that can be wrong, and what it says to do about it."""

import asyncio
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from mcp_server import checks as local
from mcp_server import cli, doctor
from mcp_server.auth import VerifierUnavailableError
from mcp_server.checks import Check, listen, port_check, secrets_check
from mcp_server.doctor import Examination
from mcp_server.sandbox import SANDBOX_KEY, SANDBOX_SECRET, Sandbox
from mcp_server.settings import Settings, load_settings
from tests.journals import kept

runner = CliRunner()
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SERVER = [sys.executable, "-m", "mcp_server", "--sandbox"]


def settings(monkeypatch: pytest.MonkeyPatch, **given: Any) -> Settings:
    """Read settings with the sandbox's key pair."""
    monkeypatch.setenv("FIVETRAN_API_KEY", SANDBOX_KEY)
    monkeypatch.setenv("FIVETRAN_API_SECRET", SANDBOX_SECRET)
    return load_settings(**given)


def examination(monkeypatch: pytest.MonkeyPatch, answer: Any = None, **given: Any) -> Examination:
    """Examine a server whose requests are answered so; by the sandbox if it is not said how."""
    upstream = httpx.MockTransport(answer) if answer else httpx.ASGITransport(app=Sandbox().app)
    return Examination(settings(monkeypatch, **given), upstream, SERVER, now=NOW.timestamp)


def by_name(checks: list[Check]) -> dict[str, Check]:
    """Find checks by their name."""
    return {check.name: check for check in checks}


def test_a_sandbox_is_well() -> None:
    """Exit code 0, a line for each check."""
    told = runner.invoke(cli.app, ["--sandbox", "--mode", "write", "doctor"])

    assert told.exit_code == 0, told.output
    for words in ("mode write", "credentials", "rights", "rate budget", "nothing but the protocol"):
        assert words in told.stdout
    assert "failed" not in told.stdout


def test_scripts_get_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an exit code."""
    monkeypatch.setenv("FIVETRAN_MCP_HTTP", "127.0.0.1:0")

    told = runner.invoke(cli.app, ["--sandbox", "doctor", "--json"])

    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["ok"] is True
    status = {check["name"]: check["status"] for check in found["checks"]}
    assert status["stdout"] == "not checked"
    assert status["port"] == "ok"


def test_wrong_settings_are_told_each_with_its_remedy() -> None:
    """And nothing else is looked at."""
    told = runner.invoke(cli.app, ["--mode", "all", "doctor", "--json"])

    assert told.exit_code == 1
    checks = json.loads(told.stdout)["checks"]
    wrong = [check for check in checks if check["name"] == "settings"]
    assert len(wrong) == 3
    assert {check["status"] for check in wrong} == {"failed"}
    assert wrong[0]["found"] == "FIVETRAN_API_KEY: it is not set"
    assert wrong[0]["remedy"].startswith("Set FIVETRAN_API_KEY to the key")
    left = [check for check in checks if check["status"] == "not checked"]
    assert {check["found"] for check in left} == {"the settings are wrong"}
    assert {"network", "TLS", "credentials", "stdout"} <= {check["name"] for check in left}


def test_a_wrong_policy_file_is_told(tmp_path: Path) -> None:
    """With its line."""
    file = tmp_path / "policy.toml"
    file.write_text("[capz]\n", encoding="utf-8")

    told = runner.invoke(cli.app, ["--sandbox", "--policy", str(file), "doctor", "--json"])

    assert told.exit_code == 1
    found = by_name([Check(**each) for each in json.loads(told.stdout)["checks"]])
    assert "line 1" in found["files"].found
    assert found["files"].remedy
    assert found["stdout"].status == "not checked"
    assert found["credentials"].status == "ok"


@pytest.mark.parametrize("altered", [False, True])
def test_the_record_of_changes_is_verified(
    altered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is begun if there is none, as a server begins it."""
    file = tmp_path / "audit.jsonl"
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_FILE", str(file))
    if altered:
        file.write_bytes(b"\n".join([line.replace(b"_0", b"_9") for line in kept(file)]) + b"\n")

    told = runner.invoke(cli.app, ["--sandbox", "doctor", "--json"])

    found = by_name([Check(**each) for each in json.loads(told.stdout)["checks"]])["audit file"]
    assert told.exit_code == altered
    assert ("altered" in found.found) is altered
    assert bool(found.remedy) is altered


async def test_a_record_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is a directory."""
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_FILE", str(tmp_path))
    monkeypatch.setenv("FIVETRAN_MCP_AUDIT_KEY", "k" * 32)

    (check,) = await examination(monkeypatch).files()

    assert check.status == "failed"
    assert "cannot be read" in check.found


async def test_the_directory_of_secrets_is_looked_at_but_not_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many there are, or that it cannot be read."""
    (tmp_path / "shop").write_text("canary", encoding="utf-8")
    (tmp_path / ".hidden").write_text("canary", encoding="utf-8")
    monkeypatch.setenv("FIVETRAN_MCP_SECRET_DIR", str(tmp_path))

    (check,) = await examination(monkeypatch).files()

    assert check.found == f"{tmp_path} can be read: 1 names"
    gone = secrets_check(tmp_path / "gone")
    assert gone.status == "failed"
    assert "no such file" in gone.found


def answering(status: int, **headers: str) -> Any:
    """Answer every request with a status; 200 is a page of a proxy."""

    def answer(_: httpx.Request) -> httpx.Response:
        if status == 200:
            return httpx.Response(status, html="<p>Please log in</p>")
        return httpx.Response(status, json={"code": "x", "message": "m"}, headers=headers)

    return answer


@pytest.mark.parametrize(
    ("status", "words", "remedy"),
    [
        (401, "unauthorized", "valid pair"),
        (429, "rate_limited", "wait"),
        (302, "upstream_error", "A proxy may have answered"),
        (200, "upstream_error", "A proxy may have answered"),
        (400, "rejected", "FIVETRAN_BASE_URL"),
    ],
)
async def test_credentials_that_do_not_work_are_told(
    status: int, words: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do; what needs them is not looked at."""
    upstream = answering(status, Retry_After="60", Location="https://login.example")
    found = by_name(await examination(monkeypatch, upstream).account())

    assert found["credentials"].status == "failed"
    assert words in found["credentials"].found
    assert remedy in str(found["credentials"].remedy)
    assert found["rights"].status == found["rate budget"].status == "not checked"


@pytest.mark.parametrize(
    ("refused", "status"),
    [("/v1/connections", "failed"), ("/v1/groups", "warning"), ("/v1/account/info", "ok")],
)
async def test_what_the_key_may_not_read_is_told(
    refused: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without connectors there is nothing to do; a key may be kept from telling whose it is."""
    sandbox = Sandbox()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == refused:
            return httpx.Response(403, json={"code": "Forbidden", "message": "no"})
        transport = httpx.ASGITransport(app=sandbox.app)
        response = await transport.handle_async_request(request)
        return httpx.Response(response.status_code, content=await response.aread())

    found = by_name(await examination(monkeypatch, answer).account())

    assert found["rights"].status == status
    if status == "ok":
        assert found["credentials"].status == "warning"
    else:
        assert refused.rpartition("/")[2].replace("connections", "connectors") in (
            found["rights"].found
        )


async def test_rights_that_cannot_be_read_for_another_reason_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as a failure of Fivetran's."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/account/info":
            return httpx.Response(200, json={"data": {"account_id": "a", "system_key_id": "s"}})
        return httpx.Response(500)

    found = by_name(await examination(monkeypatch, answer).account())

    assert found["credentials"].found == "a, by a system key"
    assert found["rights"].status == "failed"
    assert "upstream_error" in found["rights"].found


async def test_in_a_mode_that_changes_things_rights_to_are_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which is said; nothing but GET is sent."""
    sandbox = Sandbox()
    looked = Examination(
        settings(monkeypatch, mode="full"), httpx.ASGITransport(app=sandbox.app), SERVER
    )

    found = by_name(await looked.account())

    assert "is not tried, mode full needs MANAGE" in found["rights"].found
    assert {request.method for request in sandbox.requests} == {"GET"}


@pytest.mark.parametrize(
    ("date", "status", "words"),
    [
        (format_datetime(NOW + timedelta(seconds=50)), "ok", "within a minute"),
        (format_datetime(NOW + timedelta(hours=1)), "warning", "3,600 s behind"),
        (format_datetime(NOW - timedelta(hours=1)), "warning", "3,600 s ahead"),
        ("yesterday", "not checked", "no time"),
    ],
)
async def test_the_clock_is_compared_with_the_apis(
    date: str, status: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens and ages are told by it."""
    found = by_name(await examination(monkeypatch, answering(401, Date=date)).account())

    assert found["clock"].status == status
    assert words in found["clock"].found


async def test_a_budget_that_is_nearly_used_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody meets a 429."""
    headers = {"X-Rate-Limit": "20000", "X-Rate-Limit-Remaining": "100"}

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": {"account_id": "a", "items": []}}, headers=headers)

    found = by_name(await examination(monkeypatch, answer).account())

    assert found["rate budget"].status == "warning"
    assert "all/hour" in found["rate budget"].found


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Have a port on which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Accept connections, with TLS or without."""
    body = b'{"data": {"account_id": "a", "items": []}}'
    head = f"HTTP/1.1 200 OK\r\nDate: {format_datetime(NOW)}\r\nContent-Length: {len(body)}\r\n"

    async def handle(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()
                await stream.send(f"{head}Connection: close\r\n\r\n".encode() + body)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as plain:
        listener = TLSListener(plain, context, standard_compatible=False) if context else plain
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, handle)
            yield plain.extra_attributes[SocketAttribute.local_port]()
            tasks.cancel_scope.cancel()


def at(monkeypatch: pytest.MonkeyPatch, url: str) -> Examination:
    """Examine an address over the network."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("FIVETRAN_BASE_URL", url)
    return Examination(settings(monkeypatch), command=SERVER)


async def test_an_address_that_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS only on this machine."""
    async with serving() as port:
        found = by_name(await at(monkeypatch, f"http://127.0.0.1:{port}").api())

    assert found["network"].status == "ok"
    assert found["TLS"].status == "not checked"
    assert found["credentials"].status == "ok"
    assert found["clock"].status == "warning"


async def test_where_nobody_is_nothing_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason."""
    with listening() as taken:
        port = taken.getsockname()[1]
    network, *rest = await at(monkeypatch, f"http://127.0.0.1:{port}").api()

    assert network.status == "failed"
    assert network.found == f"127.0.0.1:{port}: connection refused"
    assert "HTTPS_PROXY" in str(network.remedy)
    assert {check.found for check in rest} == {"the API is not reached"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "unknown"), "this name is not known"),
        (TimeoutError(), "no answer within 10 s"),
        (OSError("odd"), "no connection"),
    ],
)
async def test_what_the_network_does_is_put_into_words(
    error: OSError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do."""

    async def connect(*_: Any, **__: Any) -> None:
        raise error

    looked = at(monkeypatch, "https://api.example")
    monkeypatch.setattr(asyncio, "open_connection", connect)

    check, *_ = await looked.api()

    assert check.status == "failed"
    assert check.found == f"api.example:443: {words}"
    assert check.remedy


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_a_proxy_is_named_by_its_variable_alone(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address may hold a password; what is behind it is not knocked at, but asked."""
    looked = at(monkeypatch, "https://api.example")
    monkeypatch.setenv(variable, "http://ann:hunter2@127.0.0.1:9")

    network, _, credentials, *_ = await looked.api()

    assert network.found == f"requests to api.example go through the proxy of {variable}"
    assert credentials.status == "failed"
    assert "unreachable" in credentials.found
    assert "HTTPS_PROXY" in str(credentials.remedy)


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a call fails with it."""
    looked = at(monkeypatch, "https://api.example")
    monkeypatch.setenv("ALL_PROXY", address)

    found = by_name(await looked.api())

    assert found["proxy"].status == "failed"
    assert "ALL_PROXY" in str(found["proxy"].remedy)
    assert found["credentials"].found == "nothing can be sent"


def certified(folder: Path, days: float) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for this machine that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


@pytest.mark.parametrize(("days", "status"), [(100.5, "ok"), (5.5, "warning")])
async def test_a_trusted_certificate_is_told_with_the_days_it_has_left(
    days: float, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trusted by the file that SSL_CERT_FILE names."""
    context, pem = certified(tmp_path, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    async with serving(context) as port:
        found = by_name(await at(monkeypatch, f"https://127.0.0.1:{port}").api())

    assert found["network"].status == "ok"
    assert found["TLS"].status == status
    assert f"good for {int(days)} days; authorities: {pem}" in found["TLS"].found


async def test_a_certificate_that_is_not_trusted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about a proxy that opens TLS; nothing is sent."""
    context, _ = certified(tmp_path, 100)
    async with serving(context) as port:
        _, tls, *rest = await at(monkeypatch, f"https://127.0.0.1:{port}").api()

    assert tls.status == "failed"
    assert "not trusted: self-signed certificate" in tls.found.replace("self signed", "self-signed")
    assert "SSL_CERT_FILE" in str(tls.remedy)
    assert {check.found for check in rest} == {"TLS failed"}


async def test_an_address_that_speaks_no_tls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the port is that of something else."""
    async with serving() as port:
        _, tls, *_ = await at(monkeypatch, f"https://127.0.0.1:{port}").api()

    assert tls.status == "failed"
    assert "does not speak TLS as it should" in tls.found


async def test_authorities_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable that names them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    async with serving() as port:
        found = by_name(await at(monkeypatch, f"https://127.0.0.1:{port}").api())

    assert found["TLS"].status == "failed"
    assert "SSL_CERT_FILE" in str(found["TLS"].remedy)
    assert found["clock"].status == "not checked"


def test_a_server_that_prints_to_stdout_is_told() -> None:
    """The line is shown."""
    noisy = "print('Hello'); from mcp_server.cli import main; main()"

    check = listen([sys.executable, "-c", noisy, "--sandbox"])

    assert check.status == "failed"
    assert check.found == "this is not the protocol: Hello"


@pytest.mark.parametrize("line", ["[1]", '{"id": 1}', "5"])
def test_json_is_not_yet_the_protocol(line: str) -> None:
    """A log in JSON would break a client as well."""
    check = listen([sys.executable, "-c", f"print({line!r})"])

    assert check.status == "failed"


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it ends by itself or never does."""
    assert "ended with 3" in listen([sys.executable, "-c", "raise SystemExit(3)"]).found

    monkeypatch.setattr(local, "LONGEST_START", 0.5)
    stuck = listen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert stuck.status == "failed"
    assert "before it listed its tools" in stuck.found


def test_a_port_that_is_taken_is_told() -> None:
    """On both families of addresses."""
    with listening() as taken:
        check = port_check("127.0.0.1", taken.getsockname()[1])

    assert check.status == "failed"
    assert "address already in use" in check.found
    assert port_check("::1", 0).status == "ok"


@pytest.mark.parametrize("known", [True, False])
async def test_an_issuer_whose_keys_cannot_be_had_is_told(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a caller meets a 503."""

    async def ready() -> None:
        if not known:
            raise VerifierUnavailableError

    looked = examination(monkeypatch, http="127.0.0.1:0")
    looked.verifier = SimpleNamespace(keys=SimpleNamespace(ready=ready))  # type: ignore[assignment] # all that is asked

    found = by_name(await looked.http())

    assert found["issuer"].status == ("ok" if known else "failed")


@pytest.mark.parametrize("as_json", [True, False])
def test_no_credential_is_shown_even_if_the_api_tells_them(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither of the key pair, nor a key of the server's own, nor what may be named."""
    pair = {"FIVETRAN_API_KEY": "canary-5e1f", "FIVETRAN_API_SECRET": "canary-77aa"}
    named = {"FIVETRAN_MCP_SECRET_ENV": "SHOP", "SHOP": "canary-0b0b"}
    own = {"FIVETRAN_MCP_AUDIT_KEY": f"canary-{'9' * 32}"}
    for name, value in (pair | named | own).items():
        monkeypatch.setenv(name, value)
    told = " ".join([*pair.values(), "canary-0b0b", own["FIVETRAN_MCP_AUDIT_KEY"]])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/account/info":
            return httpx.Response(200, json={"data": {"account_name": told}})
        return httpx.Response(400, json={"code": told, "message": told})

    checks, secrets = doctor.examine(
        {}, lambda given: (given, httpx.MockTransport(answer)), lambda _: None, SERVER
    )

    assert doctor.report(checks, secrets, as_json=as_json) == 1
    shown = capsys.readouterr().out
    assert "rejected" in shown
    assert "canary" not in shown


def test_a_terminal_gets_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With colours and the remedy below."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    checks = [Check("port", "failed", "it is taken", "Choose another."), Check("TLS", "ok", "good")]

    assert doctor.report(checks, frozenset({"ok", "port"}), as_json=False) == 1

    shown = capsys.readouterr().out
    assert "-> Choose another." in shown
    assert "good" in shown
