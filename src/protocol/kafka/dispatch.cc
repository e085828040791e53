#include <array>
#include <vector>

#include "base/check.h"
#include "protocol/kafka/handlers.h"

namespace keelson::kafka {

namespace {

constexpr size_t kKeysMax = 128;

// By key.
std::array<Handler, kKeysMax> make_table() {
  std::array<Handler, kKeysMax> table{};
  const std::span<const HandlerRow> groups[] = {
      metadata_handlers(), produce_handlers(),  fetch_handlers(),       offsets_handlers(),      topic_handlers(),
      config_handlers(),   describe_handlers(), sasl_handlers(),        acl_handlers(),          user_handlers(),
      quota_handlers(),    group_handlers(),    group_admin_handlers(), group_offset_handlers(), transaction_handlers(),
  };
  for (const std::span<const HandlerRow>& group : groups) {
    for (const HandlerRow& row : group) {
      const auto key = static_cast<size_t>(row.key);
      KEELSON_CHECK(key < kKeysMax && table[key] == nullptr, "each API has one handler");
      const ApiRow* api = find_api(static_cast<int16_t>(row.key));
      KEELSON_CHECK(api != nullptr && api->is_served, "a handler's API stands in api_table.def");
      table[key] = row.handler;
    }
  }
  return table;
}

}  // namespace

Handler find_handler(ApiKey key) {
  static const std::array<Handler, kKeysMax> table = make_table();
  const auto place = static_cast<size_t>(key);
  return place < kKeysMax ? table[place] : nullptr;
}

}  // namespace keelson::kafka
