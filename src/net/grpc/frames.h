// Messages of gRPC as bytes (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"): a byte that says whether the message is
// compressed, its length in four bytes, most significant first, and the message. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"

namespace keelson::net::grpc {

inline constexpr size_t kPrefixBytes = 5;

// `to` has kPrefixBytes; `bytes` is below 2^32.
void put_prefix(char* to, size_t bytes);

// Takes what arrives in pieces of any size and gives whole messages. A message that lies whole in a piece is given from
// there; others are gathered, up to the limit.
class FrameReader {
 public:
  enum class Outcome : uint8_t {
    kMessage,
    kMore,        // the piece is used up; feed() the next
    kTooLarge,    // length() says how large; nothing more can be read
    kCompressed,  // likewise
  };

  explicit FrameReader(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // `piece` must hold until next() has said kMore; the one before is used up.
  void feed(std::string_view piece) { piece_ = piece; }
  // `message` holds until the next call.
  [[nodiscard]] Outcome next(std::string_view& message);
  // Nothing is left of a message that has begun.
  [[nodiscard]] bool is_between() const { return piece_.empty() && (partial_.empty() || is_given_); }
  [[nodiscard]] size_t message_bytes_max() const { return message_bytes_max_; }
  // Of the message that is being read.
  [[nodiscard]] size_t length() const { return length_; }

 private:
  [[nodiscard]] Outcome take_prefix(const char* prefix);

  const size_t message_bytes_max_;
  std::string_view piece_;
  Buffer partial_;  // a message with its prefix, as far as it has come
  bool is_given_ = false;
  size_t length_ = 0;
};

}  // namespace keelson::net::grpc
