"""The one-machine launcher: it serves, refuses a second start, restarts what dies, and leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3

from darkroom.local.data_folder import PROCESSES

pytestmark = pytest.mark.xdist_group("launch")

ENDS_WITHIN_S = 30
KINDS = ("edge", "origin", "object-server", "processor", "janitor", "replicator")


@pytest.fixture
def running(own_system):
    """The module's system, started again if the previous test has stopped it."""
    if own_system.process.poll() is not None:
        own_system.start()
    return own_system


def status(url: str) -> int:
    return urllib3.request("GET", url, retries=False, timeout=20).status


def up(data, port: int) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "darkroom", "--data", str(data), "up", "--port", str(port)]
    environ = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=False)


def all_of(system) -> list[psutil.Process]:
    """The launcher and all its descendants."""
    launcher = psutil.Process(system.process.pid)
    return [launcher, *launcher.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_process_gets_the_secrets_of_its_own_node_alone(running):
    """A replicator also those of the stores that it writes to, and no other key."""
    pids = json.loads((running.data / PROCESSES).read_text())
    for name, pid in pids.items():
        folder = Path(psutil.Process(pid).environ()["DARKROOM_SECRETS"])
        found = {file.name for file in folder.iterdir()}
        kind, node = next((kind, name.removeprefix(f"{kind}-")) for kind in KINDS if name.startswith(f"{kind}-"))
        others = {one for one in found if not one.startswith(f"{node}.")}
        assert found, name
        assert not others or (kind == "replicator" and not any(one.endswith(".pem") for one in others)), name


def test_everything_is_served(running):
    """Four edges and three origins are healthy, and the first edge serves the page."""
    assert list(running.edges) == ["lisbon", "frankfurt", "chicago", "sydney"]
    assert [status(f"{url}/health") for url in (*running.edges.values(), *running.origins.values())] == [200] * 7
    assert status(running.edges["lisbon"]) == 200
    assert running.edges["lisbon"] in running.log_tail()


def test_every_process_is_named(running):
    """`processes.json` lists five for each region and one for each edge, all alive."""
    pids = running.pids()
    kinds = ("origin", "object-server", "processor", "janitor", "replicator")
    regions, edges = ("eu-west", "eu-central", "us-central"), ("lisbon", "frankfurt", "chicago", "sydney")
    expected = {f"{kind}-{region}" for kind in kinds for region in regions} | {f"edge-{edge}" for edge in edges}
    assert set(pids) == expected
    assert all(psutil.pid_exists(pid) for pid in pids.values())


def test_a_second_system_in_the_same_folder_is_refused(running):
    """It prints why and exits with 1; the first system keeps running."""
    second = up(running.data, 0)
    assert second.returncode == 1
    assert f"A system is running in {running.data} already" in second.stderr
    assert status(f"{running.edges['lisbon']}/health") == 200


def test_an_occupied_port_is_named(running, tmp_path):
    """The message names the port and what to do; nothing is left running or half created."""
    occupied = urlsplit(running.edges["lisbon"]).port
    refused = up(tmp_path / "other", occupied)
    assert refused.returncode == 1
    assert f"Port {occupied} can't be had" in refused.stderr
    assert "--port 0" in refused.stderr
    assert not (tmp_path / "other" / "processes.json").exists()


@pytest.mark.parametrize("name", ["edge-lisbon", "origin-eu-west", "object-server-eu-west", "processor-eu-west"])
def test_a_killed_process_is_restarted(running, eventually, name):
    """Under the same name; the launcher reports the signal."""
    pid = running.pids()[name]
    running.kill(name)
    eventually(lambda: running.pids().get(name, pid) != pid)
    assert f"{name} was ended by SIGKILL" in running.log_tail()


def test_a_request_during_a_restart_is_served_by_the_next_process(running):
    """The launcher keeps the port open, so a connection waits and is not refused."""
    running.kill("origin-eu-west")
    assert status(f"{running.origins['eu-west']}/health") == 200


@pytest.mark.parametrize("name", ["origin-eu-central", "object-server-eu-central"])
def test_a_server_has_no_child_that_could_outlive_it(running, eventually, name):
    """So no orphan keeps serving the port with outdated state."""
    eventually(lambda: name in running.pids())
    assert psutil.Process(running.pids()[name]).children(recursive=True) == []


def test_sigterm_stops_everything(running):
    """No process is left, the exit code is 0, and the folder no longer lists addresses or processes."""
    processes = all_of(running)
    assert len(processes) > 16
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(ENDS_WITHIN_S) == 0
    assert gone(processes)
    assert not (running.data / "addresses.json").exists()
    assert not (running.data / "processes.json").exists()


def test_a_second_ctrl_c_changes_nothing(running):
    """Everything stops, with exit code 0."""
    processes = all_of(running)
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(ENDS_WITHIN_S) == 0
    assert gone(processes)


def test_killing_the_launcher_ends_its_children(running, eventually):
    """Each child notices that its lifeline has closed, and stops by itself."""
    processes = all_of(running)
    running.process.kill()
    running.process.wait()
    eventually(lambda: gone(processes), ENDS_WITHIN_S)


def test_a_new_launcher_waits_for_the_children_of_a_killed_one(running, eventually):
    """It starts at once in the same folder, and the system serves requests again."""
    processes = all_of(running)
    running.process.kill()
    running.start()
    eventually(lambda: gone(processes), ENDS_WITHIN_S)
    assert status(f"{running.edges['sydney']}/health") == 200


def test_an_edge_that_is_far_away_reaches_every_region(running):
    """A person who signs up through Sydney gets the home region that the policy gives."""
    homes = {country: running.person("Ana", country, "sydney").home_region for country in ("PT", "DE", "US")}
    assert homes == {"PT": "eu-west", "DE": "eu-central", "US": "us-central"}


def test_people_and_their_tokens_survive_a_restart(running):
    """Keys are kept, so tokens stay valid; the restarted system has other ports."""
    ana = running.person("Ana", "PT", "lisbon")
    running.stop()
    running.start()
    ana.move_to(running.edges["lisbon"])
    ana.client.follow(ana.id, running.person("Bob", "US", "chicago").id)
    assert ana.client.user(ana.id)["name"] == "Ana"


def test_each_process_has_a_log_of_its_own(running):
    """One file each, in JSON lines that name the process, even when they log at the same time."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda url: status(f"{url}/v1/users/u_00000000000"), running.edges.values()))
    logs = {path.stem: path.read_text() for path in (running.data / "logs").glob("*.log")}
    assert set(logs) == set(running.pids())
    lines = [line for text in logs.values() for line in text.splitlines()]
    assert all(json.loads(line)["process"] for line in lines if line.startswith("{"))
