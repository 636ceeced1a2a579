"""The `--data` folder of one machine's system: who may use it now, its secrets, its topology, its residency policy."""

import fcntl
import importlib.resources
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from darkroom.command_error import CommandError
from darkroom.local import machine
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.machine import Machine
from darkroom.local.private_files import write_private
from regions import config, tokens
from regions.residency import policy
from regions.stores.settings import POLICY

PROCESSES = "processes.json"
SCRATCH = "tmp"
_SECRETS = "secrets"
_LAUNCHER_LOCK, _PROCESSES_LOCK = "launcher.lock", "processes.lock"
_AFTERMATH_S = 20.0
_OBJECTS_SECRET_BYTES = 32


class AlreadyRunning(CommandError):
    """Another launcher has the folder."""

    def __init__(self, data: Path) -> None:
        super().__init__(
            f"A system is running in {data} already.",
            "Use it, stop it with Ctrl-C where it was started, or name another folder with --data.",
        )


@contextmanager
def claimed(data: Path) -> Iterator[int]:
    """Makes the folder ours alone; yields the descriptor of a lock that all processes of the system must inherit.

    Raises AlreadyRunning. Where a launcher was killed and its processes are not all gone, waits for them: they
    hold the inherited lock, and the ports.
    """
    if any(char in str(data) for char in "?#%"):
        raise CommandError(f"The folder {data} can't be part of a URL.", "Name one without ?, # and % with --data.", 2)
    data.mkdir(parents=True, exist_ok=True)
    with (data / _LAUNCHER_LOCK).open("w") as launcher, (data / _PROCESSES_LOCK).open("w") as processes:
        if not _locked(launcher.fileno(), 0):
            raise AlreadyRunning(data)
        if not _locked(processes.fileno(), _AFTERMATH_S):
            raise CommandError(
                f"Processes of an earlier run in {data} have not ended.",
                f"Their ids are in {data / PROCESSES}: end them, and try again.",
            )
        yield processes.fileno()


def _locked(descriptor: int, within_s: float) -> bool:
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(0.05)


def prepare(data: Path, machine: Machine, ports: Mapping[str, int]) -> config.Config:
    """Secrets where there are none, the topology of these ports, every store's file, and a policy in each region."""
    public_keys = _keep_secrets(data / _SECRETS, machine)
    write(data / TOPOLOGY, machine.topology(data, ports, public_keys))
    (data / "logs").mkdir(exist_ok=True)
    # Whose processes left it has ended: the folder is ours alone.
    shutil.rmtree(data / SCRATCH, ignore_errors=True)
    (data / SCRATCH).mkdir()
    prepared = config.load(data / TOPOLOGY, os.environ)
    publish_policy(prepared)
    return prepared


def publish_policy(topology: config.Config) -> None:
    """Gives the policy that we ship to each region that has none. Raises PolicyError where it does not fit."""
    text = importlib.resources.files("deploy").joinpath(policy.FILE).read_text()
    policy.check(policy.parse(text, policy.FILE), topology.topology)
    for region in topology.topology.regions:
        # All five are opened, so that their files are made here, once, and not by several processes at a time.
        stores = config.open_stores(topology, region)
        try:
            stores.objects.prepare()
            stores.settings.values.write(POLICY, text, expected_version=0)
        finally:
            stores.close()


def read_machine(servers_file: Path | None = None) -> Machine:
    """On embedded stores, or on the servers whose addresses the file tells. Raises CommandError."""
    text = importlib.resources.files("deploy").joinpath("one_machine.toml").read_text()
    if servers_file is None:
        return machine.read(text)
    try:
        return machine.read(text, machine.read_servers(servers_file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"{servers_file} does not tell where the real servers are.",
            "Run `make servers` first (and leave it running), or name the file that it writes with --servers.",
        ) from error


def write(path: Path, text: str) -> None:
    """Whole or not at all, for whoever reads it meanwhile."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def write_processes(data: Path, pids: Mapping[str, int]) -> None:
    write(data / PROCESSES, json.dumps(pids, indent=2) + "\n")


def _keep_secrets(folder: Path, machine: Machine) -> dict[str, str]:
    """The public keys by name of region and edge, whose private halves lie in the folder now."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for region in machine.regions:
        _keep(folder / f"{region}.objects", lambda: secrets.token_bytes(_OBJECTS_SECRET_BYTES))
        if machine.servers is not None:
            write_private(folder / f"{region}.s3", machine.servers.s3_keys.encode())
    return {
        name: tokens.public_half(_keep(folder / f"{name}.pem", lambda: tokens.make_key()[0].encode()).decode())
        for name in (*machine.regions, *machine.edges)
    }


def _keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; where there is none it is made, readable by its owner alone."""
    if not path.exists():
        write_private(path, make())
    return path.read_bytes()
