"""S3's wire by hand: requests signed here (signature version 4, written from the specification), so that tests can bend them.

    answer = ask(server, signed(server, "PUT", "/bucket/key", body=b"x"))
"""
import datetime
import hashlib
import hmac
import http.client
import socket
from dataclasses import dataclass, field
from urllib.parse import quote

from node import PATIENCE_S
from s3_server import KEY, SECRET

REGION = "us-east-1"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass
class Request:
    method: str
    target: str                 # path and query, as they go over the wire
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    signature: str = ""         # of the head: the seed of signed chunks
    signing_key: bytes = b""
    date: str = ""

    def head(self, length: int | None = None) -> bytes:
        headers = {**self.headers, "Content-Length": str(len(self.body) if length is None else length)}
        lines = [f"{self.method} {self.target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def wire(self) -> bytes:
        return self.head() + self.body


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        return self.body.split(b"<Code>")[1].split(b"</Code>")[0].decode() if b"<Code>" in self.body else "none"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def key_of(secret: str, day: str) -> bytes:
    return _hmac(_hmac(_hmac(_hmac(("AWS4" + secret).encode(), day), REGION), "s3"), "aws4_request")


def path_of(bucket: str, key: bytes | str = b"") -> str:
    key = key.encode() if isinstance(key, str) else key
    return f"/{bucket}/" + quote(key, safe="/-_.~")


def stamp(shift_s: float = 0) -> str:
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=shift_s)).strftime("%Y%m%dT%H%M%SZ")


def signed(server, method: str, path: str, query=(), headers=None, body: bytes = b"", payload: str | None = None, date: str | None = None,
           key: str = KEY, secret: str = SECRET) -> Request:
    """`path` is percent-encoded, `query` are pairs that are not. `payload`: what x-amz-content-sha256 says, if not the body's hash."""
    date = date or stamp()
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    query_text = "&".join(f"{name}={value}" for name, value in pairs)
    payload = payload or hashlib.sha256(body).hexdigest()
    wanted = {"host": f"127.0.0.1:{server.s3_port}", "x-amz-content-sha256": payload, "x-amz-date": date, **(headers or {})}
    names = sorted(wanted)
    canonical = "\n".join([method, path, query_text, *(f"{name}:{' '.join(str(wanted[name]).split())}" for name in names), "", ";".join(names),
                           payload])
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    signing_key = key_of(secret, date[:8])
    signature = _hmac(signing_key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}").hex()
    wanted["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return Request(method, path + ("?" + query_text if query_text else ""), wanted, body, signature, signing_key, date)


def signed_chunks(request: Request, pieces, trailers: dict | None = None) -> bytes:
    """The body of a request whose payload is STREAMING-AWS4-HMAC-SHA256-PAYLOAD or, with `trailers`, -TRAILER."""
    scope = f"{request.date[:8]}/{REGION}/s3/aws4_request"
    before, out = request.signature, []
    for piece in [*pieces, b""]:
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{request.date}\n{scope}\n{before}\n{EMPTY_SHA256}\n{hashlib.sha256(piece).hexdigest()}"
        before = _hmac(request.signing_key, text).hex()
        out.append(f"{len(piece):x};chunk-signature={before}\r\n".encode() + (piece + b"\r\n" if piece else b""))
    if trailers:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        text = f"AWS4-HMAC-SHA256-TRAILER\n{request.date}\n{scope}\n{before}\n{hashlib.sha256(lines.encode()).hexdigest()}"
        out.append(lines.replace("\n", "\r\n").encode() + f"x-amz-trailer-signature:{_hmac(request.signing_key, text).hex()}\r\n".encode())
    return b"".join(out) + b"\r\n"


def connect(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.s3_port), timeout=PATIENCE_S)


def read_answer(connection: socket.socket, method: str = "GET") -> Answer:
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return Answer(answer.status, answer.headers, answer.read())


def send_all(connection: socket.socket, data: bytes) -> None:
    """A server that has answered and closed may not take all of it; the answer is there to be read all the same."""
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def ask(server, request: Request) -> Answer:
    with connect(server) as connection:
        send_all(connection, request.wire())
        return read_answer(connection, request.method)
