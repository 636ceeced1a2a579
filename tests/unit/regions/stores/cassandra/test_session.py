"""What is tried again at Cassandra, and what becomes of a server that is away."""

import pytest
from cassandra.policies import RetryPolicy
from cassandra.query import SimpleStatement

from regions.errors import Unavailable
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession, RetryWhatMayBeRepeated

FAILURES = {
    "read timeout": lambda policy, query, tries: policy.on_read_timeout(query, 6, 2, 1, False, tries),
    "write timeout": lambda policy, query, tries: policy.on_write_timeout(query, 6, 0, 2, 1, tries),
    "too few replicas": lambda policy, query, tries: policy.on_unavailable(query, 6, 2, 1, tries),
    "lost connection": lambda policy, query, tries: policy.on_request_error(query, 6, OSError(), tries),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_what_may_be_repeated_is_tried_once_more_elsewhere(failure):
    """And then given up, so that it ends."""
    query = SimpleStatement("SELECT", is_idempotent=True)
    tried = [FAILURES[failure](RetryWhatMayBeRepeated(), query, tries)[0] for tries in (0, 1)]
    assert tried == [RetryPolicy.RETRY_NEXT_HOST, RetryPolicy.RETHROW]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_conditional_write_is_never_repeated(failure):
    """The second would fail because of the first, and say so."""
    query = SimpleStatement("UPDATE", is_idempotent=False)
    assert FAILURES[failure](RetryWhatMayBeRepeated(), query, 0)[0] == RetryPolicy.RETHROW


def test_a_server_that_is_away_is_unavailable():
    """Nobody listens on port 1; what the client is told names no address."""
    with pytest.raises(Unavailable) as refused:
        CassandraSession(parse_address("cassandra://127.0.0.1:1/k"), None)
    assert "127.0.0.1" not in refused.value.detail
