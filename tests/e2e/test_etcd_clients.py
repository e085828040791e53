"""etcd's clients for Node.js and Python, unmodified, and its JSON gateway by curl."""
import base64
import json
import os
import socket
import subprocess

import pytest

from etcd_api import Api
from etcd_server import coord_server, etcdctl_ok, not_redis
from node import PATIENCE_S, ROOT, machine_environment

pytestmark = not_redis
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def server(launch):
    return coord_server(launch)


def run_suite(argv, env=None) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=PATIENCE_S * 4, env={**machine_environment(), **(env or {})})
    assert done.returncode == 0 and "not ok" not in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_node_etcd3(server):
    folder = os.environ.get("KEELSON_NODE_FOLDER", ROOT / "build" / "node")
    said = run_suite(["node", ROOT / "tests/e2e/etcd_suite.mjs", server.endpoint], {"KEELSON_NODE_FOLDER": str(folder)})
    assert said.count("ok ") == 9


def test_python_etcd3(server):
    port = server.endpoint.rsplit(":", 1)[1]
    said = run_suite([SYSTEM_PYTHON, ROOT / "tests/e2e/etcd_suite.py", port])
    assert said.count("ok ") == 6


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Gateway:
    def __init__(self, server):
        self.base = f"http://{server.endpoint}"

    def post(self, path: str, body="{}", expect: int = 200, headers=()):
        body = body if isinstance(body, str) else json.dumps(body)
        done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), "-w", "\n%{http_code}", "-d", body, *(f"-H{one}" for one in headers),
                               self.base + path], capture_output=True, text=True, check=True)
        answer, code = done.stdout.rsplit("\n", 1)
        assert int(code) == expect, (path, body, done.stdout)
        return json.loads(answer) if answer.strip() else None


def test_gateway(server):
    gateway = Gateway(server)
    assert gateway.post("/v3/kv/put", {"key": text("a"), "value": text("1")})["header"]["revision"] == "2"
    got = gateway.post("/v3/kv/range", {"key": text("a")})
    assert got["count"] == "1" and got["kvs"][0]["value"] == text("1") and got["kvs"][0]["create_revision"] == "2"
    assert "kvs" not in gateway.post("/v3/kv/range", {"key": text("none")})
    done = gateway.post("/v3/kv/txn", {"compare": [{"key": text("a"), "target": "VALUE", "value": text("1"), "result": "EQUAL"}],
                                       "success": [{"requestPut": {"key": text("a"), "value": text("2")}}],
                                       "failure": [{"request_range": {"key": text("a")}}]})
    assert done["succeeded"] is True
    assert gateway.post("/v3/kv/deleterange", {"key": text("a"), "prev_kv": True})["prev_kvs"][0]["value"] == text("2")
    lease = gateway.post("/v3/lease/grant", {"TTL": "60"})
    assert lease["TTL"] == "60"
    gateway.post("/v3/kv/put", {"key": text("leased"), "value": text("x"), "lease": lease["ID"]})
    assert gateway.post("/v3/lease/keepalive", {"ID": lease["ID"]})["result"]["TTL"] == "60"
    assert gateway.post("/v3/lease/timetolive", {"ID": lease["ID"], "keys": True})["keys"] == [text("leased")]
    assert gateway.post("/v3/lease/leases")["leases"][0]["ID"] == lease["ID"]
    gateway.post("/v3/lease/revoke", {"ID": lease["ID"]})
    assert gateway.post("/v3/cluster/member/list")["members"][0]["ID"]
    assert gateway.post("/v3/maintenance/status")["version"].startswith("3.")
    revision = gateway.post("/v3/kv/range", {"key": text("a")})["header"]["revision"]
    gateway.post("/v3/kv/compaction", {"revision": revision})
    refused = gateway.post("/v3/kv/range", {"key": text("a"), "revision": "2"}, expect=400)
    assert refused["code"] == 11 and "compacted" in refused["error"]
    assert gateway.post("/v3/kv/put", "{}", expect=400)["error"] == "etcdserver: key is not provided"
    gateway.post("/v3/kv/put", "{\"key\": 5", expect=400)
    done = subprocess.run(["curl", "-sS", "-o/dev/null", "-w", "%{http_code}", "-d", "{}", f"{gateway.base}/v3/kv/nothing"], capture_output=True, text=True)
    assert done.stdout == "404"


def test_gateway_locks_and_elections(server):
    gateway = Gateway(server)
    lease = gateway.post("/v3/lease/grant", {"TTL": 60})["ID"]
    held = gateway.post("/v3/lock/lock", {"name": text("door"), "lease": lease})["key"]
    assert base64.b64decode(held) == b"door/%x" % int(lease)
    gateway.post("/v3/lock/unlock", {"key": held})
    leader = gateway.post("/v3/election/campaign", {"name": text("chair"), "lease": lease, "value": text("one")})["leader"]
    assert gateway.post("/v3/election/leader", {"name": text("chair")})["kv"]["value"] == text("one")
    gateway.post("/v3/election/proclaim", {"leader": leader, "value": text("more")})
    assert gateway.post("/v3/election/leader", {"name": text("chair")})["kv"]["value"] == text("more")
    gateway.post("/v3/election/resign", {"leader": leader})


def test_gateway_watch(server):
    """A stream of answers, one JSON object a line."""
    gateway = Gateway(server)
    gateway.post("/v3/kv/put", {"key": text("a"), "value": text("1")})
    body = json.dumps({"create_request": {"key": text("a"), "start_revision": "2"}})
    curl = subprocess.Popen(["curl", "-sSN", "-d", body, gateway.base + "/v3/watch"], stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(curl.stdout.readline())["result"]["created"] is True
        assert json.loads(curl.stdout.readline())["result"]["events"][0]["kv"]["value"] == text("1")
        gateway.post("/v3/kv/deleterange", {"key": text("a")})
        assert json.loads(curl.stdout.readline())["result"]["events"][0]["type"] == "DELETE"
    finally:
        curl.kill()
        curl.wait()


def test_gateway_auth(server):
    gateway = Gateway(server)
    gateway.post("/v3/auth/user/add", {"name": "root", "password": "pw"})
    gateway.post("/v3/auth/role/add", {"name": "root"})
    gateway.post("/v3/auth/user/grant", {"user": "root", "role": "root"})
    gateway.post("/v3/auth/enable")
    assert "user name is empty" in gateway.post("/v3/kv/put", {"key": text("a")}, expect=400)["error"]
    token = gateway.post("/v3/auth/authenticate", {"name": "root", "password": "pw"})["token"]
    gateway.post("/v3/kv/put", {"key": text("a")}, headers=[f"Authorization: {token}"])
    gateway.post("/v3/auth/disable", headers=[f"Authorization: {token}"])


def test_health_and_version(server):
    """What load balancers and monitoring ask etcd for on the same port."""
    def get(path):
        return json.loads(subprocess.run(["curl", "-sS", f"http://{server.endpoint}{path}"], capture_output=True, text=True, check=True).stdout)
    assert get("/health")["health"] == "true"
    assert set(get("/version")) == {"etcdserver", "etcdcluster"}


def test_hostile_bytes(server):
    """What comes on the port may be anything; the server answers others as before."""
    greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\0\0\0\4\0\0\0\0\0"
    attacks = [b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{", os.urandom(5000),
               greeting + os.urandom(500), greeting + settings + b"\xff\xff\xff\0\0\0\0\0\1", greeting + settings + b"\0\0\4\3\0\0\0\0\1\0\0\0\0" * 1000,
               greeting + settings + b"\0\0\0\1\5\0\0\0\1", b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)]
    for attack in attacks:
        with socket.create_connection(server.endpoint.split(":"), timeout=5) as connection:
            try:
                connection.sendall(attack)
                connection.settimeout(0.2)
                connection.recv(65536)
            except OSError:
                pass
    assert server.running
    assert etcdctl_ok(server, "put", "still", "here") == ["OK"]


def test_hostile_messages(server):
    """Frames of gRPC that lie about their length, are compressed, cut off, or no messages."""
    import grpc
    with grpc.insecure_channel(server.endpoint) as channel:
        for body in (b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x7fshort", b"\x07", b"\x0a\x80"):
            for path in ("/etcdserverpb.KV/Txn", "/etcdserverpb.KV/Range", "/etcdserverpb.Lease/LeaseGrant", "/v3electionpb.Election/Campaign"):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(path, None, None)(body, timeout=10)
        deep = b""
        for _ in range(20_000):   # transactions within transactions
            deep = b"\x12" + varint(len(b"\x22" + varint(len(deep)) + deep)) + b"\x22" + varint(len(deep)) + deep
            if len(deep) > 1_000_000:
                break
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/etcdserverpb.KV/Txn", None, None)(deep, timeout=30)
    with Api(server.endpoint) as api:
        assert api.Put(key=b"still").header.revision


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
