"""What applications do every day, with boto3: run as a program, so that Debian's boto3 and the current one both run it.

    python s3_everyday.py ENDPOINT KEY SECRET
"""
import hashlib
import io
import os
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(endpoint, key, secret, **options):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, signature_version="s3v4", **options)
    return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
                        region_name="us-east-1", config=config)


def code_of(call, **arguments) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def buckets(s3):
    assert "everyday" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.create_bucket(Bucket="everyday")
    s3.create_bucket(Bucket="everyday")  # in us-east-1 no error
    assert "everyday" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket="everyday")
    assert code_of(s3.head_bucket, Bucket="not-there") == "404"
    assert s3.get_bucket_location(Bucket="everyday")["LocationConstraint"] is None


def objects(s3):
    keys = ["a", "a/b", "a/b/1", "with blank+plus%percent", "../dots", "/lead", "//", "\u00fc\u4e16\U0001f600", "q?x=1&y#z", "\x01\x1f",
            "k" * 1024]
    for index, key in enumerate(keys):
        body = os.urandom(index * 7)
        put = s3.put_object(Bucket="everyday", Key=key, Body=body, Metadata={"index": str(index)}, ContentType="text/x")
        assert put["ETag"] == '"' + hashlib.md5(body).hexdigest() + '"'
        got = s3.get_object(Bucket="everyday", Key=key)
        assert got["Body"].read() == body and got["Metadata"] == {"index": str(index)} and got["ContentType"] == "text/x"
        assert s3.head_object(Bucket="everyday", Key=key)["ContentLength"] == len(body)
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket="everyday")["Contents"]]
    assert listed == sorted(keys, key=lambda key: key.encode()), listed
    assert [entry["Key"] for entry in s3.list_objects(Bucket="everyday")["Contents"]] == listed
    assert code_of(s3.put_object, Bucket="everyday", Key="k" * 1025, Body=b"") == "KeyTooLongError"
    assert code_of(s3.get_object, Bucket="everyday", Key="none") == "NoSuchKey"
    assert code_of(s3.get_object, Bucket="not-there", Key="none") == "NoSuchBucket"
    for key in keys:
        s3.delete_object(Bucket="everyday", Key=key)
    s3.delete_object(Bucket="everyday", Key="none")
    assert "Contents" not in s3.list_objects_v2(Bucket="everyday")


def ranges_and_conditions(s3):
    put = s3.put_object(Bucket="everyday", Key="r", Body=b"0123456789", CacheControl="max-age=5", ContentEncoding="x-own",
                        ContentDisposition="attachment", ContentLanguage="de")
    got = s3.get_object(Bucket="everyday", Key="r")
    assert (got["CacheControl"], got["ContentEncoding"], got["ContentDisposition"], got["ContentLanguage"]) == \
        ("max-age=5", "x-own", "attachment", "de")
    for text, wanted in (("bytes=0-0", b"0"), ("bytes=3-", b"3456789"), ("bytes=-2", b"89"), ("bytes=2-100", b"23456789")):
        part = s3.get_object(Bucket="everyday", Key="r", Range=text)
        assert part["Body"].read() == wanted and part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert code_of(s3.get_object, Bucket="everyday", Key="r", Range="bytes=10-") == "InvalidRange"
    etag, modified = put["ETag"], got["LastModified"]
    assert code_of(s3.get_object, Bucket="everyday", Key="r", IfMatch='"x"') == "PreconditionFailed"
    assert code_of(s3.get_object, Bucket="everyday", Key="r", IfNoneMatch=etag) == "304"
    assert code_of(s3.head_object, Bucket="everyday", Key="r", IfModifiedSince=modified) == "304"
    s3.get_object(Bucket="everyday", Key="r", IfMatch=etag, IfUnmodifiedSince=modified)
    other = s3.get_object(Bucket="everyday", Key="r", ResponseContentType="a/b", ResponseCacheControl="no-store")
    assert (other["ContentType"], other["CacheControl"]) == ("a/b", "no-store")


def listing(s3):
    for name in ("x/1", "x/2", "x/y/3", "y/4", "z"):
        s3.put_object(Bucket="everyday", Key=name, Body=b"1")
    page = s3.list_objects_v2(Bucket="everyday", Delimiter="/")
    assert [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["x/", "y/"]
    assert [entry["Key"] for entry in page["Contents"]] == ["r", "z"]
    page = s3.list_objects_v2(Bucket="everyday", Delimiter="/", Prefix="x/")
    assert [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["x/y/"]
    for name in ("list_objects", "list_objects_v2"):
        seen = []
        for page in s3.get_paginator(name).paginate(Bucket="everyday", Delimiter="/", PaginationConfig={"PageSize": 1}):
            seen += [entry["Key"] for entry in page.get("Contents", [])] + [one["Prefix"] for one in page.get("CommonPrefixes", [])]
        assert seen == ["r", "x/", "y/", "z"], seen
    assert s3.list_objects_v2(Bucket="everyday", StartAfter="x/y/3")["KeyCount"] == 2
    assert s3.list_objects_v2(Bucket="everyday", MaxKeys=0)["KeyCount"] == 0
    deleted = s3.delete_objects(Bucket="everyday", Delete={"Objects": [{"Key": key} for key in ("x/1", "x/2", "x/y/3", "y/4", "z", "r", "no")]})
    assert len(deleted["Deleted"]) == 7 and "Errors" not in deleted


def copies(s3):
    body = os.urandom(300_000)
    s3.put_object(Bucket="everyday", Key="from here", Body=body, Metadata={"m": "1"}, Tagging="t=1&u=2")
    done = s3.copy_object(Bucket="everyday", Key="to", CopySource={"Bucket": "everyday", "Key": "from here"})
    assert done["CopyObjectResult"]["ETag"] == '"' + hashlib.md5(body).hexdigest() + '"'
    got = s3.get_object(Bucket="everyday", Key="to")
    assert got["Body"].read() == body and got["Metadata"] == {"m": "1"} and got["TagCount"] == 2
    s3.copy_object(Bucket="everyday", Key="to", CopySource="everyday/to", MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert s3.head_object(Bucket="everyday", Key="to")["Metadata"] == {"n": "2"}
    assert code_of(s3.copy_object, Bucket="everyday", Key="to", CopySource="everyday/to") == "InvalidRequest"
    assert code_of(s3.copy_object, Bucket="everyday", Key="to", CopySource="everyday/none") == "NoSuchKey"
    assert code_of(s3.copy_object, Bucket="everyday", Key="x", CopySource="everyday/to", CopySourceIfMatch="x") == "PreconditionFailed"
    s3.delete_objects(Bucket="everyday", Delete={"Objects": [{"Key": "from here"}, {"Key": "to"}], "Quiet": True})


def multipart(s3):
    data = os.urandom(12 << 20)
    s3.upload_fileobj(io.BytesIO(data), "everyday", "big")
    out = io.BytesIO()
    s3.download_fileobj("everyday", "big", out)
    assert out.getvalue() == data and s3.head_object(Bucket="everyday", Key="big")["ETag"].endswith('-2"')
    upload = s3.create_multipart_upload(Bucket="everyday", Key="p %1", Metadata={"a": "b"})["UploadId"]
    here = {"Bucket": "everyday", "Key": "p %1", "UploadId": upload}
    first = s3.upload_part(**here, PartNumber=1, Body=data[:6 << 20])["ETag"]
    second = s3.upload_part_copy(**here, PartNumber=7, CopySource="everyday/big", CopySourceRange="bytes=100-5242979")["CopyPartResult"]["ETag"]
    last = s3.upload_part(**here, PartNumber=9, Body=b"end")["ETag"]
    assert [part["PartNumber"] for part in s3.list_parts(**here)["Parts"]] == [1, 7, 9]
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="everyday")["Uploads"]] == ["p %1"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 7, "ETag": second}, {"PartNumber": 9, "ETag": last}]
    assert code_of(s3.complete_multipart_upload, **here, MultipartUpload={"Parts": parts[::-1]}) == "InvalidPartOrder"
    assert code_of(s3.complete_multipart_upload, **here, MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": first}]}) == "InvalidPart"
    done = s3.complete_multipart_upload(**here, MultipartUpload={"Parts": parts})
    wanted = data[:6 << 20] + data[100:5242980] + b"end"
    md5s = b"".join(hashlib.md5(part).digest() for part in (data[:6 << 20], data[100:5242980], b"end"))
    assert done["ETag"] == '"' + hashlib.md5(md5s).hexdigest() + '-3"'
    got = s3.get_object(Bucket="everyday", Key="p %1")
    assert got["Body"].read() == wanted and got["Metadata"] == {"a": "b"}
    assert s3.get_object(Bucket="everyday", Key="p %1", PartNumber=3)["Body"].read() == b"end"
    upload = s3.create_multipart_upload(Bucket="everyday", Key="small")["UploadId"]
    here = {"Bucket": "everyday", "Key": "small", "UploadId": upload}
    parts = [{"PartNumber": n, "ETag": s3.upload_part(**here, PartNumber=n, Body=b"x")["ETag"]} for n in (1, 2)]
    assert code_of(s3.complete_multipart_upload, **here, MultipartUpload={"Parts": parts}) == "EntityTooSmall"
    s3.abort_multipart_upload(**here)
    assert code_of(s3.upload_part, **here, PartNumber=1, Body=b"x") == "NoSuchUpload"
    # An upload whose only part is empty.
    upload = s3.create_multipart_upload(Bucket="everyday", Key="nothing")["UploadId"]
    here = {"Bucket": "everyday", "Key": "nothing", "UploadId": upload}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**here, PartNumber=1, Body=b"")["ETag"]}
    s3.complete_multipart_upload(**here, MultipartUpload={"Parts": [part]})
    assert s3.get_object(Bucket="everyday", Key="nothing")["Body"].read() == b""


def versions(s3):
    s3.create_bucket(Bucket="everyday-versions")
    assert "Status" not in s3.get_bucket_versioning(Bucket="everyday-versions")
    s3.put_object(Bucket="everyday-versions", Key="v", Body=b"0")
    s3.put_bucket_versioning(Bucket="everyday-versions", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="everyday-versions")["Status"] == "Enabled"
    ids = ["null"] + [s3.put_object(Bucket="everyday-versions", Key="v", Body=str(n).encode())["VersionId"] for n in (1, 2)]
    marker = s3.delete_object(Bucket="everyday-versions", Key="v")
    assert marker["DeleteMarker"] and code_of(s3.get_object, Bucket="everyday-versions", Key="v") == "NoSuchKey"
    assert code_of(s3.get_object, Bucket="everyday-versions", Key="v", VersionId=marker["VersionId"]) == "MethodNotAllowed"
    for number, version in enumerate(ids):
        assert s3.get_object(Bucket="everyday-versions", Key="v", VersionId=version)["Body"].read() == str(number).encode()
    page = s3.list_object_versions(Bucket="everyday-versions")
    assert [one["VersionId"] for one in page["Versions"]] == ids[::-1] and page["DeleteMarkers"][0]["IsLatest"]
    seen = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="everyday-versions", PaginationConfig={"PageSize": 1}):
        seen += [one["VersionId"] for one in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert seen == [marker["VersionId"]] + ids[::-1], seen
    s3.delete_object(Bucket="everyday-versions", Key="v", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket="everyday-versions", Key="v")["Body"].read() == b"2"
    s3.copy_object(Bucket="everyday-versions", Key="v", CopySource={"Bucket": "everyday-versions", "Key": "v", "VersionId": ids[1]})
    assert s3.get_object(Bucket="everyday-versions", Key="v")["Body"].read() == b"1"
    assert code_of(s3.delete_bucket, Bucket="everyday-versions") == "BucketNotEmpty"
    boto3_versions = s3.list_object_versions(Bucket="everyday-versions")["Versions"]
    s3.delete_objects(Bucket="everyday-versions", Delete={"Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in boto3_versions]})
    s3.delete_bucket(Bucket="everyday-versions")


def tags_and_presigned(s3):
    s3.put_object(Bucket="everyday", Key="t", Body=b"x")
    tags = [{"Key": "a b", "Value": "c/d"}, {"Key": "e", "Value": ""}]
    s3.put_object_tagging(Bucket="everyday", Key="t", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket="everyday", Key="t")["TagSet"] == tags
    s3.delete_object_tagging(Bucket="everyday", Key="t")
    assert s3.get_object_tagging(Bucket="everyday", Key="t")["TagSet"] == []
    s3.put_bucket_tagging(Bucket="everyday", Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket="everyday")["TagSet"] == tags
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "everyday", "Key": "by url +%"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(url, data=b"sent", method="PUT"))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "everyday", "Key": "by url +%"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"sent"


def clean_up(s3):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="everyday"):
        s3.delete_objects(Bucket="everyday", Delete={"Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in page["Versions"]]})
    s3.delete_bucket(Bucket="everyday")


def main() -> int:
    s3 = client(*sys.argv[1:4])
    for step in (buckets, objects, ranges_and_conditions, listing, copies, multipart, versions, tags_and_presigned, clean_up):
        step(s3)
        print(step.__name__, "good", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
