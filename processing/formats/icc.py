"""ICC profiles (ICC.1:2022), as far as a colour engine does not look at them. Pure."""

from processing.formats.facts import Cicp

_TABLE, _ENTRY_BYTES, _MAX_TAGS = 132, 12, 100


def cicp(profile: bytes) -> Cicp | None:
    """The tag `cicp`: what the numbers mean, by ITU-T H.273. HDR pictures have it, since no profile describes light."""
    count = int.from_bytes(profile[_TABLE - 4 : _TABLE])
    for number in range(min(count, _MAX_TAGS)):
        entry = profile[_TABLE + _ENTRY_BYTES * number :][:_ENTRY_BYTES]
        if entry[:4] == b"cicp":
            tag = profile[int.from_bytes(entry[4:8]) :][:12]
            return Cicp(tag[8], tag[9]) if len(tag) == 12 else None
    return None
