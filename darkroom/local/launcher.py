"""`darkroom up`: the whole system on one machine, watched over until Ctrl-C.

The launcher binds every listening socket itself and hands it down, so that a process that died is started
again on its port, and connections wait in the backlog meanwhile.
"""

import signal
import socket
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import urllib3
from rich.console import Console

from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.addresses import ADDRESSES, TOPOLOGY, Addresses
from darkroom.local.machine import HOST, Machine, Process, addresses_text, url_of
from darkroom.local.supervisor import Program, Supervisor

_BACKLOG = 512
_START_S = 60.0
_STOP_S = 10.0
_ASK_AGAIN_S = 0.1
_LOOK_EVERY_S = 0.25
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST_PORT = 65_535


def command(options: Namespace) -> int:
    """Runs `darkroom up`."""
    up(options.data, options.port, options.servers)
    return 0


def up(data: Path, port: int, servers: Path | None) -> None:
    """Runs the system until SIGTERM or Ctrl-C. Raises CommandError."""
    console = Console()
    stop_on_signals()
    try:
        with running(data, port, console, servers) as addresses:
            console.print(f"[bold]Darkroom is at [cyan]{page(addresses)}[/][/]   (Ctrl-C stops it)")
            wait_for_ctrl_c()
    except KeyboardInterrupt:
        console.print("Stopped.")


def stop_on_signals() -> None:
    """The first of Ctrl-C, SIGTERM and a closed terminal (unless ignored: nohup) raises KeyboardInterrupt, once."""
    for number in _STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt_once)


def _interrupt_once(number: int, frame: object) -> None:
    """A second Ctrl-C changes nothing: whoever is not gone in time is killed."""
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def wait_for_ctrl_c() -> None:
    """Never returns; KeyboardInterrupt ends it."""
    while True:
        # Not signal.pause: a signal that comes just before it would be noticed only with the next one.
        time.sleep(_LOOK_EVERY_S)


def page(addresses: Addresses) -> str:
    """The one address that people need: the web page, at the first edge."""
    return next(iter(addresses.edges.values())) + "/"


@contextmanager
def running(data: Path, port: int, console: Console, servers: Path | None = None) -> Iterator[Addresses]:
    """Starts the system, and stops it on leaving. `port` is the first of those used; 0 takes any that are free.

    `servers` is the file that tells where the real servers are; without it, the stores are embedded.

    Raises CommandError where the folder or a port is taken, or a process does not answer.
    """
    data, machine = data.resolve(), data_folder.read_machine(servers)
    with ExitStack() as stack:
        lock = stack.enter_context(data_folder.claimed(data))
        (data / ADDRESSES).unlink(missing_ok=True)
        listening = [process for process in machine.processes() if process.listens]
        sockets = stack.enter_context(_bound(listening, port))
        ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
        with console.status("Preparing stores and keys …"):
            data_folder.prepare(data, machine, ports)
        supervisor = Supervisor(
            lambda pids: data_folder.write_processes(data, pids),
            lambda name, how: console.print(f"[yellow]![/] {name} {how}; its log: {_log(data, name)}"),
        )
        stack.enter_context(_supervised(supervisor, data))
        _start(machine, supervisor, data, sockets, lock, console)
        addresses = machine.addresses(data, ports)
        data_folder.write(data / ADDRESSES, addresses_text(addresses))
        yield addresses


def _start(
    machine: Machine,
    supervisor: Supervisor,
    data: Path,
    sockets: Mapping[str, socket.socket],
    lock: int,
    console: Console,
) -> None:
    """First what answers, so that the page is there soon; then what works behind it."""
    began_s = time.monotonic()
    processes = machine.processes()
    with console.status("Starting edges, origins and object doors …"):
        supervisor.start(_program(process, data, sockets, lock) for process in processes if process.listens)
        _require_answers({name: url_of(bound.getsockname()[1]) for name, bound in sockets.items()}, data)
    supervisor.start(_program(process, data, sockets, lock) for process in processes if not process.listens)
    console.print(
        f"[green]✓[/] {len(machine.edges)} edges ({', '.join(machine.edges)}) and {len(machine.regions)} regions "
        f"({', '.join(machine.regions)}) answer after {time.monotonic() - began_s:.1f} s"
    )


@contextmanager
def _supervised(supervisor: Supervisor, data: Path) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run_forever, args=[stop])
    thread.start()
    try:
        yield
    finally:
        _ignore_signals()
        (data / ADDRESSES).unlink(missing_ok=True)
        stop.set()
        thread.join()
        supervisor.stop(_STOP_S)
        (data / data_folder.PROCESSES).unlink(missing_ok=True)


@contextmanager
def _bound(listening: Sequence[Process], port: int) -> Iterator[Mapping[str, socket.socket]]:
    """A listening socket for each process, by its name. Raises CommandError where a port is taken."""
    if port and not 1 <= port <= _LAST_PORT - len(listening):
        raise CommandError(f"{port} is no port to begin at.", "Choose one from 1024 to 65000, or 0 for any.", 2)
    with ExitStack() as stack:
        sockets = {}
        for number, process in enumerate(listening):
            bound = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(bound, port + number if port else 0)
            sockets[process.name] = bound
        yield sockets


def _bind(bound: socket.socket, port: int) -> None:
    try:
        bound.bind((HOST, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        raise CommandError(
            f"Port {port} can't be had: {error.strerror}.",
            "Choose others with --port N (ten in a row are used), or --port 0 for any that are free.",
        ) from error


def _program(process: Process, data: Path, sockets: Mapping[str, socket.socket], lock: int) -> Program:
    command = [sys.executable, "-m", "darkroom", "run", process.kind, process.node]
    command += ["--topology", str(data / TOPOLOGY)]
    inherited = [lock]
    if process.listens:
        descriptor = sockets[process.name].fileno()
        command += ["--fd", str(descriptor)]
        inherited.append(descriptor)
    return Program(process.name, tuple(command), _log(data, process.name), tuple(inherited), data / data_folder.SCRATCH)


def _log(data: Path, name: str) -> Path:
    return data / "logs" / f"{name}.log"


def _require_answers(urls: Mapping[str, str], data: Path) -> None:
    """Raises CommandError that names who did not answer in time, and their logs."""
    deadline_s = time.monotonic() + _START_S
    with ThreadPoolExecutor(len(urls)) as threads:
        answers = dict(zip(urls, threads.map(lambda url: _answers(url, deadline_s), urls.values()), strict=True))
    if silent := [name for name, answered in answers.items() if not answered]:
        logs = ", ".join(str(_log(data, name)) for name in silent)
        raise CommandError(f"No answer within {_START_S:.0f} s from {', '.join(silent)}.", f"Look into {logs}")


def _answers(url: str, deadline_s: float) -> bool:
    """The first connection waits in the backlog until its server is there."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        try:
            if urllib3.request("GET", f"{url}/health", timeout=left_s, retries=False).status == 200:
                return True
        except urllib3.exceptions.HTTPError:
            """It died with our connection, and is being started again."""
        time.sleep(_ASK_AGAIN_S)
    return False
