"""What a host starts in the unpacked bundle."""

from mcp_server.cli import main

main()
