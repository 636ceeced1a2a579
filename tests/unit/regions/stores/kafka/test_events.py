"""What of the Kafka adapter needs no broker: its URL, its bounds, how partitions are shared, and that it is away."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regions.errors import TooLarge, TopologyError, Unavailable
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.events import PARTITIONS
from regions.stores.kafka.events import KafkaEvents
from regions.stores.kafka.group import assign
from regions.stores.kafka.producer import MOST_EVENT_BYTES

ALL = list(range(PARTITIONS))
HAD = st.dictionaries(st.binary(min_size=1, max_size=4), st.frozensets(st.sampled_from(ALL)), min_size=1, max_size=7)


@pytest.fixture
def away():
    """An event log of which nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        events = KafkaEvents(f"kafka://127.0.0.1:{nobody.getsockname()[1]}/test")
        yield events
        events.close()


@given(had=HAD)
def test_every_partition_is_with_one_member(had):
    """Whatever they say they had."""
    shares = assign(had)
    assert shares.keys() == had.keys()
    assert sorted(partition for share in shares.values() for partition in share) == ALL


@given(had=HAD)
def test_the_members_shares_are_even(had):
    """They differ by one at most."""
    sizes = [len(share) for share in assign(had).values()]
    assert max(sizes) - min(sizes) <= 1


@given(members=st.integers(1, 6))
def test_sharing_out_again_moves_nothing(members):
    """As long as nobody came or left."""
    shares = assign({bytes([member]): frozenset() for member in range(members)})
    assert assign({member: frozenset(share) for member, share in shares.items()}) == shares


@given(members=st.integers(2, 6))
def test_who_stays_keeps_what_they_had_when_another_leaves(members):
    """Only the partitions of the one who left move."""
    shares = assign({bytes([member]): frozenset() for member in range(members)})
    left = {member: frozenset(share) for member, share in shares.items() if member != b"\x00"}
    assert all(had <= set(assign(left)[member]) for member, had in left.items())


@pytest.mark.parametrize(
    "url",
    ["kafka://", "kafka://host/p", "kafka://host:9092", "kafka://host:9092/", "kafka://host:x/p", "kafka://h:1/a b"],
)
def test_a_url_that_says_too_little_is_refused(url):
    """With what it must say."""
    with pytest.raises(TopologyError, match="kafka://host:port"):
        KafkaEvents(url)


def test_an_event_that_no_consumer_could_fetch_is_refused(away):
    """Before Kafka is asked for anything."""
    with pytest.raises(TooLarge):
        away.publish([Event(PHOTO_READY, "p_1", "1", 1, {"text": "x" * MOST_EVENT_BYTES})])


@pytest.mark.parametrize(
    "call",
    [
        lambda events: events.publish([Event(PHOTO_READY, "p_1", "1", 1, {})]),
        lambda events: events.consumer(PHOTO_READY, "lane", "one"),
        lambda events: events.lag(PHOTO_READY, "lane"),
    ],
    ids=["publish", "consumer", "lag"],
)
def test_without_a_broker_every_method_says_so(away, call):
    """Unavailable."""
    with pytest.raises(Unavailable):
        call(away)
