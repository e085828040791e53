#!/usr/bin/env python3
"""Fetches the crates that a Cargo.lock names, for a build without the network.

fetch_crates.py LOCK FOLDER: each registry package of LOCK is fetched once from static.crates.io, checked against the
SHA-256 that LOCK gives for it, and unpacked to FOLDER/<name>-<version>, in the shape of `cargo vendor`. Debian 12's
cargo reads the registry's index only as a git repository of hundreds of megabytes; the lock already says all that the
index would. FOLDER/config.toml tells cargo to look there and nowhere else.
"""

import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor

URL = "https://static.crates.io/crates/{name}/{name}-{version}.crate"


def packages(lock_text):
    for block in lock_text.split("[[package]]")[1:]:
        fields = dict(re.findall(r'^(name|version|source|checksum) = "(.*)"$', block, re.M))
        if "source" in fields:
            yield fields


def fetch(package, folder):
    place = os.path.join(folder, f"{package['name']}-{package['version']}")
    mark = os.path.join(place, ".cargo-checksum.json")
    if os.path.exists(mark):
        return
    url = URL.format(**package)
    with urllib.request.urlopen(url, timeout=60) as answer:
        crate = answer.read()
    found = hashlib.sha256(crate).hexdigest()
    if found != package["checksum"]:
        sys.exit(f"fetch_crates: {url}: its SHA-256 is {found}, the lock file wants {package['checksum']}")
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(crate), mode="r:gz") as archive:
        archive.extractall(folder)
    with open(mark, "w", encoding="utf-8") as file:
        json.dump({"files": {}, "package": found}, file)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: fetch_crates.py LOCK FOLDER")
    lock, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    os.makedirs(folder, exist_ok=True)
    with open(lock, encoding="utf-8") as file:
        wanted = list(packages(file.read()))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda package: fetch(package, folder), wanted))
    with open(os.path.join(folder, "config.toml"), "w", encoding="utf-8") as file:
        file.write('[source.crates-io]\nreplace-with = "fetched"\n\n[source.fetched]\n')
        file.write(f"directory = {json.dumps(folder)}\n")


main()
