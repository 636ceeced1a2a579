"""The rules in force now, as one process knows them: held in memory and on disk, fed by settings and other servers.

`LiveRules` is for a process of a region that asks the other regions itself (an origin, a witness). `FollowedRules` is
for one that asks shields or origins (an edge, a replicator). Both let in only what the compliance team has signed, and
keep it on disk before they act on it. A text that fails is alarmed and ignored: what was in force before stays.

Any thread may call any method. Network and clock are arguments; `clock_s` never goes back, also not while the machine
sleeps (`boot_s`).
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from regions.clock import now_ms
from regions.errors import Problem, StatementError
from regions.residency.chain import Fetch, Links, followed, verified
from regions.residency.chain_pauses import ChainPauses
from regions.residency.exchange import Accepted, Exchange, Report
from regions.residency.following import Following
from regions.residency.rules import Rules
from regions.residency.statement import Signers, Statement
from regions.residency.statement_folder import StatementFolder

log = logging.getLogger(__name__)

# A report lists 50. Who is further behind waits for the longest lease there can be, or for a majority that has.
_MOST_BETWEEN = 40


def boot_s() -> float:
    """Seconds since this machine started, also those that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LiveRules:
    """What a process of the region `region` knows. It starts with what the folder has."""

    def __init__(
        self,
        region: str,
        folder: StatementFolder,
        root: Signers,
        clock_s: Callable[[], float] = boot_s,
        wall_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.region, self._folder, self._root, self.clock_s = region, folder, root, clock_s
        self._wall_ms = wall_ms
        self._lock = threading.Lock()
        kept, in_force = folder.statements(), folder.in_force().get(region)
        start = next((one for one in kept if one.hash == in_force), None)
        self._exchange = Exchange(start, [one for one in kept if start is None or one.serial > start.serial])
        self._confirmed: Statement | None = None
        self._held: Statement | None = None
        self._held_at_s = float("-inf")
        self._noted = start.hash if start else ""
        self.read_folder()

    def current(self) -> Rules:
        """From memory: a disk that hangs delays no request."""
        with self._lock:
            self._exchange.advance(self.clock_s())
            return replace(self._exchange.rules(self.clock_s()), now_ms=self._wall_ms())

    def take(self, signed: str, links: Links) -> Statement:
        """A statement that arrived, verified and on disk. Raises StatementError, and what `links` raises.

        With those between the one in force and this one, if they are to be had.
        """
        statement = verified(signed, self.current().statements, self._root, links)
        self._accept(statement)
        self._take_between(statement, links)
        return statement

    def read_folder(self) -> None:
        """What other processes of this node have kept there since."""
        known = {one.hash: one for one in self.current().statements}
        kept = self._folder.statements(known)
        _keep_missing(self._folder, known.values())
        with self._lock:
            for statement in kept:
                self._exchange.accept(statement)
            self._confirm(self._by_hash(self._folder.confirmed()))

    @property
    def highest(self) -> Statement | None:
        """Of two with one serial, the one that this region has confirmed."""
        with self._lock:
            highest, confirmed = self._exchange.highest, self._confirmed
            return confirmed if confirmed and highest and confirmed.serial == highest.serial else highest

    def contradicts(self, found: Statement | None) -> bool:
        """Whether the region has confirmed another statement of that serial, or a newer one, so that its settings have
        no right to hold this one, or none."""
        with self._lock:
            confirmed = self._confirmed
        if confirmed is None or found is None:
            return confirmed is not None
        return confirmed.serial >= found.serial and confirmed.hash != found.hash

    def needs(self, report: Report) -> bool:
        """Whether the statement that the region holds is to be fetched from it and taken.

        Also if it is known and some before it are not: any region may be the only one that has these in its history.
        """
        with self._lock:
            known = self._by_hash(report.hash)
            return bool(known and self._missing_before(known)) or self._exchange.needs(report)

    def hear(self, report: Report, asked_s: float) -> None:
        """What another region answered to a question of `asked_s`."""
        with self._lock:
            self._exchange.hear(report, asked_s, self.clock_s())
        self._note()

    def settings_hold(self, statement: Statement | None, asked_s: float) -> None:
        """Our own region's settings hold this one, as of `asked_s`: from now on the region confirms it."""
        with self._lock:
            is_news = self._confirm(statement)
            self._held, self._held_at_s = statement, asked_s
        if statement and is_news:
            with _disk_errors_logged():
                self._folder.note_confirmed(statement)
        self.hear(replace(self.report(), age_s=0.0), asked_s)

    def report(self) -> Report:
        """For those who ask this region."""
        with self._lock:
            self._exchange.advance(self.clock_s())
            now_s, held = self.clock_s(), self._held
            rules = self._exchange.rules(now_s)
            in_force = rules.in_force
            return Report(
                self.region,
                held.serial if held else 0,
                held.hash if held else "",
                in_force.hash if in_force else "",
                now_s - self._held_at_s,
                self._exchange.lease_until_s() - now_s,
                tuple(one.hash for one in rules.pending),
            )

    def signed(self, hash: str) -> str | None:
        """The signed text of a statement that is in force or pending."""
        known = self.current().statements
        return next((statement.signed for statement in known if statement.hash == hash), None)

    def _accept(self, statement: Statement) -> None:
        with self._lock:
            accepted = self._exchange.accept(statement)
        if accepted in (Accepted.NEW, Accepted.FORKED):
            _keep(self._folder, statement, accepted)

    def _take_between(self, statement: Statement, links: Links) -> None:
        """Without those it would wait for the longest lease there can be."""
        try:
            for _ in range(_MOST_BETWEEN):
                with self._lock:
                    missing = self._missing_before(statement)
                if not missing:
                    return
                for one in followed(links(missing), self.current().statements, self._root, links):
                    self._accept(one)
        except (Problem, StatementError) as error:
            log.info("a statement in between is not to be had", extra={"error": str(error)})

    def _missing_before(self, statement: Statement) -> str:
        """The hash of the newest unknown one between the one in force and this one; "" if there is none.

        Also if none is in force, or one of long ago: then a majority says what is, and history may be long.
        """
        in_force = self._exchange.rules(self.clock_s()).in_force
        if in_force is None or statement.serial - in_force.serial > _MOST_BETWEEN:
            return ""
        return self._exchange.missing_before(statement)

    def _by_hash(self, hash: str) -> Statement | None:
        known = self._exchange.rules(self.clock_s()).statements
        return next((one for one in known if one.hash == hash), None)

    def _confirm(self, statement: Statement | None) -> bool:
        """Whether this is news. What a region has confirmed does not go back."""
        if statement is None or (self._confirmed and statement.serial <= self._confirmed.serial):
            return False
        self._confirmed = statement
        return True

    def _note(self) -> None:
        """On disk, what is in force now."""
        with self._lock:
            self._exchange.advance(self.clock_s())
            in_force = self._exchange.rules(self.clock_s()).in_force
            is_news = in_force is not None and self._noted != in_force.hash
            if in_force is not None:
                self._noted = in_force.hash
        if in_force is not None and is_news:
            log.warning("a statement is in force", extra={"serial": in_force.serial, "hash": in_force.hash})
            with _disk_errors_logged():
                self._folder.note_in_force({self.region: in_force.hash})
                self._folder.drop_before(in_force.serial)


class FollowedRules:
    """What an edge or a replicator knows, for each home. It starts with what the folder has."""

    def __init__(
        self,
        folder: StatementFolder,
        root: Signers,
        clock_s: Callable[[], float] = boot_s,
        wall_ms: Callable[[], int] = now_ms,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._folder, self._root, self.clock_s, self._wall_ms = folder, root, clock_s, wall_ms
        self._lock, self._pauses = threading.Lock(), ChainPauses(clock_s, jitter)
        self._following = Following(folder.statements(), folder.in_force())

    def of(self, home: str) -> Rules:
        """The rules for data of that home."""
        with self._lock:
            return replace(self._following.rules(home, self.clock_s()), now_ms=self._wall_ms())

    def version(self) -> object:
        """Another one whenever the rules are."""
        with self._lock:
            return (tuple(one.hash for one in self._following.statements), tuple(self._following.in_force.items()))

    def everywhere(self) -> Rules:
        """For what is nobody's data: who somebody is."""
        with self._lock:
            return self._following.everywhere()

    @property
    def highest(self) -> Statement | None:
        with self._lock:
            return self._following.highest

    def hear(self, report: Report, asked_s: float, fetch: Fetch) -> None:
        """What a region answered to a question of `asked_s`. Fetches the statements that it names first.

        Raises StatementError, and what `fetch` raises; then the answer does not count. What it names is then asked for
        more and more rarely.
        """
        with self._lock:
            needed = self._following.needs(report)
        if needed:
            links = Links(fetch)
            with self._pauses.following(report.region, links):
                for hash in needed:
                    self._take(hash, links)
        with self._lock:
            before = self._following.in_force
            self._following.hear(report, asked_s)
            after, kept = self._following.in_force, self._following.statements
        _keep_missing(self._folder, kept)
        if after != before:
            with _disk_errors_logged():
                self._folder.note_in_force(after)
                self._folder.drop_before(kept[0].serial)

    def _take(self, hash: str, links: Links) -> None:
        with self._lock:
            known = self._following.statements
        statement = verified(links(hash), known, self._root, links)
        with self._lock:
            accepted = self._following.accept(statement)
        if accepted is not Accepted.KNOWN:
            _keep(self._folder, statement, accepted)

    def signed(self, hash: str) -> str | None:
        with self._lock:
            known = self._following.statements
        return next((statement.signed for statement in known if statement.hash == hash), None)


def _keep(folder: StatementFolder, statement: Statement, accepted: Accepted) -> None:
    """A disk that is full must not keep a statement from tightening: then it counts until this process ends."""
    facts = {"serial": statement.serial, "hash": statement.hash, "because": statement.because}
    log.warning("a statement arrived", extra=facts)
    if accepted is Accepted.FORKED:
        log.error("ALARM: there are two statements with one serial; the stricter counts", extra=facts)
    with _disk_errors_logged():
        folder.keep(statement)


def _keep_missing(folder: StatementFolder, statements: Iterable[Statement]) -> None:
    """What somebody has removed from the disk is there again."""
    for statement in statements:
        if not folder.has(statement):
            with _disk_errors_logged():
                folder.keep(statement)


@contextmanager
def _disk_errors_logged() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("ALARM: the disk does not keep the statement; a restart could forget it", extra={"error": str(error)})
