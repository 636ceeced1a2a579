"""One multipart upload, as S3 has it: its parts, its two ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Conflict
from regions.stores.objects import Part
from regions.stores.s3.session import code, each, reaching

_OVER = "NoSuchUpload"
_WRONG_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}


class UploadOver(Exception):
    """The upload was finished or aborted, or never began. S3 does not say which."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """Its methods raise UploadOver and Unavailable."""

    s3: Any
    bucket: str
    key: str
    id: str

    @property
    def where(self) -> Mapping[str, str]:
        return {"Bucket": self.bucket, "Key": self.key, "UploadId": self.id}

    def arrived(self) -> list[Part]:
        return [Part(part["PartNumber"], part["ETag"], part["Size"]) for part in self._parts()]

    def is_still_since(self, at: datetime) -> bool:
        """Whether no part has come since then."""
        return all(part["LastModified"] < at for part in self._parts())

    def send(self, number: int, body: bytearray, checksum: Mapping[str, str]) -> Mapping[str, Any]:
        """Returns what `complete` is to be told of the part."""
        with _ending(), reaching():
            answer = self.s3.upload_part(**self.where, PartNumber=number, Body=body, **checksum)
        return {"PartNumber": number, "ETag": answer["ETag"], **checksum}

    def complete(self, parts: Sequence[Mapping[str, Any]], **condition: str) -> None:
        """Raises Conflict where the parts do not make an object, and ClientError where the condition does not hold."""
        with _ending(), reaching():
            self.s3.complete_multipart_upload(**self.where, MultipartUpload={"Parts": parts}, **condition)

    def abort(self) -> None:
        """Idempotent. A part that is still arriving may outlive it (AWS, "AbortMultipartUpload")."""
        with suppress(UploadOver), _ending(), reaching():
            self.s3.abort_multipart_upload(**self.where)

    def _parts(self) -> Iterator[Any]:
        with _ending():
            yield from each(self.s3, "list_parts", "Parts", self.where)


@contextmanager
def _ending() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if code(error) == _OVER:
            raise UploadOver from error
        if code(error) in _WRONG_PARTS:
            raise Conflict(f"the parts do not make an object: {code(error)}") from error
        raise
