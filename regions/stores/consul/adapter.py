"""The settings on Consul, as `regions.config` opens them."""

from collections.abc import Callable

from regions.stores.consul import health
from regions.stores.consul.connection import Connection, parse_address
from regions.stores.consul.leases import ConsulLeases
from regions.stores.consul.locks import ConsulLocks
from regions.stores.consul.services import ConsulServices
from regions.stores.consul.settings import ConsulValues
from regions.stores.settings import Settings


def open_settings(url: str, token: str | None, clock_ms: Callable[[], int]) -> Settings:
    """`consul://HOST:PORT/ROOT`; `token` is an ACL token. Raises TopologyError."""
    connection = Connection(parse_address(url), token)
    return Settings(
        values=ConsulValues(connection),
        services=ConsulServices(connection),
        numbers=ConsulLeases(connection, clock_ms),
        locks=ConsulLocks(connection),
        check_health=lambda: health.check_health(connection),
        close=connection.close,
    )
