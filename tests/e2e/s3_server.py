"""A server for the S3 tests, and who may use it."""
import json
import urllib.request

KEY = "AKIDEXAMPLE1"
SECRET = "secret/secret+secret"
PASSWORD = "sesame"
OPTIONS = {"s3.access-key-id": KEY, "s3.secret-access-key": SECRET, "s3.domain": "localhost", "s3.website-domain": "web.test",
           "s3.lifecycle-day": "2s", "http.password": PASSWORD}


def endpoint(server) -> str:
    return f"http://127.0.0.1:{server.s3_port}"


def make_key(server, **fields) -> dict:
    """An access key made over the HTTP port: {"id", "secret", "user", "policy"}."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}/admin/s3/keys", data=json.dumps(fields).encode())
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password(None, request.full_url, "x", PASSWORD)
    with urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager)).open(request) as answer:
        return json.load(answer)
