"""Which photos go into whose feeds: a new one to all followers who live here, older ones to a new follower.

Feeds are a cache: adding twice changes nothing, and what no longer belongs is left out again where a feed is
shown. The choice is pure, the class around it does the reading and writing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from regions import ids
from regions.events.messages import Event
from regions.events.topics import FOLLOW_CHANGED, PHOTO_READY, PHOTO_REFERENCED
from regions.stores.catalog import Catalog
from regions.stores.feeds import Feeds

LATEST = 100
"""How many of an author's photos a new follower finds."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class ToFollowers:
    """The photo goes to all of the owner's followers who live here."""

    photo_id: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class ToFollower:
    """A photo of this author goes to this one follower; without one, all the latest."""

    author_id: str
    follower_id: str
    photo_id: str | None = None


def choose(event: Event, region_number: int) -> ToFollowers | ToFollower | None:
    """What an event means for the feeds of a region. Pure. Photos of authors who live elsewhere come as references."""
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
        for page in self._followers(owner_id):
            # Looked at for each page, because a deletion may come while a long list is under way.
            if self._catalog.tombstones.get(photo_id) is not None:
                return
            self._feeds.add(photo_id, page)

    def _to_follower(self, author_id: str, follower_id: str, photo_id: str | None) -> None:
        """Looks at what holds now: the event may be older than an unfollow, or a deletion."""
        if not self._catalog.follows.followed_among(follower_id, {author_id}):
            return
        for one_id in [photo_id] if photo_id else self._latest(author_id):
            if self._catalog.tombstones.get(one_id) is None:
                self._feeds.add(one_id, [follower_id])

    def _latest(self, author_id: str) -> list[str]:
        return [photo.photo_id for photo in self._catalog.photos.by_owner(author_id, None, LATEST)]

    def _followers(self, author_id: str) -> Iterator[list[str]]:
        before = None
        while page := self._catalog.follows.local_followers(author_id, before, PAGE):
            yield page
            before = page[-1]
