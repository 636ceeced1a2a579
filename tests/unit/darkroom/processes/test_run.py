"""One process of a region, or one edge, started as the launcher does."""

import json
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from darkroom.local import data_folder
from darkroom.processes import run
from darkroom.processes.entry_points import _listener
from regions.config import load, open_stores
from regions.errors import TopologyError
from regions.process_number import POOL

MACHINE = data_folder.read_machine()
PORTS = {process.name: 20_000 + number for number, process in enumerate(MACHINE.processes())}


@pytest.fixture
def topology(tmp_path):
    data_folder.prepare(tmp_path, MACHINE, PORTS)
    return tmp_path / "topology.toml"


def started(*arguments: str, **settings) -> subprocess.Popen:
    command = [sys.executable, "-m", "darkroom", "run", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **settings)


@pytest.mark.parametrize(("kind", "name"), [("origin", "lisbon"), ("edge", "eu-west"), ("replicator", "atlantis")])
def test_an_unknown_place_is_an_error(topology, kind, name):
    """The exit code is 1, and one line of the log has the reason. A region is not an edge, nor the reverse."""
    with started(kind, name, "--topology", str(topology), stdin=subprocess.DEVNULL) as process:
        output, _ = process.communicate(timeout=30)
    line = json.loads(output.splitlines()[-1])
    assert process.returncode == 1
    assert (line["process"], line["message"]) == (f"{kind}-{name}", "can't be started")
    assert name in line["error"]


def test_a_process_ends_when_its_standard_input_does(topology):
    """The launcher only has to close the pipe. The exit is orderly."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        arguments = ("object-server", "eu-west", "--topology", str(topology), "--fd", str(descriptor))
        with started(*arguments, stdin=subprocess.PIPE, pass_fds=[descriptor]) as process:
            assert health(listener.getsockname()[1]).startswith(b"HTTP/1.1 200")
            process.stdin.close()
            assert process.wait(30) == 0


def test_an_origin_releases_its_number_and_its_service(topology, eventually):
    """It does so at an orderly exit. While it runs, it is registered in its region's settings."""
    stores = open_stores(load(topology, {}), "eu-west")
    with closing(stores), socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        arguments = ("origin", "eu-west", "--topology", str(topology), "--fd", str(descriptor))
        with started(*arguments, stdin=subprocess.PIPE, pass_fds=[descriptor]) as process:
            eventually(lambda: stores.settings.services.healthy("origin"))
            process.stdin.close()
            assert process.wait(30) == 0
        assert stores.settings.services.healthy("origin") == []
        assert stores.settings.numbers.lease(POOL, "the next", 1, 1.0).number == 0


def health(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: objects\r\nConnection: close\r\n\r\n")
        return connection.recv(1000)


def test_every_kind_of_the_machine_can_be_run():
    """The command knows every kind of process that the launcher starts, and workers for a scheduler of one's own."""
    assert {process.kind for process in MACHINE.processes()} | {"worker", "witness"} == set(run.MODULES)


def test_without_a_descriptor_the_port_of_the_url_is_used():
    """So a process can be started by hand, or by another supervisor."""
    with _listener(None, "http://127.0.0.1:0") as first:
        port = first.getsockname()[1]
        with pytest.raises(TopologyError, match="can't be listened on"):
            _listener(None, f"http://127.0.0.1:{port}")
    with pytest.raises(TopologyError, match="names no host and port"):
        _listener(None, "unix:/run/darkroom")
