"""A cluster of real processes under kill -9, SIGSTOP, cut links and loss: what its clients saw must be linearizable.

KEELSON_FAULT_ROUNDS=50 runs fifty rounds (a few by default), KEELSON_FAULT_SEED=7 draws others. The judge is linear_check, built beside
the program (tests/sim/linear_check.cc); KEELSON_LINEAR_CHECK names it otherwise.
"""
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cluster_lab import Faults, Lab
from node import BINARY
from resp import Error

pytestmark = pytest.mark.keelson_only

ROUNDS = int(os.environ.get("KEELSON_FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("KEELSON_FAULT_SEED", "1"))
LINEAR_CHECK = Path(os.environ.get("KEELSON_LINEAR_CHECK", BINARY.parent / "tests" / "sim" / "linear_check"))
CLIENTS = 6
KEYS = 8
ANSWER_WITHIN_S = 8
WITHOUT_EFFECT = ("CLUSTERDOWN ", "TRYAGAIN ", "MOVED ", "ASK ", "LOADING ", "MISCONF The disk of", "ERR max number")
NOBODY_KNOWS = ("UNCERTAIN ", "MISCONF Writing to the log", "ERR The server is shutting")


class History:
    """Calls as linear_check reads them; any thread."""

    def __init__(self, path: Path):
        self.path, self.lock, self.lines = path, threading.Lock(), []
        self.answered = self.unanswered = self.refused = 0

    def add(self, client: int, called_ns: int, returned_ns, key: str, name: str, arguments, answer):
        known = returned_ns is not None
        columns = [client, called_ns, returned_ns if known else "-", key, name, *arguments, answer if known else "-"]
        with self.lock:
            self.answered += known
            self.unanswered += not known
            self.lines.append("\t".join(map(str, columns)))

    def judge(self):
        self.path.write_text("\n".join(self.lines) + "\n")
        done = subprocess.run([LINEAR_CHECK, "--steps", "5000000", self.path], capture_output=True, text=True, timeout=300)
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr


def command_of(name: str, key: str, value: str):
    return {"get": ["GET", key], "set": ["SET", key, value], "delete": ["DEL", key], "setnx": ["SETNX", key, value],
            "swap": ["GETSET", key, value], "append": ["APPEND", key, value]}[name]


def answer_of(name: str, reply) -> str:
    if name in ("get", "swap"):
        return "(nil)" if reply is None else reply.decode()
    return "ok" if name == "set" and reply == "OK" else str(int(reply))


class Client(threading.Thread):
    """Asks random nodes about shared keys, writes values of its own, and notes everything."""

    def __init__(self, number: int, lab: Lab, history: History, seed: int):
        super().__init__(daemon=True)
        self.number, self.lab, self.history, self.chance = number, lab, history, random.Random(seed)
        self.round, self.ending, self.count, self.connection, self.wrong = 0, False, 0, None, None

    def run(self):
        while not self.ending and not self.wrong:
            try:
                self.connection = self.connection or self.chance.choice(self.lab.nodes).connect(ANSWER_WITHIN_S)
            except (OSError, AssertionError):
                time.sleep(0.05)
                continue
            self.ask()
            time.sleep(self.chance.uniform(0, 0.01))
            if self.connection and self.chance.random() < 0.02:
                self.disconnect()

    def disconnect(self):
        self.connection.close()
        self.connection = None

    def ask(self):
        place = self.chance.randrange(KEYS)
        key = f"r{self.round}:k{place}"
        names = ["get", "append", "append"] if place == 0 else ["get", "get", "set", "set", "swap", "setnx", "delete"]
        name, self.count = self.chance.choice(names), self.count + 1
        value = f"{self.number}.{self.count},"
        arguments = [] if name in ("get", "delete") else [value]
        called = time.monotonic_ns()
        try:
            reply = self.connection.call(*command_of(name, key, value))
        except OSError:
            self.disconnect()
            self.history.add(self.number, called, None, key, name, arguments, None)
            return
        if not isinstance(reply, Error):
            self.history.add(self.number, called, time.monotonic_ns(), key, name, arguments, answer_of(name, reply))
        elif reply.startswith(NOBODY_KNOWS):
            self.history.add(self.number, called, None, key, name, arguments, None)
        elif reply.startswith(WITHOUT_EFFECT):
            self.history.refused += 1
        else:
            self.wrong = f"{name} was answered {reply}"


def read_back(lab: Lab, history: History, key: str):
    """From each node: what was acknowledged must be there."""
    for node in lab.nodes:
        deadline = time.monotonic() + 60
        while True:
            called = time.monotonic_ns()
            try:
                connection = node.connect(ANSWER_WITHIN_S)
                reply = connection.call("GET", key)
                connection.close()
            except OSError:
                reply = Error("none")
            if not isinstance(reply, Error):
                break
            assert time.monotonic() < deadline, f"node {node.number} does not answer for {key}: {reply}"
            time.sleep(0.05)
        history.add(100 + node.number, called, time.monotonic_ns(), key, "get", [], answer_of("get", reply))


def test_rounds_of_faults(launch):
    history = History(launch.folder / "history.txt")
    with Lab(launch) as lab:
        faults = Faults(lab, SEED)
        clients = [Client(number, lab, history, SEED * 100 + number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        slowest_s = 0.0
        for number in range(1, ROUNDS + 1):
            for client in clients:
                client.round = number
            time.sleep(0.7)
            what = faults.strike()
            time.sleep(random.Random(SEED + number).uniform(0.5, 3))
            before = time.monotonic()
            faults.mend()
            took_s = time.monotonic() - before
            slowest_s = max(slowest_s, took_s)
            print(f"round {number}: {what}; every node served {took_s:.1f} s after it was mended; {history.answered} answered, "
                  f"{history.unanswered} not, {history.refused} refused", flush=True)
            assert not any(client.wrong for client in clients), [client.wrong for client in clients]
        for client in clients:
            client.ending = True
        for client in clients:
            client.join(60)
        assert not any(client.wrong for client in clients), [client.wrong for client in clients]
        for number in range(1, ROUNDS + 1):
            for place in range(KEYS):
                read_back(lab, history, f"r{number}:k{place}")
    assert history.answered > 50 * ROUNDS
    print(f"{ROUNDS} rounds, links cut: {lab.has_links}; slowest recovery {slowest_s:.1f} s")
    history.judge()
