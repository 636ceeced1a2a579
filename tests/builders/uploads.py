"""An upload that was started, and a way to send its parts like a client: by signed URL. Fixtures."""

from collections.abc import Callable

import pytest
import urllib3

from regions.records import Upload
from regions.stores.catalog import UPLOAD_SHARDS, Catalog
from regions.stores.objects import RAW, Objects, raw_key
from tests.builders.objects import send

KEY = raw_key("p_00000000abc")
MINUTE_MS = 60_000


@pytest.fixture
def put_part(objects: Objects, clock) -> Callable[..., urllib3.BaseHTTPResponse]:
    """Sends a part through a URL signed for `size_bytes`, by default its true size."""

    def put_part(multipart_id: str, number: int, data: bytes, size_bytes: int | None = None):
        size_bytes = len(data) if size_bytes is None else size_bytes
        signed = objects.sign_part(multipart_id, number, size_bytes, clock.now_ms() + MINUTE_MS)
        return send("PUT", signed.url, data, **signed.headers)

    return put_part


def expired_uploads(catalog: Catalog, before_ms: int) -> list[Upload]:
    """Those of all shards, oldest first."""
    found = [upload for shard in range(UPLOAD_SHARDS) for upload in catalog.uploads.expired(before_ms, 10_000, shard)]
    return sorted(found, key=lambda upload: upload.expires_at_ms)


@pytest.fixture
def multipart_id(objects: Objects) -> str:
    return objects.create_upload(RAW, KEY)
