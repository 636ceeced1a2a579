"""HTTP connections on which an answer must be there, whole, within the time that it was given.

A timeout of urllib3 is for one piece of an answer, however small. So a server that sends a byte now and then, of the
body or of the head, holds a thread for as long as it likes. Here all pieces of an answer share that time.
"""

import io
import time
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


def pool_manager(pools: int, connections: int) -> PoolManager:
    """For any number of threads: so many servers, and connections to each that are kept. Nothing is tried again.

    The read timeout of a request, or what its total leaves of it, is for the whole of the answer; after it, reading
    raises as it does after a timeout. Connecting and sending are bounded by the connect timeout, each by itself.
    """
    manager = PoolManager(num_pools=pools, maxsize=connections, retries=False)
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


class _HttpConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = BoundedSocket(self.sock)


class _HttpsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = BoundedSocket(self.sock)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class BoundedSocket:
    """A connected socket. Its timeout is set once for each answer, before the first byte is read."""

    def __init__(self, connected: Any) -> None:
        self._connected, self._until_s = connected, float("inf")

    def settimeout(self, within_s: float | None) -> None:
        self._connected.settimeout(within_s)
        self._until_s = float("inf") if within_s is None else time.monotonic() + within_s

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self, self._connected.makefile(mode, buffering=0)))

    def wait_no_longer(self) -> None:
        """Gives the next piece what is left of the time. Raises TimeoutError if that is nothing."""
        if self._until_s < float("inf"):
            left_s = self._until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the answer was not whole in time")
            self._connected.settimeout(left_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)


class _Answer(io.RawIOBase):
    """What arrives. As long as it is open, so is the socket: an answer may outlive its connection."""

    def __init__(self, bounded: BoundedSocket, raw: io.RawIOBase) -> None:
        self._bounded, self._raw = bounded, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._bounded.wait_no_longer()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
