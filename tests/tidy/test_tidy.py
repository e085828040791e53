"""The test of the tidy test: a small clean tree passes, and each violation planted in a copy of it is found."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from source import blank_comments_and_strings, functions  # noqa: E402
from tidy import findings  # noqa: E402

ARCHITECTURE = """# Architecture

## The tree

| folder | what |
|---|---|
| `src/` | code |

## Floors

| folder | what | may include from |
|---|---|---|
| `base` | ground | |
| `env` | seam | `base` |
| `env/real` | Linux | `env` `base` |
| `log` | the log | `env/clock.h` `base` |
"""
CLEAN = {
    "ARCHITECTURE.md": ARCHITECTURE,
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 120\n",
    "src/base/a.h": "// A.\n#pragma once\n\nint a();\n",
    "src/env/clock.h": '// Clock.\n#pragma once\n\n#include "base/a.h"\n',
    "src/env/other.h": "// Other.\n#pragma once\n",
    "src/env/real/file.cc": "#include <fcntl.h>\n\nint f() { return ::open(\"x\", 0); }\n",
    "src/log/log.cc": '#include "env/clock.h"\n\nint log_it() { return a(); }\n',
}


def function_of(lines: int, comment: str = "") -> str:
    return comment + "int long_one(int x) {\n" + "  ++x;\n" * (lines - 3) + "  return x;\n}\n"


class PlantedViolations(unittest.TestCase):
    def found(self, planted: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in {**CLEAN, **planted}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            subprocess.run(["git", "init", "-q", str(root)], check=True)
            return [str(finding) for finding in findings(root)]

    def expect(self, planted: dict[str, str], *words: str) -> None:
        found = self.found(planted)
        self.assertTrue(any(all(word in line for word in words) for line in found), f"{words} not in {found}")

    def test_the_clean_tree_is_clean(self):
        self.assertEqual(self.found({}), [])

    def test_an_include_from_a_floor_above(self):
        self.expect({"src/base/up.cc": '#include "env/clock.h"\n'}, "src/base/up.cc:1", "may not include")

    def test_only_the_header_that_the_table_names(self):
        self.expect({"src/log/log.cc": '#include "env/other.h"\n'}, "src/log/log.cc:1", "env/other.h")

    def test_a_header_that_does_not_compile_alone(self):
        self.expect({"src/base/b.h": "// B.\n#pragma once\n\nstd::string b();\n"}, "src/base/b.h", "does not compile alone")

    def test_a_header_without_guard_or_contract(self):
        self.expect({"src/base/b.h": "int b();\n"}, "#pragma once")
        self.expect({"src/base/b.h": "#pragma once\n\nint b();\n"}, "begins with the comment")

    def test_formatting(self):
        self.expect({"src/base/b.cc": "int  b( ) {return 1;}\n"}, "src/base/b.cc", "clang-format")

    def test_banned_calls(self):
        for line, ban in [
            ("auto now = std::chrono::steady_clock::now();", "clock"), ("long t = ::time(nullptr);", "clock"),
            ("int r = rand();", "random"), ("std::random_device device;", "random"), ("std::thread t;", "thread"),
            ("std::mutex m;", "lock"), ("std::ifstream file;", "file"), ('int fd = ::open("x", 0);', "file"),
            ("int s = ::socket(1, 2, 3);", "socket"), ('char* home = getenv("HOME");', "environment"),
            ("usleep(1);", "sleep"), ("assert(true);", "assert"), ("throw 1;", "throw"),
            ('std::printf("x");', "printf"), ("strcpy(a, b);", "cstring"), ('int n = std::stoi("1");', "parse"),
            ("int* p = new int;", "naked new"), ("delete p;", "naked delete"), ("void* p = malloc(1);", "malloc"),
            ("std::shared_ptr<int> p;", "shared_ptr"), ("std::unordered_map<int*, int> m;", "nondeterminism"),
        ]:
            with self.subTest(line):
                self.expect({"src/log/bad.cc": f"void bad() {{\n  {line}\n}}\n"}, "src/log/bad.cc:2", f"({ban})")

    def test_no_ban_where_it_is_no_call_of_the_system(self):
        for line in ["// std::mutex is banned", 'const char* text = "new int; rand()";', "file.open(1);", "disk->open(1);",
                     "int open(int mode);", "clock();", "X(const X&) = delete;", "auto* p = new (place) T;"]:
            with self.subTest(line):
                found = self.found({"src/log/fine.cc": f"{line}\n"})
                self.assertFalse([finding for finding in found if "banned" in finding], found)

    def test_an_exception_needs_its_reason(self):
        self.assertEqual(self.found({"src/log/x.cc": "// tidy: lock, because two threads meet here.\nstd::mutex m;\n"}), [])
        self.expect({"src/log/x.cc": "// tidy: lock\nstd::mutex m;\n"}, "banned (lock)")
        self.expect({"src/log/x.cc": "// tidy: thread, because.\nstd::mutex m;\n"}, "banned (lock)")

    def test_third_party_headers(self):
        self.expect({"src/log/x.cc": "#include <boost/asio.hpp>\n"}, "src/log/x.cc:1", "Asio")
        self.expect({"src/env/real/x.h": "// X.\n#pragma once\n\n#include <boost/asio.hpp>\n"}, "src/env/real/x.h:4", "Asio")

    def test_long_functions_and_files(self):
        self.expect({"src/base/b.cc": function_of(71)}, "long_one has 71 lines")
        self.assertEqual(self.found({"src/base/b.cc": function_of(70)}), [])
        self.assertEqual(self.found({"src/base/b.cc": function_of(71, "// long: one case for each state.\n")}), [])
        self.expect({"src/base/b.cc": "\n".join(["int x;"] * 801) + "\n"}, "801 lines")

    def test_tables_match_the_tree(self):
        self.expect({"src/new/n.cc": "int n;\n"}, "misses src/new")
        self.expect({"ARCHITECTURE.md": ARCHITECTURE + "| `gone` | | `base` |\n"}, "names src/gone")
        self.expect({"extra/file.txt": "x"}, "misses extra/")

    def test_unfinished_work_and_dead_links(self):
        self.expect({"src/base/b.cc": "// TO" "DO: more\nint b;\n"}, "src/base/b.cc:1", "unfinished")
        self.expect({"README.md": "[there](docs/none.md)\n"}, "README.md:1", "leads nowhere")


class Functions(unittest.TestCase):
    def names(self, text: str) -> list[tuple[str, int]]:
        return [(function.name, function.line_count) for function in functions(blank_comments_and_strings(text))]

    def test_what_is_a_function(self):
        self.assertEqual(self.names("namespace a {\nclass B : public C {\n  B() : x_{1}, y_(2) {\n    go();\n  }\n"
                                    "  int f() const { return 1; }\n};\n}\n"), [("B", 3), ("f", 1)])
        self.assertEqual(self.names("int A::f(int x) {\n  if (x) {\n    return [&] { return x; }();\n  }\n  return 0;\n}\n"),
                         [("A::f", 6)])
        self.assertEqual(self.names("const int kTable[] = {\n  {1, f(2)},\n  {3, f(4)},\n};\nint g() {\n}\n"), [("g", 2)])
        self.assertEqual(self.names('R f(const char* s = "{") {\n  s = R"({{{)";\n  char c = \'{\';\n}\n'), [("f", 4)])
        self.assertEqual(self.names("template <class T = S<int>>\n  requires Fits<T>\nT f(T t) {\n}\n"), [("f", 4)])


if __name__ == "__main__":
    unittest.main()
