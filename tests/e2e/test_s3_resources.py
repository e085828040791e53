"""S3 with much of everything: large objects in little memory, readers that do not read, a disk without room."""
import ctypes
import hashlib
import io
import os
import random
import socket
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from conftest import AGAINST_REDIS
from node import memory_bytes, wait_until
from s3_everyday import client, code_of
from s3_raw import connect, path_of, signed
from s3_server import KEY, OPTIONS, SECRET, endpoint

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")
MIB = 1 << 20
# What the server may need above its rest for work on large objects: buffers of each connection, not the objects.
GROWTH_BYTES_MAX = 96 * MIB


@pytest.fixture
def server(launch):
    return launch.keelson(OPTIONS)


@pytest.fixture
def s3(server):
    made = client(endpoint(server), KEY, SECRET)
    made.create_bucket(Bucket="large")
    return made


class Pattern(io.RawIOBase):
    """`size` bytes of which no two MiB are the same, made while they are read."""

    def __init__(self, size: int):
        self.size, self.at = size, 0
        self.block = random.Random(3).randbytes(MIB - 8)

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.at

    def seek(self, offset, whence=io.SEEK_SET):
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def read(self, size=-1):
        end = self.size if size is None or size < 0 else min(self.size, self.at + size)
        out = bytearray()
        while self.at < end:
            number, inside = divmod(self.at, MIB)
            piece = (number.to_bytes(8, "big") + self.block)[inside:inside + end - self.at]
            out += piece
            self.at += len(piece)
        return bytes(out)


class Hash:
    """Takes what is written to it, anywhere but backwards."""

    def __init__(self):
        self.sha256, self.size = hashlib.sha256(), 0

    def write(self, data):
        self.sha256.update(data)
        self.size += len(data)
        return len(data)


def peak_bytes(pid: int) -> int:
    """The most memory that the program had since forget_peak()."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM for {pid}")


def forget_peak(pid: int) -> int:
    """Gives the memory of now (proc(5): 5 into clear_refs resets VmHWM)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory_bytes(pid)


def up_and_down(server, s3, size: int, part: int) -> None:
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=4)
    wanted = Hash()
    pattern = Pattern(size)
    while piece := pattern.read(MIB):
        wanted.write(piece)
    before = forget_peak(server.pid)
    s3.upload_fileobj(Pattern(size), "large", "object", Config=config)
    head = s3.head_object(Bucket="large", Key="object")
    assert head["ContentLength"] == size and head["ETag"].endswith(f'-{size // part}"')
    got = Hash()
    for piece in s3.get_object(Bucket="large", Key="object")["Body"].iter_chunks(MIB):
        got.write(piece)
    assert got.size == size and got.sha256.digest() == wanted.sha256.digest()
    assert peak_bytes(server.pid) < before + GROWTH_BYTES_MAX, (before, peak_bytes(server.pid))
    # Over the borders of parts.
    for at in (part - 1, 2 * part - 100_000, size - 10):
        pattern.seek(at)
        piece = s3.get_object(Bucket="large", Key="object", Range=f"bytes={at}-{at + 200_000}")
        assert piece["Body"].read() == pattern.read(200_001)
    assert s3.head_object(Bucket="large", Key="object", PartNumber=2)["ContentLength"] == part


def test_64_mib_in_parts(server, s3):
    up_and_down(server, s3, 64 * MIB, 8 * MIB)
    # A copy of it, in parts by the client and in one piece by the server.
    s3.copy({"Bucket": "large", "Key": "object"}, "large", "in parts", Config=TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=16 * MIB))
    before = forget_peak(server.pid)
    s3.copy_object(Bucket="large", Key="in one", CopySource="large/object")
    assert peak_bytes(server.pid) < before + GROWTH_BYTES_MAX
    for key, parts in (("in parts", "-4"), ("in one", "")):
        got = Hash()
        for piece in s3.get_object(Bucket="large", Key=key)["Body"].iter_chunks(MIB):
            got.write(piece)
        assert got.sha256.digest() == hashlib.sha256(Pattern(64 * MIB).read()).digest()
        assert s3.head_object(Bucket="large", Key=key)["ETag"].strip('"')[32:] == parts


def test_1_gib_in_parts(server, s3):
    room = os.statvfs(server.data)
    if room.f_bavail * room.f_frsize < 4 << 30:
        pytest.skip("less than 4 GiB of free disk")
    up_and_down(server, s3, 1 << 30, 16 * MIB)


def test_readers_that_do_not_read(server, s3):
    """Many clients ask for a large object and take nothing: the server waits for them without the object in memory."""
    s3.put_object(Bucket="large", Key="k", Body=Pattern(64 * MIB).read())
    before = forget_peak(server.pid)
    request = signed(server, "GET", path_of("large", "k")).wire()
    waiting = []
    try:
        for _ in range(64):
            connection = connect(server)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request)
            assert connection.recv(4) == b"HTTP"
            waiting.append(connection)
        assert s3.head_object(Bucket="large", Key="k")["ContentLength"] == 64 * MIB
        assert s3.get_object(Bucket="large", Key="k", Range="bytes=0-9")["Body"].read() == Pattern(10).read()
        assert peak_bytes(server.pid) < before + GROWTH_BYTES_MAX
    finally:
        for connection in waiting:
            connection.close()


@pytest.fixture
def small_disk(tmp_path, launch):   # what runs on it ends first
    """A file system of 112 MiB, of which the store of blobs leaves 64 for the log and for what makes room."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=112m") != 0:
        pytest.skip(f"mounting a small file system is not permitted here: {os.strerror(ctypes.get_errno())}")
    yield folder
    assert libc.umount2(str(folder).encode(), 2) == 0   # MNT_DETACH


@pytest.mark.parametrize("size", [3000, 100_000, 6 * MIB])   # in one chunk, in two, in many
def test_a_full_disk(launch, small_disk, size):
    if size < MIB:   # else it takes long
        (small_disk / "ballast").write_bytes(bytes(36 * MIB))
    options = {**OPTIONS, "log.segment-size": "2mb", "blob.volume-size": "8mb"}
    server = launch.keelson(options, data=small_disk / "data")
    s3 = client(endpoint(server), KEY, SECRET)
    s3.create_bucket(Bucket="full")
    s3.put_object(Bucket="full", Key="first", Body=b"the first")
    upload = s3.create_multipart_upload(Bucket="full", Key="parts")["UploadId"]
    acknowledged, refused = [], None
    for number in range(100_000):
        try:
            s3.put_object(Bucket="full", Key=f"k{number:06}", Body=body_of(number, size))
        except ClientError as error:
            refused = error.response
            break
        acknowledged.append(number)
    assert refused["Error"]["Code"] == "ServiceUnavailable" and refused["ResponseMetadata"]["HTTPStatusCode"] == 503, refused
    assert "disk" in refused["Error"]["Message"].lower() and len(acknowledged) > 1, refused
    # Whole or not at all; and everything that only reads goes on.
    assert s3.get_object(Bucket="full", Key="first")["Body"].read() == b"the first"
    keys = [entry["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="full") for entry in page["Contents"]]
    assert keys == ["first"] + [f"k{number:06}" for number in acknowledged]
    assert code_of(s3.upload_part, Bucket="full", Key="parts", PartNumber=1, UploadId=upload, Body=body_of(0, max(size, 100_000) * 8)) == "ServiceUnavailable"
    assert "Parts" not in s3.list_parts(Bucket="full", Key="parts", UploadId=upload)
    # Room comes back: here the file system grows. No restart, no command.
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"tmpfs", str(small_disk).encode(), b"tmpfs", 32, b"size=192m") == 0   # MS_REMOUNT
    wait_until(lambda: code_of(s3.put_object, Bucket="full", Key="z", Body=body_of(7, size)) == "none", what="recovery")
    server.kill()
    server = launch.keelson(options, data=small_disk / "data")
    s3 = client(endpoint(server), KEY, SECRET)
    for number in acknowledged[:3] + acknowledged[-20:]:
        assert s3.get_object(Bucket="full", Key=f"k{number:06}")["Body"].read() == body_of(number, size)
    assert s3.get_object(Bucket="full", Key="z")["Body"].read() == body_of(7, size)


def test_deleting_makes_room_on_a_full_disk(launch, small_disk):
    options = {**OPTIONS, "log.segment-size": "2mb", "blob.volume-size": "8mb", "blob.background-share": "100"}
    server = launch.keelson(options, data=small_disk / "data")
    s3 = client(endpoint(server), KEY, SECRET)
    s3.create_bucket(Bucket="full")
    number = 0
    while (code := code_of(s3.put_object, Bucket="full", Key=f"k{number}", Body=body_of(number, MIB))) == "none":
        number += 1
        assert number < 1000
    assert code == "ServiceUnavailable" and number > 10
    gone = [{"Key": f"k{n}"} for n in range(number) if n % 4]
    wait_until(lambda: "Errors" not in s3.delete_objects(Bucket="full", Delete={"Objects": gone}), what="deletions")
    wait_until(lambda: code_of(s3.put_object, Bucket="full", Key="again", Body=body_of(1, MIB)) == "none", what="room")
    for n in range(0, number, 4):
        assert s3.get_object(Bucket="full", Key=f"k{n}")["Body"].read() == body_of(n, MIB)


def body_of(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)
