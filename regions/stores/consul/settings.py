"""The settings port over Consul. Under the region's root:

    settings/KEY          a key's value; its version is its ModifyIndex. Of a deleted key an empty value with the flag
                          1 stays, so that a watch sees that it went
    leases/POOL/NUMBER    until when a number is taken, or was: `leases`
    locks/NAME            whose session holds it: `locks`

Services are Consul's own: `services`. What an operator writes or deletes under `settings/` by other means counts as if
it had been done here.
"""

import random
import time
from collections.abc import Mapping

from regions.errors import Unavailable
from regions.retry import backoff_s
from regions.stores.consul.connection import Connection, Entry
from regions.stores.settings import Setting, begins_keys, check_setting, is_key

_FOLDER = "settings/"
_DELETED = 1
# A wait that nothing ends is asked for anew, so that a connection that died unnoticed is found out, and a handle that
# was closed meanwhile.
_WAIT_S = 10.0


class ConsulValues:
    """Safe to share between threads. Every request has a deadline of a few seconds; a watch has its own on top."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, key: str) -> Setting | None:
        """As the leader of Consul knows it at this moment. Raises Unavailable also for what is no text."""
        entry = self._entry(key)
        return _setting(entry) if entry else None

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        check_setting(key, value)
        if self._connection.put(_FOLDER + key, value, expected_version):
            return True
        if expected_version != 0:
            return False
        entry = self._connection.get(_FOLDER + key)
        if entry is None or entry.flags != _DELETED:
            return False
        return self._connection.put(_FOLDER + key, value, entry.version)

    def delete(self, key: str) -> None:
        if self._entry(key):
            self._connection.put(_FOLDER + key, "", flags=_DELETED)

    def tree(self, prefix: str) -> Mapping[str, Setting]:
        entries = self._connection.under(_FOLDER + prefix) if begins_keys(prefix) else []
        return {entry.path.removeprefix(_FOLDER): _setting(entry) for entry in entries if entry.flags != _DELETED}

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        """Goes on when Consul is started again meanwhile. Raises Unavailable where it is away at first or at the end.

        The mark is Consul's index of the prefix, 0 while nothing is there. It may go back, where Consul has lost its
        data or forgotten what was deleted by other means, and that is a change: what counts is that it is another one.
        """
        deadline_s = time.monotonic() + timeout_s
        if not begins_keys(prefix):
            self._connection.closed.wait(timeout_s)
            return known
        index, mark = self._read_mark(prefix, 0, 0.0)
        attempt = 0
        while mark == known and (left_s := deadline_s - time.monotonic()) > 0:
            try:
                index, mark = self._read_mark(prefix, index, min(left_s, _WAIT_S))
                attempt = 0
            except Unavailable:
                # Without an index, since that of a Consul that has lost its data would be waited for in vain.
                index, pause_s = 0, backoff_s(attempt, random.random)
                if pause_s >= left_s or self._connection.closed.wait(pause_s):
                    raise
                attempt += 1
        return mark

    def _entry(self, key: str) -> Entry | None:
        entry = self._connection.get(_FOLDER + key) if is_key(key) else None
        return entry if entry and entry.flags != _DELETED else None

    def _read_mark(self, prefix: str, beyond: int, wait_s: float) -> tuple[int, int]:
        """Consul's index and our mark. Where nothing is there, that index grows with what others write beside it."""
        index, is_there = self._connection.read_index(_FOLDER + prefix, beyond, wait_s)
        return max(index, 1), index if is_there else 0


def _setting(entry: Entry) -> Setting:
    try:
        return Setting(entry.value.decode(), entry.version)
    except UnicodeDecodeError as error:
        raise Unavailable(f"the setting {entry.path.removeprefix(_FOLDER)} is no text") from error
