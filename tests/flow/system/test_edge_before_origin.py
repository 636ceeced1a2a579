"""What a real edge forwards to a real origin behind its web server, and how the origin refuses requests."""

import json
import socket
from urllib.parse import urlsplit

import pytest


@pytest.fixture(scope="module")
def grant_path(system, draw):
    """The grant of a photo that is ready. Only the shield of its region may request it."""
    ana = system.person("Ana", "PT", "lisbon")
    photo = ana.upload_ready(draw(41))
    return f"/v1/grants/{photo['id']}/320?place=lisbon"


def send(edge_url: str, target: str, headers: str = "", method: str = "GET") -> tuple[int, str, bytes]:
    """The status, head and body. The request is sent exactly as given."""
    url = urlsplit(edge_url)
    with socket.create_connection((url.hostname, url.port), 30) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


@pytest.mark.parametrize("prefix", ["/v1/photos", "/v1/users/x"])
@pytest.mark.parametrize("name", ["SCRIPT_NAME", "Script_Name", "SCRIPT-NAME"])
@pytest.mark.parametrize("edge", ["lisbon", "sydney"])
def test_a_client_can_not_get_a_grant_through_an_edge_by_moving_the_path(system, grant_path, edge, name, prefix):
    """A client sends a gateway's header: the origin must not take the rest of the target for the path."""
    status, _, body = send(system.edges[edge], prefix + grant_path, f"{name}: {prefix}\r\n")
    assert status == 404
    assert b"sha256" not in body


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
def test_a_client_can_not_move_the_path_at_the_origin_itself(system, name):
    """A client that connects to it directly is not a gateway either."""
    assert send(system.origins["eu-west"], "/moved/health", f"{name}: /moved\r\n")[0] == 404


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?a=" + "a" * 3_900, "", 404),
        ("?a=" + "a" * 4_100, "", 431),
        ("", "Accept: " + "a" * 7_900 + "\r\n", 404),
        ("", "Accept: " + "a" * 8_190 + "\r\n", 431),
        ("", "".join(f"X-{number}: y\r\n" for number in range(98)), 404),
    ],
    ids=["path", "long path", "header", "long header", "many headers"],
)
def test_every_error_is_a_problem_document(system, query, headers, status):
    """Also at the limits of the origin's HTTP server."""
    received_status, head, body = send(system.edges["sydney"], f"/v1/photos/p_00000000000{query}", headers)
    assert (received_status, json.loads(body)["status"]) == (status, status)
    assert "\r\ncontent-type: application/problem+json\r\n" in head.lower()


def test_a_head_request_works_where_a_get_does(system, draw):
    """The same headers, no body, and no caching."""
    photo = system.person("Ana", "PT", "lisbon").upload_ready(draw(42))
    status, head, body = send(system.edges["sydney"], f"/v1/photos/{photo['id']}", method="HEAD")
    assert (status, body) == (200, b"")
    assert "\r\ncache-control: no-store\r\n" in head.lower()
