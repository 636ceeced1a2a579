"""What is always there for a home region, whatever the others take."""

from hypothesis import given
from hypothesis import strategies as st

from edge.shares import Shares

HOMES = ("eu-west", "eu-central", "us-central")
REQUESTS = st.lists(st.tuples(st.sampled_from(HOMES), st.integers(1, 40), st.booleans()), max_size=60)


@given(st.integers(0, 200), REQUESTS)
def test_no_more_is_taken_than_there_is(total, requests):
    """In whatever order homes take and give back."""
    shares, taken = Shares(total, HOMES), []
    for home, amount, gives_back in requests:
        if gives_back and taken:
            shares.give_back(*taken.pop())
        elif shares.take(home, amount):
            taken.append((home, amount))
        assert sum(amount for _, amount in taken) <= total


@given(REQUESTS)
def test_each_home_always_gets_its_share(requests):
    """Of 120, 20 are kept for each of three, whatever the two others have taken."""
    shares = Shares(120, HOMES)
    for home, amount, _ in requests:
        shares.take(home if home != "eu-west" else "us-central", amount)
    assert shares.take("eu-west", 20)


def test_one_home_may_have_far_more_than_its_share():
    """While the others need little: its own sixth, and the half that is for who comes first."""
    shares = Shares(120, HOMES)
    assert shares.take("us-central", 80)
    assert not shares.take("us-central", 1)
    shares.give_back("us-central", 30)
    assert shares.take("eu-west", 50)
    assert not shares.take("eu-central", 21)
