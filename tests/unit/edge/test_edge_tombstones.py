"""Which photos are deleted, how old the tombstones are, and how far the edge has read them when it starts again."""

import math

import pytest

from edge import tombstones as edge_tombstones
from edge.saved_cursors import SavedCursors
from edge.tombstones import KnownTombstones
from regions.errors import BadGateway, NotFound, Unavailable
from regions.tombstone_cursors import to_document

REGION = "eu-west"
UNREADABLE = (b"", b"{", b"null", b"[]", b'{"0": -1}', b'{"x": 1}', b"\xff\xfe", b'{"0": 1', b"[" * 100_000)


class Source:
    """Each region's tombstones in chains, two on a page, and a clock. `asked` are the cursors of all requests."""

    def __init__(self) -> None:
        self.chains: dict[int, list[str]] = {0: []}
        self.asked: list[dict[int, int]] = []
        self.now_s = 100.0
        self.unavailable = False

    def fetch(self, region: str, cursors: dict[int, int]):
        self.asked.append(dict(cursors))
        if self.unavailable:
            raise Unavailable("unavailable")
        unread = [
            (chain, position, photo_id)
            for chain, photo_ids in self.chains.items()
            for position, photo_id in enumerate(photo_ids, 1)
            if position > cursors.get(chain, 0)
        ]
        page = unread[:2]
        after = to_document(cursors | {chain: position for chain, position, _ in page})
        items = [{"photo_id": photo_id} for _, _, photo_id in page]
        return {"items": items, "complete": page == unread, "after": after}


def always(region: str, photo_id: str) -> bool:
    """Each photo is of the region that lists it."""
    return True


class StartedEdge:
    """What a start of the edge reads and purges. `fail_after` purges, the process is killed."""

    def __init__(self, source: Source, folder, fail_after: int | None = None) -> None:
        self.purged: list[str] = []
        self._fail_after = fail_after
        self.tombstones = KnownTombstones(source.fetch, self.purge, SavedCursors(folder), lambda: source.now_s, always)

    def purge(self, photo_id: str) -> None:
        if len(self.purged) == self._fail_after:
            raise KeyboardInterrupt
        self.purged.append(photo_id)


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def start(source, tmp_path):
    return lambda **options: StartedEdge(source, tmp_path, **options)


@pytest.fixture
def edge(start):
    return start()


@pytest.fixture
def tombstones(edge):
    return edge.tombstones


@pytest.fixture
def file(tmp_path):
    """Where the cursors of the region are saved."""
    return tmp_path / "tombstones" / f"{REGION}.json"


def test_every_tombstone_is_read_once(source, edge, tombstones):
    """Over several pages and chains, and then only the new ones, also in a new chain."""
    source.chains = {0: ["a", "b", "c"], 7: ["d", "e"]}
    assert tombstones.run_once(REGION) == 5
    source.chains[7].append("f")
    source.chains[3] = ["g"]
    assert tombstones.run_once(REGION) == 2
    assert sorted(edge.purged) == ["a", "b", "c", "d", "e", "f", "g"]
    assert all(photo_id in tombstones for photo_id in edge.purged)


def test_the_age_counts_from_a_page_that_was_complete_even_if_it_was_not_empty(source, tombstones):
    """Where photos are deleted all the time, no page is ever empty."""
    source.chains[0] = ["a"]
    tombstones.run_once(REGION)
    assert len(source.asked) == 1
    source.now_s += 1
    assert tombstones.tombstones_age_s(REGION) == 1


def test_a_source_that_does_not_go_on_is_not_asked_again_and_again(source, tmp_path):
    """It says that there is more, and sends the same page each time."""
    page = {"items": [{"photo_id": "a"}], "after": {"0": 1}, "complete": False}
    tombstones = KnownTombstones(
        lambda region, cursors: page, lambda photo_id: None, SavedCursors(tmp_path), float, always
    )
    with pytest.raises(BadGateway):
        tombstones.run_once(REGION)


def test_a_deleted_photo_is_not_found(source, tombstones):
    """404; other photos are not affected."""
    source.chains[0] = ["a"]
    tombstones.run_once(REGION)
    with pytest.raises(NotFound):
        tombstones.require_not_deleted("a")
    tombstones.require_not_deleted("b")


def test_the_age_is_infinite_until_the_last_tombstone_is_read_and_grows_from_then_on(source, tombstones):
    """Each region has its own; a failure does not reset it."""
    assert tombstones.tombstones_age_s(REGION) == math.inf
    tombstones.run_once(REGION)
    source.now_s, source.unavailable = 140.0, True
    with pytest.raises(Unavailable):
        tombstones.run_once(REGION)
    assert (tombstones.tombstones_age_s(REGION), tombstones.tombstones_age_s("us-central")) == (40.0, math.inf)


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], {}, 7, {"items": []}, {"after": {}}),
        {"items": [{}], "after": {}},
        {"items": [{"photo_id": "a"}], "after": 1},
        {"items": [{"photo_id": "a"}], "after": {"0": "1"}},
        {"items": [{"photo_id": "a"}], "after": {"1024": 1}},
        {"items": 7, "after": {}},
    ],
)
def test_an_unreadable_document_changes_nothing(edge, tombstones, document):
    """502, and nothing is purged."""
    with pytest.raises(BadGateway):
        tombstones.apply(REGION, document)
    assert edge.purged == []


def test_a_restarted_edge_continues_where_it_was(source, start):
    """In each chain of each region. What it has read before is not read again."""
    source.chains = {0: ["a", "b", "c"], 7: ["d"]}
    for region in (REGION, "us-central"):
        start().tombstones.run_once(region)
    source.chains[7].append("e")
    for region in (REGION, "us-central"):
        restarted, asked = start(), len(source.asked)
        assert restarted.tombstones.run_once(region) == 1
        assert restarted.purged == ["e"]
        assert source.asked[asked] == {0: 3, 7: 1}


def test_a_restarted_edge_knows_no_age_until_it_has_caught_up(source, start):
    """So it asks upstream before it serves a copy."""
    start().tombstones.run_once(REGION)
    restarted = start().tombstones
    assert restarted.tombstones_age_s(REGION) == math.inf
    restarted.run_once(REGION)
    assert restarted.tombstones_age_s(REGION) == 0


def test_an_edge_that_is_killed_during_the_purges_repeats_them(source, start):
    """The cursors are saved after the last purge of a page, never before it."""
    source.chains[0] = ["a", "b", "c", "d"]
    killed = start(fail_after=3)
    with pytest.raises(KeyboardInterrupt):
        killed.tombstones.run_once(REGION)
    restarted = start()
    restarted.tombstones.run_once(REGION)
    assert (killed.purged, restarted.purged) == (["a", "b", "c"], ["c", "d"])


@pytest.mark.parametrize("content", UNREADABLE)
def test_unreadable_cursors_are_ignored(source, start, file, content):
    """All tombstones are read again, and the file is readable from then on."""
    source.chains[0] = ["a"]
    start().tombstones.run_once(REGION)
    file.write_bytes(content)
    restarted = start()
    restarted.tombstones.run_once(REGION)
    assert restarted.purged == ["a"]
    assert file.read_text() == '{"0": 1}'


def test_who_removes_the_cache_removes_the_cursors(source, start, file):
    """All tombstones are read again."""
    source.chains[0] = ["a"]
    start().tombstones.run_once(REGION)
    file.unlink()
    file.parent.rmdir()
    restarted = start()
    restarted.tombstones.run_once(REGION)
    assert restarted.purged == ["a"]


def test_an_edge_that_can_not_save_its_cursors_serves_on(source, start, file):
    """It keeps them in memory, and logs the error."""
    file.mkdir(parents=True)
    source.chains[0] = ["a"]
    edge = start()
    assert [edge.tombstones.run_once(REGION) for _ in range(2)] == [1, 0]
    assert edge.purged == ["a"]


def test_cursors_are_saved_only_when_they_change(source, tombstones, file):
    """An edge asks once a second."""
    source.chains[0] = ["a"]
    tombstones.run_once(REGION)
    before = file.stat().st_ino
    tombstones.run_once(REGION)
    assert file.stat().st_ino == before


def test_no_region_deletes_the_photos_of_another(source, tmp_path):
    """It may list those of which it had copies: their own homes list them too."""
    purged, source.chains[0] = [], ["ours", "another's", ""]
    is_of = lambda region, photo_id: (region, photo_id) == (REGION, "ours")  # noqa: E731
    tombstones = KnownTombstones(source.fetch, purged.append, SavedCursors(tmp_path), lambda: source.now_s, is_of)
    tombstones.run_once(REGION)
    assert purged == ["ours"]
    assert "another's" not in tombstones


def test_a_region_that_deletes_without_end_makes_nobody_forget_what_others_deleted(monkeypatch, source, tombstones):
    """Each region's own oldest are forgotten."""
    monkeypatch.setattr(edge_tombstones, "_MAX_TOMBSTONES", 100)
    source.chains[0] = ["a"]
    tombstones.run_once(REGION)
    listed = [f"b{number}" for number in range(150)]
    tombstones.apply("us-central", {"items": [{"photo_id": one} for one in listed], "after": {}})
    assert "a" in tombstones
    assert [one for one in listed if one in tombstones] == listed[50:]


def test_a_list_without_end_is_left_after_a_while_and_is_not_complete(source, tombstones):
    """So the age stays infinite, and other loops have their turn."""
    source.chains[0] = [f"a{number}" for number in range(1000)]
    assert tombstones.run_once(REGION) == 40
    assert len(source.asked) == 20
    assert tombstones.tombstones_age_s(REGION) == math.inf


def test_the_next_round_goes_on_where_the_one_before_has_ended(source, start, tombstones):
    """In this process and after a restart, until all are read."""
    source.chains[0] = [f"a{number}" for number in range(90)]
    tombstones.run_once(REGION)
    tombstones.run_once(REGION)
    restarted = start()
    assert restarted.tombstones.run_once(REGION) == 10
    assert [source.asked[asked] for asked in (20, 40)] == [{0: 40}, {0: 80}]
    assert restarted.tombstones.tombstones_age_s(REGION) == 0


def test_a_page_of_more_than_there_may_be_on_one_is_refused(edge, tombstones):
    """So a round is bounded in what it purges, too."""
    items = [{"photo_id": f"a{number}"} for number in range(1001)]
    with pytest.raises(BadGateway):
        tombstones.apply(REGION, {"items": items, "after": {}})
    tombstones.apply(REGION, {"items": items[:1000], "after": {}})
    assert len(edge.purged) == 1000
