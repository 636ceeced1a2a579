"""Waitress takes nothing from a request's headers except the headers themselves."""

import json
import signal
import socket
import subprocess
import sys

import pytest
import urllib3

WAIT_S = 30
KEYS = ("PATH_INFO", "SCRIPT_NAME", "wsgi.url_scheme", "REMOTE_ADDR", "REMOTE_USER", "HTTP_A_B")
SERVE = f"""
import json, socket, sys
from darkroom.processes.wsgi import WsgiServer

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({{key: environ.get(key) for key in {KEYS}}}).encode()]

WsgiServer(socket.socket(fileno=int(sys.argv[1])), application).run()
"""


@pytest.fixture(scope="module")
def url():
    """A server that responds with its WSGI environ."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        command = [sys.executable, "-c", SERVE, str(number)]
        server = subprocess.Popen(command, pass_fds=[number])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(WAIT_S)


@pytest.mark.parametrize(
    "headers",
    [
        {"SCRIPT_NAME": "/a"},
        {"Script-Name": "/a"},
        {"PATH_INFO": "/b"},
        {"REMOTE_USER": "ana"},
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Ssl": "on"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"a_b": "1"},
    ],
)
def test_no_header_changes_the_path_the_scheme_or_the_client(url, headers):
    """Not even from this machine, where a gateway would run."""
    response = urllib3.request("GET", f"{url}/a/b", headers=headers, timeout=WAIT_S, retries=False)
    assert json.loads(response.data) == {
        "PATH_INFO": "/a/b",
        "SCRIPT_NAME": "",
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_USER": None,
        "HTTP_A_B": None,
    }


def test_a_proxy_protocol_line_is_rejected(url):
    """It would forge the client's address."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), WAIT_S) as connection:
        connection.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65_536).split()[1] == b"400"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    ],
)
def test_a_request_is_of_a_known_version_and_names_one_host(url, head):
    """RFC 9112, section 3.2: what is in front of us might read the other Host."""
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), WAIT_S) as connection:
        connection.sendall(head)
        answer = connection.makefile("rb").read()
    assert answer.split()[1] == b"400" and b"application/problem+json" in answer
