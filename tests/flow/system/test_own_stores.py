"""No process of a running system has anything with which it could open another region's store."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.inspected_process import InspectedProcess

KINDS = ("edge", "origin", "object-server", "processor", "janitor", "replicator")
ANSWER_OTHERS = ("edge", "origin", "object-server")
"""Kinds of process that others may connect to."""
LEAST_SECRET_BYTES = 20


@pytest.fixture(scope="module")
def inspected(system, draw) -> dict[tuple[str, str], InspectedProcess]:
    """By kind and node, of a system at work: photos are processed, copied and deleted, and people talk."""
    ana, bob = system.person("Ana", "PT", "lisbon"), system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    for person, seed in ((ana, 961), (bob, 962)):
        photo_ids = [person.upload_ready(draw(seed + 10 * number))["id"] for number in range(2)]
        bob.client.like(photo_ids[0])
        ana.client.comment(photo_ids[0], "How blue!")
        person.client.delete(photo_ids[1])
    return {split(name): InspectedProcess(pid) for name, pid in system.pids().items()}


def split(name: str) -> tuple[str, str]:
    kind = next(kind for kind in KINDS if name.startswith(f"{kind}-"))
    return kind, name.removeprefix(f"{kind}-")


def secrets_of(system) -> Iterator[tuple[str, bytes]]:
    """The node and the text that is secret: of a key, each line of its body."""
    for file in (system.data / "secrets").iterdir():
        for line in file.read_bytes().splitlines():
            if len(line) >= LEAST_SECRET_BYTES and not line.startswith(b"-----"):
                yield file.name.partition(".")[0], line


def test_a_process_opens_files_of_its_own_region_alone(system, inspected):
    """Of stores and of secrets. Edges open none of any region."""
    owners = {"regions": set(), "process-secrets": set()}
    for (kind, node), process in inspected.items():
        for path in process.files():
            if not path.is_relative_to(system.data):
                continue
            folder, owner, *_ = (*path.relative_to(system.data).parts, "", "")
            assert folder != "secrets", path
            if folder in owners:
                assert owner in (node, f"{kind}-{node}"), (kind, node, path)
                owners[folder].add((kind, node))
    assert {kind for kind, _ in owners["regions"]} >= {"origin", "processor", "janitor", "replicator"}


def test_a_process_is_given_no_secret_of_another_node(system, inspected):
    """The folder that its environment names has those of its own node; and none is in the environment itself."""
    for (kind, node), process in inspected.items():
        environment = process.environment()
        [folder] = {Path(one.decode()) for one in re.findall(rb"DARKROOM_SECRETS=([^\0]+)", environment)}
        assert folder == system.data / "process-secrets" / f"{kind}-{node}"
        assert all(file.name.startswith(f"{node}.") for file in folder.iterdir())
        assert not [owner for owner, secret in secrets_of(system) if secret in environment]


def test_no_secret_of_another_node_is_in_the_memory_of_a_process(system, inspected):
    """Of one region and of one edge, all that they have in memory is read. Their own are there, so they are found."""
    secrets = list(secrets_of(system))
    own = {secret for node, secret in secrets if node == "us-central"}
    others = {secret for node, secret in secrets if node != "us-central"}
    assert len(own) >= 3 and len(others) > 6
    processes = [process for (_, node), process in inspected.items() if node == "us-central"]
    assert [one for process in processes for one in process.remembered(others)] == []
    assert inspected["object-server", "us-central"].remembered(own)
    assert inspected["edge", "sydney"].remembered({secret for node, secret in secrets if node != "sydney"}) == set()


def test_a_process_connects_to_no_other_node_but_its_origin_its_object_server_or_its_edge(inspected):
    """Not to its Dask cluster, nor to anything else that it opens."""
    listening = {port: owner for owner, process in inspected.items() for port in process.listens_at()}
    crossed = set()
    for (kind, node), process in inspected.items():
        for port in process.connected_to() & listening.keys():
            other_kind, other = listening[port]
            if other != node:
                assert other_kind in ANSWER_OTHERS, (kind, node, other_kind, other)
                crossed.add((kind, other_kind))
    assert ("origin", "origin") in crossed and ("replicator", "origin") in crossed
