"""Services in Consul: registered with the agent, and healthy while they renew their TTL check.

Regions may share one Consul, so names and ids start with the region's root. Consul's address is a host and a port; the
instance's own name and its full address are stored as metadata. If the agent lost its data, the next renewal registers
the service again.
"""

import threading
from urllib.parse import urlsplit

from regions.stores.consul.connection import Connection
from regions.stores.settings import Service, check_word

# An instance that was not healthy for this long has crashed, and was not started again under this name.
_DEREGISTER_AFTER = "10m"
_ROOT, _INSTANCE, _ADDRESS = "darkroom-root", "darkroom-instance", "darkroom-address"


class ConsulServices:
    """Services of one region. Safe to share between threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._registered: dict[str, tuple[Service, float]] = {}

    def register(self, service: Service, ttl_s: float) -> None:
        """Renews the check. Registers only what is new, has changed, or is unknown to the agent: otherwise every
        renewal would be a write in Consul."""
        check_word(service.name)
        check_word(service.instance)
        service_id = self._id(service)
        with self._lock:
            known = self._registered.get(service_id) == (service, ttl_s)
        if known and self._connection.pass_check(f"service:{service_id}"):
            return
        meta = {_ROOT: self._connection.root, _INSTANCE: service.instance, _ADDRESS: service.address}
        address = {**_host_and_port(service.address), "meta": meta}
        check = {
            "TTL": f"{round(ttl_s * 1000)}ms",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": _DEREGISTER_AFTER,
        }
        self._connection.register(self._name(service.name), service_id, address, check)
        # If the agent knew the check, registering keeps its old state, perhaps critical. So pass it as well.
        self._connection.pass_check(f"service:{service_id}")
        with self._lock:
            self._registered[service_id] = (service, ttl_s)

    def deregister(self, service: Service) -> None:
        with self._lock:
            self._registered.pop(self._id(service), None)
        self._connection.deregister(self._id(service))

    def healthy(self, name: str) -> list[Service]:
        check_word(name)
        found = [instance["Meta"] or {} for instance in self._connection.healthy(self._name(name))]
        ours = [meta for meta in found if meta.get(_ROOT) == self._connection.root]
        services = [Service(name, meta[_INSTANCE], meta[_ADDRESS]) for meta in ours]
        return sorted(services, key=lambda service: service.instance)

    def _name(self, name: str) -> str:
        """Without slashes, for DNS. So two roots may give the same name; the metadata says which root it is."""
        return f"{self._connection.root.replace('/', '-')}-{name}"

    def _id(self, service: Service) -> str:
        return ":".join([*self._connection.root.split("/"), service.name, service.instance])


def _host_and_port(url: str) -> dict[str, object]:
    """The address that Consul's DNS returns for the instance; nothing if its address is not a URL."""
    try:
        split = urlsplit(url)
        return {"address": split.hostname, "port": split.port}
    except ValueError:
        return {}
