"""The system of one machine, in which all that regions say to each other passes over lines that a test can break.

A process reads the other regions' addresses from the topology, and its environment replaces them: so the processes of
each region know each other region by the address of a line, one for each direction. Each region has a second origin,
which only other regions ask. It signs PUTs to the line of its store, so that clients and edges have no part in the
faults. The Dask of `OPERATED` has a scheduler and a worker of an operator's; other regions' processors have their own.

Everything of a place is in folders of its name, also what its processes write to TMPDIR.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import psutil
import urllib3

from darkroom.local import data_folder, process_secrets
from darkroom.local.addresses import TOPOLOGY
from darkroom.local.machine import HOST, Machine, Process, url_of
from darkroom.local.supervisor import Program, Supervisor
from deploy.servers.process import free_port
from regions import config
from tests.builders import fault_proxy
from tests.builders.clusters import workers_below
from tests.builders.fault_proxy import FaultProxy
from tests.builders.guarded_fleet import GuardedFleet
from tests.builders.stored_state import RegionDisk
from tests.conftest import System

OPERATED = "eu-west"
BORDER = "border"
"""The kind, in names of processes, of an origin that only other regions ask."""
_ROOT = Path(__file__).parents[2]
_BACKLOG = 512
_STOP_S = 10.0
_HURRIED = ("origin", "replicator")


@dataclass(frozen=True)
class BorderLines:
    """`between` has a line from each region to each other one's origin, `to_store` one to each region's objects."""

    between: Mapping[tuple[str, str], FaultProxy]
    to_store: Mapping[str, FaultProxy]

    @property
    def all(self) -> dict[str, FaultProxy]:
        """By a name for people."""
        origins = {f"{source} to {target}": line for (source, target), line in self.between.items()}
        return origins | {f"to the store of {region}": line for region, line in self.to_store.items()}


@dataclass(frozen=True)
class RegionsApart:
    """`names` of all processes, and the `urls` of those that listen."""

    system: System
    lines: BorderLines
    names: frozenset[str]
    urls: Mapping[str, str]

    def kill(self, name: str) -> bool:
        """kill -9; whether it was there. `dask-of-NAME` is the Dask worker below that process."""
        pid = self.system.pids().get(name.removeprefix("dask-of-"))
        if pid is None:
            return False
        try:
            process = workers_below(pid)[0] if name.startswith("dask-of-") else psutil.Process(pid)
            process.kill()
        except (IndexError, psutil.NoSuchProcess):
            return False
        return True

    def is_whole(self) -> bool:
        """Every process runs, and those that listen answer."""
        return self.names <= self.system.pids().keys() and all(map(_is_healthy, self.urls.values()))

    def unfinished(self) -> dict[str, int]:
        """What the processes have yet to do, of what is begun; on embedded stores."""
        regions, counts = sorted(self.system.origins), dict[str, int]()
        for region in regions:
            disk = RegionDisk(region, self.system.data / "regions" / region)
            counts |= disk.unfinished(int(time.time() * 1000), [other for other in regions if other != region])
        return counts

    def log_tail(self) -> str:
        return self.system.log_tail()


@contextmanager
def running(
    data: Path, fleets: Mapping[str, GuardedFleet] = MappingProxyType({}), within_s: float = 90.0
) -> Iterator[RegionsApart]:
    """Until the block ends; the stores of the regions in `fleets` are there. Fails if it does not start."""
    machine = data_folder.read_machine()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, _stores(fleets)))
        listening = [one.name for one in machine.processes() if one.listens]
        sockets = {
            name: stack.enter_context(socket.create_server((HOST, 0), backlog=_BACKLOG))
            for name in (*listening, *(f"{BORDER}-{region}" for region in machine.regions))
        }
        ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
        _write_secrets(data / data_folder.SECRETS, fleets)
        data_folder.prepare(data, machine, ports)
        lines = _lines(machine, ports, stack)
        for region, fleet in fleets.items():
            fleet.write_plainly(region)
        programs = _Programs(machine, data, sockets, lines).all()
        stack.enter_context(_supervised(programs, data))
        names = frozenset(program.name for program in programs)
        urls = {name: url_of(port) for name, port in ports.items() if name in names}
        apart = RegionsApart(_system(machine, data, ports), lines, names, urls)
        _wait_for(apart.is_whole, within_s, apart.log_tail)
        yield apart


def _stores(fleets: Mapping[str, GuardedFleet]) -> dict[str, str]:
    """The variables that replace the topology's embedded stores, for every process."""
    return {
        _variable(region, field): url for region, fleet in fleets.items() for field, url in fleet.stores(region).items()
    }


def _write_secrets(folder: Path, fleets: Mapping[str, GuardedFleet]) -> None:
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    for region, fleet in fleets.items():
        for word, text in fleet.secrets().items():
            (folder / f"{region}.{word}").write_text(text)


def _processes(machine: Machine) -> list[Process]:
    """Without the object servers of regions whose objects S3 serves."""
    return [one for one in machine.processes() if one.kind != "object-server" or _s3_port(one.node) is None]


def _s3_port(region: str) -> int | None:
    url = os.environ.get(_variable(region, "objects"), "")
    endpoint = parse_qs(urlsplit(url).query).get("endpoint", [""])[0]
    return urlsplit(endpoint).port


def _variable(region: str, field: str) -> str:
    return f"DARKROOM_{region.upper().replace('-', '_')}_{field.upper()}"


def _lines(machine: Machine, ports: Mapping[str, int], stack: ExitStack) -> BorderLines:
    def line(port: int) -> FaultProxy:
        return stack.enter_context(fault_proxy.running(port))

    pairs = [(source, target) for source in machine.regions for target in machine.regions if source != target]
    return BorderLines(
        {(source, target): line(ports[f"{BORDER}-{target}"]) for source, target in pairs},
        {region: line(_s3_port(region) or ports[f"object-server-{region}"]) for region in machine.regions},
    )


class _Programs:
    """What to start, and what each process gets in its environment."""

    def __init__(self, machine: Machine, data: Path, sockets: Mapping[str, socket.socket], lines: BorderLines) -> None:
        self._machine, self._data, self._sockets, self._lines = machine, data, sockets, lines
        self._scheduler_port = free_port()

    def all(self) -> list[Program]:
        borders = [self._program(Process("origin", region, True), BORDER) for region in self._machine.regions]
        workers = [self._scheduler(), self._program(Process("worker", OPERATED, False))]
        return [*workers, *(self._program(one) for one in _processes(self._machine)), *borders]

    def _program(self, process: Process, kind: str = "") -> Program:
        name = f"{kind or process.kind}-{process.node}"
        module = ["tests.builders.hurried"] if process.kind in _HURRIED else ["darkroom", "run"]
        command = [sys.executable, "-m", *module, process.kind, process.node]
        command += ["--topology", str(self._data / TOPOLOGY)]
        inherited = []
        if process.listens:
            inherited = [self._sockets[name].fileno()]
            command += ["--fd", str(inherited[0])]
        secrets = self._data / process_secrets.FOLDER / process.name
        if not secrets.exists():
            process_secrets.give(process, self._data / data_folder.SECRETS, secrets.parent)
        environ = {config.SECRETS_VARIABLE: str(secrets), **self._scratch(process.node)}
        if process.node in self._machine.regions:
            environ |= self._others(process.node, with_own_store=kind == BORDER)
        return Program(name, tuple(command), self._log(name), tuple(inherited), environ)

    def _scheduler(self) -> Program:
        name, options = f"scheduler-{OPERATED}", ["--host", HOST, "--port", str(self._scheduler_port)]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options, "--no-dashboard"]
        command += ["--dashboard-address", f"{HOST}:0"]
        return Program(name, tuple(command), self._log(name), (), self._scratch(OPERATED))

    def _others(self, region: str, with_own_store: bool) -> dict[str, str]:
        """How the other regions are reached from this one."""
        environ = {}
        for other in self._machine.regions:
            if other != region:
                environ[_variable(other, "origin")] = f"http://{self._lines.between[region, other].address}"
            if other != region or with_own_store:
                environ[_variable(other, "objects")] = self._store_by_its_line(other)
            if other == region == OPERATED:
                environ[_variable(other, "scheduler")] = f"tcp://{HOST}:{self._scheduler_port}"
        return environ

    def _store_by_its_line(self, region: str) -> str:
        line, port = self._lines.to_store[region], _s3_port(region)
        if port is not None:
            return os.environ[_variable(region, "objects")].replace(f"{HOST}:{port}", line.address)
        return f"directory://{self._data}/regions/{region}/objects?server=http://{line.address}"

    def _scratch(self, node: str) -> dict[str, str]:
        folder = self._data / data_folder.SCRATCH / node
        folder.mkdir(exist_ok=True)
        return {"TMPDIR": str(folder), "PYTHONPATH": str(_ROOT)}

    def _log(self, name: str) -> Path:
        return self._data / "logs" / f"{name}.log"


@contextmanager
def _supervised(programs: list[Program], data: Path) -> Iterator[None]:
    with (data / "up.log").open("a", buffering=1) as log:
        supervisor = Supervisor(
            lambda pids: data_folder.write_processes(data, pids), lambda name, how: print(name, how, file=log)
        )
        stop = threading.Event()
        thread = threading.Thread(target=supervisor.run_forever, args=[stop])
        thread.start()
        try:
            supervisor.start(programs)
            yield
        finally:
            stop.set()
            thread.join()
            supervisor.stop(_STOP_S)


def _system(machine: Machine, data: Path, ports: Mapping[str, int]) -> System:
    found = machine.addresses(data, ports)
    return System(data, edges=dict(found.edges), origins=dict(found.origins), objects=dict(found.objects))


def _is_healthy(url: str) -> bool:
    """And knows a statement that is in force."""
    try:
        response = urllib3.request("GET", f"{url}/health", retries=False, timeout=2)
        return response.status == 200 and json.loads(response.data).get("statement") != 0
    except urllib3.exceptions.HTTPError:
        return False


def _wait_for(condition: Callable[[], bool], within_s: float, explain: Callable[[], str]) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, explain()
        time.sleep(0.2)
