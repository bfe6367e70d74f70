"""Ask the server in this container whether it is alive; exit code 1 if not.

Needs Python alone: it runs every half a minute, and the server's own modules cost more than the answer.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

PATH = "/healthz"
SECONDS = 3


def healthy(address: str) -> bool:
    """Ask; a server without an address serves stdio, and is alive as long as its process."""
    if not address:
        return True
    connection = HTTPConnection(address, timeout=SECONDS)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status == 200  # noqa: PLR2004 -- the only good answer
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if healthy(os.environ.get("FIVETRAN_MCP_HTTP", "")) else 1)  # noqa: TID251 -- stands outside the server
