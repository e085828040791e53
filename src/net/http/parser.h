// A strict parser of HTTP/1.1 messages: pure functions over bytes, incremental, with a limit for everything.
//
// Whatever two parsers could read in two ways is refused, since that is how requests are smuggled past a proxy (RFC
// 9112 §11.2): a bare CR or LF, a folded field line, a blank before the colon, control characters, more than one
// Content-Length, Content-Length beside Transfer-Encoding, a transfer coding other than "chunked" alone,
// Transfer-Encoding in HTTP/1.0, no Host or two.
//
// A message is a head, found by find_head_end() and read as a whole, and a body, decoded by BodyDecoder as it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "net/http/message.h"

namespace keelson::net::http {

struct Limits {
  size_t first_line_bytes_max = 8 << 10;  // RFC 9112 §3: at least 8000
  size_t head_bytes_max = 32 << 10;
  size_t fields_max = 100;
  uint64_t body_bytes_max = 1 << 20;
};

// What is wrong with a message: the status to answer with (0: nothing) and a sentence for its sender.
struct Fault {
  uint16_t status = 0;
  std::string_view why;
  [[nodiscard]] explicit operator bool() const { return status != 0; }
};

// Looks for the end of a head at the start of `bytes`, which grow from call to call.
class HeadFinder {
 public:
  explicit HeadFinder(const Limits& limits) : limits_(limits) {}
  // The head's size with its empty line; nullopt while it is not whole, or when fault() says that it never will be.
  std::optional<size_t> find(std::string_view bytes);
  [[nodiscard]] const Fault& fault() const { return fault_; }
  void reset() { seen_ = 0, fault_ = {}; }

 private:
  const Limits& limits_;
  size_t seen_ = 0;  // bytes that hold no end
  Fault fault_;
};

// How the body that follows a head is delimited.
struct Framing {
  enum class Kind : uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;
};

// `bytes` is one whole head, its empty line included.
Fault parse_request_head(std::string_view bytes, const Limits& limits, RequestHead& head, Framing& framing);
// `is_head_request`: the answer to HEAD has no body whatever its fields say.
Fault parse_response_head(std::string_view bytes, const Limits& limits, bool is_head_request, ResponseHead& head,
                          Framing& framing);

// Takes a body out of the bytes of a connection.
class BodyDecoder {
 public:
  BodyDecoder() = default;
  BodyDecoder(Framing framing, uint64_t bytes_max);

  // Consumes from `in` and appends the body's bytes to `out`, `out_bytes_max` at most. Stops at the end of the body;
  // what follows it stays in `in`.
  Fault decode(Buffer& in, Buffer& out, size_t out_bytes_max = SIZE_MAX);
  [[nodiscard]] bool is_done() const { return state_ == State::kDone; }
  // The connection has ended: is the body whole?
  [[nodiscard]] bool is_whole_at_end() const { return is_done() || framing_.kind == Framing::Kind::kUntilClose; }

 private:
  enum class State : uint8_t { kData, kChunkSize, kChunkData, kChunkEnd, kTrailer, kDone };
  // One line up to its CRLF, consumed; nullopt: not whole yet, or a fault.
  std::optional<std::string> take_line(Buffer& in, Fault& fault);
  Fault take_chunk_size(std::string_view line);
  Fault take_data(Buffer& in, Buffer& out, size_t& room);

  Framing framing_;
  State state_ = State::kDone;
  uint64_t left_ = 0;  // of the body or the chunk
  uint64_t total_ = 0;
  uint64_t bytes_max_ = 0;
  size_t trailer_bytes_ = 0;
};

}  // namespace keelson::net::http
