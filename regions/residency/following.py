"""What a process knows that asks no majority itself: an edge, and what works for one region beside its origins.

An edge shows photos of many homes, and has for each home the lease of that home's region, which it hears from the
home's shield. A report counts when all statements that it names are known here, as a region's lease is worth no more
than what it knows. A statement that has arrived from any of them tightens for all.

Pure: reports and times go in, `Rules` come out.
"""

from collections.abc import Iterable, Mapping

from regions.residency.exchange import Accepted, Report
from regions.residency.rules import Rules
from regions.residency.statement import Statement


class Following:
    """`in_force` maps each home to the hash of its statement in force, as last heard. Not safe between threads."""

    def __init__(self, statements: Iterable[Statement] = (), in_force: Mapping[str, str] | None = None) -> None:
        self._statements = sorted(statements, key=lambda statement: statement.serial)
        self._in_force = dict(in_force or {})
        self._lease_until_s: dict[str, float] = {}

    @property
    def highest(self) -> Statement | None:
        return self._statements[-1] if self._statements else None

    @property
    def in_force(self) -> Mapping[str, str]:
        return dict(self._in_force)

    def accept(self, statement: Statement) -> Accepted:
        """Takes a verified statement: the newest, or one that a report names as in force somewhere."""
        if self._by_hash(statement.hash):
            return Accepted.KNOWN
        same = next((one for one in self._statements if one.serial == statement.serial), None)
        newest = self.highest is None or statement.serial > self.highest.serial
        self._statements = sorted([*self._statements, statement], key=lambda one: one.serial)
        return Accepted.FORKED if same else Accepted.NEW if newest else Accepted.OLDER

    def needs(self, report: Report) -> list[str]:
        """The hashes of the statements that must be fetched before the report counts."""
        wanted = [report.in_force, *report.pending]
        if self.highest is None or report.serial >= self.highest.serial:
            wanted.append(report.hash)
        return [hash for hash in dict.fromkeys(wanted) if hash and self._by_hash(hash) is None]

    def hear(self, report: Report, asked_s: float) -> None:
        """What the shield of `report.region` answered to a question of `asked_s`. A lease is never shortened by it."""
        if self.needs(report):
            return
        reported, before = self._by_hash(report.in_force), self._by_hash(self._in_force.get(report.region, ""))
        if reported and (before is None or reported.serial > before.serial):
            self._in_force[report.region] = reported.hash
            self._forget()
        if reported:
            until_s = asked_s + min(report.lease_left_s, reported.lease_s)
            self._lease_until_s[report.region] = max(until_s, self._lease_until_s.get(report.region, until_s))

    def rules(self, home: str, now_s: float) -> Rules:
        in_force = self._by_hash(self._in_force.get(home, ""))
        pending = tuple(one for one in self._statements if in_force is None or one.serial > in_force.serial)
        return Rules(in_force, pending, now_s < self._lease_until_s.get(home, float("-inf")))

    def everywhere(self) -> Rules:
        """For what has no home, as who somebody is. The newest in force anywhere counts: a region that is lost for good
        would keep an older one forever."""
        in_force = max(map(self._by_hash, self._in_force.values()), key=_serial, default=None)
        return Rules(in_force, tuple(one for one in self._statements if one.serial > _serial(in_force)), False)

    @property
    def statements(self) -> list[Statement]:
        return list(self._statements)

    def _by_hash(self, hash: str) -> Statement | None:
        return next((one for one in self._statements if one.hash == hash), None)

    def _forget(self) -> None:
        """Statements before the oldest that is in force for some home."""
        in_force = [one.serial for one in self._statements if one.hash in self._in_force.values()]
        self._statements = [one for one in self._statements if one.serial >= min(in_force)]


def _serial(statement: Statement | None) -> int:
    return statement.serial if statement else 0
