// How fast heads of requests are parsed, beside picohttpparser and llhttp: nanoseconds for each, the best of several
// rounds. Keelson's and picohttpparser's parsers hand out the request
// line and the field lines as views; llhttp calls back for each piece, which is stored the same way. Keelson's alone
// also takes the target apart, and decides on the framing, the host and whether the connection is kept; llhttp's
// decides on the framing. Built with the peers by `bench/run http --parsers`, which fetches their sources; without them
// it measures Keelson's alone.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/numbers.h"
#include "net/http/parser.h"

#ifdef KEELSON_BENCH_PEERS
#include <llhttp.h>
#include <picohttpparser.h>
#endif

namespace {

using keelson::net::http::Field;
using keelson::net::http::HeadOutcome;
using keelson::net::http::Limits;
using keelson::net::http::parse_request_head;
using keelson::net::http::RequestHead;

constexpr size_t kFieldsMax = 100;

struct Sample {
  const char* name;
  std::string bytes;
};

std::string browser_request() {
  std::string text =
      "GET /harbour/pictures/2026/11/a-ship-with-a-very-long-keelson-at-dawn.jpg HTTP/1.1\r\n"
      "Host: www.harbour.example\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 Something/0.9\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
      "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
      "Accept-Encoding: gzip,deflate\r\n"
      "Accept-Charset: utf-8;q=0.7,*;q=0.7\r\n"
      "Keep-Alive: 115\r\n"
      "Connection: keep-alive\r\n"
      "Cookie: ";
  constexpr size_t kBytes = 703;
  while (text.size() < kBytes - 4) text.append("visits=2; lasttime=1790000000; id=0123456789.0123456789; ");
  return text.substr(0, kBytes - 4) + "\r\n\r\n";
}

std::vector<Sample> samples() {
  return {
      {"shortest", "GET / HTTP/1.1\r\nHost: abc\r\n\r\n"},
      {"wrk", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
      {"curl", "GET /a/b?c=d HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"},
      {"S3 client",
       "PUT /bucket/photos/2026/11/26/0001.jpg HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nAccept-Encoding: identity\r\n"
       "User-Agent: Boto3/1.35.0 md/Botocore#1.35.0 ua/2.0 os/linux#6.1.0 md/arch#x86_64 lang/python#3.11.2\r\n"
       "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nExpect: 100-continue\r\nX-Amz-Date: 20261126T080000Z\r\n"
       "X-Amz-Content-SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
       "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261126/us-east-1/s3/aws4_request, "
       "SignedHeaders=content-md5;host;x-amz-content-sha256;x-amz-date, "
       "Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024\r\n"
       "Content-Length: 65536\r\n\r\n"},
      {"browser", browser_request()},
      {"many lines",
       [] {
         std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
         for (int i = 0; i < 30; ++i)
           text.append("X-Field-" + std::to_string(i) + ": value " + std::to_string(i) + "\r\n");
         return text + "\r\n";
       }()},
  };
}

// tidy: volatile, because the compiler must not drop what nobody looks at.
void keep(const void* what) { asm volatile("" : : "r"(what) : "memory"); }

size_t with_keelson(std::string_view bytes, int count) {
  std::array<Field, kFieldsMax> lines;
  const Limits limits;
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    RequestHead head;
    const HeadOutcome outcome = parse_request_head(bytes, limits, lines, 0, head);
    total += outcome.size;
    keep(&head);
  }
  return total;
}

#ifdef KEELSON_BENCH_PEERS
size_t with_picohttpparser(std::string_view bytes, int count) {
  std::array<phr_header, kFieldsMax> lines;
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    const char *method = nullptr, *path = nullptr;
    size_t method_size = 0, path_size = 0, line_count = lines.size();
    int minor = 0;
    const int done = phr_parse_request(bytes.data(), bytes.size(), &method, &method_size, &path, &path_size, &minor,
                                       lines.data(), &line_count, 0);
    total += static_cast<size_t>(std::max(done, 0));
    keep(lines.data());
  }
  return total;
}

// What llhttp calls back with, stored as the others do.
struct Collected {
  std::array<Field, kFieldsMax> lines;
  size_t count = 0;
  std::string_view target;
  bool is_whole = false;
};
Collected& of(llhttp_t* parser) { return *static_cast<Collected*>(parser->data); }

size_t with_llhttp(std::string_view bytes, int count) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_url = [](llhttp_t* parser, const char* at, size_t size) { return of(parser).target = {at, size}, 0; };
  settings.on_header_field = [](llhttp_t* parser, const char* at, size_t size) {
    return of(parser).lines[of(parser).count].name = {at, size}, 0;
  };
  settings.on_header_value = [](llhttp_t* parser, const char* at, size_t size) {
    return of(parser).lines[of(parser).count++].value = {at, size}, 0;
  };
  settings.on_headers_complete = [](llhttp_t* parser) {
    of(parser).is_whole = true;
    return static_cast<int>(HPE_PAUSED);  // only heads are compared
  };
  Collected collected;
  llhttp_t parser;
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &collected;
    collected.count = 0;
    collected.is_whole = false;
    (void)llhttp_execute(&parser, bytes.data(), bytes.size());
    total += collected.is_whole ? bytes.size() : 0;
    keep(&collected);
  }
  return total;
}
#endif

double nanoseconds(size_t (*parse)(std::string_view, int), std::string_view bytes) {
  constexpr int kRounds = 40;
  constexpr int kCount = 20'000;
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    const size_t total = parse(bytes, kCount);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    KEELSON_CHECK(total == bytes.size() * kCount, "every head is whole");
    best = std::min(best, took.count() / kCount);
  }
  return best;
}

struct Parser {
  const char* name;
  size_t (*parse)(std::string_view, int);
};
constexpr Parser kParsers[] = {
    {"keelson", with_keelson},
#ifdef KEELSON_BENCH_PEERS
    {"picohttpparser", with_picohttpparser},
    {"llhttp", with_llhttp},
#endif
};

}  // namespace

// Without arguments a line for each head: "name|bytes|ns|ns|ns". With PARSER HEAD COUNT that alone, for who counts
// instructions.
int main(int argc, char** argv) {
  for (const Sample& sample : samples()) {
    if (argc != 4) std::printf("%s|%zu", sample.name, sample.bytes.size());
    for (const Parser& parser : kParsers) {
      if (argc != 4) {
        std::printf("|%.1f", nanoseconds(parser.parse, sample.bytes));
      } else if (std::string_view(argv[1]) == parser.name && std::string_view(argv[2]) == sample.name) {
        const int count = static_cast<int>(keelson::parse_uint64(argv[3]).value_or(0));
        KEELSON_CHECK(parser.parse(sample.bytes, count) == sample.bytes.size() * static_cast<size_t>(count), "whole");
      }
    }
    if (argc != 4) std::printf("\n");
  }
  return 0;
}
