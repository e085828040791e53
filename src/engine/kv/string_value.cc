#include "engine/kv/string_value.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/kv/integer_bytes.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/string_object.h"

namespace keelson::kv {
namespace {

StringObject& object_of(const Entry& entry) { return *static_cast<StringObject*>(entry.object()); }

}  // namespace

size_t StringValue::size() const { return bytes().size(); }

std::string_view StringValue::bytes() const {
  switch (entry_->encoding()) {
    case Encoding::kInteger:
      scratch_ = format_int64(read_integer(entry_->inline_value()));
      return scratch_.view();
    case Encoding::kObject:
      return object_of(*entry_).view();
    default:
      return entry_->inline_value();
  }
}

std::optional<int64_t> StringValue::as_integer() const {
  if (entry_->encoding() == Encoding::kInteger) return read_integer(entry_->inline_value());
  return parse_int64(bytes());
}

void StringValue::set_integer(int64_t value) {
  if (entry_->is_object()) keyspace_->drop(entry_->object());
  const IntegerBytes packed(value);
  become_inline(Encoding::kInteger, packed.view());
  entry_->set_raw(false);
}

void StringValue::set_bytes(std::string_view bytes) {
  if (bytes.size() <= 20) {
    if (const auto number = parse_int64(bytes)) return set_integer(*number);
  }
  if (entry_->is_object()) keyspace_->drop(entry_->object());
  if (bytes.size() <= kInlineStringBytesMax) {
    become_inline(Encoding::kInline, bytes);
  } else {
    auto* object = new StringObject(bytes.size());
    object->assign(bytes);
    become_object(object);
  }
  entry_->set_raw(false);
}

void StringValue::append(std::string_view bytes) {
  std::memcpy(writable(size(), bytes.size()), bytes.data(), bytes.size());
}

char* StringValue::writable(size_t offset, size_t bytes) {
  if (entry_->encoding() == Encoding::kInteger) {
    const std::string_view text = StringValue::bytes();
    become_inline(Encoding::kInline, text);
  }
  const size_t end = offset + bytes;
  if (!entry_->is_object()) {
    const std::string_view old = entry_->inline_value();
    const size_t old_size = old.size();
    if (end <= kInlineStringBytesMax) {
      if (end > old_size) {
        resize_inline(end);
        std::memset(entry_->inline_data() + old_size, 0, end - old_size);
      }
      entry_->set_raw(true);
      return entry_->inline_data() + offset;
    }
    auto* object = new StringObject(end);
    object->assign(old);
    become_object(object);
  }
  entry_->set_raw(true);
  StringObject& object = object_of(*entry_);
  object.changing(offset, std::min(bytes, object.size() - std::min(offset, object.size())));
  if (end > object.size()) object.resize(end);
  return object.data() + offset;
}

}  // namespace keelson::kv
