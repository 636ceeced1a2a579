"""The stores that SQLite implements, for `regions.config`. `path` is the file."""

from collections.abc import Callable
from functools import partial

from regions.clock import now_ms
from regions.stores.catalog import Catalog
from regions.stores.events import EventLog
from regions.stores.feeds import Feeds
from regions.stores.settings import Settings
from regions.stores.sqlite import accounts, health, leases, records, stamped_file
from regions.stores.sqlite import settings as settings_values
from regions.stores.sqlite.copies import SqliteCopies
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.events import SqliteEvents
from regions.stores.sqlite.events import schema as events_schema
from regions.stores.sqlite.feeds import SCHEMA as FEEDS_SCHEMA
from regions.stores.sqlite.feeds import SqliteFeeds
from regions.stores.sqlite.photos import SqlitePhotos, SqliteUploads
from regions.stores.sqlite.social import SqliteComments, SqliteFollows, SqliteLikes, SqliteUsers
from regions.stores.stamp import StoreLocation

PARTITIONS = 4
"""How many a topic gets when the file is created, unless the URL says another number."""


def catalog(path: str, clock_ms: Callable[[], int] = now_ms) -> StoreLocation[Catalog]:
    return stamped_file.location(path, records.SCHEMA, partial(_catalog, clock_ms=clock_ms))


def feeds(path: str) -> StoreLocation[Feeds]:
    return stamped_file.location(path, FEEDS_SCHEMA, SqliteFeeds)


def events(path: str, clock_ms: Callable[[], int], partitions: int = PARTITIONS) -> StoreLocation[EventLog]:
    """`partitions` is for topics that the file does not have yet."""
    return stamped_file.location(path, events_schema(partitions), lambda database: SqliteEvents(database, clock_ms))


def settings(path: str, clock_ms: Callable[[], int]) -> StoreLocation[Settings]:
    return stamped_file.location(path, settings_values.SCHEMA, partial(_settings, clock_ms=clock_ms))


def _catalog(database: Database, clock_ms: Callable[[], int]) -> Catalog:
    database.truncate_log_regularly()
    return Catalog(
        users=SqliteUsers(database),
        uploads=SqliteUploads(database),
        photos=SqlitePhotos(database),
        tombstones=records.SqliteTombstones(database),
        likes=SqliteLikes(database),
        comments=SqliteComments(database),
        follows=SqliteFollows(database),
        replicas=records.SqliteReplicas(database),
        arrivals=records.SqliteArrivals(database, clock_ms),
        copies=SqliteCopies(database),
        audit=records.SqliteAuditLog(database),
        outbox=records.SqliteOutbox(database),
        handles=accounts.SqliteHandles(database),
        credentials=accounts.SqliteCredentials(database),
        sessions=accounts.SqliteSessions(database),
        ended_sessions=accounts.SqliteEndedSessions(database),
        erasures=accounts.SqliteErasures(database),
        requests=records.SqliteRequests(database),
        check_health=lambda: health.check_health(database, records.SCHEMA),
        close=database.close,
    )


def _settings(database: Database, clock_ms: Callable[[], int]) -> Settings:
    return Settings(
        values=settings_values.SqliteValues(database),
        services=settings_values.SqliteServices(database, clock_ms),
        numbers=leases.SqliteNumbers(database, clock_ms),
        locks=leases.SqliteLocks(database, clock_ms),
        check_health=lambda: health.check_health(database, settings_values.SCHEMA),
        close=database.close,
    )
