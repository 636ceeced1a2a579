"""The cache: recent bytes in memory, more of them on disk. It does not decide which of them may be served."""

from pathlib import Path

from edge.disk import Disk
from edge.eviction import Eviction
from edge.grants import Key
from edge.key_index import KeyIndex


class Cache:
    """At most `memory_bytes` in memory and `disk_bytes` on disk. One copy for each key."""

    def __init__(self, folder: Path, memory_bytes: int, disk_bytes: int) -> None:
        self._disk = Disk(folder, disk_bytes)
        self._eviction: Eviction[Key] = Eviction(memory_bytes)
        self._memory: KeyIndex[tuple[str, bytes]] = KeyIndex()

    def stored_sha256(self, key: Key) -> str | None:
        """The SHA-256 of the cached copy, if there is one. Does not read the disk."""
        return self._memory[key][0] if key in self._memory else self._disk.stored_sha256(key)

    def get(self, key: Key, sha256: str) -> bytes | None:
        """The bytes with exactly that hash, or None."""
        memory_sha256, body = self._memory.get(key, ("", b""))
        if memory_sha256 == sha256:
            self._eviction.touch(key)
            return body
        found = self._disk.read(key, sha256)
        # Reading the disk takes time. If a tombstone purged the photo meanwhile, these bytes must not go to memory.
        if found is not None and self._disk.stored_sha256(key) == sha256:
            self._put_in_memory(key, sha256, found)
        return found

    def put(self, key: Key, sha256: str, body: bytes) -> None:
        """In memory at once, on disk when this returns. `body` must have that SHA-256."""
        self._put_in_memory(key, sha256, body)
        self._disk.write(key, sha256, body)

    def drop(self, key: Key) -> None:
        """Idempotent. When this returns, both tiers are without it."""
        # The disk first: while it is waited for, `get` may still copy the file to memory.
        self._disk.drop(key)
        self._drop_from_memory(key)

    def purge(self, photo_id: str) -> None:
        """Idempotent. When this returns, both tiers are without the photo, whatever its variants are called."""
        # The disk first, as in `drop`.
        self._disk.purge(photo_id)
        for key in self._memory.keys_of(photo_id):
            self._drop_from_memory(key)

    def all_keys(self) -> list[Key]:
        return list({*self._memory, *self._disk.all_keys()})

    def inventory(self, photo_id: str) -> list[dict[str, object]]:
        """What is really cached of a photo, in memory and on disk: {name, where, size_bytes}."""
        memory = [(key.name, "memory", len(self._memory[key][1])) for key in self._memory.keys_of(photo_id)]
        disk = [(name, "disk", size_bytes) for name, size_bytes in self._disk.inventory(photo_id)]
        return [
            {"name": name, "where": where, "size_bytes": size_bytes} for name, where, size_bytes in [*memory, *disk]
        ]

    def _drop_from_memory(self, key: Key) -> None:
        if self._memory.pop(key, None) is not None:
            self._eviction.remove(key)

    def _put_in_memory(self, key: Key, sha256: str, body: bytes) -> None:
        self._memory[key] = (sha256, body)
        for dropped in self._eviction.admit(key, len(body)):
            del self._memory[dropped]
