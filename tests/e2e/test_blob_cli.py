"""keelson blob against keelson serve: content arrives whole, interrupted work goes on, and memory stays small."""
import filecmp
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from node import BINARY, PATIENCE_S, machine_environment, wait_until

pytestmark = pytest.mark.keelson_only

KEYS = {"KEELSON_S3_ACCESS_KEY_ID": "AKIDEXAMPLE1", "KEELSON_S3_SECRET_ACCESS_KEY": "secret/secret+secret"}
MIB = 1 << 20


class Blob:
    """`keelson blob` on one server, in one folder."""

    def __init__(self, server, folder: Path, scheme: str = "http"):
        self.folder = folder
        self.env = {**machine_environment(), **KEYS, "KEELSON_S3_ENDPOINT": f"{scheme}://127.0.0.1:{server.s3_port}"}

    def __call__(self, *arguments, expect: int = 0, stdin: bytes | None = None, env=None) -> str:
        done = subprocess.run([str(BINARY), "blob", *map(str, arguments)], cwd=self.folder, input=stdin, capture_output=True,
                              timeout=10 * PATIENCE_S, env={**self.env, **(env or {})})
        assert done.returncode == expect, done.stdout[-2000:] + done.stderr[-2000:]
        self.complaints = done.stderr.decode()
        self.bytes = done.stdout
        return done.stdout.decode(errors="replace")

    def start(self, *arguments) -> subprocess.Popen:
        return subprocess.Popen([str(BINARY), "blob", *map(str, arguments)], cwd=self.folder, env=self.env,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def server(launch):
    return launch.keelson(env=KEYS)


@pytest.fixture
def blob(server, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    made = Blob(server, folder)
    made("mb", "s3://bucket")
    return made


def peak_bytes(pid: int) -> int:
    """What the program has held at most since it began; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def write(path: Path, size: int, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - at)))
    return path


@pytest.mark.sanitized
@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 37 * MIB])
def test_there_and_back(blob, size):
    content = write(blob.folder / "in.txt", size).read_bytes()
    blob("cp", "in.txt", "s3://bucket/d/")
    assert "could not be checked" not in blob("cp", "s3://bucket/d/in.txt", "out.txt")
    assert (blob.folder / "out.txt").read_bytes() == content
    blob("cp", "-", "s3://bucket/stream", stdin=content)
    blob("cp", "s3://bucket/stream", "-")
    assert blob.bytes == content
    assert "could not be checked" not in blob("cp", "s3://bucket/stream", "s3://bucket/copy")
    blob("cp", "s3://bucket/copy", "out.txt")
    assert (blob.folder / "out.txt").read_bytes() == content
    assert blob("ls", "--uploads", "s3://bucket") == ""
    assert sorted(path.name for path in blob.folder.iterdir()) == ["in.txt", "out.txt"]


@pytest.mark.sanitized
def test_folders(blob):
    names = ["a", "b/c", "b-/d", "b.e", "ä ö/+%20", "index.html", "skip/x.o"]
    for number, name in enumerate(names):
        write(blob.folder / "site" / name, number * 1000, number)
    assert "would upload: site/a to s3://bucket/www/a" in blob("sync", "site", "s3://bucket/www", "--dry-run")
    assert blob("ls", "-r", "s3://bucket") == ""
    blob("sync", "site", "s3://bucket/www", "--exclude", "*.o")
    assert blob("sync", "site", "s3://bucket/www", "--exclude", "*.o") == "0 objects\n"
    assert blob("sync", "site", "s3://bucket/www", "--exclude", "*.o", "--checksum").startswith("0 objects")
    blob("sync", "s3://bucket/www", "back")
    (blob.folder / "site/skip/x.o").unlink()
    (blob.folder / "site/skip").rmdir()
    for name in names[:-1]:
        assert filecmp.cmp(blob.folder / "site" / name, blob.folder / "back" / name, shallow=False)
    assert "text/html" in blob("stat", "s3://bucket/www/index.html")
    (blob.folder / "site/a").unlink()
    assert "delete: s3://bucket/www/a" in blob("sync", "site", "s3://bucket/www", "--delete")
    assert "5 objects" in blob("du", "-s", "s3://bucket/www")
    blob("rm", "-r", "s3://bucket/www")
    blob("rb", "s3://bucket")
    assert blob("ls") == ""


class Dam:
    """Passes connections on to a server until so many bytes have gone there, and then holds everything back."""

    def __init__(self, port: int, bytes_max: int):
        self.target, self.left, self.lock, self.is_closed = port, bytes_max, threading.Lock(), threading.Event()
        self.held = []  # connections stay open
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.held += [client, server]
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, target, counts):
        try:
            while data := source.recv(1 << 16):
                if counts:
                    with self.lock:
                        self.left -= len(data)
                        if self.left < 0:
                            self.is_closed.set()
                            return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_an_upload_that_was_killed_goes_on(blob, server):
    """The dam lets some parts through and holds the rest, so the upload can neither be over nor have nothing done when it is killed."""
    path = write(blob.folder / "big", 64 * MIB)
    dam = Dam(server.s3_port, 40 * MIB)
    process = blob.start("cp", "big", "s3://bucket/big", "--parallel", "2", "--endpoint", f"http://127.0.0.1:{dam.port}")
    try:
        assert dam.is_closed.wait(PATIENCE_S)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        dam.listener.close()
    assert blob("ls", "s3://bucket/") == ""
    said = blob("cp", "big", "s3://bucket/big")
    assert "of it from before" in said, said
    blob("cp", "s3://bucket/big", "back")
    assert filecmp.cmp(path, blob.folder / "back", shallow=False)


def test_a_download_that_was_killed_goes_on(blob):
    path = write(blob.folder / "big", 400 * MIB)
    blob("cp", "big", "s3://bucket/big")
    (blob.folder / "back").write_text("old")
    process = blob.start("cp", "s3://bucket/big", "back", "--parallel", "2")
    ranges = blob.folder / "back.ranges.keelson-partial"
    try:
        wait_until(lambda: ranges.exists() and len(ranges.read_text().splitlines()) > 6, what="some parts")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (blob.folder / "back").read_text() == "old"
    said = blob("cp", "s3://bucket/big", "back")
    assert "of it from before" in said, said
    assert filecmp.cmp(path, blob.folder / "back", shallow=False)
    assert not list(blob.folder.glob("*partial"))


def test_a_server_that_was_killed_is_waited_for(blob, launch, tmp_path):
    """The client tries again until the server is back on its port, and what it says is stored is stored."""
    server = launch.keelson(folder="second", env=KEYS)
    port = server.s3_port
    again = Blob(server, blob.folder)
    again("mb", "s3://bucket")
    path = write(blob.folder / "big", 200 * MIB)
    process = again.start("cp", "big", "s3://bucket/big")
    wait_until(lambda: again("ls", "--uploads", "s3://bucket") or again("ls", "s3://bucket/"), what="the upload")
    server.kill()
    server = launch.keelson({"s3.listen": f"127.0.0.1:{port}"}, folder="second", env=KEYS)
    assert process.wait(PATIENCE_S * 2) == 0
    again("cp", "s3://bucket/big", "back")
    assert filecmp.cmp(path, blob.folder / "back", shallow=False)


def test_memory_stays_small(blob):
    """A file of 1 GiB: parts under way are all that is held, 256 KiB of each."""
    path = blob.folder / "big"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
        file.write(b"end")
    for arguments in (("cp", "big", "s3://bucket/big"), ("cp", "s3://bucket/big", "back")):
        process = blob.start(*arguments)
        most = 0
        while process.poll() is None:
            # getrusage() would count what pytest held when it forked.
            most = max(most, peak_bytes(process.pid))
            time.sleep(0.01)
        assert process.returncode == 0
        assert 0 < most < 64 * MIB, f"{arguments}: {most} bytes"
    assert filecmp.cmp(path, blob.folder / "back", shallow=False)


@pytest.mark.sanitized
def test_errors_say_what_to_do(blob):
    blob("ls", "s3://none", expect=1)
    assert "NoSuchBucket" in blob.complaints and "keelson blob mb" in blob.complaints
    blob("ls", expect=1, env={"KEELSON_S3_SECRET_ACCESS_KEY": "wrong"})
    assert "SignatureDoesNotMatch" in blob.complaints and "KEELSON_S3_SECRET_ACCESS_KEY" in blob.complaints
    blob("ls", expect=2, env={"KEELSON_S3_ACCESS_KEY_ID": ""})
    blob("ls", "--endpoint", "http://127.0.0.1:1", expect=1)
    assert "Is the server running there?" in blob.complaints
    blob("cp", "a", "b", expect=2)
    blob("cp", "s3://bucket/k", "x", "--part-size", "1", expect=2)
    write(blob.folder / "large", 7 * MIB)
    blob("cp", "large", "s3://bucket/k", expect=1, env={"KEELSON_S3_SECRET_ACCESS_KEY": "wrong"})
    assert "SignatureDoesNotMatch" in blob.complaints


def test_over_tls(launch, tmp_path, certificates):
    server = launch.keelson({"s3.listen": "", "s3.tls.listen": "127.0.0.1:0", "s3.tls.cert": certificates / "server.crt",
                             "s3.tls.key": certificates / "server.key"}, env=KEYS)
    port = server.ready["s3_tls"].rsplit(":", 1)[1]
    endpoint = ("--endpoint", f"https://localhost:{port}")
    server.ready["s3"] = server.ready["s3_tls"]
    blob = Blob(server, tmp_path, "https")
    blob("ls", *endpoint, expect=1)
    assert "certificate" in blob.complaints
    trusting = (*endpoint, "--cacert", certificates / "ca.crt")
    blob("mb", "s3://bucket", *trusting)
    content = write(tmp_path / "in", 20 * MIB).read_bytes()
    blob("cp", "in", "s3://bucket/in", *trusting)
    blob("cp", "s3://bucket/in", "-", *trusting)
    assert blob.bytes == content
