"""Objects over kill -9, restarts, backup and restore: what was acknowledged is there bit for bit, nothing is there in part."""
import random
import time

import pytest

from node import SANITIZED, wait_until
from s3_load import KEYS, S3, Model, Writer, verify
from test_durability import keelson

pytestmark = pytest.mark.keelson_only

KILLS = 20
WRITERS = 4
# Small segments, volumes and early checkpoints, so that the kills meet their borders.
OPTIONS = {"blob.durability": "always", "log.segment-size": "1mb", "checkpoint.log-min": "1mb", "blob.volume-size": "8mb"}


def start(launch, folder: str = "node", **more):
    return launch.keelson({**OPTIONS, **more}, folder=folder, env=KEYS)


def run_load(server, models: list[Model], seed: int) -> list[Writer]:
    writers = [Writer(server.s3_port, "bucket", number, seed * WRITERS + number, model) for number, model in enumerate(models)]
    for writer in writers:
        writer.start()
    wait_until(lambda: all(writer.acknowledged > 0 or not writer.is_alive() for writer in writers), what="load")
    return writers


def make_bucket(server) -> None:
    s3 = S3(server.s3_port)
    s3.ok("PUT", "/bucket")
    s3.close()


def run_kills(launch, kills: int) -> None:
    chance = random.Random(20261126)
    models = [Model() for _ in range(WRITERS)]
    done = {"acknowledged": 0, "completed": 0, "aborted": 0}
    for turn in range(kills):
        server = start(launch, reactors=1 + turn % 2)
        if turn == 0:
            make_bucket(server)
        verify(server.s3_port, "bucket", models)
        writers = run_load(server, models, turn)
        time.sleep(chance.uniform(0.05, 0.6))
        server.kill()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive() and not writer.refused, writer.refused[:3]
            for name in done:
                done[name] += getattr(writer, name)
    server = start(launch)
    assert verify(server.s3_port, "bucket", models) > 0
    assert done["acknowledged"] > 10 * kills and done["completed"] > kills and done["aborted"] > kills, done
    assert server.stop() == 0


@pytest.mark.skipif(SANITIZED, reason="the shorter one runs")
def test_kill_under_load(launch):
    run_kills(launch, KILLS)


@pytest.mark.sanitized
@pytest.mark.skipif(not SANITIZED, reason="the longer one runs")
def test_kill_under_load_sanitized(launch):
    run_kills(launch, 4)


@pytest.mark.sanitized
def test_a_backup_under_load_holds_every_object_of_before(launch, tmp_path):
    server = start(launch)
    make_bucket(server)
    # Quiet objects that the backup must hold, while others change.
    s3 = S3(server.s3_port)
    quiet = Model()
    writer = Writer(server.s3_port, "bucket", 99, 5, quiet)
    for _ in range(60):
        writer.put(s3)
    for _ in range(5):
        writer.multipart(s3)
        writer.abort(s3)
    models = [Model() for _ in range(WRITERS)]
    writers = run_load(server, models, 1)
    backup = tmp_path / "node.backup"
    said = keelson("backup", "--http", f"127.0.0.1:{server.http_port}", backup)
    assert "backup: done" in said, said
    for client in writers:
        client.stop()
    verify(server.s3_port, "bucket", [quiet, *models])
    # They change after the backup, which must not.
    for key in list(quiet.objects):
        s3.ok("DELETE", f"/bucket/{key}")
    s3.close()
    server.kill()

    target = tmp_path / "restored" / "data"
    keelson("restore", "--data-dir", target, backup)
    assert list(target.glob("blob/*/*.vol"))
    restored = start(launch, folder="restored")
    # Every object that is there can be read as a whole, whenever the backup saw it.
    s3 = S3(restored.s3_port)
    for key, size in s3.objects("bucket").items():
        content = s3.ok("GET", f"/bucket/{key}")
        assert len(content) == size, key
    for key, value in quiet.objects.items():
        status, _, _ = s3.call("HEAD", f"/bucket/{key}")
        assert status == (404 if value is None else 200), key
    others = [key for key in s3.objects("bucket") if not key.startswith("w99/")]
    for key in others:
        s3.ok("DELETE", f"/bucket/{key}")
    verify(restored.s3_port, "bucket", [quiet])
    # And it goes on from there.
    Writer(restored.s3_port, "bucket", 98, 7, quiet).multipart(s3)
    s3.close()
    verify(restored.s3_port, "bucket", [quiet])


def test_the_root_key_is_in_the_backup(launch, tmp_path):
    server = launch.keelson(OPTIONS)
    made = (server.data / "s3-root-key").read_bytes()
    keelson("backup", "--http", f"127.0.0.1:{server.http_port}", tmp_path / "node.backup")
    keelson("restore", "--data-dir", tmp_path / "restored" / "data", tmp_path / "node.backup")
    restored = tmp_path / "restored" / "data" / "s3-root-key"
    assert restored.read_bytes() == made
    for path in (server.data / "s3-root-key", restored):
        assert path.stat().st_mode & 0o077 == 0, "a secret is for its owner alone"


@pytest.mark.sanitized
def test_fsck_finds_what_rotted(launch):
    server = start(launch)
    make_bucket(server)
    s3 = S3(server.s3_port)
    for number in range(8):
        s3.ok("PUT", f"/bucket/k{number}", body=bytes([number]) * 200_000)
    s3.close()
    assert "another server is running" in keelson("blob", "fsck", "--data-dir", server.data, expect=1)
    assert server.stop() == 0
    assert "8 extents" in keelson("blob", "fsck", "--data-dir", server.data)
    # A byte of one object's content, found by its value.
    volume, place = next((path, at) for path in sorted(server.data.glob("blob/*/*.vol"))
                         if (at := path.read_bytes().find(bytes([5]) * 1000)) >= 0)
    with open(volume, "r+b") as file:
        file.seek(place + 100_000)
        file.write(b"!")
    said = keelson("blob", "fsck", "--data-dir", server.data, expect=1)
    assert "s3://bucket/k5" in said and str(volume) in said and "1 problems" in said, said
    assert keelson("blob", "fsck", "--data-dir", server.data, expect=1) == said   # nothing was changed
    again = start(launch)
    s3 = S3(again.s3_port)
    for number in range(8):
        if number != 5:
            assert s3.ok("GET", f"/bucket/k{number}") == bytes([number]) * 200_000
    s3.close()
