"""What a region would need to be rebuilt lies in a second one too, as far as the policy lets it, and as it is now."""

import json
from dataclasses import replace

import pytest

from regions import ids
from regions.account_records import Credential
from regions.border.kinds import COMMENT, CREDENTIALS, FOLLOW, KINDS, LIKE, USER, RecordName
from regions.errors import BadGateway, ResidencyDenied, Unavailable, Unprocessable
from regions.events.messages import UnreadableEvent, record_changed
from regions.events.set_aside import NotYet
from regions.records import Comment
from replication.records import RecordHandlers

PASSPHRASE = Credential("passphrase", "passphrase", "$argon2id$v=19$a hash", 7)


@pytest.fixture
def ana(regions):
    return regions.add_user("eu-west")


@pytest.fixture
def handle(regions):
    """Handles the change of a record, in the lane from its home to that region."""

    def run(destination, name, person_id, residency_class="", home="eu-west", border=None):
        border = border or regions.border(home, destination)
        handlers = RecordHandlers(regions.home(home), destination, border, regions.clock.now_ms)
        event = record_changed(name.kind, name.about, name.part, person_id, residency_class, regions.clock.now_ms())
        handlers.handle_changed(event)

    return run


@pytest.fixture
def copies(regions):
    """What a region keeps of another's records of a kind: documents by name."""

    def read(region, kind, home="eu-west"):
        found, _ = regions.stores[region].catalog.copies.of_home(home, kind, None, 100)
        return {(one.about, one.part): None if one.document is None else json.loads(one.document) for one in found}

    return read


def audited(regions, region, person_id):
    entries = regions.stores[region].catalog.audit.latest(person_id, 100)
    return {(entry.action, entry.place, entry.allowed) for entry in entries}


def test_an_account_is_copied_to_the_second_region(regions, ana, handle, copies):
    """Which is the first other one of the statement where it may rest. Both ends decide, and log it."""
    for destination in ("eu-central", "us-central"):
        handle(destination, RecordName(USER, ana.user_id), ana.user_id)
    [document] = copies("eu-central", USER).values()
    assert (document["name"], document["country"], document["handle"]) == (ana.name, ana.country, ana.handle)
    assert copies("us-central", USER) == {}
    for region in ("eu-west", "eu-central"):
        assert audited(regions, region, ana.user_id) == {("rest_account", "eu-central", True)}


def test_a_person_of_the_world_has_one_second_region(regions, handle, copies):
    """Not all in which their account may rest."""
    bob = regions.add_user("us-central")
    for destination in ("eu-west", "eu-central"):
        handle(destination, RecordName(USER, bob.user_id), bob.user_id, home="us-central")
    places = [name for name in regions.rules["eu-west"].newest.places if name in ("eu-west", "eu-central")]
    kept = [name for name in ("eu-west", "eu-central") if copies(name, USER, "us-central")]
    assert kept == places[:1]


def test_what_checks_credentials_is_copied_and_no_session(regions, ana, handle, copies):
    """A hash of the passphrase, with which nobody can sign in."""
    catalog, name = regions.stores["eu-west"].catalog, RecordName(CREDENTIALS, ana.user_id)
    catalog.credentials.replace(ana.user_id, [], [PASSPHRASE])
    handle("eu-central", name, ana.user_id)
    [document] = copies("eu-central", CREDENTIALS).values()
    assert document == {"credentials": [{**document["credentials"][0], "verifier": PASSPHRASE.verifier}]}
    assert not any("session" in kind for kind in KINDS)


def test_what_is_gone_is_gone_in_the_copy_too(regions, ana, handle, copies):
    """A deleted account, and a follow that has ended."""
    catalog, bob = regions.stores["eu-west"].catalog, regions.new_id(ids.USER, "us-central")
    user, follow = RecordName(USER, ana.user_id), RecordName(FOLLOW, ana.user_id, bob)
    credentials = RecordName(CREDENTIALS, ana.user_id)
    catalog.follows.change(ana.user_id, bob, True)
    catalog.credentials.replace(ana.user_id, [], [PASSPHRASE])
    for name in (user, follow, credentials):
        handle("eu-central", name, ana.user_id)
    assert copies("eu-central", FOLLOW) == {(ana.user_id, bob): {}}
    catalog.users.mark_deleted(ana.user_id, 5)
    catalog.follows.change(ana.user_id, bob, False)
    catalog.credentials.replace(ana.user_id, [PASSPHRASE], [])
    for name in (user, follow, credentials):
        handle("eu-central", name, ana.user_id)
    for kind in (USER, FOLLOW, CREDENTIALS):
        assert list(copies("eu-central", kind).values()) == [None]


def test_what_is_gone_goes_from_every_region_where_it_may_lie(regions, handle, copies):
    """An earlier statement may have had another second region. But nothing is sent where it never may have been."""
    bob, ana = regions.add_user("us-central"), regions.add_user("eu-west")
    for user in (bob, ana):
        regions.stores[user.home_region].catalog.users.mark_deleted(user.user_id, 5)
        for destination in set(regions.stores) - {user.home_region}:
            handle(destination, RecordName(USER, user.user_id), user.user_id, home=user.home_region)
    for region in ("eu-west", "eu-central"):
        assert copies(region, USER, "us-central") == {(bob.user_id, ""): None}
    assert copies("us-central", USER) == {} and copies("eu-central", USER) == {(ana.user_id, ""): None}


def test_a_like_goes_by_the_class_of_who_likes(regions, handle, copies):
    """It lies at the photo's home, and from there goes to the first other region where its person's data may rest."""
    catalog, photo_id = regions.stores["us-central"].catalog, regions.new_id(ids.PHOTO, "us-central")
    ana, bob = regions.new_id(ids.USER, "eu-west"), regions.new_id(ids.USER, "us-central")
    for person_id, residency_class in ((ana, "eu"), (bob, "world")):
        catalog.likes.add(photo_id, person_id, 1)
        for destination in ("eu-west", "eu-central"):
            handle(destination, RecordName(LIKE, photo_id, person_id), person_id, residency_class, home="us-central")
    found = {region: copies(region, LIKE, "us-central") for region in ("eu-west", "eu-central")}
    assert sorted(name for kept in found.values() for name in kept) == sorted([(photo_id, ana), (photo_id, bob)])


def test_what_may_rest_nowhere_else_stays_at_home(regions, handle, copies):
    """So what somebody says whose class is not known, or has no rule."""
    catalog, photo_id = regions.stores["eu-west"].catalog, regions.new_id(ids.PHOTO, "eu-west")
    bob = regions.new_id(ids.USER, "us-central")
    catalog.likes.add(photo_id, bob, 1)
    for destination in ("eu-central", "us-central"):
        for residency_class in ("", "mars"):
            handle(destination, RecordName(LIKE, photo_id, bob), bob, residency_class)
    assert copies("eu-central", LIKE) == copies("us-central", LIKE) == {}


def test_a_comment_is_copied_with_its_text(regions, ana, handle, copies):
    catalog, photo_id = regions.stores["eu-west"].catalog, regions.new_id(ids.PHOTO, "eu-west")
    comment = Comment(regions.new_id(ids.COMMENT, "eu-west"), photo_id, ana.user_id, 'Lovely\n"🙂"', 9, "eu")
    catalog.comments.add(comment)
    name = RecordName(COMMENT, photo_id, comment.comment_id)
    handle("eu-central", name, ana.user_id, "eu")
    assert copies("eu-central", COMMENT)[photo_id, comment.comment_id]["text"] == comment.text
    catalog.comments.remove(photo_id, comment.comment_id)
    handle("eu-central", name, ana.user_id, "eu")
    assert copies("eu-central", COMMENT) == {(photo_id, comment.comment_id): None}


@pytest.mark.parametrize("kind", [USER, CREDENTIALS, FOLLOW, LIKE, COMMENT])
def test_the_largest_record_can_be_sent(regions, ana, handle, copies, kind):
    """Of texts that need the most room in JSON, and with as many credentials as 30 recoveries by an operator leave."""
    catalog, letter = regions.stores["eu-west"].catalog, "🙂"
    photo_id, bob = regions.new_id(ids.PHOTO, "eu-west"), regions.new_id(ids.USER, "us-central")
    comment = Comment(
        regions.new_id(ids.COMMENT, "eu-west"), photo_id, ana.user_id, '"' * 1000 + letter * 1000, 9, "eu"
    )
    catalog.users.add(replace(ana, name=letter * 80, handle="a" * 30))
    codes = [Credential(f"recovery-{number:064}", "recovery_code", "h" * 64, 1 << 52) for number in range(40)]
    catalog.credentials.replace(ana.user_id, [], [replace(PASSPHRASE, verifier="h" * 200), *codes])
    catalog.follows.change(ana.user_id, bob, True)
    catalog.likes.add(photo_id, ana.user_id, 1)
    catalog.comments.add(comment)
    about = ana.user_id if KINDS[kind].about == ids.USER else photo_id
    part = {FOLLOW: bob, LIKE: ana.user_id, COMMENT: comment.comment_id}.get(kind, "")
    handle("eu-central", RecordName(kind, about, part), ana.user_id, "eu")
    assert copies("eu-central", kind)[about, part] is not None


def test_a_record_that_is_too_long_is_not_sent(regions, ana, handle, copies):
    """It is set aside, and ends in the dead letters."""
    codes = [Credential(f"recovery-{number:064}", "recovery_code", "h" * 64, 7) for number in range(200)]
    regions.stores["eu-west"].catalog.credentials.replace(ana.user_id, [], codes)
    with pytest.raises(Unprocessable):
        handle("eu-central", RecordName(CREDENTIALS, ana.user_id), ana.user_id)
    assert copies("eu-central", CREDENTIALS) == {}


class HookedBorder:
    """Does something before each record is kept, and answers what a test wants."""

    def __init__(self, border, before, answers=()):
        self._border, self._before, self._answers = border, before, list(answers)
        self.versions = []

    def keep(self, record):
        self.versions.append(record.version)
        self._before()
        return self._answers.pop(0) if self._answers else self._border.keep(record)


def test_a_record_that_changes_meanwhile_is_sent_again(regions, ana, handle, copies):
    """In a version that is higher, although the clock stands still."""
    catalog, names = regions.stores["eu-west"].catalog, iter(["Anna", "Annie"])
    border = HookedBorder(
        regions.border("eu-west", "eu-central"), lambda: catalog.users.rename(ana.user_id, next(names, "Annie"))
    )
    handle("eu-central", RecordName(USER, ana.user_id), ana.user_id, border=border)
    assert copies("eu-central", USER)[ana.user_id, ""]["name"] == "Annie"
    assert sorted(set(border.versions)) == border.versions


def test_a_record_that_changes_all_the_time_is_set_aside(regions, ana, handle):
    catalog = regions.stores["eu-west"].catalog
    border = HookedBorder(
        regions.border("eu-west", "eu-central"),
        lambda: catalog.users.rename(ana.user_id, f"Ana {len(border.versions)}"),
    )
    with pytest.raises(NotYet):
        handle("eu-central", RecordName(USER, ana.user_id), ana.user_id, border=border)


def test_who_is_behind_another_sends_a_higher_version(regions, ana, handle, copies):
    """As one whose clock is behind does. What it then sends was read anew."""
    name = RecordName(USER, ana.user_id)
    regions.clock.advance(60_000)
    handle("eu-central", name, ana.user_id)
    regions.clock.advance(-60_000)
    regions.stores["eu-west"].catalog.users.rename(ana.user_id, "Anna")
    handle("eu-central", name, ana.user_id)
    assert copies("eu-central", USER)[ana.user_id, ""]["name"] == "Anna"


def test_a_region_that_names_a_version_of_the_future_gets_no_more(regions, ana, handle):
    """Following it, no other process could send anything any more."""
    border = HookedBorder(None, lambda: None, [regions.clock.now_ms() + 86_400_000])
    with pytest.raises(BadGateway):
        handle("eu-central", RecordName(USER, ana.user_id), ana.user_id, border=border)


def test_a_region_that_denies_what_may_go_is_asked_again(regions, ana, handle, copies):
    """It may not have heard of the statement yet that allows it."""

    def deny():
        raise ResidencyDenied("by an older statement", "")

    name, behind = RecordName(USER, ana.user_id), HookedBorder(None, deny)
    with pytest.raises(NotYet):
        handle("eu-central", name, ana.user_id, border=behind)
    handle("eu-central", name, ana.user_id)
    assert copies("eu-central", USER)[ana.user_id, ""]["name"]


def test_without_a_lease_nothing_of_a_bound_class_is_sent(regions, handle, copies):
    """It waits. What may be anywhere goes on, and so does what stays in its jurisdiction."""
    ana, photo_id = regions.add_user("eu-west"), regions.new_id(ids.PHOTO, "us-central")
    regions.stores["us-central"].catalog.likes.add(photo_id, ana.user_id, 1)
    for region in ("eu-west", "us-central"):
        regions.lose_lease(region)
    handle("eu-central", RecordName(USER, ana.user_id), ana.user_id)
    assert copies("eu-central", USER) != {}
    regions.rules["us-central"] = replace(regions.rules["us-central"], in_force=None)
    with pytest.raises(Unavailable):
        handle("eu-west", RecordName(LIKE, photo_id, ana.user_id), ana.user_id, "eu", home="us-central")


def test_a_kind_of_a_newer_program_is_set_aside(handle, ana):
    """Until this one is updated, too."""
    with pytest.raises(UnreadableEvent):
        handle("eu-central", RecordName("wish", ana.user_id), ana.user_id)
