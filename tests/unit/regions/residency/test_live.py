"""The view of the policy is never older than the settings, and whatever is wrong with it, nothing crosses."""

from pathlib import Path

import pytest

from regions.residency.live import LivePolicy
from regions.stores.settings import POLICY
from regions.stores.sqlite import adapter as sqlite

TEXT = (Path(__file__).parents[4] / "deploy" / "policy.yaml").read_text()


@pytest.fixture
def open_settings(tmp_path):
    opened = []

    def handle():
        opened.append(sqlite.open_settings(str(tmp_path / "settings.db"), lambda: 1_800_000_000_000))
        return opened[-1]

    yield handle
    for one in opened:
        one.close()


@pytest.fixture
def settings(open_settings):
    return open_settings()


@pytest.fixture
def view(open_settings):
    """As another process has it."""
    return LivePolicy(open_settings())


def test_a_policy_that_was_published_is_seen(settings, view):
    """At the next question, with the file's name in its rules."""
    settings.values.write(POLICY, TEXT)
    policy = view.current()
    assert policy.classes
    assert all(rule.where.startswith("policy.yaml:") for rule in policy.classes[policy.default_class].rules)


def test_a_change_is_seen_at_the_next_question(settings, view):
    """The same text parses to the same version, another to another."""
    settings.values.write(POLICY, TEXT)
    first = view.current()
    settings.values.write(POLICY, TEXT + "\n# changed\n")
    assert view.current().version != first.version
    settings.values.write(POLICY, TEXT)
    assert view.current().version == first.version


def test_an_unchanged_policy_is_parsed_once(settings, view):
    """The very same object is given again."""
    settings.values.write(POLICY, TEXT)
    assert view.current() is view.current()


def test_without_a_policy_nothing_crosses(settings, view):
    """None before it was published, and again when it was taken away."""
    assert view.current() is None
    settings.values.write(POLICY, TEXT)
    assert view.current() is not None
    settings.values.delete(POLICY)
    assert view.current() is None


def test_when_the_settings_do_not_answer_nothing_crosses(settings):
    """Not even by the policy that was known a moment before."""
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
def test_a_policy_that_does_not_parse_lets_nothing_cross(settings, view, text):
    """Until one that does comes."""
    settings.values.write(POLICY, TEXT)
    assert view.current() is not None
    settings.values.write(POLICY, text)
    assert view.current() is None
    settings.values.write(POLICY, TEXT)
    assert view.current() is not None
