#include "engine/kv/list_value.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/kv/keyspace.h"
#include "engine/kv/list_object.h"
#include "engine/kv/packed.h"

namespace keelson::kv {
namespace {

// A list within its entry stays this small: its ends are found by walking.
constexpr size_t kInlineListBytesMax = 256;

ListObject& object_of(const Entry& entry) { return *static_cast<ListObject*>(entry.object()); }

size_t offset_of(std::string_view blob, size_t index) {
  if (blob.empty()) return 0;
  const char* at = blob.data() + kPackedHeaderBytes;
  for (; index > 0; --index) at += packed_size_at(at);
  return static_cast<size_t>(at - blob.data());
}

}  // namespace

size_t ListValue::size() const {
  return entry_->is_object() ? object_of(*entry_).size() : packed_count(entry_->inline_value());
}

// Makes it an object if it would not fit into the entry with `bytes` more and one element more.
void ListValue::leave_room(size_t bytes) {
  const std::string_view blob = entry_->inline_value();
  const int32_t size_limit = keyspace_->options().list_max_listpack_size;
  const bool is_full = size_limit >= 0 && packed_count(blob) >= static_cast<size_t>(size_limit);
  if (blob.size() + bytes <= kInlineListBytesMax && !is_full) return;
  auto* object = new ListObject();
  const ListObject::Limits limits = ListObject::limits_of(size_limit);
  for_range(0, size(), [&](size_t, std::string_view element) {
    object->push_back(PackedElement(element), limits);
    return true;
  });
  become_object(object);
}

void ListValue::push(ListEnd end, std::string_view element) {
  if (!entry_->is_object()) return insert(end == ListEnd::kHead ? 0 : size(), element);
  ListObject& object = object_of(*entry_);
  const ListObject::Limits limits = ListObject::limits_of(keyspace_->options().list_max_listpack_size);
  if (end == ListEnd::kHead) {
    object.push_front(PackedElement(element), limits);
  } else {
    object.push_back(PackedElement(element), limits);
  }
}

std::string ListValue::pop(ListEnd end) {
  if (entry_->is_object()) {
    ListObject& object = object_of(*entry_);
    return end == ListEnd::kHead ? object.pop_front() : object.pop_back();
  }
  const size_t index = end == ListEnd::kHead ? 0 : size() - 1;
  std::string element(at(index));
  erase(index, 1);
  return element;
}

std::string_view ListValue::at(size_t index) const {
  if (entry_->is_object()) return object_of(*entry_).at(index, scratch_);
  const std::string_view blob = entry_->inline_value();
  return read_packed(blob.data() + offset_of(blob, index)).text(scratch_);
}

void ListValue::set(size_t index, std::string_view element) {
  const PackedElement packed(element);
  if (!entry_->is_object()) leave_room(packed.size());
  if (entry_->is_object()) {
    return object_of(*entry_).set(index, packed, ListObject::limits_of(keyspace_->options().list_max_listpack_size));
  }
  const std::string_view blob = entry_->inline_value();
  const size_t at = offset_of(blob, index);
  packed.write(splice_inline(at, packed_size_at(blob.data() + at), packed.size()));
}

void ListValue::insert(size_t index, std::string_view element) {
  const PackedElement packed(element);
  if (!entry_->is_object()) leave_room(packed.size());
  if (entry_->is_object()) {
    return object_of(*entry_).insert(index, packed, ListObject::limits_of(keyspace_->options().list_max_listpack_size));
  }
  const std::string_view blob = entry_->inline_value();
  const size_t count = packed_count(blob);
  const size_t header = blob.empty() ? kPackedHeaderBytes : 0;
  const size_t at = index == count ? blob.size() : offset_of(blob, index);
  packed.write(splice_inline(at, 0, header + packed.size()) + header);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(count + 1));
}

void ListValue::erase(size_t first, size_t count) {
  if (count == 0) return;
  if (entry_->is_object()) return object_of(*entry_).erase(first, count);
  const std::string_view blob = entry_->inline_value();
  const size_t elements = packed_count(blob);
  const size_t begin = offset_of(blob, first);
  const size_t end = first + count == elements ? blob.size() : offset_of(blob, first + count);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(elements - count));
  splice_inline(begin, end - begin, 0);
}

size_t ListValue::remove_equal(std::string_view element, size_t count, ListEnd from) {
  const PackedElement packed(element);
  if (entry_->is_object()) return object_of(*entry_).remove_equal(packed, count, from == ListEnd::kTail);
  std::vector<size_t> equal;  // indexes
  const std::string_view blob = entry_->inline_value();
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t i = 0; i < packed_count(blob); ++i) {
    if (packed_equals(at, packed)) equal.push_back(i);
    at += packed_size_at(at);
  }
  const size_t removed = count == 0 ? equal.size() : std::min(count, equal.size());
  const size_t first = from == ListEnd::kHead ? 0 : equal.size() - removed;
  for (size_t i = removed; i > 0; --i) erase(equal[first + i - 1], 1);
  return removed;
}

void ListValue::for_range(size_t first, size_t count, Visit visit) const {
  if (entry_->is_object()) return object_of(*entry_).for_range(first, count, visit);
  const std::string_view blob = entry_->inline_value();
  const size_t size = packed_count(blob);
  if (first >= size) return;
  IntegerText scratch;
  const char* at = blob.data() + offset_of(blob, first);
  for (size_t left = std::min(count, size - first); left > 0; --left, ++first) {
    const PackedItem item = read_packed(at);
    if (!visit(first, item.text(scratch))) return;
    at += item.size;
  }
}

void ListValue::for_range_reverse(size_t first, size_t count, Visit visit) const {
  if (entry_->is_object()) return object_of(*entry_).for_range_reverse(first, count, visit);
  const std::string_view blob = entry_->inline_value();
  if (first >= packed_count(blob)) return;
  std::vector<const char*> elements;
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t i = 0; i <= first; ++i) {
    elements.push_back(at);
    at += packed_size_at(at);
  }
  IntegerText scratch;
  for (size_t left = std::min(count, first + 1); left > 0; --left, --first) {
    if (!visit(first, read_packed(elements[first]).text(scratch))) return;
  }
}

}  // namespace keelson::kv
