"""Which requests to Cassandra are repeated, and what happens when the server is down."""

import pytest
from cassandra.policies import RetryPolicy
from cassandra.query import SimpleStatement

from regions.errors import Unavailable
from regions.stores.cassandra.address import parse_address
from regions.stores.cassandra.session import CassandraSession, RetryIdempotent

FAILURES = {
    "read timeout": lambda policy, query, tries: policy.on_read_timeout(query, 6, 2, 1, False, tries),
    "write timeout": lambda policy, query, tries: policy.on_write_timeout(query, 6, 0, 2, 1, tries),
    "too few replicas": lambda policy, query, tries: policy.on_unavailable(query, 6, 2, 1, tries),
    "lost connection": lambda policy, query, tries: policy.on_request_error(query, 6, OSError(), tries),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_idempotent_request_is_repeated_once_on_another_node(failure):
    """After that the error is raised."""
    query = SimpleStatement("SELECT", is_idempotent=True)
    decisions = [FAILURES[failure](RetryIdempotent(), query, tries)[0] for tries in (0, 1)]
    assert decisions == [RetryPolicy.RETRY_NEXT_HOST, RetryPolicy.RETHROW]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_conditional_write_is_never_repeated(failure):
    """The second attempt would fail because of the first, and hide that it succeeded."""
    query = SimpleStatement("UPDATE", is_idempotent=False)
    assert FAILURES[failure](RetryIdempotent(), query, 0)[0] == RetryPolicy.RETHROW


def test_a_server_that_is_down_is_unavailable():
    """Nothing listens on port 1. The error that the client gets contains no address."""
    with pytest.raises(Unavailable) as raised:
        CassandraSession(parse_address("cassandra://127.0.0.1:1/k"), None)
    assert "127.0.0.1" not in raised.value.detail
