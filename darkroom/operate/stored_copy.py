"""A copy of a photo's bytes that is really stored somewhere. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """Bytes stored at a place, and whether the policy allows that. `rule` names the rule by file and line."""

    place: str
    what: str
    size_bytes: int
    allowed: bool
    rule: str
