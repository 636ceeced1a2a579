"""What a refresh token that comes back means: a table of all cases, and what holds for any sequence of requests."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from origin.accounts import refresh_tokens
from origin.accounts.refresh_tokens import IDLE_MS, Meaning
from regions.account_records import PASSPHRASE, Credential, UserSession
from regions.errors import Unauthenticated

USER, NOW_MS = "u_00000000001", 1_800_000_000_000
BYTES = itertools.count()
SIGNED_UP_BY = Credential(PASSPHRASE, PASSPHRASE, "hash", NOW_MS)


def random(size: int) -> bytes:
    return next(BYTES).to_bytes(size, "big")


def session_of(token, **changes):
    family, secret = refresh_tokens.sha256(token.family), refresh_tokens.sha256(token.secret)
    return replace(UserSession(USER, token.session_id, 1, "", NOW_MS, NOW_MS, family, secret), **changes)


def meaning(token, session, key=None, now_ms=NOW_MS, passphrase=SIGNED_UP_BY):
    following = refresh_tokens.following(token, key, random)
    return refresh_tokens.meaning(token, session, passphrase, following, now_ms)


def test_a_token_is_read_as_it_was_written():
    token = refresh_tokens.new(USER, random)
    assert refresh_tokens.parse(token.text) == token
    assert refresh_tokens.new(USER, random) != token


@given(st.text(max_size=120))
def test_any_other_text_is_no_token(text):
    with pytest.raises(Unauthenticated):
        refresh_tokens.parse(text)


@pytest.mark.parametrize(
    ("changes", "later_ms", "expected"),
    [
        ({}, 0, Meaning.ROTATE),
        ({}, IDLE_MS - 1, Meaning.ROTATE),
        ({}, IDLE_MS, Meaning.INVALID),
        ({"ended_at_ms": NOW_MS}, 0, Meaning.INVALID),
        ({"is_script": True, "ends_at_ms": NOW_MS + 2 * IDLE_MS}, IDLE_MS, Meaning.ROTATE),
        ({"is_script": True, "ends_at_ms": NOW_MS + 5}, 5, Meaning.INVALID),
        ({"refresh_sha256": "another"}, 0, Meaning.REUSED),
        ({"family_sha256": "another"}, 0, Meaning.INVALID),
        ({"family_sha256": "another", "refresh_sha256": "another"}, 0, Meaning.INVALID),
    ],
)
def test_the_record_says_what_a_token_means(changes, later_ms, expected):
    token = refresh_tokens.new(USER, random)
    assert meaning(token, session_of(token, **changes), now_ms=NOW_MS + later_ms) is expected


@pytest.mark.parametrize(
    ("began_by_ms", "set_at_ms", "expected"),
    [
        (NOW_MS, NOW_MS, Meaning.ROTATE),
        (NOW_MS, NOW_MS + 1, Meaning.INVALID),
        (NOW_MS + 1, NOW_MS, Meaning.ROTATE),
        (None, NOW_MS, Meaning.ROTATE),
        (None, NOW_MS + 1, Meaning.INVALID),
        (NOW_MS, None, Meaning.INVALID),
        (None, None, Meaning.INVALID),
    ],
)
def test_a_session_ends_with_its_passphrase(began_by_ms, set_at_ms, expected):
    """Whatever token comes, also a script's. A record that names no passphrase began by the one of its time."""
    token = refresh_tokens.new(USER, random)
    passphrase = None if set_at_ms is None else replace(SIGNED_UP_BY, created_at_ms=set_at_ms)
    for is_script in (False, True):
        session = session_of(token, passphrase_at_ms=began_by_ms, is_script=is_script)
        assert meaning(token, session, passphrase=passphrase) is expected


def test_one_who_knows_the_family_of_a_session_of_another_passphrase_ends_nothing():
    """It has ended."""
    token = refresh_tokens.new(USER, random)
    session = session_of(token, refresh_sha256="another", passphrase_at_ms=NOW_MS - 1)
    assert meaning(token, session) is Meaning.INVALID


def test_the_next_secret_does_not_follow_from_the_old_one_alone():
    """It takes the key that went with the request; without a key it is random."""
    token = refresh_tokens.new(USER, random)
    keyed = [refresh_tokens.following(token, key, random) for key in ("k" * 16, "k" * 16, "l" * 16, None, None)]
    assert keyed[0] == keyed[1]
    assert len({one.secret for one in keyed}) == 4 and {one.family for one in keyed} == {token.family}


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, "k" * 16, "l" * 16])), max_size=12))
def test_of_any_requests_at_most_one_secret_counts_and_each_copy_ends_the_session(requests):
    """`requests` are which of the tokens so far is sent, counted from the newest, and with which key."""
    tokens = [refresh_tokens.new(USER, random)]
    session, last = session_of(tokens[0]), None
    for back, key in requests:
        token = tokens[max(0, len(tokens) - 1 - back)]
        following = refresh_tokens.following(token, key, random)
        match refresh_tokens.meaning(token, session, SIGNED_UP_BY, following, NOW_MS):
            case Meaning.ROTATE:
                assert token == tokens[-1]
                session = replace(session, refresh_sha256=refresh_tokens.sha256(following.secret))
                tokens.append(following)
                last = (token, key)
            case Meaning.REPEAT:
                assert (token, key) == last and following == tokens[-1]
            case Meaning.REUSED:
                assert token != tokens[-1]
                return
