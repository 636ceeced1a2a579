"""A change of passphrase ends what began by the old one, whatever happens at the same time, and whichever process dies.

A thief knows the passphrase, and has a session. The owner takes the account back.
"""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from origin.app import revocation_readers
from regions.session_ends import SessionEnds
from tests.builders.accounts import HOUR_MS, change, recover, script_body
from tests.builders.accounts import NEW_PASSPHRASE as NEW

THIEFS = "a thief's four words"


@pytest.fixture
def owner(api, ana):
    return api.confirmed(ana)


@pytest.fixture
def thief(api, ana):
    """Signed in by Ana's passphrase, and confirmed by it."""
    return api.confirmed(api.signed_in(ana))


TAKING_BACK = {
    "a new passphrase": lambda api, owner: change(api, owner, "PUT", "passphrase", {"passphrase": NEW}),
    "recovery": lambda api, owner: recover(api, owner, owner.recovery_codes[0]),
    "deletion": lambda api, owner: change(api, owner, "DELETE", ""),
}
BEGINNING = {
    "sign-in": lambda api, thief: api.sign_in(thief),
    "script": lambda api, thief: change(api, thief, "POST", "script-tokens", script_body(api)),
}


@pytest.fixture
def meanwhile(api, monkeypatch):
    """`meanwhile("sessions", "add", act)`: just before the first such write, or after it, somebody does `act()`.

    Returns the list in which its result will be.
    """

    def meanwhile(table, method, act, is_before=True):
        kind, waiting, done = type(getattr(api.catalog, table)), [act], []
        write = getattr(kind, method)

        def with_act(self, *arguments):
            acts = [waiting.pop()] if waiting else []
            if is_before:
                done.extend(one() for one in acts)
            result = write(self, *arguments)
            if not is_before:
                done.extend(one() for one in acts)
            return result

        monkeypatch.setattr(kind, method, with_act)
        return done

    return meanwhile


@pytest.fixture
def dying_before_sessions_end(monkeypatch):
    """`with dying_before_sessions_end(): …`"""

    @contextmanager
    def dying():
        with monkeypatch.context() as patched:
            patched.setattr(SessionEnds, "end_all", lambda *arguments: 1 / 0)
            yield

    return dying


def alive(api, user):
    return {one.session_id for one in api.catalog.sessions.of_user(user.id) if one.ended_at_ms is None}


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("taking_back", TAKING_BACK.values(), ids=TAKING_BACK)
@pytest.mark.parametrize("beginning", BEGINNING.values(), ids=BEGINNING)
def test_no_session_begins_by_a_passphrase_that_is_being_replaced(
    api, owner, thief, meanwhile, beginning, taking_back, is_before
):
    """It was compared, or the session looked at, before the change; the session would be there after it."""
    before = alive(api, owner)
    done = meanwhile("sessions", "add", lambda: taking_back(api, owner), is_before)
    response = beginning(api, thief)
    assert response.status_code == 401 and done[0].status_code < 300, response.text
    assert "refresh_token" not in response.json
    assert not alive(api, owner) & (before - {owner.session}) and len(alive(api, owner)) <= 1


@pytest.mark.parametrize("taking_back", [TAKING_BACK["a new passphrase"], TAKING_BACK["recovery"]])
def test_who_dies_before_ending_the_sessions_has_ended_them(api, owner, thief, dying_before_sessions_end, taking_back):
    """At the next sign-in the access tokens that the thief has are refused, too; they run out anyway."""
    script = change(api, thief, "POST", "script-tokens", script_body(api)).json
    with dying_before_sessions_end():
        assert taking_back(api, owner).status_code == 500
    assert [api.refresh(one).status_code for one in (thief.refresh_token, script["refresh_token"])] == [401, 401]
    for method, what in (("PUT", "passphrase"), ("POST", "recovery-codes"), ("GET", "export"), ("DELETE", "")):
        assert change(api, thief, method, what, {"passphrase": THIEFS}).status_code == 401
    assert change(api, thief, "GET", "sessions").status_code == 401
    assert api.sign_in(owner, NEW).status_code == 201
    revocation_readers(api.context)[0].run_once()
    assert change(api, thief, "GET", "feed").status_code == 401


def test_a_clock_that_was_set_back_keeps_no_session_alive(api, owner, thief, dying_before_sessions_end):
    """The new passphrase is newer than the old one all the same."""
    api.clock.advance(-20_000)
    with dying_before_sessions_end():
        assert TAKING_BACK["a new passphrase"](api, owner).status_code == 500
    assert api.refresh(thief.refresh_token).status_code == 401
    assert api.refresh(owner.refresh_token).status_code == 200


def test_who_knew_the_old_passphrase_gets_no_codes_by_which_to_come_back(api, ana, owner, thief, meanwhile):
    done = meanwhile("credentials", "replace", lambda: TAKING_BACK["a new passphrase"](api, owner))
    response = change(api, thief, "POST", "recovery-codes")
    assert (response.status_code, done[0].status_code) == (409, 204)
    assert recover(api, ana, ana.recovery_codes[5]).status_code == 201


def test_of_two_who_change_the_passphrase_at_once_one_has_changed_it(api, ana, owner, thief, meanwhile):
    """The other does not replace a passphrase that they did not know."""
    done = meanwhile("credentials", "replace", lambda: TAKING_BACK["a new passphrase"](api, owner))
    assert change(api, thief, "PUT", "passphrase", {"passphrase": THIEFS}).status_code == 409
    assert done[0].status_code == 204
    assert (api.sign_in(ana, NEW).status_code, api.sign_in(ana, THIEFS).status_code) == (201, 401)


def test_a_refresh_under_way_goes_on_if_its_own_session_changes_the_passphrase(api, owner, meanwhile):
    done = meanwhile("sessions", "change", lambda: TAKING_BACK["a new passphrase"](api, owner))
    refreshed = api.refresh(owner.refresh_token)
    assert (refreshed.status_code, done[0].status_code) == (200, 204)
    assert api.refresh(refreshed.json["refresh_token"]).status_code == 200


@pytest.mark.parametrize(("changes", "status"), [({"label": "Phone"}, 200), ({"ended_at_ms": 7}, 401)])
def test_a_session_that_is_changed_while_it_changes_the_passphrase_stays_what_it_is(
    api, owner, meanwhile, changes, status
):
    """Alive if a refresh was under way, ended if it was ended."""
    session = api.catalog.sessions.get(owner.id, owner.session)
    changed = replace(session, version=session.version + 1, **changes)
    done = meanwhile("sessions", "change", lambda: api.catalog.sessions.change(changed))
    assert TAKING_BACK["a new passphrase"](api, owner).status_code == 204 and done == [True]
    assert api.refresh(owner.refresh_token).status_code == status


def test_an_outdated_hash_is_made_anew_without_ending_sessions(api, owner, thief, monkeypatch):
    """It is the same passphrase."""
    api.clock.advance(HOUR_MS)
    before = api.catalog.credentials.of_user(owner.id)
    monkeypatch.setattr(type(api.context.passphrases), "is_outdated", lambda self, verifier: True)
    assert api.sign_in(owner).status_code == 201
    assert api.catalog.credentials.of_user(owner.id) != before
    assert api.refresh(thief.refresh_token).status_code == 200


def test_a_script_goes_by_the_passphrase_of_the_session_that_asks_for_it(api, owner, thief, meanwhile):
    """Also if an earlier program wrote down that session, without naming the passphrase."""
    session = api.catalog.sessions.get(thief.id, thief.session)
    assert api.catalog.sessions.change(replace(session, version=session.version + 1, passphrase_at_ms=None))
    api.clock.advance(10)
    done = meanwhile("sessions", "of_user", lambda: TAKING_BACK["a new passphrase"](api, owner))
    response = BEGINNING["script"](api, thief)
    assert (response.status_code, done[0].status_code) == (401, 204)
    assert alive(api, owner) == {owner.session}


def test_a_session_that_an_earlier_program_wrote_goes_on_until_the_passphrase_is_changed(api, owner):
    session = api.catalog.sessions.get(owner.id, owner.session)
    assert api.catalog.sessions.change(replace(session, version=session.version + 1, passphrase_at_ms=None))
    refreshed = api.refreshed(owner)
    assert recover(api, owner, owner.recovery_codes[0]).status_code == 201
    assert api.refresh(refreshed.refresh_token).status_code == 401
