"""The examples of docs/coord.md run as they stand there, on another port. Those of etcd's clients hold for etcd too."""
import os
import re
import subprocess

import pytest

from etcd_server import coord_server, not_redis
from node import PATIENCE_S, ROOT, machine_environment

pytestmark = not_redis
PAGE = (ROOT / "docs" / "coord.md").read_text()
EXAMPLES = re.findall(r"^```\w+\n(?:#|//) run: (\S+)\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def server(launch_shared):
    return coord_server(launch_shared)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example(server, tmp_path, number):
    language, code = EXAMPLES[number]
    code = code.replace("2379", server.endpoint.rsplit(":", 1)[1])
    file = tmp_path / {"python": "a.py", "node": "a.js", "sh": "a.sh", "c++": "a.cc"}[language]
    file.write_text(code)
    env = machine_environment()
    argv = {"python": ["/usr/bin/python3", file], "node": ["node", file], "sh": ["sh", "-e", file], "c++": [tmp_path / "a"]}[language]
    if language == "node":
        (tmp_path / "node_modules").symlink_to(os.path.join(os.environ.get("KEELSON_NODE_FOLDER", ROOT / "build" / "node"), "node_modules"))
    if language == "c++":
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "cpp-httplib"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["g++", "-std=c++20", "-pthread", "-o", tmp_path / "a", file, *flags], check=True, timeout=PATIENCE_S * 6)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost the lead" not in done.stdout and "error" not in done.stdout.lower(), done.stdout


def test_there_are_examples_in_every_language():
    languages = [language for language, _ in EXAMPLES]
    assert languages.count("python") == 2 and languages.count("node") == 2 and languages.count("c++") == 1 and "sh" in languages
