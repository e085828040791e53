"""S3's clients once more: over TLS, where they send chunks with trailers; streams; operations that test_s3_clients.py leaves out."""
import json
import os
import subprocess
import sys

import pytest

from conftest import AGAINST_REDIS
from node import PATIENCE_S, ROOT
from s3_everyday import client, code_of
from s3_server import KEY, OPTIONS, SECRET, endpoint
from test_s3_clients import run

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")


@pytest.fixture(scope="module")
def server(launch_shared, certificates):
    return launch_shared.keelson({**OPTIONS, "s3.tls.listen": "127.0.0.1:0", "s3.tls.cert": certificates / "server.crt",
                                  "s3.tls.key": certificates / "server.key"})


def secure(server) -> str:
    return "https://localhost:" + server.ready["s3_tls"].rsplit(":", 1)[1]


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"], ids=["current", "debian"])
def test_everyday_work_over_tls(server, certificates, python):
    # Over TLS boto3 signs no payload; the current one sends chunks with a checksum behind them.
    done = subprocess.run([python, str(ROOT / "tests/e2e/s3_everyday.py"), secure(server), KEY, SECRET], capture_output=True, text=True,
                          timeout=PATIENCE_S * 4, env={**os.environ, "AWS_CA_BUNDLE": str(certificates / "ca.crt"), "SSL_CERT_FILE": str(certificates / "ca.crt")})
    assert done.returncode == 0, done.stdout + done.stderr


def test_chunks_with_trailers(server, certificates, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.crt"))
    s3 = client(secure(server), KEY, SECRET)
    sent = {}
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers))
    s3.create_bucket(Bucket="trailers")
    for size in (0, 1, 65_536, 1_000_000):
        body = os.urandom(size)
        put = s3.put_object(Bucket="trailers", Key="k", Body=body)
        assert sent["X-Amz-Trailer"] == b"x-amz-checksum-crc32" or sent["X-Amz-Trailer"] == "x-amz-checksum-crc32"
        got = s3.get_object(Bucket="trailers", Key="k", ChecksumMode="ENABLED")
        assert got["Body"].read() == body and got["ChecksumCRC32"] == put["ChecksumCRC32"]
        assert "aws-chunked" not in got.get("ContentEncoding", "")
    s3.put_object(Bucket="trailers", Key="zipped", Body=b"z", ContentEncoding="gzip")
    assert s3.head_object(Bucket="trailers", Key="zipped")["ContentEncoding"] == "gzip"


def test_streams_of_the_sdk_for_javascript(server):
    folder = str(ROOT / "build" / "node")
    if not os.path.exists(f"{folder}/node_modules/@aws-sdk/client-s3"):
        pytest.skip("@aws-sdk/client-s3 is not installed (./check does it)")
    done = run(["node", ROOT / "tests/e2e/s3_streams.mjs", endpoint(server), KEY, SECRET], {"KEELSON_NODE_FOLDER": folder})
    assert done.count("good") == 5, done


def test_aws_operations_one_by_one(server, tmp_path):
    env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
           "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}

    def api(*arguments, expect=0):
        text = run(["/usr/bin/aws", "--endpoint-url", endpoint(server), "--output", "json", "s3api", *arguments], env, expect)
        return json.loads(text) if text.strip() else {}
    here = ["--bucket", "aws-api"]
    api("create-bucket", *here)
    api("put-bucket-versioning", *here, "--versioning-configuration", "Status=Enabled")
    (tmp_path / "body").write_bytes(b"0123456789")
    first = api("put-object", *here, "--key", "a key/+", "--body", tmp_path / "body", "--metadata", "m=1", "--tagging", "t=1", "--checksum-algorithm", "SHA256")
    assert first["ChecksumSHA256"]
    assert api("get-object", *here, "--key", "a key/+", "--range", "bytes=2-3", tmp_path / "part")["ContentLength"] == 2
    assert (tmp_path / "part").read_bytes() == b"23"
    assert api("get-object-tagging", *here, "--key", "a key/+")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert api("delete-object", *here, "--key", "a key/+")["DeleteMarker"]
    api("head-object", *here, "--key", "a key/+", expect=254)
    listed = api("list-object-versions", *here)
    assert len(listed["Versions"]) == 1 and len(listed["DeleteMarkers"]) == 1
    api("put-bucket-lifecycle-configuration", *here, "--lifecycle-configuration",
        json.dumps({"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"And": {"Prefix": "x", "Tags": [{"Key": "a", "Value": "b"}]}}, "Expiration": {"Days": 9}}]}))
    assert api("get-bucket-lifecycle-configuration", *here)["Rules"][0]["Filter"]["And"]["Prefix"] == "x"
    upload = api("create-multipart-upload", *here, "--key", "m")["UploadId"]
    part = api("upload-part", *here, "--key", "m", "--upload-id", upload, "--part-number", "1", "--body", tmp_path / "body")
    api("complete-multipart-upload", *here, "--key", "m", "--upload-id", upload, "--multipart-upload",
        json.dumps({"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}))
    assert api("get-object-attributes", *here, "--key", "m", "--object-attributes", "ObjectSize", "ObjectParts")["ObjectSize"] == 10


def test_rclone_of_many_and_odd_names(server, tmp_path):
    folder = tmp_path / "tree"
    names = [f"many/{n:04}" for n in range(1200)] + ["a b+c", "100%", "q?x&y=z", "#hash", "\u00fc", "e\u0301", "quote'\"", "deep/" * 30 + "end"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    env = {"RCLONE_CONFIG": str(tmp_path / "rclone.conf"), "RCLONE_CONFIG_K_TYPE": "s3", "RCLONE_CONFIG_K_PROVIDER": "Other",
           "RCLONE_CONFIG_K_ACCESS_KEY_ID": KEY, "RCLONE_CONFIG_K_SECRET_ACCESS_KEY": SECRET, "RCLONE_CONFIG_K_ENDPOINT": endpoint(server),
           "RCLONE_CONFIG_K_REGION": "us-east-1", "RCLONE_LOW_LEVEL_RETRIES": "1", "RCLONE_RETRIES": "1"}

    def rclone(*arguments):
        return run(["rclone", *arguments], env)
    rclone("sync", "--transfers", "8", folder, "K:by-rclone-many")
    rclone("check", "--download", folder, "K:by-rclone-many")
    assert sorted(rclone("lsf", "-R", "--files-only", "K:by-rclone-many").splitlines()) == sorted(names)
    assert rclone("cat", "K:by-rclone-many/q?x&y=z") == "q?x&y=z"
    rclone("moveto", "K:by-rclone-many/a b+c", "K:by-rclone-many/c+b a")
    assert rclone("cat", "K:by-rclone-many/c+b a") == "a b+c"
    # A stream whose length rclone does not know.
    done = subprocess.run(["rclone", "rcat", "K:by-rclone-many/stream"], input=b"s" * 700_000, capture_output=True, timeout=PATIENCE_S,
                          env={**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **env})
    assert done.returncode == 0, done.stderr
    assert len(rclone("cat", "K:by-rclone-many/stream")) == 700_000
    assert "http" in rclone("link", "K:by-rclone-many/stream")
    rclone("purge", "K:by-rclone-many")
    assert code_of(client(endpoint(server), KEY, SECRET).head_bucket, Bucket="by-rclone-many") == "404"
