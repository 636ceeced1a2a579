"""The address of a Cassandra, and how text from outside becomes a key in it. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from regions.errors import TopologyError

_PORT = 9042
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_DATACENTER = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class CassandraAddress:
    """`cassandra://host[:port][,host[:port]]/KEYSPACE?datacenter=datacenter1&replication=1`."""

    hosts: tuple[tuple[str, int], ...]
    keyspace: str
    datacenter: str
    replication: int


def parse_address(url: str) -> CassandraAddress:
    """Raises TopologyError. The names of the result are safe inside a CQL statement."""
    split = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(split.query).items()}
    keyspace, datacenter = split.path.lstrip("/"), options.get("datacenter", "datacenter1")
    replication = options.get("replication", "1")
    if "@" in split.netloc:
        raise TopologyError("a Cassandra URL must not hold credentials: they belong in the secrets folder")
    if not _NAME.fullmatch(keyspace):
        raise TopologyError(f"{url!r}: the keyspace must be lower-case letters, digits and _, at most 48")
    if not _DATACENTER.fullmatch(datacenter) or not re.fullmatch("[1-9]", replication):
        raise TopologyError(f"{url!r}: datacenter must be a plain name and replication a number from 1 to 9")
    return CassandraAddress(
        tuple(_host(url, one) for one in split.netloc.split(",")), keyspace, datacenter, int(replication)
    )


def key(text: str) -> str:
    """Turns any text, also a hostile one, into a key that Cassandra takes.

    It is valid UTF-8, not empty, and has at most 100 characters. Our own ids are far shorter, and stay as they are.
    """
    return text[:100].encode(errors="replace").decode() or "?"


def _host(url: str, text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or not (port or str(_PORT)).isdecimal():
        raise TopologyError(f"{url!r}: {text!r} is not host[:port]")
    return host, int(port or _PORT)
