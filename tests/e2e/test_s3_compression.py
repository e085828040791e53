"""Compression of objects: clients see the content, the disk is spared."""
import base64
import hashlib
import http.client
import os

import pytest

from s3_encryption import CUSTOMER, etag
from s3_everyday import client
from s3_server import KEY, OPTIONS, SECRET, endpoint

pytestmark = pytest.mark.keelson_only

TEXT = b"".join(b"line %d of a log that says the same thing again and again\n" % number for number in range(60_000))
PART = 5 << 20


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson({**OPTIONS, "blob.compression": "zstd", "blob.compressed-buckets": "logs-*, text"})


@pytest.fixture(scope="module")
def s3(server):
    s3 = client(endpoint(server), KEY, SECRET)
    for name in ("logs-one", "text", "plain"):
        s3.create_bucket(Bucket=name)
    return s3


def written(server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port)
    connection.request("GET", "/metrics", headers={"Authorization": "Basic " + base64.b64encode(b"x:sesame").decode()})
    text = connection.getresponse().read().decode()
    return int(next(line for line in text.splitlines() if line.startswith("keelson_blob_written_bytes_total")).split()[-1])


def bytes_written(server, do) -> int:
    before = written(server)
    do()
    return written(server) - before


def test_content_is_what_clients_see(server, s3):
    put = {}
    assert bytes_written(server, lambda: put.update(s3.put_object(Bucket="logs-one", Key="k", Body=TEXT, ChecksumAlgorithm="SHA256"))) < len(TEXT) // 4
    assert put["ETag"] == etag(TEXT) and put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(TEXT).digest()).decode()
    got = s3.get_object(Bucket="logs-one", Key="k", ChecksumMode="ENABLED")
    assert got["ContentLength"] == len(TEXT) and got["Body"].read() == TEXT and got["ETag"] == put["ETag"]
    assert s3.list_objects_v2(Bucket="logs-one")["Contents"][0]["Size"] == len(TEXT)
    for first, last in ((0, 0), (131_071, 131_072), (1_000_000, 2_500_000), (len(TEXT) - 1, len(TEXT) - 1), (3, 100)):
        assert s3.get_object(Bucket="logs-one", Key="k", Range=f"bytes={first}-{last}")["Body"].read() == TEXT[first:last + 1]
    for size in (0, 1, 600, 5_000):
        s3.put_object(Bucket="text", Key="small", Body=TEXT[:size])
        assert s3.get_object(Bucket="text", Key="small")["Body"].read() == TEXT[:size]


def test_where_it_does_not_help_or_is_not_wanted(server, s3):
    noise = os.urandom(1_000_000)
    assert bytes_written(server, lambda: s3.put_object(Bucket="text", Key="noise", Body=noise)) >= len(noise)
    assert s3.get_object(Bucket="text", Key="noise")["Body"].read() == noise
    assert bytes_written(server, lambda: s3.put_object(Bucket="plain", Key="k", Body=TEXT)) >= len(TEXT)
    assert bytes_written(server, lambda: s3.put_object(Bucket="text", Key="customer", Body=TEXT, **CUSTOMER)) >= len(TEXT)


def test_with_encryption_copies_and_parts(server, s3):
    assert bytes_written(server, lambda: s3.put_object(Bucket="text", Key="sealed", Body=TEXT, ServerSideEncryption="AES256")) < len(TEXT) // 4
    assert s3.get_object(Bucket="text", Key="sealed", Range="bytes=99999-700000")["Body"].read() == TEXT[99_999:700_001]
    assert bytes_written(server, lambda: s3.copy_object(Bucket="plain", Key="copy", CopySource="text/sealed")) >= len(TEXT)
    assert s3.get_object(Bucket="plain", Key="copy")["Body"].read() == TEXT
    bodies = [(TEXT * 2)[:PART], os.urandom(PART), TEXT[:70_000]]
    made = s3.create_multipart_upload(Bucket="text", Key="m")
    parts = [{"PartNumber": number, "ETag": s3.upload_part(Bucket="text", Key="m", UploadId=made["UploadId"], PartNumber=number, Body=body)["ETag"]}
             for number, body in enumerate(bodies, 1)]
    s3.complete_multipart_upload(Bucket="text", Key="m", UploadId=made["UploadId"], MultipartUpload={"Parts": parts})
    whole = b"".join(bodies)
    assert s3.get_object(Bucket="text", Key="m")["Body"].read() == whole
    for first, last in ((PART - 5, PART + 5), (2 * PART - 100_000, 2 * PART + 60_000)):
        assert s3.get_object(Bucket="text", Key="m", Range=f"bytes={first}-{last}")["Body"].read() == whole[first:last + 1]
    assert s3.get_object(Bucket="text", Key="m", PartNumber=2)["Body"].read() == bodies[1]


def test_switched_off_it_still_reads(launch):
    server = launch.keelson({**OPTIONS, "blob.compression": "zstd"})
    s3 = client(endpoint(server), KEY, SECRET)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=TEXT)
    assert server.stop() == 0
    server = launch.keelson(OPTIONS, name="off")
    s3 = client(endpoint(server), KEY, SECRET)
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == TEXT
    assert bytes_written(server, lambda: s3.put_object(Bucket="bucket", Key="k", Body=TEXT)) >= len(TEXT)
