"""Trims an event log as its retention would, only at once: the oldest events of a partition are gone."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from regions.stores.events import Events
from regions.stores.kafka.events import KafkaEvents

Trim = Callable[[str, int, int], None]
"""Topic, partition, and the offset of the first event that stays."""


def trimmer(events: Events, folder: Path) -> Trim:
    """For an open log; one on SQLite is the file that `tests.builders.adapters` puts into this folder."""
    if isinstance(events, KafkaEvents):
        return lambda topic, partition, first: _trim_kafka(events, topic, partition, first)
    return lambda topic, partition, first: trim_sqlite(folder / "events.db", topic, partition, first)


def trim_sqlite(file: Path, topic: str, partition: int, first: int) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "DELETE FROM log WHERE topic = ? AND partition = ? AND offset < ?", (topic, partition, first)
        )


def _trim_kafka(events: KafkaEvents, topic: str, partition: int, first: int) -> None:
    """By DeleteRecords, which pykafka does not know."""
    cluster, name = events._cluster, events._log.topic(topic)
    cluster.connections.call(cluster.leaders(name)[partition], _DeleteRecords(name, partition, first), _require_done)


class _DeleteRecords:
    """Version 0 of Kafka's request 21, for one partition."""

    def __init__(self, topic: bytes, partition: int, first: int) -> None:
        self._topic, self._partition, self._first = topic, partition, first

    def get_bytes(self) -> bytes:
        topic = struct.pack("!h", len(self._topic)) + self._topic
        head = struct.pack("!hhih", 21, 0, 0, 4) + b"test"
        body = struct.pack("!i", 1) + topic + struct.pack("!iiqi", 1, self._partition, self._first, 5_000)
        return struct.pack("!i", len(head + body)) + head + body


def _require_done(response: bytes) -> None:
    """The response's last two bytes are the only partition's error."""
    (error,) = struct.unpack("!h", response[-2:])
    assert error == 0, f"Kafka did not delete records: error {error}"
