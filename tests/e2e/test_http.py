"""The HTTP port with other people's clients: curl, nghttp, raw sockets; HTTP/1.1 and HTTP/2, plain and TLS."""
import os
import re
import socket
import subprocess

import pytest

from node import PATIENCE_S

pytestmark = pytest.mark.keelson_only


def curl(*arguments) -> str:
    done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def raw(port: int, sends: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(sends)
        got = b""
        while data := connection.recv(1 << 16):
            got += data
        return got


@pytest.fixture(scope="module")
def node(launch_shared):
    return launch_shared.keelson({"http.password": "sesame"})


@pytest.fixture(scope="module")
def secure(launch_shared, certificates):
    return launch_shared.keelson({"http.tls.cert": certificates / "server.crt", "http.tls.key": certificates / "server.key"}, folder="secure")


VERSIONS = ["--http1.0", "--http1.1", "--http2", "--http2-prior-knowledge"]


@pytest.mark.sanitized
@pytest.mark.parametrize("version", VERSIONS)
def test_curl_in_every_version(node, version):
    base = f"http://127.0.0.1:{node.http_port}"
    told = {"--http1.0": "1.1", "--http1.1": "1.1", "--http2": "1.1", "--http2-prior-knowledge": "2"}[version]   # an Upgrade is ignored
    assert curl(version, "-w", "%{http_code} %{http_version}", f"{base}/healthz") == f"ok\n200 {told}"
    assert curl(version, "-w", "%{http_code}", f"{base}/nosuch").endswith("404")
    assert curl(version, "-o", os.devnull, "-w", "%{http_code}", f"{base}/metrics") == "401"
    metrics = curl(version, "-u", "x:sesame", f"{base}/metrics")
    assert metrics.endswith("# EOF\n") and len(metrics) > 2000
    head = curl(version, "-I", f"{base}/healthz")
    assert re.search(r"(?im)^content-length: 3$", head) and not head.rstrip().endswith("ok")
    assert curl(version, "-X", "POST", "-o", os.devnull, "-w", "%{http_code}", f"{base}/healthz") == "405"
    # A body that nobody asked for, with and without a length, and one that waits for 100.
    body = "x" * 100_000
    assert curl(version, "-d", body, "-w", "%{http_code}", f"{base}/healthz").endswith("405")
    if version != "--http1.0":
        assert curl(version, "-T", "-", "-w", "%{http_code}", f"{base}/healthz").endswith("405")
    assert curl(version, "-H", "Expect: 100-continue", "-d", body, "-w", "%{http_code}", f"{base}/healthz").endswith("405")


@pytest.mark.sanitized
def test_many_requests_on_one_connection(node, secure):
    # Debian's curl 7.88 cannot reuse a connection of HTTP/2 by prior knowledge (it fails with nginx as well); by ALPN it can.
    for arguments in (["--http1.1", f"http://127.0.0.1:{node.http_port}/healthz"], ["--http2", f"https://127.0.0.1:{secure.http_port}/healthz"]):
        said = curl("-k", "-w", "%{num_connects}\n", arguments[0], *arguments[1:] * 50)
        assert said.count("ok\n") == 50
        assert sum(int(line) for line in said.split() if line.isdigit()) == 1


@pytest.mark.sanitized
def test_tls_and_alpn(secure, certificates):
    url = f"https://127.0.0.1:{secure.http_port}/healthz"
    ca = ["--cacert", certificates / "ca.crt"]
    assert curl(*ca, "--http2", "-w", "%{http_version}", url) == "ok\n2"
    assert curl(*ca, "--http1.1", "-w", "%{http_version}", url) == "ok\n1.1"
    assert curl(*ca, "--no-alpn", "-w", "%{http_version}", url) == "ok\n1.1"
    metrics = curl(*ca, "--http2", f"https://127.0.0.1:{secure.http_port}/metrics")
    assert metrics.endswith("# EOF\n")


@pytest.mark.sanitized
def test_nghttp(node):
    url = f"http://127.0.0.1:{node.http_port}/healthz"
    done = subprocess.run(["nghttp", "-nv", "-m", "20", url], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and done.stdout.count(":status: 200") == 20, done.stdout
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):128" in done.stdout


@pytest.mark.sanitized
def test_h2load(node):
    done = subprocess.run(["h2load", "-n", "2000", "-c", "10", "-m", "20", f"http://127.0.0.1:{node.http_port}/healthz"],
                          capture_output=True, text=True, timeout=4 * PATIENCE_S)
    assert "2000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


@pytest.mark.sanitized
def test_pipelined_requests_and_bad_ones(node):
    ask = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    got = raw(node.http_port, ask * 100 + b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 101 and got.count(b"\r\n\r\nok\n") == 101
    for bad in (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"GET / HTTP/1.1\nHost: h\n\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xf4\x01"):
        got = raw(node.http_port, bad + ask)
        assert got.startswith(b"HTTP/1.1 400 Bad Request\r\n") and got.count(b"HTTP/1.1 ") == 1, bad


@pytest.mark.sanitized
def test_a_stop_ends_open_connections(launch):
    node = launch.keelson()
    with socket.create_connection(("127.0.0.1", node.http_port), timeout=PATIENCE_S) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert idle.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert node.stop() == 0
        assert idle.recv(1 << 16) == b""
