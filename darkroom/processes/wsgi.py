"""Waitress, as the origin and the object server use it: worker threads that meet whole requests only.

One event loop reads all connections (`whole_requests.py`), so that no client occupies a worker thread by sending or
reading slowly. Serves on a socket that is already bound, in this process.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from darkroom.processes.pace import LIMITS, PaceLimits
from darkroom.processes.whole_requests import RequestChannel, TakesBody, any_body

_THREADS = 16
_CONNECTIONS = 500
_GRACEFUL_S = 5.0
_SMALL_BODY_BYTES = 1 << 20
_LOOK_S = 1
_NEW_S = 2.0


class WsgiServer:
    """`run()` serves the application until SIGTERM or SIGINT, ends what it has begun, for up to 5 s, and returns.

    A body is received before the application is called: up to 64 KiB in memory, and more in a temporary file (of
    `TMPDIR`). One of more than `max_body_bytes` is refused; one that `takes_body` does not want is received and thrown
    away, so that its client reads the response.
    """

    def __init__(
        self,
        listener: socket.socket,
        application: Callable[..., Any],
        max_body_bytes: int = _SMALL_BODY_BYTES,
        takes_body: TakesBody = any_body,
        limits: PaceLimits = LIMITS,
    ) -> None:
        # It warns whenever a request waits for a thread, which is normal.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        settings = Adjustments(
            sockets=[listener],
            threads=_THREADS,
            # Never reached unless all connections are busy: `_Server` closes idle ones first.
            connection_limit=_CONNECTIONS + 64,
            cleanup_interval=_LOOK_S,
            # Never reached: `RequestChannel` has its own limits.
            channel_timeout=3600,
            max_request_header_size=32 << 10,
            max_request_body_size=max_body_bytes + 1,
            inbuf_overflow=64 << 10,
            recv_bytes=64 << 10,
            asyncore_use_poll=True,
            log_socket_errors=False,
            ident=None,
            # Trust no client as a gateway: no header may set the scheme or the client's address. Names with `_`, which
            # WSGI can't tell from those with `-`, are dropped by Waitress itself.
            trusted_proxy=None,
            clear_untrusted_proxy_headers=True,
        )
        self._connections: dict[int, Any] = {}
        self._server = _Server(application, settings, listener, self._connections, takes_body, limits)
        self._stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while not self._stopping:
            self._turn(_LOOK_S)
        self._server.stop_accepting()
        give_up_s = time.monotonic() + _GRACEFUL_S
        while self._server.is_busy() and time.monotonic() < give_up_s:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown(timeout=max(0.1, give_up_s - time.monotonic()))
        wasyncore.close_all(self._connections)

    def _turn(self, wait_s: float) -> None:
        wasyncore.loop(timeout=wait_s, use_poll=True, map=self._connections, count=1)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._server.pull_trigger()


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """Accepts connections, and looks after all of them each second."""

    active_channels: dict[int, RequestChannel]

    def __init__(
        self,
        application: Callable[..., Any],
        settings: Adjustments,
        listener: socket.socket,
        connections: dict[int, Any],
        takes_body: TakesBody,
        limits: PaceLimits,
    ) -> None:
        self._takes_body, self._limits = takes_body, limits
        address = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(application, connections, True, listener, None, settings, address, bind_socket=False)
        # Workers pull the trigger while they hold a connection's lock, and the loop, which alone empties the pipe, may
        # wait for that lock: a write to a full pipe would never return.
        os.set_blocking(self.trigger.trigger, False)

    def pull_trigger(self) -> None:
        # A full pipe wakes the loop all the same.
        with suppress(BlockingIOError):
            super().pull_trigger()

    def channel_class(self, *arguments: Any, **options: Any) -> HTTPChannel:
        """Called by Waitress for each new connection. Makes room for it, at the cost of the one idle for longest."""
        idle = [channel for channel in self.active_channels.values() if not channel.is_busy()]
        if len(self.active_channels) >= _CONNECTIONS and idle:
            # Those that have sent a request before go last: a flood of silent ones displaces itself. But who has just
            # come has had no time to send one.
            new_s = time.time() - _NEW_S
            min(idle, key=lambda one: (one.has_served or one.creation_time > new_s, one.last_activity)).handle_close()
        return RequestChannel(self._takes_body, self._limits, *arguments, **options)

    def maintenance(self, now: float) -> None:
        """Called by Waitress each second."""
        super().maintenance(now)
        now_s = time.monotonic()
        for channel in list(self.active_channels.values()):
            channel.give_up_if_late(now_s)

    def stop_accepting(self) -> None:
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def is_busy(self) -> bool:
        return any(channel.is_busy() for channel in self.active_channels.values())
