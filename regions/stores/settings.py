"""The settings port: a small tree of live values, services and leased numbers.

Keys are paths such as `residency/policy`; values are text of at most `MAX_VALUE_BYTES` in UTF-8.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from regions.errors import BadRequest, TooLarge

MAX_VALUE_BYTES = 512 * 1024
MAX_KEY_CHARS = 200
POLICY = "residency/policy"
KNOWN_BAD = "moderation/known_bad"


# No segment begins with a dot, so that no key reads as a way out of the tree.
_KEY = re.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


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

        Returns the new mark, to be passed next time; no change is ever missed between two calls.
        """
        ...

    def register(self, service: Service, ttl_s: float) -> None:
        """Healthy until `ttl_s` from now; call again to stay so."""
        ...

    def deregister(self, service: Service) -> None: ...

    def services(self, name: str) -> list[Service]:
        """The healthy instances."""
        ...

    def lease_number(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        """Leases one of the numbers 0 … size-1 that nobody holds now. Raises Unavailable where all are taken."""
        ...

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """The same number for longer; None where the lease has run out, whoever holds the number now."""
        ...

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Gives the number back early. No id later than `used_until_ms` was made with it."""
        ...

    def close(self) -> None: ...


def check_setting(key: str, value: str) -> None:
    """What every adapter asks before it writes. Raises BadRequest or TooLarge."""
    if len(key) > MAX_KEY_CHARS or not _KEY.fullmatch(key):
        raise BadRequest(f"{key[:40]!r} is not the key of a setting: a path of letters, digits and . _ -")
    try:
        size_bytes = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("the value of a setting is text") from error
    if size_bytes > MAX_VALUE_BYTES:
        raise TooLarge(f"the value has {size_bytes} bytes, over the limit of {MAX_VALUE_BYTES}")
