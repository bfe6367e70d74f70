"""A Model Context Protocol server for Fivetran's connectors."""

__version__ = "0.1.0"
