"""How much anybody may do, for each route, and what a response says of it. Pure.

The numbers are such that people who use Darkroom never meet them: an app that sends 2,000 holiday photos in an evening,
eight at once; 200 people behind one address who all sign up in the same lesson. Who meets them is a program that does
what no person does, and then each of them bounds what it costs others.

- What is counted by a *network*, a client's address, stops who can have many accounts. It is far above what a school or
  an office does. IPv6 hands whole networks to each subscriber, so there it is the network, /64, that counts.
- What is counted by an *account* that somebody only names stops guessing from many networks. Since anybody can use it
  up, and so keep its owner out for a while, it is ten times as much as one network has for that account.
- One network has less than half of what a process can do of what is costly, so that a flood from one address leaves
  room for others. One from a hundred addresses does not.
- A passphrase costs 30 ms of a core and 19 MiB, on purpose (`passphrases`), and an account several writes. Five
  accounts a second in a process leave most of it to others.
- What another region brings is bounded by what no honest one does in a day: it fills disks here, and one that is in an
  attacker's hands stops at nothing. It is to wait then, and nothing is lost.
- Of one author it brings to feeds no more than anybody uploads in a day. What is more of theirs is among their photos,
  and in no feed of this region.
- Uploads are bounded by what is *unfinished*: honest clients finish what they begin, and get back what they took. What
  is never finished comes back within a day, when it has expired. So somebody can promise at most 10 GiB at once.
"""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from regions.errors import TooManyRequests
from regions.stores.limits import Limit, Standing, Unit

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_GIB, _TIB = 1 << 30, 1 << 40


class Who(StrEnum):
    """Whose requests are counted together."""

    USER = "user"
    """Who proves it by a token."""
    NETWORK = "network"
    ACCOUNT = "account"
    """Whom somebody only claims to be."""
    ACCOUNT_AT_NETWORK = "account at a network"
    SESSION = "session"
    PROCESS = "process"
    REGION = "region"
    AUTHOR = "author"
    """Whose photos another region brings."""
    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """`too_much` says to a person what there was too much of."""

    limit: Limit
    who: Who
    too_much: str


SIGN_UPS = RouteLimit(Limit("sign-ups", 200, _HOUR_S), Who.NETWORK, "too many people signed up from your network")
SIGN_UPS_NOW = RouteLimit(
    Limit("sign-ups-now", 10, 5), Who.NETWORK, "too many people are signing up from your network just now"
)
SIGN_UPS_HERE = RouteLimit(Limit("sign-ups-here", 20, 4), Who.PROCESS, "too many people are signing up just now")
SIGN_INS = RouteLimit(Limit("sign-ins", 600, 10 * _MINUTE_S), Who.NETWORK, "too many sign-ins from your network")
SIGN_INS_NOW = RouteLimit(
    Limit("sign-ins-now", 30, 10), Who.NETWORK, "too many people are signing in from your network just now"
)
GUESSES = RouteLimit(
    Limit("sign-ins-of-account", 20, 15 * _MINUTE_S),
    Who.ACCOUNT_AT_NETWORK,
    "too many sign-ins to this account failed",
)
GUESSES_ANYWHERE = RouteLimit(
    Limit("sign-ins-of-account-anywhere", 200, _HOUR_S), Who.ACCOUNT, "too many sign-ins to this account failed"
)
RECOVERIES = RouteLimit(
    Limit("recoveries", 10, _HOUR_S), Who.ACCOUNT_AT_NETWORK, "too many recoveries of this account failed"
)
RECOVERIES_ANYWHERE = RouteLimit(
    Limit("recoveries-anywhere", 100, _DAY_S), Who.ACCOUNT, "too many recoveries of this account failed"
)
REFRESHES = RouteLimit(Limit("refreshes", 3000, 10 * _MINUTE_S), Who.NETWORK, "too many refreshes from your network")
REFRESHES_OF_SESSION = RouteLimit(
    Limit("refreshes-of-session", 120, 10 * _MINUTE_S), Who.SESSION, "this session was refreshed too often"
)
CONFIRMATIONS = RouteLimit(
    Limit("confirmations", 20, 15 * _MINUTE_S), Who.USER, "the passphrase was asked for too often"
)
ACCOUNT_CHANGES = RouteLimit(Limit("account-changes", 60, _HOUR_S), Who.USER, "the account was changed too often")
UPLOADS = RouteLimit(Limit("uploads", 2000, _HOUR_S), Who.USER, "too many uploads were begun")
BYTES = RouteLimit(Limit("bytes", 200 * _GIB, _DAY_S, Unit.BYTES), Who.USER, "too many bytes were promised")
UNFINISHED = RouteLimit(
    Limit("unfinished", 200, _DAY_S, Unit.UNFINISHED),
    Who.USER,
    "too many uploads are unfinished",
)
UNFINISHED_BYTES = RouteLimit(
    Limit("unfinished-bytes", 10 * _GIB, _DAY_S, Unit.BYTES),
    Who.USER,
    "too many bytes are promised in unfinished uploads",
)
COMMENTS = RouteLimit(Limit("comments", 100, 10 * _MINUTE_S), Who.USER, "too many comments")
LIKES = RouteLimit(Limit("likes", 600, 10 * _MINUTE_S), Who.USER, "too many likes")
FOLLOWS = RouteLimit(Limit("follows", 600, 10 * _MINUTE_S), Who.USER, "too many follows")
# More than any one region does in a day on which all of them have a billion uploads, and eighty records for each: so
# they cap what a region in an attacker's hands can do, and no honest one.
_PHOTOS_A_DAY, _RECORDS_A_DAY = 1_000_000_000, 80_000_000_000
REGION_BYTES = RouteLimit(
    Limit("bytes-of-region", 2048 * _TIB, _DAY_S, Unit.BYTES), Who.REGION, "too many bytes were offered by your region"
)
REGION_OFFERS = RouteLimit(
    # Each photo counts twice: before and after its bytes.
    Limit("offers-of-region", 2 * _PHOTOS_A_DAY, _DAY_S),
    Who.REGION,
    "too many photos were offered by your region",
)
REGION_DELETIONS = RouteLimit(
    Limit("deletions-of-region", _PHOTOS_A_DAY, _DAY_S), Who.REGION, "too many photos were deleted by your region"
)
REGION_FOLLOWS = RouteLimit(
    Limit("follows-of-region", _PHOTOS_A_DAY, _DAY_S), Who.REGION, "too many people of your region follow somebody here"
)
REGION_RECORDS = RouteLimit(
    Limit("records-of-region", _RECORDS_A_DAY, _DAY_S), Who.REGION, "too many records were brought by your region"
)
REFERENCES = RouteLimit(Limit("references", 4_000, _DAY_S), Who.AUTHOR, "too many photos of one author")
# What a lane brings again, since something else of the photo failed, is not one more: it tries for hours.
REFERENCES_AGAIN = RouteLimit(Limit("references-again", 1, 2 * _HOUR_S), Who.PHOTO, "the same photo again")

BY_ROUTE: Mapping[tuple[str, str], Sequence[RouteLimit]] = {
    ("POST", "/v1/users"): (SIGN_UPS, SIGN_UPS_NOW, SIGN_UPS_HERE),
    ("POST", "/v1/sessions"): (SIGN_INS, SIGN_INS_NOW, GUESSES, GUESSES_ANYWHERE),
    ("POST", "/v1/sessions/refresh"): (REFRESHES, REFRESHES_OF_SESSION),
    ("POST", "/v1/sessions/recovery"): (SIGN_INS, RECOVERIES, RECOVERIES_ANYWHERE),
    ("POST", "/v1/users/{user_id}/confirmation"): (CONFIRMATIONS,),
    ("POST", "/v1/users/{user_id}/script-tokens"): (ACCOUNT_CHANGES,),
    ("POST", "/v1/users/{user_id}/recovery-codes"): (ACCOUNT_CHANGES,),
    ("PUT", "/v1/users/{user_id}/passphrase"): (ACCOUNT_CHANGES,),
    ("PUT", "/v1/users/{user_id}/name"): (ACCOUNT_CHANGES,),
    ("PUT", "/v1/users/{user_id}/following/{author_id}"): (FOLLOWS,),
    ("DELETE", "/v1/users/{user_id}/following/{author_id}"): (FOLLOWS,),
    ("POST", "/v1/uploads/init"): (UPLOADS, BYTES, UNFINISHED, UNFINISHED_BYTES),
    ("PUT", "/v1/photos/{photo_id}/like"): (LIKES,),
    ("DELETE", "/v1/photos/{photo_id}/like"): (LIKES,),
    ("POST", "/v1/photos/{photo_id}/comments"): (COMMENTS,),
    ("PUT", "/border/v1/offers"): (REGION_OFFERS,),
    ("PUT", "/border/v1/arrivals"): (REGION_OFFERS,),
    ("PUT", "/border/v1/deletions"): (REGION_DELETIONS,),
    ("PUT", "/border/v1/followers/{author_id}"): (REGION_FOLLOWS,),
    ("PUT", "/border/v1/records"): (REGION_RECORDS,),
}
GIVEN_BACK = (GUESSES, GUESSES_ANYWHERE, RECOVERIES, RECOVERIES_ANYWHERE, CONFIRMATIONS, UNFINISHED, UNFINISHED_BYTES)
"""What costs nothing if it ends well: a passphrase that was right, an upload that was finished."""


def network_of(address: str) -> str:
    """What an address counts as: itself, or of IPv6 its /64. IPv4 in IPv6 is IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """The response's headers (draft-ietf-httpapi-ratelimit-headers-10): each limit, and how it stands."""
    left = [f'"{one.limit.name}";r={one.remaining};t={math.ceil(one.refilled_in_s)}' for one in standings]
    return {"RateLimit-Policy": ", ".join(_policy(one.limit) for one in standings), "RateLimit": ", ".join(left)}


def _policy(limit: Limit) -> str:
    unit = "" if limit.unit is Unit.REQUESTS else f';qu="{limit.unit}"'
    return f'"{limit.name}";q={limit.most};w={limit.refilled_in_s}{unit}'


def refusal(limits: Sequence[RouteLimit], standings: Sequence[Standing]) -> TooManyRequests:
    """Names the limit for which the client must wait longest."""
    worst = max(range(len(limits)), key=lambda number: standings[number].retry_after_s)
    after_s = max(1, math.ceil(standings[worst].retry_after_s))
    return TooManyRequests(f"{limits[worst].too_much}; try again in {after_s} s", limits[worst].limit.name, after_s)
