#include "net/grpc/frames.h"

#include <algorithm>

namespace keelson::net::grpc {

namespace {

// What a message that came in pieces leaves behind.
constexpr size_t kKeptBytes = 4 << 10;

size_t length_in(const char* prefix) {
  size_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

}  // namespace

void put_prefix(char* to, size_t bytes) {
  to[0] = 0;
  for (size_t i = kPrefixBytes - 1; i >= 1; --i, bytes >>= 8) to[i] = static_cast<char>(bytes);
}

FrameReader::Outcome FrameReader::take_prefix(const char* prefix) {
  length_ = length_in(prefix);
  if (prefix[0] != 0) return Outcome::kCompressed;
  return length_ > message_bytes_max_ ? Outcome::kTooLarge : Outcome::kMessage;
}

FrameReader::Outcome FrameReader::next(std::string_view& message) {
  if (is_given_) {
    partial_.clear();
    partial_.shrink_if_empty(kKeptBytes);
    is_given_ = false;
  }
  if (partial_.empty() && piece_.size() >= kPrefixBytes) {
    const Outcome outcome = take_prefix(piece_.data());
    if (outcome != Outcome::kMessage) return outcome;
    if (piece_.size() >= kPrefixBytes + length_) {
      message = piece_.substr(kPrefixBytes, length_);
      piece_.remove_prefix(kPrefixBytes + length_);
      return Outcome::kMessage;
    }
  }
  const auto take = [this](size_t wanted) {
    const size_t bytes = std::min(wanted - std::min(wanted, partial_.size()), piece_.size());
    partial_.append(piece_.substr(0, bytes));
    piece_.remove_prefix(bytes);
    return partial_.size() >= wanted;
  };
  if (!take(kPrefixBytes)) return Outcome::kMore;
  const Outcome outcome = take_prefix(partial_.data());
  if (outcome != Outcome::kMessage) return outcome;
  if (!take(kPrefixBytes + length_)) return Outcome::kMore;
  message = partial_.view().substr(kPrefixBytes);
  is_given_ = true;
  return Outcome::kMessage;
}

}  // namespace keelson::net::grpc
