"""The Cache-Status header (RFC 9211): what each cache on the way did. Pure.

The member of the cache nearest to the origin comes first, so an edge appends its own to the shield's.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What this edge did with one request.

    `forwarded` is why the request went on to the upstream (`uri-miss` or `stale`); empty for a hit. `unchanged` means
    that the upstream responded with 304. `collapsed` means that another request had started the fetch.
    `upstream_status` is the Cache-Status header that the upstream sent.
    """

    forwarded: str = ""
    unchanged: bool = False
    stored: bool = False
    collapsed: bool = False
    ttl_s: int | None = None
    detail: str = ""
    upstream_status: str = ""


def to_header(name: str, outcome: Outcome) -> str:
    parts = [name, f"fwd={outcome.forwarded}" if outcome.forwarded else "hit"]
    if outcome.unchanged:
        parts.append("fwd-status=304")
    if outcome.ttl_s is not None:
        parts.append(f"ttl={outcome.ttl_s}")
    parts += [flag for flag in ("stored", "collapsed") if getattr(outcome, flag)]
    if outcome.detail:
        parts.append(f"detail={outcome.detail}")
    member = "; ".join(parts)
    return f"{outcome.upstream_status}, {member}" if outcome.upstream_status else member
