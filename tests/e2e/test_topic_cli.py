"""`keelson topic`: each verb, against the server and against Apache Kafka (KEELSON_E2E_PEER=kafka)."""
import base64
import json
import subprocess

import pytest
from confluent_kafka import Producer

from kafka_members import Member, consume, produce
from kafka_server import kafka_server, new_topic, not_redis
from node import BINARY, PATIENCE_S, machine_environment, wait_until

pytestmark = not_redis


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


def topic(server, verb: str, *arguments, stdin: str = "", code: int = 0) -> str:
    done = subprocess.run([BINARY, "topic", verb, "-s", server.endpoint, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=PATIENCE_S * 2, env=machine_environment())
    assert done.returncode == code, f"{verb} {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if code == 0 else done.stderr


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.sanitized
def test_topics(server):
    topic(server, "create", "made", "-p", 3, "--set", "retention.ms=3600000")
    assert "TOPIC_ALREADY_EXISTS" in topic(server, "create", "made", code=1)
    topic(server, "create", "made", "--if-not-exists")
    assert {"topic": "made", "partitions": 3} in lines(topic(server, "list", "--json"))
    told = lines(topic(server, "describe", "made", "--json"))[0]
    assert told["settings"] == {"retention.ms": "3600000"} and [part["end"] for part in told["partitions"]] == [0, 0, 0]
    topic(server, "alter", "made", "-p", 4, "--set", "cleanup.policy=compact", "--unset", "retention.ms")
    told = lines(topic(server, "describe", "made", "--json"))[0]
    assert told["settings"] == {"cleanup.policy": "compact"} and len(told["partitions"]) == 4
    assert "retention.ms" in topic(server, "alter", "made", "--set", "retention.ms=soon", code=1)
    topic(server, "delete", "made")
    wait_until(lambda: "made" not in topic(server, "list"), what="it is gone")
    assert "UNKNOWN_TOPIC" in topic(server, "delete", "made", code=1)
    topic(server, "delete", "made", "--if-exists")


@pytest.mark.sanitized
def test_messages_go_in_and_out(server):
    name = new_topic(server, "lines", 1)
    sent = [{"key": "a", "value": "one", "headers": {"kind": "first"}, "timestamp": 1_700_000_000_000}, {"key": None, "value": "ключ"}, {"key": "gone", "value": None}]
    topic(server, "produce", name, stdin="".join(json.dumps(one) + "\n" for one in sent))
    got = lines(topic(server, "consume", name))
    assert [one["offset"] for one in got] == [0, 1, 2] and got[0]["timestamp"] == 1_700_000_000_000
    assert [{key: one[key] for key in ("key", "value")} for one in got] == [{key: one[key] for key in ("key", "value")} for one in sent]
    assert got[0]["headers"] == {"kind": "first"}
    # What comes out goes in again.
    other = new_topic(server, "lines-again", 1)
    topic(server, "produce", other, stdin=topic(server, "consume", name))
    assert lines(topic(server, "consume", other)) == got
    assert topic(server, "consume", name, "--raw").splitlines() == ["one", "ключ", ""]
    assert [one["offset"] for one in lines(topic(server, "consume", name, "--from", 1, "-n", 1))] == [1]
    assert [one["offset"] for one in lines(topic(server, "consume", name, "--from", "@1700000000001"))] == [1, 2]
    assert len(lines(topic(server, "consume", name, "--from", "15m"))) == 2


def test_other_clients_read_what_it_wrote(server):
    name = new_topic(server, "others", 1)
    topic(server, "produce", name, "--raw", "--message-key", "k", "--compression", "zstd", stdin="".join(f"{i}\n" for i in range(5000)))
    got = consume(server, name, 5000)
    assert [int(message.value()) for message in got] == list(range(5000)) and got[0].key() == b"k"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_it_reads_what_other_clients_wrote(server, codec):
    name = new_topic(server, f"reads-{codec}", 2)
    produce(server, name, [f"value {i}" for i in range(200)], 2, compression_type=codec)
    got = lines(topic(server, "consume", name))
    assert sorted(one["value"] for one in got) == sorted(f"value {i}" for i in range(200))


def test_bytes(server):
    name = new_topic(server, "bytes", 1)
    body = base64.b64encode(bytes(range(256))).decode()
    topic(server, "produce", name, "--base64", stdin=json.dumps({"key": "AA==", "value": body}) + "\n")
    topic(server, "produce", name, stdin=json.dumps({"value64": body}) + "\n")
    first, second = lines(topic(server, "consume", name))
    assert first["value64"] == second["value64"] == body and first["key"] == "\0"
    assert lines(topic(server, "consume", name, "--base64"))[0]["value"] == body


def test_groups(server):
    name = new_topic(server, "grouped", 2)
    topic(server, "produce", name, "--raw", "--partition", 0, stdin="".join(f"{i}\n" for i in range(10)))
    assert topic(server, "consume", name, "--raw", "-g", "clerk", "-n", 4).splitlines() == ["0", "1", "2", "3"]
    told = lines(topic(server, "groups", "clerk", "--json"))[0]
    assert [(part["partition"], part["committed"], part["end"], part["lag"]) for part in told["partitions"]][0] == (0, 4, 10, 6)
    assert {"group": "clerk", "lag": 6}.items() <= {one["group"]: one for one in lines(topic(server, "groups", "--json"))}["clerk"].items()
    topic(server, "seek", "clerk", name, "--to", 8, "--partition", 0)
    assert topic(server, "consume", name, "--raw", "-g", "clerk").splitlines() == ["8", "9"]
    topic(server, "seek", "clerk", name, "--to", "earliest")
    assert len(topic(server, "consume", name, "--raw", "-g", "clerk").splitlines()) == 10
    with Member(server, "staff", [name]) as member:
        wait_until(lambda: len(member.parts) == 2, what="a member")
        assert "members" in topic(server, "seek", "staff", name, "--to", "earliest", code=1)
        assert "127.0.0.1" in topic(server, "groups", "staff") or not lines(topic(server, "groups", "staff", "--json"))[0]["partitions"]


def test_it_follows(server):
    name = new_topic(server, "followed", 1)
    produce(server, name, ["before"])
    process = subprocess.Popen([BINARY, "topic", "consume", "-s", server.endpoint, name, "--follow", "--from", "earliest", "--raw"], stdout=subprocess.PIPE,
                               text=True, env=machine_environment())
    try:
        assert process.stdout.readline() == "before\n"
        produce(server, name, ["after"])
        assert process.stdout.readline() == "after\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_was_aborted_is_not_shown(server):
    name = new_topic(server, "aborted", 1)
    producer = Producer({"bootstrap.servers": server.endpoint, "transactional.id": "cli"})
    producer.init_transactions(PATIENCE_S)
    for how in ("abort", "commit", "abort"):
        producer.begin_transaction()
        producer.produce(name, how)
        producer.flush(PATIENCE_S)
        getattr(producer, f"{how}_transaction")(PATIENCE_S)
    assert topic(server, "consume", name, "--raw").splitlines() == ["commit"]
    assert topic(server, "consume", name, "--raw", "--uncommitted").splitlines() == ["abort", "commit", "abort"]


def test_dead_letters(server):
    dead, back = new_topic(server, "dead", 1), new_topic(server, "back", 1)
    letters = [{"key": f"k{i}", "value": f"v{i}", "headers": {"CloudPubSubDeadLetterSourceDeliveryCount": "5", "CloudPubSubDeadLetterSourceSubscription": "s", "mine": "x"}}
               for i in range(3)]
    topic(server, "produce", dead, stdin="".join(json.dumps(one) + "\n" for one in [*letters, {"value": "no letter"}]))
    assert [one["value"] for one in lines(topic(server, "dead-letters", dead))] == ["v0", "v1", "v2"]
    topic(server, "dead-letters", dead, "--resend", back, "-g", "janitor")
    got = lines(topic(server, "consume", back))
    assert [(one["key"], one["value"], one["headers"]) for one in got] == [(f"k{i}", f"v{i}", {"mine": "x"}) for i in range(3)]
    topic(server, "dead-letters", dead, "--resend", back, "-g", "janitor")      # none is sent twice
    assert len(lines(topic(server, "consume", back))) == 3
    assert len(lines(topic(server, "dead-letters", dead, "-g", "reader", "-n", 2))) == 2
    assert [one["value"] for one in lines(topic(server, "dead-letters", dead, "-g", "reader"))] == ["v2"]


def test_no_batch_is_too_large(server, tmp_path):
    """Many small messages, and many dead letters at once, go in as many batches as it takes."""
    small, dead, back = new_topic(server, "small", 1), new_topic(server, "much-dead", 1), new_topic(server, "much-back", 1)
    (tmp_path / "lines").write_text("1\n" * 200_000)      # a file gives more at once than a pipe
    with open(tmp_path / "lines") as file:
        subprocess.run([BINARY, "topic", "produce", "-s", server.endpoint, small, "--raw"], stdin=file, check=True, timeout=PATIENCE_S * 2, env=machine_environment())
    assert [part["end"] for part in lines(topic(server, "describe", small, "--json"))[0]["partitions"]] == [200_000]
    letters = [{"value": f"{i}:" + "x" * 50_000, "headers": {"CloudPubSubDeadLetterSourceSubscription": "s"}} for i in range(60)]
    topic(server, "produce", dead, stdin="".join(json.dumps(one) + "\n" for one in letters))
    topic(server, "dead-letters", dead, "--resend", back)
    assert [one["value"] for one in lines(topic(server, "consume", back))] == [one["value"] for one in letters]


def test_a_group_whose_name_is_no_text(server):
    name = new_topic(server, "no-text", 1)
    topic(server, "seek", "\udcff", name, "--to", "earliest")
    assert "\ufffd" in {one["group"] for one in lines(topic(server, "groups", "--json"))}


@pytest.mark.parametrize("line, what", [("{", "line 2: this is no JSON"), ('{"vlaue":1}', '"vlaue" is not known'), ('{"value":"x","partition":7}', "has no partition 7"),
                                        ("[]", "a message is a JSON object")])
def test_bad_lines(server, line, what):
    name = new_topic(server, f"bad-{len(line)}", 1)
    said = topic(server, "produce", name, stdin='{"value":"good"}\n' + line + "\n", code=2)
    assert what in said and "1 messages before were acknowledged" in said
    assert len(lines(topic(server, "consume", name))) == 1


def test_errors(server):
    assert "UNKNOWN_TOPIC_OR_PARTITION" in topic(server, "consume", "nobody", code=1)
    assert "UNKNOWN_TOPIC_OR_PARTITION" in topic(server, "produce", "nobody", stdin="{}\n", code=1)
    assert "--from is" in topic(server, "consume", new_topic(server, "errors"), "--from", "soon", code=2)
    assert "has no partition 9" in topic(server, "consume", "errors", "--partition", 9, code=2)
    assert "has no partition -1" in topic(server, "produce", "errors", "--partition=-1", stdin="{}\n", code=2)
    assert "one of the two" in topic(server, "produce", "errors", "--raw", "--base64", stdin="AA==\n", code=2)
    done = subprocess.run([BINARY, "topic", "list", "-s", "127.0.0.1:1"], capture_output=True, text=True, env=machine_environment())
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
