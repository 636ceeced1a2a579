"""A chain of statements proves the last one, from any sender, and costs no more than its limits say."""

import json

import pytest

from regions.errors import NotFound, StatementError
from regions.residency import chain
from regions.residency.chain import Fetch, Links
from regions.residency.statement import Signers, Statement
from regions.residency.statement_document import hash_of
from tests.builders.statement_chains import (
    SMALL_POLICY,
    CountedTexts,
    appointed_in_turn,
    fetch_from,
    history,
    last_of,
    unsigned,
)  # fmt: skip
from tests.builders.statements import Compliance

TEAM = Compliance()
FIRST, SECOND = TEAM.states(), TEAM.states()
STRIPPED = json.dumps({"statement": SECOND.text, "signatures": {}})
TEAM.latest = None
CHAIN = appointed_in_turn(TEAM, 4)
BY_HASH = {one.hash: one.signed for one in CHAIN}
LONG_TEAM = Compliance()
LONG_FIRST = LONG_TEAM.states(SMALL_POLICY)


def verified(signed: str, known: list[Statement], root: Signers, fetch: Fetch) -> Statement:
    """For one answer of a region."""
    return chain.verified(signed, known, root, Links(fetch))


def test_signers_appoint_the_next_and_a_chain_proves_it():
    """From the root, or from any statement that is known; also again, when it is known itself."""
    for known in ([], CHAIN[:1], CHAIN[1:2], CHAIN):
        assert verified(CHAIN[3].signed, known, TEAM.signers, fetch_from(BY_HASH)).hash == CHAIN[3].hash
    assert verified(CHAIN[3].signed, CHAIN[3:], TEAM.signers, fetch_from({})) is CHAIN[3]


def test_who_was_a_signer_once_signs_nothing_more():
    """Neither the next nor one far ahead, with a chain of their own."""
    forged = TEAM.states(previous=CHAIN[3])
    TEAM.latest = None
    for known in (CHAIN[3:], CHAIN):
        with pytest.raises(StatementError):
            verified(forged.signed, known, TEAM.signers, fetch_from(BY_HASH))
    before = CHAIN[0]
    own = dict(BY_HASH)
    for _ in range(6):
        before = TEAM.states(previous=before)
        own[before.hash] = before.signed
    TEAM.latest = None
    with pytest.raises(StatementError):
        verified(before.signed, CHAIN[1:2], TEAM.signers, fetch_from(own))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_chain_with_a_missing_link_proves_nothing(missing):
    """The error is that of whom we asked; here nobody has it."""
    links = {hash: signed for hash, signed in BY_HASH.items() if hash != CHAIN[missing].hash}
    with pytest.raises(NotFound):
        verified(CHAIN[3].signed, [], TEAM.signers, fetch_from(links))


def test_a_link_that_is_another_statement_proves_nothing():
    """Also if it is one that the root has signed."""
    for other in (FIRST.signed, CHAIN[0].signed, "garbage", STRIPPED):
        with pytest.raises(StatementError):
            verified(CHAIN[3].signed, [], TEAM.signers, lambda hash, other=other: other)


def test_a_team_that_was_replaced_signs_nothing_that_counts_anywhere():
    """Also where only the first statement is known, and far ahead, after one that nobody has."""
    text = CHAIN[3].text.replace(CHAIN[3].previous, "0" * 64).replace('"serial": 4', '"serial": 7')
    for known in (CHAIN[:1], CHAIN[1:2], CHAIN):
        with pytest.raises((StatementError, NotFound)):
            verified(TEAM.signed(text), known, TEAM.signers, fetch_from(BY_HASH))


def test_who_trusts_the_new_team_alone_accepts_the_statement_that_appoints_it():
    """And what it has signed since, but nothing that only the old team has signed."""
    newest = Compliance(name="newest")
    last, TEAM.latest = TEAM.states(previous=CHAIN[0], following=newest), None
    assert verified(last.signed, [], newest.signers, fetch_from({})).hash == last.hash
    after = newest.states(previous=last)
    assert verified(after.signed, [], newest.signers, fetch_from({})).hash == after.hash
    with pytest.raises(StatementError):
        verified(FIRST.signed, [], newest.signers, fetch_from({}))


def test_a_team_that_has_not_signed_is_not_appointed():
    """So that nobody appoints keys that nobody has."""
    signed = TEAM.signed(CHAIN[0].text)
    assert verified(CHAIN[0].signed, [], TEAM.signers, fetch_from({})).hash == CHAIN[0].hash
    second = CHAIN[1].signed
    alone = json.dumps({**json.loads(second), "signatures": dict(list(json.loads(second)["signatures"].items())[:1])})
    for known in (CHAIN[:1], []):
        with pytest.raises((StatementError, NotFound)):
            verified(alone, known, TEAM.signers, fetch_from({CHAIN[0].hash: signed}))


def test_a_node_that_was_away_for_very_long_comes_back():
    """However many statements, and teams, there were meanwhile."""
    team = Compliance()
    first = before = team.states()
    links = {}
    for number in range(150):
        following = Compliance(name=f"team-{number}") if number % 50 == 49 else None
        before = team.states(previous=before, following=following)
        links[before.hash], team = before.signed, following or team
    last = verified(before.signed, [first], Compliance().signers, fetch_from(links))
    assert last.serial == 151


def test_an_endless_chain_ends(monkeypatch):
    """After so many links that no team has ever signed."""
    monkeypatch.setattr(chain, "_MOST_LINKS", 100)
    asked: list[str] = []
    stranger = Compliance()
    links: dict[str, str] = {}
    top = stranger.states()
    for serial in range(2, 2 + 150):
        text = FIRST.text.replace('"serial": 1', f'"serial": {serial}').replace(
            '"previous": ""', f'"previous": "{top.hash}"'
        )
        signed = stranger.signed(text)
        links[top.hash] = top.signed
        top = type(top)(
            **{**{name: getattr(top, name) for name in top.__slots__}, "signed": signed, "hash": hash_of(text)}
        )

    def fetch(hash: str) -> str:
        asked.append(hash)
        return links[hash]

    with pytest.raises(StatementError):
        verified(top.signed, [], TEAM.signers, fetch)
    assert len(asked) <= 100


def test_of_an_endless_chain_that_nobody_has_signed_two_texts_are_in_memory():
    """However long each is."""
    texts = unsigned(3000, pad="\U0001f600" + "a" * 1000)
    fetch, top = CountedTexts(texts), list(texts)[-1]
    with pytest.raises(NotFound):
        verified(texts[top], [FIRST], TEAM.signers, fetch)
    assert len(fetch.asked) == 3000
    assert fetch.most_live == 2


def test_of_a_long_history_two_texts_are_in_memory():
    """Of 3,000 statements that a node has missed; each is fetched twice."""
    texts = history(LONG_TEAM, LONG_FIRST, 3000)
    fetch, last = CountedTexts(texts), last_of(LONG_TEAM, texts)
    assert verified(last.signed, [LONG_FIRST], TEAM.signers, fetch) == last
    assert len(fetch.asked) == 2 * 2999
    assert fetch.most_live == 2


def test_a_link_that_is_another_one_when_it_is_fetched_again_proves_nothing():
    """Also if its text is the same, and its signatures are gone."""
    stripped = json.dumps({**json.loads(CHAIN[2].signed), "signatures": {}})
    for second in (FIRST.signed, STRIPPED, stripped, "garbage"):
        asked: list[str] = []

        def fetch(hash: str, asked: list[str] = asked, second: str = second) -> str:
            asked.append(hash)
            return second if hash == CHAIN[2].hash and asked.count(hash) == 2 else BY_HASH[hash]

        with pytest.raises(StatementError):
            verified(CHAIN[3].signed, CHAIN[:1], TEAM.signers, fetch)
        assert asked.count(CHAIN[2].hash) == 2


def test_what_a_chain_may_cost_is_counted_in_bytes_of_both_ways(monkeypatch):
    """Of UTF-8, as they come over the line."""
    texts = unsigned(100, pad="\U0001f600" * 250)
    fetch, top = CountedTexts(texts), list(texts)[-1]
    monkeypatch.setattr(chain, "_MOST_BYTES", 20_000)
    with pytest.raises(StatementError, match="too long"):
        verified(texts[top], [FIRST], TEAM.signers, fetch)
    assert 15 <= len(fetch.asked) <= 20
    texts = history(LONG_TEAM, LONG_FIRST, 20)
    size_bytes = sum(len(one.encode()) for one in texts.values())
    monkeypatch.setattr(chain, "_MOST_BYTES", int(size_bytes * 1.5))
    with pytest.raises(StatementError, match="too long"):
        verified(last_of(LONG_TEAM, texts).signed, [LONG_FIRST], TEAM.signers, fetch_from(texts))
