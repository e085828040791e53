"""bench/run blob: Keelson side by side with MinIO, as S3 clients see them. See the text of the report.

Both get the same requests by turns, round after round, so that a machine that is slow for a while is slow for both; a ratio is of
runs of one round. Requests are presigned (the servers check each signature, the load generator signs nothing) and sent by wrk; large
objects go through curl. CPU is utime + stime of the server's process (/proc/PID/stat, 10 ms steps), by the requests answered. Both
sync what they acknowledge: Keelson by its default, MinIO with MINIO_FS_OSYNC=on and its own fdatasync of each object.
"""
import argparse
import datetime
import hashlib
import hmac
import http.client
import os
import platform
import re
import shutil
import signal
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

KEELSON = ROOT / "build" / "release" / "keelson"
MINIO = ROOT / "build" / "peers" / "minio"
MINIO_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
RESULTS = ROOT / "bench" / "RESULTS-blob.md"
CORES = sorted(os.sched_getaffinity(0))
KEY, SECRET, REGION, BUCKET = "BENCHACCESSKEY", "benchsecretkey0123456789", "us-east-1", "bench"
CONNECTIONS = 32
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SMALL = ((4 * KIB, 4000), (64 * KIB, 1500))     # size, different keys
LARGE = (16 * MIB, GIB)


def presign(method: str, host: str, path: str, expires_s: int = 6 * 3600) -> str:
    """A presigned URL's path and query (AWS Signature Version 4, query parameters)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    query = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in sorted({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{KEY}/{scope}", "X-Amz-Date": now,
        "X-Amz-Expires": str(expires_s), "X-Amz-SignedHeaders": "host"}.items()))
    canonical = f"{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET).encode()
    for part in (now[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{path}?{query}&X-Amz-Signature={hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()}"


class Server:
    """One of the two, on all cores, in a folder of its own on the disk of the checkout."""

    def __init__(self, name: str):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build"))
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        environment = dict(os.environ)
        if name == "keelson":
            secret = self.folder / "secret"
            secret.write_text(SECRET + "\n")
            argv = [KEELSON, "serve", "--data-dir", self.folder / "data", "--kv.listen", "127.0.0.1:0", "--http.listen", "127.0.0.1:0",
                    "--s3.listen", self.host, "--s3.access-key-id", KEY, "--s3.secret-access-key-file", secret]
        else:
            environment.update(MINIO_ROOT_USER=KEY, MINIO_ROOT_PASSWORD=SECRET, MINIO_BROWSER="off", MINIO_FS_OSYNC="on", MINIO_UPDATE="off",
                               MINIO_API_REQUESTS_MAX="10000")
            argv = [MINIO, "server", "--quiet", "--address", self.host, self.folder / "data"]
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([str(part) for part in argv], env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_ready()

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
                if self.request("PUT", f"/{BUCKET}") == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"{self.name} was not ready in 60 s: {(self.folder / 'log').read_text()[-2000:]}")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Run:
    per_second: float
    cpu_us: float
    p99_ms: float = 0


LUA = """
local paths = {}
for line in io.lines("%(paths)s") do paths[#paths + 1] = line end
local body = %(body)s
local next_path = 0
request = function()
  next_path = next_path %% #paths + 1
  return wrk.format("%(method)s", paths[next_path], nil, body)
end
done = function(summary, latency, requests)
  io.write(string.format("p99_us %%d\\n", latency:percentile(99)))
end
"""


def small(server: Server, method: str, size: int, keys: int, seconds: int) -> Run:
    paths = server.folder / "paths"
    paths.write_text("\n".join(presign(method, server.host, f"/{BUCKET}/o{size}/{index:06}") for index in range(keys)))
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


def measure(rounds: int, seconds: int, sizes: list[int]) -> dict:
    """runs[(method, size)][server] is a list, a run for each round."""
    runs: dict = {}
    source = Path(tempfile.mkstemp(prefix="keelson-bench-", dir=ROOT / "build")[1])
    try:
        for turn in range(rounds):
            for name in ("keelson", "minio"):
                with Server(name) as server:
                    for size, keys in SMALL:
                        if size in sizes:
                            fill(server, size, keys)
                            for method in ("PUT", "GET"):
                                small(server, method, size, keys, 1)
                                runs.setdefault((method, size), {}).setdefault(name, []).append(small(server, method, size, keys, seconds))
                                print(f"  {turn + 1}/{rounds} {name} {method} {size_text(size)}: {runs[(method, size)][name][-1]}", flush=True)
                    for size in LARGE:
                        if size in sizes:
                            with open(source, "wb") as file:
                                for _ in range(size // MIB):
                                    file.write(os.urandom(MIB))
                            for method in ("PUT", "GET"):
                                runs.setdefault((method, size), {}).setdefault(name, []).append(large(server, method, size, source))
                                print(f"  {turn + 1}/{rounds} {name} {method} {size_text(size)}: {runs[(method, size)][name][-1]}", flush=True)
                    print(f"  {name}: {server.resident_mib():.0f} MiB resident", flush=True)
    finally:
        source.unlink()
    return runs


def table(runs: dict) -> str:
    heads = ["", "minio", "keelson", "ratio", "goal", "minio CPU", "keelson CPU", "CPU ratio", "goal", "p99 ratio"]
    rows = []
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
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows])


def disk_mib_s(folder: Path) -> tuple[float, float]:
    """What the disk gives to one writer that syncs at the end, and to one reader from the page cache."""
    target = folder / "keelson-bench-dd"
    began = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={target}", "bs=1M", "count=1024", "conv=fdatasync"], capture_output=True, check=True)
    wrote = 1024 / (time.monotonic() - began)
    began = time.monotonic()
    subprocess.run(["dd", f"if={target}", "of=/dev/null", "bs=1M"], capture_output=True, check=True)
    read = 1024 / (time.monotonic() - began)
    target.unlink()
    return wrote, read


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run blob")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--sizes", default=",".join(str(size) for size in [*(size for size, _ in SMALL), *LARGE]), help="bytes, of: %(default)s")
    options = parser.parse_args()
    if not MINIO.exists():
        print(f"building {MINIO_MODULE} into build/peers (some minutes)", flush=True)
        subprocess.run(["go", "install", MINIO_MODULE], env={**os.environ, "GOBIN": str(MINIO.parent)}, check=True)
    wrote, read = disk_mib_s(ROOT / "build")
    runs = measure(options.rounds, options.seconds, [int(size) for size in options.sizes.split(",")])
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    RESULTS.write_text(
        f"# Blobs, side by side with MinIO\n\nWritten by `bench/run blob` on {datetime.date.today()}, commit {commit}, {len(CORES)} cores of {cpu}, Linux {platform.release()}; "
        f"{options.rounds} rounds of {options.seconds} s; load average at the start {os.getloadavg()[0]:.1f}.\n\n"
        f"Small objects: wrk with {CONNECTIONS} connections and presigned requests, sharing the cores with the server. Large ones: curl, one after another, 1 GiB in all. "
        f"A ratio is Keelson's number by MinIO's: median (least..most) over the rounds. dd with fdatasync writes {wrote:,.0f} MiB/s here, and reads {read:,.0f} MiB/s from the page cache.\n\n"
        + table(runs) + "\n" + notes())
    print(RESULTS.read_text())


def notes() -> str:
    """What people wrote beneath the table stays."""
    head = "\n## What the profiles say\n"
    text = RESULTS.read_text() if RESULTS.exists() else ""
    return head + text.split(head, 1)[1] if head in text else ""


if __name__ == "__main__":
    main()
