"""Two S3 servers of this machine, one with objects, and what a copy between them cost."""

import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import boto3
import psutil
from botocore.config import Config

from deploy.servers import fleet, versitygw
from deploy.servers.process import Server
from tests.builders import fault_proxy
from tests.builders.fault_proxy import FaultProxy
from tests.builders.line_faults import Line

ROOT = Path(__file__).parents[2] / ".servers"
BUCKET, EMPTY_BUCKET = "objects", "empty"
ACCESS_KEY = "darkroom"
REGION = "us-east-1"

_PUT_THREADS = 8


@dataclass(frozen=True, slots=True)
class CopyEnd:
    """One of the two servers, as a copier reaches it: `endpoint` is the destination's proxy, if there is one."""

    endpoint: str
    secret: str

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.secret,
            region_name=REGION,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )


@dataclass(frozen=True, slots=True)
class CopiedObject:
    key: str
    sha256: str
    size_bytes: int


Copy = Callable[[CopyEnd, CopyEnd, Sequence[CopiedObject]], float]
"""Copies these objects from the first to the second, which has none of them, and returns the seconds it took."""


class WrongCopy(Exception):
    """A copier left an object out, or changed it; its time counts for nothing."""


class StorePair:
    """Both servers answer. `measured` runs a copy and says what it cost."""

    def __init__(self, source: Server, destination: Server, proxy: FaultProxy) -> None:
        self._source, self._destination, self._proxy = source, destination, proxy

    def fill(self, count: int, size_bytes: int) -> list[CopiedObject]:
        """Makes them the source's only objects. They are random bytes, so that nothing can be compressed."""
        _empty(self._source)
        dice = Random(size_bytes)

        def put(number: int) -> CopiedObject:
            data = dice.randbytes(size_bytes)
            digest = hashlib.sha256(data).hexdigest()
            client.put_object(Bucket=BUCKET, Key=f"{digest[:2]}/{number:06}", Body=data)
            return CopiedObject(f"{digest[:2]}/{number:06}", digest, size_bytes)

        with closing(_direct(self._source).client()) as client, ThreadPoolExecutor(_PUT_THREADS) as threads:
            return list(threads.map(put, range(count)))

    def measured(self, copy: Copy, objects: Sequence[CopiedObject], line: Line | None) -> dict[str, float]:
        """`line` is between the copier, who is beside the source, and the destination; None is loopback itself.

        `wall_s`; `core_s` of this process and its children, and `servers_core_s`, both without the proxy that is the
        line. Raises WrongCopy.
        """
        _empty(self._destination)
        destination = _direct(self._destination)
        if line is not None:
            self._proxy.apply(line)
            destination = CopyEnd(f"http://{self._proxy.address}", destination.secret)
        before_s, servers_before_s = self._copiers_core_s(), self._servers_core_s()
        wall_s = copy(_direct(self._source), destination, objects)
        measured = {
            "wall_s": wall_s,
            "core_s": self._copiers_core_s() - before_s,
            "servers_core_s": self._servers_core_s() - servers_before_s,
        }
        _verify(self._destination, objects)
        return measured

    def _servers_core_s(self) -> float:
        return sum(_core_s(server.process_id) for server in (self._source, self._destination))

    def _copiers_core_s(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        others = {self._source.process_id, self._destination.process_id, self._proxy.process_id}
        running = [child.pid for child in psutil.Process().children(recursive=True) if child.pid not in others]
        return time.process_time() + ended.ru_utime + ended.ru_stime + sum(map(_core_s, running))


@contextmanager
def running() -> Iterator[StorePair]:
    """On a temporary folder. Raises ServerError."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        source, destination = (fleet.prepare(ROOT, Path(folder) / end, versitygw.NAME) for end in ("from", "to"))
        try:
            for server in (source, destination):
                server.start()
            for server in (source, destination):
                server.wait()
                with closing(_direct(server).client()) as client:
                    for bucket in (BUCKET, EMPTY_BUCKET):
                        client.create_bucket(Bucket=bucket)
            with fault_proxy.running(int(destination.address.rpartition(":")[2])) as proxy:
                yield StorePair(source, destination, proxy)
        finally:
            source.stop()
            destination.stop()


def _direct(server: Server) -> CopyEnd:
    return CopyEnd(server.address, versitygw.secret(server.folder))


def _bucket(server: Server) -> Path:
    return server.folder / "data" / BUCKET


def _empty(server: Server) -> None:
    """On the disk: through S3 it would take longer than the copy."""
    for folder in _bucket(server).iterdir():
        if not folder.name.startswith("."):
            shutil.rmtree(folder)
    # So that what one copier wrote is not written to the disk while the next one is measured.
    os.sync()


def _verify(server: Server, objects: Sequence[CopiedObject]) -> None:
    for each in objects:
        path = _bucket(server) / each.key
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != each.sha256:
            raise WrongCopy(f"{each.key} is not what was to be copied")


def _core_s(process_id: int) -> float:
    times = psutil.Process(process_id).cpu_times()
    return float(times.user + times.system)
