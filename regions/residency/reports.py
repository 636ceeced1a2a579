"""What a region's origin answers to those who ask which statement it holds: a small JSON document.

Pure. The document comes from another server, which may be hostile: everything is bounded here.
"""

import math
from typing import Any

from regions.errors import BadGateway
from regions.residency.exchange import Report
from regions.untrusted_text import SHA256

PATH = "/border/v1/statement"
"""Where an origin answers the report of its region; followed by `/HASH`, the signed text of a statement."""
_MAX_SERIAL = 1 << 40
_MOST_S = 1e9
_MOST_PENDING = 50


def to_document(report: Report) -> dict[str, Any]:
    return {
        "region": report.region,
        "serial": report.serial,
        "hash": report.hash,
        "in_force": report.in_force,
        "age_s": min(report.age_s, _MOST_S),
        "lease_left_s": max(0.0, min(report.lease_left_s, _MOST_S)),
        "pending": list(report.pending),
    }


def from_document(document: Any, region: str) -> Report:
    """The report of `region`. Raises BadGateway for anything but a valid one, also of another region."""
    try:
        if document["region"] != region:
            raise ValueError("the report is another region's")
        return Report(
            region,
            _serial(document["serial"]),
            _hash(document["hash"]),
            _hash(document["in_force"]),
            _seconds(document["age_s"]),
            _seconds(document["lease_left_s"]),
            _hashes(document["pending"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadGateway(f"{region} sent no valid report of its statement") from error


def _serial(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_SERIAL:
        raise ValueError("a serial is a whole number")
    return value


def _hash(value: Any) -> str:
    if not isinstance(value, str) or (value and not SHA256.fullmatch(value)):
        raise ValueError("a hash is 64 hexadecimal digits")
    return value


def _hashes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_PENDING:
        raise ValueError("pending statements are a list")
    return tuple(_named(one) for one in value)


def _named(value: Any) -> str:
    if not value:
        raise ValueError("a pending statement has a hash")
    return _hash(value)


def _seconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError("a duration is not negative")
    return float(value)
