"""Encryption at rest: what clients see of it, and what stands on the disk."""
import base64
import hashlib
import http.client
import json
import os
import stat
import subprocess
import sys

import boto3
import pytest

from node import PATIENCE_S, ROOT, machine_environment, wait_until
from s3_encryption import CUSTOMER, answer_of
from s3_everyday import client
from s3_server import KEY, OPTIONS, SECRET, endpoint
from test_durability import keelson
from test_s3_clients import run

pytestmark = pytest.mark.keelson_only

BY_SERVER = {"ServerSideEncryption": "AES256"}


def s3_of(server):
    return client(endpoint(server), KEY, SECRET)


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def bytes_on_disk(server) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(server.data.rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"], ids=["current", "debian"])
def test_with_boto3(server, python):
    done = subprocess.run([python, str(ROOT / "tests/e2e/s3_encryption.py"), endpoint(server), KEY, SECRET], capture_output=True, text=True,
                          timeout=PATIENCE_S * 4)
    assert done.returncode == 0 and done.stdout.count("good") == 7, done.stdout + done.stderr


def test_no_plain_text_on_the_disk(launch):
    server = launch.keelson({**OPTIONS, "log.segment-size": "1mb", "checkpoint.log-min": "1mb"})
    s3 = s3_of(server)
    s3.create_bucket(Bucket="bucket")
    secret = b"the keel of the ship is laid today"
    s3.put_object(Bucket="bucket", Key="plain", Body=b"this may be read: " + secret[::-1])
    for name, size in (("inline", 100), ("small", 5_000), ("large", 300_000)):
        body = (secret * (size // len(secret) + 1))[:size]
        s3.put_object(Bucket="bucket", Key=f"server/{name}", Body=body, **BY_SERVER)
        s3.put_object(Bucket="bucket", Key=f"customer/{name}", Body=body, **CUSTOMER)
        s3.copy_object(Bucket="bucket", Key=f"copy/{name}", CopySource=f"bucket/server/{name}", **BY_SERVER)
    made = s3.create_multipart_upload(Bucket="bucket", Key="m", **CUSTOMER)
    part = s3.upload_part(Bucket="bucket", Key="m", UploadId=made["UploadId"], PartNumber=1, Body=secret, **CUSTOMER)
    s3.complete_multipart_upload(Bucket="bucket", Key="m", UploadId=made["UploadId"], MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert server.stop() == 0
    disk = bytes_on_disk(server)
    assert secret[::-1] in disk, "what is not encrypted is found, so the search works"
    assert secret not in disk and secret[:16] not in disk
    assert CUSTOMER["SSECustomerKey"] not in disk and base64.b64encode(CUSTOMER["SSECustomerKey"]) not in disk
    assert hashlib.md5(secret).digest() not in disk, "a customer's content is not told by an MD5 either"
    keys = server.data / "s3-master-keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert keys.read_text().strip() not in server.output()
    assert disk.count(base64.b64decode(keys.read_text())) == 0


def test_master_keys_are_rotated_and_missed(launch, tmp_path):
    first, second = new_key(), new_key()
    file = tmp_path / "masters"
    file.write_text(first + "\n")
    options = {**OPTIONS, "s3.master-keys-file": file}
    server = launch.keelson(options)
    assert not (server.data / "s3-master-keys").exists()
    s3 = s3_of(server)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="one", Body=b"1" * 1000, **BY_SERVER)
    assert server.stop() == 0
    file.write_text(f"# made in autumn\n{first}\n{second}\n")
    server = launch.keelson(options, name="second")
    s3 = s3_of(server)
    s3.put_object(Bucket="bucket", Key="two", Body=b"2" * 1000, **BY_SERVER)
    assert s3.get_object(Bucket="bucket", Key="one")["Body"].read() == b"1" * 1000
    assert server.stop() == 0
    # Without the old one what it wrapped is out of reach, and says so; the rest is not.
    server = launch.keelson({**OPTIONS, "s3.master-keys": second}, name="third")
    s3 = s3_of(server)
    assert answer_of(s3.get_object, Bucket="bucket", Key="one") == (500, "InternalError")
    assert s3.get_object(Bucket="bucket", Key="two")["Body"].read() == b"2" * 1000
    assert second not in server.output()
    assert server.stop() == 0
    # Copied onto itself, an object gets the newest.
    server = launch.keelson(options, name="fourth")
    s3 = s3_of(server)
    s3.copy_object(Bucket="bucket", Key="one", CopySource="bucket/one", **BY_SERVER)
    assert server.stop() == 0
    server = launch.keelson({**OPTIONS, "s3.master-keys": second}, name="fifth")
    assert s3_of(server).get_object(Bucket="bucket", Key="one")["Body"].read() == b"1" * 1000


def test_bad_master_keys_are_refused(launch, tmp_path):
    file = tmp_path / "masters"
    file.write_text("not a key\n")
    node = launch.keelson({**OPTIONS, "s3.master-keys-file": file}, wait=False)
    assert node.popen.wait(PATIENCE_S) != 0
    assert "does not hold master keys" in node.output() and "not a key" not in node.output()
    node = launch.keelson({**OPTIONS, "s3.master-keys": "c2hvcnQ="}, wait=False, name="setting")
    assert node.popen.wait(PATIENCE_S) != 0
    assert "a master key is 32 bytes" in node.output() and "c2hvcnQ=" not in node.output()


def test_restarts_compaction_fsck_backup_and_restore(launch, tmp_path):
    options = {**OPTIONS, "blob.shards": 1, "blob.volume-size": "1mb", "log.segment-size": "1mb"}
    server = launch.keelson(options)
    s3 = s3_of(server)
    s3.create_bucket(Bucket="bucket")
    bodies = {}
    for number in range(24):
        bodies[f"k{number}"] = os.urandom(70_000 + number * 9_000)
        s3.put_object(Bucket="bucket", Key=f"k{number}", Body=bodies[f"k{number}"], **(CUSTOMER if number % 2 else BY_SERVER))
    for number in range(0, 24, 3):
        s3.delete_object(Bucket="bucket", Key=f"k{number}")
        del bodies[f"k{number}"]

    def verify(of):
        for key, body in bodies.items():
            sse = CUSTOMER if int(key[1:]) % 2 else {}
            assert of.get_object(Bucket="bucket", Key=key, **sse)["Body"].read() == body, key

    def compacted() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port)
        connection.request("GET", "/metrics", headers={"Authorization": "Basic " + base64.b64encode(b"x:sesame").decode()})
        text = connection.getresponse().read().decode()
        return int(next(line for line in text.splitlines() if line.startswith("keelson_blob_compacted_bytes_total")).split()[-1])
    wait_until(lambda: compacted() > 0, what="compaction")
    verify(s3)
    backup = tmp_path / "node.backup"
    said = keelson("backup", "--http", f"127.0.0.1:{server.http_port}", backup,
                   env={**machine_environment(), "KEELSON_PASSWORD": "sesame"})
    assert "backup: done" in said, said
    server.kill()
    server = launch.keelson(options, name="again")
    verify(s3_of(server))
    assert server.stop() == 0
    # Every byte is checked without any key.
    (server.data / "s3-master-keys").rename(tmp_path / "kept")
    keelson("blob", "fsck", "--data-dir", server.data)
    target = tmp_path / "restored" / "data"
    keelson("restore", "--data-dir", target, backup)
    assert stat.S_IMODE((target / "s3-master-keys").stat().st_mode) == 0o600
    restored = launch.keelson(options, folder="restored")
    verify(s3_of(restored))


def test_over_which_wire_customers_keys_may_come(launch, certificates, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.crt"))
    server = launch.keelson({**OPTIONS, "s3.customer-keys-over": "tls", "s3.tls.listen": "127.0.0.1:0", "s3.tls.cert": certificates / "server.crt",
                             "s3.tls.key": certificates / "server.key"})
    plain = s3_of(server)
    plain.create_bucket(Bucket="bucket")
    assert answer_of(plain.put_object, Bucket="bucket", Key="k", Body=b"x", **CUSTOMER) == (400, "InvalidRequest")
    secure = client("https://localhost:" + server.ready["s3_tls"].rsplit(":", 1)[1], KEY, SECRET)
    secure.put_object(Bucket="bucket", Key="k", Body=b"x", **CUSTOMER)
    assert answer_of(plain.get_object, Bucket="bucket", Key="k", **CUSTOMER) == (400, "InvalidRequest")
    assert secure.get_object(Bucket="bucket", Key="k", **CUSTOMER)["Body"].read() == b"x"


def test_forms_presigned_and_policies(server):
    s3 = s3_of(server)
    s3.create_bucket(Bucket="forms")
    form = s3.generate_presigned_post("forms", "posted", Fields={"x-amz-server-side-encryption": "AES256"},
                                      Conditions=[{"x-amz-server-side-encryption": "AES256"}])
    fields = [part for name, value in form["fields"].items() for part in ("-F", f"{name}={value}")]
    head = run(["curl", "-sf", "-D", "-", *fields, "-F", "file=hello world", form["url"]])
    assert "x-amz-server-side-encryption: AES256" in head
    assert s3.head_object(Bucket="forms", Key="posted")["ServerSideEncryption"] == "AES256"
    url = s3.generate_presigned_url("get_object", {"Bucket": "forms", "Key": "posted"})
    assert run(["curl", "-sf", url]) == "hello world"
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::forms/*",
                                                    "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}}]}
    s3.put_bucket_policy(Bucket="forms", Policy=json.dumps(deny))
    assert answer_of(s3.put_object, Bucket="forms", Key="k", Body=b"") == (403, "AccessDenied")
    s3.put_object(Bucket="forms", Key="k", Body=b"", **BY_SERVER)


def test_sse_c_can_be_blocked(server):
    if "BlockedEncryptionTypes" not in str(boto3.client("s3", region_name="us-east-1").meta.service_model.shape_for("ServerSideEncryptionRule").members):
        pytest.skip("this boto3 does not know BlockedEncryptionTypes")
    s3 = s3_of(server)
    s3.create_bucket(Bucket="blocked")
    rule = {"BucketKeyEnabled": False, "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]}}
    s3.put_bucket_encryption(Bucket="blocked", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket="blocked")["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    assert answer_of(s3.put_object, Bucket="blocked", Key="k", Body=b"", **CUSTOMER) == (403, "AccessDenied")
    s3.put_object(Bucket="blocked", Key="k", Body=b"")


def test_aws_command_line(server, tmp_path):
    env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
           "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}

    def aws(*arguments, expect=0):
        return run(["/usr/bin/aws", "--endpoint-url", endpoint(server), *arguments], env, expect)
    big, key = tmp_path / "big", tmp_path / "key"
    big.write_bytes(os.urandom(20 << 20))
    key.write_bytes(os.urandom(32))
    aws("s3", "mb", "s3://sealed-by-aws")
    aws("s3", "cp", "--sse", "AES256", big, "s3://sealed-by-aws/server")
    assert '"ServerSideEncryption": "AES256"' in aws("s3api", "head-object", "--bucket", "sealed-by-aws", "--key", "server")
    aws("s3", "cp", "s3://sealed-by-aws/server", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    customer = ("--sse-c", "AES256", "--sse-c-key", f"fileb://{key}")
    aws("s3", "cp", *customer, big, "s3://sealed-by-aws/customer")
    aws("s3", "cp", "s3://sealed-by-aws/customer", tmp_path / "none", expect=1)
    aws("s3", "cp", *customer, "s3://sealed-by-aws/customer", tmp_path / "back2")
    assert (tmp_path / "back2").read_bytes() == big.read_bytes()
    aws("s3", "cp", "--sse-c-copy-source", "AES256", "--sse-c-copy-source-key", f"fileb://{key}", "--sse", "AES256",
        "s3://sealed-by-aws/customer", "s3://sealed-by-aws/copied")
    aws("s3", "cp", "s3://sealed-by-aws/copied", tmp_path / "back3")
    assert (tmp_path / "back3").read_bytes() == big.read_bytes()
    aws("s3api", "put-bucket-encryption", "--bucket", "sealed-by-aws", "--server-side-encryption-configuration",
        '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}')
    assert "AES256" in aws("s3api", "get-bucket-encryption", "--bucket", "sealed-by-aws")
    aws("s3", "rb", "--force", "s3://sealed-by-aws")


def test_aws_sdk_for_javascript(server):
    folder = str(ROOT / "build" / "node")
    if not os.path.exists(f"{folder}/node_modules/@aws-sdk/client-s3"):
        pytest.skip("@aws-sdk/client-s3 is not installed (./check does it)")
    done = run(["node", ROOT / "tests/e2e/s3_encryption.mjs", endpoint(server), KEY, SECRET], {"KEELSON_NODE_FOLDER": folder})
    assert done.count("good") == 3, done


def test_s3cmd(server, tmp_path):
    config, host = tmp_path / "s3cfg", f"127.0.0.1:{server.s3_port}"
    config.write_text(f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
                      "bucket_location = us-east-1\n")

    def s3cmd(*arguments):
        return run(["s3cmd", "-c", config, "--no-progress", "--server-side-encryption", *arguments], {"LC_ALL": "C.UTF-8"})
    big = tmp_path / "big"
    big.write_bytes(os.urandom(20 << 20))
    s3cmd("mb", "s3://sealed-by-s3cmd")
    s3cmd("put", big, "s3://sealed-by-s3cmd/big")
    (tmp_path / "small").write_bytes(b"small")
    s3cmd("put", tmp_path / "small", "s3://sealed-by-s3cmd/small")
    s3 = s3_of(server)
    for key in ("big", "small"):
        assert s3.head_object(Bucket="sealed-by-s3cmd", Key=key)["ServerSideEncryption"] == "AES256"
        s3cmd("get", f"s3://sealed-by-s3cmd/{key}", tmp_path / f"{key}.back")
        assert (tmp_path / f"{key}.back").read_bytes() == (tmp_path / key).read_bytes()
    s3cmd("cp", "s3://sealed-by-s3cmd/big", "s3://sealed-by-s3cmd/copy")
    assert s3.head_object(Bucket="sealed-by-s3cmd", Key="copy")["ServerSideEncryption"] == "AES256"
    s3cmd("rb", "--recursive", "--force", "s3://sealed-by-s3cmd")


def test_rclone(launch, certificates, tmp_path):
    # rclone sends customers' keys over TLS alone.
    server = launch.keelson({**OPTIONS, "s3.tls.listen": "127.0.0.1:0", "s3.tls.cert": certificates / "server.crt",
                             "s3.tls.key": certificates / "server.key"})
    key = base64.b64encode(os.urandom(32)).decode()[:32]  # rclone takes the key as text
    env = {"RCLONE_CONFIG": str(tmp_path / "rclone.conf")}
    for name, more in (("K", {}), ("S", {"SERVER_SIDE_ENCRYPTION": "AES256"}), ("C", {"SSE_CUSTOMER_ALGORITHM": "AES256", "SSE_CUSTOMER_KEY": key})):
        values = {"TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "ENDPOINT": "https://localhost:" + server.ready["s3_tls"].rsplit(":", 1)[1],
                  "REGION": "us-east-1", **more}
        env.update({f"RCLONE_CONFIG_{name}_{option}": value for option, value in values.items()})
    tree = tmp_path / "tree"
    for path, size in (("one", 1), ("deep/file", 70_000), ("deep/big", 20 << 20)):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(os.urandom(size))

    def rclone(*arguments, expect=0):
        return run(["rclone", "--ca-cert", certificates / "ca.crt", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", *arguments], env, expect)
    for remote in ("S", "C"):
        rclone("sync", tree, f"{remote}:sealed-by-rclone-{remote.lower()}/tree")
        rclone("check", "--download", tree, f"{remote}:sealed-by-rclone-{remote.lower()}/tree")
    rclone("copyto", "C:sealed-by-rclone-c/tree/deep/big", "C:sealed-by-rclone-c/copy")
    rclone("copy", "K:sealed-by-rclone-s/tree", tmp_path / "back")
    assert (tmp_path / "back/deep/big").read_bytes() == (tree / "deep/big").read_bytes()
    assert s3_of(server).head_object(Bucket="sealed-by-rclone-s", Key="tree/one")["ServerSideEncryption"] == "AES256"
    assert answer_of(s3_of(server).get_object, Bucket="sealed-by-rclone-c", Key="tree/one") == (400, "InvalidRequest")
    for remote in ("S", "C"):
        rclone("purge", f"{remote}:sealed-by-rclone-{remote.lower()}")
