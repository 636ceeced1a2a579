"""The records of accounts: how a user proves who they are, and where they are signed in.

No record has a secret itself: a passphrase is kept as an argon2id hash, everything random as its SHA-256. Times are
Unix milliseconds. As with all records, a field that this program does not have is ignored, and a new one needs a
default. Pure.
"""

import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from regions.records import UnreadableRecord

PASSPHRASE, RECOVERY_CODE = "passphrase", "recovery_code"
"""The kinds of credentials."""


class Scope(StrEnum):
    """What the bearer of a token may do."""

    READ = "read"
    UPLOAD = "upload"
    SAY = "say"
    """Like, comment and follow, and take it back."""
    DELETE = "delete"
    """Delete photos."""
    SESSIONS = "sessions"
    """List and end sessions."""
    ACCOUNT = "account"
    """Change, export or delete the account. Only a token has it that was given for the passphrase, minutes ago."""


SCRIPT_SCOPES = frozenset((Scope.READ, Scope.UPLOAD, Scope.SAY))
"""What a script may have at most."""
SIGNED_IN_SCOPES = SCRIPT_SCOPES | {Scope.DELETE, Scope.SESSIONS}
"""What a person has who is signed in."""


@dataclass(frozen=True, slots=True)
class Credential:
    """`verifier` is the argon2id hash of a passphrase, or the SHA-256 of a recovery code."""

    credential_id: str
    kind: str
    verifier: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class UserSession:
    """One place where a user is signed in, or one script that acts for them.

    `version` grows by one with each change. `family_sha256` is of the part that all refresh tokens of the session
    share, and `refresh_sha256` of the one that counts now. `regions` are those for which it has had access tokens.
    A script has `scopes` and an `ends_at_ms`, and its refresh token does not rotate. `passphrase_at_ms` is when the
    passphrase was set by which it began: it ends with that one.
    """

    user_id: str
    session_id: str
    version: int
    label: str
    created_at_ms: int
    used_at_ms: int
    family_sha256: str
    refresh_sha256: str
    regions: tuple[str, ...] = ()
    is_script: bool = False
    scopes: tuple[str, ...] = tuple(sorted(SIGNED_IN_SCOPES))
    ends_at_ms: int | None = None
    ended_at_ms: int | None = None
    passphrase_at_ms: int | None = None

    @property
    def began_by_ms(self) -> int:
        """When its passphrase was set, at the latest: a record from before there was this field does not say it."""
        return self.created_at_ms if self.passphrase_at_ms is None else self.passphrase_at_ms

    def is_of(self, passphrase: Credential | None) -> bool:
        """Whether it goes by this passphrase of its user; None if there is none any more.

        The times of a user's passphrases only grow. A newer one is no contradiction: this one was read before it.
        """
        return passphrase is not None and self.began_by_ms >= passphrase.created_at_ms


@dataclass(frozen=True, slots=True)
class EndedSession:
    """Announces to the `regions` that the access tokens of this session are worth nothing any more."""

    session_id: str
    at_ms: int
    regions: tuple[str, ...]


_NAMES = tuple(field.name for field in fields(UserSession))
_LISTS = ("regions", "scopes")


def session_to_text(session: UserSession) -> str:
    return json.dumps(asdict(session), separators=(",", ":"))


def session_from_text(text: str) -> UserSession:
    """The inverse of `session_to_text`. Raises UnreadableRecord."""
    try:
        value = json.loads(text)
        known: dict[str, Any] = {name: value[name] for name in _NAMES if name in value}
        return UserSession(**known | {name: tuple(known[name]) for name in _LISTS if name in known})
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableRecord("not a UserSession") from error
