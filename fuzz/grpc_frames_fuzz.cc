// Any bytes as the messages of a gRPC stream: cut anywhere, the same messages come out, none larger than the limit.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/grpc/frames.h"
#include "net/grpc/timeout.h"

using namespace keelson;             // tidy: using namespace, because this file is about nothing else
using namespace keelson::net::grpc;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr size_t kMessageBytesMax = 1000;

struct Seen {
  std::vector<std::string> messages;
  FrameReader::Outcome end = FrameReader::Outcome::kMore;
  bool operator==(const Seen&) const = default;
};

Seen read(std::string_view bytes, size_t piece_bytes) {
  Seen seen;
  FrameReader reader(kMessageBytesMax);
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, piece_bytes));  // of its own, so that a stale view is seen
    bytes.remove_prefix(piece.size());
    reader.feed(piece);
    std::string_view message;
    FrameReader::Outcome outcome = reader.next(message);
    for (; outcome == FrameReader::Outcome::kMessage; outcome = reader.next(message)) {
      KEELSON_CHECK(message.size() <= kMessageBytesMax, "no message is larger than the limit");
      seen.messages.emplace_back(message);
    }
    seen.end = outcome;
    if (outcome != FrameReader::Outcome::kMore) break;
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)parse_timeout_ns(bytes.substr(0, 16));
  const Seen whole = read(bytes, bytes.size() + 1);
  for (const size_t piece_bytes : {1, 3, 6, 64}) {
    KEELSON_CHECK(read(bytes, piece_bytes) == whole, "cut anywhere, the messages are the same");
  }
  return 0;
}
