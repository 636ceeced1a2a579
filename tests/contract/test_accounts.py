"""Accounts in every catalog: handles, credentials, sessions, and accounts to be erased."""

from dataclasses import replace

import pytest

from regions.account_records import Credential, EndedSession, UserSession
from regions.clock import now_ms
from regions.events.messages import Event, record_changed
from regions.records import User

ANA, EVA = "u_00000000001", "u_00000000002"
HOSTILE = "'; DROP TABLE users; -- \x00 ü 🙂"


def passphrase(verifier: str) -> Credential:
    return Credential("passphrase", "passphrase", verifier, 7)


def code(number: int) -> Credential:
    return Credential(f"code-{number}", "recovery_code", f"hash {number}", 7)


def session(number: int = 1, user_id: str = ANA) -> UserSession:
    regions = ("eu-west",)
    return UserSession(user_id, f"s_{number}", 1, HOSTILE, 5, 6, "family", "refresh", regions, passphrase_at_ms=4)


def ended(at_ms: int, number: int = 1) -> EndedSession:
    return EndedSession(f"s_{number}", at_ms, ("eu-west", "us-central"))


def changed(number: int, user_id: str = ANA) -> Event:
    return record_changed("user", user_id, "", user_id, "", number)


def run_at_once(threads, work, arguments):
    return list(threads.map(work, arguments))


def test_a_user_keeps_the_handle_and_the_time_of_deletion(catalog):
    """Both are missing in what version 0.2 wrote."""
    ana = User(ANA, "Ana", "PT", "eu", "eu-west", 7, "ana")
    catalog.users.add(ana)
    assert catalog.users.get(ANA) == ana
    assert catalog.users.mark_deleted(ANA, 8)
    assert catalog.users.get(ANA) == replace(ana, name="", country="", deleted_at_ms=8)


def test_a_user_can_be_renamed_until_the_account_is_deleted(catalog):
    """Neither happens to one who is not there."""
    catalog.users.add(User(ANA, "Ana", "PT", "eu", "eu-west", 7))
    assert catalog.users.rename(ANA, HOSTILE)
    assert catalog.users.get(ANA).name == HOSTILE
    assert catalog.users.mark_deleted(ANA, 8)
    assert not catalog.users.rename(ANA, "Ana")
    assert not catalog.users.mark_deleted(ANA, 9)
    assert (catalog.users.get(ANA).name, catalog.users.get(ANA).deleted_at_ms) == ("", 8)
    assert not catalog.users.rename(EVA, "Eva") and not catalog.users.mark_deleted(EVA, 9)
    assert catalog.users.get(EVA) is None


def test_a_change_of_an_account_is_in_the_outbox_with_it(catalog):
    """In the order of the changes, as long as they are made."""
    assert catalog.users.add(User(ANA, "Ana", "PT", "eu", "eu-west", 7), changed(1)) is None
    assert catalog.users.rename(ANA, "Anna", changed(2))
    assert catalog.credentials.replace(ANA, [], [passphrase("one")], changed(3))
    assert catalog.users.mark_deleted(ANA, 8, changed(4))
    assert catalog.credentials.replace(ANA, [passphrase("one")], [], changed(5))
    assert catalog.outbox.pending(10) == [changed(number) for number in range(1, 6)]
    catalog.outbox.remove(catalog.outbox.pending(10))
    assert catalog.outbox.pending(10) == []


def test_a_change_of_an_account_that_is_not_made_has_no_event(catalog):
    assert not catalog.users.rename(ANA, "Ana", changed(1))
    assert not catalog.users.mark_deleted(ANA, 8, changed(2))
    assert not catalog.credentials.replace(ANA, [passphrase("one")], [], changed(3))
    assert catalog.outbox.pending(10) == []


def test_a_handle_has_one_owner(catalog):
    """For good. Claiming it once more is no error."""
    assert catalog.handles.owner("ana") is None
    assert catalog.handles.claim("ana", ANA)
    assert catalog.handles.claim("ana", ANA)
    assert not catalog.handles.claim("ana", EVA)
    assert catalog.handles.owner("ana") == ANA


@pytest.mark.parametrize("handle", [HOSTILE, "", "a" * 500])
def test_a_handle_may_be_any_text_when_it_is_looked_up(catalog, handle):
    """It comes from clients."""
    assert catalog.handles.owner(handle) is None


def test_of_many_who_claim_a_handle_at_once_one_gets_it(open_catalog, threads):
    """Each by a handle on the store of its own."""
    opened = [open_catalog() for _ in range(4)]
    claimed = run_at_once(threads, lambda number: opened[number % 4].handles.claim("ana", f"u_{number}"), range(8))
    assert claimed.count(True) == 1
    assert opened[0].handles.owner("ana") == f"u_{claimed.index(True)}"


def test_credentials_are_replaced_in_one_write(catalog):
    """One that has the id of an old one takes its place; another user's stay."""
    assert catalog.credentials.replace(EVA, [], [passphrase("eva's")])
    assert catalog.credentials.replace(ANA, [], [passphrase("one"), code(1), code(2)])
    assert catalog.credentials.replace(ANA, [passphrase("one"), code(1)], [passphrase("two")])
    assert set(catalog.credentials.of_user(ANA)) == {passphrase("two"), code(2)}
    assert catalog.credentials.of_user(EVA) == [passphrase("eva's")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([passphrase("another")], [passphrase("two")]),
        ([code(9)], [passphrase("two")]),
        ([code(1), code(9)], [code(3)]),
        ([], [passphrase("two")]),
        ([], [code(1)]),
        ([passphrase("one")], [passphrase("two"), code(2)]),
        ([code(9)], []),
    ],
)
def test_credentials_that_are_not_as_expected_are_not_replaced(catalog, old, new):
    """Nothing changes then."""
    before = {passphrase("one"), code(1), code(2)}
    assert catalog.credentials.replace(ANA, [], sorted(before, key=repr))
    assert not catalog.credentials.replace(ANA, old, new)
    assert set(catalog.credentials.of_user(ANA)) == before


def test_a_credential_that_is_old_and_new_is_a_condition(catalog):
    """So codes are replaced only while the passphrase is the same."""
    assert catalog.credentials.replace(ANA, [], [passphrase("one"), code(1)])
    assert catalog.credentials.replace(ANA, [passphrase("one"), code(1)], [passphrase("one"), code(2)])
    assert set(catalog.credentials.of_user(ANA)) == {passphrase("one"), code(2)}
    assert not catalog.credentials.replace(ANA, [passphrase("two"), code(2)], [passphrase("two"), code(3)])
    assert set(catalog.credentials.of_user(ANA)) == {passphrase("one"), code(2)}


def test_a_credential_is_used_once_by_many_at_once(open_catalog, threads):
    """As a recovery code is, to set a new passphrase."""
    opened = [open_catalog() for _ in range(4)]
    assert opened[0].credentials.replace(ANA, [], [code(1)])

    def use(number: int) -> bool:
        return opened[number % 4].credentials.replace(ANA, [code(1)], [passphrase(f"of {number}")])

    used = run_at_once(threads, use, range(8))
    assert used.count(True) == 1
    assert opened[0].credentials.of_user(ANA) == [passphrase(f"of {used.index(True)}")]


def test_without_credentials_the_list_is_empty(catalog):
    """Of a user of version 0.2, and after all were removed."""
    assert catalog.credentials.of_user(ANA) == []
    assert catalog.credentials.replace(ANA, [], [code(1)])
    assert catalog.credentials.replace(ANA, [code(1)], [])
    assert catalog.credentials.of_user(ANA) == []
    assert catalog.credentials.replace(ANA, [], [])


def test_a_session_comes_back_as_it_was(catalog):
    """Also a script's, with its scopes and its end."""
    plain = session()
    script = replace(session(2), is_script=True, scopes=("read", "upload"), ends_at_ms=9, regions=())
    catalog.sessions.add(plain)
    catalog.sessions.add(script)
    catalog.sessions.add(session(1, EVA))
    assert catalog.sessions.get(ANA, "s_1") == plain
    assert sorted(catalog.sessions.of_user(ANA), key=lambda one: one.session_id) == [plain, script]
    assert catalog.sessions.get(ANA, "s_3") is None and catalog.sessions.get(HOSTILE, HOSTILE) is None


def test_a_session_is_changed_by_its_version(catalog):
    """Only from the version before."""
    catalog.sessions.add(session())
    second = replace(session(), version=2, refresh_sha256="second")
    assert catalog.sessions.change(second)
    assert not catalog.sessions.change(replace(second, refresh_sha256="other"))
    assert not catalog.sessions.change(replace(second, version=4))
    assert not catalog.sessions.change(replace(session(7), version=2))
    assert catalog.sessions.of_user(ANA) == [second]


def test_of_many_changes_at_once_one_is_made(open_catalog, threads):
    """So a refresh token is exchanged once."""
    opened = [open_catalog() for _ in range(4)]
    opened[0].sessions.add(session())

    def rotate(number: int) -> bool:
        return opened[number % 4].sessions.change(replace(session(), version=2, refresh_sha256=f"of {number}"))

    changed = run_at_once(threads, rotate, range(8))
    assert changed.count(True) == 1
    assert opened[0].sessions.get(ANA, "s_1").refresh_sha256 == f"of {changed.index(True)}"


def test_a_removed_session_is_gone(catalog):
    """For good: it can't be changed any more."""
    catalog.sessions.add(session())
    for _ in range(2):
        catalog.sessions.remove(ANA, "s_1")
    assert catalog.sessions.get(ANA, "s_1") is None
    assert not catalog.sessions.change(replace(session(), version=2))


def test_ended_sessions_are_read_in_the_order_of_their_ends(catalog):
    """In pages, across minutes; the last page is empty."""
    at_ms = now_ms()
    times = [at_ms - 200_000, at_ms - 70_000, at_ms - 70_000, at_ms - 1, at_ms]
    entries = [ended(one, number) for number, one in enumerate(times)]
    for entry in reversed(entries):
        catalog.ended_sessions.add(entry)
        catalog.ended_sessions.add(entry)
    found, last = [], ended(at_ms - 900_000)
    while page := catalog.ended_sessions.after(last.at_ms, last.session_id, 2):
        found += page
        last = page[-1]
    assert found == entries


def test_an_account_to_be_erased_is_pending_until_it_is_removed(catalog):
    """Since the first time that it was added."""
    catalog.erasures.add(ANA, 5)
    catalog.erasures.add(ANA, 9)
    catalog.erasures.add(EVA, 7)
    assert catalog.erasures.pending(None, 10) == [(ANA, 5), (EVA, 7)]
    assert catalog.erasures.pending(None, 1) == [(ANA, 5)] and catalog.erasures.pending(ANA, 9) == [(EVA, 7)]
    for _ in range(2):
        catalog.erasures.remove(ANA)
    assert catalog.erasures.pending(None, 10) == [(EVA, 7)]
