"""A region's Consul: how its URL is read, what is sent to it, and which responses count as unavailable."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from regions.errors import TopologyError, Unavailable
from regions.stores.consul.connection import Connection, ConsulAddress, parse_address


def test_a_url_contains_host_port_and_root():
    """The scheme is http by default."""
    assert parse_address("consul://consul.test:8500/darkroom/eu-west") == ConsulAddress(
        "http", "consul.test", 8500, "darkroom/eu-west"
    )
    assert parse_address("consul://127.0.0.1:8501/eu/?scheme=https") == ConsulAddress("https", "127.0.0.1", 8501, "eu")


@pytest.mark.parametrize(
    "url",
    [
        "consul://127.0.0.1/eu",
        "consul:///eu",
        "consul://127.0.0.1:8500",
        "consul://127.0.0.1:8500/",
        "consul://127.0.0.1:8500/../eu",
        "consul://127.0.0.1:8500/e u",
        "consul://127.0.0.1:many/eu",
        "consul://127.0.0.1:99999/eu",
        "consul://127.0.0.1:8500/eu?scheme=ftp",
        "consul://127.0.0.1:8500/eu?scheme=",
    ],
)
def test_an_invalid_url_is_rejected(url):
    """Nothing is replaced by a default."""
    with pytest.raises(TopologyError, match="consul://"):
        parse_address(url)


@pytest.mark.parametrize("url", ["consul://me:hush@127.0.0.1:8500/eu", "consul://127.0.0.1:8500/eu?token=hush"])
def test_a_url_with_a_secret_is_rejected(url):
    """The error does not repeat the secret."""
    with pytest.raises(TopologyError, match="token") as raised:
        parse_address(url)
    assert "hush" not in str(raised.value)


@pytest.fixture
def server():
    """Records requests, and responds with `server.response`: a status, headers and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self)
            status, headers, body = server.response
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.response = [], (404, {"X-Consul-Index": "1"}, b"")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def connect(server):
    return lambda token=None: Connection(ConsulAddress("http", "127.0.0.1", server.server_port, "eu"), token)


def test_only_the_configured_token_is_sent(server, connect, monkeypatch):
    """Never one from the environment, which may belong to other programs."""
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "of another program")
    for token in ("hush", None):
        assert connect(token).get("settings/a") is None
        assert server.requests[-1].headers["X-Consul-Token"] == token


def test_no_proxy_is_used(server, connect, monkeypatch):
    """Even if the environment names one."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert connect().get("settings/a") is None
    assert server.requests[-1].path == "/v1/kv/eu/settings/a?consistent=1"


@pytest.mark.parametrize(
    "response",
    [
        (500, {}, b"No cluster leader"),
        (429, {}, b"rate limit"),
        (403, {}, b"Permission denied"),
        (200, {"X-Consul-Index": "1"}, b"<html>"),
        (200, {}, b"[]"),
        (302, {"Location": "/v1/kv/elsewhere"}, b""),
    ],
)
def test_an_unusable_response_is_unavailable(server, connect, response):
    """No leader, too many requests, a wrong token, something that is not Consul, or a redirect."""
    server.response = response
    with pytest.raises(Unavailable):
        connect("hush").get("settings/a")
    assert len(server.requests) == 1


def test_a_wait_of_zero_is_sent_as_one_millisecond(server, connect):
    """Consul takes a wait of 0 for five minutes."""
    connect().read_index("settings/", beyond=7, wait_s=0.0)
    assert server.requests[-1].path.startswith("/v1/kv/eu/settings/?index=7&wait=1ms&")
