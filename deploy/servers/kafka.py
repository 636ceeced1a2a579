"""Kafka 3.9 in KRaft mode: one broker, which is its own controller. pykafka does not support Kafka 4."""

import subprocess
from pathlib import Path

from deploy.servers import maven
from deploy.servers.process import ServerError, Start

NAME = "kafka"
_ARTIFACTS = ("org.apache.kafka:kafka_2.13:3.9.1", "org.slf4j:slf4j-reload4j:1.7.36")
_CLUSTER_ID = "ZGFya3Jvb20ta2Fma2EtMQ"
_LOG4J = """log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c %m%n
"""
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
num.partitions=4
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
# An acknowledged message is on disk, because no second broker has a copy.
log.flush.interval.messages=1
"""


def install(root: Path) -> None:
    maven.fetch(_ARTIFACTS, root / NAME)


def start(root: Path, folder: Path, port: int, controller_port: int) -> Start:
    java = [
        "java",
        "-Xms128m",
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Dlog4j.configuration=file:{folder}/log4j.properties",
        "-cp",
        f"{root / NAME}/lib/*",
    ]
    properties = folder / "server.properties"

    def prepare() -> None:
        (folder / "log4j.properties").write_text(_LOG4J)
        properties.write_text(_PROPERTIES.format(folder=folder, port=port, controller_port=controller_port))
        if not (folder / "data" / "meta.properties").exists():
            tool = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
            ended = subprocess.run(tool, capture_output=True, text=True)
            if ended.returncode != 0:
                raise ServerError(f"Kafka's folder can't be formatted:\n{(ended.stdout + ended.stderr)[-1500:]}")

    return Start(
        NAME, f"127.0.0.1:{port}", [*java, "kafka.Kafka", str(properties)], lambda: _answers(port), prepare=prepare
    )


def _answers(port: int) -> bool:
    from pykafka import KafkaClient

    return bool(KafkaClient(hosts=f"127.0.0.1:{port}", socket_timeout_ms=3000).brokers)
