"""The tools a model sees, one module per noun, declared with `mcp_server.toolkit`."""

from mcp_server.tools import (
    connectors,
    groups,
    resyncs,
    schema_changes,
    schemas,
    setup,
    syncs,
)

TOOLSETS = (
    connectors.toolset,
    groups.toolset,
    schemas.toolset,
    setup.toolset,
    syncs.toolset,
)
"""All toolsets. `schema_changes` adds to that of `schemas`, `resyncs` to that of `syncs`."""

__all__ = ["TOOLSETS", "resyncs", "schema_changes"]
