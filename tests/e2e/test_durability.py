"""Checkpoints, restarts, backup and restore: the same digest before and after."""
import re
import subprocess

import pytest

from generator import Generator
from load import Client
from node import BINARY, PATIENCE_S, wait_until

pytestmark = pytest.mark.keelson_only


def fill(connection, seed: int = 5, count: int = 6000) -> None:
    generator = Generator(seed)
    connection.pipeline(command for command in (generator.command() for _ in range(count))
                        if command[0].upper() not in (b"FLUSHDB", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BZPOPMIN", b"BZPOPMAX",
                                                      b"BLMPOP", b"BZMPOP", b"SELECT"))
    connection.pipeline(["SET", f"bulk:{i}", f"value {i}"] for i in range(5000))
    for kind, command in (("hash", lambda i: ["HSET", "large hash", f"f{i}", i]), ("set", lambda i: ["SADD", "large set", f"m{i}"]),
                          ("zset", lambda i: ["ZADD", "large zset", i / 3, f"m{i}"]), ("list", lambda i: ["RPUSH", "large list", f"e{i}"])):
        connection.pipeline(command(i) for i in range(2000))
    connection.ok("SELECT", 3)
    connection.pipeline(["SET", f"other:{i}", i, "EX", 100000] for i in range(100))
    connection.ok("SELECT", 0)


def digest(server) -> bytes:
    with server.connect(timeout_s=60) as connection:
        return connection.ok("DEBUG", "DIGEST")


def keelson(*arguments, expect: int = 0, **more) -> str:
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.sanitized
@pytest.mark.parametrize("how", ["kill", "stop", "checkpoint then kill"])
def test_a_restart_gives_the_same_digest(launch, how):
    server = launch.keelson()
    with server.connect(timeout_s=60) as connection:
        fill(connection)
        if how == "checkpoint then kill":
            connection.ok("SAVE")
            connection.pipeline(["INCR", f"behind:{i % 50}"] for i in range(1000))
    before = digest(server)
    assert before != b"0" * 40
    if how == "stop":
        assert server.stop() == 0
    else:
        server.kill()
    again = launch.keelson()
    assert digest(again) == before
    with again.connect() as connection:
        connection.ok("DEBUG", "RELOAD")
    assert digest(again) == before


def test_reactors_may_change_between_starts(launch):
    before = None
    for turn, reactors in enumerate((2, 1, 3)):
        server = launch.keelson({"reactors": reactors})
        if turn == 0:
            with server.connect(timeout_s=60) as connection:
                fill(connection, count=2000)
            before = digest(server)
        assert digest(server) == before
        server.kill()


def test_checkpoints_under_load_then_a_kill(launch):
    options = {"kv.durability": "always", "log.segment-size": "1mb", "checkpoint.log-min": "1mb"}
    server = launch.keelson(options)
    clients = [Client(lambda: server.connect(timeout_s=30), number) for number in range(4)]
    for client in clients:
        client.start()
    with server.connect(timeout_s=60) as connection:
        for _ in range(5):
            assert connection.ok("BGSAVE")
            wait_until(lambda: b"rdb_bgsave_in_progress:0" in connection.ok("INFO", "persistence"))
        assert b"rdb_last_bgsave_status:ok" in connection.ok("INFO", "persistence")
    server.kill()
    for client in clients:
        client.join(30)
        assert client.rounds > 0 and not client.refused
    again = launch.keelson(options)
    with again.connect() as connection:
        for client in clients:
            client.verify(connection)


def test_the_log_is_trimmed_behind_checkpoints(launch):
    server = launch.keelson({"log.segment-size": "1mb", "checkpoint.log-min": "1mb", "kv.durability": "never"})
    with server.connect(timeout_s=60) as connection:
        for _ in range(40):
            connection.pipeline(["SET", f"k{i}", "x" * 1000] for i in range(1000))
        wait_until(lambda: connection.call("SAVE") == "OK")   # refused while one of its own is under way
        wait_until(lambda: sum(path.stat().st_size for path in server.data.rglob("*") if path.is_file()) < 20 << 20)
        assert connection.ok("DBSIZE") == 1000


@pytest.mark.sanitized
def test_backup_and_restore(launch, tmp_path):
    server = launch.keelson()
    with server.connect(timeout_s=60) as connection:
        fill(connection)
    before = digest(server)
    backup = tmp_path / "node.backup"
    said = keelson("backup", "--http", f"127.0.0.1:{server.http_port}", backup)
    assert backup.stat().st_size > 0, said
    with server.connect() as connection:
        connection.ok("FLUSHALL")
    target = tmp_path / "restored" / "data"
    keelson("restore", "--data-dir", target, backup)
    restored = launch.keelson(folder="restored")
    assert restored.data == launch.folder / "restored" / "data"
    assert digest(restored) == before


def test_a_damaged_or_short_backup_is_refused(launch, tmp_path):
    server = launch.keelson()
    with server.connect(timeout_s=60) as connection:
        fill(connection, count=500)
    backup = tmp_path / "node.backup"
    keelson("backup", "--http", f"127.0.0.1:{server.http_port}", backup)
    whole = backup.read_bytes()
    for name, content in (("flipped", whole[:len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1:]),
                          ("short", whole[:-1]), ("shorter", whole[:len(whole) // 3]), ("empty", b""), ("other", b"x" * 5000)):
        (tmp_path / name).write_bytes(content)
        keelson("restore", "--data-dir", tmp_path / f"into {name}", tmp_path / name, expect=1)
        assert not list((tmp_path / f"into {name}").rglob("*.ckp*")), name
    used = tmp_path / "used"
    keelson("restore", "--data-dir", used, backup)
    keelson("restore", "--data-dir", used, backup, expect=1)   # a folder that holds data is not overwritten


def test_a_backup_under_load_holds_one_moment_of_each_client(launch, tmp_path):
    server = launch.keelson({"kv.durability": "always"})
    clients = [Client(lambda: server.connect(timeout_s=30), number) for number in range(4)]
    for client in clients:
        client.start()
    wait_until(lambda: all(client.rounds > 20 for client in clients))
    low = [dict(client.acknowledged) for client in clients]
    keelson("backup", "--http", f"127.0.0.1:{server.http_port}", tmp_path / "node.backup")
    server.kill()
    for client in clients:
        client.join(30)
    keelson("restore", "--data-dir", tmp_path / "restored" / "data", tmp_path / "node.backup")
    restored = launch.keelson(folder="restored")
    with restored.connect() as connection:
        for client, acknowledged in zip(clients, low):
            client.acknowledged = acknowledged   # what was there before the backup began is in it
            client.verify(connection)


def test_log_inspect_and_verify(launch):
    server = launch.keelson({"kv.durability": "always"})
    with server.connect() as connection:
        for i in range(500):
            connection.ok("SET", f"k{i}", i)
    server.kill()
    # And those with which the node claims its shards of topics.
    found = re.search(r"(\d+) records", keelson("log", "inspect", "--data-dir", server.data))
    assert 500 <= int(found[1]) <= 500 + 32, found[0]
    keelson("log", "verify", "--data-dir", server.data)
    segment = next(path for path in sorted(server.data.rglob("*")) if path.is_file() and "log" in path.parts[-2])
    content = bytearray(segment.read_bytes())
    content[6000] ^= 0xff
    segment.write_bytes(content)
    said = keelson("log", "verify", "--data-dir", server.data, expect=1)
    assert segment.name in said
