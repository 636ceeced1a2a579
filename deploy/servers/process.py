"""One server process with its own folder and port: starts it, waits until it really serves requests, and stops it."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_STOP_S = 30
_POLL_S = 0.1


class ServerError(Exception):
    """A server can't be installed or does not start. The message names its log or the cause."""


@dataclass(frozen=True)
class Start:
    """How to start one server.

    `answers` sends a real request; it raises or returns False until the server can serve it. `prepare` runs before each
    start. `start_s` is the time that a start may take on a slow machine.
    """

    name: str
    address: str
    command: Sequence[str]
    answers: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None
    start_s: float = 90


class Server:
    """A server. After `stop` or `kill`, `start` uses the same folder and port again, like a restart after a crash."""

    def __init__(self, spec: Start, folder: Path) -> None:
        self._spec, self.folder = spec, folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def address(self) -> str:
        return self._spec.address

    @property
    def process_id(self) -> int:
        """Of a server that was started."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when the process runs, which is before it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spec.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self._spec.command),
                cwd=self.folder,
                env={**os.environ, **self._spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Returns when the server answers. Raises ServerError."""
        deadline_s = time.monotonic() + self._spec.start_s
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"{self.name} ended; see {self.log}")
            if time.monotonic() > deadline_s:
                raise ServerError(f"{self.name} does not answer after {self._spec.start_s:g} s; see {self.log}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it like a crash: without a signal that it could handle, so nothing is flushed."""
        self._end(signal.SIGKILL)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(with_signal)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return self._spec.answers()
        except Exception:  # noqa: BLE001 - each client raises its own errors while its server is starting
            return False


def free_port() -> int:
    """A loopback port that is free now.

    It is below those that the kernel gives to outgoing connections (from 32768 on): one of these could take the port
    before the server does.
    """
    for port in random.SystemRandom().sample(range(10_000, 32_768), 1000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError("no loopback port is free")
