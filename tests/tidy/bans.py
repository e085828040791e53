"""What may not stand in the code, and what to write in its place."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Ban:
    name: str        # for `// tidy: <name>, because ...` beside the exception
    pattern: str     # over code without comments and strings
    instead: str
    exempt: str | None = None    # paths where it is at home
    in_tests: bool = True        # does it hold in tests (and fuzz, bench) too?


_REAL = r"src/env/real/.*"
_PACKED = r"src/engine/kv/.*"
_SYSTEM = r"src/env/real/.*|src/(server|cli)/.*|tests/.*|bench/.*|.*_test\.cc"
_TEXT = r"src/(cli|server)/.*|bench/.*|fuzz/.*|tests/.*|tools/.*"
# A call of the system's function: not a member's, not another namespace's. The second form is for names that are fine for
# members of ours too (open, listen, clock): only the qualified call is the system's, and THIRD_PARTY keeps its headers out.
_FREE = r"(?<![\w.:>~])(?:::|std::)?"
_QUALIFIED = r"(?<![\w:>])(?:::|std::)"

BANS = [
    Ban("clock", r"std::chrono::\w+_clock\b|" + _FREE + r"(clock_gettime|gettimeofday|localtime(_r)?|gmtime(_r)?)\s*\(|" +
        _QUALIFIED + r"(time|clock)\s*\(",
        "env::Clock, through Reactor::clock() or Env::clock()", _REAL, in_tests=False),
    Ban("sleep", r"std::this_thread::sleep\w*|" + _FREE + r"(usleep|nanosleep)\s*\(|" + _QUALIFIED + r"sleep\s*\(",
        "co_await env::sleep_for(), or an env::Timer; a test drives virtual time"),
    Ban("random", r"std::random_device\b|std::default_random_engine\b|" + _FREE +
        r"(rand|srand|srandom|drand48|getrandom|getentropy)\s*\(|" + _QUALIFIED + r"random\s*\(",
        "env::Random; in a test a std::mt19937_64 with a fixed seed", _REAL),
    Ban("thread", r"std::(thread|jthread|async|condition_variable(_any)?|barrier|latch|counting_semaphore|binary_semaphore)\b|\bpthread_create\b",
        "Reactor::post() to the reactor that owns the data", _REAL, in_tests=False),
    Ban("lock", r"std::(mutex|shared_mutex|recursive_mutex|timed_mutex|lock_guard|unique_lock|scoped_lock|shared_lock|call_once)\b|\bpthread_mutex\w*",
        "what two threads share belongs to one reactor; reach it with Reactor::post()", _REAL, in_tests=False),
    Ban("file", r"std::(basic_)?[io]?fstream\b|std::filesystem\b|" + _FREE +
        r"(fopen|freopen|tmpfile|mkstemp|openat|pread|pwrite|fsync|fdatasync|posix_fallocate|ftruncate|opendir)\s*\(|" +
        _QUALIFIED + r"(open|creat|read|write|close|fallocate|truncate|unlink|rename|mkdir|rmdir|flock|remove)\s*\(",
        "env::Disk and env::File", _REAL, in_tests=False),
    Ban("socket", _FREE + r"(setsockopt|getsockopt|sendmsg|recvmsg|sendto|recvfrom|epoll_\w+|getaddrinfo|socketpair|eventfd)\s*\(|"
        r"(?<![\w:>])::(socket|bind|listen|accept4?|connect|send|recv|poll|select)\s*\(",
        "env::Network, env::Stream and env::Listener", _REAL, in_tests=False),
    Ban("environment", _FREE + r"(getenv|secure_getenv|setenv|putenv)\s*\(", "the configuration of server/",
        r"src/(server|cli)/.*|src/env/(real|sim)/.*|tests/.*"),
    Ban("process", _FREE + r"(vfork|popen|execv\w*|execl\w*|sigaction|_exit|quick_exit)\s*\(|" +
        _QUALIFIED + r"(fork|system|signal|exit)\s*\(",
        "server/ alone decides how the process lives and ends; a defect of ours is a KEELSON_CHECK",
        r"src/(server|cli)/.*|tests/.*|bench/.*|src/env/(real|sim)/.*"),
    Ban("assert", r"(?<![\w])assert\s*\(", "KEELSON_CHECK, which stays on in release builds, with a reason"),
    Ban("abort", _QUALIFIED + r"(abort|terminate)\s*\(", "KEELSON_CHECK with a reason", 
        r"src/base/(check\.cc|task\.h)|tests/.*|fuzz/.*", in_tests=False),
    Ban("throw", r"\bthrow\b", "return fail(code, sentence): errors are values (base/result.h)"),
    Ban("printf", _FREE + r"(v?f?printf|v?sprintf|puts|fputs|putchar|scanf|fscanf|sscanf)\s*\(",
        "std::snprintf, fmt::format or std::to_chars for text, log_info() and its like for lines", 
        r"src/(cli|server)/.*|src/base/(check|logging)\.cc|src/env/sim/.*", in_tests=False),
    Ban("stdout", r"std::(cout|cerr|clog|cin)\b", "log_info() and its like; the program's own words belong to cli/ and server/", _TEXT),
    Ban("cstring", _FREE + r"(strcpy|strncpy|strcat|strncat|strtok(_r)?|gets|stpcpy|alloca)\s*\(", "std::string, std::string_view and Buffer"),
    Ban("parse", _FREE + r"(atoi|atol|atoll|atof|strtol|strtoul|strtoll|strtoull|strtod|strtof|stoi|stol|stoll|stoul|stoull|stof|stod|stold)\s*\(",
        "base/numbers.h or std::from_chars: no locale, no exception, no silent zero", in_tests=False),
    # An entry of the keyspace is a 48-bit pointer in a packed cell, which no smart pointer fits: engine/kv frees by hand.
    Ban("naked delete", r"\bdelete\b(?!\s*;)(?!\s*\))\s*(\[\s*\])?\s*(?!this\b)[\w(*]+", "a std::unique_ptr that owns it", _PACKED, in_tests=False),
    Ban("naked new", r"(?<![\w.])(?<!>\()(?<!reset\()new\s+(?!\()[\w:]+(?!\w*\[)", "std::make_unique, or a container", _PACKED),
    Ban("malloc", _FREE + r"(malloc|calloc|realloc|posix_memalign|aligned_alloc)\s*\(|" + _QUALIFIED + r"free\s*\(", "std::unique_ptr, a container, or Buffer", _PACKED),
    Ban("regex", r"std::regex\b", "a small parser: std::regex recurses on the input's length"),
    Ban("shared_ptr", r"std::(shared_ptr|make_shared)<(?!const\b)[^>]*>|std::weak_ptr\b",
        "one owner (std::unique_ptr) and references; what reactors share is const", r"src/env/.*", in_tests=False),
    Ban("volatile", r"\bvolatile\b", "std::atomic, or env's seam"),
    Ban("gmock", r"\b(MOCK_METHOD|EXPECT_CALL|ON_CALL)\b", "an in-memory fake"),
    Ban("using namespace", r"\busing\s+namespace\s+std\s*;", "the names themselves"),
    Ban("goto", r"\bgoto\b", "a function that returns"),
    Ban("nondeterminism", r"std::hash<[^>]*\*>|std::unordered_(map|set)<[^,>]*\*", "an order that does not hang on addresses"),
]

# (prefix of the header, paths where it may be included, why nowhere else)
THIRD_PARTY = [
    ("boost/asio", r"src/env/real/.*\.cc", "Asio is heavy and stays behind env's seam, in .cc files"),
    ("boost/beast", r"", "HTTP is parsed by net/http"),
    ("openssl/", r"src/net/.*|src/env/real/.*|src/server/.*|src/protocol/s3/digest\.cc|src/protocol/etcd/secrets\.cc|src/protocol/kafka/scram\.cc|src/blobstore/sealing\.cc|tests/.*",
     "TLS lives in net/, hashes in protocol/s3/digest.h, ciphers in blobstore/sealing.h"),
    ("nghttp2/", r"src/net/http/.*_test\.cc|bench/.*", "HTTP/2 is net/http's own; the library is the other side of its tests"),
    ("spdlog/", r"src/monitor/.*|src/server/.*", "everybody else logs through base/logging.h"),
    ("toml", r"src/server/.*", "the configuration file is read by server/ alone"),
    ("CLI/", r"src/(server|cli)/.*", "the command line is read by server/ and cli/ alone"),
    ("google/protobuf", r"src/protocol/etcd/json\.cc|src/protocol/pubsub/(messages\.h|.*\.cc)", "generated messages are heavy; what is sent is written and read in place"),
    ("rpc.pb.h", r"src/protocol/etcd/(json\.cc|.*_test\.cc)|fuzz/etcd_.*|bench/.*", "protocol/etcd/requests.h and its answers"),
    ("gtest/", r".*_test\.cc|tests/.*|.*(test_support|_harness|_fake|fake_\w+|gtest_\w+)\.h", "tests only"),
    ("gmock/", r"", "write an in-memory fake"),
    ("sys/", _SYSTEM, "the operating system is reached through env's seam"),
    ("netinet/", _SYSTEM, "env::Network"),
    ("arpa/", _SYSTEM, "env::Network"),
    ("fcntl.h", _SYSTEM, "env::Disk"),
    ("poll.h", _SYSTEM, "env::Stream"),
    ("unistd.h", _SYSTEM, "env's seam"),
    ("ctime", _SYSTEM, "env::Clock"),
    ("fstream", _SYSTEM, "env::Disk"),
    ("filesystem", _SYSTEM, "env::Disk"),
    ("thread", r"src/env/real/.*|.*_test\.cc|tests/.*|bench/.*", "Reactor::post()"),
    ("mutex", r"src/env/real/.*|.*_test\.cc|tests/.*|bench/.*", "Reactor::post()"),
    ("iostream", r"src/(cli|server)/.*|bench/.*|tests/.*|fuzz/.*|tools/.*", "log_info() and its like"),
    ("regex", r"", "a small parser"),
]
