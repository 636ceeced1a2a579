"""The cache: recent bytes in memory, more of them on disk. Which of them may be shown is not decided here."""

from pathlib import Path

from edge.disk import Disk
from edge.eviction import Eviction
from edge.grants import Key, keys_of


class Cache:
    """At most that many bytes in each tier. One copy for each key."""

    def __init__(self, folder: Path, memory_bytes: int, disk_bytes: int) -> None:
        self._disk = Disk(folder, disk_bytes)
        self._eviction: Eviction[Key] = Eviction(memory_bytes)
        self._memory: dict[Key, tuple[str, bytes]] = {}

    def known(self, key: Key) -> str | None:
        """The SHA-256 of the copy that lies here."""
        return self._memory[key][0] if key in self._memory else self._disk.known(key)

    def get(self, key: Key, sha256: str) -> bytes | None:
        """These very bytes, or None."""
        sha256_here, body = self._memory.get(key, ("", b""))
        if sha256_here == sha256:
            self._eviction.touch(key)
            return body
        found = self._disk.read(key, sha256)
        # While the disk was read, a tombstone may have emptied it.
        if found is not None and self._disk.known(key) == sha256:
            self._remember(key, sha256, found)
        return found

    def put(self, key: Key, sha256: str, body: bytes) -> None:
        """In memory at once, on disk when this returns. `body` must have that SHA-256."""
        self._remember(key, sha256, body)
        self._disk.write(key, sha256, body)

    def drop(self, key: Key) -> None:
        """Idempotent. Gone from both tiers when this returns."""
        if self._memory.pop(key, None) is not None:
            self._eviction.remove(key)
        self._disk.drop(key)

    def purge(self, photo_id: str) -> None:
        """All sizes of a photo."""
        for key in keys_of(photo_id):
            self.drop(key)

    def all_keys(self) -> list[Key]:
        return list({*self._memory, *self._disk.all_keys()})

    def inventory(self, photo_id: str) -> list[dict[str, object]]:
        """What really lies here of a photo: {size, where, size_bytes}, in memory and on disk."""
        memory = [
            {"size": key.size, "where": "memory", "size_bytes": len(self._memory[key][1])}
            for key in keys_of(photo_id)
            if key in self._memory
        ]
        disk = [
            {"size": key.size, "where": "disk", "size_bytes": size_bytes}
            for key, size_bytes in self._disk.inventory(photo_id)
        ]
        return [*memory, *disk]

    def _remember(self, key: Key, sha256: str, body: bytes) -> None:
        self._memory[key] = (sha256, body)
        for dropped in self._eviction.admit(key, len(body)):
            del self._memory[dropped]
