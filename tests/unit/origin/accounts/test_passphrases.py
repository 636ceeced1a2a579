"""How passphrases are hashed: at OWASP's cost, a few at a time, and taking as long for nobody's."""

import threading
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from origin.accounts.passphrases import AT_ONCE, OWASP, HashCost, PassphraseHasher
from regions.errors import Unavailable

CHEAP = HashCost(memory_kib=8, passes=1)
TEXT = "four words of a test"


def test_a_passphrase_matches_its_own_hash_only():
    hasher = PassphraseHasher(CHEAP, 1)
    verifier = hasher.hash(TEXT)
    assert hasher.matches(verifier, TEXT) and hasher.hash(TEXT) != verifier
    assert not hasher.matches(verifier, TEXT + " ")
    assert not hasher.matches(None, TEXT) and not hasher.matches("not a hash", TEXT)
    assert not hasher.matches(None, "nobody has this passphrase")


def test_the_real_cost_is_that_of_owasp():
    """Argon2id, 19 MiB, two passes, one lane. A hash at another cost is outdated, and still matches."""
    hasher, old = PassphraseHasher(OWASP, AT_ONCE), PassphraseHasher(CHEAP, 1).hash(TEXT)
    assert hasher.hash(TEXT).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hasher.is_outdated(old) and not hasher.is_outdated(hasher.hash(TEXT))
    assert hasher.matches(old, TEXT)


def test_nobodys_passphrase_takes_as_long(monkeypatch):
    """It is compared with a hash of the same cost, so that the time does not say which handles exist."""
    compared = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(
        PasswordHasher, "verify", lambda self, of, text: (compared.append(of), verify(self, of, text))[1]
    )
    hasher = PassphraseHasher(CHEAP, 1)
    assert not hasher.matches(None, TEXT)
    assert len(compared) == 1 and not hasher.is_outdated(compared[0])


@contextmanager
def hashing(hasher, monkeypatch):
    """A new passphrase is being hashed, on another thread, until the block ends."""
    entered, leave = threading.Event(), threading.Event()

    def slowly(argon2, passphrase):
        entered.set()
        leave.wait(10)
        return "hashed"

    with monkeypatch.context() as patched:
        patched.setattr(PasswordHasher, "hash", slowly)
        thread = threading.Thread(target=hasher.hash, args=(TEXT,))
        thread.start()
        assert entered.wait(10)
    yield
    leave.set()
    thread.join()


def test_only_a_few_are_hashed_at_once(monkeypatch):
    """One who comes when all are busy is refused soon, to come again."""
    hasher = PassphraseHasher(CHEAP, 1)
    with hashing(hasher, monkeypatch):
        for attempt in (lambda: hasher.hash(TEXT), lambda: hasher.matches(None, TEXT)):
            with pytest.raises(Unavailable) as raised:
                attempt()
            assert raised.value.retry_after_s is not None
    assert hasher.matches(hasher.hash(TEXT), TEXT)


def test_however_many_sign_up_others_can_sign_in(monkeypatch):
    """New passphrases have half of the places only."""
    hasher = PassphraseHasher(CHEAP, 2)
    verifier = hasher.hash(TEXT)
    with hashing(hasher, monkeypatch):
        with pytest.raises(Unavailable):
            hasher.hash(TEXT)
        assert hasher.matches(verifier, TEXT)
