"""The photo that an operator's command is about."""

from contextlib import suppress

from darkroom.command_error import CommandError
from regions import ids
from regions.errors import NotFound
from regions.topology import Region, Topology, home_of

_OTHERS = {
    ids.USER: (
        "a user's",
        "`darkroom policy decisions ID` lists what was decided about a person. No command shows yet where an account"
        " lies; docs/durability.md says where it may.",
    ),
    ids.COMMENT: ("a comment's", "Give the id of its photo: a comment lies at its photo's home."),
}


def home_of_photo(topology: Topology, public_id: str) -> Region:
    """The photo's home. Raises CommandError for the id of something else, and NotFound for any other text."""
    for kind, (whose, advice) in _OTHERS.items():
        with suppress(NotFound):
            ids.parse(kind, public_id)
            raise CommandError(f"{public_id} is {whose} id, and this is about photos (p_…).", advice, 2)
    return home_of(topology, ids.PHOTO, public_id)
