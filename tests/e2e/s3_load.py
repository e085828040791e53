"""Clients of S3 that keep a model of what they were told: load for the tests of crashes and backups.

A client has keys of its own and works on them until its connection breaks. What was acknowledged must be there afterwards
bit for bit; what was under way may be there as a whole or not at all.
"""
import hashlib
import hmac
import http.client
import random
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

KEYS = {"KEELSON_S3_ACCESS_KEY_ID": "AKIDEXAMPLE1", "KEELSON_S3_SECRET_ACCESS_KEY": "secret/secret+secret"}
REGION = "us-east-1"
PART_BYTES_MIN = 5 << 20  # of all parts but the last


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class S3:
    """One connection; requests are signed with Signature Version 4, payloads by their SHA-256."""

    def __init__(self, port: int, timeout_s: float = 60):
        self.host = f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def close(self) -> None:
        self.connection.close()

    def call(self, method: str, path: str, query: dict | None = None, body: bytes = b"") -> tuple[int, bytes, dict]:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        quoted = urllib.parse.quote(path, safe="/~")
        text = "&".join(f"{urllib.parse.quote(name, safe='~')}={urllib.parse.quote(str(value), safe='~')}"
                        for name, value in sorted((query or {}).items()))
        payload = hashlib.sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": now}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, quoted, text, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, payload])
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + KEYS["KEELSON_S3_SECRET_ACCESS_KEY"]).encode()
        for word in scope.split("/"):
            key = _hmac(key, word)
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={KEYS['KEELSON_S3_ACCESS_KEY_ID']}/{scope},"
                                    f"SignedHeaders={names},Signature={_hmac(key, to_sign).hex()}")
        self.connection.request(method, quoted + (f"?{text}" if text else ""), body, headers)
        answer = self.connection.getresponse()
        content = answer.read()   # IncompleteRead, if it is cut short
        return answer.status, content, dict(answer.getheaders())

    def ok(self, *request, **more) -> bytes:
        status, content, _ = self.call(*request, **more)
        assert status // 100 == 2, (request[:3], status, content[:500])
        return content

    def pages(self, bucket: str, query: dict, item: str) -> list[ElementTree.Element]:
        """Every item of a listing."""
        found = []
        more = {}
        while True:
            page = ElementTree.fromstring(self.ok("GET", f"/{bucket}", {**query, **more}))
            found += page.findall(f"{{*}}{item}")
            if page.findtext("{*}IsTruncated") != "true":
                return found
            if "uploads" in query:
                more = {"key-marker": page.findtext("{*}NextKeyMarker"), "upload-id-marker": page.findtext("{*}NextUploadIdMarker")}
            else:
                more = {"continuation-token": page.findtext("{*}NextContinuationToken")}

    def objects(self, bucket: str, prefix: str = "") -> dict[str, int]:
        return {entry.findtext("{*}Key"): int(entry.findtext("{*}Size"))
                for entry in self.pages(bucket, {"list-type": 2, "prefix": prefix}, "Contents")}

    def uploads(self, bucket: str) -> set[str]:
        return {entry.findtext("{*}UploadId") for entry in self.pages(bucket, {"uploads": ""}, "Upload")}


def digest(content: bytes | None) -> str | None:
    """None stands for an object that is not there."""
    return None if content is None else hashlib.sha256(content).hexdigest()


class Model:
    """What one client was told."""

    def __init__(self):
        self.objects: dict[str, str | None] = {}       # key: digest of what was acknowledged last
        self.pending: tuple[str, str | None] | None = None
        self.ended: set[str] = set()                   # uploads that were completed or aborted, acknowledged

    def copy(self) -> "Model":
        made = Model()
        made.objects, made.ended, made.pending = dict(self.objects), set(self.ended), None
        return made


class Writer(threading.Thread):
    """Writes, removes, completes and aborts until the server goes away or stop() is called."""

    KEYS = 12

    def __init__(self, port: int, bucket: str, number: int, seed: int, model: Model | None = None):
        super().__init__(daemon=True)
        self.port, self.bucket, self.number = port, bucket, number
        self.chance = random.Random(seed)
        self.model = model or Model()
        self.acknowledged = 0
        self.completed = 0
        self.aborted = 0
        self.refused: list = []
        self.is_stopping = False

    def stop(self) -> None:
        self.is_stopping = True
        self.join(60)
        assert not self.is_alive() and not self.refused, self.refused[:3]

    def run(self) -> None:
        try:
            s3 = S3(self.port)
            while not self.is_stopping:
                self.chance.choices([self.put, self.remove, self.multipart, self.abort], [12, 2, 3, 2])[0](s3)
                self.acknowledged += 1
        except (OSError, http.client.HTTPException):
            pass   # the server is gone
        except AssertionError as refusal:
            self.refused.append(str(refusal))

    def path(self) -> tuple[str, str]:
        key = f"w{self.number}/{self.chance.randrange(self.KEYS)}"
        return key, f"/{self.bucket}/{key}"

    def content(self) -> bytes:
        # Inline ones, ones of a chunk, of several.
        return self.chance.randbytes(self.chance.choice([0, 5, 900, 20_000, 65_536, 70_000, 400_000]))

    def settle(self, key: str, value: str | None) -> None:
        self.model.objects[key], self.model.pending = value, None

    def put(self, s3: S3) -> None:
        key, path = self.path()
        content = self.content()
        self.model.pending = (key, digest(content))
        s3.ok("PUT", path, body=content)
        self.settle(key, digest(content))

    def remove(self, s3: S3) -> None:
        key, path = self.path()
        self.model.pending = (key, None)
        s3.ok("DELETE", path)
        self.settle(key, None)

    def begin_upload(self, s3: S3, path: str, parts: list[bytes]) -> tuple[str, bytes]:
        upload = ElementTree.fromstring(s3.ok("POST", path, {"uploads": ""})).findtext("{*}UploadId")
        entries = []
        for number, part in enumerate(parts, 1):
            status, content, headers = s3.call("PUT", path, {"partNumber": number, "uploadId": upload}, part)
            assert status == 200, (status, content)
            entries.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{headers['ETag']}</ETag></Part>")
        return upload, f"<CompleteMultipartUpload>{''.join(entries)}</CompleteMultipartUpload>".encode()

    def multipart(self, s3: S3) -> None:
        key, path = self.path()
        parts = [self.content() + b"x"]
        if self.chance.random() < 0.3:
            parts.insert(0, self.chance.randbytes(PART_BYTES_MIN))
        upload, document = self.begin_upload(s3, path, parts)
        self.model.pending = (key, digest(b"".join(parts)))
        answer = s3.ok("POST", path, {"uploadId": upload}, document)
        assert b"<ETag>" in answer, answer   # an error may come behind status 200
        self.settle(key, digest(b"".join(parts)))
        self.model.ended.add(upload)
        self.completed += 1

    def abort(self, s3: S3) -> None:
        key, path = self.path()
        upload, _ = self.begin_upload(s3, path, [self.content() + b"y"])
        s3.ok("DELETE", path, {"uploadId": upload})
        self.model.ended.add(upload)
        self.aborted += 1


def verify(port: int, bucket: str, models: list[Model]) -> int:
    """Every key is as it was acknowledged, or as what was under way would have made it; the models are settled by what is
    seen. The number of objects that are there."""
    s3 = S3(port)
    listed = s3.objects(bucket)
    there = 0
    for model in models:
        key, value = model.pending or (None, None)
        for name in {*model.objects, *([key] if key else [])}:
            wanted = {model.objects.get(name)} | ({value} if name == key else set())
            status, content, _ = s3.call("GET", f"/{bucket}/{name}")
            assert status in (200, 404), (name, status, content[:300])
            seen = digest(content) if status == 200 else None
            assert seen in wanted, f"{name}: {seen} ({len(content)} bytes), not one of {wanted}"
            assert (name in listed) == (seen is not None), f"{name}: the listing tells otherwise than GET"
            assert seen is None or listed.pop(name) == len(content), name
            model.objects[name] = seen
            there += seen is not None
        model.pending = None
    assert not listed, f"objects that nobody wrote: {listed}"
    left = s3.uploads(bucket) & set().union(*(model.ended for model in models))
    assert not left, f"uploads that were completed or aborted are still listed: {left}"
    s3.close()
    return there
