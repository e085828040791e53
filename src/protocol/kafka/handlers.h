// Which handler serves which API. One table for each group of them, in the file of the group; dispatch.cc joins them.
// An API of api_table.def that has no handler here is not told to clients.
#pragma once

#include <span>

#include "protocol/kafka/apis.h"
#include "protocol/kafka/call.h"

namespace keelson::kafka {

struct HandlerRow {
  ApiKey key;
  Handler handler;
};

// Null: it is not served.
[[nodiscard]] Handler find_handler(ApiKey key);

// Groups of handlers. A new one gets a line here and one in dispatch.cc.
[[nodiscard]] std::span<const HandlerRow> metadata_handlers();      // handle_metadata.cc
[[nodiscard]] std::span<const HandlerRow> produce_handlers();       // handle_produce.cc
[[nodiscard]] std::span<const HandlerRow> fetch_handlers();         // handle_fetch.cc
[[nodiscard]] std::span<const HandlerRow> offsets_handlers();       // handle_offsets.cc
[[nodiscard]] std::span<const HandlerRow> topic_handlers();         // handle_topics.cc
[[nodiscard]] std::span<const HandlerRow> config_handlers();        // handle_configs.cc
[[nodiscard]] std::span<const HandlerRow> describe_handlers();      // handle_describe.cc
[[nodiscard]] std::span<const HandlerRow> group_handlers();         // handle_groups.cc
[[nodiscard]] std::span<const HandlerRow> group_admin_handlers();   // handle_group_admin.cc
[[nodiscard]] std::span<const HandlerRow> group_offset_handlers();  // handle_group_offsets.cc
[[nodiscard]] std::span<const HandlerRow> transaction_handlers();   // handle_transactions.cc
[[nodiscard]] std::span<const HandlerRow> sasl_handlers();          // handle_sasl.cc
[[nodiscard]] std::span<const HandlerRow> acl_handlers();           // handle_acls.cc
[[nodiscard]] std::span<const HandlerRow> user_handlers();          // handle_users.cc
[[nodiscard]] std::span<const HandlerRow> quota_handlers();         // handle_quotas.cc

}  // namespace keelson::kafka
