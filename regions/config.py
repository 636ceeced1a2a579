"""The only module that reads the environment, and the only one that knows every adapter.

A topology file lists the stores of each region. An environment variable `DARKROOM_<NAME>_<FIELD>` replaces a value of
it (`DARKROOM_EU_WEST_CATALOG=sqlite:///…`). Secrets are never in the topology: each is a file in a folder. Instead of
the file `<region>.s3`, the variable `DARKROOM_<REGION>_S3_KEYS` ("ACCESS SECRET") can be set; `_SECRET_VARIABLES` lists
all variables of this kind.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys, topology
from regions.clock import now_ms
from regions.errors import ClientMissing, StoreMissing, TopologyError, WrongStore
from regions.events.gaps import GapRecordingEvents
from regions.residency.people_files import read_signers
from regions.residency.statement import Purpose, Signers
from regions.residency.statement_folder import StatementFolder
from regions.stores.catalog import Catalog
from regions.stores.events import EventLog, Events
from regions.stores.feeds import Feeds
from regions.stores.limits import RateLimits
from regions.stores.memory_limits import MemoryLimits
from regions.stores.objects import Objects, ObjectServerApplication
from regions.stores.partitioner import partitions_in
from regions.stores.settings import Settings
from regions.stores.stamp import Port, StoreLocation, StoreRegion

_PREFIX = "DARKROOM_"
_TOPOLOGY = f"{_PREFIX}TOPOLOGY"
SECRETS_VARIABLE = f"{_PREFIX}SECRETS"
SIGNERS = "signers.json"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Files of the secrets folder that a variable can replace, and the end of its name.
_SECRET_VARIABLES = {
    "s3": "S3_KEYS",
    "catalog": "CATALOG_LOGIN",
    "feeds": "FEEDS_PASSWORD",
    "limits": "LIMITS_PASSWORD",
    "settings": "SETTINGS_TOKEN",
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: who is trusted, and by what this process is trusted itself."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Config:
    """`env_secrets` are secrets from the environment, by the name of the file that each replaces.

    `path` is that of the topology: other processes on this machine are given it, and read everything themselves.
    """

    topology: topology.Topology
    secrets: Path
    env_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: Path = Path()
    state: Path = Path("state")
    signers_file: Path = Path(SIGNERS)

    def environ_of_child(self) -> dict[str, str]:
        """The variable with which `load_from_environment` finds this topology. No secret is in it."""
        return {_TOPOLOGY: str(self.path.absolute())}

    def scheduler_tls(self, region: str) -> TlsFiles | None:
        """The files `{region}.dask.ca`, `.cert` and `.key` for a `tls://` scheduler; None for one on this machine.

        Raises TopologyError if a file is missing, or if a scheduler elsewhere would be spoken to without TLS: Dask runs
        whatever it is sent.
        """
        address = urlsplit(self.topology.regions[region].scheduler)
        if address.scheme == "tls":
            files = [self.secrets / f"{region}.dask.{kind}" for kind in ("ca", "cert", "key")]
            if missing := [str(file) for file in files if not file.exists()]:
                raise TopologyError(f"the scheduler of {region} needs its TLS files: {', '.join(missing)}")
            return TlsFiles(*files)
        if address.scheme != "tcp" or address.hostname not in _LOOPBACK:
            raise TopologyError(
                f"the scheduler of {region} must be tls://HOST:PORT: anybody who reaches a scheduler without TLS can"
                " run anything there. tcp:// is for 127.0.0.1 only. docs/operating.md says how it is done."
            )
        return None

    def private_keys(self, name: str, purpose: Purpose) -> dict[str, Ed25519PrivateKey]:
        """A place's own keys of a purpose, by id: the files `{name}.{purpose}.{id}.pem`. Raises TopologyError."""
        prefix = f"{name}.{purpose}."
        files = sorted(file.name for file in self.secrets.glob(f"{prefix}*.pem"))
        if not files:
            raise TopologyError(f"there is no key {self.secrets / prefix}ID.pem; `darkroom prepare` makes one")
        try:
            return {
                file.removeprefix(prefix).removesuffix(".pem"): keys.private_key(self._secret(file).decode())
                for file in files
            }
        except ValueError as error:
            raise TopologyError(f"a key {self.secrets / prefix}ID.pem can't be used: {error}") from error

    def signers(self) -> Signers:
        """Who must have signed the first statement that a node accepts. Raises TopologyError."""
        return read_signers(self.signers_file)

    def statement_folder(self, name: str, kind: str = "statements") -> StatementFolder:
        """Where a region or an edge keeps the statements that it knows, on its own disk. Kinds of process that follow
        different regions do not share one."""
        return StatementFolder(self.state / name / kind)

    def objects_secret(self, region: str) -> bytes:
        """The key that signs the URLs of the region's directory store."""
        return self._secret(f"{region}.objects")

    def s3_keys(self, region: str) -> tuple[str, str]:
        """Access key and secret key of the region's S3 store, each on a line of the file `{region}.s3`."""
        keys = self._secret(f"{region}.s3").decode().split()
        if len(keys) != 2:
            raise TopologyError(f"the secret {region}.s3 must be two lines: the access key and the secret key")
        return keys[0], keys[1]

    def catalog_login(self, region: str) -> tuple[str, str] | None:
        """Name and password for the region's Cassandra, two lines in the file `{region}.catalog`; None without it."""
        login = self._secret_if_any(f"{region}.catalog")
        if login is None:
            return None
        words = login.split(maxsplit=1)
        if len(words) != 2:
            raise TopologyError(f"the secret {region}.catalog must be two lines: the name and the password")
        return words[0], words[1]

    def feeds_password(self, region: str) -> str | None:
        """The password for the region's Redis, in the file `{region}.feeds`; None without it."""
        return self._secret_if_any(f"{region}.feeds")

    def limits_password(self, region: str) -> str | None:
        """The password for the Redis of the region's limits, in the file `{region}.limits`; None without it."""
        return self._secret_if_any(f"{region}.limits")

    def settings_token(self, region: str) -> str | None:
        """The ACL token for the region's Consul, in the file `{region}.settings`; None without it."""
        return self._secret_if_any(f"{region}.settings")

    def _secret_if_any(self, file: str) -> str | None:
        if file in self.env_secrets or (self.secrets / file).exists():
            return self._secret(file).decode().strip()
        return None

    def _secret(self, file: str) -> bytes:
        if file in self.env_secrets:
            return self.env_secrets[file].encode()
        try:
            return (self.secrets / file).read_bytes()
        except OSError as error:
            raise TopologyError(f"the secret {self.secrets / file} can't be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Stores:
    """One region's five stores, opened."""

    objects: Objects
    catalog: Catalog
    feeds: Feeds
    events: Events
    settings: Settings

    def close(self) -> None:
        for store in (self.catalog, self.feeds, self.events, self.settings):
            store.close()


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Reads the topology, its overrides and the secrets. Raises TopologyError: the message says what to correct."""
    try:
        text = path.read_text()
    except OSError as error:
        raise TopologyError(f"the topology {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TopologyError(f"the topology {path} can't be read: it is not UTF-8 text") from error
    names = topology.parse(text)
    overrides = _overrides([*names.regions, *names.edges], environ)
    secrets = Path(environ.get(SECRETS_VARIABLE, path.parent / "secrets"))
    env_secrets = {
        f"{name}.{file}": environ[variable]
        for name in names.regions
        for file, key in _SECRET_VARIABLES.items()
        if (variable := _variable(name, key)) in environ
    }
    state = Path(environ.get(f"{_PREFIX}STATE", path.parent / "state"))
    signers = Path(environ.get(f"{_PREFIX}SIGNERS", path.parent / SIGNERS))
    return Config(topology.parse(text, overrides), secrets, env_secrets, path, state, signers)


def load_from_environment() -> Config:
    """For a process that is started with `Config.environ_of_child`. Raises TopologyError."""
    if _TOPOLOGY not in os.environ:
        raise TopologyError(f"{_TOPOLOGY} must name the topology file")
    return load(Path(os.environ[_TOPOLOGY]), os.environ)


def open_stores(config: Config, region: str) -> Stores:
    """Opens all five or none, so that a caller can try again without leaking connections.

    Raises TopologyError, Unavailable.
    """
    ours = store_region(config, region)
    catalog_at, feeds_at = locate_catalog(config, region), locate_feeds(config, region)
    events_at, settings_at = locate_events(config, region), locate_settings(config, region)
    with ExitStack() as opened:
        objects, catalog = open_objects(config, region), _open("catalog", catalog_at, ours)
        opened.callback(catalog.close)
        feeds = _open("feeds", feeds_at, ours)
        opened.callback(feeds.close)
        events = _open("events", events_at, ours)
        opened.callback(events.close)
        settings = _open("settings", settings_at, ours)
        opened.pop_all()
    return Stores(objects, catalog, feeds, GapRecordingEvents(events, settings.values, now_ms), settings)


def store_region(config: Config, region: str) -> StoreRegion:
    return StoreRegion(region, config.topology.regions[region].number)


def open_objects(config: Config, region: str) -> Objects:
    """Raises TopologyError, Unavailable, as do the other four; ClientMissing without the extra `stores`."""
    return _open("objects", locate_objects(config, region), store_region(config, region))


def open_catalog(config: Config, region: str) -> Catalog:
    return _open("catalog", locate_catalog(config, region), store_region(config, region))


def open_feeds(config: Config, region: str) -> Feeds:
    return _open("feeds", locate_feeds(config, region), store_region(config, region))


def open_events(config: Config, region: str) -> Events:
    return _open("events", locate_events(config, region), store_region(config, region))


def open_settings(config: Config, region: str) -> Settings:
    return _open("settings", locate_settings(config, region), store_region(config, region))


def _open(port: str, location: StoreLocation[Port], ours: StoreRegion) -> Port:
    try:
        return location.open(ours)
    except (StoreMissing, WrongStore) as error:
        raise type(error)(f"{port} of {ours.name}: {error.detail}") from error


# Each adapter is imported only when it is chosen, so that a process loads only the client libraries that it uses.


@contextmanager
def _reporting_a_missing_client() -> Iterator[None]:
    """Around the choice of an adapter: one that can't be imported lacks its client library."""
    try:
        yield
    except ImportError as error:
        raise ClientMissing(error.name or str(error)) from error


@_reporting_a_missing_client()
def locate_objects(config: Config, region: str) -> StoreLocation[Objects]:
    """Raises TopologyError, as do the other four; ClientMissing without the extra `stores`."""
    url = config.topology.regions[region].objects
    match urlsplit(url).scheme:
        case "directory":
            from regions.stores.directory import adapter as directory

            return directory.objects(url, config.objects_secret(region))
        case "s3":
            from regions.stores.s3 import adapter as s3

            return s3.objects(url, *config.s3_keys(region))
    raise _no_adapter("objects", url, "directory, s3")


@_reporting_a_missing_client()
def locate_catalog(config: Config, region: str) -> StoreLocation[Catalog]:
    url = config.topology.regions[region].catalog
    match urlsplit(url).scheme:
        case "sqlite":
            from regions.stores.sqlite import adapter as sqlite

            return sqlite.catalog(urlsplit(url).path)
        case "cassandra":
            from regions.stores.cassandra import adapter as cassandra

            return cassandra.catalog(url, config.catalog_login(region))
    raise _no_adapter("catalog", url, "sqlite, cassandra")


@_reporting_a_missing_client()
def locate_feeds(config: Config, region: str) -> StoreLocation[Feeds]:
    url = config.topology.regions[region].feeds
    match urlsplit(url).scheme:
        case "sqlite":
            from regions.stores.sqlite import adapter as sqlite

            return sqlite.feeds(urlsplit(url).path)
        case "redis":
            from regions.stores.redis import adapter as redis

            return redis.feeds(url, config.feeds_password(region))
    raise _no_adapter("feeds", url, "sqlite, redis")


@_reporting_a_missing_client()
def locate_events(config: Config, region: str) -> StoreLocation[EventLog]:
    url = config.topology.regions[region].events
    match urlsplit(url).scheme:
        case "sqlite":
            from regions.stores.sqlite import adapter as sqlite

            return sqlite.events(urlsplit(url).path, now_ms, partitions_in(url, sqlite.PARTITIONS))
        case "kafka":
            from regions.stores.kafka import adapter as kafka

            return kafka.events(url)
    raise _no_adapter("events", url, "sqlite, kafka")


@_reporting_a_missing_client()
def locate_settings(config: Config, region: str) -> StoreLocation[Settings]:
    url = config.topology.regions[region].settings
    match urlsplit(url).scheme:
        case "sqlite":
            from regions.stores.sqlite import adapter as sqlite

            return sqlite.settings(urlsplit(url).path, now_ms)
        case "consul":
            from regions.stores.consul import adapter as consul

            return consul.settings(url, config.settings_token(region), now_ms)
    raise _no_adapter("settings", url, "sqlite, consul")


@_reporting_a_missing_client()
def open_limits(config: Config, region: str) -> RateLimits:
    """Nothing has to be prepared, and Redis may be away. Raises TopologyError, ClientMissing."""
    url = config.topology.regions[region].limits
    own = MemoryLimits(lambda: time.monotonic_ns() // 1000)
    match urlsplit(url).scheme:
        case "memory":
            return own
        case "redis":
            from regions.stores.redis import adapter as redis

            return redis.limits(url, own, config.limits_password(region))
    raise _no_adapter("limits", url, "memory, redis")


def open_object_server(config: Config, region: str) -> ObjectServerApplication:
    """The HTTP server of the region's directory store: clients and other regions use it.

    Raises TopologyError, Unavailable.
    """
    from regions.stores.directory import adapter as directory

    url, secret = config.topology.regions[region].objects, config.objects_secret(region)
    return directory.object_server(url, secret, store_region(config, region), now_ms)


def object_server_url(config: Config, region: str) -> str:
    """The URL at which that server listens; empty if the region's objects are not in a directory store."""
    from regions.stores.directory import adapter as directory

    return directory.server_url(config.topology.regions[region].objects)


@_reporting_a_missing_client()
def object_address(config: Config, region: str) -> Callable[[str, str], str]:
    """Of a bucket and a key, the URL by which others reach the object, without the signature. Raises TopologyError."""
    url = config.topology.regions[region].objects
    match urlsplit(url).scheme:
        case "directory":
            from regions.stores.directory import adapter as directory

            return partial(directory.object_address, url)
        case "s3":
            from regions.stores.s3 import adapter as s3

            return s3.object_address(url)
    raise _no_adapter("objects", url, "directory, s3")


def _no_adapter(port: str, url: str, schemes: str) -> TopologyError:
    return TopologyError(f"{url!r}: no adapter for {port} has the scheme {urlsplit(url).scheme!r}; known: {schemes}")


def _overrides(names: list[str], environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    known = [one.name for kind in (topology.Region, topology.Edge) for one in fields(kind)]
    variables = {_variable(name, key): (name, key) for name in names for key in known}
    return {variables[variable]: value for variable, value in environ.items() if variable in variables}


def _variable(name: str, key: str) -> str:
    return f"{_PREFIX}{name.upper().replace('-', '_')}_{key.upper()}"
