"""What Amazon's S3 answers to requests that are a little wrong or ask for the unusual: the code and status of each.

Everyday work and hostile clients have files of their own; here are the rules that conformance suites of the field look at.
"""
import base64
import hashlib
import hmac
import http.client
import json
import zlib
from contextlib import ExitStack

import pytest

from conftest import AGAINST_REDIS
from s3_everyday import client, code_of
from s3_raw import Answer, connect, key_of, path_of, read_answer, signed
from s3_server import KEY, OPTIONS, SECRET, endpoint, make_key

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")
PART = b"p" * (5 << 20)


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.fixture(scope="module")
def s3(server):
    return client(endpoint(server), KEY, SECRET)


@pytest.fixture
def bucket(s3, request):
    name = "c" + hashlib.md5(request.node.name.encode()).hexdigest()
    s3.create_bucket(Bucket=name)
    return name


def ask(server, request) -> Answer:
    with connect(server) as connection:
        connection.sendall(request.wire())
        return read_answer(connection, request.method)


def plain(server, method, target, headers=None, body=None) -> Answer:
    """A request that nobody has signed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.s3_port)
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    try:
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def outcome(server, method, bucket, key="", query=(), headers=None, body=b"", **options):
    answer = ask(server, signed(server, method, path_of(bucket, key) if key else f"/{bucket}", query, headers, body, **options))
    return answer.status, answer.code


def test_what_a_bucket_is_created_with(s3, server):
    def create(name, location=None, **headers):
        body = f"<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint></CreateBucketConfiguration>" if location else ""
        return outcome(server, "PUT", name, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body.encode())

    assert create("made-where", "atlantis") == (400, "InvalidLocationConstraint")
    assert create("made-where", "mars-north-1x") == (400, "InvalidLocationConstraint")
    assert create("made-where", "eu-central-1") == (400, "IllegalLocationConstraintException")
    assert create("made-where", "us-gov-east-1") == (400, "IllegalLocationConstraintException")
    assert create("made-where", "us-east-1") == (200, "none")
    assert create("made-open", x_amz_acl="public-read", x_amz_object_ownership="BucketOwnerEnforced") == \
        (400, "InvalidBucketAclWithObjectOwnership")
    assert create("made-open", x_amz_acl="private", x_amz_object_ownership="BucketOwnerEnforced") == (200, "none")


def test_tools_that_look_at_everything_of_a_bucket(s3, server, bucket):
    """Terraform, mc and the like read each sub-resource, and take "there is none" for an answer but not NotImplemented."""
    for name, arguments, code in (
            ("get_bucket_analytics_configuration", {"Id": "x"}, "NoSuchConfiguration"),
            ("get_bucket_metrics_configuration", {"Id": "x"}, "NoSuchConfiguration"),
            ("get_bucket_intelligent_tiering_configuration", {"Id": "x"}, "NoSuchConfiguration"),
            ("delete_bucket_metrics_configuration", {"Id": "x"}, "NoSuchConfiguration"),
            ("get_bucket_replication", {}, "ReplicationConfigurationNotFoundError"),
            ("get_bucket_policy", {}, "NoSuchBucketPolicy"), ("get_bucket_policy_status", {}, "NoSuchBucketPolicy"),
            ("get_bucket_cors", {}, "NoSuchCORSConfiguration"), ("get_bucket_website", {}, "NoSuchWebsiteConfiguration"),
            ("get_bucket_lifecycle_configuration", {}, "NoSuchLifecycleConfiguration"), ("get_bucket_tagging", {}, "NoSuchTagSet"),
            ("get_object_lock_configuration", {}, "ObjectLockConfigurationNotFoundError"),
            ("get_public_access_block", {}, "NoSuchPublicAccessBlockConfiguration"),
            ("delete_bucket_replication", {}, "none"), ("get_bucket_acl", {}, "none"), ("get_bucket_accelerate_configuration", {}, "none"),
            ("get_bucket_request_payment", {}, "none"), ("get_bucket_logging", {}, "none"), ("get_bucket_location", {}, "none"),
            ("get_bucket_versioning", {}, "none"), ("get_bucket_notification_configuration", {}, "none")):
        assert code_of(getattr(s3, name), Bucket=bucket, **arguments) == code, name
    for name in ("list_bucket_analytics_configurations", "list_bucket_metrics_configurations",
                 "list_bucket_intelligent_tiering_configurations"):
        assert getattr(s3, name)(Bucket=bucket)["IsTruncated"] is False, name
    # What cannot be put says so, and what would be an object in the eyes of a server that does not know the operation makes none.
    assert outcome(server, "PUT", bucket, query=[("metrics", ""), ("id", "x")]) == (501, "NotImplemented")
    assert outcome(server, "PUT", bucket, "k", query=[("annotation", ""), ("annotationName", "n")], body=b"x") == (501, "NotImplemented")
    assert code_of(s3.head_object, Bucket=bucket, Key="k") == "404"


def test_half_of_a_part_is_no_object(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"whole")
    assert outcome(server, "PUT", bucket, "k", [("partNumber", "1")], body=b"part") == (400, "InvalidArgument")
    assert outcome(server, "PUT", bucket, "k", [("uploadId", "1")], body=b"part") == (405, "MethodNotAllowed")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"whole"


def test_conditions_of_writes(s3, server, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]

    def put(headers, key="k"):
        return outcome(server, "PUT", bucket, key, headers=headers, body=b"2")

    assert put({"if-match": etag, "if-none-match": "*"}) == (501, "NotImplemented")
    assert put({"if-match": '"none"', "if-none-match": "*"}) == (501, "NotImplemented")
    assert put({"if-none-match": etag}) == (501, "NotImplemented")
    assert put({"if-match": '"none"'}) == (412, "PreconditionFailed")
    assert put({"if-match": etag}, "other") == put({"if-match": "no etag"}, "other") == (404, "NoSuchKey")
    assert put({"if-match": "no etag"}) == (412, "PreconditionFailed")
    assert put({"if-match": etag.strip('"')}) == (200, "none")
    # These S3 has for directory buckets; a deletion that seems to be bound by them must not happen without.
    for name, value in (("x-amz-if-match-size", "99"), ("x-amz-if-match-last-modified-time", "Thu, 01 Jan 1970 00:00:00 GMT")):
        assert outcome(server, "DELETE", bucket, "k", headers={name: value}) == (501, "NotImplemented")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 1


def test_ranges_that_are_none(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="ten", Body=b"0123456789")
    s3.put_object(Bucket=bucket, Key="nothing", Body=b"")

    def get(key, text):
        answer = ask(server, signed(server, "GET", path_of(bucket, key), headers={"range": text}))
        return answer.status, answer.body if answer.status < 300 else answer.code

    for text in ("bytes= -1", "bytes=0 -1", "bytes=1- 2", "bytes=--1", "bytes=a-b", "bytes=", "lines=0-1", "bytes=0-1,3-4", "bytes=3-1"):
        assert get("ten", text) == (200, b"0123456789"), text
    assert get("ten", "bytes=-0") == (416, "InvalidRange")
    assert get("nothing", "bytes=-5") == (200, b"")  # the last five bytes of nothing
    assert get("nothing", "bytes=0-") == get("nothing", "bytes=-0") == (416, "InvalidRange")


def test_parts_of_objects(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="single", Body=b"single")
    answer = ask(server, signed(server, "GET", path_of(bucket, "single"), [("partNumber", "1")]))
    assert (answer.status, answer.headers["Content-Range"], answer.body) == (206, "bytes 0-5/6", b"single")
    answer = ask(server, signed(server, "GET", path_of(bucket, "single"), [("partNumber", "2")]))
    assert (answer.status, answer.code) == (416, "InvalidPartNumber")
    assert b"<ActualPartCount>1</ActualPartCount><PartNumberRequested>2</PartNumberRequested>" in answer.body
    assert outcome(server, "HEAD", bucket, "single", [("partNumber", "2")]) == (416, "none")
    assert outcome(server, "GET", bucket, "single", [("partNumber", "0")]) == (400, "InvalidArgument")


def test_the_names_of_attributes(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def attributes(text):
        return outcome(server, "GET", bucket, "k", [("attributes", "")], {"x-amz-object-attributes": text} if text is not None else None)

    assert attributes("ETag, ObjectSize") == (200, "none")
    assert attributes("ETag,Colour") == attributes("Colour") == (400, "InvalidArgument")
    assert attributes(None) == attributes("") == (400, "InvalidRequest")


def test_listings_say_the_next_marker_once(s3, bucket):
    for key in ("a/1", "a/2", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key)
    page = s3.list_objects(Bucket=bucket, MaxKeys=2)
    assert page["IsTruncated"] and "NextMarker" not in page
    page = s3.list_objects(Bucket=bucket, MaxKeys=1, Delimiter="/")
    assert page["IsTruncated"] and page["NextMarker"] == "a/"
    page = s3.list_objects(Bucket=bucket, Delimiter="/", Marker=page["NextMarker"])
    assert [entry["Key"] for entry in page["Contents"]] == ["b", "c"] and "CommonPrefixes" not in page


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_checksums_of_a_completion(s3, bucket, kind):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType=kind)["UploadId"]
    parts = []
    for number, body in ((1, PART), (2, b"end")):
        put = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body, ChecksumCRC32=crc32(body))
        parts.append({"PartNumber": number, "ETag": put["ETag"], "ChecksumCRC32": crc32(body)})

    def complete(parts=parts, **arguments):
        return code_of(s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts}, **arguments)

    def first(**changed):
        return [{name: value for name, value in {**parts[0], **changed}.items() if value is not None}, parts[1]]

    assert complete(ChecksumType="COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT") == "InvalidRequest"
    assert complete(ChecksumType="HALF") == "InvalidRequest"
    assert complete(ChecksumCRC32="not base64") == "InvalidRequest"
    assert complete(ChecksumCRC32=crc32(b"other")) == "BadDigest"
    assert complete(ChecksumCRC32=crc32(b""), ChecksumSHA1=base64.b64encode(bytes(20)).decode()) == "InvalidRequest"
    assert complete(first(ChecksumCRC32=crc32(b"other"))) == "InvalidPart"
    assert complete(first(ChecksumCRC32="short")) == "InvalidArgument"
    assert complete(first(ChecksumSHA1=base64.b64encode(bytes(20)).decode())) == "InvalidArgument"
    assert complete(first(ChecksumCRC32=None, ChecksumSHA1=base64.b64encode(bytes(20)).decode())) == "BadDigest"
    assert complete(first(PartNumber=0)) == complete(first(PartNumber=10001)) == "InvalidArgument"
    if kind == "COMPOSITE":
        assert complete(first(ChecksumCRC32=None)) == "InvalidRequest"
    else:
        parts[0].pop("ChecksumCRC32")
    assert complete(ChecksumType=kind) == "none"
    # A part has its own, and the attributes name no number of parts.
    head = s3.head_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"], head["PartsCount"]) == (crc32(b"end"), kind, 2)
    whole = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"]
    assert whole.endswith("-2") == (kind == "COMPOSITE")
    known = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum"])["Checksum"]
    assert known == {"ChecksumCRC32": whole.split("-")[0], "ChecksumType": kind}


def test_all_algorithms_of_checksums(s3, server, bucket):
    """Of nothing, as their authors publish them: what a client sends is checked, kept and read back."""
    for name, text in (("md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), ("xxhash64", "70bbN1HY6Zk="), ("xxhash3", "LQaABTjTlMI="),
                       ("xxhash128", "maoG0wFHmNhgAcMkRo1Jfw=="), ("sha512", base64.b64encode(hashlib.sha512(b"").digest()).decode())):
        header = f"x-amz-checksum-{name}"
        assert outcome(server, "PUT", bucket, name, headers={header: text}) == (200, "none"), name
        assert outcome(server, "PUT", bucket, name, headers={header: text}, body=b"x") == (400, "BadDigest"), name
        head = ask(server, signed(server, "HEAD", path_of(bucket, name), headers={"x-amz-checksum-mode": "ENABLED"}))
        assert (head.headers[header], head.headers["x-amz-checksum-type"]) == (text, "FULL_OBJECT"), name
        assert code_of(s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm=name, ChecksumType="FULL_OBJECT") == \
            "InvalidRequest"
    # What is not known must not seem to be checked.
    assert outcome(server, "PUT", bucket, "k", headers={"x-amz-checksum-adler32": "AAAAAQ=="}) == (400, "InvalidRequest")


def test_tags(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="k")

    def header(text):
        return outcome(server, "PUT", bucket, "t", headers={"x-amz-tagging": text})[1]

    assert header("a=1&a=2") == header("=1") == header("a%") == "InvalidArgument"
    assert header("a?=1") == header("a=1%3B2") == "InvalidTag"
    assert header("a%20b=%2B-%3D._:/@&%C3%BC=%E4%B8%96") == header("&&a") == "none"
    for key, value in (("x*", "1"), ("x", "(1)"), ("x\t", "1"), ("aws:x", "1")):
        tags = {"TagSet": [{"Key": key, "Value": value}]}
        assert code_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tags) == "InvalidTag"
        assert code_of(s3.put_bucket_tagging, Bucket=bucket, Tagging=tags) == "InvalidTag"


def test_copies(s3, server, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"x")

    def copy(source=f"{bucket}/from", **headers):
        return outcome(server, "PUT", bucket, "to", headers={"x-amz-copy-source": source, **{n.replace("_", "-"): v for n, v in headers.items()}})

    assert copy(x_amz_source_expected_bucket_owner="123456789012") == (403, "AccessDenied")
    assert copy(x_amz_source_expected_bucket_owner="000000000000") == (200, "none")
    assert copy("Not_A_Bucket/from") == copy("from") == copy(f"{bucket}/%zz") == (400, "InvalidArgument")
    assert copy(f"{bucket}/none") == (404, "NoSuchKey")


def test_completing_at_the_same_time(server, s3, bucket):
    """Clients that have not heard the answer ask again, perhaps while the first request is still under way."""
    for _ in range(10):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        parts = [{"PartNumber": number, "ETag": s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)["ETag"]}
                 for number, body in ((1, PART), (2, b"end"))]
        document = "".join(f"<Part><PartNumber>{one['PartNumber']}</PartNumber><ETag>{one['ETag']}</ETag></Part>" for one in parts)
        request = signed(server, "POST", path_of(bucket, "k"), [("uploadId", upload)],
                         body=f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode())
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(server)) for _ in range(16)]
            for connection in connections:
                connection.sendall(request.wire())
            answers = [read_answer(connection, "POST") for connection in connections]
        assert {(answer.status, answer.code) for answer in answers} == {(200, "none")}


def test_what_writes_say_of_versions(s3, bucket):
    def written():
        upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return [answer.get("VersionId") for answer in (
            s3.put_object(Bucket=bucket, Key="k", Body=b"x"), s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/k"),
            s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts))]

    assert written() == [None] * 3
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert None not in written()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert written() == [None] * 3
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"


def test_redirects_of_objects(s3, bucket):
    for target in ("/other", "https://example.com/x", "http://example.com"):
        s3.put_object(Bucket=bucket, Key="k", WebsiteRedirectLocation=target)
        assert s3.head_object(Bucket=bucket, Key="k")["WebsiteRedirectLocation"] == target
    assert code_of(s3.put_object, Bucket=bucket, Key="k", WebsiteRedirectLocation="other") == "InvalidRedirectLocation"
    assert code_of(s3.create_multipart_upload, Bucket=bucket, Key="k", WebsiteRedirectLocation="ftp://x") == "InvalidRedirectLocation"


def test_websites_that_are_none(s3, bucket):
    def put(**website):
        return code_of(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}, **website})

    rule = {"Condition": {"KeyPrefixEquals": "a"}, "Redirect": {"ReplaceKeyWith": "b"}}
    assert put(RoutingRules=[rule]) == "none"
    assert put(RoutingRules=[rule] * 51) == put(RoutingRules=[{"Redirect": {"HostName": "x", "HttpRedirectCode": "306"}}]) == "InvalidRequest"
    assert put(RoutingRules=[{**rule, "Redirect": {}}]) == put(RoutingRules=[{**rule, "Condition": {}}]) == "MalformedXML"
    assert put(RoutingRules=[{"Redirect": {"HostName": "x", "HttpRedirectCode": "3xx"}}]) == "MalformedXML"
    long = [{"Condition": {"KeyPrefixEquals": "a" * 2000}, "Redirect": {"ReplaceKeyWith": "b" * 1000}}] * 50
    assert put(RoutingRules=long) == "MaxMessageLengthExceeded"


def test_cors_with_odd_headers(s3, server, bucket):
    def put(**rule):
        rules = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], **rule}]}
        return code_of(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=rules)

    assert put(AllowedHeaders=["x y"]) == put(AllowedHeaders=["a:b"]) == put(ExposeHeaders=["a(b)"]) == "InvalidRequest"
    assert put(AllowedHeaders=["x-amz-*", "Content-Type"], ExposeHeaders=["ETag"]) == "none"

    def preflight(method="GET", headers="X-Amz-Date,  content-type", origin="https://a.example"):
        sent = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
        return plain(server, "OPTIONS", f"/{bucket}/k", sent)

    assert preflight().headers["Access-Control-Allow-Headers"] == "x-amz-date, content-type"
    assert (preflight("PATCH").status, preflight("PATCH").code) == (400, "BadRequest")
    assert (preflight(headers="a b").status, preflight(headers="a@b").code) == (400, "BadRequest")
    assert (preflight(headers="x-own").status, preflight("PUT").code) == (403, "AccessForbidden")


def test_conditions_of_policies(s3, server, bucket):
    ann = make_key(server, user="ann", policy='{"Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}')
    hers = client(endpoint(server), ann["id"], ann["secret"])

    def put(principal="*", condition=None, effect="Allow", action="s3:PutObject"):
        statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": f"arn:aws:s3:::{bucket}/*"}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition} if condition else statement]}
        return code_of(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(policy))

    assert put({"AWS": ""}) == "MalformedPolicy"
    assert put(condition={"NullIfExists": {"aws:UserAgent": "true"}}) == "MalformedPolicy"
    assert put(condition={"StringEquals": {"s3:LocationConstraint": "x"}}) == "MalformedPolicy"  # no request ever brings it
    assert put({"AWS": "arn:aws:iam::000000000000:user/ann"}, {"StringEquals": {"s3:x-amz-grant-full-control": "id=x"}}) == "none"
    assert code_of(hers.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    assert put({"AWS": "*"}, {"StringEquals": {"aws:PrincipalAccount": "000000000000", "aws:RequestedRegion": "us-east-1",
                                               "s3:ResourceAccount": "000000000000"}}) == "none"
    assert code_of(hers.put_object, Bucket=bucket, Key="k", Body=b"") == "none"
    assert plain(server, "PUT", f"/{bucket}/k", body=b"").code == "AccessDenied"
    # Only what is not there yet may be written.
    assert put({"AWS": "*"}, {"StringEquals": {"s3:if-none-match": "*"}}) == "none"
    assert code_of(hers.put_object, Bucket=bucket, Key="new", Body=b"") == "AccessDenied"
    assert code_of(hers.put_object, Bucket=bucket, Key="new", Body=b"", IfNoneMatch="*") == "none"


def test_who_asks(s3, server, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    body = b"anonymous"
    wrong, right = hashlib.sha256(b"other").hexdigest(), hashlib.sha256(body).hexdigest()
    target = f"/{bucket}/k"
    assert plain(server, "PUT", target, {"x-amz-content-sha256": wrong}, body).code == "XAmzContentSHA256Mismatch"
    assert plain(server, "PUT", target, {"x-amz-content-sha256": right}, body).status == 200
    assert outcome(server, "GET", bucket, headers={"x-amz-security-token": "abc"}) == (400, "InvalidToken")
    answer = plain(server, "GET", target, {"Authorization": "Basic eDp5"})
    assert answer.code == "InvalidArgument" and b"<ArgumentName>Authorization</ArgumentName>" in answer.body
    # Ids that came along from another server may have dashes.
    key = make_key(server, id="old-user_1.x", secret="0123456789abcdef", user="old", policy="readonly")
    assert code_of(client(endpoint(server), key["id"], key["secret"]).list_objects_v2, Bucket=bucket) == "none"


def test_locks_that_are_changed(s3, server):
    s3.create_bucket(Bucket="locks", ObjectLockEnabledForBucket=True)
    assert outcome(server, "PUT", "locks", query=[("object-lock", "")], headers={"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}) == \
        (400, "MissingRequestBodyError")
    for days in (-3, 0, 36501):
        rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}}
        assert code_of(s3.put_object_lock_configuration, Bucket="locks", ObjectLockConfiguration=rule) == "InvalidArgument"
    version = s3.put_object(Bucket="locks", Key="k", Body=b"x")["VersionId"]

    def retain(mode, until="2099-01-01T00:00:00Z", **arguments):
        return code_of(s3.put_object_retention, Bucket="locks", Key="k", VersionId=version,
                       Retention={"Mode": mode, "RetainUntilDate": until}, **arguments)

    assert retain("GOVERNANCE") == retain("GOVERNANCE", "2099-02-01T00:00:00Z") == "none"
    assert retain("GOVERNANCE", "2098-01-01T00:00:00Z") == retain("COMPLIANCE", "2099-03-01T00:00:00Z") == "AccessDenied"
    assert retain("COMPLIANCE", "2099-03-01T00:00:00Z", BypassGovernanceRetention=True) == "none"
    assert retain("GOVERNANCE", "2099-04-01T00:00:00Z", BypassGovernanceRetention=True) == "AccessDenied"


def post(server, s3, bucket, conditions, fields=(), omit=(), file_type="text/x-part"):
    """A browser's form with a policy of these conditions beside those that boto3 adds; the status and the error."""
    form = s3.generate_presigned_post(bucket, "posted", Conditions=list(conditions))["fields"]
    if omit:
        policy = json.loads(base64.b64decode(form["policy"]))
        policy["conditions"] = [one for one in policy["conditions"] if not (isinstance(one, dict) and set(one) & set(omit))]
        form = resign(form, policy)
    parts = [(name, value, "") for name, value in {**form, **dict(fields)}.items()]
    text = "".join(f'--XX\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value, _ in parts)
    text += f'--XX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: {file_type}\r\n\r\nbody\r\n--XX--\r\n'
    return plain(server, "POST", f"/{bucket}", {"Content-Type": "multipart/form-data; boundary=XX"}, text.encode())


def resign(form, policy):
    text = base64.b64encode(json.dumps(policy).encode()).decode()
    return {**form, "policy": text, "x-amz-signature": hmac.new(key_of(SECRET, form["x-amz-date"][:8]), text.encode(), hashlib.sha256).hexdigest()}


def test_browser_forms(s3, server, bucket):
    assert post(server, s3, bucket, []).status == 204
    # The type of the file's part is the browser's guess; an object has the type that a field names, or none.
    assert s3.head_object(Bucket=bucket, Key="posted")["ContentType"] == "binary/octet-stream"
    assert post(server, s3, bucket, [["starts-with", "$Content-Type", "image/"]], {"Content-Type": "image/png"}).status == 204
    assert s3.head_object(Bucket=bucket, Key="posted")["ContentType"] == "image/png"
    # A policy that does not name the bucket would be good for every bucket.
    answer = post(server, s3, bucket, [], omit={"bucket"})
    assert (answer.status, answer.code) == (403, "AccessDenied")
    answer = post(server, s3, bucket, [{"acl": "private", "x-amz-meta-a": "b"}])
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument")
    answer = post(server, s3, bucket, [{"x-amz-checksum-crc32": crc32(b"body")}], {"x-amz-checksum-crc32": crc32(b"body")})
    assert (answer.status, answer.headers["x-amz-checksum-crc32"]) == (204, crc32(b"body"))
    answer = plain(server, "POST", f"/{bucket}", {"Content-Type": "application/json"}, b"{}")
    assert (answer.status, answer.code) == (412, "PreconditionFailed")


def test_errors_of_head_have_no_body(server, bucket):
    answer = ask(server, signed(server, "HEAD", path_of(bucket, "none")))
    assert (answer.status, answer.body) == (404, b"") and answer.headers["x-amz-request-id"]


def test_trailers_and_chunks_that_are_none(server, bucket):
    def put(body, trailer="x-amz-checksum-crc32", length=5):
        headers = {"x-amz-decoded-content-length": str(length), **({"x-amz-trailer": trailer} if trailer else {})}
        return outcome(server, "PUT", bucket, "k", headers=headers, body=body, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")

    good = crc32(b"hello").encode()
    assert put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + good + b"\r\n\r\n") == (200, "none")
    assert put(b"5\r\nhello\r\n0\r\n\r\n") == (400, "MalformedTrailerError")  # announced, and not sent
    assert put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + good + b"\r\n\r\n", trailer=None) == (400, "MalformedTrailerError")
    assert put(b"5\r\nhello\r\n0\r\nx-own:" + good + b"\r\n\r\n") == (400, "MalformedTrailerError")
    assert put(b"5\r\nhello\r\n0\r\n:" + good + b"\r\n\r\n") == (400, "MalformedTrailerError")
    assert put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n") == (400, "InvalidRequest")
    assert put(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n") == (400, "BadDigest")
    # minio-go ends a trailer with LF, and the body with an empty line too many.
    end = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:" + good
    assert put(end + b"\n\r\n\r\n") == put(end + b"\n\r\n") == (200, "none")
    assert put(end + b"\r\n\r\n\r\n") == put(end + b"\n\r\n\r\n\r\n") == put(end + b"\n\r\nx") == (400, "IncompleteBody")
    for body in (b"x\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"4\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n"):
        assert put(body) == (400, "IncompleteBody"), body
