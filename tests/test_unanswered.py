"""Reports of interrupted calls, which wait for somebody to ask."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from mcp_server.toolkit import _unanswered
from mcp_server.unanswered import FORGOTTEN, MOST_KEPT, Unanswered

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def test_a_report_is_handed_out_once_and_only_to_who_asks_about_the_same() -> None:
    """The oldest first."""
    unanswered = Unanswered()
    for about, report in (("a", "first"), ("b", "other"), ("a", "second")):
        unanswered.keep(about, report, NOW)

    assert unanswered.take("c", NOW) is None
    assert unanswered.waiting("a", NOW) == 2
    assert [unanswered.take("a", NOW) for _ in range(3)] == ["first", "second", None]
    assert unanswered.waiting("b", NOW) == 1


def test_a_report_is_of_whoever_made_the_call() -> None:
    """Others learn nothing of it."""
    unanswered = Unanswered()
    unanswered.of("ann").keep("a", "ann's", NOW)

    assert unanswered.of("bob").take("a", NOW) is None
    assert unanswered.take("a", NOW) is None
    assert unanswered.of("ann").take("a", NOW) == "ann's"


async def test_over_http_each_caller_has_its_own() -> None:
    """Told by the client and the subject of the token; without tokens all are one."""
    kept = Unanswered()
    context: Any = SimpleNamespace(
        request_context=SimpleNamespace(lifespan_context=SimpleNamespace(unanswered=kept))
    )

    async def reports_of(subject: str | None) -> Unanswered:
        token = AccessToken(token="t", client_id="app", scopes=[], subject=subject)
        before = auth_context_var.set(AuthenticatedUser(token) if subject else None)
        try:
            return await _unanswered(context)
        finally:
            auth_context_var.reset(before)

    (await reports_of("ann")).keep("a", "ann's", NOW)
    (await reports_of(None)).keep("a", "anybody's", NOW)

    assert (await reports_of("bob")).take("a", NOW) is None
    assert (await reports_of("ann")).take("a", NOW) == "ann's"
    assert (await reports_of(None)).take("a", NOW) == "anybody's"


def test_reports_are_forgotten_after_an_hour() -> None:
    """By then the account tells more than they do."""
    unanswered = Unanswered()
    unanswered.keep("a", "old", NOW)
    unanswered.keep("a", "new", NOW + timedelta(minutes=30))

    assert unanswered.waiting("a", NOW + FORGOTTEN) == 2
    assert unanswered.take("a", NOW + FORGOTTEN + timedelta(seconds=1)) == "new"


def test_only_so_many_are_kept() -> None:
    """The oldest make room."""
    unanswered = Unanswered()
    for number in range(MOST_KEPT + 3):
        unanswered.keep("a", number, NOW)

    assert unanswered.waiting("a", NOW) == MOST_KEPT
    assert unanswered.take("a", NOW) == 3
