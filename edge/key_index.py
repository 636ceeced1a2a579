"""What one tier of the cache has, by key, and which of it belongs to one photo. Pure."""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

from edge.grants import Key

Value = TypeVar("Value")


class KeyIndex(MutableMapping[Key, Value]):
    """A mapping that can also list the keys of one photo, so that a purge needs to guess no name."""

    def __init__(self) -> None:
        # By photo, then by name. No photo's mapping is empty.
        self._photos: dict[str, dict[str, Value]] = {}

    def __getitem__(self, key: Key) -> Value:
        return self._photos[key.photo_id][key.name]

    def __setitem__(self, key: Key, value: Value) -> None:
        self._photos.setdefault(key.photo_id, {})[key.name] = value

    def __delitem__(self, key: Key) -> None:
        by_name = self._photos[key.photo_id]
        del by_name[key.name]
        if not by_name:
            del self._photos[key.photo_id]

    def __iter__(self) -> Iterator[Key]:
        return (Key(photo_id, name) for photo_id, by_name in self._photos.items() for name in by_name)

    def __len__(self) -> int:
        return sum(map(len, self._photos.values()))

    def keys_of(self, photo_id: str) -> list[Key]:
        return [Key(photo_id, name) for name in self._photos.get(photo_id, ())]
