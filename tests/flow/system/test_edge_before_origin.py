"""What a real edge lets through to a real origin behind gunicorn, and how that refuses."""

import json
import socket
from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="module")
def grant_path(system, draw):
    """Of a photo that is ready, as only the shield of its region may ask for."""
    ana = system.person("Ana", "PT", "lisbon")
    photo = ana.upload_ready(draw(41))
    return f"/v1/grants/{photo['id']}/320?place=lisbon"


def ask(edge_url: str, target: str, fields: str = "", method: str = "GET") -> tuple[int, str, bytes]:
    """The status, head and body; the request is sent as it stands."""
    url = urlsplit(edge_url)
    with socket.create_connection((url.hostname, url.port), 30) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


@pytest.mark.parametrize("prefix", ["/v1/photos", "/v1/users/x"])
@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script_Name", "SCRIPT-NAME"])
@pytest.mark.parametrize("edge", ["lisbon", "sydney"])
def test_nobody_gets_a_grant_through_an_edge_by_moving_the_path(system, grant_path, edge, name, prefix):
    """A gateway's field, sent by a client: the origin must not take what follows it for the path."""
    status, _, body = ask(system.edges[edge], prefix + grant_path, f"{name}: {prefix}\r\n")
    assert status == 404
    assert b"sha256" not in body


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
def test_nobody_moves_the_path_at_the_origin_itself(system, name):
    """A client that reaches it directly is not a gateway either."""
    assert ask(system.origins["eu-west"], "/moved/health", f"{name}: /moved\r\n")[0] == 404


@pytest.mark.parametrize(
    ("query", "fields", "status"),
    [
        ("?a=" + "a" * 3_900, "", 404),
        ("?a=" + "a" * 4_100, "", 431),
        ("", "Accept: " + "a" * 7_900 + "\r\n", 404),
        ("", "Accept: " + "a" * 8_190 + "\r\n", 431),
        ("", "".join(f"X-{number}: y\r\n" for number in range(98)), 404),
    ],
    ids=["path", "long path", "field", "long field", "many fields"],
)
def test_no_refusal_is_a_page(system, query, fields, status):
    """Each is a problem document, also at the limits of the origin's server."""
    said, head, body = ask(system.edges["sydney"], f"/v1/photos/p_00000000000{query}", fields)
    assert (said, json.loads(body)["status"]) == (status, status)
    assert "\r\ncontent-type: application/problem+json\r\n" in head.lower()


def test_head_is_answered_where_get_is(system, draw):
    """The same head, no body, and nobody may keep it."""
    photo = system.person("Ana", "PT", "lisbon").upload_ready(draw(42))
    status, head, body = ask(system.edges["sydney"], f"/v1/photos/{photo['id']}", method="HEAD")
    assert (status, body) == (200, b"")
    assert "\r\ncache-control: no-store\r\n" in head.lower()
