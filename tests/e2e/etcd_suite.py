"""Debian's python3-etcd3, unmodified. Run by test_etcd_clients.py as `python3 etcd_suite.py PORT`, with the system's packages."""
import queue
import sys
import threading
import time

import etcd3

client = etcd3.client(port=int(sys.argv[1]), timeout=30)


def until(holds, limit_s: float = 30):
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


def keys():
    client.put("ship", "keelson")
    value, meta = client.get("ship")
    assert value == b"keelson" and meta.version == 1 and meta.key == b"ship"
    assert client.get("none") == (None, None)
    for i in range(20):
        client.put(f"many/{i:02}", str(20 - i))
    assert [meta.key for _, meta in client.get_prefix("many/", sort_order="descend")][0] == b"many/19"
    assert [value for value, _ in client.get_prefix("many/", sort_order="ascend", sort_target="value")][:2] == [b"1", b"10"]
    assert len(list(client.get_range("many/05", "many/10"))) == 5
    assert len(list(client.get_all(keys_only=True))) == 21
    assert client.delete("ship") and not client.delete("ship")
    assert client.delete_prefix("many/").deleted == 20
    assert client.put_if_not_exists("once", "1") and not client.put_if_not_exists("once", "2")
    assert client.replace("once", "1", "2") and not client.replace("once", "1", "3")


def transactions():
    client.put("a", "1")
    done, answers = client.transaction(compare=[client.transactions.value("a") == "1", client.transactions.version("a") > 0],
                                       success=[client.transactions.put("a", "2"), client.transactions.get("a")],
                                       failure=[client.transactions.delete("a")])
    assert done and answers[1][0][0] == b"2"
    done, _ = client.transaction(compare=[client.transactions.create("a") == 0], success=[], failure=[client.transactions.delete("a")])
    assert not done and client.get("a") == (None, None)


def watching():
    seen: queue.Queue = queue.Queue()
    watch_id = client.add_watch_prefix_callback("w/", lambda answer: [seen.put(event) for event in answer.events])
    client.put("w/1", "x")
    client.delete("w/1")
    first, second = seen.get(timeout=30), seen.get(timeout=30)
    assert (type(first).__name__, first.key, first.value) == ("PutEvent", b"w/1", b"x")
    assert (type(second).__name__, second.key) == ("DeleteEvent", b"w/1")
    client.cancel_watch(watch_id)
    revision = client.put("w/2", "1").header.revision
    events, cancel = client.watch("w/2", start_revision=revision)
    assert next(events).value == b"1"
    cancel()
    client.compact(client.put("w/2", "2").header.revision)
    try:
        events, cancel = client.watch("w/2", start_revision=revision)
        next(events)
        raise AssertionError("compacted, and still watched")
    except etcd3.exceptions.RevisionCompactedError as error:
        assert error.compacted_revision > revision


def leases():
    lease = client.lease(30)
    client.put("leased", "x", lease=lease)
    assert lease.keys == [b"leased"] and lease.granted_ttl == 30 and 20 < lease.remaining_ttl <= 30
    assert [one.TTL for one in lease.refresh()] == [30]
    lease.revoke()
    assert client.get("leased") == (None, None)
    client.put("short", "x", lease=client.lease(2))
    until(lambda: client.get("short") == (None, None))


def locks():
    inside, most = [0], [0]
    counted = threading.Lock()

    def worker():
        own = etcd3.client(port=int(sys.argv[1]), timeout=30)
        lock = own.lock("door", ttl=20)
        until(lambda: acquired(lock))
        with counted:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        with counted:
            inside[0] -= 1
        assert lock.release()
    threads = [threading.Thread(target=worker) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == [1]
    lock = client.lock("other", ttl=20)
    assert lock.acquire() and lock.is_acquired()
    assert not acquired(client.lock("other", ttl=20))
    assert lock.release()


def acquired(lock) -> bool:
    """One try. The package waits through tenacity, and Debian's is of a version with which that fails: a TypeError."""
    try:
        return lock.acquire(timeout=0.1)
    except TypeError:
        return False


def maintenance():
    assert len(list(client.members)) == 1
    status = client.status()
    assert status.version.startswith("3.") and status.leader.id == next(iter(client.members)).id
    assert client.hash() != 0
    assert list(client.list_alarms()) == []
    client.defragment()
    with open("/dev/null", "wb") as sink:
        client.snapshot(sink)


failed = False
for step in (keys, transactions, watching, leases, locks, maintenance):
    try:
        step()
        print("ok", step.__name__)
    except Exception as why:  # what any client's call may raise is a finding
        failed = True
        print("not ok", step.__name__, type(why).__name__, why)
sys.stdout.flush()
# The client's watcher thread does not end by itself.
__import__("os")._exit(int(failed))
