"""bench/run http --parsers: heads of requests through Keelson's parser, picohttpparser and llhttp (bench/http_parse.cc).

The peers' sources come from package registries into build/peers (picohttpparser from the crate picohttpparser-sys, llhttp from the
PyPI package httptools) and are compiled as the program is. The table goes to the standard output. Instructions are not
counted: virtual machines seldom have the counters, and valgrind 3.19 does not know the one of picohttpparser's scan.
"""
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"
BUILD = ROOT / "build" / "release"
HTTPTOOLS = "0.6.4"
PICO_SYS = "1.0.0"
FLAGS = ["-O2", "-msse4.2", "-mpclmul", "-mpopcnt", "-fno-omit-frame-pointer"]   # as CMakeLists.txt has them


def run(*argv, **options) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, argv))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def fetch_picohttpparser() -> Path:
    crate = PEERS / "pico"
    found = crate / "vendor" / "picohttpparser-sys" / "deps" / "picohttpparser"
    if not found.exists():
        (crate / "src").mkdir(parents=True, exist_ok=True)
        (crate / "src" / "lib.rs").write_text("")
        (crate / "Cargo.toml").write_text('[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n'
                                          f'picohttpparser-sys = "{PICO_SYS}"\n')
        run("cargo", "vendor", "vendor", cwd=crate)
    return found


def fetch_llhttp() -> Path:
    found = PEERS / f"httptools-{HTTPTOOLS}" / "vendor" / "llhttp"
    if not found.exists():
        archive = PEERS / "sdist" / f"httptools-{HTTPTOOLS}.tar.gz"
        if not archive.exists():
            run(sys.executable, "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps", f"httptools=={HTTPTOOLS}", "-d", archive.parent)
        with tarfile.open(archive) as files:
            files.extractall(PEERS)   # a source archive of the registry's, under build/
    return found


def main() -> int:
    PEERS.mkdir(parents=True, exist_ok=True)
    pico, llhttp = fetch_picohttpparser(), fetch_llhttp()
    objects = []
    for source in (pico / "picohttpparser.c", *sorted((llhttp / "src").glob("*.c"))):
        objects.append(PEERS / f"{source.stem}.o")
        run("clang-19", *FLAGS, "-c", source, "-I", llhttp / "include", "-o", objects[-1])
    program = PEERS / "http_parse"
    libraries = [BUILD / "src" / folder / f"libkeelson_{name}.a" for folder, name in (("net/http", "net_http"), ("base", "base"))]
    run("clang++-19", *FLAGS, "-std=c++23", "-DKEELSON_BENCH_PEERS", "-I", ROOT / "src", "-I", pico, "-I", llhttp / "include",
        ROOT / "bench" / "http_parse.cc", *objects, *libraries, "-o", program)
    names = ["keelson", "picohttpparser", "llhttp"]
    heads = ["head", "bytes", *(f"{name}, ns" for name in names), "ns by picohttpparser's"]
    rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for line in run(program).splitlines():
        name, size, *times = line.split("|")
        rows.append([name, size, *times, f"{float(times[0]) / float(times[1]):.2f}"])
    print("\n".join("| " + " | ".join(row) + " |" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
