"""Words and photos of the Union's people, sought in every file of every place after much was done with them."""

import pytest

from tests.builders import regions_apart
from tests.builders.canary import Search
from tests.builders.canary_people import AWAY, CanaryPeople, fresh_seed, in_the_open, place_of
from tests.builders.stored_state import RegionDisk

pytestmark = pytest.mark.xdist_group("consistency")

ABROAD = ("us-central", "chicago", "sydney")
PLACES = (*ABROAD, "eu-west", "eu-central", "lisbon", "frankfurt")
SETTLED_S = 60


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    with regions_apart.running(tmp_path_factory.mktemp("canaries")) as started:
        yield started


@pytest.fixture(scope="module")
def people(apart, eventually):
    """After all of it has reached every region."""
    crowd = CanaryPeople(apart.system, fresh_seed())
    crowd.live()
    eventually(lambda: not apart.unfinished(), SETTLED_S, lambda: f"{apart.unfinished()} {apart.log_tail()}")
    return crowd


@pytest.fixture(scope="module")
def seen(apart, people):
    """What is found, by place and file; of each person, whoever it is."""
    data = apart.system.data
    needles = [needle for one in people.everybody for needle in people.needles(one, variants_of(data, one))]
    search = Search(needles)
    found = in_the_open(list(search.under(data)), PLACES)
    assert {place_of(file.relative_to(data).as_posix(), PLACES) for file in data.rglob("*")} >= set(PLACES)
    return found


def variants_of(data, one):
    home = RegionDisk(one.person.home_region, data / "regions" / one.person.home_region)
    return {
        photo_id: {name: path.read_bytes() for name, path in files.items()}
        for photo_id, files in home.variants().items()
        if photo_id in one.raws
    }


def of(label, labels):
    return {one for one in labels if label in one}


def test_what_everybody_said_is_found_at_home(people, seen):
    """Or the search would show nothing: name, caption, comment, camera, raw and variants."""
    for one in people.everybody:
        home, label = one.person.home_region, one.canary.label
        labels = set().union(*(labels for (place, _), labels in seen.items() if place == home))
        whole = {f"{label}'s {what}" for what in ("name", "caption", "comment", "camera", "handle", "camera's remark")}
        assert whole <= labels
        assert {f"part of {label}'s raw 0", f"part of {label}'s variant 640.jpg of 0"} <= labels


def test_abroad_nothing_of_the_union_rests_but_what_a_rule_lets(apart, people, seen):
    """Comments on photos of the US, in the catalog of their home, by `say`: which that region has logged."""
    data = apart.system.data
    allowed = RegionDisk("us-central", data / "regions" / "us-central").allowed()
    for one in people.of_union:
        label, away = one.canary.label, AWAY.format(one.canary.label)
        abroad = {file: of(label, labels) for (place, file), labels in seen.items() if place in (*ABROAD, "")}
        found = {file: labels for file, labels in abroad.items() if labels}
        assert {file.rpartition("/")[2].partition("-")[0] for file in found} == {"catalog.db"}, found
        assert set().union(*found.values()) == {away}, found
        assert (one.person.id, "say", "us-central") in allowed
