"""The chain of statements, from one that is trusted to one that arrived: fetched link by link, and verified.

Links come from regions that may be in anybody's hands. Whether they are signed shows only at the end of the way back,
since a statement is signed by the team that the one before it lists. So each is fetched twice: on the way back its hash
alone is kept, and on the way forward it is verified. Of their texts, never more than two are in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from regions.errors import StatementError
from regions.residency import signatures
from regions.residency.statement import Signers, Statement
from regions.residency.statement_document import check_follows, hash_of

Fetch = Callable[[str], str]
"""The signed text of the statement with a hash. Raises Problem."""

# Of one whole answer of a region. Each link counts twice: 10,000 of ten kilobytes, or 250 of the largest there can be.
_MOST_LINKS = 20_000
_MOST_BYTES = 200_000_000


class Links:
    """Fetches the statements that one answer of a region leads to. `count` is how many came.

    Each is the one that its hash says, and all together are bounded in number and in bytes of UTF-8.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch, self._size_bytes, self.count = fetch, 0, 0

    def __call__(self, hash: str) -> str:
        """Raises StatementError, and what `fetch` raises."""
        if self.count >= _MOST_LINKS or self._size_bytes >= _MOST_BYTES:
            raise StatementError("the chain of statements before it is too long")
        signed = self._fetch(hash)
        self.count += 1
        self._size_bytes += len(signed.encode(errors="surrogatepass"))
        if hash_of(signatures.unpack(signed)[0]) != hash:
            raise StatementError("the statement before it is another one")
        return signed


def verified(signed: str, known: Iterable[Statement], root: Signers, links: Links) -> Statement:
    """The statement, if those who may sign it have. Raises as `followed`."""
    return deque(followed(signed, known, root, links), maxlen=1)[0]


def followed(signed: str, known: Iterable[Statement], root: Signers, links: Links) -> Iterator[Statement]:
    """Those from one that we trust to this one, itself the last, each verified before it comes.

    A statement is signed by the team that the one before lists. So it must follow one that we know, by a chain of which
    `links` gets each: a team that was replaced signs nothing that counts. A node that knows none yet trusts `root`
    instead, for this statement or for one from which the chain goes on. One that has forgotten where a chain parts from
    its own trusts the team of the lowest that it knows, for a statement that is no higher than that. Raises
    StatementError, and what `links` raises.
    """
    by_hash, top = {one.hash: one for one in known}, hash_of(signatures.unpack(signed)[0])
    kept = by_hash.get(top)
    if kept and kept.signed == signed:
        yield kept
        return
    statement, after = _way_back(signed, top, by_hash, root, links)
    if statement.hash not in by_hash:
        yield statement
    for hash in reversed(after):
        statement = _following(signed if hash == top else links(hash), statement)
        yield statement


def _way_back(
    signed: str, hash: str, by_hash: Mapping[str, Statement], root: Signers, links: Links
) -> tuple[Statement, list[str]]:
    """A statement that is trusted, and the hashes of those after it, the newest first."""
    lowest = min(by_hash.values(), key=lambda one: one.serial, default=None)
    trusted = lowest.signers if lowest else root
    after: list[str] = []
    serial, previous = signatures.previous_of(signed)
    while previous not in by_hash:
        if (not lowest or serial <= lowest.serial) and (found := _signed_by(trusted, signed)):
            return found, after
        if not previous:
            raise StatementError("neither those who sign here nor any statement that is known stand behind it")
        after.append(hash)
        hash, signed, above = previous, links(previous), serial
        serial, previous = signatures.previous_of(signed)
        if serial >= above:
            raise StatementError("its serial is not lower than that of the one after it")
    return by_hash[previous], [*after, hash]


def _signed_by(team: Signers, signed: str) -> Statement | None:
    try:
        return signatures.verify(signed, team)
    except StatementError:
        return None


def _following(signed: str, before: Statement) -> Statement:
    """Where the team changes, both teams have signed (as in The Update Framework, 5.3.4): the new one can sign what is
    next, and a node that trusts only the new one accepts this one."""
    statement = signatures.verify(signed, before.signers)
    if statement.signers != before.signers:
        signatures.verify(signed, statement.signers)
    check_follows(statement, before)
    return statement
