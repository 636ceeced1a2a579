"""The settings port: a small tree of live values, services, leased numbers, and holds on what one alone may do.

Keys are paths such as `residency/policy`; values are text of at most `MAX_VALUE_BYTES` in UTF-8. Services, their
instances, pools and holds are named by words: a key's letters, without a slash.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from regions.errors import BadRequest, TooLarge
from regions.stores.finding import Finding

# Below the 512 KiB of Consul, which a write that is larger with key and envelope unseats (hashicorp/consul #23926).
MAX_VALUE_BYTES = 510 * 1024
MAX_KEY_CHARS = 200
POLICY = "residency/policy"
KNOWN_BAD = "moderation/known_bad"


# No segment begins with a dot, so that no key reads as a way out of the tree.
_KEY = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_WORD = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Setting:
    """`version` grows with every change of the value, and is never used again."""

    value: str
    version: int


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    instance: str
    address: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A leased number. Until `until_ms` it is ours alone; `floor_ms` is where its last holder's lease ended."""

    pool: str
    number: int
    holder: str
    floor_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Its holder alone does what `name` says, for `ttl_s` from when it was asked for or last renewed.

    `fence` grows with every change of holder: who was late can so be told from who came after.
    """

    name: str
    holder: str
    fence: int
    ttl_s: float


class Settings(Protocol):
    """Every method raises `Unavailable` where the store can't be reached."""

    def read(self, key: str) -> Setting | None: ...

    def write(self, key: str, value: str, expected_version: int | None = None) -> bool:
        """Sets the value; with `expected_version` only if it has that version (0: only if it is not there), else False.

        Raises BadRequest for what is no key or no text, TooLarge for a value over `MAX_VALUE_BYTES`.
        """
        ...

    def delete(self, key: str) -> None:
        """Idempotent."""
        ...

    def tree(self, prefix: str) -> Mapping[str, Setting]:
        """All settings whose key starts with `prefix`."""
        ...

    def watch(self, prefix: str, known: int, timeout_s: float) -> int:
        """Waits until something under `prefix` has changed since the mark `known` (0: since ever), or time is up.

        Returns the new mark, to be passed next time: another one than `known` where something has changed. No change is
        ever missed between two calls.
        """
        ...

    def register(self, service: Service, ttl_s: float) -> None:
        """Healthy until `ttl_s` from now; call again to stay so. Raises BadRequest where a name is no word."""
        ...

    def deregister(self, service: Service) -> None: ...

    def services(self, name: str) -> list[Service]:
        """The healthy instances."""
        ...

    def lease_number(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        """Leases one of the numbers 0 … size-1 that nobody holds now. Raises Unavailable where all are taken.

        Raises BadRequest where `pool` is no word.
        """
        ...

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """The same number for longer; None where the lease has run out, whoever holds the number now."""
        ...

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Gives the number back early. No id later than `used_until_ms` was made with it."""
        ...

    def numbers_taken(self, pool: str) -> int:
        """How many of the pool's numbers somebody holds now. Raises BadRequest where `pool` is no word."""
        ...

    def hold(self, name: str, holder: str, ttl_s: float) -> Hold | None:
        """None where somebody has it, under whatever name. Of a holder that died it is free again in the end:
        not before `ttl_s`, and at the latest twice `ttl_s` (or 20 s) after it said anything.

        Raises BadRequest where `name` is no word.
        """
        ...

    def renew_hold(self, hold: Hold) -> bool:
        """Makes it last for `ttl_s` from now; False where it is lost, and then it stays lost."""
        ...

    def release_hold(self, hold: Hold) -> None:
        """Others can have it at once. Idempotent, and does nothing to a later holder."""
        ...

    def examine(self) -> list[Finding]:
        """What is well with the store and what is not, found by reading and by writing something of its own.

        What is wrong is a finding and never raised. Bounded in time; leaves nothing behind.
        """
        ...

    def close(self) -> None: ...


def is_key(key: str) -> bool:
    return len(key) <= MAX_KEY_CHARS and _KEY.fullmatch(key) is not None


def begins_keys(prefix: str) -> bool:
    """Whether there may be keys that start with `prefix`."""
    return len(prefix) <= MAX_KEY_CHARS and _KEY.fullmatch(f"{prefix}_") is not None


def check_word(word: str) -> None:
    """What every adapter asks of the name of a service, an instance, a pool or a hold. Raises BadRequest."""
    if len(word) > MAX_KEY_CHARS or not _WORD.fullmatch(word):
        raise BadRequest(f"{word[:40]!r} is no word of letters, digits and . _ -")


def check_setting(key: str, value: str) -> None:
    """What every adapter asks before it writes. Raises BadRequest or TooLarge."""
    if not is_key(key):
        raise BadRequest(f"{key[:40]!r} is not the key of a setting: a path of letters, digits and . _ -")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("the value of a setting is text") from error
    if size_bytes > MAX_VALUE_BYTES:
        raise TooLarge(f"the value has {size_bytes} bytes, over the limit of {MAX_VALUE_BYTES}")
