"""Keeps the table of docs/etcd.md equal to the server's table of methods.

    tools/etcd_docs.py --check GENERATOR    exit code 1 and the differences if the page says something else
    tools/etcd_docs.py --write GENERATOR    writes the page anew

GENERATOR is the program that tools/etcd_docs.cc builds: build/release/tools/etcd_docs.
"""
import argparse
import difflib
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "etcd.md"
BEGIN = "<!-- The rest of this page is made by tools/etcd_docs.py from the table of methods; do not edit it here. -->\n"


def main() -> int:
    parser = argparse.ArgumentParser()
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--check", action="store_true")
    how.add_argument("--write", action="store_true")
    parser.add_argument("generator")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1:
        print(f"{PAGE} must hold this line once: {BEGIN}", end="")
        return 1
    tables = subprocess.run([options.generator], check=True, capture_output=True, text=True).stdout
    wanted = page.split(BEGIN)[0] + BEGIN + "\n" + tables
    if options.write:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    differences = list(difflib.unified_diff(page.splitlines(), wanted.splitlines(), "docs/etcd.md", "table of methods", lineterm="", n=0))
    print("\n".join(differences) if differences else f"{PAGE.name} says what the table of methods says")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
