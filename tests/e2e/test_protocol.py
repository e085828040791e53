"""Raw bytes: well-formed, odd and hostile. Each goes to redis-server too, and the answers must be the same bytes."""
import random
import socket

import pytest

from node import wait_until
from resp import Connection, Error, Map, Push, encode

pytestmark = pytest.mark.sanitized

# Each is sent on a connection of its own; what comes back until the server closes or has answered PING is compared.
PAYLOADS = {
    "a command": b"*1\r\n$4\r\nPING\r\n",
    "inline": b"PING\r\n",
    "inline with a bare newline": b"PING\n",
    "inline with quotes": b'SET k "a b\\x41\\n" \r\nGET k\r\n',
    "inline with single quotes": b"SET k 'it''s'\r\n",
    "inline with unbalanced quotes": b'SET k "a\r\nPING\r\n',
    "inline, empty lines": b"\r\n\r\nPING\r\n",
    "inline, blanks": b"   PING   \r\n",
    "empty array": b"*0\r\n*1\r\n$4\r\nPING\r\n",
    "null array": b"*-1\r\n*1\r\n$4\r\nPING\r\n",
    "very negative array": b"*-100\r\nPING\r\n",
    "array with no number": b"*\r\n",
    "array with a word": b"*x\r\n",
    "array with blanks": b"* 1\r\n$4\r\nPING\r\n",
    "array with plus": b"*+1\r\n$4\r\nPING\r\n",
    "array with a leading zero": b"*01\r\n$4\r\nPING\r\n",
    "array far too long": b"*99999999999999999999\r\n",
    "array of 2^31": b"*2147483648\r\n",
    "no bulk": b"*1\r\nPING\r\n",
    "bulk of another type": b"*1\r\n:4\r\nPING\r\n",
    "negative bulk": b"*1\r\n$-1\r\n",
    "bulk with no number": b"*1\r\n$\r\n",
    "bulk with a word": b"*1\r\n$x\r\n",
    "bulk too long": b"*1\r\n$536870913\r\n",
    "bulk far too long": b"*1\r\n$99999999999999999999\r\n",
    "bulk of 2^63": b"*1\r\n$9223372036854775808\r\n",
    "bulk with other bytes for CRLF": b"*2\r\n$4\r\nECHO\r\n$1\r\nxyz*1\r\n$4\r\nPING\r\n",
    "nested array": b"*1\r\n*1\r\n$4\r\nPING\r\n",
    "a RESP3 map": b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    "HTTP GET": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP POST": b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP Host alone": b"Host: localhost\r\n",
    "an unknown command": encode("NOSUCH", "a", "b"),
    "an unknown command with many arguments": encode("NOSUCH", *["argument" * 5] * 40),
    "an unknown command with odd bytes": encode(b"no\r\nsuch", b"\r\n\xff"),
    "an empty command name": encode("", "x"),
    "an unknown subcommand": encode("CONFIG", "NOSUCH"),
    "HELLO": encode("HELLO", "4"),
    "HELLO with a word": encode("HELLO", "x"),
    "HELLO with a bad option": encode("HELLO", "3", "NOSUCH", "x"),
    "HELLO with wrong AUTH": encode("HELLO", "3", "AUTH", "nobody", "x"),
    "AUTH without a password set": encode("AUTH", "x"),
    "a long inline line": b"x" * (64 * 1024 + 10),
    "a long count line": b"*" + b"1" * (64 * 1024 + 10),
    "many commands at once": encode("INCR", "n") * 5000,
    "a big argument": encode("ECHO", b"x" * 3_000_000),
    "quit": encode("QUIT") + encode("PING"),
    "reset": encode("MULTI") + encode("RESET") + encode("PING"),
    "commands after an error": encode("NOSUCH") + encode("SET", "k", "v") + encode("GET", "k") + encode("LPUSH", "k", "x"),
    "subscribed under RESP2": encode("SUBSCRIBE", "c") + encode("GET", "k") + encode("PING") + encode("PING", "x") + encode("UNSUBSCRIBE"),
    "multi errors": encode("EXEC") + encode("DISCARD") + encode("MULTI") + encode("MULTI") + encode("WATCH", "k") + encode("NOSUCH") + encode("EXEC"),
}


@pytest.fixture(scope="module")
def both(launch_shared, server):
    return launch_shared.redis(folder="peer"), server


def answer(program, payload: bytes) -> bytes:
    with Connection(program.port, timeout_s=20) as connection:
        connection.send_raw(payload + b"\r\n*2\r\n$4\r\nECHO\r\n$7\r\nthe-end\r\n")
        got = b""
        connection.socket.settimeout(1.5)
        try:
            while not got.endswith(b"the-end\r\n"):
                data = connection.socket.recv(1 << 20)
                if not data:
                    return got + b"<closed>"
                got += data
        except TimeoutError:
            return got + b"<waits>"
        except ConnectionError:
            return got + b"<closed>"
        return got


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_answer_is_that_of_redis(both, name):
    expected, got = (answer(program, PAYLOADS[name]) for program in both)
    assert expected == got


@pytest.mark.parametrize("payload", [b"\x00\x00\x00\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n",
                                     b"*1048577\r\n", encode(b"no\x00such", b"\x00")], ids=["zeros", "TLS client hello", "too many words", "a name with a zero"])
@pytest.mark.keelson_only
def test_bytes_that_redis_takes_otherwise_are_refused(server, payload):
    """Redis stops at a zero byte, as C does, and takes any number of words; here these are errors."""
    with server.connect() as connection:
        connection.send_raw(payload)
        assert isinstance(connection.read(), Error)


def test_bytes_one_by_one(server, connection):
    for byte in encode("SET", "key", "value") + b"GET key\r\n":
        connection.send_raw(bytes([byte]))
    assert connection.read() == "OK" and connection.read() == b"value"


def test_commands_cut_anywhere(server, connection):
    stream = encode("SET", "k", "v" * 100) + b"PING\r\n" + encode("GET", "k") + encode("ECHO", b"\r\n$3\r\n")
    chance = random.Random(3)
    for _ in range(300):
        left = stream
        while left:
            size = chance.randrange(1, 60)
            connection.send_raw(left[:size])
            left = left[size:]
        assert [connection.read() for _ in range(4)] == ["OK", "PONG", b"v" * 100, b"\r\n$3\r\n"]


def test_random_bytes_break_nothing(server):
    chance = random.Random(11)
    for _ in range(400):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            pieces = [chance.randbytes(chance.randrange(1, 300)),
                      b"*%d\r\n$%d\r\n" % (chance.randrange(-5, 2000), chance.randrange(-5, 2000)),
                      bytearray(encode("SET", "random", chance.randbytes(20)))]
            chance.shuffle(pieces)
            mutated = bytearray(b"".join(pieces))
            for _ in range(chance.randrange(5)):
                mutated[chance.randrange(len(mutated))] = chance.randrange(256)
            try:
                raw.sendall(mutated)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            except ConnectionError:
                pass
    with server.connect() as connection:
        assert connection.call("PING") == "PONG"


def test_deep_pipelines_are_answered_in_order(server, connection):
    count = 20000
    connection.send_raw(b"".join(encode("ECHO", i) + encode("INCR", f"k{i % 100}") for i in range(count)))
    for i in range(count):
        assert connection.read() == str(i).encode()
        assert connection.read() == i // 100 + 1


def test_hello_and_resp3(server):
    with server.connect(protocol=2) as connection:
        told = connection.ok("HELLO")
        fields = dict(zip(told[::2], told[1::2]))
        assert fields[b"server"] == b"redis" and fields[b"proto"] == 2 and fields[b"role"] == b"master"
        told = connection.ok("HELLO", 3, "SETNAME", "me")
        assert isinstance(told, Map) and dict(map(tuple, told))[b"proto"] == 3
        assert connection.ok("CLIENT", "GETNAME") == b"me"
        connection.send("SUBSCRIBE", "c")
        assert connection.read() == Push([b"subscribe", b"c", 1])
        assert connection.ok("PUBLISH", "c", "x") in (1, Push([b"message", b"c", b"x"]))
        got = connection.read()
        assert got in (1, Push([b"message", b"c", b"x"]))
        assert connection.call("SET", "k", "v") == "OK"   # RESP3 takes every command while subscribed


def test_half_open(server):
    """A client that has finished sending still gets its answers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(encode("ECHO", "x" * 100000) * 20)
        raw.shutdown(socket.SHUT_WR)
        received = 0
        while data := raw.recv(1 << 20):
            received += len(data)
        assert received == 20 * len(b"$100000\r\n" + b"x" * 100000 + b"\r\n")


def test_clients_that_vanish(server):
    for i in range(200):
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")   # close() sends RST
        raw.sendall([b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100", encode("BLPOP", f"never{i}", 0), encode("LRANGE", "l", 0, -1) * 50,
                     encode("SUBSCRIBE", "c"), encode("MULTI") + encode("SET", "a", "b"), encode("MONITOR")][i % 6])
        raw.close()
    with server.connect() as connection:
        wait_until(lambda: b"connected_clients:1\r" in connection.ok("INFO", "clients"))
        assert b"blocked_clients:0\r" in connection.ok("INFO", "clients")
        assert connection.ok("PUBLISH", "c", "x") == 0


def test_client_commands(server, connection):
    with server.connect() as other:
        other.ok("CLIENT", "SETNAME", "victim")
        victim = other.ok("CLIENT", "ID")
        assert f"id={victim} " in connection.ok("CLIENT", "LIST", "ID", victim).decode()
        assert connection.ok("CLIENT", "KILL", "ID", victim) == 1
        assert other.is_closed_by_peer()
    with server.connect() as quiet:
        quiet.send("CLIENT", "REPLY", "SKIP")
        quiet.send("SET", "k", "1")
        quiet.send("CLIENT", "REPLY", "OFF")
        quiet.send("INCR", "k")
        quiet.send("CLIENT", "REPLY", "ON")
        assert quiet.read() == "OK" and quiet.call("GET", "k") == b"2"
    with server.connect() as paused:
        connection.ok("CLIENT", "PAUSE", 300, "WRITE")
        assert paused.call("GET", "k") == b"2"
        assert paused.call("INCR", "k") == 3
        connection.ok("CLIENT", "UNPAUSE")
    assert isinstance(connection.call("CLIENT", "SETNAME", "two words"), Error)


def test_monitor(server, connection):
    with server.connect() as watcher:
        assert watcher.call("MONITOR") == "OK"
        connection.ok("SET", "k", 'quo"te')
        line = watcher.read()
        assert line.endswith('"SET" "k" "quo\\"te"') and " [0 127.0.0.1:" in line
