"""All routes of one origin, and the one place where its parts are put together."""

import atexit

import falcon
import urllib3

from origin import problems, registration
from origin.border.details_resource import DetailsResource
from origin.border.grants import GrantsResource
from origin.border.statements import StatementResource
from origin.border.tombstones import TombstonesResource
from origin.context import Context
from origin.feed import FeedResource
from origin.people import PeopleResource
from origin.photos import PhotosResource
from origin.residency_guard import ResidencyGuard
from origin.uploads import UploadsResource
from regions.clock import now_ms, now_s
from regions.config import Config, open_stores
from regions.events.outbox import OutboxPublisher
from regions.node_tokens import NodeSigner
from regions.process_number import ProcessNumber
from regions.residency.audit import AuditTrail
from regions.residency.live import LiveRules
from regions.residency.peers import Peers, StatementClient
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement import Purpose
from regions.stores.settings import Service

App = falcon.App[falcon.Request, falcon.Response]

_CONNECTIONS = 32


class HealthResource:
    """`statement` is the serial of the one in force; 0 while there is none, and nobody can sign up."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        in_force = self._context.rules.current().in_force
        response.media = {"region": self._context.region.name, "statement": in_force.serial if in_force else 0}


def create(context: Context) -> App:
    """The routes."""
    app: App = falcon.App()
    problems.install(app)
    audit = AuditTrail(context.stores.catalog, context.clock_ms)
    guard = ResidencyGuard(context.rules, audit)
    people, uploads, photos = PeopleResource(context, guard), UploadsResource(context), PhotosResource(context, guard)
    app.add_route("/health", HealthResource(context))
    app.add_route("/v1/users", people, suffix="accounts")
    app.add_route("/v1/users/{user_id}", people)
    app.add_route("/v1/users/{user_id}/photos", people, suffix="photos")
    app.add_route("/v1/users/{user_id}/feed", FeedResource(context, guard))
    app.add_route("/v1/users/{user_id}/following", people, suffix="following")
    app.add_route("/v1/users/{user_id}/following/{author_id}", people, suffix="author")
    app.add_route("/v1/uploads/init", uploads, suffix="init")
    app.add_route("/v1/uploads/{upload_id}", uploads)
    app.add_route("/v1/uploads/{upload_id}/complete", uploads, suffix="complete")
    app.add_route("/v1/photos/{photo_id}", photos)
    app.add_route("/v1/photos/{photo_id}/like", photos, suffix="like")
    app.add_route("/v1/photos/{photo_id}/likes", photos, suffix="likes")
    app.add_route("/v1/photos/{photo_id}/comments", photos, suffix="comments")
    app.add_route("/v1/photos/{photo_id}/comments/{comment_id}", photos, suffix="comment")
    app.add_route("/v1/grants/{photo_id}/{name}", GrantsResource(context, audit))
    app.add_route("/v1/tombstones", TombstonesResource(context))
    app.add_route("/v1/details", DetailsResource(context, guard))
    statement = StatementResource(context)
    app.add_route("/v1/statement", statement)
    app.add_route("/v1/statement/{hash}", statement, suffix="signed")
    return app


def open_app(config: Config, region: str, process_name: str) -> App:
    """Opens the region's stores and serves from them. `process_name` is for this process's number and its service.

    Both are released when this process ends normally.
    """
    node, stores = config.topology.regions[region], open_stores(config, region)
    number = ProcessNumber(stores.settings, node.number, process_name, now_ms)
    service = Service(registration.ORIGIN, process_name, node.origin)
    rules = LiveRules(region, config.statement_folder(region), config.signers())
    listed = lambda: rules.current().public_keys(region, Purpose.NODE)  # noqa: E731
    signer = NodeSigner(region, config.private_keys(region, Purpose.NODE), listed, now_s)
    http = urllib3.PoolManager(num_pools=8, maxsize=_CONNECTIONS)
    statement = SettingsStatement(stores.settings, rules)
    statement.start()
    peers = Peers(
        rules, StatementClient(signer, http), {name: one.origin for name, one in config.topology.regions.items()}
    )
    registered = registration.Registration(stores.settings, service)
    atexit.register(registration.keep(number, registered, statement, peers))
    return create(
        Context(
            region=node,
            topology=config.topology,
            stores=stores,
            rules=rules,
            outbox=OutboxPublisher(stores.catalog, stores.events, now_ms),
            new_id=number.new_id,
            clock_ms=now_ms,
            signer=signer,
            user_keys=config.private_keys(region, Purpose.USERS),
            http=http,
        )
    )
