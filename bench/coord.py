"""bench/run coord: Keelson side by side with Debian's etcd, as etcd's clients see them. See the report's text.

Both get the same requests by turns, round after round, so that a machine that is slow for a while is slow for both; a ratio is of runs
of one round. The load is bench/coord_load.cc's: gRPC, one thread. CPU is utime + stime of the servers' processes (/proc/PID/stat, 10 ms
steps), by the requests answered. Both sync each write before they acknowledge it: that is etcd's only way, and Keelson's default here.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import signal
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

KEELSON = Path(os.environ.get("KEELSON_BINARY", ROOT / "build" / "release" / "keelson"))
LOAD = Path(os.environ.get("KEELSON_COORD_LOAD", ROOT / "build" / "release" / "bench" / "coord_load"))
ETCD = shutil.which("etcd") or ROOT / "build" / "peers" / "etcd" / "usr" / "bin" / "etcd"
RESULTS = ROOT / "bench" / "RESULTS-coord.md"
NOTES_HEAD = "## What the profiles say\n"
PARTS = ROOT / "build" / "bench-coord"
SECTIONS = ["requests", "watchers", "memory", "cluster", "failover", "kv", "idle", "nodes", "keys"]
CORES = sorted(os.sched_getaffinity(0))
PEERS = ("etcd", "keelson")
MIB = 1 << 20
KEYS, VALUE_BYTES = 10_000, 256
CLIENTS = (1, 100, 1000)
CONNECTIONS_MAX = 100                   # as etcd's own benchmark has it for 1,000 clients
# 10,000 watchers of one key: connections, streams of each, watches of each stream.
WATCHERS = ((100, 1, 100), (100, 100, 1), (1000, 10, 1))
WATCH_PUTS, WATCH_RATE = 30, 3          # 30,000 events each second


class Node:
    """A server's process, in a folder of its own on the disk of the checkout."""

    def __init__(self, argv, folder: Path, port: int, kv_port: int, http_port: int):
        self.argv, self.folder, self.port, self.kv_port, self.http_port = argv, folder, port, kv_port, http_port
        self.log = open(folder / "log", "ab")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([str(part) for part in self.argv], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        return next(int(line.split()[1]) * 1024 for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))


class Servers:
    """One node, or several that form a cluster; all on all cores."""

    def __init__(self, name: str, count: int = 1, *more: str):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build"))
        ports = [free_port() for _ in range(4 * count)]
        clients, peers, kv, http = (ports[first * count:][:count] for first in range(4))
        make = etcd_argv if name == "etcd" else keelson_argv
        self.nodes = []
        for number in range(count):
            folder = self.folder / str(number)
            folder.mkdir()
            self.nodes.append(Node([*make(number, folder, clients, peers, kv, http), *more], folder, clients[number], kv[number], http[number]))
        self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        for node in self.nodes:
            while run_load(self.ports_of([node]), "range", 1, 1, 1, 1, 1, check=False) is None:
                if node.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} is not ready: {(node.folder / 'log').read_text()[-2000:]}")
                time.sleep(0.05)

    @staticmethod
    def ports_of(nodes) -> str:
        return ",".join(str(node.port) for node in nodes)

    @property
    def ports(self) -> str:
        return self.ports_of(self.nodes)

    def cpu_s(self) -> float:
        return sum(node.cpu_s() for node in self.nodes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop(signal.SIGKILL)
            node.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def etcd_argv(number: int, folder: Path, clients: list[int], peers: list[int], *_) -> list:
    url, peer = f"http://127.0.0.1:{clients[number]}", f"http://127.0.0.1:{peers[number]}"
    return [ETCD, "--name", f"n{number}", "--data-dir", folder / "data", "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--logger", "zap", "--log-level", "error",
            "--quota-backend-bytes", str(8 << 30), "--initial-cluster", ",".join(f"n{i}=http://127.0.0.1:{port}" for i, port in enumerate(peers))]


def keelson_argv(number: int, folder: Path, clients: list[int], peers: list[int], kv: list[int], http: list[int]) -> list:
    argv = [KEELSON, "serve", "--data-dir", folder / "data", "--kv.listen", f"127.0.0.1:{kv[number]}", "--http.listen", f"127.0.0.1:{http[number]}", "--s3.listen", "127.0.0.1:0",
            "--etcd.listen", f"127.0.0.1:{clients[number]}", "--kafka.listen", "127.0.0.1:0", "--logging.level", "warning"]
    if len(peers) == 1:
        return argv
    others = ",".join(f"127.0.0.1:{port}" for i, port in enumerate(peers) if i != number)
    return [*argv, "--cluster.listen", f"127.0.0.1:{peers[number]}", *(["--join", others] if number else ["--cluster-init"])]


@dataclass
class Run:
    per_second: float
    cpu_us: float
    p99_ms: float


def run_load(ports: str, mode: str, *numbers: int, check: bool = True) -> dict | None:
    done = subprocess.run([LOAD, ports, mode, *map(str, numbers)], capture_output=True, text=True)
    if done.returncode != 0:
        if check:
            raise SystemExit(f"coord_load {mode} {numbers} said: {done.stdout}{done.stderr}")
        return None
    return json.loads(done.stdout)


def requests_run(servers: Servers, mode: str, clients: int, seconds: int) -> Run:
    before = servers.cpu_s()
    said = run_load(servers.ports, mode, min(clients, CONNECTIONS_MAX), clients, seconds, KEYS, VALUE_BYTES)
    return Run(said["per_second"], (servers.cpu_s() - before) / said["requests"] * 1e6, said["p99_us"] / 1000)


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def verdict(value: float, most: float | None = None, least: float | None = None) -> str:
    good = value <= most if most is not None else value >= least
    return (f"<= {most}" if most is not None else f">= {least}") + ": " + ("yes" if good else "**no**")


def markdown(rows: list[list]) -> str:
    lines = [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines) + "\n"


def peers_of(options) -> list[str]:
    return options.peers.split(",")


# --- sections: each returns its text ---------------------------------------------------------------------------------

def compare_requests(options, count: int) -> str:
    runs: dict = {}   # runs[(mode, clients)][server] is a list, a run for each round
    for turn in range(options.rounds):
        for name in peers_of(options):
            with Servers(name, count) as servers:
                requests_run(servers, "put", 100, 1)
                for mode in ("put", "range"):
                    for clients in CLIENTS:
                        run = requests_run(servers, mode, clients, options.seconds)
                        runs.setdefault((mode, clients), {}).setdefault(name, []).append(run)
                        print(f"  {turn + 1}/{options.rounds} {name} {mode} {clients}: {run}", flush=True)
    rows = [["", "etcd us CPU", "keelson us CPU", "CPU ratio", "goal", "etcd /s", "keelson /s", "ratio", "goal", "etcd p99 ms", "keelson p99 ms"]]
    for (mode, clients), of in runs.items():
        theirs, ours = of.get("etcd", []), of.get("keelson", [])
        row = [f"{mode}, {clients:,} client" + ("s" if clients > 1 else "")]
        row += [f"{median(run.cpu_us for run in one):.1f}" if one else "" for one in (theirs, ours)]
        if theirs and ours:
            cost = [mine.cpu_us / other.cpu_us for mine, other in zip(ours, theirs)]
            row += [spread(cost), verdict(median(cost), most=0.5) if mode == "put" else ""]
        else:
            row += ["", ""]
        row += [f"{median(run.per_second for run in one):,.0f}" if one else "" for one in (theirs, ours)]
        if theirs and ours:
            faster = [mine.per_second / other.per_second for mine, other in zip(ours, theirs)]
            row += [spread(faster), verdict(median(faster), least=2.0)]
        else:
            row += ["", ""]
        row += [f"{median(run.p99_ms for run in one):.1f}" if one else "" for one in (theirs, ours)]
        rows.append(row)
    return markdown(rows)


def requests(options) -> str:
    return (f"## One node: puts of {VALUE_BYTES} bytes and linearizable ranges of one key\n\n{KEYS:,} keys, taken at random; a client sends its next request when the last is answered; "
            f"clients share {CONNECTIONS_MAX} connections at most. The load runs on the same cores.\n\n" + compare_requests(options, 1))


def cluster(options) -> str:
    return ("## Three nodes on this machine\n\nThe same, with the clients spread over the three. CPU is that of all three.\n\n" + compare_requests(options, 3))


def watchers(options) -> str:
    rows = [["10,000 watchers", "etcd p99 ms", "keelson p99 ms", "ratio", "goal", "etcd bytes each", "keelson bytes each", "ratio", "goal", "etcd us CPU", "keelson us CPU"]]
    for shape in WATCHERS:
        runs: dict = {name: [] for name in PEERS}
        for turn in range(options.rounds):
            for name in peers_of(options):
                with Servers(name) as servers:
                    run_load(servers.ports, "put", 1, 1, 1, KEYS, VALUE_BYTES)
                    runs[name].append(watch_run(servers, shape))
                    print(f"  {turn + 1}/{options.rounds} {name} {shape}: {runs[name][-1]}", flush=True)
        row = [f"{shape[0]:,} connections x {shape[1]} streams x {shape[2]} watches"]
        for figure, digits, most in (("p99_ms", 1, 1.0), ("bytes", 0, 0.5)):
            row += [f"{median(run[figure] for run in runs[name]):,.{digits}f}" if runs[name] else "" for name in PEERS]
            ratios = [mine[figure] / other[figure] for mine, other in zip(runs["keelson"], runs["etcd"])]
            row += [spread(ratios), verdict(median(ratios), most=most)] if ratios else ["", ""]
        row += [f"{median(run['cpu_us'] for run in runs[name]):.1f}" if runs[name] else "" for name in PEERS]
        rows.append(row)
    return (f"## 10,000 watchers of one key\n\nThe key is put {WATCH_RATE} times a second ({WATCH_RATE * 10_000:,} events); an event's time counts from the moment at which its put was due. "
            "Memory is the growth of the server's resident memory by the watchers, before the first event; CPU is for each event.\n\n" + markdown(rows))


def watch_run(servers: Servers, shape) -> dict:
    before = servers.nodes[0].resident_bytes()
    load = subprocess.Popen([LOAD, servers.ports, "watch", *map(str, (*shape, WATCH_PUTS, WATCH_RATE))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if load.stdout.readline() != "watching\n":
        raise SystemExit(f"coord_load watch against {servers.name} failed")
    each = (servers.nodes[0].resident_bytes() - before) / 10_000
    cpu = servers.cpu_s()
    said, _ = load.communicate("\n")
    said = json.loads(said)
    return {"p99_ms": said["p99_us"] / 1000, "bytes": each, "cpu_us": (servers.cpu_s() - cpu) / said["events"] * 1e6}


def memory(options) -> str:
    """Many keys: memory, disk, and how long a restart takes."""
    rows = [["", *peers_of(options)]]
    figures: dict = {}
    for name in peers_of(options):
        with Servers(name) as servers:
            node = servers.nodes[0]
            empty = node.resident_bytes()
            puts = 0
            while puts < options.keys:
                puts += run_load(servers.ports, "put", 100, 500, 10, 1_000_000_000, VALUE_BYTES)["requests"]
            grown = (node.resident_bytes() - empty) / puts
            disk = sum(path.stat().st_blocks * 512 for path in node.folder.rglob("*") if path.is_file()) / puts
            node.stop(signal.SIGKILL)
            began = time.monotonic()
            node.start()
            servers.wait_ready()
            figures[name] = (f"{puts:,}", f"{grown:,.0f} B", f"{disk:,.0f} B", f"{time.monotonic() - began:.1f} s")
            print(f"  {name}: {figures[name]}", flush=True)
    for index, what in enumerate(("keys put", "resident memory for each", "disk for each", "restart after kill -9, until a range is answered")):
        rows.append([what, *(figures[name][index] for name in peers_of(options))])
    return f"## Many keys\n\nDifferent keys with values of {VALUE_BYTES} bytes, one put each.\n\n" + markdown(rows)


def failover(options) -> str:
    """From kill -9 of the leader to the first write that another node acknowledges."""
    from etcd_api import Api, Refused
    rows = [["", "median ms", "least", "most"]]
    for name in peers_of(options):
        times = []
        for turn in range(options.failovers):
            with Servers(name, 3) as servers:
                apis = {node: Api(f"127.0.0.1:{node.port}") for node in servers.nodes}
                run_load(servers.ports, "put", 10, 10, 1, KEYS, VALUE_BYTES)
                leader = next(node for node, api in apis.items() if (status := api.Status()).leader == status.header.member_id)
                others = [api for node, api in apis.items() if node is not leader]
                began, number, done = time.monotonic(), 0, False
                leader.stop(signal.SIGKILL)
                while not done:
                    number += 1
                    try:
                        others[number % 2].Put(key=b"after", value=b"%d" % turn, timeout_s=0.25)
                        done = True
                    except Refused:
                        if time.monotonic() > began + 60:
                            raise SystemExit(f"{name}: no write for a minute") from None
                times.append((time.monotonic() - began) * 1000)
                print(f"  {turn + 1}/{options.failovers} {name}: {times[-1]:.0f} ms", flush=True)
                for api in apis.values():
                    api.close()
        rows.append([name, f"{median(times):,.0f}", f"{min(times):,.0f}", f"{max(times):,.0f}"])
    return f"## Failover\n\nThree nodes; {options.failovers} times the leader is killed (kill -9) and the others are asked in turn, for 250 ms each.\n\n" + markdown(rows)


def benchmark(node: Node, test: str, seconds: int, *more: str) -> tuple[float, int]:
    """redis-benchmark's requests each second, and how many there were. It counts requests, not seconds: a short run tells how many."""
    count = 100_000
    while True:
        argv = ["redis-benchmark", "-p", str(node.kv_port), "-t", test, "-n", str(count), "-c", "50", "-P", "16", "-r", "1000000", "-d", str(VALUE_BYTES), "--csv", *more]
        began = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
        took = time.monotonic() - began
        lines = [line for line in done.stdout.splitlines() if line.startswith(f'"{test.upper()}"')]
        if done.returncode != 0 or len(lines) != 1:
            raise SystemExit(f"{argv} said: {done.stdout}{done.stderr}")
        if took >= seconds / 2:
            return float(lines[0].split(",")[1].strip('"')), count
        count = int(count * min(10, seconds / took))


def kv(options) -> str:
    """Keelson alone: kv in a cluster of three by kv on one node, both with `always`."""
    runs: dict = {}
    for turn in range(options.rounds):
        for count in (1, 3):
            with Servers("keelson", count, "--kv.durability", "always") as servers:
                for test in ("set", "get"):
                    before = servers.cpu_s()
                    rate, requests_made = benchmark(servers.nodes[0], test, options.seconds, *(["--cluster"] if count > 1 else []))
                    cpu_us = (servers.cpu_s() - before) / requests_made * 1e6
                    runs.setdefault(test, {}).setdefault(count, []).append((rate, cpu_us))
                    print(f"  {turn + 1}/{options.rounds} {count} nodes {test}: {rate:,.0f}/s, {cpu_us:.2f} us", flush=True)
    rows = [["", "one node /s", "three nodes /s", "ratio", "goal", "one node us CPU", "three nodes us CPU", "ratio"]]
    for test, of in runs.items():
        rates = [three[0] / one[0] for one, three in zip(of[1], of[3])]
        costs = [three[1] / one[1] for one, three in zip(of[1], of[3])]
        rows.append([test.upper(), *(f"{median(rate for rate, _ in of[count]):,.0f}" for count in (1, 3)), spread(rates), verdict(median(rates), least=0.5) if test == "set" else "",
                     *(f"{median(cpu for _, cpu in of[count]):.2f}" for count in (1, 3)), spread(costs)])
    return ("## kv: three nodes by one, `always`\n\nredis-benchmark, 50 connections, pipelines of 16, values of 256 bytes, a million keys. CPU is that of all nodes for each command; all three share "
            "this machine's cores and disk, with the load.\n\n" + markdown(rows))


def idle(_options) -> str:
    """What groups cost in which nothing happens."""
    rows = [["groups", "node", "CPU, percent of a core", "goal", "resident MiB"]]
    for groups in (16, 1000):
        with Servers("keelson", 3, "--kv.shards", str(groups)) as servers:
            wait_for_replicas(servers)
            time.sleep(30)   # until all have gone to sleep: a measurement, not a test
            before = [node.cpu_s() for node in servers.nodes]
            time.sleep(30)
            for number, node in enumerate(servers.nodes):
                percent = (node.cpu_s() - before[number]) / 30 * 100
                rows.append([f"{groups:,}", number + 1, f"{percent:.2f}", verdict(percent, most=3.0) if groups == 1000 else "", f"{node.resident_bytes() / MIB:,.0f}"])
                print(f"  {rows[-1]}", flush=True)
    return "## Idle groups\n\nThree nodes, each with a replica of every group; nobody asks for anything. Over 30 s.\n\n" + markdown(rows)


def wait_for_replicas(servers: Servers) -> None:
    """Until every group has a replica on each node."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        done = subprocess.run([KEELSON, "cluster", "status", "--json", "--http", f"127.0.0.1:{servers.nodes[0].http_port}"], capture_output=True, text=True)
        shards = json.loads(done.stdout)["shards"] if done.returncode == 0 else []
        if shards and all(len(shard["voters"]) == len(servers.nodes) for shard in shards):
            return
        time.sleep(0.5)
    raise SystemExit("the replicas did not come within five minutes")


def nodes(options) -> str:
    rows = [["nodes", "puts /s", "us CPU of all nodes", "p99 ms"]]
    for count in (3, 5, 7):
        runs = []
        for _ in range(options.rounds):
            with Servers("keelson", count, "--cluster.replicas", str(count)) as servers:
                requests_run(servers, "put", 100, 1)
                runs.append(requests_run(servers, "put", 100, options.seconds))
        rows.append([count, f"{median(run.per_second for run in runs):,.0f}", f"{median(run.cpu_us for run in runs):.1f}", f"{median(run.p99_ms for run in runs):.1f}"])
        print(f"  {rows[-1]}", flush=True)
    return "## More nodes\n\nKeelson's coordination with as many replicas as nodes: puts of 256 bytes by 100 clients, all on this machine's cores and one disk.\n\n" + markdown(rows)


def keys(options) -> str:
    rows = [["keys", "put us CPU", "put p99 ms", "range us CPU", "range p99 ms", "resident bytes a key"]]
    for count in (10_000, 100_000, 1_000_000, 10_000_000):
        if count > options.keys_max:
            break
        with Servers("keelson") as servers:
            empty, puts = servers.nodes[0].resident_bytes(), 0
            while puts < count:   # different keys, nearly all
                puts += run_load(servers.ports, "put", 100, 1000, max(1, min(10, count // 100_000)), 1_000_000_000, VALUE_BYTES)["requests"]
            each = (servers.nodes[0].resident_bytes() - empty) / puts
            put, found = (requests_run(servers, mode, 100, options.seconds) for mode in ("put", "range"))
        rows.append([f"{puts:,}", f"{put.cpu_us:.1f}", f"{put.p99_ms:.1f}", f"{found.cpu_us:.1f}", f"{found.p99_ms:.1f}", f"{each:,.0f}"])
        print(f"  {rows[-1]}", flush=True)
    return "## More keys\n\nOne node that holds so many keys already, then 100 clients on the 10,000 keys of the tables above.\n\n" + markdown(rows)


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
    version = subprocess.run([ETCD, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    rows = [["section", "began (UTC)", "commit", "how", "load average at the start", "took s"]]
    rows += [[part.name, part.began, part.commit, part.how, part.load, part.took_s] for part in parts]
    notes = RESULTS.read_text() if RESULTS.exists() else ""
    notes = "\n" + NOTES_HEAD + notes.split(NOTES_HEAD, 1)[1] if NOTES_HEAD in notes else ""   # written by hand; kept
    return (f"# Coordination, side by side with etcd\n\nWritten by `bench/run coord`, {len(CORES)} cores of {cpu}, Linux {platform.release()}, {version}. A ratio is Keelson's number by "
            "etcd's: median (least..most) over the rounds. Every acknowledged write is synced by both.\n\n" + markdown(rows) + "\n" + "\n".join(part.text for part in parts).rstrip() + "\n" + notes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run coord")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--failovers", type=int, default=10)
    parser.add_argument("--keys", type=int, default=500_000, help="of the section memory")
    parser.add_argument("--keys-max", type=int, default=1_000_000, help="of the section keys; 10,000,000 takes 6 GB of memory")
    parser.add_argument("--peers", default=",".join(PEERS), help="for trying the tools: one of the two alone; writes no report")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections: " + " ".join(SECTIONS) + " (default: all)")
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
        print(f"section {name}: {time.monotonic() - began:.0f} s\n{text}", flush=True)
        if options.peers == ",".join(PEERS):
            how = f"{options.failovers} times" if name == "failover" else f"{options.rounds} rounds of {options.seconds} s"
            Part(name, how, commit, f"{at:%Y-%m-%d %H:%M}", round(busy, 1), round(time.monotonic() - began), text).save()
    parts = [Part(**json.loads(path.read_text())) for name in SECTIONS if (path := PARTS / f"{name}.json").exists()]
    if parts and options.peers == ",".join(PEERS):
        RESULTS.write_text(report_of(parts))
        print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
