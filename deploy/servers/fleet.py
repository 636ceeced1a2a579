"""All five servers together: installs them, starts them in parallel in one folder, and stops them."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from deploy.servers import cassandra, consul, kafka, redis, versitygw
from deploy.servers.process import Server, Start, free_port

Ports = Callable[[], int]

NAMES = (cassandra.NAME, kafka.NAME, redis.NAME, consul.NAME, versitygw.NAME)
_INSTALL = {module.NAME: module.install for module in (cassandra, kafka, redis, consul, versitygw)}
_START: Mapping[str, Callable[[Path, Path, Ports], Start]] = {
    cassandra.NAME: lambda root, folder, port: cassandra.start(root, folder, port(), port()),
    kafka.NAME: lambda root, folder, port: kafka.start(root, folder, port(), port()),
    redis.NAME: lambda root, folder, port: redis.start(root, folder, port()),
    consul.NAME: lambda root, folder, port: consul.start(root, folder, port()),
    versitygw.NAME: lambda root, folder, port: versitygw.start(root, folder, port()),
}


def is_installed(root: Path, name: str) -> bool:
    return _mark(root, name).exists()


def install(root: Path, name: str) -> None:
    """Does nothing if the server is installed already; safe to run concurrently. Raises ServerError."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(root, name):
            _INSTALL[name](root)
            _mark(root, name).touch()


def prepare(root: Path, folder: Path, name: str, ports: Ports = free_port) -> Server:
    """A server with its own folder, not started yet."""
    return Server(start_of(root, folder, name, ports), folder / name)


def start_of(root: Path, folder: Path, name: str, ports: Ports = free_port) -> Start:
    """How `prepare` has it started: in the folder `name` of `folder`."""
    return _START[name](root, folder / name, ports)


@contextmanager
def running(
    root: Path, folder: Path, ports: Ports = free_port, report: Callable[[Server], None] = lambda server: None
) -> Iterator[dict[str, Server]]:
    """The installed servers by name, once all of them answer; calls `report` for each when it answers."""
    servers = {name: prepare(root, folder, name, ports) for name in NAMES if is_installed(root, name)}
    try:
        with ThreadPoolExecutor(len(NAMES)) as threads:
            for server in servers.values():
                server.start()
            for server, _ in zip(servers.values(), threads.map(Server.wait, servers.values()), strict=True):
                report(server)
        yield servers
    finally:
        with ThreadPoolExecutor(len(NAMES)) as threads:
            list(threads.map(Server.stop, servers.values()))


def addresses(servers: Mapping[str, Server]) -> dict[str, str]:
    """Each server's address by name, and the secret of S3's root user `darkroom`."""
    by_name = {name: server.address for name, server in servers.items()}
    if versitygw.NAME in servers:
        by_name[f"{versitygw.NAME}_secret"] = versitygw.secret(servers[versitygw.NAME].folder)
    return by_name


def write_addresses(file: Path, servers: Mapping[str, Server]) -> None:
    """Writes the file that `darkroom up --servers` reads; only its owner can read it.

    It has the secret of each region's user of S3, and not that of the root user, who may open all regions' buckets.
    """
    file.unlink(missing_ok=True)
    document: dict[str, object] = {name: server.address for name, server in servers.items()}
    if versitygw.NAME in servers:
        document["s3_users"] = versitygw.users(servers[versitygw.NAME].folder)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(document, opened, indent=2)


def ports_from(base: int) -> Ports:
    """The same ports each time: `base`, `base` + 1, …"""
    numbers = count(base)
    return lambda: next(numbers)


def _mark(root: Path, name: str) -> Path:
    return root / f"{name}.installed"
