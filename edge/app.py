"""The whole route table of one edge."""

import re
from collections.abc import Callable

from edge import responses, routing
from edge.cache import Cache
from edge.forward import Forward
from edge.grants import Key
from edge.images import ImageRequest, Images
from edge.node_client import NodeClient
from edge.page import Page
from edge.responses import Request, Response
from edge.tombstones import KnownTombstones
from regions import ids, tokens
from regions.errors import BadGateway, BadRequest, MethodNotAllowed, Misdirected, NotFound, Unauthenticated
from regions.image_limits import VARIANT_SIZES
from regions.topology import Edge, Topology, home_of

_IMAGE = re.compile(r"/p/([^/]{1,40})/([0-9]{1,4})\.jpg")
_INVENTORY = re.compile(r"/edge/inventory/([^/]{1,40})")
_AFTER = re.compile("after=([0-9]{1,18})")
_READING = ("GET", "HEAD")


class App:
    """Answers every request that comes to the edge."""

    def __init__(
        self,
        topology: Topology,
        edge: Edge,
        calls: NodeClient,
        cache: Cache,
        tombstones: KnownTombstones,
        images: Images,
        page: Page,
    ) -> None:
        self._topology, self._edge, self._calls = topology, edge, calls
        self._cache, self._tombstones, self._images = cache, tombstones, images
        self._forward, self._page = Forward(topology, edge, calls), page

    def __call__(self, request: Request) -> Response:
        """Raises Problem."""
        path = request.head.path
        if path.startswith("/v1/"):
            return self._forward.answer(request)
        if request.head.method not in _READING:
            raise MethodNotAllowed(f"{request.head.method} can't be done at {path[:100]}")
        return self._route(path)(request)

    def _route(self, path: str) -> Callable[[Request], Response]:
        if image := _IMAGE.fullmatch(path):
            return lambda request: self._image(request, image[1], int(image[2]))
        if path == "/":
            return lambda request: self._page.answer(request, "index.html")
        if path.startswith("/static/"):
            return lambda request: self._page.answer(request, path.removeprefix("/static/"))
        if path == "/health":
            return lambda request: responses.of_json({"edge": self._edge.name})
        if path == "/edge/tombstones" and self._edge.shield_of:
            return self._told_tombstones
        if inventory := _INVENTORY.fullmatch(path):
            return lambda request: self._inventory(request, inventory[1])
        raise NotFound(f"nothing is served at {path[:100]}")

    def _image(self, request: Request, photo_id: str, size: int) -> Response:
        home = home_of(self._topology, ids.PHOTO, photo_id)
        if size not in VARIANT_SIZES:
            raise NotFound(f"there is no image of {photo_id} in size {size}")
        routing.cdn_loop(request.field("cdn-loop"), self._edge.name)
        asker = self._asking_edge(request)
        if asker and self._edge.shield_of != home.name:
            raise Misdirected(home.name)
        return self._images.answer(request, ImageRequest(Key(photo_id, size), asker or self._edge.name, home.name))

    def _told_tombstones(self, request: Request) -> Response:
        """What the region's origin says, buried here before it is told (`tombstones`)."""
        self._require_node(request)
        after = _AFTER.fullmatch(request.head.query or "after=0")
        if after is None:
            raise BadRequest("say `?after=` and a position")
        origin = self._topology.regions[self._edge.shield_of].origin
        document = read_tombstones(self._calls, f"{origin}/v1", int(after[1]))
        self._tombstones.learn(document)
        return responses.of_json(document)

    def _inventory(self, request: Request, photo_id: str) -> Response:
        self._require_node(request)
        home_of(self._topology, ids.PHOTO, photo_id)
        return responses.of_json({"items": self._cache.inventory(photo_id)})

    def _asking_edge(self, request: Request) -> str | None:
        """The edge that proves its name. Whoever does not is an ordinary client."""
        try:
            name = self._require_node(request)
        except Unauthenticated:
            return None
        return name if name in self._topology.edges and name != self._edge.name else None

    def _require_node(self, request: Request) -> str:
        return tokens.node_name(request.field(tokens.NODE_HEADER.lower()), self._topology.public_key)


def read_tombstones(calls: NodeClient, url: str, after: int) -> object:
    """Of an origin (its URL and /v1) or a shield (its URL and /edge). Raises Unavailable and BadGateway."""
    reply = calls.ask("GET", f"{url}/tombstones?after={after}", {})
    if reply.status != 200:
        raise BadGateway(f"the tombstones of {url} are not to be had: {reply.status}")
    return reply.document()
