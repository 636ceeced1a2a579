"""The topology and the policy that we ship in `deploy/`, for the tests of this package."""

import tomllib
from pathlib import Path

import pytest

from regions.residency import parsing
from regions.residency.policy import Policy
from regions.topology import Edge, Region, Topology

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="session")
def one_machine() -> Topology:
    """The regions and edges of `deploy/one_machine.toml`, at addresses where nothing listens."""
    tables = tomllib.loads((DEPLOY / "one_machine.toml").read_text())
    stores = dict.fromkeys(("origin", "objects", "catalog", "feeds", "events", "settings"), "nowhere")
    edge_only = dict.fromkeys(("url", "cache"), "nowhere")
    return Topology(
        {name: Region(name, **table, **stores) for name, table in tables["regions"].items()},
        {name: Edge(name, **table, **edge_only) for name, table in tables["edges"].items()},
    )


@pytest.fixture(scope="session")
def deployed() -> Policy:
    """The policy of `deploy/policy.yaml`."""
    return parsing.parse((DEPLOY / "policy.yaml").read_text(), "policy.yaml")
