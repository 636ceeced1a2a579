"""Words and photos of the Union's people, sought in every file of every place after much was done with them."""

import pytest

from tests.builders import regions_apart
from tests.builders.canary import Search
from tests.builders.canary_people import AWAY, CanaryPeople, fresh_seed, labels_by_file, place_of
from tests.builders.chaos import Chaos
from tests.builders.stored_state import RegionDisk

pytestmark = pytest.mark.xdist_group("consistency")

ABROAD = ("us-central", "chicago", "sydney")
PLACES = (*ABROAD, "eu-west", "eu-central", "lisbon", "frankfurt")
SETTLED_S = 60
AT_HOME = ("name", "caption", "comment", "camera", "handle", "camera's remark")


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    with regions_apart.running(tmp_path_factory.mktemp("canaries")) as started:
        yield started


@pytest.fixture(scope="module")
def people(apart, eventually):
    """After all of it has reached every region, over lines that failed: what lanes could not do is logged as well."""
    seed = fresh_seed()
    crowd = CanaryPeople(apart.system, seed)
    with Chaos(apart, seed).lines_failing():
        crowd.live()
    eventually(lambda: not apart.unfinished(), SETTLED_S, lambda: f"{apart.unfinished()} {apart.log_tail()}")
    return crowd


@pytest.fixture(scope="module")
def seen(apart, people):
    """What is found in each file of the system; of each of the people."""
    data = apart.system.data
    found = labels_by_file(Search(people.needles(data)).under(data))
    assert {place_of(path.relative_to(data).as_posix(), PLACES) for path in data.rglob("*")} >= set(PLACES)
    return found


def test_what_everybody_wrote_is_found_at_home(people, seen):
    """Or the search would show nothing: words, camera, raw and variants."""
    for one in people.everybody:
        home, label = one.person.home_region, one.canary.label
        labels = set().union(*(labels for file, labels in seen.items() if place_of(file, PLACES) == home))
        assert {f"{label}'s {what}" for what in AT_HOME} <= labels
        assert {f"part of {label}'s raw 0", f"part of {label}'s variant of 0"} <= labels


def test_abroad_nothing_of_the_union_rests_but_what_a_rule_lets(apart, people, seen):
    """Comments on photos of the US, in the catalog of their home, by `say`: which that region has logged."""
    allowed = RegionDisk("us-central", apart.system.data / "regions" / "us-central").allowed()
    for one in people.of_union:
        found = abroad(seen, one.canary.label)
        assert {file.rpartition("/")[2].partition("-")[0] for file in found} == {"catalog.db"}, found
        assert set().union(*found.values()) == {AWAY.format(one.canary.label)}, found
        assert (one.person.id, "say", "us-central") in allowed


def abroad(seen, label):
    """What of this person is in files of other places than the Union's, or of none."""
    theirs = {file: {one for one in labels if label in one} for file, labels in seen.items()}
    return {file: labels for file, labels in theirs.items() if labels and place_of(file, PLACES) in (*ABROAD, "")}
