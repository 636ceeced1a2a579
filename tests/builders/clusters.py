"""Dask for tests: a cluster whose loop is on a thread, and a scheduler and workers as an operator would start them."""

import asyncio
import datetime
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from regions.cluster.dask_cluster import DaskCluster
from regions.cluster.workers import OutsideCluster, OwnCluster

_WITHIN_S = 60


class ClusterOnThread:
    """Any thread may call its methods; they block."""

    def __init__(self, cluster: DaskCluster, loop: asyncio.AbstractEventLoop) -> None:
        self.cluster, self.loop = cluster, loop

    def run(self, *arguments: Any, **options: Any) -> Any:
        return self.call(self.cluster.run(*arguments, **options))

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(200)

    def wait_for_capacity(self, at_least: int) -> None:
        deadline_s = time.monotonic() + _WITHIN_S
        while self.cluster.capacity < at_least:
            assert time.monotonic() < deadline_s, f"the cluster has {self.cluster.capacity} workers"
            time.sleep(0.05)


@contextmanager
def open_cluster(where: OwnCluster | OutsideCluster, workers: int = 1) -> Iterator[ClusterOnThread]:
    """Waits until it has so many workers; closes it at the end."""
    loop, closing = asyncio.new_event_loop(), asyncio.Event()
    cluster = DaskCluster(where)

    async def keep_open() -> None:
        async with cluster:
            await closing.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(keep_open()))
    thread.start()
    try:
        opened = ClusterOnThread(cluster, loop)
        opened.wait_for_capacity(workers)
        yield opened
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join(_WITHIN_S)
        loop.close()


def write_certificates(folder: Path, region: str) -> None:
    """An authority and a certificate of its own, under the names that a region's secrets have."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dask of a test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    for kind in ("ca", "cert"):
        (folder / f"{region}.dask.{kind}").write_bytes(pem)
    (folder / f"{region}.dask.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class OperatorsDask:
    """A scheduler and workers in processes of their own. With `tls`, a folder of secrets, they speak TLS."""

    def __init__(self, folder: Path, eventually: Callable[..., Any], tls: Path | None = None) -> None:
        self._folder, self._eventually, self._tls = folder, eventually, tls
        self._scheduler: list[subprocess.Popen[bytes]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self._processors: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self, port: int = 0) -> str:
        """Returns its address."""
        file = self._folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self.begin_scheduler(port)
        return str(
            self._eventually(lambda: file.exists() and file.read_text() and json.loads(file.read_text())["address"])
        )

    def begin_scheduler(self, port: int) -> None:
        """Does not wait until it is there."""
        file = self._folder / "scheduler.json"
        options = ["--port", port, "--dashboard-address", "127.0.0.1:0", "--no-dashboard", "--scheduler-file", file]
        if self._tls:
            names = {"ca-file": "ca", "cert": "cert", "key": "key"}
            options += ["--protocol", "tls"]
            options += [
                part
                for option, kind in names.items()
                for part in (f"--tls-{option}", self._tls / f"eu-west.dask.{kind}")
            ]
        self._scheduler.append(self._spawn("distributed.cli.dask_scheduler", "--host", "127.0.0.1", *options))

    def start_worker(self, address: str) -> None:
        options = ["--no-nanny", "--nthreads", 1, "--host", "127.0.0.1", "--no-dashboard"]
        folder = ["--local-directory", self._folder]
        self._workers.append(self._spawn("distributed.cli.dask_worker", *options, *folder, address))

    def start_retiring_worker(self, address: str) -> subprocess.Popen[bytes]:
        """One of ours, without anything of a region; it retires when it is terminated."""
        self._workers.append(self._spawn("tests.builders.retiring_worker", address))
        return self._workers[-1]

    def start_darkroom_worker(self, topology: Path, memory_gib: float = 1) -> None:
        options = ["--topology", topology, "--memory", memory_gib]
        self._workers.append(self._spawn("darkroom", "run", "worker", "eu-west", *options))

    def start_processor(self, topology: Path) -> None:
        self._processors.append(self._spawn("darkroom", "run", "processor", "eu-west", "--topology", topology))

    def workers(self) -> dict[psutil.Process, subprocess.Popen[bytes]]:
        """Each worker's own process, and the one above it, its nanny, that was started here."""
        return {child: nanny for nanny in self._workers for child in workers_below(nanny.pid)}

    def kill_nanny(self, nanny: subprocess.Popen[bytes]) -> None:
        self._workers.remove(nanny)
        _kill([nanny])

    def assert_running(self) -> None:
        """None of the processes has ended by itself."""
        for process in (*self._scheduler, *self._processors, *self._workers):
            assert process.poll() is None, f"{process.args} ended with {process.returncode}: {self.log_tail()}"

    def kill_processor(self) -> None:
        _kill(self._processors)

    def kill_scheduler(self) -> None:
        _kill(self._scheduler)

    def kill(self) -> None:
        # The scheduler first: it would report the deaths of the workers.
        _kill(self._scheduler)
        _kill(self._processors)
        _kill(self._workers)

    def log_tail(self) -> str:
        return (self._folder / "dask.log").read_text(errors="replace")[-3000:]

    def _spawn(self, module: str, *arguments: object) -> subprocess.Popen[bytes]:
        with (self._folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )


def workers_below(pid: int) -> list[psutil.Process]:
    """Without the resource tracker that Python starts beside them."""
    with suppress(psutil.NoSuchProcess):
        return [child for child in psutil.Process(pid).children() if "--multiprocessing-fork" in child.cmdline()]
    return []


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    while processes:
        process = processes.pop()
        process.kill()
        process.wait()
