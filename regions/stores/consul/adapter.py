"""The settings on Consul, for `regions.config`."""

from collections.abc import Callable
from contextlib import closing
from functools import partial

from regions.stores.consul import health
from regions.stores.consul.connection import Connection, ConsulAddress, parse_address
from regions.stores.consul.leases import ConsulLeases
from regions.stores.consul.locks import ConsulLocks
from regions.stores.consul.services import ConsulServices
from regions.stores.consul.settings import ConsulValues
from regions.stores.settings import Settings
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion


def settings(url: str, token: str | None, clock_ms: Callable[[], int]) -> StoreLocation[Settings]:
    """`consul://HOST:PORT/ROOT`; `token` is an ACL token. Raises TopologyError.

    `create` takes a root over that has settings already: an operator may write the policy first.
    """
    address = parse_address(url)
    return StoreLocation(
        partial(_open, address, token, clock_ms), partial(_read_stamp, address, token), partial(_create, address, token)
    )


def _open(address: ConsulAddress, token: str | None, clock_ms: Callable[[], int], ours: StoreRegion) -> Settings:
    connection = Connection(address, token, ours)
    return Settings(
        values=ConsulValues(connection),
        services=ConsulServices(connection),
        numbers=ConsulLeases(connection, clock_ms),
        locks=ConsulLocks(connection),
        check_health=lambda: health.check_health(connection),
        close=connection.close,
    )


def _read_stamp(address: ConsulAddress, token: str | None) -> Stamp | None:
    with closing(Connection(address, token)) as connection:
        return connection.read_stamp()


def _create(address: ConsulAddress, token: str | None, stamp: Stamp) -> Stamp:
    with closing(Connection(address, token)) as connection:
        return connection.set_stamp(stamp)
