"""What to do about a setup test that failed: one table, by the words of its message."""

import re
from collections.abc import Sequence
from typing import Final

from mcp_server.fivetran.models import SetupTest
from mcp_server.tools.presented import presented
from mcp_server.tools.results import SetupTestOutcome, failed_tests, setup_outcomes

_AGAIN: Final = "then run_setup_tests again."
_APPROVE: Final = (
    "A person compares the hash in details with the source's own; if it is right, approve_trust"
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


class AdvisedTest(SetupTestOutcome):
    """One setup test, and what to do if it failed."""

    advice: str | None = None


def advised(tests: Sequence[SetupTest]) -> list[AdvisedTest] | None:
    """Show setup tests, the failed ones with what to do about them."""
    outcomes = zip(setup_outcomes(tests) or (), tests, strict=True)
    return [AdvisedTest(**o.model_dump(), advice=advice_on(t)) for o, t in outcomes] or None
