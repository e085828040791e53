"""bench/run http: Keelson side by side with nginx and h2o, answering a fixed body of about 100 bytes. See the text of the report.

The servers get the same load by turns, round after round, so that a machine that is slow for a while is slow for all; a ratio is of
runs of one round. CPU is utime + stime of the server's process (/proc/PID/stat, 10 ms steps), by the requests answered.
"""
import argparse
import datetime
import getpass
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from node import free_port  # noqa: E402

KEELSON = ROOT / "build" / "release" / "bench" / "http_answer"   # the house's server, with a handler that answers as many bytes as the peers
RESULTS = ROOT / "bench" / "RESULTS-http.md"
NOTES_HEAD = "## What the profiles say\n"
CORES = sorted(os.sched_getaffinity(0))
BODY = "All's well; the ship answers with a hundred bytes, as she is asked to, and so do all her peers here\n"
CONNECTIONS = 50
STREAMS = 10   # of HTTP/2, on each connection

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/plain; tcp_nodelay on;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}{http2}; location / {{ return 200 "{body}"; }} }}
}}
"""
# h2o has no handler for a fixed answer but mruby's, which is slower than this one: a file, which it keeps open.
H2O = """
num-threads: 1
user: {user}
pid-file: {folder}/pid
error-log: {folder}/error
hosts:
  default:
    listen: {{ host: 127.0.0.1, port: {port} }}
    paths:
      /:
        file.dir: {folder}/www
"""


class Server:
    """One of the peers on the first core. `http2`: nginx 1.22 needs a port of its own for it without TLS."""

    def __init__(self, name: str, http2: bool):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-", dir=ROOT / "build"))
        self.port = free_port()
        values = {"folder": self.folder, "port": self.port, "body": BODY.strip() + "\\n", "user": getpass.getuser(), "http2": " http2" if http2 else ""}
        path = "/"
        if name == "keelson":
            argv = [KEELSON, self.port]
        elif name == "nginx":
            (self.folder / "conf").write_text(NGINX.format(**values))
            argv = ["nginx", "-c", self.folder / "conf"]
        else:
            (self.folder / "www").mkdir()
            (self.folder / "www" / "index.html").write_text(BODY)
            (self.folder / "conf").write_text(H2O.format(**values))
            argv = ["h2o", "-c", self.folder / "conf"]
        self.url = f"http://127.0.0.1:{self.port}{path}"
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen([str(part) for part in ["taskset", "-c", CORES[0], *argv]], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.wait_ready(http2)

    def wait_ready(self, http2: bool) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {(self.folder / 'log').read_text()[-2000:]}")
            try:
                if http2:
                    done = subprocess.run(["curl", "-sf", "--http2-prior-knowledge", self.url], capture_output=True)
                    self.answer_bytes = len(done.stdout)
                    if done.returncode == 0:
                        return
                else:
                    with urllib.request.urlopen(self.url, timeout=5) as answer:
                        self.answer_bytes = len(answer.read())
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"{self.name} was not ready in 60 s")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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


def load(server: Server, http2: bool, seconds: int) -> Run:
    """wrk for HTTP/1.1, h2load for HTTP/2, on the last core."""
    argv = ["taskset", "-c", CORES[-1]]
    if http2:
        argv += ["h2load", "-t", 1, "-c", CONNECTIONS, "-m", STREAMS, "-D", seconds, "--warm-up-time", 0, server.url]
    else:
        argv += ["wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{seconds}s", server.url]
    before, began = server.cpu_s(), time.monotonic()
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True)
    cpu, took = server.cpu_s() - before, time.monotonic() - began
    if http2:
        found = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", done.stdout)
        if not found or int(found[3]) + int(found[4]):
            raise SystemExit(f"h2load against {server.name} said: {done.stdout}{done.stderr}")
        count, rate = int(found[2]), float(re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", done.stdout)[1])
    else:
        found = re.search(r"(\d+) requests in", done.stdout)
        if not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise SystemExit(f"wrk against {server.name} said: {done.stdout}{done.stderr}")
        count, rate = int(found[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    return Run(rate or count / took, cpu / count * 1e6)


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def verdict(value: float, most: float | None = None, least: float | None = None) -> str:
    good = value <= most if most is not None else value >= least
    return (f"<= {most}" if most is not None else f">= {least}") + ": " + ("yes" if good else "**no**")


def section(http2: bool, rounds: int, seconds: int) -> str:
    names = ["keelson", "nginx", "h2o"]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    sizes = {}
    for turn in range(rounds + 1):
        for name in names:
            with Server(name, http2) as server:   # one at a time has the core
                sizes[name] = server.answer_bytes
                load(server, http2, 1)
                if turn:
                    runs[name].append(load(server, http2, seconds))
                    print(f"  {name}: {runs[name][-1]}", flush=True)
    ours = runs["keelson"]
    rows = []
    for name in names:
        speed = [run.per_second for run in runs[name]]
        cpu = [run.cpu_us for run in runs[name]]
        row = [f"{name} ({sizes[name]} B)", f"{median(speed):,.0f} ({min(speed):,.0f}..{max(speed):,.0f})", spread(cpu)]
        if name == "keelson":
            row += ["", "", "", ""]
        else:
            faster = [mine.per_second / other.per_second for mine, other in zip(ours, runs[name])]
            cost = [mine.cpu_us / other.cpu_us for mine, other in zip(ours, runs[name])]
            row += [spread(faster), verdict(median(faster), least=1.0), spread(cost), verdict(median(cost), most=1.0)]
        rows.append(row)
    heads = ["", "requests/s", "us CPU/request", "keelson's requests/s by its", "goal", "keelson's CPU by its", "goal"]
    table = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    how = f"h2load, prior knowledge, {CONNECTIONS} connections with {STREAMS} streams each" if http2 else f"wrk, {CONNECTIONS} connections"
    return (f"## {'HTTP/2' if http2 else 'HTTP/1.1'}: {how}\n\n" +
            "\n".join("| " + " | ".join(map(str, row)) + " |" for row in table) + "\n")


def head(options) -> str:
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
    h2o = subprocess.run(["h2o", "--version"], capture_output=True, text=True).stdout.split("\n")[0].split()[-1]
    return (f"# HTTP, side by side with nginx {nginx} and h2o {h2o}\n\nWritten by `bench/run http` on {datetime.date.today()}, commit {commit}, {len(CORES)} cores of {cpu}, "
            f"Linux {platform.release()}; {options.rounds} rounds of {options.seconds} s; load average at the start {os.getloadavg()[0]:.1f}.\n\nA small fixed answer, one server thread on one core, "
            "the load on another. Each answers the same 100 bytes of text/plain: Keelson from a handler of net/http (`bench/http_answer.cc`), nginx by `return 200`, h2o from a file. "
            "Median (least..most) over the rounds; a ratio is of runs of the same round.\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run http")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 s")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parts = [head(options)]
    for http2 in (False, True):
        parts.append(section(http2, options.rounds, options.seconds))
        print(parts[-1], flush=True)
    notes = ""
    if options.output.exists() and NOTES_HEAD in options.output.read_text():
        notes = "\n" + NOTES_HEAD + options.output.read_text().split(NOTES_HEAD, 1)[1]   # written by hand; kept
    options.output.write_text("\n".join(parts).rstrip() + "\n" + notes)
    print(f"written: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
