"""Keeps sessions: begins and refreshes them, and issues the access tokens that a client needs, one for each region."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from origin.accounts import refresh_tokens
from origin.accounts.refresh_tokens import Meaning, RefreshToken
from regions import user_tokens
from regions.account_records import SIGNED_IN_SCOPES, Scope, UserSession
from regions.errors import Conflict, Unavailable
from regions.records import User
from regions.session_ends import SessionEnds
from regions.stores.accounts import MAX_SESSIONS
from regions.stores.catalog import Catalog
from regions.user_tokens import AccessToken

CONFIRMED_TTL_S = 300
"""How long a person may change their account after they gave their passphrase anew."""
_ATTEMPTS = 8
# How exactly the list of sessions says when a script was there last.
_USED_EVERY_MS = 600_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client gets. `tokens` are access tokens by region."""

    session_id: str
    refresh_token: str
    tokens: dict[str, str]


class SignIns:
    """The sessions of the users who live here. `signing_key()` is the key for their tokens now, with its id.

    `random(n)` returns n random bytes.
    """

    def __init__(
        self,
        catalog: Catalog,
        ends: SessionEnds,
        signing_key: Callable[[], tuple[str, Ed25519PrivateKey]],
        clock_ms: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self._catalog, self._ends, self._signing_key = catalog, ends, signing_key
        self._clock_ms, self._random = clock_ms, random

    def begin(self, user: User, label: str, regions: Collection[str]) -> SignedIn:
        """A person signs in. If there are too many sessions, the least recently used ends. Raises Unavailable."""
        alive = self.alive(user.user_id)
        if len(alive) >= MAX_SESSIONS:
            people = [session for session in alive if not session.is_script] or alive
            self._ends.end(user.user_id, min(people, key=lambda session: session.used_at_ms).session_id)
        return self._begin(user, label, regions, sorted(SIGNED_IN_SCOPES), None)

    def begin_script(self, user: User, label: str, scopes: Collection[Scope], ends_at_ms: int) -> SignedIn:
        """Raises Conflict if there are too many sessions, Unavailable."""
        if len(self.alive(user.user_id)) >= MAX_SESSIONS:
            raise Conflict(f"an account may have {MAX_SESSIONS} sessions; end one first")
        return self._begin(user, label, [], sorted(scopes), ends_at_ms)

    def refresh(self, token: RefreshToken, idempotency_key: str | None, regions: Collection[str]) -> SignedIn:
        """New access tokens and, for a person, a new refresh token. Raises Unauthenticated, Unavailable.

        A token that was exchanged before ends the session: see `refresh_tokens`.
        """
        following = refresh_tokens.following(token, idempotency_key, self._random)
        for _ in range(_ATTEMPTS):
            session = self._catalog.sessions.get(token.user_id, token.session_id)
            user = self._catalog.users.get(token.user_id)
            if session is None or user is None or user.deleted_at_ms is not None:
                raise refresh_tokens.invalid()
            meaning = refresh_tokens.meaning(token, session, following, self._clock_ms())
            if meaning is Meaning.REUSED:
                self._ends.end(token.user_id, token.session_id)
            if meaning in (Meaning.REUSED, Meaning.INVALID):
                raise refresh_tokens.invalid()
            current = token if session.is_script else following
            changed = self._used(session, current, regions)
            if changed == session or self._catalog.sessions.change(changed):
                return SignedIn(session.session_id, current.text, self._tokens(user, changed, regions))
            # Another request has changed the session in the meantime. What the token means now, the record says.
        raise Unavailable("the session is being used by too many others")

    def confirmed(self, user: User, session_id: str) -> str:
        """An access token for this region with which the person may change their account, for five minutes."""
        scopes = SIGNED_IN_SCOPES | {Scope.ACCOUNT}
        return self._token(user, session_id, frozenset(scopes), user.home_region, CONFIRMED_TTL_S)

    def alive(self, user_id: str) -> list[UserSession]:
        """Last used first. Removes the records of those that have ended."""
        now_ms, alive = self._clock_ms(), []
        for session in self._catalog.sessions.of_user(user_id):
            if refresh_tokens.is_alive(session, now_ms):
                alive.append(session)
            elif session.ended_at_ms is None or session.ended_at_ms < now_ms - 2 * user_tokens.TTL_S * 1000:
                # Not at once: a second attempt to end it announces it again, should the first time have failed.
                self._catalog.sessions.remove(user_id, session.session_id)
        return sorted(alive, key=lambda session: session.used_at_ms, reverse=True)

    def _begin(
        self, user: User, label: str, regions: Collection[str], scopes: Sequence[str], ends_at_ms: int | None
    ) -> SignedIn:
        token, now_ms = refresh_tokens.new(user.user_id, self._random), self._clock_ms()
        session = UserSession(
            user_id=user.user_id,
            session_id=token.session_id,
            version=1,
            label=label,
            created_at_ms=now_ms,
            used_at_ms=now_ms,
            family_sha256=refresh_tokens.sha256(token.family),
            refresh_sha256=refresh_tokens.sha256(token.secret),
            regions=tuple(sorted(regions)),
            is_script=ends_at_ms is not None,
            scopes=tuple(scopes),
            ends_at_ms=ends_at_ms,
        )
        self._catalog.sessions.add(session)
        return SignedIn(session.session_id, token.text, self._tokens(user, session, regions))

    def _used(self, session: UserSession, current: RefreshToken, regions: Collection[str]) -> UserSession:
        """The session after this refresh: the same if neither token nor regions change, and it was used just now."""
        refresh_sha256, now_ms = refresh_tokens.sha256(current.secret), self._clock_ms()
        all_regions = tuple(sorted({*session.regions, *regions}))
        is_same = (refresh_sha256, all_regions) == (session.refresh_sha256, session.regions)
        if is_same and now_ms - session.used_at_ms < _USED_EVERY_MS:
            return session
        return replace(
            session,
            version=session.version + 1,
            used_at_ms=now_ms,
            refresh_sha256=refresh_sha256,
            regions=all_regions,
        )

    def _tokens(self, user: User, session: UserSession, regions: Collection[str]) -> dict[str, str]:
        ttl_s = user_tokens.TTL_S
        if session.ends_at_ms is not None:
            ttl_s = max(1, min(ttl_s, (session.ends_at_ms - self._clock_ms()) // 1000))
        scopes = frozenset(Scope(name) for name in session.scopes)
        return {region: self._token(user, session.session_id, scopes, region, ttl_s) for region in regions}

    def _token(self, user: User, session_id: str, scopes: frozenset[Scope], region: str, ttl_s: int) -> str:
        claims = AccessToken(user.user_id, user.home_region, region, session_id, scopes, user.residency_class)
        return user_tokens.issue(claims, *self._signing_key(), self._clock_ms() // 1000, ttl_s)
