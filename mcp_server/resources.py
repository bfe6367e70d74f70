"""What a host can read without a tool: the runbook, and some answers of tools by an address."""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resources.templates import ResourceSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from mcp_server.gate import Gate
from mcp_server.toolkit import Spec
from mcp_server.tools.codes import KNOWN, explained
from mcp_server.untrusted import clean

if TYPE_CHECKING:
    from mcp_types import CallToolResult, TextContent

RUNBOOK: Final = "fivetran://runbook"
ACCOUNT: Final = "fivetran://account"
CONNECTOR: Final = "fivetran://connectors/{connector_id}"
SCHEMAS: Final = f"{CONNECTOR}/schema"
ONE_SCHEMA: Final = f"{SCHEMAS}/{{schema}}"
CONNECTOR_TYPE: Final = "fivetran://connector-types/{service}"
LONGEST_CODE: Final = 80

ADDRESSES: Final = {
    CONNECTOR: frozenset({"connector_id"}),
    SCHEMAS: frozenset({"connector_id"}),
    ONE_SCHEMA: frozenset({"connector_id", "schema"}),
    CONNECTOR_TYPE: frozenset({"service"}),
    f"{RUNBOOK}/{{code}}": frozenset({"code"}),
}
"""What has to be filled in, by address."""

READING: Final[ContextVar[Context[Any, Any]]] = ContextVar("reading")
"""The request that is read for: the SDK passes it to templates only."""

_WRONG: Final = frozenset({"invalid_arguments", "not_found", "schema_not_ready"})
"""What is wrong with the address, and not with the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A resource that shows the answer of a tool."""

    uri: str
    tool: str
    name: str
    title: str
    description: str


VIEWS: Final = (
    View(
        uri=ACCOUNT,
        tool="get_server_status",
        name="account",
        title="Account and server",
        description="Whose key this is, the server's mode and toolsets, what is left of the rate limits.",
    ),
    View(
        uri=CONNECTOR,
        tool="get_connector",
        name="connector",
        title="Connector",
        description="State, schedule, tasks, warnings, configuration without secrets.",
    ),
    View(
        uri=SCHEMAS,
        tool="get_schema_config",
        name="connector_schema",
        title="What a connector syncs",
        description="Its schemas and the first of its tables; get_schema_config goes on.",
    ),
    View(
        uri=ONE_SCHEMA,
        tool="get_schema_config",
        name="connector_schema_tables",
        title="What a connector syncs of a schema",
        description="The first of the schema's tables; get_schema_config goes on.",
    ),
    View(
        uri=CONNECTOR_TYPE,
        tool="describe_connector_type",
        name="connector_type",
        title="Connector type",
        description="What the configuration of a connector of this type needs.",
    ),
)


def add_resources(server: MCPServer[Any], gate: Gate, specs: Sequence[Spec]) -> None:
    """Offer the runbook, and those answers whose tools the server offers."""
    _add_runbook(server)
    offered = {spec.name for spec in specs if gate.offers(spec)}
    for view in VIEWS:
        if view.tool in offered:
            _add_view(server, view)


def _add_view(server: MCPServer[Any], view: View) -> None:
    """Answer with what the tool says: through the gate, like every call of it."""

    async def account() -> str:
        return await _read(server, view, READING.get())

    async def connector(connector_id: str, ctx: Context[Any, Any]) -> str:
        return await _read(server, view, ctx, connector_id=connector_id)

    async def schema_of(connector_id: str, schema: str, ctx: Context[Any, Any]) -> str:
        return await _read(server, view, ctx, connector_id=connector_id, schema=schema)

    async def connector_type(service: str, ctx: Context[Any, Any]) -> str:
        return await _read(server, view, ctx, service=service)

    # The SDK takes an address apart by the names of a function's parameters.
    functions: dict[str, Callable[..., Awaitable[str]]] = {
        ACCOUNT: account,
        ONE_SCHEMA: schema_of,
        CONNECTOR_TYPE: connector_type,
    }
    server.resource(
        view.uri,
        name=view.name,
        title=view.title,
        description=view.description,
        mime_type="application/json",
        # A schema may be called anything, and its name is no path here.
        security=ResourceSecurity(exempt_params={"schema"}),
    )(functions.get(view.uri, connector))


async def _read(server: MCPServer[Any], view: View, ctx: Context[Any, Any], **given: str) -> str:
    """Call the tool; its text.

    Raises:
        MCPError: The tool failed; the message is that of its error, with what to do.
    """
    # These tools only read, so they ask nobody; and the gate answers with one text.
    result = cast("CallToolResult", await server.call_tool(view.tool, given, ctx))
    text = cast("TextContent", result.content[0]).text
    if not result.is_error:
        return text
    error = json.loads(text)["error"]
    raise MCPError(
        INVALID_PARAMS if error["code"] in _WRONG else INTERNAL_ERROR,
        f"{error['message']} {error['hint']}",
        data={"error": error},
    )


def _add_runbook(server: MCPServer[Any]) -> None:
    """Offer all known codes, and each by its own address."""

    @server.resource(
        RUNBOOK,
        name="runbook",
        title="Runbook",
        description="Every known code of trouble: what it means, and the tool to call.",
        mime_type="text/markdown",
    )
    async def runbook() -> str:
        return "# Runbook\n\n" + "\n".join(_entry(code) for code in sorted(KNOWN))

    @server.resource(
        f"{RUNBOOK}/{{code}}",
        name="runbook_entry",
        title="Runbook entry",
        description="What a code of a task, warning or cause means, and the tool to call.",
        mime_type="text/markdown",
    )
    async def runbook_entry(code: str) -> str:
        return _entry(clean(code, LONGEST_CODE))


def _entry(code: str) -> str:
    """Write an entry; Fivetran has more codes than anyone has listed, and these get a general one."""
    known = explained(code, warning=code.endswith("_warning"))
    return f"## {code}\n\n{known.meaning}\n\nNext: {known.next}\n"
