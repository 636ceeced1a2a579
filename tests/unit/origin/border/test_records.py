"""What an origin keeps of another region's records: what may rest here, as it comes, and only from their home."""

from dataclasses import replace

import pytest

from regions.border.kinds import COMMENT, CREDENTIALS, FOLLOW, LIKE, USER, RecordName
from regions.border.records import SentRecord, record_document
from regions.records import Tombstone
from tests.builders.statements import POLICY_TEXT

TEN_MINUTES_MS = 600_000


@pytest.fixture
def bob(unused_id, clock) -> SentRecord:
    """The account of somebody of us-central, whose records may rest anywhere."""
    user_id = unused_id("u", 2)
    return SentRecord(RecordName(USER, user_id), user_id, "world", clock.now_ms(), '{"name": "Bob"}')


def put(api, *items, node="us-central"):
    documents = [record_document(one) if isinstance(one, SentRecord) else one for one in items]
    return api.request("PUT", "/border/v1/records", {"records": documents}, node=node)


def statuses(response) -> list[int]:
    """Of each item; 200 for one that is kept."""
    return [one["problem"]["status"] if "problem" in one else 200 for one in response.json["answers"]]


def kept(api, kind, home="us-central"):
    found, _ = api.catalog.copies.of_home(home, kind, None, 100)
    return {(one.about, one.part): (one.version, one.document) for one in found}


def test_a_record_is_kept_as_it_came(api, bob):
    assert put(api, bob).json == {"answers": [{"other_version": None}]}
    assert kept(api, USER) == {(bob.name.about, ""): (bob.version, bob.document)}
    entries = api.catalog.audit.latest(bob.person_id, 9)
    assert [(one.action, one.place, one.allowed) for one in entries] == [("rest_account", "eu-west", True)]


def test_a_record_that_comes_too_late_changes_nothing(api, bob):
    """Its sender hears of the version that is there, even if the record is gone by it."""
    gone = replace(bob, version=bob.version + 1, document=None)
    assert [put(api, one).json["answers"] for one in (gone, bob, gone)] == [
        [{"other_version": None}],
        [{"other_version": gone.version}],
        [{"other_version": None}],
    ]
    assert kept(api, USER) == {(bob.name.about, ""): (gone.version, None)}


def test_nobody_is_shown_a_copy(api, bob, unused_id):
    """Who asks for the person is sent to their home, and there is no list that has them."""
    put(api, bob, replace(bob, name=RecordName(CREDENTIALS, bob.person_id)))
    assert api.request("GET", f"/v1/users/{bob.person_id}").status_code == 421
    assert api.catalog.users.get(bob.person_id) is None
    assert api.catalog.credentials.of_user(bob.person_id) == []


def test_the_receiver_decides_by_its_own_statement(api, us_api, bob, unused_id, clock):
    """Nothing of Europeans is kept in America, whatever the sender thinks."""
    ana = unused_id("u", 1)
    record = SentRecord(RecordName(USER, ana), ana, "eu", clock.now_ms(), "{}")
    [answer] = put(us_api, record, node="eu-central").json["answers"]
    assert answer["problem"]["status"] == 451 and answer["problem"]["rule"].startswith("policy.yaml:")
    assert kept(us_api, USER, "eu-central") == {}
    assert us_api.catalog.audit.latest(ana, 9)[0].allowed is False
    assert statuses(put(api, record, node="eu-central")) == [200]


def test_only_the_home_may_send_a_record(api, bob, unused_id):
    """Of the user or photo that it is about; and nothing of this region's own. Each is answered by itself."""
    own, other = unused_id("u", 0), unused_id("u", 1)
    photo = unused_id("p", 1)
    records = [
        replace(bob, name=RecordName(USER, own), person_id=own),
        replace(bob, name=RecordName(USER, other), person_id=other, residency_class="eu"),
        replace(bob, name=RecordName(LIKE, photo, bob.person_id)),
        bob,
    ]
    assert statuses(put(api, *records)) == [403, 403, 403, 200]
    assert len(kept(api, USER)) == 1 and kept(api, LIKE) == {}


@pytest.mark.parametrize(("region", "residency_class", "status"), [
    (2, "world", 200), (0, "eu", 200), (1, "eu", 200),
    (0, "world", 403), (2, "eu", 403), (2, "mars", 403), (9, "eu", 403),
])  # fmt: skip
def test_somebody_of_any_region_may_say_something_there(api, bob, unused_id, region, residency_class, status):
    """But only with a class that people of their region have: nobody loosens rules by lying about others."""
    photo_id, person_id = unused_id("p", 2), unused_id("u", region)
    like = replace(
        bob, name=RecordName(LIKE, photo_id, person_id), person_id=person_id, residency_class=residency_class
    )
    comment = replace(like, name=RecordName(COMMENT, photo_id, unused_id("c", 2)))
    assert statuses(put(api, like, comment)) == [status, status]


def test_nothing_is_kept_about_a_deleted_photo(api, bob, unused_id):
    """Neither what was there nor what comes."""
    photo_id = unused_id("p", 2)
    like = replace(bob, name=RecordName(LIKE, photo_id, bob.person_id))
    put(api, like)
    assert len(kept(api, LIKE)) == 1
    api.catalog.photos.delete(Tombstone(photo_id, "", 1), None)
    assert statuses(put(api, replace(like, version=like.version + 1))) == [200]
    assert kept(api, LIKE) == {}


def test_a_version_of_the_future_is_refused(api, bob, clock):
    """Nothing could replace it. Clocks may differ by ten minutes."""
    late, later = (replace(bob, version=clock.now_ms() + TEN_MINUTES_MS + more) for more in (0, 1))
    assert statuses(put(api, later, late)) == [400, 200]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "session"}, {"kind": 1}, {"kind": None}, {"about": "u_"}, {"about": "p_00000000001"},
        {"part": "u_00000000001"}, {"part": None}, {"person_id": "u_00000000001"}, {"person_id": "Bob"},
        {"residency_class": "x" * 81}, {"residency_class": None},
        {"version": -1}, {"version": 1.0}, {"version": True}, {"version": 1 << 60},
        {"document": ""}, {"document": {}}, {"document": 1}, {"document": "x" * 1001}, {"document": "\ud800"},
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(api, bob, changes):
    """And stops no other."""
    wrong = record_document(bob) | changes
    lacking = {name: value for name, value in record_document(bob).items() if name not in changes}
    assert statuses(put(api, wrong, lacking, bob)) == [400, 400, 200]


@pytest.mark.parametrize("name", [FOLLOW, LIKE, COMMENT])
def test_a_name_has_the_ids_of_its_kind(api, bob, unused_id, name):
    """Not those of another one, and not none."""
    about = bob.person_id if name == FOLLOW else unused_id("p", 2)
    right = {FOLLOW: unused_id("u", 0), LIKE: bob.person_id, COMMENT: unused_id("c", 2)}[name]
    records = [replace(bob, name=RecordName(name, about, part)) for part in ("", unused_id("p", 2), right)]
    assert statuses(put(api, *records)) == [400, 400, 200]


@pytest.mark.parametrize("records", [None, 1, {}, [1], [{}] * 33])
def test_what_is_no_list_of_records_is_refused_as_a_whole(api, records):
    assert api.request("PUT", "/border/v1/records", {"records": records}, node="us-central").status_code == 400


def test_while_nobody_can_tell_nothing_is_kept(api, bob):
    """The lane tries again. A rule that binds a class to places counts only with a lease."""
    actions = "rest_metadata, rest_account, cache, reference, serve"
    assert actions in POLICY_TEXT
    bound = POLICY_TEXT.replace(actions, actions.replace("rest_account, ", ""))
    rule = "      - {allow: [rest_account], at: [us-central, eu-west], because: Two copies are enough.}\n"
    api.set_policy(bound + rule)
    api.lose_lease()
    assert statuses(put(api, bob)) == [503] and kept(api, USER) == {}
    api.set_policy(bound + rule)
    assert statuses(put(api, bob)) == [200]
