"""The settings port: a small tree of live values, services, leased numbers, and locks.

Keys are paths such as `residency/policy`; values are text of at most `MAX_VALUE_BYTES` in UTF-8. The names
of services, instances, pools and locks are words: the characters of a key, without a slash.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from regions.errors import BadRequest, TooLarge
from regions.stores.health import CheckResult

# Consul's limit is 512 KiB. A write that exceeds it together with key and envelope makes the leader step down
# (hashicorp/consul #23926), so we stay below.
MAX_VALUE_BYTES = 510 * 1024
MAX_KEY_CHARS = 200
STATEMENT = "residency/statement"
HISTORY = "residency/history/"
KNOWN_BAD = "moderation/known_bad"
ACTS = "operators/acts/"

# No segment starts with a dot, so no key can lead out of the tree, as `../` would in a path.
_KEY = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_WORD = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """`version` grows with every change of the value. No version is used twice, even if the key is deleted."""

    value: str
    version: int


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    instance: str
    address: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A leased number. Nobody else may use it for times from `floor_ms` up to, but not including, `until_ms`.

    `floor_ms` is where the lease before this one ended (0 for the first), so leases of one number never overlap, even
    if the clocks of their holders differ. It also grows with each lease, so it identifies the lease.
    """

    pool: str
    number: int
    holder: str
    floor_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Lock:
    """Only the holder does the work that `name` names, for `ttl_s` after the lock was acquired or last renewed.

    A holder that is suspended for longer than that doesn't notice that it has lost the lock. `fencing_token` is
    higher for each acquisition, so that a store can reject its late writes once the next holder has written (Kleppmann,
    "How to do distributed locking", 2016).
    """

    name: str
    holder: str
    fencing_token: int
    ttl_s: float


class Values(Protocol):
    """Live values by key."""

    def read(self, key: str) -> Setting | None: ...

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        """Sets the value. With `expected_version`, only if it has that version (0: only if the key does not exist);
        False if not.

        Raises BadRequest for an invalid key or a value that is not text, TooLarge for one over `MAX_VALUE_BYTES`.
        """
        ...

    def delete(self, key: str) -> None:
        """Idempotent."""
        ...

    def tree(self, prefix: str) -> Mapping[str, Setting]:
        """All settings whose key starts with `prefix`."""
        ...

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        """Waits until something under `prefix` has changed since the mark `known` (0: at any time), or for `timeout_s`.

        Returns the new mark, to pass to the next call; it differs from `known` if something has changed. No change
        between two calls is missed.
        """
        ...


class Services(Protocol):
    """Which instances of a service are healthy: those that registered, or renewed, less than their TTL ago."""

    def register(self, service: Service, ttl_s: float) -> None:
        """Healthy for `ttl_s` from now; call again to renew. Raises BadRequest for an invalid name."""
        ...

    def deregister(self, service: Service) -> None: ...

    def healthy(self, name: str) -> list[Service]: ...


class Numbers(Protocol):
    """Leased numbers, such as process numbers."""

    def lease(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        """Leases a number from 0 to size - 1 that nobody holds now. Raises Unavailable if all are taken.

        Raises BadRequest for an invalid pool name.
        """
        ...

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """The same number for longer; None if the lease has run out, even if nobody else has leased the number."""
        ...

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Returns the number early. The caller has made no id with a time after `used_until_ms`."""
        ...

    def taken(self, pool: str) -> int:
        """How many of the pool's numbers are held now. Raises BadRequest for an invalid pool name."""
        ...


class Locks(Protocol):
    def acquire(self, name: str, holder: str, ttl_s: float) -> Lock | None:
        """None if somebody holds it. The lock of a holder that died becomes free by itself: at the earliest `ttl_s`,
        and at the latest twice `ttl_s` (or 20 s) after its last renewal was received.

        Raises BadRequest for an invalid name.
        """
        ...

    def renew(self, lock: Lock) -> bool:
        """Extends the lock to `ttl_s` from now; False if it is lost. A lost lock can't be renewed later either."""
        ...

    def release(self, lock: Lock) -> None:
        """Others can acquire it at once. Idempotent, and does nothing to a later holder."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """One region's settings, opened. `check_health` reads and writes a little of its own, never raises, and is
    bounded in time; `close` is idempotent. Every method raises `Unavailable` when the store can't be reached."""

    values: Values
    services: Services
    numbers: Numbers
    locks: Locks
    check_health: Callable[[], list[CheckResult]]
    close: Callable[[], None]


def act_key(at_ms: int, unique: str) -> str:
    """The key of an operator's act: in the order of time. `unique` is a word."""
    return f"{ACTS}{at_ms:014d}-{unique}"


def history_key(hash: str) -> str:
    """Where a statement stays that was in force once."""
    return HISTORY + hash


def is_key(key: str) -> bool:
    return len(key) <= MAX_KEY_CHARS and _KEY.fullmatch(key) is not None


def is_key_prefix(prefix: str) -> bool:
    """Whether a valid key can start with `prefix`."""
    return len(prefix) <= MAX_KEY_CHARS and _KEY.fullmatch(f"{prefix}_") is not None


def check_word(word: str) -> None:
    """Checks the name of a service, an instance, a pool or a lock, in every adapter. Raises BadRequest."""
    if len(word) > MAX_KEY_CHARS or not _WORD.fullmatch(word):
        raise BadRequest(f"{word[:40]!r} is not a word of letters, digits and . _ -")


def check_setting(key: str, value: str) -> None:
    """Checks a setting before it is written, in every adapter. Raises BadRequest or TooLarge."""
    if not is_key(key):
        raise BadRequest(f"{key[:40]!r} is not the key of a setting: a path of letters, digits and . _ -")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("the value of a setting must be text") from error
    if size_bytes > MAX_VALUE_BYTES:
        raise TooLarge(f"the value has {size_bytes} bytes, over the limit of {MAX_VALUE_BYTES}")
