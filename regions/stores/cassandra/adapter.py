"""The catalog on Cassandra, as `regions.config` opens it."""

from collections.abc import Callable
from types import SimpleNamespace as _S

from regions.clock import now_ms
from regions.stores.cassandra.catalog import CassandraCatalog
from regions.stores.catalog import Catalog


def open_catalog(url: str, login: tuple[str, str] | None = None, clock_ms: Callable[[], int] = now_ms) -> Catalog:
    """`url` is described at `CassandraAddress`; `login` is a name and its password. Creates or migrates the schema.

    Raises Unavailable, TopologyError.
    """
    c = CassandraCatalog(url, login, clock_ms)
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
