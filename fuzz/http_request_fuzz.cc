// Any bytes as HTTP/1.1 requests with their bodies: the same messages however the bytes are cut, each unambiguous, and
// what the parser hands out lies within what it was given.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http/body_decoder.h"
#include "net/http/parser.h"
#include "net/http/url.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr size_t kFieldsMax = 32;

Limits limits() {
  Limits made;
  made.fields_max = kFieldsMax;
  made.body_bytes_max = 4096;
  made.first_line_bytes_max = 512;
  made.head_bytes_max = 2048;
  return made;
}

bool lies_within(std::string_view part, std::string_view whole) {
  return part.empty() || part == "/" ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_head(const RequestHead& head, std::string_view bytes) {
  for (std::string_view part : {head.method, head.target, head.host, head.path, head.query}) {
    KEELSON_CHECK(lies_within(part, bytes), "views lie within the head");
  }
  for (const Field& field : head.fields) {
    KEELSON_CHECK(lies_within(field.name, bytes) && lies_within(field.value, bytes), "views lie within the head");
    KEELSON_CHECK(field.name.find_first_of(" \t\r\n:") == std::string_view::npos, "names are tokens");
    KEELSON_CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
                  "no line ends in a value");
  }
  KEELSON_CHECK(head.fields.count("Content-Length") + head.fields.count("Transfer-Encoding") <= 1,
                "the framing is unambiguous");
  KEELSON_CHECK(head.fields.count("Host") <= 1, "one host");
  std::string path;
  KEELSON_CHECK(percent_decode(head.path, false, path) && path.find('\0') == std::string::npos, "no NUL in a path");
}

// What came out, and "!" at a fault.
std::string read_all(std::string_view bytes, size_t piece) {
  const Limits all_limits = limits();
  std::array<Field, kFieldsMax> lines;
  std::string seen;
  while (true) {
    size_t fed = 0;
    size_t known = 0;
    RequestHead head;
    HeadOutcome outcome;
    while (outcome.size == 0 && !outcome.fault && fed < bytes.size()) {
      fed = std::min(bytes.size(), fed + piece);
      // A copy of exactly these bytes, so that reading past them is seen.
      const std::string cut(bytes.substr(0, fed));
      RequestHead cut_head;
      if (parse_request_head(cut, all_limits, lines, known, cut_head).size != 0) check_head(cut_head, cut);
      outcome = parse_request_head(bytes.substr(0, fed), all_limits, lines, known, head);
      known = fed;
    }
    if (outcome.fault) return seen + "!";
    if (outcome.size == 0) return seen;
    check_head(head, bytes);
    seen.append(head.method).append(" ").append(head.target).append("\n");
    bytes.remove_prefix(outcome.size);
    BodyDecoder decoder(head.framing, all_limits.body_bytes_max);
    size_t body_bytes = 0;
    while (!decoder.is_done()) {
      if (bytes.empty()) return seen + "...";
      const BodyDecoder::Piece part = decoder.next(bytes.substr(0, std::min(piece, bytes.size())));
      if (part.fault) return seen + "!";
      KEELSON_CHECK(lies_within(part.data, bytes), "a body's bytes are the connection's");
      seen.append(part.data);
      body_bytes += part.data.size();
      bytes.remove_prefix(part.consumed);
    }
    KEELSON_CHECK(body_bytes <= all_limits.body_bytes_max, "a body has a limit");
    for (const Field& field : decoder.trailers()) seen.append(field.name).append(field.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = read_all(bytes, SIZE_MAX / 2);
  const std::string cut = read_all(bytes, 1 + size % 7);
  // Where a limit or a fault ends it, the pieces decide how much came out before.
  if (whole.find('!') == std::string::npos && cut.find('!') == std::string::npos) {
    KEELSON_CHECK(whole == cut, "the same messages however the bytes are cut");
  }
  return 0;
}
