"""bench/run topic: topics side by side with Apache Kafka, NATS JetStream and Redis Streams. See the report's text.

Every server gets the same work by turns, round after round, so that a machine that is slow for a while is slow for all; a ratio is of
runs of one round. The load for Keelson and Kafka is librdkafka's own rdkafka_performance (Debian's source of it, built with the few
lines of bench/rdkafka_shim). CPU is utime + stime of the server's process (/proc/PID/stat), by the messages that went through.
"""
import argparse
import datetime
import json
import os
import platform
import re
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from node import free_port  # noqa: E402

KEELSON = Path(os.environ.get("KEELSON_BINARY", ROOT / "build" / "release" / "keelson"))
WORK = ROOT / "build" / "bench-topic"
KAFKA_JARS = ROOT / "build" / "peers" / "kafka"
NATS = ROOT / "build" / "peers" / "nats" / "usr"
RESULTS = ROOT / "bench" / "RESULTS-topic.md"
EXAMPLE = Path("/usr/share/doc/librdkafka-dev/examples/rdkafka_performance.c")
SECTIONS = ["throughput", "latency", "streams", "partitions", "cold", "tail"]
MIB = 1 << 20
SIZES = (100, 1024)
# What is acknowledged when. Kafka as it is shipped leaves the sync to the machine; Keelson has that as "never", and syncs each second
# with "interval".
POLICIES = {"unsynced": {"kafka": "9223372036854775807", "keelson": ("interval", "never")}, "synced": {"kafka": "1", "keelson": ("always",)}}


# ---- Servers

class Server:
    """A process in a folder of its own on the disk of the checkout."""

    def __init__(self, name: str):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-", dir=WORK))
        self.port = free_port()
        self.log = open(self.folder / "log", "ab")
        self.environment = None

    def start(self) -> float:
        """Gives the seconds until it answers."""
        began = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in self.argv()], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.environment)
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() - began > 180:
                raise SystemExit(f"{self.name} is not ready: {(self.folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        return next(int(line.split()[1]) * 1024 for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))

    def read_bytes(self) -> int:
        return next(int(line.split()[1]) for line in Path(f"/proc/{self.process.pid}/io").read_text().splitlines() if line.startswith("read_bytes:"))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class KafkaSpeaker(Server):
    def answers(self) -> bool:
        """Metadata, version 1, of no topics: it lists a broker."""
        try:
            answer = ask(self.port, struct.pack(">hhih5s", 3, 1, 1, 5, b"bench") + struct.pack(">i", 0), 5)
        except (OSError, struct.error):
            return False
        return struct.unpack(">ii", answer[:8]) == (1, 1)

    def create(self, topic: str, partitions: int = 1) -> None:
        """Over the protocol, by hand (CreateTopics, version 2), so that no client library is needed."""
        name = topic.encode()
        body = struct.pack(">hhih5s", 19, 2, 1, 5, b"bench") + struct.pack(">ih", 1, len(name)) + name + struct.pack(">ihiii", partitions, 1, 0, 0, 120_000) + b"\0"
        answer = ask(self.port, body, 180)
        code = struct.unpack(">h", answer[4 + 4 + 4 + 2 + len(name):][:2])[0]
        if code not in (0, 36):
            raise SystemExit(f"{self.name}: topic {topic} was refused with {code}")


class Keelson(KafkaSpeaker):
    def __init__(self, durability: str = "always", *more: str):
        super().__init__("keelson")
        self.durability, self.more = durability, more

    def argv(self):
        closed = [part for service in ("kv", "http", "s3", "etcd", "pubsub") for part in (f"--{service}.listen", "127.0.0.1:0")]
        return [KEELSON, "serve", "--data-dir", self.folder / "data", *closed, "--kafka.listen", f"127.0.0.1:{self.port}", "--topic.durability", self.durability,
                "--logging.level", "warning", *self.more]


class Kafka(KafkaSpeaker):
    """As kafka-server-start.sh starts it: a heap of 1 GiB, G1."""

    def __init__(self, flush_messages: str):
        super().__init__("kafka")
        self.flush_messages = flush_messages
        controller = free_port()
        self.config = self.folder / "server.properties"
        self.config.write_text("\n".join([
            "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@127.0.0.1:{controller}",
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}", "controller.listener.names=CONTROLLER",
            f"log.dirs={self.folder / 'data'}", "num.partitions=1", "offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1", f"log.flush.interval.messages={flush_messages}", ""]))
        self.java = ["java", "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
                     "-XX:+ExplicitGCInvokesConcurrent", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{KAFKA_JARS}/*"]
        subprocess.run([*self.java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c", self.config], check=True, capture_output=True)

    def argv(self):
        return [*self.java, "kafka.Kafka", self.config]


class Nats(Server):
    def __init__(self):
        super().__init__("nats")

    def argv(self):
        return [NATS / "sbin" / "nats-server", "-js", "-sd", self.folder / "data", "-a", "127.0.0.1", "-p", self.port]

    def answers(self) -> bool:
        return is_open(self.port)


class Redis(Server):
    def __init__(self, appendfsync: str):
        super().__init__("redis")
        self.appendfsync = appendfsync

    def argv(self):
        program = self.folder / "redis-server"
        if not program.exists():
            program.symlink_to(shutil.which("redis-check-rdb"))
        return [program, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "yes", "--appendfsync", self.appendfsync]

    def answers(self) -> bool:
        return is_open(self.port)


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def ask(port: int, body: bytes, timeout_s: float = 60) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        head = connection.recv(4, socket.MSG_WAITALL)
        return connection.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)


# ---- Loads

def build_tool() -> Path:
    program = WORK / "rdkafka_performance"
    if not program.exists():
        subprocess.run(["gcc", "-O2", "-w", "-I/usr/include/librdkafka", f"-I{ROOT / 'bench' / 'rdkafka_shim' / 'src'}", "-o", program, EXAMPLE,
                        "-lrdkafka", "-lz", "-lm", "-lpthread"], check=True)
    return program


def perf(server: Server, mode: str, topic: str, *words: str) -> tuple[float, str]:
    """Seconds that rdkafka_performance took by its own count."""
    done = subprocess.run([build_tool(), mode, "-b", f"127.0.0.1:{server.port}", "-t", topic, "-q", *words], capture_output=True, text=True, timeout=900)
    found = re.findall(r"in (\d+)ms", done.stdout)
    if done.returncode != 0 or not found or " 0 failed" not in done.stdout and mode == "-P":
        raise SystemExit(f"rdkafka_performance {mode} {words}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return int(found[-1]) / 1000, done.stdout


def produce(server: Server, topic: str, count: int, size: int, *words: str) -> dict:
    before = server.cpu_s()
    took, _ = perf(server, "-P", topic, "-s", str(size), "-c", str(count), "-a", "-1", "-X", "linger.ms=5", *words)
    return {"per_second": count / took, "cpu_s_per_million": (server.cpu_s() - before) / count * 1e6, "resident": server.resident_bytes()}


def consume(server: Server, topic: str, count: int) -> dict:
    before = server.cpu_s()
    took, _ = perf(server, "-C", topic, "-p", "0", "-o", "beginning", "-c", str(count))
    return {"per_second": count / took, "cpu_s_per_million": (server.cpu_s() - before) / count * 1e6}


def spread(values) -> str:
    values = sorted(values)
    return f"{median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})"


def count(value: float) -> str:
    return f"{value:,.0f}"


# ---- Sections: each gives lines of Markdown.

def throughput(options) -> list[str]:
    lines = ["One producer and one consumer (rdkafka_performance), one partition, acks=all, linger 5 ms, no compression; server and client share the machine.",
             "Ratios are Keelson's by Kafka's of the same round: median (least to most).", "",
             "| message | sync before the answer | keelson | produced/s, kafka | keelson | ratio | consumed/s, kafka | keelson | ratio | CPU s per million produced, kafka | keelson | ratio | RSS MiB, kafka | keelson | ratio |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for policy, how in POLICIES.items():
        with Kafka(how["kafka"]) as kafka:
            ours = {durability: Keelson(durability) for durability in how["keelson"]}
            for server in ours.values():
                server.start()
            try:
                for size in SIZES:
                    messages = options.messages // (4 if size > 100 else 1)
                    for durability, keelson in ours.items():
                        lines.append(throughput_row(options, policy, durability, kafka, keelson, size, messages))
                        print(lines[-1], flush=True)
            finally:
                for server in ours.values():
                    server.__exit__()
    return lines


def throughput_row(options, policy, durability, kafka, keelson, size, messages) -> str:
    produced = {"kafka": [], "keelson": []}
    consumed = {"kafka": [], "keelson": []}
    for number in range(options.rounds + 1):
        for server in (kafka, keelson):
            topic = f"t-{size}-{durability}-{number}"
            server.create(topic)
            made = produce(server, topic, messages, size)
            read = consume(server, topic, messages)
            if number:      # the first warms up
                produced[server.name].append(made)
                consumed[server.name].append(read)

    def ratio(runs, what):
        return spread([one[what] / other[what] for one, other in zip(runs["keelson"], runs["kafka"])])

    def middle(runs, name, what):
        return median(one[what] for one in runs[name])
    cells = [f"{size} B", "yes" if policy == "synced" else "no", durability]
    cells += [count(middle(produced, name, "per_second")) for name in ("kafka", "keelson")] + [ratio(produced, "per_second")]
    cells += [count(middle(consumed, name, "per_second")) for name in ("kafka", "keelson")] + [ratio(consumed, "per_second")]
    cells += [f"{middle(produced, name, 'cpu_s_per_million'):.2f}" for name in ("kafka", "keelson")] + [ratio(produced, "cpu_s_per_million")]
    cells += [count(middle(produced, name, "resident") / MIB) for name in ("kafka", "keelson")] + [ratio(produced, "resident")]
    return "| " + " | ".join(cells) + " |"


def latency(options) -> list[str]:
    lines = ["From produce() to the delivery report, acks=all, linger 0, 100 B, at a fixed rate; milliseconds, the median round's.", "",
             "| rate/s | sync before the answer | kafka p50 | keelson p50 | kafka p99 | keelson p99 | ratio of p99 |", "|---|---|---|---|---|---|---|"]
    for policy, how in POLICIES.items():
        durability = how["keelson"][0]
        with Kafka(how["kafka"]) as kafka, Keelson(durability) as keelson:
            for rate in (1000, 5000):
                seen = {"kafka": [], "keelson": []}
                for number in range(options.rounds + 1):
                    for server in (kafka, keelson):
                        server.create(f"l-{rate}")
                        report = WORK / "latency"
                        perf(server, "-P", f"l-{rate}", "-s", "100", "-c", str(rate * 5), "-r", str(rate), "-a", "-1", "-l", "-A", str(report), "-X", "linger.ms=0")
                        times = sorted(int(line) for line in report.read_text().split())
                        if number:
                            seen[server.name].append((times[len(times) // 2] / 1000, times[len(times) * 99 // 100] / 1000))
                middle = {name: [median(run[i] for run in runs) for i in (0, 1)] for name, runs in seen.items()}
                ratios = spread([ours[1] / theirs[1] for ours, theirs in zip(seen["keelson"], seen["kafka"])])
                lines.append(f"| {rate:,} | {'yes' if policy == 'synced' else 'no'} | {middle['kafka'][0]:.2f} | {middle['keelson'][0]:.2f} | {middle['kafka'][1]:.2f} | "
                             f"{middle['keelson'][1]:.2f} | {ratios} |")
                print(lines[-1], flush=True)
    return lines


def nats_load(server: Nats, mode: str, messages: int, size: int) -> float:
    program = WORK / "nats_load"
    library = NATS / "lib" / "x86_64-linux-gnu"
    if not program.exists():
        subprocess.run(["gcc", "-O2", f"-I{NATS / 'include'}", "-o", program, ROOT / "bench" / "nats_load.c", f"-L{library}", "-lnats", "-Wl,--allow-shlib-undefined"], check=True)
    done = subprocess.run([program, str(server.port), mode, str(messages), str(size)], capture_output=True, text=True, check=True,
                          env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    return float(done.stdout)


def redis_rate(server: Redis, messages: int, size: int) -> float:
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "-n", str(messages), "-c", "1", "-P", "1000", "-d", str(size), "--csv", "XADD", "bench", "*", "v", "x" * size],
                          capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def streams(options) -> list[str]:
    lines = ["NATS JetStream 2.9 (Debian; kept in files, acknowledged before its sync, which it does each two minutes) and Redis Streams (Debian; appendonly). Many messages under way in each.",
             "Keelson by rdkafka_performance, with the durability that is nearest.", "",
             "| peer | its sync | keelson | message | peer published/s | keelson | ratio | peer read/s | keelson | ratio |", "|---|---|---|---|---|---|---|---|---|---|"]
    for peer, durability, policy in (("nats", "interval", "2 min"), ("redis everysec", "interval", "1 s"), ("redis always", "always", "each")):
        with (Nats() if peer == "nats" else Redis(peer.split()[1])) as other, Keelson(durability) as keelson:
            for size in SIZES:
                messages = options.messages // 4
                rates = []
                for number in range(options.rounds + 1):
                    topic = f"s-{size}-{number}"
                    keelson.create(topic)
                    ours = produce(keelson, topic, messages, size)["per_second"], consume(keelson, topic, messages)["per_second"]
                    if peer == "nats":
                        theirs = messages / nats_load(other, "publish", messages, size), messages / nats_load(other, "pull", messages, size)
                    else:
                        theirs = redis_rate(other, messages, size), None
                    if number:
                        rates.append((ours, theirs))
                published = spread([ours[0] / theirs[0] for ours, theirs in rates])
                cells = [peer.split()[0], policy, durability, f"{size} B", count(median(theirs[0] for _, theirs in rates)), count(median(ours[0] for ours, _ in rates)), published]
                if peer == "nats":
                    cells += [count(median(theirs[1] for _, theirs in rates)), count(median(ours[1] for ours, _ in rates)), spread([ours[1] / theirs[1] for ours, theirs in rates])]
                else:
                    cells += ["", "", ""]
                lines.append("| " + " | ".join(cells) + " |")
                print(lines[-1], flush=True)
    return lines


def partitions(options) -> list[str]:
    lines = ["One topic of so many partitions; messages of 100 B without keys, which librdkafka sends to another partition each 10 ms, acks=all, durability interval. The start is after kill -9.", "",
             "| partitions | produced/s | by that of 10 | RSS MiB | start s |", "|---|---|---|---|---|"]
    rates = {}
    for number in (10, options.partitions):
        with Keelson("interval") as keelson:
            keelson.create("many", number)
            runs = [produce(keelson, "many", options.messages // 4, 100, "-X", "queue.buffering.max.messages=1000000") for _ in range(options.rounds + 1)][1:]
            rates[number] = [run["per_second"] for run in runs]
            resident = keelson.resident_bytes() / MIB
            keelson.stop(signal.SIGKILL)
            start_s = keelson.start()
            lines.append(f"| {number:,} | {count(median(rates[number]))} | {spread([a / b for a, b in zip(rates[number], rates[10])])} | {resident:,.0f} | {start_s:.1f} |")
            print(lines[-1], flush=True)
    return lines


def drop_caches() -> bool:
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
        return True
    except OSError:
        return False


def cold(options) -> list[str]:
    total = options.cold_mib * MIB
    size, messages = 1024, total // 1100
    lines = [f"{options.cold_mib} MiB of messages of 1 KiB in batches of 1 MiB, read in order by one consumer after a restart with empty caches; `dd` of the same files with blocks of 1 MiB.", ""]
    with Keelson("interval") as keelson:
        keelson.create("cold")
        produce(keelson, "cold", messages, size, "-X", "batch.num.messages=1000", "-X", "batch.size=1000000")
        rates = []
        for _ in range(options.rounds):
            keelson.stop()
            files = sorted((keelson.folder / "data" / "topic").rglob("*-0-*.log"))
            on_disk = sum(path.stat().st_size for path in files)
            is_dropped = drop_caches()
            began = time.monotonic()
            for path in files:
                subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M"], check=True, capture_output=True)
            dd = on_disk / (time.monotonic() - began)
            is_dropped = drop_caches() and is_dropped
            keelson.start()
            took, _ = perf(keelson, "-C", "cold", "-p", "0", "-o", "beginning", "-c", str(messages), "-X", "fetch.message.max.bytes=8388608")
            rates.append((on_disk / took, dd))
        lines += ["| dd MiB/s | consumed MiB/s | ratio | caches emptied |", "|---|---|---|---|",
                  f"| {count(median(dd for _, dd in rates) / MIB)} | {count(median(ours for ours, _ in rates) / MIB)} | {spread([ours / dd for ours, dd in rates])} | {'yes' if is_dropped else 'no (not permitted)'} |"]
        print(lines[-1], flush=True)
    return lines


def fetch_frame(topic: str, offset: int, number: int) -> bytes:
    """Fetch, version 4: waits up to a minute for a byte."""
    name = topic.encode()
    body = struct.pack(">hhih5s", 1, 4, number, 5, b"bench") + struct.pack(">iiiibi", -1, 60_000, 1, 50 * MIB, 0, 1) + struct.pack(">h", len(name)) + name + \
        struct.pack(">iiqi", 1, 0, offset, MIB)
    return struct.pack(">i", len(body)) + body


def tail_round(connections, selector, topic: str, offset: int, keelson: Server, messages: int) -> float:
    """All wait at the end; then a batch comes. Seconds from the producer's end until all have read it."""
    for connection in connections:
        connection.sendall(fetch_frame(topic, offset, 1))
    waiting = {connection: b"" for connection in connections}
    produce(keelson, topic, messages, 1000)
    began = time.monotonic()
    while waiting:
        for key, _ in selector.select(60):
            connection = key.fileobj
            if connection not in waiting:
                continue
            waiting[connection] += connection.recv(1 << 20)
            data = waiting[connection]
            if len(data) >= 4 and len(data) >= 4 + struct.unpack(">i", data[:4])[0]:
                del waiting[connection]
        if time.monotonic() - began > 60:
            raise SystemExit(f"{len(waiting)} consumers at the tail got nothing")
    return time.monotonic() - began


def tail(options) -> list[str]:
    with Keelson("interval") as keelson:
        keelson.create("tail")
        connections = [socket.create_connection(("127.0.0.1", keelson.port)) for _ in range(options.consumers)]
        selector = selectors.DefaultSelector()
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        before_read, before_cpu, messages = keelson.read_bytes(), keelson.cpu_s(), 10
        times = []
        for number in range(10):
            times.append(tail_round(connections, selector, "tail", number * messages, keelson, messages))
        disk, cpu = keelson.read_bytes() - before_read, keelson.cpu_s() - before_cpu
        for connection in connections:
            connection.close()
    return [f"{options.consumers:,} connections wait at the end of one partition; ten messages of 1,000 B come, and all get them; ten rounds.", "",
            "| consumers | deliveries | read from the disk by the server, bytes | server CPU s | seconds from the producer's end until all have read it, median |", "|---|---|---|---|---|",
            f"| {options.consumers:,} | {options.consumers * 10 * messages:,} | {disk:,} | {cpu:.2f} | {median(times):.3f} |"]


# ---- The report

def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory / 2**20:.0f} GiB, Linux {platform.release()}"


def commit() -> str:
    said = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


TITLES = {"throughput": "Throughput, CPU and memory beside Apache Kafka", "latency": "Latency of producing beside Apache Kafka", "streams": "NATS JetStream and Redis Streams",
          "partitions": "Many partitions", "cold": "Old data, read in order", "tail": "A thousand consumers at the tail"}


def write_report() -> None:
    parts = [json.loads((WORK / f"{name}.json").read_text()) | {"name": name} for name in SECTIONS if (WORK / f"{name}.json").exists()]
    text = ["# Topics, measured", "", f"By `bench/run topic` on {machine()}. Peers: Apache Kafka 4.3.1 (KRaft, one node, as shipped: a heap of 1 GiB), Debian's nats-server and redis-server.",
            "Client and servers share the machine; each round runs all servers by turns. What a server does before it acknowledges stands beside every number.", ""]
    for part in parts:
        text += [f"## {TITLES[part['name']]}", "", f"{part['date']}, commit {part['commit']}, {part['how']}.", "", *part["lines"], ""]
    RESULTS.write_text("\n".join(text).rstrip() + "\n")
    print(f"wrote {RESULTS}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/run topic")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between: " + " ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of 100 B in one run; others get a part of it")
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--cold-mib", type=int, default=2048)
    parser.add_argument("--consumers", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="one round of a tenth")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.messages, options.cold_mib = 1, options.messages // 10, 256
    WORK.mkdir(parents=True, exist_ok=True)
    for name in options.only.split(","):
        if name not in SECTIONS:
            parser.error(f"no section {name}")
        print(f"== {name}", flush=True)
        lines = globals()[name](options)
        (WORK / f"{name}.json").write_text(json.dumps({"date": datetime.date.today().isoformat(), "commit": commit(), "how": "one quick round" if options.quick else f"{options.rounds} rounds", "lines": lines}))
    write_report()


if __name__ == "__main__":
    main()
