"""Creates a region's stores once: a store that is gone is not replaced by an empty one."""

import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing

import pytest

from regions import config
from regions.errors import StoreMissing, WrongStore
from regions.preparation import PORTS, prepare_region
from regions.records import User
from tests.builders.topologies import one_region

REGION = "eu-west"


@pytest.fixture
def load(tmp_path):
    """The config of a region with embedded stores in a folder of this name."""

    def load(name="ours", **stores):
        folder = tmp_path / name
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        (folder / "secrets" / f"{REGION}.objects").write_text("secret")
        (folder / "topology.toml").write_text(one_region(folder, **stores))
        return config.load(folder / "topology.toml", {})

    return load


@pytest.fixture
def prepared(load):
    loaded = load()
    prepare_region(loaded, REGION)
    return loaded


def remove(folder, port):
    """As when the disk is not mounted."""
    if port == "objects":
        shutil.rmtree(folder / port)
    else:
        for path in folder.glob(f"{port}.db*"):
            path.unlink()


def test_all_stores_of_a_new_region_are_created_and_stay(load):
    """Preparing again creates none, and keeps what is in them."""
    loaded = load()
    assert set(prepare_region(loaded, REGION)) == set(PORTS)
    user = User("u_1", "Ana", "PT", "eu", REGION, 1)
    with closing(config.open_catalog(loaded, REGION)) as catalog:
        catalog.users.add(user)
    assert prepare_region(loaded, REGION) == []
    with closing(config.open_catalog(loaded, REGION)) as catalog:
        assert catalog.users.get("u_1") == user


@pytest.mark.parametrize("port", ["objects", "catalog", "events", "settings"])
def test_a_store_that_is_gone_is_not_created_again(prepared, tmp_path, port):
    """What was deleted meanwhile would come back with the disk."""
    remove(tmp_path / "ours", port)
    with pytest.raises(StoreMissing):
        prepare_region(prepared, REGION)
    assert not list((tmp_path / "ours").glob(f"{port}*"))


@pytest.mark.parametrize("port", ["objects", "catalog", "events", "settings"])
def test_a_store_that_is_lost_for_good_is_replaced_when_an_operator_says_so(prepared, tmp_path, port):
    remove(tmp_path / "ours", port)
    assert prepare_region(prepared, REGION, [port]) == [port]
    config.open_stores(prepared, REGION).close()
    assert prepare_region(prepared, REGION) == []


def test_lost_feeds_are_created_again(prepared, tmp_path):
    """They are filled again from the follows."""
    remove(tmp_path / "ours", "feeds")
    assert prepare_region(prepared, REGION) == ["feeds"]


def test_another_store_of_the_same_region_is_refused(prepared, load, tmp_path):
    """For instance a disk of an earlier system."""
    prepare_region(load("earlier"), REGION)
    remove(tmp_path / "ours", "objects")
    (tmp_path / "earlier" / "objects").rename(tmp_path / "ours" / "objects")
    with pytest.raises(WrongStore, match="recorded is the store"):
        prepare_region(prepared, REGION)


@pytest.mark.parametrize("port", PORTS)
def test_a_store_of_another_region_is_neither_prepared_nor_opened(prepared, load, tmp_path, port):
    """Its URL in the topology is wrong."""
    url = getattr(prepared.topology.regions[REGION], port)
    other = load("other")
    text = (tmp_path / "other" / "topology.toml").read_text()
    own = getattr(other.topology.regions[REGION], port)
    path = tmp_path / "other" / "topology.toml"
    path.write_text(text.replace("number = 3", "number = 4").replace(own, url))
    other = config.load(path, {})
    with pytest.raises(WrongStore, match="number 3"):
        prepare_region(other, REGION)
    with pytest.raises(WrongStore, match="number 3"):
        getattr(config, f"open_{port}")(other, REGION)


@pytest.mark.parametrize("exists", [False, True])
def test_a_creation_that_was_broken_off_is_finished(load, exists):
    """Whether it ended before or after the store was made."""
    loaded = load()
    prepare_region(loaded, REGION)
    with closing(config.open_settings(loaded, REGION)) as settings:
        store_id = settings.values.read("stores/objects").value
        settings.values.write("stores/objects", f"creating {store_id}")
    if not exists:
        shutil.rmtree(config.locate_objects(loaded, REGION).open(config.store_region(loaded, REGION))._root)
    prepare_region(loaded, REGION)
    with closing(config.open_settings(loaded, REGION)) as settings:
        assert settings.values.read("stores/objects").value == store_id
    assert config.locate_objects(loaded, REGION).read_stamp().store_id == store_id


def test_several_processes_may_prepare_a_region_at_once(load):
    """They agree on one id for each store."""
    loaded = load()
    with ProcessPoolExecutor(4) as processes:
        for done in [processes.submit(prepare_region, loaded, REGION) for _ in range(4)]:
            done.result()
    with closing(config.open_settings(loaded, REGION)) as settings:
        for port in ("objects", "catalog", "events"):
            stamp = getattr(config, f"locate_{port}")(loaded, REGION).read_stamp()
            assert settings.values.read(f"stores/{port}").value == stamp.store_id
    assert prepare_region(loaded, REGION) == []


def test_settings_that_are_gone_with_the_catalog_are_not_created_beside_old_objects(prepared, tmp_path):
    """They were on one disk. An empty catalog would stand over full buckets."""
    for port in ("settings", "catalog"):
        remove(tmp_path / "ours", port)
    with pytest.raises(StoreMissing):
        prepare_region(prepared, REGION)
    assert not (tmp_path / "ours" / "catalog.db").exists()


def test_a_region_that_is_not_new_is_not_created_again(prepared, tmp_path):
    """All its stores were on one disk, which is not mounted."""
    (tmp_path / "ours").rename(tmp_path / "disk")
    (tmp_path / "ours").mkdir()
    shutil.copytree(tmp_path / "disk" / "secrets", tmp_path / "ours" / "secrets")
    with pytest.raises(StoreMissing):
        prepare_region(prepared, REGION, is_new=False)
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["secrets"]


def test_a_replacement_that_fails_changes_no_record(prepared, tmp_path):
    """The stamp that is there can't be read: it may be the right store."""
    stamp = tmp_path / "ours" / "objects" / "stamp"
    text = stamp.read_text()
    stamp.write_bytes(b"\xff\xfe")
    with pytest.raises(WrongStore, match="can't be read"):
        prepare_region(prepared, REGION, ["objects"])
    stamp.write_text(text)
    assert prepare_region(prepared, REGION) == []


def test_the_store_that_is_there_can_be_recorded_in_place_of_a_lost_one(prepared, load, tmp_path):
    """When an operator says so."""
    prepare_region(load("earlier"), REGION)
    remove(tmp_path / "ours", "objects")
    (tmp_path / "earlier" / "objects").rename(tmp_path / "ours" / "objects")
    assert prepare_region(prepared, REGION, ["objects"]) == []
    assert prepare_region(prepared, REGION) == []
