"""Health checks of a store: their results with advice, and their order. Pure: the probes are passed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

from regions.errors import Problem, StoreMissing, TopologyError, WrongStore

# Skew matters because ids sort by their time, and because a token between servers is valid for one minute.
_WARN_SKEW_S, _FAIL_SKEW_S = 2.0, 30.0
_HTTP_DATE_S = 1.0


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`what` was checked, in a few words; `detail` describes what was found; `advice` is what to do, empty if OK."""

    what: str
    level: Level
    detail: str
    advice: str = ""


Probe = Callable[[], str | CheckResult | list[CheckResult]]


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`probe` returns a detail (then all is OK) or results. If it raises Problem or TopologyError, the check failed."""

    what: str
    probe: Probe
    advice: str


def run_checks(checks: Sequence[HealthCheck]) -> list[CheckResult]:
    """What the checks find, in order. If the first fails, the store is unavailable, and the others are not run."""
    results = _run(checks[0])
    if results[0].level is not Level.FAILURE:
        results += [result for check in checks[1:] for result in _run(check)]
    return results


def clock(reading_s: float, resolution_s: float, sent_s: float, received_s: float) -> CheckResult:
    """Compares another clock with ours, given its reading and our times just before and just after.

    All in Unix seconds. The reading was rounded down to `resolution_s`. The time that the request may have taken does
    not count as skew.
    """
    ahead_s, behind_s = reading_s - received_s, sent_s - (reading_s + resolution_s)
    skew_s = max(ahead_s, behind_s, 0.0)
    if skew_s <= _WARN_SKEW_S:
        return CheckResult("clock", Level.OK, "agrees with this machine's")
    level = Level.FAILURE if skew_s > _FAIL_SKEW_S else Level.WARNING
    way = "ahead of" if ahead_s > behind_s else "behind"
    return CheckResult("clock", level, f"{skew_s:.0f} s {way} this machine's", "Let NTP (chrony) set both clocks.")


def http_clock(date: str, sent_s: float, received_s: float) -> CheckResult:
    """Compares the clock behind the `Date` header of an HTTP response (RFC 9110 section 6.6.1) with ours."""
    try:
        reading_s = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return CheckResult(
            "clock", Level.WARNING, "the response has no valid Date header", "Let the proxy keep the header."
        )
    return clock(reading_s, _HTTP_DATE_S, sent_s, received_s)


def _run(check: HealthCheck) -> list[CheckResult]:
    try:
        found = check.probe()
    except (StoreMissing, WrongStore) as error:
        return [CheckResult(check.what, Level.FAILURE, error.detail, error.advice)]
    except Problem as error:
        return [CheckResult(check.what, Level.FAILURE, error.detail, check.advice)]
    except TopologyError as error:
        return [CheckResult(check.what, Level.FAILURE, str(error), check.advice)]
    if isinstance(found, str):
        return [CheckResult(check.what, Level.OK, found)]
    return [found] if isinstance(found, CheckResult) else found
