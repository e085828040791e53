// Writes Kafka's wire types, and frames: https://kafka.apache.org/protocol. See reader.h for their forms.
//
// What is written lies in one buffer, but for fragments: bytes of others that are only referred to (slices of a
// partition's log), which stand between two stretches of the buffer. Frames may follow one another in one writer.
//
//   const Writer::Frame frame = writer.begin_frame();
//   write_response_header(writer, header); encode(writer, version, response);
//   if (!writer.end_frame(frame)) ...;
//   writer.for_each_piece([&](std::string_view piece) { ... });
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "engine/topic/answer.h"
#include "protocol/kafka/reader.h"

namespace keelson::kafka {

using Fragment = topic::Slice;

// Record batches of a response, which are shared with the log and never copied into the writer. Decoded: one fragment,
// a view into the frame, without an owner.
struct Records {
  std::vector<Fragment> fragments;
  bool is_null = false;
  [[nodiscard]] size_t size() const;
  // By their bytes, however these are cut.
  bool operator==(const Records& other) const;
};

class Writer {
 public:
  // Of everything, fragments as well.
  [[nodiscard]] size_t size() const { return buffer_.size() + fragment_bytes_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void clear();

  void boolean(bool value) { int8(value ? 1 : 0); }
  void int8(int8_t value) { buffer_.push_back(static_cast<char>(value)); }
  void int16(int16_t value) { number(value); }
  void int32(int32_t value) { number(value); }
  void int64(int64_t value) { number(value); }
  void float64(double value) { number(std::bit_cast<uint64_t>(value)); }
  void uuid(const Uuid& id);
  void uvarint(uint32_t value);
  // As they are.
  void raw(std::string_view bytes) { buffer_.append(bytes); }

  // At most kStringBytesMax; of a longer one (no client can send such a name) the rest is cut off.
  void string(std::string_view value, bool is_compact);
  void bytes(std::string_view value, bool is_compact);
  void null_string(bool is_compact);
  void null_bytes(bool is_compact);
  void nullable_string(const std::optional<std::string_view>& value, bool is_compact) {
    value ? string(*value, is_compact) : null_string(is_compact);
  }
  void records(const Records& records, bool is_compact);
  void count(size_t elements, bool is_compact) { length(elements, is_compact); }
  void null_count(bool is_compact) { null_bytes(is_compact); }
  // Whether a struct that may be null is there.
  void presence(bool is_there) { int8(is_there ? 1 : -1); }

  // A tagged field: begin_tag(), the value (without fragments), end_tag() with what begin_tag() gave.
  size_t begin_tag(uint32_t tag);
  void end_tag(size_t begun);

  // The four bytes of a frame's size, which end_frame() fills in. False: the frame is larger than its size can tell.
  struct Frame {
    size_t at = 0;      // of its size, in the buffer
    size_t before = 0;  // size() when it began
  };
  Frame begin_frame();
  [[nodiscard]] bool end_frame(const Frame& frame);

  // In order; each piece holds until the next call that is not const.
  template <class Do>
  void for_each_piece(Do&& each) const {
    size_t from = 0;
    for (const External& external : externals_) {
      if (external.at > from) each(buffer_.view().substr(from, external.at - from));
      if (!external.fragment.bytes.empty()) each(external.fragment.bytes);
      from = external.at;
    }
    if (buffer_.size() > from) each(buffer_.view().substr(from));
  }
  // All pieces in one, copied: for tests and small things.
  [[nodiscard]] std::string flattened() const;

 private:
  struct External {
    size_t at = 0;  // in the buffer: it stands before this byte
    Fragment fragment;
  };
  template <class Number>
  void number(Number value) {
    value = std::byteswap(value);
    std::memcpy(buffer_.reserve(sizeof(value)), &value, sizeof(value));
    buffer_.commit(sizeof(value));
  }
  void length(size_t value, bool is_compact);

  Buffer buffer_;
  std::vector<External> externals_;
  size_t fragment_bytes_ = 0;
};

}  // namespace keelson::kafka
