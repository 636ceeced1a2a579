"""The policy in force is never older than the settings. If anything is wrong with it, nothing is allowed."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from regions.residency.live import LivePolicy
from regions.stores.settings import POLICY
from regions.stores.sqlite import adapter as sqlite

TEXT = (Path(__file__).parents[4] / "deploy" / "policy.yaml").read_text()


@pytest.fixture
def open_settings(tmp_path):
    """Opens handles on one file, as processes would."""
    file = str(tmp_path / "settings.db")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(sqlite.open_settings(file, lambda: 1_800_000_000_000)))


@pytest.fixture
def settings(open_settings):
    return open_settings()


@pytest.fixture
def view(open_settings):
    """The policy as another process reads it."""
    return LivePolicy(open_settings())


def test_a_published_policy_is_in_force(settings, view):
    """From the next read on. Its rules cite the file's name."""
    settings.values.write(POLICY, TEXT)
    policy = view.current()
    assert policy.classes
    assert all(rule.where.startswith("policy.yaml:") for rule in policy.classes[policy.default_class].rules)


def test_a_change_is_in_force_from_the_next_read_on(settings, view):
    """The same text has the same version, another text another."""
    settings.values.write(POLICY, TEXT)
    first = view.current()
    settings.values.write(POLICY, TEXT + "\n# changed\n")
    assert view.current().version != first.version
    settings.values.write(POLICY, TEXT)
    assert view.current().version == first.version


def test_an_unchanged_policy_is_parsed_once(settings, view):
    """The second read returns the same object."""
    settings.values.write(POLICY, TEXT)
    assert view.current() is view.current()


def test_without_a_published_policy_there_is_none(settings, view):
    """Before it is published, and after it is deleted."""
    assert view.current() is None
    settings.values.write(POLICY, TEXT)
    assert view.current() is not None
    settings.values.delete(POLICY)
    assert view.current() is None


def test_while_the_settings_are_unavailable_there_is_no_policy(settings):
    """The policy that was in force a moment before is not used."""
    settings.values.write(POLICY, TEXT)
    view = LivePolicy(settings)
    assert view.current() is not None
    settings.close()
    assert view.current() is None


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
    assert view.current() is not None
    settings.values.write(POLICY, text)
    assert view.current() is None
    settings.values.write(POLICY, TEXT)
    assert view.current() is not None
