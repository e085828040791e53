#!/usr/bin/env python3
"""Writes the answers and keyspace events of a real redis-server 7.0 into scenario files.

    record.py strings.txt lists.txt      (or --all: every .txt beside this script)

A scenario file is read line by line:

    # ...          a comment, kept
    > SET k v      a command, kept; "..." may hold blanks, \\n and \\x00
    >~ KEYS *      the same; the elements of the answer are sorted before they are compared
    @resp3, @resp2, @db N, @sleep MS      protocol, database, time that passes; kept
    anything else  the answer (a line), and "! set:k expire:k": the events, written anew

scenario_test.cc runs the files against the engine. Keys do not expire by themselves while recording: only when touched.
"""

import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def split_line(line):
    words, at = [], 0
    while True:
        while at < len(line) and line[at] == " ":
            at += 1
        if at == len(line):
            return words
        word, in_quotes = bytearray(), False
        while at < len(line) and (in_quotes or line[at] != " "):
            if line[at] == '"':
                in_quotes = not in_quotes
            elif in_quotes and line[at] == "\\":
                at += 1
                if line[at] == "x":
                    word.append(int(line[at + 1:at + 3], 16))
                    at += 2
                else:
                    word += b"\n" if line[at] == "n" else line[at].encode()
            else:
                word += line[at].encode()
            at += 1
        words.append(bytes(word))


def quoted(data):
    text = '"'
    for byte in data:
        if byte in b'\\"':
            text += "\\" + chr(byte)
        elif byte == 10:
            text += "\\n"
        elif byte < 0x20 or byte >= 0x7F:
            text += "\\x%02x" % byte
        else:
            text += chr(byte)
    return text + '"'


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        self.is_resp3 = False

    def send(self, *args):
        args = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
        self.socket.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args))

    def read(self, is_sorted=False):
        """One answer as text, in the form of test_support.h."""
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:].decode("latin-1")
        if kind == b"+":
            return rest
        if kind == b"-":
            return "(error) " + rest
        if kind == b":":
            return ":" + rest
        if kind == b"_":
            return "nil"
        if kind == b"#":
            return "#" + rest
        if kind == b",":
            return "," + quoted(rest.encode())
        if kind in b"$=":
            size = int(rest)
            if size < 0:
                return "nil"
            data = self.file.read(size + 2)[:-2]
            return quoted(data) if kind == b"$" else data[:3].decode() + ":" + quoted(data[4:])
        count = int(rest)
        if count < 0:
            return "nil-array"
        if kind == b"%":
            return "{" + ", ".join(f"{self.read()}: {self.read()}" for _ in range(count)) + "}"
        elements = [self.read() for _ in range(count)]
        if is_sorted:
            elements.sort()
        return {b"*": "[", b"~": "~[", b">": ">["}[kind] + ", ".join(elements) + "]"

    def run(self, *args):
        self.send(*args)
        return self.read()


class Events:
    """What the server tells about keys, command by command."""

    def __init__(self, port):
        self.subscriber = Connection(port)
        self.publisher = Connection(port)
        for pattern in ("__keyevent@*", "marker"):
            self.subscriber.run("PSUBSCRIBE", pattern)

    def take(self):
        self.publisher.run("PUBLISH", "marker", "")
        events = []
        while True:
            size = int(self.subscriber.file.readline()[1:-2])
            parts = []
            for _ in range(size):
                length = int(self.subscriber.file.readline()[1:-2])
                parts.append(self.subscriber.file.read(length + 2)[:-2])
            channel, key = parts[2].decode(), parts[3].decode()
            if channel == "marker":
                return " ".join(events)
            database, event = channel.removeprefix("__keyevent@").split("__:", 1)
            events.append(f"{event}:{key}" + ("" if database == "0" else "@" + database))


def record(path, port):
    connection, events = Connection(port), Events(port)
    connection.run("FLUSHALL")
    events.take()
    lines = []
    for line in path.read_text().splitlines():
        if line.startswith(("#", "@")) or not line:
            lines.append(line)
        words = line.split()
        if line.startswith("@resp"):
            connection.run("HELLO", line[-1])
        elif line.startswith("@db"):
            connection.run("SELECT", words[1])
        elif line.startswith("@sleep"):
            time.sleep(int(words[1]) / 1000 + 0.002)
        elif line.startswith(">"):
            lines.append(line)
            is_sorted = line.startswith(">~")
            connection.send(*split_line(line[2 if is_sorted else 1:]))
            lines.append(connection.read(is_sorted))
            told = events.take()
            if told:
                lines.append("! " + told)
    path.write_text("\n".join(lines) + "\n")


def main():
    if sys.argv[1:] == ["--all"]:
        paths = sorted(HERE.glob("*.txt"))
    else:
        paths = [pathlib.Path(name) for name in sys.argv[1:]]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
             "--enable-debug-command", "yes", "--notify-keyspace-events", "AKE"], stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                try:
                    control = Connection(port)
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            control.run("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            for path in paths:
                record(path, port)
                print(path.name)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
