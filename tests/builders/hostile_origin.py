"""An attacker's program in the place of a region's origin: at its own address, in a running system.

The origin stands still meanwhile. Its listening socket is taken from it with pidfd_getfd(2), as one who has the machine
can do, so that connections of other regions, of edges and of clients reach the attacker.
"""

import ctypes
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil

from tests.builders.http import JsonHandler, running
from tests.conftest import System

_PIDFD_GETFD = 438
"""The number of the system call, which is the same on all architectures; Python has no function for it."""
_DRIP_S = 0.1


@dataclass
class Waited:
    """From when to when somebody waited for an answer; they still do if there is no end."""

    began_s: float
    ended_s: float | None = None


@dataclass
class Received:
    """What came to the attacker: requests as (method, path, body), and for how long an answer to each was awaited."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)

    def longest_s(self) -> float:
        now_s = time.monotonic()
        return max((now_s if one.ended_s is None else one.ended_s) - one.began_s for one in self.waits)


class Listening(JsonHandler):
    """Answers everything with an empty document, which is no valid answer to anything."""

    received: Received

    def do(self) -> None:
        self.received.requests.append((self.command, self.path, self.body()))
        self.send(200, {}, {})

    do_GET = do_POST = do_PUT = do_DELETE = do


class Dripping(JsonHandler):
    """Answers a byte now and then, for as long as somebody waits for it."""

    received: Received

    def do(self) -> None:
        waited = Waited(time.monotonic())
        self.received.waits.append(waited)
        self.received.requests.append((self.command, self.path, self.body()))
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(_DRIP_S)
        waited.ended_s = time.monotonic()

    do_GET = do_POST = do_PUT = do_DELETE = do


@contextmanager
def in_place_of_origin(system: System, region: str, handler: type[BaseHTTPRequestHandler]) -> Iterator[Received]:
    """Until the block ends; then the origin goes on."""
    pid, received = system.pids()[f"origin-{region}"], Received()
    bound: Any = type("Bound", (handler,), {"received": received})
    os.kill(pid, signal.SIGSTOP)
    try:
        with _listening_socket(pid) as listening:
            server = ThreadingHTTPServer(listening.getsockname(), bound, bind_and_activate=False)
            server.socket.close()
            server.socket, server.daemon_threads, server.block_on_close = listening, True, False
            listening.setblocking(True)
            with running(server):
                yield received
    finally:
        os.kill(pid, signal.SIGCONT)


def _listening_socket(pid: int) -> socket.socket:
    """A duplicate of the process's own."""
    [descriptor] = {one.fd for one in psutil.Process(pid).net_connections("inet") if one.status == psutil.CONN_LISTEN}
    libc, process = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    try:
        taken = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if taken < 0:
            raise OSError(ctypes.get_errno(), "the socket can't be taken")
        return socket.socket(fileno=taken)
    finally:
        os.close(process)
