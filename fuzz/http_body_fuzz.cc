// Any bytes as a chunked body: the same content and trailers however the bytes are cut, no more of it than the limit,
// and no more framing than a body earns.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/http/body_decoder.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr uint64_t kBytesMax = 2048;

std::string decode(std::string_view bytes, size_t piece) {
  BodyDecoder decoder({Framing::Kind::kChunked, 0}, kBytesMax);
  std::string body;
  while (!decoder.is_done()) {
    if (bytes.empty()) return body + "...";
    const BodyDecoder::Piece part = decoder.next(bytes.substr(0, std::min(piece, bytes.size())));
    body.append(part.data);
    if (part.fault) return body + "!";
    KEELSON_CHECK(part.consumed != 0, "every call gets on");
    bytes.remove_prefix(part.consumed);
  }
  KEELSON_CHECK(body.size() <= kBytesMax, "a body has a limit");
  for (const Field& field : decoder.trailers()) body.append("|").append(field.name).append("=").append(field.value);
  return body + "#" + std::to_string(bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = decode(bytes, SIZE_MAX);
  KEELSON_CHECK(decode(bytes, 1) == whole && decode(bytes, 1 + size % 11) == whole,
                "the same body however the bytes are cut");
  return 0;
}
