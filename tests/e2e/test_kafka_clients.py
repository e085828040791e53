"""The clients of Kafka that applications are written with, each unmodified, each in its own language."""
import os
import subprocess
import sys

import pytest

from kafka_server import JARS, kafka_server, new_topic, not_redis, run
from node import ROOT

pytestmark = not_redis
HERE = ROOT / "tests" / "e2e"
NODE_FOLDER = os.environ.get("KEELSON_NODE_FOLDER", str(ROOT / "build" / "node"))


@pytest.fixture
def server(launch):
    return kafka_server(launch)


def passed(said: str) -> int:
    assert "not ok" not in said, said
    return said.count("ok ")


def test_kafkajs(server):
    said = run(["node", HERE / "kafka_suite.mjs", server.endpoint], env={"KEELSON_NODE_FOLDER": NODE_FOLDER}, check=False)
    assert passed(said) == 7, said


@pytest.mark.parametrize("python", ["/usr/bin/python3", sys.executable], ids=["debian", "current"])
def test_kafka_python(server, python):
    assert passed(run([python, HERE / "kafka_suite.py", server.endpoint], check=False)) == 7


def test_librdkafka_in_cpp(server, tmp_path):
    subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-o", tmp_path / "suite", HERE / "clients" / "rdkafka_suite.cc", "-lrdkafka++",
                    "-lrdkafka"], check=True, timeout=300)
    new_topic(server, "cpp-four", 4)
    assert passed(run([tmp_path / "suite", server.endpoint], check=False)) == 7


def test_java(server, tmp_path):
    classes = f"{JARS}/*"
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-d", tmp_path, "-cp", classes, HERE / "clients" / "KafkaSuite.java"], check=True, timeout=300)
    said = run(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{classes}:{tmp_path}", "KafkaSuite", server.endpoint], check=False, limit_s=300)
    assert passed(said) == 8, said
