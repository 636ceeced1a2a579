"""The requests of a copy and nothing else: boto3's presigned URLs, urllib3 and SHA-256 on threads of this process."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import urllib3

from bench.copies.store_pair import CopiedObject, CopyEnd, WrongCopy

NAME = "threads without a border"
THREADS = (16, 64)

_PIECE_BYTES = 1 << 18


def copy(threads: int, source: CopyEnd, destination: CopyEnd, objects: Sequence[CopiedObject]) -> float:
    """Streams each object, without keeping it, and fails at the end if its SHA-256 is another one."""
    with (
        closing(source.client()) as get,
        closing(destination.client()) as put,
        urllib3.PoolManager(maxsize=threads, retries=False) as http,
        ThreadPoolExecutor(threads) as pool,
    ):

        def copied(each: CopiedObject) -> None:
            place = {"Bucket": each.bucket, "Key": each.key}
            response = http.request(
                "GET", get.generate_presigned_url("get_object", Params=place), preload_content=False
            )
            if response.status != 200:
                raise WrongCopy(f"{response.status}: {response.data!r}")
            answer = http.request(
                "PUT",
                put.generate_presigned_url("put_object", Params=place),
                body=_summed(response, each),
                headers={"Content-Length": str(each.size_bytes)},
            )
            response.release_conn()
            if answer.status != 200:
                raise WrongCopy(f"{answer.status}: {answer.data!r}")

        start_s = time.perf_counter()
        list(pool.map(copied, objects))
        return time.perf_counter() - start_s


def _summed(response: urllib3.BaseHTTPResponse, each: CopiedObject) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in response.stream(_PIECE_BYTES):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != each.sha256:
        raise WrongCopy(f"{each.key} came with another SHA-256")
