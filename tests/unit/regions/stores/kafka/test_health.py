"""What the examination of a Kafka thinks of its topics, and that it leaves none of its own."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from pykafka.protocol import MetadataRequest, MetadataResponse

from regions.stores.events import PARTITIONS
from regions.stores.health import Level
from regions.stores.kafka.connection import BrokerConnection
from regions.stores.kafka.events import KafkaEvents
from regions.stores.kafka.health import judge_topics

UNKNOWN = 3


def partition(leader: int = 1, isr: tuple[int, ...] = (1, 2, 3)) -> Any:
    return SimpleNamespace(leader=leader, replicas=(1, 2, 3), isr=isr)


def topic(*partitions: Any, err: int = 0) -> Any:
    return SimpleNamespace(name=b"a", partitions=dict(enumerate(partitions)), err=err)


def level(*topics: Any) -> str:
    """Of these topics in a cluster of the brokers 1 and 2."""
    metadata = SimpleNamespace(brokers={1: None, 2: None}, topics=dict(enumerate(topics)))
    found = judge_topics(range(len(topics)), metadata)
    return "ok" if isinstance(found, str) else found.level


def test_topics_with_all_their_partitions_and_copies_are_well():
    """Also where some are not made yet."""
    whole = topic(*[partition() for _ in range(PARTITIONS)])
    assert level(whole, topic(err=UNKNOWN)) == "ok"


@pytest.mark.parametrize(("count", "expected"), [(1, "failure"), (PARTITIONS + 1, "warning")])
def test_another_number_of_partitions_is_not_well(count, expected):
    """Too few can't be used; of too many some are never read."""
    assert level(topic(*[partition() for _ in range(count)])) == expected


@pytest.mark.parametrize(("one", "expected"), [(partition(leader=-1), "failure"), (partition(isr=(1,)), "warning")])
def test_a_partition_without_a_leader_or_copies_is_not_well(one, expected):
    """Without a leader nothing can be published to it."""
    assert level(topic(one, *[partition() for _ in range(PARTITIONS - 1)])) == expected


@pytest.fixture
def address() -> str:
    if "DARKROOM_TEST_KAFKA" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail("DARKROOM_TEST_KAFKA must say where Kafka is: python -m deploy.servers run -- pytest")
        pytest.skip("DARKROOM_TEST_KAFKA names no Kafka: python -m deploy.servers run -- pytest")
    return os.environ["DARKROOM_TEST_KAFKA"]


def topics_of(address: str, prefix: str) -> list[bytes]:
    host, port = address.split(":")
    wire = BrokerConnection((host, int(port)))
    topics = wire.ask(MetadataRequest([]), MetadataResponse).topics
    wire.close()
    return [name for name in topics if name.startswith(prefix.encode())]


def test_no_topic_is_left(address, eventually):
    """Its own is removed, and none of ours is made."""
    prefix = f"test-{os.urandom(8).hex()}"
    events = KafkaEvents(f"kafka://{address}/{prefix}")
    assert {finding.level for finding in events.check_health()} == {Level.OK}
    eventually(lambda: topics_of(address, prefix) == [])
    events.close()


def test_one_broker_of_two_is_a_warning(address):
    """The log is to be had, but the topology's URL leads to nobody as well."""
    events = KafkaEvents(f"kafka://127.0.0.1:1,{address}/test-{os.urandom(8).hex()}")
    reachable, *others = events.check_health()
    assert (reachable.level, bool(reachable.advice)) == (Level.WARNING, True)
    assert {finding.level for finding in others} == {Level.OK}
    events.close()
