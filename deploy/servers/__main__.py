"""`python -m deploy.servers`: install the real servers, run them until Ctrl-C, or run them around a command."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console

from deploy.servers import fleet
from deploy.servers.process import Server, ServerError

ROOT = Path(__file__).parents[2] / ".servers"
_BASE_PORT = 8700


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="download and build the servers that are missing")
    up = commands.add_parser("up", help="run the servers until Ctrl-C")
    up.add_argument("--port", type=int, default=_BASE_PORT, help=f"the first port (default: {_BASE_PORT})")
    run = commands.add_parser("run", help="run the installed servers around a command: run -- COMMAND")
    run.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    console = Console(stderr=True)
    try:
        if options.command == "install":
            return install(console)
        if options.command == "up":
            return run_until_stopped(console, options.port)
        return run_around(console, options.rest[1:] if options.rest[:1] == ["--"] else options.rest)
    except ServerError as error:
        console.print(f"[red]✗[/] {error}")
        return 1


def install(console: Console) -> int:
    for name in fleet.NAMES:
        began_s = time.monotonic()
        already = fleet.is_installed(ROOT, name)
        with console.status(f"Installing {name} (Consul takes a few minutes)"):
            fleet.install(ROOT, name)
        state = "is already installed" if already else f"installed in {time.monotonic() - began_s:.0f} s"
        console.print(f"[green]✓[/] {name} {state}")
    return 0


def run_until_stopped(console: Console, port: int) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    file = ROOT / "running.json"
    with fleet.running(ROOT, ROOT / "data", fleet.ports_from(port), lambda server: _report(console, server)) as servers:
        fleet.write_addresses(file, servers)
        try:
            console.print(
                "All answer. `darkroom up --servers` uses them. [bold]Ctrl-C[/] stops them and keeps their data."
            )
            stop.wait()
        finally:
            file.unlink(missing_ok=True)
    return 0


def run_around(console: Console, command: list[str]) -> int:
    """Runs the command with all installed servers, and returns its exit code.

    The command finds each server's address in `DARKROOM_TEST_<NAME>`, and all of them in the file `running.json` of the
    folder `DARKROOM_TEST_SERVERS`, which also contains the servers' data.
    """
    for name in fleet.NAMES:
        if not fleet.is_installed(ROOT, name):
            if os.environ.get("CI"):
                raise ServerError(f"{name} is not installed, but CI requires it: make servers-install")
            console.print(f"[yellow]![/] {name} is not installed, so its tests are skipped (make servers-install)")
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-servers-") as folder,
        fleet.running(ROOT, Path(folder), report=lambda server: _report(console, server)) as servers,
    ):
        fleet.write_addresses(Path(folder) / "running.json", servers)
        addresses = {f"DARKROOM_TEST_{name.upper()}": value for name, value in fleet.addresses(servers).items()}
        return subprocess.run(command, env={**os.environ, **addresses, "DARKROOM_TEST_SERVERS": folder}).returncode


def _report(console: Console, server: Server) -> None:
    console.print(f"[green]✓[/] {server.name} answers at {server.address}")


sys.exit(main())
