// A growable run of bytes that is written at its end and read from its start.
//
// Unlike std::string it does not clear what it grows by, and consuming from the front does not move the rest until
// there is need. Views into it hold until the next call that is not const.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace keelson {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  [[nodiscard]] size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] size_t capacity() const { return capacity_; }
  [[nodiscard]] char* data() { return bytes_.get() + begin_; }
  [[nodiscard]] const char* data() const { return bytes_.get() + begin_; }
  [[nodiscard]] std::string_view view() const { return {data(), size()}; }

  // At least `extra` bytes of room behind the end; write there, then commit().
  char* reserve(size_t extra) {
    if (capacity_ - end_ < extra) make_room(extra);
    return bytes_.get() + end_;
  }
  [[nodiscard]] size_t room() const { return capacity_ - end_; }
  void commit(size_t written) { end_ += written; }

  void append(std::string_view bytes) {
    char* to = reserve(bytes.size());
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void push_back(char byte) {
    *reserve(1) = byte;
    ++end_;
  }

  void consume(size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Drops what was appended after the first `size` bytes.
  void truncate(size_t size) { end_ = begin_ + size; }
  void clear() { begin_ = end_ = 0; }
  // Gives memory back when more than `keep` bytes are held and nothing is in them.
  void shrink_if_empty(size_t keep);

  void swap(Buffer& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void make_room(size_t extra);

  std::unique_ptr<char[]> bytes_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace keelson
