"""How the health check of a Kafka evaluates our topics, and that it leaves none of its own behind."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from pykafka.protocol import MetadataRequest, MetadataResponse

from regions.stores.health import Level
from regions.stores.kafka import adapter as kafka
from regions.stores.kafka.connection import BrokerConnection
from regions.stores.kafka.health import evaluate_topics
from tests.builders.stores import created

UNKNOWN_TOPIC = 3


def partition(leader: int = 1, isr: tuple[int, ...] = (1, 2, 3)) -> Any:
    return SimpleNamespace(leader=leader, replicas=(1, 2, 3), isr=isr)


def topic(*partitions: Any, err: int = 0) -> Any:
    return SimpleNamespace(name=b"a", partitions=dict(enumerate(partitions)), err=err)


def level(*topics: Any) -> str:
    """The level of these topics, in a cluster of the brokers 1 and 2."""
    metadata = SimpleNamespace(
        brokers={1: None, 2: None}, topics={b"%d" % number: topic for number, topic in enumerate(topics)}
    )
    found = evaluate_topics(list(metadata.topics), metadata)
    return "ok" if isinstance(found, str) else found.level


def test_topics_with_all_their_partitions_and_replicas_are_ok():
    whole = topic(*[partition() for _ in range(4)])
    assert level(whole, whole) == "ok"


def test_a_missing_topic_is_a_failure():
    """Nothing but `darkroom prepare` creates it."""
    whole = topic(*[partition() for _ in range(4)])
    assert level(whole, topic(err=UNKNOWN_TOPIC)) == "failure"


@pytest.mark.parametrize(("bad", "expected"), [(partition(leader=-1), "failure"), (partition(isr=(1,)), "warning")])
def test_a_partition_without_a_leader_or_replicas_is_reported(bad, expected):
    """Without a leader nothing can be published to it; with a replica missing it still works."""
    assert level(topic(bad, *[partition() for _ in range(3)])) == expected


def topics_of(address: str, prefix: str) -> list[bytes]:
    host, port = address.split(":")
    connection = BrokerConnection((host, int(port)))
    topics = connection.call(MetadataRequest([]), MetadataResponse).topics
    connection.close()
    return [name for name in topics if name.startswith(prefix.encode())]


def test_no_topic_is_left_behind(address, eventually):
    """Its own topic is deleted, and nothing else changes."""
    prefix = f"test-{os.urandom(8).hex()}"
    events = created(kafka.events(f"kafka://{address}/{prefix}?partitions=4"))
    before = topics_of(address, prefix)
    assert {result.level for result in events.check_health()} == {Level.OK}
    eventually(lambda: topics_of(address, prefix) == before)
    events.close()


def test_one_broker_of_two_is_a_warning(address):
    """The log works, but one of the addresses in the topology's URL is dead."""
    events = created(kafka.events(f"kafka://127.0.0.1:1,{address}/test-{os.urandom(8).hex()}?partitions=4"))
    reachable, *others = events.check_health()
    assert (reachable.level, bool(reachable.advice)) == (Level.WARNING, True)
    assert {result.level for result in others} == {Level.OK}
    events.close()
