#include "protocol/pubsub/avro.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/pubsub/records.h"

namespace keelson::pubsub {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 8> kPrimitives = {"null",  "boolean", "int",   "long",
                                                         "float", "double",  "bytes", "string"};

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || !is_letter(text.front())) return false;
  return std::ranges::all_of(text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// Names with dots between.
bool is_full_name(std::string_view text) {
  while (true) {
    const size_t dot = text.find('.');
    if (!is_name(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

const std::string* text_of(const json& object, const char* field) {
  const auto place = object.find(field);
  return place != object.end() && place->is_string() ? place->get_ptr<const std::string*>() : nullptr;
}

}  // namespace

class AvroParser {
 public:
  explicit AvroParser(AvroSchema& into) : schema_(into) {}
  // False: error() says why.
  bool parse(const json& from, const std::string& space, int depth, size_t& type);
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  using Kind = AvroSchema::Kind;
  bool refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  size_t add(Kind kind, std::string name) {
    schema_.types_.push_back({kind, std::move(name)});
    return schema_.types_.size() - 1;
  }
  bool parse_name(const std::string& name, const std::string& space, size_t& type);
  bool parse_union(const json& from, const std::string& space, int depth, size_t& type);
  bool parse_object(const json& from, const std::string& space, int depth, size_t& type);
  bool parse_named(const json& from, Kind kind, std::string space, int depth, size_t& type);
  bool parse_fields(const json& from, const std::string& space, int depth, size_t type);
  bool parse_symbols(const json& from, size_t type);

  AvroSchema& schema_;
  std::map<std::string, size_t> named_;
  std::string error_;
};

bool AvroParser::parse_name(const std::string& name, const std::string& space, size_t& type) {
  const auto primitive = std::ranges::find(kPrimitives, name);
  if (primitive != kPrimitives.end()) {
    type = add(static_cast<Kind>(primitive - kPrimitives.begin()), name);
    return true;
  }
  const bool is_full = name.find('.') != std::string::npos || space.empty();
  const auto known = named_.find(is_full ? name : space + "." + name);
  if (known == named_.end()) return refuse("there is no type \"" + name + "\"");
  type = known->second;
  return true;
}

bool AvroParser::parse(const json& from, const std::string& space, int depth, size_t& type) {
  if (depth > kAvroDepthMax) return refuse("it is nested more than " + std::to_string(kAvroDepthMax) + " deep");
  if (from.is_string()) return parse_name(*from.get_ptr<const std::string*>(), space, type);
  if (from.is_array()) return parse_union(from, space, depth, type);
  if (from.is_object()) return parse_object(from, space, depth, type);
  return refuse("a type must be a name, an object or a list");
}

bool AvroParser::parse_union(const json& from, const std::string& space, int depth, size_t& type) {
  type = add(Kind::kUnion, "union");
  std::vector<size_t> parts;
  std::map<std::string, size_t, std::less<>> places;
  for (const json& branch : from) {
    if (!parse(branch, space, depth + 1, parts.emplace_back())) return false;
    const AvroSchema::Type& part = schema_.types_[parts.back()];
    if (part.kind == Kind::kUnion) return refuse("a union cannot stand in a union");
    if (!places.emplace(part.name, parts.size() - 1).second) return refuse("a union has \"" + part.name + "\" twice");
  }
  schema_.types_[type].parts = std::move(parts);
  schema_.types_[type].places = std::move(places);
  return true;
}

bool AvroParser::parse_object(const json& from, const std::string& space, int depth, size_t& type) {
  const auto field = from.find("type");
  if (field == from.end()) return refuse("an object without \"type\"");
  if (!field->is_string()) return parse(*field, space, depth + 1, type);
  const std::string& name = *field->get_ptr<const std::string*>();
  if (name == "record" || name == "error") return parse_named(from, Kind::kRecord, space, depth, type);
  if (name == "enum") return parse_named(from, Kind::kEnum, space, depth, type);
  if (name == "fixed") return parse_named(from, Kind::kFixed, space, depth, type);
  if (name != "array" && name != "map") return parse_name(name, space, type);
  const bool is_array = name == "array";
  const auto items = from.find(is_array ? "items" : "values");
  if (items == from.end()) return refuse("an " + name + " without its items' type");
  type = add(is_array ? Kind::kArray : Kind::kMap, name);
  size_t part = 0;
  if (!parse(*items, space, depth + 1, part)) return false;
  schema_.types_[type].parts = {part};
  return true;
}

bool AvroParser::parse_named(const json& from, Kind kind, std::string space, int depth, size_t& type) {
  const std::string* const name = text_of(from, "name");
  if (name == nullptr || !is_full_name(*name)) return refuse("a record, enum or fixed without a name that is one");
  std::string full = *name;
  if (const size_t dot = name->rfind('.'); dot != std::string::npos) {
    space = name->substr(0, dot);
  } else {
    if (const std::string* const given = text_of(from, "namespace")) space = *given;
    if (!space.empty() && !is_full_name(space)) return refuse("\"" + space + "\" is no namespace");
    if (!space.empty()) full = space + "." + *name;
  }
  type = add(kind, full);
  if (!named_.emplace(full, type).second) return refuse("there are two types \"" + full + "\"");
  if (kind == Kind::kRecord) return parse_fields(from, space, depth, type);
  if (kind == Kind::kEnum) return parse_symbols(from, type);
  const auto size = from.find("size");
  if (size == from.end() || !size->is_number_unsigned()) return refuse("a fixed without a size");
  schema_.types_[type].size = size->get<uint64_t>();
  return true;
}

bool AvroParser::parse_fields(const json& from, const std::string& space, int depth, size_t type) {
  const auto fields = from.find("fields");
  if (fields == from.end() || !fields->is_array()) return refuse("a record without fields");
  std::set<std::string_view> names;
  for (const json& field : *fields) {
    const std::string* const name = field.is_object() ? text_of(field, "name") : nullptr;
    if (name == nullptr || !is_name(*name)) return refuse("a field without a name that is one");
    const auto of = field.find("type");
    if (of == field.end()) return refuse("the field \"" + *name + "\" has no type");
    size_t part = 0;
    if (!parse(*of, space, depth + 1, part)) return false;
    if (!names.insert(*name).second) return refuse("two fields \"" + *name + "\"");
    AvroSchema::Type& record = schema_.types_[type];
    record.words.push_back(*name);
    record.parts.push_back(part);
  }
  return true;
}

bool AvroParser::parse_symbols(const json& from, size_t type) {
  const auto symbols = from.find("symbols");
  if (symbols == from.end() || !symbols->is_array()) return refuse("an enum without symbols");
  auto& places = schema_.types_[type].places;
  for (const json& symbol : *symbols) {
    if (!symbol.is_string() || !is_name(*symbol.get_ptr<const std::string*>()))
      return refuse("a symbol that is no name");
    const std::string& word = *symbol.get_ptr<const std::string*>();
    if (!places.emplace(word, places.size()).second) return refuse("two symbols \"" + word + "\"");
  }
  return true;
}

std::optional<AvroSchema> AvroSchema::parse(std::string_view text, std::string& error) {
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) {
    error = "it is no JSON";
    return std::nullopt;
  }
  AvroSchema schema;
  AvroParser parser(schema);
  if (!parser.parse(parsed, "", 0, schema.top_)) {
    error = parser.error();
    return std::nullopt;
  }
  if (schema.types_[schema.top_].kind != Kind::kRecord) {
    error = "the type at the top must be a record";
    return std::nullopt;
  }
  return schema;
}

// ---- Binary.

class AvroBinary {
 public:
  AvroBinary(const AvroSchema& schema, std::string_view bytes) : schema_(schema), rest_(bytes) {}
  bool check(size_t type, int depth) {
    const size_t before = rest_.size();
    return check_value(type, depth) && (rest_.size() != before || ++empty_values_ <= kAvroEmptyValuesMax);
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  using Kind = AvroSchema::Kind;
  bool take(uint64_t count) {
    if (count > rest_.size()) return false;
    rest_.remove_prefix(count);
    return true;
  }
  // Up to 10 bytes, in any form that decodes.
  bool number(int64_t& value, unsigned bytes_max) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < bytes_max && i < rest_.size(); ++i) {
      const auto byte = static_cast<uint8_t>(rest_[i]);
      bits |= uint64_t{byte & 0x7fU} << (7 * i);
      if (byte >= 0x80) continue;
      rest_.remove_prefix(i + 1);
      value = static_cast<int64_t>((bits >> 1) ^ (0 - (bits & 1)));
      return true;
    }
    return false;
  }
  bool sized(std::string_view& bytes) {
    int64_t size = 0;
    if (!number(size, 10) || size < 0 || static_cast<uint64_t>(size) > rest_.size()) return false;
    bytes = rest_.substr(0, static_cast<size_t>(size));
    return take(static_cast<uint64_t>(size));
  }
  bool check_value(size_t type, int depth);
  bool blocks(const AvroSchema::Type& type, int depth);

  const AvroSchema& schema_;
  std::string_view rest_;
  uint64_t empty_values_ = 0;
};

bool AvroBinary::blocks(const AvroSchema::Type& type, int depth) {
  while (true) {
    int64_t count = 0, size = 0;
    if (!number(count, 10)) return false;
    if (count == 0) return true;
    if (count < 0 && !number(size, 10)) return false;
    for (uint64_t left = count < 0 ? 0 - static_cast<uint64_t>(count) : static_cast<uint64_t>(count); left != 0;
         --left) {
      std::string_view key;
      if (type.kind == Kind::kMap && (!sized(key) || !is_utf8(key))) return false;
      if (!check(type.parts[0], depth + 1)) return false;
    }
  }
}

bool AvroBinary::check_value(size_t index, int depth) {
  if (depth > kAvroDepthMax) return false;
  const AvroSchema::Type& type = schema_.types_[index];
  int64_t value = 0;
  std::string_view bytes;
  switch (type.kind) {
    case Kind::kNull:
      return true;
    case Kind::kBoolean:
      return !rest_.empty() && static_cast<uint8_t>(rest_[0]) <= 1 && take(1);
    case Kind::kInt:
      return number(value, 5) && value >= INT32_MIN && value <= INT32_MAX;
    case Kind::kLong:
      return number(value, 10);
    case Kind::kFloat:
      return take(4);
    case Kind::kDouble:
      return take(8);
    case Kind::kBytes:
      return sized(bytes);
    case Kind::kString:
      return sized(bytes) && is_utf8(bytes);
    case Kind::kFixed:
      return take(type.size);
    case Kind::kEnum:
      return number(value, 5) && value >= 0 && static_cast<uint64_t>(value) < type.places.size();
    case Kind::kUnion:
      return number(value, 10) && value >= 0 && static_cast<uint64_t>(value) < type.parts.size() &&
             check(type.parts[static_cast<size_t>(value)], depth + 1);
    case Kind::kRecord:
      return std::ranges::all_of(type.parts, [&](size_t part) { return check(part, depth + 1); });
    case Kind::kArray:
    case Kind::kMap:
      return blocks(type, depth);
  }
  return false;
}

std::optional<std::string> AvroSchema::check_binary(std::string_view bytes) const {
  AvroBinary reader(*this, bytes);
  if (!reader.check(top_, 0)) return "it does not fit the schema";
  if (!reader.rest().empty()) return "it goes on behind what the schema describes";
  return std::nullopt;
}

// ---- JSON.

class AvroJson {
 public:
  explicit AvroJson(const AvroSchema& schema) : schema_(schema) {}
  [[nodiscard]] bool check(size_t type, const json& value, int depth) const;

 private:
  using Kind = AvroSchema::Kind;
  [[nodiscard]] bool check_record(const AvroSchema::Type& type, const json& value, int depth) const;
  [[nodiscard]] bool check_union(const AvroSchema::Type& type, const json& value, int depth) const;
  // Bytes stand as characters below U+0100, one each.
  [[nodiscard]] static std::optional<uint64_t> count_bytes(const json& value) {
    if (!value.is_string()) return std::nullopt;
    uint64_t count = 0;
    for (const char c : *value.get_ptr<const std::string*>()) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte > 0xc3) return std::nullopt;
      if (byte < 0x80 || byte >= 0xc0) ++count;
    }
    return count;
  }
  [[nodiscard]] static bool is_integer(const json& value, int64_t min, int64_t max) {
    if (value.is_number_unsigned()) return value.get<uint64_t>() <= static_cast<uint64_t>(max);
    return value.is_number_integer() && value.get<int64_t>() >= min && value.get<int64_t>() <= max;
  }

  const AvroSchema& schema_;
};

bool AvroJson::check_record(const AvroSchema::Type& type, const json& value, int depth) const {
  if (!value.is_object() || value.size() != type.words.size()) return false;
  for (size_t i = 0; i < type.words.size(); ++i) {
    const auto field = value.find(type.words[i]);
    if (field == value.end() || !check(type.parts[i], *field, depth + 1)) return false;
  }
  return true;
}

bool AvroJson::check_union(const AvroSchema::Type& type, const json& value, int depth) const {
  if (value.is_null()) return type.places.contains("null");
  if (!value.is_object() || value.size() != 1) return false;
  const auto branch = value.begin();
  const auto place = type.places.find(branch.key());
  return place != type.places.end() && branch.key() != "null" &&
         check(type.parts[place->second], branch.value(), depth + 1);
}

bool AvroJson::check(size_t index, const json& value, int depth) const {
  if (depth > kAvroDepthMax) return false;
  const AvroSchema::Type& type = schema_.types_[index];
  const auto fits = [&](const json& item) { return check(type.parts[0], item, depth + 1); };
  switch (type.kind) {
    case Kind::kNull:
      return value.is_null();
    case Kind::kBoolean:
      return value.is_boolean();
    case Kind::kInt:
      return is_integer(value, INT32_MIN, INT32_MAX);
    case Kind::kLong:
      return is_integer(value, INT64_MIN, INT64_MAX);
    case Kind::kFloat:
    case Kind::kDouble:
      return value.is_number();
    case Kind::kBytes:
      return count_bytes(value).has_value();
    case Kind::kFixed:
      return count_bytes(value) == type.size;
    case Kind::kString:
      return value.is_string();
    case Kind::kEnum:
      return value.is_string() && type.places.contains(*value.get_ptr<const std::string*>());
    case Kind::kUnion:
      return check_union(type, value, depth);
    case Kind::kRecord:
      return check_record(type, value, depth);
    case Kind::kArray:
      return value.is_array() && std::ranges::all_of(value, fits);
    case Kind::kMap:
      return value.is_object() && std::ranges::all_of(value, fits);
  }
  return false;
}

namespace {

// How many values a text of JSON can have, from its marks alone.
uint64_t values_at_most(std::string_view text) {
  uint64_t count = 1;
  bool is_in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      is_in_string = !is_in_string;
    } else if (is_in_string) {
      if (c == '\\') ++i;
    } else if (c == ',' || c == '[' || c == '{') {
      ++count;
    }
  }
  return count;
}

}  // namespace

std::optional<std::string> AvroSchema::check_json(std::string_view text) const {
  if (values_at_most(text) > kAvroJsonValuesMax) {
    return "it has more than " + std::to_string(kAvroJsonValuesMax) + " values";
  }
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return "it is no JSON";
  if (!AvroJson(*this).check(top_, parsed, 0)) return "it does not fit the schema";
  return std::nullopt;
}

}  // namespace keelson::pubsub
