// How fast heads of requests are parsed: nanoseconds for each, best of several runs, for a browser's head of 703 bytes
// and the shortest that HTTP/1.1 allows. ../shared figures of picohttpparser and llhttp are of heads of these sizes.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http/parser.h"

namespace {

using keelson::net::http::Field;
using keelson::net::http::HeadOutcome;
using keelson::net::http::Limits;
using keelson::net::http::parse_request_head;
using keelson::net::http::RequestHead;

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

double nanoseconds(std::string_view bytes, int count) {
  std::array<Field, 100> lines;
  const Limits limits;
  const auto began = std::chrono::steady_clock::now();
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    RequestHead head;
    const HeadOutcome outcome = parse_request_head(bytes, limits, lines, 0, head);
    total += outcome.size + head.fields.size();
    // tidy: volatile, because the compiler must not drop what nobody looks at.
    asm volatile("" : : "r"(&head) : "memory");
  }
  const auto took = std::chrono::steady_clock::now() - began;
  KEELSON_CHECK(total > bytes.size() * static_cast<size_t>(count), "the head is whole");
  return std::chrono::duration<double, std::nano>(took).count() / count;
}

}  // namespace

int main() {
  const std::string browser = browser_request();
  const std::string shortest = "GET / HTTP/1.1\r\nHost: abc\r\n\r\n";
  for (const std::string& bytes : {browser, shortest}) {
    double best = 1e9;
    for (int round = 0; round < 20; ++round) best = std::min(best, nanoseconds(bytes, 100'000));
    std::printf("%zu bytes: %.1f ns, %.2f million requests/s, %.2f GB/s\n", bytes.size(), best, 1e3 / best,
                static_cast<double>(bytes.size()) / best);
  }
}
