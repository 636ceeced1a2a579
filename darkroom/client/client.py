"""The Python client: everything a user can do, through one edge.

    >>> ana = Client("http://127.0.0.1:8600")                            # doctest: +SKIP
    >>> ana = Client(ana.edge_url, ana.sign_up("Ana", "PT")["token"])    # doctest: +SKIP
    >>> ana.wait_until_ready(ana.upload("harbour.jpg"))["variants"]      # doctest: +SKIP

Documents come back as the API gives them (`docs/rooms.md`). Every method raises ClientError.
"""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from darkroom.client.http import ClientError, HttpClient, Json, Unreachable
from darkroom.client.transfer import Progress, Source, Transfer, source_of
from regions.retry import backoff_s

__all__ = ["Client", "ClientError", "PhotoRefused", "Unreachable", "UploadInterrupted"]

_GONE = 410
_DEFAULT_LIMIT = 30


class UploadInterrupted(ClientError):
    """An upload that was begun and not completed: `upload(…, resume_id=error.upload_id)` goes on with it."""

    def __init__(self, upload_id: str, cause: ClientError) -> None:
        super().__init__(cause.status, cause.title, cause.detail, cause.document)
        self.upload_id = upload_id


class PhotoRefused(ClientError):
    """A photo that has become `failed` or `rejected`. `document` is the photo, `reason` and all; `status` is 422."""

    def __init__(self, photo: Json) -> None:
        detail = (photo.get("reason") or {}).get("detail") or "no reason was given"
        title = "The photo failed" if photo["status"] == "failed" else "The photo was rejected"
        super().__init__(422, title, detail, photo)


class Client:
    """One user at one edge; without a token, whoever is not signed in. Safe to share between threads."""

    def __init__(self, edge_url: str, token: str | None = None) -> None:
        self.edge_url = edge_url.rstrip("/")
        self._calls = HttpClient(self.edge_url, token)

    def sign_up(self, name: str, country: str) -> Json:
        """{id, token, home_region}. `country` is an ISO 3166-1 code; it decides where the user's photos live."""
        return self._calls.json("POST", "/v1/users", {"name": name, "country": country})

    def user(self, user_id: str) -> Json:
        return self._calls.json("GET", f"/v1/users/{quote(user_id)}")

    def upload(
        self,
        path_or_bytes: str | Path | bytes,
        caption: str | None = None,
        progress: Progress | None = None,
        resume_id: str | None = None,
    ) -> str:
        """The photo's id, once all of the file is there and its processing has been asked for.

        Raises UploadInterrupted when it can be gone on with, and OSError where the file can't be read.
        `progress` is called with numbers of bytes that have gone, negative where some must go again.
        """
        source, heard = source_of(path_or_bytes), progress or _unheard
        try:
            return self._upload(source, caption, heard, resume_id)
        except ClientError as error:
            if error.status != _GONE:
                raise
        # The region was turned off in mid-upload, or the upload is too old: there is only beginning again.
        return self._upload(source, caption, heard, None)

    def photo(self, photo_id: str) -> Json:
        return self._calls.json("GET", f"/v1/photos/{quote(photo_id)}")

    def wait_until_ready(self, photo_id: str, timeout_s: float = 60.0) -> Json:
        """The photo once it is `ready`. Raises PhotoRefused, or TimeoutError while it is still being processed."""
        deadline_s, attempt = time.monotonic() + timeout_s, 0
        while True:
            photo = self.photo(photo_id)
            if photo["status"] == "ready":
                return photo
            if photo["status"] in ("failed", "rejected"):
                raise PhotoRefused(photo)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"{photo_id} was still {photo['status']} after {timeout_s:g} s")
            time.sleep(min(left_s, backoff_s(attempt, random.random, most_s=1.0)))
            attempt += 1

    def delete(self, photo_id: str) -> None:
        self._calls.json("DELETE", f"/v1/photos/{quote(photo_id)}")

    def photos_of(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/photos", before, limit)

    def feed(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/feed", before, limit)

    def follow(self, user_id: str, author_id: str) -> None:
        self._calls.json("PUT", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def unfollow(self, user_id: str, author_id: str) -> None:
        self._calls.json("DELETE", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def following(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/following", before, limit)

    def like(self, photo_id: str) -> None:
        self._calls.json("PUT", f"/v1/photos/{quote(photo_id)}/like")

    def unlike(self, photo_id: str) -> None:
        self._calls.json("DELETE", f"/v1/photos/{quote(photo_id)}/like")

    def likes(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/likes", before, limit)

    def comment(self, photo_id: str, text: str) -> Json:
        return self._calls.json("POST", f"/v1/photos/{quote(photo_id)}/comments", {"text": text})

    def comments(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/comments", before, limit)

    def image(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A variant's bytes and headers, by a URL that a photo's `variants` gave."""
        return self._calls.get_bytes(url)

    def _list(self, path: str, before: str | None, limit: int) -> Json:
        query = {"limit": str(limit)} | ({"before": before} if before else {})
        return self._calls.json("GET", f"{path}?{urlencode(query)}")

    def _upload(self, source: Source, caption: str | None, progress: Progress, resume_id: str | None) -> str:
        upload = self._upload_of(resume_id) if resume_id else self._begin(source, caption)
        upload_id = str(upload["upload_id"])
        if upload["status"] != "uploading":
            return upload_id
        try:
            transfer = Transfer(self._calls, source, upload_id, int(upload["part_size"]), progress)
            parts = transfer.run(upload["parts"], upload["missing"])
            # Completing twice is completing once, so a lost answer is no reason to give up.
            self._calls.json("POST", f"/v1/uploads/{quote(upload_id)}/complete", {"parts": parts}, repeatable=True)
        except ClientError as error:
            raise UploadInterrupted(upload_id, error) from error
        return upload_id

    def _begin(self, source: Source, caption: str | None) -> Json:
        body: Json = {
            "filename": source.name,
            "size_bytes": source.size_bytes,
            "content_type": source.content_type,
            "sha256": source.sha256(),
        }
        if caption:
            body["caption"] = caption
        # Asked twice, it costs an upload that nobody goes on with and that expires.
        begun = self._calls.json("POST", "/v1/uploads/init", body, repeatable=True)
        return {**begun, "status": "uploading", "parts": [], "missing": begun["parts"]}

    def _upload_of(self, upload_id: str) -> Json:
        return self._calls.json("GET", f"/v1/uploads/{quote(upload_id)}")


def _unheard(size_bytes: int) -> None:
    """Progress that nobody asked for."""
