"""The tool that tells which syncs ran, and how they ended."""
