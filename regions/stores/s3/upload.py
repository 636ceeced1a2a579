"""One multipart upload of S3: its parts, and how it is completed or aborted."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Conflict, Unavailable
from regions.stores.objects import Part
from regions.stores.s3.download import find_info
from regions.stores.s3.session import code, errors_as_unavailable, list_all

_NO_UPLOAD = "NoSuchUpload"
_WRONG_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}


class UploadEnded(Exception):
    """The upload was completed or aborted, or never existed. S3 does not say which."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """Its methods raise UploadEnded and Unavailable."""

    s3: Any
    bucket: str
    key: str
    id: str

    @property
    def location(self) -> Mapping[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.id}

    def arrived(self) -> list[Part]:
        return [Part(part["PartNumber"], part["ETag"], part["Size"]) for part in self._parts()]

    def is_unchanged_since(self, at: datetime) -> bool:
        """Whether no part has arrived since then."""
        return all(part["LastModified"] < at for part in self._parts())

    def send(self, number: int, body: bytearray, checksum: Mapping[str, str]) -> Mapping[str, Any]:
        """Returns what `complete` needs about the part."""
        with _upload_errors(), errors_as_unavailable():
            response = self.s3.upload_part(**self.location, PartNumber=number, Body=body, **checksum)
        return {"PartNumber": number, "ETag": response["ETag"], **checksum}

    def complete(self, parts: Sequence[Mapping[str, Any]], **condition: str) -> None:
        """Raises Conflict if the parts do not make an object, and ClientError if the condition does not hold.

        A success without an object is Unavailable: versitygw 1.8 responds so while another request completes the same
        upload, and also if it was killed while it did.
        """
        with _upload_errors(), errors_as_unavailable():
            self.s3.complete_multipart_upload(**self.location, MultipartUpload={"Parts": parts}, **condition)
        if find_info(self.s3, self.bucket, self.key) is None:
            raise Unavailable("the object store says that it has joined the parts, but the object is not there")

    def abort(self) -> None:
        """Idempotent. A part that is still arriving may outlive it (AWS, "AbortMultipartUpload")."""
        with suppress(UploadEnded), _upload_errors(), errors_as_unavailable():
            self.s3.abort_multipart_upload(**self.location)

    def _parts(self) -> Iterator[Any]:
        with _upload_errors():
            yield from list_all(self.s3, "list_parts", "Parts", self.location)


@contextmanager
def _upload_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) == _NO_UPLOAD:
            raise UploadEnded from error
        if code(error) in _WRONG_PARTS:
            raise Conflict(f"the parts do not make an object: {code(error)}") from error
        raise
