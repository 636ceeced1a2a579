"""Cassandra 5.0 from its jars: one node, configured for a fast start and little memory, not for production."""

from pathlib import Path

from deploy.servers import maven
from deploy.servers.process import Start

NAME = "cassandra"
_ARTIFACTS = ("org.apache.cassandra:cassandra-all:5.0.5",)
# From Cassandra's own conf/jvm17-server.options.
_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.lang.module",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
    "java.base/sun.nio.ch",
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.nio",
    "java.rmi/sun.rmi.transport.tcp",
)
_LOGBACK = """<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder></appender>
<root level="WARN"><appender-ref ref="OUT"/></root></configuration>
"""
_YAML = """cluster_name: darkroom
num_tokens: 1
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: GossipingPropertyFileSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
native_transport_port: {port}
storage_port: {storage_port}
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "127.0.0.1:{storage_port}"}}]
data_file_directories: [{folder}/data]
commitlog_directory: {folder}/commitlog
saved_caches_directory: {folder}/saved_caches
hints_directory: {folder}/hints
cdc_raw_directory: {folder}/cdc_raw
# Batch, not periodic: an acknowledged write is on disk.
commitlog_sync: batch
commitlog_disk_access_mode: legacy
# Otherwise truncating a table takes a snapshot of it first.
auto_snapshot: false
# Small, because a test machine runs many servers.
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
file_cache_size: 32MiB
concurrent_reads: 16
concurrent_writes: 16
# The disk of a test machine may stall for seconds.
read_request_timeout: 20s
write_request_timeout: 20s
cas_contention_timeout: 20s
truncate_request_timeout: 60s
"""


def install(root: Path) -> None:
    maven.fetch(_ARTIFACTS, root / NAME)


def start(root: Path, folder: Path, port: int, storage_port: int) -> Start:
    def prepare() -> None:
        conf = folder / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        (conf / "cassandra.yaml").write_text(_YAML.format(folder=folder, port=port, storage_port=storage_port))
        (conf / "logback.xml").write_text(_LOGBACK)
        (conf / "cassandra-rackdc.properties").write_text("dc=datacenter1\nrack=rack1\n")

    command = [
        "java",
        "-Xms512m",
        "-Xmx1g",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xss512k",
        "-Djdk.attach.allowAttachSelf=true",
        "-Djava.net.preferIPv4Stack=true",
        f"-Dcassandra.storagedir={folder}",
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dcassandra.ring_delay_ms=100",
        *(f"--add-exports={module}=ALL-UNNAMED" for module in _EXPORTS),
        *(f"--add-opens={module}=ALL-UNNAMED" for module in _OPENS),
        "-cp",
        f"{folder}/conf:{root / NAME}/lib/*",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
    return Start(NAME, f"127.0.0.1:{port}", command, lambda: _answers(port), prepare=prepare)


def _answers(port: int) -> bool:
    from cassandra.cluster import Cluster

    with Cluster(["127.0.0.1"], port=port, protocol_version=5, connect_timeout=5) as cluster:
        return cluster.connect().execute("SELECT release_version FROM system.local").one() is not None
