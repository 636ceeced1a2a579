"""Which partition of a topic an event's key belongs to: as Kafka's own clients choose it, so that all programs agree.

Kafka hashes a key with MurmurHash2 (Austin Appleby), 32 bits, with a seed of its own, and takes the hash modulo the
number of partitions (`org.apache.kafka.common.utils.Utils.murmur2`). Pure.
"""

from urllib.parse import parse_qs, urlsplit

from regions.errors import TopologyError

MAX_PARTITIONS = 10_000

_SEED, _MULTIPLIER = 0x9747B28C, 0x5BD1E995
_WORD, _POSITIVE = 0xFFFF_FFFF, 0x7FFF_FFFF


def partition_of(key: str, partitions: int) -> int:
    return (murmur2(key.encode()) & _POSITIVE) % partitions


def murmur2(data: bytes) -> int:
    """The hash as an unsigned number of 32 bits."""
    whole = len(data) & ~3
    value = _SEED ^ len(data)
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        value = value * _MULTIPLIER & _WORD ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * _MULTIPLIER & _WORD
    value = (value ^ value >> 13) * _MULTIPLIER & _WORD
    return value ^ value >> 15


def partitions_in(url: str, default: int) -> int:
    """How many partitions a topic gets when it is created: `partitions` in the query. Raises TopologyError."""
    (text, *more) = parse_qs(urlsplit(url).query, keep_blank_values=True).get("partitions", [str(default)])
    if more or not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_PARTITIONS):
        raise TopologyError(f"{url!r}: partitions must be a number from 1 to {MAX_PARTITIONS:,}")
    return int(text)
