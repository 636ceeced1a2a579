"""Gunicorn, as the origin and the object door use it: one worker with threads, on a socket that is bound already."""

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
    """`run()` serves what `load()` gives, in a worker process of its own, until SIGTERM; it ends with SystemExit."""

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
            # Else every server of this user would share one control socket in the home folder.
            "control_socket_disable": True,
            # Whoever asks, nobody is a gateway who may say where the path begins, or by what scheme one came.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "secure_scheme_headers": {},
            "proxy_protocol": "off",
            # `a_b` and `a-b` would be one name to the application.
            "header_map": "drop",
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._load()


class RootLogger(Logger):  # type: ignore[misc]
    """Gunicorn's messages go the way of all others, as JSON lines."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logging.getLogger("gunicorn.error").propagate = True
