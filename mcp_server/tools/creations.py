"""What to say when creating a connector conflicts, or when its answer was lost."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_server.fivetran import Fivetran
from mcp_server.fivetran.errors import ConflictError, FivetranError, NotFoundError
from mcp_server.toolkit import ToolFailure
from mcp_server.untrusted import clean, scrub


def clash(error: ConflictError) -> ToolFailure:
    """Say what a conflict is when nothing is there yet that could be syncing."""
    words = clean(scrub(error.api_message), 300) if error.api_message else None
    return ToolFailure(
        "conflict",
        "create_connector made nothing: it conflicts with what is there, most likely a connector of"
        " the same name in this group",
        hint="Find that one with list_connectors (group_id, schema) and change it with"
        " update_connector, or give this one another name in config.",
        details={"fivetran": {"status": error.status, "message": words}} if words else None,
    )


async def look_for(
    fivetran: Fivetran, group_id: str, service: str, names: Sequence[str]
) -> ToolFailure:
    """Find out whether a connector was made although its answer was lost."""
    try:
        found = await _find(fivetran, group_id, service, names)
    except FivetranError:
        seen = "and looking for it failed too"
        hint = "Look for it with list_connectors (group_id, schema) before creating it again."
    else:
        if not names:
            seen = "what it would be named is not known, so it was not looked for"
            hint = "Look for it with list_connectors (group_id, service) before creating it again."
        elif found:
            seen = f"a connector of that name is there: {found}"
            hint = "Call get_connector for it: it may be the new one. Do not create it again."
        else:
            seen = "no connector of that name is there so far"
            hint = "Look once more with list_connectors in a minute before creating it again."
    return ToolFailure(
        "outcome_unknown", f"create_connector was sent, but its answer was lost; {seen}", hint=hint
    )


async def check_place(fivetran: Fivetran, group_id: str, names: Sequence[str]) -> None:
    """Find out whether a connector could be made in a group; what cannot be read is left open.

    Raises:
        NotFoundError: There is no such group.
        ToolFailure: The name is taken.
    """
    try:
        await fivetran.groups.get(group_id)
        taken = await _find(fivetran, group_id, None, names[:1])
    except NotFoundError:
        raise
    except FivetranError:
        return
    if taken:
        raise ToolFailure(
            "conflict",
            f"Nothing was sent: a connector of that name is in this group already: {taken}",
            hint="Change that one with update_connector, or give this one another name in config.",
        )


async def _find(
    fivetran: Fivetran, group_id: str, service: str | None, names: Sequence[str]
) -> str | None:
    """Find a connector by the first of its possible names that is there."""
    for name in names:
        page = await fivetran.connections.page(group_id=group_id, name=name)
        for connection in page.items:
            if None in {service, connection.service} or connection.service == service:
                return connection.id
    return None


def possible_names(config: Mapping[str, Any]) -> list[str]:
    """Say how Fivetran may name it: the prefix, the schema, or schema.table."""
    schema = config.get("schema")
    table = config.get("table") or config.get("table_group_name")
    names = (config.get("schema_prefix"), f"{schema}.{table}" if table else None, schema)
    return [name for name in names if isinstance(name, str) and name]
