"""A copy of a photo's bytes, or a record of it, that is really stored somewhere. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """What is stored at a place, and whether the policy allows that; None if nobody can tell at the moment.

    `rule` names the rule by file and line. A record has no `size_bytes`.
    """

    place: str
    what: str
    size_bytes: int | None
    allowed: bool | None
    rule: str
