"""How regions agree on a statement: what one process knows of the others, and what follows from it.

Every process that decides asks each region, each second, which statement the region's settings hold, and how old that
knowledge is. From the answers follow three things.

**Confirmed.** A region confirms a statement when its settings hold it: then none of its processes can start without it.
A statement is confirmed when a majority of the regions have done so, by the statement's own list of regions and by
that of the one in force.

**The lease.** What a region's answer says was so at `asked - age`. A process has its lease for `lease_s` after the time
at which a majority was last known. So it can't miss a confirmed statement for longer than that: each majority contains
a region that has confirmed it, and an answer of that region, as of any later time, brings it.

**In force.** A confirmed statement is in force one lease, and a little, after it was confirmed. By then each process
that still acts on the statement before either knows this one, or has lost its lease. The first statement of all needs
no wait, since nobody can act on one before it; nor does one that a majority says is in force there, since they waited.

So, whenever a process acts on what only a statement allows, every process that has its lease knows that statement or a
later one. This rests on three things. Regions confirm only one statement of a serial, and what they confirmed does not
go back (`settings_statement` sees to both). One statement adds or removes one region or witness at most, so that a
majority of those before and one of those after have a region in common (`statement_document.check_follows`). And the
regions' words are true: a region that lies has one vote, so a minority can let nothing loosen by itself; but together
with a partition between the others it can keep one of these on the statement before.

Time is that of one clock of this machine that never steps back and goes on while the machine sleeps. No clock is
compared with another machine's: `age_s` is a duration. Clocks may differ in their rate, by 2 % (`WAIT_LEASES`).

Pure: reports and times go in, `Rules` come out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from regions.residency.rules import Rules
from regions.residency.statement import MAX_LEASE_S, Statement

WAIT_LEASES = 1.05
"""How many leases a confirmed statement waits. A lease that slow clocks (2 %) measure has ended when a fast one (2 %)
has measured this: 1.05 > 1.02 / 0.98. Clocks that NTP corrects, and quartz, are below 0.1 %."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a process answers for its region: the statement in the region's settings, and the one in force.

    `age_s` says how long ago the settings were seen to hold it; `lease_left_s` is for edges, which have no lease but
    that of the regions whose photos they show. `pending` are the hashes of all that the process itself knows beyond the
    one in force, the newest last: what its lease is worth rests on them. Hashes are empty where there is none.
    """

    region: str
    serial: int
    hash: str
    in_force: str
    age_s: float
    lease_left_s: float
    pending: tuple[str, ...] = ()


class Accepted(StrEnum):
    """What became of a verified statement. An older one is not taken: one as new is in force."""

    NEW = "new"
    KNOWN = "known"
    OLDER = "older"
    FORKED = "forked"


class Exchange:
    """What one process knows. Restored from disk, so that a restart forgets no statement. Not safe between threads."""

    def __init__(self, in_force: Statement | None = None, pending: Iterable[Statement] = ()) -> None:
        self._in_force = in_force
        self._pending = sorted(pending, key=lambda statement: statement.serial)
        self._reports: dict[str, Report] = {}
        self._heard_serial: dict[str, int] = {}
        self._known_at_s: dict[str, float] = {}
        self._confirmed_by: dict[str, set[str]] = {}
        self._confirmed_at_s: dict[str, float] = {}

    @property
    def highest(self) -> Statement | None:
        """Of two with one serial, the one that arrived first."""
        return max(self._statements(), key=lambda one: one.serial, default=None)

    def accept(self, statement: Statement) -> Accepted:
        """Takes a verified statement. Two with one serial, which the compliance team should never sign, both tighten;
        neither loosens unless a majority has it, and each region counts for one of them."""
        if statement.hash in (one.hash for one in self._statements()):
            return Accepted.KNOWN
        if self._in_force and statement.serial <= self._in_force.serial:
            return Accepted.OLDER
        forked = statement.serial in (one.serial for one in self._pending)
        self._pending = sorted([*self._pending, statement], key=lambda one: one.serial)
        return Accepted.FORKED if forked else Accepted.NEW

    def needs(self, report: Report) -> bool:
        """Whether the region has a statement that must be fetched from it: until then its answer renews no lease.

        Also one that is older than the highest here, which only some signers that are none any more may have signed.
        """
        if not report.hash or self._known(report.hash):
            return False
        return report.serial > (self._in_force.serial if self._in_force else 0)

    def hear(self, report: Report, asked_s: float, now_s: float) -> None:
        """A region's answer to a question of `asked_s`. An age below zero would lend us time, so it counts as zero."""
        self._reports[report.region] = report
        if self._renews(report):
            as_of_s = asked_s - max(0.0, report.age_s)
            self._known_at_s[report.region] = max(as_of_s, self._known_at_s.get(report.region, as_of_s))
        self.advance(now_s)

    def advance(self, now_s: float) -> None:
        """What is confirmed now, and what is in force."""
        for statement in self._pending:
            by = self._confirmed_by.setdefault(statement.hash, set())
            by.update(self._votes(statement))
            if statement.hash not in self._confirmed_at_s and self._is_confirmed(statement, by):
                self._confirmed_at_s[statement.hash] = now_s
        for statement in reversed(self._pending):
            if self._comes_into_force(statement, now_s):
                self._in_force = statement
                self._pending = [one for one in self._pending if one.serial > statement.serial]
                self._forget()
                return

    def lease_until_s(self) -> float:
        """When the lease ends; that of the last majority, whichever statement's list of regions is the stricter."""
        ends = [self._majority_known_at_s(statement) + statement.lease_s for statement in self._statements()]
        return min(ends, default=float("-inf"))

    def rules(self, now_s: float) -> Rules:
        return Rules(self._in_force, tuple(self._pending), now_s < self.lease_until_s())

    def missing_before(self, statement: Statement) -> str:
        """The hash of the newest unknown statement between the one in force and a pending one; "" if all are known."""
        first = self._in_force.serial + 1 if self._in_force else 1
        while statement.serial > first:
            before = self._known(statement.previous)
            if before is None:
                return statement.previous
            statement = before
        return ""

    def in_force_from_s(self, statement: Statement) -> float | None:
        """When a pending statement will be in force; None while no majority has confirmed it."""
        confirmed_at_s = self._confirmed_at_s.get(statement.hash)
        if confirmed_at_s is None:
            return None
        return confirmed_at_s + self._wait_s(statement)

    def confirmed_by(self, statement: Statement) -> frozenset[str]:
        return frozenset(self._confirmed_by.get(statement.hash, ()))

    def known_at_s(self) -> Mapping[str, float]:
        """For each region that answered: as of when."""
        return dict(self._known_at_s)

    def _statements(self) -> list[Statement]:
        return [*([self._in_force] if self._in_force else []), *self._pending]

    def _known(self, hash: str) -> Statement | None:
        return next((one for one in self._statements() if one.hash == hash), None)

    def _renews(self, report: Report) -> bool:
        """Not if the region has no statement, or an older one than it had: then its settings have lost one, and it does
        not know what else it confirmed."""
        if not report.hash or self.needs(report):
            return False
        known = self._known(report.hash)
        serial, heard = known.serial if known else report.serial, self._heard_serial.get(report.region, 0)
        if known:
            self._heard_serial[report.region] = max(serial, heard)
        return serial >= heard

    def _votes(self, statement: Statement) -> set[str]:
        """The regions that hold it now, without those that have confirmed another one of its serial."""
        rivals = [one for one in self._pending if one.serial == statement.serial and one.hash != statement.hash]
        spent = {region for rival in rivals for region in self.confirmed_by(rival)}
        return {region for region, report in self._reports.items() if report.hash == statement.hash} - spent

    def _wait_s(self, statement: Statement) -> float:
        """No lease that somebody may have under a statement between the one in force and this is longer."""
        if self._in_force is None and statement.serial == 1:
            return 0.0
        longest_s = MAX_LEASE_S if self.missing_before(statement) else max(one.lease_s for one in self._statements())
        return WAIT_LEASES * longest_s

    def _is_confirmed(self, statement: Statement, by: set[str]) -> bool:
        return all(_is_majority(by, one.voters) for one in (statement, self._in_force) if one)

    def _comes_into_force(self, statement: Statement, now_s: float) -> bool:
        from_s = self.in_force_from_s(statement)
        if from_s is not None and now_s >= from_s:
            return True
        # A process that starts, or was cut off, need not wait again for what others have waited for.
        at = {region for region, report in self._reports.items() if report.in_force == statement.hash}
        return _is_majority(at, statement.voters)

    def _majority_known_at_s(self, statement: Statement) -> float:
        times = sorted((self._known_at_s.get(name, float("-inf")) for name in statement.voters), reverse=True)
        return times[len(times) // 2]

    def _forget(self) -> None:
        """Confirmations of statements that matter no more."""
        kept = {statement.hash for statement in self._statements()}
        self._confirmed_by = {hash: by for hash, by in self._confirmed_by.items() if hash in kept}
        self._confirmed_at_s = {hash: at_s for hash, at_s in self._confirmed_at_s.items() if hash in kept}


def _is_majority(names: Iterable[str], voters: frozenset[str]) -> bool:
    return 2 * len(voters.intersection(names)) > len(voters)
