"""keelson config: settings that live in the coordination service and change on a running server."""
import json
import subprocess
import urllib.parse

import pytest

from etcd_server import Coord, etcdctl_ok, keelson_only, not_redis
from node import BINARY, PATIENCE_S, Process, machine_environment, wait_until

pytestmark = [not_redis, keelson_only]


@pytest.fixture
def server(launch):
    return launch.keep(Coord(launch.folder / "coord", {"kv.maxmemory-samples": "7"}))


def config(server, *words, expect: int = 0, env=None) -> str:
    done = subprocess.run([BINARY, "config", words[0], "--http", f"127.0.0.1:{server.http_port}", *words[1:]], capture_output=True, text=True,
                          timeout=PATIENCE_S, env={**machine_environment(), **(env or {})})
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if expect == 0 else done.stderr


def in_kv(server, name: str) -> str:
    with server.connect() as connection:
        return connection.call("CONFIG", "GET", name)[1].decode()


def test_a_setting_takes_effect_at_once(server):
    assert config(server, "get", "kv.maxmemory") == "0\n"
    config(server, "set", "kv.maxmemory", "64mb")
    wait_until(lambda: in_kv(server, "maxmemory") == str(64 << 20))
    assert config(server, "get", "kv.maxmemory").strip() == str(64 << 20)
    config(server, "set", "kv.maxmemory-policy", "allkeys-lru")
    wait_until(lambda: in_kv(server, "maxmemory-policy") == "allkeys-lru")
    config(server, "set", "kv.durability", "always")
    wait_until(lambda: in_kv(server, "appendfsync") == "always")
    config(server, "set", "kv.client-output-buffer-limit-pubsub", "1mb 1mb 9")
    wait_until(lambda: "pubsub 1048576 1048576 9" in in_kv(server, "client-output-buffer-limit"))
    config(server, "unset", "kv.maxmemory")
    wait_until(lambda: in_kv(server, "maxmemory") == "0")


def test_the_start_is_what_unset_goes_back_to(server):
    config(server, "set", "kv.maxmemory-samples", "9")
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "9")
    assert 'at start "7", in force "9"' in config(server, "diff")
    config(server, "unset", "kv.maxmemory-samples")
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "7")
    wait_until(lambda: config(server, "diff") == "")


@pytest.mark.parametrize("name,value,why", [("kv.maxmemory", "much", "64mb"), ("kv.maxmemory-policy", "wrong", "noeviction"), ("kv.maxmemory-samples", "0", "1"),
                                            ("kv.notify-keyspace-events", "?", ""), ("kv.listen", "127.0.0.1:1", "while the server runs"),
                                            ("kv.password", "x", "secret"), ("kv.maxmemori", "1", "kv.maxmemory"), ("nothing", "1", "a / in them")])
def test_bad_values_are_refused(server, name, value, why):
    before = config(server, "get")
    assert why in config(server, "set", name, value, expect=1)
    assert config(server, "get") == before
    assert etcdctl_ok(server, "get", "--prefix", "/keelson/") == []


def test_what_was_put_past_the_check_is_ignored_and_shown(server):
    config(server, "set", "kv.maxmemory-samples", "8")
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "8")
    etcdctl_ok(server, "put", "/keelson/config/kv.maxmemory-samples", "none at all")
    etcdctl_ok(server, "put", "/keelson/config/no.such.thing", "1")
    wait_until(lambda: "none at all" in config(server, "diff") and "no.such.thing" in config(server, "diff"))
    assert in_kv(server, "maxmemory-samples") == "8"
    assert "a stored setting is ignored" in server.output()
    etcdctl_ok(server, "put", "/keelson/config/kv.maxmemory-samples", "6")
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "6")
    etcdctl_ok(server, "del", "--prefix", "/keelson/config/")
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "7" and config(server, "diff") == "")


def test_history_and_watch(launch, server):
    watch = launch.keep(Process([BINARY, "config", "watch", "--endpoints", server.endpoint], launch.folder / "watch.log"))
    for value in ("1mb", "2mb", "3mb"):
        config(server, "set", "kv.maxmemory", value)
    lines = config(server, "history", "kv.maxmemory").splitlines()
    assert [line.split()[1] for line in lines] == ["3mb", "2mb", "1mb"]
    assert [int(line.split()[0]) for line in lines] == sorted((int(line.split()[0]) for line in lines), reverse=True)
    config(server, "unset", "kv.maxmemory")

    def shown():   # the first may have come before it listened
        return "kv.maxmemory is unset" in watch.output() and "kv.maxmemory = 3mb" in watch.output()
    wait_until(shown, what="the watch")


def test_watch_as_a_user(launch, server):
    for words in (("user", "add", "root:pw"), ("role", "add", "root"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
        etcdctl_ok(server, *words)
    argv = [BINARY, "config", "watch", "--endpoints", server.endpoint]
    nobody = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    assert nobody.returncode == 1
    wrong = subprocess.run([*argv, "--user", "root"], capture_output=True, text=True, timeout=PATIENCE_S, env={**machine_environment(), "KEELSON_PASSWORD": "no"})
    assert wrong.returncode == 1 and "authentication failed" in wrong.stderr
    watch = launch.keep(Process([*argv, "--user", "root"], launch.folder / "watch.log", {"KEELSON_PASSWORD": "pw"}))

    def shown():   # the first may have come before it listened
        config(server, "set", "kv.maxmemory", "5mb")
        return "kv.maxmemory = 5mb" in watch.output()
    wait_until(shown, what="the watch")


def test_an_applications_own(server):
    config(server, "set", "app/color", "blue")
    assert config(server, "get", "app/color") == "blue\n"
    assert etcdctl_ok(server, "get", "/keelson/config/app/color") == ["/keelson/config/app/color", "blue"]
    assert "app/color" in config(server, "get")
    config(server, "unset", "app/color")
    wait_until(lambda: "app/color" not in config(server, "get"))
    assert "nothing" in config(server, "unset", "app/color", expect=1)


def test_it_outlives_a_crash(launch, server):
    config(server, "set", "kv.maxmemory-samples", "9")
    server.kill()
    server = launch.keep(Coord(server.folder, {"kv.maxmemory-samples": "7"}))
    wait_until(lambda: in_kv(server, "maxmemory-samples") == "9")
    assert "9" in config(server, "get", "kv.maxmemory-samples")


def test_the_endpoint(server):
    def curl(method: str, query: str, body: str = "", expect: int = 200):
        done = subprocess.run(["curl", "-sS", "-X", method, "-w", "\n%{http_code}", *(["-d", body] if body else []),
                               f"http://127.0.0.1:{server.http_port}/admin/config{query}"], capture_output=True, text=True, check=True)
        answer, code = done.stdout.rsplit("\n", 1)
        assert int(code) == expect, done.stdout
        return json.loads(answer)
    entries = curl("GET", "")
    assert all(one["setting"] for one in entries) and not any(one["name"] == "kv.password" for one in entries)
    assert curl("PUT", "?name=kv.maxmemory&check", "1gb") == {}
    assert "error" in curl("PUT", "?name=kv.maxmemory&check", "x", expect=400)
    assert curl("GET", "?name=kv.maxmemory")["in_force"] == "0"
    assert curl("PUT", "?name=kv.maxmemory", "1gb")["revision"] > 1
    assert curl("DELETE", "?name=kv.maxmemory") == {}
    curl("DELETE", "?name=kv.maxmemory", expect=404)
    curl("GET", "?name=" + urllib.parse.quote("nö/thing"), expect=404)
    curl("PUT", "", "1", expect=400)


def test_the_password(launch):
    server = launch.keep(Coord(launch.folder / "guarded", {"http.password": "open sesame"}))
    assert "--password-file" in config(server, "get", expect=1)
    config(server, "set", "kv.maxmemory-samples", "6", env={"KEELSON_PASSWORD": "open sesame"})
