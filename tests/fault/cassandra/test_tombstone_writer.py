"""The chains of tombstones on Cassandra: who writes which partition, and what a process does that lost its own."""

from itertools import count

import pytest

from regions import ids
from regions.errors import Unavailable
from regions.records import Tombstone
from regions.stores.cassandra import partitions
from regions.stores.cassandra.session import CassandraSession
from regions.stores.cassandra.tombstone_writer import TombstoneWriter
from regions.stores.cassandra.tombstones import CassandraTombstones

JANITOR_AHEAD_MS = 60_000
HOURS_S = 4 * 3600

pytestmark = pytest.mark.xdist_group("cassandra")


@pytest.fixture
def small(monkeypatch):
    """Partitions of three positions each."""
    monkeypatch.setattr(partitions, "TOMBSTONES_PER_PARTITION", 3)


@pytest.fixture
def tables(session):
    """A session in the keyspace."""
    session.use(session.address.keyspace)
    return session


@pytest.fixture
def reader(tables):
    return CassandraTombstones(tables)


@pytest.fixture
def on_one_chain(monkeypatch):
    """Every process that looks for a chain tries only chain 0, and takes it although it is in use."""
    monkeypatch.setattr("regions.stores.cassandra.tombstone_writer._candidates", lambda: iter([(0, True)]))


numbers = count(1)


def fresh(how_many: int = 1) -> list[Tombstone]:
    owner = ids.to_public(ids.USER, 1)
    return [Tombstone(ids.to_public(ids.PHOTO, next(numbers)), owner, 1) for _ in range(how_many)]


def read_all(reader, cursors=None) -> list[Tombstone]:
    cursors, found = dict(cursors or {}), []
    while page := reader.after(cursors, 2).entries:
        found += [entry.tombstone for entry in page]
        cursors |= {entry.chain: entry.position for entry in page}
    return found


def flat(groups) -> list[Tombstone]:
    return [tombstone for group in groups for tombstone in group]


def reserved(tables) -> dict[int, int]:
    return dict(tables.execute("SELECT chain, partitions FROM tombstone_chains"))


def conditional_writes(monkeypatch) -> list[tuple]:
    made, execute_conditional = [], CassandraSession.execute_conditional

    def execute(session, *calls):
        made.append(calls)
        return execute_conditional(session, *calls)

    monkeypatch.setattr(CassandraSession, "execute_conditional", execute)
    return made


def test_a_process_makes_one_conditional_write_for_a_whole_partition(tables, reader, monkeypatch):
    """All appends after the first are plain writes."""
    made, writer = conditional_writes(monkeypatch), TombstoneWriter(tables)
    listed = [fresh() for _ in range(20)]
    for tombstones in listed:
        writer.commit(tombstones)
    assert len(made) == 1
    assert read_all(reader) == flat(listed)


def test_a_chain_continues_in_the_next_partition(small, tables, reader):
    """With a gap where what was appended together did not fit into the rest of a partition."""
    writer, listed = TombstoneWriter(tables), [fresh(2) for _ in range(4)] + [fresh(3), fresh(1)]
    for tombstones in listed:
        writer.commit(tombstones)
    assert read_all(reader) == flat(listed)
    assert reserved(tables) == {0: 6}


def test_a_process_that_starts_takes_a_chain_that_is_not_in_use(tables):
    """Each of many has one of its own."""
    writers = [TombstoneWriter(tables) for _ in range(12)]
    for _ in range(2):
        for writer in writers:
            writer.commit(fresh())
    assert sorted(reserved(tables).values()) == [1] * 12


def test_when_every_chain_is_in_use_a_process_continues_one_of_them(tables, reader, on_one_chain):
    """The process that had it fails once, and its next append succeeds."""
    first, second = TombstoneWriter(tables), TombstoneWriter(tables)
    listed = [fresh(), fresh(), fresh()]
    first.commit(listed[0])
    second.commit(listed[1])
    with pytest.raises(Unavailable):
        first.commit(fresh())
    first.commit(listed[2])
    assert [one for one in read_all(reader) if [one] in listed] == flat(listed)


def test_an_old_partition_is_left_so_that_the_chain_stays_marked_as_in_use(tables, reader):
    """Hours after it was reserved; the gap at its end stops no reader."""
    now_s = [0.0]
    writer, listed = TombstoneWriter(tables, lambda: now_s[0]), [fresh(), fresh()]
    writer.commit(listed[0])
    now_s[0] = HOURS_S
    writer.commit(listed[1])
    assert reserved(tables) == {0: 2}
    assert [entry.position for entry in reader.after({}, 9).entries] == [1, partitions.TOMBSTONES_PER_PARTITION + 1]
    assert read_all(reader) == flat(listed)


def test_a_partition_in_which_nothing_was_written_stops_no_reader(small, tables, reader, on_one_chain):
    """As after a process that died when it had just reserved it."""
    writers, listed = [TombstoneWriter(tables) for _ in range(3)], [fresh(), fresh()]
    writers[0].commit(listed[0])
    for _ in range(3):
        writers[1]._partition_for(1)
        writers[1]._reserved = None
    writers[2].commit(listed[1])
    assert reserved(tables) == {0: 5}
    assert read_all(reader) == flat(listed)


def test_an_append_that_was_cut_off_leaves_a_gap_and_its_positions_are_not_used_again(tables, reader, monkeypatch):
    """Since its rows may still arrive, behind a reader."""
    writer, listed, lost = TombstoneWriter(tables), [fresh(), fresh()], fresh(2)
    writer.commit(listed[0])
    with monkeypatch.context() as cut, pytest.raises(Unavailable):
        cut.setattr(CassandraSession, "execute_partition_batch", unavailable)
        writer.commit(lost)
    writer.commit(listed[1])
    assert [(entry.position, [entry.tombstone]) for entry in reader.after({}, 9).entries] == [
        (1, listed[0]),
        (4, listed[1]),
    ]


def test_the_head_of_a_chain_never_moves_back(tables, reader, on_one_chain, monkeypatch):
    """A process that was suspended after it stored its rows fails, and hides nothing that its successor has listed."""
    suspended, successor, listed = TombstoneWriter(tables), TombstoneWriter(tables), [fresh(), fresh(), fresh()]
    suspended.commit(listed[0])
    execute_partition_batch, cursors = CassandraSession.execute_partition_batch, {}

    def then_suspend(session, calls):
        execute_partition_batch(session, calls)
        if cursors:
            return
        cursors[0] = 0
        successor.commit(listed[1])
        while page := reader.after(cursors, 9).entries:
            cursors[0] = page[-1].position

    monkeypatch.setattr(CassandraSession, "execute_partition_batch", then_suspend)
    with pytest.raises(Unavailable):
        suspended.commit(fresh())
    assert reader.after(cursors, 9).entries == []
    successor.commit(listed[2])
    assert read_all(reader, cursors) == listed[2]


def test_a_deletion_whose_chain_was_lost_is_finished_by_the_janitor(open_at, session, on_one_chain):
    """Its caller gets Unavailable; its tombstone is listed for readers that have read what came meanwhile."""
    loser, winner, janitor = open_at(0), open_at(0), open_at(JANITOR_AHEAD_MS)
    before, meanwhile, lost = fresh(3)
    assert loser.photos.delete(before, None)
    assert winner.photos.delete(meanwhile, None)
    cursors = {}
    while page := winner.tombstones.after(cursors, 9).entries:
        cursors |= {entry.chain: entry.position for entry in page}
    with pytest.raises(Unavailable):
        loser.photos.delete(lost, None)
    assert janitor.outbox.pending(9) == []
    assert lost in read_all(janitor.tombstones, cursors)


def test_a_chain_behind_a_gap_is_read_although_another_moves_on(tables, reader, monkeypatch):
    """As when one process has started again and the other deletes all the time."""
    chains = iter([0, 0, 1])
    candidates = "regions.stores.cassandra.tombstone_writer._candidates"
    monkeypatch.setattr(candidates, lambda: iter([(next(chains), True)]))
    before, behind_the_gap = fresh(2)
    TombstoneWriter(tables).commit([before])
    cursors = {entry.chain: entry.position for entry in reader.after({}, 9).entries}
    TombstoneWriter(tables).commit([behind_the_gap])
    TombstoneWriter(tables).commit(fresh())
    page = reader.after(cursors, 9)
    assert page.complete
    assert behind_the_gap in [entry.tombstone for entry in page.entries]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_page_says_whether_it_is_the_last(tables, reader, small, limit):
    """No page but the last is complete, and nothing is left after that."""
    writers = [TombstoneWriter(tables) for _ in range(3)]
    for number in range(12):
        writers[number % 3].commit(fresh(1 + number % 2))
    cursors, found, pages = {}, [], []
    while not pages or not pages[-1].complete:
        pages.append(reader.after(cursors, limit))
        found += pages[-1].entries
        cursors |= {entry.chain: entry.position for entry in pages[-1].entries}
        assert len(pages) < 30
    assert len(found) == len({entry.tombstone for entry in found}) == 18
    assert reader.after(cursors, limit).entries == []


def test_commits_in_turn_by_processes_that_take_each_others_chains(on_one_chain, tables, reader):
    """Nothing that was acknowledged is missing, and no reader skips it."""
    writers, acknowledged, cursors, seen = [TombstoneWriter(tables) for _ in range(3)], [], {}, []
    for number in range(40):
        tombstones = fresh(1 + number % 3)
        try:
            writers[number % 7 % 3].commit(tombstones)
            acknowledged += tombstones
        except Unavailable:
            pass
        page = reader.after(cursors, 3).entries
        seen += [entry.tombstone for entry in page]
        cursors |= {entry.chain: entry.position for entry in page}
    assert acknowledged
    assert set(acknowledged) <= {*seen, *read_all(reader, cursors)}


def unavailable(session, calls) -> None:
    raise Unavailable("the connection was closed")
