"""The tools a model sees, one module per noun, declared with `mcp_server.toolkit`.

Each toolset has a module of its name (`types`: `connector_types`); the others add to one.
"""

from mcp_server.tools import (
    advanced,
    audit,
    bulk,
    column_drops,
    connect_cards,
    connector_types,
    connectors,
    fleet,
    groups,
    history,
    moves,
    problems,
    resyncs,
    schema_changes,
    schema_diff,
    schemas,
    server_status,
    setup,
    setup_tests,
    state_changes,
    syncs,
    table_search,
    trust,
    waiting,
)

TOOLSETS = (
    connectors.toolset,
    fleet.toolset,
    groups.toolset,
    schemas.toolset,
    setup.toolset,
    syncs.toolset,
    connector_types.toolset,
    advanced.toolset,
)
"""All toolsets."""

__all__ = [
    "TOOLSETS",
    "audit",
    "bulk",
    "column_drops",
    "connect_cards",
    "history",
    "moves",
    "problems",
    "resyncs",
    "schema_changes",
    "schema_diff",
    "server_status",
    "setup_tests",
    "state_changes",
    "table_search",
    "trust",
    "waiting",
]
