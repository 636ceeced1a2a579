"""Passphrases: which are accepted, and how they are hashed and compared (argon2id, RFC 9106).

A hash takes 19 MiB and about 30 ms on purpose. So only a few are made at once; one who comes when they all are busy
gets a 503 soon, and nobody else waits.
"""

import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from regions.account_records import PASSPHRASE, Credential
from regions.errors import BadRequest, Unavailable, Unprocessable

MIN_CHARS, MAX_CHARS = 10, 256
# A composed character may come as several code points.
_MAX_RAW_CHARS = 4 * MAX_CHARS
_MIN_DIFFERENT_CHARS = 4
_WAIT_S = 0.5
# The most common ones of at least ten characters. It stops only the very first guesses.
_COMMON = frozenset((
    "1234567890", "0123456789", "0987654321", "9876543210", "12345678910", "123456789a", "1q2w3e4r5t",
    "1qaz2wsx3edc", "q1w2e3r4t5", "qwertyuiop", "qwerty1234", "qwerty12345", "qwerty123456", "qwertyuiop123",
    "asdfghjkl123", "zxcvbnm123", "password12", "password123", "password1234", "passw0rd123", "mypassword",
    "letmein123", "welcome123", "iloveyou123", "iloveyou12", "football123", "basketball", "liverpool123",
    "princess123", "sunshine123", "superman123", "michael123", "charlie123", "changeme123", "administrator",
    "correcthorse", "correcthorsebatterystaple", "abcdefghij", "abcdefghijk", "abcd123456", "a123456789",
    "qazwsxedcrfv", "manchester", "california", "darkroom123", "photography", "passphrase",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one hash costs: memory in KiB, and passes over it, on one lane."""

    memory_kib: int
    passes: int


OWASP = HashCost(memory_kib=19 * 1024, passes=2)
"""OWASP's Password Storage Cheat Sheet: argon2id, m=19456 (19 MiB), t=2, p=1."""
AT_ONCE = 4


class PassphraseHasher:
    """At most `at_once` hashes are computed at a time, in 19 MiB each; of new passphrases half as many.

    So however many sign up, others can sign in.
    """

    def __init__(self, cost: HashCost, at_once: int) -> None:
        self._argon2 = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1)
        self._free, self._free_for_new = threading.Semaphore(at_once), threading.Semaphore(max(1, at_once // 2))
        self._nobodys = self._argon2.hash("nobody has this passphrase")

    def hash(self, passphrase: str) -> str:
        """Raises Unavailable if too many are being hashed."""
        with _slot(self._free_for_new), _slot(self._free):
            return self._argon2.hash(passphrase)

    def matches(self, verifier: str | None, passphrase: str) -> bool:
        """Whether it is the passphrase with this hash. Takes as long if there is none (None). Raises Unavailable."""
        with _slot(self._free):
            try:
                return self._argon2.verify(verifier or self._nobodys, passphrase) and verifier is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, verifier: str) -> bool:
        """Whether it was hashed at another cost than ours."""
        return self._argon2.check_needs_rehash(verifier)


@contextmanager
def _slot(free: threading.Semaphore) -> Iterator[None]:
    if not free.acquire(timeout=_WAIT_S):
        raise Unavailable("too many people are signing in at this moment")
    try:
        yield
    finally:
        free.release()


def entered(source: dict[str, Any], field: str) -> str:
    """A passphrase as somebody entered it, in Unicode's form NFC, so that every keyboard gives the same.

    Raises BadRequest if it can't be one.
    """
    value = source.get(field)
    if not isinstance(value, str) or len(value) > _MAX_RAW_CHARS or not _is_unicode(value):
        raise BadRequest(f"{field} must be a string of {MIN_CHARS} to {MAX_CHARS} characters")
    return unicodedata.normalize("NFC", value)


def chosen(source: dict[str, Any], field: str) -> str:
    """A new passphrase. Raises BadRequest, or Unprocessable if it is one of the first that anybody would guess."""
    value = entered(source, field)
    if not MIN_CHARS <= len(value) <= MAX_CHARS:
        raise BadRequest(f"{field} must be a string of {MIN_CHARS} to {MAX_CHARS} characters")
    if value.lower() in _COMMON or len(set(value)) < _MIN_DIFFERENT_CHARS:
        raise Unprocessable(
            f"{field} is one of the first that somebody would guess; choose another, such as four words"
        )
    return value


def credential(verifier: str, now_ms: int, before: Credential | None) -> Credential:
    """What the catalog keeps of one, in the place of the one `before`.

    It is newer than that, also if a clock was set back: by its time a session says which passphrase it goes by.
    """
    at_ms = now_ms if before is None else max(now_ms, before.created_at_ms + 1)
    return Credential(PASSPHRASE, PASSPHRASE, verifier, at_ms)


def among(credentials: Iterable[Credential]) -> Credential | None:
    """The passphrase of an account, whose credentials these are."""
    return next((one for one in credentials if one.kind == PASSPHRASE), None)


def _is_unicode(value: str) -> bool:
    """False for half of a surrogate pair, which UTF-8 can't encode."""
    return not any(unicodedata.category(letter) == "Cs" for letter in value)
