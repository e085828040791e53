"""Runs every rule over the tree: python3 tests/tidy/tidy.py [--root FOLDER]. Exit code 1 and a line for each finding."""
import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from rules import RULES, Tree, headers_compile_alone  # noqa: E402


def findings(root: Path, cache: Path | None = None):
    tree = Tree(root)
    for rule in RULES:
        yield from rule(tree, cache) if rule is headers_compile_alone else rule(tree)


def main() -> int:
    top = Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=top)
    root = parser.parse_args().root.resolve()
    found = sorted(set(map(str, findings(root, root / "build" / "check" / "headers-that-compile"))))
    print("\n".join(found) if found else "tidy: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
