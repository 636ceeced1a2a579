"""The stores that SQLite implements, as `regions.config` opens them. `path` is the file, made when it is missing."""

from collections.abc import Callable
from types import SimpleNamespace as _S

from regions.stores.catalog import Catalog
from regions.stores.events import Events
from regions.stores.feeds import Feeds
from regions.stores.settings import Settings
from regions.stores.sqlite.catalog import SqliteCatalog
from regions.stores.sqlite.events import SqliteEvents
from regions.stores.sqlite.feeds import SqliteFeeds
from regions.stores.sqlite.settings import SqliteSettings


def open_catalog(path: str) -> Catalog:
    c = SqliteCatalog(path)
    return Catalog(
        users=_S(add=c.add_user, get=c.user),
        uploads=_S(get=c.upload, expired=c.expired_uploads, discard=c.abandon_photo),
        photos=_S(
            create=c.begin_photo,
            get=c.photo,
            get_many=c.photos,
            by_owner=c.photos_of,
            update=c.change_photo,
            put_replica_metadata=c.keep_copy,
            delete=c.bury,
        ),
        tombstones=_S(get=c.tombstone, after=c.tombstones_after),
        likes=_S(add=c.like, remove=c.unlike, page=c.likes),
        comments=_S(add=c.add_comment, page=c.comments),
        follows=_S(
            change=c.set_following,
            authors=c.following,
            followed_among=c.is_following,
            local_followers=c.followers_here,
            add_follower_region=c.note_follower_region,
            follower_regions=c.follower_regions,
        ),
        replicas=_S(put=c.record_replica, remove=c.forget_replica, of_photo=c.replicas),
        audit=_S(append=c.append_audit, latest=c.audit),
        outbox=_S(pending=c.outbox, remove=c.published),
        check_health=c.check_health,
        close=c.close,
    )


def open_feeds(path: str) -> Feeds:
    return SqliteFeeds(path)


def open_events(path: str, clock_ms: Callable[[], int]) -> Events:
    return SqliteEvents(path, clock_ms)


def open_settings(path: str, clock_ms: Callable[[], int]) -> Settings:
    s = SqliteSettings(path, clock_ms)
    return Settings(
        values=_S(read=s.read, write=s.write, delete=s.delete, tree=s.tree, watch=s.watch),
        services=_S(register=s.register, deregister=s.deregister, healthy=s.services),
        numbers=_S(lease=s.lease_number, renew=s.renew, release=s.release, taken=s.numbers_taken),
        locks=_S(acquire=s.hold, renew=s.renew_hold, release=s.release_hold),
        check_health=s.check_health,
        close=s.close,
    )
