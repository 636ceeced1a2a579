"""The Cache-Status field (RFC 9211): what each cache on the way did. Pure.

The member nearest to the origin comes first, so an edge adds its own behind the shield's.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What this edge did. Without `forwarded` (why the request went on: uri-miss or stale) it was a hit.

    `behind` is the Cache-Status that the next cache sent.
    """

    forwarded: str = ""
    unchanged: bool = False
    stored: bool = False
    collapsed: bool = False
    ttl_s: int | None = None
    detail: str = ""
    behind: str = ""


def to_field(name: str, outcome: Outcome) -> str:
    parts = [name, f"fwd={outcome.forwarded}" if outcome.forwarded else "hit"]
    if outcome.unchanged:
        parts.append("fwd-status=304")
    if outcome.ttl_s is not None:
        parts.append(f"ttl={outcome.ttl_s}")
    parts += [word for word in ("stored", "collapsed") if getattr(outcome, word)]
    if outcome.detail:
        parts.append(f"detail={outcome.detail}")
    member = "; ".join(parts)
    return f"{outcome.behind}, {member}" if outcome.behind else member
