// The object of a string that is too long for its entry. Grows by doubling up to a step of 1 MiB.
#pragma once

#include <cstdlib>
#include <string_view>

#include "engine/kv/big_object.h"

namespace keelson::kv {

class StringObject final : public BigObject {
 public:
  static constexpr size_t kBlockBytes = 64 * 1024;  // what a checkpoint writes at once

  StringObject() : BigObject(Kind::kString) {}
  explicit StringObject(size_t capacity);
  ~StringObject();

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t capacity() const { return capacity_; }
  [[nodiscard]] char* data() { return data_; }
  // Tells the checkpoint that these bytes are about to change.
  void changing(size_t offset, size_t bytes);
  // New bytes at the end are zero. Call changing() first for what is going to be written.
  void resize(size_t size);
  // With room for it, and no more than that.
  void assign(std::string_view bytes);
  // For loading a checkpoint, on a new string: so many zeros, whose memory is taken where it is written to.
  void load_begin(size_t size);

 private:
  void reallocate(size_t capacity);

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace keelson::kv
