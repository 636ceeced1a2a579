"""What this origin keeps in the region's settings while it runs: its process number and its service registration.

Both are withdrawn when the process ends.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from regions import daemon
from regions.errors import Unavailable
from regions.process_number import ProcessNumber
from regions.stores.settings import Service, Settings

log = logging.getLogger(__name__)

ORIGIN = "origin"
_TTL_S = 15.0
_REGISTER_EVERY_S = 5.0
_END_S = 1.0


class Registration:
    """Registers the service every few seconds, so that the settings list it as healthy."""

    def __init__(self, settings: Settings, service: Service) -> None:
        self._settings, self._service = settings, service
        self._lock = threading.Lock()
        self._withdrawn = False

    def run_once(self) -> None:
        """Does nothing after `withdraw`. Raises Unavailable."""
        with self._lock:
            if not self._withdrawn:
                self._settings.services.register(self._service, _TTL_S)

    def run_forever(self, stop: threading.Event) -> None:
        """At once, and then every 5 s until `stop` is set, so that one failed call does not exceed the TTL of 15 s."""
        daemon.run_forever(self.run_once, _REGISTER_EVERY_S, stop, "registration", at_once=True)

    def withdraw(self) -> None:
        """If that fails, the service becomes unhealthy when its TTL ends."""
        with self._lock:
            self._withdrawn = True
            try:
                self._settings.services.deregister(self._service)
            except Unavailable as error:
                log.warning("service not deregistered", extra={"error": error.detail})


class Loop(Protocol):
    def run_forever(self, stop: threading.Event) -> None: ...


class Keeper:
    """Renews number and registration, and runs what else must go on, such as watching the policy, each on a thread.

    See to it that `leave` is called before you call `start`: the process may be stopped at any moment from then on.
    """

    def __init__(self, number: ProcessNumber, registration: Registration, others: Sequence[Loop]) -> None:
        self._number, self._registration, self._stop = number, registration, threading.Event()
        loops: list[Loop] = [number, registration, *others]
        self._threads = [
            threading.Thread(target=one.run_forever, args=[self._stop], daemon=True, name=type(one).__name__)
            for one in loops
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Withdraws number and registration, so that no more ids are made."""
        self._stop.set()
        self._registration.withdraw()
        self._number.release()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_END_S)
