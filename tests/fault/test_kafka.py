"""Kafka and its consumers are killed: acknowledged events are still delivered, and open clients keep working."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from regions.errors import Unavailable
from regions.events.messages import Event
from regions.events.topics import PHOTO_READY
from regions.stores.kafka import adapter as kafka_adapter
from tests.builders.stores import REGION_OF_STORES, created
from tests.builders.subscriptions import threaded

WITHIN_S = 60
RECOVERY_S = 30

pytestmark = pytest.mark.xdist_group("kafka")

# Prints the events that it gets, never finishes handling them, and is killed before it has committed any.
STUCK = """
import os, sys, threading
from tests.builders.subscriptions import threaded
from regions.events.topics import PHOTO_READY
from regions.stores.kafka import adapter as kafka
from tests.builders.stores import created

def handle(event):
    os.write(1, f"{event.at_ms}\\n".encode())
    threading.Event().wait()

subscription = threaded(created(kafka.events(sys.argv[1])), PHOTO_READY, "group", "killed", handle, 4)
while True:
    subscription.run_once(1.0)
"""


def event(number: int) -> Event:
    return Event(PHOTO_READY, f"p_{number % 20}", f"photo_ready:{number}", number, {})


@pytest.fixture(scope="module")
def kafka(own_server):
    return own_server("kafka")


@pytest.fixture
def url(kafka):
    return f"kafka://{kafka.address}/test-{os.urandom(8).hex()}?partitions=4"


@pytest.fixture
def events(url):
    opened = created(kafka_adapter.events(url))
    yield opened
    opened.close()


class Publisher:
    """Publishes one number after another until it is stopped. `acknowledged` are those that Kafka has confirmed."""

    def __init__(self, events) -> None:
        self.acknowledged: list[int] = []
        self._events = events
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _publish(self) -> None:
        for number in count():
            if self._stop.is_set():
                return
            try:
                self._events.publish([event(number)])
            except Unavailable:
                continue
            self.acknowledged.append(number)


@pytest.fixture
def publisher(events):
    running = Publisher(events)
    yield running
    running.stop()


@pytest.fixture
def consume(events):
    """Starts a member of the group in a thread; it appends what it handles to a list. Returns how to stop it."""
    stops = []

    def start(handled: list[int]):
        stop = threading.Event()
        member = threaded(events, PHOTO_READY, "group", "member", lambda event: handled.append(event.at_ms), 4)
        thread = threading.Thread(target=member.run_forever, args=(stop,))
        thread.start()

        def stop_member() -> None:
            stop.set()
            thread.join()

        stops.append(stop_member)
        return stop_member

    yield start
    for stop_member in stops:
        stop_member()


def acknowledges(publisher, more: int):
    """A condition for `eventually`: `more` events are acknowledged after now."""
    before = len(publisher.acknowledged)
    return lambda: len(publisher.acknowledged) >= before + more


def test_acknowledged_events_survive_a_killed_broker_and_open_clients_keep_working(
    kafka, events, publisher, consume, eventually
):
    """The broker is killed under load, twice. Publisher and consumer recover without being opened again."""
    handled: list[int] = []
    consume(handled)
    for _ in range(2):
        eventually(acknowledges(publisher, 50), WITHIN_S)
        kafka.kill()
        kafka.start()
        kafka.wait()
        eventually(acknowledges(publisher, 1), RECOVERY_S)
    publisher.stop()
    eventually(lambda: set(publisher.acknowledged) <= set(handled), RECOVERY_S)
    eventually(lambda: not sum(events.lag(PHOTO_READY, "group").values()), RECOVERY_S)


def test_while_the_broker_is_down_every_method_raises_unavailable(kafka, events):
    """When it is up again, each works again."""
    events.publish([event(0)])
    consumer = events.consumer(PHOTO_READY, "group", "one")
    (delivery,) = take(consumer, 1)
    kafka.kill()
    try:
        for call in (
            lambda: events.publish([event(1)]),
            lambda: consumer.poll(1, 5.0),
            lambda: consumer.commit(delivery.partition, delivery.offset),
            lambda: events.lag(PHOTO_READY, "group"),
            lambda: events.consumer(PHOTO_READY, "group", "two"),
        ):
            with pytest.raises(Unavailable):
                call()
    finally:
        kafka.start()
        kafka.wait()
    persist(lambda: events.publish([event(2)]))
    assert event(2) in finish(events, consumer)
    consumer.close()


def test_no_event_is_lost_when_members_join_and_leave_under_load(events, publisher, consume, eventually):
    """Each rebalance happens while events are being handled."""
    handled: list[int] = []
    stops = []
    for _ in range(3):
        stops.append(consume(handled))
        eventually(acknowledges(publisher, 40), WITHIN_S)
    for stop_member in stops[:2]:
        stop_member()
        eventually(acknowledges(publisher, 40), WITHIN_S)
    publisher.stop()
    eventually(lambda: set(publisher.acknowledged) <= set(handled), WITHIN_S)
    eventually(lambda: not sum(events.lag(PHOTO_READY, "group").values()), WITHIN_S)


def test_the_events_of_a_key_are_handled_in_order(events, publisher, consume, eventually):
    """Also when a second member takes over half of the partitions. Events that are delivered again do not count."""
    handled: list[int] = []
    consume(handled)
    eventually(acknowledges(publisher, 40), WITHIN_S)
    consume(handled)
    eventually(acknowledges(publisher, 40), WITHIN_S)
    publisher.stop()
    eventually(lambda: set(publisher.acknowledged) <= set(handled), WITHIN_S)
    for key in range(20):
        first = list(dict.fromkeys(number for number in handled if number % 20 == key))
        assert first == sorted(first)


def test_uncommitted_events_of_a_killed_consumer_are_delivered_to_another(url, events, consume, eventually):
    """Every one of them, once the session of the killed consumer has timed out."""
    events.publish([event(number) for number in range(40)])
    with subprocess.Popen([sys.executable, "-c", STUCK, url], stdout=subprocess.PIPE) as process:
        in_progress = {int(process.stdout.readline()) for _ in range(4)}
        os.kill(process.pid, signal.SIGKILL)
    handled: list[int] = []
    consume(handled)
    eventually(lambda: set(handled) == set(range(40)), WITHIN_S)
    assert in_progress <= set(handled)


def test_each_publisher_keeps_its_order_while_the_broker_is_killed(kafka, events, consume, eventually):
    """All that four threads had acknowledged arrives. Events that were sent twice do not count for the order."""

    def publish(first: int) -> list[int]:
        acknowledged = []
        for number in range(first, first + 2000, 20):
            persist(lambda number=number: events.publish([event(number)]))
            acknowledged.append(number)
        return acknowledged

    handled: list[int] = []
    with ThreadPoolExecutor(4) as threads:
        publishing = [threads.submit(publish, first) for first in range(4)]
        kafka.kill()
        kafka.start()
        kafka.wait()
        acknowledged = [future.result() for future in publishing]
    consume(handled)
    for numbers in acknowledged:
        eventually(lambda numbers=numbers: set(numbers) <= set(handled), WITHIN_S)
        assert list(dict.fromkeys(number for number in handled if number in set(numbers))) == numbers


def test_a_broker_that_hangs_does_not_block_callers_forever():
    """It accepts the connection and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        events = kafka_adapter.events(f"kafka://127.0.0.1:{silent.getsockname()[1]}/test").open(REGION_OF_STORES)
        with pytest.raises(Unavailable, match="does not answer"):
            events.publish([event(1)])
        events.close()


def take(consumer, limit: int) -> list:
    """Polls until there is a delivery. Fails if none comes within `WITHIN_S`."""
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        if taken := persist(lambda: consumer.poll(limit, 1.0)):
            return taken
    pytest.fail("no event was delivered")


def finish(events, consumer) -> list[Event]:
    """Polls and commits until there is no lag, and returns the events.

    They may include events that the consumer had before: its session may have timed out in the meantime.
    """
    received: list[Event] = []
    deadline_s = time.monotonic() + WITHIN_S
    while sum(persist(lambda: events.lag(PHOTO_READY, "group")).values()):
        assert time.monotonic() < deadline_s
        for delivery in persist(lambda: consumer.poll(10, 1.0)):
            received.append(delivery.event)
            persist(lambda delivery=delivery: consumer.commit(delivery.partition, delivery.offset))
    return received


def persist(call):
    """Calls it until it does not raise Unavailable; returns what it returned."""
    deadline_s = time.monotonic() + RECOVERY_S
    while True:
        try:
            return call()
        except Unavailable:
            assert time.monotonic() < deadline_s
