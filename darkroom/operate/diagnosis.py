"""What `darkroom doctor` thinks of what it is told: of a policy, a backlog, an answer, and of all of it together.

Pure: takes values, gives findings with the advice that belongs to them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from regions.errors import PolicyError
from regions.events import topics
from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS
from regions.ids import MAX_PROCESSES
from regions.residency import policy
from regions.residency.policy import FILE
from regions.stores.health import CheckResult, Level
from regions.topology import Topology

Reader = tuple[str, str]
"""A topic and the group that reads it."""

DEAD: Reader = (DEAD_LETTERS, "nobody")
"""No group reads the dead letters, so that its lag is how many there are."""

# A sweep takes a few seconds, so that what has waited for so long is not being swept.
_STRANDED_MS = 60_000
_FEW_NUMBERS = MAX_PROCESSES // 4
_HEALTHY = 200

_PUBLISH = "Write one that is good here into the setting residency/policy of every region."


def readers(region: str, topology: Topology) -> list[Reader]:
    """Who reads the region's event log, and the dead letters."""
    return [*topics.readers(other for other in topology.regions if other != region), DEAD]


def evaluate_policy(text: str | None, topology: Topology) -> CheckResult:
    if text is None:
        advice = "`darkroom prepare` publishes the one that we ship; until there is one, nothing crosses a border."
        return CheckResult("policy", Level.FAILURE, "there is none", advice)
    try:
        parsed = policy.parse(text, FILE)
        policy.check(parsed, topology)
    except PolicyError as error:
        return CheckResult("policy", Level.FAILURE, str(error), _PUBLISH)
    return CheckResult("policy", Level.OK, f"version {parsed.version[:12]}, fits the topology")


def evaluate_same(texts: Mapping[str, str]) -> CheckResult:
    """Of the policies by region: a border between two that differ is guarded from one side only."""
    regions_of: dict[str, list[str]] = {}
    for region, text in texts.items():
        regions_of.setdefault(text, []).append(region)
    if len(regions_of) <= 1:
        return CheckResult("same policy", Level.OK, f"in {len(texts)} regions")
    said = "; ".join(", ".join(regions) for regions in regions_of.values())
    return CheckResult("same policy", Level.FAILURE, f"it differs between {said}", _PUBLISH)


def evaluate_numbers(taken: int) -> CheckResult:
    detail = f"{taken} of {MAX_PROCESSES} taken"
    if MAX_PROCESSES - taken >= _FEW_NUMBERS:
        return CheckResult("process numbers", Level.OK, detail)
    level = Level.FAILURE if taken >= MAX_PROCESSES else Level.WARNING
    advice = "Run fewer origins and processors in this region; those of a crashed process come free after a minute."
    return CheckResult("process numbers", level, detail, advice)


def evaluate_outbox(events: Sequence[Event], limit: int, now_ms: int) -> CheckResult:
    """Of the oldest `limit` events that wait in the outbox."""
    waiting = f"{len(events)}{' or more' if len(events) == limit else ''} waiting"
    oldest_ms = max((now_ms - event.at_ms for event in events), default=0)
    if oldest_ms < _STRANDED_MS:
        return CheckResult("outbox", Level.OK, waiting)
    advice = "Start the region's janitor, which sweeps the outbox; if it runs, see why it can't reach the event log."
    return CheckResult("outbox", Level.WARNING, f"{waiting}, the oldest for {oldest_ms // 1000} s", advice)


def evaluate_lag(behind: Mapping[Reader, int]) -> list[CheckResult]:
    """Of the events that each reader has before it: for information, but for those that were given up on."""
    dead = behind.get(DEAD, 0)
    waiting = [f"{group} {topic} {count}" for (topic, group), count in behind.items() if count and topic != DEAD[0]]
    findings = [CheckResult("lag", Level.OK, ", ".join(waiting) or "nothing waits")]
    if dead:
        advice = "Look why in the logs of the groups that gave them up, mend it, and publish them again."
        findings.append(CheckResult("dead letters", Level.WARNING, f"{dead} events were given up on", advice))
    return findings


def evaluate_health(what: Mapping[str, str], status: int, body: bytes) -> CheckResult:
    """Of a server's answer to `GET /health`, which must hold `what`: its kind and its name."""
    advice = "See that the topology's URL leads to this server and not to another, then look into its log."
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if status == _HEALTHY and isinstance(said, dict) and what.items() <= said.items():
        return CheckResult("health", Level.OK, "answers")
    return CheckResult("health", Level.FAILURE, f"answers {status}, and not as {' '.join(what.values())}", advice)


def exit_code(findings: Iterable[CheckResult]) -> int:
    return int(any(finding.level is Level.FAILURE for finding in findings))
