"""Clients that write without a pause and remember what was acknowledged: the load of the crash tests.

Each client owns keys of its own, so what must be there after a crash is known exactly: every acknowledged write, and of the
writes under way at the crash any first part. A client's writes to one key are in order, so a counter is never behind what was
acknowledged and never ahead of what was sent. Multi-key writes must be there whole or not at all.
"""
import threading

from resp import Closed, Error


class Client(threading.Thread):
    def __init__(self, connect, number: int, model: dict | None = None):
        super().__init__(daemon=True)
        self.connect = connect
        self.number = number
        # What was acknowledged, and what has been sent: counters only go up.
        self.acknowledged = dict(model or {})
        self.sent = dict(model or {})
        self.refused: list[str] = []
        self.rounds = 0

    def names(self):
        """Counters in several shapes: each is one number in the database."""
        return [f"{kind}:{self.number}:{i}" for kind in ("string", "hash", "list", "zset", "pair") for i in range(3)]

    def command(self, name: str, value: int) -> list[list]:
        kind = name.split(":", 1)[0]
        if kind == "string":
            return [["SET", name, value]]
        if kind == "hash":
            return [["HSET", name, "a", value, "b", value]]
        if kind == "list":
            return [["RPUSH", name, value]]
        if kind == "zset":
            return [["ZADD", name, value, "member"]]
        # Two keys of two shards: MSET and MULTI by turns.
        pair = [["MSET", name, value, f"other:{name}", value]]
        return pair if value % 2 else [["MULTI"], ["SET", name, value], ["SET", f"other:{name}", value], ["EXEC"]]

    def run(self) -> None:
        try:
            with self.connect() as connection:
                while True:
                    batch = []
                    for name in self.names():
                        value = self.sent.get(name, 0) + 1
                        batch.append((name, value, self.command(name, value)))
                        self.sent[name] = value
                    connection.pipeline_send([words for _, _, commands in batch for words in commands])
                    for name, value, commands in batch:
                        replies = [connection.read() for _ in commands]
                        errors = [reply for reply in replies if isinstance(reply, Error)]
                        if errors:
                            self.refused += errors
                            return
                        self.acknowledged[name] = value
                    self.rounds += 1
        except (Closed, OSError):
            return

    def verify(self, connection) -> dict:
        """Compares the database with what was acknowledged and sent; gives what is there, to go on from."""
        found = {}
        for name in self.names():
            kind = name.split(":", 1)[0]
            low, high = self.acknowledged.get(name, 0), self.sent.get(name, 0)
            if kind == "hash":
                fields = connection.ok("HMGET", name, "a", "b")
                assert fields[0] == fields[1], f"{name} is torn: {fields}"
                value = int(fields[0] or 0)
            elif kind == "list":
                value = connection.ok("LLEN", name)
                elements = [int(element) for element in connection.ok("LRANGE", name, 0, -1)]
                assert elements == list(range(1, value + 1)), f"{name} has gaps or doubles: {elements[-10:]}"
            elif kind == "zset":
                value = int(float(connection.ok("ZSCORE", name, "member") or 0))
            else:
                value = int(connection.ok("GET", name) or 0)
                if kind == "pair":
                    other = int(connection.ok("GET", f"other:{name}") or 0)
                    assert other == value, f"{name}: a write of two keys is torn: {value} and {other}"
            assert low <= value <= high, f"{name} is {value}; acknowledged {low}, sent {high}"
            found[name] = value
        return found
