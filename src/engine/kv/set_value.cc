#include "engine/kv/set_value.h"

#include <algorithm>
#include <cstring>

#include "engine/kv/integer_array.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/member_object.h"
#include "engine/kv/packed.h"

namespace keelson::kv {
namespace {

MemberObject& object_of(const Entry& entry) { return *static_cast<MemberObject*>(entry.object()); }

// Where the member stands in the blob; 0: nowhere.
size_t find_member(std::string_view blob, const PackedElement& member) {
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t left = packed_count(blob); left > 0; --left) {
    if (packed_equals(at, member)) return static_cast<size_t>(at - blob.data());
    at += packed_size_at(at);
  }
  return 0;
}

size_t offset_of(std::string_view blob, size_t index) {
  const char* at = blob.data() + kPackedHeaderBytes;
  for (; index > 0; --index) at += packed_size_at(at);
  return static_cast<size_t>(at - blob.data());
}

}  // namespace

size_t SetValue::size() const {
  switch (entry_->encoding()) {
    case Encoding::kObject:
      return object_of(*entry_).size();
    case Encoding::kIntegers:
      return IntegerArray(entry_->inline_value()).size();
    default:
      return packed_count(entry_->inline_value());
  }
}

bool SetValue::contains(std::string_view member) const {
  switch (entry_->encoding()) {
    case Encoding::kObject:
      return object_of(*entry_).find(member) != nullptr;
    case Encoding::kIntegers: {
      const auto number = parse_int64(member);
      return number && IntegerArray(entry_->inline_value()).find(*number) != IntegerArray::kNone;
    }
    default:
      return find_member(entry_->inline_value(), PackedElement(member)) != 0;
  }
}

bool SetValue::add(std::string_view member) {
  if (entry_->encoding() == Encoding::kIntegers) {
    const auto number = parse_int64(member);
    if (number) return add_integer(*number);
    leave_integers(member.size());
  }
  if (entry_->is_object()) return object_of(*entry_).set(member, {});
  const KeyspaceOptions& options = keyspace_->options();
  const std::string_view blob = entry_->inline_value();
  const PackedElement packed(member);
  if (find_member(blob, packed) != 0) return false;
  const size_t count = packed_count(blob);
  if (count >= std::min<size_t>(options.set_max_listpack_entries, kPackedEntriesMax) ||
      member.size() > options.set_max_listpack_value || blob.size() + packed.size() > kPackedBytesMax) {
    to_object();
    return object_of(*entry_).set(member, {});
  }
  const size_t header = blob.empty() ? kPackedHeaderBytes : 0;
  packed.write(splice_inline(blob.size(), 0, header + packed.size()) + header);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(count + 1));
  return true;
}

bool SetValue::add_integer(int64_t number) {
  const std::string_view bytes = entry_->inline_value();
  const IntegerArray array(bytes);
  if (array.find(number) != IntegerArray::kNone) return false;
  const size_t size = array.size();
  const size_t width = std::max(array.width(), IntegerArray::width_of(number));
  const size_t limit = std::min<size_t>(keyspace_->options().set_max_intset_entries, (kPackedBytesMax - 1) / width);
  if (size >= limit) {
    const IntegerText text = format_int64(number);
    to_object();
    return object_of(*entry_).set(text.view(), {});
  }
  if (width == array.width()) {
    IntegerArray::put(splice_inline(bytes.size(), 0, width), width, number);
    return true;
  }
  std::string wider(1 + (size + 1) * width, '\0');
  wider[0] = static_cast<char>(width);
  for (size_t i = 0; i < size; ++i) IntegerArray::put(wider.data() + 1 + i * width, width, array.at(i));
  IntegerArray::put(wider.data() + 1 + size * width, width, number);
  become_inline(Encoding::kIntegers, wider);
  return true;
}

// A member that is no integer, of this length, is about to be added.
void SetValue::leave_integers(size_t member_bytes) {
  const KeyspaceOptions& options = keyspace_->options();
  const IntegerArray array(entry_->inline_value());
  if (array.size() >= options.set_max_listpack_entries || member_bytes > options.set_max_listpack_value) {
    return to_object();
  }
  std::string blob(kPackedHeaderBytes, '\0');
  put_u16(blob.data(), static_cast<uint16_t>(array.size()));
  for (size_t i = 0; i < array.size(); ++i) {
    const PackedElement packed(array.at(i));
    const size_t at = blob.size();
    blob.resize(at + packed.size());
    packed.write(blob.data() + at);
  }
  if (blob.size() > kPackedBytesMax) return to_object();
  become_inline(Encoding::kPacked, blob);
}

void SetValue::to_object() {
  auto* object = new MemberObject(Type::kSet, keyspace_->options().hash_secret);
  for_each([object](std::string_view member) { object->set(member, {}); });
  become_object(object);
}

bool SetValue::erase(std::string_view member) {
  switch (entry_->encoding()) {
    case Encoding::kObject:
      return object_of(*entry_).erase(member);
    case Encoding::kIntegers: {
      const auto number = parse_int64(member);
      if (!number) return false;
      const size_t index = IntegerArray(entry_->inline_value()).find(*number);
      if (index == IntegerArray::kNone) return false;
      erase_integer(index);
      return true;
    }
    default: {
      const size_t at = find_member(entry_->inline_value(), PackedElement(member));
      if (at == 0) return false;
      erase_packed(at);
      return true;
    }
  }
}

// The last integer takes its place.
void SetValue::erase_integer(size_t index) {
  const std::string_view bytes = entry_->inline_value();
  const size_t width = IntegerArray(bytes).width();
  char* data = entry_->inline_data();
  std::memmove(data + 1 + index * width, data + bytes.size() - width, width);
  resize_inline(bytes.size() - width);
}

// The last member takes its place.
void SetValue::erase_packed(size_t at) {
  const std::string_view blob = entry_->inline_value();
  const size_t count = packed_count(blob);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(count - 1));
  const size_t bytes = packed_size_at(blob.data() + at);
  size_t last = at;
  while (last + packed_size_at(blob.data() + last) < blob.size()) last += packed_size_at(blob.data() + last);
  if (last == at) {
    splice_inline(at, bytes, 0);
    return;
  }
  const std::string moved(blob.substr(last));
  splice_inline(last, moved.size(), 0);
  char* to = splice_inline(at, bytes, moved.size());
  std::memcpy(to, moved.data(), moved.size());
}

std::string_view SetValue::at(size_t index) const {
  switch (entry_->encoding()) {
    case Encoding::kObject:
      return object_of(*entry_).at(index).name();
    case Encoding::kIntegers:
      scratch_ = format_int64(IntegerArray(entry_->inline_value()).at(index));
      return scratch_.view();
    default: {
      const std::string_view blob = entry_->inline_value();
      return read_packed(blob.data() + offset_of(blob, index)).text(scratch_);
    }
  }
}

std::string SetValue::take(size_t index) {
  std::string member(at(index));
  switch (entry_->encoding()) {
    case Encoding::kObject:
      object_of(*entry_).erase(member);
      break;
    case Encoding::kIntegers:
      erase_integer(index);
      break;
    default:
      erase_packed(offset_of(entry_->inline_value(), index));
      break;
  }
  return member;
}

void SetValue::for_each(Visit visit) const {
  for_each_while([&visit](std::string_view member) {
    visit(member);
    return true;
  });
}

void SetValue::for_each_while(FunctionRef<bool(std::string_view member)> visit) const {
  IntegerText scratch;
  switch (entry_->encoding()) {
    case Encoding::kObject: {
      const MemberObject& object = object_of(*entry_);
      for (size_t i = 0; i < object.size(); ++i) {
        if (!visit(object.at(i).name())) return;
      }
      return;
    }
    case Encoding::kIntegers: {
      const IntegerArray array(entry_->inline_value());
      for (size_t i = 0; i < array.size(); ++i) {
        scratch = format_int64(array.at(i));
        if (!visit(scratch.view())) return;
      }
      return;
    }
    default: {
      const std::string_view blob = entry_->inline_value();
      const char* at = blob.data() + kPackedHeaderBytes;
      for (size_t left = packed_count(blob); left > 0; --left) {
        const PackedItem item = read_packed(at);
        if (!visit(item.text(scratch))) return;
        at += item.size;
      }
      return;
    }
  }
}

uint64_t SetValue::scan(uint64_t cursor, size_t count, Visit visit) const {
  if (!entry_->is_object()) {
    for_each(visit);
    return 0;
  }
  return object_of(*entry_).scan(cursor, count, [&visit](const Member& member) { visit(member.name()); });
}

}  // namespace keelson::kv
