"""Encryption as applications ask for it, with boto3: run as a program, so that Debian's boto3 and the current one both run it.

    python s3_encryption.py ENDPOINT KEY SECRET
"""
import base64
import hashlib
import os
import sys

from botocore.exceptions import ClientError

from s3_everyday import client, code_of

KEY = b"0123456789abcdef0123456789abcdef"
OTHER = b"another key of 32 bytes, for sure"[:32]
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
WRONG = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER}
MD5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
SIZES = (0, 1, 100, 113, 128, 129, 65_520, 65_521, 200_000)
PART = 5 << 20


def answer_of(call, **arguments) -> tuple[int, str]:
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 0, "none"


def etag(body: bytes) -> str:
    return '"' + hashlib.md5(body).hexdigest() + '"'


def server_keys(s3):
    for size in SIZES:
        body = os.urandom(size)
        put = s3.put_object(Bucket="sealed", Key="k", Body=body, ServerSideEncryption="AES256")
        assert put["ServerSideEncryption"] == "AES256" and put["ETag"] == etag(body)
        got = s3.get_object(Bucket="sealed", Key="k")
        assert got["Body"].read() == body and got["ServerSideEncryption"] == "AES256" and got["ContentLength"] == size, size
        assert s3.head_object(Bucket="sealed", Key="k")["ServerSideEncryption"] == "AES256"
        assert s3.list_objects_v2(Bucket="sealed")["Contents"][0]["Size"] == size
    for first, last in ((0, 0), (65_519, 65_520), (131_039, 131_041), (199_999, 199_999), (5, 180_000)):
        assert s3.get_object(Bucket="sealed", Key="k", Range=f"bytes={first}-{last}")["Body"].read() == body[first:last + 1]
    assert answer_of(s3.get_object, Bucket="sealed", Key="k", **CUSTOMER) == (400, "InvalidRequest")
    assert answer_of(s3.put_object, Bucket="sealed", Key="k", ServerSideEncryption="aws:kms") == (501, "NotImplemented")
    assert answer_of(s3.put_object, Bucket="sealed", Key="k", ServerSideEncryption="AES256", **CUSTOMER)[1] == "InvalidArgument"
    s3.put_object(Bucket="sealed", Key="plain", Body=body)
    assert "ServerSideEncryption" not in s3.head_object(Bucket="sealed", Key="plain")
    s3.copy_object(Bucket="sealed", Key="plain", CopySource="sealed/plain", ServerSideEncryption="AES256")
    assert s3.head_object(Bucket="sealed", Key="plain")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket="sealed", Key="plain")["Body"].read() == body


def customer_keys(s3):
    for size in SIZES:
        body = os.urandom(size)
        put = s3.put_object(Bucket="sealed", Key="c", Body=body, **CUSTOMER)
        assert put["SSECustomerAlgorithm"] == "AES256" and put["SSECustomerKeyMD5"] == MD5 and "ServerSideEncryption" not in put
        assert put["ETag"] != etag(body) and len(put["ETag"]) == 34
        got = s3.get_object(Bucket="sealed", Key="c", **CUSTOMER)
        assert got["Body"].read() == body and got["SSECustomerKeyMD5"] == MD5 and got["ETag"] == put["ETag"], size
        assert s3.head_object(Bucket="sealed", Key="c", **CUSTOMER)["ContentLength"] == size
        assert answer_of(s3.get_object, Bucket="sealed", Key="c") == (400, "InvalidRequest")
        assert answer_of(s3.head_object, Bucket="sealed", Key="c") == (400, "400")
        assert answer_of(s3.get_object, Bucket="sealed", Key="c", **WRONG) == (403, "AccessDenied")
        assert answer_of(s3.head_object, Bucket="sealed", Key="c", **WRONG) == (403, "403")
    assert s3.get_object(Bucket="sealed", Key="c", Range="bytes=65510-140000", **CUSTOMER)["Body"].read() == body[65_510:140_001]
    wanted = dict(Bucket="sealed", Key="c", ObjectAttributes=["ObjectSize", "ETag"])
    if hasattr(s3, "get_object_attributes"):
        # boto3 does not encode the key for this one.
        encoded = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(KEY).decode(), "SSECustomerKeyMD5": MD5}
        assert s3.get_object_attributes(**wanted, **encoded)["ObjectSize"] == 200_000
        assert answer_of(s3.get_object_attributes, **wanted) == (400, "InvalidRequest")
    # What tells of the object without its content needs no key.
    s3.put_object_tagging(Bucket="sealed", Key="c", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket="sealed", Key="c")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert answer_of(s3.get_object, Bucket="sealed", Key="c", SSECustomerAlgorithm="AES256", SSECustomerKey=base64.b64encode(KEY).decode(),
                     SSECustomerKeyMD5=base64.b64encode(b"x" * 16).decode())[1] == "InvalidArgument"
    assert answer_of(s3.put_object, Bucket="sealed", Key="c", SSECustomerAlgorithm="AES256", SSECustomerKey=b"short") == (400, "InvalidArgument")
    assert answer_of(s3.put_object, Bucket="sealed", Key="c", SSECustomerAlgorithm="DES", SSECustomerKey=KEY) == (400, "InvalidEncryptionAlgorithmError")


def copies(s3):
    body = os.urandom(150_000)
    s3.put_object(Bucket="sealed", Key="from", Body=body, **CUSTOMER)
    source = {"CopySource": "sealed/from", "Bucket": "sealed"}
    from_customer = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
    assert answer_of(s3.copy_object, Key="to", **source) == (400, "InvalidRequest")
    assert answer_of(s3.copy_object, Key="to", CopySourceSSECustomerAlgorithm="AES256", CopySourceSSECustomerKey=OTHER, **source) == (403, "AccessDenied")
    s3.copy_object(Key="to", **source, **from_customer)
    assert s3.get_object(Bucket="sealed", Key="to")["Body"].read() == body
    assert s3.get_object(Bucket="sealed", Key="to")["ETag"] == etag(body)
    s3.copy_object(Key="to", ServerSideEncryption="AES256", **source, **from_customer)
    assert s3.get_object(Bucket="sealed", Key="to")["ServerSideEncryption"] == "AES256"
    # Another key, in place.
    s3.copy_object(Key="from", **source, **from_customer, **WRONG)
    assert answer_of(s3.get_object, Bucket="sealed", Key="from", **CUSTOMER) == (403, "AccessDenied")
    assert s3.get_object(Bucket="sealed", Key="from", **WRONG)["Body"].read() == body


def upload(s3, key, parts, sse, part_sse, source=None, source_sse=None):
    made = s3.create_multipart_upload(Bucket="sealed", Key=key, **sse)
    done = []
    for number, body in enumerate(parts, 1):
        arguments = dict(Bucket="sealed", Key=key, UploadId=made["UploadId"], PartNumber=number)
        # A part that is sent again replaces the first.
        s3.upload_part(**arguments, Body=b"first try", **part_sse)
        part = s3.upload_part(**arguments, Body=body, **part_sse)
        done.append({"PartNumber": number, "ETag": part["ETag"]})
    if source:
        number = len(done) + 1
        part = s3.upload_part_copy(Bucket="sealed", Key=key, UploadId=made["UploadId"], PartNumber=number, CopySource=source,
                                    **part_sse, **(source_sse or {}))
        done.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
    return made, s3.complete_multipart_upload(Bucket="sealed", Key=key, UploadId=made["UploadId"], MultipartUpload={"Parts": done})


def multipart(s3):
    parts = [os.urandom(PART), os.urandom(PART + 77), os.urandom(70_000)]
    tail = os.urandom(100)
    s3.put_object(Bucket="sealed", Key="tail", Body=tail, ServerSideEncryption="AES256")
    whole = b"".join(parts) + tail
    made, done = upload(s3, "m", parts[:2], {"ServerSideEncryption": "AES256"}, {}, "sealed/tail")
    assert made["ServerSideEncryption"] == "AES256" and done["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket="sealed", Key="m")["Body"].read() == parts[0] + parts[1] + tail
    _, done = upload(s3, "m", parts, CUSTOMER, CUSTOMER)
    assert done["ETag"].endswith('-3"')
    assert s3.get_object(Bucket="sealed", Key="m", **CUSTOMER)["Body"].read() == b"".join(parts)
    for first, last in ((PART - 10, PART + 10), (2 * PART + 70, 2 * PART + 80), (100, 2 * PART + 200)):
        assert s3.get_object(Bucket="sealed", Key="m", Range=f"bytes={first}-{last}", **CUSTOMER)["Body"].read() == whole[first:last + 1]
    assert s3.get_object(Bucket="sealed", Key="m", PartNumber=2, **CUSTOMER)["Body"].read() == parts[1]
    assert answer_of(s3.get_object, Bucket="sealed", Key="m") == (400, "InvalidRequest")
    # A part that is copied brings both keys.
    from_customer = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}
    upload(s3, "m3", parts[:1], WRONG, WRONG, "sealed/m", from_customer)
    assert s3.get_object(Bucket="sealed", Key="m3", **WRONG)["Body"].read() == b"".join(parts[:1] + parts)
    assert answer_of(s3.get_object, Bucket="sealed", Key="m3", **CUSTOMER) == (403, "AccessDenied")
    # A part must bring the upload's key, and only that.
    made = s3.create_multipart_upload(Bucket="sealed", Key="m2", **CUSTOMER)
    part = dict(Bucket="sealed", Key="m2", UploadId=made["UploadId"], PartNumber=1, Body=b"x")
    assert made["SSECustomerKeyMD5"] == MD5
    assert answer_of(s3.upload_part, **part) == (400, "InvalidRequest")
    assert answer_of(s3.upload_part, **part, **WRONG) == (400, "InvalidRequest")
    s3.abort_multipart_upload(Bucket="sealed", Key="m2", UploadId=made["UploadId"])
    made = s3.create_multipart_upload(Bucket="sealed", Key="m2")
    part["UploadId"] = made["UploadId"]
    assert answer_of(s3.upload_part, **part, **CUSTOMER) == (400, "InvalidRequest")
    s3.abort_multipart_upload(Bucket="sealed", Key="m2", UploadId=made["UploadId"])


def bucket_default(s3):
    assert code_of(s3.get_bucket_encryption, Bucket="sealed") == "ServerSideEncryptionConfigurationNotFoundError"
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
    s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.get_bucket_encryption(Bucket="sealed")["ServerSideEncryptionConfiguration"]["Rules"] == [rule]
    body = os.urandom(100_000)
    assert s3.put_object(Bucket="sealed", Key="d", Body=body)["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket="sealed", Key="d")["Body"].read() == body
    assert "ServerSideEncryption" not in s3.put_object(Bucket="sealed", Key="d", Body=body, **CUSTOMER), "what the request says wins"
    made = s3.create_multipart_upload(Bucket="sealed", Key="d")
    assert made["ServerSideEncryption"] == "AES256"
    s3.abort_multipart_upload(Bucket="sealed", Key="d", UploadId=made["UploadId"])
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    assert code_of(s3.put_bucket_encryption, Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [kms]}) == "NotImplemented"
    s3.delete_bucket_encryption(Bucket="sealed")
    assert code_of(s3.get_bucket_encryption, Bucket="sealed") == "ServerSideEncryptionConfigurationNotFoundError"
    assert "ServerSideEncryption" not in s3.put_object(Bucket="sealed", Key="d", Body=body)


def versions(s3):
    s3.put_bucket_versioning(Bucket="sealed", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="sealed", Key="v", Body=str(i).encode() * 1000, **sse)["VersionId"]
           for i, sse in enumerate(({}, {"ServerSideEncryption": "AES256"}, CUSTOMER))]
    for i, (version, sse) in enumerate(zip(ids, ({}, {}, CUSTOMER))):
        assert s3.get_object(Bucket="sealed", Key="v", VersionId=version, **sse)["Body"].read() == str(i).encode() * 1000


def clean_up(s3):
    for version in s3.list_object_versions(Bucket="sealed")["Versions"]:
        s3.delete_object(Bucket="sealed", Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket="sealed")


def main():
    s3 = client(*sys.argv[1:4])
    s3.create_bucket(Bucket="sealed")
    for step in (server_keys, customer_keys, copies, multipart, bucket_default, versions, clean_up):
        step(s3)
        print(step.__name__, "good")


if __name__ == "__main__":
    main()
