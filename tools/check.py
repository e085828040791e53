"""Runs every test of the tree, step by step; ./check has installed what it needs.

Each step writes build/check/<step>.log and counts its own tests. A step that fails does not keep the others from running,
only those that need what it builds are then skipped. Everything a step starts listens on loopback ports that the system
picks, and is stopped by its process id; a step that outlives its time limit is killed with its whole process group.
"""
import argparse
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "check"
RELEASE = ROOT / "build" / "release"
ASAN = ROOT / "build" / "fuzz"      # address and undefined-behaviour sanitizers, with the fuzz targets
TSAN = ROOT / "build" / "tsan"
VENV = ROOT / "build" / "venv"
# Of a failed step's log, what tells the cause when it stands far above the end (a build goes on with what it can).
FIRST_SIGNS = re.compile(r"\berror: |^FAILED|^FAIL |\[  FAILED")
# Of each kind of simulated life in tests/sim: seven of kv, five of the blob store. Both run at the same time.
SIM_SEEDS = 500
SIM_CLUSTER_SEEDS = 1000
SIM_CLUSTERS = "^sim_(cluster|coord|raft_member|slots)$"
SIM_TOPIC_CLUSTER_SEEDS = 72  # of each of seven kinds: 504 lives
SIM_TOPIC_CLUSTERS = "^sim_topic_cluster$"
SIM_SEEDS_SANITIZED = 8
FUZZ_SECONDS = 60
FUZZ_AT_ONCE = 3  # more than the 2 cores have: a target that starts or ends leaves them time
PROGRESS_S = 30
ADDRESS_SPACE_BYTES_MAX = 8 << 30
# Every fuzz target that has to exist; what else fuzz/ builds is run too.
FUZZERS = ("fuzz_resp_request", "fuzz_resp_reply", "fuzz_log_reader", "fuzz_checkpoint_reader", "fuzz_dump", "fuzz_config",
           "fuzz_backup", "fuzz_http_request", "fuzz_http_response", "fuzz_http_body", "fuzz_http_url", "fuzz_http2",
           "fuzz_hpack", "fuzz_websocket", "fuzz_blob_volume", "fuzz_blob_codec", "fuzz_blob_checkpoint", "fuzz_blob_command",
           "fuzz_blob_answers", "fuzz_s3_signature", "fuzz_s3_chunked", "fuzz_s3_xml", "fuzz_s3_form", "fuzz_s3_policy",
           "fuzz_raft_journal", "fuzz_peer_frames", "fuzz_cluster_calls", "fuzz_coord_command", "fuzz_coord_checkpoint", "fuzz_grpc_frames",
           "fuzz_etcd_request", "fuzz_etcd_json", "fuzz_shard_record", "fuzz_kafka_request", "fuzz_kafka_response", "fuzz_kafka_sasl", "fuzz_kafka_group",
           "fuzz_record_batch", "fuzz_topic_engine", "fuzz_pubsub_filter", "fuzz_pubsub_request")

SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:suppressions=" + str(ROOT / "tools" / "tsan.supp"),
}


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclass
class Step:
    name: str
    what: str
    run: Callable[["Log"], Counts]
    needs: list[str] = field(default_factory=list)


class Log:
    """A step's log file, and the commands that write to it."""

    def __init__(self, name: str):
        self.path = LOGS / f"{name}.log"
        self.file = open(self.path, "w", encoding="utf-8", errors="replace")

    def command(self, argv, limit_s: int, env=None, cwd=ROOT, limit=None) -> int:
        """Runs to its end or the limit, and gives the exit code (124 past the limit)."""
        return self.wait(self.start(argv, env, cwd, limit=limit), limit_s)

    def start(self, argv, env=None, cwd=ROOT, output=None, limit=None) -> subprocess.Popen:
        self.file.write(f"$ {shlex.join(str(part) for part in argv)}\n")
        self.file.flush()
        return subprocess.Popen([str(part) for part in argv], cwd=cwd, env={**os.environ, **(env or {})},
                                stdin=subprocess.DEVNULL, stdout=output or self.file, stderr=subprocess.STDOUT,
                                start_new_session=True, preexec_fn=limit)

    def wait(self, process: subprocess.Popen, limit_s: int) -> int:
        began = time.monotonic()
        try:
            while True:
                try:
                    code = process.wait(timeout=max(0.0, min(PROGRESS_S, limit_s - (time.monotonic() - began))))
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() - began >= limit_s:
                        kill_group(process)
                        self.line(f"killed after {limit_s} s")
                        return 124
                    self.show_progress(time.monotonic() - began)
        except KeyboardInterrupt:
            kill_group(process)
            raise
        self.line(f"exit code {code}")
        return code

    def show_progress(self, elapsed_s: float) -> None:
        lines = [line for line in self.text()[-2000:].splitlines() if line.strip()]
        print(f"    {elapsed_s:4.0f} s: {lines[-1].strip()[:110] if lines else ''}", flush=True)

    def line(self, text: str) -> None:
        self.file.write(text + "\n")
        self.file.flush()

    def text(self) -> str:
        self.file.flush()
        return self.path.read_text(encoding="utf-8", errors="replace")


def limit_memory() -> None:
    """A test that runs away ends alone. Not for sanitizers, which map terabytes."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES_MAX, ADDRESS_SPACE_BYTES_MAX))


def kill_group(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def one(code: int) -> Counts:
    return Counts(passed=1) if code == 0 else Counts(failed=1)


def build(log: Log, preset: str, targets: list[str]) -> Counts:
    """Through tools/setup.sh, which configures too. -k 0: one broken target hides no other."""
    script = '. "$root/tools/setup.sh"; preset=$1; shift; configure "$preset"; ninja -C "$root/build/$preset" -k 0 "$@"'
    argv = ["bash", "-c", f'set -e; root={shlex.quote(str(ROOT))}; {script}', "build", preset, *targets]
    return one(log.command(argv, 45 * 60, env={"NINJA_STATUS": "[%f/%t %es] "}))


def gtest_counts(log: Log, code: int) -> Counts:
    """Sums up what the GoogleTest programs printed. A program that died without a summary is one failure."""
    text = log.text()
    number = lambda pattern: sum(int(count) for count in re.findall(pattern, text, re.M))
    counts = Counts(number(r"\[  PASSED  \] (\d+) tests?"), number(r"\[  FAILED  \] (\d+) tests?, listed below"),
                    number(r"\[  SKIPPED \] (\d+) tests?, listed below"))
    if code != 0 and counts.failed == 0:
        counts.failed = 1
    if code == 0 and counts.passed == 0:
        log.line("no test ran")
        counts.failed = 1
    return counts


def ctest(log: Log, folder: Path, selection: list[str], limit_s: int) -> Counts:
    code = log.command(["ctest", "--test-dir", folder, "-V", "-j2", "--timeout", "900", *selection], limit_s,
                       env=SANITIZER_ENV, limit=limit_memory if folder == RELEASE else None)
    return gtest_counts(log, code)


def sim(log: Log, folder: Path, selection: list[str], seeds: int, limit_s: int, leaving_out: str = "") -> Counts:
    """The simulation draws `seeds` schedules of each kind; its tests of planted bugs run besides."""
    code = log.command(["ctest", "--test-dir", folder, "-V", "-j2", *selection, "--timeout", str(limit_s)],
                       limit_s + 60,
                       env={**SANITIZER_ENV, "KEELSON_SEEDS": f"1:{seeds}", "GTEST_FILTER": f"*-{leaving_out}"},
                       limit=limit_memory if folder == RELEASE else None)
    return gtest_counts(log, code)


def prepare_clients(log: Log) -> bool:
    """The tests' clients: a venv with redis-py and pytest, npm's packages, jars, and etcd and Kafka to compare with, under build/."""
    wanted = (ROOT / "tests" / "e2e" / "requirements.txt").read_text()
    stamp = VENV / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        if log.command([python, "-m", "venv", VENV], 120) != 0:
            return False
        if log.command([VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-r",
                        ROOT / "tests" / "e2e" / "requirements.txt"], 300) != 0:
            return False
        stamp.write_text(wanted)
    package = (ROOT / "tests" / "e2e" / "package.json").read_text()
    folder = ROOT / "build" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "package.json").exists() or (folder / "package.json").read_text() != package or \
            not (folder / "node_modules" / "ioredis").exists():
        (folder / "package.json").write_text(package)
        if log.command(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], 300, cwd=folder) != 0:
            return False
    fetched = [["get_etcd.sh"], ["get_java.sh"], ["get_java.sh", "peer"]]
    return all(log.command([ROOT / "tools" / script, *more], 300) == 0 for script, *more in fetched)


def pytest(log: Log, what: list[str], binary: Path, limit_s: int, env=None) -> Counts:
    if not prepare_clients(log):
        return Counts(failed=1)
    report = log.path.with_suffix(".xml")
    report.unlink(missing_ok=True)
    # pytest empties it first; what a failed test leaves there stays until the next run.
    folders = log.path.with_suffix(".folders")
    code = log.command([VENV / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short",
                        f"--basetemp={folders}", f"--junitxml={report}", *what], limit_s,
                       env={**SANITIZER_ENV, "KEELSON_BINARY": str(binary), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    if not report.exists():
        return Counts(failed=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    bad = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    counts = Counts(int(suite.get("tests")) - bad - skipped, bad, skipped)
    if code != 0 and bad == 0:
        counts.failed = 1
    return counts


def fuzz(log: Log) -> Counts:
    """Every fuzz target for FUZZ_SECONDS, FUZZ_AT_ONCE at a time, from the seeds in fuzz/<target>_seeds."""
    built = {path.name: path for path in (ASAN / "fuzz").glob("fuzz_*") if os.access(path, os.X_OK) and path.is_file()}
    counts = Counts()
    for name in FUZZERS:
        if name not in built:
            log.line(f"{name} was not built")
            counts.failed += 1
    waiting, running = sorted(built), {}
    while waiting or running:
        while waiting and len(running) < FUZZ_AT_ONCE:
            name = waiting.pop(0)
            running[name] = start_fuzzer(log, name, built[name])
        for name, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[name]
            counts.add(one(process.returncode))
            log.line(f"{name}: exit code {process.returncode}" + ("" if process.returncode == 0 else
                     f", see build/check/{name}.log; the input stands in build/check/{name}/"))
        time.sleep(0.2)
    return counts


def start_fuzzer(log: Log, name: str, program: Path) -> subprocess.Popen:
    corpus, found = LOGS / name / "corpus", LOGS / name
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = [folder for folder in (ROOT / "fuzz" / f"{name.removeprefix('fuzz_')}_seeds", ROOT / "fuzz" / f"{name}_seeds")
             if folder.is_dir()]
    # The corpus grows from run to run; the limit on time ends a hang as a finding.
    argv = [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1",
            f"-artifact_prefix={found}/", corpus, *seeds]
    return log.start(argv, env=SANITIZER_ENV, output=open(LOGS / f"{name}.log", "w"))


def steps() -> list[Step]:
    e2e = ROOT / "tests" / "e2e"
    quick = [e2e, "-m", "sanitized"]
    return [
        Step("tidy", "the house's rules, and the test of that test",
             lambda log: tidy(log)),
        Step("build", "build/release: the program and the tests", lambda log: build(log, "release", ["all"])),
        Step("unit", "unit tests", lambda log: ctest(log, RELEASE, ["-R", "^unit_"], 900), ["build"]),
        Step("sim", f"simulation, {SIM_SEEDS} seeds of each kind of life",
             lambda log: sim(log, RELEASE, ["-R", "^sim_", "-E", f"{SIM_CLUSTERS}|{SIM_TOPIC_CLUSTERS}"], SIM_SEEDS, 900), ["build"]),
        Step("sim-cluster", f"simulation of clusters, {SIM_CLUSTER_SEEDS} seeds of each kind of life",
             lambda log: sim(log, RELEASE, ["-R", SIM_CLUSTERS], SIM_CLUSTER_SEEDS, 900), ["build"]),
        Step("sim-topic-cluster", f"simulation of topics on clusters, {SIM_TOPIC_CLUSTER_SEEDS} seeds of each kind of life",
             lambda log: sim(log, RELEASE, ["-R", SIM_TOPIC_CLUSTERS], SIM_TOPIC_CLUSTER_SEEDS, 900), ["build"]),
        Step("docs", "docs/kv.md, docs/blob.md, docs/etcd.md and docs/topic.md tell what the server does", docs, ["build"]),
        Step("e2e", "real clients against the real program", lambda log: pytest(log, [e2e], RELEASE / "keelson", 1500),
             ["build"]),
        Step("build-asan", "build/fuzz: address and undefined-behaviour sanitizers, fuzz targets",
             lambda log: build(log, "fuzz", ["all"])),
        Step("unit-asan", "unit tests under asan and ubsan", lambda log: ctest(log, ASAN, ["-R", "^unit_"], 900),
             ["build-asan"]),
        Step("sim-asan", f"simulation under asan and ubsan, {SIM_SEEDS_SANITIZED} seeds",
             # Planted defects are looked for with as many seeds as it takes, which takes minutes here.
             lambda log: sim(log, ASAN, ["-R", "^sim_"], SIM_SEEDS_SANITIZED, 600, "TopicClusterFinds.*"),
             ["build-asan"]),
        Step("e2e-asan", "clients against the program under asan and ubsan",
             lambda log: pytest(log, quick, ASAN / "keelson", 600, {"KEELSON_SANITIZED": "1"}), ["build-asan"]),
        Step("fuzz", f"every fuzz target for {FUZZ_SECONDS} s", fuzz, ["build-asan"]),
        Step("build-tsan", "build/tsan: thread sanitizer", lambda log: build(log, "tsan", TSAN_TARGETS)),
        Step("unit-tsan", "unit tests with threads under tsan", lambda log: ctest(log, TSAN, ["-R", TSAN_TESTS], 600),
             ["build-tsan"]),
        Step("e2e-tsan", "clients against the program under tsan",
             lambda log: pytest(log, quick, TSAN / "keelson", 600, {"KEELSON_SANITIZED": "1"}), ["build-tsan"]),
    ]


# The tests of folders that run threads; everything else is single-threaded and would only cost a build.
TSAN_TARGETS = ["keelson", "test_env_real", "test_shard", "test_log", "test_monitor", "test_peer"]
TSAN_TESTS = "^unit_(env_real|shard|log|monitor|peer)$"


def docs(log: Log) -> Counts:
    counts = Counts()
    for name in ("kv_docs", "s3_docs", "etcd_docs", "kafka_docs"):
        counts.add(one(log.command([sys.executable, ROOT / "tools" / "table_docs.py", "--check", RELEASE / "tools" / name], 60)))
    return counts


def tidy(log: Log) -> Counts:
    counts = one(log.command([sys.executable, "-m", "unittest", "discover", "-v", "-s", ROOT / "tests" / "tidy"], 120))
    counts.add(one(log.command([sys.executable, ROOT / "tests" / "tidy" / "tidy.py"], 600)))
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="check")
    parser.add_argument("steps", nargs="*", metavar="STEP")
    parser.add_argument("--list", action="store_true", help="print the steps")
    options = parser.parse_args()
    every = steps()
    if options.list:
        for step in every:
            print(f"{step.name:12} {step.what}")
        return 0
    names = {step.name: step for step in every}
    for name in options.steps:
        if name not in names:
            parser.error(f"no step {name} (./check --list)")
    chosen = set(options.steps or names)
    for name in list(chosen):
        chosen.update(names[name].needs)
    return run([step for step in every if step.name in chosen])


def run(chosen: list[Step]) -> int:
    os.chdir(ROOT)
    LOGS.mkdir(parents=True, exist_ok=True)
    total, broken, began = Counts(), set(), time.monotonic()
    for position, step in enumerate(chosen, 1):
        head = f"[{position}/{len(chosen)}] {step.name}: {step.what}"
        missing = [need for need in step.needs if need in broken]
        if missing:
            print(f"{head}\n    not run, {', '.join(missing)} failed", flush=True)
            total.failed += 1
            continue
        print(head, flush=True)
        started = time.monotonic()
        log = Log(step.name)
        try:
            counts = step.run(log)
        except (OSError, ElementTree.ParseError) as why:
            log.line(f"the step itself failed: {why}")
            counts = Counts(failed=1)
        total.add(counts)
        result = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
        print(f"    {result} ({time.monotonic() - started:.0f} s)", flush=True)
        if counts.failed:
            broken.add(step.name)
            lines = log.text().splitlines()
            tail = [line for line in lines[:-25] if FIRST_SIGNS.search(line)][:15] + lines[-25:]
            print("\n".join("    | " + line[:200] for line in tail), flush=True)
            print(f"    whole log: build/check/{step.name}.log", flush=True)
    print(f"{(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
