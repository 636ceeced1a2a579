"""One object's bytes out of S3, read on from where a connection broke."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import NotFound, Unavailable
from regions.retry import backoff_s
from regions.stores.objects import CHUNK_BYTES
from regions.stores.s3.session import AWAY

# So many breaks in a row without a whole chunk between them are the end.
_MOST_BREAKS = 4


class Download:
    """`get` is GetObject for the object, and takes its further parameters. `close` it in the end."""

    def __init__(self, get: Callable[..., Any]) -> None:
        self._get, answer = get, get()
        self._body, self._etag, self._size_bytes = answer["Body"], answer["ETag"], answer["ContentLength"]

    def chunks(self) -> Iterator[bytes]:
        """Raises Unavailable where the store stays away, and where another object has taken the place of this one."""
        taken_bytes = breaks = 0
        while taken_bytes < self._size_bytes:
            wanted_bytes = min(CHUNK_BYTES, self._size_bytes - taken_bytes)
            try:
                chunk = self._body.read(wanted_bytes)
                whole = len(chunk) == wanted_bytes
            except AWAY:
                whole = False
            if whole:
                yield chunk
                taken_bytes, breaks = taken_bytes + wanted_bytes, 0
                continue
            breaks += 1
            if breaks == _MOST_BREAKS:
                raise Unavailable("the object store keeps breaking off")
            time.sleep(backoff_s(breaks - 1, random.random))
            self._read_on(taken_bytes)

    def close(self) -> None:
        self._body.close()

    def _read_on(self, taken_bytes: int) -> None:
        self._body.close()
        try:
            answer = self._get(Range=f"bytes={taken_bytes}-", IfMatch=self._etag)
        except (NotFound, ClientError) as error:
            # Its ETag is another one, or it is gone, or too short by now.
            raise Unavailable("the object has changed while it was read") from error
        self._body = answer["Body"]
        # A store that knows no range or no condition would have us hand out other bytes than are missing.
        if (answer["ETag"], answer["ContentLength"]) != (self._etag, self._size_bytes - taken_bytes):
            raise Unavailable("the object store did not give the rest of the object")
