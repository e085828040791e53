"""bench/run kv: Keelson side by side with redis-server. See the text of RESULTS.md, which this writes, for what is measured.

Both servers get the same work with the same durability, by turns; a ratio is of two neighbouring runs, so that a machine that
is slow for a while is slow for both. CPU is the run time of all the server's threads (/proc/PID/task/*/schedstat).
"""
import argparse
import csv
import datetime
import io
import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from node import free_port  # noqa: E402
from resp import Connection, encode  # noqa: E402

KEELSON = ROOT / "build" / "release" / "keelson"
PACED = ROOT / "build" / "release" / "bench" / "paced_load"
RESULTS = ROOT / "bench" / "RESULTS.md"
NOTES_HEAD = "## What the profiles say\n"
# What each section has said last, so that sections can be run one by one and the report still be whole.
PARTS = ROOT / "build" / "bench-kv"
SECTIONS = ["cpu", "families", "durability", "throughput", "latency", "memory", "restart", "checkpoint", "growth"]
KEYS = 100_000
CORES = sorted(os.sched_getaffinity(0))


# --- servers ---------------------------------------------------------------------------------------------------------

@dataclass
class Setup:
    """One of the two servers, with its arguments; `pin` binds it to the first core."""
    name: str
    arguments: list
    pin: bool = True


def keelson(durability: str, reactors: int = 1, pin: bool = True, **more) -> Setup:
    flags = {"kv.durability": durability, "reactors": reactors, **{key.replace("__", ".").replace("_", "-"): value for key, value in more.items()}}
    return Setup("keelson", [word for key, value in flags.items() for word in (f"--{key}", str(value))], pin)


def redis(*arguments, pin: bool = True) -> Setup:
    return Setup("redis", ["--save", "", *arguments], pin)


SAME_DURABILITY = {
    "none (redis: appendonly no; keelson: never, its log is written all the same)": (redis("--appendonly", "no"), keelson("never")),
    "each second (redis: appendfsync everysec; keelson: interval)":
        (redis("--appendonly", "yes", "--appendfsync", "everysec"), keelson("interval")),
    "always": (redis("--appendonly", "yes", "--appendfsync", "always"), keelson("always")),
}
NONE, EACH_SECOND, ALWAYS = SAME_DURABILITY


class Server:
    """Runs one Setup in a folder, which a caller may keep to start again."""

    def __init__(self, setup: Setup, folder: Path | None = None):
        self.setup = setup
        self.own_folder = None if folder else tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build")
        self.folder = Path(folder or self.own_folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        began = time.monotonic()
        if setup.name == "redis":
            program = self.folder / "redis-server"
            if not program.exists():
                program.symlink_to(shutil.which("redis-check-rdb"))
            argv = [program, "--port", self.port, "--dir", self.folder, "--enable-debug-command", "yes", *setup.arguments]
        else:
            argv = [KEELSON, "serve", "--data-dir", self.folder / "data", "--kv.listen", f"127.0.0.1:{self.port}", "--http.listen", "", "--s3.listen", "127.0.0.1:0",
                    *setup.arguments]
        if setup.pin:
            argv = ["taskset", "-c", CORES[0], *argv]
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([str(part) for part in argv], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_ready()
        self.start_s = time.monotonic() - began

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.setup.name} ended: {(self.folder / 'log').read_text()[-2000:]}")
            try:
                with Connection(self.port, timeout_s=600) as connection:
                    if connection.call("PING") == "PONG":   # redis answers LOADING meanwhile
                        return
            except ConnectionError:
                pass
            time.sleep(0.005)
        raise SystemExit(f"{self.setup.name} was not ready in 600 s")

    @property
    def pid(self) -> int:
        return self.process.pid   # taskset has become the server

    def cpu_s(self) -> float:
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss_bytes(self) -> int:
        return next(int(line.split()[1]) * 1024 for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))

    def family_pss_bytes(self) -> int:
        """Memory of the server and its children, shared pages counted once: what a fork really costs."""
        pids = [self.pid] + [int(child) for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        total = 0
        for pid in pids:
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
        return total

    def call(self, *words):
        with Connection(self.port, timeout_s=600) as connection:
            return connection.ok(*words)

    def used_memory(self) -> int:
        return int(self.call("INFO", "memory").decode().split("used_memory:")[1].split("\r")[0])

    def stop(self, how=signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(600)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)


# --- work ------------------------------------------------------------------------------------------------------------

def load(port: int, commands, reply_bytes, batch: int = 2000) -> None:
    """Sends ready-made commands as fast as they are taken; `reply_bytes(n)`: length of the answers to n of them."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as raw:
        pending, count, owed = [], 0, 0
        for command in commands:
            pending.append(command)
            count += 1
            if count == batch:
                raw.sendall(b"".join(pending))
                owed += reply_bytes(count)
                pending, count = [], 0
                while owed > 200_000:   # a window, so that neither side's buffers fill
                    owed -= len(raw.recv(1 << 20))
        raw.sendall(b"".join(pending))
        owed += reply_bytes(count)
        while owed > 0:
            data = raw.recv(1 << 20)
            if not data:
                raise SystemExit("the server closed the connection while it was loaded")
            owed -= len(data)


def fill_strings(server: Server, count: int, value_bytes: int = 64) -> None:
    tail = b"\r\n$%d\r\n%s\r\n" % (value_bytes, b"x" * value_bytes)
    load(server.port, (b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d%s" % (i, tail) for i in range(count)), lambda n: 5 * n)


def fill_one(server: Server, key: str, words_of, count: int, per_command: int = 100) -> None:
    """One large collection, by pipelines."""
    with Connection(server.port, timeout_s=600) as connection:
        connection.ok("DEL", key)
        for start in range(0, count, per_command * 50):
            connection.pipeline([words_of(first, min(first + per_command, count)) for first in
                                 range(start, min(start + per_command * 50, count), per_command)])


@dataclass
class Work:
    """What one measured run sends: redis-benchmark's own test, or a command of the same shape."""
    name: str
    arguments: list
    requests: int
    prepare: object = None


def element(i: int) -> str:
    return f"element:{i:012d}"


def families(scale: float) -> list[Work]:
    """The other tests of redis-benchmark. What a test takes away is put there first, and not measured."""
    n = int(200_000 * scale)
    strings = lambda server: fill_strings(server, KEYS)
    a_list = lambda length: lambda server: fill_one(server, "mylist", lambda a, b: ["RPUSH", "mylist", *["x" * 64] * (b - a)], length)
    a_set = lambda server: fill_one(server, "myset", lambda a, b: ["SADD", "myset", *map(element, range(a, b))], n)
    a_zset = lambda server: fill_one(server, "myzset", lambda a, b: ["ZADD", "myzset", *[w for i in range(a, b) for w in (i, element(i))]], n)
    works = [Work("PING_INLINE", ["-t", "ping_inline"], 2 * n), Work("INCR", ["-t", "incr"], 2 * n, strings), Work("LPUSH", ["-t", "lpush"], 2 * n),
             Work("RPUSH", ["-t", "rpush"], 2 * n), Work("LPOP", ["-t", "lpop"], n, a_list(n)), Work("RPOP", ["-t", "rpop"], n, a_list(n)),
             Work("SADD", ["-t", "sadd"], 2 * n), Work("HSET", ["-t", "hset"], 2 * n), Work("SPOP", ["-t", "spop"], n, a_set),
             Work("ZADD", ["-t", "zadd"], 2 * n), Work("ZPOPMIN", ["-t", "zpopmin"], n, a_zset)]
    for length in (100, 300, 500, 600):
        works.append(Work(f"LRANGE_{length}", ["LRANGE", "mylist", "0", str(length - 1)], max(5000, n // (length // 20)), a_list(10_000)))
    return works + [Work("MSET (10 keys)", ["-t", "mset"], n)]


@dataclass
class Run:
    cpu_us: float
    per_second: float
    p99_ms: float


def benchmark(server: Server, work: Work, pipeline: int, clients: int = 50, threads: int = 0, pin: bool = True) -> Run:
    argv = ["redis-benchmark", "-p", server.port, "-n", work.requests, "-c", clients, "-P", pipeline, "-r", KEYS, "-d", 64, "--csv"]
    if threads:
        argv += ["--threads", threads]
    if pin and len(CORES) > 1:
        argv = ["taskset", "-c", CORES[1], *argv]
    before = server.cpu_s()
    done = subprocess.run([str(part) for part in [*argv, *work.arguments]], capture_output=True, text=True, check=True)
    cpu = server.cpu_s() - before
    rows = [row for row in csv.reader(io.StringIO(done.stdout)) if len(row) == 8 and row[0] != "test"]
    if len(rows) != 1:
        raise SystemExit(f"redis-benchmark said: {done.stdout}{done.stderr}")
    return Run(cpu / work.requests * 1e6, float(rows[0][1]), float(rows[0][6]))


def duel(pair, work: Work, pipeline: int, rounds: int, **how) -> tuple[list[Run], list[Run]]:
    """The same work for both by turns, each on servers started for it, after a short run that warms them up."""
    results: tuple[list[Run], list[Run]] = ([], [])
    with Server(pair[0]) as first, Server(pair[1]) as second:
        for turn in range(rounds + 1):
            for server, runs in zip((first, second), results):
                server.call("FLUSHALL")
                if work.prepare:
                    work.prepare(server)
                run = benchmark(server, work, pipeline, **how)
                if turn:
                    runs.append(run)
    return results


# --- tables ----------------------------------------------------------------------------------------------------------

class Report:
    def __init__(self):
        self.parts: list[str] = []

    def say(self, text: str) -> None:
        self.parts.append(text)
        print(text, flush=True)

    def table(self, heads: list[str], rows: list[list]) -> None:
        self.say("\n".join(["| " + " | ".join(map(str, row)) + " |" for row in
                            [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]]) + "\n")


def spread(ratios: list[float]) -> str:
    return f"{median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"


def verdict(value: float, most: float | None, least: float | None = None) -> str:
    if most is not None:
        return f"<= {most}: " + ("yes" if value <= most else "**no**")
    if least is not None:
        return f">= {least}: " + ("yes" if value >= least else "**no**")
    return ""


def compare_row(name: str, pair_runs, goal: float | None) -> list:
    theirs, ours = pair_runs
    cpu = [b.cpu_us / a.cpu_us for a, b in zip(theirs, ours)]
    speed = [b.per_second / a.per_second for a, b in zip(theirs, ours)]
    tail = [b.p99_ms / a.p99_ms if a.p99_ms else 1.0 for a, b in zip(theirs, ours)]
    return [name, f"{median(run.cpu_us for run in theirs):.2f}", f"{median(run.cpu_us for run in ours):.2f}", spread(cpu),
            verdict(median(cpu), goal), f"{median(run.per_second for run in theirs):,.0f}", f"{median(run.per_second for run in ours):,.0f}",
            spread(speed), spread(tail)]


COMPARE_HEADS = ["", "redis us CPU/op", "keelson us CPU/op", "CPU ratio", "goal", "redis op/s", "keelson op/s", "op/s ratio", "p99 ratio"]


class Bench:
    def __init__(self, quick: bool):
        self.quick = quick
        self.rounds = 2 if quick else 7
        self.scale = 0.3 if quick else 1.0
        self.report = Report()

    def simple(self, name: str, pipeline: int) -> Work:
        requests = int({1: 200_000, 16: 1_500_000, 64: 2_500_000}[pipeline] * self.scale)
        return Work(name, ["-t", name.lower()], requests, lambda server: fill_strings(server, KEYS))

    def cpu(self) -> None:
        self.report.say("## GET and SET: server CPU for each operation\n\n64-byte values, 100,000 keys, 50 connections, one reactor; server and load each "
                        "on a core of its own. No durability asked for.\n")
        rows = []
        for pipeline, goal in ((64, 0.5), (16, 0.6), (1, 0.85)):
            for name in ("GET", "SET"):
                rows.append(compare_row(f"{name}, pipeline {pipeline}", duel(SAME_DURABILITY[NONE], self.simple(name, pipeline), pipeline, self.rounds), goal))
        self.report.table(COMPARE_HEADS, rows)

    def families(self) -> None:
        self.report.say("## The other tests of redis-benchmark\n\nPipeline 16, else as above.\n")
        rounds = 2 if self.quick else 5
        self.report.table(COMPARE_HEADS, [compare_row(work.name, duel(SAME_DURABILITY[NONE], work, 16, rounds), 0.7) for work in families(self.scale)])

    def durability(self) -> None:
        for name, pair in SAME_DURABILITY.items():
            if name == NONE:
                continue
            self.report.say(f"## Durability: {name}\n")
            rows = []
            for pipeline in (1, 16, 64):
                work = self.simple("SET", pipeline)
                if name == ALWAYS:
                    work.requests = work.requests // 10
                runs = duel(pair, work, pipeline, self.rounds)
                row = compare_row(f"SET, pipeline {pipeline}", runs, None)
                if name == ALWAYS:
                    row[4] = "op/s " + verdict(median(b.per_second / a.per_second for a, b in zip(*runs)), None, 1.5)
                rows.append(row)
            self.report.table(COMPARE_HEADS, rows)

    def throughput(self) -> None:
        self.report.say("## Throughput with 2 reactors\n\nredis-benchmark with 2 threads shares the machine's cores with the server, so both compete with "
                        f"their load ({len(CORES)} cores).\n")
        pair = (redis("--appendonly", "no", pin=False), keelson("never", reactors=2, pin=False))
        rows = []
        for pipeline in (16, 64):
            for name in ("GET", "SET"):
                runs = duel(pair, self.simple(name, pipeline), pipeline, self.rounds, threads=2, pin=False)
                row = compare_row(f"{name}, pipeline {pipeline}", runs, None)
                row[4] = "op/s " + verdict(median(b.per_second / a.per_second for a, b in zip(*runs)), None, 1.5)
                rows.append(row)
        self.report.table(COMPARE_HEADS, rows)

    def latency(self) -> None:
        self.report.say("## Latency at equal load\n\npaced_load: half GET, half SET, 50 connections, 100,000 keys, no pipelining; a request's time counts "
                        "from the moment it was due.\n")
        rows = []
        for rate in (10_000, 30_000, 50_000):
            runs = ([], [])
            with Server(SAME_DURABILITY[NONE][0]) as first, Server(SAME_DURABILITY[NONE][1]) as second:
                for server in (first, second):
                    fill_strings(server, KEYS)
                for _ in range(self.rounds):
                    for server, into in zip((first, second), runs):
                        into.append(paced(server, rate, 3 if self.quick else 5))
            rows.append([f"{rate:,}/s", *latency_cells(runs), spread([b["p99_us"] / a["p99_us"] for a, b in zip(*runs)]),
                         verdict(median(b["p99_us"] / a["p99_us"] for a, b in zip(*runs)), 1.0)])
        self.report.table(["load", "redis p50/p99/p99.9 us", "keelson p50/p99/p99.9 us", "p99 ratio", "goal"], rows)

    def memory(self) -> None:
        self.report.say("## Memory for each key\n\nRedis: growth of its used_memory; Keelson: growth of its resident memory. 16-byte keys and 32-byte values; "
                        "collections of 10 small members.\n")
        rows = []
        for count in (1_000_000,) if self.quick else (1_000_000, 10_000_000):
            for kind in ("string", "hash", "set", "zset", "list") if count == 1_000_000 else ("string", "hash"):
                theirs, ours = (memory_per_key(setup, kind, count) for setup in SAME_DURABILITY[NONE])
                rows.append([f"{kind}, {count:,} keys", f"{theirs:.0f}", f"{ours:.0f}", f"{ours / theirs:.2f}", verdict(ours / theirs, 0.7)])
        self.report.table(["", "redis bytes/key", "keelson bytes/key", "ratio", "goal"], rows)

    def restart(self) -> None:
        count = 1_000_000 if self.quick else 10_000_000
        self.report.say(f"## Restart with {count:,} keys\n\n16-byte keys, 32-byte values. Seconds from the start of the process to its first PONG.\n")
        rdb, aof = (restart_redis(count, how) for how in ("rdb", "aof"))
        checkpoint, replay = (restart_keelson(count, how) for how in ("checkpoint", "log"))
        self.report.table(["", "redis s", "keelson s", "times as fast", "goal"], [
            ["redis loads its RDB, keelson its checkpoint", f"{rdb:.2f}", f"{checkpoint:.2f}", f"{rdb / checkpoint:.2f}", verdict(rdb / checkpoint, None, 2)],
            ["redis loads its AOF (no preamble), keelson its checkpoint", f"{aof:.2f}", f"{checkpoint:.2f}", f"{aof / checkpoint:.2f}", verdict(aof / checkpoint, None, 4)],
            ["redis loads its AOF (no preamble), keelson replays its log", f"{aof:.2f}", f"{replay:.2f}", f"{aof / replay:.2f}", ""]])

    def checkpoint(self) -> None:
        count = 1_000_000 if self.quick else 10_000_000
        self.report.say(f"## A checkpoint under load, {count:,} keys\n\npaced_load at 20,000 requests/s, half of them SETs, 10 s each: without, then with a BGSAVE that "
                        "begins at once. Memory: the server with its children, at most, against before.\n")
        rows = []
        for setup in SAME_DURABILITY[NONE]:
            with Server(Setup(setup.name, [*setup.arguments, *(["--checkpoint.log-min", "1024gb"] if setup.name == "keelson" else [])], setup.pin)) as server:
                fill_strings(server, count, 32)
                quiet = paced(server, 20_000, 10, count, 32)
                before = server.family_pss_bytes()
                busy, peak, took = paced_with_checkpoint(server, count)
                rows.append([setup.name, f"{quiet['p99_us']:,} / {quiet['max_us']:,}", f"{busy['p99_us']:,} / {busy['max_us']:,}",
                             f"{busy['p99_us'] / max(1, quiet['p99_us']):.2f}", f"{peak / before:.2f}", f"{took:.1f}",
                             "p99 " + verdict(busy["p99_us"] / max(1, quiet["p99_us"]), 2) + ", memory " + verdict(peak / before, 1.1)])
        self.report.table(["", "p99 / max us without", "p99 / max us with", "p99 ratio", "memory ratio", "took s", "goal"], rows)

    def growth(self) -> None:
        self.report.say("## Growth\n\n### With the number of keys\n\nGET and SET over all of them, pipeline 16, one reactor.\n")
        rows = []
        for count in (100_000, 1_000_000) if self.quick else (100_000, 1_000_000, 10_000_000):
            with Server(SAME_DURABILITY[NONE][0]) as first, Server(SAME_DURABILITY[NONE][1]) as second:
                cells = {}
                for server in (first, second):
                    fill_strings(server, count)
                for name in ("GET", "SET"):
                    works = Work(name, ["-t", name.lower(), "-r", str(count)], int(1_000_000 * self.scale))
                    for server in (first, second):
                        cells[server.setup.name, name] = median(benchmark(server, works, 16).cpu_us for _ in range(3))
            rows.append([f"{count:,}", *[f"{cells[side, name]:.2f}" for name in ("GET", "SET") for side in ("redis", "keelson")],
                         *[f"{cells['keelson', name] / cells['redis', name]:.2f}" for name in ("GET", "SET")]])
        self.report.table(["keys", "redis GET us", "keelson GET us", "redis SET us", "keelson SET us", "GET ratio", "SET ratio"], rows)
        self.report.say("### With the number of connections\n\nGET without pipelining, one reactor.\n")
        rows = []
        for clients in (1, 50, 500, 5000):
            runs = duel(SAME_DURABILITY[NONE], Work("GET", ["-t", "get"], 20_000 if clients == 1 else int(200_000 * self.scale), lambda s: fill_strings(s, KEYS)),
                        1, 2 if self.quick else 3, clients=clients)
            rows.append(compare_row(f"{clients:,}", runs, None))
        self.report.table(["connections", *COMPARE_HEADS[1:]], rows)
        self.report.say("### With the number of reactors\n\nPipeline 16; the load shares the cores.\n")
        pair = (keelson("never", reactors=1, pin=False), keelson("never", reactors=2, pin=False))
        rows = []
        for name in ("GET", "SET"):
            one, two = duel(pair, self.simple(name, 16), 16, 2 if self.quick else 3, threads=2, pin=False)
            rows.append([name, f"{median(run.per_second for run in one):,.0f}", f"{median(run.per_second for run in two):,.0f}",
                         spread([b.per_second / a.per_second for a, b in zip(one, two)]), f"{median(run.cpu_us for run in one):.2f}", f"{median(run.cpu_us for run in two):.2f}"])
        self.report.table(["", "1 reactor op/s", "2 reactors op/s", "ratio", "1 reactor us CPU/op", "2 reactors us CPU/op"], rows)


def paced_argv(server: Server, rate: int, seconds: int, keys: int, value_bytes: int) -> list[str]:
    argv = [PACED, server.port, 50, rate, seconds, keys, value_bytes, 50]
    if len(CORES) > 1:
        argv = ["taskset", "-c", CORES[1], *argv]
    return [str(part) for part in argv]


def paced(server: Server, rate: int, seconds: int, keys: int = KEYS, value_bytes: int = 64) -> dict:
    return json.loads(subprocess.run(paced_argv(server, rate, seconds, keys, value_bytes), capture_output=True, text=True, check=True).stdout)


def latency_cells(runs) -> list[str]:
    return [" / ".join(f"{median(run[name] for run in side):,.0f}" for name in ("p50_us", "p99_us", "p999_us")) for side in runs]


def paced_with_checkpoint(server: Server, count: int) -> tuple[dict, int, float]:
    process = subprocess.Popen(paced_argv(server, 20_000, 10, count, 32), stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    server.call("BGSAVE")
    began, peak, took = time.monotonic(), 0, 0.0
    while process.poll() is None:
        peak = max(peak, server.family_pss_bytes())
        if not took and b"rdb_bgsave_in_progress:0" in server.call("INFO", "persistence"):
            took = time.monotonic() - began
        time.sleep(0.05)
    if process.returncode != 0:
        raise SystemExit("paced_load failed")
    return json.loads(process.stdout.read()), peak, took or time.monotonic() - began


def memory_per_key(setup: Setup, kind: str, count: int) -> float:
    with Server(setup) as server:
        measure = server.used_memory if setup.name == "redis" else server.rss_bytes
        server.call("SET", "warm", "up")
        before = measure()
        if kind == "string":
            fill_strings(server, count, 32)
        else:
            name = {"hash": b"HSET", "set": b"SADD", "zset": b"ZADD", "list": b"RPUSH"}[kind]
            words = {"hash": lambda j: (b"field:%d" % j, b"value:%d" % j), "set": lambda j: (b"member:%d" % j,), "zset": lambda j: (b"%d" % j, b"member:%d" % j),
                     "list": lambda j: (b"element:%d" % j,)}[kind]
            tail = [word for j in range(10) for word in words(j)]
            shape = encode(name, b"key:000000000000", *tail).replace(b"key:000000000000", b"key:%012d")
            load(server.port, (shape % i for i in range(count)), lambda n: 5 * n, 500)
        time.sleep(1)
        grown = measure() - before
        if server.call("DBSIZE") != count + 1:
            raise SystemExit("not every key has arrived")
        return grown / count


def restart_redis(count: int, how: str) -> float:
    arguments = ["--appendonly", "no"] if how == "rdb" else ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0"]
    folder = tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build")
    try:
        first = Server(redis(*arguments), Path(folder))
        fill_strings(first, count, 32)
        if how == "rdb":
            first.call("SAVE")
        first.stop()
        with Server(redis(*arguments), Path(folder)) as again:
            if again.call("DBSIZE") != count:
                raise SystemExit("redis lost keys over a restart")
            return again.start_s
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restart_keelson(count: int, how: str) -> float:
    """From its checkpoint after a clean stop, or from the whole log after a kill, with as many reactors as cores."""
    more = {} if how == "checkpoint" else {"checkpoint__log_min": "1024gb"}
    setup = keelson("never", reactors=0, pin=False, **more)
    folder = tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build")
    try:
        first = Server(setup, Path(folder))
        fill_strings(first, count, 32)
        time.sleep(1)   # `never` lets a kill take the last moment's writes
        first.stop(signal.SIGTERM if how == "checkpoint" else signal.SIGKILL)
        with Server(setup, Path(folder)) as again:
            if again.call("DBSIZE") != count:
                raise SystemExit("keelson lost keys over a restart")
            return again.start_s
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit() -> str:
    return subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


@dataclass
class Part:
    """One section's text, and how it came to be."""
    name: str
    quick: bool
    commit: str
    began: str
    took_s: int
    text: str

    def save(self) -> None:
        PARTS.mkdir(parents=True, exist_ok=True)
        (PARTS / f"{self.name}.json").write_text(json.dumps(self.__dict__, indent=1))


def saved_parts() -> list[Part]:
    return [Part(**json.loads(path.read_text())) for name in SECTIONS if (path := PARTS / f"{name}.json").exists()]


def head(parts: list[Part]) -> str:
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    peer = subprocess.run(["redis-cli", "--version"], capture_output=True, text=True).stdout.split()[1]
    memory = int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))) // 1024 // 1024
    rows = "\n".join(f"| {part.name} | {part.began} | {part.commit} | {'fewer rounds, 1 million keys at most' if part.quick else 'all'} | {part.took_s} |" for part in parts)
    return (f"# kv, side by side with redis-server {peer}\n\nWritten by `bench/run kv`, {len(CORES)} cores of {cpu}, {memory} GiB, Linux {platform.release()}. "
            "The tables of the others: [HTTP](RESULTS-http.md), [blobs](RESULTS-blob.md), [coordination](RESULTS-coord.md), [topics](RESULTS-topic.md).\n\n"
            "A ratio is Keelson's number by Redis's, for two runs next to each other; shown as median (least..most) over the runs. CPU is the time that the "
            "server's threads ran, from /proc. The goals are those the project was given.\n\n"
            f"| section | began (UTC) | commit | rounds | took s |\n| --- | --- | --- | --- | ---: |\n{rows}\n")


def report_of(parts: list[Part], notes_from: Path) -> str:
    notes = ""
    if notes_from.exists() and NOTES_HEAD in notes_from.read_text():
        notes = "\n" + NOTES_HEAD + notes_from.read_text().split(NOTES_HEAD, 1)[1]   # written by hand; kept
    return "\n".join([head(parts), *[part.text for part in parts]]).rstrip() + "\n" + notes


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run kv")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections: " + " ".join(SECTIONS))
    parser.add_argument("--output", type=Path, help="where the report goes, instead of bench/RESULTS.md (its default once every section has run, now or "
                        "before) or build/bench-kv.md (until then)")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"unknown sections: {unknown}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))   # for 5,000 connections
    for name in SECTIONS:
        if name not in chosen:
            continue
        bench = Bench(options.quick)
        at = datetime.datetime.now(datetime.timezone.utc)
        began = time.monotonic()
        getattr(bench, name)()
        part = Part(name, options.quick, commit(), f"{at:%Y-%m-%d %H:%M}", round(time.monotonic() - began), "\n".join(bench.report.parts))
        part.save()
        print(f"section {name}: {part.took_s} s\n", flush=True)
    parts = saved_parts()
    output = options.output or (RESULTS if len(parts) == len(SECTIONS) else ROOT / "build" / "bench-kv.md")
    output.write_text(report_of(parts, RESULTS))
    print(f"written: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
