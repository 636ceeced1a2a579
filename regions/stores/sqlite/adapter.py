"""The stores that SQLite implements, as `regions.config` opens them. `path` is the file, created if it is missing."""

from collections.abc import Callable

from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.feeds import Feeds
from regions.stores.settings import Settings
from regions.stores.sqlite import health, leases, records, settings
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.events import SqliteEvents
from regions.stores.sqlite.feeds import SqliteFeeds
from regions.stores.sqlite.photos import SqlitePhotos, SqliteUploads
from regions.stores.sqlite.social import SqliteComments, SqliteFollows, SqliteLikes, SqliteUsers

PARTITIONS = 4
"""How many a topic gets when the file is created, unless the URL says another number."""


def open_catalog(path: str) -> Catalog:
    database = Database(path, records.SCHEMA)
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
        audit=records.SqliteAuditLog(database),
        outbox=records.SqliteOutbox(database),
        check_health=lambda: health.check_health(database, records.SCHEMA),
        close=database.close,
    )


def open_feeds(path: str) -> Feeds:
    return SqliteFeeds(path)


def open_events(path: str, clock_ms: Callable[[], int], partitions: int = PARTITIONS) -> Events:
    return SqliteEvents(path, clock_ms, partitions)


def open_settings(path: str, clock_ms: Callable[[], int]) -> Settings:
    database = Database(path, settings.SCHEMA)
    return Settings(
        values=settings.SqliteValues(database),
        services=settings.SqliteServices(database, clock_ms),
        numbers=leases.SqliteNumbers(database, clock_ms),
        locks=leases.SqliteLocks(database, clock_ms),
        check_health=lambda: health.check_health(database, settings.SCHEMA),
        close=database.close,
    )
