"""The catalog on Cassandra, for `regions.config`."""

from collections.abc import Callable
from contextlib import closing
from functools import partial

from regions.clock import now_ms
from regions.group_commit import GroupCommit
from regions.stores.cassandra import accounts, health, schema
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.arrivals import CassandraArrivals
from regions.stores.cassandra.copies import CassandraCopies
from regions.stores.cassandra.deletion import Deletion
from regions.stores.cassandra.expiries import CassandraExpiries
from regions.stores.cassandra.follows import CassandraFollows
from regions.stores.cassandra.outbox import CassandraOutbox
from regions.stores.cassandra.partitions import TimeUuidGenerator
from regions.stores.cassandra.photos import CassandraPhotos, CassandraUploads, upload_states
from regions.stores.cassandra.records import CassandraAuditLog, CassandraReplicas
from regions.stores.cassandra.requests import CassandraRequests
from regions.stores.cassandra.rows import YearlyLists
from regions.stores.cassandra.session import CassandraSession
from regions.stores.cassandra.social import CassandraComments, CassandraLikes, CassandraUsers
from regions.stores.cassandra.tombstone_writer import TombstoneWriter
from regions.stores.cassandra.tombstones import CassandraTombstones
from regions.stores.catalog import Catalog
from regions.stores.stamp import Stamp, StoreLocation, StoreRegion, require_region

_TOMBSTONES_AT_ONCE, _DELETION_WAITS_S = 200, 15.0


def catalog(
    url: str, login: tuple[str, str] | None = None, clock_ms: Callable[[], int] = now_ms
) -> StoreLocation[Catalog]:
    """`url` is described at `CassandraAddress`; `login` is a name and its password. Raises TopologyError."""
    connect = partial(CassandraSession, parse_address(url), login)

    def read_stamp() -> Stamp | None:
        with closing(connect()) as session:
            return schema.read_stamp(session)

    def create(stamp: Stamp) -> Stamp:
        with closing(connect()) as session:
            return schema.create(session, stamp)

    return StoreLocation(lambda ours: _catalog(_opened(connect(), ours), clock_ms), read_stamp, create)


def _opened(session: CassandraSession, ours: StoreRegion) -> CassandraSession:
    try:
        require_region(schema.read_stamp(session), ours)
        schema.require_newest(session)
    except BaseException:
        session.close()
        raise
    return session


def _catalog(session: CassandraSession, clock_ms: Callable[[], int]) -> Catalog:
    uuids, lists = TimeUuidGenerator(clock_ms), YearlyLists(session, clock_ms)
    order = GroupCommit(TombstoneWriter(session).commit, _TOMBSTONES_AT_ONCE, _DELETION_WAITS_S, "tombstones")
    deletion = Deletion(session, order, clock_ms)
    outbox = CassandraOutbox(session, uuids, clock_ms, deletion.resume)
    expiries = CassandraExpiries(session, lambda photo_ids: upload_states(session, photo_ids))
    return Catalog(
        users=CassandraUsers(session, outbox),
        uploads=CassandraUploads(session, expiries),
        photos=CassandraPhotos(session, lists, uuids, outbox, deletion, expiries),
        tombstones=CassandraTombstones(session),
        likes=CassandraLikes(session, lists, outbox),
        comments=CassandraComments(session, lists, outbox),
        follows=CassandraFollows(session, outbox),
        replicas=CassandraReplicas(session),
        arrivals=CassandraArrivals(session, clock_ms),
        copies=CassandraCopies(session),
        audit=CassandraAuditLog(session, uuids, clock_ms),
        outbox=outbox,
        handles=accounts.CassandraHandles(session),
        credentials=accounts.CassandraCredentials(session, outbox),
        sessions=accounts.CassandraSessions(session),
        ended_sessions=accounts.CassandraEndedSessions(session, clock_ms),
        erasures=accounts.CassandraErasures(session),
        requests=CassandraRequests(session),
        check_health=lambda: health.check_health(session),
        close=session.close,
    )
