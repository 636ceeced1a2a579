"""Kafka killed, and its consumers: what was acknowledged is delivered, and the same objects go on."""

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
from regions.events.subscription import Subscription
from regions.events.topics import PHOTO_READY
from regions.stores.kafka.events import KafkaEvents

WITHIN_S = 60
AGAIN_S = 30

pytestmark = pytest.mark.xdist_group("kafka")

# Takes what there is, says it, and is killed before it has committed any of it.
STUCK = """
import os, sys, threading
from regions.events.subscription import Subscription
from regions.events.topics import PHOTO_READY
from regions.stores.kafka.events import KafkaEvents

def handle(event):
    os.write(1, f"{event.at_ms}\\n".encode())
    threading.Event().wait()

subscription = Subscription(KafkaEvents(sys.argv[1]), PHOTO_READY, "group", "doomed", handle, 4)
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
    return f"kafka://{kafka.address}/test-{os.urandom(8).hex()}"


@pytest.fixture
def events(url):
    opened = KafkaEvents(url)
    yield opened
    opened.close()


class Publisher:
    """Publishes one number after another until it is told to stop; `acknowledged` are those that are in the log."""

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
    publishing = Publisher(events)
    yield publishing
    publishing.stop()


@pytest.fixture
def consume(events):
    """Starts a member of the group in a thread of its own; it adds to a list what it handles. Gives how to end it."""
    running = []

    def start(handled: list[int]):
        stop = threading.Event()
        member = Subscription(events, PHOTO_READY, "group", "member", lambda one: handled.append(one.at_ms), 4)
        thread = threading.Thread(target=member.run_forever, args=(stop,))
        thread.start()

        def end() -> None:
            stop.set()
            thread.join()

        running.append(end)
        return end

    yield start
    for end in running:
        end()


def acknowledges(publisher, more: int):
    before = len(publisher.acknowledged)
    return lambda: len(publisher.acknowledged) >= before + more


def test_what_was_acknowledged_outlives_the_broker_and_the_same_objects_go_on(
    kafka, events, publisher, consume, eventually
):
    """Killed under load, twice; publisher and consumer work again without being opened anew."""
    handled: list[int] = []
    consume(handled)
    for _ in range(2):
        eventually(acknowledges(publisher, 50), WITHIN_S)
        kafka.kill()
        kafka.start()
        kafka.wait()
        eventually(acknowledges(publisher, 1), AGAIN_S)
    publisher.stop()
    eventually(lambda: set(publisher.acknowledged) <= set(handled), AGAIN_S)
    eventually(lambda: not sum(events.lag(PHOTO_READY, "group").values()), AGAIN_S)


def test_while_the_broker_is_away_everything_says_so(kafka, events):
    """Publishing, reading, committing and counting; and then each works again."""
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


def test_members_that_come_and_go_under_load_lose_nothing(events, publisher, consume, eventually):
    """Each change of the group happens with work under way."""
    handled: list[int] = []
    ends = []
    for _ in range(3):
        ends.append(consume(handled))
        eventually(acknowledges(publisher, 40), WITHIN_S)
    for end in ends[:2]:
        end()
        eventually(acknowledges(publisher, 40), WITHIN_S)
    publisher.stop()
    eventually(lambda: set(publisher.acknowledged) <= set(handled), WITHIN_S)
    eventually(lambda: not sum(events.lag(PHOTO_READY, "group").values()), WITHIN_S)


def test_each_keys_events_are_handled_in_their_order(events, publisher, consume, eventually):
    """Also when a second member takes over half of the partitions, where nothing has to be done twice."""
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


def test_what_a_killed_consumer_had_not_committed_is_delivered_to_another(url, events, consume, eventually):
    """Every single event, when Kafka has not heard of the dead for the session's time."""
    events.publish([event(number) for number in range(40)])
    with subprocess.Popen([sys.executable, "-c", STUCK, url], stdout=subprocess.PIPE) as process:
        under_way = {int(process.stdout.readline()) for _ in range(4)}
        os.kill(process.pid, signal.SIGKILL)
    handled: list[int] = []
    consume(handled)
    eventually(lambda: set(handled) == set(range(40)), WITHIN_S)
    assert under_way <= set(handled)


def test_many_publish_while_the_broker_is_killed_and_each_keeps_its_order(kafka, events, consume, eventually):
    """What two threads had acknowledged arrives, for each of them in its order where it was not sent twice."""

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
        assert list(dict.fromkeys(one for one in handled if one in set(numbers))) == numbers


def test_a_broker_that_hangs_holds_nobody_up_for_ever():
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        events = KafkaEvents(f"kafka://127.0.0.1:{silent.getsockname()[1]}/test")
        with pytest.raises(Unavailable, match="does not answer"):
            events.publish([event(1)])
        events.close()


def take(consumer, limit: int) -> list:
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        if taken := persist(lambda: consumer.poll(limit, 1.0)):
            return taken
    pytest.fail("nothing came")


def finish(events, consumer) -> list[Event]:
    """What it is given until all is committed, perhaps again what it had before: the group may have given it up."""
    given: list[Event] = []
    deadline_s = time.monotonic() + WITHIN_S
    while sum(persist(lambda: events.lag(PHOTO_READY, "group")).values()):
        assert time.monotonic() < deadline_s
        for delivery in persist(lambda: consumer.poll(10, 1.0)):
            given.append(delivery.event)
            persist(lambda delivery=delivery: consumer.commit(delivery.partition, delivery.offset))
    return given


def persist(call):
    """What it returns as soon as Kafka answers again."""
    deadline_s = time.monotonic() + AGAIN_S
    while True:
        try:
            return call()
        except Unavailable:
            assert time.monotonic() < deadline_s
