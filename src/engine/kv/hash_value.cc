#include "engine/kv/hash_value.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/kv/field_names.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/member_object.h"
#include "engine/kv/packed.h"

namespace keelson::kv {
namespace {

MemberObject& object_of(const Entry& entry) { return *static_cast<MemberObject*>(entry.object()); }

// A field to look for: by its number, if it has one, and spelled out, as it stands in hashes that got it earlier.
struct WantedField {
  WantedField(const FieldNames& names, std::string_view field) : number(names.find(field)), spelled(field) {}
  std::optional<uint16_t> number;
  PackedElement spelled;
};

// Where the field stands in the blob; 0: nowhere.
size_t find_field(std::string_view blob, const WantedField& field) {
  size_t left = packed_count(blob) / 2;
  for (const char* at = blob.data() + kPackedHeaderBytes; left > 0; --left) {
    if ((field.number && is_packed_name(at, *field.number)) || packed_equals(at, field.spelled)) {
      return static_cast<size_t>(at - blob.data());
    }
    at += packed_size_at(at);
    at += packed_size_at(at);
  }
  return 0;
}

std::string_view field_text(const PackedItem& item, const FieldNames& names, IntegerText& scratch) {
  if (item.kind == PackedItem::Kind::kName) return names.name(static_cast<uint16_t>(item.integer));
  return item.text(scratch);
}

}  // namespace

size_t spelled_out_bytes(std::string_view blob, const FieldNames& names) {
  size_t bytes = blob.size();
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t left = packed_count(blob) / 2; left > 0; --left) {
    const PackedItem field = read_packed(at);
    if (field.kind == PackedItem::Kind::kName) {
      bytes += PackedElement(names.name(static_cast<uint16_t>(field.integer))).size() - kPackedNameBytes;
    }
    at += field.size;
    at += packed_size_at(at);
  }
  return bytes;
}

void spell_out(std::string_view blob, const FieldNames& names, char* to) {
  to = std::copy_n(blob.data(), kPackedHeaderBytes, to);
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t left = packed_count(blob) / 2; left > 0; --left) {
    const PackedItem field = read_packed(at);
    if (field.kind == PackedItem::Kind::kName) {
      to = PackedElement(names.name(static_cast<uint16_t>(field.integer))).write(to);
    } else {
      to = std::copy_n(at, field.size, to);
    }
    at += field.size;
    const size_t value_bytes = packed_size_at(at);
    to = std::copy_n(at, value_bytes, to);
    at += value_bytes;
  }
}

Entry* number_fields(Entry* entry, FieldNames& names) {
  const std::string_view blob = entry->inline_value();
  std::string numbered;
  const char* at = blob.data() + kPackedHeaderBytes;
  const char* copied = blob.data();
  IntegerText scratch;
  for (size_t left = packed_count(blob) / 2; left > 0; --left) {
    const PackedItem field = read_packed(at);
    if (const std::optional<uint16_t> number = names.sighted(field.text(scratch))) {
      numbered.append(copied, at);
      numbered.resize(numbered.size() + kPackedNameBytes);
      write_packed_name(numbered.data() + numbered.size() - kPackedNameBytes, *number);
      copied = at + field.size;
    }
    at += field.size;
    at += packed_size_at(at);
  }
  if (copied == blob.data()) return entry;
  numbered.append(copied, at);
  Entry* moved = Entry::resize(entry, Encoding::kPacked, numbered.size());
  std::copy_n(numbered.data(), numbered.size(), moved->inline_data());
  return moved;
}

size_t HashValue::size() const {
  return entry_->is_object() ? object_of(*entry_).size() : packed_count(entry_->inline_value()) / 2;
}

std::optional<std::string_view> HashValue::get(std::string_view field) const {
  if (entry_->is_object()) {
    const Member* member = object_of(*entry_).find(field);
    if (member == nullptr) return std::nullopt;
    return member->value();
  }
  const std::string_view blob = entry_->inline_value();
  const size_t at = find_field(blob, WantedField(keyspace_->field_names(), field));
  if (at == 0) return std::nullopt;
  const char* value = blob.data() + at + packed_size_at(blob.data() + at);
  return read_packed(value).text(scratch_);
}

bool HashValue::contains(std::string_view field) const {
  if (entry_->is_object()) return object_of(*entry_).find(field) != nullptr;
  return find_field(entry_->inline_value(), WantedField(keyspace_->field_names(), field)) != 0;
}

bool HashValue::set(std::string_view field, std::string_view value) {
  if (entry_->is_object()) return object_of(*entry_).set(field, value);
  const KeyspaceOptions& options = keyspace_->options();
  const std::string_view blob = entry_->inline_value();
  const WantedField wanted(keyspace_->field_names(), field);
  const PackedElement packed_value(value);
  const size_t at = find_field(blob, wanted);
  const size_t fields = packed_count(blob) / 2;
  const size_t added = wanted.spelled.size() + packed_value.size();
  // Which names are known by number differs between replicas; when a hash becomes a table must not.
  const bool may_be_long = blob.size() + fields * FieldNames::kNameBytesMax + added > kPackedBytesMax;
  const size_t grown = added + (may_be_long ? spelled_out_bytes(blob, keyspace_->field_names()) : blob.size());
  if (field.size() > options.hash_max_listpack_value || value.size() > options.hash_max_listpack_value ||
      grown > kPackedBytesMax ||
      (at == 0 && fields >= std::min<size_t>(options.hash_max_listpack_entries, kPackedEntriesMax))) {
    to_object();
    return object_of(*entry_).set(field, value);
  }
  if (at != 0) {
    const size_t value_at = at + packed_size_at(blob.data() + at);
    packed_value.write(splice_inline(value_at, packed_size_at(blob.data() + value_at), packed_value.size()));
    return false;
  }
  const std::optional<uint16_t> number = wanted.number ? wanted.number : keyspace_->field_names().sighted(field);
  const size_t field_bytes = number ? kPackedNameBytes : wanted.spelled.size();
  const size_t header = blob.empty() ? kPackedHeaderBytes : 0;
  char* to = splice_inline(blob.size(), 0, header + field_bytes + packed_value.size()) + header;
  packed_value.write(number ? write_packed_name(to, *number) : wanted.spelled.write(to));
  put_u16(entry_->inline_data(), static_cast<uint16_t>(2 * (fields + 1)));
  return true;
}

void HashValue::to_object() {
  auto* object = new MemberObject(Type::kHash, keyspace_->options().hash_secret);
  for_each([object](std::string_view field, std::string_view value) { object->set(field, value); });
  become_object(object);
}

bool HashValue::erase(std::string_view field) {
  if (entry_->is_object()) return object_of(*entry_).erase(field);
  const std::string_view blob = entry_->inline_value();
  const size_t at = find_field(blob, WantedField(keyspace_->field_names(), field));
  if (at == 0) return false;
  const size_t field_bytes = packed_size_at(blob.data() + at);
  const size_t bytes = field_bytes + packed_size_at(blob.data() + at + field_bytes);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(packed_count(blob) - 2));
  splice_inline(at, bytes, 0);
  return true;
}

HashValue::Pair HashValue::at(size_t index) const {
  if (entry_->is_object()) {
    const Member& member = object_of(*entry_).at(index);
    return {member.name(), member.value()};
  }
  const char* at = entry_->inline_value().data() + kPackedHeaderBytes;
  for (; index > 0; --index) {
    at += packed_size_at(at);
    at += packed_size_at(at);
  }
  const PackedItem field = read_packed(at);
  return {field_text(field, keyspace_->field_names(), scratch_), read_packed(at + field.size).text(second_scratch_)};
}

void HashValue::for_each(Visit visit) const {
  if (entry_->is_object()) {
    const MemberObject& object = object_of(*entry_);
    for (size_t i = 0; i < object.size(); ++i) visit(object.at(i).name(), object.at(i).value());
    return;
  }
  const FieldNames& names = keyspace_->field_names();
  IntegerText field_scratch;
  IntegerText value_scratch;
  const std::string_view blob = entry_->inline_value();
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t left = packed_count(blob) / 2; left > 0; --left) {
    const PackedItem field = read_packed(at);
    at += field.size;
    const PackedItem value = read_packed(at);
    at += value.size;
    visit(field_text(field, names, field_scratch), value.text(value_scratch));
  }
}

uint64_t HashValue::scan(uint64_t cursor, size_t count, Visit visit) const {
  if (!entry_->is_object()) {
    for_each(visit);
    return 0;
  }
  return object_of(*entry_).scan(cursor, count,
                                 [&visit](const Member& member) { visit(member.name(), member.value()); });
}

}  // namespace keelson::kv
