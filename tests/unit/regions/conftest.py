"""What is deployed: the topology and the policy that the tests of regions read."""

import tomllib
from pathlib import Path

import pytest

from regions.residency import policy
from regions.residency.policy import Policy
from regions.topology import Edge, Region, Topology

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="session")
def one_machine() -> Topology:
    """The regions and edges of `deploy/one_machine.toml`, at addresses where nothing listens."""
    tables = tomllib.loads((DEPLOY / "one_machine.toml").read_text())
    stores = dict.fromkeys(("origin", "objects", "catalog", "feeds", "events", "settings", "public_key"), "nowhere")
    reached = dict.fromkeys(("url", "cache", "public_key"), "nowhere")
    return Topology(
        {name: Region(name, **facts, **stores) for name, facts in tables["regions"].items()},
        {name: Edge(name, **facts, **reached) for name, facts in tables["edges"].items()},
    )


@pytest.fixture(scope="session")
def deployed() -> Policy:
    """The policy of `deploy/policy.yaml`."""
    return policy.parse((DEPLOY / "policy.yaml").read_text(), "policy.yaml")
