"""What happens to `config` and `auth` before they are sent: checked, filled in, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import FivetranError, NotFoundError
from mcp_server.fivetran.models import ConnectorTypeDetails
from mcp_server.toolkit import Secrets, ToolFailure
from mcp_server.tools.config_check import check
from mcp_server.tools.connector_types import unknown_type
from mcp_server.tools.credentials import Filler, shown, texts
from mcp_server.tools.targets import listed

UNCHECKED: Final = (
    "config and auth were not checked before: Fivetran's description of this service could not be"
    " read, so Fivetran alone judges them."
)
NOT_BY_API: Final = "Fivetran does not let this service be set up by API: a person does it there."
NOT_AUTHORIZED_BY_API: Final = (
    "This service does not take its authorization by API, so auth may be refused or ignored; a person"
    " can authorize it through create_connect_card."
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration that may be sent."""

    config: dict[str, Any] | None
    auth: dict[str, Any] | None
    warnings: list[str]
    shown: dict[str, Any]
    """The same, for people: credentials redacted, references by name."""
    needs_person: bool
    """Whether a person authorizes this service in the browser."""


async def prepare(
    fivetran: Fivetran,
    secrets: Secrets,
    *,
    service: str | None,
    config: Mapping[str, Any] | None,
    auth: Mapping[str, Any] | None,
    creating: bool,
    whole: bool = True,
) -> Prepared:
    """Check against the metadata, look up what is named, and tell every problem at once.

    `whole` is false where something else supplies the rest, such as a Connect Card.

    Raises:
        ToolFailure: Something is wrong; nothing was sent.
    """
    details = await _description(fivetran, service, creating=creating)
    known = details or ConnectorTypeDetails(id=service or "unknown")
    checked = check(known, config=config, auth=auth, creating=creating, whole=whole)
    filler = Filler(secrets.vault)
    filled = {
        root: filler.fill(dict(value), root)
        for root, value in (("config", config), ("auth", auth))
        if value is not None
    }
    literals = frozenset(checked.literal_secrets)
    problems = [checked.told()] if details and checked.problems else []
    problems += filler.problems
    if literals and not secrets.literals:
        problems.append(
            f"{listed(sorted(literals))}: this server takes no credential that is written out; name"
            ' one with {"$env": "NAME"} or {"$file": "name"}, or use create_connect_card'
        )
    if problems:
        raise _refused(problems, service)
    given = {"config": config, "auth": auth}
    for root, value in given.items():
        for path, text in texts(value, root):
            if path in literals:
                secrets.vault.hide(text)
    return Prepared(
        config=filled.get("config"),
        auth=filled.get("auth"),
        warnings=_warnings(details, literals, auth=auth, creating=creating),
        shown={root: shown(v, root, literals) for root, v in given.items() if v is not None},
        needs_person=bool(details and details.auth.properties),
    )


def refuse_two_ways(networking_method: str | None, config: Mapping[str, Any] | None) -> None:
    """Refuse a configuration that reaches the source in another way than the setting beside it.

    Raises:
        ToolFailure: They contradict each other.
    """
    inside = (config or {}).get("connection_type")
    if networking_method and inside not in {None, networking_method}:
        raise ToolFailure(
            "invalid_arguments",
            "Nothing was sent: networking_method and config.connection_type say different things"
            " about how the source is reached",
            hint="Leave one of them out; networking_method is what Fivetran shows.",
        )


async def _description(
    fivetran: Fivetran, service: str | None, *, creating: bool
) -> ConnectorTypeDetails | None:
    """Read what Fivetran says of a service; None if that cannot be had."""
    if service is None:
        return None
    try:
        return await fivetran.connector_types.get(service)
    except NotFoundError:
        if creating and not await _is_listed(fivetran, service):
            raise await unknown_type(fivetran, service) from None
    except FivetranError:
        pass
    return None


async def _is_listed(fivetran: Fivetran, service: str) -> bool:
    """Whether there may be such a service; a list that cannot be read proves nothing."""
    try:
        return any(each.id == service for each in await fivetran.connector_types.all())
    except FivetranError:
        return True


def _refused(problems: list[str], service: str | None) -> ToolFailure:
    return ToolFailure(
        "invalid_arguments",
        f"Nothing was sent: {'; '.join(problems)}",
        hint="Correct all of these and call again."
        + (f" describe_connector_type(service={service!r}) lists the fields." if service else ""),
    )


def _warnings(
    details: ConnectorTypeDetails | None,
    literals: frozenset[str],
    *,
    auth: Mapping[str, Any] | None,
    creating: bool,
) -> list[str]:
    can = details.can if details and details.supported_features else None
    signs = (
        (details is None, UNCHECKED),
        (creating and can is not None and not can("API_CONFIGURABLE"), NOT_BY_API),
        (
            bool(auth) and can is not None and not can("AUTHORIZATION_VIA_API"),
            NOT_AUTHORIZED_BY_API,
        ),
        (
            bool(literals),
            (
                f"Written out, so the model and its host have seen it: {listed(sorted(literals))}."
                " A reference or create_connect_card keeps a credential from them."
            ),
        ),
    )
    return [text for applies, text in signs if applies]
