"""The search for canaries sees what real servers write to their disks: logs, segments, tables and objects."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from regions.events.messages import Event
from regions.events.topics import PHOTOS_UPLOADED
from tests.builders import canary
from tests.builders.canary import Needle, object_needles, search
from tests.builders.stores import created

NAMES = ("cassandra", "kafka", "redis", "consul", "versitygw")


@pytest.fixture(scope="module")
def servers() -> Path:
    """The folder that has the servers' own ones."""
    missing = [name for name in NAMES if f"DARKROOM_TEST_{name.upper()}" not in os.environ]
    if missing or "DARKROOM_TEST_SERVERS" not in os.environ:
        if os.environ.get("CI"):
            pytest.fail(f"these servers must run: {', '.join(missing)}")
        pytest.skip(f"these servers do not run: {', '.join(missing)}; python -m deploy.servers run -- pytest")
    return Path(os.environ["DARKROOM_TEST_SERVERS"])


@pytest.fixture
def ana():
    """Another one for each run."""
    return canary.person("ana", int.from_bytes(os.urandom(8)))


def address(name):
    host, _, port = os.environ[f"DARKROOM_TEST_{name}"].removeprefix("http://").partition(":")
    return host, int(port)


def caption(ana):
    return Needle("caption", ana.caption)


def test_what_was_published_is_found_in_a_segment(servers, ana):
    """Of Kafka's log, as our producer compresses nothing."""
    from regions.stores.kafka import adapter

    prefix = f"canary-{os.urandom(8).hex()}"
    url = "kafka://{}:{}/{}?partitions=1".format(*address("KAFKA"), prefix)
    with closing(created(adapter.events(url))) as events:
        events.publish([Event(PHOTOS_UPLOADED, "p_1", "1", 0, {"caption": ana.caption})])
        found = search(servers / "kafka", [caption(ana)])
    files = {Path(one.file) for one in found}
    assert {(file.parent.name, file.suffix) for file in files} == {(f"{prefix}.{PHOTOS_UPLOADED}-0", ".log")}


def test_a_row_is_found_in_the_log_and_in_a_table(servers, ana, eventually):
    """Cassandra writes it to its commit log at once, and to a table when it flushes; here every 100 ms."""
    from cassandra.cluster import Cluster

    host, port = address("CASSANDRA")
    with Cluster([host], port=port, protocol_version=5) as cluster:
        session = cluster.connect()
        keyspace = f"canaries_{os.urandom(4).hex()}"
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        session.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {replication}")
        session.execute(
            f"CREATE TABLE {keyspace}.photos (photo_id text PRIMARY KEY, caption text)"
            " WITH compression = {'enabled': false} AND memtable_flush_period_in_ms = 100"
        )
        session.execute(f"INSERT INTO {keyspace}.photos (photo_id, caption) VALUES ('p_1', %s)", (ana.caption,))

        def kinds() -> set[str]:
            # Not in what the other tests have written, which is much.
            folders = [servers / "cassandra" / "commitlog", servers / "cassandra" / "data" / keyspace]
            found = [one for folder in folders for one in search(folder, [caption(ana)])]
            return {Path(one.file).name.partition("-")[0] for one in found}

        eventually(lambda: kinds() == {"CommitLog", "nb"} or kinds() == {"CommitLog", "oa"}, explain=kinds)
        session.execute(f"DROP KEYSPACE {keyspace}")


def test_a_value_is_found_in_what_redis_appends(servers, ana):
    """Every write is there."""
    import redis

    host, port = address("REDIS")
    with redis.Redis(host, port) as client:
        client.set(f"canary:{os.urandom(8).hex()}", ana.caption, ex=60)
    assert {Path(one.file).suffix for one in search(servers / "redis", [caption(ana)])} == {".aof"}


def test_a_setting_is_found_in_the_log_of_consul(servers, ana):
    """In that of Raft, its write-ahead log."""
    import consul

    host, port = address("CONSUL")
    key = f"canary-{os.urandom(8).hex()}"
    client = consul.Consul(host, port, scheme="http", verify=True)
    client.kv.put(key, ana.caption)
    assert {Path(one.file).suffix for one in search(servers / "consul", [caption(ana)])} == {".wal"}
    client.kv.delete(key)


def test_an_object_and_its_metadata_are_found(servers, ana):
    """versitygw keeps the bytes in a file, and the metadata in its extended attributes."""
    import boto3

    host, port = address("VERSITYGW")
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="darkroom",
        aws_secret_access_key=os.environ["DARKROOM_TEST_VERSITYGW_SECRET"],
        region_name="us-east-1",
    )
    bucket, raw = f"canary-{os.urandom(8).hex()}", ana.photo(canary.picture(1))
    with closing(client):
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=ana.handle, Body=raw, Metadata={"camera": ana.camera})
        found = search(servers / "versitygw", [*ana.needles(), *object_needles("raw", raw)])
        client.delete_object(Bucket=bucket, Key=ana.handle)
        client.delete_bucket(Bucket=bucket)
    labels = {(one.part.rpartition(".")[2].lower(), one.label) for one in found}
    assert {("name", "ana's handle"), ("content", "ana's camera's remark"), ("content", "part of raw")} <= labels
    assert ("camera", "ana's camera") in labels or ("metadata", "ana's camera") in labels
