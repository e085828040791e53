#include "protocol/kafka/apis.h"

#include <algorithm>
#include <array>

namespace keelson::kafka {
namespace {

constexpr auto kTable = std::to_array<ApiRow>({
#define KAFKA_API(key, name, min, max, flexible, note) {ApiKey::k##name, #name, true, min, max, flexible, note},
#define KAFKA_NO(key, name, note) {ApiKey::k##name, #name, false, 0, -1, kNeverFlexible, note},
#include "protocol/kafka/api_table.def"
#undef KAFKA_NO
#undef KAFKA_API
});
static_assert(std::ranges::is_sorted(kTable, {}, &ApiRow::key));

}  // namespace

std::span<const ApiRow> api_table() { return kTable; }

const ApiRow* find_api(int16_t key) {
  const auto* found = std::ranges::lower_bound(kTable, static_cast<ApiKey>(key), {}, &ApiRow::key);
  return found != kTable.end() && found->key == static_cast<ApiKey>(key) ? found : nullptr;
}

}  // namespace keelson::kafka
