"""Opens the directory store for `regions.config`, and the HTTP server through which clients reach its objects."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from regions.errors import TopologyError
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.server import ObjectServer
from regions.stores.objects import Objects


def open_objects(url: str, secret: bytes) -> Objects:
    """`directory:///PATH?server=URL`; `secret` signs the URLs that the object server at URL accepts."""
    return _open(url, secret)


def object_server(url: str, secret: bytes, clock_ms: Callable[[], int]) -> ObjectServer:
    """A WSGI application over the store at that URL."""
    return ObjectServer(_open(url, secret), clock_ms)


def server_url(url: str) -> str:
    """Where the store's object server listens; empty if the URL has no `server`."""
    return parse_qs(urlsplit(url).query).get("server", [""])[0]


def _open(url: str, secret: bytes) -> DirectoryObjects:
    """Raises TopologyError for a URL without a path, or with a parameter that does not exist."""
    split = urlsplit(url)
    if not split.path or split.netloc or set(parse_qs(split.query, keep_blank_values=True)) - {"server"}:
        raise TopologyError(f"{url!r} must be directory:///PATH?server=URL")
    return DirectoryObjects(urlsplit(url).path, server_url(url), secret)
