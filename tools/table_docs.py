"""Keeps the tables at the end of a service's page equal to the table in the server that they tell of.

    tools/table_docs.py --check GENERATOR...    exit code 1 and the differences if a page says something else
    tools/table_docs.py --write GENERATOR...    writes the pages anew

GENERATOR is a program that is built from tools/*_docs.cc: build/release/tools/kv_docs, s3_docs, etcd_docs or kafka_docs.
"""
import argparse
import difflib
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {"kv_docs": "kv.md", "s3_docs": "blob.md", "etcd_docs": "etcd.md", "kafka_docs": "topic.md"}
BEGIN = "<!-- The rest of this page is made by tools/table_docs.py from the server's table; do not edit it here. -->\n"


def is_good(generator: Path, writes: bool) -> bool:
    path = DOCS / PAGES[generator.name]
    page = path.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1:
        print(f"{path} must hold this line once: {BEGIN}", end="")
        return False
    tables = subprocess.run([generator], check=True, capture_output=True, text=True).stdout
    wanted = page.split(BEGIN)[0] + BEGIN + "\n" + tables
    if writes:
        path.write_text(wanted, encoding="utf-8")
        return True
    differences = list(difflib.unified_diff(page.splitlines(), wanted.splitlines(), f"docs/{path.name}", "the server", lineterm="", n=0))
    print("\n".join(differences) if differences else f"{path.name} says what the server says")
    return not differences


def main() -> int:
    parser = argparse.ArgumentParser()
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--check", action="store_true")
    how.add_argument("--write", action="store_true")
    parser.add_argument("generators", nargs="+", type=Path, metavar="GENERATOR")
    options = parser.parse_args()
    good = [is_good(generator, options.write) for generator in options.generators]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
