"""Leased numbers and locks of the settings port over one SQLite file. Both run out by the clock.

All processes that share the file run on one machine and read one clock, which may be stepped. Every change reads it
inside its transaction, since waiting for the file can take seconds, and no renewal shortens anything.

**Numbers.** The row of a number stays when its lease has ended, because the next lease needs its end: a lease's floor
is where the lease before it ended. The holder makes ids only with times from its floor up to its own end. So the ids of
two holders of one number never overlap, even if the clock was stepped back in between.

The floor is also the epoch of the number. Every lease ends after its floor, so the next floor is higher. `renew` and
`release` compare number, holder and floor with the row. A process that lost its lease, and comes back while somebody
else has the number (perhaps a later process of the same name), therefore changes nothing.

**Locks.** The fencing token comes from a counter that only grows, and each acquisition takes a new one. `renew` and
`release` compare it with the row, so a former holder changes nothing, even if the holder's name is the same. A lock
that has run out can't be renewed, although nobody else may have acquired it: its holder has lost it and has to
acquire it again, with a new token.
"""

from collections.abc import Callable

from regions.errors import Unavailable
from regions.stores.settings import Lease, Lock, check_word
from regions.stores.sqlite.database import Database
from regions.stores.sqlite.settings import next_version, to_ms


class SqliteNumbers:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def lease(self, pool: str, holder: str, size: int, ttl_s: float) -> Lease:
        check_word(pool)
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            ended = dict(connection.execute("SELECT number, until_ms FROM leases WHERE pool = ?", (pool,)).fetchall())
            number = next((number for number in range(size) if ended.get(number, 0) <= now_ms), None)
            if number is None:
                raise Unavailable(f"all {size} numbers of {pool} are taken")
            lease = Lease(pool, number, holder, ended.get(number, 0), now_ms + to_ms(ttl_s))
            row = (pool, number, holder, lease.floor_ms, lease.until_ms)
            connection.execute(
                "INSERT OR REPLACE INTO leases (pool, number, holder, floor_ms, until_ms) VALUES (?, ?, ?, ?, ?)", row
            )
        return lease

    def renew(self, lease: Lease, ttl_s: float) -> Lease | None:
        """Never shortens a lease, even if the clock was stepped back."""
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            row = connection.execute(
                "UPDATE leases SET until_ms = max(until_ms, ?)"
                " WHERE pool = ? AND number = ? AND holder = ? AND floor_ms = ? AND until_ms > ? RETURNING until_ms",
                (now_ms + to_ms(ttl_s), lease.pool, lease.number, lease.holder, lease.floor_ms, now_ms),
            ).fetchone()
        return Lease(lease.pool, lease.number, lease.holder, lease.floor_ms, row[0]) if row else None

    def release(self, lease: Lease, used_until_ms: int) -> None:
        """Does nothing if the number is somebody else's by now."""
        with self._database.writing() as connection:
            # The lease ends where it was used until, and never later than it would have. It ends after its floor even
            # if no id was made, so that the next lease has a higher floor: otherwise both would be the same epoch.
            connection.execute(
                "UPDATE leases SET holder = NULL, until_ms = min(until_ms, max(?, floor_ms + 1))"
                " WHERE pool = ? AND number = ? AND holder = ? AND floor_ms = ?",
                (used_until_ms, lease.pool, lease.number, lease.holder, lease.floor_ms),
            )

    def taken(self, pool: str) -> int:
        check_word(pool)
        with self._database.reading() as connection:
            (taken,) = connection.execute(
                "SELECT count(*) FROM leases WHERE pool = ? AND until_ms > ?", (pool, self._clock_ms())
            ).fetchone()
        return int(taken)


class SqliteLocks:
    def __init__(self, database: Database, clock_ms: Callable[[], int]) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def acquire(self, name: str, holder: str, ttl_s: float) -> Lock | None:
        check_word(name)
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            held = "SELECT 1 FROM locks WHERE name = ? AND until_ms > ?"
            if connection.execute(held, (name, now_ms)).fetchone():
                return None
            token = next_version(connection)
            row = (name, holder, token, now_ms + to_ms(ttl_s))
            connection.execute(
                "INSERT OR REPLACE INTO locks (name, holder, fencing_token, until_ms) VALUES (?, ?, ?, ?)", row
            )
        return Lock(name, holder, token, ttl_s)

    def renew(self, lock: Lock) -> bool:
        """Never shortens a lock, even if the clock was stepped back."""
        with self._database.writing() as connection:
            now_ms = self._clock_ms()
            renewed = connection.execute(
                "UPDATE locks SET until_ms = max(until_ms, ?) WHERE name = ? AND fencing_token = ? AND until_ms > ?",
                (now_ms + to_ms(lock.ttl_s), lock.name, lock.fencing_token, now_ms),
            )
            return renewed.rowcount > 0

    def release(self, lock: Lock) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM locks WHERE name = ? AND fencing_token = ?", (lock.name, lock.fencing_token)
            )
