"""A copy of a photo's bytes that really lies somewhere. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """Bytes at a place, and whether they may be there. `rule` names the rule by file and line."""

    place: str
    what: str
    size_bytes: int
    allowed: bool
    rule: str
