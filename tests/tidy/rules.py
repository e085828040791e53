"""The house's rules that a script can check. Each takes a Tree and yields findings; tidy.py runs them all."""
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Iterator

from bans import BANS, THIRD_PARTY
from source import blank_comments_and_strings, functions

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 120
HEADER_FLAGS = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wno-unused-parameter",
                "-Werror", "-msse4.2", "-mpclmul", "-mpopcnt"]


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass
class Source:
    path: str   # relative to the tree, with '/'
    text: str

    @property
    def folder(self) -> str:
        return self.path.rsplit("/", 1)[0]

    @cached_property
    def code(self) -> str:
        return blank_comments_and_strings(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")


class Tree:
    """The C++ files of a checkout, tracked or about to be (what .gitignore names is left out)."""

    def __init__(self, root: Path):
        self.root = root
        names = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        self.files = sorted(name for name in set(names) if (root / name).is_file())
        self.sources = [Source(name, (root / name).read_text(encoding="utf-8"))
                        for name in self.files if name.endswith((".h", ".cc"))]

    @cached_property
    def architecture(self) -> str:
        path = self.root / "ARCHITECTURE.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def folder_table(self, title: str) -> dict[str, list[str]]:
        """Rows of the table under the heading `title` of ARCHITECTURE.md: the folder, then the other cells."""
        section = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", self.architecture, re.M | re.S)
        rows = {}
        for line in (section.group(1) if section else "").splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            name = re.fullmatch(r"`([\w./-]+?)/?`", cells[0]) if line.startswith("|") else None
            if name:
                rows[name.group(1)] = cells[1:]
        return rows

    def floors(self) -> dict[str, list[str]]:
        """For each folder of src/, the folders that its files may include from; told by ARCHITECTURE.md."""
        return {folder: re.findall(r"`([\w./]+)`", cells[-1]) for folder, cells in self.folder_table("Floors").items()}


def _has_reason(source: Source, rule: str, line: int) -> bool:
    """A comment `// tidy: <rule>, because ...` on the line or right above it."""
    near = source.lines[max(0, line - 2):line]
    return any(re.search(rf"//\s*tidy: {re.escape(rule)}, \w+", text) for text in near)


def _is_test(path: str) -> bool:
    """Tests, and the headers that only tests include."""
    return not path.startswith("src/") or re.search(r"(_test\.cc|(test_support|_harness|_fake|/fake_\w+)\.h)$", path) is not None


def includes_obey_floors(tree: Tree) -> Iterator[Finding]:
    floors = tree.floors()
    if not floors:
        yield Finding("ARCHITECTURE.md", 1, "has no table of floors")
        return
    for source in tree.sources:
        if not source.path.startswith("src/"):
            continue
        folder = source.folder.removeprefix("src/")
        allowed = set(floors.get(folder, [])) | {folder}
        if _is_test(source.path):
            allowed |= set(floors.get("test", [])) | {below for name in allowed for below in floors.get(name, [])}
        for number, line in enumerate(source.code.split("\n"), 1):
            include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not include:
                continue
            target = include.group(1)
            target_folder = target.rsplit("/", 1)[0] if "/" in target else ""
            if target_folder in GENERATED:
                if GENERATED[target_folder] not in allowed:
                    yield Finding(source.path, number, f"{folder} may not include from {GENERATED[target_folder]} ({target})")
                continue
            if target not in allowed and target_folder not in allowed:
                yield Finding(source.path, number, f"{folder} may not include from {target_folder or 'nowhere'} ({target}): "
                              "see the table of floors in ARCHITECTURE.md")
            elif not (tree.root / "src" / target).exists():
                yield Finding(source.path, number, f"{target} does not exist; write paths from src/")


# Folders of headers that the build makes, and the folder of src/ whose they are.
GENERATED = {"protocol/kafka/messages": "protocol/kafka"}


def third_party_stays_home(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources:
        for number, line in enumerate(source.code.split("\n"), 1):
            include = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if not include:
                continue
            for prefix, homes, why in THIRD_PARTY:
                if include.group(1).startswith(prefix) and not re.fullmatch(homes, source.path) and \
                        not _has_reason(source, "include", number):
                    yield Finding(source.path, number, f"<{include.group(1)}> may not be included here: {why}")


def banned_calls(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources:
        for ban in BANS:
            if ban.exempt and re.fullmatch(ban.exempt, source.path):
                continue
            if ban.in_tests is False and _is_test(source.path):
                continue
            for match in re.finditer(ban.pattern, source.code):
                number = source.code.count("\n", 0, match.start()) + 1
                if not _has_reason(source, ban.name, number):
                    yield Finding(source.path, number, f"{match.group(0).strip()} is banned ({ban.name}): {ban.instead}")


def sizes(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources:
        count = source.text.count("\n")
        if count > FILE_LINES_MAX and not any(re.search(r"//\s*long: \w+", line) for line in source.lines[:40]):
            yield Finding(source.path, 1, f"{count} lines, more than {FILE_LINES_MAX}: split it, or say why near its top "
                          "(// long: reason)")
        for function in functions(source.code):
            if function.line_count <= FUNCTION_LINES_MAX:
                continue
            near = source.lines[max(0, function.first_line - 4):function.first_line + 4]
            if not any(re.search(r"//\s*long: \w+", line) for line in near):
                yield Finding(source.path, function.first_line, f"{function.name} has {function.line_count} lines, more than "
                              f"{FUNCTION_LINES_MAX}: split it, or say why beside its head (// long: reason)")


def shape(tree: Tree) -> Iterator[Finding]:
    for source in tree.sources:
        if source.path.endswith(".h"):
            if not re.search(r"^#pragma once$", source.text, re.M):
                yield Finding(source.path, 1, "a header has #pragma once")
            if not source.text.startswith("//"):
                yield Finding(source.path, 1, "a header begins with the comment that is its contract")
        for number, line in enumerate(source.lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield Finding(source.path, number, "unfinished work does not stand in the tree: do it, or file an issue")
            if re.search(r"^(<{7}|={7}|>{7})( |$)", line):
                yield Finding(source.path, number, "a merge's conflict mark")


def formatting(tree: Tree) -> Iterator[Finding]:
    """Asks clang-format, in a few large calls."""
    paths = [source.path for source in tree.sources]
    batches = [paths[start::2] for start in range(2)]

    def run(batch: list[str]) -> str:
        if not batch:
            return ""
        return subprocess.run(["clang-format-19", "--dry-run", "--ferror-limit=1", *batch], cwd=tree.root,
                              capture_output=True, text=True).stderr
    with ThreadPoolExecutor(2) as pool:
        for output in pool.map(run, batches):
            for match in re.finditer(r"^([^\s:]+):(\d+):\d+: \w+: code should be clang-formatted", output, re.M):
                yield Finding(match.group(1), int(match.group(2)), f"run clang-format-19 -i {match.group(1)}")


def headers_compile_alone(tree: Tree, cache: Path | None = None) -> Iterator[Finding]:
    """Each header as a translation unit of its own. What compiled before with the same bytes is not compiled again."""
    headers = {source.path: source for source in tree.sources if source.path.endswith(".h")}
    known = set(cache.read_text().split()) if cache and cache.exists() else set()
    keys = {path: _closure_hash(path, headers) for path in headers}
    todo = [path for path in headers if keys[path] not in known]
    made = tree.root / "build" / "check" / "generated"
    schemas = sorted((tree.root / "src/protocol/kafka/schema").glob("*.kafka"))
    if schemas and todo:
        subprocess.run([sys.executable, tree.root / "tools/kafka_messages.py", "--out", made, *schemas], check=True)
    protos = tree.root / "src/protocol/pubsub/proto"
    if protos.exists() and todo:
        made.mkdir(parents=True, exist_ok=True)
        subprocess.run(["protoc", f"--cpp_out={made}", f"-I{protos}", *sorted(protos.rglob("*.proto"))], check=True)

    def compile_one(path: str) -> str:
        result = subprocess.run(["clang++-19", *HEADER_FLAGS, "-I", "src", "-I", ".", "-I", made, "-x", "c++", "-"], cwd=tree.root,
                                input=f'#include "{path}"\n', capture_output=True, text=True)
        return "" if result.returncode == 0 else result.stderr
    with ThreadPoolExecutor(2) as pool:
        for path, output in zip(todo, pool.map(compile_one, todo)):
            if output:
                first = next((line for line in output.splitlines() if "error:" in line), output.splitlines()[0])
                yield Finding(path, 1, f"does not compile alone: {first}")
            else:
                known.add(keys[path])
    if cache:
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text("\n".join(sorted(known & set(keys.values()))))


def _closure_hash(path: str, headers: dict[str, Source]) -> str:
    seen, waiting = set(), [path]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in headers:
            continue
        seen.add(name)
        waiting += ["src/" + target for target in re.findall(r'^\s*#\s*include\s+"([^"]+)"', headers[name].text, re.M)]
    digest = sha256(repr(HEADER_FLAGS).encode())
    for name in sorted(seen):
        digest.update(name.encode() + b"\0" + headers[name].text.encode())
    return digest.hexdigest()


def tables_match_tree(tree: Tree) -> Iterator[Finding]:
    """The folders that ARCHITECTURE.md names are the folders that there are."""
    in_src = {source.folder.removeprefix("src/") for source in tree.sources if source.path.startswith("src/")}
    told = set(tree.floors()) - {"test"}
    for folder in sorted(in_src - told):
        yield Finding("ARCHITECTURE.md", 1, f"the table of floors misses src/{folder}")
    for folder in sorted(told - in_src):
        yield Finding("ARCHITECTURE.md", 1, f"the table of floors names src/{folder}, which has no sources")
    at_top = {name.split("/", 1)[0] for name in tree.files if "/" in name}
    table = set(tree.folder_table("The tree"))
    for folder in sorted(at_top - table):
        yield Finding("ARCHITECTURE.md", 1, f"the table of the tree misses {folder}/")
    for folder in sorted(table - at_top):
        yield Finding("ARCHITECTURE.md", 1, f"the table of the tree names {folder}/, which is not there")


def links_lead_somewhere(tree: Tree) -> Iterator[Finding]:
    for name in tree.files:
        if not name.endswith(".md"):
            continue
        path = tree.root / name
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if "://" not in target and not (path.parent / target).exists():
                    yield Finding(name, number, f"the link to {target} leads nowhere")


RULES = [includes_obey_floors, third_party_stays_home, banned_calls, sizes, shape, tables_match_tree, links_lead_somewhere,
         formatting, headers_compile_alone]
