"""A RESP client that hides nothing: every reply keeps its type, and any bytes can be sent.

Replies: Status, Error, int, bytes, None, list, Map, Set, Push, float, bool, Verbatim, BigNumber; NullArray where RESP2 says *-1.
"""
import socket


class Status(str):
    pass


class Error(str):
    """An error reply; not an exception, since tests compare it."""


class Map(list):
    """Pairs in the order sent."""


class Set(list):
    pass


class Push(list):
    pass


class Verbatim(bytes):
    pass


class BigNumber(int):
    pass


class NullArray:
    def __eq__(self, other):
        return isinstance(other, NullArray)

    def __hash__(self):
        return 0

    def __repr__(self):
        return "NullArray"


def to_bytes(part) -> bytes:
    if isinstance(part, bytes):
        return part
    if isinstance(part, float):
        return repr(part).encode()
    return str(part).encode()


def encode(*parts) -> bytes:
    out = [b"*%d\r\n" % len(parts)]
    for part in map(to_bytes, parts):
        out.append(b"$%d\r\n%s\r\n" % (len(part), part))
    return b"".join(out)


class Closed(ConnectionError):
    pass


class Connection:
    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = 20.0, protocol: int = 2, tls=None):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.position = 0
        if protocol != 2:
            reply = self.call("HELLO", protocol)
            assert not isinstance(reply, Error), reply

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, *parts) -> None:
        self.send_raw(encode(*parts))

    def call(self, *parts):
        self.send(*parts)
        return self.read()

    def ok(self, *parts):
        """Like call(), for set-up: an error reply fails the test."""
        reply = self.call(*parts)
        assert not isinstance(reply, Error), f"{parts}: {reply}"
        return reply

    def pipeline_send(self, commands) -> None:
        self.send_raw(b"".join(encode(*command) for command in commands))

    def pipeline(self, commands) -> list:
        commands = list(commands)
        self.pipeline_send(commands)
        return [self.read() for _ in commands]

    def _fill(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed("the server closed the connection")
        self.buffer = self.buffer[self.position:] + data
        self.position = 0

    def _line(self) -> bytes:
        while True:
            end = self.buffer.find(b"\r\n", self.position)
            if end >= 0:
                line = self.buffer[self.position:end]
                self.position = end + 2
                return line
            self._fill()

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) - self.position < count + 2:
            self._fill()
        data = self.buffer[self.position:self.position + count]
        assert self.buffer[self.position + count:self.position + count + 2] == b"\r\n"
        self.position += count + 2
        return data

    def read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return Status(rest.decode(errors="surrogateescape"))
        if kind == b"-":
            return Error(rest.decode(errors="surrogateescape"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest))
        if kind == b"*":
            return NullArray() if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return Map((self.read(), self.read()) for _ in range(int(rest)))
        if kind == b"~":
            return Set(self.read() for _ in range(int(rest)))
        if kind == b">":
            return Push(self.read() for _ in range(int(rest)))
        if kind == b"_":
            return None
        if kind == b"#":
            return {b"t": True, b"f": False}[rest]
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return BigNumber(int(rest))
        if kind == b"=":
            return Verbatim(self._exactly(int(rest))[4:])
        if kind == b"!":
            return Error(self._exactly(int(rest)).decode(errors="surrogateescape"))
        raise AssertionError(f"no RESP reply begins so: {line!r}")

    def is_closed_by_peer(self, timeout_s: float = 10.0) -> bool:
        """Reads on until the peer closes; False if it has not within the time."""
        self.socket.settimeout(timeout_s)
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
