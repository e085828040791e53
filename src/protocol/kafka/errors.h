// Kafka's error codes (org.apache.kafka.common.protocol.Errors): numbers and names are the protocol's, the sentences
// are ours. And what the house's own refusals are called there.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/topic/types.h"
#include "log/commit_log.h"
#include "topics/topics.h"

namespace keelson::kafka {

enum class ErrorCode : int16_t {
#define KAFKA_ERROR(code, constant, name, retriable, text) k##constant = code,
#include "protocol/kafka/error_table.def"
#undef KAFKA_ERROR
};

struct ErrorRow {
  ErrorCode code;
  std::string_view name;  // UNKNOWN_TOPIC_OR_PARTITION
  bool is_retriable = false;
  std::string_view text;
};

[[nodiscard]] const ErrorRow& error_row(ErrorCode code);
[[nodiscard]] inline std::string_view error_name(ErrorCode code) { return error_row(code).name; }
[[nodiscard]] inline std::string_view error_text(ErrorCode code) { return error_row(code).text; }

[[nodiscard]] ErrorCode error_of(topic::TopicErrc code);
[[nodiscard]] ErrorCode error_of(log::LogErrc outcome);
// kNone if it went well.
[[nodiscard]] ErrorCode error_of(const topics::Asked& asked);
// Of a change of the directory, which one shard's leader decides for all nodes, as Kafka's controller does: clients ask
// for the controller again if it has moved.
[[nodiscard]] ErrorCode error_of_change(const topics::Asked& asked);
// Of a topic that was not found: `missing` if there is none, else why nobody could be asked.
[[nodiscard]] ErrorCode error_of(const topics::Topics::Found& found, ErrorCode missing);

// As it stands in messages.
[[nodiscard]] constexpr int16_t number(ErrorCode code) { return static_cast<int16_t>(code); }

}  // namespace keelson::kafka
