"""The Python client: everything that a user can do, through one edge.

    >>> ana = Client("http://127.0.0.1:8600")                            # doctest: +SKIP
    >>> ana = Client(ana.edge_url, ana.sign_up("Ana", "PT")["token"])    # doctest: +SKIP
    >>> ana.wait_until_ready(ana.upload("harbour.jpg"))["variants"]      # doctest: +SKIP

Every method returns the JSON document of the API as it is (`docs/rooms.md`), and raises ClientError.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from darkroom.client.http import ClientError, HttpClient, Json, Unreachable
from darkroom.client.transfer import Progress, Source, Transfer, source_of
from regions.waiting import attempts

__all__ = ["Client", "ClientError", "OtherFile", "PhotoRejected", "Unreachable", "UploadInterrupted"]

_GONE = 410
_DEFAULT_LIMIT = 30


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
    """One user at one edge; without a token, an anonymous visitor. Safe to share between threads."""

    def __init__(self, edge_url: str, token: str | None = None) -> None:
        self.edge_url = edge_url.rstrip("/")
        self._http = HttpClient(self.edge_url, token)

    def sign_up(self, name: str, country: str) -> Json:
        """{id, token, home_region}. `country` is an ISO 3166-1 code; it decides where the user's photos are stored."""
        return self._http.json("POST", "/v1/users", {"name": name, "country": country})

    def user(self, user_id: str) -> Json:
        return self._http.json("GET", f"/v1/users/{quote(user_id)}")

    def upload(
        self,
        path_or_bytes: str | Path | bytes,
        caption: str | None = None,
        progress: Progress | None = None,
        resume_id: str | None = None,
        begun: Callable[[str], None] | None = None,
    ) -> str:
        """Uploads a file and returns the photo's id. The photo is being processed then; see `wait_until_ready`.

        Raises UploadInterrupted if the upload can be resumed, and OSError if the file can't be read. Raises OtherFile
        if `resume_id` is the upload of a file with another size or content. `progress` is called with the number of
        bytes just sent; the number is negative if bytes have to be sent again. `begun` is called with the id of a new
        upload, before its first byte is sent.
        """
        source, progress = source_of(path_or_bytes), progress or (lambda size_bytes: None)
        begun = begun or (lambda upload_id: None)
        try:
            return self._upload(source, caption, progress, resume_id, begun)
        except ClientError as error:
            if error.status != _GONE:
                raise
        # The region was turned off during the upload, or the upload has expired: it has to start over.
        return self._upload(source, caption, progress, None, begun)

    def photo(self, photo_id: str) -> Json:
        return self._http.json("GET", f"/v1/photos/{quote(photo_id)}")

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
        self._http.json("DELETE", f"/v1/photos/{quote(photo_id)}")

    def photos_of(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/photos", before, limit)

    def feed(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/feed", before, limit)

    def follow(self, user_id: str, author_id: str) -> None:
        self._http.json("PUT", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def unfollow(self, user_id: str, author_id: str) -> None:
        self._http.json("DELETE", f"/v1/users/{quote(user_id)}/following/{quote(author_id)}")

    def following(self, user_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/users/{quote(user_id)}/following", before, limit)

    def like(self, photo_id: str) -> None:
        self._http.json("PUT", f"/v1/photos/{quote(photo_id)}/like")

    def unlike(self, photo_id: str) -> None:
        self._http.json("DELETE", f"/v1/photos/{quote(photo_id)}/like")

    def likes(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/likes", before, limit)

    def comment(self, photo_id: str, text: str) -> Json:
        return self._http.json("POST", f"/v1/photos/{quote(photo_id)}/comments", {"text": text})

    def remove_comment(self, photo_id: str, comment_id: str) -> None:
        """For the comment's author and the photo's owner."""
        self._http.json("DELETE", f"/v1/photos/{quote(photo_id)}/comments/{quote(comment_id)}")

    def comments(self, photo_id: str, before: str | None = None, limit: int = _DEFAULT_LIMIT) -> Json:
        return self._list(f"/v1/photos/{quote(photo_id)}/comments", before, limit)

    def image(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """A variant's bytes and headers, given one of the URLs in a photo's `variants`."""
        return self._http.get_bytes(url)

    def _list(self, path: str, before: str | None, limit: int) -> Json:
        query = {"limit": str(limit)} | ({"before": before} if before else {})
        return self._http.json("GET", f"{path}?{urlencode(query)}")

    def _upload(
        self,
        source: Source,
        caption: str | None,
        progress: Progress,
        resume_id: str | None,
        begun: Callable[[str], None],
    ) -> str:
        if resume_id:
            upload = self._http.json("GET", f"/v1/uploads/{quote(resume_id)}")
            _require_same_file(source, upload)
        else:
            upload = self._begin(source, caption)
            begun(str(upload["upload_id"]))
        upload_id = str(upload["upload_id"])
        if upload["status"] != "uploading":
            return upload_id
        try:
            transfer = Transfer(self._http, source, upload_id, int(upload["part_size"]), progress)
            parts = transfer.run(upload["parts"], upload["missing"])
            # Completing is idempotent, so it is sent again if the response was lost.
            self._http.json("POST", f"/v1/uploads/{quote(upload_id)}/complete", {"parts": parts}, repeatable=True)
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
        # If this is sent twice, it creates a second upload, which nobody continues and which expires.
        begun = self._http.json("POST", "/v1/uploads/init", body, repeatable=True)
        return {**begun, "status": "uploading", "parts": [], "missing": begun["parts"]}


def _require_same_file(source: Source, upload: Json) -> None:
    """Raises OtherFile. The upload has no SHA-256 if the client that began it claimed none."""
    if source.size_bytes != upload["size_bytes"] or upload["sha256"] not in (None, source.sha256()):
        raise OtherFile(source.name)
