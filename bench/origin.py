"""`make bench-origin`: what serves origins and object servers, beside gunicorn's threads as Darkroom used them before.

Both serve the same Falcon application, with 16 threads, a process each. Quiet: requests a second, P50 and P99 of a
small GET on 8 connections. Under each attack, the worst latency and the errors of one other client, who makes a new
connection for each request, for 4 s. A request without an answer after 5 s is an error, and counts as 5 s.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from bench.harness import Measurement, at_most, compare
from bench.interleaved_runs import medians, percentile, row

_REPEATS = 2
_QUIET_S, _ATTACK_S, _PATIENCE_S = 3.0, 4.0, 5.0
_CONNECTIONS = 8
_GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
_BODY = b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
_ATTACKS: Mapping[str, tuple[int, bytes]] = {
    "16 half-sent heads": (16, b"GET /health HTTP/1.1\r\nHo"),
    "160 silent connections": (160, b""),
    "16 bodies that never come": (16, _BODY),
    "20 uploads at 1 KiB/s": (20, _BODY),
}
_TRICKLES = "20 uploads at 1 KiB/s"
_WORST_S = 2.0

_APPLICATION = """
import falcon, socket, sys

class Health:
    def on_get(self, request, response):
        response.media = {"region": "eu-west"}

    def on_post(self, request, response):
        response.media = {"size_bytes": len(request.bounded_stream.read())}

application = falcon.App()
application.add_route("/health", Health())
listener = socket.socket(fileno=int(sys.argv[1]))
"""
_SERVERS = {
    "ours": """
from darkroom.processes.wsgi import WsgiServer
WsgiServer(listener, application).run()
""",
    "gunicorn": """
from gunicorn.app.base import BaseApplication

class Threads(BaseApplication):
    def load_config(self):
        for name, value in {
            "bind": [f"fd://{listener.detach()}"], "workers": 1, "worker_class": "gthread", "threads": 16,
            "keepalive": 30, "graceful_timeout": 1, "timeout": 60, "errorlog": None, "control_socket_disable": True,
        }.items():
            self.cfg.set(name, value)

    def load(self):
        return application

Threads().run()
""",
}


@contextlib.contextmanager
def _served(server: str) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        address, descriptor = listener.getsockname(), listener.fileno()
        command = [sys.executable, "-c", _APPLICATION + _SERVERS[server], str(descriptor)]
        process = subprocess.Popen(command, pass_fds=[descriptor])
    try:
        with socket.create_connection(address, 30) as connection:
            _get(connection)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _get(connection: socket.socket) -> None:
    """Raises OSError if there is no whole answer."""
    connection.sendall(_GET)
    received = b""
    while not received.endswith(b'"eu-west"}'):
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError("no answer")
        received += piece


def _quiet(address: tuple[str, int]) -> dict[str, float]:
    latencies: list[float] = []
    end = time.perf_counter() + _QUIET_S

    def client() -> None:
        with socket.create_connection(address, 30) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (began := time.perf_counter()) < end:
                _get(connection)
                latencies.append(time.perf_counter() - began)

    clients = [threading.Thread(target=client) for _ in range(_CONNECTIONS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return {
        "requests": len(latencies) / _QUIET_S,
        "p50": percentile(latencies, 0.5) * 1000,
        "p99": percentile(latencies, 0.99) * 1000,
    }


def _attacked(address: tuple[str, int], attack: str) -> dict[str, float]:
    """The worst latency in seconds, and the errors, of one who is not the attacker."""
    count, sent = _ATTACKS[attack]
    stop = threading.Event()
    with ExitStack() as held:
        attackers = [held.enter_context(socket.create_connection(address, 30)) for _ in range(count)]
        for attacker in attackers:
            attacker.sendall(sent)
        sender = threading.Thread(target=_trickle, args=[attackers if attack == _TRICKLES else [], stop])
        sender.start()
        worst_s, errors, end = 0.0, 0, time.perf_counter() + _ATTACK_S
        while (began := time.perf_counter()) < end:
            try:
                with socket.create_connection(address, _PATIENCE_S) as connection:
                    _get(connection)
            except OSError:
                errors += 1
            worst_s = max(worst_s, time.perf_counter() - began)
        stop.set()
        sender.join()
    return {f"{attack}: worst": worst_s, f"{attack}: errors": errors}


def _trickle(attackers: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(0.25):
        for attacker in attackers:
            with contextlib.suppress(OSError):
                attacker.sendall(bytes(256))


def _run(server: str) -> dict[str, float]:
    with _served(server) as address:
        measured = _quiet(address)
    for attack in _ATTACKS:
        with _served(server) as address:
            measured |= _attacked(address, attack)
    return measured


def run() -> list[Measurement]:
    contenders = {server: (lambda server=server: _run(server)) for server in _SERVERS}
    found = medians(contenders, _REPEATS)
    rows = [
        row("a small GET on 8 connections", "requests/s", found["requests"], 0.9),
        row("its P50", "ms", found["p50"], None, more_is_better=False),
        row("its P99", "ms", found["p99"], None, more_is_better=False),
    ]
    for attack in _ATTACKS:
        worst_s, errors = found[f"{attack}: worst"], found[f"{attack}: errors"]
        rows.append(at_most(f"{attack}: another client's worst latency", "s", worst_s["ours"], _WORST_S))
        rows.append(_published(f"{attack}: worst latency beside gunicorn", "s", worst_s))
        rows.append(_published(f"{attack}: another client's errors", "requests", errors))
    return rows


def _published(figure: str, unit: str, values: Mapping[str, float]) -> Measurement:
    """Without a ratio: one of the two may be 0."""
    peers = {name: value for name, value in values.items() if name != "ours"}
    return compare(figure, unit, values["ours"], peers, more_is_better=False, beside=("no peer",))
