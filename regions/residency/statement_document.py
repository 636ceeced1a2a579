"""A statement's text: written from its parts, and read with nothing in it that is not exactly understood.

Pure: text in, immutable values out.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from regions import keys
from regions.errors import PolicyError, StatementError
from regions.ids import MAX_REGIONS
from regions.residency.checking import require_fit
from regions.residency.parsing import FILE
from regions.residency.parsing import parse as parse_policy
from regions.residency.statement import MAX_LEASE_S, Kind, Operator, Purpose, Role, Signers, StatedPlace, Statement

FORMAT = 1
HASH = re.compile("[0-9a-f]{64}|")
MAX_SERIAL = 1 << 40

_NAME = re.compile("[A-Za-z0-9_-]{1,40}")
_KEY_ID = re.compile("[A-Za-z0-9._-]{1,40}")
_URL = re.compile("https?://[!-~]{1,200}")
_ANY = re.compile("(?s:.*)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_TEXT = 2000


def draft(
    policy_text: str,
    places: Iterable[StatedPlace],
    signers: Signers,
    because: str,
    previous: Statement | None = None,
    lease_s: int = 60,
    operators: Mapping[str, Operator] | None = None,
) -> str:
    """The text of the statement after `previous`, not signed yet. Raises StatementError, as `parse` and `check_follows`
    would."""
    document = {
        "format": FORMAT,
        "serial": previous.serial + 1 if previous else 1,
        "previous": previous.hash if previous else "",
        "because": because,
        "lease_s": lease_s,
        "signers": {"threshold": signers.threshold, "keys": dict(signers.keys)},
        "operators": {
            name: {"roles": sorted(one.roles), "key": one.key} for name, one in sorted((operators or {}).items())
        },
        "places": {place.name: _place_document(place) for place in places},
        "policy": policy_text,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    statement = parse(text, "")
    if previous:
        check_follows(statement, previous)
    return text


def check_follows(statement: Statement, previous: Statement) -> None:
    """That the links match, and that a majority of those who confirm one and a majority of those who confirm the other
    have somebody in common (as in Raft, Ongaro's thesis, 4.1). Raises StatementError."""
    if statement.previous != previous.hash or statement.serial != previous.serial + 1:
        raise StatementError(f"it does not follow statement {previous.serial}, as its serial or its hash shows")
    if len(changed := statement.voters ^ previous.voters) > 1:
        raise StatementError(
            f"it adds or removes {', '.join(sorted(changed))}; one region or witness at a time, "
            "each when the statement before is in force"
        )
    both = statement.signers.keys.keys() & previous.signers.keys.keys()
    if renamed := [name for name in sorted(both) if statement.signers.keys[name] != previous.signers.keys[name]]:
        raise StatementError(f"{', '.join(renamed)} had another key before; a new key needs a new name")
    for name in sorted(statement.places.keys() & previous.places.keys()):
        _require_common_keys(statement.places[name], previous.places[name])
    _require_same_numbers(statement, previous)


def _require_same_numbers(statement: Statement, previous: Statement) -> None:
    """Who has a region's number speaks for every id that was made with it."""
    for region in (place for place in previous.places.values() if place.kind == Kind.REGION):
        now = statement.places.get(region.name)
        if now is not None and now.number != region.number:
            raise StatementError(f"{region.name} has the number {region.number} for good: it is in all of its ids")
        other = statement.region_numbered(region.number)
        if other is not None and other.name != region.name:
            raise StatementError(
                f"{other.name} can't have the number {region.number}: it is in the ids of {region.name}"
            )


def _require_common_keys(now: StatedPlace, before: StatedPlace) -> None:
    """A key counts when all statements list it that may be in force. A place that keeps none would be known to nobody
    until the change is in force, and could not hear of it. One that is built anew has nobody to be known to."""
    for purpose in now.keys.keys() & before.keys.keys():
        if now.incarnation == before.incarnation and not now.keys[purpose].items() & before.keys[purpose].items():
            raise StatementError(
                f"{now.name} keeps none of its keys ({purpose}); state the new one beside the old, and take the old "
                "out when that is in force"
            )


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _place_document(place: StatedPlace) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": place.kind, "jurisdiction": place.jurisdiction, "url": place.url}
    if place.kind == Kind.REGION:
        document |= {"number": place.number, "incarnation": place.incarnation}
    if place.shield_of:
        document["shield_of"] = place.shield_of
    return document | {"keys": {purpose: dict(keys) for purpose, keys in place.keys.items()}}


def parse(text: str, signed: str) -> Statement:
    """`signed` is the text with its signatures, which are not looked at here. Raises StatementError."""
    try:
        document = json.loads(text, object_pairs_hook=without_duplicates)
        _require_keys(document, _FIELDS)
        statement = Statement(
            serial=whole(document["serial"], 1, MAX_SERIAL),
            previous=matching(HASH, document["previous"]),
            because=_text(document["because"]),
            lease_s=whole(document["lease_s"], 1, MAX_LEASE_S),
            signers=parse_signers(document["signers"]),
            operators=parse_operators(document["operators"]),
            places={matching(_NAME, name): _place(name, one) for name, one in document["places"].items()},
            policy=parse_policy(matching(_ANY, document["policy"]), FILE),
            policy_text=document["policy"],
            text=text,
            signed=signed,
            hash=hash_of(text),
        )
        whole(document["format"], FORMAT, FORMAT)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StatementError(f"it can't be read: {error}") from error
    except PolicyError as error:
        raise StatementError(f"its policy can't be used: {error}") from error
    _check(statement)
    return statement


_FIELDS = frozenset(
    ("format", "serial", "previous", "because", "lease_s", "signers", "operators", "places", "policy")
)  # fmt: skip


def parse_signers(document: Any) -> Signers:
    """Raises ValueError, KeyError, TypeError or AttributeError for anything but the document of `signers`."""
    _require_keys(document, {"threshold", "keys"})
    keys = {matching(_KEY_ID, key_id): _key(key) for key_id, key in document["keys"].items()}
    if len(set(keys.values())) < len(keys):
        raise ValueError("two signers have the same key")
    return Signers(whole(document["threshold"], 1, len(keys)), keys)


def parse_operators(document: Any) -> dict[str, Operator]:
    """Raises ValueError, KeyError, TypeError or AttributeError for anything but the document of `operators`."""
    found = {matching(_NAME, name): _operator(one) for name, one in document.items()}
    if len({one.key for one in found.values()}) < len(found):
        raise ValueError("two operators have the same key")
    return found


def _operator(document: Any) -> Operator:
    _require_keys(document, {"roles", "key"})
    if not isinstance(document["roles"], list):
        raise TypeError("roles are a list")
    return Operator(frozenset(Role(role) for role in document["roles"]), _key(document["key"]))


def _place(name: str, document: Any) -> StatedPlace:
    kind = Kind(document["kind"])
    optional = {"number", "incarnation"} if kind == Kind.REGION else {"shield_of"} if kind == Kind.EDGE else set()
    _require_keys(document, {"kind", "jurisdiction", "url", "keys"}, optional)
    return StatedPlace(
        name,
        kind,
        matching(_NAME, document["jurisdiction"]),
        matching(_URL, document["url"]),
        {
            Purpose(purpose): {matching(_KEY_ID, key_id): _key(key) for key_id, key in keys.items()}
            for purpose, keys in document["keys"].items()
        },
        whole(document["number"], 0, MAX_REGIONS - 1) if kind == Kind.REGION else -1,
        whole(document.get("incarnation", 1), 1, MAX_SERIAL),
        matching(_NAME, document["shield_of"]) if "shield_of" in document else "",
    )


def _check(statement: Statement) -> None:
    """What no single field says. Raises StatementError."""
    places = statement.places.values()
    regions = [place for place in places if place.kind == Kind.REGION]
    if not regions:
        raise StatementError("it has no regions")
    if len({region.number for region in regions}) < len(regions):
        raise StatementError("two regions have the same number")
    if sorted(place.shield_of for place in places if place.shield_of) != sorted(region.name for region in regions):
        raise StatementError("each region needs exactly one edge that is its shield")
    if keyless := [place.name for place in places if not place.keys.get(Purpose.NODE)]:
        raise StatementError(f"{', '.join(keyless)} has no key of the purpose {Purpose.NODE}")
    keys = [key for place in places for by_id in place.keys.values() for key in by_id.values()]
    if len(set(keys)) < len(keys):
        raise StatementError("a key is used for two purposes or by two places")
    if (statement.serial == 1) != (statement.previous == ""):
        raise StatementError("the first statement, and no other, has none before it")
    try:
        require_fit(statement.policy, [place.place for place in places if place.kind != Kind.WITNESS])
    except PolicyError as error:
        raise StatementError(f"its policy can't be used: {error}") from error


def _require_keys(document: Any, needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    if not isinstance(document, dict):
        raise TypeError("expected an object")
    if missing := set(needed) - set(document):
        raise ValueError(f"{', '.join(sorted(missing))} is missing")
    if unknown := set(document) - set(needed) - set(optional):
        raise ValueError(f"{', '.join(sorted(unknown))[:100]} is unknown")


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`. Another reader may take the first of two. Raises ValueError."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name appears twice in one object")
    return document


def whole(value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return value


def _text(value: Any) -> str:
    if not _is_text(value):
        raise ValueError(f"expected a text of at most {_MAX_TEXT} characters")
    return str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and not _SURROGATE.search(value)


def matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{str(value)[:60]!r} is not of the form {pattern.pattern}")
    return value


def _key(value: Any) -> str:
    keys.public_key(_text(value))
    return str(value)
