"""The one machine's processes, addresses and topology."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.local import data_folder
from darkroom.local.machine import addresses_text
from regions import topology

MACHINE = data_folder.read_machine()
DATA = Path("/srv/dark room/ü")


@pytest.fixture
def ports() -> dict[str, int]:
    listening = [process.name for process in MACHINE.processes() if process.listens]
    return {name: 8600 + number for number, name in enumerate(listening)}


def test_every_region_has_five_processes_and_every_edge_one():
    """A name consists of kind and place, and is unique."""
    names = [process.name for process in MACHINE.processes()]
    assert len(set(names)) == len(names) == 5 * len(MACHINE.regions) + len(MACHINE.edges)
    assert {
        "origin-eu-west",
        "object-server-eu-west",
        "processor-eu-west",
        "janitor-eu-west",
        "replicator-eu-west",
        "edge-lisbon",
    } <= set(names)


def test_the_first_port_is_the_first_edges(ports):
    """So the printed address has the port that the user chose."""
    assert ports[f"edge-{next(iter(MACHINE.edges))}"] == 8600


def test_the_topology_is_accepted_by_every_process(ports):
    """Places and addresses are read as they were written."""
    parsed = topology.parse(MACHINE.topology(DATA, ports))
    assert list(parsed.regions) == list(MACHINE.regions)
    assert parsed.regions["eu-west"].origin == f"http://127.0.0.1:{ports['origin-eu-west']}"
    assert parsed.regions["eu-west"].catalog == "sqlite:///srv/dark room/ü/regions/eu-west/catalog.db"
    assert parsed.regions["us-central"].objects.endswith(
        f"?server=http://127.0.0.1:{ports['object-server-us-central']}"
    )
    assert parsed.edges["sydney"].cache == "/srv/dark room/ü/edges/sydney/cache"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40))
def test_the_topology_can_contain_any_folder(name):
    """Its name may have quotes, backslashes and letters of any script."""
    ports = {process.name: 1 for process in MACHINE.processes()}
    parsed = topology.parse(MACHINE.topology(Path("/") / name, ports))
    assert parsed.edges["lisbon"].cache == str(Path("/") / name / "edges" / "lisbon" / "cache")


def test_addresses_name_edges_origins_and_folders_of_objects(ports):
    """People, tests and the client start from these."""
    addresses = MACHINE.addresses(DATA, ports)
    assert addresses.edges["chicago"] == f"http://127.0.0.1:{ports['edge-chicago']}"
    assert addresses.origins["eu-central"] == f"http://127.0.0.1:{ports['origin-eu-central']}"
    assert addresses.objects["eu-central"] == str(DATA / "regions" / "eu-central" / "objects")
    assert addresses_text(addresses).startswith("{")
