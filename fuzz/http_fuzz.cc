// Any bytes as HTTP/1.1 requests: the parser takes the same messages however the bytes are cut, and what it takes is
// unambiguous.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "net/http/parser.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

// What came out: each head's target and each body, and the last fault.
std::string read_all(std::string_view bytes, size_t piece) {
  Limits limits;
  limits.body_bytes_max = 4096;
  keelson::Buffer in;
  HeadFinder finder(limits);
  std::string seen;
  size_t fed = 0;
  while (true) {
    const std::optional<size_t> size = finder.find(in.view());
    if (finder.fault()) return seen + "!";
    if (!size) {
      if (fed == bytes.size()) return seen;
      const size_t count = std::min(piece, bytes.size() - fed);
      in.append(bytes.substr(fed, count));
      fed += count;
      continue;
    }
    RequestHead head;
    Framing framing;
    const Fault fault = parse_request_head(in.view().substr(0, *size), limits, head, framing);
    in.consume(*size);
    finder.reset();
    if (fault) return seen + "!" + std::to_string(fault.status);
    KEELSON_CHECK(head.fields.count("Content-Length") + head.fields.count("Transfer-Encoding") <= 1,
                  "the framing is unambiguous");
    KEELSON_CHECK(head.path.find('\0') == std::string::npos, "no NUL in a path");
    (void)head.parameter("x");
    seen += head.method + " " + head.target + "\n";
    BodyDecoder decoder(framing, limits.body_bytes_max);
    keelson::Buffer body;
    while (!decoder.is_done()) {
      if (const Fault bad = decoder.decode(in, body)) return seen + "!" + std::to_string(bad.status);
      if (decoder.is_done()) break;
      if (fed == bytes.size()) return seen + "...";
      const size_t count = std::min(piece, bytes.size() - fed);
      in.append(bytes.substr(fed, count));
      fed += count;
    }
    KEELSON_CHECK(body.size() <= limits.body_bytes_max, "a body has a limit");
    seen.append(body.view());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = read_all(bytes, SIZE_MAX);
  const std::string cut = read_all(bytes, 1 + size % 7);
  // Where a limit or a fault ends it, the pieces decide which one is met first.
  if (whole.find('!') == std::string::npos && cut.find('!') == std::string::npos) {
    KEELSON_CHECK(whole == cut, "the same messages however the bytes are cut");
  }
  ResponseHead head;
  Framing framing;
  const size_t end = bytes.find("\r\n\r\n");
  if (end != std::string_view::npos)
    (void)parse_response_head(bytes.substr(0, end + 4), Limits{}, false, head, framing);
  return 0;
}
