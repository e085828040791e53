// Kafka's APIs by key, by api_table.def.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace keelson::kafka {

inline constexpr int16_t kNeverFlexible = std::numeric_limits<int16_t>::max();

enum class ApiKey : int16_t {
#define KAFKA_API(key, name, min, max, flexible, note) k##name = key,
#define KAFKA_NO(key, name, note) k##name = key,
#include "protocol/kafka/api_table.def"
#undef KAFKA_NO
#undef KAFKA_API
};

struct ApiRow {
  ApiKey key;
  std::string_view name;
  bool is_served = false;
  int16_t version_min = 0;
  int16_t version_max = -1;
  int16_t flexible_from = kNeverFlexible;
  std::string_view note;
  [[nodiscard]] bool serves(int16_t version) const {
    return is_served && version >= version_min && version <= version_max;
  }
};

// By key, also those that are not served.
[[nodiscard]] std::span<const ApiRow> api_table();
// Null: unknown.
[[nodiscard]] const ApiRow* find_api(int16_t key);

}  // namespace keelson::kafka
