"""Configurations of MCP clients: rendered, and merged into the clients' own files."""
