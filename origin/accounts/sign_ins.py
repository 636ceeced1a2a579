"""Keeps sessions: begins and refreshes them, and issues the access tokens that a client needs, one for each region."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from origin.accounts import passphrases, refresh_tokens
from origin.accounts.account_views import SignedIn
from origin.accounts.refresh_tokens import Meaning, RefreshToken
from regions import user_tokens
from regions.account_records import SIGNED_IN_SCOPES, Credential, Scope, UserSession
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

    def begin(self, user: User, passphrase: Credential, label: str, regions: Collection[str]) -> SignedIn:
        """A person signs in, by this passphrase. If there are too many sessions, the least recently used ends.

        Raises Unauthenticated if the passphrase has been changed since it was compared, Unavailable.
        """
        alive = self.alive(user.user_id)
        if len(alive) >= MAX_SESSIONS:
            people = [session for session in alive if not session.is_script] or alive
            self._ends.end(user.user_id, min(people, key=lambda session: session.used_at_ms).session_id)
        token = refresh_tokens.new(user.user_id, self._random)
        session = self._new(token, label, sorted(SIGNED_IN_SCOPES), passphrase.created_at_ms)
        return self._begin(user, token, replace(session, regions=tuple(sorted(regions))))

    def begin_script(
        self, user: User, asking: UserSession, label: str, scopes: Collection[Scope], ends_at_ms: int
    ) -> SignedIn:
        """It goes by the passphrase of the session that asks for it.

        Raises Conflict if there are too many sessions, Unauthenticated as `begin` does, Unavailable.
        """
        if len(self.alive(user.user_id)) >= MAX_SESSIONS:
            raise Conflict(f"an account may have {MAX_SESSIONS} sessions; end one first")
        token = refresh_tokens.new(user.user_id, self._random)
        session = self._new(token, label, sorted(scopes), asking.began_by_ms)
        return self._begin(user, token, replace(session, is_script=True, ends_at_ms=ends_at_ms))

    def keep(self, asking: UserSession, passphrase: Credential) -> None:
        """The session in which the passphrase was changed goes on by the new one, unless it has ended. Idempotent.

        Raises Unavailable.
        """
        for _ in range(_ATTEMPTS):
            session = self._catalog.sessions.get(asking.user_id, asking.session_id)
            if session is None or session.is_of(passphrase):
                return
            kept = replace(session, version=session.version + 1, passphrase_at_ms=passphrase.created_at_ms)
            if self._catalog.sessions.change(kept):
                return
        raise Unavailable("the session is being used by too many others")

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
            passphrase = self._passphrase(token.user_id)
            meaning = refresh_tokens.meaning(token, session, passphrase, following, self._clock_ms())
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
        now_ms, passphrase, alive = self._clock_ms(), self._passphrase(user_id), []
        for session in self._catalog.sessions.of_user(user_id):
            if refresh_tokens.is_alive(session, passphrase, now_ms):
                alive.append(session)
            elif session.ended_at_ms is None and not session.is_of(passphrase):
                # Who has changed the passphrase may have died before this.
                self._ends.end(user_id, session.session_id)
            elif session.ended_at_ms is None or session.ended_at_ms < now_ms - 2 * user_tokens.TTL_S * 1000:
                # Not at once: a second attempt to end it announces it again, should the first time have failed.
                self._catalog.sessions.remove(user_id, session.session_id)
        return sorted(alive, key=lambda session: session.used_at_ms, reverse=True)

    def _new(self, token: RefreshToken, label: str, scopes: Sequence[str], passphrase_at_ms: int | None) -> UserSession:
        now_ms = self._clock_ms()
        return UserSession(
            user_id=token.user_id,
            session_id=token.session_id,
            version=1,
            label=label,
            created_at_ms=now_ms,
            used_at_ms=now_ms,
            family_sha256=refresh_tokens.sha256(token.family),
            refresh_sha256=refresh_tokens.sha256(token.secret),
            scopes=tuple(scopes),
            passphrase_at_ms=passphrase_at_ms,
        )

    def _begin(self, user: User, token: RefreshToken, session: UserSession) -> SignedIn:
        self._catalog.sessions.add(session)
        if not session.is_of(self._passphrase(user.user_id)):
            # Changed since it was compared, or gone with the account. Later than this, who changes it ends the session.
            self._catalog.sessions.remove(user.user_id, session.session_id)
            raise refresh_tokens.invalid()
        return SignedIn(session.session_id, token.text, self._tokens(user, session, session.regions))

    def _passphrase(self, user_id: str) -> Credential | None:
        return passphrases.among(self._catalog.credentials.of_user(user_id))

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
