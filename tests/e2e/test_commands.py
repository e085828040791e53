"""The command table as clients see it: the same facts as Redis 7.0's, a clear answer for what is not built, and docs/kv.md
and the tests' generator keeping up with it."""
import random
import re

import pytest

from generator import Generator
from node import ROOT, wait_until
from resp import Error, Map, to_bytes

# Engine commands that the differential test does not draw, and why.
NOT_DRAWN = {
    "scan": "its cursors differ; test_scan_walks_every_key_once_it_is_there_throughout",
    "dump": "the same value has several encodings; exchange_dumps()", "restore": "exchange_dumps()",
    "restore-asking": "for a cluster's moving of slots", "flushall": "every test begins with it",
    "object|freq": "needs an LFU policy", "object|idletime": "hangs on time", "object|refcount": "an inner matter",
    "object|help": "text",
}


@pytest.fixture(scope="module")
def both(launch_shared, server):
    redis = launch_shared.redis(folder="peer")
    with redis.connect() as theirs, server.connect() as ours:
        yield theirs, ours


def facts(entry, subcommands: bool = True) -> dict:
    """COMMAND INFO's reply for one command, in a form that can be compared."""
    name, arity, flags, first, last, step, categories, _tips, _keys, children = entry
    told = {"name": name, "arity": arity, "flags": sorted(flags), "keys": (first, last, step), "categories": sorted(categories)}
    if subcommands:
        told["subcommands"] = sorted((facts(child, False) for child in children), key=lambda child: child["name"])
    return told


@pytest.mark.sanitized
def test_every_command_of_redis_has_the_same_facts(both):
    theirs, ours = both
    expected = {entry[0]: facts(entry) for entry in theirs.ok("COMMAND")}
    got = {entry[0]: facts(entry) for entry in ours.ok("COMMAND")}
    wrong = [f"{name}:\n  redis   {expected[name]}\n  keelson {got[name]}" for name in sorted(got) if name in expected and expected[name] != got[name]]
    # Containers may have fewer subcommands where some are not supported; what is there must be right.
    wrong = [text for text in wrong if not _only_fewer_subcommands(text, expected, got)]
    assert not wrong, "\n".join(wrong)
    assert ours.ok("COMMAND", "COUNT") == len(got)


def _only_fewer_subcommands(text, expected, got) -> bool:
    name = text.split(":", 1)[0]
    name = next(key for key in got if str(key) == name)
    one, other = dict(expected[name]), dict(got[name])
    known = {child["name"]: child for child in one.pop("subcommands")}
    return one == {key: value for key, value in other.items() if key != "subcommands"} and \
        all(known.get(child["name"]) == child for child in other["subcommands"])


def unsupported_of_the_docs() -> dict[str, bool]:
    """docs/kv.md: command name -> supported."""
    rows = re.findall(r"^\| `([A-Z][A-Z0-9 _-]*)[^`]*` \| (yes|no)\b", (ROOT / "docs" / "kv.md").read_text(), re.M)
    return {name.strip(): answer == "yes" for name, answer in rows}


@pytest.mark.keelson_only
def test_the_docs_list_every_command_of_redis_and_say_the_truth(both):
    theirs, ours = both
    docs = unsupported_of_the_docs()
    of_redis = {name.decode().upper().replace("|", " ") for name in theirs.ok("COMMAND", "LIST")}
    for entry in theirs.ok("COMMAND"):
        of_redis |= {child[0].decode().upper().replace("|", " ") for child in entry[9]}
    assert of_redis <= set(docs), f"docs/kv.md misses {sorted(of_redis - set(docs))}"
    served = {entry[0].decode().upper() for entry in ours.ok("COMMAND")}
    for entry in ours.ok("COMMAND"):
        served |= {child[0].decode().upper().replace("|", " ") for child in entry[9]}
    containers = {name.split()[0] for name in docs if " " in name}
    told = {name for name, supported in docs.items() if supported}
    assert told - containers == served - containers, sorted(told ^ served)


@pytest.mark.keelson_only
def test_what_is_not_supported_says_so(server):
    refused = [name for name, supported in unsupported_of_the_docs().items() if not supported]
    assert refused
    with server.connect() as connection:
        for name in refused:
            reply = connection.call(*name.split(), *["1"] * 6)
            assert isinstance(reply, Error), (name, reply)
            assert re.search(r"not supported|unknown (sub)?command|wrong number of arguments|cluster support disabled", reply), (name, reply)
        for words in (["XADD", "s", "*", "f", "v"], ["GEOADD", "g", "1", "1", "m"], ["EVAL", "return 1", "0"], ["PFADD", "h", "x"],
                      ["BITFIELD", "b", "GET", "u4", "0"], ["FCALL", "f", "0"], ["ACL", "LIST"], ["CLIENT", "TRACKING", "ON"]):
            reply = connection.call(*words)
            assert isinstance(reply, Error) and "not supported" in reply, (words, reply)
        assert connection.call("PING") == "PONG"


@pytest.mark.keelson_only
def test_the_differential_test_draws_every_engine_command(server):
    generator = Generator(1)
    drawn = set()
    for _ in range(60000):
        command = [to_bytes(word).decode(errors="replace").lower() for word in generator.command()]
        drawn |= {command[0], "|".join(command[:2])}
    data_groups = {"string", "bitmap", "hash", "list", "set", "sorted-set", "sorted_set", "generic"}
    with server.connect() as connection:
        names = {name.decode() for name in connection.ok("COMMAND", "LIST")}
        docs = connection.ok("COMMAND", "DOCS")
        groups = {docs[i].decode(): dict(zip(docs[i + 1][::2], docs[i + 1][1::2]))[b"group"].decode() for i in range(0, len(docs), 2)}
    wanted = {name for name in names if groups.get(name) in data_groups}
    waits = {"wait", "migrate", "object", "sort", "keys"}
    assert wanted - drawn - set(NOT_DRAWN) - waits == set()


@pytest.mark.sanitized
def test_command_docs(both):
    theirs, ours = both
    docs = ours.ok("COMMAND", "DOCS", "GET", "CONFIG", "nosuch")
    told = dict(zip(docs[::2], docs[1::2]))
    assert set(told) == {b"get", b"config"}
    fields = dict(zip(told[b"get"][::2], told[b"get"][1::2]))
    assert {b"summary", b"since", b"group", b"complexity"} <= set(fields) and fields[b"group"] == b"string"
    ours.ok("HELLO", 3)
    assert isinstance(ours.ok("COMMAND", "DOCS", "GET"), Map)
    ours.ok("HELLO", 2)
    assert theirs.call("COMMAND", "INFO", "nosuch") == ours.call("COMMAND", "INFO", "nosuch")


def test_command_list_filters(both):
    theirs, ours = both
    for words in (["FILTERBY", "PATTERN", "z*"], ["FILTERBY", "ACLCAT", "hash"], ["FILTERBY", "MODULE", "none"]):
        expected, got = (sorted(side.ok("COMMAND", "LIST", *words)) for side in both)
        assert set(got) <= set(expected), words
    assert sorted(ours.ok("COMMAND", "LIST", "FILTERBY", "PATTERN", "hse*")) == [b"hset", b"hsetnx"]


@pytest.mark.sanitized
def test_keys_of_commands(both):
    generator, checked = Generator(7), 0
    for _ in range(1500):
        command = generator.command()
        expected, got = (side.call("COMMAND", "GETKEYS", *command) for side in both)
        if not isinstance(expected, Error) or not isinstance(got, Error):
            assert expected == got, command
            checked += 1
    assert checked > 1000
    for command in ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "SORT l BY x GET y STORE d", "LMPOP 2 a b LEFT", "BLMPOP 0 2 a b LEFT",
                    "OBJECT ENCODING k", "MEMORY USAGE k", "COPY a b", "BITOP AND d a b", "GETEX k PERSIST", "ZINTER 2 a b"):
        expected, got = (side.call("COMMAND", "GETKEYS", *command.split()) for side in both)
        assert expected == got, command
        expected, got = (side.call("COMMAND", "GETKEYSANDFLAGS", *command.split()) for side in both)
        assert expected == got, command


@pytest.mark.sanitized
def test_every_command_with_the_wrong_number_of_arguments(both):
    theirs, ours = both
    for entry in ours.ok("COMMAND"):
        name, arity = entry[0].decode(), entry[1]
        if name in ("quit", "reset", "monitor", "subscribe", "psubscribe", "ssubscribe", "sync", "psync", "shutdown"):
            continue
        for count in {1, abs(arity) - 1, abs(arity) + 1, 200}:
            if count < 1 or count == arity or (arity < 0 and count >= -arity):
                continue
            words = [name, *["x"] * (count - 1)]
            expected, got = theirs.call(*words), ours.call(*words)
            if "subcommand" not in str(expected) and not entry[9]:
                assert expected == got, words


@pytest.mark.sanitized
def test_commands_drawn_from_random_words(server):
    """Any command with any words: an answer comes, and the server lives on."""
    chance = random.Random(5)
    with server.connect() as connection:
        names = sorted(name.decode() for name in connection.ok("COMMAND", "LIST"))
        avoid = {"shutdown", "multi", "monitor", "quit", "subscribe", "psubscribe", "ssubscribe", "sync", "psync", "debug", "reset", "client",
                 "blpop", "brpop", "blmove", "brpoplpush", "bzpopmin", "bzpopmax", "blmpop", "bzmpop", "wait", "config", "auth", "hello",
                 "unsubscribe", "punsubscribe", "sunsubscribe", "failover", "replicaof", "slaveof", "cluster", "eval", "fcall"}
        words = ["0", "1", "-1", "k", "l", "x", "", "*", "COUNT", "MATCH", "LIMIT", "STORE", "BY", "GET", "WITHSCORES", "NX", "EX", "inf", "nan",
                 "9223372036854775807", "-9223372036854775808", "1e309", "[a", "(1", "4294967296", "IDX", "LEFT", "DB", b"\xff\x00", "x" * 300]
        names = [name for name in names if name.split("|")[0] not in avoid]
        for _ in range(4000):
            name = chance.choice(names)
            connection.call(*name.split("|"), *[chance.choice(words) for _ in range(chance.randrange(9))])
        assert connection.call("PING") == "PONG"
        connection.ok("FLUSHALL")


def test_info_counts_hits_misses_and_expiries(server):
    """Reading commands count as hits or misses, TTL and EXISTS too; writing ones do not. Expired keys count whoever meets them."""
    def stats(connection):
        lines = connection.ok("INFO", "stats").decode().split("\r\n")
        values = dict(line.split(":", 1) for line in lines if ":" in line)
        return tuple(int(values[name]) for name in ("keyspace_hits", "keyspace_misses", "expired_keys"))

    with server.connect() as connection:
        connection.ok("FLUSHALL")
        for key in ("a", "b", "c", "d"):   # of several shards
            connection.ok("SET", key, "1")
        connection.ok("CONFIG", "RESETSTAT")
        assert stats(connection) == (0, 0, 0)
        connection.ok("MGET", "a", "b", "missing")
        connection.ok("EXISTS", "c", "gone")
        connection.ok("TTL", "d")
        connection.ok("SET", "e", "1")
        connection.ok("INCR", "a")
        assert stats(connection) == (4, 2, 0)
        connection.ok("PEXPIRE", "a", 1)
        wait_until(lambda: stats(connection)[2] == 1, what="the key expired")
        assert stats(connection) == (4, 2, 1)
        connection.ok("CONFIG", "RESETSTAT")
        assert stats(connection) == (0, 0, 0)


def test_a_cursor_with_a_sign_is_a_cursor(both):
    """As strtoul takes it: no error, and the walk is over or goes on."""
    theirs, ours = both
    for cursor in ("-1", "+0", "18446744073709551615"):
        for reply in (theirs.call("SCAN", cursor), ours.call("SCAN", cursor)):
            assert isinstance(reply, list) and len(reply) == 2, (cursor, reply)
    for cursor in ("x", "1x", "99999999999999999999"):
        assert theirs.call("SCAN", cursor) == ours.call("SCAN", cursor), cursor


def arguments_of(reply):
    """What COMMAND DOCS says of each command's arguments: kinds, tokens and flags, nested; names are each server's own."""
    def pairs(flat):
        return dict(zip(flat[::2], flat[1::2]))

    def shape(argument):
        fields = pairs(argument)
        kind = fields[b"type"] if fields[b"type"] in (b"pure-token", b"oneof", b"block") else b"value"
        return (kind, fields.get(b"token"), sorted(fields.get(b"flags", [])), [shape(inner) for inner in fields.get(b"arguments", [])])

    return {name: [shape(argument) for argument in pairs(fields).get(b"arguments", [])] for name, fields in pairs(reply).items()}


def test_command_docs_describes_arguments_as_redis_does(both):
    theirs, ours = both
    expected, told = arguments_of(theirs.call("COMMAND", "DOCS")), arguments_of(ours.call("COMMAND", "DOCS"))
    # Redis has one more block, or one less token, around the same words.
    alike = sorted(set(told) & set(expected) - {b"psubscribe", b"replicaof", b"slaveof"})
    assert len(alike) > 180
    for name in alike:
        assert told[name] == expected[name], name
