"""The whole route table of one origin, and the one place where it is wired together."""

import atexit

import falcon
import urllib3

from origin import presence, problems
from origin.audit_trail import AuditTrail
from origin.border import Border
from origin.context import Context
from origin.feed import Feed
from origin.grants import Grants
from origin.people import People
from origin.photos import Photos
from origin.uploads import Uploads
from regions.clock import now_ms
from regions.config import Config, open_stores
from regions.outbox import Outbox
from regions.policy_view import PolicyView
from regions.process_number import ProcessNumber
from regions.stores.settings import Service

App = falcon.App[falcon.Request, falcon.Response]

_CONNECTIONS = 32


class Health:
    def __init__(self, region: str) -> None:
        self._region = region

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.media = {"region": self._region}


def create(context: Context) -> App:
    """The routes. `{size:int}` and the like are Falcon's converters; what does not convert is a 404."""
    app: App = falcon.App()
    problems.install(app)
    audit = AuditTrail(context.stores.catalog, context.clock_ms)
    border = Border(context.region.place, context.policy, audit)
    people, uploads, photos = People(context, border), Uploads(context), Photos(context, border)
    feed, grants = Feed(context, border), Grants(context, border, audit)
    app.add_route("/health", Health(context.region.name))
    app.add_route("/v1/users", people)
    app.add_route("/v1/users/{user_id}", people)
    app.add_route("/v1/users/{user_id}/photos", people, suffix="photos")
    app.add_route("/v1/users/{user_id}/feed", feed)
    app.add_route("/v1/users/{user_id}/following", people, suffix="following")
    app.add_route("/v1/users/{user_id}/following/{author_id}", people, suffix="author")
    app.add_route("/v1/uploads/init", uploads, suffix="init")
    app.add_route("/v1/uploads/{upload_id}", uploads)
    app.add_route("/v1/uploads/{upload_id}/complete", uploads, suffix="complete")
    app.add_route("/v1/photos/{photo_id}", photos)
    app.add_route("/v1/photos/{photo_id}/like", photos, suffix="like")
    app.add_route("/v1/photos/{photo_id}/likes", photos, suffix="likes")
    app.add_route("/v1/photos/{photo_id}/comments", photos, suffix="comments")
    app.add_route("/v1/grants/{photo_id}/{size:int}", grants)
    app.add_route("/v1/tombstones", grants, suffix="tombstones")
    app.add_route("/v1/details", grants, suffix="details")
    return app


def open_app(config: Config, region: str, holder: str) -> App:
    """Opens the region's stores and serves from them. `holder` names the process in its number's lease and its service.

    Number and service are given back when this process ends in an orderly way.
    """
    node, stores = config.topology.regions[region], open_stores(config, region)
    number = ProcessNumber(stores.settings, node.number, holder, now_ms)
    service = Service(presence.ORIGIN, holder, node.origin)
    atexit.register(presence.keep(number, presence.Registration(stores.settings, service)))
    return create(
        Context(
            region=node,
            topology=config.topology,
            stores=stores,
            policy=PolicyView(stores.settings),
            outbox=Outbox(stores.catalog, stores.events, now_ms),
            mint=number.mint,
            clock_ms=now_ms,
            private_key=config.private_key(region),
            http=urllib3.PoolManager(num_pools=8, maxsize=_CONNECTIONS),
        )
    )
