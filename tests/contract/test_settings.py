"""What every settings store does: values, versions, watches and services. Leases and locks have files of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest, TooLarge, Unavailable
from regions.stores.settings import MAX_KEY_CHARS, MAX_VALUE_BYTES, STATEMENT, Service, Setting

WITHIN_S = 30
TTL_S = 2.0
EDGE = Service("edge", "lisbon", "http://127.0.0.1:8600")


def test_a_setting_that_was_never_written_does_not_exist(settings):
    """It reads as None, the tree is empty, and deleting it does nothing."""
    assert settings.values.read(STATEMENT) is None
    assert settings.values.tree("") == {}
    settings.values.delete(STATEMENT)


@pytest.mark.parametrize("value", ["", "a: 1\n", "Zürich 東京 🙂", " \t\n"])
def test_a_value_is_stored_unchanged(settings, open_settings, value):
    """Another handle reads it too."""
    assert settings.values.write(STATEMENT, value)
    assert settings.values.read(STATEMENT).value == value
    assert open_settings().values.read(STATEMENT).value == value


def test_the_version_grows_with_every_change(settings):
    """And is read together with the value."""
    versions = []
    for number in range(5):
        settings.values.write(STATEMENT, str(number))
        versions.append(settings.values.read(STATEMENT).version)
    assert versions == sorted(set(versions))
    assert versions[0] > 0


def test_a_version_is_never_used_again(settings):
    """Not even after the key was deleted and written again."""
    settings.values.write(STATEMENT, "first")
    first = settings.values.read(STATEMENT).version
    settings.values.delete(STATEMENT)
    settings.values.write(STATEMENT, "second")
    assert settings.values.read(STATEMENT).version > first
    assert not settings.values.write(STATEMENT, "third", expected_version=first)


def test_a_write_that_expects_another_version_changes_nothing(settings):
    """It returns False."""
    settings.values.write(STATEMENT, "first")
    current = settings.values.read(STATEMENT)
    assert settings.values.write(STATEMENT, "second", expected_version=current.version)
    assert not settings.values.write(STATEMENT, "third", expected_version=current.version)
    assert settings.values.read(STATEMENT).value == "second"


def test_version_0_expects_that_the_setting_does_not_exist(settings):
    """Before it is first written, and after it was deleted."""
    assert settings.values.write(STATEMENT, "first", expected_version=0)
    assert not settings.values.write(STATEMENT, "second", expected_version=0)
    settings.values.delete(STATEMENT)
    assert settings.values.write(STATEMENT, "third", expected_version=0)


def test_a_missing_setting_does_not_match_a_version(settings):
    """Except version 0."""
    assert not settings.values.write(STATEMENT, "first", expected_version=7)
    assert settings.values.read(STATEMENT) is None


def test_of_many_writers_that_expect_the_same_version_one_wins(settings, open_settings):
    """In each of ten rounds; each writer has a handle of its own."""
    handles = [open_settings() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            current = settings.values.read(STATEMENT) or Setting("", 0)
            version = current.version
            won = threads.map(lambda handle, at=version: handle.values.write(STATEMENT, str(at), at), handles)
            assert sum(won) == 1


def test_a_tree_has_every_setting_under_its_prefix(settings):
    """With values and versions, and without other settings."""
    for key in ("lanes/eu/paused", "lanes/us/paused", "lanesque", "moderation/known_bad"):
        settings.values.write(key, f"value of {key}")
    settings.values.write("lanes/gone", "")
    settings.values.delete("lanes/gone")
    assert settings.values.tree("lanes/") == {
        key: settings.values.read(key) for key in ("lanes/eu/paused", "lanes/us/paused")
    }
    assert len(settings.values.tree("")) == 4


@pytest.mark.parametrize(
    "key", ["", "/", "/a", "a/", "a//b", "../a", "a/..", ".a", "a b", "a?raw", "ä", "a\n", "a" * (MAX_KEY_CHARS + 1)]
)
def test_an_invalid_key_is_rejected(settings, key):
    """Nothing is written."""
    with pytest.raises(BadRequest):
        settings.values.write(key, "value")
    assert settings.values.tree("") == {}


def test_the_longest_key_and_the_largest_value_are_accepted(settings):
    """The limits are inclusive, and that of the value counts bytes, not characters."""
    key, value = "k" * MAX_KEY_CHARS, "é" * (MAX_VALUE_BYTES // 2)
    assert settings.values.write(key, value)
    assert settings.values.read(key).value == value


OVERSIZED = {"ASCII": "v" * (MAX_VALUE_BYTES + 1), "two bytes a character": "é" * (MAX_VALUE_BYTES // 2 + 1)}


@pytest.mark.parametrize("value", OVERSIZED.values(), ids=OVERSIZED)
def test_a_larger_value_is_rejected(settings, value):
    """The previous value is kept."""
    settings.values.write(STATEMENT, "before")
    with pytest.raises(TooLarge):
        settings.values.write(STATEMENT, value)
    assert settings.values.read(STATEMENT).value == "before"


def test_half_a_surrogate_pair_is_rejected(settings):
    """It can't be encoded as UTF-8."""
    with pytest.raises(BadRequest):
        settings.values.write(STATEMENT, "\ud800")


def test_a_watch_returns_at_once_if_there_was_a_change(settings):
    """Mark 0 comes before every change; the mark that is returned comes after all of them."""
    settings.values.write(STATEMENT, "first")
    mark = settings.values.watch("residency/", 0, WITHIN_S)
    assert mark > 0
    assert settings.values.watch("residency/", mark, 0.0) == mark


def test_no_change_is_missed_between_two_watches(settings):
    """Nor a deletion, nor the first setting under a prefix."""
    mark = settings.values.watch("residency/", 0, 0.0)
    for change in (
        lambda: settings.values.write(STATEMENT, "first"),
        lambda: settings.values.write(STATEMENT, "second"),
        lambda: settings.values.delete(STATEMENT),
        lambda: settings.values.write(STATEMENT, "third"),
    ):
        change()
        next_mark = settings.values.watch("residency/", mark, WITHIN_S)
        assert next_mark > mark
        mark = next_mark


def test_a_watch_ignores_changes_outside_its_prefix(settings):
    """Its mark stays the same."""
    settings.values.write(STATEMENT, "first")
    mark = settings.values.watch("residency/", 0, WITHIN_S)
    settings.values.write("lanes/eu/paused", "yes")
    settings.values.delete("lanes/eu/paused")
    assert settings.values.watch("residency/", mark, 0.0) == mark


def test_a_watch_is_woken_by_another_handle(settings, open_settings):
    """When that writes something after the watch started."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(settings.values.watch, "residency/", 0, WITHIN_S)
        open_settings().values.write(STATEMENT, "first")
        assert waiting.result() > 0


def test_a_registered_service_is_found(settings, open_settings):
    """By its name, through any handle. Services of another name are not returned."""
    other = Service("edge", "chicago", "http://127.0.0.1:8601")
    settings.services.register(EDGE, TTL_S)
    open_settings().services.register(other, TTL_S)
    assert sorted(settings.services.healthy("edge"), key=lambda one: one.instance) == [other, EDGE]
    assert settings.services.healthy("origin") == []


def test_a_service_that_is_not_registered_again_stops_being_healthy(settings, clock):
    """Registering again within the TTL keeps it healthy."""
    settings.services.register(EDGE, TTL_S)
    clock.advance(1_200)
    assert settings.services.healthy("edge") == [EDGE]
    settings.services.register(EDGE, TTL_S)
    clock.advance(1_200)
    assert settings.services.healthy("edge") == [EDGE]
    clock.advance(1_200)
    assert settings.services.healthy("edge") == []


def test_a_service_that_moved_has_its_new_address(settings):
    """The old address is gone."""
    moved = Service("edge", "lisbon", "http://127.0.0.1:9999")
    settings.services.register(EDGE, TTL_S)
    settings.services.register(moved, TTL_S)
    assert settings.services.healthy("edge") == [moved]


def test_a_deregistered_service_is_gone_at_once(settings):
    """Deregistering is idempotent."""
    settings.services.register(EDGE, TTL_S)
    settings.services.deregister(EDGE)
    settings.services.deregister(EDGE)
    assert settings.services.healthy("edge") == []


@pytest.mark.parametrize("word", ["", "a/b", "../a", ".a", "a b", "ä", "a\n", "a" * (MAX_KEY_CHARS + 1)])
def test_an_invalid_service_name_is_rejected(settings, word):
    """And so is an invalid instance name."""
    for service in (Service(word, "lisbon", EDGE.address), Service("edge", word, EDGE.address)):
        with pytest.raises(BadRequest):
            settings.services.register(service, TTL_S)
    with pytest.raises(BadRequest):
        settings.services.healthy(word)


@pytest.mark.parametrize("prefix", ["/", "../", "residency//", "a?raw", "ä", "x" * (MAX_KEY_CHARS + 1)])
def test_an_invalid_prefix_matches_nothing(settings, prefix):
    """It does not raise, and nothing changes."""
    settings.values.write(STATEMENT, "first")
    assert settings.values.tree(prefix) == {}
    assert settings.values.read(prefix) is None
    settings.values.delete(prefix)
    assert settings.values.watch(prefix, 0, 0.0) == 0
    assert settings.values.read(STATEMENT).value == "first"


def test_a_watch_of_a_prefix_without_settings_ignores_other_changes(settings):
    """Its mark stays the same when settings beside it are written or deleted."""
    settings.values.write("lanes/eu/paused", "yes")
    mark = settings.values.watch("residency/", 0, 0.0)
    settings.values.write("lanes/eu/paused", "no")
    settings.values.delete("lanes/eu/paused")
    assert settings.values.watch("residency/", mark, 0.05) == mark


def test_a_setting_that_was_written_and_deleted_between_two_watches_is_a_change(settings):
    """Although the values are the same as before."""
    mark = settings.values.watch("residency/", 0, 0.0)
    settings.values.write(STATEMENT, "first")
    settings.values.delete(STATEMENT)
    assert settings.values.watch("residency/", mark, WITHIN_S) > mark


def test_closed_settings_are_unavailable(settings):
    """As is any store that does not respond."""
    settings.close()
    with pytest.raises(Unavailable):
        settings.values.read(STATEMENT)
