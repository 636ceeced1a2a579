"""Compares what clients were answered with what lies on every disk in the end. Shares no code with the service.

What rests where is written down here once more, by hand. Photos are compared with the bytes that were uploaded, and
variants are looked at by Pillow. Nothing may be lost, be there twice, be back, or lie where no rule lets it.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from tests.builders.history import Completion, Operation, Verb
from tests.builders.stored_state import RegionDisk, cached

EU = frozenset({"eu-west", "eu-central"})
EVERYWHERE = EU | {"us-central"}
_RAW_RESTS = {"eu-west": EU, "eu-central": EU, "us-central": frozenset({"us-central", "eu-central"})}
_VARIANTS_REST = {"eu-west": EU, "eu-central": EU, "us-central": EVERYWHERE}
"""And the records. Where a photo rests, by its home."""
_EDGES_OF_EU = frozenset({"lisbon", "frankfurt"})
_VARIANTS = 4
_MOST_DIFFERENT = 12
"""Of 255, on average: between a variant and the photo that was uploaded, at the variant's size."""
_QUICK_S = 0.5
"""What took longer may have been sent twice, and the first request may take effect after the second."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    owner: str
    home: str
    caption: str
    kept: bool
    """Acknowledged, and nobody has asked for its deletion."""
    gone: bool
    """Its deletion was acknowledged. If neither, it may be there or not."""


def uploaded(operations: Iterable[Operation], homes: Mapping[str, str]) -> dict[str, Uploaded]:
    """By photo. `homes` by user."""
    by_photo: dict[str, list[Operation]] = defaultdict(list)
    for one in operations:
        if one.verb in (Verb.UPLOAD, Verb.DELETE) and one.target and one.completion is not Completion.FAILED:
            by_photo[one.target].append(one)
    found = {}
    for photo_id, about in by_photo.items():
        deletions = [one for one in about if one.verb is Verb.DELETE]
        for upload in (one for one in about if one.verb is Verb.UPLOAD):
            found[photo_id] = Uploaded(
                upload.process,
                homes[upload.process],
                upload.value,
                kept=upload.completion is Completion.OK and not deletions,
                gone=any(one.completion is Completion.OK for one in deletions),
            )
    return found


class DiskWalk:
    """`data` has every place's folder; `raw_of` draws the photo of a caption again."""

    def __init__(
        self, data: Path, operations: Iterable[Operation], homes: Mapping[str, str], raw_of: Callable[[str], bytes]
    ) -> None:
        self._operations, self._homes, self._raw_of = list(operations), homes, raw_of
        self.photos = uploaded(self._operations, homes)
        self._disks = {region: RegionDisk(region, data / "regions" / region) for region in sorted(EVERYWHERE)}
        self._records = {region: disk.photos() for region, disk in self._disks.items()}
        self._raws = {region: disk.raws() for region, disk in self._disks.items()}
        self._variants = {region: disk.variants() for region, disk in self._disks.items()}
        self._edges = {folder.name: cached(folder / "cache") for folder in sorted((data / "edges").iterdir())}

    def mistakes(self) -> list[str]:
        """For people; empty if all is well."""
        return [
            *(mistake for photo_id in self.photos for mistake in self._of_photo(photo_id)),
            *self._strangers(),
            *self._of_edges(),
            *self._of_decisions(),
            *self._of_people(),
            *self._of_copies(),
            *(f"{disk.region} gave up: {text}" for disk in self._disks.values() for text in disk.dead_letters()),
        ]

    def _of_photo(self, photo_id: str) -> Iterator[str]:
        photo = self.photos[photo_id]
        is_ready = self._records[photo.home].get(photo_id, {}).get("status") == "ready"
        if photo.gone or (not photo.kept and photo_id not in self._records[photo.home]):
            yield from self._what_is_left(photo_id, photo)
        elif photo.kept or is_ready:
            yield from self._what_is_lost(photo_id, photo)

    def _what_is_left(self, photo_id: str, photo: Uploaded) -> Iterator[str]:
        what = f"{photo_id} of {photo.home}, which is gone,"
        for region, disk in self._disks.items():
            kept = {"raw": self._raws, "variants": self._variants, "its record": self._records}
            yield from (f"{what} is at {region}: {name}" for name, there in kept.items() if photo_id in there[region])
            if photo.gone and photo_id not in disk.tombstones():
                yield f"{what} has no tombstone at {region}"
        for edge, there in self._edges.items():
            if photo_id in there:
                yield f"{what} is at the edge {edge}"
        for _, region in (one for one in self._disks[photo.home].replicas() if one[0] == photo_id):
            yield f"{what} is recorded at {region}"

    def _what_is_lost(self, photo_id: str, photo: Uploaded) -> Iterator[str]:
        what = f"{photo_id} of {photo.home}"
        raw, variants = self._raw_of(photo.caption), _read(self._variants[photo.home].get(photo_id, {}))
        if len(variants) != _VARIANTS:
            yield f"{what} has the variants {sorted(variants)}"
        yield from (f"{what}: {name} is another picture" for name, data in variants.items() if not _is_of(raw, data))
        for region in sorted(EVERYWHERE):
            may_have_raw, may_have = region in _RAW_RESTS[photo.home], region in _VARIANTS_REST[photo.home]
            if _read({"raw": self._raws[region].get(photo_id)}) != ({"raw": raw} if may_have_raw else {}):
                yield f"{what}: its raw is {'not' if may_have_raw else 'or was'} at {region}"
            if _read(self._variants[region].get(photo_id, {})) != (variants if may_have else {}):
                yield f"{what}: its variants are {'not' if may_have else 'or were'} at {region}"
            record = self._records[region].get(photo_id, {})
            if (record.get("status"), record.get("caption")) != (
                ("ready", photo.caption) if may_have else (None, None)
            ):
                yield f"{what}: its record at {region} is {record.get('status')} {record.get('caption')!r}"
            if may_have and region != photo.home:
                yield from self._of_replica(photo_id, photo.home, region)

    def _of_replica(self, photo_id: str, home: str, region: str) -> Iterator[str]:
        recorded = self._disks[home].replicas().get((photo_id, region))
        expected = (region in _RAW_RESTS[home], True, 0)
        if recorded is None or (recorded["raw"], recorded["variants"], recorded.get("missing", 0)) != expected:
            yield f"{photo_id} of {home}: recorded at {region} is {recorded}"

    def _strangers(self) -> Iterator[str]:
        """No upload has made two photos, and nothing lies anywhere of a photo that nobody has."""
        ids: dict[str, set[str]] = defaultdict(set)
        for records in self._records.values():
            for photo_id, record in records.items():
                ids[record["caption"]].add(photo_id)
        yield from (f"{caption!r} is {sorted(twice)}" for caption, twice in ids.items() if len(twice) > 1)
        known = set().union(*ids.values())
        for what, stored in (("raw", self._raws), ("variants", self._variants)):
            for region, there in stored.items():
                strangers = there.keys() - known - self.photos.keys()
                yield from (f"{photo_id}, which has no record, is at {region}: {what}" for photo_id in strangers)

    def _of_edges(self) -> Iterator[str]:
        """Each cached image is that of its home, and lies where it may."""
        for edge, there in self._edges.items():
            for photo_id, files in there.items():
                home = self.photos[photo_id].home if photo_id in self.photos else ""
                if home in EU and edge not in _EDGES_OF_EU:
                    yield f"{photo_id} of {home} is cached at {edge}"
                original = _read(self._variants.get(home, {}).get(photo_id, {}))
                yield from (
                    f"{photo_id} of {home}: {name} at {edge} differs"
                    for name, data in _read(files).items()
                    if original and original.get(name) != data
                )

    def _of_decisions(self) -> Iterator[str]:
        """What lies away from home was allowed by both ends, and both have logged it."""
        allowed = {region: disk.allowed() for region, disk in self._disks.items()}
        stored = {"rest_raw": self._raws, "rest_variants": self._variants, "rest_metadata": self._records}
        for action, there in stored.items():
            for region, photo_ids in there.items():
                for photo_id in photo_ids.keys() & self.photos.keys():
                    home = self.photos[photo_id].home
                    ends = () if region == home else (home, region)
                    silent = [end for end in ends if (photo_id, action, region) not in allowed[end]]
                    yield from (f"{photo_id} is at {region}, and {end} logged no {action}" for end in silent)

    def _of_people(self) -> Iterator[str]:
        """Likes, comments and follows of which the outcome is certain; and feeds."""
        disks = self._disks.values()
        likes = {one for disk in disks for one in disk.likes()}
        following = {one for disk in disks for one in disk.following()}
        comments = [text for disk in disks for text, photos in disk.comments().items() for _ in photos]
        alive = {photo_id for photo_id, photo in self.photos.items() if photo.kept}
        for (photo_id, user), is_there in self._certain(Verb.LIKE, Verb.UNLIKE).items():
            if photo_id in alive and ((photo_id, user) in likes) != is_there:
                yield f"the like of {user} on {photo_id} is {'not there' if is_there else 'there'}"
        follows = self._certain(Verb.FOLLOW, Verb.UNFOLLOW)
        for (author, follower), is_there in follows.items():
            if ((follower, author) in following) != is_there:
                yield f"{follower} follows {author}: {not is_there}, expected {is_there}"
        yield from self._of_comments(comments, alive)
        yield from self._of_feeds({pair for pair, is_there in follows.items() if is_there}, alive)

    def _of_comments(self, stored: list[str], alive: set[str]) -> Iterator[str]:
        removals = [one for one in self._operations if one.verb is Verb.UNCOMMENT]
        for one in self._operations:
            if one.verb is Verb.COMMENT and one.target in alive:
                count, its_removals = stored.count(one.value), [each for each in removals if each.value == one.value]
                is_quick = one.completion is Completion.OK and one.returned_s - one.invoked_s < _QUICK_S
                is_lost = one.completion is Completion.OK and not its_removals and count == 0
                is_back = is_quick and count > 0 and any(_is_after(one, each) for each in its_removals)
                if count > 1 or is_lost or is_back:
                    yield f"the comment {one.value!r} is there {count} times"

    def _of_feeds(self, follows: set[tuple[str, str]], alive: set[str]) -> Iterator[str]:
        feeds = {user: photos for disk in self._disks.values() for user, photos in disk.feeds().items()}
        for author, follower in sorted(follows):
            missing = {one for one in alive if self.photos[one].owner == author} - feeds.get(follower, set())
            yield from (f"{one} of {author} is not in the feed of {follower}" for one in sorted(missing))

    def _of_copies(self) -> Iterator[str]:
        """Each record has one copy, which is as it is, where its person's may rest; and nothing else has any."""
        copies = {region: disk.copies() for region, disk in self._disks.items()}
        for home, disk in self._disks.items():
            records = disk.records()
            there = {region: found.get(home, {}) for region, found in copies.items()}
            for key, (person, text) in records.items():
                places = [region for region, found in there.items() if key in found]
                may_be = (EU if self._homes.get(person) in EU else EVERYWHERE) - {home}
                if len(places) != 1 or places[0] not in may_be:
                    yield f"{' '.join(key)} of {person}, at {home}, has copies at {places}"
                yield from (
                    f"{' '.join(key)} at {one} is not that of {home}" for one in places if there[one][key] != text
                )
            for region, found in there.items():
                yield from (
                    f"{' '.join(key)} is gone at {home}, not at {region}" for key in found.keys() - records.keys()
                )

    def _certain(self, does: Verb, undoes: Verb) -> dict[tuple[str, str], bool]:
        """(target, user) → whether it is there in the end, where every answer came, and soon."""
        last: dict[tuple[str, str], bool] = {}
        doubtful = set()
        for one in sorted(self._operations, key=lambda one: one.invoked_s):
            if one.verb in (does, undoes) and one.completion is not Completion.FAILED:
                key = one.target, one.process
                last[key] = one.verb is does
                if one.completion is not Completion.OK or one.returned_s - one.invoked_s > _QUICK_S:
                    doubtful.add(key)
        return {key: is_there for key, is_there in last.items() if key not in doubtful}


def _read(files: Mapping[str, Path | None]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files.items() if path is not None}


def _is_after(first: Operation, second: Operation) -> bool:
    """Whether the second was acknowledged, and invoked after the first had returned."""
    return second.completion is Completion.OK and second.invoked_s > first.returned_s


def _is_of(raw: bytes, variant: bytes) -> bool:
    """Whether it is the same picture, smaller or larger."""
    with Image.open(io.BytesIO(raw)) as original, Image.open(io.BytesIO(variant)) as made:
        resized = original.convert("RGB").resize(made.size, Image.Resampling.BICUBIC)
        different = ImageStat.Stat(ImageChops.difference(resized, made.convert("RGB"))).mean
    return max(different) < _MOST_DIFFERENT
