"""How something is divided among those who want parts of it. Pure."""

from collections.abc import Mapping


def shares(slots: int, wanted: Mapping[str, int], least: int = 1) -> dict[str, int]:
    """The slots divided so that nobody gets more while another wants some of his (max-min fairness).

    Everybody has at least `least`, which is one so that nothing waits for the next time they are divided. What nobody
    wants is divided evenly. Together they are all slots; `least` each if that is more.
    """
    divided: dict[str, int] = {}
    left = slots
    for others_to_come, name in zip(
        range(len(wanted), 0, -1), sorted(wanted, key=lambda name: (wanted[name], name)), strict=True
    ):
        divided[name] = max(least, min(wanted[name], left // others_to_come))
        left -= divided[name]
    each, more = divmod(max(0, left), len(wanted)) if wanted else (0, 0)
    return {name: divided[name] + each + (index < more) for index, name in enumerate(sorted(divided))}
