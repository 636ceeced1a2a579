"""The directory store for `regions.config`, and the HTTP server through which clients reach its objects."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from regions.errors import TopologyError
from regions.stores.directory import stamped_folder
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.server import ObjectServer
from regions.stores.objects import Objects
from regions.stores.stamp import StoreLocation, StoreRegion, require_region


def objects(url: str, secret: bytes) -> StoreLocation[Objects]:
    """`directory:///PATH?server=URL`; `secret` signs the URLs that the object server at URL accepts."""
    root = _root(url)
    return StoreLocation(
        partial(_open, url, secret), partial(stamped_folder.read_stamp, root), partial(stamped_folder.create, root)
    )


def object_server(url: str, secret: bytes, ours: StoreRegion, clock_ms: Callable[[], int]) -> ObjectServer:
    """A WSGI application over the store at that URL."""
    return ObjectServer(_open(url, secret, ours), clock_ms)


def server_url(url: str) -> str:
    """Where the store's object server listens; empty if the URL has no `server`."""
    return parse_qs(urlsplit(url).query).get("server", [""])[0]


def object_address(url: str, bucket: str, key: str) -> str:
    """The object's URL at the store's object server, without the signature."""
    return f"{server_url(url)}/object/{bucket}/{key}"


def _open(url: str, secret: bytes, ours: StoreRegion) -> DirectoryObjects:
    root = _root(url)
    opened = DirectoryObjects(str(root), server_url(url), secret)
    require_region(stamped_folder.read_stamp(root), ours)
    return opened


def _root(url: str) -> Path:
    """Raises TopologyError for a URL without a path, or with a parameter that does not exist."""
    split = urlsplit(url)
    if not split.path or split.netloc or set(parse_qs(split.query, keep_blank_values=True)) - {"server"}:
        raise TopologyError(f"{url!r} must be directory:///PATH?server=URL")
    return Path(split.path)
