"""`darkroom up`: runs the whole system on one machine until Ctrl-C.

The launcher binds every listening socket itself, and its processes inherit them. So a process that died is started
again on the same port, and connections wait in the socket's backlog in the meantime.
"""

import json
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
from darkroom.local import data_folder, process_secrets
from darkroom.local.addresses import ADDRESSES, TOPOLOGY, Addresses
from darkroom.local.machine import HOST, Machine, Process, addresses_text, url_of
from darkroom.local.supervisor import Program, Supervisor
from regions import config

_BACKLOG = 512
_START_S = 60.0
_STOP_S = 10.0
_POLL_S = 0.1
_SIGNAL_CHECK_S = 0.25
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LAST_PORT = 65_535


def command(options: Namespace) -> int:
    """Runs `darkroom up`."""
    up(options.data, options.port, options.servers)
    return 0


def up(data: Path, port: int, servers_file: Path | None) -> None:
    """Runs the system until SIGTERM or Ctrl-C. Raises CommandError."""
    console = Console()
    stop_on_signals()
    try:
        with running(data, port, console, servers_file) as addresses:
            console.print(f"[bold]Darkroom is at [cyan]{page(addresses)}[/][/]   (Ctrl-C stops it)")
            wait_for_ctrl_c()
    except KeyboardInterrupt:
        console.print("Stopped.")


def stop_on_signals() -> None:
    """Ctrl-C, SIGTERM or a closed terminal raises KeyboardInterrupt, but only once. Ignored signals stay so (nohup)."""
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt_once)


def _interrupt_once(number: int, frame: object) -> None:
    """A second Ctrl-C is ignored: processes that do not stop in time are killed anyway."""
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def wait_for_ctrl_c() -> None:
    """Does not return; KeyboardInterrupt ends it."""
    while True:
        # Not signal.pause: it would miss a signal that arrives just before it, and wait for the next one.
        time.sleep(_SIGNAL_CHECK_S)


def page(addresses: Addresses) -> str:
    """The URL of the web page, at the first edge."""
    return next(iter(addresses.edges.values())) + "/"


@contextmanager
def running(data: Path, port: int, console: Console, servers_file: Path | None = None) -> Iterator[Addresses]:
    """Starts the system, and stops it when the block ends.

    `port` is the first port; 0 takes any free ports. `servers_file` is the file with the addresses of the real servers;
    without it, the stores are embedded. Raises CommandError if the folder or a port is in use, or if a process does not
    answer.
    """
    data, machine = data.resolve(), data_folder.read_machine(servers_file)
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
            lambda name, how: console.print(f"[yellow]![/] {name} {how}; see {_log(data, name)}"),
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
    """Starts the processes that answer requests first, so that the page is available soon, then the workers."""
    began_s = time.monotonic()
    processes = machine.processes()
    with console.status("Starting edges, origins and object servers …"):
        supervisor.start(_program(machine, process, data, sockets, lock) for process in processes if process.listens)
        _wait_until_all_answer({name: url_of(bound.getsockname()[1]) for name, bound in sockets.items()}, data)
    supervisor.start(_program(machine, process, data, sockets, lock) for process in processes if not process.listens)
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
    """A listening socket for each process, by its name. Raises CommandError if a port is in use."""
    if port and not 1 <= port <= _LAST_PORT - len(listening):
        raise CommandError(f"{port} can't be the first port.", "Choose one from 1024 to 65000, or 0 for any.", 2)
    with ExitStack() as stack:
        sockets = {}
        for number, process in enumerate(listening):
            bound = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            chosen = port + number if port else 0
            try:
                bound.bind((HOST, chosen))
                bound.listen(_BACKLOG)
            except OSError as error:
                raise CommandError(
                    f"Port {chosen} can't be had: {error.strerror}.",
                    "Choose others with --port N (ten in a row are used), or --port 0 for any free ports.",
                ) from error
            sockets[process.name] = bound
        yield sockets


def _program(
    machine: Machine, process: Process, data: Path, sockets: Mapping[str, socket.socket], lock: int
) -> Program:
    command = [sys.executable, "-m", "darkroom", "run", process.kind, process.node]
    command += ["--topology", str(data / TOPOLOGY)]
    inherited = [lock]
    if process.listens:
        descriptor = sockets[process.name].fileno()
        command += ["--fd", str(descriptor)]
        inherited.append(descriptor)
    secrets = process_secrets.give(process, data / data_folder.SECRETS, data / process_secrets.FOLDER)
    # What lies beside the topology is the same for all.
    environ = {"TMPDIR": str(data / data_folder.SCRATCH), config.SECRETS_VARIABLE: str(secrets)}
    return Program(process.name, tuple(command), _log(data, process.name), tuple(inherited), environ)


def _log(data: Path, name: str) -> Path:
    return data / "logs" / f"{name}.log"


def _wait_until_all_answer(urls: Mapping[str, str], data: Path) -> None:
    """Raises CommandError that names the processes that did not answer in time, and their logs."""
    deadline_s = time.monotonic() + _START_S
    with ThreadPoolExecutor(len(urls)) as threads:
        answered = threads.map(lambda url: _answers(url, deadline_s), urls.values())
        silent = [name for name, answers in zip(urls, answered, strict=True) if not answers]
    if silent:
        logs = ", ".join(str(_log(data, name)) for name in silent)
        raise CommandError(f"No answer within {_START_S:.0f} s from {', '.join(silent)}.", f"See {logs}")


def _answers(url: str, deadline_s: float) -> bool:
    """True once the server is healthy and knows a statement that is in force.

    The first connection waits in the backlog until the server accepts it.
    """
    while (left_s := deadline_s - time.monotonic()) > 0:
        try:
            response = urllib3.request("GET", f"{url}/health", timeout=left_s, retries=False)
            if response.status == 200 and json.loads(response.data).get("statement") != 0:
                return True
        except urllib3.exceptions.HTTPError:
            """The process died during the request, and is being restarted."""
        time.sleep(_POLL_S)
    return False
