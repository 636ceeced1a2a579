"""The rules in force now, as one process knows them: held in memory and on disk, fed by settings and other servers.

`LiveRules` is for a process of a region that asks the other regions itself (an origin, a witness). `FollowedRules` is
for one that asks shields or origins (an edge, a replicator). Both let in only what the compliance team has signed, and
keep it on disk before they act on it. A text that fails is alarmed and ignored: what was in force before stays.

Any thread may call any method. Network and clock are arguments; `clock_s` never goes back, also not while the machine
sleeps (`boot_s`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regions.errors import StatementError
from regions.residency import signatures
from regions.residency.exchange import Accepted, Exchange, Report
from regions.residency.following import Following
from regions.residency.rules import Rules
from regions.residency.statement import Signers, Statement
from regions.residency.statement_document import hash_of
from regions.residency.statement_folder import StatementFolder

log = logging.getLogger(__name__)

Fetch = Callable[[str], str]
"""The signed text of the statement with a hash. Raises Problem."""

_MOST_STEPS_BACK = 100


def boot_s() -> float:
    """Seconds since this machine started, also those that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def verified(signed: str, highest: Statement | None, root: Signers, fetch: Fetch) -> Statement:
    """The statement, if the signers whom we know have signed it, or others whom they have appointed since.

    `root` are the signers of a node that knows no statement. `fetch` gets the statements between the highest that we
    know and this one. Raises StatementError, and what `fetch` raises.
    """
    return _verified(signed, highest, root, fetch, _MOST_STEPS_BACK)


def _verified(signed: str, highest: Statement | None, root: Signers, fetch: Fetch, steps: int) -> Statement:
    try:
        return signatures.verify(signed, highest.signers if highest else root)
    except StatementError:
        serial, previous = signatures.previous_of(signed)
        if not steps or serial <= (highest.serial if highest else 0) + 1:
            raise
    before = fetch(previous)
    if hash_of(signatures.unpack(before)[0]) != previous:
        raise StatementError("the statement before it is another one")
    if signatures.previous_of(before)[0] >= serial:
        raise StatementError("its serial is not higher than that of the one before")
    return signatures.verify(signed, _verified(before, highest, root, fetch, steps - 1).signers)


class LiveRules:
    """What a process of the region `region` knows. It starts with what the folder has."""

    def __init__(
        self, region: str, folder: StatementFolder, root: Signers, clock_s: Callable[[], float] = boot_s
    ) -> None:
        self.region, self._folder, self._root, self.clock_s = region, folder, root, clock_s
        self._lock = threading.Lock()
        kept, in_force = folder.statements(), folder.in_force().get(region)
        start = next((one for one in kept if one.hash == in_force), None)
        self._exchange = Exchange(start, [one for one in kept if start is None or one.serial > start.serial])
        self._held: Statement | None = None
        self._held_at_s = float("-inf")
        self._noted = start.hash if start else ""

    def current(self) -> Rules:
        with self._lock:
            self._advance()
            return self._exchange.rules(self.clock_s())

    def take(self, signed: str, fetch: Fetch) -> Statement:
        """A statement that arrived, verified and on disk. Raises StatementError, and what `fetch` raises."""
        statement = verified(signed, self.highest, self._root, fetch)
        with self._lock:
            if (accepted := self._exchange.accept(statement)) in (Accepted.NEW, Accepted.FORKED):
                _keep(self._folder, statement, accepted)
        return statement

    @property
    def highest(self) -> Statement | None:
        with self._lock:
            return self._exchange.highest

    def needs(self, report: Report) -> bool:
        with self._lock:
            return self._exchange.needs(report)

    def hear(self, report: Report, asked_s: float) -> None:
        """What another region answered to a question of `asked_s`."""
        with self._lock:
            self._exchange.hear(report, asked_s, self.clock_s())
            self._note()

    def settings_hold(self, statement: Statement | None, asked_s: float) -> None:
        """Our own region's settings hold this one, as of `asked_s`."""
        with self._lock:
            self._held, self._held_at_s = statement, asked_s
        self.hear(self.report(), asked_s)

    def report(self) -> Report:
        """For those who ask this region."""
        with self._lock:
            self._advance()
            now_s, held = self.clock_s(), self._held
            in_force = self._exchange.rules(now_s).in_force
            return Report(
                self.region,
                held.serial if held else 0,
                held.hash if held else "",
                in_force.hash if in_force else "",
                now_s - self._held_at_s,
                self._exchange.lease_until_s() - now_s,
            )

    def signed(self, hash: str) -> str | None:
        """The signed text of a statement that is in force or pending."""
        known = self.current().statements
        return next((statement.signed for statement in known if statement.hash == hash), None)

    def _advance(self) -> None:
        self._exchange.advance(self.clock_s())
        self._note()

    def _note(self) -> None:
        in_force = self._exchange.rules(self.clock_s()).in_force
        if in_force is not None and self._noted != in_force.hash:
            self._noted = in_force.hash
            log.warning("a statement is in force", extra={"serial": in_force.serial, "hash": in_force.hash})
            with _disk_errors_logged():
                self._folder.note_in_force({self.region: in_force.hash})
                self._folder.drop_before(in_force.serial)


class FollowedRules:
    """What an edge or a replicator knows, for each home. It starts with what the folder has."""

    def __init__(self, folder: StatementFolder, root: Signers, clock_s: Callable[[], float] = boot_s) -> None:
        self._folder, self._root, self.clock_s = folder, root, clock_s
        self._lock = threading.Lock()
        self._following = Following(folder.statements(), folder.in_force())

    def of(self, home: str) -> Rules:
        """The rules for data of that home."""
        with self._lock:
            return self._following.rules(home, self.clock_s())

    def version(self) -> object:
        """Another one whenever the rules are."""
        with self._lock:
            return (tuple(one.hash for one in self._following.statements), tuple(self._following.in_force.items()))

    def everywhere(self) -> Rules:
        """All statements that this process knows, so that a place that one of them lists no longer is nobody."""
        with self._lock:
            return Rules(None, tuple(self._following.statements), False)

    @property
    def highest(self) -> Statement | None:
        with self._lock:
            return self._following.highest

    def hear(self, report: Report, asked_s: float, fetch: Fetch) -> None:
        """What a region answered to a question of `asked_s`. Fetches the statements that it names first.

        Raises StatementError, and what `fetch` raises; then the answer does not count.
        """
        with self._lock:
            needed, highest = self._following.needs(report), self._following.highest
        for hash in needed:
            statement = verified(fetch(hash), highest, self._root, fetch)
            with self._lock:
                if (accepted := self._following.accept(statement)) is not Accepted.KNOWN:
                    _keep(self._folder, statement, accepted)
        with self._lock:
            before = self._following.in_force
            self._following.hear(report, asked_s)
            if self._following.in_force != before:
                with _disk_errors_logged():
                    self._folder.note_in_force(self._following.in_force)
                    self._folder.drop_before(self._following.statements[0].serial)

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


@contextmanager
def _disk_errors_logged() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("ALARM: the disk does not keep the statement; a restart could forget it", extra={"error": str(error)})
