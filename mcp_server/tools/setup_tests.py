"""The tool that runs setup tests, and what to do about those that fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran.models import ConnectionDetails, SetupTest
from mcp_server.fivetran.trust import Kind
from mcp_server.toolkit import Confirm, ConnectorId, Effect, Fivetran, Maybe, Plan, Preview
from mcp_server.tools.advice import AdvisedTest, advised
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
    failed_tests,
    identity,
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
        setup_tests=advised(tests),
        untrusted=untrusted[:MOST_SHOWN] or None,
        more_untrusted=max(len(untrusted) - MOST_SHOWN, 0) or None,
        trusted=list(trusted) or None,
        note=note,
        next_step=next_step,
    )
