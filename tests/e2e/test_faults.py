"""A hostile machine: a full disk, a read-only folder, a second server, a bad configuration file, a dying disk."""
import ctypes
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest

from node import BINARY, PATIENCE_S, wait_until
from resp import Error

pytestmark = pytest.mark.keelson_only


def serve_fails(*arguments) -> str:
    """`keelson serve` must end by itself with an error; gives what it said."""
    done = subprocess.run([BINARY, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and done.returncode > 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def small_disk(tmp_path, launch):   # what runs on it ends first
    """A file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=24m") != 0:
        pytest.skip(f"mounting a small file system is not permitted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    assert libc.umount2(str(folder).encode(), 2) == 0   # MNT_DETACH


@pytest.mark.sanitized
@pytest.mark.parametrize("durability", ["always", "interval"])
def test_a_full_disk_refuses_writes_and_heals(launch, small_disk, durability):
    options = {"kv.durability": durability, "log.segment-size": "2mb", "checkpoint.log-min": "1gb"}
    server = launch.keelson(options, data=small_disk / "data")
    with server.connect(timeout_s=60) as connection:
        acknowledged, refused = 0, None
        for i in range(100_000):
            reply = connection.call("SET", f"k{i}", "x" * 2000)
            if isinstance(reply, Error):
                refused = reply
                break
            acknowledged = i + 1
        assert refused is not None and acknowledged > 1000
        assert "disk" in refused.lower() or "room" in refused.lower() or "space" in refused.lower(), refused
        small = 0
        while not isinstance(connection.call("SET", f"small{small}", "x"), Error):   # what a large record found no room for
            small += 1
            assert small < 100_000
        acknowledged += small
        # Reads go on, and what was acknowledged is there.
        assert connection.ok("GET", "k0") == b"x" * 2000 and connection.ok("DBSIZE") == acknowledged
        assert isinstance(connection.call("MSET", "a", "1", "b", "2"), Error) and connection.ok("EXISTS", "a", "b") == 0
        connection.ok("MULTI")
        connection.call("SET", "a", "1")
        assert isinstance(connection.call("EXEC"), Error) and connection.ok("EXISTS", "a") == 0
        # Room comes back: here the file system grows. No restart, no command.
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mount(b"tmpfs", str(small_disk).encode(), b"tmpfs", 32, b"size=64m") == 0   # MS_REMOUNT
        wait_until(lambda: connection.call("SET", "again", "1") == "OK", what="recovery")
    server.kill()
    again = launch.keelson(options, data=small_disk / "data")
    with again.connect(timeout_s=60) as connection:
        assert connection.ok("DBSIZE") == acknowledged + 1
        assert connection.ok("GET", f"k{acknowledged - small - 1}") == b"x" * 2000


def test_a_read_only_folder(launch, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 1, b"size=1m") != 0:   # MS_RDONLY
        pytest.skip("mounting a read-only file system is not permitted here")
    try:
        said = serve_fails("--data-dir", folder / "data", "--kv.listen", "127.0.0.1:0", "--http.listen", "127.0.0.1:0")
        assert str(folder) in said and "read-only" in said.lower(), said
    finally:
        libc.umount2(str(folder).encode(), 2)


@pytest.mark.sanitized
def test_a_second_server_on_the_same_folder(launch):
    server = launch.keelson()
    with server.connect() as connection:
        connection.ok("SET", "k", "v")
        said = serve_fails("--data-dir", server.data, "--kv.listen", "127.0.0.1:0", "--http.listen", "127.0.0.1:0")
        assert str(server.data) in said, said
        assert connection.ok("GET", "k") == b"v"


def test_an_address_in_use(launch, tmp_path):
    server = launch.keelson()
    said = serve_fails("--data-dir", tmp_path / "other", "--kv.listen", f"127.0.0.1:{server.port}", "--http.listen", "127.0.0.1:0")
    assert f"127.0.0.1:{server.port}" in said, said


BAD_FILES = {
    "no TOML": ("kv = [broken\n", "1"),
    "an unknown key": ("[kv]\nlisten = \"127.0.0.1:0\"\nnosuch = 1\n", "kv.nosuch"),
    "an unknown table": ("[nosuch]\nx = 1\n", "nosuch"),
    "a wrong type": ("[kv]\nmaxclients = \"many\"\n", "kv.maxclients"),
    "out of range": ("[kv]\ndatabases = 0\n", "kv.databases"),
    "no choice": ("[kv]\ndurability = \"sometimes\"\n", "kv.durability"),
    "no address": ("[kv]\nlisten = \"nowhere\"\n", "kv.listen"),
    "open to the world without a password": ("[kv]\nlisten = \"0.0.0.0:0\"\n", "password"),
    "bytes that are no text": (b"\xff\xfe\x00kv", ""),
}


@pytest.mark.sanitized
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_configuration_file(tmp_path, name):
    content, word = BAD_FILES[name]
    path = tmp_path / "keelson.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = serve_fails("--config", path, "--data-dir", tmp_path / "data")
    assert str(path) in said and word in said, said
    done = subprocess.run([BINARY, "config", "check", "--config", path], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode in (1, 2) and word in done.stdout + done.stderr


@pytest.mark.sanitized
def test_flags_win_over_the_environment_and_that_over_the_file(launch, tmp_path):
    path = tmp_path / "keelson.toml"
    path.write_text("[kv]\nmaxclients = 11\ntimeout = 12\nslowlog-max-len = 13\n")
    server = launch.keelson({"config": path, "kv.maxclients": 33}, env={"KEELSON_KV_MAXCLIENTS": "22", "KEELSON_KV_TIMEOUT": "22"})
    with server.connect() as connection:
        told = [connection.ok("CONFIG", "GET", name)[1] for name in ("maxclients", "timeout", "slowlog-max-len")]
        assert told == [b"33", b"22", b"13"]
        connection.ok("CONFIG", "SET", "slowlog-max-len", 77)
        connection.ok("CONFIG", "REWRITE")
    assert "77" in path.read_text()
    assert subprocess.run([BINARY, "config", "check", "--config", path], timeout=PATIENCE_S).returncode == 0


def test_the_default_file_is_valid(tmp_path):
    done = subprocess.run([BINARY, "config", "default"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    path = tmp_path / "keelson.toml"
    path.write_text(done.stdout)
    assert subprocess.run([BINARY, "config", "check", "--config", path], timeout=PATIENCE_S).returncode == 0


def get(server, path: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=PATIENCE_S) as answer:
        return answer.status, answer.headers, answer.read().decode()


@pytest.mark.sanitized
def test_the_http_port(launch):
    server = launch.keelson()
    with server.connect() as connection:
        connection.ok("SET", "k", "v")
        connection.call("LPUSH", "k", "x")
    assert get(server, "/healthz")[0] == 200 and get(server, "/readyz")[0] == 200
    status, headers, text = get(server, "/metrics")
    assert status == 200 and "openmetrics-text" in headers["Content-Type"] and text.endswith("# EOF\n")
    for word in ('command="set"', 'command="lpush"', "_bucket{", "connections", "memory", "sync", "checkpoint"):
        assert word in text, word
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) > 15
    for line in text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None, line
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(server, "/nosuch")
    assert refused.value.code == 404


@pytest.mark.sanitized
def test_the_ready_line_and_json_logs(launch):
    server = launch.keelson()
    wait_until(lambda: f"127.0.0.1:{server.port}" in server.output(), what="the ready line")
    assert server.ready["data_dir"] == str(server.data)
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    assert all("level" in line or "kv" in line for line in lines)
    assert server.stop() == 0
