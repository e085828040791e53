"""bench/run blob: Keelson side by side with MinIO and nginx, as S3 clients see them, and with millions of objects. See the report's text.

Peers get the same requests by turns, round after round, so that a machine that is slow for a while is slow for all; a ratio is of
runs of one round. Requests are presigned (the servers check each signature, the load generator signs nothing) and sent by wrk; large
objects go through curl. CPU is utime + stime of the server's processes (/proc/PID/stat, 10 ms steps), by the requests answered. Both
sync what they acknowledge: Keelson by its default, MinIO with MINIO_FS_OSYNC=on and its own fdatasync of each object.
"""
import argparse
import datetime
import hashlib
import hmac
import http.client
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from node import free_port  # noqa: E402

KEELSON = Path(os.environ.get("KEELSON_BINARY", ROOT / "build" / "release" / "keelson"))
MINIO = ROOT / "build" / "peers" / "minio"
MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
BLOB_LOAD = ROOT / "build" / "release" / "bench" / "blob_load"
RESULTS = ROOT / "bench" / "RESULTS-blob.md"
NOTES_HEAD = "## What the profiles say\n"
# What each section has said last, so that sections can be run one by one and the report still be whole.
PARTS = ROOT / "build" / "bench-blob"
SECTIONS = ["minio", "nginx", "limits", "scale"]
CORES = sorted(os.sched_getaffinity(0))
KEY, SECRET, REGION, BUCKET = "BENCHACCESSKEY", "benchsecretkey0123456789", "us-east-1", "bench"
CONNECTIONS = 32
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SMALL = ((4 * KIB, 4000), (64 * KIB, 1500))     # size, different keys
LARGE = (16 * MIB, GIB)
TINY = ((KIB, 4000), (4 * KIB, 4000))           # against nginx
NGINX = """
daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type binary/octet-stream; tcp_nodelay on; sendfile on;
  open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port} reuseport; root {folder}/www; }}
}}
"""


def presign(method: str, host: str, path: str, expires_s: int = 6 * 3600, query: dict[str, str] | None = None) -> str:
    """A presigned URL's path and query (AWS Signature Version 4, query parameters). `query`: the request's own."""
    if "?" in path:
        path, own = path.split("?", 1)
        query = {own: ""}
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    text = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in sorted({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{KEY}/{scope}", "X-Amz-Date": now,
        "X-Amz-Expires": str(expires_s), "X-Amz-SignedHeaders": "host", **(query or {})}.items()))
    canonical = f"{method}\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET).encode()
    for part in (now[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{path}?{text}&X-Amz-Signature={hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()}"


class Server:
    """One of the three, on all cores, in a folder of its own on the disk of the checkout."""

    def __init__(self, name: str, *more: str):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.environment = dict(os.environ)
        if name == "keelson":
            secret = self.folder / "secret"
            secret.write_text(SECRET + "\n")
            self.argv = [KEELSON, "serve", "--data-dir", self.folder / "data", "--kv.listen", "127.0.0.1:0", "--http.listen", "127.0.0.1:0",
                         "--s3.listen", self.host, "--s3.access-key-id", KEY, "--s3.secret-access-key-file", secret, *more]
        elif name == "minio":
            self.environment.update(MINIO_ROOT_USER=KEY, MINIO_ROOT_PASSWORD=SECRET, MINIO_BROWSER="off", MINIO_FS_OSYNC="on", MINIO_UPDATE="off",
                                    MINIO_API_REQUESTS_MAX="10000")
            self.argv = [MINIO, "server", "--quiet", "--address", self.host, self.folder / "data"]
        else:
            (self.folder / "www" / BUCKET).mkdir(parents=True)
            self.folder.chmod(0o755)   # for workers, if the master is root
            (self.folder / "conf").write_text(NGINX.format(folder=self.folder, port=self.port))
            self.argv = ["nginx", "-c", self.folder / "conf"]
        self.log = open(self.folder / "log", "ab")
        self.start()

    def start(self) -> float:
        """Seconds until it is ready."""
        began = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in self.argv], env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_ready()
        return time.monotonic() - began

    def stop(self, how: int = signal.SIGTERM) -> float:
        began = time.monotonic()
        self.process.send_signal(how)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began

    def request(self, method: str, path: str, body: bytes = b"") -> int:
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, presign(method, self.host, path), body)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {(self.folder / 'log').read_text()[-2000:]}")
            try:
                if self.name == "nginx":
                    socket.create_connection(("127.0.0.1", self.port)).close()
                    return
                if self.request("PUT", f"/{BUCKET}") in (200, 409):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"{self.name} was not ready in 60 s: {(self.folder / 'log').read_text()[-2000:]}")

    def processes(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def cpu_s(self) -> float:
        total = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Run:
    per_second: float
    cpu_us: float
    p99_ms: float = 0


# The requests are made before the clock starts.
LUA = """
local requests = {}
local body = %(body)s
init = function()
  for line in io.lines("%(paths)s") do requests[#requests + 1] = wrk.format("%(method)s", line, nil, body) end
end
local next_request = 0
request = function()
  next_request = next_request %% #requests + 1
  return requests[next_request]
end
done = function(summary, latency, requests)
  io.write(string.format("p99_us %%d\\n", latency:percentile(99)))
end
"""


def small(server: Server, method: str, size: int, keys: int, seconds: int, is_signed: bool = True) -> Run:
    paths = server.folder / "paths"
    names = [f"/{BUCKET}/o{size}/{index:06}" for index in range(keys)]
    paths.write_text("\n".join(presign(method, server.host, name) if is_signed else name for name in names))
    script = server.folder / "load.lua"
    body = f'string.rep("keelson-", {size // 8})' if method == "PUT" else "nil"
    script.write_text(LUA % {"paths": paths, "method": method, "body": body})
    before = server.cpu_s()
    done = subprocess.run(["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "30s", "-s", str(script), f"http://{server.host}/"],
                          capture_output=True, text=True)
    cpu = server.cpu_s() - before
    found = re.search(r"(\d+) requests in", done.stdout)
    if not found or "Non-2xx" in done.stdout or re.search(r"Socket errors: connect [1-9]", done.stdout):
        raise SystemExit(f"wrk against {server.name} said: {done.stdout}{done.stderr}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    return Run(rate, cpu / int(found[1]) * 1e6, int(re.search(r"p99_us (\d+)", done.stdout)[1]) / 1000)


def fill(server: Server, size: int, keys: int) -> None:
    body = b"keelson-" * (size // 8)
    connection = http.client.HTTPConnection(server.host, timeout=60)
    for index in range(keys):
        connection.request("PUT", presign("PUT", server.host, f"/{BUCKET}/o{size}/{index:06}"), body)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"{server.name} answered {answer.status} to a PUT")
    connection.close()


def large(server: Server, method: str, size: int, source: Path) -> Run:
    """MiB/s and CPU for each MiB; the total is 1 GiB."""
    count = max(1, GIB // size)
    urls = [f"http://{server.host}" + presign(method, server.host, f"/{BUCKET}/large{size}/{index}") for index in range(count)]
    config = server.folder / "curl"
    config.write_text("\n".join(f'url = "{url}"\n' + (f'upload-file = "{source}"' if method == "PUT" else 'output = "/dev/null"') for url in urls) +
                      '\nfail\nsilent\nshow-error\nheader = "Expect:"\n')
    before, began = server.cpu_s(), time.monotonic()
    done = subprocess.run(["curl", "-K", str(config)], capture_output=True, text=True)
    took, cpu = time.monotonic() - began, server.cpu_s() - before
    if done.returncode != 0:
        raise SystemExit(f"curl against {server.name} said: {done.stderr[:500]}")
    return Run(count * size / MIB / took, cpu / (count * size / MIB) * 1e6)


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def verdict(value: float, most: float | None = None, least: float | None = None) -> str:
    good = value <= most if most is not None else value >= least
    return (f"<= {most}" if most is not None else f">= {least}") + ": " + ("yes" if good else "**no**")


def size_text(size: int) -> str:
    return f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"


class Source:
    """A file of random bytes for a while."""

    def __init__(self, size: int):
        self.path = Path(tempfile.mkstemp(prefix="keelson-bench-", dir=ROOT / "build")[1])
        with open(self.path, "wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_):
        self.path.unlink()


def markdown(rows: list[list]) -> str:
    lines = [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines) + "\n"


# --- sections: each returns its text ---------------------------------------------------------------------------------

def minio(options) -> str:
    if not MINIO.exists():
        print(f"building {MINIO_MODULE} into build/peers (some minutes)", flush=True)
        subprocess.run(["go", "install", MINIO_MODULE], env={**os.environ, "GOBIN": str(MINIO.parent)}, check=True)
    sizes = [int(size) for size in options.sizes.split(",")]
    runs: dict = {}   # runs[(method, size)][server] is a list, a run for each round

    def note(turn: int, name: str, method: str, size: int, run: Run) -> None:
        runs.setdefault((method, size), {}).setdefault(name, []).append(run)
        print(f"  {turn + 1}/{options.rounds} {name} {method} {size_text(size)}: {run}", flush=True)

    with Source(LARGE[0]) as medium, Source(LARGE[1]) as large_source:
        for turn in range(options.rounds):
            for name in ("keelson", "minio"):
                with Server(name) as server:
                    for size, keys in SMALL:
                        if size in sizes:
                            fill(server, size, keys)
                            for method in ("PUT", "GET"):
                                small(server, method, size, keys, 1)
                                note(turn, name, method, size, small(server, method, size, keys, options.seconds))
                    for size, source in zip(LARGE, (medium, large_source)):
                        if size in sizes:
                            for method in ("PUT", "GET"):
                                note(turn, name, method, size, large(server, method, size, source))
                    print(f"  {name}: {server.resident_mib():.0f} MiB resident", flush=True)
    rows = [["", "minio", "keelson", "ratio", "goal", "minio CPU", "keelson CPU", "CPU ratio", "goal", "p99 ratio"]]
    for (method, size), of in sorted(runs.items(), key=lambda item: (item[0][1], item[0][0])):
        is_large = size in LARGE
        ours, theirs = of["keelson"], of["minio"]
        faster = [mine.per_second / other.per_second for mine, other in zip(ours, theirs)]
        cost = [mine.cpu_us / other.cpu_us for mine, other in zip(ours, theirs)]
        p99 = "" if is_large else spread([mine.p99_ms / other.p99_ms for mine, other in zip(ours, theirs)])
        unit, per = ("MiB/s", "us/MiB") if is_large else ("/s", "us")
        rows.append([f"{method} {size_text(size)}", f"{median(run.per_second for run in theirs):,.0f} {unit}", f"{median(run.per_second for run in ours):,.0f} {unit}",
                     spread(faster), verdict(median(faster), least=1.3 if is_large else 2.0),
                     f"{median(run.cpu_us for run in theirs):,.0f} {per}", f"{median(run.cpu_us for run in ours):,.0f} {per}", spread(cost),
                     "" if is_large else verdict(median(cost), most=0.5), p99])
    return (f"## With MinIO\n\nSmall objects: wrk with {CONNECTIONS} connections and presigned requests, sharing the cores with the server. Large ones: curl, one after "
            "another, 1 GiB in all.\n\n" + markdown(rows))


PUBLIC = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}]})


def nginx(options) -> str:
    runs: dict = {}   # runs[size][who] is a list, a run for each round
    for turn in range(options.rounds):
        for name in ("keelson", "nginx"):
            with Server(name) as server:
                if name == "keelson" and server.request("PUT", f"/{BUCKET}?policy", PUBLIC.encode()) != 204:
                    raise SystemExit("the policy was refused")
                for size, keys in TINY:
                    if name == "keelson":
                        fill(server, size, keys)
                    else:
                        folder = server.folder / "www" / BUCKET / f"o{size}"
                        folder.mkdir()
                        for index in range(keys):
                            (folder / f"{index:06}").write_bytes(b"keelson-" * (size // 8))
                    for is_signed in (False, True) if name == "keelson" else (False,):
                        who = "keelson, presigned" if is_signed else name
                        small(server, "GET", size, keys, 1, is_signed)
                        runs.setdefault(size, {}).setdefault(who, []).append(small(server, "GET", size, keys, options.seconds, is_signed))
                        print(f"  {turn + 1}/{options.rounds} {who} {size_text(size)}: {runs[size][who][-1]}", flush=True)
    rows = [["", "requests/s", "CPU us", "by nginx's", "goal", "CPU by nginx's", "p99 ms"]]
    for size, of in runs.items():
        for who, mine in of.items():
            row = [f"GET {size_text(size)}, {who}", f"{median(run.per_second for run in mine):,.0f}", f"{median(run.cpu_us for run in mine):.1f}"]
            if who == "nginx":
                row += ["", "", ""]
            else:
                faster = [run.per_second / other.per_second for run, other in zip(mine, of["nginx"])]
                cost = [run.cpu_us / other.cpu_us for run, other in zip(mine, of["nginx"])]
                row += [spread(faster), "" if "presigned" in who else verdict(median(faster), least=0.8), spread(cost)]
            rows.append([*row, f"{median(run.p99_ms for run in mine):.2f}"])
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().rsplit("/", 1)[-1]
    return (f"## GET of small objects, with nginx {version} serving files\n\nwrk, one thread, {CONNECTIONS} connections, sharing the cores with the server; {TINY[0][1]:,} different "
            "objects. nginx: a worker for each core, sendfile, open_file_cache, no access log. Keelson: a bucket whose policy lets everybody read; then the same requests "
            "presigned, each signature checked.\n\n" + markdown(rows))


def dd(*arguments: str) -> float:
    """MiB/s for 1 GiB."""
    began = time.monotonic()
    subprocess.run(["dd", "bs=1M", "count=1024", *arguments], capture_output=True, check=True)
    return 1024 / (time.monotonic() - began)


def loopback_mib_s() -> float:
    """One connection, 256 KiB a call, each end in a process of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    total = 4 * GIB
    child = os.fork()
    if child == 0:
        sender = socket.create_connection(listener.getsockname())
        piece = memoryview(bytearray(256 * KIB))
        for _ in range(total // len(piece)):
            sender.sendall(piece)
        os._exit(0)
    receiver, _ = listener.accept()
    into = memoryview(bytearray(256 * KIB))
    began = time.monotonic()
    got = 0
    while count := receiver.recv_into(into):
        got += count
    took = time.monotonic() - began
    os.waitpid(child, 0)
    receiver.close()
    listener.close()
    return got / MIB / took


def limits(options) -> str:
    runs: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        runs.setdefault(what, []).append(value)
        print(f"  {what}: {value:,.0f} MiB/s", flush=True)

    target = ROOT / "build" / "keelson-bench-dd"
    with Source(GIB) as source:
        for _ in range(options.rounds):
            try:
                note("write", dd("if=/dev/zero", f"of={target}", "conv=fdatasync"))
                note("read", dd(f"if={target}", "of=/dev/null"))
            finally:
                target.unlink(missing_ok=True)
            note("loopback", loopback_mib_s())
            with Server("keelson") as server:
                for size in LARGE:
                    for method in ("PUT", "GET"):
                        if size == GIB:
                            note(f"{method} {size_text(size)}", large(server, method, size, source).per_second)
                        else:
                            with Source(size) as medium:
                                note(f"{method} {size_text(size)}", large(server, method, size, medium).per_second)
    rows = [["", "MiB/s", "limit", "by the limit", "goal"]]
    for what in ("write", "read", "loopback"):
        rows.append([{"write": "dd, 1 GiB, fdatasync at the end", "read": "dd from the page cache", "loopback": "one TCP connection over loopback"}[what],
                     f"{median(runs[what]):,.0f}", "", "", ""])
    for size in LARGE:
        for method in ("PUT", "GET"):
            what = f"{method} {size_text(size)}"
            disk = runs["write" if method == "PUT" else "read"]
            parts = [mine / min(other, wire) for mine, other, wire in zip(runs[what], disk, runs["loopback"])]
            rows.append([what, f"{median(runs[what]):,.0f}", "the lower of " + ("write" if method == "PUT" else "read") + " and loopback", spread(parts),
                         verdict(median(parts), least=0.8)])
    return "## Large objects by what the machine gives\n\ncurl, one after another, 1 GiB in all, against the limits measured in the same round.\n\n" + markdown(rows)


# --- millions of objects ---------------------------------------------------------------------------------------------

MASK = (1 << 64) - 1


def mixed(number: int) -> int:
    """As blob_load.cc."""
    number = (number + 0x9e3779b97f4a7c15) & MASK
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9 & MASK
    number = (number ^ number >> 27) * 0x94d049bb133111eb & MASK
    return number ^ number >> 31


def key_of(number: int) -> str:
    chance = mixed(number)
    return f"{chance % 1000:03}/{chance // 1000 % 100:02}/object-{mixed(chance):016x}"


def body_of(number: int, size: int) -> bytes:
    words = []
    for _ in range(size // 8):
        number = (number * 6364136223846793005 + 1442695040888963407) & MASK
        words.append(number.to_bytes(8, "little"))
    return b"".join(words)


class Client:
    """One connection."""

    def __init__(self, server: Server):
        self.server = server
        self.connection = http.client.HTTPConnection(server.host, timeout=60)

    def get(self, path: str, query: dict[str, str] | None = None) -> tuple[float, bytes]:
        """Milliseconds until all of the answer is there, and its body."""
        target = presign("GET", self.server.host, path, query=query or {})
        began = time.monotonic()
        self.connection.request("GET", target)
        answer = self.connection.getresponse()
        body = answer.read()
        took_ms = (time.monotonic() - began) * 1000
        if answer.status != 200:
            raise SystemExit(f"{path} {query}: {answer.status} {body[:300]!r}")
        return took_ms, body


def listings(server: Server, count: int) -> list[tuple[str, list[float]]]:
    client = Client(server)
    chance = random.Random(1)

    def times(how, expected: bytes) -> list[float]:
        took = []
        for _ in range(count):
            query = how()
            took_ms, body = client.get(f"/{BUCKET}", {"list-type": "2", **query})
            if expected not in body:
                raise SystemExit(f"{query}: {body[:500]!r}")
            took.append(took_ms)
        return sorted(took)

    kinds = [("1,000 keys, anywhere", lambda: {"start-after": key_of(chance.randrange(1 << 30))[:20]}, b"<Contents>"),
             ("1,000 common prefixes at the top", lambda: {"delimiter": "/"}, b"<KeyCount>1000<"),
             ("100 common prefixes below one of them", lambda: {"delimiter": "/", "prefix": f"{chance.randrange(1000):03}/"}, b"<CommonPrefixes>"),
             ("all keys at the bottom, with the delimiter", lambda: {"delimiter": "/", "prefix": key_of(chance.randrange(1 << 30))[:7]}, b"<IsTruncated>"),
             ("common prefixes, from the middle on", lambda: {"delimiter": "/", "start-after": f"{chance.randrange(900):03}/"}, b"<CommonPrefixes>")]
    return [(name, times(how, expected)) for name, how, expected in kinds]


def disk_bytes(folder: Path) -> dict[str, int]:
    """Allocated, by the folder's first level and all together."""
    sizes: dict[str, int] = {}
    for root, _, files in os.walk(folder):
        top = Path(root).relative_to(folder).parts[:1]
        for name in files:
            try:
                sizes[top[0] if top else "."] = sizes.get(top[0] if top else ".", 0) + (Path(root) / name).stat().st_blocks * 512
            except FileNotFoundError:
                pass
    return sizes


def settled(server: Server, patience_s: int) -> dict[str, int]:
    """The folder once it has not changed for a while (checkpoints are done, the log is trimmed)."""
    sizes, since = disk_bytes(server.folder / "data"), time.monotonic()
    deadline = since + patience_s
    while time.monotonic() < deadline and time.monotonic() - since < 15:
        time.sleep(1)
        if (now := disk_bytes(server.folder / "data")) != sizes:
            sizes, since = now, time.monotonic()
    return sizes


def sizes_text(sizes: dict[str, int], per: float) -> str:
    return ", ".join(f"{name} {size / per:.3f}" for name, size in sorted(sizes.items()) if size > per / 1000)


def scale(options) -> str:
    count, size = options.objects, KIB
    content = count * (size + len(key_of(0)))
    rows = [["", "measured", "goal"]]
    with Server("keelson", "--blob.durability", "interval") as server:
        empty_mib = server.resident_mib()
        cpu_before = server.cpu_s()
        loaded = subprocess.run([BLOB_LOAD, str(server.port), "256", "0", str(count), str(size), BUCKET, KEY, SECRET], capture_output=True, text=True)
        if loaded.returncode != 0:
            raise SystemExit(f"blob_load: {loaded.stdout}{loaded.stderr}")
        load = json.loads(loaded.stdout)
        cpu_us = (server.cpu_s() - cpu_before) / count * 1e6
        print(f"  {load}, {cpu_us:.1f} us of CPU each", flush=True)
        rows.append(["PUT, 256 connections", f"{load['per_second']:,} /s, {cpu_us:.0f} us of CPU each, p50 {load['p50_us'] / 1000:.1f} ms, p99 {load['p99_us'] / 1000:.1f} ms", ""])
        at_once = disk_bytes(server.folder / "data")
        print(f"  on disk at once, by content: {sizes_text(at_once, content)}", flush=True)
        rows.append(["bytes on disk at the end of the load, by payload and keys", f"{sum(at_once.values()) / content:.3f} ({sizes_text(at_once, content)})", ""])
        at_rest = settled(server, 300)
        print(f"  on disk at rest: {sizes_text(at_rest, content)}", flush=True)
        by_content = sum(at_rest.values()) / content
        rows.append(["bytes on disk at rest, by payload and keys", f"{by_content:.3f} ({sizes_text(at_rest, content)})", verdict(by_content, most=1.15)])
        each = (server.resident_mib() - empty_mib) * MIB / count
        rows.append(["memory for each object (resident, less that of the empty server)", f"{each:.0f} B", verdict(each, most=150)])
        print(f"  memory: {each:.0f} B each", flush=True)
        for name, took in listings(server, 50):
            middle, worst = median(took), took[-1]
            print(f"  {name}: {middle:.2f} ms, worst {worst:.2f} ms", flush=True)
            rows.append([f"listing through HTTP: {name}", f"{middle:.1f} ms, worst of {len(took)} {worst:.1f} ms", verdict(middle, most=10)])
        stopped = server.stop()
        started = server.start()
        rows.append(["restart after SIGTERM, until it answers", f"{started:.1f} s (the stop took {stopped:.1f} s)", verdict(started, most=10)])
        print(f"  restart: {started:.1f} s, the stop {stopped:.1f} s", flush=True)
        server.stop(signal.SIGKILL)
        started = server.start()
        rows.append(["restart after SIGKILL", f"{started:.1f} s", verdict(started, most=10)])
        each = (server.resident_mib() - empty_mib) * MIB / count
        rows.append(["memory for each object after the restart", f"{each:.0f} B", verdict(each, most=150)])
        print(f"  restart after kill: {started:.1f} s, {each:.0f} B each", flush=True)
        client = Client(server)
        for number in random.Random(2).sample(range(count), 500):
            if client.get(f"/{BUCKET}/{key_of(number)}")[1] != body_of(number, size):
                raise SystemExit(f"object {number} is not what was put")
    return (f"## {count:,} objects of {size_text(size)}\n\nOne bucket, keys of {len(key_of(0))} bytes below 1,000 x 100 common prefixes, put in random order by `blob_load` (signed, with content type "
            "and CRC32C) with `blob.durability` interval: volumes are synced before an object is named, the log each second. Listings go over one connection, one after another; the time is "
            "the client's, which is Python. Afterwards 500 objects taken at random were read and compared.\n\n" + markdown(rows))


# --- the report ------------------------------------------------------------------------------------------------------

@dataclass
class Part:
    """One section's text, and how it came to be."""
    name: str
    how: str
    commit: str
    began: str
    load: float
    took_s: int
    text: str

    def save(self) -> None:
        PARTS.mkdir(parents=True, exist_ok=True)
        (PARTS / f"{self.name}.json").write_text(json.dumps(self.__dict__, indent=1))


def report_of(parts: list[Part]) -> str:
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    rows = [["section", "began (UTC)", "commit", "how", "load average at the start", "took s"]]
    rows += [[part.name, part.began, part.commit, part.how, part.load, part.took_s] for part in parts]
    notes = RESULTS.read_text() if RESULTS.exists() else ""
    notes = "\n" + NOTES_HEAD + notes.split(NOTES_HEAD, 1)[1] if NOTES_HEAD in notes else ""   # written by hand; kept
    return (f"# Blobs, side by side with MinIO and nginx\n\nWritten by `bench/run blob`, {len(CORES)} cores of {cpu}, Linux {platform.release()}. A ratio is Keelson's number by the "
            "other's: median (least..most) over the rounds.\n\n" + markdown(rows) + "\n" + "\n".join(part.text for part in parts).rstrip() + "\n" + notes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run blob")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--sizes", default=",".join(str(size) for size in [*(size for size, _ in SMALL), *LARGE]), help="bytes, with MinIO; of: %(default)s")
    parser.add_argument("--only", default="minio,nginx,limits", help="sections: " + " ".join(SECTIONS) + " (default: %(default)s)")
    parser.add_argument("--objects", type=int, default=1_000_000, help="of the section scale")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"unknown sections: {unknown}")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    for name in SECTIONS:
        if name not in chosen:
            continue
        at, began, busy = datetime.datetime.now(datetime.timezone.utc), time.monotonic(), os.getloadavg()[0]
        text = globals()[name](options)
        how = f"{options.objects:,} objects" if name == "scale" else f"{options.rounds} rounds" + (f" of {options.seconds} s" if name != "limits" else "")
        Part(name, how, commit, f"{at:%Y-%m-%d %H:%M}", round(busy, 1), round(time.monotonic() - began), text).save()
        print(f"section {name}: {time.monotonic() - began:.0f} s\n{text}", flush=True)
    parts = [Part(**json.loads(path.read_text())) for name in SECTIONS if (path := PARTS / f"{name}.json").exists()]
    RESULTS.write_text(report_of(parts))
    print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
