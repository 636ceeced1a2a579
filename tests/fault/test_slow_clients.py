"""Clients that send half a request, nothing, or a KiB a second to a running system: the others notice nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

WORST_S = 2.0
FOR_S = 2.0
SIZE_BYTES = 5 << 20
ATTACKS = {
    "60 half-sent heads": (60, "GET /health HTTP/1.1\r\nHo", 0),
    "160 silent connections": (160, "", 0),
    "60 bodies that never come": (60, "{head}", 0),
    "20 bodies at 1 KiB/s": (20, "{head}", 256),
}
"""How many connections, what each sends at first, and how many bytes it sends four times a second from then on."""

pytestmark = pytest.mark.xdist_group("slow clients")


@pytest.fixture(scope="module")
def people(own_system, draw):
    """Ana at home in eu-west, with a photo; Bob in the US, who follows her."""
    ana, bob = own_system.person("Ana", "PT", "lisbon"), own_system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    return ana, bob, bob.client.photo(ana.upload_ready(draw(1))["id"])


@pytest.fixture
def requests(own_system, people) -> dict[str, tuple[str, str]]:
    """By target, a method and a URL whose body is taken: at the object server only a signed one is."""
    body = {"filename": "a", "size_bytes": SIZE_BYTES, "content_type": "image/jpeg"}
    begun = people[0].client._json("POST", "/v1/uploads/init", body)
    return {
        "an edge": ("POST", own_system.edges["lisbon"] + "/v1/uploads/init"),
        "an origin": ("POST", own_system.origins["eu-west"] + "/v1/uploads/init"),
        "an object server": ("PUT", begun["presigned_url"]),
    }


@contextmanager
def attacked(request: tuple[str, str], connections: int, text: str, then_bytes: int) -> Iterator[None]:
    method, url = request[0], urlsplit(request[1])
    size_bytes = SIZE_BYTES if method == "PUT" else 60_000
    target = f"{url.path}?{url.query}" if url.query else url.path
    head = f"{method} {target} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {size_bytes}\r\n\r\n"
    sent, then = text.format(head=head).encode(), bytes(then_bytes)
    stop, address = threading.Event(), (url.hostname, url.port)
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_connection(address, 10)) for _ in range(connections)]
        for one in sockets:
            one.sendall(sent)

        def trickle() -> None:
            while then and not stop.wait(0.25):
                for one in sockets:
                    one.sendall(then)

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("target", ["an edge", "an origin", "an object server"])
def test_others_are_served_within_two_seconds_and_without_an_error(people, requests, draw, target, attack):
    """Reading, uploading, talking, and an image that is cached nowhere near."""
    ana, bob, photo = people
    acts = {
        "profile": lambda: ana.client.user(ana.id),
        "feed": lambda: bob.client.feed(bob.id),
        "upload": lambda: ana.upload(draw(2)),
        "like": lambda: bob.client.like(photo["id"]),
        "image": lambda: bob.client.image(photo["variants"]["640"]),
    }
    worst_s = dict.fromkeys(acts, 0.0)
    with attacked(requests[target], *ATTACKS[attack]):
        end_s = time.monotonic() + FOR_S
        while time.monotonic() < end_s:
            for name, act in acts.items():
                began_s = time.monotonic()
                act()
                worst_s[name] = max(worst_s[name], time.monotonic() - began_s)
    assert max(worst_s.values()) < WORST_S, worst_s
