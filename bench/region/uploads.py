"""Starts of uploads (`POST /v1/uploads/init`) on one origin process, and on two of the same region, on real servers;
and how fast a janitor removes them when nobody has finished them.

Each start reads the user and creates a photo in Cassandra, and an upload in S3; the origin then signs the URLs of the
parts. The clients are threads of this process, which share the machine's cores with the origins and their servers: so
two origins can only be as much faster than one as the cores allow.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import urllib3

from bench import harness
from bench.region.processes import Done, per_second, repeated
from darkroom.local import data_folder
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.machine import url_of
from deploy.servers import fleet
from deploy.servers.process import Server, Start, free_port
from processing.background.expired_uploads import ExpiredUploads
from regions import config
from regions.clock import now_ms
from regions.stores.catalog import UPLOAD_SHARDS

_REGION, _COUNTRY = "eu-west", "PT"
_CLIENTS = 16
# Nobody may have more than 200 unfinished uploads.
_USERS = 40
_DAY_AND_MORE_MS = 25 * 3600 * 1000
_WARM_UP_S, _WITHIN_S = 1.0, 5.0
_PHOTO = {"filename": "IMG_1.jpg", "content_type": "image/jpeg", "size_bytes": 4_812_345}


def rows(servers: Mapping[str, Server]) -> list[harness.Measurement]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, _origins(Path(folder), servers, 2) as urls:
        tokens = [_sign_up(urls[0], number) for number in range(_USERS)]
        one, two = _starts(urls[:1], tokens), _starts(urls, tokens)
        removed = _removed(Path(folder))
    return [
        harness.compare("starts of uploads a second: 1 origin", "1/s", one, {}, more_is_better=True),
        harness.compare("starts of uploads a second: 2 origins", "1/s", two, {"1 origin": one}, more_is_better=True),
        harness.compare(
            "expired uploads removed a second",
            "1/s",
            removed,
            {"starts: 1 origin": one},
            more_is_better=True,
        ),
    ]


@contextmanager
def _origins(folder: Path, servers: Mapping[str, Server], count: int) -> Iterator[list[str]]:
    """The URLs of so many origin processes of one region, on these servers."""
    addresses = folder / "servers.json"
    fleet.write_addresses(addresses, servers)
    machine = data_folder.read_machine(addresses)
    ports = {process.name: free_port() for process in machine.processes() if process.listens}
    data_folder.prepare(folder, machine, ports)
    with ExitStack() as stopped:
        origins = [Server(_start(folder, _REGION, free_port()), folder / f"origin-{number}") for number in range(count)]
        # No statement is in force without a majority of the regions.
        others = [
            Server(_start(folder, region, ports[f"origin-{region}"]), folder / f"origin-{region}")
            for region in machine.regions
            if region != _REGION
        ]
        for origin in (*origins, *others):
            stopped.callback(origin.stop)
            origin.start()
        for origin in (*origins, *others):
            origin.wait()
        yield [origin.address for origin in origins]


def _start(folder: Path, region: str, port: int) -> Start:
    command = [sys.executable, "-m", "darkroom", "run", "origin", region, "--topology", str(folder / TOPOLOGY)]
    url = url_of(port)
    # Replaces the URL that the topology has for the region's origin, which names one of them only.
    environment = {f"DARKROOM_{region.upper().replace('-', '_')}_ORIGIN": url}
    return Start("origin", url, command, lambda: _is_healthy(url), environment)


def _is_healthy(url: str) -> bool:
    response = urllib3.request("GET", f"{url}/health", retries=False, timeout=2)
    return response.status == 200 and response.json()["statement"] > 0


def _sign_up(url: str, number: int) -> str:
    handle = f"ana_{number}"
    body = {"name": "Ana", "country": _COUNTRY, "handle": handle, "passphrase": "four words of a benchmark"}
    # Waits where there were too many sign-ups.
    response = urllib3.request("POST", f"{url}/v1/users", json=body, retries=urllib3.Retry(5, allowed_methods=None))
    return str(response.json()["tokens"][_REGION])


def _removed(folder: Path) -> float:
    """How many of these uploads a janitor removes a second, a day later."""
    stores = config.open_stores(config.load(folder / TOPOLOGY, {}), _REGION)
    expired, begun_s = ExpiredUploads(stores, lambda: now_ms() + _DAY_AND_MORE_MS), time.perf_counter()
    try:
        count = sum(expired.sweep(shard) for shard in range(UPLOAD_SHARDS))
        return count / (time.perf_counter() - begun_s)
    finally:
        stores.close()


def _starts(urls: list[str], tokens: list[str]) -> float:
    """How many all clients start a second; each has a connection of its own, to one of the origins, and each start is
    another user's."""
    users = cycle(tokens)

    def work(client: int) -> Done:
        url = f"{urls[client % len(urls)]}/v1/uploads/init"
        with urllib3.PoolManager() as http:

            def start() -> int:
                response = http.request("POST", url, json=_PHOTO, headers={"Authorization": f"Bearer {next(users)}"})
                if response.status != 200:
                    raise ValueError(f"{response.status}: {response.data!r}")
                return 1

            repeated(start, _WARM_UP_S)
            return repeated(start, _WITHIN_S)

    with ThreadPoolExecutor(_CLIENTS) as threads:
        return per_second(threads.map(work, range(_CLIENTS)))
