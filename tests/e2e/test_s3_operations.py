"""What docs/blob.md calls supported and the other files leave out: pages of every list, old signatures, small configurations."""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config

from conftest import AGAINST_REDIS
from node import PATIENCE_S, wait_until
from s3_everyday import client, code_of
from s3_raw import ask, path_of, signed
from s3_server import KEY, OPTIONS, SECRET, endpoint, make_key
from test_s3_boto3 import post_form

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.fixture(scope="module")
def s3(server):
    return client(endpoint(server), KEY, SECRET)


@pytest.fixture
def bucket(s3, request):
    name = "o-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    s3.create_bucket(Bucket=name)
    return name


def pages(s3, operation: str, size: int, **arguments):
    return s3.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": size})


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pages_of_objects_and_versions(s3, bucket, size):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    names = [f"{letter}/{n}" for letter in "abc" for n in range(3)] + ["b0", "d", "a/1/x"]
    for name in names * 2:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode())
    s3.delete_object(Bucket=bucket, Key="c/1")
    there = sorted(set(names) - {"c/1"})
    for operation in ("list_objects", "list_objects_v2"):
        assert [one["Key"] for page in pages(s3, operation, size, Bucket=bucket) for one in page.get("Contents", [])] == there
        seen = [(one["Prefix"] if "Prefix" in one else one["Key"]) for page in pages(s3, operation, size, Bucket=bucket, Delimiter="/")
                for one in page.get("CommonPrefixes", []) + page.get("Contents", [])]
        assert sorted(seen) == ["a/", "b/", "b0", "c/", "d"]
        seen = [one["Key"] for page in pages(s3, operation, size, Bucket=bucket, Prefix="a/", Delimiter="/") for one in page.get("Contents", [])]
        assert seen == ["a/0", "a/1", "a/2"]
    listed = [(one["Key"], one["IsLatest"]) for page in pages(s3, "list_object_versions", size, Bucket=bucket)
              for one in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert len(listed) == 2 * len(names) + 1 and sum(latest for _, latest in listed) == len(names)
    prefixes = {one["Prefix"] for page in pages(s3, "list_object_versions", size, Bucket=bucket, Delimiter="/") for one in page.get("CommonPrefixes", [])}
    assert prefixes == {"a/", "b/", "c/"}
    # Deleted by version, markers too: nothing is left.
    everything = [{"Key": one["Key"], "VersionId": one["VersionId"]} for page in pages(s3, "list_object_versions", size, Bucket=bucket)
                  for one in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": everything})["Deleted"]) == len(everything)
    s3.delete_bucket(Bucket=bucket)


def test_pages_of_uploads_parts_and_buckets(s3, bucket):
    uploads = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in ("a/1", "a/2", "b", "b")]
    for size in (1, 2, 1000):
        seen = [(one["Key"], one["UploadId"]) for page in pages(s3, "list_multipart_uploads", size, Bucket=bucket) for one in page.get("Uploads", [])]
        assert sorted(seen) == sorted(uploads) and [key for key, _ in seen] == ["a/1", "a/2", "b", "b"]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/"] and len(page["Uploads"]) == 2
    here = {"Bucket": bucket, "Key": "b", "UploadId": uploads[2][1]}
    for number in (1, 5, 10_000):
        s3.upload_part(**here, PartNumber=number, Body=b"%d" % number)
    s3.upload_part(**here, PartNumber=5, Body=b"again")
    for size in (1, 2, 1000):
        seen = [(one["PartNumber"], one["Size"]) for page in pages(s3, "list_parts", size, **here) for one in page.get("Parts", [])]
        assert seen == [(1, 1), (5, 5), (10_000, 5)]
    for key, upload in uploads:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert code_of(s3.abort_multipart_upload, **here) == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    names = [f"paged-{n}" for n in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    assert [one["Name"] for page in pages(s3, "list_buckets", 2, Prefix="paged-") for one in page["Buckets"]] == names


def test_completing_twice_and_conditions(s3, bucket):
    here = {"Bucket": bucket, "Key": "m"}
    upload = s3.create_multipart_upload(**here)["UploadId"]
    part = {"PartNumber": 1, "ETag": s3.upload_part(**here, UploadId=upload, PartNumber=1, Body=b"x")["ETag"]}
    done = {"MultipartUpload": {"Parts": [part]}}
    etag = s3.complete_multipart_upload(**here, UploadId=upload, **done, IfNoneMatch="*")["ETag"]
    # An answer may have been lost, so asking again is no error while the object stands (as with Amazon's), or says that it is over.
    assert code_of(s3.complete_multipart_upload, **here, UploadId=upload, **done) in ("none", "NoSuchUpload")
    upload = s3.create_multipart_upload(**here)["UploadId"]
    part["ETag"] = s3.upload_part(**here, UploadId=upload, PartNumber=1, Body=b"y")["ETag"]
    assert code_of(s3.complete_multipart_upload, **here, UploadId=upload, **done, IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.complete_multipart_upload, **here, UploadId=upload, **done, IfMatch='"00000000000000000000000000000000"') == "PreconditionFailed"
    assert s3.get_object(**here)["Body"].read() == b"x"
    s3.complete_multipart_upload(**here, UploadId=upload, **done, IfMatch=etag)
    assert s3.get_object(**here)["Body"].read() == b"y"


def test_racing_conditional_writes(server, bucket):
    """Of many who create the same object only one may win."""
    for turn in range(10):
        requests = [signed(server, "PUT", path_of(bucket, f"k{turn}"), headers={"if-none-match": "*"}, body=b"%d" % n) for n in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda request: ask(server, request), requests))
        won = [n for n, answer in enumerate(answers) if answer.status == 200]
        assert len(won) == 1 and {answer.status for answer in answers} <= {200, 409, 412}, answers
        assert ask(server, signed(server, "GET", path_of(bucket, f"k{turn}"))).body == b"%d" % won[0]


def test_presigned_urls_of_version_2(server, s3, bucket):
    old = boto3.client("s3", endpoint_url=endpoint(server), aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
                       config=Config(signature_version="s3", s3={"addressing_style": "path"}))
    url = old.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b+"}, ExpiresIn=60)
    assert "AWSAccessKeyId" in url
    connection = http.client.HTTPConnection("127.0.0.1", server.s3_port, timeout=PATIENCE_S)
    path = url.split(str(server.s3_port), 1)[1]
    connection.request("PUT", path, body=b"old")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert s3.get_object(Bucket=bucket, Key="a b+")["Body"].read() == b"old"
    for bent in (path.replace("a%20b", "a%20c"), path.replace("Signature=", "Signature=x"), path + "&acl"):
        connection = http.client.HTTPConnection("127.0.0.1", server.s3_port, timeout=PATIENCE_S)
        connection.request("PUT", bent, body=b"new")
        assert connection.getresponse().status == 403, bent
    url = old.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+"}, ExpiresIn=-10)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=PATIENCE_S)
    assert refused.value.code == 403 and b"expired" in refused.value.read()


def test_browser_forms_of_version_2(server, s3, bucket):
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = base64.b64encode(json.dumps({"expiration": until, "conditions": [{"bucket": bucket}, ["starts-with", "$key", "in/"]]}).encode()).decode()
    signature = base64.b64encode(hmac.new(SECRET.encode(), policy.encode(), hashlib.sha1).digest()).decode()
    fields = {"key": "in/x", "AWSAccessKeyId": KEY, "policy": policy, "signature": signature}
    assert post_form(server, bucket, fields, b"by a form")[0] == 204
    assert s3.get_object(Bucket=bucket, Key="in/x")["Body"].read() == b"by a form"
    assert post_form(server, bucket, {**fields, "key": "out/x"}, b"1")[0] == 403
    assert post_form(server, bucket, {**fields, "signature": "x" + signature[1:]}, b"1")[0] == 403
    over = base64.b64encode(json.dumps({"expiration": "2020-01-01T00:00:00Z", "conditions": [{"bucket": bucket}, ["starts-with", "$key", ""]]}).encode()).decode()
    signature = base64.b64encode(hmac.new(SECRET.encode(), over.encode(), hashlib.sha1).digest()).decode()
    status, text, _ = post_form(server, bucket, {**fields, "policy": over, "signature": signature}, b"1")
    assert status == 403 and b"AccessDenied" in text


def test_multi_delete(s3, bucket):
    for n in range(3):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"")
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k0"}, {"Key": "none"}, {"Key": "k1"}], "Quiet": True})
    assert "Deleted" not in done and "Errors" not in done
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k2"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k2"}]})["Deleted"][0]
    assert done["DeleteMarker"] and done["DeleteMarkerVersionId"]
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k2", "VersionId": done["DeleteMarkerVersionId"]}]})["Deleted"][0]
    assert done["DeleteMarker"]
    assert s3.get_object(Bucket=bucket, Key="k2")["Body"].read() == b""
    assert code_of(s3.delete_objects, Bucket=bucket, Delete={"Objects": []}) == "MalformedXML"


def test_small_configurations(s3, bucket):
    assert code_of(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    assert code_of(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}) == "InvalidTag"
    assert code_of(s3.put_object_tagging, Bucket=bucket, Key="none", Tagging={"TagSet": []}) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for tags in ([{"Key": f"k{n}", "Value": ""} for n in range(11)], [{"Key": "x" * 129, "Value": ""}], [{"Key": "k", "Value": "v" * 257}]):
        assert code_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": tags}) in ("InvalidTag", "BadRequest")
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert code_of(s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"}) == "NotImplemented"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert code_of(s3.get_bucket_replication, Bucket=bucket) == "ReplicationConfigurationNotFoundError"
    assert code_of(s3.get_bucket_ownership_controls, Bucket=bucket) in ("OwnershipControlsNotFoundError", "none")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    topic = {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Events": ["s3:ObjectCreated:*"]}]}
    assert code_of(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=topic) == "NotImplemented"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    assert code_of(s3.head_object, Bucket=bucket, Key="k", ExpectedBucketOwner="111111111111") == "403"
    s3.head_object(Bucket=bucket, Key="k", ExpectedBucketOwner="000000000000")
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="k") == "NotImplemented"


def test_copies_with_conditions_tags_and_versions(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    source = {"Bucket": bucket, "Key": "from"}
    first = s3.put_object(**source, Body=b"1", Tagging="a=1", ContentType="text/x", StorageClass="STANDARD_IA")
    s3.put_object(**source, Body=b"2", Tagging="a=2")
    s3.copy_object(Bucket=bucket, Key="to", CopySource={**source, "VersionId": first["VersionId"]})
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == b"1" and got["ContentType"] == "text/x"
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, TaggingDirective="REPLACE", Tagging="b=3")
    assert s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"] == [{"Key": "b", "Value": "3"}]
    etag = s3.head_object(**source)["ETag"]
    long_ago, soon = datetime.datetime(2020, 1, 1), datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    for wrong in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": etag}, {"CopySourceIfUnmodifiedSince": long_ago}):
        assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source, **wrong) == "PreconditionFailed", wrong
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch=etag, CopySourceIfModifiedSince=long_ago, CopySourceIfUnmodifiedSince=soon)
    s3.delete_object(**source)
    assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source) == "NoSuchKey"


def test_a_copy_needs_rights_on_both_ends(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="secret", Body=b"1")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/mine/*"}]}
    key = make_key(server, user="copier", policy=policy)
    copier = client(endpoint(server), key["id"], key["secret"])
    copier.put_object(Bucket=bucket, Key="mine/x", Body=b"2")
    copier.copy_object(Bucket=bucket, Key="mine/y", CopySource=f"{bucket}/mine/x")
    assert code_of(copier.copy_object, Bucket=bucket, Key="mine/z", CopySource=f"{bucket}/secret") == "AccessDenied"
    assert code_of(copier.copy_object, Bucket=bucket, Key="theirs", CopySource=f"{bucket}/mine/x") == "AccessDenied"
    upload = copier.create_multipart_upload(Bucket=bucket, Key="mine/m")["UploadId"]
    assert code_of(copier.upload_part_copy, Bucket=bucket, Key="mine/m", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/secret") == "AccessDenied"
    # A path that climbs is a key, not a path.
    assert code_of(copier.get_object, Bucket=bucket, Key="mine/../secret") in ("AccessDenied", "NoSuchKey")


def test_locked_objects_outlast_everything(s3):
    s3.create_bucket(Bucket="locked-down", ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    version = s3.put_object(Bucket="locked-down", Key="k", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    errors = s3.delete_objects(Bucket="locked-down", Delete={"Objects": [{"Key": "k", "VersionId": version}]}, BypassGovernanceRetention=True)["Errors"]
    assert errors[0]["Code"] == "AccessDenied"
    here = {"Bucket": "locked-down", "Key": "k", "VersionId": version}
    for retention in ({"Mode": "GOVERNANCE", "RetainUntilDate": until}, {"Mode": "COMPLIANCE", "RetainUntilDate": until - datetime.timedelta(hours=1)}, {}):
        assert code_of(s3.put_object_retention, **here, Retention=retention, BypassGovernanceRetention=True) == "AccessDenied", retention
    # Neither by the lifecycle, whose day lasts two seconds here: an unlocked neighbour goes, this one stays.
    other = s3.put_object(Bucket="locked-down", Key="other", Body=b"1")["VersionId"]
    s3.put_object(Bucket="locked-down", Key="other", Body=b"2")
    s3.put_object(Bucket="locked-down", Key="k", Body=b"2")
    s3.put_bucket_lifecycle_configuration(Bucket="locked-down", LifecycleConfiguration={"Rules": [
        {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]})
    wait_until(lambda: code_of(s3.head_object, Bucket="locked-down", Key="other", VersionId=other) == "404", what="the end of an old version")
    assert s3.get_object(**here)["Body"].read() == b"1"
    assert code_of(s3.put_object, Bucket="locked-down", Key="past", Body=b"", ObjectLockMode="COMPLIANCE",
                   ObjectLockRetainUntilDate=datetime.datetime(2020, 1, 1)) in ("InvalidArgument", "InvalidRequest")
    s3.create_bucket(Bucket="not-locked")
    assert code_of(s3.put_object, Bucket="not-locked", Key="k", Body=b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until) == "InvalidRequest"


def test_ranges_of_large_and_empty_objects(server, s3, bucket):
    body = bytes(range(256)) * 1024
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")

    def get(key, text):
        answer = ask(server, signed(server, "GET", path_of(bucket, key), headers={"range": text}))
        return answer.status, answer.body
    for first, last in ((0, 0), (65_535, 65_536), (65_536, 65_536), (100, 200_000), (262_143, 262_143)):
        assert get("k", f"bytes={first}-{last}") == (206, body[first:last + 1])
    assert get("k", "bytes=-1") == (206, body[-1:]) and get("k", "bytes=-999999999") == (206, body)
    assert get("k", "bytes=262144-")[0] == 416 and get("k", "bytes=-0")[0] == 416 and get("empty", "bytes=0-0")[0] == 416
    # What is no range of bytes, and several at once, get the whole (RFC 9110, section 14.2; Amazon's gives one range alone).
    for text in ("bytes=5-3", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=99999999999999999999999-"):
        status, got = get("k", text)
        assert (status, got) == (200, body) or status == 416 and text.startswith("bytes=9"), text
    answer = ask(server, signed(server, "HEAD", path_of(bucket, "k"), headers={"range": "bytes=1-3"}))
    assert answer.status == 206 and answer.headers["Content-Range"] == "bytes 1-3/262144" and answer.headers["Content-Length"] == "3"
    etag = answer.headers["ETag"]
    for condition, wanted in ((etag, 206), ('"other"', 200)):
        answer = ask(server, signed(server, "GET", path_of(bucket, "k"), headers={"range": "bytes=1-3", "if-range": condition}))
        assert answer.status == wanted, condition
