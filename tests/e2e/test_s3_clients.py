"""S3's other clients, unmodified: aws, s3cmd, rclone, s3fs, @aws-sdk/client-s3."""
import filecmp
import os
import subprocess

import pytest

from conftest import AGAINST_REDIS
from node import PATIENCE_S, ROOT, wait_until
from s3_server import KEY, OPTIONS, SECRET, endpoint

pytestmark = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has no S3")


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keelson(OPTIONS)


@pytest.fixture
def tree(tmp_path):
    """A folder with files of all sizes, one of them large enough for several parts."""
    folder = tmp_path / "tree"
    sizes = {"empty": 0, "one": 1, "with blank+plus.txt": 5000, "deep/er/file": 70_000, "\u00fcml\u00e4ut": 10, "deep/big": 20 << 20}
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return folder


def same(one, other) -> bool:
    left = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    right = sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    return left == right and all(filecmp.cmp(one / path, other / path, shallow=False) for path in left)


def clean(env=None) -> dict:
    """The environment, without what others have set up for Amazon's own service."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **(env or {})}


def run(argv, env=None, expect=0, limit_s=PATIENCE_S * 3) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=limit_s, env=clean(env))
    assert done.returncode == expect, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_aws_command_line(server, tree, tmp_path):
    env = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1",
           "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}

    def aws(*arguments, expect=0):
        return run(["/usr/bin/aws", "--endpoint-url", endpoint(server), *arguments], env, expect)
    aws("s3", "mb", "s3://by-aws")
    assert "by-aws" in aws("s3", "ls")
    aws("s3", "cp", tree / "deep/big", "s3://by-aws/big")
    aws("s3", "sync", tree, "s3://by-aws/tree")
    assert "upload" not in aws("s3", "sync", tree, "s3://by-aws/tree")
    assert aws("s3", "ls", "--recursive", "s3://by-aws/tree/").count("\n") == 6
    aws("s3", "sync", "s3://by-aws/tree", tmp_path / "back")
    assert same(tree, tmp_path / "back")
    aws("s3", "cp", "s3://by-aws/big", "s3://by-aws/copy of big")
    aws("s3", "mv", "s3://by-aws/copy of big", "s3://by-aws/moved")
    url = aws("s3", "presign", "s3://by-aws/moved").strip()
    assert run(["curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", url]) == str(20 << 20)
    assert "NoSuchBucket" in subprocess.run(["/usr/bin/aws", "--endpoint-url", endpoint(server), "s3api", "get-object", "--bucket", "not-there",
                                             "--key", "k", "/dev/null"], capture_output=True, text=True, env=clean(env)).stderr
    aws("s3api", "put-bucket-versioning", "--bucket", "by-aws", "--versioning-configuration", "Status=Enabled")
    assert "Enabled" in aws("s3api", "get-bucket-versioning", "--bucket", "by-aws")
    aws("s3", "rm", "--recursive", "s3://by-aws")
    assert aws("s3", "ls", "s3://by-aws") == ""


def test_s3cmd(server, tree, tmp_path):
    config = tmp_path / "s3cfg"
    host = f"127.0.0.1:{server.s3_port}"
    config.write_text(f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
                      "bucket_location = us-east-1\n")

    def s3cmd(*arguments, expect=0):
        return run(["s3cmd", "-c", config, "--no-progress", *arguments], {"LC_ALL": "C.UTF-8"}, expect)
    s3cmd("mb", "s3://by-s3cmd")
    s3cmd("sync", f"{tree}/", "s3://by-s3cmd/tree/")
    assert s3cmd("ls", "-r", "s3://by-s3cmd").count("\n") == 6
    s3cmd("sync", "s3://by-s3cmd/tree/", f"{tmp_path}/back/")
    assert same(tree, tmp_path / "back")
    s3cmd("cp", "s3://by-s3cmd/tree/deep/big", "s3://by-s3cmd/copy")
    s3cmd("setacl", "--acl-public", "s3://by-s3cmd/copy")
    assert run(["curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", f"{endpoint(server)}/by-s3cmd/copy"]) == str(20 << 20)
    assert "MD5 sum" in s3cmd("info", "s3://by-s3cmd/copy")
    url = s3cmd("signurl", "s3://by-s3cmd/tree/one", "+60").strip()
    assert run(["curl", "-sf", "-o", "/dev/null", "-w", "%{size_download}", url]) == "1"
    s3cmd("del", "--recursive", "--force", "s3://by-s3cmd")
    s3cmd("rb", "s3://by-s3cmd")


def test_s3cmd_with_signature_version_2(server, tmp_path):
    config = tmp_path / "s3cfg"
    host = f"127.0.0.1:{server.s3_port}"
    config.write_text(f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n"
                      "signature_v2 = True\n")
    (tmp_path / "file").write_bytes(b"old")
    for arguments in (["mb", "s3://by-old-s3cmd"], ["put", tmp_path / "file", "s3://by-old-s3cmd/a b"], ["ls", "s3://by-old-s3cmd"],
                      ["get", "s3://by-old-s3cmd/a b", tmp_path / "back"], ["del", "s3://by-old-s3cmd/a b"], ["rb", "s3://by-old-s3cmd"]):
        run(["s3cmd", "-c", config, "--no-progress", *arguments])
    assert (tmp_path / "back").read_bytes() == b"old"


def test_rclone(server, tree, tmp_path):
    env = {"RCLONE_CONFIG": str(tmp_path / "rclone.conf"), "RCLONE_CONFIG_K_TYPE": "s3", "RCLONE_CONFIG_K_PROVIDER": "Other",
           "RCLONE_CONFIG_K_ACCESS_KEY_ID": KEY, "RCLONE_CONFIG_K_SECRET_ACCESS_KEY": SECRET, "RCLONE_CONFIG_K_ENDPOINT": endpoint(server),
           "RCLONE_CONFIG_K_REGION": "us-east-1"}

    def rclone(*arguments, expect=0):
        return run(["rclone", *arguments], env, expect)
    rclone("mkdir", "K:by-rclone")
    rclone("sync", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", tree, "K:by-rclone/tree")
    rclone("check", tree, "K:by-rclone/tree")
    rclone("check", "--download", tree, "K:by-rclone/tree")
    assert len(rclone("lsf", "-R", "--files-only", "K:by-rclone").splitlines()) == 6
    rclone("copy", "K:by-rclone/tree", tmp_path / "back")
    assert same(tree, tmp_path / "back")
    # Times are kept in metadata, so a second sync has nothing to do.
    assert "Transferred" not in run(["rclone", "sync", "-v", tree, "K:by-rclone/tree"], env).replace("Transferred:   \t          0 B", "")
    rclone("copyto", "K:by-rclone/tree/deep/big", "K:by-rclone/copy")
    assert "20.0" in rclone("size", "K:by-rclone/copy") or "20 MiB" in rclone("size", "K:by-rclone/copy")
    (tree / "one").unlink()
    rclone("sync", tree, "K:by-rclone/tree")
    rclone("check", tree, "K:by-rclone/tree")
    rclone("purge", "K:by-rclone")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="s3fs needs /dev/fuse")
def test_s3fs(server, tree, tmp_path):
    import boto3
    from botocore.config import Config
    boto3.client("s3", endpoint_url=endpoint(server), aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
                 config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket="by-s3fs")
    secrets, mount = tmp_path / "passwd", tmp_path / "mount"
    secrets.write_text(f"{KEY}:{SECRET}\n")
    secrets.chmod(0o600)
    mount.mkdir()
    process = subprocess.Popen(["s3fs", "by-s3fs", mount, "-f", "-o", f"passwd_file={secrets},url={endpoint(server)},use_path_request_style"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        try:
            wait_until(lambda: process.poll() is not None or os.path.ismount(mount), what="the mount")
        finally:
            if process.poll() is not None:
                output = process.stdout.read().decode()
                if "fuse: device not found" in output or "Operation not permitted" in output or "failed to open /dev/fuse" in output:
                    pytest.skip("s3fs may not mount here")
                raise AssertionError(output)
        run(["cp", "-r", f"{tree}/.", mount])
        assert same(tree, mount)
        (mount / "one").rename(mount / "renamed")
        with open(mount / "renamed", "ab") as file:
            file.write(b"more")
        assert (mount / "renamed").stat().st_size == 5
        (mount / "renamed").unlink()
        assert not (mount / "renamed").exists() and sorted(os.listdir(mount / "deep")) == ["big", "er"]
    finally:
        subprocess.run(["umount", mount], capture_output=True)
        process.terminate()
        process.wait(PATIENCE_S)


def test_aws_sdk_for_javascript(server):
    folder = str(ROOT / "build" / "node")
    if not os.path.exists(f"{folder}/node_modules/@aws-sdk/client-s3"):
        pytest.skip("@aws-sdk/client-s3 is not installed (./check does it)")
    done = run(["node", ROOT / "tests/e2e/s3_suite.mjs", endpoint(server), KEY, SECRET], {"KEELSON_NODE_FOLDER": folder})
    assert done.count("good") == 6, done
