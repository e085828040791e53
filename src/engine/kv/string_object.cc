#include "engine/kv/string_object.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "engine/kv/pending_object.h"
#include "engine/kv/size_class.h"

namespace keelson::kv {
namespace {

constexpr size_t kGrowthMax = size_t{1} << 20;

}  // namespace

StringObject::StringObject(size_t capacity) : BigObject(Kind::kString) { reallocate(capacity); }

StringObject::~StringObject() { std::free(data_); }

void StringObject::reallocate(size_t capacity) {
  capacity_ = size_class(std::max<size_t>(capacity, 1));
  data_ = static_cast<char*>(std::realloc(data_, capacity_));
  KEELSON_CHECK(data_ != nullptr, "out of memory");
}

void StringObject::changing(size_t offset, size_t bytes) {
  if (pending() == nullptr || bytes == 0) return;
  for (size_t block = offset / kBlockBytes; block <= (offset + bytes - 1) / kBlockBytes; ++block) {
    if (pending() != nullptr) pending()->before_block(block);
  }
}

void StringObject::resize(size_t size) {
  if (size > capacity_) reallocate(size + std::min(size, kGrowthMax));
  if (size > size_) std::memset(data_ + size_, 0, size - size_);
  size_ = size;
}

void StringObject::assign(std::string_view bytes) {
  KEELSON_CHECK(size_ == 0 && pending() == nullptr, "assign() is for a new string");
  if (bytes.size() > capacity_) reallocate(bytes.size());
  std::copy_n(bytes.data(), bytes.size(), data_);
  size_ = bytes.size();
}

void StringObject::load_begin(size_t size) {
  KEELSON_CHECK(data_ == nullptr, "load_begin() is for a new string");
  capacity_ = size_class(std::max<size_t>(size, 1));
  data_ = static_cast<char*>(std::calloc(capacity_, 1));
  KEELSON_CHECK(data_ != nullptr, "out of memory");
  size_ = size;
}

}  // namespace keelson::kv
