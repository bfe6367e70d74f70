"""Tools on trust: which certificates and SSH host keys of its source a connector accepts."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from mcp.server.mcpserver import Resolve
from pydantic import Field

from mcp_server.fivetran import Fivetran as Client
from mcp_server.fivetran.errors import NotFoundError
from mcp_server.fivetran.models import Trusted
from mcp_server.toolkit import (
    Confirm,
    ConnectorId,
    CursorText,
    Effect,
    Fivetran,
    Limit,
    Maybe,
    Plan,
    Preview,
    Result,
    Timestamp,
    ToolFailure,
)
from mcp_server.tools import setup
from mcp_server.tools.advanced import toolset
from mcp_server.tools.paging import walk
from mcp_server.tools.presented import (
    LONGEST_HASH,
    MOST_SHOWN,
    Unapproved,
    id_of,
    in_words,
    is_called,
    presented,
)
from mcp_server.tools.targets import target_of
from mcp_server.untrusted import clean, clean_name, scrub

TrustKind = Annotated[
    Literal["certificate", "fingerprint"],
    Field(description="Of TLS, or of an SSH tunnel's host key."),
]
HashText = Annotated[
    str,
    Field(
        pattern=rf"^[!-~]{{1,{LONGEST_HASH}}}$",
        description="Hash or id, from `list_trusted` or a failed setup test.",
    ),
]

RISK: Final = (
    "Nothing. But a wrong host could read the credentials and feed in data from then on: compare"
    " the hash with the source's own first."
)


class TrustedRow(Result):
    """An approved certificate or SSH host key."""

    id: str
    hash: str | None = None
    name: str | None = None
    type: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    approved_at: Timestamp | None = None
    approved_by: str | None = Field(default=None, description="A user's id.")


class TrustedList(Result):
    """A part of what a connector trusts."""

    trusted: list[TrustedRow]
    complete: bool = Field(description="False: there are more, behind next_cursor.")
    next_cursor: str | None = None


def _row(item: Trusted) -> TrustedRow:
    shown = {
        name: clean(text, LONGEST_HASH) if (text := getattr(item, name)) else None
        for name in ("hash", "type", "sha1", "sha256")
    }
    return TrustedRow(
        id=clean_name(item.id),
        name=clean(scrub(item.name), 120) if item.name else None,
        approved_at=item.validated_date,
        approved_by=clean(item.validated_by, 80) if item.validated_by else None,
        **shown,
    )


@toolset.tool(title="List trusted certificates or fingerprints", effect=Effect.READ)
async def list_trusted(
    connector_id: ConnectorId,
    kind: TrustKind,
    limit: Limit = 50,
    cursor: Maybe[CursorText] = None,
    *,
    fivetran: Fivetran,
) -> TrustedList:
    """List the certificates or SSH host keys of its source that a connector trusts.

    What it is shown and does not trust: `run_setup_tests`.
    """
    found = await walk(
        lambda position: fivetran.trust.page(connector_id, kind, cursor=position),
        filters={"trusted": [connector_id, kind]},
        cursor=cursor,
        limit=limit,
        keep=lambda _: True,
    )
    return TrustedList(
        trusted=[_row(item) for item in found.rows],
        complete=found.next_cursor is None,
        next_cursor=found.next_cursor,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPlan(Plan):
    """A certificate or host key to trust."""

    item: Unapproved
    content: str


async def plan_approval(
    connector_id: str,
    kind: TrustKind,
    hash: str,  # noqa: A002 -- the tool's own
    fivetran: Fivetran,
) -> ApprovalPlan:
    """Run the setup tests to see what the source presents, and find the one with this hash."""
    tested = await fivetran.connections.test(connector_id)
    items = [item for item in presented(tested.setup_tests) if item.shown.kind == kind]
    chosen = next((item for item in items if is_called(item.shown.hash, hash)), None)
    if chosen is None:
        raise await _not_presented(fivetran, connector_id, kind, hash, [i.shown for i in items])
    if chosen.content is None:
        raise ToolFailure(
            "not_found",
            f"The failed test has the hash of this {kind}, but not what an approval needs besides",
            hint=f"run_setup_tests with trust_{kind}s=true approves it through Fivetran's own"
            " switch; or a person approves it in Fivetran's dashboard.",
        )
    return ApprovalPlan(
        item=chosen.shown,
        content=chosen.content,
        preview=Preview(
            target=await target_of(fivetran, tested),
            effect="The setup tests were run to see it. Confirmed, this connector would trust, until"
            f" it is revoked: {in_words(chosen.shown, kind)}",
            lost=RISK,
            undo="revoke_trust with the same hash.",
        ),
    )


async def _not_presented(
    fivetran: Client, connector_id: str, kind: TrustKind, given: str, items: list[Unapproved]
) -> ToolFailure:
    """Say what is presented in place of it, or that it is trusted already."""
    known = await _find(fivetran, connector_id, kind, given)
    if known is not None:
        return ToolFailure(
            "conflict",
            f"Nothing to approve: this connector trusts it already: {in_words(known, kind)}",
            hint="run_setup_tests tells whether anything else keeps it from connecting.",
        )
    seen = "; ".join(in_words(item, kind) for item in items[:MOST_SHOWN])
    left = len(items) - MOST_SHOWN
    return ToolFailure(
        "not_found",
        f"The setup tests were run, and the source presents no {kind} of this hash that is not"
        f" trusted; it presents: {seen or 'none'}" + (f"; and {left} more" if left > 0 else ""),
        hint="Only what the source presents now can be approved. If it was to be another hash than"
        " this, find out why before trusting it; run_setup_tests shows each test.",
    )


class Approved(Result):
    """A certificate or host key that is trusted now."""

    connector_id: str
    approved: Unapproved
    next_step: str = "run_setup_tests: it tells whether the connector can connect now."


@setup.toolset.tool(
    title="Approve certificate or fingerprint", effect=Effect.DESTRUCTIVE, idempotent=True
)
async def approve_trust(
    connector_id: ConnectorId,
    kind: TrustKind,
    hash: HashText,  # noqa: A002 -- what the API calls it
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[ApprovalPlan, Resolve(plan_approval)],
) -> Approved:
    """Trust a certificate or SSH host key of the source, from a failed setup test.

    Runs the setup tests and approves only what is presented with this hash, which a person must
    have compared with the source's own.
    """
    await fivetran.trust.approve(connector_id, kind, hash_=plan.item.hash, content=plan.content)
    return Approved(connector_id=connector_id, approved=plan.item)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPlan(Plan):
    """A certificate or host key to trust no longer."""

    item: Trusted


async def plan_revocation(
    connector_id: str,
    kind: TrustKind,
    hash: str,  # noqa: A002 -- the tool's own
    fivetran: Fivetran,
) -> RevocationPlan:
    """Find what is trusted under this hash, and tell what follows."""
    connection = await fivetran.connections.get(connector_id)
    item = await _find(fivetran, connector_id, kind, hash)
    if item is None:
        raise ToolFailure(
            "not_found",
            f"Nothing to revoke: this connector trusts no {kind} of this hash",
            hint=f"list_trusted with kind={kind} has what it trusts.",
        )
    return RevocationPlan(
        item=item,
        preview=Preview(
            target=await target_of(fivetran, connection),
            effect=f"This connector would no longer trust: {in_words(item, kind)}. As long as its"
            " source presents that, its setup tests and syncs fail.",
            lost="The approval. Loaded data and settings stay.",
            undo="approve_trust with the same hash, once a setup test has failed for it.",
        ),
    )


async def _find(fivetran: Client, connector_id: str, kind: TrustKind, given: str) -> Trusted | None:
    """Find what is trusted by its hash, or by the id made of that."""
    for trusted_id in (id_of(given), given.rstrip("=")):
        try:
            return await fivetran.trust.get(connector_id, kind, trusted_id)
        except NotFoundError:
            continue
    return None


class Revoked(Result):
    """A certificate or host key that is trusted no longer."""

    connector_id: str
    revoked: TrustedRow
    next_step: str = (
        "Its setup tests and syncs fail while the source presents this; approve only another one that"
        " a person has compared. Other connectors may trust the same: list_trusted tells."
    )


@toolset.tool(title="Revoke certificate or fingerprint", effect=Effect.DESTRUCTIVE, idempotent=True)
async def revoke_trust(
    connector_id: ConnectorId,
    kind: TrustKind,
    hash: HashText,  # noqa: A002 -- what the API calls it
    confirm: Confirm = False,
    *,
    fivetran: Fivetran,
    plan: Annotated[RevocationPlan, Resolve(plan_revocation)],
) -> Revoked:
    """Trust a certificate or SSH host key of the source no longer.

    While the source presents it, syncs fail until `approve_trust`.
    """
    await fivetran.trust.revoke(connector_id, kind, plan.item.id)
    return Revoked(connector_id=connector_id, revoked=_row(plan.item))
