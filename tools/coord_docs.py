#!/usr/bin/env python3
"""The table of etcd's methods in docs/coord.md, from src/protocol/etcd/method_table.def.

    tools/coord_docs.py --write | --check
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src" / "protocol" / "etcd" / "method_table.def"
PAGE = ROOT / "docs" / "coord.md"
BEGIN, END = "<!-- methods: made by tools/coord_docs.py from src/protocol/etcd/method_table.def -->\n", "<!-- end of methods -->\n"
ROW = re.compile(r'^ETCD_(UNARY|STREAM|NO)\((\w+), (\w+), (\w+), (\w+), "([^"]*)", "((?:[^"\\]|\\.)*)"\)$', re.M)


def table() -> str:
    rows = ["| service | method | | gateway | |", "|---|---|---|---|---|"]
    for kind, package, service, method, _, path, note in ROW.findall(TABLE.read_text()):
        name = service if package == "etcdserverpb" else f"{package}.{service}"
        rows.append(f"| {name} | {method} | {'not there' if kind == 'NO' else 'yes'} | {path if kind != 'NO' else ''} | {note} |")
    if len(rows) < 30:
        raise SystemExit(f"{TABLE}: its rows are not understood")
    return "\n".join(rows) + "\n"


def main() -> int:
    page = PAGE.read_text()
    head, rest = page.split(BEGIN, 1)
    wanted = head + BEGIN + table() + END + rest.split(END, 1)[1]
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(wanted)
    elif sys.argv[1:] != ["--check"]:
        print(__doc__, file=sys.stderr)
        return 2
    elif page != wanted:
        print("docs/coord.md is not what the table of methods says: tools/coord_docs.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
