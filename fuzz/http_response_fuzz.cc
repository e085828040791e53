// Any bytes as an HTTP/1.1 response: what is accepted has one framing, and its views lie within the bytes.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/http/body_decoder.h"
#include "net/http/parser.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view method = data[0] % 2 == 0 ? "GET" : "HEAD";
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::array<Field, 32> lines;
  ResponseHead head;
  const HeadOutcome outcome = parse_response_head(bytes, Limits{}, lines, 0, method, head);
  if (outcome.size == 0) return 0;
  KEELSON_CHECK(outcome.size <= bytes.size() && head.status >= 100 && head.status <= 599, "a good status line");
  KEELSON_CHECK(method == "GET" || head.framing.kind == Framing::Kind::kNone, "no content after HEAD");
  KEELSON_CHECK(head.framing.kind == Framing::Kind::kNone ||
                    head.fields.count("Content-Length") + head.fields.count("Transfer-Encoding") <= 1,
                "the framing is unambiguous");
  std::string_view rest = bytes.substr(outcome.size);
  BodyDecoder decoder(head.framing, UINT64_MAX);
  while (!decoder.is_done() && !rest.empty()) {
    const BodyDecoder::Piece piece = decoder.next(rest);
    if (piece.fault) return 0;
    KEELSON_CHECK(piece.consumed != 0, "every call gets on");
    rest.remove_prefix(piece.consumed);
  }
  return 0;
}
