"""The values of the settings port in Consul, and what lies under the region's root:

    settings/KEY          a key's value; its version is its ModifyIndex. A deleted key stays, with an empty value and
                          the flag 1, so that a watch sees the deletion
    leases/POOL/NUMBER    who leases a number, and until when it is or was taken: `leases`
    locks/NAME            the session that holds the lock: `locks`

Services are Consul's own: `services`. Changes that an operator makes under `settings/` with other tools are respected
like our own.
"""

import random
import time
from collections.abc import Mapping

from regions.errors import Unavailable
from regions.retry import backoff_s
from regions.stores.consul.connection import Connection, Entry
from regions.stores.settings import Setting, check_setting, is_key, is_key_prefix

_FOLDER = "settings/"
_DELETED = 1
# A blocking query without a change is sent anew this often, to notice a dead connection, and that we were closed.
_WAIT_S = 10.0


class ConsulValues:
    """Safe to share between threads. Every request has a deadline of a few seconds; a watch has its own on top."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, key: str) -> Setting | None:
        """The leader's current value, not a stale one. Raises Unavailable also if the value is not UTF-8 text."""
        entry = self._entry(key)
        return _setting(entry) if entry else None

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        check_setting(key, value)
        if self._connection.put(_FOLDER + key, value, expected_version):
            return True
        if expected_version != 0:
            return False
        # The caller expects that the key does not exist. For Consul a deleted key still does, with the flag: replace
        # exactly that version, so that of two callers only one creates the key.
        entry = self._connection.get(_FOLDER + key)
        if entry is None or entry.flags != _DELETED:
            return False
        return self._connection.put(_FOLDER + key, value, entry.version)

    def delete(self, key: str) -> None:
        if self._entry(key):
            self._connection.put(_FOLDER + key, "", flags=_DELETED)

    def tree(self, prefix: str) -> Mapping[str, Setting]:
        entries = self._connection.list_under(_FOLDER + prefix) if is_key_prefix(prefix) else []
        return {entry.path.removeprefix(_FOLDER): _setting(entry) for entry in entries if entry.flags != _DELETED}

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        """Survives a restart of Consul. Raises Unavailable if Consul is down at the start, or still down at the end.

        The mark is Consul's index of the prefix, or 0 while there are no keys. It goes back if Consul has lost its
        data, or has forgotten keys that other tools deleted. So any other mark is a change, not only a higher one.
        """
        deadline_s = time.monotonic() + timeout_s
        if not is_key_prefix(prefix):
            self._connection.closed.wait(timeout_s)
            return known
        index, mark = self._read_mark(prefix, 0, 0.0)
        attempt = 0
        while mark == known and (left_s := deadline_s - time.monotonic()) > 0:
            try:
                index, mark = self._read_mark(prefix, index, min(left_s, _WAIT_S))
                attempt = 0
            except Unavailable:
                attempt += 1
                # Start without an index: a Consul that lost its data would not reach the old index for long.
                index, pause_s = 0, backoff_s(attempt, random.random)
                if pause_s >= left_s or self._connection.closed.wait(pause_s):
                    raise
        return mark

    def _entry(self, key: str) -> Entry | None:
        entry = self._connection.get(_FOLDER + key) if is_key(key) else None
        return entry if entry and entry.flags != _DELETED else None

    def _read_mark(self, prefix: str, beyond: int, wait_s: float) -> tuple[int, int]:
        """Consul's index, to wait beyond, and our mark.

        If the prefix has no keys, Consul's index grows with writes to other keys, and the mark stays 0.
        The index is at least 1, since Consul responds at once, without waiting, if it is 0.
        """
        index, has_keys = self._connection.read_index(_FOLDER + prefix, beyond, wait_s)
        return max(index, 1), index if has_keys else 0


def _setting(entry: Entry) -> Setting:
    try:
        return Setting(entry.value.decode(), entry.version)
    except UnicodeDecodeError as error:
        raise Unavailable(f"the setting {entry.path.removeprefix(_FOLDER)} is not text") from error
