// Any bytes as WebSocket frames of a client: the same events however the bytes are cut, and texts are UTF-8.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/check.h"
#include "net/http/websocket.h"

using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr size_t kMessageBytesMax = 1000;

std::string decode(std::string_view bytes, size_t piece) {
  using Kind = WsDecoder::Event::Kind;
  WsDecoder decoder(kMessageBytesMax);
  keelson::Buffer in;
  std::string seen;
  while (true) {
    const WsDecoder::Event event = decoder.next(in);
    if (event.kind == Kind::kNothing) {
      if (bytes.empty()) return seen;
      in.append(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
      continue;
    }
    KEELSON_CHECK(event.payload.size() <= kMessageBytesMax, "a message has a limit");
    if (event.kind == Kind::kMessage && event.is_text) {
      Utf8Check utf8;
      KEELSON_CHECK(utf8.feed(event.payload) && utf8.is_at_end(), "a text is UTF-8");
    }
    seen += std::to_string(static_cast<int>(event.kind)) + std::to_string(static_cast<int>(event.code));
    seen.append(event.payload);
    if (event.kind == Kind::kClose || event.kind == Kind::kFault) return seen;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = decode(bytes, SIZE_MAX);
  KEELSON_CHECK(decode(bytes, 1) == whole && decode(bytes, 1 + size % 13) == whole, "the same however they are cut");
  return 0;
}
