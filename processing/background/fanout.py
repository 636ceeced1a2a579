"""Feed fan-out: a new photo goes to all followers who live here; the latest photos go to a new follower.

Feeds are a cache. Adding twice changes nothing, and when a feed is shown, photos that are deleted or no longer followed
are left out. So a race may leave a photo too many in a feed, but must never leave one out:

- A photo becomes ready while somebody starts to follow its owner. Both write to the catalog first and publish their
  event afterwards, and each handler reads what the other wrote. If the fan-out of the photo reads the followers before
  the follow is written, then the photo was `ready` even earlier, and the handler of the follow finds it among the
  latest. If it reads them later, it finds the follower. If both find it, the photo is added twice, which has no
  further effect.
- A photo is deleted, or no longer public, while it is fanned out: see `Fanout._to_followers`.
- A follow ends before its event is handled: see `Fanout._to_follower`.

`choose` is pure; `Fanout` reads and writes the stores.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from regions import ids
from regions.events.messages import Event, is_again
from regions.events.topics import FOLLOW_CHANGED, PHOTO_READY, PHOTO_REFERENCED
from regions.stores.catalog import Catalog
from regions.stores.feeds import BACKFILL, Feeds

PAGE = 500
"""How many followers are read and written at a time."""


@dataclass(frozen=True, slots=True)
class ToFollowers:
    """The photo goes to all of the owner's followers who live here."""

    photo_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class ToFollower:
    """This photo of the author goes to this one follower; if `photo_id` is None, all of the author's latest do."""

    author_id: str
    follower_id: str
    photo_id: str | None = None


def choose(event: Event, region_number: int) -> ToFollowers | ToFollower | None:
    """What an event means for the feeds of a region. Pure.

    A new follow counts only if both users live here: photos of authors who live elsewhere arrive as references. A
    photo that was processed again is in the feeds already.
    """
    if event.topic == PHOTO_READY and is_again(event):
        return None
    if event.topic in (PHOTO_READY, PHOTO_REFERENCED):
        photo_id, owner_id, follower_id = event.key, event.body["owner_id"], event.body.get("follower_id")
        return ToFollower(owner_id, follower_id, photo_id) if follower_id else ToFollowers(photo_id, owner_id)
    if event.topic == FOLLOW_CHANGED and event.body["following"]:
        author_id, follower_id = event.body["author_id"], event.body["follower_id"]
        homes = [ids.parse(ids.USER, user_id).region for user_id in (author_id, follower_id)]
        return ToFollower(author_id, follower_id) if homes == [region_number] * 2 else None
    return None


class Fanout:
    def __init__(self, catalog: Catalog, feeds: Feeds, region_number: int) -> None:
        self._catalog, self._feeds, self._region_number = catalog, feeds, region_number

    def handle(self, event: Event) -> None:
        match choose(event, self._region_number):
            case ToFollowers(photo_id, owner_id):
                self._to_followers(photo_id, owner_id)
            case ToFollower(author_id, follower_id, photo_id):
                self._to_follower(author_id, follower_id, photo_id)

    def _to_followers(self, photo_id: str, owner_id: str) -> None:
        """Checks the photo before each page, because a deletion may come while a long list is fanned out.

        A deletion between the check and the write leaves the id in the feeds of at most one page; it is left out when
        those feeds are shown.
        """
        for follower_ids in self._follower_pages(owner_id):
            if not self._may_be_shown(photo_id):
                return
            self._feeds.add(photo_id, follower_ids)

    def _to_follower(self, author_id: str, follower_id: str, photo_id: str | None) -> None:
        """Trusts the catalog, not the event: the event may be older than an unfollow or a deletion."""
        if not self._catalog.follows.followed_among(follower_id, {author_id}):
            return
        if photo_id is None:
            photo_ids = [photo.photo_id for photo in self._catalog.photos.by_owner(author_id, None, BACKFILL)]
        else:
            photo_ids = [photo_id]
        for each_id in photo_ids:
            if self._may_be_shown(each_id):
                self._feeds.add(each_id, [follower_id])

    def _may_be_shown(self, photo_id: str) -> bool:
        """Whether the photo is public, or is one of another region of which only the reference is here."""
        photo = self._catalog.photos.summaries([photo_id]).get(photo_id)
        return photo.is_public if photo is not None else self._catalog.tombstones.get(photo_id) is None

    def _follower_pages(self, owner_id: str) -> Iterator[list[str]]:
        page, cursor = self._catalog.follows.local_followers(owner_id, None, PAGE)
        yield page
        while cursor is not None:
            page, cursor = self._catalog.follows.local_followers(owner_id, cursor, PAGE)
            yield page
