"""The `--data` folder of a system on one machine: its locks, secrets, topology and residency policy."""

import fcntl
import importlib.resources
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from darkroom.command_error import CommandError
from darkroom.local import machine
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.machine import Machine
from darkroom.local.private_files import write_private
from regions import config, tokens
from regions.preparation import prepare_region
from regions.residency import checking, parsing
from regions.stores.settings import POLICY
from regions.waiting import attempts

PROCESSES = "processes.json"
_PREPARED = "prepared.json"
SCRATCH = "tmp"
_SECRETS = "secrets"
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
    """Creates missing secrets, the topology for these ports, every store, and missing policies.

    Raises Unavailable, StoreMissing, WrongStore, PolicyError.
    """
    public_keys = _keep_secrets(data / _SECRETS, machine)
    write(data / TOPOLOGY, machine.topology(data, ports, public_keys))
    (data / "logs").mkdir(exist_ok=True)
    # Left behind by an earlier run, whose processes have all ended.
    shutil.rmtree(data / SCRATCH, ignore_errors=True)
    (data / SCRATCH).mkdir()
    prepared = config.load(data / TOPOLOGY, os.environ)
    # First, since a store that was created stays.
    _checked_policy(prepared, None)
    before = _prepared_regions(data)
    for region in prepared.topology.regions:
        prepare_region(prepared, region, is_new=region not in before)
        before.add(region)
        write(data / _PREPARED, json.dumps(sorted(before)))
    publish_policy(prepared)
    return prepared


def _prepared_regions(data: Path) -> set[str]:
    """Those whose stores exist. All of a region's stores lie in one folder, which may be a disk that is not mounted."""
    try:
        return set(json.loads((data / _PREPARED).read_text()))
    except FileNotFoundError:
        return set()


def publish_policy(loaded: config.Config, file: Path | None = None) -> list[str]:
    """Writes the policy in the file, or the default one, to each region that has none, and returns their names.

    Raises PolicyError if it is needed and does not fit the topology, Unavailable.
    """
    written = []
    for region in loaded.topology.regions:
        with closing(config.open_settings(loaded, region)) as settings:
            missing = settings.values.read(POLICY) is None
            if missing and settings.values.write(POLICY, _checked_policy(loaded, file), expected_version=0):
                written.append(region)
    return written


def _checked_policy(loaded: config.Config, file: Path | None) -> str:
    """Raises PolicyError if it does not fit the topology, OSError."""
    text = file.read_text() if file else importlib.resources.files("deploy").joinpath(parsing.FILE).read_text()
    checking.require_fit(parsing.parse(text, str(file or parsing.FILE)), checking.places_of(loaded.topology))
    return text


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


def _keep_secrets(folder: Path, machine: Machine) -> dict[str, str]:
    """Creates missing secrets in the folder; returns the public keys by name of region and edge."""
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
    """The file's content. If it is missing, it is created, readable only by its owner."""
    if not path.exists():
        write_private(path, make())
    return path.read_bytes()
