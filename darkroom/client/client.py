"""The Python client: everything that a user can do, through one edge.

    >>> ana = Client("http://127.0.0.1:8600")                            # doctest: +SKIP
    >>> ana.sign_up("Ana", "PT", "ana", "four words to remember")        # doctest: +SKIP
    >>> ana.wait_until_ready(ana.upload("harbour.jpg"))["variants"]      # doctest: +SKIP

Every method returns the JSON document of the API as it is (`docs/rooms.md`), and raises ClientError.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

from darkroom.client.http import ClientError, HomeAway, HttpClient, Json, Throttled, Unreachable
from darkroom.client.keyring import UNAUTHENTICATED, Keyring, MemoryStore, SavedSession, SessionStore
from darkroom.client.transfer import Progress, Source, Transfer, source_of
from regions.waiting import attempts

__all__ = [
    "Client", "ClientError", "HomeAway", "OtherFile", "PhotoRejected", "Throttled", "Unreachable", "UploadInterrupted",
]  # fmt: skip

WITH_REGION = "Write your handle with its region, such as ana@eu-west"

_MALFORMED, _GONE, _MISDIRECTED = 400, 410, 421
_DEFAULT_LIMIT = 30
_PATIENCE_S = 3600


class UploadInterrupted(ClientError):
    """An upload was started but not completed. `upload(…, resume_id=error.upload_id)` continues it."""

    def __init__(self, upload_id: str, cause: ClientError) -> None:
        super().__init__(cause.status, cause.title, cause.detail, cause.document)
        self.upload_id = upload_id


class PhotoRejected(ClientError):
    """A photo has become `failed` or `rejected`. `document` is the photo with its `reason`; `status` is 422."""

    def __init__(self, photo: Json) -> None:
        detail = (photo.get("reason") or {}).get("detail") or "no reason was given"
        title = "The photo failed" if photo["status"] == "failed" else "The photo was rejected"
        super().__init__(422, title, detail, photo)


class OtherFile(ClientError):
    """The upload is that of another file."""

    def __init__(self, name: str) -> None:
        super().__init__(409, "This is not the file of this upload", f"{name} has another size or content", {})


class Client:
    """Somebody at one edge: a visitor until `sign_up`, `sign_in` or `recover`. Safe to share between threads.

    With a `store` of a session it goes on as the user of that session.
    """

    def __init__(self, edge_url: str, store: SessionStore | None = None) -> None:
        self.edge_url = edge_url.rstrip("/")
        self._http = HttpClient(self.edge_url)
        self._keyring = Keyring(store, self._http) if store is not None else None

    @property
    def session(self) -> SavedSession | None:
        """What signs this user in again; None for a visitor."""
        return self._keyring.store.read() if self._keyring is not None else None

    def sign_up(self, name: str, country: str, handle: str, passphrase: str, label: str = "") -> Json:
        """{id, handle, home_region, recovery_codes, …}, and acts as this user from now on.

        `country` is an ISO 3166-1 code; it decides where the user's photos are stored, and at whose shield the
        passphrase is sent. The recovery codes are shown this once: each sets a new passphrase.
        """
        home = self.home(country)
        body = {"name": name, "country": country, "handle": handle, "passphrase": passphrase, "label": label}
        return self._begin_session(home, "/v1/users", body)

    def home(self, country: str) -> Json:
        """{region, number, url}: where people from a country live, and its shield."""
        return self._http.json("GET", f"/v1/homes?{urlencode({'country': country})}")

    def sign_in(self, handle: str, passphrase: str, label: str = "") -> Json:
        """`handle` is written with its region, such as `ana@eu-west`; ClientError with 400 without one."""
        body = {"handle": handle, "passphrase": passphrase, "label": label}
        return self._begin_session(self._home_of(handle), "/v1/sessions", body)

    def recover(self, handle: str, recovery_code: str, new_passphrase: str, label: str = "") -> Json:
        """Sets a new passphrase by one of the recovery codes, ends all sessions, and signs in."""
        body = {"handle": handle, "recovery_code": recovery_code, "new_passphrase": new_passphrase, "label": label}
        return self._begin_session(self._home_of(handle), "/v1/sessions/recovery", body)

    def sign_out(self) -> None:
        """Ends this session at home. One that has ended already is no error."""
        keyring = self._signed_in()
        saved = keyring.store.read()
        try:
            keyring.home("DELETE", f"/v1/users/{saved.id}/sessions/{saved.session}")
        except ClientError as error:
            if error.status != UNAUTHENTICATED:
                raise
        self._keyring = None

    def sessions(self) -> Json:
        """{items: [{id, label, is_current, is_script, scope, regions, created_at, used_at, ends_at}], next}"""
        keyring = self._signed_in()
        return keyring.home("GET", f"/v1/users/{keyring.store.read().id}/sessions")

    def end_session(self, session_id: str) -> None:
        keyring = self._signed_in()
        keyring.home("DELETE", f"/v1/users/{keyring.store.read().id}/sessions/{quote(session_id)}")

    def end_other_sessions(self) -> None:
        keyring = self._signed_in()
        keyring.home("DELETE", f"/v1/users/{keyring.store.read().id}/sessions")

    def script_token(self, passphrase: str, scope: list[str], ends_at: str, label: str) -> Json:
        """{session, refresh_token} for a script: `scope` is some of read, upload and say; `ends_at` is RFC 3339."""
        body = {"scope": scope, "ends_at": ends_at, "label": label}
        return self._confirmed(passphrase, "POST", "script-tokens", body)

    def new_recovery_codes(self, passphrase: str) -> Json:
        """{recovery_codes}; the old ones are worth nothing any more."""
        return self._confirmed(passphrase, "POST", "recovery-codes")

    def change_passphrase(self, passphrase: str, new_passphrase: str) -> None:
        """All other sessions end."""
        self._confirmed(passphrase, "PUT", "passphrase", {"passphrase": new_passphrase})

    def rename(self, passphrase: str, name: str) -> None:
        self._confirmed(passphrase, "PUT", "name", {"name": name})

    def export(self, passphrase: str, section: str = "account", before: str | None = None) -> Json:
        """{section, items, next}: a page of account, sessions, photos, likes, comments or following."""
        query = {"section": section} | ({"before": before} if before else {})
        return self._confirmed(passphrase, "GET", f"export?{urlencode(query)}")

    def delete_account(self, passphrase: str) -> None:
        """For good. Photos, likes and comments are erased within minutes."""
        self._confirmed(passphrase, "DELETE", "")
        self._keyring = None

    def user(self, user_id: str) -> Json:
        return self._json("GET", f"/v1/users/{quote(user_id)}")

    def upload(
        self,
        path_or_bytes: str | Path | bytes,
        caption: str | None = None,
        progress: Progress | None = None,
        resume_id: str | None = None,
        begun: Callable[[str], None] | None = None,
        throttled: Callable[[int], None] | None = None,
    ) -> str:
        """Uploads a file and returns the photo's id. The photo is being processed then; see `wait_until_ready`.

        Raises UploadInterrupted if the upload can be resumed, and OSError if the file can't be read. Raises OtherFile
        if `resume_id` is the upload of a file with another size or content. `progress` is called with the number of
        bytes just sent; the number is negative if bytes have to be sent again. `begun` is called with the id of a new
        upload, before its first byte is sent. If there were too many uploads for a while, this waits, for up to an
        hour: `throttled` is called with the seconds of each wait. Raises Throttled if it would take longer.
        """
        source, progress = source_of(path_or_bytes), progress or (lambda size_bytes: None)
        begun = begun or (lambda upload_id: None)
        begin = partial(self._begin, source, caption, throttled or (lambda seconds: None))
        try:
            return self._upload(source, progress, resume_id, begin, begun)
        except ClientError as error:
            if error.status != _GONE:
                raise
        # The region was turned off during the upload, or the upload has expired: it has to start over.
        return self._upload(source, progress, None, begin, begun)

    def photo(self, photo_id: str) -> Json:
        return self._json("GET", f"/v1/photos/{quote(photo_id)}")

    def wait_until_ready(
        self, photo_id: str, timeout_s: float = 60.0, waiting: Callable[[Json], None] | None = None
    ) -> Json:
        """The photo when it is `ready`. Raises PhotoRejected, or TimeoutError if it is still being processed.

        `waiting` is called with the photo each time that it is not ready: it may have `ready_in_s`, an estimate.
        """
        status = ""
        for _ in attempts(timeout_s, max_s=1.0):
            photo = self.photo(photo_id)
            status = photo["status"]
            if status == "ready":
                return photo
            if status in ("failed", "rejected"):
                raise PhotoRejected(photo)
            if waiting is not None:
                waiting(photo)
        raise TimeoutError(f"{photo_id} was still {status} after {timeout_s:g} s")

    def delete(self, photo_id: str) -> None:
        self._json("DELETE", f"/v1/photos/{quote(photo_id)}")

    def photos_of(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/photos", before, limit)

    def feed(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/feed", before, limit)

    def follow(self, user_id: str, author_id: str) -> None:
        self._json("PUT", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def unfollow(self, user_id: str, author_id: str) -> None:
        self._json("DELETE", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def following(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/following", before, limit)

    def like(self, photo_id: str) -> None:
        self._json("PUT", f"/v1/photos/{quote(photo_id)}/like")

    def unlike(self, photo_id: str) -> None:
        self._json("DELETE", f"/v1/photos/{quote(photo_id)}/like")

    def likes(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/likes", before, limit)

    def comment(self, photo_id: str, text: str) -> Json:
        return self._json("POST", f"/v1/photos/{quote(photo_id)}/comments", {"text": text}, repeatable=True)

    def remove_comment(self, photo_id: str, comment_id: str) -> None:
        """For the comment's author and the photo's owner."""
        self._json("DELETE", f"/v1/photos/{quote(photo_id)}/comments/{quote(comment_id)}")

    def comments(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/comments", before, limit)

    def image(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A variant's bytes and headers, given one of the URLs in a photo's `variants`."""
        return self._http.get_bytes(url)

    def _json(self, method: str, path: str, body: Json | None = None, *, repeatable: bool = False) -> Json:
        """As the user, if somebody is signed in."""
        keyring = self._keyring
        token = keyring.token(method, path) if keyring is not None else None
        try:
            return self._http.json(method, path, body, repeatable=repeatable, token=token)
        except ClientError as error:
            is_edge = isinstance(error, Unreachable)
            if keyring is not None and error.is_unanswered and not is_edge and keyring.is_at_home(path):
                raise HomeAway(keyring.home_region, error) from error
            if error.status != UNAUTHENTICATED or token is None or keyring is None:
                raise
            # Nothing was done: the token had run out, perhaps because this machine slept.
            keyring.refused(token)
        token = keyring.token(method, path)
        return self._http.json(method, path, body, repeatable=repeatable, token=token)

    def _begin_session(self, home: Json, path: str, body: Json) -> Json:
        """By the shield of the home alone. Every other edge, and that one if it is mistaken, says where to go: 421."""
        try:
            url, answer = _posted(str(home["url"]), path, body)
        except ClientError as error:
            if not error.is_unanswered:
                raise
            raise HomeAway(str(home["region"]), error) from error
        saved = SavedSession(answer["id"], answer["handle"], url, answer["session"], answer["refresh_token"])
        self._keyring = Keyring(MemoryStore(saved), self._http)
        self._keyring.keep(answer)
        return answer

    def _home_of(self, handle: str) -> Json:
        region = handle.partition("@")[2]
        if not region:
            raise ClientError(_MALFORMED, f"{handle} names no region", WITH_REGION, {})
        return self._http.json("GET", f"/v1/homes?{urlencode({'region': region})}")

    def _signed_in(self) -> Keyring:
        if self._keyring is None:
            raise ClientError(UNAUTHENTICATED, "Nobody is signed in", "sign up or sign in first", {})
        return self._keyring

    def _confirmed(self, passphrase: str, method: str, what: str, body: Json | None = None) -> Json:
        """A change of the account, for which the passphrase is given anew."""
        keyring = self._signed_in()
        account = f"/v1/users/{keyring.store.read().id}"
        token = keyring.home("POST", f"{account}/confirmation", {"passphrase": passphrase})["token"]
        return keyring.home(method, f"{account}/{what}".rstrip("/"), body, token)

    def _list(self, path: str, before: str | None, limit: int) -> Json:
        query = {"limit": str(limit)} | ({"before": before} if before else {})
        return self._json("GET", f"{path}?{urlencode(query)}")

    def _upload(
        self,
        source: Source,
        progress: Progress,
        resume_id: str | None,
        begin: Callable[[], Json],
        begun: Callable[[str], None],
    ) -> str:
        if resume_id:
            upload = self._json("GET", f"/v1/uploads/{quote(resume_id)}")
            _require_same_file(source, upload)
        else:
            upload = begin()
            begun(str(upload["upload_id"]))
        upload_id = str(upload["upload_id"])
        if upload["status"] != "uploading":
            return upload_id
        try:
            transfer = Transfer(self._http, self._json, source, upload_id, int(upload["part_size"]), progress)
            parts = transfer.run(upload["parts"], upload["missing"])
            # Completing is idempotent, so it is sent again if the response was lost.
            self._json("POST", f"/v1/uploads/{quote(upload_id)}/complete", {"parts": parts}, repeatable=True)
        except ClientError as error:
            raise UploadInterrupted(upload_id, error) from error
        return upload_id

    def _begin(self, source: Source, caption: str | None, throttled: Callable[[int], None]) -> Json:
        body: Json = {
            "filename": source.name,
            "size_bytes": source.size_bytes,
            "content_type": source.content_type,
            "sha256": source.sha256(),
        }
        if caption:
            body["caption"] = caption
        patience_s = _PATIENCE_S
        while True:
            try:
                begun = self._json("POST", "/v1/uploads/init", body, repeatable=True)
                return {**begun, "status": "uploading", "parts": [], "missing": begun["parts"]}
            except Throttled as error:
                patience_s -= max(1, error.retry_after_s)
                if patience_s < 0:
                    raise
                throttled(error.retry_after_s)
                time.sleep(error.retry_after_s)


def _posted(url: str, path: str, body: Json) -> tuple[str, Json]:
    """The URL that has answered, this or the one that this one named, and what."""
    try:
        return url, HttpClient(url).json("POST", path, body)
    except ClientError as error:
        if error.status != _MISDIRECTED or not error.document.get("url"):
            raise
        url = str(error.document["url"])
    return url, HttpClient(url).json("POST", path, body)


def _require_same_file(source: Source, upload: Json) -> None:
    """Raises OtherFile. The upload has no SHA-256 if the client that began it claimed none."""
    if source.size_bytes != upload["size_bytes"] or upload["sha256"] not in (None, source.sha256()):
        raise OtherFile(source.name)
