"""How a region's settings know of this origin: its process number and its service, kept while it runs, given back at
its end."""

import logging
import threading
from collections.abc import Callable

from regions.errors import Unavailable
from regions.process_number import ProcessNumber
from regions.stores.settings import Service, Settings

log = logging.getLogger(__name__)

ORIGIN = "origin"
_TTL_S = 15.0
_REGISTER_EVERY_S = 5.0
_END_S = 1.0


class Registration:
    """A service that says again and again that it is there, so that its health is seen where the settings are."""

    def __init__(self, settings: Settings, service: Service) -> None:
        self._settings, self._service = settings, service
        self._lock = threading.Lock()
        self._withdrawn = False

    def run_once(self) -> None:
        """Does nothing any more once it was withdrawn. Raises Unavailable."""
        with self._lock:
            if not self._withdrawn:
                self._settings.services.register(self._service, _TTL_S)

    def run_forever(self, stop: threading.Event) -> None:
        """At once, and then every few seconds."""
        while True:
            try:
                self.run_once()
            except Unavailable as error:
                log.warning("service not registered", extra={"error": error.detail})
            if stop.wait(_REGISTER_EVERY_S):
                return

    def withdraw(self) -> None:
        """Where that fails, the service is unhealthy when its time is up."""
        with self._lock:
            self._withdrawn = True
            try:
                self._settings.services.deregister(self._service)
            except Unavailable as error:
                log.warning("service not deregistered", extra={"error": error.detail})


def keep(number: ProcessNumber, registration: Registration) -> Callable[[], None]:
    """Keeps both on threads of their own. Returns what gives both back; no id can be made after that."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=one.run_forever, args=[stop], daemon=True, name=type(one).__name__)
        for one in (number, registration)
    ]
    for thread in threads:
        thread.start()

    def leave() -> None:
        stop.set()
        registration.withdraw()
        number.release()
        for thread in threads:
            thread.join(_END_S)

    return leave
