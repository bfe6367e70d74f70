"""`run_setup_tests`: what failed, what to do about it, and what would be trusted."""

import json
from typing import Any

import pytest

from mcp_server.fivetran.models import SetupTest
from mcp_server.sandbox import Fault, Sandbox
from mcp_server.tools.advice import advice_on
from mcp_server.tools.presented import presented
from tests.support import Caller, Connect, changes

TESTS = "/v1/connections/[^/]+/test"
TLS = {"connector_id": "wary_lynx", "trust_certificates": True}
TUNNEL = {"connector_id": "deep_mole", "trust_fingerprints": True}
PLAIN = {"trust_certificates": False, "trust_fingerprints": False}


def answers(
    sandbox: Sandbox, *tests: dict[str, Any], state: str = "broken", times: int = 1
) -> None:
    """Let the next setup tests end so."""
    data = {"id": "solid_anchor", "setup_tests": tests, "status": {"setup_state": state}}
    body = {"code": "Success", "data": data}
    sandbox.fail(Fault(method="POST", path=TESTS, status=200, body=body, times=times))


def failing(message: str, details: Any = None, title: str = "Test") -> dict[str, Any]:
    """Write a failed test."""
    return {"title": title, "status": "FAILED", "message": message, "details": details}


async def test_passed_tests_say_that_it_is_ready(caller: Caller, sandbox: Sandbox) -> None:
    """Without a switch nothing is trusted, and nothing needs a confirmation."""
    answer = await caller.ok("run_setup_tests", connector_id="solid_anchor")

    assert changes(sandbox) == [("POST", "/v1/connections/solid_anchor/test", PLAIN)]
    assert answer == {
        "id": "solid_anchor",
        "name": "pg_billing",
        "service": "postgres",
        "group_id": "amber_harbor",
        "state": "healthy",
        "outcome": "passed",
        "setup_state": "connected",
        "setup_tests": [
            {"title": "Checking the configuration", "status": "PASSED"},
            {"title": "Connecting to the source", "status": "PASSED"},
        ],
        "next_step": answer["next_step"],
    }
    assert "resume_connector" in answer["next_step"]


async def test_a_failed_test_comes_with_what_to_do(caller: Caller) -> None:
    """The others have no advice."""
    answer = await caller.ok("run_setup_tests", connector_id="brisk_lantern")

    assert (answer["outcome"], answer["setup_state"], answer["state"]) == (
        "failed",
        "broken",
        "broken",
    )
    *passed, failed = answer["setup_tests"]
    assert all("advice" not in test for test in passed)
    assert "update_connector" in failed["advice"]
    assert "create_connect_card" in failed["advice"]
    assert "untrusted" not in answer
    assert "advice" in answer["next_step"]


async def test_passed_tests_discover_the_schema(caller: Caller) -> None:
    """As no other call does before the first sync."""
    config = {"schema_prefix": "pg_new", "host": "db", "user": "me", "password": "right"}
    made = await caller.ok(
        "create_connector", group_id="amber_harbor", service="postgres", config=config
    )
    error = await caller.error("get_schema_config", connector_id=made["id"])
    assert error["code"] == "schema_not_ready"
    await caller.ok("run_setup_tests", connector_id=made["id"])
    assert await caller.ok("get_schema_config", connector_id=made["id"])


async def test_tests_that_pass_may_leave_it_incomplete(caller: Caller, sandbox: Sandbox) -> None:
    """Then its next step is not to choose tables."""
    answers(sandbox, state="incomplete")

    answer = await caller.ok("run_setup_tests", connector_id="solid_anchor")

    assert answer["outcome"] == "passed"
    assert "setup_tests" not in answer
    assert "create_connect_card" in answer["next_step"]


async def test_what_is_not_trusted_is_told_by_its_hashes_only(caller: Caller) -> None:
    """Enough to compare and to approve; the certificate itself stays out."""
    answer = await caller.ok("run_setup_tests", connector_id="wary_lynx")

    (item,) = answer["untrusted"]
    assert set(item) == {"kind", "hash", "name", "type", "sha1", "sha256"}
    assert (item["kind"], item["name"]) == ("certificate", "CN=pg-vault.db.example")
    failed = next(test for test in answer["setup_tests"] if test["status"] == "FAILED")
    assert item["hash"] in failed["details"]
    assert '"encoded_cert": "[redacted]"' in failed["details"]
    assert "approve_trust with kind=certificate" in failed["advice"]
    assert "trusted" not in answer
    assert "MIID" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("call", "kind"), [(TLS, "certificate"), (TUNNEL, "fingerprint")], ids=["tls", "tunnel"]
)
async def test_a_switch_of_trust_first_shows_what_it_would_trust(
    caller: Caller, sandbox: Sandbox, call: dict[str, Any], kind: str
) -> None:
    """The tests are run without trusting; the hash is in the preview, the content is not."""
    error = await caller.error("run_setup_tests", **call)

    path = f"/v1/connections/{call['connector_id']}/test"
    assert changes(sandbox) == [("POST", path, PLAIN)]
    assert error["code"] == "confirmation_required"
    preview = error["preview"]
    known = await caller.ok("run_setup_tests", connector_id=call["connector_id"])
    assert f"revoked: {kind}" in preview["effect"]
    assert f"hash {known['untrusted'][0]['hash']}" in preview["effect"]
    assert "compare the hash" in preview["lost"]
    assert "revoke_trust" in preview["undo"]
    assert "size" not in preview
    assert "MIID" not in json.dumps(error)
    assert "ssh-ed25519" not in json.dumps(error)


@pytest.mark.parametrize("call", [TLS, TUNNEL], ids=["tls", "tunnel"])
async def test_confirmed_exactly_what_was_shown_is_approved_and_tested_again(
    caller: Caller, sandbox: Sandbox, call: dict[str, Any]
) -> None:
    """By hash and content; Fivetran's own switch, which trusts anything, stays off."""
    next_call = (await caller.error("run_setup_tests", **call))["next_call"]
    sandbox.requests.clear()

    answer = await caller.ok(next_call["tool"], **next_call["arguments"])

    (first, approval, second) = changes(sandbox)
    assert first[2] == second[2] == PLAIN
    assert approval[1].endswith(("/certificates", "/fingerprints"))
    assert answer["trusted"][0]["hash"] == approval[2]["hash"]
    assert (answer["outcome"], answer["setup_state"]) == ("passed", "connected")
    assert "untrusted" not in answer
    assert "note" not in answer


@pytest.mark.parametrize("given", [{}, {"hashes": []}, {"hashes": ["another"]}])
async def test_a_confirmation_that_does_not_name_what_is_presented_is_shown_it_first(
    caller: Caller, sandbox: Sandbox, given: dict[str, Any]
) -> None:
    """What a source presents may have changed since somebody looked; that is how one is deceived."""
    refused = await caller.error("run_setup_tests", **TLS, **given, confirm=True)

    assert refused["code"] == "confirmation_required"
    (hash_,) = refused["next_call"]["arguments"]["hashes"]
    assert hash_ in refused["preview"]["effect"]
    assert [body for _, _, body in changes(sandbox)] == [PLAIN]


async def test_what_appears_only_then_is_not_trusted_unseen(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Behind the tunnel stands a certificate: it is told, and left to the next call."""
    sandbox.connections["wary_lynx"]["config"]["tunnel_host"] = "bastion.example"

    refused = await caller.error("run_setup_tests", **TLS, trust_fingerprints=True)
    answer = await caller.ok("run_setup_tests", **refused["next_call"]["arguments"])

    assert [item["kind"] for item in answer["trusted"]] == ["fingerprint"]
    assert [item["kind"] for item in answer["untrusted"]] == ["certificate"]
    assert answer["outcome"] == "failed"


async def test_the_switch_of_one_kind_does_not_trust_the_other(
    caller: Caller, sandbox: Sandbox
) -> None:
    """A host key is presented, certificates were asked about: nothing to confirm."""
    answer = await caller.ok("run_setup_tests", connector_id="deep_mole", trust_certificates=True)

    assert changes(sandbox) == [("POST", "/v1/connections/deep_mole/test", PLAIN)]
    assert answer["outcome"] == "failed"
    assert "nothing was trusted" in answer["note"]
    assert [item["kind"] for item in answer["untrusted"]] == ["fingerprint"]


async def test_without_anything_to_trust_there_is_nothing_to_confirm(
    caller: Caller, sandbox: Sandbox
) -> None:
    """The tests are run once, no switch is sent."""
    answer = await caller.ok(
        "run_setup_tests",
        connector_id="solid_anchor",
        trust_certificates=True,
        trust_fingerprints=True,
    )

    assert changes(sandbox) == [("POST", "/v1/connections/solid_anchor/test", PLAIN)]
    assert answer["outcome"] == "passed"
    assert "nothing was trusted" in answer["note"]


@pytest.mark.parametrize(
    ("details", "seen"),
    [
        ("The certificate is not trusted", "not told which"),
        ([{"name": "CN=db", "hash": "abc="}], "certificate CN=db, hash abc="),
    ],
    ids=["words", "no content"],
)
async def test_what_cannot_be_approved_by_its_content_is_left_to_fivetrans_switch(
    caller: Caller, sandbox: Sandbox, details: Any, seen: str
) -> None:
    """And the preview says that this trusts whatever is presented at that moment."""
    answers(sandbox, failing("TLS verification failed", details), times=2)
    call = {"connector_id": "solid_anchor", "trust_certificates": True, "trust_fingerprints": True}

    refused = await caller.error("run_setup_tests", **call)
    effect = refused["preview"]["effect"]
    assert (
        f"whatever certificate the source presents at that moment ({'just now ' if 'hash' in seen else ''}{seen})"
        in effect
    )
    assert "fingerprint" not in effect
    sandbox.requests.clear()
    answer = await caller.ok("run_setup_tests", **refused["next_call"]["arguments"])

    assert [body for _, _, body in changes(sandbox)] == [
        PLAIN,
        {**PLAIN, "trust_certificates": True},
    ]
    assert "list_trusted" in answer["note"]
    assert "trusted" not in answer


async def test_no_more_is_trusted_at_once_than_is_shown(caller: Caller, sandbox: Sandbox) -> None:
    """A chain of twelve: ten are shown and approved, the rest waits for another call."""
    chain = [{"hash": f"h{n}", "encoded_cert": "Yw=="} for n in range(12)]
    answers(sandbox, failing("TLS", chain), times=3)
    call = {"connector_id": "solid_anchor", "trust_certificates": True}

    refused = await caller.error("run_setup_tests", **call)
    preview = refused["preview"]
    sandbox.requests.clear()
    answer = await caller.ok("run_setup_tests", **refused["next_call"]["arguments"])

    assert preview["size"] == "10 of 12 presented"
    assert "hash h9" in preview["effect"]
    assert "hash h10" not in preview["effect"]
    approved = [body["hash"] for _, path, body in changes(sandbox) if path.endswith("certificates")]
    assert approved == [f"h{n}" for n in range(10)]
    assert len(answer["untrusted"]) == 10
    assert answer["more_untrusted"] == 2


async def test_a_long_confirmation_still_names_what_it_is_for(
    caller: Caller, sandbox: Sandbox
) -> None:
    """Where the call is not written out, the hashes are: without them none could ever confirm."""
    chain = [{"hash": f"h{n}" + "x" * 190, "encoded_cert": "Yw=="} for n in range(10)]
    answers(sandbox, failing("TLS", chain), times=3)
    call = {"connector_id": "solid_anchor", "trust_certificates": True}

    told = (await caller.error("run_setup_tests", **call))["next_call"]["arguments"]
    hashes, _, rest = told.partition("hashes=")[2].partition(", confirm")
    answer = await caller.ok("run_setup_tests", **call, hashes=json.loads(hashes), confirm=True)

    assert rest == "=true"
    assert len(answer["trusted"]) == 10


async def test_in_write_mode_tests_run_and_nothing_can_be_trusted(
    connect: Connect, sandbox: Sandbox
) -> None:
    """Trust is a matter of mode `full`."""
    async with connect("write") as caller:
        assert await caller.ok("run_setup_tests", connector_id="wary_lynx")
        error = await caller.error("run_setup_tests", **TLS, confirm=True)

    assert error["code"] == "mode_forbids"
    assert all(path.endswith("/test") for _, path, _ in changes(sandbox))


async def test_texts_of_the_source_are_cleaned_and_cut(caller: Caller, sandbox: Sandbox) -> None:
    """Neither the name of a certificate nor a message brings orders in disguise."""
    hostile = "CN=a\u202eb\x1b[31m\n" + "x" * 5_000
    item = {"name": hostile, "hash": "abc=", "sha256": hostile, "encoded_cert": "Yw=="}
    answers(sandbox, failing(hostile, [item]), times=2)

    answer = await caller.ok("run_setup_tests", connector_id="solid_anchor")
    error = await caller.error(
        "run_setup_tests", connector_id="solid_anchor", trust_certificates=True
    )

    for text in (json.dumps(answer, ensure_ascii=False), error["preview"]["effect"]):
        assert "\u202e" not in text
        assert "\\u001b" not in text
        assert len(text) < 2_500
    assert answer["untrusted"][0]["name"].startswith("CN=ab xxx")


@pytest.mark.parametrize(
    ("test", "advice"),
    [
        (failing("The fingerprint is unknown"), "trust_fingerprints=true"),
        (failing("x509: certificate signed by unknown authority"), "trust_certificates=true"),
        (failing("Access denied for user"), "create_connect_card"),
        (failing("Authorization is required"), "A person authorizes it"),
        (failing("The user lacks a privilege"), "the rights that the message names"),
        (failing("nothing", title="Connecting to SSH tunnel"), "tunnel_host"),
        (failing("Connection timed out"), "firewall"),
        (failing("Missing: host"), "Supply the fields"),
        (failing("Password is wrong", title="Connecting to SSH tunnel"), "Correct user"),
        (failing("Something new"), "See message and details"),
        ({"title": "T", "status": "FAILED"}, "See message and details"),
        ({"status": "JOB_FAILED", "message": "password"}, "wait a minute"),
        (failing("?", {"hash": "a", "public_key": "k"}), "approve_trust with kind=fingerprint"),
    ],
)
def test_each_known_failure_has_its_advice(test: dict[str, Any], advice: str) -> None:
    """The message counts before the title; what is not known has a general one."""
    given = advice_on(SetupTest(**test))
    assert given is not None
    assert advice in given
    assert given.endswith("run_setup_tests again.") or "in between" in given


@pytest.mark.parametrize("status", ["PASSED", "SKIPPED", "WARNING"])
def test_what_did_not_fail_needs_no_advice(status: str) -> None:
    """A warning stops nothing."""
    test = SetupTest(title="T", status=status, message="password", details={"hash": "h"})
    assert advice_on(test) is None
    assert presented([test]) == []


@pytest.mark.parametrize(
    ("message", "details", "found"),
    [
        ("", {"hash": "h", "public_key": "k"}, [("fingerprint", "h", "k")]),
        ("", {"hash": "h", "encoded_cert": "c", "public_key": "k"}, [("certificate", "h", "c")]),
        ("", {"hash": "h", "sha1": "s"}, [("certificate", "h", None)]),
        ("TLS failed", {"hash": "h"}, [("certificate", "h", None)]),
        ("Unknown host key", {"hash": "h"}, [("fingerprint", "h", None)]),
        ("", {"hash": "h"}, [("fingerprint", "h", None)]),
        ("", {"hash": "h", "public_key": 1}, [("fingerprint", "h", None)]),
        ("", {"certificates": [{"hash": "h", "encoded_cert": "c"}]}, [("certificate", "h", "c")]),
        (
            "",
            [{"hash": "h", "name": "a"}, {"hash": "h", "name": "b"}],
            [("certificate", "h", None)],
        ),
        ("", {"hash": "h\u200b"}, []),
        ("", {"hash": "h" * 201}, []),
        ("", {"hash": {"hash": ["x"]}}, []),
        ("", [[[[[[{"hash": "too deep"}]]]]]], []),
        ("", "hash", []),
        ("", None, []),
    ],
)
def test_what_is_presented_is_found_in_any_details(
    message: str, details: Any, found: list[tuple[str, str, str | None]]
) -> None:
    """An object or a list, at any depth within reason; a hash that is none is not one."""
    items = presented([SetupTest(**failing(message, details))])
    assert [(item.shown.kind, item.shown.hash, item.content) for item in items] == found


async def test_a_test_whose_answer_is_lost_has_an_unknown_outcome(
    caller: Caller, sandbox: Sandbox
) -> None:
    """It is not sent again: each costs the budget of live tests."""
    sandbox.fail(Fault(method="POST", path=TESTS, status=500))

    error = await caller.error("run_setup_tests", connector_id="solid_anchor")

    assert error["code"] == "outcome_unknown"
    assert len(sandbox.requests) == 1
