"""An edge has room for who asks something, however many only hold connections."""

import socket
from contextlib import ExitStack

import gevent
import pytest
from gevent.server import StreamServer
from gevent.socket import create_connection

from edge import responses
from edge.connections import Connections

MOST = 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def address():
    def application(request):
        gevent.sleep(0.5 if request.head.path == "/slow" else 0)
        return responses.from_json({})

    server = StreamServer(("127.0.0.1", 0), Connections(application, MOST).handle)
    server.start()
    yield server.address
    server.stop(timeout=1)


def asked(address, sent: bytes = GET) -> bytes:
    with create_connection(address, 10) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET], ids=["nothing", "half a head", "a request, and stay"])
def test_connections_that_are_only_held_displace_each_other(address, sent):
    """Each newcomer is served, and those who came last are still connected."""
    with ExitStack() as held:
        connections = []
        for _ in range(3 * MOST):
            connections.append(held.enter_context(create_connection(address, 10)))
            connections[-1].sendall(sent)
            if sent == GET:
                assert connections[-1].recv(65_536).startswith(b"HTTP/1.1 200")
            gevent.sleep(0)
        assert [asked(address)[:12] for _ in range(5)] == [b"HTTP/1.1 200"] * 5
        connections[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            connections[-1].recv(1, socket.MSG_PEEK)


def test_who_is_being_served_is_not_displaced(address):
    """One more than all is refused, with a time to try again."""
    slow = [gevent.spawn(asked, address, GET.replace(b"/ ", b"/slow ")) for _ in range(MOST)]
    gevent.sleep(0.2)
    refused = asked(address)
    assert refused.startswith(b"HTTP/1.1 503") and b"Retry-After" in refused
    gevent.joinall(slow, timeout=10, raise_error=True)
    assert all(one.value.startswith(b"HTTP/1.1 200") for one in slow)
