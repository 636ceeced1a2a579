"""Gunicorn, as the origin and the object server use it: one worker with threads, on a socket that is already bound."""

import logging
import socket
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

_THREADS = 16
_KEEPALIVE_S = 30
_GRACEFUL_S = 5
_STUCK_S = 60


class WsgiServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """`run()` serves the application from `load()` in a worker process until SIGTERM, then raises SystemExit."""

    def __init__(self, listener: socket.socket, load: Callable[[], Any]) -> None:
        self._listener, self._load = listener, load
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": [f"fd://{self._listener.detach()}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": _THREADS,
            "keepalive": _KEEPALIVE_S,
            "graceful_timeout": _GRACEFUL_S,
            "timeout": _STUCK_S,
            "errorlog": None,
            "loglevel": "warning",
            "logger_class": RootLogger,
            # Otherwise all servers of this user would share one control socket in the home folder.
            "control_socket_disable": True,
            # Trust no client as a gateway: no header may set the path's prefix, the scheme or the client's address.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            "proxy_protocol": "off",
            # WSGI would give headers `a_b` and `a-b` the same name, so a client could forge the second with the first.
            "header_map": "drop",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._load()


class RootLogger(Logger):  # type: ignore[misc]
    """Sends Gunicorn's messages to the root logger, which writes JSON lines."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logging.getLogger("gunicorn.error").propagate = True
