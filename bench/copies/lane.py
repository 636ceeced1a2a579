"""Ours: a whole lane between two regions, with the border API, the decisions of both ends, their records and logs.

Each region is on one of the two S3 servers, with its other stores on the disk. The home's replicators and both origins
are processes like any; the line is before the destination's origin, too. A copy begins when the events are published,
and ends when the home has recorded the last replica.
"""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import urllib3

from bench.copies import beside
from bench.copies.store_pair import (
    ACCESS_KEY,
    DESTINATION,
    HOME,
    HOME_NUMBER,
    PREFIX,
    REGION,
    CopiedObject,
    CopyEnd,
    StorePair,
    WrongCopy,
)  # fmt: skip
from darkroom.local import data_folder
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.machine import url_of
from deploy.servers.process import Server, Start, free_port
from regions import config, ids
from regions.clock import now_ms
from regions.config import Config, Stores
from regions.events import messages
from regions.events.topics import PHOTO_READY, lane_group
from regions.ids import Snowflake
from regions.image_limits import JPEG
from regions.records import Photo, Status, Variant
from regions.stores import stamp as stamps
from regions.stores.stamp import Stamp
from tests.builders import fault_proxy
from tests.builders.line_faults import Line

REPLICATORS = 2
_OWNER = ids.to_public(ids.USER, ids.compose(Snowflake(now_ms(), HOME_NUMBER, 1, 1)))
_WITHIN_S = 120.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class RunningLane:
    """From `HOME` to `DESTINATION`. `processes` are all that work for it, and `stores` those of its home."""

    stores: Stores
    processes: Collection[int]

    def copy(self, source: CopyEnd, destination: CopyEnd, objects: Sequence[CopiedObject]) -> float:
        photos = [_photo(photo_id, list(of)) for photo_id, of in groupby(objects, lambda one: one.photo_id)]
        for photo in photos:
            self.stores.catalog.photos.put_replica_metadata(photo)
        events = [messages.photo_ready(photo, now_ms()) for photo in photos]
        start_s = time.perf_counter()
        self.stores.events.publish(events)
        for photo in photos:
            self._wait_for(photo, start_s)
        return time.perf_counter() - start_s

    def _wait_for(self, photo: Photo, start_s: float) -> None:
        while not (replicas := self.stores.catalog.replicas.of_photo(photo.photo_id)):
            if time.perf_counter() - start_s > _WITHIN_S:
                lag = self.stores.events.lag(PHOTO_READY, lane_group(DESTINATION))
                raise WrongCopy(f"{photo.photo_id} is not copied; the lane's lag is {lag}")
            time.sleep(_LOOK_EVERY_S)
        if replicas[0].missing:
            raise WrongCopy(f"{photo.photo_id} is not complete: {replicas}")


class LaneRegions:
    """Both regions, prepared in a folder; their processes run only within `running`."""

    def __init__(self, folder: Path, pair: StorePair) -> None:
        self._folder, self._pair = folder, pair
        machine = data_folder.read_machine()
        ports = {process.name: free_port() for process in machine.processes() if process.listens}
        data_folder.prepare(folder, machine, ports)
        self._ports = {region: ports[f"origin-{region}"] for region in (HOME, DESTINATION)}
        loaded = self._load(_on_servers(pair.direct))
        for region in (HOME, DESTINATION):
            ours = config.store_region(loaded, region)
            config.locate_objects(loaded, region).create(Stamp(ours, stamps.new_id()))

    @contextmanager
    def running(self, line: Line | None) -> Iterator[RunningLane]:
        """With the line before the destination's origin and store; None is loopback itself. Raises ServerError."""
        with ExitStack() as stack:
            ends = self._pair.ends(line)
            environment, port = _on_servers(ends), self._ports[DESTINATION]
            far = port if line is None else stack.enter_context(fault_proxy.running(port, line)).port
            at_home = environment | {_variable(DESTINATION, "ORIGIN"): url_of(far)}
            servers = [
                self._origin(HOME, at_home, [sys.executable, "-m", "darkroom"]),
                self._origin(DESTINATION, environment, self._beside_its_store(ends[1])),
                *(self._replicator(number, at_home) for number in range(REPLICATORS)),
            ]
            for server in servers:
                stack.callback(server.stop)
                server.start()
            for server in servers:
                server.wait()
            stores = stack.enter_context(closing(config.open_stores(self._load(at_home), HOME)))
            yield RunningLane(stores, [server.process_id for server in servers])

    def _load(self, environment: Mapping[str, str]) -> Config:
        return config.load(self._folder / TOPOLOGY, environment)

    def _beside_its_store(self, destination: CopyEnd) -> list[str]:
        ports = [one.endpoint.rpartition(":")[2] for one in (destination, self._pair.direct[1])]
        return [sys.executable, str(Path(beside.__file__)), *ports]

    def _origin(self, region: str, environment: Mapping[str, str], darkroom: Sequence[str]) -> Server:
        url = url_of(self._ports[region])
        return self._server("origin", region, environment, darkroom, partial(_is_healthy, url))

    def _replicator(self, number: int, environment: Mapping[str, str]) -> Server:
        """It answers at once: the first copy is not counted."""
        return self._server("replicator", HOME, environment, [sys.executable, "-m", "darkroom"], lambda: True, number)

    def _server(
        self,
        kind: str,
        region: str,
        environment: Mapping[str, str],
        darkroom: Sequence[str],
        answers: Callable[[], bool],
        number: int = 0,
    ) -> Server:
        command = [*darkroom, "run", kind, region, "--topology", str(self._folder / TOPOLOGY)]
        folder = self._folder / "processes" / f"{kind}-{region}-{number}"
        return Server(Start(kind, "", command, answers, environment), folder)


def _on_servers(ends: tuple[CopyEnd, CopyEnd]) -> dict[str, str]:
    """The variables that put both regions' objects on these servers, in place of the topology's folders."""
    variables: dict[str, str] = {}
    for region, end in zip((HOME, DESTINATION), ends, strict=True):
        url = f"s3://{PREFIX}?endpoint={end.endpoint}&region={REGION}&style=path&lifecycle=0&access_block=0"
        variables |= {_variable(region, "OBJECTS"): url, _variable(region, "S3_KEYS"): f"{ACCESS_KEY} {end.secret}"}
    return variables


def _variable(region: str, name: str) -> str:
    return f"DARKROOM_{region.upper().replace('-', '_')}_{name}"


def _is_healthy(url: str) -> bool:
    response = urllib3.request("GET", f"{url}/health", retries=False, timeout=2)
    return response.status == 200 and response.json()["statement"] > 0


def _photo(photo_id: str, objects: Sequence[CopiedObject]) -> Photo:
    """Ready at home, with these objects: variants, or the raw."""
    variants = tuple(
        Variant(size, size, size, one.size_bytes, one.sha256)
        for one in objects
        if one.variant and (size := int(one.variant.partition(".")[0]))
    )
    [raw] = [one for one in objects if not one.variant]
    return Photo(
        photo_id, _OWNER, "eu", HOME, Status.READY, "By the lake", raw.size_bytes, raw.sha256, now_ms(), JPEG,
        variants=variants,
    )  # fmt: skip
