"""What lies on the disk of a region or an edge, read with the standard library alone and no code of the service."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SET_ASIDE = ("lanes_in_a_minute", "lanes_in_ten_minutes", "lanes_in_an_hour")
_LANES = ("photo_ready", "photo_ready_again", "photo_deleted", "follow_changed", "record_changed", *_SET_ASIDE)
_OTHERS = {
    "processor": ("photos_uploaded", "photos_deferred", "photos_backfill"),
    "fanout": ("photo_ready", "photo_referenced", "follow_changed"),
    "erasure": ("photo_deleted",),
}


RecordKey = tuple[str, str, str]
"""A record's kind, what it is about, and its part."""


@dataclass(frozen=True)
class RegionDisk:
    """The embedded stores of a region, in `folder`."""

    region: str
    folder: Path

    def raws(self) -> dict[str, Path]:
        """By photo."""
        return {path.name: path for path in self._objects("raw")}

    def variants(self) -> dict[str, dict[str, Path]]:
        """By photo and name."""
        found: dict[str, dict[str, Path]] = {}
        for path in self._objects("variants"):
            found.setdefault(path.parent.name, {})[path.name] = path
        return found

    def photos(self) -> dict[str, dict[str, Any]]:
        """The records, by photo."""
        return {key: json.loads(text) for key, text in self.rows("catalog", "SELECT photo_id, record FROM photos")}

    def tombstones(self) -> set[str]:
        return {key for (key,) in self.rows("catalog", "SELECT photo_id FROM tombstones")}

    def replicas(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What this region has recorded of others, by photo and region."""
        rows = self.rows("catalog", "SELECT photo_id, region, record FROM replicas")
        return {(photo, region): json.loads(text) for photo, region, text in rows}

    def likes(self) -> set[tuple[str, str]]:
        """(photo, user)"""
        return {(photo, user) for photo, user in self.rows("catalog", "SELECT photo_id, user_id FROM likes")}

    def comments(self) -> dict[str, list[str]]:
        """The photos of each text, which nobody writes twice."""
        found: dict[str, list[str]] = {}
        for photo, text in self.rows("catalog", "SELECT photo_id, record FROM comments"):
            found.setdefault(json.loads(text)["text"], []).append(photo)
        return found

    def following(self) -> set[tuple[str, str]]:
        """(follower, author)"""
        return set(self.rows("catalog", "SELECT follower_id, author_id FROM following"))

    def records(self) -> dict[RecordKey, tuple[str, str]]:
        """What a second region has a copy of: whose it is, and the text in it, by kind and ids."""
        users = self.rows("catalog", "SELECT user_id, record FROM users")
        logins = self.rows("catalog", "SELECT DISTINCT user_id FROM credentials")
        comments = [
            (photo, comment, json.loads(text))
            for photo, comment, text in self.rows("catalog", "SELECT photo_id, comment_id, record FROM comments")
        ]
        return {
            **{("user", user, ""): (user, json.loads(text)["name"]) for user, text in users},
            **{("credentials", user, ""): (user, "") for (user,) in logins},
            **{("follow", follower, author): (follower, "") for follower, author in self.following()},
            **{("like", photo, user): (user, "") for photo, user in self.likes()},
            **{("comment", photo, one): (record["author_id"], record["text"]) for photo, one, record in comments},
        }

    def copies(self) -> dict[str, dict[RecordKey, str]]:
        """The text in each copy of a record that is there, by its home."""
        found: dict[str, dict[RecordKey, str]] = {}
        query = "SELECT home, kind, about, part, document FROM copies WHERE document IS NOT NULL"
        for home, kind, about, part, text in self.rows("catalog", query):
            document = json.loads(text)
            found.setdefault(home, {})[kind, about, part] = document.get("name") or document.get("text") or ""
        return found

    def feeds(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for user, photo in self.rows("feeds", "SELECT user_id, photo_id FROM feeds"):
            found.setdefault(user, set()).add(photo)
        return found

    def allowed(self) -> set[tuple[str, str, str]]:
        """What this region has decided and logged, and allowed: (photo or user, action, place)."""
        entries = [json.loads(text) for (text,) in self.rows("catalog", "SELECT record FROM audit")]
        return {(one["photo_id"], one["action"], one["place"]) for one in entries if one["allowed"]}

    def dead_letters(self) -> list[str]:
        return [text for (text,) in self.rows("events", "SELECT event FROM log WHERE topic = 'dead_letters'")]

    def unfinished(self, now_ms: int, others: list[str]) -> dict[str, int]:
        """Events that somebody has yet to read or to publish, and photos of which something may still arrive."""
        ends = self.rows("events", "SELECT topic, partition, next_offset FROM ends")
        commits = {
            (topic, group, partition): offset
            for topic, group, partition, offset in self.rows(
                "events", "SELECT topic, group_name, partition, next_offset FROM commits"
            )
        }
        lanes = {f"lane-{other}": _LANES for other in others}
        readers = {(topic, group) for group, topics in (lanes | _OTHERS).items() for topic in topics}
        readers |= {(topic, group) for topic, group, _ in commits}
        counts = {
            f"{topic} of {group}": sum(
                end - commits.get((topic, group, partition), 0) for of, partition, end in ends if of == topic
            )
            for topic, group in readers
        }
        counts["outbox"] = self._count("SELECT count(*) FROM outbox")
        counts["arrivals"] = self._count(f"SELECT count(*) FROM arrivals WHERE until_ms > {now_ms}")
        return {f"{name} at {self.region}": count for name, count in counts.items() if count}

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder / database}.db?mode=ro", uri=True, timeout=20)) as opened:
            return opened.execute(query).fetchall()

    def _count(self, query: str) -> int:
        return int(self.rows("catalog", query)[0][0])

    def _objects(self, bucket: str) -> Iterator[Path]:
        """Metadata lies beside objects in dot files."""
        files = (self.folder / "objects" / bucket).rglob("*")
        return (path for path in files if not path.name.startswith(".") and path.is_file())


def cached(folder: Path) -> dict[str, dict[str, Path]]:
    """What an edge has on its disk, by photo and variant. `folder` is that of its cache."""
    found: dict[str, dict[str, Path]] = {}
    for path in folder.glob("??/*/*"):
        name, _, sha256 = path.name.rpartition(".")
        if len(sha256) == 64:
            found.setdefault(path.parent.name, {})[name] = path
    return found
