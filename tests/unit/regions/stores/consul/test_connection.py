"""Where a region's Consul is to be found, what is told to it, and what becomes of answers that are none."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from regions.errors import TopologyError, Unavailable
from regions.stores.consul.connection import Connection, ConsulAddress, parse_address


def test_a_url_names_host_port_and_root():
    """By http, unless it says otherwise."""
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
def test_a_url_that_is_not_understood_is_refused(url):
    """Rather than a default being guessed."""
    with pytest.raises(TopologyError, match="consul://"):
        parse_address(url)


@pytest.mark.parametrize("url", ["consul://me:hush@127.0.0.1:8500/eu", "consul://127.0.0.1:8500/eu?token=hush"])
def test_a_url_holds_no_secret(url):
    """It is refused, and the secret is not repeated."""
    with pytest.raises(TopologyError, match="token") as refusal:
        parse_address(url)
    assert "hush" not in str(refusal.value)


@pytest.fixture
def server():
    """Hears requests, and answers each with `server.answer`: a status, headers and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.heard.append(self)
            status, headers, body = server.answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.heard, server.answer = [], (404, {"X-Consul-Index": "1"}, b"")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def connect(server):
    return lambda token=None: Connection(ConsulAddress("http", "127.0.0.1", server.server_port, "eu"), token)


def test_the_token_that_was_given_is_sent(server, connect, monkeypatch):
    """And never one that the environment has for other programs."""
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "of somebody else")
    for token in ("hush", None):
        assert connect(token).get("settings/a") is None
        assert server.heard[-1].headers["X-Consul-Token"] == token


def test_no_proxy_is_asked(server, connect, monkeypatch):
    """Whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert connect().get("settings/a") is None
    assert server.heard[-1].path == "/v1/kv/eu/settings/a?consistent=1"


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b"No cluster leader"),
        (429, {}, b"rate limit"),
        (403, {}, b"Permission denied"),
        (200, {"X-Consul-Index": "1"}, b"<html>"),
        (200, {}, b"[]"),
        (302, {"Location": "/v1/kv/elsewhere"}, b""),
    ],
)
def test_an_answer_that_is_none_is_unavailable(server, connect, answer):
    """No leader, too many requests, a wrong token, something that is no Consul, or one that sends us elsewhere."""
    server.answer = answer
    with pytest.raises(Unavailable):
        connect("hush").get("settings/a")
    assert len(server.heard) == 1


def test_a_wait_is_never_without_an_end(server, connect):
    """Consul takes a wait of nothing for one of five minutes."""
    connect().read_index("settings/", beyond=7, wait_s=0.0)
    assert server.heard[-1].path.startswith("/v1/kv/eu/settings/?index=7&wait=1ms&")
