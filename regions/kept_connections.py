"""HTTP/1.1 connections that are kept from one request to the next, by the standard library alone.

For what makes so many requests that their processor time counts, as a lane does between two stores: urllib3 takes 0.25
to 0.35 ms for each, and http.client 0.07 to 0.15 ms. Nothing is tried again here, and no redirection is followed.
"""

import http.client
import select
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from regions.whole_answers import BoundedSocket

ERRORS = (OSError, http.client.HTTPException)
"""What goes wrong with a connection; TimeoutError is an OSError."""

_LOOK_AFTER_S = 1.0
"""Servers do not end a connection as soon as that after an answer, and looking costs a fifth of a request."""


class KeptConnections:
    """To the host of `url`. At most `most` are kept; any number of threads may use any number.

    Connecting takes at most `connect_s`; then each send, and each silence before or within an answer, at most `idle_s`.
    With `whole_answers`, the whole answer takes no longer than that. `context` is for https.
    """

    def __init__(
        self,
        url: str,
        most: int,
        connect_s: float,
        idle_s: float,
        context: ssl.SSLContext | None = None,
        whole_answers: bool = False,
    ) -> None:
        self._parts = urlsplit(url)
        self._connect_s, self._idle_s, self._whole_answers = connect_s, idle_s, whole_answers
        self._context = context or (ssl.create_default_context() if self._parts.scheme == "https" else None)
        self._most = most
        # With the time since which each is idle. The last one was used last.
        self._idle: deque[tuple[float, http.client.HTTPConnection]] = deque()

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterator[Any] | None = None
    ) -> "KeptAnswer":
        """The pieces of `body` are what a socket sends; `headers` say how long it is. Close the answer at the end.

        Raises one of `ERRORS`, and what `body` raises.
        """
        connection = self._connected()
        try:
            is_whole = True
            try:
                connection.request(method, target, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                # It may have answered, and closed the connection, before it had all of the body.
                is_whole = False
            connection.sock.settimeout(self._idle_s)
            return KeptAnswer(self, connection, connection.getresponse(), is_whole)
        except BaseException:
            connection.close()
            raise

    def keep(self, connection: http.client.HTTPConnection) -> None:
        """For an answer that was read to its end."""
        if len(self._idle) < self._most:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()

    def _connected(self) -> http.client.HTTPConnection:
        """The one that was used last, if it is still open."""
        with suppress(IndexError):
            while True:
                since_s, connection = self._idle.pop()
                if time.monotonic() - since_s < _LOOK_AFTER_S or not _has_ended(connection):
                    # Reading the last answer has left it with what was left of that one's time.
                    connection.sock.settimeout(self._idle_s)
                    return connection
                connection.close()
        connection = self._new()
        connection.connect()
        connection.sock.settimeout(self._idle_s)
        if self._whole_answers:
            connection.sock = BoundedSocket(connection.sock)
        return connection

    def _new(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=self._connect_s, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._connect_s)


class KeptHosts:
    """Connections to each host that is asked: `connections_to` makes those to one, of a URL without a path.

    For a few hosts, which are known. Any number of threads may use it.
    """

    def __init__(self, connections_to: Callable[[str], KeptConnections]) -> None:
        self._connections_to = connections_to
        self._hosts: dict[str, KeptConnections] = {}

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Iterator[Any] | None = None) -> "KeptAnswer":
        """As `KeptConnections.ask`. `url` has a path."""
        path = url.index("/", url.index("//") + 2)
        host = url[:path]
        connections = self._hosts.get(host) or self._hosts.setdefault(host, self._connections_to(host))
        return connections.ask(method, url[path:], headers, body)


class KeptAnswer:
    """The answer to a request."""

    def __init__(
        self,
        connections: KeptConnections,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        is_whole: bool,
    ) -> None:
        """`is_whole` is whether all of the request was sent."""
        self._connections, self._response, self._is_whole = connections, response, is_whole
        self._connection: http.client.HTTPConnection | None = connection
        self.status, self.headers = response.status, response.headers

    def read(self, most: int) -> bytes:
        """The next bytes of the body; fewer than `most` only at its end. Raises one of `ERRORS`."""
        return self._response.read(most)

    def close(self) -> None:
        """Idempotent. If the body was not read to its end, the connection is closed, too: the rest might be long.

        And after an error of the server, which may end it at any moment.
        """
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        # A server or proxy in trouble may send a body where none belongs, as to HEAD.
        in_order = self._is_whole and self.status < 500
        if in_order and self._response.isclosed() and not self._response.will_close:
            self._connections.keep(connection)
        else:
            self._response.close()
            connection.close()


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """An idle connection has nothing to say but that it ends."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))
