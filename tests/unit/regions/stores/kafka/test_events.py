"""What the Kafka adapter does without a broker: its URL, size limits, assigning partitions, and being unavailable."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import TooLarge, TopologyError, Unavailable
from regions.events.messages import MAX_EVENT_BYTES, Event
from regions.events.topics import PHOTO_READY
from regions.stores.kafka import adapter as kafka
from regions.stores.kafka.group import assign
from tests.builders.stores import REGION_OF_STORES

ALL = list(range(4))
PREVIOUS = st.dictionaries(
    st.binary(min_size=1, max_size=4), st.frozensets(st.sampled_from(ALL)), min_size=1, max_size=7
)


@pytest.fixture
def unavailable():
    """An event log at an address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        events = kafka.events(f"kafka://127.0.0.1:{bound.getsockname()[1]}/test").open(REGION_OF_STORES)
        yield events
        events.close()


@given(previous=PREVIOUS)
def test_every_partition_is_assigned_to_exactly_one_member(previous):
    """Even if several members claim to have had the same one."""
    assignment = assign(previous, ALL)
    assert assignment.keys() == previous.keys()
    assert sorted(partition for partitions in assignment.values() for partition in partitions) == ALL


@given(previous=PREVIOUS)
def test_the_assignment_is_even(previous):
    """The numbers of partitions differ by at most one."""
    sizes = [len(partitions) for partitions in assign(previous, ALL).values()]
    assert max(sizes) - min(sizes) <= 1


@given(members=st.integers(1, 6))
def test_assigning_again_moves_nothing(members):
    """As long as no member joins or leaves."""
    assignment = assign({bytes([member]): frozenset() for member in range(members)}, ALL)
    assert assign({member: frozenset(partitions) for member, partitions in assignment.items()}, ALL) == assignment


@given(members=st.integers(2, 6))
def test_members_keep_their_partitions_when_another_leaves(members):
    """Only the partitions of the one that left move."""
    assignment = assign({bytes([member]): frozenset() for member in range(members)}, ALL)
    previous = {member: frozenset(partitions) for member, partitions in assignment.items() if member != b"\x00"}
    assert all(partitions <= set(assign(previous, ALL)[member]) for member, partitions in previous.items())


@pytest.mark.parametrize(
    "url",
    ["kafka://", "kafka://host/p", "kafka://host:9092", "kafka://host:9092/", "kafka://host:x/p", "kafka://h:1/a b"],
)
def test_an_invalid_url_is_rejected(url):
    """The error shows what a URL must look like."""
    with pytest.raises(TopologyError, match="kafka://host:port"):
        kafka.events(url)


def test_an_event_that_is_too_large_to_be_fetched_is_rejected(unavailable):
    """Before anything is sent to Kafka."""
    with pytest.raises(TooLarge):
        unavailable.publish([Event(PHOTO_READY, "p_1", "1", 1, {"text": "x" * MAX_EVENT_BYTES})])


@pytest.mark.parametrize(
    "call",
    [
        lambda events: events.publish([Event(PHOTO_READY, "p_1", "1", 1, {})]),
        lambda events: events.consumer(PHOTO_READY, "lane", "one"),
        lambda events: events.lag(PHOTO_READY, "lane"),
    ],
    ids=["publish", "consumer", "lag"],
)
def test_without_a_broker_every_method_raises_unavailable(unavailable, call):
    with pytest.raises(Unavailable):
        call(unavailable)
