"""Floods against a running system are bounded, and cost others neither an error nor two seconds."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

import pytest
import urllib3

from tests.builders.accounts import PASSPHRASE, sign_up_body

SLOW_S = 2.0
CLIENTS = 8
ATTACKER = "127.0.0.66"
"""Another address of this machine, so that edges see another client."""
PHOTO = {"filename": "a.jpg", "size_bytes": 100_000_000, "content_type": "image/jpeg"}


@contextmanager
def flood(send: Callable[[urllib3.PoolManager, int], int], times: int) -> Iterator[Counter[int]]:
    """Sends so many requests from the attacker's address, several at once, while the block runs and until they end.

    Yields how often each status has come, which is complete after the block.
    """
    statuses: Counter[int] = Counter()
    http = urllib3.PoolManager(maxsize=CLIENTS, retries=False, timeout=30, source_address=(ATTACKER, 0))
    with http, ThreadPoolExecutor(CLIENTS) as threads:
        sent = [threads.submit(send, http, number) for number in range(times)]
        try:
            yield statuses
        finally:
            statuses.update(one.result() for one in sent)


def typical_s(work: Callable[[int], object]) -> float:
    """The median of five, since whatever else keeps this machine busy may delay one of them."""
    taken_s = []
    for number in range(5):
        begun_s = time.monotonic()
        work(number)
        taken_s.append(time.monotonic() - begun_s)
    return median(taken_s)


def test_one_who_begins_uploads_without_end_is_bounded_and_others_begin_theirs(system, draw):
    """1,500 of 100 MB each: no more than 10 GiB are promised."""
    shield = system.edges["lisbon"]
    account = urllib3.request("POST", f"{shield}/v1/users", json=sign_up_body(handle=f"flood_{time.time_ns()}"))
    token, other = account.json()["tokens"]["eu-west"], system.person("Ana", "PT", "lisbon")

    def begin(http: urllib3.PoolManager, number: int) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return http.request("POST", f"{shield}/v1/uploads/init", json=PHOTO, headers=headers).status

    with flood(begin, 1500) as statuses:
        assert typical_s(lambda seed: other.upload(draw(seed))) < SLOW_S
    assert set(statuses) == {200, 429}
    assert 100 <= statuses[200] <= 110


def test_five_hundred_sign_ups_from_one_address_are_bounded_and_others_sign_up_and_in(system):
    shield, name = system.edges["lisbon"], f"bot_{time.time_ns()}"
    other = system.person("Eva", "PT", "lisbon")
    handle = other.client.session.handle

    def sign_up(http: urllib3.PoolManager, number: int) -> int:
        return http.request("POST", f"{shield}/v1/users", json=sign_up_body(handle=f"{name}_{number}")).status

    flood_begun_s = time.monotonic()
    with flood(sign_up, 500) as statuses:
        time.sleep(1)
        assert typical_s(lambda number: other.client.sign_in(handle, PASSPHRASE)) < SLOW_S
        assert typical_s(lambda number: system.person("Dan", "PT", "lisbon")) < SLOW_S
    assert set(statuses) <= {201, 429, 503}
    # Ten at once and two more each second.
    assert 10 <= statuses[201] <= 11 + 2 * (time.monotonic() - flood_begun_s)
    assert statuses[429] >= 200


@pytest.mark.parametrize(
    ("header", "sender"),
    [("Darkroom-Client", "127.0.0.67"), ("Forwarded", "127.0.0.68"), ("X-Forwarded-For", "127.0.0.69")],
)
def test_nobody_gets_more_by_naming_another_address(system, header, sender):
    """Guesses of a passphrase, each as if from another address: an edge names the one that it sees."""
    shield, other = system.edges["lisbon"], system.person("Eva", "PT", "lisbon")
    guess = {"handle": other.client.session.handle, "passphrase": "not hers at all"}
    statuses: Counter[int] = Counter()
    http = urllib3.PoolManager(source_address=(sender, 0), retries=False)
    for number in range(25):
        address = f"198.51.100.{number}"
        headers = {header: f"for={address}" if header == "Forwarded" else address}
        response = http.request("POST", f"{shield}/v1/sessions", json=guess, headers=headers)
        statuses[response.status] += 1
    assert statuses == {401: 20, 429: 5}
    assert int(response.headers["Retry-After"]) <= 45
