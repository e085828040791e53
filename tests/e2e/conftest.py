"""Fixtures: programs that a test may use, stopped by process id when it ends whatever happens.

KEELSON_BINARY names the program (build/release/keelson otherwise). KEELSON_E2E_PEER=redis runs the same tests against
redis-server, which shows that the tests expect what Redis does.
"""
import os
import shutil
import signal
import ssl
import subprocess

import pytest

from node import Keelson, Process, Redis

# A shell that starts ./check in the background has it ignore SIGINT, and whatever it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

AGAINST_REDIS = os.environ.get("KEELSON_E2E_PEER") == "redis"


def pytest_collection_modifyitems(items):
    for item in items:
        if AGAINST_REDIS and item.get_closest_marker("keelson_only"):
            item.add_marker(pytest.mark.skip(reason="redis-server has nothing like it"))


class Launcher:
    """Starts programs for one test or module and remembers them."""

    def __init__(self, folder):
        self.folder = folder
        self.processes: list[Process] = []

    def keelson(self, options=None, folder: str = "node", **more) -> Keelson:
        return self.keep(Keelson(self.folder / folder, options, **more))

    def server(self, folder: str = "node") -> Process:
        """What the tests of behaviour run against."""
        return self.redis(folder=folder) if AGAINST_REDIS else self.keelson(folder=folder)

    def redis(self, arguments=(), folder: str = "redis") -> Redis:
        return self.keep(Redis(self.folder / folder, arguments))

    def keep(self, process):
        self.processes.append(process)
        return process

    def end(self) -> list[str]:
        """Kills what still runs; tells of programs that died of a signal or sanitizer nobody asked for."""
        wrong = []
        for process in self.processes:
            died = process.popen.poll()
            process.kill()
            text = process.output()
            # 143: a program in Java that was asked to end
            if (died not in (None, 0, 1, 2, -9, -15, 143)) or "Sanitizer" in text or "KEELSON_CHECK" in text:
                wrong.append(f"{process.log} (exit {died}):\n{text[-4000:]}")
        return wrong


SPOILED = pytest.StashKey[bool]()


def _gone_when_passed(request, folder):
    """Gives the folder of a test or module, and removes it unless something failed: a node alone leaves several hundred megabytes."""
    failed_before = request.session.testsfailed
    yield folder
    if request.session.testsfailed == failed_before and not request.node.stash.get(SPOILED, False):
        shutil.rmtree(folder, ignore_errors=True)   # what a test made unreadable may stay


def _launcher(request, folder):
    made = Launcher(folder)
    yield made
    wrong = made.end()
    request.node.stash[SPOILED] = bool(wrong)
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def tmp_path(request, tmp_path):
    """pytest's own, gone when the test passed."""
    yield from _gone_when_passed(request, tmp_path)


@pytest.fixture
def launch(request, tmp_path):
    yield from _launcher(request, tmp_path)


@pytest.fixture(scope="module")
def module_folder(request, tmp_path_factory):
    yield from _gone_when_passed(request, tmp_path_factory.mktemp("module"))


@pytest.fixture(scope="module")
def launch_shared(request, module_folder):
    yield from _launcher(request, module_folder)


@pytest.fixture(scope="module")
def server(launch_shared):
    """One server for the module; a test begins with empty databases (see the fixture `redis_client`)."""
    return launch_shared.server()


@pytest.fixture
def connection(server):
    with server.connect() as made:
        made.ok("FLUSHALL")
        yield made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority and certificates for localhost and for a client, made by openssl."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=keelson test authority",
            "-keyout", "ca.key", "-out", "ca.crt")
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    return folder


@pytest.fixture
def tls_context(certificates):
    return ssl.create_default_context(cafile=str(certificates / "ca.crt"))
