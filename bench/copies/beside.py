"""`python beside.py LINE_PORT SERVER_PORT ARGUMENT…`: the `darkroom` command, in a process that is beside a server.

A store has one address, which its own region signs URLs for, and by which others reach it through a line. Its region's
origin is at the near end: what this process would send through the line goes to the server at once.
"""

import socket
import sys
from typing import Any

_resolved = socket.getaddrinfo


def main(line_port: int, server_port: int, arguments: list[str]) -> int:
    def resolved(host: Any, port: Any, *others: Any, **more: Any) -> Any:
        return _resolved(host, server_port if port == line_port else port, *others, **more)

    socket.getaddrinfo = resolved
    # After that, since what it imports may keep the function.
    from darkroom.cli import main as darkroom

    return darkroom(arguments)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
