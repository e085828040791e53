"""S3's operations one by one, with the current boto3: what s3_everyday.py leaves out."""
import base64
import datetime
import hashlib
import http.client
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import zlib

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from conftest import AGAINST_REDIS
from node import PATIENCE_S, ROOT, wait_until
from s3_everyday import client, code_of
from s3_server import KEY, OPTIONS, SECRET, endpoint, make_key

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.fixture(scope="module")
def s3(server):
    return client(endpoint(server), KEY, SECRET)


@pytest.fixture
def bucket(s3, request):
    name = "b-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def anonymous(server):
    return boto3.client("s3", endpoint_url=endpoint(server), region_name="us-east-1",
                        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"], ids=["current", "debian"])
def test_everyday_work(server, python):
    done = subprocess.run([python, str(ROOT / "tests/e2e/s3_everyday.py"), endpoint(server), KEY, SECRET], capture_output=True, text=True,
                          timeout=PATIENCE_S * 4)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_keys_and_secrets(server):
    assert code_of(client(endpoint(server), "NOBODY123", SECRET).list_buckets) == "InvalidAccessKeyId"
    assert code_of(client(endpoint(server), KEY, "wrong").list_buckets) == "SignatureDoesNotMatch"
    other = boto3.client("s3", endpoint_url=endpoint(server), aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="eu-west-3",
                         config=Config(s3={"addressing_style": "path"}))
    assert code_of(other.list_buckets) in ("AuthorizationHeaderMalformed", "none")  # botocore may try the right region by itself


def test_signature_version_2(server, bucket):
    old = boto3.client("s3", endpoint_url=endpoint(server), aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
                       config=Config(signature_version="s3", s3={"addressing_style": "path"}, request_checksum_calculation="when_required"))
    old.put_object(Bucket=bucket, Key="old way", Body=b"1", Metadata={"a": "b"})
    assert old.get_object(Bucket=bucket, Key="old way")["Body"].read() == b"1"
    assert [entry["Key"] for entry in old.list_objects(Bucket=bucket, Prefix="old")["Contents"]] == ["old way"]
    url = old.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "old way"}, ExpiresIn=60)
    assert "AWSAccessKeyId" in url and urllib.request.urlopen(url).read() == b"1"


def test_presigned_urls_end(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=1)

    def is_over():
        try:
            urllib.request.urlopen(url).read()
        except urllib.error.HTTPError as error:
            return error.code == 403 and b"Request has expired" in error.read()
        return False
    wait_until(is_over, what="the end of the URL")


def test_virtual_hosts(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"there")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert f"/{bucket}/k" in url
    virtual = boto3.client("s3", endpoint_url=f"http://localhost:{server.s3_port}", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                           region_name="us-east-1", config=Config(s3={"addressing_style": "virtual"}))
    url = virtual.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert f"//{bucket}.localhost" in url
    connection = http.client.HTTPConnection("127.0.0.1", server.s3_port)
    path = url.split(str(server.s3_port), 1)[1]
    connection.request("GET", path, headers={"Host": f"{bucket}.localhost:{server.s3_port}"})
    assert connection.getresponse().read() == b"there"


def test_conditional_writes(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"d41d8cd98f00b204e9800998ecf8427e"') == "PreconditionFailed"
    assert code_of(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    assert code_of(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == "PreconditionFailed"


def value_of(algorithm: str, body: bytes) -> str:
    if algorithm == "CRC32":
        return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    if algorithm in ("SHA1", "SHA256"):
        return base64.b64encode(hashlib.new(algorithm.lower(), body).digest()).decode()
    polynomial, bits = {"CRC32C": (0x82f63b78, 32), "CRC64NVME": (0x9a6c9329ac4bc9b5, 64)}[algorithm]
    crc = (1 << bits) - 1
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
    return base64.b64encode((crc ^ ((1 << bits) - 1)).to_bytes(bits // 8, "big")).decode()


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3, bucket, algorithm):
    body, field = b"hello, checksum", "Checksum" + algorithm
    value = value_of(algorithm, body)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, **{field: value})
    assert put[field] == value and put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[field] == value and got["Body"].read() == body
    assert field not in s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-1")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize", "ETag", "StorageClass"])
    assert attributes["Checksum"][field] == value and attributes["ObjectSize"] == len(body) and attributes["StorageClass"] == "STANDARD"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]
    wrong = value_of(algorithm, body + b"!")
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=body, **{field: wrong}) == "BadDigest"
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=body, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == "BadDigest"


@pytest.mark.parametrize("algorithm,kind", [("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("CRC32C", "FULL_OBJECT"),
                                            ("SHA256", "COMPOSITE"), ("SHA1", "COMPOSITE")])
def test_checksums_of_multipart_uploads(s3, bucket, algorithm, kind):
    bodies, field = [b"a" * (5 << 20), b"the end"], "Checksum" + algorithm
    if algorithm == "CRC32C":
        bodies[0] = b"a"   # the oracle in Python is slow: one part
        bodies = bodies[:1]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (upload["ChecksumAlgorithm"], upload["ChecksumType"]) == (algorithm, kind)
    here, parts = {"Bucket": bucket, "Key": "m", "UploadId": upload["UploadId"]}, []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**here, PartNumber=number, Body=body, **{field: value_of(algorithm, body)})
        assert part[field] == value_of(algorithm, body)
        parts.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
    done = s3.complete_multipart_upload(**here, MultipartUpload={"Parts": parts})
    if kind == "FULL_OBJECT":
        wanted = value_of(algorithm, b"".join(bodies))
    else:
        wanted = value_of(algorithm, b"".join(base64.b64decode(part[field]) for part in parts)) + f"-{len(parts)}"
    assert (done[field], done["ChecksumType"]) == (wanted, kind)
    head = s3.head_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (wanted, kind)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert attributes["TotalPartsCount"] == len(parts) and attributes["Parts"][0][field] == parts[0][field]


def test_users_have_what_their_policies_give(server, s3, bucket):
    reader_key = make_key(server, user="reader", policy="readonly")
    reader = client(endpoint(server), reader_key["id"], reader_key["secret"])
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert code_of(reader.put_object, Bucket=bucket, Key="k", Body=b"2") == "AccessDenied"
    assert code_of(reader.delete_object, Bucket=bucket, Key="k") == "AccessDenied"
    own = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}",
         "Condition": {"StringLike": {"s3:prefix": "home/${aws:username}/*"}}},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*"}]}
    ann_key = make_key(server, user="ann", policy=own)
    ann = client(endpoint(server), ann_key["id"], ann_key["secret"])
    ann.put_object(Bucket=bucket, Key="home/ann/x", Body=b"mine")
    assert code_of(ann.put_object, Bucket=bucket, Key="home/bob/x", Body=b"his") == "AccessDenied"
    assert ann.list_objects_v2(Bucket=bucket, Prefix="home/ann/")["KeyCount"] == 1
    assert code_of(ann.list_objects_v2, Bucket=bucket, Prefix="home/") == "AccessDenied"
    results = ann.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "home/ann/x"}]})
    assert results["Errors"][0]["Code"] == "AccessDenied"
    # The bucket says more for one and less for the other.
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/ann"}, "Action": "s3:DeleteObject",
         "Resource": f"arn:aws:s3:::{bucket}/*"},
        {"Effect": "Deny", "Principal": {"AWS": "reader"}, "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    ann.delete_object(Bucket=bucket, Key="home/ann/x")
    assert code_of(reader.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Effect"] == "Allow"
    assert code_of(s3.put_bucket_policy, Bucket=bucket, Policy='{"Statement": []}') == "MalformedPolicy"
    s3.delete_bucket_policy(Bucket=bucket)
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


def test_anonymous_clients(s3, anonymous, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert code_of(anonymous.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert code_of(anonymous.list_buckets) == "AccessDenied"
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL", "READ"]
    assert code_of(anonymous.list_objects_v2, Bucket=bucket) == "AccessDenied"
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert anonymous.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    anonymous.put_object(Bucket=bucket, Key="theirs", Body=b"2")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True, "BlockPublicAcls": True})
    assert code_of(anonymous.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert code_of(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == "AccessDenied"
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    assert code_of(s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == "AccessControlListNotSupported"


def test_cors(server, s3, bucket):
    assert code_of(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    rules = [{"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["x-*"], "MaxAgeSeconds": 60,
              "ExposeHeaders": ["ETag"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules

    def ask(origin, method, headers=""):
        connection = http.client.HTTPConnection("127.0.0.1", server.s3_port)
        connection.request("OPTIONS", f"/{bucket}/k", headers={"Origin": origin, "Access-Control-Request-Method": method,
                                                                "Access-Control-Request-Headers": headers})
        answer = connection.getresponse()
        answer.read()
        return answer
    good = ask("https://a.example.com", "PUT", "x-own, X-Other")
    assert good.status == 200 and good.headers["Access-Control-Allow-Origin"] == "https://a.example.com"
    assert good.headers["Access-Control-Max-Age"] == "60"
    assert ask("https://evil.com", "PUT").status == 403 and ask("https://a.example.com", "DELETE").status == 403
    assert ask("https://a.example.com", "GET", "authorization").status == 403
    s3.delete_bucket_cors(Bucket=bucket)


def test_lifecycle(s3, bucket):
    rules = [{"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 1}},
             {"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
             {"ID": "off", "Status": "Disabled", "Filter": {}, "Expiration": {"Days": 1}}]
    s3.put_object(Bucket=bucket, Key="log/1", Body=b"1")
    s3.put_object(Bucket=bucket, Key="keep", Body=b"1")
    s3.create_multipart_upload(Bucket=bucket, Key="never")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [rule["ID"] for rule in got] == ["logs", "uploads", "off"] and got[0]["Expiration"] == {"Days": 1}
    assert "rule-id=\"logs\"" in s3.put_object(Bucket=bucket, Key="log/2", Body=b"1")["Expiration"]
    wait_until(lambda: [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["keep"], what="expiry")
    wait_until(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=bucket), what="the end of the upload")


def test_lifecycle_of_versions(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for _ in range(3):
        s3.put_object(Bucket=bucket, Key="v", Body=b"1")
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [
        {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"ID": "gone", "Status": "Enabled", "Filter": {"Prefix": "gone"}, "Expiration": {"Days": 1}},
        {"ID": "markers", "Status": "Enabled", "Filter": {}, "Expiration": {"ExpiredObjectDeleteMarker": True}}]})

    def is_clean():
        page = s3.list_object_versions(Bucket=bucket)
        return [one["Key"] for one in page.get("Versions", [])] == ["v"] and "DeleteMarkers" not in page
    wait_until(is_clean, what="the end of old versions and markers")


def test_object_lock(s3, request):
    name = "locked-" + hashlib.md5(request.node.name.encode()).hexdigest()[:8]
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"] == {"ObjectLockEnabled": "Enabled"}
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    version = s3.put_object(Bucket=name, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    head = s3.head_object(Bucket=name, Key="k")
    assert head["ObjectLockMode"] == "GOVERNANCE" and abs((head["ObjectLockRetainUntilDate"] - until).total_seconds()) < 1
    here = {"Bucket": name, "Key": "k", "VersionId": version}
    assert code_of(s3.delete_object, **here) == "AccessDenied"
    assert s3.delete_object(Bucket=name, Key="k")["DeleteMarker"]  # hides it, keeps it
    assert code_of(s3.put_object_retention, **here, Retention={}) == "AccessDenied"
    later = until + datetime.timedelta(days=1)
    s3.put_object_retention(**here, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": later})
    assert abs((s3.get_object_retention(**here)["Retention"]["RetainUntilDate"] - later).total_seconds()) < 1
    s3.put_object_legal_hold(**here, LegalHold={"Status": "ON"})
    assert s3.get_object_legal_hold(**here)["LegalHold"]["Status"] == "ON"
    assert code_of(s3.delete_object, **here, BypassGovernanceRetention=True) == "AccessDenied"
    s3.put_object_legal_hold(**here, LegalHold={"Status": "OFF"})
    s3.delete_object(**here, BypassGovernanceRetention=True)
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}})
    version = s3.put_object(Bucket=name, Key="c", Body=b"1")["VersionId"]
    assert code_of(s3.delete_object, Bucket=name, Key="c", VersionId=version, BypassGovernanceRetention=True) == "AccessDenied"
    assert code_of(s3.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Suspended"}) == "InvalidBucketState"


def test_suspended_versioning(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3")
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket=bucket)["Versions"]] == ["null", kept]
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=kept)["Body"].read() == b"1"


def post_form(server, bucket, fields, content, name="a b.txt"):
    boundary = "xYzZy"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", server.s3_port)
    connection.request("POST", f"/{bucket}", body=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_browser_forms(server, s3, bucket):
    post = s3.generate_presigned_post(bucket, "user/${filename}", Fields={"success_action_status": "201", "x-amz-meta-a": "b"},
                                      Conditions=[["content-length-range", 1, 1000], {"success_action_status": "201"}, {"x-amz-meta-a": "b"}])
    status, text, headers = post_form(server, bucket, post["fields"], b"from a browser\r\n--xYzZ not the end")
    assert status == 201 and b"<Key>user/a b.txt</Key>" in text, text
    got = s3.get_object(Bucket=bucket, Key="user/a b.txt")
    assert got["Body"].read() == b"from a browser\r\n--xYzZ not the end" and got["Metadata"] == {"a": "b"} and got["ContentType"] == "binary/octet-stream"
    status, text, _ = post_form(server, bucket, post["fields"], b"x" * 1001)
    assert status == 400 and b"EntityTooLarge" in text
    status, text, _ = post_form(server, bucket, post["fields"], b"")
    assert status == 400 and b"EntityTooSmall" in text
    status, text, _ = post_form(server, bucket, {**post["fields"], "x-amz-meta-a": "c"}, b"1")
    assert status == 403 and b"AccessDenied" in text
    status, text, _ = post_form(server, bucket, {**post["fields"], "x-amz-signature": "0" * 64}, b"1")
    assert status == 403 and b"SignatureDoesNotMatch" in text
    status, text, _ = post_form(server, bucket, {"key": "anonymous"}, b"1")
    assert status == 403 and b"AccessDenied" in text
    redirect = s3.generate_presigned_post(bucket, "r", Fields={"success_action_redirect": "http://example.com/done?x=1"},
                                          Conditions=[{"success_action_redirect": "http://example.com/done?x=1"}])
    status, _, headers = post_form(server, bucket, redirect["fields"], b"1")
    assert status == 303 and headers["Location"].startswith(f"http://example.com/done?x=1&bucket={bucket}&key=r&etag=")


def test_websites(server, s3, bucket):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"},
        "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "302"}}]})
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "index.html"}
    for key in ("index.html", "docs/index.html", "error.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/html")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
         "Resource": [f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"]}]}))

    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", server.s3_port)
        connection.request("GET", path, headers={"Host": f"{bucket}.web.test"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    assert get("/")[:2] == (200, b"index.html") and get("/docs/")[:2] == (200, b"docs/index.html")
    assert get("/")[2]["Content-Type"] == "text/html"
    status, _, headers = get("/docs")
    assert status == 302 and headers["Location"] == "/docs/"
    assert get("/none")[:2] == (404, b"error.html")
    status, _, headers = get("/old/x")
    assert status == 302 and headers["Location"] == f"http://{bucket}.web.test/new/x"


def test_what_is_not_built_says_so(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms") == "NotImplemented"
    assert code_of(s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Days": 1}) == "NotImplemented"
    assert code_of(s3.get_bucket_encryption, Bucket=bucket) == "ServerSideEncryptionConfigurationNotFoundError"
    assert s3.get_bucket_notification_configuration(Bucket=bucket).get("TopicConfigurations") is None
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER") == "InvalidStorageClass"


def raw(server, method, path, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.s3_port, timeout=PATIENCE_S)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_bad_requests(server):
    status, text = raw(server, "GET", "/some-bucket?policy")
    assert status == 404 and b"<Code>NoSuchBucket</Code>" in text
    status, text = raw(server, "GET", "/%zz")
    assert status == 400
    status, text = raw(server, "PATCH", "/some-bucket/k")
    assert status == 405 and b"MethodNotAllowed" in text
    status, text = raw(server, "GET", "/", {"Authorization": "AWS4-HMAC-SHA256 nonsense"})
    assert status == 400 and b"AuthorizationHeaderMalformed" in text
    status, text = raw(server, "GET", "/", {"Authorization": "Bearer x"})
    assert status == 400 and b"InvalidArgument" in text
    status, text = raw(server, "PUT", "/" + "x" * 64)
    assert status == 400 and b"InvalidBucketName" in text


def test_xml_bombs_are_refused(server, s3, bucket):
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>'
    request = AWSRequest("POST", f"{endpoint(server)}/{bucket}?delete", data=bomb.encode())
    S3SigV4Auth(Credentials(KEY, SECRET), "s3", "us-east-1").add_auth(request)
    status, text = raw(server, "POST", f"/{bucket}?delete", dict(request.headers), bomb.encode())
    assert status == 400 and b"MalformedXML" in text, text


def test_what_is_put_survives_a_kill(launch):
    node = launch.keelson(OPTIONS)
    s3 = client(endpoint(node), KEY, SECRET)
    s3.create_bucket(Bucket="lasting")
    bodies = {f"k{n}": bytes([n]) * (n * 40_000) for n in range(10)}
    for key, body in bodies.items():
        s3.put_object(Bucket="lasting", Key=key, Body=body)
    key = make_key(node, user="ann", policy="readonly")
    node.kill()
    node = launch.keelson(OPTIONS)
    s3 = client(endpoint(node), key["id"], key["secret"])
    for name, body in bodies.items():
        assert s3.get_object(Bucket="lasting", Key=name)["Body"].read() == body


def test_a_root_key_is_made_and_shown_once(launch):
    node = launch.keelson()
    text = node.output()
    words = {name: line.split()[-1] for line in text.splitlines() for name in ("access key id", "secret access key") if line.strip().startswith(name)}
    assert len(words) == 2, text
    s3 = client(endpoint(node), words["access key id"], words["secret access key"])
    s3.create_bucket(Bucket="mine")
    assert node.stop() == 0
    again = launch.keelson(name="again")
    assert words["secret access key"] not in again.output()
    s3 = client(endpoint(again), words["access key id"], words["secret access key"])
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == ["mine"]


def test_metrics(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"12345"))
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}/metrics")
    request.add_header("Authorization", "Basic " + base64.b64encode(b"x:sesame").decode())
    text = urllib.request.urlopen(request).read().decode()
    assert 'keelson_s3_requests_total{operation="PutObject"}' in text
    assert 'keelson_s3_request_duration_seconds_count{operation="PutObject"}' in text
