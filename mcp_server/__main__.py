"""`python -m mcp_server`."""

from mcp_server.cli import main

if __name__ == "__main__":
    main()
