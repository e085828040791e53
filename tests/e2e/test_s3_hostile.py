"""S3 against those who mean ill or break off: signatures, bodies, digests, documents and connections that are not as they should be."""
import base64
import hashlib
import json
import random
import re
import socket
import threading
import urllib.error
import urllib.request
import zlib
from urllib.parse import unquote_to_bytes

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from conftest import AGAINST_REDIS
from node import PATIENCE_S, SANITIZED, memory_bytes, wait_until
from s3_everyday import client, code_of
from s3_raw import UNSIGNED, Answer, ask, connect, path_of, read_answer, send_all, signed, signed_chunks, stamp
from s3_server import KEY, OPTIONS, SECRET, endpoint

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.fixture(scope="module")
def s3(server):
    return client(endpoint(server), KEY, SECRET)


@pytest.fixture
def bucket(s3, request):
    name = "h-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    s3.create_bucket(Bucket=name)
    return name


def keys_in(s3, bucket) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


# --- signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.sanitized
def test_a_signature_covers_what_it_should(server, s3, bucket):
    def put(**more):
        return signed(server, "PUT", path_of(bucket, "k"), headers={"x-amz-meta-a": "1", "x-amz-acl": "private"}, body=b"signed", **more)

    def bent(change, body=b"signed"):
        request = put()
        request.body = body
        change(request)
        return told(ask(server, request))
    refused = (403, "SignatureDoesNotMatch")
    assert bent(lambda request: request.headers.update({"x-amz-meta-a": "2"})) == refused
    assert bent(lambda request: request.headers.update({"x-amz-acl": "public-read"})) == refused
    assert bent(lambda request: setattr(request, "target", path_of(bucket, "other"))) == refused
    assert bent(lambda request: setattr(request, "target", request.target + "?acl")) == refused
    assert bent(lambda request: setattr(request, "method", "DELETE")) == refused
    assert bent(lambda request: request.headers.update({"x-amz-content-sha256": UNSIGNED})) == refused
    assert bent(lambda request: request.headers.update({"host": "127.0.0.2"})) == refused
    assert bent(lambda request: request.headers.update({"authorization": request.headers["authorization"][:-1] + "x"}))[0] in (400, 403)
    # x-amz- headers that are not signed could be added by anybody on the way.
    assert bent(lambda request: request.headers.update({"x-amz-meta-added": "1"}))[0] == 403
    assert bent(lambda request: None, body=b"others") == (400, "XAmzContentSHA256Mismatch")
    assert told(ask(server, put(secret="guessed"))) == refused
    assert told(ask(server, put(key="AKNOBODY"))) == (403, "InvalidAccessKeyId")
    assert keys_in(s3, bucket) == []
    assert told(ask(server, put())) == (200, "none") and keys_in(s3, bucket) == ["k"]


@pytest.mark.sanitized
def test_old_and_future_signatures(server, s3, bucket):
    for shift_s in (-16 * 60, 16 * 60, -86_400 * 365, 86_400 * 365):
        request = signed(server, "PUT", path_of(bucket, "k"), body=b"x", date=stamp(shift_s))
        assert told(ask(server, request)) == (403, "RequestTimeTooSkewed"), shift_s
    assert told(ask(server, signed(server, "PUT", path_of(bucket, "k"), body=b"x", date="20991332T256199Z")))[0] in (400, 403)
    assert keys_in(s3, bucket) == []
    for shift_s in (-14 * 60, 14 * 60):
        assert ask(server, signed(server, "PUT", path_of(bucket, f"k{shift_s}"), body=b"x", date=stamp(shift_s))).status == 200


@pytest.mark.sanitized
def test_a_replayed_request_can_say_nothing_else(server, s3, bucket):
    # As with Amazon's, a signature is good for 15 minutes: what is sent again means the same, and may mean nothing else.
    request = signed(server, "PUT", path_of(bucket, "k"), body=b"first")
    assert ask(server, request).status == 200 and ask(server, request).status == 200
    request.body = b"other"
    assert told(ask(server, request)) == (400, "XAmzContentSHA256Mismatch")
    request.target = path_of(bucket, "l")
    assert told(ask(server, request)) == (403, "SignatureDoesNotMatch")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first" and keys_in(s3, bucket) == ["k"]
    once = signed(server, "PUT", path_of(bucket, "once"), headers={"if-none-match": "*"}, body=b"1")
    assert ask(server, once).status == 200
    assert told(ask(server, once)) == (412, "PreconditionFailed")


@pytest.mark.sanitized
def test_presigned_urls_bent(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    s3.put_object(Bucket=bucket, Key="l", Body=b"mine as well")

    def status(url, method="GET", data=None):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data), timeout=PATIENCE_S) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
    good = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=300)
    assert status(good) == 200
    assert status(good, method="HEAD") == 403 and status(good, method="DELETE") == 403 and status(good, method="PUT", data=b"x") == 403
    assert status(good.replace("/k?", "/l?")) == 403 and status(good.replace("Expires=300", "Expires=3000")) == 403
    assert status(good + "&versionId=null") == 403 and status(good + "&acl") == 403
    assert status(good + "&X-Amz-Expires=3000") in (400, 403)
    assert status(re.sub("X-Amz-Signature=[0-9a-f]+", "X-Amz-Signature=", good)) in (400, 403)
    assert status(re.sub("&X-Amz-Expires=[0-9]+", "", good)) in (400, 403)
    assert status(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=604_801)) in (400, 403)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "up", "ContentType": "text/a"}, ExpiresIn=300)
    request = urllib.request.Request(put, method="PUT", data=b"x", headers={"Content-Type": "text/b"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE_S)
    assert refused.value.code == 403 and keys_in(s3, bucket) == ["k", "l"]


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.sanitized
@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_bodies_shorter_than_announced(server, s3, bucket, size):
    request = signed(server, "PUT", path_of(bucket, "k"), payload=UNSIGNED, body=b"x" * size)
    for sent in (0, 1, size // 2, size - 1):
        with connect(server) as connection:
            connection.sendall(request.head() + request.body[:sent])
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)   # an error, or just the end
            assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0], answer
    assert keys_in(s3, bucket) == []
    assert ask(server, request).status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size


@pytest.mark.sanitized
def test_bodies_longer_than_announced(server, s3, bucket):
    request = signed(server, "PUT", path_of(bucket, "k"), payload=UNSIGNED, body=b"0123456789\r\n\r\n")
    # What is too much stands where the next request begins, and is none: one answer for the object, one 400, and the end.
    with connect(server) as connection:
        connection.sendall(request.head(length=4) + request.body)
        received = b""
        while data := connection.recv(1 << 16):
            received += data
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
    assert statuses == [b"200", b"400"], received
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0123"


@pytest.mark.sanitized
def test_lengths_that_are_none(server, s3, bucket):
    good = signed(server, "PUT", path_of(bucket, "k"), payload=UNSIGNED)
    head = good.head().replace(b"Content-Length: 0\r\n", b"")

    def told_with(lines: bytes, rest: bytes = b"") -> int:
        with connect(server) as connection:
            send_all(connection, head[:-2] + lines + b"\r\n" + rest)
            return read_answer(connection).status
    assert told_with(b"Content-Length: -1\r\n") == 400
    assert told_with(b"Content-Length: 1x\r\n", b"1") == 400
    assert told_with(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"12") == 400
    assert told_with(b"Content-Length: 99999999999999999999999\r\n") in (400, 413)
    assert told_with(b"Content-Length: 5368709121\r\n") == 400   # EntityTooLarge, before a byte of it
    assert told_with(b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n") == 400
    assert told_with(b"") == 411
    assert keys_in(s3, bucket) == []


@pytest.mark.sanitized
def test_expect_100_continue(server, s3, bucket):
    request = signed(server, "PUT", path_of(bucket, "k"), body=b"waited for")
    request.headers["Expect"] = "100-continue"
    with connect(server) as connection:
        connection.sendall(request.head())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        connection.sendall(request.body)
        assert read_answer(connection).status == 200
    # botocore wants its 100 for an empty body too: see Http1Connection.
    empty = signed(server, "PUT", path_of(bucket, "empty"))
    empty.headers["Expect"] = "100-continue"
    with connect(server) as connection:
        connection.sendall(empty.head())
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert read_answer(connection).status == 200
    # Nobody is asked for a body that will not be taken.
    def put(*place, **more):
        return signed(server, "PUT", path_of(*place), body=b"waited for", **more)

    large = put(bucket, "large")
    for bad, status in ((put("no-such-bucket", "k"), 404),
                        (put(bucket, "k", secret="guessed"), 403),
                        (put(bucket, "k", headers={"if-none-match": "*"}), 412),
                        (put(bucket, "k", headers={"if-match": '"' + "0" * 32 + '"'}), 412),
                        (put(bucket, "none", headers={"if-match": '"' + "0" * 32 + '"'}), 404),
                        (put(bucket, "k", headers={"content-md5": "short"}), 400),
                        (large, 400)):
        bad.headers["Expect"] = "100-continue"
        with connect(server) as connection:
            connection.sendall(bad.head((5 << 30) + 1 if bad is large else None))
            answer = read_answer(connection)
            assert (answer.status, answer.headers.get("connection")) == (status, "close"), bad.headers
    # Who does not wait is answered all the same, and may send what it will: a little is read over, more ends the connection.
    with connect(server) as connection:
        for size in (1, 200 << 10, 1 << 20):
            refused = signed(server, "PUT", path_of(bucket, "k"), body=b"x" * size, headers={"if-none-match": "*"})
            send_all(connection, refused.wire())
            answer = read_answer(connection)
            assert answer.status == 412
            assert (answer.headers.get("connection") == "close") == (size > 256 << 10)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"waited for"


# --- digests ----------------------------------------------------------------------------------------------------------


@pytest.mark.sanitized
def test_wrong_digests(server, s3, bucket):
    body = b"digested"

    def put(headers, payload=UNSIGNED):
        return told(ask(server, signed(server, "PUT", path_of(bucket, "k"), headers=headers, payload=payload, body=body)))

    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()
    assert put({"content-md5": b64(hashlib.md5(b"other").digest())}) == (400, "BadDigest")
    for wrong in ("", "no base64!", b64(b"short"), b64(b"x" * 17)):
        assert put({"content-md5": wrong}) == (400, "InvalidDigest"), wrong
    assert put({"x-amz-checksum-crc32": b64(zlib.crc32(b"other").to_bytes(4, "big"))}) == (400, "BadDigest")
    assert put({"x-amz-checksum-sha256": b64(hashlib.sha256(b"other").digest())}) == (400, "BadDigest")
    for name, length in (("crc32", 3), ("crc32c", 8), ("sha1", 4), ("sha256", 20), ("crc64nvme", 4)):
        status, code = put({f"x-amz-checksum-{name}": b64(b"x" * length)})
        assert status == 400 and code in ("InvalidRequest", "InvalidDigest"), (name, code)
    two = {"x-amz-checksum-crc32": b64(zlib.crc32(body).to_bytes(4, "big")), "x-amz-checksum-sha256": b64(hashlib.sha256(body).digest())}
    assert put(two) == (400, "InvalidRequest")
    assert put({"x-amz-sdk-checksum-algorithm": "ROT13"})[0] == 400
    assert put({}, payload=hashlib.sha256(b"other").hexdigest()) == (400, "XAmzContentSHA256Mismatch")
    assert put({}, payload="not a hash")[0] == 400 and put({}, payload="0" * 63)[0] == 400
    assert keys_in(s3, bucket) == []
    assert put({"content-md5": b64(hashlib.md5(body).digest())}, payload=hashlib.sha256(body).hexdigest()) == (200, "none")


# --- chunked bodies ---------------------------------------------------------------------------------------------------

SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
PIECES = [b"a" * 65_536, b"b" * 65_536, b"c" * 100]
WHOLE = b"".join(PIECES)


def chunked(server, bucket, key="k", payload=SIGNED_CHUNKS, decoded=len(WHOLE), **headers):
    more = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(decoded),
            **{name.replace("_", "-"): value for name, value in headers.items()}}
    return signed(server, "PUT", path_of(bucket, key), headers=more, payload=payload)


@pytest.mark.sanitized
def test_signed_chunks(server, s3, bucket):
    def put(bend=lambda body: body, decoded=len(WHOLE), pieces=PIECES):
        request = chunked(server, bucket, decoded=decoded)
        request.body = bend(signed_chunks(request, pieces))
        return told(ask(server, request))

    def swapped(body: bytes) -> bytes:
        first, second = body.index(b"\r\na"), body.index(b"\r\nb")
        end = second + 2 + 65_536 + 2
        middle = body.index(b"10000;", first)
        return body[middle:end] + body[:middle] + body[end:]
    refused = (403, "SignatureDoesNotMatch")
    assert put(lambda body: body.replace(b"aaaa", b"aaab", 1)) == refused
    assert put(swapped) == refused
    assert put(lambda body: body[body.index(b"10000;", 100):], decoded=65_636) == refused      # the first one left out
    assert put(lambda body: re.sub(rb"chunk-signature=[0-9a-f]{64}", b"chunk-signature=" + b"0" * 64, body)) == refused
    assert put(lambda body: re.sub(rb";chunk-signature=[0-9a-f]{64}", b"", body))[0] in (400, 403)
    assert put(lambda body: body.replace(b"10000;", b"zzzzz;", 1))[0] == 400
    assert put(lambda body: body.replace(b"10000;", b"ffffffffffffffffff;", 1))[0] == 400
    assert put(lambda body: b"1" * 100_000)[0] == 400                                          # a chunk's line without an end
    assert put(lambda body: body + b"more")[0] == 400
    assert put(lambda body: body[:body.rindex(b"0;")])[0] == 400                               # without the last one
    assert put(decoded=len(WHOLE) - 1) == (400, "IncompleteBody") and put(decoded=len(WHOLE) + 1) == (400, "IncompleteBody")
    assert keys_in(s3, bucket) == []
    assert put() == (200, "none")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == WHOLE and "aws-chunked" not in got.get("ContentEncoding", "")


@pytest.mark.sanitized
def test_trailers(server, s3, bucket):
    value = base64.b64encode(zlib.crc32(WHOLE).to_bytes(4, "big")).decode()
    wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()

    def put(trailers, bend=lambda body: body, announced="x-amz-checksum-crc32"):
        request = chunked(server, bucket, payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", x_amz_trailer=announced)
        request.body = bend(signed_chunks(request, PIECES, trailers))
        return told(ask(server, request))

    def put_unsigned(text: bytes, announced="x-amz-checksum-crc32"):
        request = chunked(server, bucket, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER", x_amz_trailer=announced)
        request.body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in PIECES) + b"0\r\n" + text + b"\r\n"
        return told(ask(server, request))
    assert put({"x-amz-checksum-crc32": wrong}) == (400, "BadDigest")
    assert put({"x-amz-checksum-crc32": value}, lambda body: body.replace(value.encode(), wrong.encode())) == (403, "SignatureDoesNotMatch")
    assert put({"x-amz-checksum-sha1": value})[0] == 400
    assert put({}, announced="x-amz-checksum-rot13")[0] == 400
    assert put_unsigned(f"x-amz-checksum-crc32:{wrong}\r\n".encode()) == (400, "BadDigest")
    assert put_unsigned(b"")[0] == 400 and put_unsigned(b"x-amz-checksum-crc32\r\n")[0] == 400
    assert put_unsigned(b"x-amz-checksum-crc32:" + b"A" * 1_000_000 + b"\r\n")[0] == 400
    assert keys_in(s3, bucket) == []
    assert put({"x-amz-checksum-crc32": value}) == (200, "none")
    assert put_unsigned(f"x-amz-checksum-crc32:{value}\r\n".encode()) == (200, "none")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == value and got["Body"].read() == WHOLE


# --- documents --------------------------------------------------------------------------------------------------------

BILLION_LAUGHS = ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)) + "]><Tagging>&j;</Tagging>").encode()
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Tagging><TagSet><Tag><Key>k</Key><Value>&e;</Value></Tag></TagSet></Tagging>'
DOCUMENTS = {"empty": b"", "blanks": b" \n", "no XML": b"tagging, please", "cut off": b"<Tagging><TagSet>", "crossed": b"<a><b></a></b>",
             "a bomb": BILLION_LAUGHS, "an outside entity": OUTSIDE, "deep": b"<a>" * 200_000, "another root": b"<Other/>",
             "broken UTF-8": b"<Tagging>\xff\xfe</Tagging>", "a NUL": b"<Tagging>\0</Tagging>", "unknown entity": b"<Tagging>&zz;</Tagging>",
             "a character that is none": b"<Tagging>&#xFFFFFFFF;</Tagging>"}
PLACES = ["tagging", "versioning", "lifecycle", "cors", "website", "acl", "object-lock", "ownershipControls", "publicAccessBlock", "delete", "uploads"]


@pytest.mark.sanitized
@pytest.mark.parametrize("what", DOCUMENTS)
def test_documents_that_are_none(server, s3, bucket, what):
    body = DOCUMENTS[what]
    md5 = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    for place in PLACES:
        if place == "uploads":
            request = signed(server, "POST", path_of(bucket, "m"), [("uploadId", upload)], headers=md5, body=body)
        else:
            request = signed(server, "POST" if place == "delete" else "PUT", path_of(bucket), [(place, "")], headers=md5, body=body)
        answer = ask(server, request)
        assert 400 <= answer.status < 500 and b"root:" not in answer.body, (place, answer)
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["UploadId"] == upload


@pytest.mark.sanitized
def test_megabytes_of_xml(server, s3, bucket):
    before = memory_bytes(server.pid)
    for body in (b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",                                  # one too many
                 b"<Delete>" + b"<Object><Key>" + b"k" * (20 * MIB) + b"</Key></Object></Delete>",
                 b"<Delete>" + b"<!-- -->" * (2 * MIB) + b"</Delete>",
                 b"<Delete " + b" ".join(b'a%d="x"' % i for i in range(1 * MIB)) + b"/>"):
        md5 = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        answer = ask(server, signed(server, "POST", path_of(bucket), [("delete", "")], headers=md5, body=body))
        assert answer.status == 400 and answer.code in ("MalformedXML", "MaxMessageLengthExceeded", "EntityTooLarge"), answer
    assert SANITIZED or memory_bytes(server.pid) < before + 64 * MIB   # a sanitizer keeps what was freed
    full = b"<Delete>" + b"".join(b"<Object><Key>%s</Key></Object>" % (b"&#x1F600;" * 200 + b"%04d" % i) for i in range(1000)) + b"</Delete>"
    md5 = {"content-md5": base64.b64encode(hashlib.md5(full).digest()).decode()}
    answer = ask(server, signed(server, "POST", path_of(bucket), [("delete", "")], headers=md5, body=full))
    assert answer.status == 200 and answer.body.count(b"<Deleted>") == 1000


@pytest.mark.sanitized
def test_policies_that_are_none(server, s3, bucket):
    for text in ("", "{", "[]", "null", '{"Version": "2012-10-17"}', "[" * 100_000, '{"Statement": ' * 10_000, json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::another-bucket/*"}]})):
        body = text.encode()
        answer = ask(server, signed(server, "PUT", path_of(bucket), [("policy", "")], body=body))
        assert answer.status == 400 and answer.code in ("MalformedPolicy", "MissingRequestBodyError", "MaxMessageLengthExceeded", "InvalidArgument"), (text[:50], answer)
    assert code_of(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


@pytest.mark.sanitized
def test_parameters_that_are_none(server, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]

    def asked(method, key, *query, headers=None):
        return told(ask(server, signed(server, method, path_of(bucket, key), query, headers=headers)))
    for number in ("0", "10001", "-1", "x", "99999999999999999999"):
        assert asked("PUT", "m", ("partNumber", number), ("uploadId", upload)) == (400, "InvalidArgument"), number
    assert asked("PUT", "m", ("partNumber", "1"), ("uploadId", "../../etc/passwd")) == (404, "NoSuchUpload")
    assert asked("PUT", "other", ("partNumber", "1"), ("uploadId", upload)) == (404, "NoSuchUpload")
    for number in ("-1", "x", "99999999999999999999"):
        assert asked("GET", "", ("list-type", "2"), ("max-keys", number)) == (400, "InvalidArgument"), number
    assert asked("GET", "", ("list-type", "2"), ("continuation-token", "made up"))[0] == 400
    assert asked("GET", "", ("list-type", "2"), ("encoding-type", "rot13")) == (400, "InvalidArgument")
    assert asked("GET", "m", ("versionId", "made up"))[0] in (400, 404)
    assert asked("PUT", "k", headers={"x-amz-acl": "anything"})[0] == 400
    assert asked("PUT", "k", headers={"x-amz-storage-class": "SHOEBOX"}) == (400, "InvalidStorageClass")
    assert asked("PUT", "k", headers={"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))})[0] == 400
    assert asked("PUT", "k", headers={"x-amz-meta-large": "x" * 3000}) == (400, "MetadataTooLarge")
    assert asked("PUT", "k", headers={"x-amz-copy-source": "%zz"})[0] == 400
    assert asked("PUT", "k", headers={"x-amz-copy-source": f"{bucket}/none"}) == (404, "NoSuchKey")
    assert keys_in(s3, bucket) == []


@pytest.mark.sanitized
def test_forms_that_are_none(server, s3, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")   # so that nothing but the form is at fault
    mine = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nposted\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nbytes'
    end = b"\r\n--b--\r\n"

    def post(body: bytes, kind: str = "multipart/form-data; boundary=b") -> int:
        with connect(server) as connection:
            head = f"POST /{bucket} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            send_all(connection, head.encode() + body)
            return read_answer(connection, "POST").status
    for body in (b"", b"x", mine, mine + end, file + end, mine + file, mine + file + b"\r\n--b", b"--b\r\n" * 1000, mine.replace(b"name=", b"nome=") + file + end,
                 mine + b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"x" * 100_000 + b"\r\n" + file + end,
                 mine + b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 500 + file + end,
                 b"--b\r\nContent-Disposition: form-data; name=" + b'"' + b"x" * 100_000 + b'"\r\n\r\n' + file + end,
                 b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\n" + file + end):
        assert 400 <= post(body) < 500, body[:200]
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 71, "text/plain", "multipart/mixed; boundary=b"):
        assert 400 <= post(mine + file + end, kind) < 500, kind
    assert keys_in(s3, bucket) == []
    assert post(mine + file + end) == 204 and s3.get_object(Bucket=bucket, Key="posted")["Body"].read() == b"bytes"


# --- keys -------------------------------------------------------------------------------------------------------------

KEYS = [b"plain", b"a/b/../../c", b"..", b"../../../../etc/passwd", b"/", b"//a//", b"./x", b"a/.", b" ", b" lead and trail ", b"a+b c%20d%", b"%2F", b"%00text",
        b"?versions", b"#x", b"&amp;<>'\"", b"]]>", b"\\..\\win", b"tab\there", b"line\r\nSet-Cookie: x=1", b"\x01\x02\x1f\x7f", b"*", b"a:b@c", b"~user", b"-rf",
        "ü".encode(), "\u0065\u0301".encode(), "\u00e9".encode(), "😀".encode(), "\u202e".encode(), "\ufeff".encode(), b"k" * 1024, "世".encode() * 341 + b"x",
        b"d/" * 512, b"\xff\xfe not UTF-8", b"\xc3("]


@pytest.mark.sanitized
def test_keys_of_any_bytes(server, s3, bucket):
    for number, key in enumerate(KEYS):
        put = ask(server, signed(server, "PUT", path_of(bucket, key), body=b"%d" % number))
        assert put.status == 200, (key, put)
    for number, key in enumerate(KEYS):
        got = ask(server, signed(server, "GET", path_of(bucket, key)))
        assert (got.status, got.body) == (200, b"%d" % number), (key, got)
    listed, after = [], ""
    while True:
        query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "7")] + ([("continuation-token", after)] if after else [])
        page = ask(server, signed(server, "GET", path_of(bucket), query))
        listed += [_decoded(key) for key in re.findall(rb"<Key>([^<]*)</Key>", page.body)]
        token = re.search(rb"<NextContinuationToken>([^<]*)<", page.body)
        if not token:
            break
        after = token.group(1).decode()
    assert listed == sorted(KEYS)
    text = ask(server, signed(server, "GET", path_of(bucket), [("prefix", "line")])).body
    assert b"line&#xd;&#xa;Set-Cookie: x=1<" in text
    # Copied by an encoded name, deleted by one.
    for key in KEYS:
        source = path_of(bucket, key)
        assert ask(server, signed(server, "PUT", path_of(bucket, b"copy"), headers={"x-amz-copy-source": source})).status == 200, key
        assert ask(server, signed(server, "DELETE", path_of(bucket, key))).status == 204, key
    assert keys_in(s3, bucket) == ["copy"]
    assert told(ask(server, signed(server, "PUT", path_of(bucket, b"k" * 1025)))) == (400, "KeyTooLongError")
    assert ask(server, signed(server, "PUT", path_of(bucket, b"a\0b"))).status == 400
    for name in ("..", "a", "UPPER", "x" * 64, "under_score", "192.168.0.1", "a..b", "-a", "a-", "%2e%2e"):
        answer = ask(server, signed(server, "PUT", f"/{name}"))
        assert answer.status == 400, (name, answer)


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


# --- clients that stop in the middle ----------------------------------------------------------------------------------


@pytest.mark.sanitized
def test_clients_that_stop_in_the_middle(server, s3, bucket):
    dice = random.Random(7)
    body = dice.randbytes(2 * MIB)
    s3.put_object(Bucket=bucket, Key="there", Body=body)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    put = signed(server, "PUT", path_of(bucket, "k"), body=body)
    part = signed(server, "PUT", path_of(bucket, "m"), [("partNumber", "1"), ("uploadId", upload)], body=body)
    chunks = chunked(server, bucket)
    chunks.body = signed_chunks(chunks, PIECES)
    over = signed(server, "PUT", path_of(bucket, "there"), body=body[::-1])
    get = signed(server, "GET", path_of(bucket, "there"))
    for request in (put, part, chunks, over):
        wire = request.wire()
        for _ in range(25):
            with connect(server) as connection:
                connection.sendall(wire[:dice.randrange(len(wire))])
                if dice.random() < 0.5:   # a reset instead of an end
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    for _ in range(50):
        with connect(server) as connection:
            connection.sendall(get.wire())
            connection.recv(dice.randrange(1, 100_000))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert keys_in(s3, bucket) == ["there"]
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == body
    # The connections' room is free again.
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}/metrics",
                                     headers={"Authorization": "Basic " + base64.b64encode(b"x:sesame").decode()})

    def metrics():
        return urllib.request.urlopen(request, timeout=PATIENCE_S).read().decode()
    wait_until(lambda: _open_connections(metrics()) <= 3, what="the end of the connections")


def _open_connections(text: str) -> float:
    values = re.findall(r"^(keelson_[a-z0-9_]*connections\S*) (\S+)$", text, re.M)
    assert any("s3" in name for name, _ in values), [name for name, _ in values]
    return sum(float(value) for name, value in values if "s3" in name and "total" not in name and "max" not in name)


def test_uploads_that_are_killed_in_the_middle(launch):
    """kill -9 of the server under uploads: what was acknowledged is there, bit for bit; everything else is there whole or not at all."""
    data = random.Random(11).randbytes(9 * MIB)
    tried, acknowledged, completed = set(), set(), set()
    for life in range(4):
        node = launch.keelson(OPTIONS)
        s3 = client(endpoint(node), KEY, SECRET)
        if life == 0:
            s3.create_bucket(Bucket="killed")
        listed = {entry["Key"]: entry["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="killed") for entry in page.get("Contents", [])}
        assert acknowledged | completed <= set(listed) <= tried, (acknowledged | completed) - set(listed)
        for key, size in listed.items():
            got = s3.get_object(Bucket="killed", Key=key)["Body"].read()
            assert len(got) == size == size_of(key) and got == data[:size], key
        if life == 3:
            break
        stop = threading.Event()

        def put(worker, life=life, s3=s3):
            for number in range(10_000):
                kind = "many" if worker else "parts"
                size = 6 * MIB if kind == "parts" else (number * 7919 * (worker + 1)) % 300_000
                key = f"{kind}/{life}/{worker}/{number}/{size}"
                tried.add(key)
                try:
                    if kind == "many":
                        s3.put_object(Bucket="killed", Key=key, Body=data[:size])
                    else:
                        here = {"Bucket": "killed", "Key": key, "UploadId": s3.create_multipart_upload(Bucket="killed", Key=key)["UploadId"]}
                        parts = [{"PartNumber": n, "ETag": s3.upload_part(**here, PartNumber=n, Body=piece)["ETag"]}
                                 for n, piece in ((1, data[:5 * MIB]), (2, data[5 * MIB:6 * MIB]))]
                        s3.complete_multipart_upload(**here, MultipartUpload={"Parts": parts})
                except (BotoCoreError, ClientError, OSError):
                    return
                (acknowledged if kind == "many" else completed).add(key)
                if stop.is_set():
                    return
        threads = [threading.Thread(target=put, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        many, parts = len(acknowledged), len(completed)
        try:
            wait_until(lambda: len(acknowledged) >= many + 40 and len(completed) > parts, what="uploads")
        finally:
            node.kill()
            stop.set()
            for thread in threads:
                thread.join()


def size_of(key: str) -> int:
    return int(key.rsplit("/", 1)[1])
