"""Services in Consul: registered with the agent, healthy for as long as they say so.

Regions may share one Consul, so that names and ids begin with the region's root; the instance's own name and
address are kept as meta data, since Consul's address is a host and a port. An agent that lost its data is told again.
"""

import threading
from urllib.parse import urlsplit

from regions.stores.consul.connection import Connection
from regions.stores.settings import Service, check_word

# What was not healthy for so long has crashed, and was not started again under this name.
_FORGET_AFTER = "10m"
_ROOT, _INSTANCE, _ADDRESS = "darkroom-root", "darkroom-instance", "darkroom-address"


class ConsulServices:
    """Services of one region. Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._registered: dict[str, tuple[Service, float]] = {}

    def register(self, service: Service, ttl_s: float) -> None:
        """Registers only what is new, has changed or was forgotten: else every renewal would be a write in Consul."""
        check_word(service.name)
        check_word(service.instance)
        told = self._id(service)
        with self._lock:
            known = self._registered.get(told) == (service, ttl_s)
        if known and self._connection.passes(f"service:{told}"):
            return
        self._connection.register(self._name(service.name), told, self._described(service), _check(ttl_s))
        # An agent that knew the check keeps its state, so that it must be told as well.
        self._connection.passes(f"service:{told}")
        with self._lock:
            self._registered[told] = (service, ttl_s)

    def deregister(self, service: Service) -> None:
        with self._lock:
            self._registered.pop(self._id(service), None)
        self._connection.deregister(self._id(service))

    def healthy(self, name: str) -> list[Service]:
        check_word(name)
        described = [one["Meta"] or {} for one in self._connection.healthy(self._name(name))]
        ours = [meta for meta in described if meta.get(_ROOT) == self._connection.root]
        found = [Service(name, meta[_INSTANCE], meta[_ADDRESS]) for meta in ours]
        return sorted(found, key=lambda service: service.instance)

    def _name(self, name: str) -> str:
        """Of letters that are good in DNS, so that two roots may give one name: the meta data tells them apart."""
        return f"{self._connection.root.replace('/', '-')}-{name}"

    def _id(self, service: Service) -> str:
        return ":".join([*self._connection.root.split("/"), service.name, service.instance])

    def _described(self, service: Service) -> dict[str, object]:
        meta = {_ROOT: self._connection.root, _INSTANCE: service.instance, _ADDRESS: service.address}
        return {**_host_and_port(service.address), "meta": meta}


def _host_and_port(url: str) -> dict[str, object]:
    """What Consul tells those who ask it by DNS; nothing where the address is no URL."""
    try:
        split = urlsplit(url)
        return {"address": split.hostname, "port": split.port}
    except ValueError:
        return {}


def _check(ttl_s: float) -> dict[str, str]:
    return {"TTL": f"{round(ttl_s * 1000)}ms", "Status": "passing", "DeregisterCriticalServiceAfter": _FORGET_AFTER}
