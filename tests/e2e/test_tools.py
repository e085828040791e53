"""Redis's own tools and JavaScript's client, unmodified: redis-cli, redis-benchmark, ioredis."""
import os
import subprocess

import pytest

from conftest import AGAINST_REDIS
from node import PATIENCE_S, ROOT

# Everything redis-benchmark -t knows of.
BENCHMARKS = ("ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd",
              "zpopmin", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset")


def cli(server, *arguments, stdin=None, expect=0) -> str:
    done = subprocess.run(["redis-cli", "-p", str(server.port), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=PATIENCE_S)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.mark.sanitized
def test_redis_cli_one_command(server, connection):
    assert cli(server, "SET", "k", "v") == "OK\n" and cli(server, "GET", "k") == "v\n"
    assert cli(server, "--no-raw", "LRANGE", "none", 0, -1) == "(empty array)\n"
    assert cli(server, "-3", "--no-raw", "HELLO").startswith("1# \"server\" => \"redis\"")
    assert cli(server, "-n", 3, "SET", "other", 1) == "OK\n" and cli(server, "DBSIZE") == "1\n"
    assert "ERR unknown command" in cli(server, "NOSUCH", "x")
    assert cli(server, "-r", 3, "INCR", "n") == "1\n2\n3\n"


@pytest.mark.sanitized
def test_redis_cli_reads_commands_and_bulk_loads(server, connection):
    assert cli(server, stdin="SET a 1\nINCR a\nGET a\n") == "OK\n2\n2\n"
    protocol = "".join(f"*3\r\n$3\r\nSET\r\n$5\r\nk{i:04}\r\n$1\r\nx\r\n" for i in range(5000))
    assert "errors: 0, replies: 5000" in cli(server, "--pipe", stdin=protocol)
    assert len(cli(server, "--scan", "--pattern", "k00*").split()) == 100


def test_redis_cli_looks_around(server, connection):
    connection.ok("SET", "k", "x" * 1000)
    connection.ok("RPUSH", "l", *range(50))
    connection.ok("HSET", "h", "f", "v")
    assert "Biggest string found" in cli(server, "--bigkeys")
    assert "Sampled 3 keys" in cli(server, "--memkeys").replace('"', "")
    assert "redis_version:7." in cli(server, "INFO", "server")
    latency = subprocess.run(["timeout", "-s", "INT", "2", "redis-cli", "-p", str(server.port), "--latency", "--raw"], capture_output=True)
    assert latency.returncode in (0, 124)
    assert cli(server, "COMMAND", "GETKEYS", "MSET", "a", 1, "b", 2) == "a\nb\n"
    assert "summary" in cli(server, "COMMAND", "DOCS", "GET")


@pytest.mark.skipif(AGAINST_REDIS, reason="the fixture starts no TLS listener of redis-server")
def test_redis_cli_and_benchmark_over_tls(launch, certificates):
    server = launch.keelson({"kv.tls.listen": "127.0.0.1:0", "kv.tls.cert": certificates / "server.crt",
                             "kv.tls.key": certificates / "server.key"})
    tls = ["-p", str(server.tls_port), "--tls", "--cacert", str(certificates / "ca.crt")]
    done = subprocess.run(["redis-cli", *tls, "SET", "k", "v"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout == "OK\n", done.stderr
    done = subprocess.run(["redis-benchmark", *tls, "-q", "-t", "set,get", "-n", "5000", "-P", "16"], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    assert done.returncode == 0 and done.stdout.count("requests per second") == 2, done.stdout + done.stderr


@pytest.mark.parametrize("pipeline", [1, 16])
def test_redis_benchmark_all_its_tests(server, connection, pipeline):
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "-q", "-n", "10000", "-c", "50", "-r", "1000", "-d", "64", "-P",
                           str(pipeline), "-t", ",".join(BENCHMARKS)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("requests per second") == len(BENCHMARKS) + 1, done.stdout   # LRANGE fills its list with one more
    assert "rror" not in done.stdout + done.stderr.replace("WARNING: Could not fetch server CONFIG", ""), done.stdout + done.stderr
    assert "Could not fetch server CONFIG" not in done.stderr


@pytest.mark.sanitized
def test_ioredis(launch, server, certificates):
    arguments = [str(server.port)]
    if not AGAINST_REDIS:
        secure = launch.keelson({"kv.tls.listen": "127.0.0.1:0", "kv.tls.cert": certificates / "server.crt",
                                 "kv.tls.key": certificates / "server.key"})
        arguments += [str(secure.tls_port), str(certificates / "ca.crt")]
    done = subprocess.run(["node", str(ROOT / "tests" / "e2e" / "ioredis_suite.mjs"), *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "KEELSON_NODE_FOLDER": str(ROOT / "build" / "node")})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") == 12 * (1 if AGAINST_REDIS else 2), done.stdout
