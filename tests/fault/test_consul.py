"""The Consul settings when Consul is killed, hangs or loses data: no write is lost, and nothing crosses a border."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import consul
import psutil
import pytest

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.last_known import LastKnown
from regions.residency.live import LiveRules
from regions.residency.settings_statement import SettingsStatement
from regions.residency.statement_folder import StatementFolder
from regions.stores.consul import adapter as consul_adapter
from regions.stores.consul.connection import Connection, parse_address
from regions.stores.consul.settings import ConsulValues
from regions.stores.settings import KNOWN_BAD, STATEMENT, Lease, Service
from tests.builders.statements import Compliance, hear_all
from tests.builders.stores import created

EDGE = Service("edge", "lisbon", "http://127.0.0.1:8600")
AGAIN_S, SOON_S = 30, 60
TTL_S = 600.0

pytestmark = pytest.mark.xdist_group("consul")


@pytest.fixture(scope="module")
def server(own_server):
    return own_server("consul")


@pytest.fixture
def open_settings(server):
    """Each test has a root of its own; `open_settings("other")` uses another one."""
    own, opened = f"test-{os.urandom(4).hex()}", []

    def handle(root=own):
        opened.append(created(consul_adapter.settings(f"consul://{server.address}/{root}", None, now_ms)))
        return opened[-1]

    yield handle
    for one in opened:
        one.close()


@pytest.fixture
def settings(open_settings):
    return open_settings()


@pytest.fixture
def by_hand(server):
    """The client with which an operator changes Consul, without our adapter."""
    host, port = server.address.split(":")
    return consul.Consul(host, int(port), scheme="http", verify=True)


@contextmanager
def killed(server):
    """Consul is killed, and started again on the same data when the block ends."""
    server.kill()
    try:
        yield
    finally:
        server.start()
        server.wait()


def if_available(call):
    """The result, or None if it raises Unavailable, so that `eventually` tries again."""
    try:
        return call()
    except Unavailable:
        return None


def test_no_acknowledged_write_is_lost(server, settings, eventually):
    """Four threads write while Consul is killed. Every write that returned True is there afterwards."""
    acknowledged, stop = [], threading.Event()

    def write(thread: int) -> None:
        for number in range(100_000):
            key = f"lanes/{thread}/{number}"
            if stop.is_set() or not if_available(lambda key=key: settings.values.write(key, "here", 0)):
                return
            acknowledged.append(key)

    with ThreadPoolExecutor(4) as threads:
        writing = [threads.submit(write, thread) for thread in range(4)]
        eventually(lambda: len(acknowledged) > 40, SOON_S)
        with killed(server):
            stop.set()
            for one in writing:
                one.result(SOON_S)
    there = eventually(lambda: if_available(lambda: settings.values.tree("lanes/")), AGAIN_S)
    assert set(acknowledged) <= set(there)


def test_versions_survive_a_restart(server, settings, eventually):
    """The version from before is still valid, and a deleted setting stays deleted."""
    settings.values.write(STATEMENT, "first")
    settings.values.write(KNOWN_BAD, "")
    settings.values.delete(KNOWN_BAD)
    before = settings.values.read(STATEMENT)
    with killed(server):
        pass
    assert eventually(lambda: if_available(lambda: settings.values.read(STATEMENT)), AGAIN_S) == before
    assert settings.values.read(KNOWN_BAD) is None
    assert settings.values.write(STATEMENT, "second", before.version)
    assert settings.values.read(STATEMENT).version > before.version


def test_leases_and_locks_survive_a_restart(server, settings, eventually):
    """Their holders can renew them, and nobody else gets them."""
    lease, lock = settings.numbers.lease("numbers", "ana", 1, TTL_S), settings.locks.acquire("sweep", "ana", TTL_S)
    with killed(server):
        pass
    renewed = eventually(lambda: if_available(lambda: settings.numbers.renew(lease, TTL_S)), AGAIN_S)
    assert renewed.floor_ms == lease.floor_ms
    assert settings.locks.renew(lock)
    assert settings.locks.acquire("sweep", "bob", TTL_S) is None
    with pytest.raises(Unavailable, match="taken"):
        settings.numbers.lease("numbers", "bob", 1, TTL_S)


class AnnouncingConnection(Connection):
    """Sets `is_waiting` when it sends a query that waits for a change."""

    def __init__(self, url: str) -> None:
        super().__init__(parse_address(url), None)
        self.is_waiting = threading.Event()

    def read_index(self, prefix: str, beyond: int = 0, wait_s: float = 0.0) -> tuple[int, bool]:
        if beyond:
            self.is_waiting.set()
        return super().read_index(prefix, beyond, wait_s)


def test_a_watch_survives_a_restart(server, eventually):
    """It returns with the next change, which comes after Consul was killed and started while the watch waited."""
    url = f"consul://{server.address}/watched"
    with (
        closing(AnnouncingConnection(url)) as connection,
        closing(created(consul_adapter.settings(url, None, now_ms))) as writer,
    ):
        watched = ConsulValues(connection)
        writer.values.write(STATEMENT, "first")
        mark = watched.watch("residency/", 0, 0.0)
        with ThreadPoolExecutor(1) as thread:
            watch = thread.submit(watched.watch, "residency/", mark, SOON_S)
            assert connection.is_waiting.wait(SOON_S)
            with killed(server):
                pass
            assert not watch.done()
            eventually(lambda: if_available(lambda: writer.values.write(STATEMENT, "second")), AGAIN_S)
            assert watch.result(SOON_S) > mark


def test_a_change_while_nobody_watched_is_seen_after_a_restart(server, settings, eventually):
    """By a watch from the mark before it."""
    settings.values.write(STATEMENT, "first")
    mark = settings.values.watch("residency/", 0, 0.0)
    settings.values.delete(STATEMENT)
    with killed(server):
        pass
    assert eventually(lambda: if_available(lambda: settings.values.watch("residency/", mark, 1.0)), AGAIN_S) != mark


EVERY_METHOD = {
    "read": lambda settings: settings.values.read(STATEMENT),
    "write": lambda settings: settings.values.write(STATEMENT, "x"),
    "delete": lambda settings: settings.values.delete(STATEMENT),
    "tree": lambda settings: settings.values.tree(""),
    "watch": lambda settings: settings.values.watch("", 1, 1.0),
    "register": lambda settings: settings.services.register(EDGE, 10.0),
    "deregister": lambda settings: settings.services.deregister(EDGE),
    "services": lambda settings: settings.services.healthy("edge"),
    "lease_number": lambda settings: settings.numbers.lease("numbers", "ana", 4, TTL_S),
    "renew": lambda settings: settings.numbers.renew(Lease("numbers", 0, "ana", 0, 1), TTL_S),
    "release": lambda settings: settings.numbers.release(Lease("numbers", 0, "ana", 0, 1), 1),
    "lock": lambda settings: settings.locks.acquire("sweep", "ana", TTL_S),
}


def methods_without_unavailable(settings) -> list[str]:
    """The methods that do not raise Unavailable; each must end within `SOON_S`."""
    with ThreadPoolExecutor(len(EVERY_METHOD)) as threads:
        calls = {name: threads.submit(method, settings) for name, method in EVERY_METHOD.items()}
        return [name for name, one in calls.items() if not isinstance(one.exception(SOON_S), Unavailable)]


def test_while_consul_is_down_every_method_raises_unavailable(server, settings):
    """And no other error."""
    with killed(server):
        assert methods_without_unavailable(settings) == []


def test_a_consul_that_hangs_times_out(server, settings, eventually):
    """It accepts connections and never responds. When it continues, the same handle works again."""
    process = psutil.Process(server._process.pid)
    process.suspend()
    try:
        eventually(lambda: process.status() == psutil.STATUS_STOPPED, SOON_S)
        assert methods_without_unavailable(settings) == []
    finally:
        process.resume()
    assert eventually(lambda: if_available(lambda: settings.values.write(STATEMENT, "x")), AGAIN_S)


TEAM = Compliance()


@pytest.fixture
def rules(tmp_path):
    """Of a process of eu-west, before its first round."""
    return LiveRules("eu-west", StatementFolder(tmp_path / "statements"), TEAM.signers)


@pytest.fixture
def watching(settings, rules):
    """A thread watches the statement in the settings."""
    stop = threading.Event()
    thread = threading.Thread(target=SettingsStatement(settings, rules).run_forever, args=[stop])
    thread.start()
    yield
    stop.set()
    thread.join()


def is_leased(rules: LiveRules) -> bool:
    return rules.current().leased


def test_while_consul_is_down_the_lease_ends_and_last_known_values_are_used(
    server, settings, eventually, rules, watching
):
    """If no other region is heard from meanwhile; if a majority is, it goes on. Afterwards it is renewed.

    The known-bad list and the services keep their last known values.
    """
    statement = TEAM.states(lease_s=5)
    settings.values.write(STATEMENT, statement.signed)
    settings.values.write(KNOWN_BAD, "phash 0123456789abcdef 4")
    settings.services.register(EDGE, TTL_S)
    live, found = LastKnown(settings.values.read), LastKnown(settings.services.healthy)
    listed = live.get(KNOWN_BAD)
    assert eventually(lambda: rules.highest, SOON_S)
    hear_all(rules, statement)
    assert eventually(lambda: is_leased(rules), SOON_S)
    assert found.get("edge") == [EDGE]
    with killed(server):
        assert eventually(lambda: not is_leased(rules), SOON_S)
        assert rules.current().in_force == statement
        assert (live.get(KNOWN_BAD), found.get("edge")) == (listed, [EDGE])
        hear_all(rules, statement)
        assert is_leased(rules)
        silent_s = rules.report().age_s
    assert eventually(lambda: rules.report().age_s < silent_s, AGAIN_S)


def test_a_statement_that_was_removed_while_consul_was_down_is_put_back(server, settings, eventually, rules, watching):
    """As a restored backup removes it."""
    statement = TEAM.states()
    settings.values.write(STATEMENT, statement.signed)
    assert eventually(lambda: rules.report().hash == statement.hash, SOON_S)
    with killed(server):
        pass
    eventually(lambda: if_available(lambda: settings.values.write(STATEMENT, "garbage")), AGAIN_S)
    assert eventually(lambda: settings.values.read(STATEMENT).value == statement.signed, SOON_S)


def test_a_service_that_the_agent_forgot_is_registered_again(settings, by_hand):
    """With its next renewal."""
    settings.services.register(EDGE, TTL_S)
    for service in by_hand.agent.services():
        by_hand.agent.service.deregister(service)
    assert settings.services.healthy("edge") == []
    settings.services.register(EDGE, TTL_S)
    assert settings.services.healthy("edge") == [EDGE]


def test_a_service_survives_a_restart(server, settings, eventually):
    """Until its TTL ends."""
    settings.services.register(EDGE, TTL_S)
    with killed(server):
        pass
    assert eventually(lambda: if_available(lambda: settings.services.healthy("edge")), AGAIN_S) == [EDGE]
    settings.services.deregister(EDGE)
    assert settings.services.healthy("edge") == []


def test_regions_that_share_a_consul_do_not_see_each_other(open_settings):
    """Neither settings nor services, numbers or locks, even if their roots become the same service name."""
    one, other = open_settings("shared/a"), open_settings("shared-a")
    one.values.write(STATEMENT, "of one")
    one.services.register(EDGE, TTL_S)
    assert (other.values.read(STATEMENT), other.values.tree(""), other.services.healthy("edge")) == (None, {}, [])
    assert one.numbers.lease("numbers", "x", 1, TTL_S) and other.numbers.lease("numbers", "x", 1, TTL_S)
    assert one.locks.acquire("sweep", "x", TTL_S) and other.locks.acquire("sweep", "x", TTL_S)


def test_a_deletion_by_an_operator_is_seen(open_settings, by_hand):
    """Also by a watch, down to the last setting under the prefix."""
    settings = open_settings("by-hand")
    settings.values.write("lanes/a", "yes")
    settings.values.write("lanes/b", "yes")
    mark = settings.values.watch("lanes/", 0, 0.0)
    for key in ("a", "b"):
        by_hand.kv.delete(f"by-hand/settings/lanes/{key}")
        before, mark = mark, settings.values.watch("lanes/", mark, SOON_S)
        assert mark != before
    assert settings.values.tree("lanes/") == {}


def test_a_write_by_an_operator_counts(open_settings, by_hand, rules):
    """Also over a deleted setting. A value that is not text is unavailable."""
    settings = open_settings("written-by-hand")
    settings.values.write(STATEMENT, "ours")
    settings.values.delete(STATEMENT)
    by_hand.kv.put(f"written-by-hand/settings/{STATEMENT}", "theirs")
    assert settings.values.read(STATEMENT).value == "theirs"
    by_hand.kv.put(f"written-by-hand/settings/{STATEMENT}", b"\xff\xfe")
    with pytest.raises(Unavailable, match="not text"):
        settings.values.read(STATEMENT)
    with pytest.raises(Unavailable, match="not text"):
        SettingsStatement(settings, rules).watch_once()
    assert rules.current().statements == []
    settings.values.delete(STATEMENT)
    assert settings.values.read(STATEMENT) is None


def test_a_number_with_an_unreadable_record_is_not_leased(open_settings, by_hand):
    """Nobody knows until when ids were made with it, so a new holder might repeat them."""
    settings = open_settings("broken")
    for number, record in enumerate(["", "x", "[]", "{}", '{"holder": null, "floor_ms": 0, "until_ms": 1e999}']):
        by_hand.kv.put(f"broken/leases/numbers/{number}", record)
    assert settings.numbers.lease("numbers", "ana", 6, TTL_S).number == 5
    with pytest.raises(Unavailable, match="taken"):
        settings.numbers.lease("numbers", "bob", 6, TTL_S)


def test_the_fencing_token_grows_even_if_an_operator_deleted_the_lock(open_settings, by_hand):
    """The former holder has lost it."""
    settings = open_settings("deleted-lock")
    lost = settings.locks.acquire("sweep", "ana", TTL_S)
    by_hand.kv.delete("deleted-lock/locks/sweep")
    following = settings.locks.acquire("sweep", "bob", TTL_S)
    assert following.fencing_token > lost.fencing_token
    assert (settings.locks.renew(lost), settings.locks.renew(following)) == (False, True)


def test_a_lease_starts_where_the_one_before_ended_even_if_clocks_differ(server):
    """The clock of one process may be far ahead of another's."""
    url = f"consul://{server.address}/clocks"
    clocks = (lambda at=at: at for at in (1_000_000, 9_000_000, 5_000_000))
    early, late, between = (created(consul_adapter.settings(url, None, clock)) for clock in clocks)
    first = early.numbers.lease("numbers", "ana", 1, 10.0)
    second = late.numbers.lease("numbers", "bob", 1, 10.0)
    assert (second.floor_ms, second.until_ms) == (first.until_ms, 9_010_000)
    assert early.numbers.renew(first, 10.0) is None
    with pytest.raises(Unavailable, match="taken"):
        between.numbers.lease("numbers", "eva", 1, 10.0)
    assert between.numbers.renew(second, 10.0) == second
    for handle in (early, late, between):
        handle.close()
