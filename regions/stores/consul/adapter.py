"""The settings on Consul, as `regions.config` opens them."""

from collections.abc import Callable
from types import SimpleNamespace as _S

from regions.stores.consul.connection import parse_address
from regions.stores.consul.settings import ConsulSettings
from regions.stores.settings import Settings


def open_settings(url: str, token: str | None, clock_ms: Callable[[], int]) -> Settings:
    """`consul://HOST:PORT/ROOT`; `token` is an ACL token. Raises TopologyError."""
    s = ConsulSettings(parse_address(url), token, clock_ms)
    return Settings(
        values=_S(read=s.read, write=s.write, delete=s.delete, tree=s.tree, watch=s.watch),
        services=_S(register=s.register, deregister=s.deregister, healthy=s.services),
        numbers=_S(lease=s.lease_number, renew=s.renew, release=s.release, taken=s.numbers_taken),
        locks=_S(acquire=s.hold, renew=s.renew_hold, release=s.release_hold),
        check_health=s.check_health,
        close=s.close,
    )
