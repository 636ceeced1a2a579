"""The policy in force is watched, and good for a minute at most. If anything is wrong with it, nothing is allowed."""

import threading
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from regions.errors import Unavailable
from regions.residency import parsing
from regions.residency.live import LivePolicy
from regions.residency.policy import Policy
from regions.stores.settings import POLICY
from regions.stores.sqlite import adapter as sqlite
from tests.builders.stores import created

TEXT = (Path(__file__).parents[4] / "deploy" / "policy.yaml").read_text()


@pytest.fixture
def open_settings(tmp_path):
    """Opens handles on one file, as processes would."""
    file = str(tmp_path / "settings.db")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(created(sqlite.settings(file, lambda: 1_800_000_000_000))))


@pytest.fixture
def settings(open_settings):
    return open_settings()


@pytest.fixture
def clock():
    """Seconds, which a test advances."""
    return SimpleNamespace(at_s=1000.0)


@pytest.fixture
def view(open_settings, clock):
    """The policy as another process sees it. Call `watch_once` for a round of its watch."""
    return LivePolicy(open_settings(), lambda: clock.at_s)


def watched(view: LivePolicy) -> Policy | None:
    view.watch_once()
    return view.current().policy


def test_a_published_policy_is_in_force(settings, view):
    """Its rules cite the file's name."""
    settings.values.write(POLICY, TEXT)
    policy = watched(view)
    assert policy.classes
    assert all(rule.where.startswith("policy.yaml:") for rule in policy.classes[policy.default_class].rules)


def test_a_change_is_in_force_from_the_next_round_on(settings, view):
    """The same text has the same version, another text another."""
    settings.values.write(POLICY, TEXT)
    first = watched(view)
    settings.values.write(POLICY, TEXT + "\n# changed\n")
    assert watched(view).version != first.version
    settings.values.write(POLICY, TEXT)
    assert watched(view).version == first.version


def test_a_change_acts_soon(settings, open_settings, eventually):
    """The loop of the process sees it; nobody has to ask."""
    view, stop = LivePolicy(open_settings()), threading.Event()
    watching = threading.Thread(target=view.run_forever, args=[stop])
    watching.start()
    try:
        for text in (TEXT, TEXT + "\n# changed\n", "broken: [", TEXT):
            settings.values.write(POLICY, text)
            expected = parsing.parse(text, "policy.yaml").version if text.startswith(TEXT) else None
            assert eventually(lambda expected=expected: getattr(view.current().policy, "version", None) == expected)
    finally:
        stop.set()
        watching.join()


def test_looking_at_the_policy_reads_no_setting(settings, view, monkeypatch):
    """A region shows tens of thousands of photos a second."""
    settings.values.write(POLICY, TEXT)
    watched(view)
    monkeypatch.setattr(view, "_settings", None)
    assert len({id(view.current().policy) for _ in range(1000)}) == 1


def test_an_unchanged_policy_is_parsed_once(settings, view):
    """The next round confirms the same object for longer."""
    settings.values.write(POLICY, TEXT)
    assert watched(view) is watched(view)


def test_without_a_published_policy_there_is_none(settings, view):
    """Before it is published, and after it is deleted; and before the first round of the watch."""
    assert view.current().policy is None
    assert watched(view) is None
    settings.values.write(POLICY, TEXT)
    assert watched(view) is not None
    settings.values.delete(POLICY)
    assert watched(view) is None


def test_a_policy_is_good_until_the_watch_has_been_silent_for_a_minute(settings, view, clock):
    """Counted from when the request of its last round was sent. Then there is none, until the next round."""
    settings.values.write(POLICY, TEXT)
    watched(view)
    assert view.current().until_s == clock.at_s + 60.0
    clock.at_s += 59.9
    assert view.current().policy is not None
    clock.at_s += 0.1
    assert view.current().policy is None
    assert watched(view) is not None


def test_unavailable_settings_do_not_prolong_a_policy(settings, clock):
    """Each round raises, and changes nothing."""
    settings.values.write(POLICY, TEXT)
    view = LivePolicy(settings, lambda: clock.at_s)
    view.watch_once()
    settings.close()
    clock.at_s += 30.0
    with pytest.raises(Unavailable):
        view.watch_once()
    assert view.current().policy is not None
    clock.at_s += 30.0
    assert view.current().policy is None


def test_a_process_starts_without_a_policy_while_the_settings_are_unavailable(settings, eventually, monkeypatch):
    """Its loop finds the policy later, and survives whatever error a round has."""
    settings.values.write(POLICY, TEXT)
    errors = [Unavailable("down"), ValueError("a bug"), Unavailable("down")]
    watch = settings.values.watch

    def fail_first(*arguments):
        if errors:
            raise errors.pop(0)
        return watch(*arguments)

    monkeypatch.setattr(settings.values, "watch", fail_first)
    view, stop = LivePolicy(settings), threading.Event()
    view.start()
    assert view.current().policy is None
    watching = threading.Thread(target=view.run_forever, args=[stop])
    watching.start()
    try:
        assert eventually(lambda: view.current().policy)
    finally:
        stop.set()
        watching.join()


def test_a_change_that_can_not_be_read_ends_the_policy_at_once(settings, view, monkeypatch):
    """The new policy may forbid what the old one allows."""
    settings.values.write(POLICY, TEXT)
    watched(view)

    def fail(key):
        raise Unavailable("down")

    settings.values.write(POLICY, TEXT + "\n# changed\n")
    with monkeypatch.context() as patch:
        patch.setattr(view._settings.values, "read", fail)
        with pytest.raises(Unavailable):
            view.watch_once()
    assert view.current().policy is None
    assert watched(view) is not None


BROKEN = {
    "empty": "",
    "blank": "\n",
    "unknown format": "policy: 2",
    "broken": "a: [",
    "deep": "[" * 5_000,
    "no character": 'a: "\\UFFFFFFFF"',
    "cycle": "&a [*a]",
    "tag": "a: !!python/name:os.system",
    "null": "\0",
    "twice": "a: 1\n" * 2,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_policy_that_does_not_parse_is_not_used(settings, view, text):
    """Until a valid one is published."""
    settings.values.write(POLICY, TEXT)
    assert watched(view) is not None
    settings.values.write(POLICY, text)
    assert watched(view) is None
    settings.values.write(POLICY, TEXT)
    assert watched(view) is not None
