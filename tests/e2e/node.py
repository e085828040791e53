"""Starts and stops the programs under test, each on ports and in a folder of its own. Stops them by their process ids."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from resp import Connection

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = Path(os.environ.get("KEELSON_BINARY", ROOT / "build" / "release" / "keelson"))
SANITIZED = bool(os.environ.get("KEELSON_SANITIZED"))
# Sanitizers make everything several times slower.
PATIENCE_S = 120 if SANITIZED else 30
# A program that runs away ends alone instead of taking the machine with it. (Sanitizers map terabytes.)
ADDRESS_SPACE_BYTES_MAX = None if SANITIZED else 8 << 30


def limited(argv: list[str]) -> list[str]:
    """By a program that becomes the other one: code of ours between fork and exec could hang, since tests have threads."""
    return ["prlimit", f"--as={ADDRESS_SPACE_BYTES_MAX}", *argv] if ADDRESS_SPACE_BYTES_MAX else argv


def wait_until(holds, limit_s: float = PATIENCE_S, what: str = "it"):
    """Asks again and again until `holds()` is true, and returns what it gave."""
    deadline = time.monotonic() + limit_s
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {limit_s} s"
        time.sleep(0.01)


def machine_environment() -> dict:
    """Without the tests' own KEELSON_ variables, which the program would take for settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KEELSON_")}


class Process:
    """A program that runs until stop() or kill(); its output stands in `log`."""

    def __init__(self, argv, log: Path, env=None, is_limited: bool = True):
        self.log = log
        self._file = open(log, "ab")
        argv = [str(part) for part in argv]
        self.popen = subprocess.Popen(limited(argv) if is_limited else argv, stdin=subprocess.DEVNULL, stdout=self._file,
                                      stderr=subprocess.STDOUT, env={**machine_environment(), **(env or {})})

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, limit_s: float = PATIENCE_S) -> int:
        if self.running:
            self.popen.send_signal(signal.SIGTERM)
        return self.wait(limit_s)

    def kill(self) -> int:
        if self.running:
            self.popen.kill()
        return self.wait()

    def wait(self, limit_s: float = PATIENCE_S) -> int:
        try:
            code = self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"did not end within {limit_s} s:\n{self.output()[-2000:]}") from None
        self._file.close()
        return code


class Keelson(Process):
    """keelson serve. `options` are dotted flags: {"kv.durability": "always"}."""

    def __init__(self, folder: Path, options=None, name: str = "keelson", wait: bool = True, env=None,
                 data: Path | None = None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = data or self.folder / "data"
        self.ready_file = self.folder / f"{name}.ready"
        self.ready_file.unlink(missing_ok=True)
        settings = {"kv.listen": "127.0.0.1:0", "http.listen": "127.0.0.1:0", "s3.listen": "127.0.0.1:0",
                    "etcd.listen": "127.0.0.1:0", "kafka.listen": "127.0.0.1:0", **(options or {})}
        if not any(key == "join" or key.startswith("cluster.") for key in settings):
            settings = {"pubsub.listen": "127.0.0.1:0", **settings}      # a node of a cluster does not offer it yet
        argv = [BINARY, "serve", "--data-dir", self.data, "--ready-file", self.ready_file]
        for key, value in settings.items():
            argv += [f"--{key}", value]
        super().__init__(argv, self.folder / f"{name}.log", env)
        if wait:
            self.wait_ready()

    def wait_ready(self, limit_s: float = PATIENCE_S) -> dict:
        def ready():
            assert self.running, f"ended with {self.popen.returncode} before it was ready:\n{self.output()[-3000:]}"
            return self.ready_file.exists() and self.ready_file.read_text().strip()
        try:
            self.ready = json.loads(wait_until(ready, limit_s, "ready"))
        except AssertionError:
            self.kill()
            raise
        return self.ready

    @property
    def port(self) -> int:
        return self._port("kv")

    @property
    def tls_port(self) -> int:
        return self._port("kv_tls")

    @property
    def http_port(self) -> int:
        return self._port("http")

    @property
    def s3_port(self) -> int:
        return self._port("s3")

    def _port(self, service: str) -> int:
        return int(self.ready[service].rsplit(":", 1)[1])

    def connect(self, **how) -> Connection:
        return Connection(self.port, **how)


class Redis(Process):
    """Debian's redis-server, as the peer to compare with (redis-check-rdb is the same program under another name)."""

    def __init__(self, folder: Path, arguments=(), name: str = "redis"):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        program = self.folder / "redis-server"
        if not program.exists():
            program.symlink_to(shutil.which("redis-check-rdb"))
        self.port = free_port()
        super().__init__([program, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.data, "--save", "",
                          "--enable-debug-command", "yes", *arguments], self.folder / f"{name}.log")
        self.wait_ready()

    def wait_ready(self, limit_s: float = PATIENCE_S) -> None:
        def ready():
            assert self.running, f"redis-server ended:\n{self.output()[-2000:]}"
            try:
                with Connection(self.port, timeout_s=5) as connection:
                    return connection.call("PING") == "PONG"
            except ConnectionError:
                return False
        wait_until(ready, limit_s, "redis-server")

    def connect(self, **how) -> Connection:
        return Connection(self.port, **how)


def free_port() -> int:
    """For programs that cannot be asked for port 0, or need the same one over several lives: none of those that the kernel gives to
    outgoing connections."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmRSS for {pid}")
