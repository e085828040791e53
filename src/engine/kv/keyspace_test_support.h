// For tests of the keyspace: its whole state as text, and a random source with a fixed seed.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "engine/kv/keyspace.h"

namespace keelson::kv {

// "database key" -> type, expiry and value; of sets in their order, of hashes in the order of fields.
inline std::string describe(const Value& value) {
  std::string text = std::string(value.type_name()) + " @" + std::to_string(value.expires_at_ms()) + " ";
  switch (value.type()) {
    case Type::kString:
      return text + std::string(StringValue(value).bytes());
    case Type::kList: {
      const ListValue list(value);
      list.for_range(0, list.size(), [&text](size_t, std::string_view element) {
        text += std::string(element) + ",";
        return true;
      });
      return text;
    }
    case Type::kSet:
      SetValue(value).for_each([&text](std::string_view member) { text += std::string(member) + ","; });
      return text;
    case Type::kSortedSet: {
      const SortedSetValue sorted_set(value);
      sorted_set.for_range(0, sorted_set.size(), [&text](std::string_view member, double score) {
        text += std::string(member) + "=" + std::to_string(score) + ",";
        return true;
      });
      return text;
    }
    case Type::kHash: {
      std::map<std::string, std::string> fields;
      HashValue(value).for_each(
          [&fields](std::string_view field, std::string_view content) { fields[std::string(field)] = content; });
      for (const auto& [field, content] : fields) text += field + "=" + content + ",";
      return text;
    }
  }
  return text;
}

inline std::map<std::string, std::string> describe(Keyspace& keyspace) {
  std::map<std::string, std::string> state;
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    const auto number = static_cast<uint16_t>(i);
    size_t keys = 0;
    uint64_t cursor = 0;
    do {
      cursor = keyspace.scan(number, cursor, 1000, [&](const Value& value) {
        state[std::to_string(number) + " " + std::string(value.key())] = describe(value);
        ++keys;
      });
    } while (cursor != 0);
    if (keys != keyspace.size(number)) state["wrong size of " + std::to_string(number)] = std::to_string(keys);
  }
  return state;
}

class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : engine_(seed) {}
  uint64_t next() { return engine_(); }
  // 0 .. limit - 1.
  size_t below(size_t limit) { return engine_() % limit; }
  bool one_in(size_t n) { return below(n) == 0; }
  // Mixed lengths and contents: numbers, short and now and then long strings.
  std::string text(size_t longest) {
    switch (below(4)) {
      case 0:
        return std::to_string(static_cast<int64_t>(engine_()) >> below(64));
      case 1:
        return "m" + std::to_string(below(1000));
      default: {
        std::string text(below(below(8) == 0 ? longest : 12), '\0');
        for (char& c : text) c = static_cast<char>(engine_());
        return text;
      }
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace keelson::kv
