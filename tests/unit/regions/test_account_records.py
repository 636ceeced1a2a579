"""Records of accounts as text: what is written is read, also by programs of another version."""

import json

import pytest

from regions.account_records import UserSession, session_from_text, session_to_text
from regions.records import UnreadableRecord

SESSION = UserSession("u_00000000001", "s_1", 2, "Phone", 5, 6, "family", "refresh", ("eu-west",), passphrase_at_ms=4)


def test_a_session_comes_back_as_it_was():
    assert session_from_text(session_to_text(SESSION)) == SESSION


def test_a_session_that_names_no_passphrase_began_by_the_one_of_its_time():
    """An earlier program wrote it; one of a later version may write more."""
    value = json.loads(session_to_text(SESSION)) | {"unknown": 1}
    del value["passphrase_at_ms"]
    read = session_from_text(json.dumps(value))
    assert (read.passphrase_at_ms, read.began_by_ms) == (None, SESSION.created_at_ms)


@pytest.mark.parametrize("text", ["", "[]", "{", "7", "null", "[" * 100_000])
def test_any_other_text_is_no_session(text):
    with pytest.raises(UnreadableRecord):
        session_from_text(text)
