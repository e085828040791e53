"""The servers of Kafka's protocol under test: Keelson, or Apache Kafka itself, on which every test is proven first.

KEELSON_E2E_PEER=kafka runs the tests of Kafka's clients against Apache Kafka (its jars: tools/get_java.sh peer):
    KEELSON_E2E_PEER=kafka python -m pytest tests/e2e -k kafka
"""
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import AGAINST_REDIS
from kafka_raw import Raw
from node import PATIENCE_S, ROOT, Keelson, Process, free_port, machine_environment, wait_until

AGAINST_KAFKA = os.environ.get("KEELSON_E2E_PEER") == "kafka"
PEER_JARS = ROOT / "build" / "peers" / "kafka"
JARS = ROOT / "build" / "java"
not_redis = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has nothing like Kafka's protocol")
keelson_only = pytest.mark.skipif(AGAINST_KAFKA, reason="Apache Kafka has nothing like it")
needs_peer = pytest.mark.skipif(not PEER_JARS.is_dir(), reason="no Apache Kafka to compare with (tools/get_java.sh peer)")
# A rebalance of the classic protocol waits this long for members that may come; three seconds are Kafka's default.
REBALANCE_DELAY_MS = 100


class Kafka(Process):
    """Apache Kafka, a node alone (KRaft), on loopback. Flushes as it is shipped: never before it acknowledges."""

    def __init__(self, folder: Path, options=None, name: str = "kafka", wait: bool = True):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.kafka_port, controller = free_port(), free_port()
        settings = {"process.roles": "broker,controller", "node.id": 1, "controller.quorum.voters": f"1@127.0.0.1:{controller}",
                    "listeners": f"PLAINTEXT://127.0.0.1:{self.kafka_port},CONTROLLER://127.0.0.1:{controller}",
                    "controller.listener.names": "CONTROLLER", "log.dirs": self.data, "offsets.topic.num.partitions": 4,
                    "offsets.topic.replication.factor": 1, "transaction.state.log.num.partitions": 4,
                    "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
                    "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
                    "share.coordinator.state.topic.num.partitions": 1,
                    "group.initial.rebalance.delay.ms": REBALANCE_DELAY_MS, "group.consumer.heartbeat.interval.ms": 500,
                    "group.consumer.min.heartbeat.interval.ms": 500, "group.consumer.session.timeout.ms": 6000,
                    "group.consumer.min.session.timeout.ms": 6000, **(options or {})}
        file = self.folder / f"{name}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", f"{PEER_JARS}/*"]
        if not self.data.exists():
            cluster = str(uuid.uuid4())
            subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", file], check=True, capture_output=True,
                           env=machine_environment())
        super().__init__([*java, "kafka.Kafka", file], self.folder / f"{name}.log", is_limited=False)
        if wait:
            self.wait_ready()

    def wait_ready(self, limit_s: float = PATIENCE_S * 2) -> None:
        def ready():
            assert self.running, f"ended:\n{self.output()[-3000:]}"
            try:
                with Raw(self.endpoint) as raw:
                    # Asking makes the topics in which it keeps groups and transactions.
                    return raw.metadata().brokers and not raw.coordinator("any").error_code and not raw.coordinator("any", 1).error_code
            except OSError:
                return False
        wait_until(ready, limit_s, "Apache Kafka")

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"


class Topics(Keelson):
    """keelson serve, seen by Kafka's clients."""

    def __init__(self, folder: Path, options=None, **more):
        options = {"kafka.listen": "127.0.0.1:0", "pubsub.listen": "127.0.0.1:0",
                   "kafka.group-initial-rebalance-delay": f"{REBALANCE_DELAY_MS}ms", "kafka.group-consumer-session-timeout": "6s",
                   "kafka.group-consumer-heartbeat-interval": "500ms", "kafka.transaction-check-interval": "500ms", **(options or {})}
        self._endpoint = None if options["kafka.listen"].endswith(":0") else options["kafka.listen"]
        super().__init__(folder, options, **more)

    @property
    def endpoint(self) -> str:
        return self._endpoint or f"127.0.0.1:{self._port('kafka')}"

    @property
    def pubsub_endpoint(self) -> str:
        return f"127.0.0.1:{self._port('pubsub')}"


def kafka_server(launch, folder: str = "topics", options=None, peer_options=None):
    """The server that a test is about: `options` are Keelson's, `peer_options` Apache Kafka's words for the same."""
    place = launch.folder / folder
    return launch.keep(Kafka(place, peer_options) if AGAINST_KAFKA else Topics(place, options))


def again(launch, server, options=None, peer_options=None):
    """The same data in a new process, on another port."""
    return launch.keep(Kafka(server.folder, peer_options) if isinstance(server, Kafka) else Topics(server.folder, options))


def admin_of(server) -> AdminClient:
    return AdminClient({"bootstrap.servers": server.endpoint})


def new_topic(server, name: str, partitions: int = 1, **config) -> str:
    """Makes a topic; `config` with underscores for dots. Gives the name back."""
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    admin = admin_of(server)   # its calls end with it
    made = admin.create_topics([NewTopic(name, partitions, 1, config=config)], request_timeout=PATIENCE_S)
    made[name].result(PATIENCE_S)
    with Raw(server.endpoint) as raw:
        # Apache Kafka answers before the partitions are there.
        wait_until(lambda: not any(raw.offset_for(name, -1, part).error_code for part in range(partitions)), what=f"every partition of {name}")
    return name


def run(argv, stdin: str | bytes | None = None, limit_s: float = PATIENCE_S * 4, env=None, check: bool = True) -> str:
    """A client program to its end; gives what it printed."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([str(part) for part in argv], input=data, stdin=subprocess.DEVNULL if data is None else None,
                          capture_output=True, timeout=limit_s, env={**machine_environment(), **(env or {})})
    assert not check or done.returncode == 0, f"exit {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}"
    return done.stdout.decode()


def kcat(server, *arguments, stdin: str | bytes | None = None, **how) -> str:
    return run([shutil.which("kcat"), "-b", server.endpoint, *arguments], stdin, **how)
