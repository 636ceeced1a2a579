"""Two S3 servers of this machine, one of a region that has photos, and what a copy from it to the other one cost."""

import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import boto3
import psutil
from botocore.config import Config

from deploy.servers import fleet, versitygw
from deploy.servers.process import Server
from regions import ids
from regions.clock import now_ms
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key
from tests.builders import fault_proxy
from tests.builders.fault_proxy import FaultProxy
from tests.builders.line_faults import Line

ROOT = Path(__file__).parents[2] / ".servers"
HOME, HOME_NUMBER, DESTINATION = "eu-west", 1, "eu-central"
PREFIX = "darkroom-bench"
BUCKETS = {name: f"{PREFIX}-{name}" for name in (RAW, VARIANTS)}
"""The same on both servers, so that a copier may take both at once."""
EMPTY_BUCKET = "empty"
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
    """The raw of a photo if `variant` is empty, else the variant of that name."""

    photo_id: str
    variant: str
    sha256: str
    size_bytes: int

    @property
    def bucket(self) -> str:
        return BUCKETS[VARIANTS if self.variant else RAW]

    @property
    def key(self) -> str:
        return variant_key(self.photo_id, self.variant) if self.variant else raw_key(self.photo_id)


Copy = Callable[[CopyEnd, CopyEnd, Sequence[CopiedObject]], float]
"""Copies these objects from the first to the second, which has none of them, and returns the seconds it took.
`BUCKETS` of the first have no others."""


class WrongCopy(Exception):
    """A copier left an object out, or changed it; its time counts for nothing."""


class StorePair:
    """Both servers answer. `measured` runs a copy and says what it cost."""

    def __init__(self, source: Server, destination: Server, proxy: FaultProxy) -> None:
        self._source, self._destination, self._proxy = source, destination, proxy
        self._ids = ids.IdGenerator(HOME_NUMBER, 0, 0, lambda: 1 << 62, now_ms)
        self._objects: list[CopiedObject] = []

    def ends(self, line: Line | None) -> tuple[CopyEnd, CopyEnd]:
        """`line` is between the copier, who is beside the source, and the destination; None is loopback itself."""
        source, destination = self.direct
        if line is None:
            return source, destination
        self._proxy.apply(line)
        return source, replace(destination, endpoint=f"http://{self._proxy.address}")

    @cached_property
    def direct(self) -> tuple[CopyEnd, CopyEnd]:
        return _end(self._source), _end(self._destination)

    def fill(self, photos: int, names: Sequence[str], size_bytes: int) -> None:
        """Makes the source's only objects: these variants and the raw ("") of so many photos.

        They are random bytes, so that nothing can be compressed.
        """
        _empty(self._source)
        dice = Random(size_bytes)

        def put(photo_id: str, name: str) -> CopiedObject:
            data = dice.randbytes(size_bytes)
            made = CopiedObject(photo_id, name, hashlib.sha256(data).hexdigest(), size_bytes)
            client.put_object(Bucket=made.bucket, Key=made.key, Body=data)
            return made

        with closing(self.direct[0].client()) as client, ThreadPoolExecutor(_PUT_THREADS) as threads:
            wanted = [(photo_id, name) for photo_id in [self._new_id() for _ in range(photos)] for name in names]
            self._objects = list(threads.map(lambda one: put(*one), wanted))

    def measured(self, copy: Copy, line: Line | None, processes: Collection[int] = ()) -> dict[str, float]:
        """`processes` are those of the copier that run all the time; the others are this one and its children.

        `wall_s`; `core_s` of the copier, and `servers_core_s`, both without the proxy that is the line. The objects
        are those of photos that nobody has copied yet. Raises WrongCopy.
        """
        source, destination = self.ends(line)
        self._objects = self._of_new_photos()
        _empty(self._destination)
        before_s, servers_before_s = _copiers_core_s(processes), self._servers_core_s()
        wall_s = copy(source, destination, self._objects)
        measured = {
            "wall_s": wall_s,
            "core_s": _copiers_core_s(processes) - before_s,
            "servers_core_s": self._servers_core_s() - servers_before_s,
        }
        for one in self._objects:
            _verify(_path(self._destination, one), one)
        return measured

    def _of_new_photos(self) -> list[CopiedObject]:
        """The same bytes under other keys. They are moved on the disk: through S3 it would take longer than a copy."""
        new_ids = {photo_id: self._new_id() for photo_id in dict.fromkeys(one.photo_id for one in self._objects)}
        renamed = [replace(one, photo_id=new_ids[one.photo_id]) for one in self._objects]
        for old, new in zip(self._objects, renamed, strict=True):
            os.renames(_path(self._source, old), _path(self._source, new))
        return renamed

    def _new_id(self) -> str:
        return self._ids.next(ids.PHOTO)

    def _servers_core_s(self) -> float:
        return sum(_core_s(server.process_id) for server in (self._source, self._destination))


@contextmanager
def running(keeps_connections: bool) -> Iterator[StorePair]:
    """On a temporary folder. versitygw ends each connection after an answer, unless it is to keep them, as S3 does.

    Raises ServerError.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        source, destination = (_server(Path(folder) / end, keeps_connections) for end in ("from", "to"))
        try:
            for server in (source, destination):
                server.start()
            for server in (source, destination):
                server.wait()
                with closing(_end(server).client()) as client:
                    client.create_bucket(Bucket=EMPTY_BUCKET)
            with fault_proxy.running(int(destination.address.rpartition(":")[2])) as proxy:
                yield StorePair(source, destination, proxy)
        finally:
            source.stop()
            destination.stop()


def _server(folder: Path, keeps_connections: bool) -> Server:
    start = fleet.start_of(ROOT, folder, versitygw.NAME)
    environment = {**start.environment, "VGW_KEEP_ALIVE": str(keeps_connections).lower()}
    return Server(replace(start, environment=environment), folder / versitygw.NAME)


def _end(server: Server) -> CopyEnd:
    return CopyEnd(server.address, versitygw.secret(server.folder))


def _path(server: Server, one: CopiedObject) -> Path:
    return server.folder / "data" / one.bucket / one.key


def _empty(server: Server) -> None:
    """On the disk: through S3 it would take longer than the copy."""
    for bucket in BUCKETS.values():
        for path in (server.folder / "data" / bucket).iterdir():
            if not path.name.startswith("."):
                shutil.rmtree(path)
    # So that what one copier wrote is not written to the disk while the next one is measured.
    os.sync()


def _verify(path: Path, one: CopiedObject) -> None:
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != one.sha256:
        raise WrongCopy(f"{one.key} is not what was to be copied")


def _copiers_core_s(processes: Collection[int]) -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(map(_core_s, processes))


def _core_s(process_id: int) -> float:
    times = psutil.Process(process_id).cpu_times()
    return float(times.user + times.system)
