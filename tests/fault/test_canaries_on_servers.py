"""Words and photos of the Union's people, sought in every file of real servers that are the US's own.

Each jurisdiction has a fleet, with logins; and nothing is compressed, or it could not be found.
"""

import os

import pytest

from darkroom.local.addresses import TOPOLOGY
from deploy.servers import fleet
from regions import config
from regions.config import open_catalog
from tests.builders import guarded_fleet, regions_apart
from tests.builders.canary import Search, search
from tests.builders.canary_people import AWAY, CanaryPeople, fresh_seed, labels_by_file
from tests.builders.chaos import Chaos
from tests.builders.guarded_fleet import INSTALLED

pytestmark = pytest.mark.xdist_group("canaries_on_servers")

HERE, UNION = "us-central", ("eu-west", "eu-central")
OF_THE_UNION = ("kafka", "redis", "consul", "versitygw")
"""Its catalogs are SQLite, since two Cassandras are much for one machine."""
SPREAD_S = 120
WORDS = ("name", "caption", "comment", "handle")


@pytest.fixture(scope="module")
def fleets(tmp_path_factory):
    """By jurisdiction."""
    if missing := [name for name in fleet.NAMES if not fleet.is_installed(INSTALLED, name)]:
        if os.environ.get("CI"):
            pytest.fail(f"these servers must be installed: {', '.join(missing)}")
        pytest.skip(f"these servers are not installed: {', '.join(missing)}; make servers-install")
    folder = tmp_path_factory.mktemp("fleets")
    with (
        guarded_fleet.running(INSTALLED, folder / "us") as here,
        guarded_fleet.running(INSTALLED, folder / "eu", OF_THE_UNION) as there,
    ):
        yield {"US": here, "EU": there}


@pytest.fixture(scope="module")
def apart(fleets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("canaries")
    stores = {HERE: fleets["US"], **dict.fromkeys(UNION, fleets["EU"])}
    with regions_apart.running(folder, stores) as started:
        yield started


@pytest.fixture(scope="module")
def people(apart, fleets, eventually):
    """Once each has everybody's photos in their feed, none that was deleted, and Cassandra has flushed its tables."""
    seed = fresh_seed()
    crowd = CanaryPeople(apart.system, seed)
    with Chaos(apart, seed).lines_failing():
        crowd.live()
    wanted = {photo["id"] for one in crowd.everybody for photo in one.photos[:-1]}

    def has_all(one):
        return set(one.person.feed_ids()) == wanted - {photo["id"] for photo in one.photos}

    eventually(lambda: all(map(has_all, crowd.everybody)), SPREAD_S, apart.log_tail)
    tables = fleets["US"].folder / "cassandra" / "data"
    here = [one.canary for one in crowd.everybody if not one.is_of_union]
    needles = [needle for one in here for needle in one.needles()]
    eventually(
        lambda: {label for one in here for label in words_of(one)} <= {one.label for one in search(tables, needles)}
    )
    return crowd


def words_of(one):
    return {f"{one.label}'s {what}" for what in WORDS}


@pytest.fixture(scope="module")
def needles(fleets, people):
    """The variants of all are at home, in one of the two stores."""
    return [needle for each in fleets.values() for needle in people.needles(each.folder / "versitygw" / "data")]


@pytest.fixture(scope="module")
def here(fleets, needles):
    """What is found in each file of the US's servers."""
    return labels_by_file(Search(needles).under(fleets["US"].folder))


def test_what_people_of_the_us_wrote_is_found_in_each_kind_of_server(people, here):
    """Or the search would show nothing: in Cassandra's logs and tables, and in S3's objects."""
    for one in people.everybody:
        if not one.is_of_union:
            label, words = one.canary.label, words_of(one.canary)
            where = {}
            for file, labels in here.items():
                where.setdefault("/".join(file.split("/")[:2]), set()).update(labels)
            assert words <= where["cassandra/commitlog"]
            assert words <= where["cassandra/data"]
            assert {f"part of {label}'s raw 0", f"part of {label}'s variant of 0"} <= where["versitygw/data"]


def test_of_the_union_nothing_is_in_the_servers_of_the_us_but_what_a_rule_lets(apart, people, here):
    """Comments on photos of the US, in Cassandra, by `say`: which that region has logged."""
    loaded = config.load(apart.system.data / TOPOLOGY, os.environ)
    catalog = open_catalog(loaded, HERE)
    try:
        for one in people.of_union:
            theirs = {file: {each for each in labels if one.canary.label in each} for file, labels in here.items()}
            found = {file: labels for file, labels in theirs.items() if labels}
            assert {file.partition("/")[0] for file in found} == {"cassandra"}, found
            assert set().union(*found.values()) == {AWAY.format(one.canary.label)}, found
            logged = catalog.audit.latest(one.person.id, 100)
            assert any((entry.action, entry.place, entry.allowed) == ("say", HERE, True) for entry in logged)
    finally:
        catalog.close()
