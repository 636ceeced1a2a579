"""All routes of one edge."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from edge import responses, routing
from edge.cache import Cache
from edge.forward import Forward
from edge.grants import Key
from edge.images import ImageRequest, Images
from edge.news import RegionNews
from edge.node_client import NodeClient, parse_json
from edge.page import Page
from edge.responses import Request, Response
from edge.shared_answers import SharedAnswers
from edge.tombstones import KnownTombstones
from regions import ids, node_tokens, tombstone_cursors, variant_names
from regions.errors import Forbidden, MethodNotAllowed, Misdirected, NotFound
from regions.node_tokens import Call
from regions.topology import Edge, Topology, home_of

_IMAGE = re.compile("/p/([^/]{1,40})/([^/]{1,20})")
_INVENTORY = re.compile(r"/edge/inventory/([^/]{1,40})")
_STATEMENT = re.compile("/edge/statement/([0-9a-f]{64})")
_TOMBSTONES = "/edge/tombstones"


class App:
    """Responds to every request that reaches the edge."""

    def __init__(
        self,
        topology: Topology,
        edge: Edge,
        node_client: NodeClient,
        news: RegionNews,
        cache: Cache,
        tombstones: KnownTombstones,
        images: Images,
        page: Page,
    ) -> None:
        self._topology, self._edge, self._node_client, self._news = topology, edge, node_client, news
        self._cache, self._tombstones, self._images = cache, tombstones, images
        self._polled = SharedAnswers()
        self._forward, self._page = Forward(topology, edge, node_client), page

    def __call__(self, request: Request) -> Response:
        """Raises Problem."""
        path = request.head.path
        if path.startswith("/v1/"):
            if node_tokens.HEADER.lower() in request.head.headers:
                # An identity that is there and not valid is refused on every route. It goes no further in any case.
                self._require_node(request)
            return self._forward.respond(request)
        allowed = ("POST",) if path == _TOMBSTONES else ("GET", "HEAD")
        if request.head.method not in allowed:
            raise MethodNotAllowed(f"{request.head.method} is not allowed at {path[:100]}")
        return self._route(path)(request)

    def _route(self, path: str) -> Callable[[Request], Response]:
        if image := _IMAGE.fullmatch(path):
            return lambda request: self._image(request, image[1], image[2])
        if path == "/":
            return lambda request: self._page.respond(request, "index.html")
        if path.startswith("/static/"):
            return lambda request: self._page.respond(request, path.removeprefix("/static/"))
        if path == "/health":
            return lambda request: responses.from_json(self._health())
        if path == _TOMBSTONES and self._edge.shield_of:
            return self._tombstone_page
        if (statement := _STATEMENT.fullmatch(path)) and self._edge.shield_of:
            return lambda request: self._statement(request, statement[1])
        if inventory := _INVENTORY.fullmatch(path):
            return lambda request: self._inventory(request, inventory[1])
        raise NotFound(f"nothing is served at {path[:100]}")

    def _health(self) -> dict[str, object]:
        """`refused` are the upstreams that do not answer, so that requests for them are refused."""
        return {"edge": self._edge.name, "statement": self._news.serial(), "refused": self._node_client.refused()}

    def _image(self, request: Request, photo_id: str, name: str) -> Response:
        """Which variants a photo has, only its origin knows. So every name that could be a variant's goes on."""
        home = home_of(self._topology, ids.PHOTO, photo_id)
        if variant_names.parse(name) is None:
            raise NotFound(f"there is no image {name} of {photo_id}")
        routing.cdn_loop(request.header("cdn-loop"), self._edge.name)
        other_edge = self._requesting_edge(request)
        if other_edge and self._edge.shield_of != home.name:
            raise Misdirected(home.name)
        place, token = other_edge or self._edge.name, request.header(node_tokens.GRANT_HEADER.lower())
        wanted = ImageRequest(Key(photo_id, name), place, home.name, token if other_edge else "")
        return self._images.respond(request, wanted)

    def _tombstone_page(self, request: Request) -> Response:
        """The tombstones of the region's origin. They are applied here before they are passed on (`tombstones`)."""
        self._require_node(request)
        body = parse_json(request.body)
        cursors = tombstone_cursors.parse(body.get("after") if isinstance(body, dict) else None)
        document = self._polled.get(tuple(sorted(cursors.items())), lambda: self._fresh_tombstones(cursors))
        return responses.from_json(document)

    def _fresh_tombstones(self, cursors: Mapping[int, int]) -> Any:
        document = self._news.fetch(self._edge.shield_of, cursors)
        self._tombstones.apply(self._edge.shield_of, document)
        return document

    def _statement(self, request: Request, hash: str) -> Response:
        """The signed text of a statement."""
        self._require_node(request)
        return responses.from_json({"signed": self._news.signed(self._edge.shield_of, hash)})

    def _inventory(self, request: Request, photo_id: str) -> Response:
        self._require_node(request)
        home_of(self._topology, ids.PHOTO, photo_id)
        return responses.from_json({"items": self._cache.inventory(photo_id)})

    def _requesting_edge(self, request: Request) -> str | None:
        """The other edge whose node token the request has; None for an ordinary client.

        Raises Unauthenticated, and Forbidden if it is another kind of node, whose people have edges of their own.
        """
        if node_tokens.HEADER.lower() not in request.head.headers:
            return None
        name = self._require_node(request)
        if not self._news.is_edge(name):
            raise Forbidden("images are for edges and their clients")
        return name if name != self._edge.name else None

    def _require_node(self, request: Request) -> str:
        """The node that proves that it makes this request. Raises Unauthenticated."""
        token, head = request.header(node_tokens.HEADER.lower()), request.head
        return self._news.sender(token, Call(self._edge.name, head.method, head.target, request.body))
