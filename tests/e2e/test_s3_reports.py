"""What the server writes about buckets by itself (access logs, inventories), and access keys made by `keelson blob keys`."""
import csv
import gzip
import hashlib
import json
import re
import subprocess
from urllib.parse import unquote

import pytest

from conftest import AGAINST_REDIS
from node import BINARY, PATIENCE_S, machine_environment, wait_until
from s3_everyday import client, code_of
from s3_server import KEY, OPTIONS, PASSWORD, SECRET, endpoint

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")
REPORT_OPTIONS = {**OPTIONS, "s3.access-log-interval": "1s"}
OWNER = "4b45454c534f4e000000000000000000000000000000000000000000000000a1"
FIELDS = ["owner", "bucket", "time", "address", "requester", "request_id", "operation", "key", "request", "status", "error", "sent", "size",
          "total_ms", "turn_around_ms", "referer", "agent", "version", "host_id", "signature", "cipher", "authentication", "host", "tls",
          "access_point", "acl", "region"]
LINE = re.compile(r'"[^"]*"|\[[^\]]*\]|\S+')


@pytest.fixture
def server(launch):
    return launch.keelson(REPORT_OPTIONS)


@pytest.fixture
def s3(server):
    return client(endpoint(server), KEY, SECRET)


def keys_of(s3, bucket, prefix="") -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def read(s3, bucket, key) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def lines_of(s3, bucket, prefix="") -> list[dict]:
    lines = []
    for key in keys_of(s3, bucket, prefix):
        for line in read(s3, bucket, key).decode("ascii").splitlines():
            fields = LINE.findall(line)
            assert len(fields) == len(FIELDS), line
            lines.append(dict(zip(FIELDS, fields)))
    return lines


def log_to(s3, source, target, prefix, **more):
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}})


def test_access_logs_tell_each_request(server, s3):
    s3.create_bucket(Bucket="ships")
    s3.create_bucket(Bucket="logs")
    log_to(s3, "ships", "logs", "plain/")
    assert s3.get_bucket_logging(Bucket="ships")["LoggingEnabled"] == {"TargetBucket": "logs", "TargetPrefix": "plain/"}
    s3.put_object(Bucket="ships", Key='a b"/é', Body=b"12345")
    read(s3, "ships", 'a b"/é')
    s3.get_object(Bucket="ships", Key='a b"/é', Range="bytes=1-2")["Body"].read()
    s3.head_object(Bucket="ships", Key='a b"/é')
    s3.copy_object(Bucket="ships", Key="copy", CopySource={"Bucket": "ships", "Key": 'a b"/é'})
    s3.delete_objects(Bucket="ships", Delete={"Objects": [{"Key": "copy"}]})
    assert code_of(s3.get_object, Bucket="ships", Key="gone") == "NoSuchKey"
    anonymous = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-A", 'an"agent', "-e", "http://from",
                                endpoint(server) + "/ships/secret"], capture_output=True, text=True, check=True)
    assert anonymous.stdout == "403"
    lines = wait_until(lambda: (found := lines_of(s3, "logs", "plain/")) and any(one["key"] == "secret" for one in found) and found)
    assert all(re.fullmatch(r"plain/\d{4}(-\d\d){5}-[0-9A-F]{16}", key) for key in keys_of(s3, "logs", "plain/"))
    assert all(one["owner"] == OWNER and one["bucket"] == "ships" and one["address"] == "127.0.0.1" for one in lines)

    def the(operation, key):
        return [one for one in lines if one["operation"] == operation and unquote(one["key"]) == key]
    put, = the("REST.PUT.OBJECT", 'a b"/é')
    assert (put["status"], put["error"], put["sent"], put["size"], put["requester"]) == ("200", "-", "-", "5", OWNER)
    assert (put["signature"], put["authentication"], put["tls"], put["cipher"]) == ("SigV4", "AuthHeader", "-", "-")
    assert put["request"].startswith('"PUT /ships/a%20b%22/%C3%A9') and put["request"].endswith(' HTTP/1.1"')
    assert put["agent"].startswith('"Boto3/') and put["total_ms"].isdigit() and put["turn_around_ms"].isdigit()
    whole, part = the("REST.GET.OBJECT", 'a b"/é')
    assert (whole["status"], whole["sent"], whole["size"]) == ("200", "5", "5")
    assert (part["status"], part["sent"], part["size"]) == ("206", "2", "5")
    head, = the("REST.HEAD.OBJECT", 'a b"/é')
    assert (head["status"], head["sent"], head["size"]) == ("200", "-", "5")
    assert len(the("REST.COPY.OBJECT", "copy")) == 1 and len(the("REST.COPY.OBJECT_GET", 'a b"/é')) == 1
    batch, = the("BATCH.DELETE.OBJECT", "copy")
    assert (batch["status"], batch["request"], batch["agent"]) == ("204", "-", "-")
    assert len(the("REST.POST.MULTI_OBJECT_DELETE", "-")) == 1 and len(the("REST.GET.LOGGING_STATUS", "-")) == 1
    gone, = the("REST.GET.OBJECT", "gone")
    assert (gone["status"], gone["error"]) == ("404", "NoSuchKey")
    stranger, = the("REST.GET.OBJECT", "secret")
    assert (stranger["requester"], stranger["status"], stranger["error"], stranger["signature"]) == ("-", "403", "AccessDenied", "-")
    assert (stranger["agent"], stranger["referer"]) == (r'"an\x22agent"', '"http://from"')


def test_access_logs_are_delivered_when_the_server_stops(launch):
    server = launch.keelson({**OPTIONS, "s3.access-log-interval": "1h"})
    s3 = client(endpoint(server), KEY, SECRET)
    s3.create_bucket(Bucket="ships")
    s3.create_bucket(Bucket="logs")
    log_to(s3, "ships", "logs", "p/", TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    for i in range(20):
        s3.put_object(Bucket="ships", Key=f"k{i}", Body=b"1")
    assert keys_of(s3, "logs") == []
    assert server.stop() == 0
    again = launch.keelson({**OPTIONS, "s3.access-log-interval": "1h"})
    s3 = client(endpoint(again), KEY, SECRET)
    assert all(re.fullmatch(r"p/000000000000/us-east-1/ships/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}", key)
               for key in keys_of(s3, "logs"))
    puts = [one["key"] for one in lines_of(s3, "logs") if one["operation"] == "REST.PUT.OBJECT"]
    assert sorted(puts) == sorted(f"k{i}" for i in range(20))


def test_logging_needs_the_targets_leave(server, s3):
    for bucket in ("ships", "logs"):
        s3.create_bucket(Bucket=bucket)
    key = keys(server, "create", "--user", "ann", "--policy", "readwrite", "--bucket", "ships", "--json")
    policy = {"Version": "2012-10-17", "Statement": [
        *json.loads(key["policy"])["Statement"], {"Effect": "Allow", "Action": "s3:PutBucketLogging", "Resource": "arn:aws:s3:::ships"}]}
    (path := server.folder.parent / "policy.json").write_text(json.dumps(policy))
    keys(server, "policy", "set", key["id"], path, "--json")
    ann = client(endpoint(server), key["id"], key["secret"])

    def asked(target="logs"):
        return code_of(ann.put_bucket_logging, Bucket="ships",
                       BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "p/"}})
    assert asked() == "InvalidTargetBucketForLogging"
    assert asked("not-there") == "InvalidTargetBucketForLogging"
    # The policy that Amazon's guide shows.
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Sid": "S3ServerAccessLogsPolicy", "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::logs/p/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::ships"}, "StringEquals": {"aws:SourceAccount": "000000000000"}}}]}))
    assert asked() == "none"
    s3.delete_bucket_policy(Bucket="logs")
    s3.put_bucket_acl(Bucket="logs", ACL="log-delivery-write")
    assert asked() == "none"
    grants = {"TargetGrants": [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]}
    assert code_of(s3.put_bucket_logging, Bucket="ships", BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "p/", **grants}}) == "NotImplemented"
    s3.put_bucket_logging(Bucket="ships", BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="ships")


def configuration(name, **more):
    return {"Id": name, "IsEnabled": True, "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::reports", "Format": "CSV", "Prefix": "in"}}, **more}


def put_inventory(s3, made):
    s3.put_bucket_inventory_configuration(Bucket="ships", Id=made["Id"], InventoryConfiguration=made)


def newest_report(s3, name) -> dict | None:
    """The manifest of the newest run, checked; its rows stand in "rows"."""
    root = f"in/ships/{name}/"
    manifests = [key for key in keys_of(s3, "reports", root) if key.endswith("manifest.checksum")]
    if not manifests:
        return None
    text = read(s3, "reports", manifests[-1].replace("checksum", "json"))
    if hashlib.md5(text).hexdigest() != read(s3, "reports", manifests[-1]).decode():
        return None  # a run is just writing both anew
    manifest = json.loads(text)
    manifest["rows"] = []
    names = manifest["fileSchema"].split(", ")
    for file in manifest["files"]:
        packed = read(s3, "reports", file["key"])
        assert (len(packed), hashlib.md5(packed).hexdigest()) == (file["size"], file["MD5checksum"])
        for row in csv.reader(gzip.decompress(packed).decode("ascii").splitlines()):
            manifest["rows"].append(dict(zip(names, row, strict=True)))
    return manifest


def test_inventory_says_what_a_listing_says(server, s3):
    for bucket in ("ships", "reports"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="ships", VersioningConfiguration={"Status": "Enabled"})
    for i in range(300):
        s3.put_object(Bucket="ships", Key=f'deep/{i % 7}/k"{i} é+', Body=b"x" * i)
    s3.put_object(Bucket="ships", Key='deep/0/k"0 é+', Body=b"new")
    s3.delete_object(Bucket="ships", Key='deep/1/k"1 é+')
    s3.put_object(Bucket="ships", Key="other", Body=b"not below the prefix")
    made = configuration("every.day", Filter={"Prefix": "deep/"},
                         OptionalFields=["Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded"])
    put_inventory(s3, made)
    put_inventory(s3, {**configuration("current"), "IncludedObjectVersions": "Current"})
    got = s3.get_bucket_inventory_configuration(Bucket="ships", Id="every.day")["InventoryConfiguration"]
    assert {**got, "OptionalFields": sorted(got["OptionalFields"])} == {**made, "OptionalFields": sorted(made["OptionalFields"])}
    listed = s3.list_bucket_inventory_configurations(Bucket="ships")
    assert [one["Id"] for one in listed["InventoryConfigurationList"]] == ["current", "every.day"] and not listed["IsTruncated"]

    report = wait_until(lambda: newest_report(s3, "every.day"))
    assert report["sourceBucket"] == "ships" and report["destinationBucket"] == "arn:aws:s3:::reports"
    wanted = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="ships", Prefix="deep/"):
        for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
            wanted[one["Key"], one["VersionId"]] = one
    assert len(report["rows"]) == len(wanted) == 302
    for row in report["rows"]:
        one = wanted.pop((unquote(row["Key"]), row["VersionId"]))
        assert row["Bucket"] == "ships" and row["IsLatest"] == str(one["IsLatest"]).lower()
        assert row["LastModifiedDate"] == one["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.") + f"{one['LastModified'].microsecond // 1000:03}Z"
        if "Size" in one:
            assert (row["IsDeleteMarker"], int(row["Size"]), f'"{row["ETag"]}"') == ("false", one["Size"], one["ETag"])
            assert (row["StorageClass"], row["IsMultipartUploaded"]) == ("STANDARD", "false")
        else:
            assert (row["IsDeleteMarker"], row["Size"], row["ETag"]) == ("true", "", "")
    current = wait_until(lambda: newest_report(s3, "current"))
    assert [unquote(row["Key"]) for row in current["rows"]] == keys_of(s3, "ships")
    links = [key for key in keys_of(s3, "reports", "in/ships/current/hive/") if key.endswith("/symlink.txt")]
    assert re.fullmatch(r"in/ships/current/hive/dt=\d{4}(-\d\d){4}/symlink.txt", links[-1])
    assert read(s3, "reports", links[-1]).decode().startswith("s3://reports/in/ships/current/data/")

    for name in ("every.day", "current"):
        s3.delete_bucket_inventory_configuration(Bucket="ships", Id=name)
    assert code_of(s3.get_bucket_inventory_configuration, Bucket="ships", Id="current") == "NoSuchConfiguration"


def test_reports_are_encrypted_as_asked(server, s3):
    for bucket in ("ships", "logs", "reports"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_encryption(Bucket="logs", ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    log_to(s3, "ships", "logs", "p/")
    s3.put_object(Bucket="ships", Key="sealed", Body=b"1", ServerSideEncryption="AES256")
    s3.put_object(Bucket="ships", Key="open", Body=b"1")
    made = configuration("sealed", OptionalFields=["Size", "EncryptionStatus"])
    made["Destination"]["S3BucketDestination"]["Encryption"] = {"SSES3": {}}
    put_inventory(s3, made)
    got = s3.get_bucket_inventory_configuration(Bucket="ships", Id="sealed")["InventoryConfiguration"]
    assert got["Destination"]["S3BucketDestination"]["Encryption"] == {"SSES3": {}}
    report = wait_until(lambda: newest_report(s3, "sealed"))
    assert {row["Key"]: row["EncryptionStatus"] for row in report["rows"]} == {"open": "NOT-SSE", "sealed": "SSE-S3"}
    wait_until(lambda: any(one["key"] == "sealed" for one in lines_of(s3, "logs", "p/")))
    for bucket in ("logs", "reports"):
        for key in keys_of(s3, bucket):
            assert s3.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"] == "AES256", key


def test_inventory_refuses_what_it_cannot_do(server, s3):
    for bucket in ("ships", "reports"):
        s3.create_bucket(Bucket=bucket)

    def code(made, name=None):
        return code_of(s3.put_bucket_inventory_configuration, Bucket="ships", Id=name or made["Id"], InventoryConfiguration=made)

    def to(**more):
        place = {"Bucket": "arn:aws:s3:::reports", "Format": "CSV", **more}
        return {**configuration("one"), "Destination": {"S3BucketDestination": place}}
    assert code(to(Format="ORC")) == "NotImplemented"
    assert code(to(Format="Parquet")) == "NotImplemented"
    assert code(to(Bucket="arn:aws:s3:::not-there")) == "InvalidS3DestinationBucket"
    assert code(to(Bucket="reports")) == "InvalidS3DestinationBucket"
    assert code(to(), "other") == "IdMismatch"
    assert code_of(s3.delete_bucket_inventory_configuration, Bucket="ships", Id="one") == "NoSuchConfiguration"
    assert s3.list_bucket_inventory_configurations(Bucket="ships")["IsTruncated"] is False


def test_inventory_runs_once_a_day_over_restarts(launch):
    options = {**OPTIONS, "s3.lifecycle-day": "10s"}
    server = launch.keelson(options)
    s3 = client(endpoint(server), KEY, SECRET)
    for bucket in ("ships", "reports"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="ships", Key="k", Body=b"1")
    put_inventory(s3, configuration("daily"))

    def data_files():
        return keys_of(s3, "reports", "in/ships/daily/data/")
    wait_until(lambda: newest_report(s3, "daily"))
    seen = len(data_files())
    assert server.stop() == 0
    server = launch.keelson(options)
    s3 = client(endpoint(server), KEY, SECRET)
    wait_until(lambda: len(data_files()) > seen)
    # A second run in a day would have written the same names anew.
    versions = s3.list_object_versions(Bucket="reports", Prefix="in/ships/daily/data/")["Versions"]
    assert len(versions) == len({one["Key"] for one in versions})


def keys(server, *arguments, expect=0, password=PASSWORD):
    """`keelson blob keys`; with --json what it says, else its standard output, or its complaint if it must fail."""
    argv = [BINARY, "blob", "keys", *arguments, "--http", f"127.0.0.1:{server.http_port}"]
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=PATIENCE_S,
                          env={**machine_environment(), "KEELSON_PASSWORD": password})
    assert done.returncode == expect, (argv, done.stdout, done.stderr)
    if expect:
        return done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def test_keys_have_a_life(server, s3, tmp_path):
    s3.create_bucket(Bucket="ships")
    for name in ("in/a", "out/a"):
        s3.put_object(Bucket="ships", Key=name, Body=b"1")
    made = keys(server, "create", "--user", "ann", "--bucket", "ships", "--prefix", "in/", "--expires", "7d", "--json")
    assert made["user"] == "ann" and made["enabled"] and made["expires"] > made["created"]
    ann = client(endpoint(server), made["id"], made["secret"])
    ann.put_object(Bucket="ships", Key="in/b", Body=b"2")
    assert keys_of(ann, "ships", "in/") == ["in/a", "in/b"]
    assert code_of(ann.get_object, Bucket="ships", Key="out/a") == "AccessDenied"
    assert code_of(ann.put_object, Bucket="ships", Key="out/b", Body=b"2") == "AccessDenied"
    assert code_of(ann.list_objects_v2, Bucket="ships") == "AccessDenied"
    assert code_of(ann.create_bucket, Bucket="hers") == "AccessDenied"
    env = {**machine_environment(), "AWS_ACCESS_KEY_ID": made["id"], "AWS_SECRET_ACCESS_KEY": made["secret"], "AWS_DEFAULT_REGION": "us-east-1"}
    aws = ["/usr/bin/aws", "--endpoint-url", endpoint(server), "s3"]
    assert "in/a" in subprocess.run([*aws, "ls", "--recursive", "s3://ships/in/"], env=env, capture_output=True, text=True, check=True).stdout
    assert "AccessDenied" in subprocess.run([*aws, "ls", "s3://ships/out/"], env=env, capture_output=True, text=True).stderr

    # Its secret is told once; listings and the log have no more of it.
    everything = keys(server, "list") + keys(server, "show", made["id"]) + json.dumps(keys(server, "list", "--json"))
    assert made["id"] in everything and made["secret"] not in everything + server.output()
    keys(server, "disable", made["id"])
    assert code_of(ann.get_object, Bucket="ships", Key="in/a") == "InvalidAccessKeyId"
    keys(server, "enable", made["id"])
    keys(server, "policy", "set", made["id"], "readonly")
    assert code_of(ann.get_object, Bucket="ships", Key="out/a") == "none"
    assert code_of(ann.put_object, Bucket="ships", Key="in/b", Body=b"3") == "AccessDenied"
    assert json.loads(keys(server, "policy", "get", made["id"]))["Statement"][0]["Action"] == ["s3:Get*", "s3:List*"]
    second = keys(server, "create", "--user", "ann", "--policy", "readonly", "--json")
    assert second["id"] != made["id"]

    assert "already" in keys(server, "create", "--id", made["id"], expect=1)
    assert "no access key" in keys(server, "show", "NOSUCHKEY", expect=1)
    assert "settings" in keys(server, "rm", KEY, expect=1)
    (bad := tmp_path / "bad.json").write_text('{"Statement": []}')
    assert "no statement" in keys(server, "policy", "set", made["id"], bad, expect=1)
    assert "password" in keys(server, "list", expect=1, password="wrong")
    keys(server, "rm", made["id"])
    assert code_of(ann.get_object, Bucket="ships", Key="in/a") == "InvalidAccessKeyId"
    assert [one["user"] for one in keys(server, "list", "--json")].count("ann") == 1


def test_keys_survive_a_crash_and_expire(launch):
    server = launch.keelson(OPTIONS)
    client(endpoint(server), KEY, SECRET).create_bucket(Bucket="ships")
    kept = keys(server, "create", "--user", "bob", "--json")
    short = keys(server, "create", "--user", "bob", "--expires", "1s", "--json")
    off = keys(server, "create", "--user", "bob", "--json")
    keys(server, "disable", off["id"])
    server.kill()
    server = launch.keelson(OPTIONS)

    def head(key):
        return code_of(client(endpoint(server), key["id"], key["secret"]).list_objects_v2, Bucket="ships")
    assert head(kept) == "none"
    wait_until(lambda: head(short) == "InvalidAccessKeyId")
    assert head(off) == "InvalidAccessKeyId"
