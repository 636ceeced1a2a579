"""The `--data` folder of a system on one machine: its locks, secrets, topology and stores."""

import fcntl
import importlib.resources
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from darkroom.command_error import CommandError
from darkroom.local import machine
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.compliance import has_begun, keep_statement, require_fit
from darkroom.local.machine import Machine
from darkroom.local.private_files import write_private
from darkroom.operate.places import make_missing_keys
from regions import config
from regions.preparation import prepare_region
from regions.waiting import attempts

PROCESSES = "processes.json"
_PREPARED = "prepared.json"
SCRATCH = "tmp"
SECRETS = "secrets"
_LAUNCHER_LOCK, _PROCESSES_LOCK = "launcher.lock", "processes.lock"
_EARLIER_RUN_S = 20.0
_LOCK_PAUSE_S = 0.05
_OBJECTS_SECRET_BYTES = 32


class AlreadyRunning(CommandError):
    """Another launcher is using the folder."""

    def __init__(self, data: Path) -> None:
        super().__init__(
            f"A system is running in {data} already.",
            "Use it, stop it with Ctrl-C in its terminal, or name another folder with --data.",
        )


@contextmanager
def claimed(data: Path) -> Iterator[int]:
    """Locks the folder; yields the descriptor of a second lock, which all processes of the system must inherit.

    The first lock is the launcher's own: if another launcher has it, raises AlreadyRunning. The second lock outlives a
    launcher that was killed: its processes inherited the descriptor, so it stays locked until the last of them has
    ended. They also still use the ports, so this waits for them, and raises CommandError if they do not end.
    """
    if any(char in str(data) for char in "?#%"):
        raise CommandError(f"The folder {data} can't be part of a URL.", "Name one without ?, # and % with --data.", 2)
    data.mkdir(parents=True, exist_ok=True)
    with (data / _LAUNCHER_LOCK).open("w") as launcher, (data / _PROCESSES_LOCK).open("w") as processes:
        if not _locked(launcher.fileno(), 0):
            raise AlreadyRunning(data)
        if not _locked(processes.fileno(), _EARLIER_RUN_S):
            raise CommandError(
                f"Processes of an earlier run in {data} have not ended.",
                f"Their ids are in {data / PROCESSES}. Stop them, and try again.",
            )
        yield processes.fileno()


def _locked(descriptor: int, within_s: float) -> bool:
    for _ in attempts(within_s, _LOCK_PAUSE_S, _LOCK_PAUSE_S):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def prepare(data: Path, machine: Machine, ports: Mapping[str, int]) -> config.Config:
    """Creates missing secrets, the topology for these ports, every store, and at the first start the first statement.

    Raises Unavailable, StoreMissing, WrongStore, PolicyError, StatementError, CommandError.
    """
    _keep_secrets(data / SECRETS, machine)
    write(data / TOPOLOGY, machine.topology(data, ports))
    (data / "logs").mkdir(exist_ok=True)
    # Left behind by an earlier run, whose processes have all ended.
    shutil.rmtree(data / SCRATCH, ignore_errors=True)
    (data / SCRATCH).mkdir()
    prepared = config.load(data / TOPOLOGY, os.environ)
    if not has_begun(data, prepared):
        # First, since a store that was created stays.
        require_fit(prepared)
    before = _prepared_regions(data)
    for region in prepared.topology.regions:
        prepare_region(prepared, region, is_new=region not in before)
        before.add(region)
        write(data / _PREPARED, json.dumps(sorted(before)))
    make_missing_keys(prepared.topology, prepared.secrets)
    keep_statement(data, prepared)
    return prepared


def _prepared_regions(data: Path) -> set[str]:
    """Those whose stores exist. All of a region's stores lie in one folder, which may be a disk that is not mounted."""
    try:
        return set(json.loads((data / _PREPARED).read_text()))
    except FileNotFoundError:
        return set()


def read_machine(servers_file: Path | None = None) -> Machine:
    """The one machine, on embedded stores or on the servers that the file lists. Raises CommandError."""
    text = importlib.resources.files("deploy").joinpath("one_machine.toml").read_text()
    if servers_file is None:
        return machine.read(text)
    try:
        return machine.read(text, machine.read_servers(servers_file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"{servers_file} does not list the addresses of the real servers.",
            "Run `make servers` first (and keep it running), or name the file that it writes with --servers.",
        ) from error


def write(path: Path, text: str) -> None:
    """Replaces the file atomically: concurrent readers see the old text or the new."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def write_processes(data: Path, pids: Mapping[str, int]) -> None:
    write(data / PROCESSES, json.dumps(pids, indent=2) + "\n")


def _keep_secrets(folder: Path, machine: Machine) -> None:
    """Creates missing secrets in the folder."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for region in machine.regions:
        _keep(folder / f"{region}.objects", lambda: secrets.token_bytes(_OBJECTS_SECRET_BYTES))
        if machine.servers is not None:
            write_private(folder / f"{region}.s3", machine.servers.s3_keys(region).encode())


def _keep(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content. If it is missing, it is created, readable only by its owner."""
    if not path.exists():
        write_private(path, make())
    return path.read_bytes()
