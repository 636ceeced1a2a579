"""What every settings store does: values and their versions, watches, and services. Leases have a file of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest, TooLarge, Unavailable
from regions.stores.settings import MAX_KEY_CHARS, MAX_VALUE_BYTES, POLICY, Service, Setting

WITHIN_S = 30
TTL_S = 2.0
EDGE = Service("edge", "lisbon", "http://127.0.0.1:8600")


def test_a_setting_that_nobody_wrote_is_not_there(settings):
    """None, an empty tree, and nothing to delete."""
    assert settings.values.read(POLICY) is None
    assert settings.values.tree("") == {}
    settings.values.delete(POLICY)


@pytest.mark.parametrize("value", ["", "a: 1\n", "Zürich 東京 🙂", " \t\n"])
def test_a_value_is_read_as_it_was_written(settings, open_settings, value):
    """Also through another handle."""
    assert settings.values.write(POLICY, value)
    assert settings.values.read(POLICY).value == value
    assert open_settings().values.read(POLICY).value == value


def test_the_version_grows_with_every_change(settings):
    """And belongs to the value."""
    versions = []
    for number in range(5):
        settings.values.write(POLICY, str(number))
        versions.append(settings.values.read(POLICY).version)
    assert versions == sorted(set(versions))
    assert versions[0] > 0


def test_a_version_is_never_used_again(settings):
    """Not even when the key was deleted and is there again."""
    settings.values.write(POLICY, "first")
    first = settings.values.read(POLICY).version
    settings.values.delete(POLICY)
    settings.values.write(POLICY, "second")
    assert settings.values.read(POLICY).version > first
    assert not settings.values.write(POLICY, "third", expected_version=first)


def test_a_write_that_expects_another_version_changes_nothing(settings):
    """False, and the value stays."""
    settings.values.write(POLICY, "first")
    seen = settings.values.read(POLICY)
    assert settings.values.write(POLICY, "second", expected_version=seen.version)
    assert not settings.values.write(POLICY, "third", expected_version=seen.version)
    assert settings.values.read(POLICY).value == "second"


def test_version_0_expects_that_the_setting_is_not_there(settings):
    """Before it was written, and again when it was deleted."""
    assert settings.values.write(POLICY, "first", expected_version=0)
    assert not settings.values.write(POLICY, "second", expected_version=0)
    settings.values.delete(POLICY)
    assert settings.values.write(POLICY, "third", expected_version=0)


def test_a_setting_that_is_not_there_has_no_version_to_expect(settings):
    """Any other number than 0 is refused."""
    assert not settings.values.write(POLICY, "first", expected_version=7)
    assert settings.values.read(POLICY) is None


def test_of_many_that_expect_one_version_one_wins(settings, open_settings):
    """Round after round, through a handle for each."""
    handles = [open_settings() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            seen = settings.values.read(POLICY) or Setting("", 0)
            won = list(threads.map(lambda handle, at=seen.version: handle.values.write(POLICY, str(at), at), handles))
            assert sum(won) == 1


def test_a_tree_holds_every_setting_under_its_prefix(settings):
    """With value and version, and no other's."""
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
def test_what_is_no_key_is_refused(settings, key):
    """And nothing is written."""
    with pytest.raises(BadRequest):
        settings.values.write(key, "value")
    assert settings.values.tree("") == {}


def test_the_longest_key_and_the_largest_value_are_taken(settings):
    """The limits belong to what is allowed; bytes count, not characters."""
    key, value = "k" * MAX_KEY_CHARS, "é" * (MAX_VALUE_BYTES // 2)
    assert settings.values.write(key, value)
    assert settings.values.read(key).value == value


@pytest.mark.parametrize("value", ["v" * (MAX_VALUE_BYTES + 1), "é" * (MAX_VALUE_BYTES // 2 + 1)])
def test_a_larger_value_is_refused(settings, value):
    """And the one before stays."""
    settings.values.write(POLICY, "before")
    with pytest.raises(TooLarge):
        settings.values.write(POLICY, value)
    assert settings.values.read(POLICY).value == "before"


def test_what_is_no_text_is_refused(settings):
    """Half a character can't be stored."""
    with pytest.raises(BadRequest):
        settings.values.write(POLICY, "\ud800")


def test_a_watch_returns_at_once_what_changed_before(settings):
    """A mark of 0 knows nothing; the new mark knows it all."""
    settings.values.write(POLICY, "first")
    mark = settings.values.watch("residency/", 0, WITHIN_S)
    assert mark > 0
    assert settings.values.watch("residency/", mark, 0.0) == mark


def test_no_change_is_missed_between_two_watches(settings):
    """Nor is a deletion, nor the first setting under a prefix."""
    mark = settings.values.watch("residency/", 0, 0.0)
    for change in (
        lambda: settings.values.write(POLICY, "first"),
        lambda: settings.values.write(POLICY, "second"),
        lambda: settings.values.delete(POLICY),
        lambda: settings.values.write(POLICY, "third"),
    ):
        change()
        seen = settings.values.watch("residency/", mark, WITHIN_S)
        assert seen > mark
        mark = seen


def test_a_watch_cares_for_its_prefix_only(settings):
    """Whatever else changes, its mark stays."""
    settings.values.write(POLICY, "first")
    mark = settings.values.watch("residency/", 0, WITHIN_S)
    settings.values.write("lanes/eu/paused", "yes")
    settings.values.delete("lanes/eu/paused")
    assert settings.values.watch("residency/", mark, 0.0) == mark


def test_a_watch_is_woken_by_another_handle(settings, open_settings):
    """By what was written after it began."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(settings.values.watch, "residency/", 0, WITHIN_S)
        open_settings().values.write(POLICY, "first")
        assert waiting.result() > 0


def test_a_registered_service_is_found(settings, open_settings):
    """Under its name, from anywhere; those of another name are not."""
    other = Service("edge", "chicago", "http://127.0.0.1:8601")
    settings.services.register(EDGE, TTL_S)
    open_settings().services.register(other, TTL_S)
    assert sorted(settings.services.healthy("edge"), key=lambda one: one.instance) == [other, EDGE]
    assert settings.services.healthy("origin") == []


def test_a_service_that_does_not_say_so_again_is_not_healthy(settings, clock):
    """One that does, is."""
    settings.services.register(EDGE, TTL_S)
    clock.advance(1_200)
    assert settings.services.healthy("edge") == [EDGE]
    settings.services.register(EDGE, TTL_S)
    clock.advance(1_200)
    assert settings.services.healthy("edge") == [EDGE]
    clock.advance(1_200)
    assert settings.services.healthy("edge") == []


def test_a_service_that_moved_has_its_new_address(settings):
    """And only that."""
    moved = Service("edge", "lisbon", "http://127.0.0.1:9999")
    settings.services.register(EDGE, TTL_S)
    settings.services.register(moved, TTL_S)
    assert settings.services.healthy("edge") == [moved]


def test_a_deregistered_service_is_gone_at_once(settings):
    """Idempotent."""
    settings.services.register(EDGE, TTL_S)
    settings.services.deregister(EDGE)
    settings.services.deregister(EDGE)
    assert settings.services.healthy("edge") == []


@pytest.mark.parametrize("word", ["", "a/b", "../a", ".a", "a b", "ä", "a\n", "a" * (MAX_KEY_CHARS + 1)])
def test_what_is_no_word_is_no_service(settings, word):
    """Nor one of its instances."""
    for service in (Service(word, "lisbon", EDGE.address), Service("edge", word, EDGE.address)):
        with pytest.raises(BadRequest):
            settings.services.register(service, TTL_S)
    with pytest.raises(BadRequest):
        settings.services.healthy(word)


@pytest.mark.parametrize("prefix", ["/", "../", "residency//", "a?raw", "ä", "x" * (MAX_KEY_CHARS + 1)])
def test_under_what_begins_no_key_there_is_nothing(settings, prefix):
    """It is not refused, and nothing changes there."""
    settings.values.write(POLICY, "first")
    assert settings.values.tree(prefix) == {}
    assert settings.values.read(prefix) is None
    settings.values.delete(prefix)
    assert settings.values.watch(prefix, 0, 0.0) == 0
    assert settings.values.read(POLICY).value == "first"


def test_a_watch_of_an_empty_prefix_cares_for_nothing_else(settings):
    """Whatever is written beside it."""
    settings.values.write("lanes/eu/paused", "yes")
    mark = settings.values.watch("residency/", 0, 0.0)
    settings.values.write("lanes/eu/paused", "no")
    settings.values.delete("lanes/eu/paused")
    assert settings.values.watch("residency/", mark, 0.05) == mark


def test_what_came_and_went_between_two_watches_is_a_change(settings):
    """Although nothing is there, as before."""
    mark = settings.values.watch("residency/", 0, 0.0)
    settings.values.write(POLICY, "first")
    settings.values.delete(POLICY)
    assert settings.values.watch("residency/", mark, WITHIN_S) > mark


def test_closed_settings_say_that_they_do_not_answer(settings):
    """Unavailable, as for any store that is away."""
    settings.close()
    with pytest.raises(Unavailable):
        settings.values.read(POLICY)
