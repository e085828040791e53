"""The examples of docs/topic.md run as they stand there, on other ports."""
import os
import re
import subprocess
import sys

import pytest

from kafka_server import Topics, keelson_only, not_redis
from node import BINARY, PATIENCE_S, ROOT, machine_environment

pytestmark = [not_redis, keelson_only]
PAGE = (ROOT / "docs" / "topic.md").read_text()
EXAMPLES = re.findall(r"^```\w+\n(?:#|//) run: (\S+)\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def server(launch_shared):
    return launch_shared.keep(Topics(launch_shared.folder / "topics"))


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(server, tmp_path, number):
    language, code = EXAMPLES[number]
    if language == "sh":
        code = re.sub(r"\bkeelson topic (\w[\w-]*)", rf"keelson topic \1 -s {server.endpoint}", code)
    code = code.replace("127.0.0.1:9092", server.endpoint).replace("127.0.0.1:8085", server.pubsub_endpoint if language == "pubsub" else "")
    file = tmp_path / {"python": "a.py", "pubsub": "a.py", "node": "a.js", "sh": "a.sh"}[language]
    file.write_text(code)
    argv = {"python": [sys.executable, file], "pubsub": [sys.executable, file], "node": ["node", file], "sh": ["bash", "-eo", "pipefail", file]}[language]
    if language == "node":
        (tmp_path / "node_modules").symlink_to(os.path.join(os.environ.get("KEELSON_NODE_FOLDER", ROOT / "build" / "node"), "node_modules"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "keelson").symlink_to(BINARY)
    env = {**machine_environment(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, timeout=PATIENCE_S * 2, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout and "error" not in done.stdout.lower(), done.stdout


def test_there_are_examples_of_every_door():
    languages = [language for language, _ in EXAMPLES]
    assert languages.count("sh") == 3 and languages.count("python") == 2 and "node" in languages and "pubsub" in languages
