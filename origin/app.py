"""All routes of one origin, and the one place where its parts are put together."""

import atexit
import secrets
from functools import partial

import falcon

from origin import problems, registration
from origin.accounts.account_resource import AccountResource
from origin.accounts.gate import AccountGate
from origin.accounts.passphrases import AT_ONCE, OWASP, PassphraseHasher
from origin.accounts.revocation import Fetch, RevocationReader, RevokedSessions
from origin.accounts.sessions_resource import SessionsResource
from origin.accounts.sign_ins import SignIns
from origin.accounts.sign_up import SignUpResource
from origin.border import batches
from origin.border.details_resource import DetailsResource
from origin.border.ended_sessions import EndedSessionsResource, fetch_from, fetch_own
from origin.border.follows_resource import FollowsResource
from origin.border.grants import GrantsResource
from origin.border.offers_resource import OffersResource
from origin.border.receiving import Receiver
from origin.border.records_resource import RecordsResource
from origin.border.statements import StatementResource
from origin.border.tombstones import TombstonesResource
from origin.context import Context
from origin.feed import FeedResource
from origin.people import PeopleResource
from origin.photos import PhotosResource
from origin.residency_guard import ResidencyGuard
from origin.uploads import UploadsResource
from regions.clock import now_ms, now_s, steady_ms
from regions.config import Config, open_limits, open_stores
from regions.events.outbox import OutboxPublisher
from regions.node_tokens import NodeSigner
from regions.process_number import ProcessNumber
from regions.region_client import RegionClient
from regions.residency import reports
from regions.residency.audit import AuditTrail
from regions.residency.live import LiveRules
from regions.residency.peers import Peers, StatementClient
from regions.residency.settings_statement import SettingsStatement, from_history
from regions.residency.statement import Purpose
from regions.stores.settings import Service

App = falcon.App[falcon.Request, falcon.Response]


class HealthResource:
    """`statement` is the serial of the one in force; 0 while there is none, and nobody can sign up.

    `refused` are the regions that do not answer, so that nothing is asked of them for a request.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        in_force = self._context.rules.current().in_force
        response.media = {
            "region": self._context.region.name,
            "statement": in_force.serial if in_force else 0,
            "refused": self._context.others.refused(),
        }


def create(context: Context) -> App:
    """The routes."""
    app: App = falcon.App(middleware=[context.nodes])
    problems.install(app)
    audit = AuditTrail(context.stores.catalog, context.clock_ms)
    guard = ResidencyGuard(context.rules, audit)
    gate = AccountGate(context)
    people, uploads, photos = (
        PeopleResource(context, guard, gate),
        UploadsResource(context),
        PhotosResource(context, guard),
    )
    app.add_route("/health", HealthResource(context))
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
    app.add_route("/border/v1/details", DetailsResource(context, guard))
    statement = StatementResource(context.nodes, context.rules, partial(from_history, context.stores.settings.values))
    app.add_route(reports.PATH, statement)
    app.add_route(reports.PATH + "/{hash}", statement, suffix="signed")
    app.add_route("/border/v1/ended-sessions", EndedSessionsResource(context))
    _add_border(app, context, audit)
    _add_accounts(app, context, gate)
    return app


def _add_border(app: App, context: Context, audit: AuditTrail) -> None:
    receiver = Receiver(context.region.name, context.stores, context.rules, audit, context.limiter, context.clock_ms)
    threads = batches.BatchThreads(batches.AT_ONCE)
    deletion_threads = batches.BatchThreads(batches.DELETIONS_AT_ONCE)
    offers = OffersResource(context, receiver, context.slots, threads)
    deletions = OffersResource(context, receiver, context.deletion_slots, deletion_threads)
    app.add_route("/border/v1/offers", offers, suffix="offers")
    app.add_route("/border/v1/arrivals", offers, suffix="arrivals")
    app.add_route("/border/v1/deletions", deletions, suffix="deletions")
    app.add_route("/border/v1/records", RecordsResource(context, audit, threads))
    app.add_route("/border/v1/followers/{author_id}", FollowsResource(context, audit))


def _add_accounts(app: App, context: Context, gate: AccountGate) -> None:
    sign_ins = SignIns(context.stores.catalog, context.ends, context.signing_key, context.clock_ms, context.random)
    sign_up, sessions = SignUpResource(context, gate, sign_ins), SessionsResource(context, gate, sign_ins)
    account = AccountResource(context, gate, sign_ins)
    app.add_route("/v1/homes", sign_up, suffix="homes")
    app.add_route("/v1/users", sign_up)
    app.add_route("/v1/sessions", sessions)
    app.add_route("/v1/sessions/refresh", sessions, suffix="refresh")
    app.add_route("/v1/sessions/recovery", sessions, suffix="recovery")
    app.add_route("/v1/users/{user_id}/confirmation", sessions, suffix="confirmation")
    app.add_route("/v1/users/{user_id}/sessions", sessions, suffix="list")
    app.add_route("/v1/users/{user_id}/sessions/{session_id}", sessions, suffix="one")
    app.add_route("/v1/users/{user_id}/script-tokens", account, suffix="script_tokens")
    app.add_route("/v1/users/{user_id}/recovery-codes", account, suffix="recovery_codes")
    app.add_route("/v1/users/{user_id}/passphrase", account, suffix="passphrase")
    app.add_route("/v1/users/{user_id}/name", account, suffix="name")
    app.add_route("/v1/users/{user_id}/export", account, suffix="export")


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
    others = RegionClient(signer)
    statement = SettingsStatement(stores.settings, rules)
    statement.start()
    origins = {name: one.origin for name, one in config.topology.regions.items()}
    peers = Peers(rules, StatementClient(others), origins)
    context = Context(
        region=node,
        topology=config.topology,
        stores=stores,
        limits=open_limits(config, region),
        rules=rules,
        outbox=OutboxPublisher(stores.catalog, stores.events, now_ms),
        new_id=number.new_id,
        clock_ms=now_ms,
        user_keys=config.private_keys(region, Purpose.USERS),
        others=others,
        passphrases=PassphraseHasher(OWASP, AT_ONCE),
        revoked=RevokedSessions(steady_ms),
        random=secrets.token_bytes,
    )
    registered = registration.Registration(stores.settings, service)
    keeper = registration.Keeper(number, registered, [statement, peers, *revocation_readers(context)])
    atexit.register(keeper.leave)
    keeper.start()
    return create(context)


def revocation_readers(context: Context) -> list[RevocationReader]:
    """One for each region, so that one that is frozen keeps no other from being read."""
    fetches: dict[str, Fetch] = {
        name: partial(fetch_own, context) if name == context.region.name else partial(fetch_from, context, region)
        for name, region in context.topology.regions.items()
    }
    return [RevocationReader(name, fetch, context.revoked, context.clock_ms) for name, fetch in fetches.items()]
