"""What a host can read without a tool: the runbook of what goes wrong with connectors."""

from typing import Any, Final

from mcp.server.mcpserver import MCPServer

from mcp_server.tools.codes import KNOWN, explained
from mcp_server.untrusted import clean

RUNBOOK: Final = "fivetran://runbook"
LONGEST_CODE: Final = 80


def add_resources(server: MCPServer[Any]) -> None:
    """Offer the runbook: all known codes, and each by its own address."""

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
