"""Each file of a system belongs to a place, by its name and its folders."""

import pytest

from tests.builders.canary_people import place_of

PLACES = ("us-central", "chicago", "eu-west")
FILES = {
    "regions/us-central/catalog.db-wal": "us-central",
    "edges/chicago/cache/ab/p_1/640.jpg": "chicago",
    "logs/replicator-us-central.log": "us-central",
    "logs/origin-us-central.log.1": "us-central",
    "process-secrets/edge-chicago/chicago.node.pem": "chicago",
    "state/eu-west/statements/1.json": "eu-west",
    "tmp/us-central/dask-scratch-space/lock": "us-central",
    "topology.toml": "",
    "logs/notus-central-at-all.log": "",
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_of_its_place(file):
    """Or of none."""
    assert place_of(file, PLACES) == FILES[file]
