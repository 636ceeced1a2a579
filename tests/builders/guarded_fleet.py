"""Real servers of one jurisdiction's own: who has no login is refused, and what they write to disk is readable.

Kafka has no login, since pykafka's is not used here; S3 has keys, as always. Redis and Kafka compress nothing by
themselves, and `write_plainly` has Cassandra do so too.
"""

import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.servers import cassandra, consul, fleet, kafka, redis, versitygw
from deploy.servers.process import Server, Start

INSTALLED = Path(__file__).parents[2] / ".servers"
_CASSANDRA_LOGIN = ("cassandra", "cassandra")
"""What Cassandra begins with when it asks for logins."""
_DIALECT = "region=us-east-1&style=path&lifecycle=0&access_block=0"
_FLUSH_MS = 500


@dataclass(frozen=True)
class GuardedFleet:
    """`servers` by name, all in `folder`; `password` opens them."""

    folder: Path
    servers: Mapping[str, Server]
    password: str

    def stores(self, region: str) -> dict[str, str]:
        """Of the region's fields in the topology, those that name a server of this fleet."""
        urls = {
            "catalog": (cassandra.NAME, "cassandra://{}/darkroom_" + region.replace("-", "_")),
            "feeds": (redis.NAME, f"redis://{{}}/0?prefix=darkroom-{region}:"),
            "limits": (redis.NAME, f"redis://{{}}/0?prefix=darkroom-{region}:"),
            "events": (kafka.NAME, f"kafka://{{}}/darkroom-{region}?partitions=1"),
            "settings": (consul.NAME, f"consul://{{}}/darkroom/{region}"),
            "objects": (versitygw.NAME, f"s3://darkroom-{region}?endpoint={{}}&{_DIALECT}"),
        }
        here = {field: one for field, one in urls.items() if one[0] in self.servers}
        return {field: url.format(self.servers[name].address) for field, (name, url) in here.items()}

    def secrets(self) -> dict[str, str]:
        """The texts of a region's files of secrets, by the second word of their names."""
        keys = f"darkroom\n{versitygw.secret(self.folder / versitygw.NAME)}\n"
        login = "\n".join(_CASSANDRA_LOGIN)
        return {
            "catalog": login, "feeds": self.password, "limits": self.password, "settings": self.password, "s3": keys,
        }  # fmt: skip

    def write_plainly(self, region: str) -> None:
        """Of Cassandra, if it has one: no compression, and each write in a table's file within a second."""
        if cassandra.NAME not in self.servers:
            return
        from cassandra.auth import PlainTextAuthProvider
        from cassandra.cluster import Cluster

        host, _, port = self.servers[cassandra.NAME].address.partition(":")
        keyspace = f"darkroom_{region.replace('-', '_')}"
        tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
        auth = PlainTextAuthProvider(*_CASSANDRA_LOGIN)
        with Cluster([host], port=int(port), protocol_version=5, auth_provider=auth) as cluster:
            session = cluster.connect()
            for (table,) in session.execute(tables, (keyspace,)):
                session.execute(
                    f"ALTER TABLE {keyspace}.{table} WITH compression = {{'enabled': false}}"
                    f" AND memtable_flush_period_in_ms = {_FLUSH_MS}",
                    timeout=60,
                )


@contextmanager
def running(root: Path, folder: Path, names: tuple[str, ...] = fleet.NAMES) -> Iterator[GuardedFleet]:
    """Those of these names, which are installed in `root`, once they answer to their login."""
    password = str(uuid.uuid4())
    guards: Mapping[str, Callable[[Start, str, Path], Start]] = {
        cassandra.NAME: _guarded_cassandra, redis.NAME: _guarded_redis, consul.NAME: _guarded_consul,
    }  # fmt: skip
    servers = {}
    for name in names:
        start, at = fleet.start_of(root, folder, name), folder / name
        servers[name] = Server(guards[name](start, password, at) if name in guards else start, at)
    try:
        for server in servers.values():
            server.start()
        with ThreadPoolExecutor(len(servers)) as threads:
            list(threads.map(Server.wait, servers.values()))
        yield GuardedFleet(folder, servers, password)
    finally:
        with ThreadPoolExecutor(len(servers)) as threads:
            list(threads.map(Server.stop, servers.values()))


def _guarded_cassandra(start: Start, password: str, folder: Path) -> Start:
    def prepare() -> None:
        start.prepare()
        with (folder / "conf" / "cassandra.yaml").open("a") as settings:
            settings.write("authenticator: PasswordAuthenticator\nrole_manager: CassandraRoleManager\n")

    def answers() -> bool:
        from cassandra.auth import PlainTextAuthProvider
        from cassandra.cluster import Cluster

        host, _, port = start.address.partition(":")
        auth = PlainTextAuthProvider(*_CASSANDRA_LOGIN)
        options = {"port": int(port), "protocol_version": 5, "connect_timeout": 5}
        with Cluster([host], auth_provider=auth, **options) as cluster:
            return cluster.connect().execute("SELECT release_version FROM system.local").one() is not None

    java, *rest = start.command
    # At once, and not after ten seconds.
    command = [java, "-Dcassandra.superuser_setup_delay_ms=0", *rest]
    return replace(start, command=command, prepare=prepare, answers=answers)


def _guarded_redis(start: Start, password: str, folder: Path) -> Start:
    def answers() -> bool:
        import redis as client

        host, _, port = start.address.partition(":")
        with client.Redis(host, int(port), password=password, socket_timeout=2) as opened:
            return bool(opened.ping())

    return replace(start, command=[*start.command, "--requirepass", password], answers=answers)


def _guarded_consul(start: Start, password: str, folder: Path) -> Start:
    def answers() -> bool:
        request = urllib.request.Request(
            f"http://{start.address}/v1/kv/?keys&consistent", headers={"X-Consul-Token": password}
        )
        try:
            urllib.request.urlopen(request, timeout=2).close()
        except urllib.error.HTTPError as error:
            return error.code == 404
        return True

    tokens = f'tokens {{ initial_management = "{password}" }}'
    acl = f'-hcl=acl {{ enabled = true default_policy = "deny" {tokens} }}'
    return replace(start, command=[*start.command, acl], answers=answers)
