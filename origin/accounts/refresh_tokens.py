"""Refresh tokens: opaque to clients, and what one that comes back means. Pure: randomness is an argument.

A token is `USER.SESSION.FAMILY.SECRET`. The user and the session say which record to read. All tokens of a session
share FAMILY (128 random bits), and each has a SECRET of its own (256 bits). The catalog has only their SHA-256.

**Rotation.** Each refresh makes a new secret and ends the old one. One that comes back with the right family and
another secret was copied: somebody else has exchanged it, or the person has and somebody uses an old one. Then the
session ends (RFC 9700 section 4.14.2). Without the family a token proves nothing, and changes nothing.

**A lost answer.** A client sends an `Idempotency-Key` of its own with each refresh. The new secret is then made from
the old secret and that key, so that the same request, sent again, gets the same answer, until the next rotation. Only
who knows both, which is only who sent the request, can work out the new secret.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from regions.account_records import Credential, UserSession
from regions.errors import Unauthenticated

IDLE_MS = 90 * 24 * 3600 * 1000
"""A session that was not refreshed for so long has ended."""

_TEXT = re.compile(r"(u_[0-9A-Za-z]{11})\.(s_[A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
_SESSION_BYTES, _FAMILY_BYTES, _SECRET_BYTES = 12, 16, 32

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class RefreshToken:
    user_id: str
    session_id: str
    family: str
    secret: str

    @property
    def text(self) -> str:
        return f"{self.user_id}.{self.session_id}.{self.family}.{self.secret}"


class Meaning(Enum):
    ROTATE = auto()
    """It is the one that counts. A script's counts until its end."""
    REPEAT = auto()
    """The request that made the one that counts, once more."""
    REUSED = auto()
    """It counted before, or was made up by somebody who knows another one: the session must end."""
    INVALID = auto()


def new(user_id: str, random: RandomBytes) -> RefreshToken:
    """The first one of a new session."""
    session_id, family = f"s_{_encoded(random(_SESSION_BYTES))}", _encoded(random(_FAMILY_BYTES))
    return RefreshToken(user_id, session_id, family, _encoded(random(_SECRET_BYTES)))


def parse(text: str) -> RefreshToken:
    """Raises Unauthenticated."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise invalid()
    return RefreshToken(*found.groups())


def following(token: RefreshToken, idempotency_key: str | None, random: RandomBytes) -> RefreshToken:
    """The token that takes its place. The same for the same key; without a key, another one each time."""
    if idempotency_key is None:
        return replace(token, secret=_encoded(random(_SECRET_BYTES)))
    digest = hmac.digest(token.secret.encode(), b"darkroom refresh " + idempotency_key.encode(), "sha256")
    return replace(token, secret=_encoded(digest))


def meaning(
    token: RefreshToken, session: UserSession, passphrase: Credential | None, following_one: RefreshToken, now_ms: int
) -> Meaning:
    """`passphrase` is the user's; `following_one` is what `following` makes of the token in this request."""
    if not is_alive(session, passphrase, now_ms) or not _is(token.family, session.family_sha256):
        return Meaning.INVALID
    if _is(token.secret, session.refresh_sha256):
        return Meaning.ROTATE
    if _is(following_one.secret, session.refresh_sha256):
        return Meaning.REPEAT
    return Meaning.REUSED


def is_alive(session: UserSession, passphrase: Credential | None, now_ms: int) -> bool:
    """A session ends with the passphrase by which it began, in that write: nobody has to live to end it."""
    if not session.is_of(passphrase):
        return False
    if session.ended_at_ms is not None or (session.ends_at_ms is not None and now_ms >= session.ends_at_ms):
        return False
    return session.is_script or now_ms - session.used_at_ms < IDLE_MS


def sha256(text: str) -> str:
    """Of 128 random bits or more, so that it need not be slow."""
    return hashlib.sha256(text.encode()).hexdigest()


def invalid() -> Unauthenticated:
    """The same for whatever is wrong with one."""
    return Unauthenticated("the session has ended, or this is not its refresh token; sign in again")


def _is(text: str, digest: str) -> bool:
    return hmac.compare_digest(sha256(text), digest)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
