"""The access tokens of one user, one for each region that the client meets: fetched when needed, renewed before they
run out, and kept in memory only. What signs the user in again, the refresh token, goes to the home's shield alone.

A refresh token is exchanged with each refresh, and one that is used twice ends the session. So a refresh is sent under
a lock, with a key that is kept first: if this process dies, or the answer is lost, the next refresh sends the same key
and gets the same answer.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from darkroom.client.http import ClientError, HomeAway, HttpClient, Json
from regions import ids
from regions.errors import NotFound

UNAUTHENTICATED = 401
_RENEW_BEFORE_S = 60
_KEY_BYTES = 24
_ID_LETTERS = (ids.PHOTO, ids.USER, ids.COMMENT)
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class SavedSession:
    """What signs a user in again. `home` is the URL of their home's shield.

    `pending_key` is the key of a refresh whose answer is not kept yet; empty if there is none.
    """

    id: str
    handle: str
    home: str
    session: str
    refresh_token: str
    pending_key: str = ""


class SessionStore(Protocol):
    """Where a session is kept. `exclusive` keeps out every other client of this session, in other processes too."""

    def exclusive(self) -> AbstractContextManager[None]: ...
    def read(self) -> SavedSession: ...
    def write(self, session: SavedSession) -> None: ...


class MemoryStore:
    """For the time that the client lives. Who wants to keep it reads it from here."""

    def __init__(self, session: SavedSession) -> None:
        self._session, self._lock = session, threading.Lock()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._lock:
            yield

    def read(self) -> SavedSession:
        return self._session

    def write(self, session: SavedSession) -> None:
        self._session = session


class Keyring:
    """Safe to share between threads. `clock_s` is any clock that goes on."""

    def __init__(self, store: SessionStore, edge: HttpClient, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._edge, self._clock_s = edge, clock_s
        self._home = HttpClient(store.read().home)
        self._home_number = ids.parse(ids.USER, store.read().id).region
        self._tokens: dict[str, tuple[str, float]] = {}
        self._homes: dict[int, str] = {}
        self._lock = threading.Lock()

    def token(self, method: str, path: str) -> str | None:
        """The access token for a request; None for what everybody may read in another region. Raises ClientError."""
        number = self._region_of(path)
        if number != self._home_number and method in _READS:
            return None
        return self.token_for(self._name(number))

    def token_for(self, region: str) -> str:
        """Raises ClientError: 401 if the session has ended."""
        with self._lock:
            token, until_s = self._tokens.get(region, ("", 0.0))
            return token if self._clock_s() < until_s else self._refresh(region)

    def refused(self, token: str) -> None:
        """The server says that this token is not good: after the machine slept, for instance. It is not used again."""
        with self._lock:
            self._tokens = {region: one for region, one in self._tokens.items() if one[0] != token}

    def keep(self, answer: Json) -> None:
        """The tokens of an answer to a sign-in or a refresh."""
        until_s = self._clock_s() + int(answer["expires_in_s"]) - _RENEW_BEFORE_S
        self._tokens |= {region: (token, until_s) for region, token in answer["tokens"].items()}

    def home(self, method: str, path: str, body: Json | None = None, token: str | None = None) -> Json:
        """A request about the account, to the home's shield. Raises ClientError."""
        if token is not None:
            return self._at_home(method, path, body, token=token)
        token = self.token_for(self.home_region)
        try:
            return self._at_home(method, path, body, token=token)
        except ClientError as error:
            if error.status != UNAUTHENTICATED:
                raise
            self.refused(token)
        return self._at_home(method, path, body, token=self.token_for(self.home_region))

    def is_at_home(self, path: str) -> bool:
        """Whether the home answers this request."""
        return self._region_of(path) == self._home_number

    @property
    def home_region(self) -> str:
        return self.store.read().handle.partition("@")[2]

    def _refresh(self, region: str) -> str:
        with self.store.exclusive():
            # Another process may have exchanged it in the meantime.
            saved = self.store.read()
            if not saved.pending_key:
                saved = replace(saved, pending_key=secrets.token_urlsafe(_KEY_BYTES))
                self.store.write(saved)
            body = {"refresh_token": saved.refresh_token, "regions": sorted({region, *self._tokens})}
            headers = {"Idempotency-Key": saved.pending_key}
            answer = self._at_home("POST", "/v1/sessions/refresh", body, repeatable=True, headers=headers)
            self.store.write(replace(saved, refresh_token=answer["refresh_token"], pending_key=""))
        self.keep(answer)
        return str(answer["tokens"][region])

    def _at_home(self, method: str, path: str, body: Json | None, **settings: Any) -> Json:
        try:
            return self._home.json(method, path, body, **settings)
        except ClientError as error:
            if not error.is_unanswered:
                raise
            raise HomeAway(self.home_region, error) from error

    def _region_of(self, path: str) -> int:
        """The number of the region that answers: by the first id in the path, else the home."""
        for segment in path.partition("?")[0].split("/"):
            if segment[:1] in _ID_LETTERS and segment[1:2] == "_":
                return _region_number(segment, self._home_number)
        return self._home_number

    def _name(self, number: int) -> str:
        if number == self._home_number:
            return self.home_region
        if number not in self._homes:
            homes = self._edge.json("GET", "/v1/homes")["items"]
            self._homes = {int(home["number"]): str(home["region"]) for home in homes}
        try:
            return self._homes[number]
        except KeyError as error:
            raise ClientError(404, "There is no such region", f"no region has the number {number}", {}) from error


def _region_number(public_id: str, otherwise: int) -> int:
    try:
        return ids.parse(public_id[0], public_id).region
    except NotFound:
        return otherwise
