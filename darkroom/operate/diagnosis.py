"""How `darkroom doctor` evaluates what it reads: a policy, a backlog, a response, and all policies together.

Pure: takes values, and returns check results, each with advice if something is wrong.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from regions.events import topics
from regions.events.gap_records import PREFIX, GapRecord
from regions.events.messages import Event
from regions.events.topics import DEAD_LETTERS
from regions.ids import MAX_PROCESSES
from regions.processing_status import ProcessingStatus, total
from regions.residency.statement import Signers, Statement
from regions.stores.health import CheckResult, Level
from regions.topology import Topology
from replication.budget import LaneSettings

Reader = tuple[str, str]
"""A topic and the group that reads it."""

DEAD: Reader = (DEAD_LETTERS, "nobody")
"""No group reads the dead letters, so the lag of this one is their number."""

# A sweep takes a few seconds, so an event that has waited for a minute is not being swept.
_STRANDED_MS = 60_000
# Lanes bring what is fresh within seconds, so that what would be lost with the region is not more than that.
_FAR_BEHIND_S = 60.0
_FEW_NUMBERS = MAX_PROCESSES // 4
_HEALTHY = 200

_PUBLISH = (
    "Publish the newest valid one: `darkroom policy apply FILE`. Origins that know one put it back by themselves."
)
_REFUSED = (
    "See whether they run, and whether this server reaches them: what needs them is refused at once until then. One"
    " that is back is named for ten seconds more at most."
)


def readers(region: str, topology: Topology) -> list[Reader]:
    """Every topic of the region's event log with each group that reads it, and the dead letters."""
    return [*topics.readers(other for other in topology.regions if other != region), DEAD]


def evaluate_statement(found: Statement | Exception | None, topology: Topology, trusted: Signers) -> CheckResult:
    """What a region's settings hold in place of a statement. `trusted` are those of this machine's signers.json."""
    if found is None:
        return CheckResult("statement", Level.FAILURE, "there is none, so nobody can sign up", _PUBLISH)
    if isinstance(found, Exception):
        return CheckResult("statement", Level.FAILURE, f"not valid: {found}", _PUBLISH)
    if different := differences(found, topology):
        advice = "Correct the topology file, or have a statement signed that says otherwise. The statement counts."
        return CheckResult("statement", Level.WARNING, f"the topology has another {', '.join(different)}", advice)
    if found.signers != trusted:
        team = ", ".join(found.signers.keys)
        advice = "Put the signers.json of the present team here: a team that was replaced may have lost its keys."
        return CheckResult("statement", Level.WARNING, f"signers.json here is not that of {team}", advice)
    return CheckResult("statement", Level.OK, f"serial {found.serial}, {found.hash[:12]}, agrees with the topology")


def differences(statement: Statement, topology: Topology) -> list[str]:
    """What the topology has otherwise, by place and name of the value."""
    stated = {name: (p.jurisdiction, p.url, p.number, p.shield_of) for name, p in statement.places.items()}
    here = {name: (r.jurisdiction, r.origin, r.number, "") for name, r in topology.regions.items()}
    here |= {name: (e.jurisdiction, e.url, -1, e.shield_of) for name, e in topology.edges.items()}
    names = ("jurisdiction", "URL", "number", "shield_of")
    return [
        f"{what} of {place}"
        for place, values in here.items()
        for what, value, other in zip(names, values, stated.get(place, (None,) * 4), strict=True)
        if value != other
    ]


def evaluate_same(hashes: Mapping[str, str]) -> CheckResult:
    """Compares the statements by region. They differ for a moment after a new one was applied."""
    regions_of: dict[str, list[str]] = {}
    for region, hash in hashes.items():
        regions_of.setdefault(hash, []).append(region)
    if len(regions_of) <= 1:
        return CheckResult("same statement", Level.OK, f"in {len(hashes)} regions")
    groups = "; ".join(", ".join(regions) for regions in regions_of.values())
    advice = "Ask again in a minute. If they still differ, an origin of a region is down: `darkroom policy status`."
    return CheckResult("same statement", Level.FAILURE, f"it differs between {groups}", advice)


def evaluate_credentials(credentials: Mapping[str, Mapping[str, object]]) -> CheckResult:
    """Compares what opens each region's stores, by region and port: what two regions have opens the stores of both."""
    owners: dict[object, list[str]] = {}
    for region, by_port in credentials.items():
        for port, credential in by_port.items():
            owners.setdefault(credential, []).append(f"{port} of {region}")
    regions_of = {one: {name.rpartition(" ")[2] for name in names} for one, names in owners.items()}
    shared = [" and ".join(names) for one, names in owners.items() if len(regions_of[one]) > 1]
    if not shared:
        return CheckResult("credentials", Level.OK, f"each of {len(credentials)} regions has its own")
    advice = "Give each region credentials that open nothing of another one: who takes one region has the other, too."
    return CheckResult("credentials", Level.FAILURE, f"the same for {'; '.join(shared)}", advice)


def evaluate_numbers(taken: int) -> CheckResult:
    detail = f"{taken} of {MAX_PROCESSES} taken"
    if MAX_PROCESSES - taken >= _FEW_NUMBERS:
        return CheckResult("process numbers", Level.OK, detail)
    level = Level.FAILURE if taken >= MAX_PROCESSES else Level.WARNING
    advice = "Run fewer origins and processors in this region. A crashed process's number becomes free after a minute."
    return CheckResult("process numbers", level, detail, advice)


def evaluate_outbox(events: Sequence[Event], limit: int, now_ms: int) -> CheckResult:
    """Evaluates the oldest events that wait in the outbox, at most `limit` of them."""
    waiting = f"{len(events)}{' or more' if len(events) == limit else ''} waiting"
    oldest_ms = max((now_ms - event.at_ms for event in events), default=0)
    if oldest_ms < _STRANDED_MS:
        return CheckResult("outbox", Level.OK, waiting)
    advice = "Start the region's janitor, which sweeps the outbox. If it runs, check why it can't reach the event log."
    return CheckResult("outbox", Level.WARNING, f"{waiting}, the oldest for {oldest_ms // 1000} s", advice)


def evaluate_lag(behind: Mapping[Reader, int]) -> list[CheckResult]:
    """Evaluates how many events each reader is behind. Only dead letters, which were given up, are a warning."""
    dead = behind.get(DEAD, 0)
    waiting = [f"{group} {topic} {count}" for (topic, group), count in behind.items() if count and topic != DEAD[0]]
    results = [CheckResult("lag", Level.OK, ", ".join(waiting) or "nothing waits")]
    if dead:
        advice = (
            "Find the cause in the logs of the groups that gave them up, and fix it. `darkroom lanes retry` makes those"
            " of lanes events again, and `--dry-run` says which there are since the last time."
        )
        results.append(CheckResult("dead letters", Level.WARNING, f"{dead} events were given up", advice))
    return results


def evaluate_gaps(records: Iterable[GapRecord]) -> CheckResult:
    """Evaluates what groups never got, because the event log had dropped it before they read it."""
    missed = [f"{one.group} {one.topic} {_at_most(one)}" for one in records]
    if not missed:
        return CheckResult("gaps", Level.OK, "no group has missed an event")
    advice = (
        "The log had dropped these events before they were read: docs/operating.md says for each topic what that means."
        f" When all is repaired, delete the setting {PREFIX}GROUP/TOPIC."
    )
    return CheckResult("gaps", Level.WARNING, ", ".join(missed), advice)


def _at_most(record: GapRecord) -> str:
    return f"at most {record.most_events:,}" if record.ranges else "(a record that can't be read)"


def evaluate_processing(region: str, processors: Mapping[str, ProcessingStatus]) -> CheckResult:
    """Evaluates whether anybody would process a new photo."""
    if not processors:
        advice = f"Start `darkroom run processor {region}`: new photos wait for it."
        return CheckResult("processing", Level.WARNING, "no processor has reported in the last ten seconds", advice)
    together = total(processors.values())
    detail = f"{len(processors)} processors, {together.workers} workers"
    if together.workers:
        return CheckResult("processing", Level.OK, detail)
    advice = f"Start the scheduler, or `darkroom run worker {region}`; if they run, read their logs: new photos wait."
    return CheckResult("processing", Level.WARNING, detail, advice)


def evaluate_janitors(region: str, present: int) -> CheckResult:
    """Evaluates whether anybody sweeps the outbox and fills feeds. `present` janitors have reported."""
    if present:
        return CheckResult("janitors", Level.OK, f"{present} report")
    advice = (
        f"Start `darkroom run janitor {region}`, or see why it is stuck: feeds stay as they are, and deleted accounts"
        " and what is left in the outbox wait for it."
    )
    return CheckResult("janitors", Level.WARNING, "none has reported in the last ten seconds", advice)


def evaluate_replicators(region: str, behind_s: Mapping[str, float | None]) -> CheckResult:
    """Evaluates how far each lane of the region is behind, by destination; None if no replicator reports on it."""
    if silent := [name for name, seconds in behind_s.items() if seconds is None]:
        detail = f"none has reported in the last ten seconds on the lanes to {', '.join(silent)}"
        advice = (
            f"Start `darkroom run replicator {region}`, or see why it is stuck: until then nothing crosses, and what"
            " was not copied would be lost with the region."
        )
        return CheckResult("replicators", Level.WARNING, detail, advice)
    far = {name: seconds for name, seconds in behind_s.items() if seconds is not None and seconds >= _FAR_BEHIND_S}
    if far:
        detail = ", ".join(f"the lane to {name} is {seconds:,.0f} s behind" for name, seconds in far.items())
        advice = f"`darkroom lanes show --region {region}` says what holds it up, and what would be lost now."
        return CheckResult("replicators", Level.WARNING, detail, advice)
    return CheckResult("replicators", Level.OK, f"no lane is {_FAR_BEHIND_S:.0f} s behind")


def evaluate_lanes(region: str, settings: Mapping[str, LaneSettings | None]) -> CheckResult:
    """Evaluates what operators have set, by destination; None is what can't be read."""
    if unreadable := [name for name, found in settings.items() if found is None]:
        detail = f"settings of the lanes to {', '.join(unreadable)} can't be read; replicators go on by the last ones"
        advice = f"Set them anew: `darkroom lanes set {unreadable[0]} --region {region} --resume --because TEXT`."
        return CheckResult("lanes", Level.WARNING, detail, advice)
    if paused := [name for name, found in settings.items() if found and found.paused]:
        advice = (
            f"If that is over: `darkroom lanes set {paused[0]} --region {region} --resume --because TEXT`. What waits"
            " for longer than the event log keeps it is not copied."
        )
        return CheckResult("lanes", Level.WARNING, f"paused by an operator: to {', '.join(paused)}", advice)
    return CheckResult("lanes", Level.OK, "none is paused")


def evaluate_health(identity: Mapping[str, str], status: int, body: bytes) -> CheckResult:
    """Evaluates a server's response to `GET /health`. The document must contain `identity`: its kind and its name."""
    advice = "Make sure that the topology's URL leads to this server and not to another; then read its log."
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if status == _HEALTHY and isinstance(document, dict) and identity.items() <= document.items():
        if refused := document.get("refused"):
            detail = f"answers, but was not answered when it last asked: by {_names(refused)}"
            return CheckResult("health", Level.WARNING, detail, _REFUSED)
        return CheckResult("health", Level.OK, "answers")
    name = " ".join(identity.values())
    return CheckResult("health", Level.FAILURE, f"answers {status}, and not as {name}", advice)


def _names(value: object) -> str:
    """Those in a list that a server sent."""
    return ", ".join(str(name)[:40] for name in value[:10]) if isinstance(value, list) else "an upstream"


def exit_code(results: Iterable[CheckResult]) -> int:
    """1 if a check failed, otherwise 0: warnings do not count."""
    return int(any(result.level is Level.FAILURE for result in results))
