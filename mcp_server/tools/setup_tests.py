"""The tool that runs setup tests, and what to do about those that fail."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran.models import ConnectionDetails, SetupTest
from mcp_server.fivetran.trust import Kind
from mcp_server.toolkit import Confirm, ConnectorId, Effect, Fivetran, Maybe, Plan, Preview
from mcp_server.tools.presented import (
    MOST_SHOWN,
    Presented,
    Unapproved,
    in_words,
    presented,
    sign_of,
)
from mcp_server.tools.results import (
    Identity,
    SetupTestOutcome,
    failed_tests,
    identity,
    setup_outcomes,
)
from mcp_server.tools.setup import CHOOSE, NEXT_STEPS, toolset
from mcp_server.tools.targets import target_of
from mcp_server.tools.trust import RISK

TrustCertificates = Annotated[
    bool, Field(description="Approve the certificates that it presents; previewed first.")
]
TrustFingerprints = Annotated[bool, Field(description="Likewise the host keys of SSH tunnels.")]

Hashes = Annotated[
    list[str], Field(description="From the preview: the confirmation is for these and no others.")
]

_AGAIN: Final = "then run_setup_tests again."
_APPROVE: Final = (
    "A person compares the hash in `untrusted` with the source's own; if it is right, approve_trust"
    " with kind={kind}, {again} A hash that nobody expected may be somebody in between."
)
_ADVICE: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(words, re.IGNORECASE), f"{advice} {_AGAIN}")
    for words, advice in (
        (
            r"fingerprint|host key",
            (
                "The SSH host is not trusted: a person checks its key, and approves it in the dashboard or"
                " with trust_fingerprints=true,"
            ),
        ),
        (
            r"certificate|\b(tls|ssl)\b",
            (
                "Check the source's TLS settings, and whether its certificate has to be trusted"
                " (trust_certificates=true shows it first),"
            ),
        ),
        (
            r"password|access denied|credential|log ?in failed|unauthori[sz]ed|\b401\b|invalid (key|token)",
            (
                "Correct user and password with update_connector, or let a person enter them:"
                " create_connect_card,"
            ),
        ),
        (
            r"authoriz|authoris|oauth|token|consent",
            "A person authorizes it on a Connect Card: create_connect_card,",
        ),
        (
            r"permission|privilege|not allowed|forbidden|\b403\b|grant",
            "Whoever runs the source gives Fivetran's user the rights that the message names,",
        ),
        (
            r"tunnel|\bssh\b",
            (
                "Correct tunnel_host, tunnel_port and tunnel_user with update_connector; the SSH host must"
                " have Fivetran's public key and let Fivetran's addresses in,"
            ),
        ),
        (
            r"time[d ]* ?out|refused|unreachable|unknown host|resolve|no route|network|firewall",
            (
                "Check host and port (update_connector), and whether the source's firewall lets"
                " Fivetran's addresses in,"
            ),
        ),
        (
            r"missing|is required|must not be empty",
            "Supply the fields that the message names with update_connector,",
        ),
    )
)
"""What is known to fail, by words of a test's message or else its title; the first that fits."""
_BROKE_OFF: Final = "Fivetran could not carry the test out: wait a minute, " + _AGAIN
_UNKNOWN: Final = (
    "See message and details: correct the configuration with update_connector, or what the source"
    " lacks there, " + _AGAIN
)


def advice_on(test: SetupTest) -> str | None:
    """Say what to do about a test that failed; None for one that did not."""
    if not failed_tests([test]):
        return None
    shown = presented([test])
    if shown:
        return _APPROVE.format(kind=shown[0].shown.kind, again=_AGAIN)
    if test.status == "JOB_FAILED":
        return _BROKE_OFF
    for text in (test.message, test.title):
        for words, advice in _ADVICE:
            if words.search((text or "")[:2000]):
                return advice
    return _UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupTestPlan(Plan):
    """Setup tests to run, and what to trust before."""

    tested: ConnectionDetails | None
    """The tests as they ended without trusting anything; None if nothing is to be trusted."""
    items: Sequence[Presented]
    """To be approved one by one: exactly what the preview shows."""
    blind: frozenset[Kind]
    """What only Fivetran's own switch can trust, for the details do not have what it takes."""


async def plan_setup_tests(
    connector_id: str,
    trust_certificates: TrustCertificates,
    trust_fingerprints: TrustFingerprints,
    fivetran: Fivetran,
) -> SetupTestPlan:
    """See what would have to be trusted, by running the tests once without trusting it.

    A call that is confirmed looks again: it has to name the hashes that the preview showed, and
    what is approved, by hash and content, is what it saw itself.
    """
    asked = _asked(certificate=trust_certificates, fingerprint=trust_fingerprints)
    if not asked:
        return SetupTestPlan(preview=None, tested=None, items=(), blind=frozenset())
    tested = await fivetran.connections.test(connector_id)
    found = [item for item in presented(tested.setup_tests) if item.shown.kind in asked]
    items = [item for item in found if item.content][:MOST_SHOWN]
    blind = asked & _blind(tested.setup_tests, found)
    if not items and not blind:
        return SetupTestPlan(preview=None, tested=tested, items=(), blind=blind)
    named = [in_words(item.shown, item.shown.kind) for item in items]
    seen = [i for i in found if i.shown.kind in blind and not i.content][:MOST_SHOWN]
    hashes = sorted(item.shown.hash for item in (*items, *seen))
    return SetupTestPlan(
        tested=tested,
        items=items,
        blind=blind,
        pinned={"hashes": hashes} if hashes else {},
        preview=Preview(
            target=await target_of(fivetran, tested),
            effect="The setup tests were run without trusting anything. Confirmed, this connector"
            f" would trust, until it is revoked: {'; '.join([*named, *_unseen(blind, found)])}."
            " Then the tests run once more.",
            lost=RISK,
            size=f"{len(items)} of {len(found)} presented" if len(items) < len(found) else None,
            undo="revoke_trust with the hash, for each.",
        ),
    )


def _asked(*, certificate: bool, fingerprint: bool) -> frozenset[Kind]:
    kinds: dict[Kind, bool] = {"certificate": certificate, "fingerprint": fingerprint}
    return frozenset(kind for kind, wanted in kinds.items() if wanted)


def _blind(tests: Sequence[SetupTest], found: Sequence[Presented]) -> frozenset[Kind]:
    """Tell which kinds fail for want of trust without being told in full."""
    complete = {item.shown.kind for item in found if item.content}
    partial = {item.shown.kind for item in found if not item.content}
    signs = {sign_of(test) for test in tests if failed_tests([test])}
    kinds: tuple[Kind, ...] = ("certificate", "fingerprint")
    return frozenset(k for k in kinds if k in partial or (k in signs and k not in complete))


def _unseen(blind: frozenset[Kind], found: Sequence[Presented]) -> list[str]:
    """Say what cannot be approved by its content: a switch trusts whatever is presented then."""
    texts = []
    for kind in sorted(blind):
        known = [in_words(i.shown, kind) for i in found if i.shown.kind == kind and not i.content]
        seen = f"just now {'; '.join(known[:MOST_SHOWN])}" if known else "not told which"
        texts.append(f"whatever {kind} the source presents at that moment ({seen})")
    return texts


class AdvisedTest(SetupTestOutcome):
    """One setup test, and what to do if it failed."""

    advice: str | None = None


class SetupTestRun(Identity):
    """How the setup tests of a connector ended."""

    outcome: Literal["passed", "failed"]
    setup_state: str | None = None
    setup_tests: list[AdvisedTest] | None = None
    untrusted: list[Unapproved] | None = Field(
        default=None, description="What the source presents and nobody approved."
    )
    more_untrusted: int | None = None
    trusted: list[Unapproved] | None = Field(default=None, description="Approved by this call.")
    note: str | None = None
    next_step: str


@toolset.tool(title="Run setup tests", effect=Effect.WRITE, idempotent=True)
async def run_setup_tests(
    connector_id: ConnectorId,
    trust_certificates: TrustCertificates = False,
    trust_fingerprints: TrustFingerprints = False,
    hashes: Maybe[Hashes] = None,
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[SetupTestPlan, Resolve(plan_setup_tests)],
) -> SetupTestRun:
    """Test a connector live against its source, and say what to do about each failure.

    Updates its setup_state and discovers its schema; can take a minute. To trust only a hash that a
    person has compared: `approve_trust`.
    """
    note = None
    if plan.tested is None:
        tested = await fivetran.connections.test(connector_id)
    elif plan.preview is None:
        tested = plan.tested
        note = "Nothing that these switches could trust was presented, so nothing was trusted."
    else:
        for item in plan.items:
            await fivetran.trust.approve(
                connector_id, item.shown.kind, hash_=item.shown.hash, content=item.content or ""
            )
        tested = await fivetran.connections.test(
            connector_id,
            trust_certificates="certificate" in plan.blind,
            trust_fingerprints="fingerprint" in plan.blind,
        )
        if plan.blind:
            kinds = " and ".join(sorted(plan.blind))
            note = f"Fivetran trusted whatever {kinds} was presented: see list_trusted."
    return _run(tested, [item.shown for item in plan.items], note)


def _run(
    tested: ConnectionDetails, trusted: Sequence[Unapproved], note: str | None
) -> SetupTestRun:
    tests, failed = tested.setup_tests, failed_tests(tested.setup_tests)
    untrusted = [item.shown for item in presented(tests)]
    outcomes = zip(setup_outcomes(tests) or (), tests, strict=True)
    if failed:
        next_step = "Follow the advice of the first test that failed."
    elif tested.status.setup_state != "connected":
        next_step = NEXT_STEPS["setup_incomplete"]
    else:
        next_step = CHOOSE
    return SetupTestRun(
        **identity(tested),
        outcome="failed" if failed else "passed",
        setup_state=tested.status.setup_state,
        setup_tests=[AdvisedTest(**o.model_dump(), advice=advice_on(t)) for o, t in outcomes]
        or None,
        untrusted=untrusted[:MOST_SHOWN] or None,
        more_untrusted=max(len(untrusted) - MOST_SHOWN, 0) or None,
        trusted=list(trusted) or None,
        note=note,
        next_step=next_step,
    )
